//! One MERGE of one version, its commit, and what makes it necessary to do it all again.

use std::sync::Arc;

use super::{
    apply::apply,
    matching::Matching,
    source::{MemoryBudget, SourceRows},
};
use crate::{
    delta::snapshot::DeltaSnapshot,
    engine::{Error, MergeOutcome, Result},
    merge::MergePlan,
};

/// Merges into `base`, or into what came after it.
pub(crate) async fn run(
    base: DeltaSnapshot,
    plan: Arc<MergePlan>,
    source: Arc<SourceRows>,
    memory: MemoryBudget,
) -> Result<MergeOutcome> {
    let matching = Matching::new(Arc::clone(&plan), base.source().await?, Arc::clone(&source), memory.clone())?;
    let _applied = apply(&base, &plan, matching, &source, &memory).await?;
    Err(Error::Unsupported("MERGE is not offered".to_owned()))
}
