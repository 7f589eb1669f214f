//! Commits as the log keeps them: JSON lines, with the line that says who did what in front.

use std::{
    collections::HashMap,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use deltalake_core::kernel::{Action, Add, CommitInfo, Metadata, Protocol};
use serde_json::{Value, json};
use uuid::Uuid;

use super::snapshot::DeltaSnapshot;
use crate::engine::{Error, Result, Snapshot};

/// The engine as the log names it.
const ENGINE_INFO: &str = concat!("deltaport/", env!("CARGO_PKG_VERSION"));

/// The commit of an append.
pub(crate) fn append(base: &DeltaSnapshot, adds: Vec<Add>, rows: u64) -> Result<Bytes> {
    let bytes: i64 = adds.iter().map(|add| add.size).sum();
    let metrics = json!({
        "numFiles": adds.len().to_string(),
        "numOutputRows": rows.to_string(),
        "numOutputBytes": bytes.to_string(),
    });
    let parameters =
        json!({ "mode": "Append", "partitionBy": json!(base.definition().metadata().partition_columns()).to_string() });
    let mut info = info("WRITE", &parameters, &metrics);
    read_by(&mut info, base, true);
    encode(info, adds.into_iter().map(Action::Add))
}

/// Of which version the commit's writer knew, and whether all rows of a table that gives them ids kept theirs.
fn read_by(info: &mut CommitInfo, base: &DeltaSnapshot, keeps_row_ids: bool) {
    info.read_version = Some(base.version());
    if base.definition().keeps_row_ids() {
        info.info.insert("tags".to_owned(), json!({ "delta.rowTracking.preserved": keeps_row_ids.to_string() }));
    }
}

/// The commit that makes a table.
pub(crate) fn create(protocol: Protocol, metadata: Metadata) -> Result<Bytes> {
    let parameters = json!({
        "isManaged": "false",
        "description": metadata.description(),
        "partitionBy": json!(metadata.partition_columns()).to_string(),
        "properties": json!(metadata.configuration()).to_string(),
    });
    let info = info("CREATE TABLE", &parameters, &json!({}));
    encode(info, [Action::Protocol(protocol), Action::Metadata(metadata)])
}

/// The commit of another change of a table, which keeps the ids of its rows. Actions are the log's JSON.
pub(crate) fn change(base: &DeltaSnapshot, operation: &Operation, actions: Vec<Value>) -> Result<Bytes> {
    let mut info = info(operation.name, &operation.parameters, &operation.metrics);
    read_by(&mut info, base, true);
    with_info(info, actions)
}

/// The commit of changed rows, which other writers must not take for one that only added some. Rows in new files have
/// new ids.
pub(crate) fn change_of_rows(
    base: &DeltaSnapshot,
    operation: &Operation,
    keeps_row_ids: bool,
    actions: impl IntoIterator<Item = Value>,
) -> Result<Bytes> {
    let mut info = info(operation.name, &operation.parameters, &operation.metrics);
    read_by(&mut info, base, keeps_row_ids);
    info.is_blind_append = Some(false);
    with_info(info, actions)
}

fn with_info(info: CommitInfo, actions: impl IntoIterator<Item = Value>) -> Result<Bytes> {
    let info = serde_json::to_value(Action::CommitInfo(info)).map_err(broken)?;
    lines(std::iter::once(info).chain(actions))
}

/// What a commit says that it does, in Spark's words (`DeltaOperations.scala`).
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// An object whose values are texts; nested ones are JSON in them.
    pub(crate) parameters: Value,
    /// Likewise.
    pub(crate) metrics: Value,
}

/// Milliseconds since 1970-01-01, as the log keeps times.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Names and forms are Spark's (`DeltaOperations.scala`), which other tools show as history. Whether an append
/// was blind is left open: the server does not see what else DuckDB read for it.
fn info(operation: &str, parameters: &Value, metrics: &Value) -> CommitInfo {
    let object = |value: &Value| value.as_object().cloned().unwrap_or_default().into_iter().collect();
    let more = [
        ("operationMetrics".to_owned(), metrics.clone()),
        // Makes the commit's bytes unique: a writer that did not hear the answer knows its own by them.
        ("txnId".to_owned(), json!(Uuid::new_v4().to_string())),
    ];
    CommitInfo {
        timestamp: Some(now_ms()),
        operation: Some(operation.to_owned()),
        operation_parameters: Some(object(parameters)),
        engine_info: Some(ENGINE_INFO.to_owned()),
        info: HashMap::from(more),
        ..CommitInfo::default()
    }
}

fn encode(info: CommitInfo, actions: impl IntoIterator<Item = Action>) -> Result<Bytes> {
    lines(std::iter::once(Action::CommitInfo(info)).chain(actions))
}

fn lines<T: serde::Serialize>(actions: impl IntoIterator<Item = T>) -> Result<Bytes> {
    let mut lines = Vec::new();
    for action in actions {
        serde_json::to_writer(&mut lines, &action).map_err(broken)?;
        lines.push(b'\n');
    }
    Ok(lines.into())
}

fn broken(error: serde_json::Error) -> Error {
    Error::internal("cannot write an action as JSON", error)
}
