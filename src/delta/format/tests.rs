use std::num::NonZeroUsize;

use arrow::datatypes::DataType;
use deltalake_core::{
    kernel::Snapshot as ReferenceSnapshot,
    logstore::{StorageConfig, logstore_for},
};
use futures::TryStreamExt;
use serde_json::json;

use super::*;
use crate::{
    delta::{
        DeletionVectors,
        fixtures::{Lake, add, features, field, files, metadata, protocol, remove, spec},
    },
    engine::Error,
};

#[tokio::test]
async fn handles_of_one_location_share_their_cache_until_it_is_forgotten() {
    let lake = Lake::new();
    lake.write_table("t");
    let format = DeltaFormat::default();
    let location = lake.location("t");
    let first = format.open(&location).unwrap();
    assert!(Arc::ptr_eq(&first, &format.open(&location).unwrap()));
    format.forget(&location);
    assert!(!Arc::ptr_eq(&first, &format.open(&location).unwrap()));
}

#[tokio::test]
async fn only_so_many_tables_are_remembered() {
    let lake = Lake::new();
    let two = NonZeroUsize::new(2).unwrap();
    let format = DeltaFormat::new(DeltaOptions { tables_cached_max: two, ..DeltaOptions::default() });
    let first = format.open(&lake.location("a")).unwrap();
    for other in ["b", "c"] {
        format.open(&lake.location(other)).unwrap();
    }
    assert!(!Arc::ptr_eq(&first, &format.open(&lake.location("a")).unwrap()));
}

#[tokio::test]
async fn locations_that_are_not_local_directories_are_refused() {
    let format = DeltaFormat::default();
    let refused = |location: &str| format.table(&Url::parse(location).unwrap()).unwrap_err();
    assert!(matches!(refused("s3://bucket/t/"), Error::Unsupported(_)));
    assert!(matches!(refused("file:///lake/t"), Error::InvalidArgument(_)));
    assert!(matches!(refused("file:///lake/%ff/"), Error::InvalidArgument(_)));
}

#[tokio::test]
async fn a_handle_needs_no_table_and_a_dropped_table_can_be_made_again() {
    let lake = Lake::new();
    let format = DeltaFormat::default();
    let location = lake.location("t");
    let handle = format.table(&location).unwrap();
    assert!(matches!(handle.snapshot().await, Err(Error::NotFound(_))));
    for columns in [&[("a", DataType::Int64)][..], &[("b", DataType::Utf8), ("c", DataType::Utf8)]] {
        let made = format.create(&location, &spec(columns)).await.unwrap();
        assert_eq!(made.schema().fields().len(), columns.len());
        assert_eq!(handle.snapshot().await.unwrap().schema(), made.schema());
        assert_eq!(handle.snapshot_at(0).await.unwrap().schema(), made.schema());
        // Dropped behind the cache's back: nobody says `forget`.
        std::fs::remove_dir_all(lake.path("t")).unwrap();
        assert!(matches!(handle.snapshot().await, Err(Error::NotFound(_))));
    }
}

#[tokio::test]
async fn an_append_that_is_not_offered_is_refused_before_it_begins() {
    let lake = Lake::new();
    let fields = json!([field("x", json!("long"))]);
    lake.write("t", 0, &[features(&[], &["tomorrow"]), metadata(&fields, &json!({}))]);
    let snapshot = DeltaFormat::default().table(&lake.location("t")).unwrap().snapshot().await.unwrap();
    let refused = snapshot.append().await.map(drop).unwrap_err();
    assert!(matches!(&refused, Error::Unsupported(text) if text.contains("tomorrow")), "{refused:?}");
}

/// Another implementation's view of the same log.
async fn reference(lake: &Lake, table: &str) -> (ReferenceSnapshot, Vec<(String, i64, Option<String>, usize)>) {
    let logs = logstore_for(&lake.location(table), StorageConfig::default()).unwrap();
    let snapshot = ReferenceSnapshot::try_new(logs.as_ref(), None).await.unwrap();
    let views: Vec<_> = snapshot.file_views(logs.as_ref(), None).try_collect().await.unwrap();
    let mut files: Vec<_> = views
        .iter()
        .map(|file| (file.path().into_owned(), file.size(), file.stats(), file.partition_values_map().len()))
        .collect();
    files.sort();
    (snapshot, files)
}

#[tokio::test]
async fn metadata_and_files_are_those_that_delta_rs_sees() {
    let lake = Lake::new();
    lake.write("t", 0, &[protocol(1, 2), metadata(&json!([field("x", json!("long"))]), &json!({"k": "v"}))]);
    let mut partitioned = add("p=a%20b/c.parquet", 3);
    partitioned["add"]["partitionValues"] = json!({"p": "a b", "q": null});
    lake.write("t", 1, &[add("a.parquet", 1), add("b.parquet", 2), partitioned]);
    lake.write("t", 2, &[remove("a.parquet")]);
    let (theirs, their_files) = reference(&lake, "t").await;

    let table = DeltaFormat::default().open(&lake.location("t")).unwrap();
    let snapshot = DeltaSnapshot::new(table.clone(), table.newest().await.unwrap());
    assert_eq!(snapshot.version(), theirs.version());
    assert_eq!(snapshot.definition().metadata(), theirs.metadata());
    assert_eq!(snapshot.definition().protocol(), theirs.protocol());
    let ours = files(&snapshot).await.into_iter();
    let ours: Vec<_> = ours
        .map(|file| {
            let stats = file.stats_json.map(|stats| stats.to_string());
            (file.path.into(), i64::try_from(file.size_bytes).unwrap(), stats, file.partition_values.len())
        })
        .collect();
    assert_eq!(ours, their_files);
}

#[tokio::test]
async fn tables_made_here_are_read_by_delta_rs() {
    let lake = Lake::new();
    let format = DeltaFormat::default();
    let ours = format.create(&lake.location("t"), &spec(&[("a b", DataType::Int64)])).await.unwrap();
    let (theirs, their_files) = reference(&lake, "t").await;
    assert_eq!(theirs.version(), 0);
    assert_eq!(theirs.arrow_schema().field(0).name(), ours.schema().field(0).name());
    assert!(their_files.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_engines_contract() {
    let lake = Lake::new();
    crate::engine::contract::check(&DeltaFormat::default(), &lake.location("t")).await;
}

#[tokio::test]
async fn vectors_are_written_where_table_and_server_want_them() {
    let lake = Lake::new();
    let vectors = features(&["deletionVectors"], &["deletionVectors"]);
    let enabled =
        |value: &str| metadata(&json!([field("x", json!("long"))]), &json!({ "delta.enableDeletionVectors": value }));
    lake.write("wanted", 0, &[vectors.clone(), enabled("true")]);
    lake.write("supported", 0, &[vectors, enabled("false")]);
    // Without the feature the property means nothing.
    lake.write("unknown", 0, &[protocol(1, 2), enabled("true")]);
    for (deletion_vectors, table, written) in [
        (DeletionVectors::AsTable, "wanted", true),
        (DeletionVectors::AsTable, "supported", false),
        (DeletionVectors::AsTable, "unknown", false),
        (DeletionVectors::Never, "wanted", false),
    ] {
        let format = DeltaFormat::new(DeltaOptions { deletion_vectors, ..DeltaOptions::default() });
        let opened = format.open(&lake.location(table)).unwrap();
        let version = opened.newest().await.unwrap();
        assert_eq!(opened.writes_deletion_vectors(version.definition()), written, "{table} {deletion_vectors:?}");
    }
}
