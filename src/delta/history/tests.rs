use std::{
    fs::File,
    time::{Duration, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::*;
use crate::delta::{
    fixtures::{Lake, add, field, metadata, protocol},
    table::DeltaTable,
};

/// A table whose commit files were last changed at these milliseconds.
fn table_of(times_ms: &[u64]) -> (Lake, std::sync::Arc<DeltaTable>) {
    let lake = Lake::new();
    lake.write_table("t");
    for version in 1..times_ms.len() as u64 {
        lake.write("t", version, &[add(&format!("f{version}"), 1)]);
    }
    touch(&lake, times_ms);
    let table = lake.table("t");
    (lake, table)
}

fn touch(lake: &Lake, times_ms: &[u64]) {
    for (version, ms) in (0..).zip(times_ms) {
        let file = File::options().append(true).open(lake.commit_path("t", version)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_millis(*ms)).unwrap();
    }
}

async fn version_at(table: &DeltaTable, time_us: i64) -> Result<u64> {
    Ok(table.as_of(time_us).await?.number())
}

async fn refusal(table: &DeltaTable, time_us: i64) -> String {
    match version_at(table, time_us).await {
        Err(Error::NotFound(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_newest_version_at_a_time() {
    let (_lake, table) = table_of(&[1_000, 2_000, 5_000]);
    for (time_us, version) in
        [(1_000_000, 0), (1_999_999, 0), (2_000_000, 1), (4_999_999, 1), (5_000_000, 2), (now_us(), 2)]
    {
        assert_eq!(version_at(&table, time_us).await.unwrap(), version, "{time_us}");
    }
    assert_eq!(version_at(&table, now_us() + SKEW_US_MAX / 2).await.unwrap(), 2, "a client's clock may be ahead");
}

#[tokio::test]
async fn times_without_a_version_are_refused_with_the_nearest() {
    let (_lake, table) = table_of(&[1_000, 2_000]);
    let early = refusal(&table, 999_999).await;
    assert_eq!(
        early,
        "table 't' has no version as of 1970-01-01 00:00:00.999999+00: the earliest that can be read is \
         version 0, of 1970-01-01 00:00:01+00"
    );
    assert!(refusal(&table, i64::MIN).await.contains("version 0"));
    for late in [now_us() + 10 * SKEW_US_MAX, i64::MAX] {
        let text = refusal(&table, late).await;
        assert!(text.contains("still to come; the newest is version 1, of 1970-01-01 00:00:02+00"), "{text}");
    }
}

#[tokio::test]
async fn clocks_that_go_back_never_turn_versions_around() {
    let (_lake, table) = table_of(&[5_000, 3_000, 3_000, 9_000]);
    for (time_us, version) in [(5_000_000, 0), (5_000_999, 0), (5_001_000, 1), (5_002_000, 2), (9_000_000, 3)] {
        assert_eq!(version_at(&table, time_us).await.unwrap(), version, "{time_us}");
    }
    assert!(version_at(&table, 4_000_000).await.is_err());
}

#[tokio::test]
async fn versions_whose_commits_were_removed_are_not_offered() {
    let (lake, table) = table_of(&[1_000, 2_000, 3_000, 4_000]);
    table.newest().await.unwrap();
    super::super::checkpoint::checkpoint_behind(table.background(), table.store().clone(), 2);
    table.background().finish().await;
    for version in [0, 1] {
        std::fs::remove_file(lake.commit_path("t", version)).unwrap();
    }
    let table = lake.table("t");
    assert!(refusal(&table, 2_500_000).await.contains("version 2, of 1970-01-01 00:00:03+00"));
    assert_eq!(version_at(&table, 3_000_000).await.unwrap(), 2);
    for missing in [0, 1, 4] {
        match table.at(missing).await {
            Err(Error::NotFound(text)) => {
                assert_eq!(text, format!("table 't' has no version {missing}; versions 2 to 3 can be read"));
            }
            other => panic!("{missing}: {other:?}"),
        }
    }
}

fn commit_info(time_ms: i64) -> Value {
    json!({ "commitInfo": { "inCommitTimestamp": time_ms, "operation": "WRITE" } })
}

#[tokio::test]
async fn times_in_commits_count_where_the_table_keeps_them() {
    let enabled = json!({ "delta.enableInCommitTimestamps": "true" });
    let lake = Lake::new();
    let fields = json!([field("x", json!("long"))]);
    lake.write("t", 0, &[commit_info(1_000), protocol(1, 2), metadata(&fields, &enabled)]);
    for version in 1..50 {
        lake.write("t", version, &[commit_info(1_000 + i64::try_from(version).unwrap() * 10)]);
    }
    let table = lake.table("t");
    for (time_us, version) in [(1_000_000, 0), (1_009_999, 0), (1_010_000, 1), (1_255_000, 25), (1_490_000, 49)] {
        assert_eq!(version_at(&table, time_us).await.unwrap(), version, "{time_us}");
    }
    assert!(refusal(&table, 999_999).await.contains("version 0, of 1970-01-01 00:00:01+00"));
    assert!(refusal(&table, i64::MAX).await.contains("version 49, of 1970-01-01 00:00:01.490+00"));
}

#[tokio::test]
async fn times_of_files_count_before_the_table_kept_its_own() {
    let enabled = json!({
        "delta.enableInCommitTimestamps": "true",
        "delta.inCommitTimestampEnablementVersion": "2",
        "delta.inCommitTimestampEnablementTimestamp": "3000",
    });
    let (lake, table) = table_of(&[1_000, 2_000]);
    lake.write("t", 2, &[commit_info(3_000), metadata(&json!([field("x", json!("long"))]), &enabled)]);
    lake.write("t", 3, &[commit_info(4_000)]);
    for (time_us, version) in [(1_500_000, 0), (2_999_999, 1), (3_000_000, 2), (4_000_000, 3)] {
        assert_eq!(version_at(&table, time_us).await.unwrap(), version, "{time_us}");
    }
    assert!(refusal(&table, 999_999).await.contains("version 0"));
}

#[tokio::test]
async fn a_commit_without_its_time_is_an_error() {
    let enabled = json!({ "delta.enableInCommitTimestamps": "true" });
    let lake = Lake::new();
    lake.write("t", 0, &[protocol(1, 2), metadata(&json!([field("x", json!("long"))]), &enabled)]);
    let error = lake.table("t").as_of(now_us()).await.unwrap_err();
    assert!(matches!(error, Error::Internal { .. }), "{error:?}");
}
