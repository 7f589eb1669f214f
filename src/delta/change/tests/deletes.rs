//! What a DELETE leaves, and how it says so.

use std::collections::BTreeMap;

use object_store::path::Path;
use serde_json::{Value, json};

use super::fixture::*;
use crate::{
    delta::{
        commit::append,
        fixtures::{features, field, files, metadata, newest, paths},
    },
    engine::{CommitOutcome, Snapshot},
};

#[tokio::test]
async fn a_few_rows_go_into_a_vector_in_the_log() {
    let table = Table::new().await;
    table.append("a", 0..10).await;
    let before = table.newest().await;
    let after = committed(table.delete(|id| [3, 7].contains(&id)).await);
    assert_eq!(after.version(), 2);
    assert_eq!(after.row_count().await.unwrap(), Some(8));
    assert_eq!(table.ids().await, [0, 1, 2, 4, 5, 6, 8, 9]);
    assert_eq!(ids(&before).await.len(), 10, "the version it began from stays as it was");
    assert_eq!(table.vectors_on_disk(), [] as [&str; 0]);

    let actions = table.commit(2);
    let (info, remove, add) = (&actions[0]["commitInfo"], &actions[1]["remove"], &actions[2]["add"]);
    assert_eq!(actions.len(), 3);
    assert_eq!(info["operation"], "DELETE");
    assert_eq!((&info["readVersion"], &info["isBlindAppend"]), (&json!(1), &json!(false)));
    assert_eq!(info["operationMetrics"]["numDeletedRows"], "2");
    let added = table.commit(1)[1]["add"].clone();
    for same in ["path", "size", "partitionValues"] {
        assert_eq!((&remove[same], &add[same]), (&added[same], &added[same]), "{same}");
    }
    assert_eq!(add["modificationTime"], added["modificationTime"]);
    assert_eq!(remove["deletionVector"], json!(null));
    assert_eq!(add["deletionVector"]["storageType"], "i");
    assert_eq!(add["deletionVector"]["cardinality"], 2);
    let stats: Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
    assert_eq!((&stats["numRecords"], &stats["tightBounds"]), (&json!(10), &json!(false)));
    assert_eq!(stats["maxValues"]["id"], 9, "bounds stay");
    assert_eq!(files(&table.newest().await).await, files(&newest(&table.elsewhere()).await.unwrap()).await);
}

#[tokio::test]
async fn many_rows_of_many_files_share_one_file_of_vectors() {
    let table = Table::new().await;
    for file in 0..5 {
        table.append("a", file * 1000..(file + 1) * 1000).await;
    }
    committed(table.delete(|id| id % 3 == 0).await);
    let expected: Vec<_> = (0..5000).filter(|id| id % 3 != 0).collect();
    assert_eq!(table.ids().await, expected);
    assert_eq!(ids(&newest(&table.elsewhere()).await.unwrap()).await, expected);
    let [vectors] = &table.vectors_on_disk()[..] else { panic!("{:?}", table.vectors_on_disk()) };
    let mut offsets = Vec::new();
    for file in files(&table.newest().await).await {
        let vector = file.deletion_vector.unwrap();
        let url = vector.absolute_path(table.table.store().location()).unwrap().unwrap();
        assert!(url.as_str().ends_with(vectors), "{url}");
        offsets.push(vector.offset.unwrap());
    }
    offsets.sort_unstable();
    assert_eq!(offsets[0], 1);
    assert!(offsets.windows(2).all(|pair| pair[0] < pair[1]), "{offsets:?}");
}

#[tokio::test]
async fn a_second_delete_adds_to_the_vectors() {
    let table = Table::new().await;
    table.append("a", 0..100_000).await;
    let mut expected: Vec<i64> = (0..100_000).collect();
    let rounds: [fn(i64) -> bool; 4] = [|id| id == 5, |id| id % 2 == 1, |id| id == 70_000, |id| id % 50 == 0];
    for (round, wanted) in rounds.into_iter().enumerate() {
        committed(table.delete(wanted).await);
        expected.retain(|id| !wanted(*id));
        assert_eq!(table.ids().await, expected, "after {round}");
        assert_eq!(ids(&newest(&table.elsewhere()).await.unwrap()).await, expected, "after {round}");
    }
    let metrics = |version: u64| table.commit(version)[0]["commitInfo"]["operationMetrics"].clone();
    let told = |version| {
        let metrics = metrics(version);
        ["Added", "Updated", "Removed"].map(|what| metrics[format!("numDeletionVectors{what}")].clone())
    };
    assert_eq!(told(2), ["1", "0", "0"]);
    assert_eq!(told(3), ["0", "1", "0"]);
    assert_eq!(table.commit(4)[1]["remove"]["deletionVector"], table.commit(3)[2]["add"]["deletionVector"]);
    assert_eq!(table.vectors_on_disk().len(), 3, "what older versions have stays");
}

