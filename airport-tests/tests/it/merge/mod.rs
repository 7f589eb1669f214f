//! MERGE against what DuckDB's MERGE INTO makes of the same rows, beside itself, and cut off.

mod clauses;
mod equivalence;
mod expressions;
mod source;
mod twin;
mod values;
