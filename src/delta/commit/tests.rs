use arrow::datatypes::DataType;
use serde_json::{Value, json};

use super::*;
use crate::delta::{
    checkpoint::Background,
    fixtures::{Lake, add, features, field, files, metadata, newest, paths, protocol, remove, spec},
    log::LOG_DIRECTORY,
    store::TableStore,
};

fn committed_as(outcome: Result<CommitOutcome>) -> Arc<dyn Snapshot> {
    match outcome {
        Ok(CommitOutcome::Committed(snapshot)) => snapshot,
        other => panic!("{other:?}"),
    }
}

fn conflict_of(outcome: Result<CommitOutcome>) -> String {
    match outcome {
        Ok(CommitOutcome::Conflict { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

fn maybe_committed(error: &Error) -> bool {
    matches!(error, Error::Internal { source, .. } if source.is::<OutcomeUnknown>())
}

fn last_commit(lake: &Lake, version: u64) -> Vec<Value> {
    let text = std::fs::read_to_string(lake.commit_path("t", version)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn an_append_is_the_next_version() {
    let lake = Lake::new();
    lake.write_table("t");
    let table = lake.table("t");
    let base = newest(&table).await.unwrap();
    let mut adds = vec![lake.data_file("t", "p=a%20b/x y.parquet", 5), lake.data_file("t", "b.parquet", 6)];
    adds[0].partition_values = [("p".to_owned(), Some("a b".to_owned())), ("q".to_owned(), None)].into();
    let snapshot = committed_as(append(base.clone(), adds, 11).await);
    assert_eq!(snapshot.version(), 1);
    assert_eq!(paths(&base).await, [] as [String; 0], "the snapshot it began from stays as it was");

    let here = newest(&table).await.unwrap();
    assert_eq!(paths(&here).await, ["b.parquet", "p=a%20b/x y.parquet"]);
    assert_eq!(files(&here).await, files(&newest(&lake.table("t")).await.unwrap()).await);

    let actions = last_commit(&lake, 1);
    let info = &actions[0]["commitInfo"];
    assert_eq!((&info["operation"], &info["readVersion"]), (&json!("WRITE"), &json!(0)));
    assert_eq!(info["operationParameters"], json!({"mode": "Append", "partitionBy": "[]"}));
    assert_eq!(info["operationMetrics"]["numOutputRows"], "11");
    assert_eq!(actions[1]["add"]["path"], "p=a%2520b/x%20y.parquet");
    assert_eq!(actions[1]["add"]["partitionValues"], json!({"p": "a b", "q": null}));
}

#[tokio::test]
async fn changes_to_rows_never_conflict_with_an_append() {
    let lake = Lake::new();
    lake.write_table("t");
    lake.write("t", 1, &[add("old", 1)]);
    let base = newest(&lake.table("t")).await.unwrap();
    lake.write("t", 2, &[add("other", 1), json!({"txn": {"appId": "a", "version": 1}})]);
    lake.write("t", 3, &[remove("old")]);
    let snapshot = committed_as(append(base, vec![lake.data_file("t", "mine", 1)], 1).await);
    assert_eq!(snapshot.version(), 4);
    assert_eq!(paths(&newest(&lake.table("t")).await.unwrap()).await, ["mine", "other"]);
}

#[tokio::test]
async fn a_changed_definition_conflicts_and_changes_nothing() {
    let lake = Lake::new();
    let wider = metadata(&json!([field("x", json!("long")), field("y", json!("long"))]), &json!({}));
    let property = metadata(&json!([field("x", json!("long"))]), &json!({"delta.appendOnly": "true"}));
    for (name, change, told) in [
        ("schema", wider, "changed its schema or properties"),
        ("property", property, "changed its schema or properties"),
        ("protocol", protocol(1, 3), "changed its protocol"),
        ("features", features(&["deletionVectors"], &["deletionVectors"]), "changed its protocol"),
    ] {
        lake.write_table(name);
        let base = newest(&lake.table(name)).await.unwrap();
        lake.write(name, 1, &[change]);
        let reason = conflict_of(append(base, vec![lake.data_file(name, "mine", 1)], 1).await);
        assert_eq!(reason, format!("table '{name}' {told} after version 0 (now at 1)"));
        assert!(!lake.commit_path(name, 2).exists());
    }
}

#[tokio::test]
async fn a_table_dropped_and_made_again_conflicts() {
    let lake = Lake::new();
    let spec = spec(&[("x", DataType::Int64)]);
    let make = async || {
        let table = lake.table("t");
        crate::delta::create::create(table.store(), table.log(), &spec, true).await.unwrap();
    };
    make().await;
    let base = newest(&lake.table("t")).await.unwrap();
    std::fs::rename(lake.path("t"), lake.path("gone")).unwrap();
    make().await;
    let reason = conflict_of(append(base.clone(), vec![lake.data_file("t", "mine", 1)], 1).await);
    assert!(reason.contains("dropped and made again"), "{reason}");

    std::fs::rename(lake.path("t"), lake.path("gone, too")).unwrap();
    let adds = vec![lake.data_file("t", "mine", 1)];
    let error = append(base, adds, 1).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error:?}");
    assert!(!maybe_committed(&error));
}

#[cfg(unix)]
#[tokio::test]
async fn a_commit_that_cannot_be_written_has_surely_not_happened() {
    let lake = Lake::new();
    lake.write_table("t");
    let base = newest(&lake.table("t")).await.unwrap();
    // A directory where the next commit would be linked to: it cannot be read as one, nor replaced.
    std::fs::create_dir(lake.commit_path("t", 1)).unwrap();
    let error = append(base, vec![lake.data_file("t", "mine", 1)], 1).await.unwrap_err();
    assert!(!maybe_committed(&error), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_appends_lose_nothing() {
    const WRITERS: usize = 32;
    let lake = Lake::new();
    lake.write_table("t");
    // Four processes, each with a cache of its own.
    let tables: Vec<_> = (0..4).map(|_| lake.table("t")).collect();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let table = tables[writer % tables.len()].clone();
        let adds = [0, 1, 2].map(|round| lake.data_file("t", &format!("w{writer:02}-{round}"), 1));
        writers.spawn(async move {
            for add in adds {
                let name = add.path.clone();
                let base = newest(&table).await.unwrap();
                let snapshot = committed_as(append(base, vec![add], 1).await);
                let seen = DeltaSnapshot::new(table.clone(), table.at(snapshot.version()).await.unwrap());
                assert!(paths(&seen).await.contains(&name), "a committed snapshot has its own file");
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let end = newest(&lake.table("t")).await.unwrap();
    assert_eq!(end.version(), 3 * WRITERS as u64, "one version a commit");
    assert_eq!(paths(&end).await.len(), 3 * WRITERS);
    for table in tables {
        assert_eq!(files(&newest(&table).await.unwrap()).await, files(&end).await);
    }
    let left_over = std::fs::read_dir(lake.path("t").join(LOG_DIRECTORY)).unwrap();
    assert!(left_over.map(|entry| entry.unwrap().file_name()).all(|name| name.to_string_lossy().ends_with(".json")));
}

#[tokio::test]
async fn appends_to_an_object_store_race_the_same_way() {
    let objects = Arc::new(object_store::memory::InMemory::new());
    let location = url::Url::parse("memory:///t/").unwrap();
    let open = || {
        let store = TableStore::remote(location.clone(), objects.clone());
        Arc::new(DeltaTable::new(store, Arc::new(Background::default())))
    };
    let first = open();
    crate::delta::create::create(first.store(), first.log(), &spec(&[("x", DataType::Int64)]), true).await.unwrap();
    let writers = (0..8).map(|writer| {
        let table = open();
        tokio::spawn(async move {
            let add = Add { path: format!("w{writer}"), size: 1, data_change: true, ..Add::default() };
            committed_as(append(newest(&table).await.unwrap(), vec![add], 1).await).version()
        })
    });
    let mut versions: Vec<_> = futures::future::join_all(writers).await.into_iter().map(Result::unwrap).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=8).collect::<Vec<_>>());
    assert_eq!(paths(&newest(&first).await.unwrap()).await.len(), 8);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_stop_a_commit_half_way() {
    let lake = Lake::new();
    lake.write_table("t");
    let table = lake.table("t");
    let base = newest(&table).await.unwrap();
    let turn = table.lock_commits().await;
    let mut commit = Box::pin(append(base, vec![lake.data_file("t", "mine", 1)], 1));
    assert!(futures::poll!(&mut commit).is_pending());
    drop(commit);
    drop(turn);
    // The next turn comes only after the abandoned commit's.
    while newest(&table).await.unwrap().version() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(paths(&newest(&table).await.unwrap()).await, ["mine"]);
}

#[tokio::test]
async fn checkpoints_come_by_themselves_and_carry_a_cleaned_log() {
    let lake = Lake::new();
    let fields = json!([field("x", json!("long"))]);
    lake.write("t", 0, &[protocol(1, 2), metadata(&fields, &json!({"delta.checkpointInterval": "3"}))]);
    let table = lake.table("t");
    let mut expected = Vec::new();
    for version in 1..=7 {
        let name = format!("f{version}");
        let base = newest(&table).await.unwrap();
        committed_as(append(base, vec![lake.data_file("t", &name, 1)], 1).await);
        expected.push(name);
    }
    table.background().finish().await;
    let checkpoint = |version: u64| lake.path("t/_delta_log").join(format!("{version:020}.checkpoint.parquet"));
    let written: Vec<_> = (0..=7).filter(|version| checkpoint(*version).exists()).collect();
    assert_eq!(written, [3, 6]);

    let before = newest(&table).await.unwrap();
    for version in 0..=5 {
        std::fs::remove_file(lake.commit_path("t", version)).unwrap();
    }
    let fresh = lake.table("t");
    let loaded = newest(&fresh).await.unwrap();
    assert_eq!(files(&loaded).await, files(&before).await);
    assert_eq!(paths(&loaded).await, expected);
    assert_eq!(newest(&table).await.unwrap().version(), 7);
    let error = fresh.at(2).await.unwrap_err().to_string();
    assert_eq!(error, "table 't' has no version 2; versions 6 to 7 can be read");

    // A cache whose versions all lie behind the checkpoint starts from it.
    let stale = lake.table("t");
    paths(&newest(&stale).await.unwrap()).await;
    let base = newest(&table).await.unwrap();
    for version in 8..=9 {
        let add = lake.data_file("t", &format!("f{version}"), 1);
        committed_as(append(base.clone(), vec![add], 1).await);
    }
    table.background().finish().await;
    for version in 6..=8 {
        std::fs::remove_file(lake.commit_path("t", version)).unwrap();
    }
    let caught_up = newest(&stale).await.unwrap();
    assert_eq!((caught_up.version(), paths(&caught_up).await.len()), (9, 9));
}

#[tokio::test]
async fn statistics_that_a_checkpoint_keeps_as_columns_are_read() {
    let lake = Lake::new();
    let columns_only = json!({
        "delta.checkpointInterval": "1",
        "delta.checkpoint.writeStatsAsJson": "false",
        "delta.checkpoint.writeStatsAsStruct": "true",
    });
    lake.write("t", 0, &[protocol(1, 2), metadata(&json!([field("x", json!("timestamp"))]), &columns_only)]);
    let table = lake.table("t");
    let mut file = lake.data_file("t", "a", 4);
    let bound = "2020-01-02T03:04:05.678Z";
    let stats = json!({"numRecords": 4, "minValues": {"x": bound}, "maxValues": {"x": bound}, "nullCount": {"x": 1}});
    file.stats = Some(stats.to_string());
    committed_as(append(newest(&table).await.unwrap(), vec![file], 4).await);
    table.background().finish().await;
    let loaded = files(&newest(&lake.table("t")).await.unwrap()).await;
    let kept: Value = serde_json::from_str(loaded[0].stats_json.as_deref().unwrap()).unwrap();
    assert_eq!(kept, stats);
}

#[tokio::test]
async fn a_log_of_a_checkpoint_alone_can_be_read_and_appended_to() {
    let lake = Lake::new();
    let fields = json!([field("x", json!("long"))]);
    lake.write("t", 0, &[protocol(1, 2), metadata(&fields, &json!({"delta.checkpointInterval": "1"}))]);
    let table = lake.table("t");
    let base = newest(&table).await.unwrap();
    committed_as(append(base, vec![lake.data_file("t", "a", 1)], 1).await);
    table.background().finish().await;
    for version in 0..=1 {
        std::fs::remove_file(lake.commit_path("t", version)).unwrap();
    }
    let base = newest(&table).await.unwrap();
    assert_eq!(base.version(), 1);
    assert_eq!(paths(&base).await, ["a"]);
    assert_eq!(newest(&table).await.unwrap().version(), 1);
    let snapshot = committed_as(append(base, vec![lake.data_file("t", "b", 1)], 1).await);
    assert_eq!(snapshot.version(), 2);
    assert_eq!(paths(&newest(&lake.table("t")).await.unwrap()).await, ["a", "b"]);
}

#[test]
fn waits_grow_and_stay_bounded() {
    for attempt in [0, 1, 5, 20, ATTEMPTS_MAX, u32::MAX] {
        let wait = backoff(attempt);
        assert!(wait > Duration::ZERO && wait <= Duration::from_millis(BACKOFF_MS_MAX), "{attempt}: {wait:?}");
    }
    assert!(backoff(0) <= Duration::from_millis(BACKOFF_FIRST_MS));
}
