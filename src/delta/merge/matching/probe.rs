//! A batch of the target against an index: which of its rows match which of the source, and which clause is theirs.

use std::sync::Arc;

use arrow::{
    array::{AsArray, BooleanArray, RecordBatch, StructArray},
    buffer::BooleanBuffer,
    compute::filter_record_batch,
    datatypes::{Int32Type, Int64Type},
};
use tokio_util::sync::CancellationToken;

use super::{
    asked::{Asked, Outcome, Trial, raised},
    decided::{Gathered, Unwanted},
    marks::{SourceMarks, TargetMarks},
    over_pairs::{OverPairs, truths},
};
use crate::{
    delta::{
        merge::source::{KeyIndex, Pairs, PairsFrom, SourceRows, target_keys},
        scan::RowPlace,
    },
    engine::{Error, Result},
    merge::MergePlan,
};

/// Pairs that are looked at together: a row of the target may match every row of the source, and columns of both are
/// gathered for them.
const PAIRS_MAX: usize = 16 * 1024;

/// What a pass does with the rows it reads.
pub(super) struct Probe {
    pub(super) plan: Arc<MergePlan>,
    pub(super) asked: Arc<Asked>,
    pub(super) source: Arc<SourceRows>,
    /// What they are looked up in; without one no row matches.
    pub(super) index: Option<Arc<KeyIndex>>,
    /// Where rows of the source that match are noted, if that is asked.
    pub(super) source_marks: Option<Arc<SourceMarks>>,
    pub(super) unmatching: Unmatching,
}

/// What is done with rows of the target that match none of the index.
pub(super) enum Unmatching {
    Nothing,
    /// They match none at all: their clause is looked for.
    Decide,
    /// They may match others: those that do match are noted.
    Mark(Arc<TargetMarks>),
}

/// Why a worker ends early.
#[derive(Debug)]
pub(super) enum Ended {
    Unwanted,
    Failed(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Unwanted> for Ended {
    fn from(_: Unwanted) -> Self {
        Self::Unwanted
    }
}

/// Probes batches of a part, one after the other.
pub(super) struct Prober<'p> {
    probe: &'p Probe,
    gathered: Gathered,
    cancelled: &'p CancellationToken,
}

impl<'p> Prober<'p> {
    pub(super) fn new(probe: &'p Probe, gathered: Gathered, cancelled: &'p CancellationToken) -> Self {
        Self { probe, gathered, cancelled }
    }

    /// Looks at rows: the scanned columns and their ids.
    pub(super) fn probe(&mut self, rows: &RecordBatch) -> Result<(), Ended> {
        let mut batch = Batch::of(rows, !matches!(self.probe.unmatching, Unmatching::Nothing))?;
        if let Some(index) = &self.probe.index {
            self.match_rows(index, &mut batch)?;
        }
        match &self.probe.unmatching {
            Unmatching::Nothing => Ok(()),
            Unmatching::Mark(marks) => {
                marks.mark(batch.places.of(batch.rows_where(true)));
                Ok(())
            }
            Unmatching::Decide => {
                let unmatched = Pairs { target: batch.rows_where(false).collect(), source: Vec::new() };
                self.decide(&self.probe.asked.by_source, &batch, unmatched)
            }
        }
    }

    /// Sends on what waits.
    pub(super) fn finish(&mut self) -> Result<(), Ended> {
        Ok(self.gathered.flush()?)
    }

    fn match_rows(&mut self, index: &KeyIndex, batch: &mut Batch<'_>) -> Result<(), Ended> {
        let candidates = self.candidates(&batch.rows)?;
        if candidates.rows.num_rows() == 0 {
            return Ok(());
        }
        let keys = target_keys(&self.probe.asked.on, &candidates.rows)?;
        let mut from = Some(PairsFrom::default());
        while let Some(at) = from {
            self.check_wanted()?;
            let (mut pairs, next) = index.pairs(&keys, candidates.rows.num_rows(), at, PAIRS_MAX)?;
            candidates.in_batch(&mut pairs);
            self.match_pairs(batch, pairs)?;
            from = next;
        }
        Ok(())
    }

    /// The rows that ON's conditions on the target let match. Each is asked of what those before it have left.
    fn candidates(&self, rows: &RecordBatch) -> Result<Candidates> {
        let mut left = Candidates { rows: rows.clone(), at: None };
        for condition in &self.probe.asked.on.target {
            if left.rows.num_rows() == 0 {
                break;
            }
            let holds = truths(&condition.evaluate(&left.rows)?)?;
            left = left.only(holds)?;
        }
        Ok(left)
    }

    fn match_pairs(&mut self, batch: &mut Batch<'_>, mut pairs: Pairs) -> Result<(), Ended> {
        let Probe { asked, source, source_marks, .. } = self.probe;
        for condition in &asked.rest {
            if pairs.target.is_empty() {
                break;
            }
            let holds = condition.holds(&batch.rows, source, &pairs)?;
            pairs = divided(pairs, &holds).0;
        }
        batch.mark(&pairs.target);
        if let Some(marks) = source_marks {
            marks.mark(&pairs.source);
        }
        self.decide(&asked.matched, batch, pairs)
    }

