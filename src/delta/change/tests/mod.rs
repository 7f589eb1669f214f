//! Rows deleted, by row ids, against what every reader then sees.

mod deletes;
mod durable;
mod faults;
mod fixture;
