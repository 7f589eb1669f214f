//! Which action a body belongs to.

use serde::Deserialize;

use super::{
    AlterTable, ColumnStatistics, CreateSchema, CreateTable, DropSchema, DropTable, Endpoints, FlightInfoRequest,
    FunctionCall,
};
use crate::protocol::{DecodeError, msgpack};

/// One action of the client.
#[derive(Debug, Clone, PartialEq)]
pub enum ActionRequest {
    /// Which schemas there are, and all they hold.
    ListSchemas(CatalogRequest),
    /// Whether the catalog has changed.
    CatalogVersion(CatalogRequest),
    /// A DuckDB transaction begins.
    CreateTransaction(CatalogRequest),
    /// A table, perhaps at another version.
    FlightInfo(FlightInfoRequest),
    /// How to scan a table.
    Endpoints(Endpoints),
    /// CREATE SCHEMA
    CreateSchema(CreateSchema),
    /// DROP SCHEMA
    DropSchema(DropSchema),
    /// CREATE TABLE, also the first half of CREATE TABLE AS.
    CreateTable(CreateTable),
    /// DROP TABLE
    DropTable(DropTable),
    /// ALTER TABLE
    Alter(AlterTable),
    /// Statistics of a column.
    ColumnStatistics(ColumnStatistics),
    /// What a table function would give back.
    FunctionCall(FunctionCall),
    /// Any other, by its type.
    Unknown(String),
}

impl ActionRequest {
    /// Decodes the body of an action of type `action`.
    pub fn decode(action: &str, body: &[u8]) -> Result<Self, DecodeError> {
        Ok(match action {
            "list_schemas" => Self::ListSchemas(msgpack::decode("list_schemas request", body)?),
            "catalog_version" => Self::CatalogVersion(msgpack::decode("catalog_version request", body)?),
            "create_transaction" => Self::CreateTransaction(msgpack::decode("create_transaction request", body)?),
            "flight_info" => Self::FlightInfo(FlightInfoRequest::decode(body)?),
            "endpoints" => Self::Endpoints(Endpoints::decode(body)?),
            "create_schema" => Self::CreateSchema(msgpack::decode("create_schema request", body)?),
            "drop_schema" => Self::DropSchema(DropSchema::decode(body)?),
            "create_table" => Self::CreateTable(CreateTable::decode(body)?),
            "drop_table" => Self::DropTable(DropTable::decode(body)?),
            "column_statistics" => Self::ColumnStatistics(ColumnStatistics::decode(body)?),
            "table_function_flight_info" => Self::FunctionCall(FunctionCall::decode(body)?),
            other => match AlterTable::decode(other, body) {
                Some(alter) => Self::Alter(alter?),
                None => Self::Unknown(other.to_owned()),
            },
        })
    }
}

/// `AirportSerializedCatalogSchemaRequest`, `AirportGetCatalogVersionParams` and `AirportCreateTransactionParameters`
/// (`include/storage/airport_catalog_api.hpp`, `storage/airport_catalog.cpp`, `storage/airport_transaction.cpp`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CatalogRequest {
    /// The name given to ATTACH.
    pub catalog_name: String,
}
