//! Changes of a table's definition: ALTER TABLE.
//!
//! - `draft`, `columns`, `references`, `protocol`: from one definition to the next, in the log's own words.
//! - `plan`: what a change does to a version: to its definition, and what it asks of its rows.
//! - `check`: whether every row so far keeps a new rule.
//!
//! What Delta has as metadata is one commit of metadata. A definition that changed in between is looked at afresh, so
//! that two changes at once are both made, or the second is refused for what it then is.

mod check;
mod columns;
mod draft;
mod plan;
mod protocol;
mod references;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use super::{
    commit::{ATTEMPTS_MAX, outrun, put_next, unknown},
    commit_info,
    definition::Definition,
    snapshot::DeltaSnapshot,
    table::DeltaTable,
};
use crate::engine::{Alteration, Result};

use check::Checked;
use plan::{Plan, Rows};

/// Makes a change to the newest definition; the version that has it, which is the newest one if there was nothing to
/// do.
///
/// The work goes on if the caller goes away.
pub(crate) async fn alter(table: &Arc<DeltaTable>, change: &Alteration) -> Result<DeltaSnapshot> {
    let (owned, change) = (table.clone(), change.clone());
    tokio::spawn(async move { run(&owned, &change).await }).await.unwrap_or_else(|died| Err(unknown(table, died)))
}

async fn run(table: &Arc<DeltaTable>, change: &Alteration) -> Result<DeltaSnapshot> {
    let mut checked = Checked::default();
    // Most rows are looked at before others have to wait.
    let snapshot = newest(table).await?;
    match plan::plan(&snapshot, change)? {
        None => return Ok(snapshot),
        Some(Plan { rows: Rows::Any, .. }) => {}
        Some(Plan { rows: Rows::Keep(rule), .. }) => checked.check(&snapshot, &rule).await?,
    }
    let _turn = table.lock_commits().await;
    for attempt in 0..ATTEMPTS_MAX {
        let snapshot = newest(table).await?;
        let Some(plan) = plan::plan(&snapshot, change)? else { return Ok(snapshot) };
        if let Rows::Keep(rule) = &plan.rows {
            checked.check(&snapshot, rule).await?;
        }
        let commit = commit_of(&snapshot, &plan)?;
        if let Some(altered) = put_next(table, snapshot.state(), commit, attempt).await? {
            return Ok(altered);
        }
    }
    Err(outrun(table))
}

async fn newest(table: &Arc<DeltaTable>) -> Result<DeltaSnapshot> {
    Ok(DeltaSnapshot::new(table.clone(), table.newest().await?))
}

fn commit_of(base: &DeltaSnapshot, plan: &Plan) -> Result<Bytes> {
    use crate::engine::Snapshot;
    commit_info::change(base.version(), &plan.operation, definition_actions(base.definition(), &plan.definition))
}

/// The actions that lead from one definition to another.
fn definition_actions(from: &Definition, to: &Definition) -> Vec<serde_json::Value> {
    let protocol = (from.protocol() != to.protocol()).then(|| json!({ "protocol": to.protocol() }));
    let metadata = (from.metadata() != to.metadata()).then(|| json!({ "metaData": to.metadata() }));
    protocol.into_iter().chain(metadata).collect()
}

#[cfg(test)]
mod tests;
