//! What of a plan the table does not admit.

use crate::{
    delta::{
        change::{Feed, Means},
        snapshot::DeltaSnapshot,
    },
    engine::{ChangeKind, Result},
    merge::{Action, MergePlan},
};

/// Refuses a MERGE that the table's features, properties or rules forbid or make unsafe, by what its clauses may do.
///
/// # Errors
/// As an INSERT, an UPDATE or a DELETE is refused.
pub(in crate::delta::merge) fn check(base: &DeltaSnapshot, plan: &MergePlan) -> Result<()> {
    let (table, definition) = (base.table().store().name(), base.definition());
    let mut makes_rows = false;
    for clause in &plan.clauses {
        match &clause.action {
            Action::Update(assignments) => {
                let columns = assignments.iter().map(|assignment| assignment.column).collect();
                definition.check_change(table, &ChangeKind::Update(columns), Means::of(base))?;
                makes_rows = true;
            }
            Action::Delete => definition.check_change(table, &ChangeKind::Delete, Means::of(base))?,
            Action::Insert(_) => {
                definition.check_new_rows(table)?;
                makes_rows = true;
            }
            Action::DoNothing | Action::Error(_) => {}
        }
    }
    if makes_rows {
        definition.rules(table)?;
    }
    if changes_rows(plan) {
        Feed::check(base)?;
    }
    Ok(())
}

/// Whether rows of the target may be changed, not only added.
pub(super) fn changes_rows(plan: &MergePlan) -> bool {
    plan.clauses.iter().any(|clause| matches!(clause.action, Action::Update(_) | Action::Delete))
}
