use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use serde_json::{Value, json};

use super::{clean::clean, *};
use crate::{
    delta::{
        fixtures::{Lake, add, newest, paths, remove},
        table::DeltaTable,
    },
    engine::{CommitOutcome, Snapshot},
};

const HOUR: Duration = Duration::from_secs(3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

fn lake() -> (Lake, PathBuf) {
    let lake = Lake::new();
    lake.write_table("t");
    let root = lake.path("t");
    (lake, root)
}

async fn cleaned(lake: &Lake) -> usize {
    let table = lake.table("t");
    clean(table.store(), table.log()).await.unwrap()
}

/// A statement's marker with its files.
fn staged(root: &Path, files: &[&str]) -> Marker {
    let mut marker = Marker::begin(root).unwrap().unwrap();
    for file in files {
        if let Some((directory, _)) = file.rsplit_once('/').filter(|(directory, _)| *directory != "_delta_log") {
            marker.note_directory(directory).unwrap();
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        marker.note_file(file).unwrap();
        fs::write(root.join(file), "rows").unwrap();
    }
    marker
}

/// All below the table's root but the log's commits and the directory of markers, sorted.
fn entries(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            let name = entry.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if entry.is_dir() {
                left.push(entry);
            }
            let in_log = name.strip_prefix("_delta_log").is_some_and(|name| name.is_empty() || name.ends_with(".json"));
            found.extend((!in_log && name != DIRECTORY).then_some(name));
        }
    }
    found.sort();
    found
}

fn assert_no_markers(root: &Path) {
    assert_eq!(fs::read_dir(root.join(DIRECTORY)).unwrap().count(), 0);
}

/// The one marker there is.
fn marker_path(root: &Path) -> PathBuf {
    let mut markers = fs::read_dir(root.join(DIRECTORY)).unwrap();
    let path = markers.next().expect("a marker").unwrap().path();
    assert!(markers.next().is_none());
    path
}

fn age(path: &Path, age: Duration) {
    File::options().append(true).open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
}

#[tokio::test]
async fn what_the_dead_made_goes_and_nothing_else() {
    let (lake, root) = lake();
    fs::write(root.join("another's.parquet"), "rows").unwrap();
    fs::create_dir_all(root.join("p=2")).unwrap();
    fs::write(root.join("p=2/another's.parquet"), "rows").unwrap();
    fs::create_dir(root.join("empty")).unwrap();
    let before = entries(&root);
    drop(staged(&root, &["a.parquet", "p=1/q=1/b.parquet", "p=2/c.parquet", "_change_data/p=1/d.parquet", "v.bin"]));
    fs::remove_file(root.join("v.bin")).unwrap();
    // A statement makes outer directories first.
    assert_eq!(cleaned(&lake).await, 4);
    for inner in ["p=1", "_change_data"] {
        fs::remove_dir(root.join(inner)).unwrap();
    }
    assert_eq!(entries(&root), before);
    assert_eq!(cleaned(&lake).await, 0);
}

#[tokio::test]
async fn the_living_are_not_touched() {
    let (lake, root) = lake();
    let marker = staged(&root, &["a.parquet", "p=1/b.parquet"]);
    let before = entries(&root);
    assert_eq!(cleaned(&lake).await, 0);
    age(&marker_path(&root), WEEK * 2);
    assert_eq!(cleaned(&lake).await, 0);
    assert_eq!(entries(&root), before);
    marker.settle();
    assert_eq!(entries(&root), ["a.parquet", "p=1", "p=1/b.parquet"], "settled is settled");
    assert_eq!(cleaned(&lake).await, 0);
}

#[tokio::test]
async fn what_the_log_speaks_of_stays() {
    let (lake, root) = lake();
    let vector = "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin";
    let kept = ["a b.parquet", "gone.parquet", "v.parquet", vector, "_change_data/c.parquet", "p=a%20b/x.parquet"];
    drop(staged(&root, &[&kept[..], &["lost.parquet"]].concat()));
    let cdc =
        json!({ "cdc": { "path": "_change_data/c.parquet", "partitionValues": {}, "size": 1, "dataChange": false } });
    let mut marked = add("v.parquet", 1);
    marked["add"]["deletionVector"] = json!({
        "storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "offset": 1, "sizeInBytes": 36, "cardinality": 2,
    });
    lake.write("t", 1, &[add("a%20b.parquet", 1), add("gone.parquet", 1), cdc, json!({ "txn": { "appId": "x" } })]);
    lake.write("t", 2, &[remove("gone.parquet"), marked, add("p=a%2520b/x.parquet", 1)]);
    assert_eq!(cleaned(&lake).await, 1);
    for file in kept {
        assert!(root.join(file).exists(), "{file}");
    }
    assert_no_markers(&root);
}

