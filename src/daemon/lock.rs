//! One daemon for one directory: a lock that the kernel lets go when the process ends, however it ends.
//! The file holds the process id, for people.

use super::NotStarted;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub const FILE_NAME: &str = "gatepost.lock";

/// Held as long as this lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    pub fn take(path: &Path) -> Result<Self, NotStarted> {
        let failed = |why: std::io::Error| NotStarted::new(format!("lock file {}: {why}", path.display()));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = Read::by_ref(&mut file).take(32).read_to_string(&mut holder);
                return Err(NotStarted::new(format!(
                    "{} is held by another gatepost (process {}): two daemons cannot share one store; stop that one \
                     first, or give this one another data_dir",
                    path.display(),
                    holder.trim()
                )));
            }
            Err(TryLockError::Error(why)) => return Err(failed(why)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(failed)?;
        Ok(Self { _file: file })
    }

    /// The lock of a store: two directories may name one file, each in its own way, so it stands beside
    /// the file itself, behind all links. A store that is not there yet has only its directory.
    pub fn beside(store: &Path) -> PathBuf {
        let in_directory = || Some(store.parent()?.canonicalize().ok()?.join(store.file_name()?));
        let real = store.canonicalize().ok().or_else(in_directory).unwrap_or_else(|| store.to_owned());
        let mut name = real.into_os_string();
        name.push(".lock");
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_refused_and_told_who_is_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        let first = Lock::take(&path).unwrap();
        let refused = Lock::take(&path).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        Lock::take(&path).unwrap();
    }

    #[test]
    fn one_store_has_one_lock_however_it_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let real = directory.path().canonicalize().unwrap().join("data");
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, directory.path().join("link")).unwrap();
        std::os::unix::fs::symlink(real.join("mail.db"), directory.path().join("mail.link")).unwrap();
        let ways = ["data/mail.db", "data/../link/mail.db", "link/mail.db"].map(|way| directory.path().join(way));
        let locks = || ways.iter().map(|way| Lock::beside(way)).collect::<Vec<_>>();
        assert_eq!(locks(), vec![real.join("mail.db.lock"); 3]);
        std::fs::write(real.join("mail.db"), "").unwrap();
        assert_eq!(locks(), vec![real.join("mail.db.lock"); 3]);
        assert_eq!(Lock::beside(&directory.path().join("mail.link")), real.join("mail.db.lock"));
    }
}
