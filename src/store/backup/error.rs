//! Why a backup or a restore did not come about, and what to do next. Names files and places, never a
//! key and never a password.

use crate::store::dialect::Location;
use crate::store::error::StoreError;
use std::fmt;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupError {
    /// There is a file of this name already.
    Exists { path: PathBuf },
    /// A file could not be made, written or read.
    File { path: PathBuf, why: String },
    /// A store, or the file that becomes one, did not do what was asked.
    Store { place: String, error: StoreError },
    /// What should be copied is no store of Gatepost.
    NotAStore { place: String },
    /// The file is something else.
    NotABackup { path: PathBuf },
    /// It was a backup once.
    Damaged { path: PathBuf, why: String },
    /// It was made by a newer Gatepost.
    TooNew { place: String, version: i64, known: i64 },
    /// The store that should be restored to holds something.
    NotEmpty { place: String, what: String },
    /// Neither the backup nor the configuration brings the master key.
    NoKey,
    /// The key does not open what was sealed.
    WrongKey { whose: Whose },
    /// The backup brings a key, and the configuration has another.
    OtherKey,
}

/// Where a master key came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Configured,
    Backup,
}

impl BackupError {
    pub(super) fn file(path: &Path, why: impl fmt::Display) -> Self {
        Self::File { path: path.to_owned(), why: why.to_string() }
    }

    pub(super) fn damaged(path: &Path, why: impl fmt::Display) -> Self {
        Self::Damaged { path: path.to_owned(), why: why.to_string() }
    }

    /// For `map_err`: says which of the two stores it was.
    pub(super) fn at(place: &Location) -> impl Fn(StoreError) -> Self {
        move |error| Self::Store { place: place.to_string(), error }
    }
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists { path } => write!(
                f,
                "{} is there already, and a backup is never written over another: choose a new name, or move it away",
                path.display()
            ),
            Self::File { path, why } => write!(f, "{}: {why}; nothing is left under this name", path.display()),
            Self::Store { place, error } => write!(f, "{place}: {error}"),
            Self::NotAStore { place } => {
                write!(f, "{place} is no store of Gatepost: check store.url and server.data_dir in the configuration")
            }
            Self::NotABackup { path } => write!(
                f,
                "{} is no backup made by `gatepost backup`; the file of a stopped daemon's store is used as it is, by \
                 putting it where store.url points",
                path.display()
            ),
            Self::Damaged { path, why } => {
                write!(f, "the backup {} is damaged: {why}; nothing was restored: use another one", path.display())
            }
            Self::TooNew { place, version, known } => write!(
                f,
                "{place} was made by a newer Gatepost (schema {version}, this one knows {known}): use that version"
            ),
            Self::NotEmpty { place, what } => write!(
                f,
                "{place} is not empty ({what}), and a restore never writes over a store: move it away, or restore to \
                 a new file or a new, empty database"
            ),
            Self::NoKey => f.write_str(
                "the backup was made without the master key, and there is none here: put the master.key that was kept \
                 beside it into server.data_dir, or name it as server.master_key",
            ),
            Self::WrongKey { whose: Whose::Configured } => f.write_str(
                "the configured master key does not open this store's secrets: give the one it was made with \
                 (server.master_key, or master.key in server.data_dir)",
            ),
            Self::WrongKey { whose: Whose::Backup } => f.write_str(
                "the master key in the backup does not open its secrets: use another backup, or one without a key and \
                 the key beside it",
            ),
            Self::OtherKey => f.write_str(
                "the backup brings a master key, and the configured one is another: move master.key out of \
                 server.data_dir (or take server.master_key out of the configuration), and restore again",
            ),
        }
    }
}

impl std::error::Error for BackupError {}