#[tokio::test]
async fn a_commit_on_its_way_goes_and_other_files_of_the_log_never() {
    let (lake, root) = lake();
    let name = format!("_delta_log/.00000000000000000001.json.{}.tmp", uuid::Uuid::new_v4());
    let checkpoints = ["_delta_log/00000000000000000100.checkpoint.parquet#1", "_delta_log/_last_checkpoint#1"];
    drop(staged(&root, &[&name, checkpoints[0], checkpoints[1]]));
    let others = "_delta_log/.00000000000000000001.json.another's.tmp";
    fs::write(root.join(others), "rows").unwrap();
    cleaned(&lake).await;
    assert_eq!(entries(&root), [others]);
}

#[tokio::test]
async fn garbage_is_refused_whole() {
    let (lake, root) = lake();
    let head = json!({ "head": { "boot": super::marker::boot(), "pid": 1, "base": 0 } }).to_string();
    let file = |path: &str| json!({ "file": path }).to_string();
    let outside = lake.path("precious");
    fs::write(&outside, "precious").unwrap();
    fs::write(root.join("a.parquet"), "rows").unwrap();
    fs::create_dir(root.join(DIRECTORY)).unwrap();
    let marker = root.join(DIRECTORY).join(format!("x{EXTENSION}"));
    let log = "_delta_log/00000000000000000000.json";
    for bad in [
        file("../precious"),
        file("p=1/../../precious"),
        file(outside.to_str().unwrap()),
        file(""),
        file("."),
        file("p=1//a.parquet"),
        file("a\0"),
        file(&"x".repeat(5000)),
        file(log),
        file("_delta_log/_last_checkpoint"),
        file("_delta_log/sub/.00000000000000000001.json.x.tmp"),
        file("_deltaport/x.staged"),
        json!({ "directory": "_delta_log" }).to_string(),
        json!({ "directory": ".." }).to_string(),
        json!({ "file": 1 }).to_string(),
        json!({ "files": ["a.parquet"] }).to_string(),
        head.clone(),
        "no JSON".to_owned(),
        "\0\0\0\0".to_owned(),
    ] {
        fs::write(&marker, format!("{head}\n{}\n{bad}\n", file("a.parquet"))).unwrap();
        assert_eq!(cleaned(&lake).await, 0, "{bad}");
        assert!(marker.exists() && outside.exists() && root.join("a.parquet").exists() && root.join(log).exists());
    }
    fs::write(&marker, format!("{}\n", file("a.parquet"))).unwrap();
    assert_eq!(cleaned(&lake).await, 0, "nobody's");
    age(&marker, WEEK + HOUR);
    assert_eq!(cleaned(&lake).await, 0);
    assert_eq!(entries(&root), ["a.parquet"], "nobody will ever understand it");
}

#[tokio::test]
async fn a_marker_may_break_off_anywhere() {
    let (lake, root) = lake();
    drop(staged(&root, &["a.parquet"]));
    let whole = fs::read(marker_path(&root)).unwrap();
    for end in 0..=whole.len() {
        fs::remove_dir_all(root.join(DIRECTORY)).ok();
        fs::create_dir(root.join(DIRECTORY)).unwrap();
        fs::write(root.join(DIRECTORY).join(format!("x{EXTENSION}")), &whole[..end]).unwrap();
        let noted = end == whole.len();
        assert_eq!(cleaned(&lake).await, usize::from(noted), "{end} of {}", whole.len());
        assert_no_markers(&root);
    }
}

#[tokio::test]
async fn another_boot_and_an_undecided_commit_are_given_their_time() {
    let (lake, root) = lake();
    drop(staged(&root, &["a.parquet"]));
    let text = fs::read_to_string(marker_path(&root)).unwrap();
    fs::write(marker_path(&root), text.replace(super::marker::boot(), "another")).unwrap();
    for (old, removed) in [(Duration::ZERO, 0), (WEEK - HOUR, 0), (WEEK + HOUR, 1)] {
        age(&marker_path(&root), old);
        assert_eq!(cleaned(&lake).await, removed, "{old:?}");
    }
    staged(&root, &["a.parquet"]).leave();
    for (old, removed) in [(Duration::ZERO, 0), (HOUR / 2, 0), (HOUR * 2, 1)] {
        age(&marker_path(&root), old);
        assert_eq!(cleaned(&lake).await, removed, "{old:?}");
    }
    assert_eq!(entries(&root), [""; 0]);
}

