//! How much memory is left to a statement.

use std::sync::Arc;

/// Bytes that a statement may keep; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct MemoryBudget {
    _bytes_max: Arc<usize>,
}

impl MemoryBudget {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { _bytes_max: Arc::new(bytes_max) }
    }
}
