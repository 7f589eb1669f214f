//! Whole MERGEs, from their clauses to their commits, beside each other: by formats that know nothing of one another, as
//! two processes have them.

use std::num::NonZeroUsize;

use arrow::datatypes::DataType;

use super::{super::*, fixture::*};
use crate::{
    delta::{DeltaFormat, DeltaOptions, MergeOptions, fixtures::Lake},
    engine::{Merge, MergeClauses, MergeRequest, Snapshot, TableFormat},
};

const UPSERT: &str =
    "ON target.id = source.id WHEN MATCHED THEN UPDATE SET value = source.value WHEN NOT MATCHED THEN INSERT";
const ADD: &str = "ON target.id = source.id WHEN NOT MATCHED THEN INSERT";

/// A format that keeps next to nothing of a source in memory.
fn format(lake: &Lake) -> DeltaFormat {
    let merge =
        MergeOptions { memory_bytes_max: NonZeroUsize::new(1 << 20).unwrap(), spill_directory: lake.path("spilled") };
    std::fs::create_dir_all(lake.path("spilled")).unwrap();
    DeltaFormat::new(DeltaOptions { merge, ..DeltaOptions::default() })
}

async fn snapshot(format: &DeltaFormat, lake: &Lake) -> Arc<dyn Snapshot> {
    format.table(&lake.location("t")).unwrap().snapshot().await.unwrap()
}

async fn begun(base: &Arc<dyn Snapshot>, clauses: &str, rows: &[arrow::array::RecordBatch]) -> Box<dyn Merge> {
    let clauses = MergeClauses::Text(clauses.to_owned());
    let request = MergeRequest { table: "t".to_owned(), clauses, source: schema() };
    let mut merge = base.merge(&request).await.unwrap();
    for batch in rows {
        merge.write(batch.clone()).await.unwrap();
    }
    merge
}

