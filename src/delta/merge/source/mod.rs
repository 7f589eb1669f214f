//! Rows that a MERGE keeps: in memory, and past a limit in mapped Arrow IPC files.
//!
//! - `budget`: how much memory is left to the statement.
//! - `spool`: rows in the order they came.
//! - `index`: rows of the source, found by their keys.

mod budget;
mod index;
mod spool;

pub(crate) use self::{
    budget::MemoryBudget,
    index::{KeyIndex, Pairs, PairsFrom, target_keys},
    spool::{SourceRows, Spool},
};
