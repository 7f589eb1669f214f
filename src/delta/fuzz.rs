//! Targets of what a log says: other writers made it, or somebody who may write to the storage.

use std::sync::{Arc, OnceLock};

use object_store::{ObjectStoreExt, memory::InMemory, path::Path};
use serde_json::{Value, json};
use url::Url;

use super::{
    actions::parse_commit,
    checkpoint::{Background, checkpoint_behind},
    definition::Definition,
    duckdb_types::TypeText,
    file::data_path,
    fixtures::{Lake, add, features, field, field_with, metadata, newest, protocol, remove},
    log::LOG_DIRECTORY,
    log_listing::parse_name,
    scan,
    store::TableStore,
    table::DeltaTable,
};
use crate::fuzz::{GROWTH_BYTES_MAX, Grammar, Outcome, Target};

pub(crate) use super::scan::fuzz::{DATA_FILES, DELETION_VECTORS, PARTITION_VALUES, STATISTICS};

/// Commit files, and the table that their protocol and metadata make.
pub(crate) const COMMITS: Target =
    Target { name: "commits", grammar: Grammar::Text, growth_bytes_max: GROWTH_BYTES_MAX, run: commit, seeds: commits };

/// What a column's metadata says of its type in DuckDB.
pub(crate) const TYPE_TEXTS: Target = Target {
    name: "type_texts",
    grammar: Grammar::Text,
    growth_bytes_max: GROWTH_BYTES_MAX,
    run: type_text,
    seeds: || ["UBIGINT", "MAP(UUID, INTERVAL[3][])", "STRUCT[]", "TIME WITH TIME ZONE"].map(Into::into).into(),
};

fn type_text(bytes: &[u8]) -> Outcome {
    Outcome::from(TypeText::parse(&String::from_utf8_lossy(bytes)).map(|text| text.is_plain()))
}

fn commit(bytes: &[u8]) -> Outcome {
    let root = Url::parse("file:///lake/t/").expect("a URL");
    let changes = parse_commit(&root, bytes);
    let Ok(found) = &changes else { return Outcome::of(&changes) };
    let files = Outcome::from((found.added.len().min(3), found.removed.len().min(3)));
    let (Some(protocol), Some(metadata)) = (&found.protocol, &found.metadata) else { return files };
    let definition = Definition::try_new("t", protocol.clone(), metadata.clone());
    if let Ok(definition) = &definition {
        let _ = definition.check_append("t");
        let _ = (definition.checkpoint_interval(0), definition.stats_columns());
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

/// Logs with one file replaced: the first byte says which of [`REPLACED`].
pub(crate) const LOGS: Target =
    Target { name: "logs", grammar: Grammar::Text, growth_bytes_max: GROWTH_BYTES_MAX, run: log, seeds: logs };

/// As [`LOGS`], of checkpoints: mutated as the Parquet they are.
pub(crate) const CHECKPOINTS: Target = Target {
    name: "checkpoints",
    grammar: Grammar::Binary,
    growth_bytes_max: scan::fuzz::PAGE_BYTES_MAX,
    run: log,
    seeds: checkpoints,
};

const REPLACED: [&str; 3] = ["00000000000000000002.json", "_last_checkpoint", CHECKPOINT];

const CHECKPOINT: &str = "00000000000000000001.checkpoint.parquet";

fn log(bytes: &[u8]) -> Outcome {
    let Some((which, bytes)) = bytes.split_first() else { return Outcome::from("short") };
    let replaced = REPLACED[usize::from(*which) % REPLACED.len()];
    scan::fuzz::runtime().block_on(async {
        let objects = Arc::new(InMemory::new());
        for (name, honest) in honest_log() {
            let content = if name == replaced { bytes.to_vec() } else { honest.clone() };
            let path = Path::from_iter([LOG_DIRECTORY, name]);
            objects.put(&path, content.into()).await.expect("memory takes all");
        }
        let store = TableStore::remote(Url::parse("memory:///t/").expect("a URL"), objects);
        let table = Arc::new(DeltaTable::new(store, Arc::new(Background::default())));
        let snapshot = newest(&table).await;
        let files = match &snapshot {
            Ok(snapshot) => snapshot.files().await.map(|files| files.len().min(5)),
            Err(_) => Ok(0),
        };
        let cause = |error: &crate::engine::Error| std::error::Error::source(error).map(ToString::to_string);
        let causes = (snapshot.as_ref().err().and_then(cause), files.as_ref().err().and_then(cause));
        let causes = Outcome::of(&Err::<(), _>(format!("{causes:?}")));
        Outcome::of(&snapshot).and(Outcome::of(&files)).and(causes).and(Outcome::from(files.ok()))
    })
}

/// Version 2 of a table whose first two commits are gone behind a checkpoint.
fn honest_log() -> &'static [(String, Vec<u8>)] {
    static LOG: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    LOG.get_or_init(|| {
        let lake = Lake::new();
        lake.write("t", 0, &[protocol(1, 2), metadata(&json!([field("x", json!("long"))]), &json!({}))]);
        lake.write("t", 1, &[add("a", 1), add("b", 2)]);
        lake.write("t", 2, &[remove("a"), add("c", 3)]);
        scan::fuzz::runtime().block_on(async {
            let background = Background::default();
            let store = TableStore::open(&lake.location("t")).expect("a local table");
            checkpoint_behind(&background, Arc::new(store), 1);
            background.finish().await;
        });
        let entries = std::fs::read_dir(lake.path("t").join(LOG_DIRECTORY)).expect("a log");
        let files = entries.map(|entry| entry.expect("an entry").path());
        let read = |path: std::path::PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
            (name, std::fs::read(path).expect("a file"))
        };
        let later = |name: &str| name.starts_with('_') || *name >= *CHECKPOINT;
        files.map(read).filter(|(name, _)| later(name)).collect()
    })
}

fn replacing(which: u8) -> Vec<u8> {
    let name = REPLACED[usize::from(which)];
    let (_, bytes) = honest_log().iter().find(|(known, _)| known == name).expect("it is there");
    [&[which], &bytes[..]].concat()
}

fn logs() -> Vec<Vec<u8>> {
    let commits = commits().into_iter().map(|commit| [&[0], &commit[..]].concat());
    commits.chain([replacing(0), replacing(1)]).collect()
}

fn checkpoints() -> Vec<Vec<u8>> {
    vec![replacing(2)]
}

/// Names of files in a log, and paths of data files.
pub(crate) const LOG_NAMES: Target = Target {
    name: "log_names",
    grammar: Grammar::Text,
    growth_bytes_max: GROWTH_BYTES_MAX,
    run: log_name,
    seeds: names,
};

fn log_name(bytes: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(bytes);
    let root = Url::parse("file:///lake/t/").expect("a URL");
    let path = data_path(&root, &text);
    if let Ok(path) = &path {
        assert!(path.parts().all(|part| !matches!(part.as_ref(), "" | "." | "..")), "{path} leaves the table");
    }
    Outcome::from((path.is_ok(), parse_name(&text).is_some()))
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
