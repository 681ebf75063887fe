//! The log file: appended to, one write per line, and reopened when logrotate has moved it away. Which
//! file it is, or whether there is one, may change while the daemon runs.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tracing_subscriber::fmt::MakeWriter;

/// A handle; clones write to the same file, or to none.
#[derive(Clone, Debug, Default)]
pub struct LogFile(Arc<Mutex<Option<File>>>);

impl LogFile {
    /// Opens this path anew and goes on there, or without a file. A line is written to the old file or
    /// the new, whole; when the new one cannot be opened, the old one stays.
    pub fn switch_to(&self, path: Option<&Path>) -> io::Result<()> {
        let new = path.map(append_to).transpose()?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }
}

/// Readable for the group (log shippers), whatever the umask; for nobody else: addresses of
/// correspondents are in it. A file that is there keeps the mode that its admin gave it.
fn append_to(path: &Path) -> io::Result<File> {
    match OpenOptions::new().append(true).create_new(true).open(path) {
        Ok(made) => {
            made.set_permissions(Permissions::from_mode(0o640))?;
            Ok(made)
        }
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => OpenOptions::new().append(true).open(path),
        Err(why) => Err(why),
    }
}

/// What the formatter writes one finished line into.
pub struct Pen(Arc<Mutex<Option<File>>>);

impl Write for Pen {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // The whole line under one lock: lines of two threads, or of two files, never mix.
        if let Some(file) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            file.write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Pen;

    fn make_writer(&'a self) -> Pen {
        Pen(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> LogFile {
        let log = LogFile::default();
        log.switch_to(Some(path)).unwrap();
        log
    }

    #[test]
    fn after_a_rotation_lines_go_on_in_a_new_file() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("gatepost.log"), directory.path().join("gatepost.log.1"));
        let log = open(&path);
        log.make_writer().write_all(b"one\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        log.clone().make_writer().write_all(b"two, still in the moved file\n").unwrap();
        log.switch_to(Some(&path)).unwrap();
        log.make_writer().write_all(b"three\n").unwrap();
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one\ntwo, still in the moved file\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
        log.switch_to(None).unwrap();
        log.make_writer().write_all(b"nowhere\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
    }

    #[test]
    fn a_reopen_that_fails_keeps_the_old_file() {
        let directory = tempfile::tempdir().unwrap();
        let (inner, moved) = (directory.path().join("log"), directory.path().join("moved"));
        std::fs::create_dir(&inner).unwrap();
        let log = open(&inner.join("gatepost.log"));
        std::fs::rename(&inner, &moved).unwrap();
        assert_eq!(log.switch_to(Some(&inner.join("gatepost.log"))).unwrap_err().kind(), io::ErrorKind::NotFound);
        log.make_writer().write_all(b"not lost\n").unwrap();
        assert_eq!(std::fs::read_to_string(moved.join("gatepost.log")).unwrap(), "not lost\n");
    }
}
