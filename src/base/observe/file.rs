//! The log file: appended to, one write per line, and reopened when logrotate has moved it away.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tracing_subscriber::fmt::MakeWriter;

/// A handle; clones write to the same file.
#[derive(Clone, Debug)]
pub struct LogFile {
    path: PathBuf,
    file: Arc<Mutex<File>>,
}

impl LogFile {
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: Arc::new(Mutex::new(append_to(path)?)) })
    }

    /// Opens the path anew and goes on there. A line is written to the old file or the new, whole;
    /// when the new one cannot be opened, the old one stays.
    pub fn reopen(&self) -> io::Result<()> {
        let new = append_to(&self.path)?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }
}

/// Readable for the group (log shippers), for nobody else: addresses of correspondents are in it.
fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

/// What the formatter writes one finished line into.
pub struct Pen(Arc<Mutex<File>>);

impl Write for Pen {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // The whole line under one lock: lines of two threads, or of two files, never mix.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Pen;

    fn make_writer(&'a self) -> Pen {
        Pen(self.file.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_rotation_lines_go_on_in_a_new_file() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("gatepost.log"), directory.path().join("gatepost.log.1"));
        let log = LogFile::open(&path).unwrap();
        log.make_writer().write_all(b"one\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        log.clone().make_writer().write_all(b"two, still in the moved file\n").unwrap();
        log.reopen().unwrap();
        log.make_writer().write_all(b"three\n").unwrap();
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one\ntwo, still in the moved file\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
    }

    #[test]
    fn a_reopen_that_fails_keeps_the_old_file() {
        let directory = tempfile::tempdir().unwrap();
        let (inner, moved) = (directory.path().join("log"), directory.path().join("moved"));
        std::fs::create_dir(&inner).unwrap();
        let log = LogFile::open(&inner.join("gatepost.log")).unwrap();
        std::fs::rename(&inner, &moved).unwrap();
        assert_eq!(log.reopen().unwrap_err().kind(), io::ErrorKind::NotFound);
        log.make_writer().write_all(b"not lost\n").unwrap();
        assert_eq!(std::fs::read_to_string(moved.join("gatepost.log")).unwrap(), "not lost\n");
    }
}
