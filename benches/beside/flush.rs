//! Flushes that take longer than this disk's, for a server and all its processes: real disks take up to some
//! milliseconds where a virtual one answers in microseconds.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The shim of `flush.c`, compiled.
pub struct Slow {
    folder: tempfile::TempDir,
    delay: Duration,
}

impl Slow {
    pub fn by(delay: Duration) -> Self {
        let folder = tempfile::Builder::new().prefix("gatepost-flush-").tempdir().unwrap();
        // Postfix gives up root before some of its processes count.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/beside/flush.c");
        let mut cc = Command::new("cc");
        cc.args(["-O1", "-shared", "-fPIC", "-o"]).arg(folder.path().join("flush.so")).arg(source).arg("-ldl");
        let made = cc.output().expect("a C compiler: Debian's package gcc");
        assert!(made.status.success(), "cc: {}", String::from_utf8_lossy(&made.stderr));
        let slow = Self { folder, delay };
        std::fs::write(slow.counter(), [0; 8]).unwrap();
        std::fs::set_permissions(slow.counter(), std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        slow
    }

    fn counter(&self) -> PathBuf {
        self.folder.path().join("flushes")
    }

    /// For every process that shall feel it.
    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        vec![
            ("LD_PRELOAD", self.folder.path().join("flush.so")),
            ("GATEPOST_BENCH_FLUSH_US", self.delay.as_micros().to_string().into()),
            ("GATEPOST_BENCH_FLUSHES", self.counter()),
        ]
    }

    /// How many there were since it was asked last.
    pub fn flushes(&self) -> i64 {
        let count = std::fs::read(self.counter()).unwrap();
        std::fs::write(self.counter(), [0; 8]).unwrap();
        i64::from_ne_bytes(count.try_into().unwrap())
    }
}