async fn merged(base: &Arc<dyn Snapshot>, clauses: &str, rows: arrow::array::RecordBatch) -> Merged {
    committed(begun(base, clauses, &[rows]).await.commit().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_two_add_at_once_is_there_once() {
    let lake = Lake::new();
    let (one, other) = (format(&lake), format(&lake));
    one.create(&lake.location("t"), &spec(&[])).await.unwrap();
    let mut rounds = 0;
    for _ in 0..6 {
        for clauses in [UPSERT, ADD] {
            let first_id = rounds * 10;
            let both = [&one, &other].map(|format| async {
                let base = snapshot(format, &lake).await;
                begun(&base, clauses, &[rows("a", first_id..first_id + 5, "merged")]).await
            });
            let [first, second] = futures::future::join_all(both).await.try_into().ok().unwrap();
            let (first, second) = tokio::join!(tokio::spawn(first.commit()), tokio::spawn(second.commit()));
            let counts = [first, second].map(|outcome| committed(outcome.unwrap()).counts);
            let inserted: u64 = counts.iter().map(|counts| counts.inserted).sum();
            assert_eq!(inserted, 5, "{counts:?}");
            rounds += 1;
            let now = snapshot(&format(&lake), &lake).await;
            assert_eq!(now.row_count().await.unwrap(), Some(5 * rounds as u64));
        }
    }
    assert_eq!(std::fs::read_dir(lake.path("spilled")).unwrap().count(), 0);
}

/// The memory of the attempt before is there again for the next, and its files are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_source_beyond_memory_is_there_for_the_second_time() {
    let lake = Lake::new();
    let (one, other) = (format(&lake), format(&lake));
    one.create(&lake.location("t"), &spec(&[])).await.unwrap();
    let base = snapshot(&one, &lake).await;
    let batches: Vec<_> = (0..100).map(|at| rows("a", at * 2000..(at + 1) * 2000, "a value of some length")).collect();
    let returning = format!("{UPSERT} RETURNING id, merge_action");
    let merge = begun(&base, &returning, &batches).await;
    merged(&snapshot(&other, &lake).await, UPSERT, rows("a", 1000..1100, "early")).await;
    let Merged { snapshot: after, counts, returned } = committed(merge.commit().await);
    assert_eq!(counts, MergeCounts { inserted: 199_900, updated: 100, deleted: 0 });
    assert_eq!((after.version(), after.row_count().await.unwrap()), (2, Some(200_000)));
    let (mut returned, mut rows) = (returned.unwrap(), 0);
    while let Some(batch) = returned.next().await {
        let batch = batch.unwrap();
        assert_eq!(*batch.schema().field(0).data_type(), DataType::Int64);
        rows += batch.num_rows();
    }
    assert_eq!(rows, 200_000);
    drop(returned);
    assert_eq!(std::fs::read_dir(lake.path("spilled")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_met_by_others_is_done_again_and_who_is_not_goes_through() {
    for vectors in [true, false] {
        let lake = Lake::new();
        let options = DeltaOptions { new_table_deletion_vectors: vectors, ..DeltaOptions::default() };
        let (one, other) = (DeltaFormat::new(options.clone()), DeltaFormat::new(options));
        one.create(&lake.location("t"), &spec(&[])).await.unwrap();
        let table = lake.table("t");
        insert(&table, "a", 0..10).await;
        insert(&table, "a", 100..110).await;
        let base = snapshot(&one, &lake).await;
        let slow = begun(&base, UPSERT, &[rows("a", [3, 103, 203], "slow")]).await;
        let adding = begun(&base, ADD, &[rows("a", [3, 103, 203, 303], "adding")]).await;
        merged(&snapshot(&other, &lake).await, UPSERT, rows("a", [103, 303], "other")).await;
        let counts = committed(slow.commit().await).counts;
        assert_eq!(counts, MergeCounts { inserted: 1, updated: 2, deleted: 0 });
        assert_eq!(committed(adding.commit().await).counts, MergeCounts::default());
        let now = contents(&lake.table("t")).await;
        let values = [3, 103, 203, 303].map(|id| now[&id].as_str());
        assert_eq!((now.len(), values), (22, ["slow", "slow", "slow", "other"]));

        // A key far from those of the others is added beside them.
        let far = begun(&snapshot(&one, &lake).await, UPSERT, &[rows("a", [5000], "far")]).await;
        merged(&snapshot(&other, &lake).await, UPSERT, rows("a", [1, 2], "other")).await;
        assert_eq!(committed(far.commit().await).counts.inserted, 1);
    }
}

/// What stands in the way of a row that is deleted, or that goes because the source does not have it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rows_the_source_lacks_are_those_of_the_last_version() {
    let lake = Lake::new();
    let (one, other) = (format(&lake), format(&lake));
    one.create(&lake.location("t"), &spec(&[])).await.unwrap();
    insert(&lake.table("t"), "a", 0..10).await;
    let mirror = format!("{UPSERT} WHEN NOT MATCHED BY SOURCE THEN DELETE");
    let slow = begun(&snapshot(&one, &lake).await, &mirror, &[rows("a", [3, 20], "slow")]).await;
    merged(&snapshot(&other, &lake).await, UPSERT, rows("a", [500, 20], "other")).await;
    let counts = committed(slow.commit().await).counts;
    assert_eq!(counts, MergeCounts { inserted: 0, updated: 2, deleted: 10 });
    assert_eq!(contents(&lake.table("t")).await.into_keys().collect::<Vec<_>>(), [3, 20]);
}

/// In each phase: while rows come, and at any point of the commit.
#[tokio::test]
async fn one_that_is_given_up_leaves_nothing() {
    let lake = Lake::new();
    let one = format(&lake);
    one.create(&lake.location("t"), &spec(&[])).await.unwrap();
    let table = Table { table: lake.table("t"), lake };
    insert(&table.table, "a", 0..5000).await;
    let base = snapshot(&one, &table.lake).await;
    let batches: Vec<_> = (0..30).map(|at| rows("a", at * 1000..(at + 1) * 1000, "a value of some length")).collect();
    begun(&base, UPSERT, &batches).await.abort().await;
    drop(begun(&base, UPSERT, &batches).await);
    for polls in [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89] {
        let merge = begun(&base, UPSERT, &batches).await;
        let mut commit = merge.commit();
        let mut is_done = false;
        for _ in 0..polls {
            is_done = is_done || futures::poll!(&mut commit).is_ready();
            if is_done {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(commit);
        table.no_strays().await;
        // Whether or not its commit had begun, it is there whole or not at all.
        let ids = contents(&table.table).await.len();
        assert!(ids == 5000 || ids == 30_000, "{ids}");
        if ids == 30_000 {
            break;
        }
    }
    table.no_strays().await;
    assert_eq!(std::fs::read_dir(table.lake.path("spilled")).unwrap().count(), 0);
}
