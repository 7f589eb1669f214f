//! Batches come at a good size, work is done only as it is asked for, and ends when nobody asks any more.

use std::{ops::Range, sync::Arc};

use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use futures::{StreamExt, TryStreamExt};
use parquet::file::properties::WriterProperties;

use super::{
    fixture::{Fixture, whole},
    store::Counting,
};
use crate::{
    delta::scan::{
        coalesce::{BATCH_BYTES_MAX, BATCH_ROWS_MAX},
        read,
    },
    engine::{CompareOp, Predicate, ReadPart, ReadUnit, Scalar, ScanRequest},
};

fn numbers(range: Range<i64>) -> RecordBatch {
    RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from_iter_values(range)) as _)]).unwrap()
}

fn groups_of(rows: usize) -> WriterProperties {
    WriterProperties::builder().set_max_row_group_row_count(Some(rows)).build()
}

fn all_units(fixture: &Fixture) -> Vec<ReadUnit> {
    (0..fixture.files.len() as u32).map(whole).collect()
}

#[tokio::test]
async fn batches_are_large_even_if_files_are_small_or_filters_selective() {
    let mut fixture = Fixture::of(&numbers(0..1));
    for file in 0..40 {
        fixture.write(&numbers(file * 1000..file * 1000 + 1000), groups_of(100));
    }
    let batches = fixture.read(&fixture.all(Predicate::Unknown), &all_units(&fixture)).await.unwrap();
    let sizes: Vec<usize> = batches.iter().map(|batch| batch.rows.num_rows()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 40_000);
    assert!(sizes.len() <= 3, "{sizes:?}");
    assert!(batches.is_sorted_by(|a, b| a.progress <= b.progress) && batches.last().unwrap().progress == 1.0);

    let values = (0..40_000).step_by(500).map(Scalar::Integer).collect();
    let few = Predicate::In { column: vec!["n".into()], values, negated: false };
    let batches = fixture.read(&fixture.all(few), &all_units(&fixture)).await.unwrap();
    assert_eq!(batches.iter().map(|batch| batch.rows.num_rows()).collect::<Vec<_>>(), [80]);
}

#[tokio::test]
async fn a_few_rows_do_not_wait_for_the_end() {
    let mut fixture = Fixture::of(&numbers(0..1));
    // In no order, so that no bounds decide anything.
    let shuffled = Int64Array::from_iter_values((0..2_500_000).map(|row| row * 1_000_003 % 2_500_000));
    let rows = RecordBatch::try_from_iter([("n", Arc::new(shuffled) as _)]).unwrap();
    fixture.write(&rows, groups_of(100_000));
    let values = (0..60).map(|k| Scalar::Integer(k * 40_000 + 7)).collect();
    let few = Predicate::In { column: vec!["n".into()], values, negated: false };
    let batches = fixture.read(&fixture.all(few), &[whole(0)]).await.unwrap();
    assert!(batches.len() >= 2, "{}", batches.len());
    assert!(batches[0].progress < 0.5, "{}", batches[0].progress);
    assert_eq!(batches.iter().map(|batch| batch.rows.num_rows()).sum::<usize>(), 60);
    assert_eq!(batches.last().unwrap().progress, 1.0);
}

#[tokio::test]
async fn wide_rows_make_small_batches() {
    let text = "x".repeat(64 * 1024);
    for (dictionary, texts) in [(false, 400), (true, 1)] {
        let values = (0..400).map(|row| Some(format!("{}{text}", row % texts)));
        let rows = RecordBatch::try_from_iter([("t", Arc::new(values.collect::<StringArray>()) as _)]).unwrap();
        let mut fixture = Fixture::of(&rows);
        fixture.write(&rows, WriterProperties::builder().set_dictionary_enabled(dictionary).build());
        let batches = fixture.read(&fixture.all(Predicate::Unknown), &[whole(0)]).await.unwrap();
        assert_eq!(batches.iter().map(|batch| batch.rows.num_rows()).sum::<usize>(), 400);
        for batch in &batches {
            let bytes = batch.rows.column(0).as_string::<i32>().value_data().len();
            assert!(bytes <= BATCH_BYTES_MAX + text.len(), "{bytes}, dictionary: {dictionary}");
        }
    }
}

#[tokio::test]
async fn narrow_rows_make_full_batches() {
    let mut fixture = Fixture::of(&numbers(0..1));
    fixture.write(&numbers(0..300_000), groups_of(1_000_000));
    let batches = fixture.read(&fixture.all(Predicate::Unknown), &[whole(0)]).await.unwrap();
    let sizes: Vec<usize> = batches.iter().map(|batch| batch.rows.num_rows()).collect();
    assert_eq!(sizes, [BATCH_ROWS_MAX, BATCH_ROWS_MAX, BATCH_ROWS_MAX, BATCH_ROWS_MAX, 300_000 - 4 * BATCH_ROWS_MAX]);
}

#[tokio::test]
async fn a_file_without_rows_is_read() {
    let mut fixture = Fixture::of(&numbers(0..0));
    fixture.write(&numbers(0..0), WriterProperties::new());
    fixture.write(&numbers(0..0), WriterProperties::new()).stats(r#"{"numRecords":0}"#);
    let request = ScanRequest { row_id: true, ..fixture.all(Predicate::Unknown) };
    assert_eq!(fixture.plan(&request, 4).parts[0].units, [whole(0)], "the log tells of the other");
    assert!(fixture.read(&request, &all_units(&fixture)).await.unwrap().is_empty());
    assert!(fixture.read(&request, &[]).await.unwrap().is_empty());
}

/// A table of 50 row groups of 20,000 rows in a counting store.
fn counted_table() -> (Fixture, Arc<Counting>) {
    let mut fixture = Fixture::of(&numbers(0..1));
    fixture.remote = true;
    fixture.write(&numbers(0..1_000_000), groups_of(20_000));
    let store = Arc::new(Counting::new(fixture.source().store));
    (fixture, store)
}

#[tokio::test]
async fn nothing_is_done_before_it_is_asked_for_nor_after_the_stream_is_dropped() {
    let (fixture, store) = counted_table();
    let mut source = fixture.source();
    source.store = Arc::clone(&store) as _;
    let files = Arc::downgrade(&source.files);
    let part = ReadPart { units: vec![whole(0)] };
    let mut stream = read(source, &fixture.all(Predicate::Unknown), &part).unwrap();
    assert_eq!(store.requests(), 0);
    assert!(stream.next().await.unwrap().unwrap().rows.num_rows() > 0);
    drop(stream);
    // The work under way holds the files; it ends without being waited for.
    while files.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
    let requests = store.requests();
    assert!(requests < 10, "{requests} requests for a batch or two of 50 row groups");
}

#[tokio::test]
async fn a_store_is_asked_once_for_what_a_row_group_needs() {
    let (fixture, store) = counted_table();
    let mut source = fixture.source();
    source.store = Arc::clone(&store) as _;
    let part = ReadPart { units: vec![whole(0)] };
    let near = Predicate::Compare { column: vec!["n".into()], op: CompareOp::Less, value: Scalar::Integer(30_000) };
    let request = ScanRequest { row_id: true, ..fixture.all(near) };
    let batches: Vec<_> = read(source, &request, &part).unwrap().try_collect().await.unwrap();
    let last = batches.last().unwrap().rows.column(0).as_primitive::<Int64Type>().clone();
    assert_eq!(last.value(last.len() - 1), 29_999);
    let requests = store.requests();
    assert!(requests <= 5, "{requests} requests for a footer, its indexes and two row groups");
}
