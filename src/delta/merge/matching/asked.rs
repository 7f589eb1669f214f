//! What is asked of rows, and of which columns.
//!
//! Clauses after which nothing is done any more are left out, and with them what only they read.

use std::collections::BTreeSet;

use arrow::array::{Array, ArrayRef, AsArray};

use super::over_pairs::OverPairs;
use crate::{
    engine::{Error, Result},
    expression::Expression,
    merge::{Action, Clause, Key, MergePlan, On, When},
};

/// What is asked of rows.
#[derive(Debug)]
pub(super) struct Asked {
    /// The columns of the target that are read, ascending.
    pub(super) scanned: Vec<usize>,
    /// Its target sides are over the columns of `scanned`.
    pub(super) on: On,
    /// The conditions of ON that read both sides.
    pub(super) rest: Vec<OverPairs>,
    /// Clauses of pairs, in order.
    pub(super) matched: Vec<Trial>,
    /// Clauses of rows of the target that match nothing, in order.
    pub(super) by_source: Vec<Trial>,
    /// Whether a clause does anything with rows of the source that match nothing.
    pub(super) not_matched: bool,
}

/// A clause to be tried.
#[derive(Debug)]
pub(super) struct Trial {
    /// Its index in the plan.
    pub(super) clause: usize,
    pub(super) condition: Option<OverPairs>,
    pub(super) outcome: Outcome,
}

/// What becomes of the rows that a clause is for.
#[derive(Debug)]
pub(super) enum Outcome {
    /// What others do.
    Decided,
    Nothing,
    /// The statement fails, with this message.
    Error(Option<Box<OverPairs>>),
}

impl Asked {
    pub(super) fn of(plan: &MergePlan) -> Result<Self> {
        let scanned = scanned(plan);
        let over_pairs = |expression: &Expression| OverPairs::new(expression, plan, &scanned);
        let trials = |when| effective(plan, when).map(|(at, clause)| Trial::of(at, clause, &over_pairs)).collect();
        let (matched, by_source): (Result<_>, Result<_>) = (trials(When::Matched), trials(When::NotMatchedBySource));
        Ok(Self {
            on: narrowed(&plan.on, &scanned)?,
            rest: plan.on.rest.iter().map(over_pairs).collect::<Result<_>>()?,
            matched: matched?,
            by_source: by_source?,
            not_matched: effective(plan, When::NotMatched).next().is_some(),
            scanned,
        })
    }

    /// Whether nothing is done, whatever the target has.
    pub(super) fn is_nothing(&self) -> bool {
        self.matched.is_empty() && self.by_source.is_empty() && !self.not_matched
    }
}

impl Trial {
    fn of(at: usize, clause: &Clause, over_pairs: &impl Fn(&Expression) -> Result<OverPairs>) -> Result<Self> {
        let outcome = match &clause.action {
            Action::DoNothing => Outcome::Nothing,
            Action::Error(message) => Outcome::Error(message.as_ref().map(over_pairs).transpose()?.map(Box::new)),
            Action::Update(_) | Action::Insert(_) | Action::Delete => Outcome::Decided,
        };
        Ok(Self { clause: at, condition: clause.condition.as_ref().map(over_pairs).transpose()?, outcome })
    }
}

/// The clauses of some rows and their indexes, up to the last that does anything.
pub(super) fn effective(plan: &MergePlan, when: When) -> impl Iterator<Item = (usize, &Clause)> {
    let of_these = move |clause: &Clause| clause.when == when;
    let does = move |clause: &Clause| of_these(clause) && !matches!(clause.action, Action::DoNothing);
    let end = plan.clauses.iter().rposition(does).map_or(0, |last| last + 1);
    plan.clauses.iter().enumerate().take(end).filter(move |(_, clause)| of_these(clause))
}

/// ON, its target sides over the columns of `scanned` alone.
fn narrowed(on: &On, scanned: &[usize]) -> Result<On> {
    let key = |key: &Key| Ok(Key { target: key.target.over(scanned)?, ..key.clone() });
    Ok(On {
        keys: on.keys.iter().map(key).collect::<Result<_>>()?,
        target: on.target.iter().map(|condition| condition.over(scanned)).collect::<Result<_>>()?,
        ..on.clone()
    })
}

/// The columns of the target that ON and the clauses read.
fn scanned(plan: &MergePlan) -> Vec<usize> {
    let on = plan.on.keys.iter().map(|key| &key.target).chain(&plan.on.target).chain(&plan.on.rest);
    let clauses = [When::Matched, When::NotMatchedBySource].map(|when| effective(plan, when));
    let of_clauses = clauses.into_iter().flatten().flat_map(|(_, clause)| {
        let message = if let Action::Error(message) = &clause.action { message.as_ref() } else { None };
        clause.condition.iter().chain(message)
    });
    let columns: BTreeSet<usize> = on.chain(of_clauses).flat_map(Expression::columns).copied().collect();
    columns.into_iter().filter(|column| *column < plan.target_columns).collect()
}

/// A clause has raised an error (DuckDB's `physical_merge_into.cpp`). `message` are the values of its text, if it has one:
/// the first tells.
pub(crate) fn raised(clause: &Clause, message: Option<&ArrayRef>) -> Error {
    let condition = &clause.text;
    Error::InvalidArgument(match message.map(|texts| texts.as_string_opt::<i32>().filter(|texts| texts.is_valid(0))) {
        None => format!("Merge error condition {condition}"),
        Some(text) => format!("Merge error condition {condition}: {}", text.map_or("NULL", |texts| texts.value(0))),
    })
}
