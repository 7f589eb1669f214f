//! The live files of a version, in the order of their paths; the next version shares all but what it changed.
//!
//! They lie in sorted blocks. A commit makes anew the blocks it touches and the list of blocks, so that it costs about
//! the square root of what there is, and nothing is built of all files for a version's sake.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Index,
    sync::Arc,
};

use object_store::path::Path;

use self::block::{BLOCK_FILES_MAX, Edit};
pub(crate) use self::block::{Block, Splice, spliced};
use super::{
    actions::CommitChanges,
    file::{DataFile, FileKey},
};

mod block;
#[cfg(test)]
mod tests;

/// Blocks that together hold no more files become one, so that deletes leave no table of tiny blocks.
const MERGED_FILES_MAX: usize = BLOCK_FILES_MAX / 2;

/// The live files, by ordinal, by key and by path.
///
/// A file's ordinal is its place in the order of paths (of several with one path, in the order of their deletion
/// vectors): the same on every server that opens the version.
#[derive(Debug, Default)]
pub(crate) struct FileIndex {
    /// None is empty.
    blocks: Vec<Arc<Block>>,
    /// The ordinal of each block's first file.
    starts: Vec<usize>,
    len: usize,
}

/// The same logical file twice where the protocol allows it once.
#[derive(Debug, thiserror::Error)]
#[error("data file '{path}' appears twice")]
pub(crate) struct DuplicateFile {
    path: Path,
}

impl FileIndex {
    /// The index of all live files of a version, which come in any order.
    pub(crate) fn try_new(files: impl IntoIterator<Item: Into<Arc<DataFile>>>) -> Result<Self, DuplicateFile> {
        let mut sorted: Vec<Arc<DataFile>> = files.into_iter().map(Into::into).collect();
        sorted.sort_by(|a, b| a.cmp_identity(b));
        match sorted.windows(2).find(|pair| pair[0].cmp_identity(&pair[1]).is_eq()) {
            Some(pair) => Err(DuplicateFile { path: pair[0].path.clone() }),
            None => Ok(Self::of(Block::split(sorted).into_iter().map(Arc::new).collect())),
        }
    }

    fn of(blocks: Vec<Arc<Block>>) -> Self {
        let (mut starts, mut len) = (Vec::with_capacity(blocks.len()), 0);
        for block in &blocks {
            starts.push(len);
            len += block.files().len();
        }
        Self { blocks, starts, len }
    }

    /// The index after one more commit.
    ///
    /// A commit may name a logical file only once (PROTOCOL.md, "Action Reconciliation"): the order of its lines
    /// has no meaning, so what would depend on it is an error.
    pub(crate) fn apply(&self, changes: &CommitChanges) -> Result<Self, DuplicateFile> {
        let edits = edits(changes)?;
        let mut edits = edits.as_slice();
        let (mut blocks, mut taken) = (Vec::with_capacity(self.blocks.len() + 1), 0);
        while let Some((key, _)) = edits.first() {
            let at = self.block_of(key);
            blocks.extend_from_slice(&self.blocks[taken..at]);
            let next = self.blocks.get(at + 1).map(|next| &next.files()[0]);
            let own = edits.partition_point(|(key, _)| next.is_none_or(|next| next.cmp_key(key).is_gt()));
            for block in self.blocks.get(at).cloned().unwrap_or_default().edited(&edits[..own]) {
                push(&mut blocks, Arc::new(block));
            }
            if let Some(next) = self.blocks.get(at + 1).filter(|_| own == edits.len()) {
                push(&mut blocks, next.clone());
                taken = at + 2;
            } else {
                taken = at + 1;
            }
            edits = &edits[own..];
        }
        blocks.extend_from_slice(self.blocks.get(taken..).unwrap_or_default());
        Ok(Self::of(blocks))
    }

