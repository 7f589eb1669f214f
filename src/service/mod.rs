//! Flight's calls: decode, resolve, call, encode. The only user of tonic besides `app`.

mod action;
mod calls;
mod connection;
mod ddl;
mod exchange;
mod flight;
mod frames;
mod limits;
mod resolve;
mod router;
mod scan;
mod status;
mod taken;
mod transactions;

use std::sync::{Arc, atomic::AtomicU64};

pub use connection::Incoming;
pub use router::Router;

use crate::{catalog::Catalog, config::Limits};
use calls::Calls;
use transactions::{FreshTables, Transactions};

/// What every call shares.
#[derive(Debug)]
pub struct Airport {
    catalogs: Vec<Arc<dyn Catalog>>,
    limits: Limits,
    calls: Calls,
    transactions: Transactions,
    fresh_tables: FreshTables,
    /// How often clients have asked for a catalog's version.
    version_looks: AtomicU64,
}

impl Airport {
    /// A service over these catalogs.
    pub fn new(catalogs: Vec<Arc<dyn Catalog>>, limits: Limits) -> Arc<Self> {
        let calls = Calls::new(limits.calls_max.get());
        let (transactions, fresh_tables) = (Transactions::new(), FreshTables::new());
        Arc::new(Self { catalogs, limits, calls, transactions, fresh_tables, version_looks: AtomicU64::new(0) })
    }
}
