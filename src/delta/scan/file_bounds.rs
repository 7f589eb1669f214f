//! What the log knows of a data file's columns: partition values, which are exact, and statistics, which are not.
//!
//! Delta protocol, "Per-file Statistics". With a deletion vector, or `tightBounds` false, minima and maxima are
//! those of all rows, deleted ones too, and so still bounds. Writers truncate texts and timestamps and print
//! decimals by way of floats; every bound is widened by what such a writer may have lost.

use arrow::datatypes::{DataType, Field, TimeUnit};

use super::{
    prune::{Bounds, ColumnBounds, Nulls},
    raw_json,
    simplify::Known,
    text::{self, DecimalText},
};
use crate::{
    delta::{file::DataFile, schema::TableSchema},
    engine::{ColumnPath, Scalar},
};

/// Statistics truncate timestamps to milliseconds.
const TIMESTAMP_LOSS_MICROS: i64 = 1000;

/// The most digits a decimal survives a round trip through a 64-bit float with (IEEE 754).
const FLOAT_DIGITS: u8 = 15;

/// The [`Bounds`] of one file; parses what it is asked for.
#[derive(Debug)]
pub(super) struct FileBounds<'a> {
    file: &'a DataFile,
    schema: &'a TableSchema,
    stats: Stats<'a>,
}

/// The parts of an Add's statistics, unparsed but for the count.
#[derive(Debug, Default, Clone, Copy)]
struct Stats<'a> {
    rows: Option<u64>,
    min_values: Option<&'a str>,
    max_values: Option<&'a str>,
    null_count: Option<&'a str>,
}

impl<'a> FileBounds<'a> {
    pub(super) fn new(file: &'a DataFile, schema: &'a TableSchema) -> Self {
        let stats = file.stats_json.as_deref().map(Stats::parse).unwrap_or_default();
        Self { file, schema, stats }
    }

    /// What the partition values make of a column of a predicate.
    pub(super) fn partition(&self, path: &ColumnPath) -> Known {
        let Some((index, logical)) = path.first().and_then(|first| self.schema.logical.column_with_name(first)) else {
            return Known::Unreadable;
        };
        if !self.schema.partition_columns.contains(&index) {
            return Known::Nothing;
        }
        let name = self.schema.physical.field(index).name();
        match self.partition_column(name, logical.data_type()) {
            Some(bounds) if path.len() == 1 => Known::Constant(bounds),
            _ => Known::Unreadable,
        }
    }

    /// Whether the log says that the file has no row left.
    pub(super) fn is_empty(&self) -> bool {
        live_rows(self.file, self.stats.rows) == Some(0)
    }
}

/// The rows of a file that are not deleted, if the log says how many.
pub(super) fn rows_by_log(file: &DataFile) -> Option<u64> {
    let rows = raw_json::field(file.stats_json.as_deref()?, "numRecords")?.parse().ok();
    live_rows(file, rows)
}

fn live_rows(file: &DataFile, rows: Option<u64>) -> Option<u64> {
    let deleted = file.deletion_vector.as_ref().map_or(Some(0), |vector| u64::try_from(vector.cardinality).ok());
    rows?.checked_sub(deleted?)
}

impl<'a> Stats<'a> {
    fn parse(json: &'a str) -> Self {
        let names = ["numRecords", "minValues", "maxValues", "nullCount"];
        let [rows, min_values, max_values, null_count] = raw_json::fields(json, names).unwrap_or_default();
        Self { rows: rows.and_then(|rows| rows.parse().ok()), min_values, max_values, null_count }
    }
}

impl Bounds for FileBounds<'_> {
    fn column(&self, path: &ColumnPath) -> Option<ColumnBounds> {
        let (index, logical) = self.schema.logical.column_with_name(path.first()?)?;
        let mut physical = self.schema.physical.field(index);
        if self.schema.partition_columns.contains(&index) {
            return (path.len() == 1).then(|| self.partition_column(physical.name(), logical.data_type()))?;
        }
        let mut names = vec![physical.name().as_str()];
        let mut logical = logical;
        for name in &path[1..] {
            (logical, physical) = child(logical, physical, name)?;
            names.push(physical.name());
        }
        Some(self.stats_column(&names, logical.data_type()))
    }
}

/// The field of a struct by its logical name, under both names.
fn child<'f>(logical: &'f Field, physical: &'f Field, name: &str) -> Option<(&'f Field, &'f Field)> {
    match (logical.data_type(), physical.data_type()) {
        (DataType::Struct(logical), DataType::Struct(physical)) => {
            let (index, field) = logical.find(name)?;
            Some((field, physical.get(index)?))
        }
        _ => None,
    }
}

