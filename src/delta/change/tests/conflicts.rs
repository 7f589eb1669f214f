//! Deletes against what others commit meanwhile, whoever they are: rows decide.

use deltalake_core::kernel::Add;
use serde_json::{Value, json};

use super::fixture::*;
use crate::{
    delta::{
        change::{
            changed_rows::ChangedRows,
            commit::{ChangeSet, Means, commit},
            operation::Statement,
        },
        fixtures::{add, field, metadata, newest, remove},
        snapshot::DeltaSnapshot,
    },
    engine::{CommitOutcome, Result, Snapshot},
};

/// What a commit of another engine says that it is.
fn info(operation: &str) -> Value {
    json!({ "commitInfo": { "operation": operation, "timestamp": 1, "isBlindAppend": false } })
}

/// The Add of the only file of a version, as its log has it.
fn logged(table: &Table, version: u64) -> Value {
    let added = table.commit(version).into_iter().find_map(|mut action| Some(action.get_mut("add")?.take()));
    added.expect("an Add")
}

/// A Remove of what an Add added.
fn gone(add: &Value) -> Value {
    let mut remove = json!({ "path": add["path"], "dataChange": true, "deletionTimestamp": 1 });
    if add["deletionVector"].is_object() {
        remove["deletionVector"] = add["deletionVector"].clone();
    }
    json!({ "remove": remove })
}

#[tokio::test]
async fn other_rows_of_one_file_are_merged() {
    let table = Table::new().await;
    let base = table.append("a", 0..20_000).await;
    for (elsewhere, wanted) in [
        (false, (|id| id == 3) as fn(i64) -> bool),
        (false, |id| id % 2 == 0),
        (true, |id| id % 100 == 1),
        (true, |id| id == 7),
    ] {
        let base = match elsewhere {
            true => newest_at(&table, base.version()).await,
            false => base.clone(),
        };
        committed(delete_where(&base, wanted).await);
    }
    let expected: Vec<i64> = (0..20_000).filter(|id| id % 2 == 1 && id % 100 != 1 && ![3, 7].contains(id)).collect();
    assert_eq!(table.ids().await, expected);
    assert_eq!(ids(&newest(&table.elsewhere()).await.unwrap()).await, expected);
    let vectors = table.vectors_on_disk();
    assert_eq!(vectors.len(), 3, "one each but the first, and none of attempts that were lost: {vectors:?}");
}

async fn newest_at(table: &Table, version: u64) -> DeltaSnapshot {
    let elsewhere = table.elsewhere();
    let version = elsewhere.at(version).await.unwrap();
    DeltaSnapshot::new(elsewhere, version)
}

#[tokio::test]
async fn the_same_row_conflicts_by_the_version_that_changed_it() {
    let table = Table::new().await;
    let base = table.append("a", 0..100).await;
    committed(table.delete(|id| id == 1).await);
    committed(table.delete(|id| id == 50).await);
    table.append("a", [100]).await;
    let reason = conflict_of(delete_where(&base, |id| id >= 50).await);
    let told =
        "version 3 of table 't' (DELETE) changed a row that this statement changes, too; run the statement again";
    assert_eq!(reason, told);
    assert_eq!(table.newest().await.version(), 4);
    assert_eq!(table.ids().await.len(), 99);
    committed(delete_where(&base, |id| id > 50).await);
}

