//! What a Parquet file knows of its leaves: statistics of row groups in the footer, of pages in the column index.
//!
//! parquet.thrift, `Statistics`, `ColumnOrder` and `ColumnIndex`. Bounds may be truncated there, but are bounds
//! still; what has no order, or had another one once, is not trusted.

use arrow::datatypes::{DataType, TimeUnit};
use parquet::{
    basic::{ColumnOrder, SortOrder, Type as Physical},
    file::{
        metadata::{ParquetMetaData, RowGroupMetaData},
        page_index::column_index::ColumnIndexMetaData,
        statistics::Statistics,
    },
};

use super::prune::{ColumnBounds, Nulls};
use crate::engine::Scalar;

/// A Parquet column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    /// Its index among the file's leaves.
    pub(super) index: usize,
    /// What the file's own schema makes of it.
    pub(super) data_type: DataType,
}

/// Which bounds of a leaf may be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    None,
    /// Those in the fields that a type's own order defines.
    Ordered,
    /// The deprecated fields too, which were always compared as signed numbers.
    Signed,
}

impl Leaf {
    fn trust(&self, file: &ParquetMetaData) -> Trust {
        let meta = file.file_metadata();
        let signed = self.data_type.is_signed_integer()
            || self.data_type.is_floating()
            || matches!(self.data_type, DataType::Date32 | DataType::Timestamp(..));
        let physical = meta.schema_descr().column(self.index).physical_type();
        match (physical, meta.column_order(self.index)) {
            (Physical::INT96, _) => Trust::None,
            (_, ColumnOrder::TYPE_DEFINED_ORDER(SortOrder::SIGNED)) if signed => Trust::Signed,
            (_, ColumnOrder::UNDEFINED) if signed => Trust::Signed,
            (_, ColumnOrder::TYPE_DEFINED_ORDER(SortOrder::SIGNED | SortOrder::UNSIGNED)) => Trust::Ordered,
            _ => Trust::None,
        }
    }

    /// What is known of the leaf in a row group.
    pub(super) fn group_bounds(&self, file: &ParquetMetaData, group: &RowGroupMetaData) -> ColumnBounds {
        let Some(stats) = group.column(self.index).statistics() else {
            return ColumnBounds::default();
        };
        let rows = u64::try_from(group.num_rows()).ok();
        let trusted = match self.trust(file) {
            Trust::None => false,
            Trust::Ordered => !stats.is_min_max_deprecated(),
            Trust::Signed => true,
        };
        let (min, max) = if trusted { self.extremes(stats) } else { (None, None) };
        self.bounds(min, max, Nulls::of(stats.null_count_opt(), rows))
    }

    /// What is known of the leaf in a page of a row group; `rows` are the page's.
    pub(super) fn page_bounds(
        &self,
        file: &ParquetMetaData,
        index: &ColumnIndexMetaData,
        page: usize,
        rows: u64,
    ) -> ColumnBounds {
        if matches!(index, ColumnIndexMetaData::NONE) || page as u64 >= index.num_pages() {
            return ColumnBounds::default();
        }
        if index.is_null_page(page) {
            return ColumnBounds::all_null();
        }
        let null_count = index.null_count(page).and_then(|count| u64::try_from(count).ok());
        let (min, max) = match self.trust(file) {
            Trust::None => (None, None),
            Trust::Ordered | Trust::Signed => self.page_extremes(index, page),
        };
        self.bounds(min, max, Nulls::of(null_count, Some(rows)))
    }

    fn bounds(&self, min: Option<Scalar>, max: Option<Scalar>, nulls: Nulls) -> ColumnBounds {
        ColumnBounds { min, max, nulls, hidden_nan: self.data_type.is_floating() }
    }

    fn extremes(&self, stats: &Statistics) -> (Option<Scalar>, Option<Scalar>) {
        match stats {
            Statistics::Boolean(stats) => both(stats.min_opt(), stats.max_opt(), |v| Some(Scalar::Boolean(*v))),
            Statistics::Int32(stats) => both(stats.min_opt(), stats.max_opt(), |v| self.int32(*v)),
            Statistics::Int64(stats) => both(stats.min_opt(), stats.max_opt(), |v| self.int64(*v)),
            Statistics::Int96(_) => (None, None),
            Statistics::Float(stats) => both(stats.min_opt(), stats.max_opt(), |v| float(f64::from(*v))),
            Statistics::Double(stats) => both(stats.min_opt(), stats.max_opt(), |v| float(*v)),
            Statistics::ByteArray(_) => both(stats.min_bytes_opt(), stats.max_bytes_opt(), |v| self.bytes(v)),
            Statistics::FixedLenByteArray(_) => {
                both(stats.min_bytes_opt(), stats.max_bytes_opt(), |v| self.fixed_bytes(v))
            }
        }
    }

