//! One row as text, for the error that names it.

use arrow::record_batch::RecordBatch;

use super::Violation;
use crate::expression::render_row;

/// An error is read by people, and travels in a header of a few KiB.
const COLUMNS_MAX: usize = 12;
/// Of one column, its name included: a long value must not hide the others.
const COLUMN_BYTES_MAX: usize = 100;

/// `a = -1, b = 'x'`: the columns that matter first, then the others, as many as there is room for.
pub(super) fn render(rows: &RecordBatch, violation: &Violation) -> String {
    let others = (0..rows.num_columns()).filter(|index| !violation.columns.contains(index));
    let shown = violation.columns.iter().copied().chain(others).take(COLUMNS_MAX);
    let columns = shown.filter_map(|index| rows.project(&[index]).ok());
    let mut text: Vec<_> = columns.map(|column| render_row(&column, violation.row, COLUMN_BYTES_MAX)).collect();
    if rows.num_columns() > COLUMNS_MAX {
        text.push("...".to_owned());
    }
    text.join(", ")
}
