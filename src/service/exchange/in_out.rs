//! The rows of a function's table argument: they come in, and after the last of them the result goes back.
//!
//! The client waits for an answer to each batch before it sends the next, and reads none but these, so the result can
//! only follow the half-close. It is sent when the commit is durable.

use std::{collections::VecDeque, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions},
    datatypes::{Schema, SchemaRef},
};
use futures::{StreamExt, stream, stream::BoxStream};

use super::{
    input::{Input, Opening},
    is_over,
};
use crate::{
    engine::{self, Error, Merge, MergeOutcome, Merged},
    protocol::{
        function::{CHUNK_CONTINUES, CHUNK_FINISHED, Call, FunctionReference},
        headers::CallContext,
        source::SourceShape,
        types::{travelling_column, travelling_field},
    },
    service::{
        Airport,
        frames::{Frame, FrameEncoder},
        functions::{Merging, Target, counts_schema},
        router::FrameStream,
        scan::encoding_failed,
        status::{Answer, Failure, status},
        transactions::TableName,
    },
};

/// The most rows of a reply batch: fewer than DuckDB's vector size of 2048, as the client takes a batch of exactly that
/// many for one that another follows (`storage/airport_table_function_set.cpp`).
const REPLY_ROWS_MAX: usize = 1024;

/// A call under way.
pub(super) struct InOut {
    input: Input,
    source: SourceShape,
    /// Absent once it is committed.
    merge: Option<Box<dyn Merge>>,
    schema_frame: Option<Frame>,
    replies: Replies,
    result: Option<Result>,
    airport: Arc<Airport>,
    transaction: Option<String>,
    table: TableName,
}

/// What goes back after the commit.
struct Result {
    batches: BoxStream<'static, engine::Result<RecordBatch>>,
    /// Pieces of a batch, and the one that must be known to go out as not the last.
    pieces: VecDeque<RecordBatch>,
}

impl InOut {
    /// Reads the opening messages, finds what they call and begins it.
    pub(super) async fn begin(airport: Arc<Airport>, context: CallContext, mut opening: Opening) -> Answer<Self> {
        let function = FunctionReference::from_descriptor(&opening.descriptor().await?)?;
        let call = Call::decode(&opening.call().await?)?;
        let input = opening.input().await?;
        let merging = airport.merging(&function, &call.arguments, input.schema(), call.at).await?;
        let planned = airport.planned_calls.of(&context, &call.parameters);
        if planned.as_ref().is_some_and(|planned| planned.returns != merging.returns) {
            return Err(Error::FailedPrecondition(format!(
                "columns of {} changed since {} was planned; run it again",
                merging.target.name, function.name
            ))
            .into());
        }
        let Merging { target: Target { name, snapshot }, request, source, returns } = merging;
        let merge = snapshot.merge(&request).await?;
        let (replies, schema_frame) = Replies::new(&returns)?;
        Ok(Self {
            input,
            source,
            merge: Some(merge),
            schema_frame: Some(schema_frame),
            replies,
            result: None,
            airport,
            transaction: planned.and_then(|planned| planned.transaction),
            table: name,
        })
    }

    pub(super) fn into_stream(self) -> FrameStream {
        let steps = stream::unfold(Some(self), |call| async move {
            let mut call = call?;
            match call.step().await {
                Ok(Some(frame)) => Some((Ok(frame), Some(call))),
                Ok(None) => None,
                Err(failure) => Some((Err(status(failure)), None)),
            }
        });
        steps.boxed()
    }

    /// Works until the client is owed a message; `None` when it has had the last.
    async fn step(&mut self) -> Answer<Option<Frame>> {
        // The client waits for a schema before it sends rows.
        if let Some(frame) = self.schema_frame.take() {
            return Ok(Some(frame));
        }
        if let Some(result) = &mut self.result {
            return result.next(&mut self.replies).await;
        }
        if let Some(rows) = self.input.next().await? {
            let merge = self.merge.as_mut().ok_or_else(is_over)?;
            let rows = self.source.take(&rows)?;
            if rows.num_rows() > 0 {
                merge.write(rows).await?;
            }
            return self.replies.nothing(CHUNK_FINISHED).map(Some);
        }
        self.source.check_complete()?;
        let merged = self.commit().await?;
        self.airport.transactions.advance_seen(self.transaction.as_deref(), &self.table, &merged.snapshot);
        let mut result = Result::of(merged)?;
        let first = result.next(&mut self.replies).await?;
        self.result = Some(result);
        match first {
            Some(first) => Ok(Some(first)),
            None => self.replies.nothing(CHUNK_FINISHED).map(Some),
        }
    }

