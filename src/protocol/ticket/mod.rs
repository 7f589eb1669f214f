//! The DoGet ticket: one part of a scan, in bytes that only a server of this build or its like reads back.
//!
//! A ticket is what the client was given and also what anybody can make up, so decoding trusts nothing; whether the
//! table, version and files exist is for others to say.

mod predicate;

use serde::{Deserialize, Serialize};

use super::{DecodeError, descriptor::TableReference, msgpack, shape::Shape};
use crate::engine::{Predicate, ReadPart, ReadUnit, ScanRequest};

/// One stream of a scan.
#[derive(Debug, Clone)]
pub struct ScanTicket {
    /// The table, with the shape the scan was planned for.
    pub table: TableReference,
    /// The version the scan was planned on.
    pub version: u64,
    /// [`crate::engine::Snapshot::table_id`] of that version.
    pub table_id: String,
    /// What was asked for.
    pub request: ScanRequest,
    /// Which part of the plan.
    pub part: ReadPart,
    /// That row ids are sent because the client must ask for something, and none is looked at.
    pub row_ids_unread: bool,
}

/// The longest ticket that is read: about 300,000 units.
pub const TICKET_BYTES_MAX: usize = 4 << 20;

/// The longest predicate a ticket carries; a longer one (a large IN list) is left out. It was used to choose files,
/// and each of perhaps hundreds of tickets would repeat it.
const PREDICATE_BYTES_MAX: usize = 32 << 10;

/// Changes with the layout below.
const LAYOUT: u8 = 2;

const WHAT: &str = "ticket";

impl ScanTicket {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let predicate = predicate::encode(&self.request.predicate);
        let predicate = if predicate.len() > PREDICATE_BYTES_MAX { vec![] } else { predicate };
        msgpack::encode_compact(&Wire {
            layout: LAYOUT,
            catalog: self.table.catalog.clone(),
            schema: self.table.schema.clone(),
            table: self.table.table.clone(),
            shape: self.table.shape.to_string(),
            version: self.version,
            table_id: self.table_id.clone(),
            projection: self.request.projection.clone(),
            row_id: self.request.row_id,
            row_ids_unread: self.row_ids_unread,
            predicate,
            units: self.part.units.iter().map(|unit| (unit.file, unit.slice, unit.slices)).collect(),
        })
    }

    /// Reads a ticket.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > TICKET_BYTES_MAX {
            return Err(DecodeError::new(WHAT, format!("it is longer than {TICKET_BYTES_MAX} bytes")));
        }
        let wire: Wire = msgpack::decode(WHAT, bytes)?;
        if wire.layout != LAYOUT {
            return Err(DecodeError::new(WHAT, format!("its layout is {} instead of {LAYOUT}", wire.layout)));
        }
        let shape = Shape::from_hex(WHAT, &wire.shape)?;
        if !wire.projection.is_sorted_by(|left, right| left < right) {
            return Err(DecodeError::new(WHAT, "its columns are not in ascending order"));
        }
        let predicate = match wire.predicate.is_empty() {
            true => Predicate::Unknown,
            false => predicate::decode(&wire.predicate)?,
        };
        Ok(Self {
            table: TableReference { catalog: wire.catalog, schema: wire.schema, table: wire.table, shape },
            version: wire.version,
            table_id: wire.table_id,
            request: ScanRequest { projection: wire.projection, row_id: wire.row_id, predicate },
            part: ReadPart { units: wire.units.into_iter().map(unit).collect::<Result<_, _>>()? },
            row_ids_unread: wire.row_ids_unread,
        })
    }
}

/// Packed as an array.
#[derive(Serialize, Deserialize)]
struct Wire {
    layout: u8,
    catalog: String,
    schema: String,
    table: String,
    shape: String,
    version: u64,
    table_id: String,
    projection: Vec<usize>,
    row_id: bool,
    row_ids_unread: bool,
    #[serde(with = "serde_bytes")]
    predicate: Vec<u8>,
    units: Vec<(u32, u32, u32)>,
}

fn unit((file, slice, slices): (u32, u32, u32)) -> Result<ReadUnit, DecodeError> {
    match slice < slices {
        true => Ok(ReadUnit { file, slice, slices }),
        false => Err(DecodeError::new(WHAT, format!("slice {slice} is not below {slices}"))),
    }
}

#[cfg(test)]
mod tests;
