//! DoExchange: a statement's rows come in, one commit is made, its count goes back.
//!
//! The whole exchange lives in the answer's stream: when the client goes away the stream is dropped, and with it
//! the append, which then removes what it had staged. Only the commit itself runs detached, because half a commit
//! cannot be taken back.

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::{FlightData, FlightDescriptor};
use futures::{StreamExt, stream};
use tokio::time::{Instant, timeout, timeout_at};
use tonic::{Request, Response, Status, Streaming};

use super::{
    Airport,
    frames::{Frame, FrameEncoder},
    resolve::{self, Resolved},
    router::FrameStream,
    scan::encoding_failed,
    status::{Answer, Failure, status},
    transactions::TableName,
};
use crate::{
    catalog::Catalog,
    config::Limits,
    engine::{Append, CommitOutcome, Error, Snapshot},
    protocol::{
        descriptor::TableReference,
        exchange::{Operation, acknowledgement},
        headers::CallContext,
        ipc::{decode_batch, decode_schema_message},
        types::{Conform, with_nulls},
    },
};

/// DoExchange.
pub(super) async fn do_exchange(
    airport: Arc<Airport>,
    request: Request<Streaming<FlightData>>,
) -> Result<Response<FrameStream>, Status> {
    let context = resolve::context_of(request.metadata());
    let insert = Insert::begin(airport, context, request.into_inner()).await.map_err(status)?;
    Ok(Response::new(insert.into_stream()))
}

/// An INSERT under way.
struct Insert {
    input: Input,
    append: Option<Box<dyn Append>>,
    encoder: FrameEncoder,
    schema_frame: Option<Frame>,
    /// RETURNING: one reply batch for each input batch.
    returning: bool,
    rows: u64,
    airport: Arc<Airport>,
    transaction: Option<String>,
    table: TableName,
    fresh: Option<FreshTable>,
}

impl Insert {
    /// Reads the opening messages, resolves the table they name and begins the append.
    async fn begin(airport: Arc<Airport>, context: CallContext, messages: Streaming<FlightData>) -> Answer<Self> {
        insert_only(context.operation()?)?;
        let mut opening = Opening::new(messages, airport.limits);
        let table_ref = TableReference::from_descriptor(&opening.descriptor().await?)?;
        let fresh = FreshTable::of(&airport, &context, TableName::from(&table_ref))?;
        airport.create_as.admit_insert(context.session_id.as_deref(), &TableName::from(&table_ref))?;
        let Resolved { name, snapshot, .. } = airport.resolve(&context, &table_ref).await?;
        let input = opening.input(snapshot.schema()).await?;
        let (encoder, schema_frame) = FrameEncoder::new(input.conform.target()).map_err(encoding_failed)?;
        Ok(Self {
            input,
            append: Some(snapshot.append().await?),
            encoder,
            schema_frame: Some(schema_frame),
            returning: context.return_chunks,
            rows: 0,
            airport,
            transaction: context.transaction_id,
            table: name,
            fresh,
        })
    }

    fn into_stream(self) -> FrameStream {
        let steps = stream::unfold(Some(self), |insert| async move {
            let mut insert = insert?;
            match insert.step().await {
                Ok(Step::More(frame)) => Some((Ok(frame), Some(insert))),
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
            let append = self.append.as_mut().ok_or_else(is_over)?;
            let written = append.write(rows).await?;
            self.rows += written.num_rows() as u64;
            if self.returning {
                return Ok(Step::More(self.encoder.batch(&written).map_err(encoding_failed)?));
            }
        }
        let snapshot = self.commit().await?;
        self.airport.transactions.advance(self.transaction.as_deref(), &self.table, &snapshot);
        if let Some(fresh) = &mut self.fresh {
            fresh.kept = true;
        }
        Ok(Step::Last(Frame::metadata(acknowledgement(self.rows).app_metadata)))
    }

    async fn commit(&mut self) -> Answer<Arc<dyn Snapshot>> {
        let append = self.append.take().ok_or_else(is_over)?;
        let commit = tokio::spawn(append.commit());
        match commit.await.map_err(|e| Error::internal("committing", e))?? {
            CommitOutcome::Committed(snapshot) => Ok(snapshot),
            CommitOutcome::Conflict { reason } => {
                Err(Error::Conflict(format!("INSERT into {} changed nothing: {reason}", self.table)).into())
            }
        }
    }
}

fn is_over() -> Error {
    Error::InvalidArgument("the exchange is over".to_owned())
}

enum Step {
    More(Frame),
    Last(Frame),
}

/// A table made by the same statement or transaction: unless kept, it is dropped again.
struct FreshTable {
    airport: Arc<Airport>,
    session: String,
    catalog: Arc<dyn Catalog>,
    name: TableName,
    kept: bool,
}

impl FreshTable {
    /// The table, if this call's transaction has just made it.
    fn of(airport: &Arc<Airport>, context: &CallContext, name: TableName) -> Answer<Option<Self>> {
        let (Some(session), Some(_)) = (&context.session_id, &context.transaction_id) else { return Ok(None) };
        let catalog = Arc::clone(airport.catalog(&name.catalog)?);
        // Never made for another table, not even to be thrown away: dropping one drops its table.
        let (airport, is_fresh) = (Arc::clone(airport), airport.fresh_tables.take(session, &name));
        Ok(is_fresh.then(|| Self { airport, session: session.clone(), catalog, name, kept: false }))
    }
}

impl Drop for FreshTable {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        self.airport.create_as.failed(Some(&self.session), &self.name);
        let (catalog, name) = (Arc::clone(&self.catalog), self.name.clone());
        tokio::spawn(async move {
            if let Err(error) = remove_if_untouched(catalog.as_ref(), &name).await {
                tracing::warn!(%error, table = %name, "the empty table of a failed CREATE TABLE AS stays");
            }
        });
    }
}

/// Drops a table nobody has written to since it was made.
async fn remove_if_untouched(catalog: &dyn Catalog, name: &TableName) -> crate::engine::Result<()> {
    let table = catalog.table(&name.schema, &name.table).await?;
    if table.snapshot().await?.version() == 0 {
        catalog.drop_table(&name.schema, &name.table).await?;
    }
    Ok(())
}

/// The client's half of an exchange up to its schema. The first message may hold the descriptor alone.
struct Opening {
    messages: Streaming<FlightData>,
    /// A message that has been read and not used up.
    pending: Option<FlightData>,
    limits: Limits,
    /// When the schema must have come.
    until: Instant,
}

impl Opening {
    fn new(messages: Streaming<FlightData>, limits: Limits) -> Self {
        Self { messages, pending: None, limits, until: Instant::now() + limits.opening_max }
    }

