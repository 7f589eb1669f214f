//! Values that another engine wrote into columns of DuckDB's types.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Decimal128Array, FixedSizeBinaryArray, Int16Array, Int32Array, Int64Array, ListArray,
        RecordBatch, StringArray, StructArray, TimestampMicrosecondArray, UInt8Array,
    },
    datatypes::{DataType, Field, Int16Type, Int32Type, UInt8Type},
};
use serde_json::Value;

use super::{
    super::load,
    of_kind,
    tables::{all_rows, appended, created, rows},
};
use crate::{
    delta::{DeltaFormat, fixtures::Lake},
    engine::{CompareOp, Error, Predicate, Scalar, Snapshot, TableFormat},
};

#[track_caller]
fn refused(field: &Field, stored: impl Array + 'static, problem: &str) {
    let stored: ArrayRef = Arc::new(stored);
    let error = load(&stored, field).unwrap_err();
    assert!(matches!(error, Error::FailedPrecondition(_)), "{error:?}");
    assert_eq!(error.to_string(), format!("column '{}' {problem}", field.name()));
}

#[test]
fn values_of_no_such_type_are_refused_by_column_value_and_type() {
    let no_value = |value: &str, kind: &str| format!("holds {value}, which is no value of type {kind}");
    let kind = of_kind;
    refused(&kind("UTINYINT"), Int16Array::from(vec![255, 300]), &no_value("300", "UTINYINT"));
    refused(&kind("UTINYINT"), Int16Array::from(vec![-1]), &no_value("-1", "UTINYINT"));
    refused(&kind("USMALLINT"), Int32Array::from(vec![65_536]), &no_value("65536", "USMALLINT"));
    refused(&kind("UINTEGER"), Int64Array::from(vec![i64::MIN]), &no_value("-9223372036854775808", "UINTEGER"));
    let decimal = |value| Decimal128Array::from(vec![value]).with_precision_and_scale(20, 0).unwrap();
    refused(&kind("UBIGINT"), decimal(1 << 64), &no_value("18446744073709551616", "UBIGINT"));
    refused(&kind("UBIGINT"), decimal(-1), &no_value("-1", "UBIGINT"));
    refused(&kind("TIME"), Int64Array::from(vec![86_400_000_001]), &no_value("86400000001", "TIME"));
    refused(&kind("TIME_NS"), Int64Array::from(vec![-1]), &no_value("-1", "TIME_NS"));
    let half = TimestampMicrosecondArray::from(vec![1_000_000, 1_500_000]);
    refused(&kind("TIMESTAMP_S"), half, &no_value("1500000", "TIMESTAMP_S"));
    refused(
        &kind("TIMESTAMP_MS"),
        TimestampMicrosecondArray::from(vec![i64::MIN]),
        &no_value("-9223372036854775808", "TIMESTAMP_MS"),
    );
    refused(&kind("UUID"), StringArray::from(vec!["abc"]), &no_value("\"abc\"", "UUID"));
    let long = "ü".repeat(1000);
    refused(
        &kind("UUID"),
        StringArray::from(vec![long.as_str()]),
        &no_value(&format!("\"{}...\"", "ü".repeat(64)), "UUID"),
    );
}

#[test]
fn nested_values_are_refused_by_their_path() {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1), Some(2), Some(3)]),
        None,
        Some(vec![Some(1), Some(2)]),
    ]);
    let element = Arc::new(Field::new("element", DataType::Int32, true));
    let field = Field::new("a", DataType::FixedSizeList(element, 3), true);
    refused(&field, lists, "holds a list of 2, which is no value of type INTEGER[3]");

    let lists = ListArray::from_iter_primitive::<Int16Type, _, _>([Some(vec![Some(1), Some(256)])]);
    let element = Arc::new(of_kind("UTINYINT").with_name("element"));
    let inner = Field::new("l", DataType::List(element), true);
    let fields = vec![Field::new("l", lists.data_type().clone(), true)];
    let structs = StructArray::new(fields.into(), vec![Arc::new(lists)], None);
    let field = Field::new("s", DataType::Struct(vec![inner].into()), true);
    let stored: ArrayRef = Arc::new(structs);
    let error = load(&stored, &field).unwrap_err().to_string();
    assert_eq!(error, "column 's.l.element' holds 256, which is no value of type UTINYINT");
}

