//! Looking at a table: `flight_info`, `endpoints`, `column_statistics`.

use arrow_flight::FlightDescriptor;
use prost::Message;
use serde::Deserialize;

use super::AtClause;
use crate::protocol::{DecodeError, msgpack};

/// A table, perhaps at another version.
#[derive(Debug, Clone, PartialEq)]
pub struct FlightInfoRequest {
    /// The descriptor the table was listed with.
    pub descriptor: FlightDescriptor,
    /// The version.
    pub at: AtClause,
}

impl FlightInfoRequest {
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        /// `AirportFlightInfoParameters` (`include/airport_flight_stream.hpp`)
        #[derive(Deserialize)]
        struct Wire {
            #[serde(with = "serde_bytes")]
            descriptor: Vec<u8>,
            #[serde(default)]
            at_unit: String,
            #[serde(default)]
            at_value: String,
        }
        let what = "flight_info request";
        let wire: Wire = msgpack::decode(what, body)?;
        let at = AtClause::parse(&wire.at_unit, &wire.at_value)?;
        Ok(Self { descriptor: descriptor(what, &wire.descriptor)?, at })
    }
}

/// How to scan a table or a table function.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoints {
    /// The descriptor the table was listed with.
    pub descriptor: FlightDescriptor,
    /// See [`crate::protocol::filters`].
    pub json_filters: Vec<u8>,
    /// See [`crate::protocol::types::Projection`].
    pub column_ids: Vec<u64>,
    /// The arguments of a table function as an IPC stream; empty for tables.
    pub table_function_parameters: Vec<u8>,
    /// The schema of a table argument; empty for tables.
    pub table_function_input_schema: Vec<u8>,
    /// The version.
    pub at: AtClause,
}

impl Endpoints {
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        /// `AirportGetFlightEndpointsRequest` (`airport_take_flight.cpp`)
        #[derive(Deserialize)]
        struct Wire {
            #[serde(with = "serde_bytes")]
            descriptor: Vec<u8>,
            parameters: Parameters,
        }
        /// `AirportEndpointParameters` (`airport_take_flight.cpp`)
        #[derive(Deserialize)]
        struct Parameters {
            #[serde(with = "serde_bytes", default)]
            json_filters: Vec<u8>,
            column_ids: Vec<u64>,
            #[serde(with = "serde_bytes", default)]
            table_function_parameters: Vec<u8>,
            #[serde(with = "serde_bytes", default)]
            table_function_input_schema: Vec<u8>,
            #[serde(default)]
            at_unit: String,
            #[serde(default)]
            at_value: String,
        }
        let what = "endpoints request";
        let Wire { descriptor: bytes, parameters } = msgpack::decode(what, body)?;
        Ok(Self {
            descriptor: descriptor(what, &bytes)?,
            json_filters: parameters.json_filters,
            column_ids: parameters.column_ids,
            table_function_parameters: parameters.table_function_parameters,
            table_function_input_schema: parameters.table_function_input_schema,
            at: AtClause::parse(&parameters.at_unit, &parameters.at_value)?,
        })
    }
}

/// Statistics of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnStatistics {
    /// The descriptor the table was listed with.
    pub descriptor: FlightDescriptor,
    /// The column.
    pub column_name: String,
    /// DuckDB's name of the column's type.
    pub type_name: String,
}

impl ColumnStatistics {
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        /// `AirportGetFlightColumnStatistics` (`airport_flight_statistics.cpp`)
        #[derive(Deserialize)]
        struct Wire {
            #[serde(with = "serde_bytes")]
            flight_descriptor: Vec<u8>,
            column_name: String,
            r#type: String,
        }
        let what = "column_statistics request";
        let wire: Wire = msgpack::decode(what, body)?;
        let descriptor = descriptor(what, &wire.flight_descriptor)?;
        Ok(Self { descriptor, column_name: wire.column_name, type_name: wire.r#type })
    }
}

pub(super) fn descriptor(what: &'static str, bytes: &[u8]) -> Result<FlightDescriptor, DecodeError> {
    FlightDescriptor::decode(bytes).map_err(|error| DecodeError::new(what, format!("its descriptor: {error}")))
}