    /// The block that holds a key, or would.
    fn block_of(&self, key: &FileKey) -> usize {
        self.blocks.partition_point(|block| block.files()[0].cmp_key(key).is_le()).saturating_sub(1)
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The file of an ordinal.
    pub(crate) fn get(&self, ordinal: usize) -> Option<&Arc<DataFile>> {
        let block = self.starts.partition_point(|start| *start <= ordinal).checked_sub(1)?;
        self.blocks[block].files().get(ordinal - self.starts[block])
    }

    /// The ordinal of a logical file, if it is live.
    pub(crate) fn ordinal(&self, key: &FileKey) -> Option<usize> {
        let ordinal = self.lower_bound(key);
        self.get(ordinal).filter(|file| file.cmp_key(key).is_eq()).map(|_| ordinal)
    }

    /// The live files of one path, with their ordinals: hardly ever more than one.
    pub(crate) fn at_path(&self, path: &Path) -> impl Iterator<Item = (usize, &Arc<DataFile>)> {
        let first = self.lower_bound(&FileKey::new(path.clone(), None));
        let files = (first..).map_while(|ordinal| Some((ordinal, self.get(ordinal)?)));
        files.take_while(move |(_, file)| file.path == *path)
    }

    /// How many files come before a key.
    fn lower_bound(&self, key: &FileKey) -> usize {
        let at = self.block_of(key);
        match self.blocks.get(at) {
            Some(block) => self.starts[at] + block.files().partition_point(|file| file.cmp_key(key).is_lt()),
            None => 0,
        }
    }

    /// The blocks, and the ordinals of their first files.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (usize, &Block)> {
        self.starts.iter().copied().zip(self.blocks.iter().map(Arc::as_ref))
    }

    /// The files that another version does not have as they are here. Blocks that both have are not looked into.
    pub(crate) fn since<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Arc<DataFile>> {
        let address = |block: &Arc<Block>| Arc::as_ptr(block).addr();
        let shared: HashSet<_> = other.blocks.iter().map(address).collect();
        let own = self.blocks.iter().filter(move |block| !shared.contains(&address(block)));
        own.flat_map(|block| block.files()).filter(|file| !other.has(file))
    }

    /// Whether the logical file is live.
    fn has(&self, file: &DataFile) -> bool {
        let block = self.blocks.partition_point(|block| block.files()[0].cmp_identity(file).is_le()).checked_sub(1);
        let found =
            |block: usize| self.blocks[block].files().binary_search_by(|other| other.cmp_identity(file)).is_ok();
        block.is_some_and(found)
    }

    /// All files in the order of their ordinals.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<DataFile>> {
        self.blocks.iter().flat_map(|block| block.files())
    }
}

impl Index<usize> for FileIndex {
    type Output = Arc<DataFile>;

    fn index(&self, ordinal: usize) -> &Self::Output {
        self.get(ordinal).unwrap_or_else(|| panic!("there are {} files, and no {ordinal}", self.len))
    }
}

impl PartialEq for FileIndex {
    fn eq(&self, other: &Self) -> bool {
        let same = |(one, other): (&Arc<DataFile>, &Arc<DataFile>)| Arc::ptr_eq(one, other) || one == other;
        self.len == other.len && self.iter().zip(other.iter()).all(same)
    }
}

/// What a commit makes of each file it names, in their order.
fn edits(changes: &CommitChanges) -> Result<Vec<(FileKey, Edit)>, DuplicateFile> {
    let removed = changes.removed.iter().map(|key| (key.clone(), None));
    let mut edits: BTreeMap<FileKey, Edit> = removed.collect();
    for file in &changes.added {
        if edits.insert(file.key(), Some(file.clone())).is_some() {
            return Err(DuplicateFile { path: file.path.clone() });
        }
    }
    Ok(edits.into_iter().collect())
}

fn push(blocks: &mut Vec<Arc<Block>>, block: Arc<Block>) {
    match blocks.last_mut() {
        Some(last) if last.files().len() + block.files().len() <= MERGED_FILES_MAX => {
            *last = Arc::new(last.joined(&block));
        }
        _ => blocks.push(block),
    }
}
