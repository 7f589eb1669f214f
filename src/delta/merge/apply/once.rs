//! The rows that leave their files, each at most once: two rows of the source may not change one of the target.

use std::sync::Arc;

use crate::{
    delta::{
        change::ChangedRows,
        merge::{key_text::key_text, matching::Decided, source::SourceRows},
        scan::RowPlace,
        snapshot::DeltaSnapshot,
    },
    engine::{Error, Result},
    merge::{Action, MergePlan},
};

/// The rows that are updated and deleted.
pub(super) struct Once {
    changed: ChangedRows,
    table: String,
    source: Arc<SourceRows>,
}

impl Once {
    pub(super) async fn new(base: &DeltaSnapshot, source: &Arc<SourceRows>) -> Result<Self> {
        let table = base.table().store().name().to_owned();
        Ok(Self { changed: ChangedRows::new(base).await?, table, source: Arc::clone(source) })
    }

    /// Notes rows, unless their clause leaves them where they are.
    ///
    /// # Errors
    /// `InvalidArgument`, with the key, if one of them came before.
    pub(super) async fn note(&mut self, decided: &Decided, plan: &MergePlan) -> Result<()> {
        let Some(clause) = plan.clauses.get(decided.clause) else { return Ok(()) };
        if !matches!(clause.action, Action::Update(_) | Action::Delete) {
            return Ok(());
        }
        match self.changed.note(&decided.places).await? {
            None => Ok(()),
            Some(place) => Err(self.repeated(decided, place, plan)),
        }
    }

    pub(super) fn into_changed(self) -> ChangedRows {
        self.changed
    }

    fn repeated(&self, decided: &Decided, place: RowPlace, plan: &MergePlan) -> Error {
        let index = decided.places.iter().position(|other| *other == place);
        let Some(row) = index.and_then(|index| decided.source.get(index)) else {
            return Error::internal("a row that no row of the source matches is changed twice", format!("{place:?}"));
        };
        let key = match key_text(&self.source, *row, plan) {
            Ok(key) => key,
            Err(error) => return error,
        };
        Error::InvalidArgument(format!(
            "two rows of the source match one row of table '{}' ({key}); let each match once, by DISTINCT, an aggregate \
             or a condition",
            self.table
        ))
    }
}