#[tokio::test]
async fn what_cannot_be_decided_is_left() {
    let (lake, root) = lake();
    for version in 1..=3 {
        lake.write("t", version, &[add(&format!("f{version}"), 1)]);
    }
    // The log says less than it did.
    drop(staged(&root, &["a.parquet"]));
    fs::remove_file(lake.commit_path("t", 2)).unwrap();
    assert_eq!(cleaned(&lake).await, 0);
    assert_eq!(entries(&root), ["a.parquet"], "and nobody will ever know");
    // It cannot be understood.
    lake.write("t", 2, &[add("../elsewhere", 1)]);
    drop(staged(&root, &["a.parquet"]));
    assert_eq!(cleaned(&lake).await, 0);
    assert_eq!(entries(&root), ["a.parquet"]);
    // It cannot be read now.
    fs::remove_file(lake.commit_path("t", 2)).unwrap();
    fs::create_dir(lake.commit_path("t", 2)).unwrap();
    drop(staged(&root, &["a.parquet"]));
    cleaned_or_not(&lake).await;
    assert!(root.join("a.parquet").exists());
}

async fn cleaned_or_not(lake: &Lake) {
    let table = lake.table("t");
    clean(table.store(), table.log()).await.ok();
}

#[tokio::test]
async fn only_commits_after_the_last_checkpoint_are_read() {
    let (lake, root) = lake();
    let hint = root.join("_delta_log/_last_checkpoint");
    let base = |marker: &Path| {
        let text = fs::read_to_string(marker).unwrap();
        let head: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        head["head"]["base"].as_u64().unwrap()
    };
    lake.write("t", 1, &[add("f", 1)]);
    for (text, expected) in [
        (r#"{"version":1,"size":3}"#, 1),
        // Of another log, or made up: it would hide the statement's own commit.
        (r#"{"version":2,"size":3}"#, 0),
        ("no JSON", 0),
        ("", 0),
        (r#"{"version":-1}"#, 0),
    ] {
        fs::write(&hint, text).unwrap();
        let marker = staged(&root, &["a.parquet"]);
        assert_eq!(base(&marker_path(&root)), expected, "{text}");
        marker.settle();
    }
    // What lies before it need not be readable.
    fs::write(&hint, r#"{"version":1,"size":3}"#).unwrap();
    drop(staged(&root, &["a.parquet", "b.parquet"]));
    lake.write("t", 1, &[json!("no action")]);
    lake.write("t", 2, &[add("b.parquet", 1)]);
    assert_eq!(cleaned(&lake).await, 1);
    assert!(root.join("b.parquet").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_cleaners_do_not_disturb_each_other() {
    let (lake, root) = lake();
    for round in 0..10 {
        let names: Vec<_> = (0..20).map(|file| format!("p={file}/{round}.parquet")).collect();
        for name in &names {
            drop(staged(&root, &[name]));
        }
        let cleaners = (0..4).map(|_| {
            let table = lake.table("t");
            tokio::spawn(async move { clean(table.store(), table.log()).await.unwrap() })
        });
        let cleaners = futures::future::join_all(cleaners.collect::<Vec<_>>()).await;
        let removed: usize = cleaners.into_iter().map(Result::unwrap).sum();
        assert_eq!(removed, names.len(), "each once");
        assert_eq!(entries(&root), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_under_way_are_not_disturbed() {
    let (lake, root) = lake();
    let (lake, done) = (Arc::new(lake), Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let cleaners: Vec<_> = (0..2)
        .map(|_| {
            let (table, done) = (lake.table("t"), done.clone());
            tokio::spawn(async move {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    clean(table.store(), table.log()).await.unwrap();
                }
            })
        })
        .collect();
    let writers = (0..4).map(|_| {
        let table = lake.table("t");
        tokio::spawn(async move {
            for _ in 0..8 {
                insert(&table).await;
                // One that dies.
                drop(staged(table.store().local_root().unwrap(), &[&format!("{}.parquet", uuid::Uuid::new_v4())]));
            }
        })
    });
    for writer in futures::future::join_all(writers.collect::<Vec<_>>()).await {
        writer.unwrap();
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    for cleaner in cleaners {
        cleaner.await.unwrap();
    }
    cleaned(&lake).await;
    let live = paths(&newest(&lake.table("t")).await.unwrap()).await;
    assert_eq!(live.len(), 32);
    assert_eq!(entries(&root), live, "every file of a version, and no other");
}

async fn insert(table: &Arc<DeltaTable>) {
    let mut append = newest(table).await.unwrap().append().await.unwrap();
    let rows = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    append.write(rows).await.unwrap();
    assert!(matches!(append.commit().await, Ok(CommitOutcome::Committed(_))));
}

#[tokio::test]
async fn the_first_look_at_a_table_cleans_up() {
    let (lake, root) = lake();
    drop(staged(&root, &["a.parquet"]));
    let table = lake.table("t");
    newest(&table).await.unwrap();
    table.background().finish().await;
    assert_eq!(entries(&root), [""; 0]);
}
