//! DoExchange as the client does it (`airport_exchange.cpp`, `airport_insert.cpp`, `airport_update.cpp`,
//! `airport_delete.cpp`), one step at a time, so that a test can stop between any two.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema as ArrowSchema, SchemaRef},
    ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions},
};
use arrow_flight::{FlightData, FlightDescriptor, SchemaAsIpc, utils::flight_data_to_arrow_batch};
use serde::Deserialize;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming};

use super::{Client, Error, Result, Table, actions::unpack, cut::Cut, header};

/// DuckDB's vector size: no batch of the real client has more rows.
const BATCH_ROWS_MAX: usize = 2048;

impl Client {
    /// INSERT: the number of rows the server acknowledged.
    pub async fn insert(&self, table: &Table, rows: &[RecordBatch]) -> Result<u64> {
        Ok(self.insert_whole(table, rows, false).await?.0)
    }

    /// INSERT ... RETURNING: the number of rows acknowledged, and the rows that came back.
    pub async fn insert_returning(&self, table: &Table, rows: &[RecordBatch]) -> Result<(u64, Vec<RecordBatch>)> {
        self.insert_whole(table, rows, true).await
    }

    /// UPDATE: the number of rows the server acknowledged. Each batch has the columns that are set, then
    /// [`ROW_ID`](super::ROW_ID); there is at least one.
    pub async fn update(&self, table: &Table, rows: &[RecordBatch]) -> Result<u64> {
        Ok(self.change(table, "update", rows, false).await?.0)
    }

    /// UPDATE ... RETURNING: the number of rows acknowledged, and the rows that came back, in the table's order of
    /// columns. Each batch has all columns of the table, those that are set first, then the row ids.
    pub async fn update_returning(&self, table: &Table, rows: &[RecordBatch]) -> Result<(u64, Vec<RecordBatch>)> {
        self.change(table, "update", rows, true).await
    }

    /// DELETE: the number of rows the server acknowledged. Each batch has the row ids alone; there is at least one.
    pub async fn delete(&self, table: &Table, row_ids: &[RecordBatch]) -> Result<u64> {
        Ok(self.change(table, "delete", row_ids, false).await?.0)
    }

    /// DELETE ... RETURNING: the number of rows acknowledged, and the rows that were deleted.
    pub async fn delete_returning(&self, table: &Table, row_ids: &[RecordBatch]) -> Result<(u64, Vec<RecordBatch>)> {
        self.change(table, "delete", row_ids, true).await
    }

    /// Begins an exchange: sends the headers and the descriptor, nothing else.
    pub async fn exchange(&self, table: &Table, operation: &str, returning: bool) -> Exchange {
        self.exchange_with(FlightData::new().with_descriptor(table.descriptor.clone()), operation, returning).await
    }

    /// Begins an exchange with any first message.
    pub async fn exchange_with(&self, first: FlightData, operation: &str, returning: bool) -> Exchange {
        let descriptor = first.flight_descriptor.clone().unwrap_or_default();
        let exchange = self.exchange_unsaid(descriptor, operation, returning);
        exchange.send_message(first).await;
        exchange
    }

    /// Begins an exchange and says nothing.
    pub fn exchange_unsaid(&self, descriptor: FlightDescriptor, operation: &str, returning: bool) -> Exchange {
        // One message is in flight at a time, as in gRPC C++, whose writes wait for the transport.
        let (to_server, messages) = mpsc::channel(1);
        let mut request = self.table_request(ReceiverStream::new(messages), &descriptor, true);
        let cut = Cut::default();
        request.extensions_mut().insert(cut.clone());
        header(&mut request, "airport-operation", operation);
        header(&mut request, "return-chunks", if returning { "1" } else { "0" });
        let mut flight = self.flight.clone();
        // The answer's headers may not come before the server has seen the schema: wait for them elsewhere.
        let answer = Answer::Awaited(tokio::spawn(async move { flight.do_exchange(request).await }));
        Exchange { to_server: Some(to_server), answer, cut, descriptor, schema: None }
    }

