//! Rows of the source that match none of the target: which clause is theirs.

use std::{mem, sync::Arc};

use arrow::array::{ArrayRef, AsArray};
use roaring::RoaringTreemap;

use super::{chunks::Chunks, pieces::blocking};
use crate::{
    delta::merge::{
        matching::{Decided, raised},
        source::SourceRows,
    },
    engine::{Error, Result},
    expression::Expression,
    merge::{Action, Clause, MergePlan, When},
};

/// Tries the clauses on the rows `rows` of the source, `rows_max` at a time and in their order, and hands on those that
/// are to be added; how many they are.
///
/// # Errors
/// `InvalidArgument` where an expression fails on a row, or a clause raises an error.
pub(super) async fn decide(
    plan: &MergePlan,
    source: &Arc<SourceRows>,
    rows: &RoaringTreemap,
    rows_max: usize,
    chunks: &mut Chunks,
) -> Result<u64> {
    let trials = Arc::new(Trials::of(plan)?);
    let (mut left, mut inserted) = (rows.iter(), 0);
    while !trials.0.is_empty() {
        let rows: Vec<u64> = left.by_ref().take(rows_max).collect();
        if rows.is_empty() {
            break;
        }
        let (trials, source) = (Arc::clone(&trials), Arc::clone(source));
        for decided in blocking(move || trials.run(&source, rows)).await? {
            inserted += decided.source.len() as u64;
            chunks.take(decided).await?;
        }
    }
    Ok(inserted)
}

/// The clauses of these rows, in order; none after the last that does anything.
struct Trials(Vec<Trial>);

struct Trial {
    /// Its index in the plan.
    clause: usize,
    condition: Option<OfSource>,
    outcome: Outcome,
}

enum Outcome {
    Inserted,
    Nothing,
    /// The statement fails, with this message.
    Error(Box<(Clause, Option<OfSource>)>),
}

impl Trials {
    fn of(plan: &MergePlan) -> Result<Self> {
        let mut trials = Vec::new();
        for (index, clause) in plan.clauses.iter().enumerate().filter(|(_, clause)| clause.when == When::NotMatched) {
            trials.push(Trial::of(plan, index, clause)?);
        }
        let end =
            trials.iter().rposition(|trial| !matches!(trial.outcome, Outcome::Nothing)).map_or(0, |last| last + 1);
        trials.truncate(end);
        Ok(Self(trials))
    }

    fn run(&self, source: &SourceRows, rows: Vec<u64>) -> Result<Vec<Decided>> {
        let (mut left, mut all) = (rows, Vec::new());
        for Trial { clause, condition, outcome } in &self.0 {
            let chosen = match condition {
                Some(condition) => condition.split(source, &mut left)?,
                None => mem::take(&mut left),
            };
            match outcome {
                _ if chosen.is_empty() => {}
                Outcome::Inserted => all.push(Decided { clause: *clause, places: Vec::new(), source: chosen }),
                Outcome::Nothing => {}
                Outcome::Error(raising) => {
                    let (clause, message) = &**raising;
                    let message = message.as_ref().map(|message| message.values(source, &chosen[..1])).transpose()?;
                    return Err(raised(clause, message.as_ref()));
                }
            }
        }
        Ok(all)
    }
}

impl Trial {
    fn of(plan: &MergePlan, index: usize, clause: &Clause) -> Result<Self> {
        let of_source = |expression: &Expression| OfSource::new(plan, expression);
        let outcome = match &clause.action {
            Action::Insert(_) => Outcome::Inserted,
            Action::Error(message) => {
                Outcome::Error(Box::new((clause.clone(), message.as_ref().map(of_source).transpose()?)))
            }
            Action::DoNothing => Outcome::Nothing,
            Action::Update(_) | Action::Delete => {
                return Err(Error::internal("a clause changes rows that are not there", clause.text.as_str()));
            }
        };
        Ok(Self { clause: index, condition: clause.condition.as_ref().map(of_source).transpose()?, outcome })
    }
}

/// An expression over rows of the source.
struct OfSource {
    /// Columns of the source, ascending, to which the expression is bound.
    read: Vec<usize>,
    expression: Expression,
}

impl OfSource {
    fn new(plan: &MergePlan, expression: &Expression) -> Result<Self> {
        let read = expression.columns().iter().map(|column| column.checked_sub(plan.target_columns));
        let Some(read) = read.collect() else {
            let columns = format!("{:?}", expression.columns());
            return Err(Error::internal("what is asked of the source alone reads the target", columns));
        };
        Ok(Self { read, expression: expression.over(expression.columns())? })
    }

    fn values(&self, source: &SourceRows, rows: &[u64]) -> Result<ArrayRef> {
        self.expression.evaluate(&source.take(&self.read, rows)?)
    }

    /// Those of `rows` of which the condition is true; the others stay.
    fn split(&self, source: &SourceRows, rows: &mut Vec<u64>) -> Result<Vec<u64>> {
        let holds = self.values(source, rows)?;
        let Some(holds) = holds.as_boolean_opt() else {
            return Err(Error::internal("a condition is no BOOLEAN", holds.data_type().to_string()));
        };
        let (mut chosen, mut left) = (Vec::new(), Vec::new());
        for (row, holds) in rows.iter().zip(holds) {
            if holds == Some(true) { chosen.push(*row) } else { left.push(*row) }
        }
        *rows = left;
        Ok(chosen)
    }
}
