//! Which table a descriptor means: a PATH of catalog, schema, table and shape.
//!
//! The client joins the path with `/` into the header `airport-flight-path`, and gRPC refuses header values that are
//! not printable ASCII, so every other character, `/` and `%` are percent-encoded. It also compares the returned
//! descriptor with the one it sent byte for byte (`airport_take_flight.cpp`), so each table has one spelling only.

use arrow::datatypes::Schema;
use arrow_flight::{FlightDescriptor, flight_descriptor::DescriptorType};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use prost::Message;

use super::{DecodeError, shape::Shape};

/// A table as the client knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableReference {
    /// The name given to ATTACH.
    pub catalog: String,
    /// The schema's name.
    pub schema: String,
    /// The table's name.
    pub table: String,
    /// The columns the client believes the table has.
    pub shape: Shape,
}

/// The longest name: with every byte encoded, three of them stay below the 8 KiB of headers a gRPC peer must take.
pub const NAME_BYTES_MAX: usize = 512;

/// What does not stand for itself; `percent_encoding` encodes whatever is not ASCII as well.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'/').add(b'%');

const WHAT: &str = "table descriptor";

impl TableReference {
    /// Refers to a table with the given columns (without the row id).
    pub fn new(catalog: &str, schema: &str, table: &str, columns: &Schema) -> Self {
        let [catalog, schema, table] = [catalog, schema, table].map(str::to_owned);
        Self { catalog, schema, table, shape: Shape::of(columns) }
    }

    /// Reads a descriptor.
    pub fn from_descriptor(descriptor: &FlightDescriptor) -> Result<Self, DecodeError> {
        if descriptor.r#type() != DescriptorType::Path {
            return Err(DecodeError::new(WHAT, "its type is not PATH"));
        }
        let [catalog, schema, table, shape] = descriptor.path.as_slice() else {
            let reason = format!("its path has {} components instead of 4", descriptor.path.len());
            return Err(DecodeError::new(WHAT, reason));
        };
        Ok(Self {
            catalog: decode_name(WHAT, catalog)?,
            schema: decode_name(WHAT, schema)?,
            table: decode_name(WHAT, table)?,
            shape: Shape::from_hex(WHAT, shape)?,
        })
    }

    /// Reads a serialized descriptor.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let descriptor = FlightDescriptor::decode(bytes).map_err(|error| DecodeError::new(WHAT, error.to_string()))?;
        Self::from_descriptor(&descriptor)
    }

    /// The one descriptor of this table and shape.
    pub fn to_descriptor(&self) -> FlightDescriptor {
        let names = [&self.catalog, &self.schema, &self.table].map(|name| encode_name(name));
        FlightDescriptor::new_path(names.into_iter().chain([self.shape.to_string()]).collect())
    }
}

pub(super) fn encode_name(name: &str) -> String {
    utf8_percent_encode(name, ENCODED).to_string()
}

/// A name out of a `what`.
pub(super) fn decode_name(what: &'static str, component: &str) -> Result<String, DecodeError> {
    let refused = |reason: &str| DecodeError::new(what, format!("a name {reason}: {component:?}"));
    let name = percent_decode_str(component).decode_utf8().map_err(|_| refused("is not UTF-8"))?;
    match name.len() {
        0 => Err(refused("is empty")),
        1..=NAME_BYTES_MAX if encode_name(&name) == component => Ok(name.into_owned()),
        1..=NAME_BYTES_MAX => Err(refused("is not percent-encoded as it was given out")),
        _ => Err(refused("is too long")),
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};

    use super::*;
    use crate::protocol::golden;

    fn reference(table: &str) -> TableReference {
        let columns = Schema::new(vec![Field::new("id", DataType::Int64, true)]);
        TableReference::new("lake", "sales", table, &columns)
    }

    #[test]
    fn any_name_comes_back_and_stays_printable() {
        for name in
            ["orders", "a b", "a/b", "50%", "%2F", "..", "\"quoted\"", "größe", "🦀", "tab\t", "\u{7f}", "a.b'c"]
        {
            let table = reference(name);
            let descriptor = table.to_descriptor();
            assert_eq!(TableReference::from_descriptor(&descriptor), Ok(table.clone()), "{name}");
            assert_eq!(TableReference::from_bytes(&descriptor.encode_to_vec()), Ok(table), "{name}");
            assert!(descriptor.path.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_graphic())), "{name}");
            assert!(descriptor.path.iter().all(|part| !part.contains('/')), "{name}");
        }
    }

    #[test]
    fn refuses_what_it_did_not_give_out() {
        let path = |parts: &[&str]| FlightDescriptor::new_path(parts.iter().map(|&part| part.to_owned()).collect());
        let shape = reference("t").shape.to_string();
        for (descriptor, reason) in [
            (path(&["lake", "sales", "orders"]), "components instead of 4"),
            (path(&["lake", "sales", "table", "orders", &shape]), "5 components"),
            (path(&["lake", "sales", "orders", "table"]), "16 hex digits"),
            (path(&["lake", "", "orders", &shape]), "is empty"),
            (path(&["lake", "sales", "a b", &shape]), "not percent-encoded"),
            (path(&["lake", "sales", "%6Frders", &shape]), "not percent-encoded"),
            (path(&["lake", "sales", "%2f", &shape]), "not percent-encoded"),
            (path(&["lake", "sales", "%", &shape]), "not percent-encoded"),
            (path(&["lake", "sales", "%FF", &shape]), "not UTF-8"),
            (path(&["lake", "sales", &"x".repeat(NAME_BYTES_MAX + 1), &shape]), "a name is too long: "),
            (FlightDescriptor::new_cmd("lake"), "not PATH"),
            (FlightDescriptor::default(), "not PATH"),
        ] {
            let error = TableReference::from_descriptor(&descriptor).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn noise_is_refused_without_panic() {
        let mut noise = golden::Noise::new(2);
        let honest = reference("größe").to_descriptor().encode_to_vec();
        for _ in 0..5_000 {
            let _ = TableReference::from_bytes(&noise.bytes());
            let _ = TableReference::from_bytes(&noise.mutate(&honest));
        }
    }
}
