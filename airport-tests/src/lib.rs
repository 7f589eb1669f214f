//! The product from outside: what it takes to drive a running server as its users do.
//!
//! - [`server`]: the built binary as a process of its own, with a lake directory and its ATTACH lines.
//! - [`client`]: DuckDB's half of the Airport protocol, message by message.
//! - [`golden`]: what a real DuckDB said, to be said again.
//! - [`readers`]: Delta readers written by others, asked in SQL.
//! - [`rows`]: batches as rows of JSON, to compare with those.
//! - [`sql`]: SQL scripts run through a real DuckDB with the Airport extension.
//!
//! Nothing here uses the server's own modules: a mistake that both ends shared would go unseen.

pub mod client;
pub mod golden;
pub mod readers;
pub mod rows;
pub mod server;
pub mod sql;
