//! Delta Lake behind the engine's seam: the only module that names deltalake, the kernel or Parquet.
//!
//! - `format`, `options`: [`DeltaFormat`], the way in, and [`DeltaOptions`], its settings.
//! - `schema`, `create_schema`: Delta's types and columns as Arrow and back, column mapping included.
//! - `duckdb_types`: those of DuckDB's types that Delta lacks, and their values.
//! - `features`, `type_changes`, `definition`: what a table needs of its readers and writers, and what it is.
//! - `field_metadata`, `rules`: what is noted of columns, and what every row must satisfy.
//! - `store`, `durable`, `log`, `log_listing`, `actions`: where tables lie, their commits, and what those say.
//! - `history`: when versions were committed.
//! - `file`, `file_actions`, `index`, `replay`, `version`: data files, and all of a version's, read at once or commit by commit.
//! - `table`, `snapshot`: one table's versions, and one version behind the seam.
//! - `orphans`: files that dead statements left behind.
//! - `create`, `commit`, `commit_info`, `stamp`, `checkpoint`: what is written to logs.
//! - `scan`: pruning, reading and deletion vectors.
//! - `write`: encoding, statistics and appends.
//! - `group_commit`: appends that share a version.
//! - `change`: rows updated and deleted.
//! - `merge`: rows of a source against rows of a table.
//! - `alter`: changes of a table's definition.

mod actions;
mod alter;
mod change;
mod checkpoint;
mod commit;
mod commit_info;
mod create;
mod create_schema;
mod definition;
mod duckdb_types;
mod durable;
mod features;
mod field_metadata;
mod file;
mod file_actions;
#[cfg(test)]
mod fixtures;
mod format;
#[cfg(test)]
pub(crate) mod fuzz;
mod group_commit;
mod history;
mod index;
mod log;
mod log_listing;
mod merge;
mod options;
mod orphans;
mod replay;
mod rules;
mod scan;
mod schema;
mod snapshot;
mod stamp;
mod store;
mod table;
mod type_changes;
mod version;
mod write;

pub use format::DeltaFormat;
pub use options::{DeletionVectors, DeltaOptions, MergeOptions};
