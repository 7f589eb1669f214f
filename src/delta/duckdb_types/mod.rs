//! DuckDB's types that Delta lacks: as which of Delta's types they are kept, and their values both ways.
//!
//! - `kind`: DuckDB's types without children, their Arrow forms on the seam and in data files.
//! - `text`: whole types as DuckDB writes them, which the log keeps as [`TYPE_KEY`] of the column.
//! - `shown`: the columns of a table's schema as the seam shows them.
//! - `predicate`, `bound`: conditions on columns as the seam has them, told of what is stored; and bounds of what is
//!   stored, told of columns.
//! - `convert`, `store`, `load`, `values`: arrays, and what single values look like.
//!
//! "Stored" is what Delta has: types, statistics, partition values and data files alike; other engines see just that.
//! Column mapping, files and the log are unknown here.

mod bound;
mod convert;
mod kind;
mod load;
mod predicate;
mod shown;
mod store;
mod text;
mod values;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use self::{
    bound::{Side, stored_bound},
    convert::{is_stored_as_is, load, store},
    kind::Kind,
    predicate::stored_predicate,
    shown::{declared_type, shown},
    text::{ARRAY_LENGTHS, TypeText},
};

/// The metadata key of a column, or of a struct's field, that holds DuckDB's name of its type.
///
/// Only struct fields have metadata in Delta (PROTOCOL.md, "Schema Serialization Format"), so the name tells what lies
/// below lists, arrays and maps too; a struct in it is just `STRUCT`, as its fields speak for themselves.
pub(crate) const TYPE_KEY: &str = "duckdb.type";