#[tokio::test]
async fn a_file_without_rows_goes_and_a_whole_table_is_metadata_only() {
    let table = Table::partitioned(&["part"]).await;
    table.append("a", 0..10).await;
    table.append("b", 10..20).await;
    table.append("c", 20..30).await;
    committed(table.delete(|id| id == 12).await);
    let before = table.files_on_disk();
    committed(table.delete(|id| (10..20).contains(&id) || id == 25).await);
    let actions = table.commit(5);
    let kinds: Vec<_> = actions.iter().flat_map(|action| action.as_object().unwrap().keys()).collect();
    assert_eq!(kinds, ["commitInfo", "remove", "remove", "add"]);
    assert_eq!(actions[1]["remove"]["partitionValues"], json!({ "part": "b" }));
    assert_eq!(actions[1]["remove"]["deletionVector"]["cardinality"], 1);
    assert_eq!(actions[3]["add"]["partitionValues"], json!({ "part": "c" }));
    let metrics = &actions[0]["commitInfo"]["operationMetrics"];
    let told = ["numDeletedRows", "numRemovedFiles", "numDeletionVectorsAdded", "numDeletionVectorsRemoved"];
    assert_eq!(told.map(|name| metrics[name].clone()), ["10", "1", "1", "1"]);

    committed(table.delete(|_| true).await);
    assert_eq!(paths(&table.newest().await).await, [] as [&str; 0]);
    assert_eq!(table.files_on_disk(), before, "nothing was written");
    assert_eq!(table.append("b", [1]).await.row_count().await.unwrap(), Some(1));
}

/// Everything that an Add says, in the log and in checkpoints, is said again.
#[tokio::test]
async fn what_the_log_says_of_a_file_is_said_again() {
    let table = Table::new().await;
    table.append("a", 0..10).await;
    let file = only_file(&table.newest().await).await;
    let (name, size) = (file.path.to_string(), file.size_bytes);
    let odd = "odd%20name é+%2541.parquet"; // one of several ways to spell it
    std::fs::rename(table.lake.path("t").join(&name), table.lake.path("t").join("odd name é+%41.parquet")).unwrap();
    let stats = r#"{"numRecords":10,"minValues":{"d":0.12345678901234567890123},"tightBounds":true}"#;
    let configuration = json!({ "delta.enableDeletionVectors": "true" });
    let columns = metadata(&json!([field("id", json!("long")), field("part", json!("string"))]), &configuration);
    let add = json!({
        "path": odd, "partitionValues": {}, "size": size, "modificationTime": 1234, "dataChange": true, "stats": stats,
        "tags": { "INSERTION_TIME": "7", "empty": null }, "baseRowId": 40, "defaultRowCommitVersion": 2,
        "clusteringProvider": "liquid",
    });
    let other = crate::delta::fixtures::Lake::new();
    std::fs::create_dir_all(other.path("t")).unwrap();
    std::fs::copy(table.lake.path("t").join("odd name é+%41.parquet"), other.path("t").join("odd name é+%41.parquet"))
        .unwrap();
    let highest = json!({ "domainMetadata": {
        "domain": "delta.rowTracking", "configuration": "{\"rowIdHighWaterMark\":49}", "removed": false,
    } });
    let writer = ["deletionVectors", "rowTracking", "domainMetadata"];
    other.write("t", 0, &[features(&["deletionVectors"], &writer), columns, json!({ "add": add }), highest]);
    let table = Table { table: other.table("t"), lake: other };

    for (version, id) in [(1, 3), (2, 4)] {
        committed(delete_where(&newest(&table.elsewhere()).await.unwrap(), |row| row == id).await);
        let actions = table.commit(version);
        let (remove, again) = (&actions[1]["remove"], &actions[2]["add"]);
        for same in ["path", "partitionValues", "size", "tags", "baseRowId", "defaultRowCommitVersion"] {
            assert_eq!((&again[same], &remove[same]), (&add[same], &add[same]), "{same} in version {version}");
        }
        assert_eq!((&again["modificationTime"], &again["clusteringProvider"]), (&json!(1234), &json!("liquid")));
        let kept = r#"{"numRecords":10,"tightBounds":false,"minValues":{"d":0.12345678901234567890123}}"#;
        assert_eq!(again["stats"], kept, "with every digit");
        assert_eq!(actions.len(), 3, "no new row ids");
        // The next round reads a checkpoint.
        let fresh = table.elsewhere();
        let before = files(&newest(&fresh).await.unwrap()).await;
        crate::delta::checkpoint::checkpoint_behind(fresh.background(), fresh.store().clone(), version);
        fresh.background().finish().await;
        for older in 0..=version {
            std::fs::remove_file(table.lake.commit_path("t", older)).unwrap_or_default();
        }
        assert_eq!(files(&newest(&table.elsewhere()).await.unwrap()).await, before);
        assert!(before[0].notes.is_some());
    }
    let mut left: Vec<i64> = (0..10).collect();
    left.retain(|id| ![3, 4].contains(id));
    assert_eq!(ids(&newest(&table.elsewhere()).await.unwrap()).await, left);
}

