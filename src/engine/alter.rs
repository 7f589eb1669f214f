//! Changes of a table's definition: ALTER TABLE.

use arrow::datatypes::Field;

use super::ColumnPath;

/// One change. Expressions are SQL as DuckDB prints it (`ParsedExpression::ToString`).
#[derive(Debug, Clone, PartialEq)]
pub enum Alteration {
    /// ADD COLUMN, last; its rows so far are NULL.
    AddColumn {
        /// The column, in the seam's types.
        field: Field,
        /// IF NOT EXISTS
        if_not_exists: bool,
    },
    /// ADD COLUMN of a field in a struct.
    AddField {
        /// The struct.
        parent: ColumnPath,
        /// The field, in the seam's types.
        field: Field,
        /// IF NOT EXISTS
        if_not_exists: bool,
    },
    /// DROP COLUMN of a column, or of a field in a struct.
    DropColumn {
        /// The column or field.
        path: ColumnPath,
        /// IF EXISTS
        if_exists: bool,
    },
    /// RENAME COLUMN of a column, or of a field in a struct.
    RenameColumn {
        /// The column or field.
        path: ColumnPath,
        /// Its new name.
        new_name: String,
    },
    /// ALTER COLUMN ... TYPE ... USING ...
    ChangeType {
        /// The column with its new type, in the seam's types.
        field: Field,
        /// What its values become.
        using: String,
    },
    /// SET DEFAULT
    SetDefault {
        /// The column.
        column: String,
        /// Its new default.
        expression: String,
    },
    /// SET NOT NULL
    SetNotNull {
        /// The column.
        column: String,
    },
    /// DROP NOT NULL
    DropNotNull {
        /// The column.
        column: String,
    },
    /// ADD CHECK
    AddCheck {
        /// What every row must not violate: true or NULL.
        expression: String,
    },
}