impl FileBounds<'_> {
    fn partition_column(&self, name: &str, data_type: &DataType) -> Option<ColumnBounds> {
        match self.file.partition_values.get(name)? {
            Some(value) if !value.is_empty() => text::partition_value(value, data_type).map(ColumnBounds::exactly),
            _ => Some(ColumnBounds::all_null()),
        }
    }

    fn stats_column(&self, names: &[&str], data_type: &DataType) -> ColumnBounds {
        let null_count = leaf(self.stats.null_count, names).and_then(|count| count.parse().ok());
        let nulls = match Nulls::of(null_count, self.stats.rows) {
            // Some writers count the NULLs of a nested field only where its struct is there.
            Nulls::None if names.len() > 1 => Nulls::Unknown,
            nulls => nulls,
        };
        ColumnBounds {
            min: leaf(self.stats.min_values, names).and_then(|raw| bound(raw, data_type, Side::Min)),
            max: leaf(self.stats.max_values, names).and_then(|raw| bound(raw, data_type, Side::Max)),
            nulls,
            hidden_nan: data_type.is_floating(),
        }
    }
}

/// The text of a field of nested objects.
fn leaf<'a>(object: Option<&'a str>, names: &[&str]) -> Option<&'a str> {
    names.iter().try_fold(object?, |at, name| raw_json::field(at, name))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Min,
    Max,
}

/// A minimum or maximum from its JSON, widened; `None` if nothing is to be trusted.
fn bound(raw: &str, data_type: &DataType, side: Side) -> Option<Scalar> {
    match data_type {
        DataType::Boolean => raw.parse().ok().map(Scalar::Boolean),
        data_type if data_type.is_signed_integer() => raw.parse().ok().map(Scalar::Integer),
        DataType::Float32 | DataType::Float64 => float_bound(raw, data_type),
        DataType::Decimal128(precision, scale) => decimal_bound(raw, *precision, u8::try_from(*scale).ok()?, side),
        DataType::Utf8 => text_bound(string(raw)?, side),
        DataType::Date32 => text::date(&string(raw)?).map(Scalar::Date),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => timestamp_bound(&string(raw)?, zone.is_some(), side),
        _ => None,
    }
}

fn string(raw: &str) -> Option<String> {
    serde_json::from_str(raw).ok()
}

fn float_bound(raw: &str, data_type: &DataType) -> Option<Scalar> {
    text::float(raw, data_type).filter(|value| !value.is_nan()).map(Scalar::Float)
}

/// A truncated maximum is a prefix of the true one unless its writer rounded it up; every continuation of the
/// maximum counts as below it therefore. 0xFF occurs in no UTF-8.
fn text_bound(text: String, side: Side) -> Option<Scalar> {
    match side {
        Side::Min => Some(Scalar::Text(text)),
        Side::Max => {
            let mut bytes = text.into_bytes();
            bytes.push(0xff);
            Some(Scalar::Binary(bytes))
        }
    }
}

/// Writers that print decimals through 64-bit floats lose what lies beyond [`FLOAT_DIGITS`].
fn decimal_bound(raw: &str, precision: u8, scale: u8, side: Side) -> Option<Scalar> {
    let number = string(raw).unwrap_or_else(|| raw.to_owned());
    let (down, up) = DecimalText::parse(&number)?.at_scale(scale)?;
    let loss = |value: i128| if precision <= FLOAT_DIGITS { 0 } else { (value.abs() >> 48) + 1 };
    let unscaled = match side {
        Side::Min => down.checked_sub(loss(down))?,
        Side::Max => up.checked_add(loss(up))?,
    };
    Some(Scalar::Decimal { unscaled, scale })
}

/// Instants must say their offset, local timestamps must not say another one than UTC's, or they are not trusted.
fn timestamp_bound(text: &str, instant: bool, side: Side) -> Option<Scalar> {
    let zulu = text.ends_with(['Z', 'z']);
    if text::has_offset(text) != instant && !zulu {
        return None;
    }
    let micros = text::timestamp(text)?;
    let widened = match side {
        Side::Min => micros.checked_sub(TIMESTAMP_LOSS_MICROS)?,
        Side::Max => micros.checked_add(TIMESTAMP_LOSS_MICROS)?,
    };
    Some(Scalar::Timestamp(widened))
}
