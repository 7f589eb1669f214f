//! A scan: `endpoints`, then DoGet of every endpoint.

use std::sync::Arc;

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::{Field, Schema as ArrowSchema, SchemaRef},
    ipc::reader::StreamReader,
};
use arrow_flight::{FlightData, FlightDescriptor, FlightEndpoint, Ticket, utils::flight_data_to_arrow_batch};
use prost::Message;
use serde::Deserialize;
use serde_bytes::ByteBuf;
use tonic::Streaming;

use super::{Client, Error, Packer, Result, Table, actions::unpack, header};

/// The name of the row id column.
pub const ROW_ID: &str = "rowid";

/// How the client numbers the row id column (`COLUMN_IDENTIFIER_ROW_ID`).
const ROW_ID_COLUMN: u64 = u64::MAX;

/// The only location an endpoint may have here: this server, over the connection that is open.
const REUSE_CONNECTION: &str = "arrow-flight-reuse-connection://?";

/// A scan that was read to its end.
#[derive(Debug, Clone)]
pub struct Scan {
    /// How many endpoints it had.
    pub endpoints: usize,
    /// The asked-for columns, in the order they were asked for.
    pub batches: Vec<RecordBatch>,
}

impl Scan {
    /// How many rows came.
    pub fn row_count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

impl Client {
    /// Reads the named columns (`rowid` for the row id) of the whole table.
    pub async fn scan(&self, table: &Table, columns: &[&str]) -> Result<Scan> {
        self.scan_where(table, columns, "[]").await
    }

    /// Reads the named columns; `filters` is the JSON array of DuckDB's filter expressions.
    pub async fn scan_where(&self, table: &Table, columns: &[&str], filters: &str) -> Result<Scan> {
        let endpoints = self.endpoints(table, columns, filters).await?;
        self.read_all(table, columns, endpoints).await
    }

    /// Reads the named columns of a table that [`Client::flight_info`] gave at the same `at_unit` and `at_value`.
    pub async fn scan_at(&self, table: &Table, columns: &[&str], at_unit: &str, at_value: &str) -> Result<Scan> {
        let filters = filters_message(columns, "[]");
        let ids = column_ids(table, columns);
        let endpoints = self.endpoints_at(&table.descriptor, filters.as_bytes(), &ids, (at_unit, at_value)).await?;
        self.read_all(table, columns, endpoints).await
    }

    async fn read_all(&self, table: &Table, columns: &[&str], endpoints: Vec<FlightEndpoint>) -> Result<Scan> {
        let mut scan = Scan { endpoints: endpoints.len(), batches: Vec::new() };
        for endpoint in endpoints {
            let mut stream = self.get(table, endpoint).await?;
            while let Some(batch) = stream.next().await? {
                scan.batches.push(pick(&batch, columns)?);
            }
        }
        Ok(scan)
    }

    /// `endpoints` (`GetFlightEndpointsRequest`) for the named columns.
    pub async fn endpoints(&self, table: &Table, columns: &[&str], filters: &str) -> Result<Vec<FlightEndpoint>> {
        let filters = filters_message(columns, filters);
        self.endpoints_raw(&table.descriptor, filters.as_bytes(), &column_ids(table, columns)).await
    }

    /// `endpoints` with parameters as they are given.
    pub async fn endpoints_raw(
        &self,
        descriptor: &FlightDescriptor,
        json_filters: &[u8],
        column_ids: &[u64],
    ) -> Result<Vec<FlightEndpoint>> {
        self.endpoints_at(descriptor, json_filters, column_ids, ("", "")).await
    }

    async fn endpoints_at(
        &self,
        descriptor: &FlightDescriptor,
        json_filters: &[u8],
        column_ids: &[u64],
        (at_unit, at_value): (&str, &str),
    ) -> Result<Vec<FlightEndpoint>> {
        let mut body = Packer::new();
        body.map(2).str("descriptor").str(descriptor.encode_to_vec()).str("parameters").map(6);
        body.str("json_filters").str(json_filters).str("column_ids").array(column_ids.len());
        for id in column_ids {
            body.uint(*id);
        }
        body.str("table_function_parameters").str("").str("table_function_input_schema").str("");
        body.str("at_unit").str(at_unit).str("at_value").str(at_value);
        self.endpoints_body(descriptor, body.take()).await
    }

    /// `endpoints` with any body.
    pub async fn endpoints_body(&self, descriptor: &FlightDescriptor, body: Vec<u8>) -> Result<Vec<FlightEndpoint>> {
        let mut request = self.table_request(arrow_flight::Action::new("endpoints", body), descriptor, true);
        header(&mut request, "airport-action-name", "endpoints");
        let mut results = self.flight.clone().do_action(request).await?.into_inner();
        let Some(first) = results.message().await? else { return Err(Error::malformed("endpoints: no result")) };
        if results.message().await?.is_some() {
            return Err(Error::malformed("endpoints: more than one result"));
        }
        let endpoints: Vec<ByteBuf> = unpack(&first.body)?;
        endpoints.iter().map(|bytes| decode_endpoint(bytes)).collect()
    }

    /// `column_statistics` (`AirportGetFlightColumnStatistics`): one row.
    pub async fn column_statistics(&self, table: &Table, column: &str) -> Result<RecordBatch> {
        let mut body = Packer::new();
        body.map(3).str("flight_descriptor").str(table.descriptor.encode_to_vec());
        body.str("column_name").str(column).str("type").str("BIGINT");
        let action = arrow_flight::Action::new("column_statistics", body.take());
        let mut request = self.table_request(action, &table.descriptor, true);
        header(&mut request, "airport-action-name", "column_statistics");
        let mut results = self.flight.clone().do_action(request).await?.into_inner();
        let Some(result) = results.message().await? else { return Err(Error::malformed("statistics: no result")) };
        let mut reader = StreamReader::try_new(&result.body[..], None).map_err(Error::malformed)?;
        let batch = reader.next().ok_or_else(|| Error::malformed("statistics: no batch"))?;
        batch.map_err(Error::malformed)
    }

