//! Some hundred files, sorted: what a version shares with the one before, or makes anew.

use std::sync::Arc;

use crate::delta::file::{DataFile, FileKey};

/// A commit copies a block it touches and the list of blocks: both are short for tables of some hundred thousand
/// files.
pub(super) const BLOCK_FILES_MAX: usize = 256;

/// What becomes of a key: the file that is there from now on, or none.
pub(super) type Edit = Option<Arc<DataFile>>;

/// Files in the order of their keys.
#[derive(Debug, Default)]
pub(crate) struct Block {
    files: Vec<Arc<DataFile>>,
}

impl Block {
    /// Blocks of sorted files, of nearly equal sizes.
    pub(super) fn split(files: Vec<Arc<DataFile>>) -> impl Iterator<Item = Self> {
        let blocks = files.len().div_ceil(BLOCK_FILES_MAX).max(1);
        let mut files = files.into_iter();
        let len = files.len();
        let bounds = (0..blocks).map(move |block| (block + 1) * len / blocks - block * len / blocks);
        bounds
            .map(move |size| Self { files: files.by_ref().take(size).collect() })
            .filter(|block| !block.files.is_empty())
    }

    pub(crate) fn files(&self) -> &[Arc<DataFile>] {
        &self.files
    }

    /// The block after edits, which are in the order of their keys.
    pub(super) fn edited(&self, edits: &[(FileKey, Edit)]) -> impl Iterator<Item = Self> {
        let mut files = Vec::with_capacity(self.files.len() + edits.len());
        let mut rest = self.files.as_slice();
        for (key, edit) in edits {
            let (before, from) = rest.split_at(rest.partition_point(|file| file.cmp_key(key).is_lt()));
            files.extend_from_slice(before);
            files.extend(edit.clone());
            rest = match from.split_first() {
                Some((same, after)) if same.cmp_key(key).is_eq() => after,
                _ => from,
            };
        }
        files.extend_from_slice(rest);
        Self::split(files)
    }

    /// This block and the one after it as one.
    pub(super) fn joined(&self, next: &Self) -> Self {
        Self { files: [&*self.files, &*next.files].concat() }
    }
}
