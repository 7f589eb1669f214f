use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use serde_json::Value;

use super::*;
use crate::{
    delta::{
        DeltaFormat, DeltaOptions,
        fixtures::{Lake, spec},
        schema::map_type,
    },
    engine::{Snapshot, TableFormat},
};

async fn create_in(lake: &Lake, spec: &TableSpec) -> Result<Arc<dyn Snapshot>> {
    DeltaFormat::default().create(&lake.location("t"), spec).await
}

fn actions(lake: &Lake) -> Vec<Value> {
    let commit = std::fs::read_to_string(lake.commit_path("t", 0)).unwrap();
    commit.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn list_of(element: Field) -> DataType {
    DataType::List(Arc::new(element.with_name("element")))
}

fn map_of(key: DataType, value: Field) -> DataType {
    map_type(Field::new("key", key, false), value.with_name("value"))
}

fn every_type() -> Vec<Field> {
    let plain = [
        DataType::Boolean,
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(38, 10),
        DataType::Utf8,
        DataType::Binary,
        DataType::Date32,
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Timestamp(TimeUnit::Microsecond, None),
    ];
    let plain = plain.into_iter().enumerate();
    let mut fields: Vec<_> = plain.map(|(at, kind)| Field::new(format!("c{at}"), kind, at % 2 == 0)).collect();
    let all = DataType::Struct(fields.clone().into());
    let deep = list_of(Field::new("x", map_of(DataType::Utf8, Field::new("x", all.clone(), false)), true));
    fields.push(Field::new("all", all, false));
    fields.push(Field::new("deep", map_of(DataType::Date32, Field::new("x", deep, true)), false));
    fields
}

#[tokio::test]
async fn every_type_comes_back_as_it_went_in() {
    let lake = Lake::new();
    let schema = Arc::new(Schema::new(every_type()));
    let spec = TableSpec {
        schema: schema.clone(),
        partition_columns: vec!["c8".to_owned(), "c0".to_owned()],
        description: Some("all of them".to_owned()),
        checks: vec![],
    };
    let snapshot = create_in(&lake, &spec).await.unwrap();
    assert_eq!(snapshot.schema(), schema);
    assert_eq!(snapshot.version(), 0);
    assert_eq!(snapshot.description().as_deref(), Some("all of them"));
    assert_eq!(snapshot.row_count().await.unwrap(), Some(0));
    let [info, protocol, metadata] = &actions(&lake)[..] else { panic!("three actions") };
    assert_eq!(info["commitInfo"]["operation"], "CREATE TABLE");
    assert!(info["commitInfo"]["engineInfo"].as_str().unwrap().starts_with("deltaport/"));
    assert_eq!(protocol["protocol"]["minReaderVersion"], 3);
    assert_eq!(protocol["protocol"]["minWriterVersion"], 7);
    for side in ["readerFeatures", "writerFeatures"] {
        assert_eq!(protocol["protocol"][side], json!(["deletionVectors", "timestampNtz"]));
    }
    assert_eq!(metadata["metaData"]["partitionColumns"], json!(["c8", "c0"]));
    assert_eq!(metadata["metaData"]["configuration"], json!({"delta.enableDeletionVectors": "true"}));
}

#[tokio::test]
async fn types_nested_as_deep_as_offered_come_back() {
    let lake = Lake::new();
    let deep = (0..24).fold(DataType::Int64, |inner, at| match at % 3 {
        0 => list_of(Field::new("x", inner, true)),
        1 => map_of(DataType::Utf8, Field::new("x", inner, true)),
        _ => DataType::Struct(vec![Field::new("a name", inner, true)].into()),
    });
    let spec = spec(&[("deep", deep)]);
    assert_eq!(create_in(&lake, &spec).await.unwrap().schema(), spec.schema);
}

#[tokio::test]
async fn odd_column_names_are_mapped() {
    let lake = Lake::new();
    let inner = DataType::Struct(vec![Field::new("c,d", DataType::Int64, true)].into());
    let spec = spec(&[("a b", DataType::Utf8), ("s", inner)]);
    let snapshot = create_in(&lake, &spec).await.unwrap();
    assert_eq!(snapshot.schema(), spec.schema);
    let actions = actions(&lake);
    for side in ["readerFeatures", "writerFeatures"] {
        assert_eq!(actions[1]["protocol"][side], json!(["deletionVectors", "columnMapping"]));
    }
    let configuration = &actions[2]["metaData"]["configuration"];
    assert_eq!(configuration["delta.columnMapping.mode"], "name");
    assert_eq!(configuration["delta.columnMapping.maxColumnId"], "3");
}

#[tokio::test]
async fn a_table_is_made_once() {
    let lake = Lake::new();
    let spec = spec(&[("a", DataType::Int64)]);
    let makers = (0..8).map(|_| create_in(&lake, &spec));
    let made = futures::future::join_all(makers).await;
    assert_eq!(made.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(made.iter().all(|outcome| !matches!(outcome, Err(error) if !matches!(error, Error::AlreadyExists(_)))));
}

#[tokio::test]
async fn a_table_whose_first_commit_was_cleaned_is_still_there() {
    let lake = Lake::new();
    std::fs::create_dir_all(lake.path("t/_delta_log")).unwrap();
    let checkpoint = lake.path("t/_delta_log/00000000000000000005.checkpoint.parquet");
    std::fs::write(checkpoint, "whatever").unwrap();
    let error = create_in(&lake, &spec(&[("a", DataType::Int64)])).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists(_)), "{error:?}");
    assert!(!lake.commit_path("t", 0).exists());
}

