//! Which rows of the target match which of the source, and which clause is theirs.
//!
//! - `asked`: what is asked of rows, and of which columns.
//! - `over_pairs`: an expression over pairs of rows.
//! - `pruning`: which rows of the target a pass has to see.
//! - `pass`: a scan of the target, several parts of it at a time.
//! - `probe`, `batch`: batches of the target against an index.
//! - `decided`: rows whose clause is known, gathered to batches.
//! - `marks`: rows that have matched.
//!
//! The target is scanned for the columns of keys and conditions only, once for as many rows of the source as an index
//! holds ([`KeyIndex`]): mostly once. Rows of the target that match nothing are found in the same pass if it is the only
//! one, and else in a last one.
//!
//! # Memory
//!
//! Besides the index, whose memory is its own business: of each worker (one per core) a batch being read, one being
//! probed, the pairs of a chunk of it and what one condition reads of them, and per clause a batch of decided rows; a short
//! queue of decided batches; a bit for each row of the source if a clause is about those that match nothing; and, in
//! several passes, a compressed bitmap of the rows of the target that matched if a clause is about those that do not.

mod asked;
mod batch;
mod decided;
mod marks;
mod over_pairs;
mod pass;
mod probe;
mod pruning;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use roaring::RoaringTreemap;

use self::{
    asked::Asked,
    marks::{SourceMarks, TargetMarks},
    pass::{Pass, Scan},
    probe::{Probe, Unmatching},
    pruning::Pruning,
};
use super::{
    key_text::key_text,
    source::{KeyIndex, MemoryBudget, SourceRows},
};
use crate::{
    delta::scan::{LeftOut, ScanSource},
    engine::{Error, Predicate, Result, ScanRequest},
    merge::MergePlan,
};

pub(crate) use self::{asked::raised, decided::Decided};

/// The matching of one version of the target. Dropping it ends the scans.
pub(crate) struct Matching {
    plan: Arc<MergePlan>,
    asked: Arc<Asked>,
    pruning: Pruning,
    target: ScanSource,
    source: Arc<SourceRows>,
    memory: MemoryBudget,
    /// Of the rows of the source, if a clause is about those that match nothing.
    source_marks: Option<Arc<SourceMarks>>,
    /// Of the rows of the target, over several passes.
    target_marks: Arc<TargetMarks>,
    /// What the passes so far looked for.
    looked_for: Vec<Predicate>,
    next: Step,
    pass: Option<Pass>,
}

/// What is to be scanned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Rows that match those of the source from this one on.
    Matched(u64),
    /// Rows that matched nothing.
    Unmatched,
    /// Nothing any more.
    End,
    /// It has failed.
    Failed,
}

impl Matching {
    /// Does nothing before the first rows are asked for.
    ///
    /// # Errors
    /// `Internal` if the plan reads what is not there.
    pub(crate) fn new(
        plan: Arc<MergePlan>,
        target: ScanSource,
        source: Arc<SourceRows>,
        memory: MemoryBudget,
    ) -> Result<Self> {
        let asked = Asked::of(&plan)?;
        let next = match source.len() {
            _ if asked.is_nothing() => Step::End,
            0 if asked.by_source.is_empty() => Step::End,
            0 => Step::Unmatched,
            _ => Step::Matched(0),
        };
        Ok(Self {
            pruning: Pruning::new(&plan, &asked),
            source_marks: asked.not_matched.then(|| Arc::new(SourceMarks::new(source.len()))),
            target_marks: Arc::new(TargetMarks::default()),
            asked: Arc::new(asked),
            looked_for: Vec::new(),
            pass: None,
            plan,
            target,
            source,
            memory,
            next,
        })
    }

    /// The next rows, in no particular order, but for those of a file, which come in that of their positions mostly;
    /// `None` after the last.
    ///
    /// # Errors
    /// As scans; `InvalidArgument` where an expression fails on a row, or a clause raises an error.
    pub(crate) async fn next(&mut self) -> Result<Option<Decided>> {
        let next = self.advance().await;
        if next.is_err() {
            (self.next, self.pass) = (Step::Failed, None);
        }
        next
    }

    async fn advance(&mut self) -> Result<Option<Decided>> {
        loop {
            if let Some(pass) = &mut self.pass {
                match pass.next().await? {
                    Some(decided) => return Ok(Some(decided)),
                    None => self.pass = None,
                }
            }
            match self.next {
                Step::Matched(first) => self.match_from(first).await?,
                Step::Unmatched => self.find_unmatched().await?,
                Step::End => return Ok(None),
                Step::Failed => return Err(Error::internal("matching rows", "it has failed already")),
            }
        }
    }

