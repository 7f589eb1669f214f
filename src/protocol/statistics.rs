//! Statistics of a column, as the client takes them (`airport_flight_statistics.cpp`).
//!
//! DuckDB drops filters by them while it plans, and asks for every column a query reads. A type that the client does
//! not know how to take fails the query, and so does an error; what is not known is said in a way that rules nothing
//! out.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, BooleanArray, Int64Array, StringArray, new_null_array},
    datatypes::{DataType, Field, FieldRef, Schema},
    error::ArrowError,
    ipc::writer::StreamWriter,
    record_batch::RecordBatch,
};

use super::types::{travelling_column, travelling_field};
use crate::engine::{ColumnStatistics, Extension};

/// The key of a schema's metadata that makes the client ask for statistics.
pub const CAN_PRODUCE_STATISTICS: &str = "can_produce_statistics";

/// No text begins with more: DuckDB keeps the first eight bytes of a bound (`string_stats.cpp`).
const TEXT_MAX: &str = "\u{10ffff}\u{10ffff}";

/// Whether the client can be told of every column of a table. It asks of all or of none.
pub fn can_be_told(columns: &Schema) -> bool {
    columns.fields().iter().all(|field| is_told(field))
}

/// The types of the client's `switch`, but for two: a BLOB's bounds are taken from its printed form, so none can
/// be said that rules nothing out; and a BIGNUM's go where numbers of a fixed width belong.
fn is_told(field: &Field) -> bool {
    match Extension::of(field) {
        Some(Extension::Json | Extension::Uuid | Extension::HugeInt | Extension::UHugeInt | Extension::TimeTz) => true,
        Some(Extension::Bit | Extension::BigNum) => false,
        None => {
            field.data_type().is_integer()
                || matches!(
                    field.data_type(),
                    DataType::Boolean
                        | DataType::Float32
                        | DataType::Float64
                        | DataType::Decimal64(..)
                        | DataType::Decimal128(..)
                        | DataType::Utf8
                        | DataType::Date32
                        | DataType::Time64(_)
                        | DataType::Timestamp(..)
                        | DataType::List(_)
                        | DataType::FixedSizeList(..)
                        | DataType::Map(..)
                        | DataType::Struct(_)
                )
        }
    }
}

/// Answers `column_statistics` of a column of the engine's: an IPC stream of one row.
pub fn column_statistics(column: &FieldRef, statistics: &ColumnStatistics) -> Result<Vec<u8>, ArrowError> {
    let (bound, min, max) = bounds(column, statistics);
    let named = |name: &str| bound.as_ref().clone().with_name(name).with_nullable(true);
    let flag = |name: &str| Field::new(name, DataType::Boolean, false);
    let schema = Arc::new(Schema::new(vec![
        named("min"),
        named("max"),
        flag("has_not_null"),
        flag("has_null"),
        Field::new("distinct_count", DataType::Int64, false),
        flag("contains_unicode"),
    ]));
    let bool = |value: bool| Arc::new(BooleanArray::from(vec![value])) as ArrayRef;
    // A count of zero means that it is not known (`relation_statistics_helper.cpp`).
    let distinct_count = Arc::new(Int64Array::from(vec![0]));
    let columns = vec![min, max, bool(statistics.has_not_null), bool(statistics.has_null), distinct_count, bool(true)];
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
    writer.into_inner()
}

