//! What the log knows of a column over all files: [`FileBounds`], widened file by file.
//!
//! Bounds of files may be too wide, never too narrow, and so may these: a file that goes away takes nothing back.

use std::{cmp::Ordering, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array, Int16Array,
        Int32Array, Int64Array, StringArray, TimestampMicrosecondArray, new_null_array,
    },
    datatypes::{DataType, Field, TimeUnit},
};

use super::{
    file_bounds::FileBounds,
    order::compare,
    prune::{ColumnBounds, Nulls},
};
use crate::{
    delta::{
        duckdb_types::{Side, is_stored_as_is, load, stored_bound},
        file::DataFile,
        schema::TableSchema,
    },
    engine::{ColumnStatistics, Scalar},
};

/// One column over some files.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ColumnSummary {
    min: Bound,
    max: Bound,
    has_null: bool,
    has_not_null: bool,
}

/// The least or greatest value so far.
#[derive(Debug, Clone, Default, PartialEq)]
enum Bound {
    /// There was no value.
    #[default]
    Nothing,
    /// None is beyond this one.
    Known(Scalar),
    /// Any value may be there.
    Unknown,
}

impl ColumnSummary {
    /// Nothing is known, and anything possible.
    pub(crate) fn unknown() -> Self {
        Self { min: Bound::Unknown, max: Bound::Unknown, has_null: true, has_not_null: true }
    }

    /// Whether more files can add to what is known.
    pub(crate) fn is_unknown(&self) -> bool {
        *self == Self::unknown()
    }

    /// The column `index` of `schema` over these files, too.
    pub(crate) fn add<'a>(
        &mut self,
        files: impl IntoIterator<Item = &'a Arc<DataFile>>,
        schema: &TableSchema,
        index: usize,
    ) {
        let path = vec![schema.logical.field(index).name().clone()];
        for file in files {
            if self.is_unknown() {
                return;
            }
            let bounds = FileBounds::new(file, schema);
            if !bounds.is_empty() {
                self.add_bounds(bounds.column_or_unknown(&path));
            }
        }
    }

    /// The column over the files of both.
    pub(super) fn merge(&mut self, other: &Self) {
        self.min.merge(&other.min, Ordering::is_lt);
        self.max.merge(&other.max, Ordering::is_gt);
        self.has_null |= other.has_null;
        self.has_not_null |= other.has_not_null;
    }

    fn add_bounds(&mut self, mut bounds: ColumnBounds) {
        self.has_null |= bounds.nulls != Nulls::None;
        if bounds.nulls == Nulls::All {
            return;
        }
        self.has_not_null = true;
        let is_nan = |bound: &Option<Scalar>| matches!(bound, Some(Scalar::Float(value)) if value.is_nan());
        if contradict(&bounds) || is_nan(&bounds.min) {
            (bounds.min, bounds.max) = (None, None);
        }
        if bounds.hidden_nan || is_nan(&bounds.max) {
            bounds.max = None;
        }
        self.min.widen(bounds.min, Ordering::is_lt);
        self.max.widen(bounds.max, Ordering::is_gt);
    }

    /// The summary as statistics of this column, as the seam has it.
    pub(crate) fn statistics(&self, column: &Field) -> ColumnStatistics {
        let data_type = column.data_type();
        let shown = |value: &Scalar, side| match is_stored_as_is(column) || *data_type == DataType::Utf8 {
            true => array(value, data_type),
            false => {
                let (value, stored) = stored_bound(value, column, side)?;
                load(&array(&value, &stored)?, column).ok()
            }
        };
        let least = |value: &Scalar| shown(value, Side::Min);
        let greatest = |value: &Scalar| match value {
            Scalar::Binary(bytes) if *data_type == DataType::Utf8 => {
                text_above(bytes).and_then(|text| shown(&text, Side::Max))
            }
            value => shown(value, Side::Max),
        };
        let unknown = || new_null_array(data_type, 1);
        ColumnStatistics {
            min: self.min.known().and_then(least).unwrap_or_else(unknown),
            max: self.max.known().and_then(greatest).unwrap_or_else(unknown),
            has_null: self.has_null,
            has_not_null: self.has_not_null,
        }
    }
}