    fn page_extremes(&self, index: &ColumnIndexMetaData, page: usize) -> (Option<Scalar>, Option<Scalar>) {
        use ColumnIndexMetaData as Index;
        match index {
            Index::BOOLEAN(i) => both(i.min_value(page), i.max_value(page), |v| Some(Scalar::Boolean(*v))),
            Index::INT32(i) => both(i.min_value(page), i.max_value(page), |v| self.int32(*v)),
            Index::INT64(i) => both(i.min_value(page), i.max_value(page), |v| self.int64(*v)),
            Index::FLOAT(i) => both(i.min_value(page), i.max_value(page), |v| float(f64::from(*v))),
            Index::DOUBLE(i) => both(i.min_value(page), i.max_value(page), |v| float(*v)),
            Index::BYTE_ARRAY(i) => both(i.min_value(page), i.max_value(page), |v| self.bytes(v)),
            Index::FIXED_LEN_BYTE_ARRAY(i) => both(i.min_value(page), i.max_value(page), |v| self.fixed_bytes(v)),
            Index::INT96(_) | Index::NONE => (None, None),
        }
    }

    fn int32(&self, value: i32) -> Option<Scalar> {
        match &self.data_type {
            DataType::Int8 | DataType::Int16 | DataType::Int32 => Some(Scalar::Integer(value.into())),
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
                Some(Scalar::Integer(value.cast_unsigned().into()))
            }
            DataType::Decimal128(_, scale) => decimal(value.into(), *scale),
            DataType::Date32 => Some(Scalar::Date(value)),
            _ => None,
        }
    }

    fn int64(&self, value: i64) -> Option<Scalar> {
        match &self.data_type {
            DataType::Int64 => Some(Scalar::Integer(value.into())),
            DataType::UInt64 => Some(Scalar::Integer(value.cast_unsigned().into())),
            DataType::Decimal128(_, scale) => decimal(value.into(), *scale),
            DataType::Timestamp(unit, _) => match unit {
                TimeUnit::Second => value.checked_mul(1_000_000),
                TimeUnit::Millisecond => value.checked_mul(1000),
                TimeUnit::Microsecond => Some(value),
                TimeUnit::Nanosecond => Some(value.div_euclid(1000)),
            }
            .map(Scalar::Timestamp),
            _ => None,
        }
    }

    /// Decimals of varying length have no bounds: whether one was truncated cannot be told.
    fn bytes(&self, value: &[u8]) -> Option<Scalar> {
        match &self.data_type {
            DataType::Utf8 | DataType::Binary => Some(Scalar::Binary(value.to_vec())),
            _ => None,
        }
    }

    fn fixed_bytes(&self, value: &[u8]) -> Option<Scalar> {
        match &self.data_type {
            DataType::FixedSizeBinary(_) => Some(Scalar::Binary(value.to_vec())),
            DataType::Decimal128(_, scale) => decimal(big_endian(value)?, *scale),
            _ => None,
        }
    }
}

/// The leaf's extremes with neither if one is a NaN: such statistics are not to be trusted at all.
fn both<T>(min: Option<T>, max: Option<T>, convert: impl Fn(T) -> Option<Scalar>) -> (Option<Scalar>, Option<Scalar>) {
    let is_nan = |bound: &Option<Scalar>| matches!(bound, Some(Scalar::Float(value)) if value.is_nan());
    let (min, max) = (min.and_then(&convert), max.and_then(&convert));
    if is_nan(&min) || is_nan(&max) { (None, None) } else { (min, max) }
}

#[expect(clippy::unnecessary_wraps, reason = "one shape with the conversions that fail")]
fn float(value: f64) -> Option<Scalar> {
    Some(Scalar::Float(value))
}

fn decimal(unscaled: i128, scale: i8) -> Option<Scalar> {
    Some(Scalar::Decimal { unscaled, scale: u8::try_from(scale).ok()? })
}

