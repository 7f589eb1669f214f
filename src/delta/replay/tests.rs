//! Logs as other writers leave them: every form of checkpoint, hints that lead astray, compacted commits, strays.

use std::{fs, path::PathBuf, sync::Arc};

use bytes::Bytes;
use delta_kernel::checkpoint::{CheckpointSpec, V2CheckpointConfig};
use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
use serde_json::{Value, json};

use super::*;
use crate::delta::fixtures::{Lake, add, features, field, metadata, newest, paths, protocol, remove};

const LAST: u64 = 5;
/// The live files after [`LAST`].
const LIVE: [&str; 4] = ["f1", "f3", "f4", "f5"];
/// Checkpoints in these tests sum up this version.
const CHECKPOINTED: u64 = 3;

/// Five versions that each add a file; the third also removes one.
fn lake(v2: bool) -> Lake {
    let lake = Lake::new();
    let protocol = if v2 { features(&["v2Checkpoint"], &["v2Checkpoint"]) } else { protocol(1, 2) };
    lake.write("t", 0, &[protocol, metadata(&json!([field("x", json!("long"))]), &json!({}))]);
    for version in 1..=LAST {
        let mut actions = vec![add(&format!("f{version}"), 1)];
        actions.extend((version == 3).then(|| remove("f2")));
        lake.write("t", version, &actions);
    }
    lake
}

fn log(lake: &Lake, name: &str) -> PathBuf {
    lake.path("t").join("_delta_log").join(name)
}

fn named(version: u64, ending: &str) -> String {
    format!("{version:020}.{ending}")
}

/// Has the kernel write a checkpoint, with its hint.
async fn checkpoint(lake: &Lake, spec: Option<CheckpointSpec>) {
    let table = lake.table("t");
    let (snapshot, engine) =
        (build(table.store(), Some(CHECKPOINTED)).await.unwrap().unwrap(), table.store().engine().unwrap());
    let write = move || snapshot.checkpoint(engine.as_ref(), spec.as_ref()).map(drop);
    tokio::task::spawn_blocking(write).await.unwrap().unwrap();
}

/// Removes the commits that a checkpoint sums up, so that nothing but it can tell of them.
fn clean(lake: &Lake) {
    (0..CHECKPOINTED).for_each(|version| fs::remove_file(lake.commit_path("t", version)).unwrap());
}

async fn live(lake: &Lake) -> Vec<String> {
    paths(&newest(&lake.table("t")).await.unwrap()).await
}

fn lines(actions: &[Value]) -> String {
    actions.iter().map(|action| format!("{action}\n")).collect()
}

#[tokio::test]
async fn a_hint_may_be_missing_broken_or_stale() {
    let hint = |version: i64| json!({ "version": version, "size": 7 }).to_string();
    for (text, kept) in [
        (None, true),
        (Some("{".to_owned()), true),
        (Some(String::new()), true),
        (Some(hint(1)), true),
        (Some(hint(4)), true),
        (Some(hint(99)), true),
        (Some(hint(-1)), true),
        // The checkpoint that it names is gone, or was never finished.
        (Some(hint(3)), false),
        (Some(json!({ "version": 3, "size": 7, "parts": 2 }).to_string()), false),
    ] {
        let lake = lake(false);
        checkpoint(&lake, None).await;
        match &text {
            Some(text) => fs::write(log(&lake, "_last_checkpoint"), text).unwrap(),
            None => fs::remove_file(log(&lake, "_last_checkpoint")).unwrap(),
        }
        let file = log(&lake, &named(CHECKPOINTED, "checkpoint.parquet"));
        if kept {
            clean(&lake);
        } else {
            let part = log(&lake, &named(CHECKPOINTED, "checkpoint.0000000001.0000000002.parquet"));
            fs::rename(file, part).unwrap();
        }
        assert_eq!(live(&lake).await, LIVE, "{text:?}");
    }
}

#[tokio::test]
async fn a_table_whose_hint_leads_astray_can_be_checkpointed_again() {
    let lake = lake(false);
    fs::write(log(&lake, "_last_checkpoint"), json!({ "version": 2, "size": 7 }).to_string()).unwrap();
    checkpoint(&lake, None).await;
    clean(&lake);
    assert_eq!(live(&lake).await, LIVE);
}

#[tokio::test]
async fn every_form_of_checkpoint_is_read() {
    type Make = fn(&Lake);
    let forms: [(&str, bool, Make); 5] = [
        ("classic", false, |_| {}),
        ("in parts", false, in_parts),
        ("classic of the second kind", true, |_| {}),
        ("with a unique name", true, |lake| {
            let from = log(lake, &named(CHECKPOINTED, "checkpoint.parquet"));
            let to = named(CHECKPOINTED, "checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.parquet");
            fs::rename(from, log(lake, &to)).unwrap();
        }),
        ("as JSON", true, as_json),
    ];
    for (form, v2, make) in forms {
        let lake = lake(v2);
        checkpoint(&lake, None).await;
        make(&lake);
        fs::remove_file(log(&lake, "_last_checkpoint")).unwrap();
        clean(&lake);
        assert_eq!(live(&lake).await, LIVE, "{form}");
    }
}

