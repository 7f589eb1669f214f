//! What surrounds the batches of DoExchange and DoGet.

use std::fmt;

use arrow_flight::FlightData;
use serde::{Deserialize, Serialize};

use super::{DecodeError, msgpack};

/// `airport-operation`: what a DoExchange is for (`storage/airport_exchange.cpp`,
/// `storage/airport_table_function_set.cpp`, `airport_scalar_function.cpp`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Rows of all table columns, defaults filled in.
    Insert,
    /// The columns SET, in the order of SET, then the row id.
    Update,
    /// Row ids.
    Delete,
    /// The rows of a function's table argument.
    TableFunctionInOut,
    /// The arguments of a scalar function.
    ScalarFunction,
}

const OPERATIONS: [(&str, Operation); 5] = [
    ("insert", Operation::Insert),
    ("update", Operation::Update),
    ("delete", Operation::Delete),
    ("table_function_in_out", Operation::TableFunctionInOut),
    ("scalar_function", Operation::ScalarFunction),
];

impl fmt::Display for Operation {
    /// As the client calls it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = OPERATIONS.iter().find(|(_, operation)| operation == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl Operation {
    /// The operation the client calls `name`.
    pub fn from_name(name: &str) -> Result<Self, DecodeError> {
        OPERATIONS.iter().find(|(known, _)| *known == name).map(|(_, operation)| *operation).ok_or_else(|| {
            let known = OPERATIONS.map(|(name, _)| name).join(", ");
            DecodeError::new("exchange", format!("operation {name:?} is none of {known}"))
        })
    }
}

/// The acknowledgement of a write (`include/storage/airport_exchange.hpp`): a message without a batch, whose
/// app_metadata says how many rows changed. Without it the client reports 0 rows, so it is sent after the commit
/// and never before.
pub fn acknowledgement(total_changed: u64) -> FlightData {
    FlightData::new().with_app_metadata(msgpack::encode(&TotalChanged { total_changed }))
}

/// The app_metadata of a DoGet batch: how much of the stream is done (`airport_flight_stream.cpp`). The client
/// refuses values outside 0 to 1, so they are clamped.
pub fn progress(done: f64) -> Vec<u8> {
    let progress = if done.is_nan() { 0.0 } else { done.clamp(0.0, 1.0) };
    msgpack::encode(&Progress { progress })
}

/// `AirportChangedFinalMetadata`
#[derive(Debug, Serialize, Deserialize)]
struct TotalChanged {
    total_changed: u64,
}

/// `AirportScannerProgress`
#[derive(Debug, Serialize, Deserialize)]
struct Progress {
    progress: f64,
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::protocol::golden;

    #[test]
    fn acknowledges_as_the_recorded_server_did() {
        for (file, rows) in [
            ("016-DoExchange-insert.04.server.pb", 2),
            ("026-DoExchange-insert.06.server.pb", 5000),
            ("086-DoExchange-delete.07.server.pb", 2455),
        ] {
            let recorded = FlightData::decode(golden::file(file).as_slice()).unwrap();
            assert_eq!(acknowledgement(rows).app_metadata, recorded.app_metadata, "{file}");
            assert!(acknowledgement(rows).data_header.is_empty());
        }
    }

    #[test]
    fn progress_stays_within_what_the_client_takes() {
        for (done, sent) in [(0.5, 0.5), (-1.0, 0.0), (1.5, 1.0), (f64::NAN, 0.0), (f64::INFINITY, 1.0)] {
            let decoded: Progress = msgpack::decode("progress", &progress(done)).unwrap();
            assert_eq!(decoded.progress, sent);
        }
    }
}
