use std::collections::BTreeMap;

use arrow::{
    array::{Array, AsArray},
    datatypes::{
        Date32Type, Decimal128Type, Field, Float64Type, Int32Type, Int64Type, Schema, TimestampMicrosecondType,
    },
};
use delta_kernel::actions::deletion_vector::{DeletionVectorDescriptor, DeletionVectorStorageType};
use object_store::path::Path;
use serde_json::{Value, json};

use super::*;
use crate::delta::schema::ColumnMapping;

/// A table with one column `c`, called `physical` in its files.
fn schema(data_type: &DataType, partitioned: bool) -> TableSchema {
    let column = |name: &str| Arc::new(Schema::new(vec![Field::new(name, data_type.clone(), true)]));
    let partition_columns = if partitioned { vec![0] } else { vec![] };
    let (logical, physical) = (column("c"), column("physical"));
    TableSchema { stored: Arc::clone(&logical), logical, physical, partition_columns, mapping: ColumnMapping::Name }
}

fn file(stats: &Value) -> DataFile {
    DataFile {
        path: Path::from("f"),
        log_path: None,
        size_bytes: 1,
        partition_values: BTreeMap::new(),
        stats_json: Some(stats.to_string().into()),
        deletion_vector: None,
        ..DataFile::default()
    }
}

fn bounds(min: Value, max: Value) -> Value {
    let column = |value| json!({ "physical": value });
    json!({ "numRecords": 3, "minValues": column(min), "maxValues": column(max), "nullCount": column(json!(0)) })
}

fn statistics(data_type: &DataType, files: Vec<DataFile>) -> ColumnStatistics {
    let files: Vec<_> = files.into_iter().map(Arc::new).collect();
    let mut summary = ColumnSummary::default();
    summary.add(&files, &schema(data_type, false), 0);
    summary.statistics(&Field::new("c", data_type.clone(), true))
}

fn is_unknown(statistics: &ColumnStatistics) -> bool {
    statistics.min.is_null(0) && statistics.max.is_null(0) && statistics.has_null && statistics.has_not_null
}

#[test]
fn bounds_are_those_of_all_files() {
    let files = [(3, 9), (-5, -4), (2, 4)].map(|(min, max)| file(&bounds(json!(min), json!(max))));
    let found = statistics(&DataType::Int32, files.to_vec());
    assert_eq!(found.min.as_primitive::<Int32Type>().value(0), -5);
    assert_eq!(found.max.as_primitive::<Int32Type>().value(0), 9);
    assert!(!found.has_null && found.has_not_null);
}

#[test]
fn a_file_that_says_nothing_makes_bounds_unknown() {
    let said = file(&bounds(json!(1), json!(2)));
    let silent = [
        DataFile { stats_json: None, ..said.clone() },
        file(&json!({})),
        file(&json!({ "numRecords": 3 })),
        file(&bounds(json!("x"), json!(null))),
        file(&bounds(json!(2), json!(1))),
    ];
    for silent in silent {
        let found = statistics(&DataType::Int64, vec![said.clone(), silent.clone(), said.clone()]);
        assert!(found.min.is_null(0) && found.max.is_null(0) && found.has_not_null, "{silent:?}");
    }
    assert!(is_unknown(&statistics(&DataType::Int64, vec![DataFile { stats_json: None, ..said }])));
}

#[test]
fn one_side_may_be_known() {
    let half = json!({ "minValues": { "physical": 1 }, "maxValues": {}, "nullCount": { "physical": 0 } });
    let found = statistics(&DataType::Int64, vec![file(&bounds(json!(5), json!(6))), file(&half)]);
    assert_eq!(found.min.as_primitive::<Int64Type>().value(0), 1);
    assert!(found.max.is_null(0) && !found.has_null);
}

#[test]
fn nulls_are_claimed_unless_ruled_out() {
    let nulls = |count: Value| {
        let mut stats = bounds(json!(1), json!(1));
        stats["nullCount"]["physical"] = count;
        let found = statistics(&DataType::Int64, vec![file(&stats)]);
        (found.has_null, found.has_not_null)
    };
    assert_eq!(nulls(json!(0)), (false, true));
    assert_eq!(nulls(json!(1)), (true, true));
    assert_eq!(nulls(json!(null)), (true, true));
    assert_eq!(nulls(json!(3)), (true, false));
}