    async fn insert_whole(
        &self,
        table: &Table,
        rows: &[RecordBatch],
        returning: bool,
    ) -> Result<(u64, Vec<RecordBatch>)> {
        self.whole(table, "insert", &table.insert_schema(), rows, returning).await
    }

    async fn change(
        &self,
        table: &Table,
        operation: &str,
        rows: &[RecordBatch],
        returning: bool,
    ) -> Result<(u64, Vec<RecordBatch>)> {
        let sent = rows.first().expect("a batch, which may be empty, says which columns there are").schema();
        let (changed, returned) = self.whole(table, operation, &sent_schema(&sent), rows, returning).await?;
        let read = |batch: &RecordBatch| match operation {
            "update" => read_updated(table, &sent, batch),
            _ => read_deleted(table, batch),
        };
        Ok((changed, returned.iter().map(read).collect::<Result<_>>()?))
    }

    async fn whole(
        &self,
        table: &Table,
        operation: &str,
        schema: &ArrowSchema,
        rows: &[RecordBatch],
        returning: bool,
    ) -> Result<(u64, Vec<RecordBatch>)> {
        let mut exchange = self.exchange(table, operation, returning).await;
        exchange.send_schema(schema).await;
        exchange.read_schema().await?;
        let mut returned = Vec::new();
        for batch in rows.iter().flat_map(slices) {
            exchange.send_batch(&batch).await;
            if returning {
                let reply = exchange.read_batch().await?;
                if reply.num_rows() != batch.num_rows() {
                    return Err(Error::Malformed(format!("{} rows for {}", reply.num_rows(), batch.num_rows())));
                }
                returned.push(reply);
            }
        }
        exchange.half_close();
        Ok((exchange.read_changed().await?, returned))
    }
}

/// The schema DuckDB makes of its own types: every field, nested ones too, is nullable and without metadata.
pub fn sent_schema(columns: &ArrowSchema) -> ArrowSchema {
    fn sent(field: &Field) -> Field {
        let data_type = match field.data_type() {
            DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| sent(field)).collect()),
            other => other.clone(),
        };
        Field::new(field.name(), data_type, true)
    }
    ArrowSchema::new(columns.fields().iter().map(|field| sent(field)).collect::<Vec<_>>())
}

/// What the client makes of the rows an UPDATE answers with: it finds each column of the table, and the row id, by
/// name; then it reads the columns at the places at which it sent them.
fn read_updated(table: &Table, sent: &ArrowSchema, reply: &RecordBatch) -> Result<RecordBatch> {
    if let Some(name) = table.column_names().iter().find(|name| reply.schema().index_of(name).is_err()) {
        return Err(Error::Malformed(format!("column {name:?} does not come back")));
    }
    let columns = table.insert_schema();
    let read = |field: &Arc<Field>| {
        let place = sent.index_of(field.name()).map_err(Error::malformed)?;
        let column = Arc::clone(reply.column(place));
        match column.data_type().equals_datatype(sent.field(place).data_type()) {
            true => Ok((field.name().clone(), column)),
            false => Err(Error::Malformed(format!("column {place} came back as {}", column.data_type()))),
        }
    };
    let columns = columns.fields().iter().map(read).collect::<Result<Vec<_>>>()?;
    RecordBatch::try_from_iter(columns).map_err(Error::malformed)
}

/// What the client makes of the rows a DELETE answers with: it finds each column by name.
fn read_deleted(table: &Table, reply: &RecordBatch) -> Result<RecordBatch> {
    let columns = table.insert_schema();
    let places = columns.fields().iter().map(|field| reply.schema().index_of(field.name()));
    reply.project(&places.collect::<Result<Vec<_>, _>>().map_err(Error::malformed)?).map_err(Error::malformed)
}

/// An open exchange. Dropping it cancels the call, unless it was half-closed and the server has ended it too.
#[derive(Debug)]
pub struct Exchange {
    to_server: Option<mpsc::Sender<FlightData>>,
    answer: Answer,
    cut: Cut,
    descriptor: FlightDescriptor,
    schema: Option<SchemaRef>,
}

