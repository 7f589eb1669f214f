use std::{fs, path::Path};

use arrow::{
    array::{AsArray, Int64Array},
    compute::concat_batches,
    datatypes::Int64Type,
};
use deltalake_core::kernel::Add;
use parquet::arrow::{PARQUET_FIELD_ID_META_KEY, arrow_reader::ParquetRecordBatchReaderBuilder};
use serde_json::{Value, json};

use super::*;
use crate::{
    delta::fixtures::{Lake, features, field, field_with, metadata, newest, protocol},
    engine::Snapshot,
};

fn with_feed(configuration: &Value) -> Value {
    let mut configuration = configuration.clone();
    configuration["delta.enableChangeDataFeed"] = json!("true");
    configuration
}

/// A table of `id` and `p`, by which it is partitioned if it is to be.
async fn table(lake: &Lake, protocol: Value, fields: &Value, configuration: &Value, partition: bool) -> DeltaSnapshot {
    let mut metadata = metadata(fields, configuration);
    if partition {
        metadata["metaData"]["partitionColumns"] = json!(["p"]);
    }
    lake.write("t", 0, &[protocol, metadata]);
    newest(&lake.table("t")).await.unwrap()
}

fn plain() -> Value {
    json!([field("id", json!("long")), field("p", json!("string"))])
}

fn mapped() -> Value {
    let mapped =
        |id: i64, name: &str| json!({ "delta.columnMapping.id": id, "delta.columnMapping.physicalName": name });
    json!([field_with("id", json!("long"), mapped(1, "col-1")), field_with("p", json!("string"), mapped(2, "col-2"))])
}

fn rows(base: &DeltaSnapshot, ids: &[i64]) -> RecordBatch {
    let parts = ids.iter().map(|id| (id % 3 > 0).then(|| format!("p{}", id % 3)));
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(ids.to_vec())), Arc::new(parts.collect::<StringArray>())];
    RecordBatch::try_new(base.schema(), columns).unwrap()
}

fn begun(base: &DeltaSnapshot) -> Feed {
    Feed::begin(base).unwrap().expect("the table keeps a feed")
}

