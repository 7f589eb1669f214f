//! What the clauses say, done: changed rows noted, new rows and the change data feed staged.
//!
//! - `check`: what of it the table does not admit, known before the source comes.
//! - `once`: the rows that leave their files, each at most once.
//! - `clause`: what a clause makes of rows, and which columns it needs for that.
//! - `chunks`: rows gathered by clause, for a task of its own.
//! - `maker`: that task: what is needed of old rows is fetched.
//! - `pieces`, `fitting`: new rows are made of as many rows as memory admits.
//! - `unmatched`: rows of the source that match none of the target.
//! - `writer`: new rows staged, the feed told, rows kept for RETURNING.
//!
//! # Memory
//!
//! Of rows decided on, places and numbers: for every clause a chunk ([`Limits::chunk_rows`] and what came with the last
//! of them), and two more on their way. Of their values, a piece: what is fetched, at most [`Limits::fetched_bytes`] or one
//! row; of the source [`Limits::piece_bytes`] or one row; and the rows made of them. Beside that what the fetcher and the stages hold, where files
//! are written again what [`stage_survivors`](crate::delta::change::stage_survivors) holds, and the rows of RETURNING, on
//! the statement's budget. Of changed rows bitmaps.

mod check;
mod chunks;
mod clause;
mod fitting;
mod maker;
mod once;
mod pieces;
mod unmatched;
mod writer;

use std::sync::Arc;

use deltalake_core::kernel::Add;

pub(super) use self::check::check;
use self::{
    chunks::Chunks,
    clause::MergeAction,
    maker::Maker,
    once::Once,
    writer::{Writer, Written},
};
use super::{
    matching::{Decided, Matching, Unmatched},
    source::{MemoryBudget, SourceRows},
};
use crate::{
    delta::{change::ChangedRows, snapshot::DeltaSnapshot, write::Staged},
    engine::{MergeCounts, Predicate, Result},
    merge::MergePlan,
};

/// What a MERGE makes of one version. Dropping it removes what was staged, in the background.
pub(crate) struct Applied {
    /// Rows that leave their files: updated and deleted ones.
    pub(crate) changed: ChangedRows,
    /// The staged files of new rows, and of rows that stay where files are written again; durable.
    pub(crate) adds: Vec<Add>,
    /// The staged files of the change data feed, durable.
    pub(crate) changes: Vec<Add>,
    /// Guards both.
    pub(crate) staged: Vec<Staged>,
    pub(crate) counts: MergeCounts,
    /// The rows that RETURNING gives back, if it was asked for.
    pub(crate) returned: Option<SourceRows>,
    /// As [`super::matching::Unmatched::could_matter`].
    pub(crate) could_matter: Predicate,
}

/// Where rows and their clauses come from.
pub(crate) trait Decisions: Send {
    /// As [`Matching::next`].
    fn next(&mut self) -> impl Future<Output = Result<Option<Decided>>> + Send;

    /// As [`Matching::finish`].
    fn finish(self) -> Result<Unmatched>;
}

impl Decisions for Matching {
    async fn next(&mut self) -> Result<Option<Decided>> {
        Self::next(self).await
    }

    fn finish(self) -> Result<Unmatched> {
        Self::finish(self)
    }
}

/// The bounds of one statement.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Rows for which new ones are made at once. The more, the fewer pages are decoded for two chunks; the fewer, the
    /// sooner encoding begins. As many as the encoder takes at once.
    chunk_rows: usize,
    /// Bytes of the rows fetched for a chunk; for wider ones it is fetched in parts.
    fetched_bytes: usize,
    /// Bytes of the rows taken of the source to make new ones: some of those wait for the encoder, as many as they are.
    piece_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { chunk_rows: 64 * 1024, fetched_bytes: 32 << 20, piece_bytes: 8 << 20 }
    }
}

/// Does what the clauses say to the rows of `base` and of the source.
///
/// # Errors
/// As [`crate::engine::Merge::commit`]. What was staged is removed then, in the background.
pub(crate) async fn apply(
    base: &DeltaSnapshot,
    plan: &MergePlan,
    matching: impl Decisions,
    source: &Arc<SourceRows>,
    memory: &MemoryBudget,
) -> Result<Applied> {
    apply_within(base, plan, matching, source, memory, Limits::default()).await
}

async fn apply_within(
    base: &DeltaSnapshot,
    plan: &MergePlan,
    mut matching: impl Decisions,
    source: &Arc<SourceRows>,
    memory: &MemoryBudget,
    limits: Limits,
) -> Result<Applied> {
    let mut once = Once::new(base, source).await?;
    let maker = Maker::new(base, plan, source, Writer::new(base, plan, memory)?, limits).await?;
    let mut chunks = Chunks::begin(maker, limits.chunk_rows);
    let mut counts = MergeCounts::default();
    while let Some(decided) = matching.next().await? {
        count(&mut counts, plan, &decided);
        once.note(&decided, plan).await?;
        chunks.take(decided).await?;
    }
    let Unmatched { rows, could_matter } = matching.finish()?;
    let changed = once.into_changed();
    let mut maker = chunks.finish().await?;
    if changed.is_empty() {
        maker.drop_feed();
    }
    let mut chunks = Chunks::begin(maker, limits.chunk_rows);
    counts.inserted += unmatched::decide(plan, source, &rows, limits.chunk_rows, &mut chunks).await?;
    let Written { adds, changes, staged, returned } = chunks.finish().await?.into_writer().finish(&changed).await?;
    Ok(Applied { changed, adds, changes, staged, counts, returned, could_matter })
}

fn count(counts: &mut MergeCounts, plan: &MergePlan, decided: &Decided) {
    let action = plan.clauses.get(decided.clause).and_then(|clause| MergeAction::of(&clause.action));
    let count = match action {
        Some(MergeAction::Insert) => &mut counts.inserted,
        Some(MergeAction::Update) => &mut counts.updated,
        Some(MergeAction::Delete) => &mut counts.deleted,
        None => return,
    };
    *count += decided.places.len() as u64;
}

#[cfg(test)]
mod tests;
