//! Writes: rows in, durable Parquet files and their Add actions out.
//!
//! The way of an appended row, each step on its own threads:
//!
//! 1. `append` on the caller's task: applies the table's rules. `stage`, still there: checks a batch against the schema
//!    (`batch`), gathers batches into chunks and hands them over a bounded queue.
//! 2. `encoder` on a thread of the stage: splits chunks by partition (`partition`), decides which file and row
//!    group they go to (`file_writer`) and writes finished row groups out (`sink`, `staging`).
//! 3. `row_group` on rayon's pool: encodes and compresses the columns of a row group side by side.
//! 4. `stage` and `append` again: every file is durable, the committer adds them to the log, and what did not make it into
//!    a version is removed (`staging`).
//!
//! This module does not know the log: [`CommitAdds`] does.
//!
//! # Memory
//!
//! A write holds at most: the chunk being gathered, those in the queue and one in hand (each [`Limits::chunk_bytes`]
//! and one batch), [`Limits::encoding_bytes`] waiting for a free core, [`Limits::partition_bytes`] of rows that wait
//! for others of their partition, and encoded row groups: of a table without partitions three, each of at most
//! [`Limits::row_group_bytes`]; of one with partitions [`Limits::encoded_bytes`] together. An object store adds the
//! parts on their way to it.

mod append;
mod batch;
mod budget;
mod column;
mod encoder;
mod few;
mod file_writer;
mod layout;
mod limits;
mod partition;
mod row_group;
mod rows;
mod single;
mod sink;
mod stage;
mod staging;
mod stats;
mod sync;
mod target;
#[cfg(test)]
mod tests;

use limits::Limits;

use crate::engine::{Append, Result};

pub(crate) use batch::conform;
pub(crate) use few::{FewRows, Written, write_together};
pub(crate) use single::stage_file;
pub(crate) use stage::{Stage, Staged, already_failed, is_outcome_unknown, settle, settle_by};
pub(crate) use target::{
    AppendTarget, CommitAdds, CommitShared, Committer, FileNaming, OutcomeUnknown, StageTarget, StatsColumns,
};

/// Begins an append: nothing is staged before the first rows come.
///
/// # Errors
/// `Unsupported` if a column's type cannot be kept in Parquet, or if every column is a partition column;
/// `Internal` if the table is in an object store and no tokio runtime is running.
pub(crate) fn begin_append(target: AppendTarget) -> Result<Box<dyn Append>> {
    Ok(Box::new(append::DeltaAppend::begin(target, Limits::default())?))
}
