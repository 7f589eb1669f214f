//! One integration binary: a single link keeps the build lean.

mod alter;
mod attach;
mod bad_input;
mod concurrency;
mod constraints;
mod cut_off;
mod ddl;
mod golden;
mod insert;
mod lakes;
mod names;
mod read;
mod shutdown;
mod snapshots;
mod sql;
mod support;
mod tidy;
mod tpch;
mod types;
