//! One integration binary: a single link keeps the build lean.

mod alter;
mod attach;
mod bad_input;
mod changing;
mod concurrency;
mod constraints;
mod cut_off;
mod ddl;
mod errors;
mod golden;
mod insert;
mod lakes;
mod limits;
mod names;
mod push_down;
mod read;
mod refusals;
mod shutdown;
mod snapshots;
mod sql;
mod statistics;
mod support;
mod tidy;
mod time_travel;
mod tpch;
mod types;