#[test]
fn lists_of_the_right_length_need_not_lie_together() {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(9)]),
        Some(vec![Some(1), None]),
        None,
        Some(vec![Some(3), Some(4)]),
    ]);
    let element = Arc::new(Field::new("element", DataType::Int32, true));
    let field = Field::new("a", DataType::FixedSizeList(element, 2), true);
    let stored: ArrayRef = Arc::new(lists.slice(1, 3));
    let loaded = load(&stored, &field).unwrap();
    assert_eq!(loaded.data_type(), field.data_type());
    let expected = arrow::array::FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(
        [Some(vec![Some(1), None]), None, Some(vec![Some(3), Some(4)])],
        2,
    );
    assert_eq!(format!("{loaded:?}"), format!("{expected:?}"));
}

/// The metadata of a table's first commit, with every declared type left out or as it was.
fn metadata(lake: &Lake, declared: bool) -> Value {
    let commit = std::fs::read_to_string(lake.commit_path("t", 0)).unwrap();
    let mut action: Value = serde_json::from_str(commit.lines().nth(2).unwrap()).unwrap();
    if !declared {
        let schema = action["metaData"]["schemaString"].as_str().unwrap().replace("duckdb.type", "other.type");
        action["metaData"]["schemaString"] = schema.into();
    }
    action
}

/// A newer version of the table, by the hand of another engine.
async fn told(lake: &Lake, version: u64, action: Value) -> Arc<dyn Snapshot> {
    lake.write("t", version, &[action]);
    DeltaFormat::default().table(&lake.location("t")).unwrap().snapshot().await.unwrap()
}

/// A table of UTINYINT, UUID and BIGINT, with a good row and a bad one of another engine's.
async fn with_a_bad_row(lake: &Lake, partitions: &[&str]) -> Arc<dyn Snapshot> {
    let fields = vec![of_kind("UTINYINT").with_name("n"), of_kind("UUID").with_name("u"), of_kind("BIGINT")];
    let snapshot = created(lake, "t", fields, partitions).await;
    let uuid = FixedSizeBinaryArray::try_from_iter([[7_u8; 16]].into_iter()).unwrap();
    let good: Vec<ArrayRef> =
        vec![Arc::new(UInt8Array::from(vec![7])), Arc::new(uuid), Arc::new(Int64Array::from(vec![1]))];
    appended(&snapshot, &[RecordBatch::try_new(snapshot.schema(), good).unwrap()]).await;

    let plain = told(lake, 2, metadata(lake, false)).await;
    let types: Vec<_> = plain.schema().fields().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(types, [DataType::Int16, DataType::Utf8, DataType::Int64], "what is not declared is plain");
    let shown = all_rows(&plain, Predicate::Unknown).await;
    assert_eq!(shown.column(1).as_string::<i32>().value(0), "07070707-0707-0707-0707-070707070707");
    let bad: Vec<ArrayRef> = vec![
        Arc::new(Int16Array::from(vec![300])),
        Arc::new(StringArray::from(vec!["abc"])),
        Arc::new(Int64Array::from(vec![2])),
    ];
    appended(&plain, &[RecordBatch::try_new(plain.schema(), bad).unwrap()]).await;
    told(lake, 4, metadata(lake, true)).await
}

fn equals(column: &str, value: Scalar) -> Predicate {
    Predicate::Compare { column: vec![column.to_owned()], op: CompareOp::Equal, value }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_value_is_refused_when_its_row_is_read_and_not_before() {
    for partitions in [&[][..], &["n"], &["u"], &["n", "u"]] {
        let lake = Lake::new();
        let snapshot = with_a_bad_row(&lake, partitions).await;
        let read = async |projection: Vec<usize>, predicate| rows(&snapshot, projection, predicate).await;
        let error = read(vec![0], Predicate::Unknown).await.unwrap_err();
        assert!(matches!(error, Error::FailedPrecondition(_)), "{error:?}");
        assert_eq!(error.to_string(), "column 'n' holds 300, which is no value of type UTINYINT");
        let error = read(vec![1, 2], equals("c", Scalar::Integer(2))).await.unwrap_err();
        assert_eq!(error.to_string(), "column 'u' holds \"abc\", which is no value of type UUID");

        assert_eq!(read(vec![2], Predicate::Unknown).await.unwrap().num_rows(), 2, "not asked for");
        for good in [equals("n", Scalar::Integer(7)), equals("c", Scalar::Integer(1))] {
            let found = read(vec![0, 1, 2], good).await.unwrap();
            assert_eq!(found.num_rows(), 1);
            assert_eq!(found.column(0).as_primitive::<UInt8Type>().value(0), 7);
        }
        assert_eq!(snapshot.row_count().await.unwrap(), Some(2));
    }
}
