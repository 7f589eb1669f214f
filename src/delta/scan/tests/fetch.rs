//! Rows by their places: they are those a scan finds there, in the order asked, and little else is read.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{Array, AsArray, Int32Array, Int64Array, RecordBatch, StringArray, UInt64Array},
    compute::{concat_batches, take_record_batch},
    datatypes::{DataType, Field, Int32Type, Int64Type, Schema},
};
use parquet::file::properties::WriterProperties;

use super::{
    data::Random,
    fixture::{Fixture, places},
    property::table,
    store::Counting,
};
use crate::{
    delta::scan::{RowFetcher, RowPlace, ScanSource},
    engine::{Error, Predicate, Result, ScanRequest},
};

fn at(file: u32, positions: impl IntoIterator<Item = u64>) -> Vec<RowPlace> {
    positions.into_iter().map(|position| RowPlace { file, position }).collect()
}

/// `n` counts; `t` is a text of so many bytes.
fn rows(range: Range<i64>, text_bytes: usize) -> RecordBatch {
    let text = |n: i64| format!("{n:09}{}", "x".repeat(text_bytes.saturating_sub(9)));
    RecordBatch::try_from_iter([
        ("n", Arc::new(Int64Array::from_iter_values(range.clone())) as _),
        ("t", Arc::new(range.map(|n| Some(text(n))).collect::<StringArray>()) as _),
    ])
    .unwrap()
}

fn pages_of(rows: usize) -> WriterProperties {
    WriterProperties::builder()
        .set_max_row_group_row_count(Some(100 * rows))
        .set_data_page_row_count_limit(rows)
        .set_write_batch_size(rows)
        .set_dictionary_enabled(false)
        .build()
}

fn counted(fixture: &Fixture) -> (ScanSource, Arc<Counting>) {
    let mut source = fixture.source();
    let store = Arc::new(Counting::new(Arc::clone(&source.store)));
    source.store = Arc::clone(&store) as _;
    (source, store)
}

async fn numbers(fetcher: &mut RowFetcher, places: &[RowPlace]) -> Result<Vec<i64>> {
    let rows = fetcher.fetch(places).await?;
    Ok(rows.column(0).as_primitive::<Int64Type>().values().to_vec())
}

/// Some of the rows, in an order that statements have: as they lie, nearly so, or any.
fn chosen(random: &mut Random, count: usize) -> Vec<u64> {
    let one_in = random.pick(&[1, 1, 2, 10, 100]);
    let mut rows: Vec<u64> = (0..count as u64).filter(|_| random.one_in(one_in)).collect();
    let reach = random.pick(&[0, 20, count]);
    for row in 0..rows.len() {
        let other = (row + random.below(reach + 1)).min(rows.len() - 1);
        rows.swap(row, other);
    }
    rows
}

