//! Files that survive a crash: every step that must reach the disk before the next one, on a local file system.
//!
//! Blocking calls; the async side wraps them. Knows files and directories, nothing of Delta.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::MetadataExt,
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

impl PutFailure {
    /// One that nobody can have noticed.
    pub(crate) fn invisible(source: io::Error) -> Self {
        Self { maybe_visible: false, source }
    }
}

/// Puts `bytes` at `directory/name` unless the name is taken: atomically, and durably when it returns.
///
/// The bytes go to `directory/temp_name` first; a crash may leave that one behind. The link is what makes the
/// file appear, whole, and what fails when the name is taken. A network file system may say so of a link that it has
/// made itself, when the first answer got lost; which file has the name tells.
pub(crate) fn put_new(directory: &Path, name: &str, temp_name: &str, bytes: &[u8]) -> Result<PutOutcome, PutFailure> {
    let (temp, target) = (directory.join(temp_name), directory.join(name));
    // Open before anything can be seen: what may fail now must not fail later.
    let names = File::open(directory).map_err(PutFailure::invisible)?;
    let linked = write_synced(&temp, bytes).and_then(|()| link(&temp, &target));
    // Best effort: a leftover is ignored by every reader of the log.
    let _ = fs::remove_file(&temp);
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(PutOutcome::NameTaken),
        Err(error) => return Err(PutFailure::invisible(error)),
    }
    // A second try would prove nothing: the system forgets what it could not write once it has said so.
    sync(&names).map_err(|source| PutFailure { maybe_visible: true, source })?;
    Ok(PutOutcome::Written)
}

fn link(temp: &Path, target: &Path) -> io::Result<()> {
    let linked = fs::hard_link(temp, target);
    #[cfg(test)]
    trace::note(target, trace::Step::Appeared);
    let id = |path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    linked.or_else(|error| match (id(temp), id(target)) {
        (Ok(ours), Ok(there)) if ours == there => Ok(()),
        _ => Err(error),
    })
}

/// Makes the bytes of a file, or the names in a directory, durable.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    file.sync_all()?;
    #[cfg(test)]
    trace::note_open(file, trace::Step::Synced);
    Ok(())
}

/// Makes a file's bytes durable; its name needs [`sync_directory`].
pub(crate) fn sync_file(path: &Path) -> io::Result<()> {
    sync(&File::open(path)?)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    sync(&File::open(path)?)
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
        #[cfg(test)]
        trace::note(directory, trace::Step::Made);
        if let Some(parent) = directory.parent() {
            sync_directory(parent)?;
        }
    }
    Ok(missing.into_iter().map(Path::to_path_buf).collect())
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    sync(&file)
}

#[cfg(test)]
pub(crate) mod trace;

#[cfg(test)]
pub(crate) mod order;

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
    fn a_link_that_was_made_unheard_is_known_as_ours() {
        let directory = tempfile::tempdir().unwrap();
        let [temp, target] = ["t", "a"].map(|name| directory.path().join(name));
        fs::write(&temp, "one").unwrap();
        fs::hard_link(&temp, &target).unwrap();
        link(&temp, &target).expect("the answer to the first one got lost");
        fs::write(directory.path().join("b"), "one").unwrap();
        let taken = link(&temp, &directory.path().join("b")).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AlreadyExists, "the same bytes are not the same file");
    }

    #[test]
    fn missing_directories_are_made_outermost_first() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("a/b");
        assert_eq!(create_directories(&inner).unwrap(), [directory.path().join("a"), inner.clone()]);
        assert_eq!(create_directories(&inner).unwrap(), Vec::<PathBuf>::new());
    }
}
