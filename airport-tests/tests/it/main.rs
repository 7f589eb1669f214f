//! One integration binary: a single link keeps the build lean.

mod sql;
mod tidy;
