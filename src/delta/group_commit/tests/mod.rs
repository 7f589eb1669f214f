//! Groups of appends, made to meet: while the table's turn to commit is held, whoever comes has to wait.

mod failures;
mod store;

use std::{num::NonZeroUsize, time::Duration};

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, StringArray},
    compute::concat_batches,
    datatypes::{DataType, Int64Type},
    record_batch::RecordBatch,
};
use futures::TryStreamExt;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::*;
use crate::{
    delta::{
        create::create,
        fixtures::{Lake, newest, paths, spec},
        table::DeltaTable,
    },
    engine::{Predicate, ScanRequest, Snapshot},
};

/// More rows than are shared.
const MANY: i64 = 20_000;

/// A table `t` of the columns `x BIGINT, p VARCHAR`.
async fn table(lake: &Lake, partition_columns: &[&str], limits: GroupLimits) -> Arc<DeltaTable> {
    let store = crate::delta::store::TableStore::open(&lake.location("t")).unwrap();
    made(DeltaTable::new(store, Arc::default()).with_group(limits), partition_columns).await
}

async fn made(table: DeltaTable, partition_columns: &[&str]) -> Arc<DeltaTable> {
    let mut spec = spec(&[("x", DataType::Int64), ("p", DataType::Utf8)]);
    spec.partition_columns = partition_columns.iter().map(|name| (*name).to_owned()).collect();
    create(table.store(), table.log(), &spec, true).await.unwrap();
    Arc::new(table)
}

fn of_statements(count: usize) -> GroupLimits {
    GroupLimits::of_statements(NonZeroUsize::new(count).unwrap())
}

/// An append under way.
type Inserting = JoinHandle<Result<CommitOutcome>>;

/// Appends these rows on a task of its own, each `x` with the `p`.
fn insert(base: &DeltaSnapshot, x: impl IntoIterator<Item = i64>, p: &str) -> Inserting {
    let x = Int64Array::from_iter_values(x);
    let p = StringArray::from(vec![p; x.len()]);
    let (base, columns) = (base.clone(), vec![Arc::new(x) as ArrayRef, Arc::new(p)]);
    tokio::spawn(async move {
        let batch = RecordBatch::try_new(base.schema(), columns).unwrap();
        let mut append = base.append().await?;
        append.write(batch).await?;
        append.commit().await
    })
}

/// Has `inserts` meet: they wait, in their order, while an append of `x` = -1 has begun to commit and may not.
async fn meeting<I: IntoIterator<Item = Inserting>>(
    table: &Arc<DeltaTable>,
    inserts: impl FnOnce() -> I,
) -> Vec<Inserting> {
    let turn = table.lock_commits().await;
    let first = insert(&newest(table).await.unwrap(), [-1], "first");
    until_waiting(table, 0).await;
    let mut inserting = vec![first];
    inserting.extend(inserts());
    until_waiting(table, inserting.len() - 1).await;
    drop(turn);
    inserting
}

/// Waits until somebody leads and `count` appends wait behind.
async fn until_waiting(table: &DeltaTable, count: usize) {
    until(|| {
        let state = table.group().lock();
        state.led && state.waiting.len() == count
    })
    .await;
}

async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

async fn committed(inserting: Inserting) -> Arc<dyn Snapshot> {
    match inserting.await.unwrap() {
        Ok(CommitOutcome::Committed(snapshot)) => snapshot,
        other => panic!("{other:?}"),
    }
}

/// In which version each was committed.
async fn versions(inserting: Vec<Inserting>) -> Vec<u64> {
    let mut versions = Vec::new();
    for one in inserting {
        versions.push(committed(one).await.version());
    }
    versions
}

/// The values of `x`, sorted.
async fn rows(snapshot: &dyn Snapshot) -> Vec<i64> {
    let request = ScanRequest { projection: vec![0], row_id: false, predicate: Predicate::Unknown };
    let plan = snapshot.plan(&request, NonZeroUsize::MIN).await.unwrap();
    let mut rows = Vec::new();
    for part in plan.parts {
        let read: Vec<_> = snapshot.read(&request, &part).await.unwrap().try_collect().await.unwrap();
        let batches: Vec<_> = read.into_iter().map(|read| read.rows).collect();
        let Some(first) = batches.first() else { continue };
        let all = concat_batches(&first.schema(), &batches).unwrap();
        rows.extend(all.column(0).as_primitive::<Int64Type>().values());
    }
    rows.sort_unstable();
    rows
}

/// The data files that lie in the table's directory, sorted.
fn data_files(lake: &Lake) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![lake.path("t")];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).unwrap().map(std::result::Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            match entry.path().is_dir() {
                true if name == "_delta_log" => {}
                true => left.push(entry.path()),
                false => found.push(entry.path().strip_prefix(lake.path("t")).unwrap().to_str().unwrap().to_owned()),
            }
        }
    }
    found.sort();
    found
}