#[tokio::test]
async fn a_refused_table_leaves_nothing() {
    let lake = Lake::new();
    assert!(create_in(&lake, &spec(&[("a", DataType::Date64)])).await.is_err());
    assert!(!lake.path("t").exists());
}

#[tokio::test]
async fn a_directory_with_other_files_can_become_a_table() {
    let lake = Lake::new();
    std::fs::create_dir_all(lake.path("t/_delta_log")).unwrap();
    std::fs::write(lake.path("t/left-over.parquet"), "").unwrap();
    std::fs::write(lake.path("t/_delta_log/.00000000000000000000.json.x.tmp"), "{").unwrap();
    let snapshot = create_in(&lake, &spec(&[("a", DataType::Int64)])).await.unwrap();
    assert_eq!(snapshot.row_count().await.unwrap(), Some(0));
}

#[tokio::test]
async fn tables_without_deletion_vectors_ask_no_more_than_they_use() {
    let format = DeltaFormat::new(DeltaOptions { new_table_deletion_vectors: false, ..DeltaOptions::default() });
    let ntz = DataType::Timestamp(TimeUnit::Microsecond, None);
    let cases = [
        (spec(&[("x", DataType::Int64)]), json!({ "minReaderVersion": 1, "minWriterVersion": 2 })),
        (
            spec(&[("x", ntz)]),
            json!({ "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["timestampNtz"],
                    "writerFeatures": ["timestampNtz"] }),
        ),
        (
            TableSpec { checks: vec!["x > 0".to_owned()], ..spec(&[("x", DataType::Int64)]) },
            json!({ "minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["checkConstraints"] }),
        ),
    ];
    for (spec, protocol) in cases {
        let lake = Lake::new();
        let made = format.create(&lake.location("t"), &spec).await.unwrap();
        let actions = actions(&lake);
        let found = actions.iter().find_map(|action| action.get("protocol")).unwrap();
        assert_eq!(*found, protocol);
        let metadata = actions.iter().find_map(|action| action.get("metaData")).unwrap();
        assert!(metadata["configuration"].get("delta.enableDeletionVectors").is_none());
        made.append().await.unwrap();
    }
}