#[derive(Debug)]
enum Answer {
    Awaited(JoinHandle<Result<Response<Streaming<FlightData>>, Status>>),
    Open(Box<Streaming<FlightData>>),
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Before the sender goes: a request that just ended would be a half-close.
        self.cut.off();
        if let Answer::Awaited(call) = &self.answer {
            call.abort();
        }
    }
}

impl Exchange {
    /// Sends the schema, with the descriptor once more, as the real client does.
    pub async fn send_schema(&self, schema: &ArrowSchema) {
        let message: FlightData = SchemaAsIpc::new(schema, &IpcWriteOptions::default()).into();
        self.send_message(message.with_descriptor(self.descriptor.clone())).await;
    }

    /// Sends one batch as one message.
    pub async fn send_batch(&self, batch: &RecordBatch) {
        let mut tracker = DictionaryTracker::new(false);
        let (dictionaries, batch) = IpcDataGenerator::default()
            .encode(batch, &mut tracker, &IpcWriteOptions::default(), &mut IpcWriteContext::default())
            .expect("a batch without dictionaries has an IPC form");
        assert!(dictionaries.is_empty(), "DuckDB sends no dictionaries");
        self.send_message(batch.into()).await;
    }

    /// Sends any message. If the server has ended the call, that shows at the next read.
    pub async fn send_message(&self, message: FlightData) {
        let to_server = self.to_server.as_ref().expect("the exchange was half-closed");
        to_server.send(message).await.ok();
    }

    /// Says that no more rows come.
    pub fn half_close(&mut self) {
        self.to_server = None;
    }

    /// The server's schema, its first message. The real client waits for it before it sends any row.
    pub async fn read_schema(&mut self) -> Result<SchemaRef> {
        let Some(message) = self.read_message().await? else { return Err(Error::malformed("no schema")) };
        let schema: SchemaRef = Arc::new(ArrowSchema::try_from(&message).map_err(Error::malformed)?);
        self.schema = Some(Arc::clone(&schema));
        Ok(schema)
    }

    /// The next batch of rows that come back.
    pub async fn read_batch(&mut self) -> Result<RecordBatch> {
        let schema = self.schema.clone().expect("the schema is read first");
        let Some(message) = self.read_message().await? else { return Err(Error::malformed("no batch")) };
        flight_data_to_arrow_batch(&message, schema, &HashMap::new()).map_err(Error::malformed)
    }

    /// The acknowledgement, and after it the end of the stream (`ReadChangedCount`).
    pub async fn read_changed(&mut self) -> Result<u64> {
        #[derive(Deserialize)]
        struct FinalMetadata {
            total_changed: u64,
        }
        let Some(message) = self.read_message().await? else { return Err(Error::malformed("no final message")) };
        if !message.data_header.is_empty() {
            return Err(Error::malformed("the final message has a header"));
        }
        let FinalMetadata { total_changed } = unpack(&message.app_metadata)?;
        match self.read_message().await? {
            None => Ok(total_changed),
            Some(_) => Err(Error::malformed("a message after the final one")),
        }
    }

    /// The next message, `None` at the end.
    pub async fn read_message(&mut self) -> Result<Option<FlightData>> {
        if let Answer::Awaited(call) = &mut self.answer {
            let response = call.await.expect("the call neither panics nor is aborted while it is read")?;
            self.answer = Answer::Open(Box::new(response.into_inner()));
        }
        let Answer::Open(messages) = &mut self.answer else { unreachable!("it was opened above") };
        Ok(messages.message().await?)
    }
}

pub(super) fn slices(batch: &RecordBatch) -> Vec<RecordBatch> {
    let starts = (0..batch.num_rows()).step_by(BATCH_ROWS_MAX);
    starts.map(|start| batch.slice(start, BATCH_ROWS_MAX.min(batch.num_rows() - start))).collect()
}
