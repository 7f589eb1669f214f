//! One row as a short text, for errors that show it.

use arrow::record_batch::RecordBatch;

use super::{cast::write, seam, types::Type};

/// `id = 1, name = 'x'`, values as DuckDB prints them, at most `bytes_max` bytes long: what does not fit is left out,
/// with `...` in its place. A row past the end is empty.
pub fn render_row(rows: &RecordBatch, row: usize, bytes_max: usize) -> String {
    const MORE: &str = "...";
    let mut text = String::new();
    if row >= rows.num_rows() {
        return text;
    }
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        let comma = if text.is_empty() { "" } else { ", " };
        let part = format!("{comma}{} = {}", field.name(), value(field, &column.slice(row, 1)));
        if text.len() + part.len() > bytes_max {
            let room = bytes_max.saturating_sub(text.len() + MORE.len());
            let end =
                part.char_indices().map(|(start, _)| start).take_while(|start| *start <= room).last().unwrap_or(0);
            text.push_str(&part[..end]);
            if text.len() + MORE.len() <= bytes_max {
                text.push_str(MORE);
            }
            return text;
        }
        text.push_str(&part);
    }
    text
}

fn value(field: &arrow::datatypes::Field, column: &arrow::array::ArrayRef) -> String {
    if column.is_null(0) {
        return "NULL".to_owned();
    }
    let Ok(ty) = Type::of(field) else { return "?".to_owned() };
    let Ok(column) = seam::adopt(column, &ty) else { return "?".to_owned() };
    let mut text = String::new();
    write::writer(&column, &ty)(0, &mut text);
    let quotes = !ty.is_numeric()
        && !matches!(ty, Type::Boolean | Type::List(_) | Type::Array(..) | Type::Struct(_) | Type::Map(..));
    if quotes { format!("'{}'", text.replace('\'', "''")) } else { text }
}
