//! The answers to the client's actions.

use std::collections::BTreeMap;

use arrow_flight::{FlightEndpoint, Ticket};
use prost::Message;
use serde::Serialize;
use serde_bytes::{ByteBuf, Bytes};
use sha2::{Digest, Sha256};

use crate::{engine, protocol::msgpack};

/// Makes the client fetch an endpoint over the connection it has (Flight.proto, FlightEndpoint).
pub const REUSE_CONNECTION: &str = "arrow-flight-reuse-connection://?";

/// The client takes uncompressed lengths as `int` (`storage/airport_catalog_api.cpp`, decompressZStandard).
const LISTING_BYTES_MAX: usize = i32::MAX as usize;

/// Fast rather than small: a listing is compressed for every ATTACH and travels once.
const ZSTD_LEVEL: i32 = 1;

/// `AirportGetCatalogVersionResult` (`include/storage/airport_catalog_api.hpp`)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CatalogVersion {
    /// Changes whenever the catalog does.
    pub catalog_version: u64,
    /// That it never will: the client stops asking.
    pub is_fixed: bool,
}

/// `AirportSerializedContentsWithSHA256Hash` (`include/storage/airport_catalog_api.hpp`). The hash is that of the
/// bytes as delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contents {
    sha256: String,
    url: Option<String>,
    serialized: Option<ByteBuf>,
}

impl Contents {
    /// The tables of a schema, each a serialized FlightInfo. Without tables the contents are still not empty, or the
    /// client would call ListFlights.
    pub fn of_schema<T: AsRef<[u8]>>(tables: impl IntoIterator<Item = T>) -> engine::Result<Self> {
        let tables: Vec<ByteBuf> = tables.into_iter().map(|table| ByteBuf::from(table.as_ref())).collect();
        let serialized = compressed("the listing of a schema", &msgpack::encode(&tables))?;
        Ok(Self { sha256: hex(&Sha256::digest(&serialized)), url: None, serialized: Some(serialized.into()) })
    }

    /// No contents: for the catalog as a whole, whose contents the client would write to the user's disk and never
    /// remove.
    fn none() -> Self {
        Self { sha256: String::new(), url: None, serialized: None }
    }
}

/// `AirportSerializedSchema` (`include/storage/airport_catalog_api.hpp`)
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchemaListing {
    /// The schema's name; never empty, never `main`, and no other schema's.
    pub name: String,
    /// A comment.
    pub description: String,
    /// Tags, by name.
    pub tags: BTreeMap<String, String>,
    /// What it holds.
    pub contents: Contents,
    /// Whether `USE` of the catalog means this schema.
    pub is_default: Option<bool>,
}

/// Answers `list_schemas`.
pub fn list_schemas(schemas: &[SchemaListing], version: CatalogVersion) -> engine::Result<Vec<u8>> {
    /// `AirportSerializedCatalogRoot` (`include/storage/airport_catalog_api.hpp`)
    #[derive(Serialize)]
    struct CatalogRoot<'a> {
        contents: Contents,
        schemas: &'a [SchemaListing],
        version_info: CatalogVersion,
    }
    let root = CatalogRoot { contents: Contents::none(), schemas, version_info: version };
    compressed("the listing of a catalog", &msgpack::encode(&root))
}

/// Answers `catalog_version`.
pub fn catalog_version(version: CatalogVersion) -> Vec<u8> {
    msgpack::encode(&version)
}

/// Answers `create_transaction`; the identifier comes back as a header, so it is ASCII.
pub fn create_transaction(identifier: &str) -> Vec<u8> {
    /// `GetTransactionIdentifierResult` (`storage/airport_transaction.cpp`)
    #[derive(Serialize)]
    struct Identifier<'a> {
        identifier: Option<&'a str>,
    }
    msgpack::encode(&Identifier { identifier: Some(identifier) })
}

/// Answers `create_schema` with the contents of the new schema.
pub fn create_schema(contents: &Contents) -> Vec<u8> {
    msgpack::encode(contents)
}

/// Answers `endpoints`: one stream for each ticket, all over the client's connection.
pub fn endpoints<T: Into<bytes::Bytes>>(tickets: impl IntoIterator<Item = T>) -> Vec<u8> {
    let endpoint = |ticket: T| {
        let endpoint = FlightEndpoint::new().with_ticket(Ticket::new(ticket)).with_location(REUSE_CONNECTION);
        ByteBuf::from(endpoint.encode_to_vec())
    };
    msgpack::encode(&tickets.into_iter().map(endpoint).collect::<Vec<_>>())
}

/// `AirportSerializedCompressedContent` (`include/storage/airport_catalog_api.hpp`): an array of the uncompressed
/// length and the zstd frame.
fn compressed(what: &str, content: &[u8]) -> engine::Result<Vec<u8>> {
    if content.len() > LISTING_BYTES_MAX {
        let reason = format!("{what} takes {} bytes, more than the {LISTING_BYTES_MAX} a client reads", content.len());
        return Err(engine::Error::ResourceExhausted(reason));
    }
    let length = u32::try_from(content.len()).expect("it is at most i32::MAX");
    let frame = zstd::bulk::compress(content, ZSTD_LEVEL)
        .map_err(|error| engine::Error::internal(format!("compressing {what}"), error))?;
    Ok(msgpack::encode(&(length, Bytes::new(&frame))))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes every write");
        text
    })
}
