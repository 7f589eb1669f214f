//! The live files of a version: a persistent map, so that the next version shares all but what it changed.

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock},
};

use imbl::OrdMap;
use object_store::path::Path;

use super::{
    actions::CommitChanges,
    file::{DataFile, FileKey},
};

/// The live files, and their ordinals.
#[derive(Debug, Default)]
pub(crate) struct FileIndex {
    files: OrdMap<FileKey, Arc<DataFile>>,
    ordinals: OnceLock<Arc<Vec<Arc<DataFile>>>>,
}

/// The same logical file twice where the protocol allows it once.
#[derive(Debug, thiserror::Error)]
#[error("data file '{path}' appears twice")]
pub(crate) struct DuplicateFile {
    path: Path,
}

impl FileIndex {
    /// The index of all live files of a version.
    pub(crate) fn try_new(files: impl IntoIterator<Item = DataFile>) -> Result<Self, DuplicateFile> {
        let mut index = OrdMap::new();
        for file in files {
            if let Some(twice) = index.insert(file.key(), Arc::new(file)) {
                return Err(DuplicateFile { path: twice.path.clone() });
            }
        }
        Ok(Self { files: index, ordinals: OnceLock::new() })
    }

    /// The index after one more commit.
    ///
    /// A commit may name a logical file only once (PROTOCOL.md, "Action Reconciliation"): the order of its lines
    /// has no meaning, so what would depend on it is an error.
    pub(crate) fn apply(&self, changes: &CommitChanges) -> Result<Self, DuplicateFile> {
        let mut files = self.files.clone();
        let mut named = HashSet::with_capacity(changes.removed.len() + changes.added.len());
        for key in &changes.removed {
            files.remove(key);
            named.insert(key.clone());
        }
        for file in &changes.added {
            let key = file.key();
            if !named.insert(key.clone()) {
                return Err(DuplicateFile { path: file.path.clone() });
            }
            files.insert(key, file.clone());
        }
        Ok(Self { files, ordinals: OnceLock::new() })
    }

    /// The file of that path and vector, if it is live.
    pub(crate) fn get(&self, key: &FileKey) -> Option<&Arc<DataFile>> {
        self.files.get(key)
    }

    /// The file of that path, whatever its vector; `None` if there is none, or more than one.
    pub(crate) fn only_of(&self, path: &Path) -> Option<&Arc<DataFile>> {
        let mut of_path = self.files.range(FileKey::new(path.clone(), None)..);
        let mut next = || of_path.next().map(|(_, file)| file).filter(|file| file.path == *path);
        next().filter(|_| next().is_none())
    }

    /// All files in the order of their paths: a file's place is its ordinal, on every server that opens the
    /// version. (Of several with one path, in the order of their deletion vectors.)
    pub(crate) fn files(&self) -> &Arc<Vec<Arc<DataFile>>> {
        self.ordinals.get_or_init(|| Arc::new(self.files.values().cloned().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, size_bytes: u64) -> DataFile {
        DataFile {
            path: path.into(),
            log_path: None,
            size_bytes,
            partition_values: Default::default(),
            stats_json: None,
            deletion_vector: None,
            ..DataFile::default()
        }
    }

    fn sizes(index: &FileIndex) -> Vec<(&str, u64)> {
        index.files().iter().map(|file| (file.path.as_ref(), file.size_bytes)).collect()
    }

    #[test]
    fn ordinals_follow_paths_and_versions_stay_as_they_were() {
        let first = FileIndex::try_new([file("b", 1), file("a", 2), file("c", 3)]).unwrap();
        let changes = CommitChanges {
            removed: vec![file("b", 0).key(), file("never there", 0).key()],
            added: vec![Arc::new(file("aa", 4)), Arc::new(file("c", 5))],
            ..CommitChanges::default()
        };
        let second = first.apply(&changes).unwrap();
        assert_eq!(sizes(&first), [("a", 2), ("b", 1), ("c", 3)]);
        assert_eq!(sizes(&second), [("a", 2), ("aa", 4), ("c", 5)]);
    }

    #[test]
    fn a_file_twice_is_an_error() {
        assert!(FileIndex::try_new([file("a", 1), file("a", 2)]).is_err());
        let twice = |removed: Vec<FileKey>, added: Vec<DataFile>| {
            let added = added.into_iter().map(Arc::new).collect();
            FileIndex::default().apply(&CommitChanges { removed, added, ..CommitChanges::default() })
        };
        assert!(twice(vec![], vec![file("a", 1), file("a", 1)]).is_err());
        assert!(twice(vec![file("a", 1).key()], vec![file("a", 1)]).is_err());
    }
}
