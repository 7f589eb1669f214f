use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::{
    delta::{
        commit::append,
        fixtures::{Lake, features, field, metadata, newest},
        table::DeltaTable,
    },
    engine::{CommitOutcome, Snapshot},
};

fn make(lake: &Lake, writer: &[&str], configuration: &Value, more: &[Value]) {
    let table = metadata(&json!([field("x", json!("long"))]), configuration);
    let info = json!({ "commitInfo": { "inCommitTimestamp": 5, "operation": "CREATE TABLE" } });
    let mut actions = vec![info, features(&[], writer), table];
    actions.extend_from_slice(more);
    lake.write("t", 0, &actions);
}

async fn append_rows(lake: &Lake, table: &Arc<DeltaTable>, rows: &[u64]) -> Result<CommitOutcome> {
    let base = newest(table).await.unwrap();
    let adds = rows.iter().map(|rows| lake.data_file("t", &format!("{}-{rows}", base.version()), *rows)).collect();
    append(base, adds, rows.iter().sum()).await
}

fn commit(lake: &Lake, version: u64) -> Vec<Value> {
    let text = std::fs::read_to_string(lake.commit_path("t", version)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn time_of(lake: &Lake, version: u64) -> i64 {
    commit(lake, version)[0]["commitInfo"]["inCommitTimestamp"].as_i64().unwrap()
}

/// The base ids and commit versions of a commit's files, and the highest id it says.
fn row_ids(lake: &Lake, version: u64) -> (Vec<(i64, u64)>, Option<i64>) {
    let actions = commit(lake, version);
    let ids = |add: &Value| (add["baseRowId"].as_i64().unwrap(), add["defaultRowCommitVersion"].as_u64().unwrap());
    let domain = actions.iter().find_map(|action| action.get("domainMetadata"));
    let highest = domain.map(|domain| {
        assert_eq!((&domain["domain"], &domain["removed"]), (&json!("delta.rowTracking"), &json!(false)));
        serde_json::from_str::<Value>(domain["configuration"].as_str().unwrap()).unwrap()["rowIdHighWaterMark"]
            .as_i64()
            .unwrap()
    });
    (actions.iter().filter_map(|action| action.get("add")).map(ids).collect(), highest)
}

#[tokio::test]
async fn times_in_commits_always_grow() {
    let lake = Lake::new();
    make(&lake, &["inCommitTimestamp"], &json!({ "delta.enableInCommitTimestamps": "true" }), &[]);
    let table = lake.table("t");
    let before = now_ms();
    append_rows(&lake, &table, &[1]).await.unwrap();
    assert!((before..=now_ms()).contains(&time_of(&lake, 1)));
    // Another writer's clock is far ahead.
    let ahead = now_ms() + 1_000_000_000;
    lake.write("t", 2, &[json!({ "commitInfo": { "inCommitTimestamp": ahead } })]);
    append_rows(&lake, &table, &[1]).await.unwrap();
    append_rows(&lake, &lake.table("t"), &[1]).await.unwrap();
    assert_eq!([time_of(&lake, 3), time_of(&lake, 4)], [ahead + 1, ahead + 2]);
}

#[tokio::test]
async fn a_version_that_lacks_its_time_is_not_followed() {
    let lake = Lake::new();
    make(&lake, &["inCommitTimestamp"], &json!({ "delta.enableInCommitTimestamps": "true" }), &[]);
    lake.write("t", 1, &[json!({ "commitInfo": { "operation": "WRITE" } })]);
    match append_rows(&lake, &lake.table("t"), &[1]).await {
        Err(Error::FailedPrecondition(text)) => {
            let why =
                "version 1 of table 't' does not say its time, which the table feature 'inCommitTimestamp' asks for";
            assert_eq!(text, why);
        }
        other => panic!("{other:?}"),
    }
    assert!(!lake.commit_path("t", 2).exists());
}

#[tokio::test]
async fn without_the_property_commits_say_no_time_of_their_own() {
    let lake = Lake::new();
    make(
        &lake,
        &["inCommitTimestamp", "rowTracking", "domainMetadata"],
        &json!({ "delta.rowTrackingSuspended": "true" }),
        &[],
    );
    append_rows(&lake, &lake.table("t"), &[1]).await.unwrap();
    let actions = commit(&lake, 1);
    assert_eq!(actions[0]["commitInfo"].get("inCommitTimestamp"), None);
    assert!(actions[1]["add"]["baseRowId"].is_null());
    assert_eq!(actions.len(), 2);
}

#[tokio::test]
async fn rows_get_ids_that_none_had_before() {
    let lake = Lake::new();
    let used = json!({ "delta.enableRowTracking": "true" });
    make(&lake, &["rowTracking", "domainMetadata"], &used, &[]);
    let table = lake.table("t");
    append_rows(&lake, &table, &[3, 2]).await.unwrap();
    assert_eq!(row_ids(&lake, 1), (vec![(0, 1), (3, 1)], Some(4)));
    assert_eq!(commit(&lake, 1)[0]["commitInfo"]["tags"], json!({ "delta.rowTracking.preserved": "true" }));
    // Another writer takes a thousand.
    let taken = json!({ "rowIdHighWaterMark": 1004 }).to_string();
    let domain = json!({ "domain": "delta.rowTracking", "configuration": taken, "removed": false });
    lake.write("t", 2, &[json!({ "domainMetadata": domain })]);
    append_rows(&lake, &table, &[1]).await.unwrap();
    assert_eq!(row_ids(&lake, 3), (vec![(1005, 3)], Some(1005)));
    // Others follow, whether they have seen the log grow or not.
    lake.write("t", 4, &[json!({ "txn": { "appId": "a", "version": 1 } })]);
    append_rows(&lake, &lake.table("t"), &[0, 7]).await.unwrap();
    assert_eq!(row_ids(&lake, 5), (vec![(1006, 5), (1006, 5)], Some(1012)));
    append_rows(&lake, &table, &[1]).await.unwrap();
    assert_eq!(row_ids(&lake, 6), (vec![(1013, 6)], Some(1013)));
}

#[tokio::test]
async fn an_append_that_lost_takes_later_ids_and_a_later_time() {
    let lake = Lake::new();
    let used = json!({ "delta.enableInCommitTimestamps": "true" });
    make(&lake, &["rowTracking", "domainMetadata", "inCommitTimestamp"], &used, &[]);
    let (here, there) = (lake.table("t"), lake.table("t"));
    let base = newest(&here).await.unwrap();
    append_rows(&lake, &there, &[5]).await.unwrap();
    append(base, vec![lake.data_file("t", "mine", 2)], 2).await.unwrap();
    assert_eq!(row_ids(&lake, 2), (vec![(5, 2)], Some(6)));
    assert!(time_of(&lake, 2) > time_of(&lake, 1));
}

#[test]
fn row_ids_end() {
    let add = |rows: i64| json!({ "add": { "stats": json!({ "numRecords": rows }).to_string() } });
    match with_row_ids(&mut [add(2)], i64::MAX - 1, 1) {
        Err(Error::ResourceExhausted(text)) => {
            assert_eq!(text, "a table whose highest row id is 9223372036854775806 has no 2 left");
        }
        other => panic!("{other:?}"),
    }
    let kept = json!({ "add": { "baseRowId": 7, "stats": "{\"numRecords\":1}" } });
    assert_eq!(with_row_ids(&mut [kept.clone()], 9, 1).unwrap(), None, "{kept}");
}
