//! Parts of texts by the places of characters.

use arrow::{
    array::ArrayRef,
    datatypes::{Int32Type, Int64Type},
};

use super::Call;
use crate::{engine::Result, expression::types::Type};

/// Where a range of characters lies, of how many.
pub(super) type Range = fn(length: i64, offset: i64, count: Option<i64>) -> Option<std::ops::Range<i64>>;

pub(super) fn substring(call: &Call<'_>, range: Range) -> Result<ArrayRef> {
    // The reach of DuckDB's offsets; Spark's are INT.
    const REACH: std::ops::RangeInclusive<i64> = -4_294_967_296..=4_294_967_295;
    let text = call.text(0);
    let number = |index: usize| -> Box<dyn Fn(usize) -> Option<i64> + '_> {
        if *call.types[index] == Type::Integer {
            let number = call.number::<Int32Type>(index);
            Box::new(move |row| number(row).map(i64::from))
        } else {
            Box::new(call.number::<Int64Type>(index))
        }
    };
    let offset = number(1);
    let count = (call.arguments.len() == 3).then(|| number(2));
    for row in 0..call.rows {
        let values = [offset(row), count.as_ref().and_then(|count| count(row))];
        if values.into_iter().flatten().any(|value| !REACH.contains(&value)) {
            return Err(call.failure(row, "an offset or length is out of range"));
        }
    }
    Ok(call.texts(|row, out| {
        let (text, offset) = (text(row)?, offset(row)?);
        let count = match &count {
            Some(count) => Some(count(row)?),
            None => None,
        };
        let length = if text.is_ascii() { text.len() } else { text.chars().count() };
        if let Some(range) = range(length as i64, offset, count) {
            slice(text, &range, out);
        }
        Some(())
    }))
}

fn slice(text: &str, range: &std::ops::Range<i64>, out: &mut String) {
    let (start, end) = (range.start.max(0) as usize, range.end.max(0) as usize);
    if text.is_ascii() {
        let end = end.min(text.len());
        return out.push_str(&text[start.min(end)..end]);
    }
    out.extend(text.chars().skip(start).take(end.saturating_sub(start)));
}

/// From 1, or from -1 at the end; what lies outside the text counts; a negative length goes backwards.
pub(super) fn duckdb_range(length: i64, offset: i64, count: Option<i64>) -> Option<std::ops::Range<i64>> {
    let start = if offset >= 0 { offset - 1 } else { length + offset };
    Some(match count {
        None => start..length,
        Some(count) if count >= 0 => start..start + count,
        Some(count) => start + count..start,
    })
}

/// From 1 (0 is 1 too), or from -1 at the end, where what lies before the text counts.
pub(super) fn spark_range(length: i64, offset: i64, count: Option<i64>) -> Option<std::ops::Range<i64>> {
    let start = match offset {
        1.. => offset - 1,
        0 => 0,
        _ => length + offset,
    };
    let end = count.map_or(length, |count| start + count.max(0));
    (end > 0 && start < length).then(|| start.max(0)..end.min(length))
}

pub(super) fn end(length: i64, count: i64) -> i64 {
    if count >= 0 { count.min(length) } else { (length + count).max(0) }
}

pub(super) fn side(call: &Call<'_>, range: impl Fn(i64, i64) -> std::ops::Range<i64>) -> Result<ArrayRef> {
    let text = call.text(0);
    let count: Box<dyn Fn(usize) -> Option<i64> + '_> = if *call.types[1] == Type::Integer {
        let count = call.number::<Int32Type>(1);
        Box::new(move |row| count(row).map(i64::from))
    } else {
        Box::new(call.number::<Int64Type>(1))
    };
    Ok(call.texts(|row, out| {
        let (text, count) = (text(row)?, count(row)?);
        slice(text, &range(text.chars().count() as i64, count), out);
        Some(())
    }))
}
