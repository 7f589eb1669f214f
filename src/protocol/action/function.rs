//! Calling a table function: `table_function_flight_info`.

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use serde::Deserialize;

use super::{AtClause, scan::descriptor};
use crate::protocol::{DecodeError, function::FunctionReference, ipc, msgpack};

/// A call of a table function, of which the client wants to know the columns.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionCall {
    /// Which function.
    pub function: FunctionReference,
    /// Its arguments: one row, without the table argument.
    pub arguments: RecordBatch,
    /// The same as they were sent: they come again with the rows.
    pub parameters: Vec<u8>,
    /// The columns of the table argument; `None` without one.
    pub source: Option<SchemaRef>,
    /// The version.
    pub at: AtClause,
}

impl FunctionCall {
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        /// `AirportTableFunctionFlightInfoParameters` (`include/airport_flight_stream.hpp`)
        #[derive(Deserialize)]
        struct Wire {
            #[serde(with = "serde_bytes")]
            descriptor: Vec<u8>,
            #[serde(with = "serde_bytes")]
            parameters: Vec<u8>,
            #[serde(with = "serde_bytes", default)]
            table_input_schema: Vec<u8>,
            #[serde(default)]
            at_unit: String,
            #[serde(default)]
            at_value: String,
        }
        let what = "table_function_flight_info request";
        let wire: Wire = msgpack::decode(what, body)?;
        let source = match wire.table_input_schema.as_slice() {
            [] => None,
            schema => Some(ipc::decode_schema(what, schema)?.into()),
        };
        Ok(Self {
            function: FunctionReference::from_descriptor(&descriptor(what, &wire.descriptor)?)?,
            arguments: ipc::decode_row(what, &wire.parameters)?,
            parameters: wire.parameters,
            source,
            at: AtClause::parse(&wire.at_unit, &wire.at_value)?,
        })
    }
}
