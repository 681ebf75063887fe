//! The control socket: the same router on a path of this machine, where the kernel says who asks.
//!
//! Mode 0600: who may not act may not even connect, and root passes anyway. The peer's user is
//! checked besides, because modes are easily widened. It must be opened after privileges were
//! dropped, so that it belongs to the user the daemon runs as.

use super::router::{Context, Place, router};
use super::server::Site;
use crate::base::limits;
use crate::net::listen::{self, Bounds, Drained, Listening, Name};
use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Its name in `data_dir`.
pub const FILE_NAME: &str = "control.sock";

#[derive(Debug)]
pub enum NotOpened {
    /// Somebody answers there: another daemon lives on this directory.
    InUse(PathBuf),
    /// Something is there that is no socket, and not ours to remove.
    NotASocket(PathBuf),
    Io(PathBuf, io::Error),
}

impl std::fmt::Display for NotOpened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InUse(path) => write!(f, "another daemon answers at {}", path.display()),
            Self::NotASocket(path) => write!(f, "{} is in the way: it is no socket", path.display()),
            Self::Io(path, why) => write!(f, "control socket {}: {why}", path.display()),
        }
    }
}

impl std::error::Error for NotOpened {}

pub struct OpenControl {
    listening: Listening,
    file: SocketFile,
}

/// Starts serving at this path, for root and `owner` (the daemon's effective user). Must be called
/// inside the runtime.
pub fn open(path: &Path, owner: u32, context: &Context) -> Result<OpenControl, NotOpened> {
    make_way(path)?;
    let (socket, file) = bind(path).map_err(|why| NotOpened::Io(path.to_owned(), why))?;
    let name = Name { door: "control", address: path.display().to_string() };
    let bounds = Bounds::in_all(limits::CONTROL_CONNECTIONS_MAX);
    let site = Arc::new(Site::new(router(context, &Place::Control), owner));
    let sources = (context.clock.clone(), context.random.clone());
    let listening = listen::open(socket, name, bounds, site, sources);
    Ok(OpenControl { listening, file })
}

impl OpenControl {
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    pub fn connections(&self) -> usize {
        self.listening.connections()
    }

    pub async fn drain(self, at_most: Duration) -> Drained {
        // First the name: a command that comes now learns that nobody is there.
        drop(self.file);
        self.listening.drain(at_most).await
    }
}

/// Makes sure that whatever is at the path may be replaced: nothing, or a socket nobody listens on.
fn make_way(path: &Path) -> Result<(), NotOpened> {
    let in_the_way = match fs::symlink_metadata(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(why) => return Err(NotOpened::Io(path.to_owned(), why)),
        Ok(metadata) => metadata,
    };
    if !in_the_way.file_type().is_socket() {
        return Err(NotOpened::NotASocket(path.to_owned()));
    }
    match is_answered(path) {
        Ok(true) => Err(NotOpened::InUse(path.to_owned())),
        Ok(false) => Ok(()),
        Err(why) => Err(NotOpened::Io(path.to_owned(), why)),
    }
}

/// Without waiting: a full backlog (EAGAIN) is an answer too.
fn is_answered(path: &Path) -> io::Result<bool> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let probe = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    match socket::connect(probe.as_raw_fd(), &UnixAddr::new(path)?) {
        Ok(()) | Err(Errno::EAGAIN) => Ok(true),
        Err(Errno::ECONNREFUSED | Errno::ENOENT) => Ok(false),
        Err(why) => Err(why.into()),
    }
}

/// Bound beside and renamed: at the path there is the old socket, or the new one with its mode.
fn bind(path: &Path) -> io::Result<(tokio::net::UnixListener, SocketFile)> {
    // No longer than the real name: a path of a socket has 107 bytes.
    let beside = path.with_file_name(".control.new");
    match fs::remove_file(&beside) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    let listener = UnixListener::bind(&beside)?;
    fs::set_permissions(&beside, Permissions::from_mode(0o600))?;
    let made = fs::symlink_metadata(&beside)?;
    fs::rename(&beside, path)?;
    listener.set_nonblocking(true)?;
    let file = SocketFile { path: path.to_owned(), identity: (made.dev(), made.ino()) };
    Ok((tokio::net::UnixListener::from_std(listener)?, file))
}

/// The socket's name on disk; removed at the end, unless a successor has put its own there.
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|now| (now.dev(), now.ino()) == self.identity);
        if is_ours {
            // A name that stays is found to be stale by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}
