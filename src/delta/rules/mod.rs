//! What every row of a table must satisfy, as its log says: NOT NULL, CHECK constraints, invariants, generated columns
//! and the lengths of CHAR and VARCHAR. One entry point for every write path: [`Rules::apply`].
//!
//! - `written`: the rules' texts in protocol, properties and schema.
//! - `generated`, `not_null`, `condition`: each kind of rule.
//! - `defaults`, `moment`: what a column is when a statement leaves it out; DuckDB fills them in, so no row tells.
//! - `new`: rules that DuckDB states, as the log keeps them.
//!
//! Texts are Spark's SQL. One that is not understood refuses writes by its name, never reads.

mod condition;
mod defaults;
mod generated;
mod moment;
mod new;
mod not_null;
mod row;
mod written;

use std::borrow::Cow;

use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use delta_kernel::table_configuration::TableConfiguration;

use self::{condition::Condition, generated::Generated, written::Written};
use crate::engine::{Error, Result};

pub(crate) use self::{
    defaults::{check_defaults, column_notes},
    new::{CHECK_PREFIX, check_name, check_text},
};

/// The rules of one version of a table.
#[derive(Debug)]
pub(crate) struct Rules {
    table: String,
    columns: SchemaRef,
    generated: Vec<Generated>,
    conditions: Vec<Condition>,
}

/// Which row breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    row: usize,
    /// Columns to show first.
    columns: Vec<usize>,
}

impl Rules {
    /// The rules of a table's `columns`, which are the seam's.
    ///
    /// # Errors
    /// `Unsupported`, by the rule's name and text, if it cannot be followed.
    pub(crate) fn try_new(table: &str, config: &TableConfiguration, columns: &SchemaRef) -> Result<Self> {
        let written = Written::of(table, config)?;
        Ok(Self {
            generated: generated::all(table, &written, columns)?,
            conditions: condition::all(table, &written, columns)?,
            ..Self::not_null(table, columns)
        })
    }

    /// Of columns that know no other rule than NOT NULL.
    pub(crate) fn not_null(table: &str, columns: &SchemaRef) -> Self {
        Self { table: table.to_owned(), columns: columns.clone(), generated: Vec::new(), conditions: Vec::new() }
    }

    /// The rows as they are to be written: generated columns that are NULL get their values. `rows` has the table's
    /// columns, in order, by name and type; what it says of nulls is not believed.
    ///
    /// # Errors
    /// `InvalidArgument` if a row breaks a rule; the text names rule and row.
    pub(crate) fn apply(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let mut filled = Cow::Borrowed(rows);
        for column in &self.generated {
            if let Some(with_values) = column.fill(&self.table, &filled)? {
                filled = Cow::Owned(with_values);
            }
        }
        if let Some(null) = not_null::first_null(&filled, &self.columns) {
            let what = format!("column '{}' of table '{}' is NOT NULL, which", null.path, self.table);
            return Err(self.violated(&what, &filled, &null.violation));
        }
        for condition in &self.conditions {
            if let Some(violation) = condition.first_violation(&self.table, &filled)? {
                return Err(self.violated(&condition.name_in(&self.table), &filled, &violation));
            }
        }
        Ok(filled.into_owned())
    }

    fn violated(&self, what: &str, rows: &RecordBatch, violation: &Violation) -> Error {
        violated(what, rows, violation)
    }
}

/// A row as text, some columns first: `a = -1, b = 'x'`.
pub(crate) fn row_text(rows: &RecordBatch, row: usize, columns: Vec<usize>) -> String {
    row::render(rows, &Violation { row, columns })
}

fn violated(what: &str, rows: &RecordBatch, violation: &Violation) -> Error {
    Error::InvalidArgument(format!("{what} is violated by the row: {}", row::render(rows, violation)))
}

#[cfg(test)]
mod tests;