async fn check(seed: u64) {
    let mut random = Random(seed);
    let (fixture, batches, _) = table(&mut random);
    let every = batches[0].num_columns();
    let request = ScanRequest { projection: (0..every).collect(), row_id: true, predicate: Predicate::Unknown };
    let all = fixture.scan(&request).await.unwrap();
    if all.num_rows() == 0 {
        return;
    }
    let places = places(&all);
    for _ in 0..3 {
        let keep_one_in = random.pick(&[1, 3, 100]);
        let columns: Vec<usize> = (0..every).filter(|_| random.one_in(keep_one_in)).collect();
        let rows = chosen(&mut random, all.num_rows());
        let batch_rows = random.pick(&[1, 7, 30, 1000]);
        let mut fetcher = RowFetcher::new(fixture.source(), columns.clone()).unwrap();
        for rows in rows.chunks(batch_rows) {
            let wanted: Vec<RowPlace> = rows.iter().map(|row| places[*row as usize]).collect();
            let fetched = fetcher.fetch(&wanted).await.unwrap();
            let expected = take_record_batch(&all, &UInt64Array::from(rows.to_vec())).unwrap();
            let expected = expected.project(&columns).unwrap();
            assert_eq!(fetched.num_rows(), rows.len(), "seed {seed}");
            assert_eq!(fetched, expected, "seed {seed}: {wanted:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetched_rows_are_those_of_a_scan() {
    for seed in 0..60 {
        check(seed).await;
    }
}

/// The ends of pages, row groups and files, each with their neighbours.
#[tokio::test]
async fn nothing_is_lost_at_the_ends_of_pages_and_row_groups() {
    let mut fixture = Fixture::of(&rows(0..1, 10));
    fixture.write(&rows(0..2500, 10), pages_of(10));
    fixture.write(&rows(2500..2501, 10), pages_of(10));
    fixture.write(&rows(2501..5000, 10), pages_of(7));
    let place = |n: i64| match n {
        0..2500 => RowPlace { file: 0, position: n as u64 },
        2500 => RowPlace { file: 1, position: 0 },
        _ => RowPlace { file: 2, position: n as u64 - 2501 },
    };
    for remote in [false, true] {
        fixture.remote = remote;
        let ends = [0, 10, 20, 700, 990, 1000, 1010, 2000, 2490, 2500, 2501, 2508, 3201, 4999];
        let wanted: Vec<i64> = ends.iter().rev().flat_map(|end| [end + 1, *end, end - 1]).collect();
        let mut wanted: Vec<i64> = wanted.into_iter().filter(|n| (0..5000).contains(n)).collect();
        let mut seen = std::collections::HashSet::new();
        wanted.retain(|n| seen.insert(*n));
        let mut fetcher = RowFetcher::new(fixture.source(), vec![0]).unwrap();
        let places: Vec<_> = wanted.iter().map(|n| place(*n)).collect();
        assert_eq!(numbers(&mut fetcher, &places).await.unwrap(), wanted);
        for n in wanted {
            assert_eq!(numbers(&mut fetcher, &[place(n)]).await.unwrap(), [n]);
        }
    }
}

#[tokio::test]
async fn a_single_row_costs_a_footer_and_its_pages() {
    let mut fixture = Fixture::of(&rows(0..1, 100));
    fixture.remote = true;
    fixture.write(&rows(0..200_000, 100), pages_of(1000));
    let size = fixture.files[0].size_bytes;
    let (source, store) = counted(&fixture);
    let mut fetcher = RowFetcher::new(source, vec![0, 1]).unwrap();
    let row = fetcher.fetch(&at(0, [123_456])).await.unwrap();
    assert_eq!(row, rows(123_456..123_457, 100));
    assert!(size > 15_000_000 && store.bytes() < size / 50, "{} of {size} bytes", store.bytes());
    assert!(store.requests() <= 3, "{} requests", store.requests());

    let before = store.bytes();
    fetcher.fetch(&at(0, [5])).await.unwrap();
    assert!(store.bytes() - before < 130_000, "the footer is kept: {}", store.bytes() - before);
}

#[tokio::test]
async fn columns_that_are_not_asked_for_are_not_read() {
    let mut fixture = Fixture::of(&rows(0..1, 1000));
    fixture.remote = true;
    fixture.write(&rows(0..20_000, 1000), pages_of(1000));
    let (source, store) = counted(&fixture);
    let mut fetcher = RowFetcher::new(source, vec![0]).unwrap();
    assert_eq!(fetcher.fetch(&at(0, 0..20_000)).await.unwrap().num_rows(), 20_000);
    assert!(store.bytes() < 400_000, "{} bytes", store.bytes());
}

/// What several streams of a scan send back: batches in order in each, and of one stream after the other.
fn interleaved(rows: u64, streams: u64, batch: u64) -> Vec<Vec<RowPlace>> {
    let share = rows / streams;
    let batches = (0..share.div_ceil(batch)).flat_map(|at| (0..streams).map(move |stream| (stream, at * batch)));
    let range = |(stream, start): (u64, u64)| stream * share + start..stream * share + (start + batch).min(share);
    batches.map(|batch| at(0, range(batch))).collect()
}

#[tokio::test]
async fn small_batches_do_not_read_pages_again_and_again() {
    let mut fixture = Fixture::of(&rows(0..1, 20));
    fixture.remote = true;
    let groups = WriterProperties::builder().set_max_row_group_row_count(Some(100_000)).build();
    fixture.write(&rows(0..400_000, 20), groups);
    let size = fixture.files[0].size_bytes;
    for streams in [1, 3, 8] {
        let (source, store) = counted(&fixture);
        let mut fetcher = RowFetcher::new(source, vec![0, 1]).unwrap();
        let batches = interleaved(400_000, streams, 2000);
        for batch in &batches {
            let expected: Vec<i64> = batch.iter().map(|place| place.position as i64).collect();
            assert_eq!(numbers(&mut fetcher, batch).await.unwrap(), expected);
        }
        assert!(store.bytes() < 3 * size, "{streams} streams: {} of {size} bytes", store.bytes());
        assert!(store.requests() < batches.len(), "{streams} streams: {} requests", store.requests());
    }
}

#[tokio::test]
async fn rows_without_columns_are_counted() {
    let mut fixture = Fixture::of(&rows(0..1, 10));
    fixture.write(&rows(0..10, 10), WriterProperties::new());
    std::fs::remove_file(fixture.path_of(0)).unwrap();
    let mut fetcher = RowFetcher::new(fixture.source(), vec![]).unwrap();
    let counted = fetcher.fetch(&at(0, [3, 1, 2])).await.unwrap();
    assert_eq!((counted.num_rows(), counted.num_columns()), (3, 0));
    let nothing = RowFetcher::new(fixture.source(), vec![1]).unwrap().fetch(&[]).await.unwrap();
    assert_eq!((nothing.num_rows(), nothing.schema().field(0).name().as_str()), (0, "t"));
}

#[tokio::test]
async fn what_is_not_there_is_an_error() {
    let mut fixture = Fixture::of(&rows(0..1, 10));
    fixture.write(&rows(0..10, 10), WriterProperties::new());
    fixture.write(&rows(0..10, 10), WriterProperties::new());
    std::fs::remove_file(fixture.path_of(1)).unwrap();
    assert!(matches!(RowFetcher::new(fixture.source(), vec![0, 2]), Err(Error::InvalidArgument(_))));
    for remote in [false, true] {
        fixture.remote = remote;
        let mut fetcher = RowFetcher::new(fixture.source(), vec![0]).unwrap();
        for place in [at(0, [10]), at(0, [u64::MAX]), at(2, [0]), at(0, [1, 1])] {
            let error = fetcher.fetch(&place).await.unwrap_err();
            assert!(matches!(error, Error::Internal { .. }), "{place:?}: {error}");
        }
        let gone = fetcher.fetch(&at(1, [0])).await.unwrap_err();
        assert!(
            matches!(&gone, Error::FailedPrecondition(text) if text.contains("part-00001.parquet is gone")),
            "{gone}"
        );
        assert_eq!(numbers(&mut fetcher, &at(0, [9, 0])).await.unwrap(), [9, 0], "the fetcher goes on");
    }
}

#[tokio::test]
async fn a_damaged_file_is_an_error() {
    let mut fixture = Fixture::of(&rows(0..1, 10));
    fixture.write(&rows(0..1000, 10), WriterProperties::new());
    let path = fixture.path_of(0);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4..2000].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let error = RowFetcher::new(fixture.source(), vec![0, 1]).unwrap().fetch(&at(0, [5])).await.unwrap_err();
    assert!(error.to_string().contains("part-00000.parquet"), "{error}");
}

/// Windows are decoded whole, and that may come upon a value that the table's type cannot hold.
#[tokio::test]
async fn a_bad_value_that_nobody_asks_for_harms_nobody() {
    let mut fixture = Fixture::new(Schema::new(vec![Field::new("b", DataType::Int8, true)]));
    let values: Int32Array = (0..1000).map(|n| if n == 500 { 1000 } else { n % 100 }).collect();
    let written = RecordBatch::try_from_iter([("b", Arc::new(values.clone()) as _)]).unwrap();
    fixture.write(&written, WriterProperties::new());
    let mut fetcher = RowFetcher::new(fixture.source(), vec![0]).unwrap();
    for start in (0..1000).step_by(10) {
        let wanted = at(0, (start..start + 10).filter(|position| *position != 500));
        let found = fetcher.fetch(&wanted).await.unwrap();
        let found = arrow::compute::cast(found.column(0), &DataType::Int32).unwrap();
        let expected: Vec<i32> = wanted.iter().map(|place| values.value(place.position as usize)).collect();
        assert_eq!(found.as_primitive::<Int32Type>().values(), &expected);
    }
    let error = fetcher.fetch(&at(0, [500])).await.unwrap_err();
    assert!(error.to_string().contains("column b of file part-00000.parquet"), "{error}");
}

#[tokio::test]
async fn as_many_rows_come_as_bytes_allow() {
    let mut fixture = Fixture::of(&rows(0..1, 10_000));
    fixture.write(&rows(0..3000, 10_000), pages_of(10));
    let mut fetcher = RowFetcher::new(fixture.source(), vec![0, 1]).unwrap();
    let mut left = at(0, (0..3000).rev());
    let mut pieces = Vec::new();
    while !left.is_empty() {
        let piece = fetcher.fetch_first(&left, 1_000_000).await.unwrap();
        let bytes = piece.column(1).as_string::<i32>().value_data().len();
        assert!(piece.num_rows() > 0 && bytes <= 1_000_000, "{bytes} bytes");
        left.drain(..piece.num_rows());
        pieces.push(piece);
    }
    assert!(pieces.len() < 60, "{} pieces of 30 MB", pieces.len());
    let all = concat_batches(&pieces[0].schema(), &pieces).unwrap();
    assert_eq!(all.column(0).as_primitive::<Int64Type>().value(2999), 0);
    assert_eq!(all.num_rows(), 3000);
    let one = fetcher.fetch_first(&at(0, [7, 8]), 10).await.unwrap();
    assert_eq!(one.num_rows(), 1, "a row that is too wide comes alone");
    assert_eq!(one.column(1).len(), 1);
}

#[tokio::test]
async fn nothing_goes_on_when_the_fetcher_is_dropped() {
    let mut fixture = Fixture::of(&rows(0..1, 10));
    fixture.remote = true;
    for file in 0..40 {
        fixture.write(&rows(file * 100..file * 100 + 100, 10), WriterProperties::new());
    }
    let (source, store) = counted(&fixture);
    let files = Arc::downgrade(&source.files);
    let mut fetcher = RowFetcher::new(source, vec![0]).unwrap();
    let places: Vec<_> = (0..40).flat_map(|file| at(file, [1, 50])).collect();
    {
        let fetching = std::pin::pin!(fetcher.fetch(&places));
        assert!(futures::poll!(fetching).is_pending());
    }
    drop(fetcher);
    while files.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(store.requests() < 80, "{} requests", store.requests());
}
