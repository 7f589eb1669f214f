//! MERGE against what DuckDB's MERGE INTO makes of the same rows, beside itself, and cut off.

mod clauses;
mod concurrent;
mod cut_off;
mod equivalence;
mod expressions;
mod meaning;
mod memory;
mod source;
mod twin;
mod values;
