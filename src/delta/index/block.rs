//! Some hundred files, sorted: what a version shares with the one before, or makes anew.

use std::sync::Arc;

use crate::delta::{
    file::{DataFile, FileKey},
    scan::Digest,
};

/// A commit copies a block it touches and the list of blocks: both are short for tables of some hundred thousand
/// files.
pub(super) const BLOCK_FILES_MAX: usize = 256;

/// What becomes of a key: the file that is there from now on, or none.
pub(super) type Edit = Option<Arc<DataFile>>;

/// Files in the order of their keys, and what is known of them.
#[derive(Debug, Default)]
pub(crate) struct Block {
    files: Vec<Arc<DataFile>>,
    digest: Digest,
}

/// A change at one place of a list of files, or of what belongs to each of them.
#[derive(Debug)]
pub(crate) struct Splice<'a> {
    at: usize,
    /// What is there goes.
    pub(crate) removes: Option<&'a Arc<DataFile>>,
    /// This comes instead, or before what is there.
    pub(crate) inserts: Option<&'a Arc<DataFile>>,
}

/// A list after changes, which are in the order of their places.
pub(crate) fn spliced<T: Clone>(
    list: &[T],
    splices: &[Splice<'_>],
    mut new: impl FnMut(&Arc<DataFile>) -> T,
) -> Vec<T> {
    let (mut after, mut taken) = (Vec::with_capacity(list.len() + splices.len()), 0);
    for splice in splices {
        after.extend_from_slice(&list[taken..splice.at]);
        after.extend(splice.inserts.map(&mut new));
        taken = splice.at + usize::from(splice.removes.is_some());
    }
    after.extend_from_slice(&list[taken..]);
    after
}

impl Block {
    /// Blocks of sorted files, of nearly equal sizes; none of none.
    pub(super) fn split(files: Vec<Arc<DataFile>>) -> Vec<Self> {
        let (len, blocks) = (files.len(), files.len().div_ceil(BLOCK_FILES_MAX));
        let mut files = files.into_iter();
        let sizes = (0..blocks).map(|block| (block + 1) * len / blocks - block * len / blocks);
        sizes.map(|size| Self::of(files.by_ref().take(size).collect())).collect()
    }

    fn of(files: Vec<Arc<DataFile>>) -> Self {
        Self { files, digest: Digest::default() }
    }

    pub(crate) fn files(&self) -> &[Arc<DataFile>] {
        &self.files
    }

    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What the block becomes by edits, which are in the order of their keys.
    pub(super) fn edited(&self, edits: &[(FileKey, Edit)]) -> Vec<Self> {
        let splices = self.splices(edits);
        let mut blocks = Self::split(spliced(&self.files, &splices, Arc::clone));
        if let [whole] = blocks.as_mut_slice() {
            whole.digest = self.digest.spliced(whole.files.len(), &splices);
        }
        blocks
    }

    fn splices<'a>(&'a self, edits: &'a [(FileKey, Edit)]) -> Vec<Splice<'a>> {
        let mut at = 0;
        let splice = |(key, edit): &'a (FileKey, Edit)| {
            at += self.files[at..].partition_point(|file| file.cmp_key(key).is_lt());
            let removes = self.files.get(at).filter(|file| file.cmp_key(key).is_eq());
            Splice { at, removes, inserts: edit.as_ref() }
        };
        edits.iter().map(splice).collect()
    }

    /// This block and the one after it as one.
    pub(super) fn joined(&self, next: &Self) -> Self {
        Self::of([&*self.files, &*next.files].concat())
    }
}
