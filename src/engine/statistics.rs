//! What is known of a column's values without reading them.

use arrow::array::ArrayRef;

/// True of every row of one snapshot: bounds may be wider than the values, and nulls may be claimed where there are
/// none, never the other way round.
#[derive(Debug, Clone)]
pub struct ColumnStatistics {
    /// No value is below; one row of the column's type, null if nothing is known.
    pub min: ArrayRef,
    /// No value is above; likewise. NaN is above every number.
    pub max: ArrayRef,
    /// Whether a row may be NULL.
    pub has_null: bool,
    /// Whether a row may be other than NULL.
    pub has_not_null: bool,
}
