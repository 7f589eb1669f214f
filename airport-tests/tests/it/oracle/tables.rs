//! Tables of every kind: the server makes one, and a commit of the test's own gives it what CREATE TABLE cannot ask
//! for, before it has any rows.

use std::{fs, path::Path};

use serde_json::{Value, json};

/// What a table is like.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kind {
    /// Rows leave their files by deletion vectors; else files are written again.
    pub(crate) vectors: bool,
    /// By so many of the first columns.
    pub(crate) partitioned: usize,
    /// Physical column names differ from the logical ones.
    pub(crate) mapped: bool,
    /// It keeps a change data feed.
    pub(crate) feed: bool,
}

/// Commits version 1 of a table that is empty at version 0.
pub(crate) fn amend(table: &Path, kind: Kind, partition_columns: &[&str]) {
    let log = table.join("_delta_log");
    let text = fs::read_to_string(log.join("00000000000000000000.json")).expect("the first commit");
    let actions: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let action = |name: &str| actions.iter().find_map(|action| action.get(name)).expect("it makes a table").clone();
    let (mut protocol, mut metadata) = (action("protocol"), action("metaData"));

    metadata["partitionColumns"] = json!(partition_columns);
    let mut property = |name: &str, value: &str| metadata["configuration"][name] = json!(value);
    property("delta.enableDeletionVectors", if kind.vectors { "true" } else { "false" });
    property("delta.enableChangeDataFeed", if kind.feed { "true" } else { "false" });
    if kind.vectors {
        require(&mut protocol, "deletionVectors", true);
    }
    if kind.feed {
        require(&mut protocol, "changeDataFeed", false);
    }
    if kind.mapped {
        require(&mut protocol, "columnMapping", true);
        map_columns(&mut metadata);
    }
    let info = json!({ "timestamp": 0, "operation": "SET TBLPROPERTIES", "operationParameters": {} });
    let lines = [json!({ "commitInfo": info }), json!({ "protocol": protocol }), json!({ "metaData": metadata })];
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    fs::write(log.join("00000000000000000001.json"), lines.join("\n")).expect("the log can be written to");
}

/// Adds a table feature.
fn require(protocol: &mut Value, feature: &str, of_readers: bool) {
    assert_eq!(protocol["minWriterVersion"], 7, "this server makes tables with features: {protocol}");
    let lists: &[&str] = if of_readers { &["readerFeatures", "writerFeatures"] } else { &["writerFeatures"] };
    for list in lists {
        let features = protocol[*list].as_array_mut().expect("a table with features lists them");
        if !features.iter().any(|listed| listed == feature) {
            features.push(json!(feature));
        }
    }
}

/// Gives every field an id and a physical name (PROTOCOL.md, "Column Mapping").
fn map_columns(metadata: &mut Value) {
    let schema = metadata["schemaString"].as_str().expect("text");
    let mut schema: Value = serde_json::from_str(schema).expect("JSON");
    let mut id = 0;
    map_fields(&mut schema, &mut id);
    metadata["schemaString"] = json!(schema.to_string());
    metadata["configuration"]["delta.columnMapping.mode"] = json!("name");
    metadata["configuration"]["delta.columnMapping.maxColumnId"] = json!(id.to_string());
}

fn map_fields(schema: &mut Value, id: &mut u64) {
    match schema {
        Value::Object(object) => {
            if object.contains_key("nullable") && object.contains_key("metadata") {
                *id += 1;
                object["metadata"]["delta.columnMapping.id"] = json!(*id);
                object["metadata"]["delta.columnMapping.physicalName"] = json!(format!("col-{id}"));
            }
            for (_, child) in object.iter_mut().filter(|(key, _)| *key != "metadata") {
                map_fields(child, id);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| map_fields(item, id)),
        _ => {}
    }
}