/// Fails unless just the files of the newest version lie there: nothing is left of what failed.
async fn assert_no_orphans(lake: &Lake, table: &Arc<DeltaTable>) {
    let snapshot = newest(table).await.unwrap();
    let wanted = paths(&snapshot).await;
    until(|| data_files(lake).len() <= wanted.len()).await;
    assert_eq!(data_files(lake), wanted);
}

fn commit_info(lake: &Lake, version: u64) -> Value {
    let text = std::fs::read_to_string(lake.commit_path("t", version)).unwrap();
    serde_json::from_str::<Value>(text.lines().next().unwrap()).unwrap()["commitInfo"].take()
}

#[tokio::test]
async fn those_that_come_while_one_commits_share_the_next_version() {
    let lake = Lake::new();
    let table = table(&lake, &[], GroupLimits::default()).await;
    let base = newest(&table).await.unwrap();
    let mut inserting = meeting(&table, || (0..20).map(|x| insert(&base, [x, 100 + x], "p"))).await;
    assert_eq!(committed(inserting.remove(0)).await.version(), 1, "the first waited for nobody");
    for (x, one) in inserting.into_iter().enumerate() {
        let snapshot = committed(one).await;
        assert_eq!(snapshot.version(), 2);
        assert!(rows(&*snapshot).await.contains(&(x as i64)), "its snapshot has its rows");
    }
    let end = newest(&table).await.unwrap();
    assert_eq!(end.version(), 2);
    assert_eq!(rows(&end).await, (-1..20).chain(100..120).collect::<Vec<_>>());
    assert_eq!(paths(&end).await.len(), 2, "their rows lie in one file");
    let info = commit_info(&lake, 2);
    assert_eq!(info["operationMetrics"]["numOutputRows"], "40");
    assert_eq!((&info["operationMetrics"]["numFiles"], &info["readVersion"]), (&json!("1"), &json!(0)));
    assert_no_orphans(&lake, &table).await;
}

#[tokio::test]
async fn a_group_makes_one_file_a_partition() {
    let lake = Lake::new();
    let table = table(&lake, &["p"], GroupLimits::default()).await;
    let base = newest(&table).await.unwrap();
    let inserts = || (0..12).map(|x| insert(&base, [x], ["a", "b", "c"][x as usize % 3]));
    assert_eq!(versions(meeting(&table, inserts).await).await[1..], [2; 12]);
    let end = newest(&table).await.unwrap();
    let directories: Vec<_> = paths(&end).await.iter().map(|path| path.split('/').next().unwrap().to_owned()).collect();
    assert_eq!(directories, ["p=a", "p=b", "p=c", "p=first"]);
    assert_eq!(rows(&end).await, (-1..12).collect::<Vec<_>>());
    assert_no_orphans(&lake, &table).await;
}

#[tokio::test]
async fn large_appends_bring_their_own_files() {
    let lake = Lake::new();
    let table = table(&lake, &[], GroupLimits::default()).await;
    let base = newest(&table).await.unwrap();
    let inserts = || {
        [
            insert(&base, [1], "small"),
            insert(&base, 1000..1000 + MANY, "large"),
            insert(&base, [2], "small"),
            insert(&base, 100_000..100_000 + MANY, "large"),
        ]
    };
    assert_eq!(versions(meeting(&table, inserts).await).await, [1, 2, 2, 2, 2]);
    let end = newest(&table).await.unwrap();
    assert_eq!(rows(&end).await.len() as i64, 3 + 2 * MANY);
    assert_eq!(paths(&end).await.len(), 4, "the first's, one of both small ones, and two");
    let metrics = &commit_info(&lake, 2)["operationMetrics"];
    assert_eq!((&metrics["numOutputRows"], &metrics["numFiles"]), (&json!((2 + 2 * MANY).to_string()), &json!("3")));
}

#[tokio::test]
async fn a_group_is_no_larger_than_its_bounds() {
    let few_rows = GroupLimits { rows: 5, ..GroupLimits::default() };
    for (limits, expected) in [
        (of_statements(3), [1, 2, 2, 2, 3, 3, 3, 4]),
        // Of two rows each.
        (few_rows, [1, 2, 2, 3, 3, 4, 4, 5]),
        (GroupLimits { bytes: 1, ..GroupLimits::default() }, [1, 2, 3, 4, 5, 6, 7, 8]),
    ] {
        let lake = Lake::new();
        let table = table(&lake, &[], limits).await;
        let base = newest(&table).await.unwrap();
        let mut inserting = Vec::new();
        let turn = table.lock_commits().await;
        inserting.push(insert(&base, [-1], "first"));
        for x in 0..7 {
            until_waiting(&table, x).await;
            inserting.push(insert(&base, [x as i64, 10 + x as i64], "p"));
        }
        until_waiting(&table, 7).await;
        drop(turn);
        assert_eq!(versions(inserting).await, expected, "the oldest first: {limits:?}");
    }
}

