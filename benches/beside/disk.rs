//! A freshly made ext4 image, mounted without `discard`, for the queues of both servers: that mount option
//! makes every removed file a command to the disk, and would slow a server that keeps a file per message.
//!
//! Nothing of it stays, however the bench ends: it is mounted in a mount namespace of the bench's own, its
//! file has no name any more, and its loop device is freed with the last mount.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const INSIDE: &str = "GATEPOST_BENCH_INSIDE";
const BYTES: u64 = 2 << 30;

pub struct Image {
    folder: tempfile::TempDir,
    /// Where its file lay, and whether the loop device reads and writes past the page cache.
    pub about: String,
}

/// Starts the bench again in a mount namespace of its own.
pub fn enter_namespace() {
    if std::env::var_os(INSIDE).is_some() {
        return;
    }
    let mut again = Command::new("unshare");
    again.args(["--mount", "--propagation", "private", "--"]).arg(std::env::current_exe().unwrap());
    let why = again.args(std::env::args_os().skip(1)).env(INSIDE, "1").exec();
    panic!("unshare (of Debian's util-linux, as root): {why}");
}

impl Image {
    /// In GATEPOST_BENCH_DIR, else under target/.
    pub fn make() -> Self {
        let place = std::env::var_os("GATEPOST_BENCH_DIR")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
        let folder = tempfile::Builder::new().prefix("gatepost-bench-").tempdir().unwrap();
        let image = place.join(format!("gatepost-bench-{}.img", std::process::id()));
        fill(&image);
        run("mkfs.ext4", &["-q", "-F", text(&image)]);
        let (device, how) = loop_device(&image);
        std::fs::remove_file(&image).unwrap();
        run("mount", &["-t", "ext4", &device, text(folder.path())]);
        // As long as it is mounted it stays; then it goes by itself.
        run("losetup", &["--detach", &device]);
        Self { folder, about: format!("ext4 image in {}, {how}", place.display()) }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What one small write with its flush takes here.
    pub fn flush(&self) -> Duration {
        const TIMES: u32 = 200;
        let path = self.path().join("flush");
        let mut file = File::create(&path).unwrap();
        let begun = Instant::now();
        for _ in 0..TIMES {
            file.write_all(&[0; 4096]).unwrap();
            file.sync_data().unwrap();
        }
        let took = begun.elapsed() / TIMES;
        std::fs::remove_file(path).unwrap();
        took
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // Who still has a file open there keeps it a moment longer.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

/// Written to the end: a hole would be filled, block by block, under the first flushes.
fn fill(image: &Path) {
    let mut file = File::create_new(image).unwrap_or_else(|why| panic!("{}: {why}", image.display()));
    let zeros = vec![0; 1 << 20];
    for _ in 0..BYTES >> 20 {
        file.write_all(&zeros).unwrap();
    }
    file.sync_all().unwrap();
}

fn loop_device(image: &Path) -> (String, &'static str) {
    let setup = |words: &[&str]| {
        let output = Command::new("losetup").args(words).args(["--find", "--show"]).arg(image).output().unwrap();
        let device = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.success() && !device.is_empty()).then_some(device)
    };
    match setup(&["--direct-io=on"]) {
        Some(device) => (device, "loop device with direct I/O"),
        None => (setup(&[]).expect("losetup, as root, and a free loop device"), "loop device"),
    }
}

fn run(program: &str, words: &[&str]) {
    let status = Command::new(program).args(words).status();
    assert!(status.as_ref().is_ok_and(|status| status.success()), "{program} {words:?}: {status:?}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
