//! What a server is told about its Delta tables that their logs do not say.

use std::{num::NonZeroUsize, path::PathBuf};

use super::group_commit::GroupLimits;

/// Settings of a [`DeltaFormat`](super::DeltaFormat).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeltaOptions {
    /// How many tables are remembered, those used last.
    pub tables_cached_max: NonZeroUsize,
    /// Whether new tables get the table feature `deletionVectors` and `delta.enableDeletionVectors`. Without, readers that
    /// do not know deletion vectors can read them.
    pub new_table_deletion_vectors: bool,
    /// How UPDATE and DELETE take rows away.
    pub deletion_vectors: DeletionVectors,
    /// How many INSERTs into one table may share a commit, if they come while another is being made; with 1 each makes
    /// its own.
    pub group_commit_statements_max: NonZeroUsize,
    /// What one MERGE may keep.
    pub merge: MergeOptions,
}

/// What one MERGE may keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeOptions {
    /// Bytes that it may keep in memory: rows of its source, their keys and what RETURNING gives back. What goes beyond is
    /// kept in files of [`Self::spill_directory`].
    pub memory_bytes_max: NonZeroUsize,
    /// Where those files are made; they have no names, so nothing is left of them by a crash.
    pub spill_directory: PathBuf,
}

impl MergeOptions {
    /// Room for some millions of rows of ordinary width, beside other statements.
    pub const MEMORY_BYTES_MAX: NonZeroUsize = NonZeroUsize::new(512 << 20).expect("is not zero");
}

impl Default for MergeOptions {
    fn default() -> Self {
        Self { memory_bytes_max: Self::MEMORY_BYTES_MAX, spill_directory: std::env::temp_dir() }
    }
}

/// Whether deletion vectors are written. Those a table has are honoured in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeletionVectors {
    /// Where the table has the feature and its properties ask for them; elsewhere files are written again.
    #[default]
    AsTable,
    /// Nowhere: files are written again.
    Never,
}

impl DeltaOptions {
    /// A table's file list takes about a kilobyte a file, and a forgotten table only costs reading its log again.
    pub const TABLES_CACHED_MAX: NonZeroUsize = NonZeroUsize::new(4096).expect("is not zero");
}

impl Default for DeltaOptions {
    fn default() -> Self {
        Self {
            tables_cached_max: Self::TABLES_CACHED_MAX,
            new_table_deletion_vectors: true,
            deletion_vectors: DeletionVectors::AsTable,
            group_commit_statements_max: GroupLimits::STATEMENTS_MAX,
            merge: MergeOptions::default(),
        }
    }
}
