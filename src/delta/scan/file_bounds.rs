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
        let Some((index, logical)) = path.first().and_then(|first| self.schema.stored.column_with_name(first)) else {
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

    /// What is known of a column, which may be nothing.
    pub(super) fn column_or_unknown(&self, path: &ColumnPath) -> ColumnBounds {
        self.column(path).unwrap_or_default()
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
        let [rows, min_values, max_values, null_count] = raw_json::fields(json, names);
        Self { rows: rows.and_then(|rows| rows.parse().ok()), min_values, max_values, null_count }
    }
}

impl Bounds for FileBounds<'_> {
    fn column(&self, path: &ColumnPath) -> Option<ColumnBounds> {
        let (index, logical) = self.schema.stored.column_with_name(path.first()?)?;
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
        DataType::Float32 | DataType::Float64 => float_bound(raw, data_type, side),
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

/// A double's column may have been a float's when the file was written ("Type Widening"), and then the text says a
/// 32-bit number, which is not the 64-bit number of that text: the bound is the wider of the two.
fn float_bound(raw: &str, data_type: &DataType, side: Side) -> Option<Scalar> {
    let value = text::float(raw, data_type).filter(|value| !value.is_nan())?;
    let narrow = text::float(raw, &DataType::Float32).filter(|narrow| narrow.is_finite()).unwrap_or(value);
    Some(Scalar::Float(match side {
        Side::Min => value.min(narrow),
        Side::Max => value.max(narrow),
    }))
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

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use arrow::datatypes::{Fields, Schema};
    use delta_kernel::actions::deletion_vector::{DeletionVectorDescriptor, DeletionVectorStorageType};
    use object_store::path::Path;

    use super::*;
    use crate::delta::schema::ColumnMapping;

    fn bounds_of(stats: &str, path: &[&str]) -> ColumnBounds {
        let micros = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        let field = |name: &str, data_type| Field::new(name, data_type, true);
        let logical = Arc::new(Schema::new(vec![
            field("i", DataType::Int32),
            field("f", DataType::Float64),
            field("dec", DataType::Decimal128(38, 2)),
            field("t", DataType::Utf8),
            field("bin", DataType::Binary),
            field("ts", micros(Some("UTC"))),
            field("ntz", micros(None)),
            field("s", DataType::Struct(Fields::from(vec![field("x", DataType::Int32)]))),
            field("l", DataType::List(Arc::new(field("element", DataType::Int32)))),
        ]));
        let (stored, physical) = (Arc::clone(&logical), Arc::clone(&logical));
        let schema = TableSchema { logical, stored, physical, partition_columns: vec![], mapping: ColumnMapping::None };
        let path: ColumnPath = path.iter().map(|name| (*name).to_owned()).collect();
        FileBounds::new(&file(stats, None), &schema).column(&path).unwrap_or_default()
    }

    fn file(stats: &str, deleted: Option<i64>) -> DataFile {
        let vector = deleted.map(|cardinality| DeletionVectorDescriptor {
            storage_type: DeletionVectorStorageType::Inline,
            path_or_inline_dv: String::new(),
            offset: None,
            size_in_bytes: 0,
            cardinality,
        });
        DataFile {
            path: Path::from("f"),
            log_path: None,
            size_bytes: 1,
            partition_values: BTreeMap::new(),
            stats_json: Some(stats.into()),
            deletion_vector: vector,
            ..DataFile::default()
        }
    }

    fn min_max(value: &str, column: &str) -> (Option<Scalar>, Option<Scalar>) {
        let stats = format!(r#"{{"minValues":{{"{column}":{value}}},"maxValues":{{"{column}":{value}}}}}"#);
        let bounds = bounds_of(&stats, &[column]);
        (bounds.min, bounds.max)
    }

    #[test]
    fn bounds_are_widened_by_what_writers_lose() {
        let text = |max: &[u8]| (Some(Scalar::Text("ab".into())), Some(Scalar::Binary(max.to_vec())));
        assert_eq!(min_max(r#""ab""#, "t"), text(b"ab\xff"));
        let micros = |min, max| (Some(Scalar::Timestamp(min)), Some(Scalar::Timestamp(max)));
        assert_eq!(min_max(r#""1970-01-01T00:00:01.000Z""#, "ts"), micros(999_000, 1_001_000));
        assert_eq!(min_max(r#""1970-01-01T01:00:01.000+01:00""#, "ts"), micros(999_000, 1_001_000));
        assert_eq!(min_max(r#""1970-01-01T00:00:01.000""#, "ntz"), micros(999_000, 1_001_000));
        let (Some(Scalar::Decimal { unscaled: min, .. }), Some(Scalar::Decimal { unscaled: max, .. })) =
            min_max("123456789012345678.25", "dec")
        else {
            panic!("decimals")
        };
        assert!(min < 12_345_678_901_234_567_800 && max > 12_345_678_901_234_567_850, "{min} {max}");
    }

    #[test]
    fn bounds_of_narrower_types_hold_after_a_widening() {
        // As a float's statistics were printed; read as a double's, 0.1 is less than the float was.
        let (Some(Scalar::Float(min)), Some(Scalar::Float(max))) = min_max("0.1", "f") else { panic!("floats") };
        assert!(min <= f64::from(0.1_f32) && min <= 0.1 && f64::from(0.1_f32) <= max && 0.1 <= max, "{min} {max}");
        assert_eq!(min_max("1e300", "f"), (Some(Scalar::Float(1e300)), Some(Scalar::Float(1e300))));
        // An integer's as a double's and a decimal's; a date's as a timestamp's.
        assert_eq!(min_max("-7", "f"), (Some(Scalar::Float(-7.0)), Some(Scalar::Float(-7.0))));
        let (Some(Scalar::Decimal { unscaled: min, .. }), Some(Scalar::Decimal { unscaled: max, .. })) =
            min_max("7", "dec")
        else {
            panic!("decimals")
        };
        assert!(min <= 700 && 700 <= max);
        let day = 86_400_000_000;
        let midnight = (Some(Scalar::Timestamp(day - 1000)), Some(Scalar::Timestamp(day + 1000)));
        assert_eq!(min_max(r#""1970-01-02""#, "ntz"), midnight);
    }

    #[test]
    fn what_cannot_be_trusted_is_no_bound() {
        for (value, column) in [
            (r#""1970-01-01T00:00:01.000""#, "ts"),
            (r#""1970-01-01T00:00:01.000+01:00""#, "ntz"),
            (r#""NaN""#, "f"),
            ("null", "i"),
            ("1.5", "i"),
            (r#""7""#, "i"),
            (r#""AQI=""#, "bin"),
            ("[1]", "l"),
            ("1", "s"),
        ] {
            assert_eq!(min_max(value, column), (None, None), "{column}: {value}");
        }
        assert!(bounds_of("{}", &["f"]).hidden_nan);
        assert_eq!(bounds_of("not json", &["i"]), ColumnBounds::default());
    }

    #[test]
    fn nulls_of_nested_fields_are_counted_with_care() {
        let nulls = |count: u64, path: &[&str]| {
            let stats = format!(r#"{{"numRecords":5,"nullCount":{{"i":{count},"s":{{"x":{count}}}}}}}"#);
            bounds_of(&stats, path).nulls
        };
        assert_eq!([0, 3, 5].map(|count| nulls(count, &["i"])), [Nulls::None, Nulls::Unknown, Nulls::All]);
        assert_eq!([0, 3, 5].map(|count| nulls(count, &["s", "x"])), [Nulls::Unknown, Nulls::Unknown, Nulls::All]);
        assert_eq!(nulls(0, &["s"]), Nulls::Unknown);
    }

    #[test]
    fn deleted_rows_are_not_counted() {
        let five = r#"{"numRecords":5}"#;
        assert_eq!(rows_by_log(&file(five, None)), Some(5));
        assert_eq!(rows_by_log(&file(five, Some(2))), Some(3));
        assert_eq!(rows_by_log(&file(five, Some(6))), None, "the log contradicts itself");
        assert_eq!(rows_by_log(&file(r#"{"numRecords":-5}"#, None)), None);
        assert_eq!(rows_by_log(&file("{}", Some(0))), None);
    }
}