    /// DoGet of one endpoint.
    pub async fn get(&self, table: &Table, endpoint: FlightEndpoint) -> Result<ScanStream> {
        let ticket = endpoint.ticket.ok_or_else(|| Error::malformed("an endpoint has no ticket"))?;
        let mut stream = self.get_ticket(&table.descriptor, ticket).await?;
        let schema = stream.schema().await?;
        check_columns(&schema, &table.schema)?;
        Ok(stream)
    }

    /// DoGet of any ticket; nothing has been read of the stream.
    pub async fn get_ticket(&self, descriptor: &FlightDescriptor, ticket: Ticket) -> Result<ScanStream> {
        let request = self.table_request(ticket, descriptor, true);
        let messages = self.flight.clone().do_get(request).await?.into_inner();
        Ok(ScanStream { messages, schema: None, progress: None })
    }
}

fn column_ids(table: &Table, columns: &[&str]) -> Vec<u64> {
    let id = |name: &&str| match *name {
        ROW_ID => ROW_ID_COLUMN,
        name => table.schema.index_of(name).expect("a column of the table") as u64,
    };
    columns.iter().map(id).collect()
}

fn filters_message(columns: &[&str], filters: &str) -> String {
    let names = serde_json::to_string(columns).expect("strings have a JSON form");
    format!(r#"{{"filters":{filters},"column_binding_names_by_index":{names}}}"#)
}

/// The batches of one endpoint. Dropping it cancels the call.
#[derive(Debug)]
pub struct ScanStream {
    messages: Streaming<FlightData>,
    schema: Option<SchemaRef>,
    progress: Option<f64>,
}

impl ScanStream {
    /// The schema, which comes before all batches.
    pub async fn schema(&mut self) -> Result<SchemaRef> {
        if let Some(schema) = &self.schema {
            return Ok(Arc::clone(schema));
        }
        let Some(first) = self.messages.message().await? else { return Err(Error::malformed("an empty stream")) };
        let schema: SchemaRef = Arc::new(ArrowSchema::try_from(&first).map_err(Error::malformed)?);
        self.schema = Some(Arc::clone(&schema));
        Ok(schema)
    }

    /// The next batch with all columns, `None` at the end.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let schema = self.schema().await?;
        let Some(message) = self.messages.message().await? else { return Ok(None) };
        self.note_progress(&message.app_metadata)?;
        flight_data_to_arrow_batch(&message, schema, &Default::default()).map(Some).map_err(Error::malformed)
    }

    /// The next message after the schema's, not decoded; `None` at the end.
    pub async fn next_message(&mut self) -> Result<Option<FlightData>> {
        self.schema().await?;
        Ok(self.messages.message().await?)
    }

    /// What the last batch that said so told of the progress, 0 to 1.
    pub fn progress(&self) -> Option<f64> {
        self.progress
    }

    /// The client reads any metadata of a batch as `{progress}` (`AirportScannerProgress`).
    fn note_progress(&mut self, metadata: &[u8]) -> Result<()> {
        #[derive(Deserialize)]
        struct Progress {
            progress: f64,
        }
        if metadata.is_empty() {
            return Ok(());
        }
        let Progress { progress } = unpack(metadata)?;
        if !(0.0..=1.0).contains(&progress) {
            return Err(Error::Malformed(format!("progress {progress}")));
        }
        self.progress = Some(progress);
        Ok(())
    }
}

/// Whether a field is marked as the row id, as `AirportFieldMetadataIsRowId` sees it.
pub(super) fn is_row_id(field: &Field) -> bool {
    field.metadata().get("is_rowid").is_some_and(|value| !value.is_empty())
}

fn decode_endpoint(bytes: &[u8]) -> Result<FlightEndpoint> {
    let endpoint = FlightEndpoint::decode(bytes).map_err(Error::malformed)?;
    match endpoint.location.first() {
        Some(location) if location.uri == REUSE_CONNECTION => Ok(endpoint),
        // The client takes the first location and fails without one.
        other => Err(Error::Malformed(format!("an endpoint's first location is {other:?}"))),
    }
}

/// The client finds columns by their place, so a stream must have the table's, in the table's order.
fn check_columns(stream: &ArrowSchema, table: &ArrowSchema) -> Result<()> {
    let matches =
        |(index, field): (usize, &Arc<Field>)| table.fields().get(index).is_some_and(|f| f.name() == field.name());
    let without_row_id = table.fields().iter().filter(|field| !is_row_id(field)).count();
    if stream.fields().len() < without_row_id || !stream.fields().iter().enumerate().all(matches) {
        return Err(Error::Malformed(format!("the stream's columns are {:?}", stream.fields())));
    }
    Ok(())
}

fn pick(batch: &RecordBatch, columns: &[&str]) -> Result<RecordBatch> {
    let indices: Vec<usize> =
        columns.iter().map(|name| batch.schema().index_of(name)).collect::<Result<_, _>>().map_err(Error::malformed)?;
    if indices.is_empty() {
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let none = Arc::new(ArrowSchema::empty());
        return RecordBatch::try_new_with_options(none, Vec::new(), &options).map_err(Error::malformed);
    }
    batch.project(&indices).map_err(Error::malformed)
}
