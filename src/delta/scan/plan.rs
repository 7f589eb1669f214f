//! Which files a scan reads, and how they are shared out.

use std::{num::NonZeroUsize, sync::Arc};

use super::{
    file_bounds::{FileBounds, rows_by_log},
    prune::may_match,
    simplify::{Known, coarse, simplify},
};
use crate::{
    delta::{duckdb_types::stored_predicate, file::DataFile, index::FileIndex, schema::TableSchema},
    engine::{Predicate, ReadPart, ReadPlan, ReadUnit, ScanRequest},
};

/// What a part is worth a stream of its own for: some tens of milliseconds of decoding, well above what a call, a
/// footer and a thread cost.
const PART_BYTES_MIN: u64 = 8 * 1024 * 1024;

/// What opening a file costs, as bytes read: a request or two to a store, a footer to parse.
const FILE_COST_BYTES: u64 = 256 * 1024;

/// Files are cut into slices of about this fraction of a part, so that parts fill evenly.
const SLICES_PER_PART: u64 = 4;

/// Leaves out the files that hold no wanted row and splits the rest into at most `parts_max` parts of nearly equal
/// cost. Units name files by their ordinals.
pub(crate) fn plan(
    files: &FileIndex,
    schema: &Arc<TableSchema>,
    request: &ScanRequest,
    parts_max: NonZeroUsize,
) -> ReadPlan {
    let predicate = stored_predicate(&request.predicate, &schema.logical);
    let predicate = simplify(&predicate, &|_| Known::Nothing);
    if predicate == Predicate::NEVER {
        return ReadPlan::default();
    }
    let wanted = wanted(files, schema, &coarse(&predicate));
    let counts_rows = request.projection.is_empty() && !request.row_id && predicate == Predicate::Unknown;
    let parts = if counts_rows { 1 } else { parts_worthwhile(&wanted, parts_max) };
    share_out(&wanted, parts)
}

/// Tells which files may hold a row that satisfies a predicate, by what the log says of them.
pub(crate) struct Candidates {
    schema: Arc<TableSchema>,
    predicate: Predicate,
}

impl Candidates {
    /// The predicate is about the columns of the schema as scans deliver them.
    pub(crate) fn new(schema: &Arc<TableSchema>, predicate: &Predicate) -> Self {
        let predicate = stored_predicate(predicate, &schema.logical);
        Self { schema: Arc::clone(schema), predicate: coarse(&simplify(&predicate, &|_| Known::Nothing)) }
    }

    pub(crate) fn has(&self, file: &DataFile) -> bool {
        may_hold(file, &self.schema, &self.predicate)
    }
}

/// The files that may hold a wanted row.
fn wanted(files: &FileIndex, schema: &Arc<TableSchema>, predicate: &Predicate) -> Vec<Piece> {
    let mut wanted = Vec::new();
    for (start, block) in files.blocks() {
        let candidates = block.digest().may_match(block.files(), schema, predicate);
        for (at, (file, _)) in block.files().iter().zip(candidates).enumerate().filter(|(_, (_, candidate))| *candidate)
        {
            if may_hold(file, schema, predicate)
                && let Ok(ordinal) = u32::try_from(start + at)
            {
                wanted.push(Piece { file: ordinal, cost: file.size_bytes.saturating_add(FILE_COST_BYTES) });
            }
        }
    }
    wanted
}

