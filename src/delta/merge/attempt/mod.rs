//! One MERGE of one version, its commit, and what makes it necessary to do it all again.
//!
//! A MERGE is as if it had run alone. What others commit after the version it read stands in its way if it changed or
//! removed rows that the MERGE changes, or brought rows that its condition could match ([`Guard`]); then what was staged
//! is removed and all is done again on the newest version, from the rows of the source that were kept. Other commits are
//! passed over as UPDATE and DELETE do. Where the MERGE relies on a row that it leaves as it is, because it would have
//! added one otherwise, rows that went stand in its way, too.
//!
//! Everything up to the commit ends with the future that runs it; the commit itself goes on in a task of its own. An
//! attempt is lost only if its commit is known not to stand; one that nobody knows of is an error.
//!
//! # Attempts
//!
//! The first of a MERGE runs beside those of others; from the second on an attempt has the table's MERGEs in this process
//! to itself ([`Turns`]), so that none is overtaken for ever. Of many upserts of the same keys at once each is done twice
//! that way, and as many more of them may wait; were two attempts free, each would be done three times, in no less time.
//! Other processes and other statements may still come first, which is what [`ATTEMPTS_MAX`] bounds: of five processes
//! under constant fire one that goes on as quickly as the others hardly ever comes last so many times.

mod turns;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use uuid::Uuid;

use self::turns::Turn;
pub(crate) use self::turns::Turns;
use super::{
    apply::{Applied, apply},
    matching::Matching,
    source::{MemoryBudget, SourceRows},
};
use crate::{
    delta::{
        change::{ChangeSet, Guard, Landing, Means, MergeStatement, Statement, land},
        commit::conflict,
        snapshot::DeltaSnapshot,
        write::{Staged, settle_by},
    },
    engine::{Error, MergeCounts, MergeOutcome, Merged, Result},
    expression::{Dialect, Expression},
    merge::{Action, Clause, Key, MergePlan, When},
};

/// How often a MERGE is done before it gives up.
const ATTEMPTS_MAX: u32 = 30;

/// How many attempts run beside others of the table.
const FREE_ATTEMPTS: u32 = 1;

/// Rows of RETURNING that are sent together, as scans send them.
const RETURNED_ROWS_MAX: usize = 8192;

/// The longest pause between attempts.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Merges into `base`, or into what came after it. May be dropped at any time.
pub(crate) async fn run(
    base: DeltaSnapshot,
    plan: Arc<MergePlan>,
    source: Arc<SourceRows>,
    memory: MemoryBudget,
) -> Result<MergeOutcome> {
    attempts(base, &Plan { plan, source, memory }).await
}

/// What is done in each attempt.
#[async_trait]
trait Work: Send + Sync {
    /// What the MERGE makes of a version.
    async fn apply(&self, base: &DeltaSnapshot) -> Result<Applied>;

    /// What the log says of it when that is committed.
    fn statement(&self, counts: MergeCounts) -> MergeStatement;

    /// Whether it relies on rows that it does not change.
    fn relies_on_rows(&self) -> bool;
}

struct Plan {
    plan: Arc<MergePlan>,
    source: Arc<SourceRows>,
    memory: MemoryBudget,
}

#[async_trait]
impl Work for Plan {
    async fn apply(&self, base: &DeltaSnapshot) -> Result<Applied> {
        let Self { plan, source, memory } = self;
        let matching = Matching::new(Arc::clone(plan), base.source().await?, Arc::clone(source), memory.clone())?;
        apply(base, plan, matching, source, memory).await
    }

    fn statement(&self, counts: MergeCounts) -> MergeStatement {
        MergeStatement { parameters: parameters(&self.plan), counts, source_rows: self.source.len() }
    }

    fn relies_on_rows(&self) -> bool {
        relies_on_rows(&self.plan)
    }
}

async fn attempts(mut base: DeltaSnapshot, work: &dyn Work) -> Result<MergeOutcome> {
    let (first, table) = (base.clone(), Arc::clone(base.table()));
    let mut attempt = 1;
    loop {
        let begun = Instant::now();
        let turn = if attempt > FREE_ATTEMPTS { Some(table.turns().alone().await) } else { None };
        if attempt > 1 {
            let newest = table.newest().await?;
            if let Some(reason) = conflict(&first, &newest) {
                return Ok(MergeOutcome::Conflict { reason });
            }
            base = DeltaSnapshot::new(Arc::clone(&table), newest);
        }
        match once(&base, work, turn, attempt == ATTEMPTS_MAX).await? {
            Attempt::Committed(merged) => return Ok(MergeOutcome::Committed(merged)),
            Attempt::Redefined(reason) => return Ok(MergeOutcome::Conflict { reason }),
            Attempt::Lost(Some(told)) => {
                let reason = format!("{told}; it was done {attempt} times, and each time another commit came first");
                return Ok(MergeOutcome::Conflict { reason });
            }
            Attempt::Lost(None) => {}
        }
        tracing::debug!(table = table.store().name(), attempt, "a MERGE is done again: another commit came first");
        pause(begun.elapsed()).await;
        attempt += 1;
    }
}

/// A random time, so that those who lost together do not meet again; no longer than what is done again takes.
async fn pause(attempt: Duration) {
    let longest_us = attempt.min(PAUSE_MAX).as_micros() as u64;
    let (random, _) = Uuid::new_v4().as_u64_pair();
    tokio::time::sleep(Duration::from_micros(random % (longest_us + 1))).await;
}

/// How an attempt ended.
enum Attempt<T> {
    Committed(T),
    /// Nothing was changed, nor will be: why.
    Redefined(String),
    /// Nothing was changed, and nothing is left of it; what stood in the way, if that was wanted.
    Lost(Option<String>),
}

