//! One integration binary: a single link keeps the build lean.

mod attach;
mod bad_input;
mod concurrency;
mod cut_off;
mod ddl;
mod errors;
mod golden;
mod insert;
mod lakes;
mod limits;
mod names;
mod read;
mod refusals;
mod shutdown;
mod snapshots;
mod sql;
mod support;
mod tidy;
mod tpch;
mod types;
