//! DuckDB's half of the Airport protocol, message by message, over TCP or a Unix socket.
//!
//! Written from the client's C++ source and from recorded calls; knows nothing of Delta. One thing differs: on a
//! Unix socket the real client's `:authority` is the percent-encoded path, which the `http` crate under tonic
//! refuses to build. [`raw`] says it in bare HTTP/2 frames instead.

mod actions;
mod alter;
mod anything;
mod catalog;
mod cut;
mod error;
mod exchange;
mod function;
mod msgpack;
pub mod raw;
mod scan;

use arrow_flight::{FlightDescriptor, flight_descriptor::DescriptorType, flight_service_client::FlightServiceClient};
use tonic::{
    Request,
    metadata::{Ascii, MetadataKey, MetadataValue},
    transport::Endpoint,
};

use self::{actions::unpack, cut::CuttableChannel};
pub use self::{
    actions::{CatalogVersion, OnConflict},
    alter::Change,
    catalog::{AppMetadata, Catalog, Schema, Table},
    error::{Error, Result},
    exchange::{Exchange, sent_schema},
    function::{Function, Merged, parameters},
    msgpack::Packer,
    scan::{ROW_ID, Scan, ScanStream},
};

/// What the recorded client calls itself (`airport_request_headers.cpp`).
const USER_AGENT: &str = "airport/20250723";

/// One attached catalog. Clones share the connection but not the transaction.
#[derive(Debug, Clone)]
pub struct Client {
    channel: CuttableChannel,
    flight: FlightServiceClient<CuttableChannel>,
    location: String,
    catalog: String,
    session: String,
    transaction: Option<String>,
}

impl Client {
    /// Connects to `location` (`grpc://HOST:PORT` or `grpc+unix:///PATH`) for `catalog`.
    pub async fn attach(location: &str, catalog: &str) -> Result<Self> {
        let uri = match location.strip_prefix("grpc+unix://") {
            Some(path) => format!("unix://{path}"),
            None => location.replacen("grpc://", "http://", 1),
        };
        let endpoint = Endpoint::from_shared(uri).map_err(Error::malformed)?;
        let channel = endpoint
            .connect()
            .await
            .map_err(|e| Error::Refused { code: tonic::Code::Unavailable, message: format!("{location}: {e:?}") })?;
        // Arrow C++ sets both limits to "none".
        let channel = CuttableChannel(channel);
        let flight = FlightServiceClient::new(channel.clone())
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX);
        Ok(Self {
            channel,
            flight,
            location: location.to_owned(),
            catalog: catalog.to_owned(),
            session: format!("session-{}-{}", std::process::id(), next_number()),
            transaction: None,
        })
    }

    /// The same session with no transaction open.
    #[must_use]
    pub fn autocommit(&self) -> Self {
        Self { transaction: None, ..self.clone() }
    }

    /// The name under which the catalog was attached.
    pub fn catalog(&self) -> &str {
        &self.catalog
    }

    /// Begins a transaction: later scans and writes of this client carry its identifier. Nothing ends it; the
    /// protocol has no message for that.
    pub async fn begin(&mut self) -> Result<()> {
        self.transaction = self.create_transaction().await?;
        Ok(())
    }

    /// The identifier later calls carry, if a transaction was begun.
    pub fn transaction(&self) -> Option<&str> {
        self.transaction.as_deref()
    }

    /// Carries `identifier` from now on, as a client does that got it from elsewhere.
    pub fn set_transaction(&mut self, identifier: Option<&str>) {
        self.transaction = identifier.map(str::to_owned);
    }

    /// `message` with the headers of every call.
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        header(&mut request, "airport-user-agent", USER_AGENT);
        header(&mut request, "authority", &self.location);
        header(&mut request, "airport-client-session-id", &self.session);
        header(&mut request, "airport-catalog", &self.catalog);
        request
    }

    /// `message` with the headers of a call on one table (`airport_add_normal_headers`).
    fn table_request<T>(&self, message: T, descriptor: &FlightDescriptor, with_transaction: bool) -> Request<T> {
        let mut request = self.request(message);
        header(&mut request, "airport-trace-id", &format!("trace-{}", next_number()));
        if descriptor.r#type == DescriptorType::Path as i32 {
            header(&mut request, "airport-flight-path", &descriptor.path.join("/"));
        }
        if let (Some(identifier), true) = (&self.transaction, with_transaction) {
            header(&mut request, "airport-transaction-id", identifier);
        }
        request
    }
}

/// Adds a header as gRPC C++ would.
///
/// # Panics
/// If the value is not printable ASCII: gRPC C++ refuses to send such a header, so a server must not make the
/// client need one (a table's name in a PATH descriptor, say).
fn header<T>(request: &mut Request<T>, name: &'static str, value: &str) {
    let value: MetadataValue<Ascii> =
        value.parse().unwrap_or_else(|_| panic!("the real client cannot send header {name}: {value:?}"));
    request.metadata_mut().append(MetadataKey::from_static(name), value);
}

/// A number no other call of this process got.
fn next_number() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