/// The rows of a change file, and its schema.
fn read(lake: &Lake, add: &Add) -> RecordBatch {
    let file = fs::File::open(lake.path("t").join(&add.path)).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = Arc::clone(reader.schema());
    let batches: Vec<_> = reader.build().unwrap().map(std::result::Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

/// Ids and what became of them.
fn changes(batch: &RecordBatch, id: &str) -> Vec<(i64, String)> {
    let ids = batch.column_by_name(id).unwrap().as_primitive::<Int64Type>();
    let types = batch.column_by_name("_change_type").unwrap().as_string::<i32>();
    (0..batch.num_rows()).map(|row| (ids.value(row), types.value(row).to_owned())).collect()
}

#[tokio::test]
async fn changes_lie_in_files_of_their_own_with_what_became_of_each_row() {
    let lake = Lake::new();
    let base = table(&lake, protocol(1, 4), &plain(), &with_feed(&json!({})), false).await;
    let mut feed = begun(&base);
    feed.write(&rows(&base, &[1, 2]), ChangeType::UpdatePreimage).await.unwrap();
    feed.write(&rows(&base, &[11, 12]), ChangeType::UpdatePostimage).await.unwrap();
    feed.write(&rows(&base, &[]), ChangeType::Delete).await.unwrap();
    feed.write(&rows(&base, &[3]), ChangeType::Delete).await.unwrap();
    let staged = feed.finish().await.unwrap();
    assert_eq!(staged.rows, 5);
    let [add] = &staged.adds[..] else { panic!("one file") };
    assert!(add.path.starts_with("_change_data/cdc-00000-"), "{}", add.path);
    assert!(add.partition_values.is_empty());
    assert_eq!(add.size as u64, fs::metadata(lake.path("t").join(&add.path)).unwrap().len());
    let batch = read(&lake, add);
    assert_eq!(
        batch.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(),
        ["id", "p", "_change_type"]
    );
    let expected = [
        (1, "update_preimage"),
        (2, "update_preimage"),
        (11, "update_postimage"),
        (12, "update_postimage"),
        (3, "delete"),
    ];
    assert_eq!(changes(&batch, "id"), expected.map(|(id, change)| (id, change.to_owned())));
}

#[tokio::test]
async fn partitions_have_directories_of_their_own() {
    let lake = Lake::new();
    let base = table(&lake, features(&[], &["changeDataFeed"]), &plain(), &with_feed(&json!({})), true).await;
    let mut feed = begun(&base);
    feed.write(&rows(&base, &[1, 2, 3, 4]), ChangeType::Delete).await.unwrap();
    let mut staged = feed.finish().await.unwrap();
    staged.adds.sort_by_key(|add| add.partition_values["p"].clone());
    let seen: Vec<_> = staged
        .adds
        .iter()
        .map(|add| {
            let directory = Path::new(&add.path).parent().unwrap().to_str().unwrap().to_owned();
            let batch = read(&lake, add);
            assert!(batch.column_by_name("p").is_none());
            (directory, add.partition_values["p"].as_deref().unwrap_or("NULL").to_owned(), changes(&batch, "id").len())
        })
        .collect();
    let expected = [
        ("_change_data/p=__HIVE_DEFAULT_PARTITION__", "NULL", 1),
        ("_change_data/p=p1", "p1", 2),
        ("_change_data/p=p2", "p2", 1),
    ];
    assert_eq!(seen, expected.map(|(directory, value, rows)| (directory.to_owned(), value.to_owned(), rows)));
}

#[tokio::test]
async fn mapped_columns_have_their_names_and_ids_in_files() {
    for mode in ["name", "id"] {
        let lake = Lake::new();
        let configuration =
            with_feed(&json!({ "delta.columnMapping.mode": mode, "delta.columnMapping.maxColumnId": "2" }));
        let features = features(&["columnMapping"], &["columnMapping", "changeDataFeed"]);
        let base = table(&lake, features, &mapped(), &configuration, true).await;
        let mut feed = begun(&base);
        feed.write(&rows(&base, &[1]), ChangeType::Delete).await.unwrap();
        let staged = feed.finish().await.unwrap();
        let add = &staged.adds[0];
        assert_eq!(Path::new(&add.path).parent().unwrap().to_str(), Some("_change_data"));
        assert_eq!(add.partition_values["col-2"].as_deref(), Some("p1"));
        let batch = read(&lake, add);
        assert_eq!(changes(&batch, "col-1"), [(1, "delete".to_owned())]);
        let ids: Vec<_> =
            batch.schema().fields().iter().map(|f| f.metadata().get(PARQUET_FIELD_ID_META_KEY).cloned()).collect();
        assert_eq!(ids, [Some("1".to_owned()), None]);
    }
}

#[tokio::test]
async fn there_is_a_feed_only_where_property_and_protocol_have_it() {
    for (protocol, configuration, kept) in [
        (protocol(1, 4), with_feed(&json!({})), true),
        (features(&[], &["changeDataFeed"]), with_feed(&json!({})), true),
        (protocol(1, 4), json!({}), false),
        (protocol(1, 4), json!({ "delta.enableChangeDataFeed": "false" }), false),
        (protocol(1, 2), with_feed(&json!({})), false),
        (features(&[], &["appendOnly"]), with_feed(&json!({})), false),
    ] {
        let lake = Lake::new();
        let base = table(&lake, protocol.clone(), &plain(), &configuration, false).await;
        assert_eq!(Feed::begin(&base).unwrap().is_some(), kept, "{protocol} {configuration}");
    }
}

#[tokio::test]
async fn a_column_that_the_feed_gives_itself_is_refused_by_name() {
    for name in ["_change_type", "_Change_Type", "_commit_version", "_commit_timestamp"] {
        let lake = Lake::new();
        let fields = json!([field("id", json!("long")), field(name, json!("string"))]);
        let base = table(&lake, protocol(1, 4), &fields, &with_feed(&json!({})), false).await;
        match Feed::begin(&base).map(drop) {
            Err(Error::FailedPrecondition(text)) => {
                let why = format!("which needs the name '{}' for itself", name.to_lowercase());
                assert!(
                    text.starts_with("table 't' keeps a change data feed (delta.enableChangeDataFeed)")
                        && text.contains(&why),
                    "{text}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn nothing_is_left_of_changes_that_were_given_up_and_nothing_made_of_none() {
    let lake = Lake::new();
    let base = table(&lake, protocol(1, 4), &plain(), &with_feed(&json!({})), false).await;
    let directory = lake.path("t").join("_change_data");
    let staged = begun(&base).finish().await.unwrap();
    assert!(staged.adds.is_empty());
    let mut feed = begun(&base);
    // More than is gathered before the encoder begins.
    let ids: Vec<i64> = (0..100_000).collect();
    feed.write(&rows(&base, &ids), ChangeType::Delete).await.unwrap();
    feed.abort().await;
    assert!(!directory.exists());
    let mut feed = begun(&base);
    feed.write(&rows(&base, &ids), ChangeType::Delete).await.unwrap();
    let staged = feed.finish().await.unwrap();
    assert!(directory.exists());
    staged.remove().await;
    assert!(!directory.exists());
}