fn may_hold(file: &DataFile, schema: &TableSchema, predicate: &Predicate) -> bool {
    match predicate {
        Predicate::Unknown => rows_by_log(file) != Some(0),
        _ => {
            let bounds = FileBounds::new(file, schema);
            !bounds.is_empty() && may_match(predicate, &bounds)
        }
    }
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

/// A slice is no larger than a fraction of a part, and a file that is no larger than that is whole.
fn slices_of(cost: u64, total: u128, parts: u64) -> u32 {
    if parts == 1 {
        return 1;
    }
    let fractions = u128::from(cost) * u128::from(parts * SLICES_PER_PART);
    u32::try_from(fractions.div_ceil(total)).unwrap_or(u32::MAX).max(1)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::datatypes::{DataType, Field, Schema};
    use object_store::path::Path;

    use super::*;
    use crate::{
        delta::schema::ColumnMapping,
        engine::{CompareOp, Scalar},
    };

    const MIB: u64 = 1024 * 1024;

    fn files(sizes_mib: &[u64]) -> FileIndex {
        let file = |(at, size): (usize, &u64)| DataFile {
            path: Path::from(format!("{at:05}")),
            log_path: None,
            size_bytes: size * MIB,
            partition_values: BTreeMap::new(),
            stats_json: Some(format!(r#"{{"numRecords":9,"minValues":{{"a":{at}}},"maxValues":{{"a":{at}}}}}"#).into()),
            deletion_vector: None,
            ..DataFile::default()
        };
        FileIndex::try_new(sizes_mib.iter().enumerate().map(file)).unwrap()
    }

    fn planned(files: &FileIndex, projection: Vec<usize>, predicate: Predicate, parts: usize) -> Vec<ReadPart> {
        let logical = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        let (stored, physical) = (Arc::clone(&logical), Arc::clone(&logical));
        let schema = TableSchema { logical, stored, physical, partition_columns: vec![], mapping: ColumnMapping::None };
        let request = ScanRequest { projection, row_id: false, predicate };
        plan(files, &Arc::new(schema), &request, NonZeroUsize::new(parts).unwrap()).parts
    }

    fn bytes(files: &FileIndex, part: &ReadPart) -> u64 {
        part.units.iter().map(|unit| files[unit.file as usize].size_bytes / u64::from(unit.slices)).sum()
    }

    #[test]
    fn parts_are_few_full_and_nearly_equal() {
        for (sizes, parts_max, parts, largest_mib) in [
            (&[400][..], 4, 4, 100),
            (&[400], 1, 1, 400),
            (&[100, 100, 100], 2, 2, 170),
            (&[60, 40], 4, 4, 32),
            (&[1; 100], 8, 8, 13),
            (&[1000, 1, 1], 8, 8, 130),
            (&[1, 1, 1], 8, 1, 3),
            (&[20], 8, 2, 10),
        ] {
            let files = files(sizes);
            let plan = planned(&files, vec![0], Predicate::Unknown, parts_max);
            assert_eq!(plan.len(), parts, "{sizes:?}");
            let largest = plan.iter().map(|part| bytes(&files, part)).max().unwrap();
            assert!(largest <= largest_mib * MIB, "{sizes:?}: {} MiB", largest / MIB);
            assert!(plan.iter().all(|part| !part.units.is_empty()));
        }
    }

    #[test]
    fn every_byte_is_in_one_part() {
        for sizes in [&[400, 3, 77, 0, 129][..], &[64; 7], &[1; 50], &[5000, 5000]] {
            for parts_max in 1..20 {
                let files = files(sizes);
                let plan = planned(&files, vec![0], Predicate::Unknown, parts_max);
                let units: Vec<ReadUnit> = plan.iter().flat_map(|part| part.units.clone()).collect();
                assert!(plan.len() <= parts_max);
                for (ordinal, _) in files.iter().enumerate() {
                    let mut end = (0, 1); // as a fraction
                    for unit in units.iter().filter(|unit| unit.file as usize == ordinal) {
                        assert_eq!(unit.slice * end.1, end.0 * unit.slices, "slices follow one another");
                        end = (unit.slice + 1, unit.slices);
                    }
                    assert_eq!(end.0, end.1, "to the end");
                }
            }
        }
    }

    #[test]
    fn files_without_wanted_rows_are_left_out_and_ordinals_stay() {
        let files = files(&[1, 1, 1, 1]);
        let from = |value| Predicate::Compare {
            column: vec!["a".to_owned()],
            op: CompareOp::GreaterOrEqual,
            value: Scalar::Integer(value),
        };
        let units = |predicate| {
            let plan = planned(&files, vec![0], predicate, 4);
            plan.iter().flat_map(|part| part.units.iter().map(|unit| unit.file)).collect::<Vec<_>>()
        };
        assert_eq!(units(from(2)), [2, 3]);
        assert!(planned(&files, vec![0], from(4), 4).is_empty());
        assert!(planned(&files, vec![], Predicate::Or(vec![]), 4).is_empty());
        assert!(planned(&FileIndex::default(), vec![0], Predicate::Unknown, 4).is_empty());
        let list = |negated| Predicate::In {
            column: vec!["a".to_owned()],
            values: (2..200).map(Scalar::Integer).collect(),
            negated,
        };
        assert_eq!(units(list(false)), [2, 3]);
        assert_eq!(units(list(true)), [0, 1, 2, 3]);
    }

    #[test]
    fn counting_rows_is_one_part() {
        let files = files(&[400, 400]);
        assert_eq!(planned(&files, vec![], Predicate::And(vec![]), 8).len(), 1);
        assert_eq!(planned(&files, vec![0], Predicate::And(vec![]), 8).len(), 8);
    }
}
