//! Delta's columns as Arrow, under both of their names.

use arrow::datatypes::SchemaRef;

/// The columns of one version: what the seam shows, and what data files call them.
#[derive(Debug, Clone)]
pub(crate) struct TableSchema {
    /// The columns as the seam shows them: logical names, Arrow types, nullability; no metadata.
    ///
    /// boolean, byte to long, float, double, decimal(p,s), string, binary, date, timestamp and timestampNtz are
    /// Boolean, Int8 to Int64, Float32, Float64, Decimal128(p,s), Utf8, Binary, Date32, Timestamp(µs, "UTC") and
    /// Timestamp(µs); array, map and struct are List, Map and Struct of those.
    pub(crate) logical: SchemaRef,
    /// The same columns in the same order with the names (nested ones too) that data files, statistics and
    /// partition values use. Under column mapping every field, nested ones too, carries its id as metadata
    /// `PARQUET:field_id`.
    pub(crate) physical: SchemaRef,
    /// Indexes of the partition columns, in the order of the table's metadata.
    pub(crate) partition_columns: Vec<usize>,
    /// How data files name columns.
    pub(crate) mapping: ColumnMapping,
}

/// `delta.columnMapping.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnMapping {
    /// Physical names are the logical ones.
    None,
    /// Columns of a file are found by physical name.
    Name,
    /// Columns of a file are found by Parquet field id.
    Id,
}
