//! The master key: from the configuration, or made at first start in data_dir.

use super::NotStarted;
use crate::base::limits;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::store::seal;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub const FILE_NAME: &str = "master.key";

/// Where the key came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    Configured,
    Found,
    /// Just now: if the store turns out to belong to another key, this one is of no use.
    Made,
}

/// The text of the key that this configuration names, if there is one yet.
pub fn read(configured: Option<&Secret>, data_dir: &Path) -> Result<Option<Secret>, NotStarted> {
    if let Some(key) = configured {
        return Ok(Some(key.clone()));
    }
    let path = path(data_dir);
    let mut text = String::new();
    match File::open(&path).and_then(|file| file.take(limits::SECRET_FILE_BYTES_MAX).read_to_string(&mut text)) {
        Ok(_) => Ok(Some(Secret::new(text))),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(NotStarted::new(format!("master key {}: {why}", path.display()))),
    }
}

/// The key, made and flushed to disk when there is none: nothing may be sealed by a key that a crash
/// could take away.
pub fn read_or_make(
    configured: Option<&Secret>,
    data_dir: &Path,
    random: &Random,
) -> Result<(Secret<Vec<u8>>, Provenance), NotStarted> {
    let (text, provenance) = match read(configured, data_dir)? {
        Some(text) => (text, if configured.is_some() { Provenance::Configured } else { Provenance::Found }),
        None => {
            let text = seal::new_master_key(random);
            write(&text, data_dir)?;
            (text, Provenance::Made)
        }
    };
    let key = seal::parse_master_key(text.expose()).map_err(|why| {
        let place = match provenance {
            Provenance::Configured => "server.master_key".to_owned(),
            _ => path(data_dir).display().to_string(),
        };
        NotStarted::misconfigured(format!("{place}: {why}"))
    })?;
    Ok((key, provenance))
}

/// Writes a key that must not be there yet.
pub fn write(text: &Secret, data_dir: &Path) -> Result<(), NotStarted> {
    let path = path(data_dir);
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).and_then(|mut file| {
        writeln!(file, "{}", text.expose())?;
        file.sync_all()?;
        File::open(data_dir)?.sync_all()
    });
    written.map_err(|why| NotStarted::new(format!("master key {}: {why}", path.display())))
}

/// Takes back a key that was made for nothing.
pub fn unmake(data_dir: &Path) {
    let _ = std::fs::remove_file(path(data_dir));
}

pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (made, provenance) = read_or_make(None, directory.path(), &Random::System).unwrap();
        assert_eq!(provenance, Provenance::Made);
        let (found, provenance) = read_or_make(None, directory.path(), &Random::System).unwrap();
        assert_eq!((found.expose(), provenance), (made.expose(), Provenance::Found));
        let mode = path(directory.path()).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(write(&Secret::new("other".into()), directory.path()).is_err(), "a key is never written over");
    }

    #[test]
    fn a_damaged_key_is_named_and_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(path(directory.path()), "hunter2").unwrap();
        let why = read_or_make(None, directory.path(), &Random::System).unwrap_err().to_string();
        assert!(why.contains("master.key") && !why.contains("hunter2"), "{why}");
    }
}
