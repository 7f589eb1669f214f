//! Airport on the wire: one typed struct per message, read from the client's own source.
//!
//! Pure: bytes and Arrow in, values and Arrow out. No I/O, no runtime, no tonic, no Delta. Where a struct names a
//! `.cpp` or `.hpp` file, that file of the Airport client (`Query-farm/airport`, below `src/`) is where its fields
//! were read.
//!
//! - [`action`]: what DoAction asks for and answers.
//! - [`descriptor`], [`shape`]: which table, and which columns the client believes it has.
//! - [`statistics`]: what the client is told of a column's values.
//! - [`flight_info`]: a table or function as the client's catalog takes it.
//! - [`function`]: which function, its arguments, and what surrounds the rows of its table argument.
//! - [`filters`]: DuckDB's pushed-down expressions as the engine's predicates.
//! - [`ticket`]: one part of a scan.
//! - [`exchange`], [`headers`]: what surrounds the batches of a call.
//! - [`change`]: the columns of UPDATE and DELETE.
//! - [`source`]: the rows of a merge's source.
//! - [`types`]: DuckDB's Arrow as the engine's, and the schema of a scan's stream.
//! - [`msgpack`], [`ipc`]: bounded decoding below all of them.

pub mod action;
pub mod change;
pub mod descriptor;
mod error;
pub mod exchange;
pub mod filters;
pub mod flight_info;
pub mod function;
pub mod headers;
pub mod ipc;
pub mod msgpack;
pub mod shape;
pub mod source;
pub mod statistics;
pub mod ticket;
pub mod types;

pub use error::DecodeError;

#[cfg(test)]
pub(crate) mod fuzz;
#[cfg(test)]
pub(crate) mod golden;
