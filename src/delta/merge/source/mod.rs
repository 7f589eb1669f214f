//! Rows that a MERGE keeps: in memory, and past a limit in mapped Arrow IPC files.
//!
//! - `budget`: how much memory is left to the statement.
//! - `spool`, `spill`: rows are taken in the order they come, and written to a file where they are too many.
//! - `rows`: and read again, in any order.
//! - `index`, `fill`: rows of the source, found by their keys.
//! - `sides`: the values of the keys on both sides.
//! - `packed`, `table`: keys as numbers or bytes, and the hash tables over them.
//! - `bounds`, `ranges`: what the keys' values say about the target, as a predicate.

mod bounds;
mod budget;
mod fill;
mod index;
mod packed;
mod ranges;
mod rows;
mod sides;
mod spill;
mod spool;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    budget::MemoryBudget,
    index::{KeyIndex, Pairs, PairsFrom},
    rows::SourceRows,
    sides::target_keys,
    spool::{Spool, rows_of},
};