/// Least and greatest value in the form the column travels in.
fn bounds(column: &FieldRef, statistics: &ColumnStatistics) -> (FieldRef, ArrayRef, ArrayRef) {
    let told = travelling_field(column);
    if told.data_type().is_nested() {
        // They are not looked at.
        let null = new_null_array(&DataType::Boolean, 1);
        return (Arc::new(Field::new("", DataType::Boolean, true)), Arc::clone(&null), null);
    }
    let known = |bound: &ArrayRef| {
        let bound = travelling_column(bound);
        (bound.len() == 1 && bound.is_valid(0) && bound.data_type() == told.data_type()).then_some(bound)
    };
    let (min, max) = (known(&statistics.min), known(&statistics.max));
    if *told.data_type() == DataType::Utf8 {
        // A NULL would be taken for the text "NULL".
        let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
        return (told, min.unwrap_or_else(|| text("")), max.unwrap_or_else(|| text(TEXT_MAX)));
    }
    match (min, max) {
        (Some(min), Some(max)) => (told, min, max),
        // DuckDB's own statistics know both or none.
        _ => {
            let null = new_null_array(told.data_type(), 1);
            (told, Arc::clone(&null), null)
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{AsArray, Decimal128Array, Int32Array},
        datatypes::{Int32Type, IntervalUnit, TimeUnit},
        ipc::reader::StreamReader,
    };

    use super::*;

    fn answer(column: Field, statistics: &ColumnStatistics) -> RecordBatch {
        let bytes = column_statistics(&Arc::new(column), statistics).unwrap();
        let mut batches: Vec<_> = StreamReader::try_new(&bytes[..], None).unwrap().map(Result::unwrap).collect();
        assert_eq!(batches.len(), 1);
        let batch = batches.pop().unwrap();
        assert_eq!(batch.num_rows(), 1);
        batch
    }

    fn unknown(data_type: &DataType) -> ColumnStatistics {
        let null = new_null_array(data_type, 1);
        ColumnStatistics { min: null.clone(), max: null, has_null: true, has_not_null: true }
    }

    fn field(data_type: DataType) -> Field {
        Field::new("c", data_type, false)
    }

    #[test]
    fn known_bounds_are_told_in_the_columns_type() {
        let statistics = ColumnStatistics {
            min: Arc::new(Int32Array::from(vec![-1])),
            max: Arc::new(Int32Array::from(vec![7])),
            has_null: false,
            has_not_null: true,
        };
        let batch = answer(field(DataType::Int32), &statistics);
        let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, ["min", "max", "has_not_null", "has_null", "distinct_count", "contains_unicode"]);
        assert_eq!(batch.column(0).as_primitive::<Int32Type>().value(0), -1);
        assert_eq!(batch.column(1).as_primitive::<Int32Type>().value(0), 7);
        assert!(batch.column(2).as_boolean().value(0) && !batch.column(3).as_boolean().value(0));
        let half = ColumnStatistics { max: new_null_array(&DataType::Int32, 1), ..statistics };
        assert!(answer(field(DataType::Int32), &half).column(0).is_null(0), "both or none");
    }

    #[test]
    fn decimals_travel_as_the_table_was_told() {
        let wide = DataType::Decimal128(12, 2);
        let value: ArrayRef = Arc::new(Decimal128Array::from(vec![150]).with_data_type(wide.clone()));
        let statistics = ColumnStatistics { min: value.clone(), max: value, ..unknown(&wide) };
        let batch = answer(field(wide), &statistics);
        assert_eq!(batch.column(0).data_type(), &DataType::Decimal64(12, 2));
        assert!(batch.column(0).is_valid(0));
    }

    #[test]
    fn unknown_texts_rule_nothing_out() {
        let batch = answer(field(DataType::Utf8), &unknown(&DataType::Utf8));
        assert_eq!(batch.column(0).as_string::<i32>().value(0), "");
        assert_eq!(batch.column(1).as_string::<i32>().value(0).as_bytes(), b"\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf");
        assert!(batch.column(5).as_boolean().value(0));
    }

    #[test]
    fn other_unknown_bounds_are_null_whatever_the_type() {
        for data_type in [
            DataType::Int8,
            DataType::Decimal128(38, 3),
            DataType::Decimal128(10, 3),
            DataType::Binary,
            DataType::FixedSizeBinary(16),
            DataType::new_list(DataType::Int32, true),
            DataType::Time64(TimeUnit::Microsecond),
        ] {
            let batch = answer(field(data_type.clone()), &unknown(&data_type));
            assert!(batch.column(0).is_null(0) && batch.column(1).is_null(0), "{data_type}");
        }
    }

    #[test]
    fn a_table_is_told_of_if_all_of_its_columns_can_be() {
        let told = |fields: Vec<Field>| can_be_told(&Schema::new(fields));
        let good = [
            field(DataType::Int64),
            field(DataType::UInt8),
            field(DataType::Utf8),
            field(DataType::new_list(DataType::Binary, true)),
            Extension::Json.field("j", true),
            Extension::HugeInt.field("h", true),
        ];
        assert!(told(good.to_vec()));
        for bad in [
            field(DataType::Binary),
            field(DataType::FixedSizeBinary(3)),
            field(DataType::Interval(IntervalUnit::MonthDayNano)),
            field(DataType::Dictionary(Box::new(DataType::UInt8), Box::new(DataType::Utf8))),
            Extension::Bit.field("b", true),
            Extension::BigNum.field("n", true),
        ] {
            assert!(!told([good.to_vec(), vec![bad.clone()]].concat()), "{bad}");
        }
    }
}