#[test]
fn without_rows_there_is_neither_null_nor_value() {
    let found = statistics(&DataType::Int64, vec![]);
    assert!(!found.has_null && !found.has_not_null && found.min.is_null(0) && found.max.is_null(0));
    let all_deleted = DataFile {
        deletion_vector: Some(DeletionVectorDescriptor {
            storage_type: DeletionVectorStorageType::Inline,
            path_or_inline_dv: String::new(),
            offset: None,
            size_in_bytes: 0,
            cardinality: 3,
        }),
        ..file(&bounds(json!(1), json!(2)))
    };
    assert!(!statistics(&DataType::Int64, vec![all_deleted]).has_not_null);
}

/// NaN is the greatest number there is, and writers leave it out.
#[test]
fn a_greatest_float_is_never_known_from_statistics() {
    let found = statistics(&DataType::Float64, vec![file(&bounds(json!(-1.5), json!(2.5)))]);
    assert_eq!(found.min.as_primitive::<Float64Type>().value(0), -1.5);
    assert!(found.max.is_null(0));
}

#[test]
fn partition_values_are_exact_and_nan_is_unknown() {
    let of = |data_type: &DataType, values: &[Option<&str>]| {
        let file = |value: &Option<&str>| {
            let values = [("physical".to_owned(), value.map(str::to_owned))].into();
            Arc::new(DataFile { partition_values: values, ..file(&json!({ "numRecords": 3 })) })
        };
        let files: Vec<_> = values.iter().map(file).collect();
        let mut summary = ColumnSummary::default();
        summary.add(&files, &schema(data_type, true), 0);
        summary.statistics(&Field::new("c", data_type.clone(), true))
    };
    let found = of(&DataType::Date32, &[Some("1970-01-03"), Some("1969-12-31")]);
    assert_eq!(found.min.as_primitive::<Date32Type>().value(0), -1);
    assert_eq!(found.max.as_primitive::<Date32Type>().value(0), 2);
    assert!(!found.has_null);
    let found = of(&DataType::Utf8, &[Some("a"), None]);
    assert_eq!((found.min.as_string::<i32>().value(0), found.max.as_string::<i32>().value(0)), ("a", "a"));
    assert!(found.has_null && found.has_not_null);
    let found = of(&DataType::Utf8, &[None]);
    assert!(found.has_null && !found.has_not_null);
    let found = of(&DataType::Float64, &[Some("1"), Some("NaN")]);
    assert!(found.min.is_null(0) && found.max.is_null(0));
    assert!(is_unknown(&of(&DataType::Int32, &[Some("not a number")])));
}

/// Truncated maxima stay above what they were cut from.
#[test]
fn texts_get_a_text_above_them() {
    for (max, above) in [
        ("ab", Some("ac")),
        ("ü", Some("ý")),
        ("a\u{10ffff}", Some("b")),
        ("\u{d7ff}", Some("\u{e000}")),
        ("\u{10ffff}", None),
        ("", None),
    ] {
        let found = statistics(&DataType::Utf8, vec![file(&bounds(json!(""), json!(max)))]);
        assert_eq!(found.min.as_string::<i32>().value(0), "");
        assert_eq!(found.max.iter_text(), above, "{max:?}");
        if let Some(above) = above {
            assert!(above > format!("{max}\u{10ffff}\u{10ffff}").as_str());
        }
    }
}

trait IterText {
    fn iter_text(&self) -> Option<&str>;
}

impl IterText for ArrayRef {
    fn iter_text(&self) -> Option<&str> {
        self.as_string::<i32>().iter().next().flatten()
    }
}

#[test]
fn times_and_decimals_are_widened_and_stay_in_their_types() {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    let at = json!("1970-01-01T00:00:01.000");
    let found = statistics(&micros, vec![file(&bounds(at.clone(), at))]);
    assert_eq!(found.min.as_primitive::<TimestampMicrosecondType>().value(0), 999_000);
    assert_eq!(found.max.as_primitive::<TimestampMicrosecondType>().value(0), 1_001_000);
    let decimal = DataType::Decimal128(38, 0);
    let found = statistics(&decimal, vec![file(&bounds(json!(7), json!(7)))]);
    assert_eq!(found.min.data_type(), &decimal);
    assert_eq!(found.min.as_primitive::<Decimal128Type>().value(0), 6);
    let most = serde_json::from_str(&"9".repeat(38)).unwrap_or(json!(1e38));
    assert!(statistics(&decimal, vec![file(&bounds(json!(0), most))]).max.is_null(0), "the widened one does not fit");
}

#[test]
fn types_without_statistics_are_unknown() {
    for data_type in [DataType::Binary, DataType::UInt64, DataType::FixedSizeBinary(16)] {
        let found = statistics(&data_type, vec![file(&bounds(json!(1), json!(2)))]);
        assert!(found.min.is_null(0) && found.max.is_null(0) && found.has_not_null, "{data_type}");
    }
}