#[tokio::test]
async fn whoever_finds_no_place_waits_for_one() {
    let lake = Lake::new();
    let waiting = NonZeroUsize::new(2).unwrap();
    let table = table(&lake, &[], GroupLimits { waiting, ..GroupLimits::default() }).await;
    let base = newest(&table).await.unwrap();
    let turn = table.lock_commits().await;
    let inserting: Vec<_> = (0..10).map(|x| insert(&base, [x], "p")).collect();
    // The place of those that are taken is free again.
    until_waiting(&table, 2).await;
    assert!(inserting.iter().all(|one| !one.is_finished()));
    drop(turn);
    versions(inserting).await;
    assert_eq!(rows(&newest(&table).await.unwrap()).await, (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn with_one_statement_a_commit_none_shares() {
    let lake = Lake::new();
    let table = table(&lake, &[], of_statements(1)).await;
    let base = newest(&table).await.unwrap();
    let turn = table.lock_commits().await;
    let inserting: Vec<_> = (0..5).map(|x| insert(&base, [x], "p")).collect();
    drop(turn);
    let mut versions = versions(inserting).await;
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn an_append_without_rows_waits_for_nobody() {
    let lake = Lake::new();
    let table = table(&lake, &[], GroupLimits::default()).await;
    let base = newest(&table).await.unwrap();
    let _turn = table.lock_commits().await;
    assert_eq!(committed(insert(&base, [], "p")).await.version(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_lose_nothing_and_share() {
    const WRITERS: i64 = 32;
    const STATEMENTS: i64 = 20;
    // The rows of a statement.
    let count = |x: i64| if x % (8 * STATEMENTS) == 7 { MANY } else { 1 };
    let lake = Lake::new();
    let table = table(&lake, &[], GroupLimits::default()).await;
    // Another process commits to the same table.
    let other = lake.table("t");
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let table = if writer % 8 == 0 { other.clone() } else { table.clone() };
        writers.spawn(async move {
            let mut last = 0;
            for statement in 0..STATEMENTS {
                let x = writer * STATEMENTS + statement;
                let ids = (0..count(x)).map(|row| x + row * WRITERS * STATEMENTS);
                let snapshot = committed(insert(&newest(&table).await.unwrap(), ids, "p")).await;
                assert!(snapshot.version() > last, "a later statement is in a later version");
                last = snapshot.version();
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let end = newest(&lake.table("t")).await.unwrap();
    let statements = (WRITERS * STATEMENTS) as u64;
    assert!(end.version() < statements / 2, "{} versions of {statements} statements", end.version());
    let rows_of = |x| (0..count(x)).map(move |row| x + row * WRITERS * STATEMENTS);
    let mut expected: Vec<_> = (0..WRITERS * STATEMENTS).flat_map(rows_of).collect();
    expected.sort_unstable();
    assert_eq!(rows(&end).await, expected);
    assert_no_orphans(&lake, &end.table().clone()).await;
}

#[tokio::test(start_paused = true)]
async fn those_just_answered_are_waited_for_a_moment() {
    let lake = Lake::new();
    let table = table(&lake, &[], GroupLimits::default()).await;
    let base = newest(&table).await.unwrap();
    let turn = table.lock_commits().await;
    let first = insert(&base, [0], "p");
    until_waiting(&table, 0).await;
    let others: Vec<_> = (1..4).map(|x| insert(&base, [x], "p")).collect();
    until_waiting(&table, 3).await;
    // The first's commit is a slow one, so that the moment is long enough.
    tokio::time::advance(Duration::from_millis(100)).await;
    drop(turn);
    assert_eq!(committed(first).await.version(), 1);
    let back = insert(&base, [4], "p");
    assert_eq!(committed(back).await.version(), 2, "it came back in time for the others' commit");
    assert_eq!(versions(others).await, [2; 3]);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_those_who_do_not_come_back() {
    let lake = Lake::new();
    let table = table(&lake, &[], GroupLimits::default()).await;
    let base = newest(&table).await.unwrap();
    let turn = table.lock_commits().await;
    let mut inserting = vec![insert(&base, [0], "p")];
    until_waiting(&table, 0).await;
    inserting.extend((1..4).map(|x| insert(&base, [x], "p")));
    until_waiting(&table, 3).await;
    tokio::time::advance(Duration::from_millis(100)).await;
    drop(turn);
    let began = Instant::now();
    assert_eq!(versions(inserting).await, [1, 2, 2, 2]);
    let waited = began.elapsed();
    assert!(waited <= Duration::from_millis(20), "{waited:?}");
    // Later ones wait for nobody, however many there were before.
    tokio::time::advance(Duration::from_secs(1)).await;
    let began = Instant::now();
    for version in 3..6 {
        assert_eq!(committed(insert(&base, [version], "p")).await.version(), version as u64);
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}
