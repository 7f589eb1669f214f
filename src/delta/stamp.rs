//! What a commit must say that only the version before it tells: its own time, and the ids of its rows.
//!
//! Both change with the version that the commit becomes, so they are added anew for each attempt. Source: Delta's
//! PROTOCOL.md, "In-Commit Timestamps" and "Row Tracking".

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    actions::{ROW_TRACKING_DOMAIN, in_commit_timestamp_ms},
    commit_info::now_ms,
    table::DeltaTable,
    version::Version,
};
use crate::engine::{Error, Result};

/// `commit`, whose first line is its commitInfo, made fit to be the version after `base`.
///
/// # Errors
/// `FailedPrecondition` if the log lacks what the table's features promise.
pub(crate) async fn stamped(table: &DeltaTable, base: &Version, commit: &Bytes) -> Result<Bytes> {
    let definition = base.definition();
    if !definition.keeps_in_commit_timestamps() && !definition.assigns_row_ids() {
        return Ok(commit.clone());
    }
    let mut lines = parse(commit)?;
    if definition.keeps_in_commit_timestamps() {
        let time_ms = now_ms().max(time_ms(table, base).await?.saturating_add(1));
        lines[0]["commitInfo"]["inCommitTimestamp"] = json!(time_ms);
    }
    if definition.assigns_row_ids() {
        let highest = base.highest_row_id(table.store()).await?;
        let kept = with_row_ids(&mut lines, highest, base.number() + 1)?;
        lines.extend(kept);
    }
    let mut bytes = Vec::with_capacity(commit.len() + 256);
    for line in lines {
        serde_json::to_writer(&mut bytes, &line).map_err(|error| Error::internal("cannot write an action", error))?;
        bytes.push(b'\n');
    }
    Ok(bytes.into())
}

fn parse(commit: &Bytes) -> Result<Vec<Value>> {
    let lines: std::result::Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(commit).into_iter().collect();
    let lines = lines.map_err(|error| Error::internal("a commit of this server is no JSON", error))?;
    match lines.first().is_some_and(|first| first["commitInfo"].is_object()) {
        true => Ok(lines),
        false => {
            Err(Error::internal("a commit of this server is not as it must be", "commitInfo is not its first line"))
        }
    }
}

/// The time that the commit of `version` says for itself.
async fn time_ms(table: &DeltaTable, version: &Version) -> Result<i64> {
    let commit = table.log().read(version.number()).await?;
    commit.and_then(|commit| in_commit_timestamp_ms(&commit.bytes)).ok_or_else(|| {
        Error::FailedPrecondition(format!(
            "version {} of table '{}' does not say its time, which the table feature 'inCommitTimestamp' asks for",
            version.number(),
            table.store().name()
        ))
    })
}

/// Gives ids above `highest` to the rows of files that have none, and answers the line that keeps the new highest.
fn with_row_ids(lines: &mut [Value], highest: i64, version: u64) -> Result<Option<Value>> {
    let mut last = highest;
    for add in lines.iter_mut().filter_map(|line| line.get_mut("add")).filter(|add| add["baseRowId"].is_null()) {
        let rows = rows_of(add).ok_or_else(|| Error::internal("a new file has no row ids", "nor a number of rows"))?;
        add["baseRowId"] = json!(last + 1);
        add["defaultRowCommitVersion"] = json!(version);
        last = last.checked_add(rows).ok_or_else(|| {
            Error::ResourceExhausted(format!("a table whose highest row id is {highest} has no {rows} left"))
        })?;
    }
    let configuration = json!({ "rowIdHighWaterMark": last }).to_string();
    let domain = json!({ "domain": ROW_TRACKING_DOMAIN, "configuration": configuration, "removed": false });
    Ok((last > highest).then(|| json!({ "domainMetadata": domain })))
}

fn rows_of(add: &Value) -> Option<i64> {
    let stats: Value = serde_json::from_str(add["stats"].as_str()?).ok()?;
    stats["numRecords"].as_i64().filter(|rows| *rows >= 0)
}

#[cfg(test)]
mod tests;
