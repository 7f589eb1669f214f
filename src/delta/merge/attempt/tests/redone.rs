//! What makes a MERGE begin again, and what does not.

use std::collections::BTreeMap;

use serde_json::json;

use super::{super::*, fixture::*};
use crate::{
    delta::fixtures::{add, newest},
    engine::Snapshot,
};

fn contents_are(contents: &BTreeMap<i64, String>, expected: &[(i64, &str)]) {
    let contents: Vec<_> = contents.iter().map(|(id, value)| (*id, value.as_str())).collect();
    assert_eq!(contents, expected);
}

/// A Remove of what an Add added.
fn gone(add: &Value) -> Value {
    let mut remove = json!({ "path": add["path"], "dataChange": true, "deletionTimestamp": 1 });
    if add["deletionVector"].is_object() {
        remove["deletionVector"] = add["deletionVector"].clone();
    }
    json!({ "remove": remove })
}

fn info(operation: &str) -> Value {
    json!({ "commitInfo": { "operation": operation, "timestamp": 1 } })
}

#[tokio::test]
async fn alone_it_is_done_once() {
    for vectors in [true, false] {
        let table = Table::of(&[], vectors).await;
        insert(&table.table, "a", 1..=4).await;
        let upsert = by_key(Kind::Upsert, &[2, 9], "merged");
        let merged = committed(upsert.run(&table.table).await);
        assert_eq!(merged.counts, MergeCounts { inserted: 1, updated: 1, deleted: 0 });
        assert_eq!((merged.snapshot.version(), upsert.attempts()), (2, 1));
        let expected = [(1, "inserted"), (2, "merged"), (3, "inserted"), (4, "inserted"), (9, "merged")];
        contents_are(&contents(&table.elsewhere()).await, &expected);

        // New rows alone take nothing away, rows that go alone bring nothing, and nothing is no version.
        let added = by_key(Kind::InsertOnly, &[4, 10], "new");
        assert_eq!(committed(added.run(&table.table).await).counts.inserted, 1);
        assert!(table.commit(3).iter().all(|action| action.get("remove").is_none()));
        let deleted = by_key(Kind::Delete, &[9, 10], "");
        assert_eq!(committed(deleted.run(&table.table).await).counts.deleted, 2);
        for nothing in [by_key(Kind::InsertOnly, &[1], "new"), by_key(Kind::Delete, &[77], "")] {
            let merged = committed(nothing.run(&table.table).await);
            assert_eq!((merged.counts, merged.snapshot.version()), (MergeCounts::default(), 4));
        }
        assert_eq!(table.newest().await.version(), 4);
        let expected = [(1, "inserted"), (2, "merged"), (3, "inserted"), (4, "inserted")];
        contents_are(&contents(&table.elsewhere()).await, &expected);
        assert_eq!(table.strays().await, [] as [&str; 0]);
    }
}

#[tokio::test]
async fn a_new_row_of_its_key_is_met_the_second_time() {
    for (kind, vectors, value) in [
        (Kind::Upsert, true, "merged"),
        (Kind::Upsert, false, "merged"),
        (Kind::InsertOnly, true, "inserted"),
        (Kind::InsertOnly, false, "inserted"),
    ] {
        for elsewhere in [true, false] {
            let table = Table::of(&[], vectors).await;
            insert(&table.table, "a", [1]).await;
            let other = if elsewhere { table.elsewhere() } else { table.table.clone() };
            let merge = by_key(kind, &[7], "merged").once(move || {
                let other = other.clone();
                async move { insert(&other, "a", [7]).await }
            });
            committed(merge.run(&table.table).await);
            assert_eq!(merge.attempts(), 2);
            contents_are(&contents(&table.elsewhere()).await, &[(1, "inserted"), (7, value)]);
            assert_eq!(table.strays().await, [] as [&str; 0]);
        }
    }
}

#[tokio::test]
async fn a_row_that_another_updates_is_updated_again() {
    for vectors in [true, false] {
        let table = Table::of(&[], vectors).await;
        insert(&table.table, "a", 1..=3).await;
        let other = table.elsewhere();
        let merge = by_key(Kind::Upsert, &[2], "late").once(move || {
            let other = other.clone();
            async move { drop(committed(by_key(Kind::Upsert, &[2], "early").run(&other).await)) }
        });
        assert_eq!(committed(merge.run(&table.table).await).counts.updated, 1);
        assert_eq!(merge.attempts(), 2);
        contents_are(&contents(&table.elsewhere()).await, &[(1, "inserted"), (2, "late"), (3, "inserted")]);
        assert_eq!(table.strays().await, [] as [&str; 0]);
    }
}

