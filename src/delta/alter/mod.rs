//! Changes of a table's definition: ALTER TABLE.
//!
//! - `draft`, `columns`, `references`, `protocol`: from one definition to the next, in the log's own words.
//! - `plan`: what a change does to a version: to its definition, and what it asks of its rows.
//! - `widened`: structs that get more fields.
//! - `default`: a default as the log keeps it.
//! - `check`: whether every row so far keeps a new rule.
//! - `rewrite`: all rows written again, for another type of a column.
//!
//! What Delta has as metadata is one commit of metadata. A definition that changed in between is looked at afresh, so
//! that two changes at once are both made, or the second is refused for what it then is.

mod check;
mod columns;
mod default;
mod draft;
mod plan;
mod protocol;
mod references;
mod rewrite;
mod widened;

use std::sync::Arc;

use serde_json::json;

use super::{
    commit::{ATTEMPTS_MAX, outrun, put_next, unknown},
    commit_info,
    definition::Definition,
    snapshot::DeltaSnapshot,
    table::DeltaTable,
};
use crate::engine::{Alteration, CommitOutcome, Error, Result, Snapshot};

use check::Checked;
use plan::Rows;
use rewrite::rewrite;

/// How often all rows are written for one change, when others change rows meanwhile.
const REWRITES_MAX: u32 = 4;

/// Makes a change to the newest definition; the version that has it, which is the newest one if there was nothing to
/// do.
///
/// The work goes on if the caller goes away.
pub(crate) async fn alter(table: &Arc<DeltaTable>, change: &Alteration) -> Result<Arc<dyn Snapshot>> {
    let (owned, change) = (table.clone(), change.clone());
    tokio::spawn(async move { run(&owned, &change).await }).await.unwrap_or_else(|died| Err(unknown(table, died)))
}

async fn run(table: &Arc<DeltaTable>, change: &Alteration) -> Result<Arc<dyn Snapshot>> {
    let mut checked = Checked::default();
    let mut lost = None;
    for _ in 0..REWRITES_MAX {
        let snapshot = newest(table).await?;
        let Some(plan) = plan::plan(&snapshot, change)? else { return Ok(Arc::new(snapshot)) };
        match &plan.rows {
            Rows::Any => return describe(table, change, checked).await,
            Rows::Keep(rule) => {
                // Most rows are looked at before others have to wait.
                checked.check(&snapshot, rule).await?;
                return describe(table, change, checked).await;
            }
            Rows::Become(conversion) => match rewrite(&snapshot, &plan, conversion).await? {
                CommitOutcome::Committed(altered) => return Ok(altered),
                CommitOutcome::Conflict { reason } => lost = Some(reason),
            },
        }
    }
    let (name, reason) = (table.store().name(), lost.unwrap_or_default());
    Err(Error::Conflict(format!(
        "table '{name}' was written to while its rows were rewritten, {REWRITES_MAX} times in a row; nothing was \
         changed: {reason}"
    )))
}

/// Commits a change of the definition alone.
async fn describe(table: &Arc<DeltaTable>, change: &Alteration, mut checked: Checked) -> Result<Arc<dyn Snapshot>> {
    let _turn = table.lock_commits().await;
    for attempt in 0..ATTEMPTS_MAX {
        let snapshot = newest(table).await?;
        let Some(plan) = plan::plan(&snapshot, change)? else { return Ok(Arc::new(snapshot)) };
        match &plan.rows {
            Rows::Any => {}
            Rows::Keep(rule) => checked.check(&snapshot, rule).await?,
            Rows::Become(_) => {
                let name = table.store().name();
                return Err(Error::Conflict(format!("the columns of table '{name}' changed meanwhile")));
            }
        }
        let definition = definition_actions(snapshot.definition(), &plan.definition);
        let commit = commit_info::change(&snapshot, &plan.operation, definition)?;
        if let Some(altered) = put_next(table, snapshot.state(), &commit, attempt).await? {
            return Ok(Arc::new(altered));
        }
    }
    Err(outrun(table))
}

async fn newest(table: &Arc<DeltaTable>) -> Result<DeltaSnapshot> {
    Ok(DeltaSnapshot::new(table.clone(), table.newest().await?))
}

/// The actions that lead from one definition to another.
fn definition_actions(from: &Definition, to: &Definition) -> Vec<serde_json::Value> {
    let protocol = (from.protocol() != to.protocol()).then(|| json!({ "protocol": to.protocol() }));
    let metadata = (from.metadata() != to.metadata()).then(|| json!({ "metaData": to.metadata() }));
    protocol.into_iter().chain(metadata).collect()
}

#[cfg(test)]
mod tests;
