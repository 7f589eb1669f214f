//! What bounds rule out is not even looked at.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use futures::TryStreamExt;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::fixture::{Fixture, whole};
use crate::{
    delta::scan::{
        LeftOut,
        data_file::{PageIndex, ParquetFile},
        input::Input,
        read_filtered,
        row_groups::select,
    },
    engine::{CompareOp, Predicate, ReadPart, ReadUnit, Scalar},
};

/// 1000 rows: "n" counts them, "t" counts every hundred.
fn rows() -> RecordBatch {
    let numbers = Int64Array::from_iter_values(0..1000);
    let texts: StringArray = (0..1000).map(|row| Some(format!("t{}", row / 100))).collect();
    RecordBatch::try_from_iter([("n", Arc::new(numbers) as _), ("t", Arc::new(texts) as _)]).unwrap()
}

/// Row groups of 200 rows and pages of 20.
fn properties(statistics: EnabledStatistics) -> WriterProperties {
    WriterProperties::builder()
        .set_max_row_group_row_count(Some(200))
        .set_data_page_row_count_limit(20)
        .set_write_batch_size(20)
        .set_statistics_enabled(statistics)
        .set_offset_index_disabled(statistics != EnabledStatistics::Page)
        .build()
}

/// The row groups and rows that are left of a slice.
fn left(statistics: EnabledStatistics, (slice, slices): (u32, u32), predicate: &Predicate) -> Vec<(usize, usize)> {
    let mut fixture = Fixture::of(&rows());
    fixture.write(&rows(), properties(statistics));
    let input = Input::local(&fixture.path_of(0)).unwrap();
    let file = ParquetFile::open(input, PageIndex::Bounds, fixture.schema.mapping).unwrap();
    let groups = select(&file, &fixture.schema, ReadUnit { file: 0, slice, slices }, None, predicate);
    groups.iter().map(|group| (group.index, group.rows)).collect()
}

fn compare(column: &str, op: CompareOp, value: Scalar) -> Predicate {
    Predicate::Compare { column: vec![column.to_owned()], op, value }
}

fn number(op: CompareOp, value: i128) -> Predicate {
    compare("n", op, Scalar::Integer(value))
}

#[test]
fn row_groups_and_pages_are_left_out() {
    use CompareOp::{Equal, GreaterOrEqual, Less};
    let text = |value: &str| compare("t", Equal, Scalar::Text(value.into()));
    let both = |a: Predicate, b: Predicate| Predicate::And(vec![a, b]);
    let either = |a: Predicate, b: Predicate| Predicate::Or(vec![a, b]);
    for (predicate, by_pages, by_groups) in [
        (number(Equal, 250), vec![(1, 20)], vec![(1, 200)]),
        (text("t3"), vec![(1, 100)], vec![(1, 200)]),
        (both(number(Less, 310), text("t3")), vec![(1, 20)], vec![(1, 200)]),
        (both(number(Less, 300), text("t3")), vec![], vec![(1, 200)]),
        (either(number(Less, 20), number(GreaterOrEqual, 990)), vec![(0, 20), (4, 20)], vec![(0, 200), (4, 200)]),
        (both(number(Less, 20), Predicate::Unknown), vec![(0, 20)], vec![(0, 200)]),
        (number(Less, 0), vec![], vec![]),
    ] {
        assert_eq!(left(EnabledStatistics::Page, (0, 1), &predicate), by_pages, "{predicate:?}");
        assert_eq!(left(EnabledStatistics::Chunk, (0, 1), &predicate), by_groups, "{predicate:?}");
        assert_eq!(left(EnabledStatistics::None, (0, 1), &predicate).len(), 5, "nothing is known");
    }
}

#[test]
fn slices_are_cut_by_rows_or_between_row_groups() {
    let all = Predicate::Unknown;
    let by_rows = |slice| left(EnabledStatistics::Page, (slice, 3), &all);
    assert_eq!(by_rows(0), [(0, 200), (1, 133)]);
    assert_eq!(by_rows(1), [(1, 67), (2, 200), (3, 66)]);
    assert_eq!(by_rows(2), [(3, 134), (4, 200)]);
    let by_groups = |slice| left(EnabledStatistics::Chunk, (slice, 3), &all);
    assert_eq!(by_groups(0), [(0, 200)]);
    assert_eq!(by_groups(1), [(1, 200), (2, 200)]);
    assert_eq!(by_groups(2), [(3, 200), (4, 200)]);
    let many: Vec<_> = (0..64).flat_map(|slice| left(EnabledStatistics::Chunk, (slice, 64), &all)).collect();
    assert_eq!(many, (0..5).map(|group| (group, 200)).collect::<Vec<_>>());
}

#[tokio::test]
async fn rows_can_be_filtered_by_less_than_what_rules_out_pages() {
    use CompareOp::{Equal, Less};
    let mut fixture = Fixture::of(&rows());
    fixture.write(&rows(), properties(EnabledStatistics::Page));
    let (request, part) = (fixture.all(number(Equal, 250)), ReadPart { units: vec![whole(0)] });
    let count = async |filter: Predicate| {
        let batches = read_filtered(fixture.source(), &request, &filter, &part, LeftOut::new()).unwrap();
        let batches: Vec<_> = batches.try_collect().await.unwrap();
        batches.iter().map(|batch| batch.rows.num_rows()).sum::<usize>()
    };
    assert_eq!(count(Predicate::Unknown).await, 20, "the whole page");
    assert_eq!(count(number(Less, 245)).await, 5);
    assert_eq!(count(request.predicate.clone()).await, 1);
}