    /// Begins the pass for the rows of the source from `first` on.
    async fn match_from(&mut self, first: u64) -> Result<()> {
        let (plan, source, memory) = (Arc::clone(&self.plan), Arc::clone(&self.source), self.memory.clone());
        let built = tokio::task::spawn_blocking(move || index_from(&plan, &source, first, &memory)).await;
        let index = built.map_err(|died| Error::internal(NO_INDEX, died))??;
        let (end, all) = (index.rows().end, self.source.len());
        let alone = first == 0 && end >= all;
        let unmatching = match self.asked.by_source.is_empty() {
            true => Unmatching::Nothing,
            false if alone => Unmatching::Decide,
            false => Unmatching::Mark(Arc::clone(&self.target_marks)),
        };
        // A row's key is looked up at once: only what bounds tell of keys is worth a look before.
        let predicates = [index.predicate(), Predicate::Unknown].map(|keys| self.pruning.matched(keys, alone));
        self.begin(Some(index), unmatching, predicates, LeftOut::new()).await?;
        self.next = match end >= all {
            false => Step::Matched(end),
            true if alone || self.asked.by_source.is_empty() => Step::End,
            true => Step::Unmatched,
        };
        Ok(())
    }

    /// Begins the pass for the rows of the target that no other pass has found to match.
    async fn find_unmatched(&mut self) -> Result<()> {
        let (predicate, matched) = (self.pruning.unmatched(), self.target_marks.take());
        self.begin(None, Unmatching::Decide, [predicate.clone(), predicate], matched).await?;
        self.next = Step::End;
        Ok(())
    }

    /// The first predicate says which files, row groups and pages are read, the second which of their rows.
    async fn begin(
        &mut self,
        index: Option<KeyIndex>,
        unmatching: Unmatching,
        [predicate, filter]: [Predicate; 2],
        left_out: LeftOut,
    ) -> Result<()> {
        let probe = Probe {
            plan: Arc::clone(&self.plan),
            asked: Arc::clone(&self.asked),
            source: Arc::clone(&self.source),
            index,
            source_marks: self.source_marks.clone(),
            unmatching,
        };
        let request = ScanRequest { projection: self.asked.scanned.clone(), row_id: true, predicate };
        let scan = Scan { target: self.target.clone(), request, filter, left_out };
        self.looked_for.push(scan.request.predicate.clone());
        self.pass = Some(Pass::begin(scan, probe).await?);
        Ok(())
    }

    /// After the last: which rows of the source match none of the target, and which rows of the target, if others had added
    /// them, could have changed anything of this.
    ///
    /// # Errors
    /// `Internal` before the last.
    pub(crate) fn finish(self) -> Result<Unmatched> {
        if self.next != Step::End || self.pass.is_some() {
            return Err(Error::internal("matching rows", "not all have been seen"));
        }
        let rows = self.source_marks.map_or_else(RoaringTreemap::new, |marks| marks.unmarked());
        Ok(Unmatched { rows, could_matter: pruning::any(self.looked_for) })
    }
}

const NO_INDEX: &str = "an index of source rows was not built";

/// The index of the rows from `first` on, at least one.
fn index_from(plan: &MergePlan, source: &SourceRows, first: u64, memory: &MemoryBudget) -> Result<KeyIndex> {
    let index = KeyIndex::build(plan, source, first, memory)?;
    if index.rows().end <= first {
        return Err(Error::internal(NO_INDEX, format!("it ends at row {}", index.rows().end)));
    }
    if plan.source_keys_unique
        && let Some((_, repeated)) =
            index.repeated().map_or_else(|| index.repeated_after(source), |found| Ok(Some(found)))?
    {
        let key = key_text(source, repeated, plan)?;
        return Err(Error::InvalidArgument(format!(
            "two rows of the source have the key {key}; let each come once, by DISTINCT or an aggregate"
        )));
    }
    Ok(index)
}

/// What is known when the whole target has been looked at.
#[derive(Debug)]
pub(crate) struct Unmatched {
    /// Rows of the source that match no row of the target; none if no clause does anything with them.
    pub(crate) rows: RoaringTreemap,
    /// Rows of the target, had they been there, that a clause could have been about, or that could have matched.
    pub(crate) could_matter: Predicate,
}
