//! The composition root: names every concrete type, and nothing else does.

use std::{fmt, future::Future, os::unix::ffi::OsStrExt, sync::Arc};

use deltaport_transports::{
    ConnectionLimit, Endpoint, ListenOptions, Listener, UnixOptions, incoming, listen,
    unix::authority::accept_encoded_paths,
};
use futures::{StreamExt, stream};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use tokio_util::sync::CancellationToken;
use tonic::transport;
use tracing::info;

use crate::{
    catalog::{Catalog, DirectoryCatalog},
    config::Config,
    delta::DeltaFormat,
    engine,
    service::{Airport, Incoming, Router},
    shutdown,
};

/// HTTP/2 flow-control window of one stream. A bulk INSERT sends about 600 MB/s in messages of up to a few MiB; the
/// protocol's 64 KiB default would stop the client after every half message.
const STREAM_WINDOW_BYTES: u32 = 8 << 20;

/// HTTP/2 flow-control window of a whole connection: several streams at full speed. It also bounds what a
/// connection that nobody reads from can hold in memory.
const CONNECTION_WINDOW_BYTES: u32 = 32 << 20;

/// The longest HTTP/2 frame taken. The default of 16 KiB costs a frame header and a wake-up for every 16 KiB of a
/// batch; beyond 1 MiB nothing is gained.
const FRAME_BYTES_MAX: u32 = 1 << 20;

/// Calls in flight on one connection: each DuckDB thread has one, and one process shares a connection.
const STREAMS_PER_CONNECTION_MAX: u32 = 1_024;

/// A server that listens and is not serving yet.
pub struct Server {
    config: Config,
    names: Vec<String>,
    listeners: Vec<Box<dyn Listener>>,
    router: Router,
    /// Has work behind finished calls (checkpoints) to be waited for.
    format: Option<Arc<DeltaFormat>>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings do not fit together; every fault is named.
    #[error("{}", .0.join("; "))]
    Config(Vec<String>),
    /// A catalog cannot be opened.
    #[error(transparent)]
    Catalog(#[from] engine::Error),
    /// An endpoint cannot be listened on.
    #[error(transparent)]
    Bind(#[from] deltaport_transports::Error),
}

impl Server {
    /// Opens the catalogs and binds every endpoint; clients may connect from here on, and wait.
    ///
    /// # Errors
    /// Those of [`StartError`].
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let faults = config.faults();
        if !faults.is_empty() {
            return Err(StartError::Config(faults));
        }
        let format = Arc::new(DeltaFormat::new(config.delta.clone()));
        let catalogs = catalogs(&config, &format)?;
        Ok(Self { format: Some(format), ..Self::bind_catalogs(config, catalogs).await? })
    }

    /// As [`Server::bind`], over catalogs that are open already; those of the settings are not looked at.
    ///
    /// # Errors
    /// [`StartError::Bind`].
    pub async fn bind_catalogs(config: Config, catalogs: Vec<Arc<dyn Catalog>>) -> Result<Self, StartError> {
        let names = catalogs.iter().map(|catalog| catalog.name().to_owned()).collect();
        let router = Router::new(Airport::new(catalogs, config.limits));
        let unix = UnixOptions { mode: config.socket_mode, ..UnixOptions::default() };
        let mut listeners = Vec::new();
        for endpoint in &config.listen {
            listeners.push(listen(endpoint, &ListenOptions { unix }).await?);
        }
        Ok(Self { config, names, listeners, router, format: None })
    }

    /// Where the server listens, ports known.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.listeners.iter().map(|listener| listener.endpoint().clone()).collect()
    }

    /// The SQL that attaches each catalog at each endpoint.
    pub fn attach_lines(&self) -> Vec<String> {
        let endpoints = self.endpoints();
        self.names.iter().flat_map(|name| endpoints.iter().map(|e| AttachLine(name, e).to_string())).collect()
    }

    /// Serves until `shutdown` ends, then drains: no new calls, running ones may finish within the grace period.
    ///
    /// # Errors
    /// If serving fails altogether; a failing connection or call does not.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), transport::Error> {
        let stop = CancellationToken::new();
        let limit = ConnectionLimit::new(self.config.limits.connections_max);
        let accept = |listener| incoming(listener, limit.clone(), stop.clone().cancelled_owned()).boxed();
        let accepted = self.listeners.into_iter().map(accept);
        let (opening_max, stopping) = (self.config.limits.opening_max, stop.clone());
        let incoming = stream::select_all(accepted).map(move |connection| {
            // DuckDB's gRPC spells a Unix socket's path as the authority, which Rust's HTTP/2 refuses as it comes.
            Ok::<_, std::io::Error>(Incoming::new(accept_encoded_paths(connection), opening_max, &stopping))
        });
        let serving = http2_server()
            .add_service(self.router)
            .serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
        tokio::pin!(serving);
        tokio::select! {
            result = &mut serving => return result,
            () = shutdown => stop.cancel(),
        }
        let mut result = Ok(());
        let finished = async {
            result = serving.await;
            if let Some(format) = &self.format {
                format.finish().await;
            }
        };
        let drained = shutdown::drain(finished, self.config.drain_grace).await;
        info!(drained, "stopped");
        result
    }
}

fn catalogs(config: &Config, format: &Arc<DeltaFormat>) -> engine::Result<Vec<Arc<dyn Catalog>>> {
    let open = |catalog: &crate::config::CatalogConfig| {
        let catalog = DirectoryCatalog::open(&catalog.name, &catalog.path, Arc::clone(format) as _)?;
        Ok(Arc::new(catalog) as Arc<dyn Catalog>)
    };
    config.catalogs.iter().map(open).collect()
}

fn http2_server() -> transport::Server {
    transport::Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
}

/// What Arrow's URI parser refuses in a path, and `%`, which it would decode.
const NOT_IN_PATHS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `ATTACH 'catalog' (TYPE airport, LOCATION '...');`
struct AttachLine<'a>(&'a str, &'a Endpoint);

impl fmt::Display for AttachLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| text.replace('\'', "''");
        write!(f, "ATTACH '{}' (TYPE airport, LOCATION 'grpc{}');", quoted(self.0), quoted(&location(self.1)))
    }
}

/// An endpoint as Arrow Flight spells locations, without the leading `grpc`.
fn location(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Tcp { .. } => endpoint.to_string().replacen("tcp", "", 1),
        Endpoint::Unix { path } => format!("+unix://{}", percent_encode(path.as_os_str().as_bytes(), NOT_IN_PATHS)),
        Endpoint::Memory { name } => format!("+memory://{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attach_lines_quote_and_encode() {
        let line = |name: &str, endpoint: &str| AttachLine(name, &endpoint.parse().expect("an endpoint")).to_string();
        assert_eq!(line("lake", "tcp://[::1]:8815"), "ATTACH 'lake' (TYPE airport, LOCATION 'grpc://[::1]:8815');");
        assert_eq!(
            line("it's", "unix:///run/a b/d'p.sock"),
            "ATTACH 'it''s' (TYPE airport, LOCATION 'grpc+unix:///run/a%20b/d%27p.sock');"
        );
    }
}