    /// Ends when the client goes away, but for the commit itself, which the merge makes on its own.
    async fn commit(&mut self) -> Answer<Merged> {
        let merge = self.merge.take().ok_or_else(is_over)?;
        match merge.commit().await? {
            MergeOutcome::Committed(merged) => Ok(merged),
            MergeOutcome::Conflict { reason } => Err(conflict(&self.table, &reason).into()),
        }
    }
}

impl Result {
    fn of(merged: Merged) -> engine::Result<Self> {
        let batches = match merged.returned {
            Some(returned) => returned,
            None => stream::iter([counts(&merged)]).boxed(),
        };
        Ok(Self { batches, pieces: VecDeque::new() })
    }

    /// The next reply. A piece goes out when it is known whether another follows.
    async fn next(&mut self, replies: &mut Replies) -> Answer<Option<Frame>> {
        while self.pieces.len() < 2 {
            let Some(batch) = self.batches.next().await else { break };
            let batch = batch?;
            let starts = (0..batch.num_rows()).step_by(REPLY_ROWS_MAX);
            self.pieces.extend(starts.map(|at| batch.slice(at, REPLY_ROWS_MAX.min(batch.num_rows() - at))));
        }
        let Some(piece) = self.pieces.pop_front() else { return Ok(None) };
        let told = if self.pieces.is_empty() { CHUNK_FINISHED } else { CHUNK_CONTINUES };
        replies.rows(&piece, told).map(Some)
    }
}

fn conflict(table: &TableName, reason: &str) -> Error {
    Error::Conflict(format!("MERGE into {table} changed nothing: {reason}"))
}

/// One row: what changed, and the version that has it.
fn counts(merged: &Merged) -> engine::Result<RecordBatch> {
    let counts = merged.counts;
    let numbers = [counts.inserted, counts.updated, counts.deleted, merged.snapshot.version()];
    let column = |number| Arc::new(Int64Array::from(vec![i64::try_from(number).unwrap_or(i64::MAX)])) as ArrayRef;
    RecordBatch::try_new(counts_schema(), numbers.map(column).into())
        .map_err(|error| Error::internal("telling what a merge changed", error))
}

/// Makes the replies to the client.
struct Replies {
    encoder: FrameEncoder,
    schema: SchemaRef,
}

impl Replies {
    /// The replies of these columns, and the message of their schema.
    fn new(columns: &Schema) -> Answer<(Self, Frame)> {
        let schema = Arc::new(Schema::new(columns.fields().iter().map(travelling_field).collect::<Vec<_>>()));
        let (encoder, frame) = FrameEncoder::new(&schema).map_err(encoding_failed)?;
        Ok((Self { encoder, schema }, frame))
    }

    fn nothing(&mut self, told: &'static [u8]) -> Answer<Frame> {
        let nothing = RecordBatch::new_empty(Arc::clone(&self.schema));
        Ok(self.encoder.batch(&nothing).map_err(encoding_failed)?.with_metadata(told))
    }

    fn rows(&mut self, rows: &RecordBatch, told: &'static [u8]) -> Answer<Frame> {
        let columns = rows.columns().iter().map(travelling_column).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
        let rows = rows.map_err(|error| Failure::from(Error::internal("answering with the changed rows", error)))?;
        Ok(self.encoder.batch(&rows).map_err(encoding_failed)?.with_metadata(told))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(numbers: std::ops::Range<i64>) -> engine::Result<RecordBatch> {
        Ok(RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from_iter_values(numbers)) as ArrayRef)]).unwrap())
    }

    async fn count_of_replies(batches: Vec<engine::Result<RecordBatch>>) -> Answer<usize> {
        let (mut replies, _) = Replies::new(&numbers(0..0)?.schema())?;
        let mut result = Result { batches: stream::iter(batches).boxed(), pieces: VecDeque::new() };
        let mut count = 0;
        while result.next(&mut replies).await?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    #[tokio::test]
    async fn results_are_cut_to_replies() {
        let most = REPLY_ROWS_MAX as i64;
        for (batches, count) in [
            (vec![], 0),
            (vec![numbers(0..0)], 0),
            (vec![numbers(0..1), numbers(0..0), numbers(0..1)], 2),
            (vec![numbers(0..most)], 1),
            (vec![numbers(0..most + 1), numbers(0..10 * most)], 12),
        ] {
            assert_eq!(count_of_replies(batches).await.unwrap(), count);
        }
    }

    #[tokio::test]
    async fn a_result_that_breaks_off_is_an_error() {
        let broken = Err(Error::internal("reading what was changed", "no disk"));
        assert!(count_of_replies(vec![numbers(0..3), broken]).await.is_err());
    }

    #[test]
    fn a_conflict_says_that_nothing_was_changed() {
        let text = conflict(&TableName::new("lake", "s", "t"), "version 3").to_string();
        assert_eq!(text, "MERGE into lake.s.t changed nothing: version 3");
    }
}
