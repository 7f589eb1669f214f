//! A statement's own marker: noted in it before it is made, and locked until the statement is settled.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process,
    sync::LazyLock,
};

use serde::Deserialize;
use uuid::Uuid;

use super::{
    DIRECTORY, EXTENSION,
    record::{Head, Line},
};
use crate::delta::log::{LOG_DIRECTORY, commit_name};

/// How often a marker is made again that a clean-up took for a dead one before it was locked.
const ATTEMPTS_MAX: usize = 16;
/// The most that is read of `_last_checkpoint`.
const HINT_BYTES_MAX: u64 = 1 << 20;

/// The lock on a statement's files. Dropped unsettled it stays, as if the process had died. Blocking.
#[derive(Debug)]
pub(crate) struct Marker {
    path: PathBuf,
    /// Open is locked.
    file: File,
}

impl Marker {
    /// Makes a marker of the table at `root`, which must be there; `None` where files cannot be locked.
    pub(crate) fn begin(root: &Path) -> io::Result<Option<Self>> {
        let directory = root.join(DIRECTORY);
        let head = Line::Head(Head { boot: boot().to_owned(), pid: process::id(), base: base(root) });
        for _ in 0..ATTEMPTS_MAX {
            let path = directory.join(format!("{}{EXTENSION}", Uuid::new_v4()));
            let file = create(&directory, &path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => {
                    tracing::warn!(path = %path.display(), %error, "files cannot be locked here: what a crash leaves is not cleaned up");
                    Self { path, file }.settle();
                    return Ok(None);
                }
            }
            let mut marker = Self { path, file };
            marker.note(&head)?;
            if is_at(&marker.file, &marker.path) {
                return Ok(Some(marker));
            }
        }
        Err(io::Error::other(format!("markers in {} vanish", directory.display())))
    }

    /// Notes a file, by its path below the table's root, that is made next.
    pub(crate) fn note_file(&mut self, path: &str) -> io::Result<()> {
        self.note(&Line::File(path.to_owned()))
    }

    /// Notes a directory likewise.
    pub(crate) fn note_directory(&mut self, path: &str) -> io::Result<()> {
        self.note(&Line::Directory(path.to_owned()))
    }

    fn note(&mut self, line: &Line) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.file.write_all(&bytes)
    }

    /// Every file it notes is part of a version, or gone.
    pub(crate) fn settle(self) {
        remove(&self.path);
    }

    /// What becomes of the files is not known here: a later clean-up finds out.
    pub(crate) fn leave(mut self) {
        if let Err(error) = self.note(&Line::Undecided) {
            // Without the word a clean-up would not wait before it believes the log.
            tracing::warn!(path = %self.path.display(), %error, "cannot note that a commit is undecided");
            self.settle();
        }
    }
}

fn create(directory: &Path, path: &Path) -> io::Result<File> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Readable and writable: some network file systems lock only those.
    OpenOptions::new().read(true).append(true).create_new(true).open(path)
}

/// Removes a marker, whose lock the caller holds. The directory stays: to make and remove it takes as long as all the rest,
/// and many times as long on a busy disk.
pub(super) fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot remove a marker");
        }
        _ => {}
    }
}

/// Whether the open `file` is the one at `path`.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    matches!((file.metadata().map(id), fs::metadata(path).map(id)), (Ok(open), Ok(there)) if open == there)
}

/// Which boot of which system this is; empty where the system does not tell.
pub(super) fn boot() -> &'static str {
    static BOOT: LazyLock<String> = LazyLock::new(|| {
        let told = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        told.trim().to_owned()
    });
    &BOOT
}

/// A version that is there by now: that of the last checkpoint, if it can be believed, or else 0.
fn base(root: &Path) -> u64 {
    #[derive(Deserialize)]
    struct LastCheckpoint {
        version: u64,
    }
    let log = root.join(LOG_DIRECTORY);
    let read = || {
        let mut hint = Vec::new();
        File::open(log.join("_last_checkpoint"))?.take(HINT_BYTES_MAX).read_to_end(&mut hint)?;
        let LastCheckpoint { version } = serde_json::from_slice(&hint)?;
        // One that points ahead of the log would hide the statement's own commit.
        Ok::<_, io::Error>(if fs::exists(log.join(commit_name(version)))? { version } else { 0 })
    };
    read().unwrap_or(0)
}
