//! Rows updated and deleted: which rows, what becomes of them, and the one commit that makes it so.
//!
//! - `changed_rows`: row ids, checked, as positions in files.
//! - `update`: new rows, made of what is set and what stays.
//! - `feed`: the change data feed, where a table keeps one.
//! - `vectors`: deletion vectors, written.
//! - `rewrite`: what stays of changed files, where a table has no vectors.
//! - `merge`: changed rows on top of what else was committed, or what stands in their way.
//! - `guard`: rows of others that stand in the way of a statement that does not change them.
//! - `operation`: what the log says of a statement.
//! - `commit`: the commit, on top of whatever else was committed that did not touch the same rows.

mod changed_rows;
mod commit;
mod feed;
mod guard;
mod merge;
mod operation;
mod rewrite;
mod update;
mod vectors;

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    datatypes::{DataType, Schema, SchemaRef},
};
use async_trait::async_trait;
use deltalake_core::kernel::Add;

use self::update::NewRows;
pub(crate) use self::{
    changed_rows::ChangedRows,
    commit::{ChangeSet, Landing, Means, land},
    feed::{ChangeType, Feed},
    guard::Guard,
    operation::{MergeStatement, Statement},
    rewrite::stage_survivors,
};
use super::{
    scan::{RowFetcher, RowPlace},
    snapshot::DeltaSnapshot,
    write::{Stage, Staged, already_failed, settle},
};
use crate::engine::{Change, ChangeKind, ChangeRequest, CommitOutcome, Error, Result, RowId, Snapshot};

/// Begins an UPDATE or DELETE of rows of a version.
pub(crate) async fn begin(base: DeltaSnapshot, request: &ChangeRequest) -> Result<Box<dyn Change>> {
    let table = base.table().store().name();
    let means = Means::of(&base);
    base.definition().check_change(table, &request.kind, means)?;
    let feed = Feed::begin(&base)?;
    let (old_rows, new_rows) = match &request.kind {
        ChangeKind::Delete => {
            let wanted = request.returning || feed.is_some();
            let all = (0..base.schema().fields().len()).collect();
            let fetcher = if wanted { Some(RowFetcher::new(base.source().await?, all)?) } else { None };
            (fetcher, None)
        }
        ChangeKind::Update(columns) => (None, Some(NewRows::begin(&base, columns, feed.is_some()).await?)),
    };
    let changed = ChangedRows::new(&base).await?;
    Ok(Box::new(DeltaChange {
        base,
        request: request.clone(),
        means,
        changed,
        old_rows,
        new_rows,
        feed,
        parts: None,
        failed: false,
    }))
}

/// An UPDATE or DELETE of a Delta table.
struct DeltaChange {
    base: DeltaSnapshot,
    request: ChangeRequest,
    means: Means,
    changed: ChangedRows,
    /// Of a DELETE, if anybody wants to know what is deleted.
    old_rows: Option<RowFetcher>,
    /// Of an UPDATE.
    new_rows: Option<NewRows>,
    feed: Option<Feed>,
    /// Of the batch that came last, and of what is set in it: those of one stream share their schema.
    parts: Option<(SchemaRef, SchemaRef)>,
    /// A call has failed: rows may have been noted that were not changed.
    failed: bool,
}

#[async_trait]
impl Change for DeltaChange {
    async fn write(&mut self, batch: RecordBatch) -> Result<Option<RecordBatch>> {
        self.check_sound()?;
        // Until it has succeeded: a caller that stops waiting leaves it half done, too.
        self.failed = true;
        let rows = self.take(&batch).await?;
        self.failed = false;
        Ok(if self.request.returning { rows } else { None })
    }

    async fn commit(self: Box<Self>) -> Result<CommitOutcome> {
        if let Err(failed) = self.check_sound() {
            self.abort().await;
            return Err(failed);
        }
        // A task of its own: a caller that goes away must not leave a commit half decided.
        let committing = tokio::spawn(self.into_version());
        committing.await.map_err(|e| Error::internal("the commit did not come to an end", e))?
    }

