//! A file that is being written: under a hidden name beside its final one, for our eyes only, and gone
//! when it is dropped. It gets its name when every byte of it is on disk, and never takes another's.
//!
//! A finished backup carries a sum of its bytes: eight bytes of their SHA-256, in the two fields of
//! SQLite's header that belong to the application (user version and application id). SQLite's own check
//! sees a torn tree but not a flipped bit in a mail; the sum sees both.

use super::error::BackupError;
use crate::base::id::{self, GroupId};
use crate::base::limits;
use crate::base::random::Random;
use crate::store::dialect::Location;
use aws_lc_rs::digest::{Context, SHA256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub(super) struct Part {
    path: PathBuf,
    to: PathBuf,
}

/// What SQLite may put beside a file.
const COMPANIONS: [&str; 3] = ["-journal", "-wal", "-shm"];

impl Part {
    /// An empty file, readable by its owner only.
    pub fn create(to: &Path, random: &Random) -> Result<Self, BackupError> {
        let name = to.file_name().ok_or_else(|| BackupError::file(to, "this names a directory, not a file"))?;
        if to.symlink_metadata().is_ok() {
            return Err(BackupError::Exists { path: to.to_owned() });
        }
        // In full, because SQLite reads some names, like file:x, as more than a name.
        let directory = directory_of(to).canonicalize().map_err(|why| BackupError::file(to, why))?;
        let chance: GroupId = id::new(Default::default(), random);
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.part", &chance.as_str()[chance.as_str().len() - 8..]));
        let path = directory.join(hidden);
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        made.map_err(|why| BackupError::file(to, why))?;
        Ok(Self { path, to: directory.join(name) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn location(&self) -> Location {
        Location::File(self.path.clone())
    }

    /// Flushes the file, gives it its name, and flushes the directory that now holds the name.
    pub async fn finish(self) -> Result<PathBuf, BackupError> {
        let to = self.to.clone();
        blocking(&to, move || self.name_it()).await
    }

    fn name_it(self) -> Result<PathBuf, BackupError> {
        let wrong = |why: io::Error| BackupError::file(&self.to, why);
        File::open(&self.path).and_then(|file| file.sync_all()).map_err(wrong)?;
        // A link fails when the name is taken, where a rename would replace it.
        match std::fs::hard_link(&self.path, &self.to) {
            Ok(()) => {}
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {
                return Err(BackupError::Exists { path: self.to.clone() });
            }
            // Some file systems have no links.
            Err(_) if self.to.symlink_metadata().is_ok() => return Err(BackupError::Exists { path: self.to.clone() }),
            Err(_) => std::fs::rename(&self.path, &self.to).map_err(wrong)?,
        }
        File::open(directory_of(&self.to)).and_then(|directory| directory.sync_all()).map_err(wrong)?;
        Ok(self.to.clone())
    }
}

/// What has no name yet was not wanted; what has one loses the hidden one.
impl Drop for Part {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        for companion in COMPANIONS {
            let _ = std::fs::remove_file(beside(&self.path, companion));
        }
    }
}

pub(super) fn beside(path: &Path, companion: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(companion);
    name.into()
}

/// The file, or what SQLite would read together with it, that stands where a new store should be made.
pub(super) fn found_at(path: &Path) -> Option<PathBuf> {
    let all = COMPANIONS.iter().map(|companion| beside(path, companion));
    std::iter::once(path.to_owned()).chain(all).find(|path| path.symlink_metadata().is_ok())
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    }
}

/// Copies a whole file into a part.
pub(super) async fn copy_bytes(from: &Path, part: &Part) -> Result<(), BackupError> {
    let (source, target, to) = (from.to_owned(), part.path.clone(), part.to.clone());
    blocking(from, move || {
        let mut source_file = open_regular(&source).map_err(|why| BackupError::file(&source, why))?;
        let mut target_file = OpenOptions::new().write(true).open(target).map_err(|why| BackupError::file(&to, why))?;
        io::copy(&mut source_file, &mut target_file).map_err(|why| BackupError::file(&to, why))?;
        target_file.flush().map_err(|why| BackupError::file(&to, why))
    })
    .await
}

/// Not from a pipe or a device, which may never end.
fn open_regular(path: &Path) -> io::Result<File> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("this is not a regular file"));
    }
    File::open(path)
}

const MAGIC: &[u8] = b"SQLite format 3\0";
const HEADER_BYTES: usize = 100;
/// Where SQLite keeps its user version and its application id: the application's own fields.
const SUM_AT: [std::ops::Range<usize>; 2] = [60..64, 68..72];
type Sum = [u8; 8];

