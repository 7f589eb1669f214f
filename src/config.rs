//! The settings of one server, whole and checked, whatever they were read from.

use std::{collections::BTreeSet, num::NonZeroUsize, path::PathBuf, time::Duration};

use deltaport_transports::{ConnectionLimit, Endpoint};

use crate::delta::DeltaOptions;

/// Where a server listens unless told otherwise.
pub const LISTEN_DEFAULT: &str = "tcp://127.0.0.1:8815";

/// Everything a server is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The catalogs, at least one, with different names.
    pub catalogs: Vec<CatalogConfig>,
    /// Where to listen, at least one.
    pub listen: Vec<Endpoint>,
    /// Permission bits of Unix sockets.
    pub socket_mode: u32,
    /// How long running calls may go on after the signal to stop.
    pub drain_grace: Duration,
    /// Bounds on what clients can ask for.
    pub limits: Limits,
    /// What becomes of Delta tables.
    pub delta: DeltaOptions,
}

/// One catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogConfig {
    /// The name clients attach.
    pub name: String,
    /// Its directory.
    pub path: PathBuf,
}

/// Bounds on what clients can ask for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest message taken from a client. One holds at most 2048 rows, so this bounds their average width:
    /// 256 MiB are 128 KiB a row.
    pub message_bytes_max: usize,
    /// The most streams one scan is split into; each is one thread of the client.
    pub scan_streams_max: NonZeroUsize,
    /// The most connections at a time; more wait in the listen queue.
    pub connections_max: NonZeroUsize,
    /// The most calls at a time, over all connections; more are refused, because callers that waited for each other's
    /// streams would wait for ever.
    pub calls_max: NonZeroUsize,
    /// How long a new connection may take to its first call, and an exchange to its schema: both come at once from
    /// an honest client, so only a network stands between.
    pub opening_max: Duration,
    /// How long a call may go without a row from the client, or without the client taking the next one. An INSERT
    /// sends nothing while its query computes, and a result may lie open in somebody's session, so this is long.
    pub idle_max: Duration,
    /// The most columns of a table, nested fields counted: each costs an encoder and its buffers in every write.
    pub columns_max: usize,
    /// How deep the types of columns may nest: bounds the stack of all that walks them.
    pub nesting_max: usize,
    /// The longest column name: it stands in every data file, and DuckDB names columns after whole expressions.
    pub column_name_bytes_max: usize,
    /// The most rows of a message. DuckDB sends 2048; a batch can claim any number for columns that take no bytes.
    pub batch_rows_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(4, NonZeroUsize::get);
        Self {
            message_bytes_max: 256 << 20,
            // Twice the cores: a stream waits for the network half of the time.
            scan_streams_max: NonZeroUsize::new(2 * cores).unwrap_or(NonZeroUsize::MIN),
            connections_max: ConnectionLimit::DEFAULT,
            // Eight threads of a client for every connection.
            calls_max: NonZeroUsize::new(8 * ConnectionLimit::DEFAULT.get()).unwrap_or(NonZeroUsize::MIN),
            opening_max: Duration::from_secs(60),
            idle_max: Duration::from_secs(24 * 3600),
            columns_max: 10_000,
            nesting_max: 32,
            column_name_bytes_max: 4096,
            batch_rows_max: 1 << 20,
        }
    }
}

impl Config {
    /// A server of these catalogs at these endpoints, the rest by default.
    pub fn new(catalogs: Vec<CatalogConfig>, listen: Vec<Endpoint>) -> Self {
        Self {
            catalogs,
            listen,
            socket_mode: 0o600,
            drain_grace: Duration::from_secs(30),
            limits: Limits::default(),
            delta: DeltaOptions::default(),
        }
    }

    /// What is wrong with the settings, all of it at once; empty if nothing is.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.catalogs.is_empty() {
            faults.push("no catalog: name a directory, or --catalog NAME=PATH".to_owned());
        }
        if self.listen.is_empty() {
            faults.push(format!("nowhere to listen: --listen {LISTEN_DEFAULT}, for example"));
        }
        let mut names = BTreeSet::new();
        for catalog in &self.catalogs {
            if !names.insert(catalog.name.to_lowercase()) {
                faults.push(format!("two catalogs are called {:?}; names must differ in more than case", catalog.name));
            }
            if !catalog.path.is_dir() {
                faults.push(format!("catalog {:?}: {} is not a directory", catalog.name, catalog.path.display()));
            }
        }
        faults
    }
}
