//! Rows on their way to a file.

use arrow::array::{Array, ArrayRef};

/// Some rows, column by column, and what they weigh.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    pub(super) columns: Vec<ArrayRef>,
    pub(super) count: usize,
    pub(super) bytes: usize,
}

impl Rows {
    /// `count` rows of `columns`; only what they themselves occupy is counted, not the buffers they share.
    pub(super) fn new(columns: Vec<ArrayRef>, count: usize) -> Self {
        let sizes = columns.iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or_default());
        let bytes = sizes.sum::<usize>() + columns.len() * ARRAY_BYTES;
        Self { columns, count, bytes }
    }
}

/// What an array weighs without its values: headers and reference counts, which matter when rows come singly.
const ARRAY_BYTES: usize = 128;
