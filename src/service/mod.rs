//! Flight's calls: decode, resolve, call, encode. The only user of tonic besides `app`.

mod action;
mod connection;
mod create_as;
mod ddl;
mod exchange;
mod flight;
mod frames;
mod resolve;
mod router;
mod scan;
mod status;
mod transactions;

use std::sync::Arc;

pub use connection::Incoming;
pub use router::Router;

use crate::{catalog::Catalog, config::Limits};
use create_as::CreateAs;
use transactions::{FreshTables, Transactions};

/// What every call shares.
#[derive(Debug)]
pub struct Airport {
    catalogs: Vec<Arc<dyn Catalog>>,
    limits: Limits,
    transactions: Transactions,
    fresh_tables: FreshTables,
    create_as: CreateAs,
}

impl Airport {
    /// A service over these catalogs.
    pub fn new(catalogs: Vec<Arc<dyn Catalog>>, limits: Limits) -> Arc<Self> {
        let (transactions, fresh_tables, create_as) = (Transactions::new(), FreshTables::new(), CreateAs::new());
        Arc::new(Self { catalogs, limits, transactions, fresh_tables, create_as })
    }
}