    async fn descriptor(&mut self) -> Answer<FlightDescriptor> {
        let mut message = self.next("a table").await?;
        let descriptor = message.flight_descriptor.take();
        self.pending = Some(message);
        descriptor.ok_or_else(|| Failure::Malformed("the first message of the exchange names no table".to_owned()))
    }

    /// Reads the schema and checks it against the table's.
    ///
    /// NULLs pass wherever they stand: a generated column's are about to be filled, and the append says best which row
    /// has one that may not be.
    async fn input(mut self, table_schema: SchemaRef) -> Answer<Input> {
        let mut message = self.next("a schema").await?;
        let mut empty = 0;
        while message.data_header.is_empty() {
            note_empty(&mut empty)?;
            message = self.next("a schema").await?;
        }
        let wire_schema = Arc::new(decode_schema_message("exchange", &message.data_header)?);
        self.limits.check_columns(&wire_schema)?;
        let conform = Conform::new(Arc::clone(&wire_schema), Arc::new(with_nulls(&table_schema)))?;
        Ok(Input { messages: self.messages, wire_schema, conform, limits: self.limits, empty: 0 })
    }

    async fn next(&mut self, what: &str) -> Answer<FlightData> {
        if let Some(message) = self.pending.take() {
            return Ok(message);
        }
        let Ok(message) = timeout_at(self.until, self.messages.message()).await else {
            let seconds = self.limits.opening_max.as_secs();
            return Err(Failure::Silent(format!(
                "the exchange did not name {what} within {seconds} s, so it was ended and nothing was changed; the \
                 server may be started with a larger --opening-seconds-max"
            )));
        };
        let message = message.map_err(|status| Failure::receiving(status, &self.limits))?;
        message.ok_or_else(|| Failure::Malformed(format!("the exchange ended before it named {what}")))
    }
}

/// How many messages without rows may come in a row: none has a meaning, and each costs a little.
const EMPTY_MESSAGES_MAX: usize = 10_000;

fn note_empty(empty: &mut usize) -> Answer<()> {
    *empty += 1;
    match *empty <= EMPTY_MESSAGES_MAX {
        true => Ok(()),
        false => {
            Err(Failure::Malformed(format!("the exchange sent {EMPTY_MESSAGES_MAX} messages without rows in a row")))
        }
    }
}

/// The client's half of an exchange: its rows.
struct Input {
    messages: Streaming<FlightData>,
    /// The columns as the client sends them.
    wire_schema: SchemaRef,
    /// From those to the table's.
    conform: Conform,
    limits: Limits,
    /// Messages without rows since the last with some.
    empty: usize,
}

impl Input {
    /// The next rows, in the table's types; `None` after the client's half-close.
    async fn next(&mut self) -> Answer<Option<RecordBatch>> {
        while let Some(message) = self.message().await? {
            if message.data_header.is_empty() {
                note_empty(&mut self.empty)?;
                continue;
            }
            let rows = decode_batch("exchange", &message.data_header, message.data_body, &self.wire_schema)?;
            match rows.num_rows() {
                0 => note_empty(&mut self.empty)?,
                rows => self.check_rows(rows)?,
            }
            return Ok(Some(self.conform.apply(&rows)?));
        }
        Ok(None)
    }

    async fn message(&mut self) -> Answer<Option<FlightData>> {
        let Ok(message) = timeout(self.limits.idle_max, self.messages.message()).await else {
            let seconds = self.limits.idle_max.as_secs();
            return Err(Failure::Silent(format!(
                "no rows came for {seconds} s, so the statement was ended and nothing was changed; run it again, or \
                 start the server with a larger --idle-seconds-max"
            )));
        };
        message.map_err(|status| Failure::receiving(status, &self.limits))
    }

    fn check_rows(&mut self, rows: usize) -> Answer<()> {
        self.empty = 0;
        let rows_max = self.limits.batch_rows_max;
        match rows <= rows_max {
            true => Ok(()),
            false => Err(Error::ResourceExhausted(format!(
                "a message holds {rows} rows, more than {rows_max}; the server may be started with a larger \
                 --batch-rows-max"
            ))
            .into()),
        }
    }
}

fn insert_only(operation: Operation) -> Answer<()> {
    match operation {
        Operation::Insert => Ok(()),
        other => Err(Failure::Unsupported(format!("{} is not offered; INSERT is", other.to_string().to_uppercase()))),
    }
}
