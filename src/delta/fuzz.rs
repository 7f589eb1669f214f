//! Targets of what a log says: other writers made it, or somebody who may write to the storage.

use serde_json::{Value, json};
use url::Url;

use super::{
    actions::parse_commit,
    definition::Definition,
    file::data_path,
    fixtures::{add, features, field, field_with, metadata, protocol, remove},
    log_listing::parse_name,
};
use crate::fuzz::{Grammar, Outcome, Target};

pub(crate) use super::scan::fuzz::{DATA_FILES, DELETION_VECTORS, PARTITION_VALUES, STATISTICS};

/// Commit files, and the table that their protocol and metadata make.
pub(crate) const COMMITS: Target = Target { name: "commits", grammar: Grammar::Text, run: commit, seeds: commits };

fn commit(bytes: &[u8]) -> Outcome {
    let root = Url::parse("file:///lake/t/").expect("a URL");
    let changes = parse_commit(&root, bytes);
    let Ok(found) = &changes else { return Outcome::of(&changes) };
    let files = Outcome::from((found.added.len().min(3), found.removed.len().min(3)));
    let (Some(protocol), Some(metadata)) = (&found.protocol, &found.metadata) else { return files };
    let definition = Definition::try_new("t", protocol.clone(), metadata.clone());
    if let Ok(definition) = &definition {
        let _ = definition.check_append("t");
        let _ = (definition.checkpoint_interval(), definition.stats_columns());
    }
    Outcome::of(&definition).and(files)
}

fn commits() -> Vec<Vec<u8>> {
    let nested = json!({ "type": "struct", "fields": [field("x", json!("string"))] });
    let list = json!({ "type": "array", "elementType": nested, "containsNull": true });
    let map = json!({ "type": "map", "keyType": "string", "valueType": list, "valueContainsNull": true });
    let leaves = ["boolean", "byte", "short", "integer", "long", "float", "double", "decimal(38,10)", "string"];
    let leaves = leaves.into_iter().chain(["binary", "date", "timestamp", "timestamp_ntz"]);
    let mut columns: Vec<Value> = leaves.map(|leaf| field(&leaf.replace(['(', ',', ')'], "_"), json!(leaf))).collect();
    columns.push(field("m", map));
    let id = json!({ "delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "col-1" });
    let mapped = json!([field_with("a", json!("long"), id)]);
    let mapping = json!({ "delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "1" });
    let vector = json!({ "storageType": "u", "pathOrInlineDv": "vBn[lx{q8@P<9BNH/isA", "offset": 1,
        "sizeInBytes": 36, "cardinality": 2 });
    let mut deleted = add("p=a%2520b/x%20y.parquet", 7);
    deleted["add"]["deletionVector"] = vector;
    let properties = json!({ "delta.checkpointInterval": "7", "delta.dataSkippingNumIndexedCols": "-1",
        "delta.dataSkippingStatsColumns": "long,m.x", "delta.appendOnly": "true" });
    let all = ["deletionVectors", "columnMapping", "timestampNtz"];
    let logs = [
        vec![protocol(1, 2), metadata(&json!([field("x", json!("long"))]), &json!({})), add("a.parquet", 1)],
        vec![features(&all, &all), metadata(&json!(columns), &properties), deleted, remove("old.parquet")],
        vec![protocol(2, 5), metadata(&mapped, &mapping), json!({ "txn": { "appId": "x", "version": 1 } })],
    ];
    logs.map(|log| log.iter().map(Value::to_string).collect::<Vec<_>>().join("\n").into_bytes()).into()
}

/// Names of files in a log, and paths of data files.
pub(crate) const LOG_NAMES: Target = Target { name: "log_names", grammar: Grammar::Text, run: log_name, seeds: names };

fn log_name(bytes: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(bytes);
    let root = Url::parse("file:///lake/t/").expect("a URL");
    let path = data_path(&root, &text);
    if let Ok(path) = &path {
        assert!(path.parts().all(|part| !matches!(part.as_ref(), "" | "." | "..")), "{path} leaves the table");
    }
    Outcome::of(&path).and(Outcome::from(parse_name(&text).is_some()))
}

fn names() -> Vec<Vec<u8>> {
    [
        "00000000000000000007.json",
        "00000000000000000007.checkpoint.parquet",
        "00000000000000000010.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json",
        "p=a%20b/c%2541.parquet",
        "file:///lake/t/p=1/x%20y.parquet",
        "s3://bucket/x.parquet",
        "a/%2e%2e/b",
    ]
    .map(|name| name.as_bytes().to_vec())
    .into()
}