/// An UPDATE of another engine, whose commit says nothing of itself.
#[tokio::test]
async fn commits_of_other_engines_count_by_what_they_did() {
    let table = Table::new().await;
    let base = table.append("a", 0..100).await;
    committed(table.delete(|id| id == 1).await);
    let vector = logged(&table, 2)["deletionVector"].clone();
    std::fs::remove_file(table.lake.commit_path("t", 2)).unwrap();

    let old = logged(&table, 1);
    let mut new = old.clone();
    new["deletionVector"] = vector;
    table.lake.write("t", 2, &[gone(&old), json!({ "add": new }), add("updated", 1)]);
    let base = newest_at(&table, base.version()).await;
    let reason = conflict_of(delete_where(&base, |id| id == 1).await);
    assert!(reason.starts_with("version 2 of table 't' changed a row that this statement changes"), "{reason}");
    let outcome = delete_where(&base, |id| id == 2).await;
    assert_eq!(committed(outcome).version(), 3);
    let live = crate::delta::fixtures::files(&newest(&table.elsewhere()).await.unwrap()).await;
    let cardinality = live.iter().filter_map(|file| file.deletion_vector.as_ref()).map(|vector| vector.cardinality);
    assert_eq!(cardinality.collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn files_that_are_rewritten_or_removed_conflict() {
    for (operation, change) in [
        ("OPTIMIZE", (|old: &Value| vec![gone(old), add("compacted", 100)]) as fn(&Value) -> Vec<Value>),
        ("WRITE", |old| vec![gone(old)]),
        ("DELETE", |old| vec![gone(old)]),
    ] {
        let table = Table::new().await;
        let base = table.append("a", 0..100).await;
        let mut actions = vec![info(operation)];
        actions.extend(change(&logged(&table, 1)));
        table.lake.write("t", 2, &actions);
        let reason = conflict_of(delete_where(&base, |id| id == 4).await);
        let told = "rewrote or removed a file with rows that this statement changes; run the statement again";
        assert_eq!(reason, format!("version 2 of table 't' ({operation}) {told}"));
        assert!(!table.lake.commit_path("t", 3).exists());
    }
}

/// RESTORE brings back rows that were deleted when this statement read the table.
#[tokio::test]
async fn restored_rows_conflict() {
    let table = Table::new().await;
    table.append("a", 0..100).await;
    committed(table.delete(|id| id == 9).await);
    let base = table.newest().await;
    let (old, with_vector) = (logged(&table, 1), logged(&table, 2));
    table.lake.write("t", 3, &[info("RESTORE"), gone(&with_vector), json!({ "add": old })]);
    let reason = conflict_of(delete_where(&base, |id| id == 4).await);
    let told = "brought back deleted rows of a file with rows that this statement changes; run the statement again";
    assert_eq!(reason, format!("version 3 of table 't' (RESTORE) {told}"));

    table.lake.write("t", 4, &[info("RESTORE"), gone(&old), json!({ "add": with_vector })]);
    committed(delete_where(&base, |id| id == 4).await);
    assert_eq!(table.ids().await.len(), 98);
}

#[tokio::test]
async fn a_changed_definition_conflicts() {
    let table = Table::new().await;
    let base = table.append("a", 0..10).await;
    let mut changed = table.commit(0).into_iter().find(|action| action.get("metaData").is_some()).unwrap();
    changed["metaData"]["configuration"]["delta.appendOnly"] = json!("true");
    table.lake.write("t", 2, &[changed]);
    let reason = conflict_of(delete_where(&base, |id| id == 4).await);
    assert_eq!(reason, "table 't' changed its schema or properties after version 1 (now at 2)");
}

#[tokio::test]
async fn who_stands_in_the_way_is_looked_for_within_bounds() {
    let table = Table::new().await;
    let base = table.append("a", 0..10).await;
    for version in 2..=103 {
        table.lake.write("t", version, &[add(&format!("f{version}"), 1)]);
    }
    table.lake.write("t", 104, &[gone(&logged(&table, 1))]);
    let reason = conflict_of(delete_where(&base, |id| id == 4).await);
    assert!(reason.starts_with("a version of table 't' after version 1 rewrote or removed a file"), "{reason}");
}

/// As the protocol forbids and a broken writer may do: nothing tells which of the two was read.
#[tokio::test]
async fn a_file_that_is_there_twice_conflicts() {
    let table = Table::new().await;
    let base = table.append("a", 0..10).await;
    let old = logged(&table, 1);
    let with = |text: &str| {
        let vector = json!({ "storageType": "i", "pathOrInlineDv": text, "sizeInBytes": 34, "cardinality": 1 });
        let mut add = old.clone();
        add["deletionVector"] = vector;
        json!({ "add": add })
    };
    table.lake.write("t", 2, &[gone(&old), with("one")]);
    table.lake.write("t", 3, &[with("two")]);
    conflict_of(delete_where(&base, |id| id == 4).await);
    assert!(!table.lake.commit_path("t", 4).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_deletes_of_one_file_at_once_all_land() {
    let table = Table::new().await;
    let base = table.append("a", 0..20_000).await;
    let tables = [table.table.clone(), table.elsewhere(), table.elsewhere()];
    let deletes = (0..10_i64).map(|writer| {
        let handle = tables[writer as usize % tables.len()].clone();
        let number = base.version();
        tokio::spawn(async move {
            let version = handle.at(number).await.unwrap();
            let base = DeltaSnapshot::new(handle, version);
            // Some small, some large.
            let step = if writer % 2 == 0 { 20 } else { 2000 };
            committed(delete_where(&base, |id| id % step == writer).await).version()
        })
    });
    let mut versions: Vec<_> = futures::future::join_all(deletes).await.into_iter().map(Result::unwrap).collect();
    versions.sort_unstable();
    assert_eq!(versions, (2..=11).collect::<Vec<_>>(), "each once");
    let deleted = |id: &i64| (0..10).any(|writer| id % if writer % 2 == 0 { 20 } else { 2000 } == writer);
    let expected: Vec<i64> = (0..20_000).filter(|id| !deleted(id)).collect();
    assert_eq!(ids(&newest(&table.elsewhere()).await.unwrap()).await, expected);
    let referred = (2..=11).filter(|version| logged(&table, *version)["deletionVector"]["storageType"] == "u").count();
    assert_eq!(table.vectors_on_disk().len(), referred, "files of lost attempts are gone");
}

#[tokio::test]
async fn a_conflict_leaves_no_file_behind() {
    let table = Table::new().await;
    let base = table.append("a", 0..20_000).await;
    let mine = row_ids(&base).await;
    let mine: Vec<_> = mine.into_iter().filter(|(id, _)| id % 3 == 0).map(|(_, row)| row).collect();
    // Only once the statement has prepared its vectors does the other commit come.
    let turn = table.table.lock_commits().await;
    let change = begun(&base, &mine).await.unwrap();
    let committing = tokio::spawn(change.commit());
    while table.vectors_on_disk().is_empty() {
        tokio::task::yield_now().await;
    }
    table.lake.write("t", 2, &[info("OPTIMIZE"), gone(&logged(&table, 1)), add("compacted", 20_000)]);
    drop(turn);
    conflict_of(committing.await.unwrap());
    assert_eq!(table.vectors_on_disk(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_stop_a_commit_half_way() {
    let table = Table::new().await;
    let base = table.append("a", 0..10).await;
    let rows = row_ids(&base).await;
    let turn = table.table.lock_commits().await;
    let mut commit = Box::pin(begun(&base, &[rows[&4]]).await.unwrap().commit());
    assert!(futures::poll!(&mut commit).is_pending());
    drop(commit);
    drop(turn);
    while table.newest().await.version() == 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(table.ids().await.len(), 9);
}

/// A statement that writes files again needs them exactly as it has read them.
#[tokio::test]
async fn a_rewritten_file_must_be_as_it_was() {
    let rewritten = async |base: &DeltaSnapshot, id: i64| -> Result<CommitOutcome> {
        let mut changed = ChangedRows::new(base).await?;
        changed.take(&array(&[row_ids(base).await[&id]])).await?;
        let new = Add { path: format!("new-{id}"), size: 1, stats: Some("{}".to_owned()), ..Add::default() };
        let (statement, means, adds) = (Statement::Delete, Means::Rewrite, vec![new]);
        let set = ChangeSet { statement, means, changed, adds, changes: vec![], guard: None };
        commit(base.clone(), set).await
    };
    let table = Table::new().await;
    table.append("a", 0..10).await;
    let base = table.append("a", 10..20).await;
    committed(table.delete(|id| id == 3).await);
    let reason = conflict_of(rewritten(&base, 4).await);
    assert!(reason.starts_with("version 3 of table 't' (DELETE) changed other rows of a file that this"), "{reason}");
    let reason = conflict_of(rewritten(&base, 3).await);
    assert!(reason.starts_with("version 3 of table 't' (DELETE) changed a row that this statement"), "{reason}");
    committed(rewritten(&base, 14).await);
    let actions = table.commit(4);
    assert_eq!(actions[2]["add"]["path"], "new-14");
    assert_eq!(actions[1]["remove"]["path"], table.commit(2)[1]["add"]["path"], "the file with id 14");
    assert_eq!(actions[0]["commitInfo"]["operationMetrics"]["numRemovedFiles"], "1");
}

#[tokio::test]
async fn files_of_the_change_data_feed_are_told_of() {
    let table = Table::new().await;
    let base = table.append("a", 0..10).await;
    let mut changed = ChangedRows::new(&base).await.unwrap();
    changed.take(&array(&[row_ids(&base).await[&4]])).await.unwrap();
    let file = Add {
        path: "_change_data/p=a%20b/c d.parquet".to_owned(),
        size: 7,
        partition_values: [("p".to_owned(), Some("a b".to_owned()))].into(),
        data_change: true,
        ..Add::default()
    };
    let (statement, means) = (Statement::Delete, Means::Vectors);
    let set = ChangeSet { statement, means, changed, adds: vec![], changes: vec![file], guard: None };
    committed(commit(base, set).await);
    let cdc = table.commit(2).pop().unwrap();
    let path = "_change_data/p=a%2520b/c%20d.parquet";
    let expected = json!({ "path": path, "size": 7, "partitionValues": { "p": "a b" }, "dataChange": false });
    assert_eq!(cdc, json!({ "cdc": expected }));
}

/// Without the property no vector may be written, and a table that is append-only changes no rows.
#[tokio::test]
async fn properties_decide_how_rows_leave() {
    let table = Table::new().await;
    assert_eq!(Means::of(&table.append("a", 0..10).await), Means::Vectors);
    for (configuration, means) in [
        (json!({}), Some(Means::Rewrite)),
        (json!({ "delta.enableDeletionVectors": "false" }), Some(Means::Rewrite)),
        (json!({ "delta.appendOnly": "true" }), None),
    ] {
        let version = table.newest().await.version() + 1;
        let columns = json!([field("id", json!("long")), field("part", json!("string"))]);
        let mut changed = metadata(&columns, &configuration);
        changed["metaData"]["id"] = table.commit(0).last().unwrap()["metaData"]["id"].clone();
        table.lake.write("t", version, &[changed, remove("nothing")]);
        let snapshot = table.newest().await;
        match means {
            Some(means) => assert_eq!(Means::of(&snapshot), means, "{configuration}"),
            None => assert!(refused(snapshot.change(&DELETE).await).to_string().contains("append-only")),
        }
    }
}
