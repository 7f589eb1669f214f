//! Which files a scan reads, and how they are shared out.

use std::{num::NonZeroUsize, sync::Arc};

use super::{
    file_bounds::FileBounds,
    prune::may_match,
    simplify::{Known, NEVER, simplify},
};
use crate::{
    delta::{file::DataFile, schema::TableSchema},
    engine::{Predicate, ReadPart, ReadPlan, ReadUnit, ScanRequest},
};

/// What a part is worth a stream of its own for: some tens of milliseconds of decoding, well above what a call, a
/// footer and a thread cost.
const PART_BYTES_MIN: u64 = 8 * 1024 * 1024;

/// What opening a file costs, as bytes read: a request or two to a store, a footer to parse.
const FILE_COST_BYTES: u64 = 256 * 1024;

/// Files are cut into slices of about this fraction of a part, so that parts fill evenly.
const SLICES_PER_PART: u64 = 2;

/// Leaves out the files that hold no wanted row and splits the rest into at most `parts_max` parts of nearly equal
/// cost. Ordinals are indexes into `files`.
pub(crate) fn plan(
    files: &[Arc<DataFile>],
    schema: &TableSchema,
    request: &ScanRequest,
    parts_max: NonZeroUsize,
) -> ReadPlan {
    let predicate = simplify(&request.predicate, &|_| Known::Nothing);
    let wanted = |file: &DataFile| {
        let bounds = FileBounds::new(file, schema);
        !bounds.is_empty() && may_match(&predicate, &bounds)
    };
    if predicate == NEVER {
        return ReadPlan::default();
    }
    let wanted: Vec<Piece> = (0_u32..)
        .zip(files)
        .filter(|(_, file)| wanted(file))
        .map(|(file, data)| Piece { file, cost: data.size_bytes.saturating_add(FILE_COST_BYTES) })
        .collect();
    let counts_rows = request.projection.is_empty() && !request.row_id && predicate == Predicate::Unknown;
    let parts = if counts_rows { 1 } else { parts_worthwhile(&wanted, parts_max) };
    share_out(&wanted, parts)
}

/// A file to be read.
#[derive(Debug, Clone, Copy)]
struct Piece {
    file: u32,
    cost: u64,
}

fn total(pieces: &[Piece]) -> u64 {
    pieces.iter().fold(0, |sum, piece| sum.saturating_add(piece.cost))
}

fn parts_worthwhile(pieces: &[Piece], parts_max: NonZeroUsize) -> u64 {
    (total(pieces) / PART_BYTES_MIN).clamp(1, parts_max.get() as u64)
}

/// Lays the slices of all files end to end and cuts at equal distances; a slice goes where its middle is.
fn share_out(pieces: &[Piece], parts: u64) -> ReadPlan {
    let total = u128::from(total(pieces).max(1));
    let mut shared: Vec<(u128, ReadPart)> = Vec::new();
    let mut before = 0_u128;
    for piece in pieces {
        let (cost, slices) = (u128::from(piece.cost), slices_of(piece.cost, total, parts));
        for slice in 0..slices {
            let middle = before + cost * u128::from(2 * slice + 1) / u128::from(2 * slices);
            let part = middle * u128::from(parts) / total;
            if shared.last().is_none_or(|(last, _)| *last != part) {
                shared.push((part, ReadPart::default()));
            }
            let (_, last) = shared.last_mut().expect("one was begun");
            last.units.push(ReadUnit { file: piece.file, slice, slices });
        }
        before += cost;
    }
    ReadPlan { parts: shared.into_iter().map(|(_, part)| joined(&part)).collect() }
}

/// A file is whole unless it is larger than a part.
fn slices_of(cost: u64, total: u128, parts: u64) -> u32 {
    let parts_of_file = u128::from(cost) * u128::from(parts);
    if parts_of_file <= total {
        return 1;
    }
    u32::try_from((parts_of_file * u128::from(SLICES_PER_PART)).div_ceil(total)).unwrap_or(u32::MAX)
}

/// The part with neighbouring slices of a file as one, where they are one: 2/8 and 3/8 are 1/4.
fn joined(part: &ReadPart) -> ReadPart {
    let mut units = Vec::new();
    for run in part.units.chunk_by(|a, b| a.file == b.file) {
        let (first, count) = (run[0], u32::try_from(run.len()).unwrap_or(u32::MAX));
        if first.slice % count == 0 && first.slices % count == 0 {
            units.push(ReadUnit { slice: first.slice / count, slices: first.slices / count, ..first });
        } else {
            units.extend_from_slice(run);
        }
    }
    ReadPart { units }
}
