use serde_json::{Value, json};

use super::*;
use crate::{
    delta::fixtures::{Lake, Random, add, features, field, files, metadata, newest, paths, protocol, remove},
    engine::Snapshot,
};

#[tokio::test]
async fn a_table_that_is_not_there_is_not_found() {
    let lake = Lake::new();
    let table = lake.table("t");
    assert!(matches!(table.newest().await, Err(Error::NotFound(_))));
    std::fs::create_dir_all(lake.path("t/_delta_log")).unwrap();
    std::fs::write(lake.path("t/_delta_log/.00000000000000000000.json.x.tmp"), "{}").unwrap();
    let error = table.newest().await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error:?}");
    assert_eq!(error.to_string(), "table 't' does not exist");
}

#[tokio::test]
async fn names_of_any_kind_work() {
    let lake = Lake::new();
    for name in ["a b", "ü'\"", "%41", "x#1", "a?b", "a.b", "_delta_log", "per%20cent", "semi;colon&"] {
        lake.write_table(name);
        lake.write(name, 1, &[add("p%2520q.parquet", 1)]);
        let table = lake.table(name);
        assert_eq!(table.store().name(), name);
        let snapshot = newest(&table).await.unwrap();
        assert_eq!((snapshot.version(), paths(&snapshot).await), (1, vec!["p%20q.parquet".to_owned()]), "{name}");
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_read_says_why() {
    let lake = Lake::new();
    let refused = async |name: &str, actions: &[Value]| {
        lake.write(name, 0, actions);
        lake.table(name).newest().await.unwrap_err()
    };
    let fields = json!([field("x", json!("long"))]);
    let plain = metadata(&fields, &json!({}));
    for feature in ["catalogManaged", "tomorrow", "geospatial"] {
        let error = refused(feature, &[features(&[feature], &[feature]), plain.clone()]).await;
        assert!(matches!(&error, Error::Unsupported(text) if text.contains(feature)), "{error:?}");
    }
    let odd = metadata(&json!([field("g", json!("geometry"))]), &json!({}));
    let error = refused("odd", &[protocol(1, 2), odd]).await;
    assert!(matches!(&error, Error::Unsupported(text) if text.contains("geometry")), "{error:?}");
    for (name, actions) in [
        ("no-metadata", vec![protocol(1, 2)]),
        ("no-protocol", vec![plain.clone()]),
        ("text", vec![json!("no action")]),
        ("empty", vec![]),
    ] {
        let error = refused(name, &actions).await;
        assert!(matches!(error, Error::Internal { .. }), "{name}: {error:?}");
    }
    // A gap.
    lake.write_table("gap");
    lake.write("gap", 2, &[add("a", 1)]);
    assert!(matches!(lake.table("gap").newest().await, Err(Error::Internal { .. })));
}

#[tokio::test]
async fn data_outside_the_table_is_refused_when_the_files_are_needed() {
    let lake = Lake::new();
    lake.write_table("t");
    lake.write("t", 1, &[add("s3://elsewhere/a.parquet", 1)]);
    let snapshot = newest(&lake.table("t")).await.unwrap();
    let error = snapshot.files().await.unwrap_err();
    assert!(matches!(&error, Error::Unsupported(text) if text.contains("s3://elsewhere")), "{error:?}");
}

#[tokio::test]
async fn other_writers_commits_are_seen_and_old_snapshots_stay() {
    let lake = Lake::new();
    lake.write_table("t");
    let table = lake.table("t");
    let first = newest(&table).await.unwrap();
    lake.write("t", 1, &[add("b", 1), add("a", 1)]);
    let second = newest(&table).await.unwrap();
    lake.write("t", 2, &[remove("b"), add("c", 1)]);
    let third = newest(&table).await.unwrap();
    let seen = |snapshot: &'static str| snapshot.to_owned();
    assert_eq!(paths(&third).await, [seen("a"), seen("c")]);
    assert_eq!(paths(&second).await, [seen("a"), seen("b")]);
    assert_eq!(paths(&first).await, [] as [String; 0]);
    let again = table.at(1).await.unwrap();
    assert_eq!(again.number(), 1);
}

#[tokio::test]
async fn nothing_new_means_the_same_version_object() {
    let lake = Lake::new();
    lake.write_table("t");
    let table = lake.table("t");
    let first = table.newest().await.unwrap();
    assert!(Arc::ptr_eq(&first, &table.newest().await.unwrap()));
}

#[tokio::test]
async fn callers_that_wait_together_share_one_look() {
    let lake = Lake::new();
    lake.write_table("t");
    let table = lake.table("t");
    let busy = table.cache.lock().await;
    let mut callers: Vec<_> = (0..50).map(|_| Box::pin(table.newest())).collect();
    for caller in &mut callers {
        assert!(futures::poll!(caller).is_pending());
    }
    drop(busy);
    for version in futures::future::join_all(callers).await {
        assert_eq!(version.unwrap().number(), 0);
    }
    assert_eq!(table.refreshes.load(Ordering::SeqCst), 1);
    table.newest().await.unwrap();
    assert_eq!(table.refreshes.load(Ordering::SeqCst), 2, "who comes later looks again");
}

#[tokio::test]
async fn a_table_dropped_and_made_again_is_noticed() {
    let lake = Lake::new();
    lake.write_table("t");
    lake.write("t", 1, &[add("old", 1)]);
    let table = lake.table("t");
    let old = newest(&table).await.unwrap();
    std::fs::rename(lake.path("t"), lake.path("gone")).unwrap();
    assert!(matches!(table.newest().await, Err(Error::NotFound(_))));
    // The same number of commits, of the same names and sizes.
    lake.write_table("t");
    lake.write("t", 1, &[add("new", 1)]);
    let new = newest(&table).await.unwrap();
    assert_eq!(paths(&new).await, ["new"]);
    // What the old snapshot had not loaded is gone, and nothing of the new table takes its place.
    let error = old.files().await.unwrap_err();
    let why = "is no longer there: the table was replaced or its log was cleaned";
    assert!(matches!(&error, Error::FailedPrecondition(text) if text.contains(why)), "{error}");
}

#[tokio::test]
async fn replaced_between_two_looks_is_noticed_with_more_and_with_fewer_commits() {
    let lake = Lake::new();
    for commits in [0, 1, 2, 3] {
        let name = format!("t{commits}");
        lake.write_table(&name);
        lake.write(&name, 1, &[add("old", 1)]);
        let table = lake.table(&name);
        paths(&newest(&table).await.unwrap()).await;
        std::fs::rename(lake.path(&name), lake.path(&format!("gone{commits}"))).unwrap();
        lake.write_table(&name);
        for version in 1..=commits {
            lake.write(&name, version, &[add(&format!("new{version}"), 1)]);
        }
        let snapshot = newest(&table).await.unwrap();
        assert_eq!(snapshot.version(), commits);
        let expected: Vec<_> = (1..=commits).map(|version| format!("new{version}")).collect();
        assert_eq!(paths(&snapshot).await, expected);
        assert_eq!(table.at(0).await.unwrap().files(table.store(), table.log()).await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn versions_that_are_not_there_are_not_found() {
    let lake = Lake::new();
    lake.write_table("t");
    let table = lake.table("t");
    let error = table.at(7).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error:?}");
    assert_eq!(error.to_string(), "table 't' has no version 7; version 0 can be read");
}

#[tokio::test]
async fn a_change_of_metadata_is_followed_and_a_refused_one_refused() {
    let lake = Lake::new();
    lake.write_table("t");
    let table = lake.table("t");
    newest(&table).await.unwrap();
    lake.write("t", 1, &[metadata(&json!([field("x", json!("long")), field("y", json!("date"))]), &json!({}))]);
    let wider = newest(&table).await.unwrap();
    assert_eq!(wider.schema().fields().len(), 2);
    lake.write("t", 2, &[features(&["tomorrow"], &["tomorrow"])]);
    let error = newest(&table).await.unwrap_err();
    assert!(matches!(&error, Error::Unsupported(text) if text.contains("tomorrow")), "{error:?}");
    lake.write("t", 3, &[protocol(1, 2)]);
    assert_eq!(newest(&table).await.unwrap().version(), 3);
}

#[tokio::test]
async fn a_commit_that_is_odd_but_readable_is_loaded_from_nothing() {
    let lake = Lake::new();
    lake.write_table("t");
    let table = lake.table("t");
    paths(&newest(&table).await.unwrap()).await;
    // The order of a commit's lines has no meaning, so this has none either; the kernel's word counts.
    lake.write("t", 1, &[add("a", 1), add("a", 1), add("b", 1)]);
    let advanced = newest(&table).await.unwrap();
    assert_eq!(files(&advanced).await, files(&newest(&lake.table("t")).await.unwrap()).await);
}

#[tokio::test]
async fn versions_that_came_while_nobody_read_share_one_listing() {
    let lake = Lake::new();
    lake.write_table("t");
    let table = lake.table("t");
    let mut versions = vec![table.newest().await.unwrap()];
    for version in 1..=250 {
        lake.write(
            "t",
            version,
            &[add(&format!("f{version:03}"), 1), remove(&format!("f{:03}", u64::saturating_sub(version, 3)))],
        );
        versions.push(table.newest().await.unwrap());
    }
    // In any order, all of them at once, and with the log gone but for what was listed already.
    let wanted = [249, 3, 250, 120, 0].map(|at| versions[at].clone());
    let loaded =
        futures::future::join_all(wanted.iter().map(|version| version.files(table.store(), table.log()))).await;
    for (version, files) in wanted.iter().zip(loaded) {
        let first = version.number().saturating_sub(2).max(1);
        let expected: Vec<_> = (first..=version.number()).map(|number| format!("f{number:03}")).collect();
        let paths: Vec<_> = files.unwrap().iter().map(|file| file.path.to_string()).collect();
        assert_eq!(paths, expected);
    }
    std::fs::remove_dir_all(lake.path("t")).unwrap();
    let derived = versions[248].files(table.store(), table.log()).await.unwrap();
    assert_eq!(derived.len(), 3, "derived from a version that had been listed");
}

/// Adds and removes files at random; with deletion vectors, partition values and odd names.
fn random_commit(random: &mut Random) -> Vec<Value> {
    let mut actions = vec![json!({"commitInfo": {"operation": "WRITE"}})];
    let mut named = std::collections::HashSet::new();
    for _ in 0..random.below(6) {
        let path = format!("p={}/f%20{}.parquet", random.below(3), random.below(8));
        let vector = match random.below(4) {
            0 => json!({"storageType": "i", "pathOrInlineDv": "wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L",
                        "sizeInBytes": 40, "cardinality": 6}),
            1 => json!({"storageType": "u", "pathOrInlineDv": "vBn[lx{q8@P<9BNH/isA", "offset": 1, "sizeInBytes": 36,
                        "cardinality": 2}),
            _ => Value::Null,
        };
        if !named.insert((path.clone(), vector.to_string())) {
            continue;
        }
        let mut action = if random.below(3) == 0 { remove(&path) } else { add(&path, 1 + random.below(1000)) };
        let kind = if action.get("add").is_some() { "add" } else { "remove" };
        action[kind]["deletionVector"] = vector;
        if kind == "add" && random.below(3) == 0 {
            action["add"]["stats"] = Value::Null;
        }
        actions.push(action);
    }
    if random.below(8) == 0 {
        let name = format!("c{}", random.below(9));
        actions.push(metadata(&json!([field("x", json!("long")), field(&name, json!("string"))]), &json!({})));
    }
    actions
}

#[tokio::test]
async fn advancing_ends_where_loading_from_nothing_ends() {
    let lake = Lake::new();
    let mut random = Random::new();
    let seed = random.0;
    lake.write_table("t");
    let table = lake.table("t");
    for version in 1..=40 {
        lake.write("t", version, &random_commit(&mut random));
        if random.below(3) == 0 {
            continue; // Let several commits gather.
        }
        let advanced = newest(&table).await.unwrap();
        let loaded = newest(&lake.table("t")).await.unwrap();
        assert_eq!(advanced.version(), version);
        assert_eq!(files(&advanced).await, files(&loaded).await, "seed {seed}, version {version}");
        assert_eq!(advanced.definition(), loaded.definition(), "seed {seed}, version {version}");
    }
    // And so does any version on its own.
    for version in [3, 17, 34] {
        let at = |table: Arc<DeltaTable>| async move {
            let at = table.at(version).await.unwrap();
            at.files(table.store(), table.log()).await.unwrap().clone()
        };
        assert_eq!(at(table.clone()).await, at(lake.table("t")).await, "seed {seed}, version {version}");
    }
}
