//! The life of a socket file: claimed, bound, restricted, removed.
//!
//! Two starters must not take one path from each other. Looking whether a socket is in use, removing it and binding
//! anew are three steps, so they happen under an advisory lock on `PATH.lock`, held as long as the listener lives. A
//! server that knows nothing of that lock is recognised by connecting to it.
//!
//! A file is told by device and inode: a path that meanwhile leads elsewhere is not ours to remove. A bound socket and
//! an open lock file keep their inodes, so the numbers cannot pass to another file while they are compared.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use super::UnixOptions;
use crate::{Endpoint, Error};

/// Taking the lock is tried again when a leaving server removed the lock file between our opening and locking it.
/// That many times in a row it does not happen by chance.
const LOCK_ATTEMPTS: usize = 16;

/// The right to bind a path: nothing lies there, and no other server of this kind will bind it.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    lock: LockFile,
}

/// A bound socket's file. Dropping it removes the file, if it is still its own, and then the lock. Must be dropped
/// before the socket is.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: Identity,
    _lock: LockFile,
}

impl Claim {
    /// Takes the lock and clears the path of a socket that nobody listens on.
    pub(super) fn take(path: &Path) -> Result<Self, Error> {
        let lock = LockFile::take(path)?;
        if let Some(stale) = find_stale(path)? {
            // Looked at again: a server without our lock may have come in between.
            if Identity::at(path).is_ok_and(|now| now == stale) {
                remove(path).map_err(file_error(path, "remove the stale socket", path))?;
                tracing::info!(path = %path.display(), "stale socket file replaced");
            }
        }
        Ok(Self { path: path.to_owned(), lock })
    }

    /// To be called when the socket is bound to the path.
    pub(super) fn bound(self) -> Result<SocketFile, Error> {
        let identity = Identity::at(&self.path).map_err(file_error(&self.path, "inspect", &self.path))?;
        Ok(SocketFile { path: self.path, identity, _lock: self.lock })
    }
}

impl SocketFile {
    /// Sets the mode, then owner and group: a file that was given away may no longer be ours to change.
    pub(super) fn admit(&self, options: &UnixOptions) -> Result<(), Error> {
        let permissions = Permissions::from_mode(options.mode);
        fs::set_permissions(&self.path, permissions).map_err(file_error(&self.path, "set the mode of", &self.path))?;
        if options.uid.is_some() || options.gid.is_some() {
            let changed = std::os::unix::fs::lchown(&self.path, options.uid, options.gid);
            changed.map_err(file_error(&self.path, "set the owner of", &self.path))?;
        }
        Ok(())
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        remove_if_own(&self.path, self.identity);
    }
}

/// Which file a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// Of what lies at `path`, without following a link.
    fn at(path: &Path) -> io::Result<Self> {
        fs::symlink_metadata(path).map(|metadata| Self::of(&metadata))
    }
}

/// An exclusively locked file beside the socket. The lock goes with the process, however it ends; a file that was left
/// behind is no obstacle.
#[derive(Debug)]
struct LockFile {
    path: PathBuf,
    identity: Identity,
    _file: File,
}

impl LockFile {
    fn take(socket: &Path) -> Result<Self, Error> {
        let path = lock_path(socket);
        for _ in 0..LOCK_ATTEMPTS {
            let file = open_lock(socket, &path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(Error::Locked { endpoint: endpoint(socket), lock: path }),
                Err(TryLockError::Error(cause)) => return Err(file_error(socket, "lock", &path)(cause)),
            }
            let metadata = file.metadata().map_err(file_error(socket, "inspect", &path))?;
            let identity = Identity::of(&metadata);
            if Identity::at(&path).is_ok_and(|now| now == identity) {
                return Ok(Self { path, identity, _file: file });
            }
        }
        // Also where a symbolic link ends: its own identity is never that of the file it leads to.
        Err(file_error(socket, "lock", &path)(io::Error::other("the path does not keep leading to the file opened")))
    }
}

impl Drop for LockFile {
    /// Removes the file while it is still locked, so that whoever opened it meanwhile finds it gone and tries anew.
    fn drop(&mut self) {
        remove_if_own(&self.path, self.identity);
    }
}

fn lock_path(socket: &Path) -> PathBuf {
    let mut path = OsString::from(socket);
    path.push(".lock");
    path.into()
}

fn open_lock(socket: &Path, path: &Path) -> Result<File, Error> {
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    opened.map_err(|cause| match path.parent() {
        Some(directory) if cause.kind() == io::ErrorKind::NotFound => {
            Error::NoDirectory { endpoint: endpoint(socket), directory: directory.to_owned() }
        }
        _ => file_error(socket, "open", path)(cause),
    })
}

/// The socket at `path` that nobody listens on, `None` if nothing is there, or why the path cannot be had.
fn find_stale(path: &Path) -> Result<Option<Identity>, Error> {
    let endpoint = endpoint(path);
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(Error::Doubtful { endpoint, cause }),
    };
    if !metadata.file_type().is_socket() {
        return Err(Error::NotASocket { endpoint, found: kind(&metadata) });
    }
    match probe(path) {
        // A full backlog is a server too.
        Ok(()) => Err(Error::Live { endpoint }),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(Error::Live { endpoint }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Some(Identity::of(&metadata))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::Doubtful { endpoint, cause }),
    }
}

/// Connects without waiting: on a Unix socket the outcome is known at once.
fn probe(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

fn kind(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_dir() {
        "a directory"
    } else if kind.is_file() {
        "a regular file"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else {
        "a special file"
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn remove_if_own(path: &Path, identity: Identity) {
    if !Identity::at(path).is_ok_and(|now| now == identity) {
        return;
    }
    if let Err(error) = remove(path) {
        tracing::warn!(path = %path.display(), %error, "file of a closed unix socket not removed");
    }
}

fn endpoint(socket: &Path) -> Endpoint {
    Endpoint::Unix { path: socket.to_owned() }
}

fn file_error(socket: &Path, step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |cause| Error::File { endpoint: endpoint(socket), step, path: path.to_owned(), cause }
}
