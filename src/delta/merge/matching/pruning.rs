//! Which rows of the target a pass has to see.

use arrow::datatypes::{Field, Schema};

use super::asked::{Asked, effective};
use crate::{
    engine::Predicate,
    expression::Expression,
    merge::{MergePlan, When},
};

/// Passes of which it is remembered what each looked for; beyond them it is no longer told what none did.
const ALTERNATIVES_MAX: usize = 64;

/// What can be said of the rows that matter, but for their keys.
#[derive(Debug)]
pub(super) struct Pruning {
    /// Rows that ON lets match.
    on: Predicate,
    /// Rows that match and that matter.
    matched: Predicate,
    /// Rows that match nothing and that matter.
    unmatched: Predicate,
}

impl Pruning {
    pub(super) fn new(plan: &MergePlan, asked: &Asked) -> Self {
        let fields: Vec<Field> =
            plan.columns.fields().iter().take(plan.target_columns).map(|f| Field::clone(f)).collect();
        let columns = Schema::new(fields);
        let told = |expression: &Expression| expression.predicate(&columns);
        let conditions = |when| {
            let of = |condition: &Option<Expression>| condition.as_ref().map_or(Predicate::Unknown, told);
            any(effective(plan, when).map(|(_, clause)| of(&clause.condition)).collect())
        };
        Self {
            on: all(plan.on.target.iter().chain(&plan.on.rest).map(told).collect()),
            // What is to be known of the source is whether a row matches at all.
            matched: if asked.not_matched { Predicate::Unknown } else { conditions(When::Matched) },
            unmatched: conditions(When::NotMatchedBySource),
        }
    }

    /// For a pass that finds what matches rows of the source, by their keys; if it is the only one, also what matches none.
    pub(super) fn matched(&self, keys: Predicate, alone: bool) -> Predicate {
        // What matches is to be told from what does not, where that is asked of it.
        let matter = any(vec![self.matched.clone(), self.unmatched.clone()]);
        let matching = all(vec![keys, self.on.clone(), matter]);
        if alone { any(vec![matching, self.unmatched.clone()]) } else { matching }
    }

    /// For a pass that finds what matches nothing.
    pub(super) fn unmatched(&self) -> Predicate {
        self.unmatched.clone()
    }
}

/// All of these.
fn all(mut parts: Vec<Predicate>) -> Predicate {
    parts.retain(|part| *part != Predicate::Unknown);
    match parts.len() {
        0 => Predicate::Unknown,
        1 => parts.remove(0),
        _ if parts.contains(&Predicate::NEVER) => Predicate::NEVER,
        _ => Predicate::And(parts),
    }
}

/// Any of these.
pub(super) fn any(mut parts: Vec<Predicate>) -> Predicate {
    parts.retain(|part| *part != Predicate::NEVER);
    match parts.len() {
        1 => parts.remove(0),
        count if count > ALTERNATIVES_MAX || parts.contains(&Predicate::Unknown) => Predicate::Unknown,
        _ => Predicate::Or(parts),
    }
}
