//! What an exchange's rows go into.
//!
//! Knows how rows are sent and what comes back of them, and nothing of messages.

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef};

use crate::{
    engine::{Append, Change, ChangeRequest, CommitOutcome, Error, Result, Snapshot},
    protocol::{
        change::ChangeShape,
        exchange::Operation,
        types::{Conform, with_nulls},
    },
    service::{resolve::Readable, status::Answer},
};

/// An INSERT, UPDATE or DELETE that has not been committed. Dropping it leaves the table as it was.
pub(super) enum Work {
    Append { append: Box<dyn Append>, conform: Conform },
    Change { change: Box<dyn Change>, shape: ChangeShape },
}

impl Work {
    /// INSERT of rows that are sent as `sent`.
    ///
    /// NULLs pass wherever they stand: a generated column's are about to be filled, and the append says best which row
    /// has one that may not be.
    pub(super) async fn append(snapshot: &dyn Snapshot, sent: &SchemaRef) -> Answer<Self> {
        let conform = Conform::new(Arc::clone(sent), Arc::new(with_nulls(&snapshot.schema())))?;
        Ok(Self::Append { append: snapshot.append().await?, conform })
    }

    /// UPDATE or DELETE of rows of `table` that are sent as `sent`.
    pub(super) async fn change(
        operation: Operation,
        sent: &SchemaRef,
        name: &str,
        table: &Readable,
        returning: bool,
    ) -> Answer<Self> {
        let shape = ChangeShape::new(operation, sent, name, &table.columns)?;
        let request = ChangeRequest { kind: shape.kind().clone(), returning };
        Ok(Self::Change { change: table.snapshot.change(&request).await?, shape })
    }

    /// The columns that RETURNING gives back.
    pub(super) fn reply_schema(&self) -> &SchemaRef {
        match self {
            Self::Append { conform, .. } => conform.target(),
            Self::Change { shape, .. } => shape.reply_schema(),
        }
    }

    /// Takes rows; with `returning` it answers with as many, in the same order.
    pub(super) async fn write(&mut self, sent: &RecordBatch, returning: bool) -> Result<Option<RecordBatch>> {
        match self {
            Self::Append { append, conform } => {
                let written = append.write(conform.apply(sent)?).await?;
                Ok(returning.then_some(written))
            }
            Self::Change { change, shape } => {
                let rows = shape.take(sent)?;
                match (change.write(rows.clone()).await?, returning) {
                    (Some(changed), true) => Ok(Some(shape.reply(&changed, &rows)?)),
                    (_, false) => Ok(None),
                    (None, true) => Err(Error::internal("answering with the changed rows", "there are none")),
                }
            }
        }
    }

    /// Commits all rows as one version.
    pub(super) async fn commit(self) -> Result<CommitOutcome> {
        match self {
            Self::Append { append, .. } => append.commit().await,
            Self::Change { change, .. } => change.commit().await,
        }
    }
}