    async fn abort(self: Box<Self>) {
        if let Some(new_rows) = self.new_rows {
            new_rows.abort().await;
        }
        if let Some(feed) = self.feed {
            feed.abort().await;
        }
    }
}

impl DeltaChange {
    fn check_sound(&self) -> Result<()> {
        match self.failed {
            false => Ok(()),
            true => Err(already_failed()),
        }
    }

    async fn take(&mut self, batch: &RecordBatch) -> Result<Option<RecordBatch>> {
        let (values, row_ids) = self.split(batch)?;
        let places = self.changed.take(&row_ids).await?;
        match &self.request.kind {
            ChangeKind::Delete => self.delete(&places).await,
            ChangeKind::Update(_) => self.update(values, places).await,
        }
    }

    /// What is set, and the row ids.
    fn split(&mut self, batch: &RecordBatch) -> Result<(RecordBatch, ArrayRef)> {
        let Some((row_ids, values)) = batch.columns().split_last().filter(|(last, _)| are_row_ids(last)) else {
            return Err(Error::InvalidArgument("the last column of a change must hold the row ids".to_owned()));
        };
        let (came, schema) = match self.parts.take().filter(|(came, _)| Arc::ptr_eq(came, batch.schema_ref())) {
            Some(parts) => parts,
            None => (batch.schema(), first_columns(batch.schema_ref(), values.len())?),
        };
        self.parts = Some((came, Arc::clone(&schema)));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let values = RecordBatch::try_new_with_options(schema, values.to_vec(), &options);
        Ok((values.map_err(|e| Error::internal("taking row ids", e))?, Arc::clone(row_ids)))
    }

    async fn delete(&mut self, places: &[RowPlace]) -> Result<Option<RecordBatch>> {
        let Some(old_rows) = &mut self.old_rows else { return Ok(None) };
        let rows = old_rows.fetch(places).await?;
        if let Some(feed) = &mut self.feed {
            feed.write(&rows, ChangeType::Delete).await?;
        }
        Ok(Some(rows))
    }

    async fn update(&mut self, values: RecordBatch, places: Vec<RowPlace>) -> Result<Option<RecordBatch>> {
        let Some(new_rows) = &mut self.new_rows else { return Ok(None) };
        new_rows.write(values, places, self.request.returning, self.feed.as_mut()).await
    }

    async fn into_version(mut self) -> Result<CommitOutcome> {
        let mut staged = Vec::new();
        let mut stage = match self.new_rows.take() {
            Some(new_rows) => Some(new_rows.finish(self.feed.as_mut()).await?),
            None => None,
        };
        if self.changed.is_empty() {
            return Ok(CommitOutcome::Committed(Arc::new(self.base)));
        }
        if let Means::Rewrite = self.means {
            let stage = match &mut stage {
                Some(stage) => stage,
                None => stage.insert(Stage::begin(self.base.table().stage_target(self.base.definition()))?),
            };
            stage_survivors(&self.base, &self.changed, stage).await?;
        }
        let adds = match stage {
            Some(stage) => finished(stage.finish().await?, &mut staged),
            None => Vec::new(),
        };
        let changes = match self.feed.take() {
            Some(feed) => finished(feed.finish().await?, &mut staged),
            None => Vec::new(),
        };
        let (statement, means, changed) = (Statement::from(&self.request.kind), self.means, self.changed);
        let set = ChangeSet { statement, means, changed, adds, changes, guard: None };
        settle(staged, commit::commit(self.base, set)).await
    }
}

/// The Adds of staged files, which are kept until their commit is decided.
pub(crate) fn finished(mut files: Staged, staged: &mut Vec<Staged>) -> Vec<Add> {
    let adds = std::mem::take(&mut files.adds);
    staged.push(files);
    adds
}

fn first_columns(schema: &Schema, count: usize) -> Result<SchemaRef> {
    let first = schema.project(&(0..count).collect::<Vec<_>>());
    first.map(Arc::new).map_err(|e| Error::internal("taking row ids", e))
}

fn are_row_ids(column: &ArrayRef) -> bool {
    *column.data_type() == DataType::Struct(RowId::fields())
}

#[cfg(test)]
mod tests;
