//! Rows deleted, by row ids, against what every reader then sees.

mod deletes;
mod faults;
mod fixture;