/// Writes the sum of all bytes into the file. Nobody has it open any more.
pub(super) async fn write_sum(part: &Part) -> Result<(), BackupError> {
    let (path, to) = (part.path.clone(), part.to.clone());
    blocking(&to.clone(), move || {
        let (_, sum) = sums(&path).map_err(|why| BackupError::file(&to, why))?;
        put_sum(&path, sum).map_err(|why| BackupError::file(&to, why))
    })
    .await
}

/// Takes the sum out again: a store has none.
pub(super) async fn take_sum(part: &Part) -> Result<(), BackupError> {
    let (path, to) = (part.path.clone(), part.to.clone());
    blocking(&to.clone(), move || put_sum(&path, Sum::default()).map_err(|why| BackupError::file(&to, why))).await
}

/// Refuses a file whose bytes are not those of a finished backup. `name` is what an admin calls it.
pub(super) async fn check_sum(path: &Path, name: &Path) -> Result<(), BackupError> {
    let (path, name) = (path.to_owned(), name.to_owned());
    blocking(&name.clone(), move || match sums(&path) {
        Ok((kept, found)) if kept == found => Ok(()),
        Ok((kept, _)) if kept == Sum::default() => Err(BackupError::NotABackup { path: name }),
        Ok(_) => Err(BackupError::damaged(&name, "its bytes are not those that were written")),
        Err(why) if why.kind() == io::ErrorKind::InvalidData => Err(BackupError::NotABackup { path: name }),
        Err(why) => Err(BackupError::file(&name, why)),
    })
    .await
}

/// The sum that the file carries, and the one that its bytes have.
fn sums(path: &Path) -> io::Result<(Sum, Sum)> {
    let mut file = open_regular(path)?;
    let mut buffer = vec![0; limits::BODY_CHUNK_BYTES];
    let header = &mut buffer[..HEADER_BYTES];
    let no_database = |_| io::Error::from(io::ErrorKind::InvalidData);
    file.read_exact(header).map_err(no_database)?;
    if !header.starts_with(MAGIC) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut kept = Sum::default();
    for (half, at) in SUM_AT.into_iter().enumerate() {
        kept[half * 4..half * 4 + 4].copy_from_slice(&header[at.clone()]);
        header[at].fill(0);
    }
    let mut digest = Context::new(&SHA256);
    digest.update(header);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => digest.update(&buffer[..n]),
        }
    }
    let digest = digest.finish();
    let mut found = Sum::default();
    found.copy_from_slice(&digest.as_ref()[..8]);
    Ok((kept, found))
}

fn put_sum(path: &Path, sum: Sum) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    for (half, at) in SUM_AT.into_iter().enumerate() {
        file.write_all_at(&sum[half * 4..half * 4 + 4], at.start as u64)?;
    }
    Ok(())
}

/// Reading a large file keeps a thread busy: not one of those that serve mail.
async fn blocking<T: Send + 'static>(
    name: &Path,
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(why) => Err(BackupError::file(name, why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part_in(directory: &Path) -> Part {
        Part::create(&directory.join("b.db"), &Random::System).unwrap()
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_part_is_private_and_leaves_nothing() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let part = part_in(directory.path());
        assert_eq!(std::fs::metadata(part.path()).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(beside(part.path(), "-journal"), "x").unwrap();
        drop(part);
        assert_eq!(names(directory.path()), [""; 0]);
    }

    #[tokio::test]
    async fn a_name_is_never_taken_from_another() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (part_in(directory.path()), part_in(directory.path()));
        std::fs::write(one.path(), "one").unwrap();
        let to = one.finish().await.unwrap();
        assert_eq!(two.finish().await, Err(BackupError::Exists { path: to.clone() }));
        assert!(matches!(Part::create(&to, &Random::System), Err(BackupError::Exists { .. })));
        assert_eq!((names(directory.path()), std::fs::read(&to).unwrap()), (vec!["b.db".into()], b"one".to_vec()));
    }

    #[tokio::test]
    async fn every_changed_byte_changes_the_sum() {
        let directory = tempfile::tempdir().unwrap();
        let part = part_in(directory.path());
        let mut bytes = [MAGIC, &[0; 600]].concat();
        std::fs::write(part.path(), &bytes).unwrap();
        let name = Path::new("b.db");
        assert_eq!(check_sum(part.path(), name).await, Err(BackupError::NotABackup { path: name.to_owned() }));
        write_sum(&part).await.unwrap();
        check_sum(part.path(), name).await.unwrap();
        bytes = std::fs::read(part.path()).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            std::fs::write(part.path(), &bytes).unwrap();
            assert!(check_sum(part.path(), name).await.is_err(), "byte {at}");
            bytes[at] ^= 1;
        }
        for cut in [0, 10, HEADER_BYTES, bytes.len() - 1] {
            std::fs::write(part.path(), &bytes[..cut]).unwrap();
            assert!(check_sum(part.path(), name).await.is_err(), "cut at {cut}");
        }
    }
}
