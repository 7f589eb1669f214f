//! MERGE: rows of a source against rows of a table.
//!
//! - `kept`: which of the source's columns are kept.
//! - `source`: the source's rows, kept in memory and past a limit on disk, and found again by their keys.
//! - `matching`: which rows of the target match which of the source, and which clause is theirs.
//! - `apply`: what the clauses say, done: changed rows noted, new rows and the change data feed staged.
//! - `attempt`: one MERGE of one version, its commit, and what makes it necessary to do it all again.
//!
//! What the clauses mean is [`crate::merge`]'s to say.

mod apply;
mod attempt;
mod kept;
mod key_text;
mod matching;
mod source;

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use async_trait::async_trait;

pub(crate) use self::attempt::Turns;
use self::{
    kept::KeptColumns,
    source::{MemoryBudget, Spool},
};
use super::snapshot::DeltaSnapshot;
use crate::{
    engine::{Merge, MergeOutcome, MergeRequest, Result, Snapshot},
    merge::{MergePlan, Target, plan},
};

/// The columns that RETURNING gives back.
pub(crate) fn returns(base: &DeltaSnapshot, request: &MergeRequest) -> Result<Option<SchemaRef>> {
    Ok(plan_of(base, request)?.returning.map(|returning| returning.columns))
}

/// Begins a MERGE into a version.
pub(crate) async fn begin(base: DeltaSnapshot, request: &MergeRequest) -> Result<Box<dyn Merge>> {
    let plan = plan_of(&base, request)?;
    let options = base.table().merge_options();
    let memory = MemoryBudget::new(options.memory_bytes_max.get());
    let kept = KeptColumns::of(&plan, &request.source);
    let source = Spool::new(Arc::clone(kept.schema()), memory.clone(), options.spill_directory.clone());
    Ok(Box::new(DeltaMerge { base, plan: Arc::new(plan), memory, kept, source, failed: false }))
}

fn plan_of(base: &DeltaSnapshot, request: &MergeRequest) -> Result<MergePlan> {
    let columns = base.schema();
    let defaults = base.definition().defaults(now_us());
    let target = Target { name: &request.table, columns: &columns, defaults: &defaults };
    let plan = plan(&request.clauses, target, &request.source)?;
    apply::check(base, &plan)?;
    Ok(plan)
}

/// The moment of a statement, in microseconds since 1970.
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A MERGE whose source is still coming.
struct DeltaMerge {
    base: DeltaSnapshot,
    plan: Arc<MergePlan>,
    memory: MemoryBudget,
    kept: KeptColumns,
    source: Spool,
    /// A call has failed, or was given up half done.
    failed: bool,
}

#[async_trait]
impl Merge for DeltaMerge {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.check_sound()?;
        self.failed = true;
        self.source.push(self.kept.only(&batch)?).await?;
        self.failed = false;
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<MergeOutcome> {
        self.check_sound()?;
        let Self { base, plan, memory, source, .. } = *self;
        let source = Arc::new(source.finish().await?);
        attempt::run(base, plan, source, memory).await
    }

    async fn abort(self: Box<Self>) {}
}

impl DeltaMerge {
    fn check_sound(&self) -> Result<()> {
        match self.failed {
            false => Ok(()),
            true => Err(super::write::already_failed()),
        }
    }
}
