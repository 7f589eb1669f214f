//! An append: rows that satisfy the table's rules are staged, and the committer leads them into a version.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;

use super::{
    AppendTarget, CommitAdds, Committer, Limits,
    stage::{Stage, Staged, settle},
};
use crate::{
    delta::rules::Rules,
    engine::{Append, CommitOutcome, Error, Result, Snapshot},
};

/// An append to a Delta table.
pub(super) struct DeltaAppend {
    rules: Rules,
    pub(super) stage: Stage,
    base: Arc<dyn Snapshot>,
    committer: Committer,
}

impl DeltaAppend {
    pub(super) fn begin(target: AppendTarget, limits: Limits) -> Result<Self> {
        let AppendTarget { stage, rules, base, committer } = target;
        Ok(Self { rules, stage: Stage::begin_within(stage, limits)?, base, committer })
    }
}

#[async_trait]
impl Append for DeltaAppend {
    async fn write(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        self.stage.write_ruled(&self.rules, &batch).await
    }

    async fn commit(self: Box<Self>) -> Result<CommitOutcome> {
        let Self { stage, base, committer, .. } = *self;
        match committer {
            _ if stage.is_empty() => Ok(CommitOutcome::Committed(base)),
            Committer::Alone(commit) => commit_alone(stage.finish().await?, commit).await,
            Committer::Shared(commit) => commit.commit(stage.end().await?).await,
        }
    }

    async fn abort(self: Box<Self>) {
        self.stage.abort().await;
    }
}

async fn commit_alone(mut staged: Staged, commit: Box<dyn CommitAdds>) -> Result<CommitOutcome> {
    let (adds, rows) = (std::mem::take(&mut staged.adds), staged.rows);
    // A task of its own: a caller that goes away must not leave a commit half decided.
    let committing = tokio::spawn(settle(vec![staged], commit.commit(adds, rows)));
    committing.await.map_err(|e| Error::internal("the commit did not come to an end", e))?
}