impl Bound {
    fn known(&self) -> Option<&Scalar> {
        match self {
            Self::Known(value) => Some(value),
            Self::Nothing | Self::Unknown => None,
        }
    }

    fn merge(&mut self, other: &Self, beyond: fn(Ordering) -> bool) {
        match (&*self, other) {
            (Self::Unknown, _) | (_, Self::Nothing) => {}
            (Self::Known(so_far), Self::Known(value)) if compare(value, so_far).is_some_and(|order| !beyond(order)) => {
            }
            (_, Self::Known(value)) => self.widen(Some(value.clone()), beyond),
            (_, Self::Unknown) => *self = Self::Unknown,
        }
    }

    fn widen(&mut self, value: Option<Scalar>, beyond: fn(Ordering) -> bool) {
        let wider = match (&*self, value) {
            (Self::Unknown, _) => return,
            (_, None) => Self::Unknown,
            (Self::Nothing, Some(value)) => Self::Known(value),
            (Self::Known(so_far), Some(value)) => match compare(&value, so_far) {
                Some(order) if beyond(order) => Self::Known(value),
                Some(_) => return,
                None => Self::Unknown,
            },
        };
        *self = wider;
    }
}

fn contradict(bounds: &ColumnBounds) -> bool {
    match (&bounds.min, &bounds.max) {
        (Some(min), Some(max)) => compare(min, max).is_none_or(Ordering::is_gt),
        _ => false,
    }
}

/// A text above everything that begins with `bytes`, a text and perhaps 0xFF, which no text holds: its last
/// character is the next one. `None` if there is no such text.
fn text_above(bytes: &[u8]) -> Option<Scalar> {
    let text = std::str::from_utf8(bytes.strip_suffix(&[0xff]).unwrap_or(bytes)).ok()?;
    let mut chars: Vec<char> = text.chars().collect();
    while let Some(last) = chars.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Some(Scalar::Text(chars.into_iter().collect()));
        }
    }
    None
}

/// One row of a column's type; `None` if the type does not hold the value.
fn array(value: &Scalar, data_type: &DataType) -> Option<ArrayRef> {
    Some(match (value, data_type) {
        (Scalar::Boolean(value), DataType::Boolean) => Arc::new(BooleanArray::from(vec![*value])),
        (Scalar::Integer(value), DataType::Int8) => Arc::new(Int8Array::from(vec![i8::try_from(*value).ok()?])),
        (Scalar::Integer(value), DataType::Int16) => Arc::new(Int16Array::from(vec![i16::try_from(*value).ok()?])),
        (Scalar::Integer(value), DataType::Int32) => Arc::new(Int32Array::from(vec![i32::try_from(*value).ok()?])),
        (Scalar::Integer(value), DataType::Int64) => Arc::new(Int64Array::from(vec![i64::try_from(*value).ok()?])),
        #[allow(clippy::cast_possible_truncation, reason = "it was widened from 32 bits")]
        (Scalar::Float(value), DataType::Float32) => Arc::new(Float32Array::from(vec![*value as f32])),
        (Scalar::Float(value), DataType::Float64) => Arc::new(Float64Array::from(vec![*value])),
        (Scalar::Text(value), DataType::Utf8) => Arc::new(StringArray::from(vec![value.as_str()])),
        (Scalar::Date(value), DataType::Date32) => Arc::new(Date32Array::from(vec![*value])),
        (Scalar::Timestamp(value), DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            Arc::new(TimestampMicrosecondArray::from(vec![*value]).with_timezone_opt(zone.clone()))
        }
        (Scalar::Decimal { unscaled, scale }, DataType::Decimal128(precision, own))
            if i16::from(*scale) == i16::from(*own)
                && unscaled.unsigned_abs() < 10_u128.checked_pow(u32::from(*precision))? =>
        {
            Arc::new(Decimal128Array::from(vec![*unscaled]).with_data_type(data_type.clone()))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
