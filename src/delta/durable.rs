//! Files that survive a crash: every step that must reach the disk before the next one, on a local file system.
//!
//! Blocking calls; the async side wraps them. Knows files and directories, nothing of Delta.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

/// How a put-if-absent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PutOutcome {
    /// The file is there, with these bytes, and survives a crash.
    Written,
    /// Another file has the name; nothing was changed.
    NameTaken,
}

/// A put-if-absent that failed.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub(crate) struct PutFailure {
    /// Whether others may already see the file: then nothing that it speaks of may be removed.
    pub(crate) maybe_visible: bool,
    /// Why.
    #[source]
    pub(crate) source: io::Error,
}

/// Puts `bytes` at `directory/name` unless the name is taken: atomically, and durably when it returns.
///
/// The bytes go to `directory/temp_name` first; a crash may leave that one behind. The link is what makes the
/// file appear, whole, and what fails when the name is taken.
pub(crate) fn put_new(directory: &Path, name: &str, temp_name: &str, bytes: &[u8]) -> Result<PutOutcome, PutFailure> {
    let invisible = |source| PutFailure { maybe_visible: false, source };
    let temp = directory.join(temp_name);
    let linked = write_synced(&temp, bytes).and_then(|()| fs::hard_link(&temp, directory.join(name)));
    // Best effort: a leftover is ignored by every reader of the log.
    let _ = fs::remove_file(&temp);
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(PutOutcome::NameTaken),
        Err(error) => return Err(invisible(error)),
    }
    sync_directory(directory).map_err(|source| PutFailure { maybe_visible: true, source })?;
    Ok(PutOutcome::Written)
}

/// Makes a file's bytes durable; its name needs [`sync_directory`].
pub(crate) fn sync_file(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a directory and the missing ones above it, durably, and returns those it made, outermost first.
pub(crate) fn create_directories(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut missing: Vec<&Path> = path.ancestors().take_while(|directory| !directory.exists()).collect();
    missing.reverse();
    for directory in &missing {
        match fs::create_dir(directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if let Some(parent) = directory.parent() {
            sync_directory(parent)?;
        }
    }
    Ok(missing.into_iter().map(Path::to_path_buf).collect())
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_name_is_given_once_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(put_new(directory.path(), "a", ".t1", b"one").unwrap(), PutOutcome::Written);
        assert_eq!(put_new(directory.path(), "a", ".t2", b"two").unwrap(), PutOutcome::NameTaken);
        assert_eq!(fs::read(directory.path().join("a")).unwrap(), b"one");
        assert_eq!(names(directory.path()), ["a"]);
    }

    #[test]
    fn a_put_that_cannot_begin_is_surely_invisible() {
        let directory = tempfile::tempdir().unwrap();
        let failure = put_new(&directory.path().join("gone"), "a", ".t", b"one").unwrap_err();
        assert!(!failure.maybe_visible);
    }

    #[test]
    fn missing_directories_are_made_outermost_first() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("a/b");
        assert_eq!(create_directories(&inner).unwrap(), [directory.path().join("a"), inner.clone()]);
        assert_eq!(create_directories(&inner).unwrap(), Vec::<PathBuf>::new());
    }
}