#[tokio::test]
async fn checkpoints_with_sidecars_are_read() {
    for json in [false, true] {
        let lake = lake(true);
        let spec = V2CheckpointConfig::WithSidecar { file_actions_per_sidecar_hint: Some(1) };
        checkpoint(&lake, Some(CheckpointSpec::V2(spec))).await;
        let sidecars: Vec<_> = fs::read_dir(log(&lake, "_sidecars")).unwrap().map(|entry| entry.unwrap()).collect();
        assert!(!sidecars.is_empty());
        if json {
            let sidecars = sidecars.iter().map(|file| {
                let size = file.metadata().unwrap().len();
                json!({ "sidecar": {
                    "path": file.file_name().to_str().unwrap(), "sizeInBytes": size, "modificationTime": 1,
                } })
            });
            let head = [
                json!({ "checkpointMetadata": { "version": CHECKPOINTED } }),
                features(&["v2Checkpoint"], &["v2Checkpoint"]),
                metadata(&json!([field("x", json!("long"))]), &json!({})),
            ];
            let actions: Vec<_> = head.into_iter().chain(sidecars).collect();
            let name = named(CHECKPOINTED, "checkpoint.3a0d65cd-4056-49b8-937b-95f9e3ee90e5.json");
            fs::write(log(&lake, &name), lines(&actions)).unwrap();
            fs::remove_file(log(&lake, &named(CHECKPOINTED, "checkpoint.parquet"))).unwrap();
            fs::remove_file(log(&lake, "_last_checkpoint")).unwrap();
        }
        clean(&lake);
        assert_eq!(live(&lake).await, LIVE, "as JSON: {json}");
    }
}

/// Two parts of one checkpoint, as Spark writes for tables of many files.
fn in_parts(lake: &Lake) {
    let whole = log(lake, &named(CHECKPOINTED, "checkpoint.parquet"));
    let bytes = Bytes::from(fs::read(&whole).unwrap());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    let rows = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    let cut = rows.num_rows() / 2;
    for (part, rows) in [(1, rows.slice(0, cut)), (2, rows.slice(cut, rows.num_rows() - cut))] {
        let name = named(CHECKPOINTED, &format!("checkpoint.{part:010}.{:010}.parquet", 2));
        let mut writer =
            ArrowWriter::try_new(fs::File::create(log(lake, &name)).unwrap(), rows.schema(), None).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();
    }
    fs::remove_file(whole).unwrap();
}

fn as_json(lake: &Lake) {
    fs::remove_file(log(lake, &named(CHECKPOINTED, "checkpoint.parquet"))).unwrap();
    let actions = [
        json!({ "checkpointMetadata": { "version": CHECKPOINTED } }),
        features(&["v2Checkpoint"], &["v2Checkpoint"]),
        metadata(&json!([field("x", json!("long"))]), &json!({})),
        add("f1", 1),
        add("f3", 1),
        remove("f2"),
    ];
    let name = named(CHECKPOINTED, "checkpoint.3a0d65cd-4056-49b8-937b-95f9e3ee90e5.json");
    fs::write(log(lake, &name), lines(&actions)).unwrap();
}

#[tokio::test]
async fn compacted_commits_say_no_more_than_theirs() {
    for (first, last, actions) in [
        (1, 2, vec![add("f1", 1), add("f2", 1)]),
        (1, 4, vec![add("f1", 1), add("f3", 1), add("f4", 1), remove("f2")]),
        (3, 5, vec![add("f3", 1), add("f4", 1), add("f5", 1), remove("f2")]),
    ] {
        let lake = lake(false);
        fs::write(log(&lake, &format!("{first:020}.{last:020}.compacted.json")), lines(&actions)).unwrap();
        assert_eq!(live(&lake).await, LIVE, "{first} to {last}");
    }
}

#[tokio::test]
async fn files_that_are_no_part_of_a_log_are_passed_over() {
    let lake = lake(false);
    for stray in [
        ".00000000000000000006.json.abc.tmp",
        "00000000000000000006.json.tmp",
        "00000000000000000005.crc",
        "6.json",
        "notes.txt",
        "00000000000000000006.3a0d65cd-4056-49b8-937b-95f9e3ee90e5.json",
    ] {
        fs::write(log(&lake, stray), "{ this is no log").unwrap();
    }
    fs::create_dir_all(log(&lake, "_staged_commits")).unwrap();
    fs::write(log(&lake, "_staged_commits/00000000000000000006.3a0d65cd.json"), "").unwrap();
    assert_eq!(live(&lake).await, LIVE);
}

#[tokio::test]
async fn thousands_of_commits_are_read_and_then_followed_one_by_one() {
    const COMMITS: u64 = 3000;
    let lake = Lake::new();
    lake.write_table("t");
    for version in 1..=COMMITS {
        let mut actions = vec![add(&format!("f{version}"), 1)];
        actions.extend((version % 2 == 0).then(|| remove(&format!("f{}", version - 1))));
        lake.write("t", version, &actions);
    }
    let table = lake.table("t");
    let opened = newest(&table).await.unwrap();
    assert_eq!(opened.files().await.unwrap().len() as u64, COMMITS / 2);
    lake.write("t", COMMITS + 1, &[add("one more", 1)]);
    let before = Arc::clone(opened.files().await.unwrap());
    let followed = newest(&table).await.unwrap();
    assert_eq!(followed.files().await.unwrap().len() as u64, COMMITS / 2 + 1);
    // Advanced, not loaded again: the files are the same objects.
    assert!(Arc::ptr_eq(&before[0], &followed.files().await.unwrap()[0]));
}
