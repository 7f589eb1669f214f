//! `count(*)`: the log knows, or the footer.

use std::sync::Arc;

use arrow::{
    array::{Int32Array, RecordBatch},
    datatypes::DataType,
};
use parquet::file::properties::WriterProperties;

use super::fixture::{Fixture, whole};
use crate::{
    delta::scan::row_count,
    engine::{CompareOp, Predicate, ReadUnit, Scalar, ScanRequest},
};

fn rows(count: i32) -> RecordBatch {
    RecordBatch::try_from_iter([("a", Arc::new(Int32Array::from_iter_values(0..count)) as _)]).unwrap()
}

fn count(predicate: Predicate) -> ScanRequest {
    ScanRequest { projection: vec![], row_id: false, predicate }
}

fn is(column: &str, value: i128) -> Predicate {
    Predicate::Compare { column: vec![column.into()], op: CompareOp::Equal, value: Scalar::Integer(value) }
}

#[tokio::test]
async fn the_log_answers_without_opening_files() {
    let mut fixture = Fixture::of(&rows(1));
    fixture.write(&rows(10), WriterProperties::new()).stats(r#"{"numRecords":10}"#).deleted_by_file(&[1, 2]);
    fixture.write(&rows(5), WriterProperties::new()).stats(r#"{"numRecords":5}"#);
    for file in 0..2 {
        std::fs::remove_file(fixture.path_of(file)).unwrap();
    }
    let plan = fixture.plan(&count(Predicate::Unknown), 8);
    assert_eq!(plan.parts.len(), 1);
    let batches = fixture.read(&count(Predicate::Unknown), &plan.parts[0].units).await.unwrap();
    assert_eq!(batches.len(), 1);
    assert_eq!((batches[0].rows.num_rows(), batches[0].rows.num_columns(), batches[0].progress), (13, 0, 1.0));
    assert_eq!(row_count(&fixture.index()), Some(13));
    let always = count(Predicate::And(vec![Predicate::Unknown]));
    assert_eq!(fixture.scan(&always).await.unwrap().num_rows(), 13);
}

#[tokio::test]
async fn the_footer_answers_where_the_log_does_not() {
    let mut fixture = Fixture::of(&rows(1));
    fixture.write(&rows(10), WriterProperties::new()).deleted_inline(&[0, 9]);
    fixture.write(&rows(5), WriterProperties::new()).stats(r#"{"numRecords":5}"#);
    fixture.write(&rows(6), WriterProperties::new()).stats("broken");
    assert_eq!(row_count(&fixture.index()), None);
    assert_eq!(fixture.scan(&count(Predicate::Unknown)).await.unwrap().num_rows(), 8 + 5 + 6);
    let slices = [0, 1, 2].map(|slice| ReadUnit { file: 1, slice, slices: 3 });
    assert_eq!(fixture.rows(&count(Predicate::Unknown), &slices).await.unwrap().num_rows(), 5);
}

#[tokio::test]
async fn a_predicate_is_counted_by_what_it_needs() {
    let schema = arrow::datatypes::Schema::new(vec![
        arrow::datatypes::Field::new("a", DataType::Int32, true),
        arrow::datatypes::Field::new("p", DataType::Int32, true),
    ]);
    let mut fixture = Fixture::new(schema).partitioned_by(&["p"]);
    for p in ["1", "2"] {
        let written = fixture.write(&rows(100), WriterProperties::new());
        written.stats(r#"{"numRecords":100}"#).partition("p", Some(p));
    }
    assert_eq!(fixture.scan(&count(is("a", 7))).await.unwrap().num_rows(), 2);
    assert_eq!(fixture.scan(&count(is("a", 700))).await.unwrap().num_rows(), 0);
    std::fs::remove_file(fixture.path_of(0)).unwrap();
    assert_eq!(fixture.scan(&count(is("p", 1))).await.unwrap().num_rows(), 100, "by the log alone");
    assert!(fixture.rows(&count(is("a", 7)), &[whole(0)]).await.is_err());
}
