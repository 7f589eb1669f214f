//! DoExchange: a statement's rows come in, one commit is made, its count goes back.
//!
//! The whole exchange lives in the answer's stream: when the client goes away the stream is dropped, and with it
//! the work, which then removes what it had staged. Only the commit itself runs detached, because half a commit
//! cannot be taken back.
//!
//! - `input`: the client's half, up to its schema and then its rows.
//! - `work`: what the rows go into, an append or a change.
//! - `in_out`: the rows of a function's table argument, whose result goes back.
//! - `fresh`: the table that a CREATE TABLE AS has made and must not leave behind.

mod fresh;
mod in_out;
mod input;
mod work;

use std::sync::Arc;

use arrow_flight::FlightData;
use futures::{StreamExt, stream};
use tonic::{Request, Response, Status, Streaming};

use self::{
    fresh::FreshTable,
    in_out::InOut,
    input::{Input, Opening},
    work::Work,
};
use super::{
    Airport,
    frames::{Frame, FrameEncoder},
    resolve,
    router::FrameStream,
    scan::encoding_failed,
    status::{Answer, Failure, status},
    transactions::TableName,
};
use crate::{
    engine::{CommitOutcome, Error, Snapshot},
    protocol::{
        action::AtClause,
        descriptor::TableReference,
        exchange::{Operation, acknowledgement},
        headers::CallContext,
    },
};

/// DoExchange.
pub(super) async fn do_exchange(
    airport: Arc<Airport>,
    request: Request<Streaming<FlightData>>,
) -> Result<Response<FrameStream>, Status> {
    let context = resolve::context_of(request.metadata());
    let frames = begin(airport, context, request.into_inner()).await.map_err(status)?;
    Ok(Response::new(frames))
}

async fn begin(airport: Arc<Airport>, context: CallContext, messages: Streaming<FlightData>) -> Answer<FrameStream> {
    let operation = offered(context.operation()?)?;
    let opening = Opening::new(messages, airport.limits);
    Ok(match operation {
        Operation::TableFunctionInOut => InOut::begin(airport, context, opening).await?.into_stream(),
        _ => Exchange::begin(airport, context, operation, opening).await?.into_stream(),
    })
}

/// A statement under way.
struct Exchange {
    input: Input,
    work: Option<Work>,
    encoder: FrameEncoder,
    schema_frame: Option<Frame>,
    /// RETURNING: one reply batch for each input batch.
    returning: bool,
    rows: u64,
    airport: Arc<Airport>,
    transaction: Option<String>,
    operation: Operation,
    table: TableName,
    fresh: Option<FreshTable>,
}

impl Exchange {
    /// Reads the opening messages, resolves the table they name and begins to work on it.
    async fn begin(
        airport: Arc<Airport>,
        context: CallContext,
        operation: Operation,
        mut opening: Opening,
    ) -> Answer<Self> {
        let table_ref = TableReference::from_descriptor(&opening.descriptor().await?)?;
        let fresh = match operation {
            Operation::Insert => FreshTable::of(&airport, &context, TableName::from(&table_ref))?,
            _ => None,
        };
        let (input, work) = begin_work(&airport, &context, operation, &table_ref, opening).await?;
        let (encoder, schema_frame) = FrameEncoder::new(work.reply_schema()).map_err(encoding_failed)?;
        Ok(Self {
            input,
            work: Some(work),
            encoder,
            schema_frame: Some(schema_frame),
            returning: context.return_chunks,
            rows: 0,
            airport,
            transaction: context.transaction_id,
            operation,
            table: TableName::from(&table_ref),
            fresh,
        })
    }

    fn into_stream(self) -> FrameStream {
        let steps = stream::unfold(Some(self), |exchange| async move {
            let mut exchange = exchange?;
            match exchange.step().await {
                Ok(Step::More(frame)) => Some((Ok(frame), Some(exchange))),
                Ok(Step::Last(frame)) => Some((Ok(frame), None)),
                Err(failure) => Some((Err(status(failure)), None)),
            }
        });
        steps.boxed()
    }

    /// Works until the client is owed a message.
    async fn step(&mut self) -> Answer<Step> {
        // The client waits for a schema before it sends rows, whether it wants rows back or not.
        if let Some(frame) = self.schema_frame.take() {
            return Ok(Step::More(frame));
        }
        while let Some(rows) = self.input.next().await? {
            let work = self.work.as_mut().ok_or_else(is_over)?;
            let reply = work.write(&rows, self.returning).await?;
            self.rows += rows.num_rows() as u64;
            if let Some(reply) = reply {
                return Ok(Step::More(self.encoder.batch(&reply).map_err(encoding_failed)?));
            }
        }
        let snapshot = self.commit().await?;
        self.airport.transactions.advance(self.transaction.as_deref(), &self.table, &snapshot);
        if let Some(fresh) = &mut self.fresh {
            fresh.keep();
        }
        Ok(Step::Last(Frame::metadata(acknowledgement(self.rows).app_metadata)))
    }

    async fn commit(&mut self) -> Answer<Arc<dyn Snapshot>> {
        let work = self.work.take().ok_or_else(is_over)?;
        let commit = tokio::spawn(work.commit());
        match commit.await.map_err(|e| Error::internal("committing", e))?? {
            CommitOutcome::Committed(snapshot) => Ok(snapshot),
            CommitOutcome::Conflict { reason } => {
                let statement = match self.operation {
                    Operation::Update => "UPDATE of",
                    Operation::Delete => "DELETE from",
                    _ => "INSERT into",
                };
                Err(Error::Conflict(format!("{statement} {} changed nothing: {reason}", self.table)).into())
            }
        }
    }
}

enum Step {
    More(Frame),
    Last(Frame),
}

fn offered(operation: Operation) -> Answer<Operation> {
    match operation {
        Operation::ScalarFunction => Err(Failure::Unsupported("scalar functions are not offered".to_owned())),
        offered => Ok(offered),
    }
}

/// Resolves the table and begins to work on it, once the client has told its schema.
async fn begin_work(
    airport: &Airport,
    context: &CallContext,
    operation: Operation,
    table_ref: &TableReference,
    opening: Opening,
) -> Answer<(Input, Work)> {
    if operation == Operation::Insert {
        airport.create_as.admit_insert(context.session_id.as_deref(), &TableName::from(table_ref))?;
        let snapshot = airport.resolve(context, table_ref).await?;
        let input = opening.input().await?;
        let work = Work::append(snapshot.as_ref(), input.schema()).await?;
        return Ok((input, work));
    }
    // Columns added since the client's ATTACH stay as they are, so they do not stand in the way.
    let table = airport.readable(context, table_ref, AtClause::Absent).await?;
    let input = opening.input().await?;
    let work = Work::change(operation, input.schema(), &table_ref.table, &table, context.return_chunks).await?;
    Ok((input, work))
}

fn is_over() -> Error {
    Error::InvalidArgument("the exchange is over".to_owned())
}
