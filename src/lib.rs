//! Deltaport: an Arrow Flight server that speaks DuckDB's Airport protocol over Delta Lake.
//!
//! # Code map, in reading order
//!
//! - [`cli`], [`config`]: the command line, and the plain settings made of it.
//! - [`app`]: the composition root, the only place that names every concrete type.
//! - [`service`]: the Flight calls: decode, resolve, call, encode. The only user of tonic besides [`app`].
//! - [`protocol`]: Airport on the wire: one typed struct per message. Pure.
//! - [`catalog`]: which schemas and tables exist.
//! - [`engine`]: the seam over any table format. Arrow types only.
//! - [`expression`]: SQL expressions over rows. Pure.
//! - [`merge`]: MERGE's clauses, understood. Pure.
//! - [`delta`]: Delta Lake behind that seam. The only module that names deltalake or the kernel.
//! - [`shutdown`]: no new calls, then a bounded drain.
//!
//! The crate `deltaport-transports` holds listeners and connections: bytes and peers, nothing of Flight.
//!
//! # Invariants
//!
//! - Arrows run downward only: `app` → `service` → {`protocol`, `catalog`, `engine`}; `catalog` → `engine`;
//!   `delta` → {`engine`, `merge`, `expression`}; `merge` → {`expression`, `engine`}; `expression` → `engine`.
//! - `protocol`, `engine`, `expression` and `merge` do no I/O.
//! - Only `delta/` names Delta; only `service/status.rs` makes a `tonic::Status`.
//! - A row id is resolved only against the snapshot that minted it.
//! - A SQL statement is whole in one commit or in none, and it is durable before it is acknowledged.
//! - Every queue and retry has a bound.

pub mod app;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod delta;
pub mod demo;
pub mod engine;
pub mod expression;
pub mod merge;
pub mod protocol;
pub mod service;
pub mod shutdown;

#[cfg(test)]
mod fuzz;