    /// Tries clauses in order, each on what those before it have left.
    fn decide(&mut self, trials: &[Trial], batch: &Batch<'_>, mut left: Pairs) -> Result<(), Ended> {
        for trial in trials {
            if left.target.is_empty() {
                break;
            }
            let taken = match &trial.condition {
                None => std::mem::take(&mut left),
                Some(condition) => {
                    let holds = condition.holds(&batch.rows, &self.probe.source, &left)?;
                    let (taken, others) = divided(left, &holds);
                    left = others;
                    taken
                }
            };
            match &trial.outcome {
                Outcome::Decided => self.gathered.add(trial.clause, &batch.places, taken)?,
                Outcome::Error(message) if !taken.target.is_empty() => {
                    return Err(self.raise(trial.clause, message.as_ref(), &batch.rows, taken));
                }
                Outcome::Error(_) | Outcome::Nothing => {}
            }
        }
        Ok(())
    }

    /// The error that a clause raises for the first of these.
    fn raise(&self, clause: usize, message: Option<&OverPairs>, rows: &RecordBatch, mut of: Pairs) -> Ended {
        of.target.truncate(1);
        of.source.truncate(1);
        let clause = &self.probe.plan.clauses[clause];
        let Some(message) = message else { return raised(clause, None).into() };
        match message.values(rows, &self.probe.source, &of) {
            Ok(text) => raised(clause, Some(&text)).into(),
            Err(error) => error.into(),
        }
    }

    fn check_wanted(&self) -> Result<(), Ended> {
        if self.cancelled.is_cancelled() { Err(Ended::Unwanted) } else { Ok(()) }
    }
}

/// Rows of a batch.
struct Candidates {
    rows: RecordBatch,
    /// Where each is in the batch; `None` if these are all of it.
    at: Option<Vec<u32>>,
}

impl Candidates {
    fn only(self, mask: BooleanBuffer) -> Result<Self> {
        if mask.count_set_bits() == mask.len() {
            return Ok(self);
        }
        let at = match &self.at {
            None => mask.set_indices_u32().collect(),
            Some(at) => mask.set_indices().map(|row| at[row]).collect(),
        };
        let rows = filter_record_batch(&self.rows, &BooleanArray::new(mask, None));
        Ok(Self { rows: rows.map_err(|source| Error::internal("rows cannot be filtered", source))?, at: Some(at) })
    }

    /// Pairs of these rows as pairs of rows of the batch.
    fn in_batch(&self, pairs: &mut Pairs) {
        if let Some(at) = &self.at {
            pairs.target.iter_mut().for_each(|row| *row = at[*row as usize]);
        }
    }
}

/// The pairs of the mask, and the others.
fn divided(pairs: Pairs, mask: &BooleanBuffer) -> (Pairs, Pairs) {
    match mask.count_set_bits() {
        0 => (Pairs::default(), pairs),
        all if all == mask.len() => (pairs, Pairs::default()),
        _ => {
            let inverse = !mask;
            (only(&pairs, mask), only(&pairs, &inverse))
        }
    }
}

fn only(pairs: &Pairs, mask: &BooleanBuffer) -> Pairs {
    Pairs {
        target: mask.set_indices().map(|at| pairs.target[at]).collect(),
        source: if pairs.source.is_empty() {
            Vec::new()
        } else {
            mask.set_indices().map(|at| pairs.source[at]).collect()
        },
    }
}

/// Rows as a scan makes them.
struct Batch<'r> {
    /// The scanned columns.
    rows: RecordBatch,
    places: Places<'r>,
    /// Which of them match, if that is asked.
    matched: Option<Vec<bool>>,
}

impl<'r> Batch<'r> {
    fn of(rows: &'r RecordBatch, marks: bool) -> Result<Self> {
        let columns: Vec<usize> = (0..rows.num_columns().saturating_sub(1)).collect();
        let without_ids = rows.project(&columns).map_err(|source| Error::internal("rows without their ids", source))?;
        Ok(Self {
            rows: without_ids,
            places: Places::in_ids(rows)?,
            matched: marks.then(|| vec![false; rows.num_rows()]),
        })
    }

    fn mark(&mut self, rows: &[u32]) {
        if let Some(matched) = &mut self.matched {
            rows.iter().for_each(|row| matched[*row as usize] = true);
        }
    }

    /// The rows that match, or the others.
    fn rows_where(&self, wanted: bool) -> impl Iterator<Item = u32> {
        let matched = self.matched.iter().flatten();
        (0..).zip(matched).filter(move |(_, matched)| **matched == wanted).map(|(row, _)| row)
    }
}

/// Where the rows of a batch are.
pub(super) struct Places<'r> {
    files: &'r [i32],
    positions: &'r [i64],
}

impl<'r> Places<'r> {
    /// `rows` end with their ids.
    fn in_ids(rows: &'r RecordBatch) -> Result<Self> {
        let ids = rows.columns().last().and_then(|ids| ids.as_struct_opt()).map(StructArray::columns);
        let Some([_, files, positions]) = ids else {
            return Err(Error::internal("rows of the target cannot be placed", "they have no ids"));
        };
        Ok(Self {
            files: files.as_primitive::<Int32Type>().values(),
            positions: positions.as_primitive::<Int64Type>().values(),
        })
    }

    /// The places of rows.
    pub(super) fn of(&self, rows: impl Iterator<Item = u32>) -> impl Iterator<Item = RowPlace> {
        // Neither number is negative.
        rows.map(|row| RowPlace {
            file: self.files[row as usize].unsigned_abs(),
            position: self.positions[row as usize].unsigned_abs(),
        })
    }
}
