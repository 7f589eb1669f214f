//! DoAction: one msgpack map in, one result (or none) out.
//!
//! Keys and their order are those of the client's `MSGPACK_DEFINE_MAP` lists, named at each call.

use arrow::{datatypes::Schema as ArrowSchema, ipc::writer::IpcWriteOptions};
use arrow_flight::{Action, FlightDescriptor, IpcMessage, SchemaAsIpc};
use bytes::Bytes;
use prost::Message;
use serde::Deserialize;

use super::{
    Client, Error, Packer, Result, Table,
    catalog::{Catalog, decode_catalog, decode_contents},
    header,
};

/// What the server says about a catalog's version (`AirportGetCatalogVersionResult`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct CatalogVersion {
    /// Grows when schemas or tables come, go or change.
    pub catalog_version: u64,
    /// Whether it never will.
    pub is_fixed: bool,
}

/// What `CREATE TABLE` says about a table that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// `CREATE TABLE`
    Error,
    /// `CREATE TABLE IF NOT EXISTS`
    Ignore,
    /// `CREATE OR REPLACE TABLE`, which the real client refuses itself.
    Replace,
}

impl Client {
    /// Any action, with all of its results.
    pub async fn action(&self, name: &str, body: impl Into<Bytes>) -> Result<Vec<Bytes>> {
        self.action_message(Action::new(name, body)).await
    }

    /// An action as it was recorded.
    pub async fn action_message(&self, action: Action) -> Result<Vec<Bytes>> {
        let name = action.r#type.clone();
        let mut request = self.request(action);
        header(&mut request, "airport-action-name", &name);
        let mut results = self.flight.clone().do_action(request).await?.into_inner();
        let mut bodies = Vec::new();
        while let Some(result) = results.message().await? {
            bodies.push(result.body);
        }
        Ok(bodies)
    }

    /// `catalog_version`
    pub async fn catalog_version(&self) -> Result<CatalogVersion> {
        unpack(&self.single("catalog_version", self.catalog_only()).await?)
    }

    /// `list_schemas`, with every schema's contents decoded and checked as the real client does.
    pub async fn list_schemas(&self) -> Result<Catalog> {
        decode_catalog(&self.single("list_schemas", self.catalog_only()).await?, &self.catalog)
    }

    /// `create_transaction`: the identifier, which may be nil.
    pub async fn create_transaction(&self) -> Result<Option<String>> {
        #[derive(Deserialize)]
        struct Answer {
            identifier: Option<String>,
        }
        let answer: Answer = unpack(&self.single("create_transaction", self.catalog_only()).await?)?;
        Ok(answer.identifier)
    }

    /// `create_schema` (`AirportCreateSchemaParameters`): the new schema's tables.
    pub async fn create_schema(&self, schema: &str) -> Result<Vec<Table>> {
        let mut body = Packer::new();
        body.map(4).str("catalog_name").str(&self.catalog).str("schema").str(schema);
        body.str("comment").nil().str("tags").map(0);
        decode_contents(&self.single("create_schema", body.take()).await?, &self.catalog, schema)
    }

    /// `drop_schema` (`DropItemActionParameters`)
    pub async fn drop_schema(&self, schema: &str, ignore_not_found: bool) -> Result<()> {
        // The real client leaves schema_name empty and gives the schema as name.
        self.drop_item("schema", "", schema, ignore_not_found).await
    }

    /// `drop_table` (`DropItemActionParameters`)
    pub async fn drop_table(&self, schema: &str, table: &str, ignore_not_found: bool) -> Result<()> {
        self.drop_item("table", schema, table, ignore_not_found).await
    }

    /// `create_table` (`AirportCreateTableParameters`); a column that is not nullable is NOT NULL.
    pub async fn create_table(
        &self,
        schema: &str,
        table: &str,
        columns: &ArrowSchema,
        on_conflict: OnConflict,
    ) -> Result<Table> {
        // DuckDB makes the schema of its types, all nullable; NOT NULL travels beside it.
        let nullable: Vec<_> = columns.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
        let message = schema_message(&ArrowSchema::new(nullable));
        let body = self.create_table_body(schema, table, &message, columns, on_conflict);
        Table::decode(&self.single("create_table", body).await?, &self.catalog)
    }

