//! What is left of a MERGE that did not come to its end.

use std::sync::Arc;

use arrow::array::{Int64Array, StringArray};
use futures::FutureExt;
use serde_json::json;

use super::{super::apply, fixture::*};
use crate::{
    delta::{
        fixtures::{Lake, features},
        merge::source::SourceRows,
        snapshot::DeltaSnapshot,
    },
    engine::Error,
    merge::{Action, MergePlan, When},
};

const ROWS: i64 = 150_000;

/// Enough rows that files are begun before the end; the plan fails where a row of the source has `s_v = 0`.
async fn large(lake: &Lake) -> (DeltaSnapshot, MergePlan, Arc<SourceRows>) {
    let configuration = json!({ "delta.enableChangeDataFeed": "true", "delta.enableDeletionVectors": "true" });
    let protocol = features(&["deletionVectors"], &["deletionVectors", "changeDataFeed"]);
    let base = numbered(lake, protocol, &configuration, &[ROWS]).await;
    let rows = batch(&[
        ("s_v", Arc::new(Int64Array::from_iter_values((0..ROWS).map(|n| ROWS - 1 - n)))),
        ("s_t", Arc::new(StringArray::from_iter_values((0..ROWS).map(|n| format!("new {n}"))))),
    ]);
    let plan = Plan::new(&base, &rows.schema())
        .update(When::Matched, &[("v", "CASE WHEN s_v = 0 THEN CAST(s_t AS BIGINT) ELSE s_v END"), ("t", "s_t")])
        .insert(When::NotMatched, Some("s_v > 0"), &["s_v", "", "s_t"])
        .clause(When::NotMatched, None, Action::Error(None));
    let plan = plan.done();
    let source = source_within(&rows, 64 << 20).await;
    (base, plan, source)
}

fn pairs(found: Found, rows: std::ops::Range<u64>) -> Found {
    let starts = rows.clone().step_by(2000);
    starts.fold(found, |found, start| {
        let rows: Vec<u64> = (start..(start + 2000).min(rows.end)).collect();
        found.pairs(0, &at(rows.iter().copied()), &rows)
    })
}

async fn gone(lake: &Lake, files: usize) {
    while files_on_disk(lake) > files {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_leaves_nothing_behind() {
    let lake = Lake::new();
    let (base, plan, source) = large(&lake).await;
    let (files, all) = (files_on_disk(&lake), 0..ROWS as u64);
    let half = ROWS as u64 / 2;
    for (found, text) in [
        (pairs(Found::default(), all.clone()), format!("new {}", ROWS - 1)),
        (pairs(Found::default(), 0..half).fails("the matching failed"), "the matching failed".to_owned()),
        (pairs(Found::default(), 0..half).pairs(0, &at([5]), &[7]), "two rows of the source match one row".to_owned()),
        (
            pairs(Found::default(), 0..half).unmatched(half..all.end),
            "Merge error condition WHEN NOT MATCHED".to_owned(),
        ),
    ] {
        let error = apply(&base, &plan, found, &source, &memory()).await.map(drop).unwrap_err();
        assert!(matches!(&error, Error::InvalidArgument(found) if found.contains(&text)), "{text}: {error}");
        gone(&lake, files).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_takes_nothing_more_leaves_nothing_behind() {
    let lake = Lake::new();
    let (base, plan, source) = large(&lake).await;
    let half = ROWS as u64 / 2;
    // Where the feed's files go there is a file.
    std::fs::write(lake.path("t").join("_change_data"), "").unwrap();
    let files = files_on_disk(&lake);
    let found = pairs(Found::default(), 0..half);
    let error = apply(&base, &plan, found, &source, &memory()).await.map(drop).unwrap_err();
    assert!(matches!(error, Error::Internal { .. }), "{error}");
    gone(&lake, files).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_up_leaves_nothing_behind() {
    let lake = Lake::new();
    let (base, plan, source) = large(&lake).await;
    let (files, rows) = (files_on_disk(&lake), ROWS as u64 - 10);
    for polls in [1, 5, 40, 90, 200] {
        let found = pairs(Found::default(), 0..rows / 2).unmatched(rows / 2..rows);
        {
            let memory = memory();
            let mut applying = Box::pin(apply(&base, &plan, found, &source, &memory));
            for _ in 0..polls {
                if let Some(applied) = applying.as_mut().now_or_never() {
                    applied.unwrap();
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        gone(&lake, files).await;
    }
    // Until somebody keeps the files, what is applied is given up when it is dropped.
    let found = pairs(Found::default(), 0..rows / 2).unmatched(rows / 2..rows);
    let applied = apply(&base, &plan, found, &source, &memory()).await.unwrap();
    assert_eq!(applied.counts.updated + applied.counts.inserted, rows);
    assert_eq!(parquet_files(&lake), files + applied.adds.len() + applied.changes.len());
    drop(applied);
    gone(&lake, files).await;
}
