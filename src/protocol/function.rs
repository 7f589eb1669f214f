//! Table functions (`storage/airport_table_function_set.cpp`): which one, its arguments, and what surrounds the rows of
//! its table argument.
//!
//! The rows of a table argument come by DoExchange: a message with the [`Call`] as its app_metadata, the schema, then the
//! rows. The client waits for an answer to each batch of them, and after its half-close for the result; the app_metadata
//! of every reply batch says whether another follows before the client is to go on.

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field},
};
use arrow_flight::{FlightDescriptor, flight_descriptor::DescriptorType};
use serde::Deserialize;

use super::{
    DecodeError,
    action::AtClause,
    descriptor::{decode_name, encode_name},
    ipc, msgpack,
};

/// The app_metadata of a reply batch that is the last before the client goes on.
pub const CHUNK_FINISHED: &[u8] = b"chunk_finished";

/// The app_metadata of a reply batch that another one follows.
pub const CHUNK_CONTINUES: &[u8] = b"chunk_continues";

const WHAT: &str = "function descriptor";

/// A function as the client knows it: a PATH of catalog, schema and name, spelled as those of tables are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FunctionReference {
    /// The name given to ATTACH.
    pub catalog: String,
    /// The schema's name.
    pub schema: String,
    /// The function's name.
    pub name: String,
}

impl FunctionReference {
    /// Refers to a function.
    pub fn new(catalog: &str, schema: &str, name: &str) -> Self {
        let [catalog, schema, name] = [catalog, schema, name].map(str::to_owned);
        Self { catalog, schema, name }
    }

    /// Reads a descriptor.
    pub fn from_descriptor(descriptor: &FlightDescriptor) -> Result<Self, DecodeError> {
        if descriptor.r#type() != DescriptorType::Path {
            return Err(DecodeError::new(WHAT, "its type is not PATH"));
        }
        let [catalog, schema, name] = descriptor.path.as_slice() else {
            let reason = format!("its path has {} components instead of 3", descriptor.path.len());
            return Err(DecodeError::new(WHAT, reason));
        };
        Ok(Self {
            catalog: decode_name(WHAT, catalog)?,
            schema: decode_name(WHAT, schema)?,
            name: decode_name(WHAT, name)?,
        })
    }

    /// The one descriptor of this function.
    pub fn to_descriptor(&self) -> FlightDescriptor {
        FlightDescriptor::new_path([&self.catalog, &self.schema, &self.name].map(|name| encode_name(name)).into())
    }
}

/// The table argument, which is the last: the client reads those after it from the wrong place. Its type is not looked
/// at.
pub fn table_argument(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true).with_metadata([("is_table_type".to_owned(), "1".to_owned())].into())
}

/// What a function is called with, as the first message of its rows says it.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The arguments: one row, without the table argument.
    pub arguments: RecordBatch,
    /// The same as they were sent.
    pub parameters: Vec<u8>,
    /// The version.
    pub at: AtClause,
}

impl Call {
    /// Reads the app_metadata. Which columns and rows the client is to give on plays no part: it leaves that to itself.
    pub fn decode(app_metadata: &[u8]) -> Result<Self, DecodeError> {
        /// `AirportTableFunctionInOutParameters`
        #[derive(Deserialize)]
        struct Wire {
            #[serde(with = "serde_bytes")]
            parameters: Vec<u8>,
            #[serde(default)]
            at_unit: String,
            #[serde(default)]
            at_value: String,
        }
        let what = "call of a table function";
        let Wire { parameters, at_unit, at_value } = msgpack::decode(what, app_metadata)?;
        let at = AtClause::parse(&at_unit, &at_value)?;
        Ok(Self { arguments: ipc::decode_row(what, &parameters)?, parameters, at })
    }
}

#[cfg(test)]
mod tests;