    /// CREATE TABLE with constraints: pairs of a key of the body and an expression or column.
    pub async fn create_constrained_table(
        &self,
        schema: &str,
        table: &str,
        columns: &ArrowSchema,
        constraints: &[(&str, &str)],
    ) -> Result<Table> {
        let nullable: Vec<_> = columns.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
        let message = schema_message(&ArrowSchema::new(nullable));
        let body = self.constrained_table_body(schema, table, &message, columns, OnConflict::Error, constraints);
        Table::decode(&self.single("create_table", body).await?, &self.catalog)
    }

    /// The body of `create_table` with an Arrow schema of any bytes.
    pub fn create_table_body(
        &self,
        schema: &str,
        table: &str,
        arrow_schema: &[u8],
        columns: &ArrowSchema,
        on_conflict: OnConflict,
    ) -> Vec<u8> {
        self.constrained_table_body(schema, table, arrow_schema, columns, on_conflict, &[])
    }

    fn constrained_table_body(
        &self,
        schema: &str,
        table: &str,
        arrow_schema: &[u8],
        columns: &ArrowSchema,
        on_conflict: OnConflict,
        constraints: &[(&str, &str)],
    ) -> Vec<u8> {
        let not_null: Vec<_> = (0..).zip(columns.fields()).filter(|(_, f)| !f.is_nullable()).map(|(i, _)| i).collect();
        let mut body = Packer::new();
        body.map(12).str("catalog_name").str(&self.catalog).str("schema_name").str(schema);
        body.str("table_name").str(table).str("arrow_schema").str(arrow_schema);
        body.str("on_conflict").str(match on_conflict {
            OnConflict::Error => "error",
            OnConflict::Ignore => "ignore",
            OnConflict::Replace => "replace",
        });
        body.str("not_null_constraints").array(not_null.len());
        for index in not_null {
            body.uint(index);
        }
        for key in [
            "unique_constraints",
            "check_constraints",
            "primary_key_columns",
            "unique_columns",
            "multi_key_primary_keys",
            "extra_constraints",
        ] {
            let stated: Vec<_> = constraints.iter().filter(|(kind, _)| *kind == key).collect();
            body.str(key).array(stated.len());
            for (_, text) in stated {
                body.str(text);
            }
        }
        body.take()
    }

    /// `flight_info` (`AirportFlightInfoParameters`): the table as of `at_unit` `at_value`.
    pub async fn flight_info(&self, descriptor: &FlightDescriptor, at_unit: &str, at_value: &str) -> Result<Table> {
        let mut body = Packer::new();
        body.map(3).str("descriptor").str(descriptor.encode_to_vec());
        body.str("at_unit").str(at_unit).str("at_value").str(at_value);
        Table::decode(&self.single("flight_info", body.take()).await?, &self.catalog)
    }

    /// The one result of an action.
    pub(super) async fn single(&self, name: &str, body: Vec<u8>) -> Result<Bytes> {
        let mut results = self.action(name, body).await?;
        match (results.pop(), results.len()) {
            (Some(result), 0) => Ok(result),
            (last, before) => {
                Err(Error::Malformed(format!("{name}: {} results", before + usize::from(last.is_some()))))
            }
        }
    }

    async fn drop_item(&self, kind: &str, schema: &str, name: &str, ignore_not_found: bool) -> Result<()> {
        let mut body = Packer::new();
        body.map(5).str("type").str(kind).str("catalog_name").str(&self.catalog).str("schema_name").str(schema);
        body.str("name").str(name).str("ignore_not_found").bool(ignore_not_found);
        self.action(&format!("drop_{kind}"), body.take()).await?;
        Ok(())
    }

    fn catalog_only(&self) -> Vec<u8> {
        Packer::new().map(1).str("catalog_name").str(&self.catalog).take()
    }
}

/// A schema as `arrow::ipc::SerializeSchema` writes it.
pub(super) fn schema_message(columns: &ArrowSchema) -> Bytes {
    let message: IpcMessage = SchemaAsIpc::new(columns, &IpcWriteOptions::default())
        .try_into()
        .expect("a schema without dictionaries has an IPC form");
    message.0
}

pub(super) fn unpack<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    rmp_serde::from_slice(bytes).map_err(Error::malformed)
}
