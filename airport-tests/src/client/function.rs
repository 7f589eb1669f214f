//! Table functions with a table argument, as the client calls them (`storage/airport_table_function_set.cpp`).
//!
//! Neither call carries a transaction: the real client leaves it out.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, ListArray, RecordBatch, StringArray, builder::StringBuilder},
    datatypes::{DataType, Field, Int64Type, Schema as ArrowSchema, SchemaRef},
    ipc::{reader::StreamReader, writer::StreamWriter},
};
use arrow_flight::{FlightData, FlightDescriptor, FlightInfo, utils::flight_data_to_arrow_batch};
use prost::Message;

use super::{
    Client, Error, Exchange, Packer, Result,
    actions::schema_message,
    catalog::AppMetadata,
    exchange::{sent_schema, slices},
    unpack,
};

/// DuckDB's vector size. A reply of as many rows, or a multiple, is taken for one that another follows.
const VECTOR_ROWS: usize = 2048;

/// One table function as the server described it.
#[derive(Debug, Clone)]
pub struct Function {
    /// Opaque; every call of the function gives it back.
    pub descriptor: FlightDescriptor,
    /// What DuckDB's catalog is told.
    pub metadata: AppMetadata,
    /// Its arguments, the table argument last.
    pub arguments: SchemaRef,
    /// What it gives back; in a listing an example.
    pub returns: SchemaRef,
}

/// What a merge without RETURNING says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merged {
    /// Rows added.
    pub inserted: i64,
    /// Rows whose values were set.
    pub updated: i64,
    /// Rows deleted.
    pub deleted: i64,
    /// The table's version that has it.
    pub version: i64,
}

impl Function {
    /// Takes a FlightInfo of `catalog` as the real client does.
    pub(super) fn decode(info: FlightInfo, metadata: AppMetadata, catalog: &str) -> Result<Self> {
        if metadata.catalog != catalog {
            return Err(Error::Malformed(format!("catalog {:?}, not {catalog:?}", metadata.catalog)));
        }
        let arguments = metadata.input_schema.as_ref().ok_or_else(|| Error::malformed("no input schema"))?;
        let empty = StreamReader::try_new(&arguments[..], None).map_err(Error::malformed)?;
        let arguments = empty.schema();
        let is_table = |field: &Arc<Field>| field.metadata().contains_key("is_table_type");
        let before = arguments.fields().len().saturating_sub(1);
        if arguments.fields().iter().take(before).any(is_table) {
            return Err(Error::malformed("the table argument is not the last"));
        }
        let descriptor = info.flight_descriptor.clone().ok_or_else(|| Error::malformed("no descriptor"))?;
        let returns = ArrowSchema::try_from(info).map_err(Error::malformed)?.into();
        Ok(Self { descriptor, metadata, arguments, returns })
    }
}

impl Client {
    /// `FROM delta.merge(table, clauses, (source))` without RETURNING. The source is at least one batch, which may be
    /// empty: it says which columns there are.
    pub async fn merge(&self, table: &str, clauses: &str, source: &[RecordBatch]) -> Result<Merged> {
        merged(&self.merge_returning(table, clauses, source).await?)
    }

    /// `FROM delta.merge(table, clauses, (source))`: what it gives back.
    pub async fn merge_returning(
        &self,
        table: &str,
        clauses: &str,
        source: &[RecordBatch],
    ) -> Result<Vec<RecordBatch>> {
        let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
        self.call("merge", vec![("table", text(table)), ("clauses", text(clauses))], source).await
    }

    /// `FROM delta.upsert(table, keys, (source))`
    pub async fn upsert(&self, table: &str, keys: &[&str], source: &[RecordBatch]) -> Result<Merged> {
        let mut list = arrow::array::ListBuilder::new(StringBuilder::new());
        list.append_value(keys.iter().map(Some));
        let keys: ListArray = list.finish();
        let table: ArrayRef = Arc::new(StringArray::from(vec![table]));
        merged(&self.call("upsert", vec![("table", table), ("keys", Arc::new(keys))], source).await?)
    }

    /// A function of schema `delta` with all its rows, as one statement: in autocommit a transaction is begun for it.
    pub async fn call(
        &self,
        function: &str,
        arguments: Vec<(&str, ArrayRef)>,
        source: &[RecordBatch],
    ) -> Result<Vec<RecordBatch>> {
        if self.transaction().is_none() {
            self.create_transaction().await?;
        }
        let first = source.first().expect("a batch, which may be empty, says which columns there are");
        let columns = sent_schema(&first.schema());
        let descriptor = FlightDescriptor::new_path(vec![self.catalog.clone(), "delta".into(), function.into()]);
        let parameters = parameters(arguments)?;
        let planned = self.table_function_flight_info(&descriptor, &parameters, Some(&columns)).await?;
        let mut call = self.in_out(&descriptor, &parameters).await;
        call.send_schema(&columns).await;
        let returns = call.read_schema().await?;
        if !same_columns(&returns, &planned) {
            return Err(Error::Malformed(format!("planned to give back {planned}, it gives back {returns}")));
        }
        for batch in source.iter().flat_map(slices) {
            call.send_batch(&batch).await;
            let reply = call.read_chunks(&returns).await?;
            if reply.iter().any(|batch| batch.num_rows() > 0) {
                return Err(Error::malformed("rows come back before all rows were sent"));
            }
        }
        call.half_close();
        call.read_chunks(&returns).await
    }