/// One attempt. Unless it has a turn already, it takes one when it commits.
async fn once(
    base: &DeltaSnapshot,
    work: &dyn Work,
    turn: Option<Turn>,
    wants_reason: bool,
) -> Result<Attempt<Merged>> {
    let Applied { changed, adds, changes, staged, counts, returned, could_matter } = work.apply(base).await?;
    if changed.is_empty() && adds.is_empty() {
        return Ok(Attempt::Committed(merged(base.clone(), counts, returned)));
    }
    let set = ChangeSet {
        statement: Statement::Merge(work.statement(counts)),
        means: Means::of(base),
        changed,
        adds,
        changes,
        guard: Some(Guard { could_matter, gone_too: work.relies_on_rows() }),
    };
    let turn = match turn {
        Some(turn) => Some(turn),
        None => base.table().turns().shared().await,
    };
    Ok(match commit(base.clone(), set, staged, turn, wants_reason).await? {
        Attempt::Committed(snapshot) => Attempt::Committed(merged(snapshot, counts, returned)),
        Attempt::Redefined(reason) => Attempt::Redefined(reason),
        Attempt::Lost(told) => Attempt::Lost(told),
    })
}

/// The commit of an attempt, which comes to its end whether or not this is dropped.
async fn commit(
    base: DeltaSnapshot,
    set: ChangeSet,
    staged: Vec<Staged>,
    turn: Option<Turn>,
    wants_reason: bool,
) -> Result<Attempt<DeltaSnapshot>> {
    let landing = async move {
        Ok(match land(&base, &set).await? {
            Landing::Landed(snapshot) => Attempt::Committed(snapshot),
            Landing::Redefined(reason) => Attempt::Redefined(reason),
            Landing::Obstructed(_) if !wants_reason => Attempt::Lost(None),
            Landing::Obstructed(obstruction) => Attempt::Lost(Some(obstruction.told(&base, &set).await)),
        })
    };
    let committing = tokio::spawn(async move {
        let _turn = turn;
        settle_by(staged, landing, |attempt| matches!(attempt, Attempt::Committed(_))).await
    });
    committing.await.map_err(|died| Error::internal("the commit did not come to an end", died))?
}

fn merged(snapshot: DeltaSnapshot, counts: MergeCounts, returned: Option<SourceRows>) -> Merged {
    let returned = returned.map(|rows| stream::iter(Arc::new(rows).slices(RETURNED_ROWS_MAX).map(Ok)).boxed());
    Merged { snapshot: Arc::new(snapshot), counts, returned }
}

/// Whether a row of the source may match rows that stay as they are, and would be added if they were not there.
fn relies_on_rows(plan: &MergePlan) -> bool {
    let of = |when: When| plan.clauses.iter().filter(move |clause| clause.when == when);
    let acts = |clause: &Clause| !matches!(clause.action, Action::DoNothing);
    let changes_all = of(When::Matched).take_while(|clause| acts(clause)).any(|clause| clause.condition.is_none());
    of(When::NotMatched).any(acts) && !changes_all
}

/// The operation's parameters in Spark's words (`DeltaOperations.Merge`).
fn parameters(plan: &MergePlan) -> Value {
    let of = |when| {
        let clauses = plan.clauses.iter().filter(|clause| clause.when == when);
        json!(clauses.filter_map(told).collect::<Vec<_>>()).to_string()
    };
    let mut parameters = json!({
        "matchedPredicates": of(When::Matched),
        "notMatchedPredicates": of(When::NotMatched),
        "notMatchedBySourcePredicates": of(When::NotMatchedBySource),
    });
    if let Some(predicate) = predicate(plan) {
        parameters["predicate"] = json!(json!([predicate]).to_string());
    }
    parameters
}

/// What a clause does to which rows; `None` if it changes none.
fn told(clause: &Clause) -> Option<Value> {
    let action = match clause.action {
        Action::Update(_) => "update",
        Action::Insert(_) => "insert",
        Action::Delete => "delete",
        Action::DoNothing | Action::Error(_) => return None,
    };
    let mut told = json!({ "actionType": action });
    if let Some(condition) = clause.condition.as_ref().and_then(sql) {
        told["predicate"] = json!(condition);
    }
    Some(told)
}

/// ON, if it can be written.
fn predicate(plan: &MergePlan) -> Option<String> {
    let key = |key: &Key| {
        let equals = if key.nulls_equal { "<=>" } else { "=" };
        Some(format!("({} {equals} {})", side(plan, &key.target)?, side(plan, &key.source)?))
    };
    let on = &plan.on;
    let conditions = on.target.iter().chain(&on.source).chain(&on.rest).map(sql);
    let parts = on.keys.iter().map(key).chain(conditions).collect::<Option<Vec<_>>>()?;
    Some(if parts.is_empty() { "true".to_owned() } else { parts.join(" AND ") })
}

/// A side of a key; a mere column says whose it is.
fn side(plan: &MergePlan, side: &Expression) -> Option<String> {
    let whose = |column| if column < plan.target_columns { "target" } else { "source" };
    Some(match side.as_column() {
        Some(column) => format!("{}.{}", whose(column), sql(side)?),
        None => sql(side)?,
    })
}

/// In Spark's SQL, or else as DuckDB has it: it is there to be read.
fn sql(expression: &Expression) -> Option<String> {
    expression.to_sql(Dialect::Spark).or_else(|_| expression.to_sql(Dialect::DuckDb)).ok()
}

#[cfg(test)]
mod tests;