#[tokio::test]
async fn a_file_whose_rows_the_log_does_not_count_is_counted() {
    let table = Table::new().await;
    let base = table.append("a", 0..10).await;
    let file = only_file(&base).await;
    // The same file, as a writer without statistics tells of it.
    let path = file.path.to_string();
    let uncounted = json!({ "add": {
        "path": path, "partitionValues": {}, "size": file.size_bytes, "modificationTime": 1, "dataChange": true,
    } });
    table.lake.write("t", 2, &[crate::delta::fixtures::remove(&path)]);
    table.lake.write("t", 3, &[uncounted]);
    committed(table.delete(|id| id == 0).await);
    let again = &table.commit(4)[2]["add"];
    assert_eq!(again["stats"], r#"{"numRecords":10,"tightBounds":false}"#);
    committed(table.delete(|_| true).await);
    assert_eq!(table.commit(5).len(), 2, "the file is removed, as none of its ten rows is left");
}

#[tokio::test]
async fn checkpoints_of_this_server_carry_vectors() {
    let table = Table::new().await;
    table.append("a", 0..1000).await;
    table.append("a", 1000..2000).await;
    committed(table.delete(|id| id % 2 == 0 && id < 1500 || id == 1700).await);
    let version = table.newest().await.version();
    crate::delta::checkpoint::checkpoint_behind(table.table.background(), table.table.store().clone(), version);
    table.table.background().finish().await;
    for older in 0..=version {
        std::fs::remove_file(table.lake.commit_path("t", older)).unwrap();
    }
    let loaded = newest(&table.elsewhere()).await.unwrap();
    let expected: Vec<i64> = (0..2000).filter(|id| !(id % 2 == 0 && *id < 1500 || *id == 1700)).collect();
    assert_eq!(ids(&loaded).await, expected);
    committed(delete_where(&loaded, |id| id == 1).await);
    assert_eq!(ids(&newest(&table.elsewhere()).await.unwrap()).await, expected[1..]);
}

#[tokio::test]
async fn rows_appended_meanwhile_stay_and_appends_pass_deletes() {
    let table = Table::new().await;
    let base = table.append("a", 0..10).await;
    table.append("a", 10..20).await;
    committed(delete_where(&base, |_| true).await);
    assert_eq!(table.ids().await, (10..20).collect::<Vec<_>>());
    let adds = vec![table.lake.data_file("t", "late", 0)];
    assert!(matches!(append(base, adds, 0).await, Ok(CommitOutcome::Committed(_))));
}

#[tokio::test]
async fn the_place_of_a_file_is_that_of_the_version_seen() {
    let table = Table::new().await;
    let base = table.append("a", 0..10).await;
    let wanted = row_ids(&base).await;
    // Files that come before and after it in order.
    for _ in 0..6 {
        table.append("a", 100..101).await;
        table.lake.table("t");
    }
    committed(begun(&base, &[wanted[&7]]).await.unwrap().commit().await);
    let deleted: BTreeMap<Path, i64> = files(&table.newest().await)
        .await
        .into_iter()
        .filter_map(|file| Some((file.path, file.deletion_vector?.cardinality)))
        .collect();
    assert_eq!(deleted, BTreeMap::from([(only_file(&base).await.path, 1)]));
}