    /// `table_function_flight_info` (`AirportTableFunctionFlightInfoParameters`): the columns a call gives back.
    pub async fn table_function_flight_info(
        &self,
        descriptor: &FlightDescriptor,
        parameters: &[u8],
        source: Option<&ArrowSchema>,
    ) -> Result<SchemaRef> {
        let mut body = Packer::new();
        body.map(5).str("descriptor").str(descriptor.encode_to_vec()).str("parameters").str(parameters);
        body.str("table_input_schema").str(source.map(schema_message).unwrap_or_default());
        body.str("at_unit").str("").str("at_value").str("");
        let info = self.single("table_function_flight_info", body.take()).await?;
        let info = FlightInfo::decode(info).map_err(Error::malformed)?;
        if info.flight_descriptor.as_ref() != Some(descriptor) {
            return Err(Error::malformed("another descriptor came back"));
        }
        let _: AppMetadata = unpack(&info.app_metadata)?;
        Ok(ArrowSchema::try_from(info).map_err(Error::malformed)?.into())
    }

    /// Begins the exchange of a call's rows: sends what it is called with, and no schema yet.
    pub async fn in_out(&self, descriptor: &FlightDescriptor, parameters: &[u8]) -> Exchange {
        let mut body = Packer::new();
        body.map(5).str("json_filters").str("").str("column_ids").array(0).str("parameters").str(parameters);
        body.str("at_unit").str("").str("at_value").str("");
        let mut untold = self.clone();
        untold.set_transaction(None);
        let first = FlightData::new().with_descriptor(descriptor.clone());
        let call = untold.exchange_with(first, "table_function_in_out", true).await;
        call.send_message(FlightData::new().with_app_metadata(body.take())).await;
        call
    }
}

impl Exchange {
    /// Replies up to the one that says it is the last before the client goes on, and the rows in them.
    pub async fn read_chunks(&mut self, columns: &SchemaRef) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        loop {
            let Some(message) = self.read_message().await? else { return Err(Error::malformed("no reply")) };
            let batch = flight_data_to_arrow_batch(&message, Arc::clone(columns), &HashMap::new());
            let batch = batch.map_err(Error::malformed)?;
            let rows = batch.num_rows();
            if rows > 0 && rows.is_multiple_of(VECTOR_ROWS) {
                return Err(Error::Malformed(format!("the real client takes {rows} rows for a part of more")));
            }
            batches.extend((rows > 0).then_some(batch));
            match &message.app_metadata[..] {
                b"chunk_continues" => {}
                b"chunk_finished" => return Ok(batches),
                other => return Err(Error::Malformed(format!("a reply says {other:?}"))),
            }
        }
    }
}

/// The arguments before the table argument as one row of an IPC stream.
pub fn parameters(arguments: Vec<(&str, ArrayRef)>) -> Result<Vec<u8>> {
    let nullable = arguments.into_iter().map(|(name, value)| (name, value, true));
    let row = RecordBatch::try_from_iter_with_nullable(nullable).map_err(Error::malformed)?;
    let mut writer = StreamWriter::try_new(Vec::new(), &row.schema()).map_err(Error::malformed)?;
    writer.write(&row).map_err(Error::malformed)?;
    writer.into_inner().map_err(Error::malformed)
}

fn same_columns(one: &ArrowSchema, other: &ArrowSchema) -> bool {
    let columns = |schema: &ArrowSchema| -> Vec<(String, DataType)> {
        schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
    };
    columns(one) == columns(other)
}

fn merged(reply: &[RecordBatch]) -> Result<Merged> {
    let [batch] = reply else { return Err(Error::Malformed(format!("{} batches of counts", reply.len()))) };
    let column = |name: &str| -> Result<i64> {
        let column = batch.column_by_name(name).ok_or_else(|| Error::Malformed(format!("no column {name}")))?;
        let counts: &Int64Array =
            column.as_primitive_opt::<Int64Type>().ok_or_else(|| Error::malformed("a count is no BIGINT"))?;
        match counts.len() {
            1 => Ok(counts.value(0)),
            rows => Err(Error::Malformed(format!("{rows} rows of counts"))),
        }
    };
    Ok(Merged {
        inserted: column("inserted")?,
        updated: column("updated")?,
        deleted: column("deleted")?,
        version: column("version")?,
    })
}