/// A two's complement number of at most 16 bytes.
fn big_endian(bytes: &[u8]) -> Option<i128> {
    let fill = if *bytes.first()? < 0x80 { 0 } else { 0xff };
    let mut wide = [fill; 16];
    wide.get_mut(16_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::{
        data_type::{ByteArray, FixedLenByteArray},
        file::{
            metadata::{ColumnChunkMetaData, FileMetaData},
            statistics::ValueStatistics,
        },
        schema::{parser::parse_message_type, types::SchemaDescriptor},
    };

    use super::*;

    /// The bounds of a row group of ten rows of one column.
    fn bounds(column: &str, data_type: DataType, ordered: bool, stats: Statistics) -> ColumnBounds {
        let message = format!("message m {{ required {column}; }}");
        let schema = Arc::new(SchemaDescriptor::new(Arc::new(parse_message_type(&message).unwrap())));
        let descriptor = schema.column(0);
        let order = ColumnOrder::TYPE_DEFINED_ORDER(ColumnOrder::sort_order_for_type(
            descriptor.logical_type_ref(),
            descriptor.converted_type(),
            descriptor.physical_type(),
        ));
        let chunk = ColumnChunkMetaData::builder(descriptor).set_statistics(stats).build().unwrap();
        let group = RowGroupMetaData::builder(Arc::clone(&schema));
        let group = group.set_num_rows(10).set_column_metadata(vec![chunk]).build().unwrap();
        let meta = FileMetaData::new(1, 10, None, None, schema, ordered.then(|| vec![order]));
        let file = ParquetMetaData::new(meta, vec![group]);
        Leaf { index: 0, data_type }.group_bounds(&file, file.row_group(0))
    }

    fn trusted(bounds: &ColumnBounds) -> bool {
        bounds.min.is_some() && bounds.max.is_some()
    }

    #[test]
    fn deprecated_bounds_are_trusted_of_signed_numbers_only() {
        let int = |deprecated| Statistics::int32(Some(-1), Some(1), None, Some(0), deprecated);
        let text = |deprecated| {
            let value = || Some(ByteArray::from("é"));
            Statistics::ByteArray(ValueStatistics::new(value(), value(), None, Some(0), deprecated))
        };
        for (column, data_type, ordered, stats, expected) in [
            ("int32 c", DataType::Int32, true, int(false), true),
            ("int32 c", DataType::Int32, false, int(true), true),
            ("int32 c (UINT_32)", DataType::UInt32, true, int(false), true),
            ("int32 c (UINT_32)", DataType::UInt32, true, int(true), false),
            ("int32 c (UINT_32)", DataType::UInt32, false, int(false), false),
            ("binary c (UTF8)", DataType::Utf8, true, text(false), true),
            ("binary c (UTF8)", DataType::Utf8, true, text(true), false),
            ("binary c (UTF8)", DataType::Utf8, false, text(false), false),
            ("binary c (DECIMAL(9,2))", DataType::Decimal128(9, 2), true, text(false), false),
        ] {
            let bounds = bounds(column, data_type, ordered, stats);
            assert_eq!(trusted(&bounds), expected, "{column}, ordered: {ordered}");
            assert_eq!(bounds.nulls, Nulls::None, "counts have no order");
        }
    }

    #[test]
    fn numbers_are_read_as_the_file_means_them() {
        let unsigned = Statistics::int64(Some(0), Some(-1), None, None, false);
        let found = bounds("int64 c (UINT_64)", DataType::UInt64, true, unsigned);
        assert_eq!(found.max, Some(Scalar::Integer(u64::MAX.into())));
        let scaled = Statistics::int64(Some(-15), Some(15), None, None, false);
        let found = bounds("int64 c (DECIMAL(18,1))", DataType::Decimal128(18, 1), true, scaled);
        assert_eq!(found.min, Some(Scalar::Decimal { unscaled: -15, scale: 1 }));
        let fixed = |bytes: &[u8]| Some(FixedLenByteArray::from(bytes.to_vec()));
        let stats = ValueStatistics::new(fixed(&[0xff, 0x00]), fixed(&[0x01, 0x00]), None, None, false);
        let column = "fixed_len_byte_array(2) c (DECIMAL(4,0))";
        let found = bounds(column, DataType::Decimal128(4, 0), true, Statistics::FixedLenByteArray(stats));
        assert_eq!(found.min, Some(Scalar::Decimal { unscaled: -256, scale: 0 }));
        assert_eq!(found.max, Some(Scalar::Decimal { unscaled: 256, scale: 0 }));
        let nanos = Statistics::int64(Some(-1), Some(1999), None, None, false);
        let data_type = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let found = bounds("int64 c (TIMESTAMP(NANOS,false))", data_type, true, nanos);
        assert_eq!((found.min, found.max), (Some(Scalar::Timestamp(-1)), Some(Scalar::Timestamp(1))));
        let millis = Statistics::int64(Some(i64::MIN), Some(2), None, None, false);
        let data_type = DataType::Timestamp(TimeUnit::Millisecond, None);
        let found = bounds("int64 c (TIMESTAMP(MILLIS,false))", data_type, true, millis);
        assert_eq!((found.min, found.max), (None, Some(Scalar::Timestamp(2000))), "overflow is no bound");
    }

    #[test]
    fn floats_may_hide_nan_and_nan_is_no_bound() {
        let found =
            bounds("double c", DataType::Float64, true, Statistics::double(Some(0.0), Some(1.0), None, None, false));
        assert!(trusted(&found) && found.hidden_nan);
        let nan = Statistics::float(Some(0.0), Some(f32::NAN), None, None, false);
        let found = bounds("float c", DataType::Float32, true, nan);
        assert_eq!((found.min, found.max), (None, None));
    }

    #[test]
    fn two_complement_numbers_of_any_length() {
        assert_eq!(big_endian(&[0x80]), Some(-128));
        assert_eq!(big_endian(&[0, 0x80]), Some(128));
        assert_eq!(big_endian(&[0xff; 16]), Some(-1));
        assert_eq!(big_endian(&[]), None);
        assert_eq!(big_endian(&[0; 17]), None);
    }
}
