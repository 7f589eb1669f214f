//! Rows deleted, by row ids, against what every reader then sees.

mod conflicts;
mod deletes;
mod fixture;
mod ids;
mod property;
mod stores;
