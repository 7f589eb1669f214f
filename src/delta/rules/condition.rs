//! Conditions every row must meet: CHECK constraints, invariants, lengths.

use arrow::{
    array::{Array, AsArray, BooleanArray},
    datatypes::{DataType, Schema},
    record_batch::RecordBatch,
};

use super::{Violation, written::Written};
use crate::{
    engine::{Error, Result},
    expression::{Dialect, Expression},
};

/// One condition.
#[derive(Debug)]
pub(super) struct Condition {
    /// `CHECK constraint 'positive' (a > 0)`
    what: String,
    test: Test,
}

#[derive(Debug)]
enum Test {
    /// Must be true; NULL is not (PROTOCOL.md, "CHECK Constraints" and "Column Invariants").
    IsTrue(Expression),
    /// A column must be NULL or have at most so many characters.
    Length { column: usize, characters_max: u64 },
}

/// Bound to `columns` as they are stored.
pub(super) fn all(table: &str, written: &Written, columns: &Schema) -> Result<Vec<Condition>> {
    let checks = written.checks.iter().map(|(name, sql)| (format!("CHECK constraint '{name}' ({sql})"), sql));
    let invariants = written.invariants.iter();
    let invariants = invariants.map(|(column, sql)| (format!("invariant of column '{column}' ({sql})"), sql));
    let lengths = written.lengths.iter().map(|&(column, characters_max)| Condition {
        what: format!("VARCHAR({characters_max}) of column '{}'", columns.field(column).name()),
        test: Test::Length { column, characters_max },
    });
    let conditions = checks.chain(invariants).map(|(what, sql)| {
        let test = Test::IsTrue(condition(sql, columns).map_err(|error| not_followed(&what, table, &error))?);
        Ok(Condition { what, test })
    });
    conditions.chain(lengths.map(Ok)).collect()
}

fn condition(sql: &str, columns: &Schema) -> Result<Expression> {
    let expression = Expression::new(sql, Dialect::Spark, columns)?;
    match expression.result().data_type() {
        DataType::Boolean => Ok(expression),
        other => Err(Error::Unsupported(format!("it is no condition but has type {other}"))),
    }
}

/// Writes are refused because a rule of the table is not understood.
pub(super) fn not_followed(what: &str, table: &str, error: &Error) -> Error {
    Error::Unsupported(format!("table '{table}' cannot be written here, because of the {what}: {error}"))
}

impl Condition {
    /// `CHECK constraint 'positive' (a > 0) of table 't'`
    pub(super) fn name_in(&self, table: &str) -> String {
        format!("{} of table '{table}'", self.what)
    }

    /// The columns it looks at.
    pub(super) fn columns(&self) -> Vec<usize> {
        match &self.test {
            Test::IsTrue(expression) => expression.columns().to_vec(),
            Test::Length { column, .. } => vec![*column],
        }
    }

    /// `rows` is as stored.
    pub(super) fn first_violation(&self, table: &str, rows: &RecordBatch) -> Result<Option<Violation>> {
        let row = match &self.test {
            Test::IsTrue(expression) => {
                let values = expression.evaluate(rows).map_err(|error| failed(&self.name_in(table), error))?;
                values.as_boolean_opt().and_then(first_not_true)
            }
            Test::Length { column, characters_max } => first_longer(rows.column(*column), *characters_max),
        };
        Ok(row.map(|row| Violation { row, columns: self.columns() }))
    }
}

/// An expression that fails on a row, by overflow say, is the row's fault.
pub(super) fn failed(what: &str, error: Error) -> Error {
    match error {
        Error::InvalidArgument(reason) => Error::InvalidArgument(format!("{what} fails on a row: {reason}")),
        other => other,
    }
}

fn first_not_true(values: &BooleanArray) -> Option<usize> {
    if values.null_count() == 0 && values.true_count() == values.len() {
        return None;
    }
    values.iter().position(|value| value != Some(true))
}

/// Spark counts characters, not bytes.
fn first_longer(column: &dyn Array, characters_max: u64) -> Option<usize> {
    let longer = |text: &str| text.len() as u64 > characters_max && text.chars().count() as u64 > characters_max;
    column.as_string_opt::<i32>()?.iter().position(|text| text.is_some_and(longer))
}
