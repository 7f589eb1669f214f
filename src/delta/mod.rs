//! Delta Lake behind the engine's seam: the only module that names deltalake, the kernel or Parquet.
//!
//! - `schema`: Delta's types and columns as Arrow, column mapping included.
//! - `file`: one data file of a version, as the log describes it.
//! - `store`, `log`, `snapshot`, `format`: where tables lie, their commits, their versions.
//! - `scan`: pruning, reading and deletion vectors.
//! - `write`: encoding, statistics, appends and commits.

mod file;
mod scan;
mod schema;
