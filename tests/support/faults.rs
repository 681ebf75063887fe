//! A disk that fails when a test says so, for one child process: the shim of `faults.c`, and its control
//! file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const FLUSH: i64 = 1;
pub const WRITE: i64 = 2;
pub const CUT: i64 = 4;

/// Errno, as Linux numbers it everywhere.
pub const EIO: i64 = 5;
pub const ENOSPC: i64 = 28;

pub struct Faults {
    folder: tempfile::TempDir,
    control: File,
}

/// Which calls fail, on the files whose path ends so, and how.
pub struct Fault {
    pub calls: i64,
    pub suffix: &'static str,
    pub error: i64,
    pub delay_us: i64,
    /// How many pass first, and how many fail then.
    pub pass: i64,
    pub fail: i64,
}

impl Faults {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("gatepost-faults-").tempdir().expect("a temporary folder");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/faults.c");
        let made = Command::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .arg(folder.path().join("faults.so"))
            .arg(source)
            .arg("-ldl")
            .output()
            .expect("the tests need a C compiler: install the Debian package gcc");
        assert!(made.status.success(), "cc: {}", String::from_utf8_lossy(&made.stderr));
        let path = folder.path().join("control");
        std::fs::write(&path, [0; 128]).expect("a control file");
        let control = File::options().read(true).write(true).open(path).expect("a control file");
        Self { folder, control }
    }

    /// Where a store may live that these faults can meet.
    pub fn database(&self) -> PathBuf {
        self.folder.path().join("gatepost.db")
    }

    pub fn preload(&self, command: &mut Command) {
        command.env("LD_PRELOAD", self.folder.path().join("faults.so"));
        command.env("GATEPOST_TEST_FAULTS", self.folder.path().join("control"));
    }

    pub fn arm(&self, fault: &Fault) {
        self.disarm();
        let mut suffix = [0; 64];
        suffix[..fault.suffix.len()].copy_from_slice(fault.suffix.as_bytes());
        self.control.write_all_at(&suffix, 64).expect("the control file");
        for (place, number) in
            [(1, fault.error), (2, fault.pass), (3, fault.fail), (4, fault.delay_us), (5, 0), (6, 0), (0, fault.calls)]
        {
            self.put(place, number);
        }
    }

    pub fn disarm(&self) {
        self.put(0, 0);
    }

    /// Calls of the kind that was armed, so far.
    pub fn met(&self) -> i64 {
        self.get(5)
    }

    /// And how many of them failed or were delayed.
    pub fn failed(&self) -> i64 {
        self.get(6)
    }

    fn put(&self, place: u64, number: i64) {
        self.control.write_all_at(&number.to_ne_bytes(), place * 8).expect("the control file");
    }

    fn get(&self, place: u64) -> i64 {
        let mut number = [0; 8];
        self.control.read_exact_at(&mut number, place * 8).expect("the control file");
        i64::from_ne_bytes(number)
    }
}
