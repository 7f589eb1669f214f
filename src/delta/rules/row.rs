//! One row as text, for the error that names it.

use arrow::{
    array::{Array, ArrayRef},
    record_batch::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};

use super::Violation;

/// An error is read by people, and travels in a header of a few KiB.
const COLUMNS_MAX: usize = 12;
const VALUE_BYTES_MAX: usize = 80;

/// `a = -1, b = 'x'`: the columns that matter first, then the others, as many as there is room for.
pub(super) fn render(rows: &RecordBatch, violation: &Violation) -> String {
    let others = (0..rows.num_columns()).filter(|index| !violation.columns.contains(index));
    let shown = violation.columns.iter().copied().chain(others).take(COLUMNS_MAX);
    let mut text: Vec<_> = shown
        .map(|index| {
            let value = value(rows.column(index), violation.row);
            format!("{} = {value}", rows.schema_ref().field(index).name())
        })
        .collect();
    if rows.num_columns() > COLUMNS_MAX {
        text.push("...".to_owned());
    }
    text.join(", ")
}

fn value(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".to_owned();
    }
    let options = FormatOptions::default().with_null("NULL");
    let text = ArrayFormatter::try_new(array, &options).and_then(|values| values.value(row).try_to_string());
    let mut text = text.unwrap_or_else(|_| "?".to_owned());
    if text.len() > VALUE_BYTES_MAX {
        text.truncate(text.floor_char_boundary(VALUE_BYTES_MAX));
        text.push_str("...");
    }
    if array.data_type().is_string() { format!("'{text}'") } else { text }
}
