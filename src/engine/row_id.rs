//! Row ids: which row of which file of which snapshot.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int32Array, Int64Array, StructArray},
    datatypes::{DataType, Field, Fields},
};

/// The name of the row id column. The client finds it by its metadata and sends it back under this name
/// (`storage/airport_delete.cpp`).
pub const ROW_ID_COLUMN: &str = "rowid";

/// One row of one snapshot. A row id is resolved only against the snapshot that minted it.
///
/// On the wire it is a STRUCT of these three fields: a file's position alone may need more than 32 bits, and a
/// row id that names its snapshot can be refused by another instead of being guessed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId {
    /// The table version that minted it.
    pub version: i64,
    /// The file's ordinal in that version (files in order of their paths).
    pub file: i32,
    /// The row's 0-based position in the file, deleted rows counted.
    pub position: i64,
}

impl RowId {
    /// The fields of the STRUCT, in order.
    pub fn fields() -> Fields {
        Fields::from(vec![
            Field::new("version", DataType::Int64, false),
            Field::new("file", DataType::Int32, false),
            Field::new("position", DataType::Int64, false),
        ])
    }

    /// A column of `count` row ids that all name row 0 of file 0: for a reader that only counts them.
    pub fn zeros(count: usize) -> ArrayRef {
        let wide: ArrayRef = Arc::new(Int64Array::new(vec![0; count].into(), None));
        let file: ArrayRef = Arc::new(Int32Array::new(vec![0; count].into(), None));
        Arc::new(StructArray::new(Self::fields(), vec![Arc::clone(&wide), file, wide], None))
    }
}

/// The row id column as it stands, last, in every table's schema: the client drops its UPDATE and DELETE
/// silently on a table without it, and ids that index Arrow children shift if it stands earlier.
pub fn row_id_field() -> Field {
    Field::new(ROW_ID_COLUMN, DataType::Struct(RowId::fields()), false)
        .with_metadata([("is_rowid".to_owned(), "1".to_owned())].into())
}
