//! One integration binary: a single link keeps the build lean.

mod attach;
mod concurrency;
mod cut_off;
mod ddl;
mod golden;
mod insert;
mod read;
mod snapshots;
mod sql;
mod support;
mod tidy;
mod tpch;
mod types;
