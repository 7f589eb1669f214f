//! Batches of the target against an index: which of their rows match which of the source, and which clause is theirs.

use std::{mem, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch},
    buffer::BooleanBuffer,
};

use super::{
    asked::{Asked, Outcome, Trial, raised},
    batch::{Batch, Candidates},
    decided::Gathered,
    marks::{SourceMarks, TargetMarks},
    over_pairs::{OverPairs, truths},
};
use crate::{
    delta::merge::source::{KeyIndex, Pairs, PairsFrom, SourceRows, target_keys},
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
    pub(super) index: Option<KeyIndex>,
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

/// Probes batches one after the other, in steps.
pub(super) struct Prober {
    probe: Arc<Probe>,
    pub(super) gathered: Gathered,
    batch: Batch,
    next: Step,
}

/// What is to be done with a batch.
enum Step {
    Begin,
    /// Its pairs are looked at from here on.
    Match(Candidates, Vec<ArrayRef>, PairsFrom),
    /// What matches nothing is known.
    Unmatched,
    End,
}

impl Prober {
    pub(super) fn new(probe: Arc<Probe>) -> Self {
        Self { probe, gathered: Gathered::default(), batch: Batch::default(), next: Step::End }
    }

    /// Takes rows, of the scanned columns and their ids, to be looked at next.
    pub(super) fn take(&mut self, rows: &RecordBatch) -> Result<()> {
        self.batch = Batch::of(rows, !matches!(self.probe.unmatching, Unmatching::Nothing))?;
        self.next = if self.probe.index.is_some() { Step::Begin } else { Step::Unmatched };
        Ok(())
    }

    /// Whether there are rows that have not been looked at.
    pub(super) const fn has_work(&self) -> bool {
        !matches!(self.next, Step::End)
    }

    /// Looks at some rows, or at a bounded number of pairs. It takes its time: call it on a thread that may block.
    ///
    /// # Errors
    /// `InvalidArgument` where an expression fails on a row, or a clause raises an error.
    pub(super) fn step(&mut self) -> Result<()> {
        loop {
            self.next = match mem::replace(&mut self.next, Step::End) {
                Step::Begin => self.begin()?,
                Step::Match(candidates, keys, from) => self.match_from(candidates, keys, from)?,
                Step::Unmatched => self.decide_unmatched()?,
                Step::End => return Ok(()),
            };
            if matches!(&self.next, Step::Match(_, _, from) if *from != PairsFrom::default()) {
                return Ok(());
            }
        }
    }

    /// Finds the rows that ON's conditions on the target let match, and their keys. Each condition is asked of what those
    /// before it have left.
    fn begin(&self) -> Result<Step> {
        let on = &self.probe.asked.on;
        let mut left = Candidates::all(&self.batch);
        for condition in &on.target {
            if left.rows.num_rows() == 0 {
                break;
            }
            let holds = truths(&condition.evaluate(&left.rows)?)?;
            left = left.only(holds)?;
        }
        if left.rows.num_rows() == 0 {
            return Ok(Step::Unmatched);
        }
        let keys = target_keys(on, &left.rows)?;
        Ok(Step::Match(left, keys, PairsFrom::default()))
    }

    fn match_from(&mut self, candidates: Candidates, keys: Vec<ArrayRef>, from: PairsFrom) -> Result<Step> {
        let probe = Arc::clone(&self.probe);
        let Some(index) = &probe.index else { return Ok(Step::Unmatched) };
        let (mut pairs, next) = index.pairs(&keys, candidates.rows.num_rows(), from, PAIRS_MAX)?;
        candidates.place(&mut pairs);
        for condition in &probe.asked.rest {
            if pairs.target.is_empty() {
                break;
            }
            let holds = condition.holds(&self.batch.rows, &probe.source, &pairs)?;
            pairs = divided(pairs, &holds).0;
        }
        self.batch.mark(&pairs.target);
        if let Some(marks) = &probe.source_marks {
            marks.mark(&pairs.source);
        }
        self.decide(&probe.asked.matched, pairs)?;
        Ok(next.map_or(Step::Unmatched, |next| Step::Match(candidates, keys, next)))
    }

    fn decide_unmatched(&mut self) -> Result<Step> {
        let probe = Arc::clone(&self.probe);
        match &probe.unmatching {
            Unmatching::Nothing => {}
            Unmatching::Mark(marks) => marks.mark(self.batch.places(self.batch.rows_where(true))),
            Unmatching::Decide => {
                let unmatched = Pairs { target: self.batch.rows_where(false).collect(), source: Vec::new() };
                self.decide(&probe.asked.by_source, unmatched)?;
            }
        }
        Ok(Step::End)
    }

    /// Tries clauses in order, each on what those before it have left.
    fn decide(&mut self, trials: &[Trial], mut left: Pairs) -> Result<()> {
        for trial in trials {
            if left.target.is_empty() {
                break;
            }
            let taken = match &trial.condition {
                None => mem::take(&mut left),
                Some(condition) => {
                    let holds = condition.holds(&self.batch.rows, &self.probe.source, &left)?;
                    let (taken, others) = divided(left, &holds);
                    left = others;
                    taken
                }
            };
            match &trial.outcome {
                Outcome::Decided if !taken.target.is_empty() => {
                    self.gathered.add(trial.clause, self.batch.places(taken.target.into_iter()), taken.source);
                }
                Outcome::Error(message) if !taken.target.is_empty() => {
                    return Err(self.raised(trial.clause, message.as_deref(), taken));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The error that a clause raises for the first of these.
    fn raised(&self, clause: usize, message: Option<&OverPairs>, mut of: Pairs) -> Error {
        of.target.truncate(1);
        of.source.truncate(1);
        let clause = &self.probe.plan.clauses[clause];
        let Some(message) = message else { return raised(clause, None) };
        match message.values(&self.batch.rows, &self.probe.source, &of) {
            Ok(text) => raised(clause, Some(&text)),
            Err(error) => error,
        }
    }
}

/// The pairs of the mask, and the others.
fn divided(pairs: Pairs, mask: &BooleanBuffer) -> (Pairs, Pairs) {
    match mask.count_set_bits() {
        0 => (Pairs::default(), pairs),
        all if all == mask.len() => (pairs, Pairs::default()),
        _ => (only(&pairs, mask), only(&pairs, &!mask)),
    }
}

fn only(pairs: &Pairs, mask: &BooleanBuffer) -> Pairs {
    let target = mask.set_indices().map(|at| pairs.target[at]).collect();
    let source = match pairs.source.is_empty() {
        true => Vec::new(),
        false => mask.set_indices().map(|at| pairs.source[at]).collect(),
    };
    Pairs { target, source }
}
