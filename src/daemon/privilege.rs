//! Giving up root, once, after the ports are bound and before the runtime starts its threads; and the
//! question whether the user we become can read a file.

use super::NotStarted;
use nix::unistd::{Gid, Group, Uid, User, chown, getgrouplist, initgroups, setgid, setuid};
use std::ffi::CString;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whom to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub name: String,
    uid: Uid,
    gid: Gid,
}

impl Identity {
    /// Looks a user up, with another group when one is named.
    pub fn find(user: &str, group: Option<&str>) -> Result<Self, NotStarted> {
        let found = User::from_name(user).map_err(|why| NotStarted::new(format!("server.user {user:?}: {why}")))?;
        let found = found.ok_or_else(|| {
            NotStarted::misconfigured(format!(
                "server.user = {user:?}: there is no such user; make it, or run as the one you are"
            ))
        })?;
        let gid = match group {
            None => found.gid,
            Some(name) => match Group::from_name(name) {
                Ok(Some(group)) => group.gid,
                Ok(None) => {
                    return Err(NotStarted::misconfigured(format!("server.group = {name:?}: there is no such group")));
                }
                Err(why) => return Err(NotStarted::new(format!("server.group {name:?}: {why}"))),
            },
        };
        Ok(Self { name: user.to_owned(), uid: found.uid, gid })
    }

    fn is_us(&self) -> bool {
        Uid::effective() == self.uid && Gid::effective() == self.gid
    }

    /// Said before anything is made that would have to be given away.
    pub fn demand_that_we_may(&self) -> Result<(), NotStarted> {
        if self.is_us() || Uid::effective().is_root() {
            return Ok(());
        }
        Err(NotStarted::new(format!(
            "cannot become {}: only root can become another user; start as root, or leave out server.user",
            self.name
        )))
    }

    /// Becomes this user for good. Groups first, then the group, then the user: the other way round the
    /// right to change the groups would be gone, and root's would stay.
    pub fn become_it(&self) -> Result<(), NotStarted> {
        if self.is_us() {
            return Ok(());
        }
        let failed = |why: nix::Error| NotStarted::new(format!("cannot become {}: {why}", self.name));
        initgroups(&self.c_name(), self.gid).map_err(failed)?;
        setgid(self.gid).map_err(failed)?;
        setuid(self.uid).map_err(failed)?;
        if setuid(Uid::from_raw(0)).is_ok() && !self.uid.is_root() {
            return Err(NotStarted::new("root was given up and could be taken back: not going on"));
        }
        Ok(())
    }

    /// Gives a directory that root just made to its user.
    pub fn own(&self, path: &Path) -> Result<(), NotStarted> {
        chown(path, Some(self.uid), Some(self.gid))
            .map_err(|why| NotStarted::new(format!("cannot give {} to {}: {why}", path.display(), self.name)))
    }

    /// May this user read the file, by the modes of it and of the directories above it?
    pub fn can_read(&self, path: &Path) -> bool {
        let Ok(path) = path.canonicalize() else { return false };
        self.may(&path, 0o4) && path.ancestors().skip(1).all(|directory| self.may(directory, 0o1))
    }

    fn may(&self, path: &Path, bit: u32) -> bool {
        let Ok(metadata) = path.metadata() else { return false };
        let mode = metadata.mode();
        if self.uid.is_root() {
            true
        } else if metadata.uid() == self.uid.as_raw() {
            mode & (bit << 6) != 0
        } else if self.groups().contains(&Gid::from_raw(metadata.gid())) {
            mode & (bit << 3) != 0
        } else {
            mode & bit != 0
        }
    }

    fn groups(&self) -> Vec<Gid> {
        getgrouplist(&self.c_name(), self.gid).unwrap_or_else(|_| vec![self.gid])
    }

    fn c_name(&self) -> CString {
        // A name that the system knows holds no NUL; one that does is nobody's.
        CString::new(self.name.as_str()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn who_does_not_exist_is_named() {
        let why = Identity::find("gatepost-nobody-such", None).unwrap_err().to_string();
        assert!(why.contains("gatepost-nobody-such") && why.contains("no such user"), "{why}");
        assert!(Identity::find("root", Some("gatepost-no-group")).is_err());
    }

    #[test]
    fn reading_is_judged_by_the_modes_of_the_whole_path() {
        let nobody = Identity::find("nobody", None).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key.pem");
        fs::write(&file, "x").unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        for (mode, readable) in [(0o600, false), (0o640, false), (0o644, true)] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            assert_eq!(nobody.can_read(&file), readable, "{mode:o}");
        }
        fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
        assert!(!nobody.can_read(&file), "the directory is closed");
        assert!(!nobody.can_read(&directory.path().join("absent")));
    }
}