#[tokio::test]
async fn a_row_that_another_deletes_is_added() {
    for kind in [Kind::Upsert, Kind::InsertOnly] {
        let table = Table::new().await;
        insert(&table.table, "a", 1..=3).await;
        let other = table.elsewhere();
        // Beside one that is new in any case: otherwise the second changes nothing, and came before the other.
        let merge = by_key(kind, &[2, 8], "merged").once(move || {
            let other = other.clone();
            async move { delete(&other, |id| id == 2).await }
        });
        assert_eq!(committed(merge.run(&table.table).await).counts.inserted, 2);
        assert_eq!(merge.attempts(), 2);
        let expected = [(1, "inserted"), (2, "merged"), (3, "inserted"), (8, "merged")];
        contents_are(&contents(&table.elsewhere()).await, &expected);
    }
}

/// Its file holds rows that were there: nothing tells that they are no new ones.
#[tokio::test]
async fn a_compaction_of_its_rows_makes_it_begin_again() {
    for keys in [[2], [7]] {
        let table = Table::new().await;
        insert(&table.table, "a", 1..=9).await;
        delete(&table.table, |id| id == 7).await;
        let (old, place) = (table.added(2), table.lake.path("t"));
        let mut new = table.added(1);
        new["path"] = json!("compacted.parquet");
        new["deletionVector"] = old["deletionVector"].clone();
        new["dataChange"] = json!(false);
        let commit = table.lake.commit_path("t", 3);
        let merge = by_key(Kind::Upsert, &keys, "merged").once(move || {
            std::fs::copy(place.join(old["path"].as_str().unwrap()), place.join("compacted.parquet")).unwrap();
            let lines = [info("OPTIMIZE"), gone(&old), json!({ "add": new })].map(|action| action.to_string());
            std::fs::write(&commit, lines.join("\n")).unwrap();
            async {}
        });
        committed(merge.run(&table.table).await);
        assert_eq!(merge.attempts(), 2);
        let contents = contents(&table.elsewhere()).await;
        assert_eq!(contents.len(), if keys == [2] { 8 } else { 9 });
        assert_eq!(contents[&keys[0]], "merged");
    }
}

#[tokio::test]
async fn rows_that_come_back_are_new_ones() {
    let table = Table::new().await;
    insert(&table.table, "a", 1..=9).await;
    delete(&table.table, |id| id == 4).await;
    let (whole, less, commit) = (table.added(1), table.added(2), table.lake.commit_path("t", 3));
    let merge = by_key(Kind::Upsert, &[4], "merged").once(move || {
        let lines = [info("RESTORE"), gone(&less), json!({ "add": whole })].map(|action| action.to_string());
        std::fs::write(&commit, lines.join("\n")).unwrap();
        async {}
    });
    assert_eq!(committed(merge.run(&table.table).await).counts.updated, 1);
    assert_eq!(merge.attempts(), 2);
    assert_eq!(contents(&table.elsewhere()).await[&4], "merged");
}

/// Each took rows away from the vector that the other had, and gave it others.
#[tokio::test]
async fn a_vector_of_other_rows_brings_rows_back() {
    let table = Table::new().await;
    insert(&table.table, "a", 1..=9).await;
    delete(&table.table, |id| id == 5).await;
    let other = table.added(2);
    std::fs::remove_file(table.lake.commit_path("t", 2)).unwrap();
    let table = Table { table: table.elsewhere(), ..table };
    delete(&table.table, |id| id == 4 || id == 6).await;
    let (mine, commit) = (table.added(2), table.lake.commit_path("t", 3));
    let merge = by_key(Kind::Upsert, &[4], "merged").once(move || {
        let lines = [gone(&mine), json!({ "add": other })].map(|action| action.to_string());
        std::fs::write(&commit, lines.join("\n")).unwrap();
        async {}
    });
    committed(merge.run(&table.table).await);
    assert_eq!(merge.attempts(), 2);
    assert_eq!(contents(&table.elsewhere()).await.len(), 8);
}

#[tokio::test]
async fn a_changed_definition_ends_it() {
    let table = Table::new().await;
    insert(&table.table, "a", 1..=3).await;
    let mut changed = table.commit(0).into_iter().find(|action| action.get("metaData").is_some()).unwrap();
    changed["metaData"]["configuration"]["delta.logRetentionDuration"] = json!("interval 1 day");
    let commit = table.lake.commit_path("t", 2);
    let merge = by_key(Kind::Upsert, &[2], "merged").once(move || {
        std::fs::write(&commit, changed.to_string()).unwrap();
        async {}
    });
    let reason = conflict_of(merge.run(&table.table).await);
    assert_eq!(reason, "table 't' changed its schema or properties after version 1 (now at 2)");
    assert_eq!((merge.attempts(), table.newest().await.version()), (1, 2));
    assert_eq!(table.strays().await, [] as [&str; 0]);
}

