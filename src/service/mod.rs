//! Flight's calls: decode, resolve, call, encode. The only user of tonic besides `app`.

mod action;
mod alter;
mod attempts;
mod calls;
mod connection;
mod create_as;
mod ddl;
mod exchange;
mod flight;
mod frames;
mod fresh_tables;
mod functions;
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
use attempts::Attempts;
use calls::Calls;
use create_as::CreateAs;
use fresh_tables::FreshTables;
use functions::PlannedCalls;
use transactions::Transactions;

/// What every call shares.
#[derive(Debug)]
pub struct Airport {
    catalogs: Vec<Arc<dyn Catalog>>,
    limits: Limits,
    calls: Calls,
    transactions: Transactions,
    fresh_tables: FreshTables,
    create_as: CreateAs,
    attempts: Attempts,
    planned_calls: PlannedCalls,
    /// How often clients have asked for a catalog's version.
    version_looks: AtomicU64,
}

impl Airport {
    /// A service over these catalogs.
    pub fn new(catalogs: Vec<Arc<dyn Catalog>>, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            catalogs,
            calls: Calls::new(limits.calls_max.get()),
            limits,
            transactions: Transactions::new(),
            fresh_tables: FreshTables::new(),
            create_as: CreateAs::new(),
            attempts: Attempts::new(),
            planned_calls: PlannedCalls::new(),
            version_looks: AtomicU64::new(0),
        })
    }
}
