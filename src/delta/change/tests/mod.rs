//! Rows deleted, by row ids, against what every reader then sees.

mod conflicts;
mod deletes;
mod durable;
mod faults;
mod fixture;
mod guard;
mod ids;
mod property;
mod stores;