/// Other rows, by their bounds or their partition; and rows that go, where a merge does not rely on any.
#[tokio::test]
async fn what_others_do_elsewhere_is_passed_over() {
    for vectors in [true, false] {
        let table = Table::of(&[], vectors).await;
        insert(&table.table, "a", 1..=9).await;
        insert(&table.table, "a", 20..=29).await;
        let other = table.elsewhere();
        let merge = by_key(Kind::Upsert, &[2, 15], "merged").once(move || {
            let other = other.clone();
            async move {
                insert(&other, "a", 30..40).await;
                delete(&other, |id| id == 25).await;
            }
        });
        committed(merge.run(&table.table).await);
        assert_eq!((merge.attempts(), table.newest().await.version()), (1, 5), "vectors: {vectors}");
        let contents = contents(&table.elsewhere()).await;
        assert_eq!((contents.len(), contents[&2].as_str()), (29, "merged"));
    }
}

#[tokio::test]
async fn other_rows_of_its_files_may_go() {
    for (kind, attempts) in [(Kind::Upsert, 1), (Kind::Delete, 1), (Kind::InsertOnly, 2)] {
        let table = Table::new().await;
        insert(&table.table, "a", 1..=9).await;
        let other = table.elsewhere();
        let merge = by_key(kind, &[2, 5, 15], "merged").once(move || {
            let other = other.clone();
            async move { delete(&other, |id| id == 4).await }
        });
        committed(merge.run(&table.table).await);
        assert_eq!(merge.attempts(), attempts, "{kind:?}");
        assert!(!contents(&table.elsewhere()).await.contains_key(&4));
    }
}

#[tokio::test]
async fn rows_of_another_partition_are_other_rows() {
    let table = Table::of(&["part"], true).await;
    insert(&table.table, "a", 1..=9).await;
    for (part, attempts) in [("b", 1), ("a", 2)] {
        let (other, ids) = (table.elsewhere(), if part == "a" { 30..40 } else { 40..50 });
        let merge = by_key(Kind::Upsert, &[35, 45], "merged").once(move || {
            let (other, ids) = (other.clone(), ids.clone());
            async move { insert(&other, part, ids).await }
        });
        committed(merge.run(&table.table).await);
        assert_eq!(merge.attempts(), attempts, "{part}");
        delete(&table.table, |id| id >= 30).await;
    }
}

/// A commit that says nothing of its files' rows may bring any.
#[tokio::test]
async fn files_without_statistics_may_hold_anything() {
    let table = Table::new().await;
    insert(&table.table, "a", 1..=9).await;
    let mut unknown = add("unknown.parquet", 1);
    let commit = table.lake.commit_path("t", 2);
    unknown["add"]["stats"] = Value::Null;
    let source = table.lake.path("t").join(table.added(1)["path"].as_str().unwrap());
    let there = table.lake.path("t").join("unknown.parquet");
    insert(&table.table, "a", [50]).await;
    std::fs::copy(table.lake.path("t").join(table.added(2)["path"].as_str().unwrap()), &there).unwrap();
    unknown["add"]["size"] = json!(std::fs::metadata(&there).unwrap().len());
    std::fs::remove_file(&commit).unwrap();
    assert!(source.exists());
    let fresh = table.elsewhere();
    let merge = by_key(Kind::Upsert, &[2], "merged").once(move || {
        std::fs::write(&commit, unknown.to_string()).unwrap();
        async {}
    });
    committed(merge.run(&fresh).await);
    assert_eq!(merge.attempts(), 2);
}

#[tokio::test]
async fn attempts_are_bounded() {
    let table = Table::new().await;
    insert(&table.table, "a", [1]).await;
    let other = table.elsewhere();
    let merge = by_key(Kind::Upsert, &[1, 7], "merged").meanwhile(move |_| {
        let other = other.clone();
        async move { drop(committed(by_key(Kind::Upsert, &[7], "first").run(&other).await)) }
    });
    let reason = conflict_of(merge.run(&table.table).await);
    let expected = format!(
        "version {} of table 't' (MERGE) added rows that this statement may be about; it was done {ATTEMPTS_MAX} times, \
         and each time another commit came first",
        ATTEMPTS_MAX + 1,
    );
    assert_eq!(reason, expected);
    assert_eq!(merge.attempts(), ATTEMPTS_MAX);
    contents_are(&contents(&table.elsewhere()).await, &[(1, "inserted"), (7, "first")]);
    assert_eq!(table.strays().await, [] as [&str; 0]);
    // The turn is free again.
    committed(by_key(Kind::Upsert, &[7], "last").run(&table.table).await);
    assert_eq!(newest(&table.elsewhere()).await.unwrap().version(), u64::from(ATTEMPTS_MAX) + 2);
}
