//! What every row of a table must satisfy, as its log says: NOT NULL, CHECK constraints, invariants, generated columns
//! and the lengths of CHAR and VARCHAR. One entry point for every write path: [`Rules::apply`].
//!
//! - `written`: the rules' texts in protocol, properties and schema.
//! - `stored`: rows as those texts see them.
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
mod stored;
mod written;

use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use delta_kernel::table_configuration::TableConfiguration;

use self::{
    condition::Condition,
    generated::Generated,
    stored::{StoredColumns, replaced},
    written::Written,
};
use super::schema::TableSchema;
use crate::engine::{Error, Result};

pub(crate) use self::{
    defaults::{check_defaults, column_notes, default_values},
    new::{CHECK_PREFIX, check_name, check_text, default_text},
};

/// The rules of one version of a table.
#[derive(Debug)]
pub(crate) struct Rules {
    table: String,
    /// The columns of the seam.
    columns: SchemaRef,
    texts: Option<Texts>,
}

/// The rules that have a text.
#[derive(Debug)]
struct Texts {
    stored: StoredColumns,
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
    /// # Errors
    /// `Unsupported`, by the rule's name and text, if it cannot be followed.
    pub(crate) fn try_new(table: &str, config: &TableConfiguration, schema: &TableSchema) -> Result<Self> {
        let written = Written::of(table, config)?;
        let generated = generated::all(table, &written, schema)?;
        let conditions = condition::all(table, &written, &schema.stored)?;
        if generated.is_empty() && conditions.is_empty() {
            return Ok(Self::not_null(table, &schema.logical));
        }
        let read = generated.iter().flat_map(Generated::columns);
        let stored = StoredColumns::new(schema, read.chain(conditions.iter().flat_map(Condition::columns)));
        Ok(Self { texts: Some(Texts { stored, generated, conditions }), ..Self::not_null(table, &schema.logical) })
    }

    /// Of columns that know no other rule than NOT NULL.
    pub(crate) fn not_null(table: &str, columns: &SchemaRef) -> Self {
        Self { table: table.to_owned(), columns: columns.clone(), texts: None }
    }

    /// The generated columns, which [`Self::apply`] fills where they are NULL.
    pub(crate) fn generated(&self) -> impl Iterator<Item = usize> {
        self.texts.iter().flat_map(|texts| texts.generated.iter().map(Generated::index))
    }

    /// The rows as they are to be written: generated columns that are NULL get their values. `rows` has the table's
    /// columns, in order, by name and type; what its schema says of nulls is not believed.
    ///
    /// # Errors
    /// `InvalidArgument` if a row breaks a rule; the text names rule and row.
    pub(crate) fn apply(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let mut rows = rows.clone();
        let Some(texts) = &self.texts else { return self.refuse_nulls(&rows).map(|()| rows) };
        let mut stored = texts.stored.of(&rows)?;
        for column in &texts.generated {
            if let Some(values) = column.fill(&self.table, &stored, &rows)? {
                stored = replaced(&stored, column.index(), values.clone())?;
                rows = replaced(&rows, column.index(), values)?;
            }
        }
        self.refuse_nulls(&rows)?;
        for condition in &texts.conditions {
            if let Some(violation) = condition.first_violation(&self.table, &stored)? {
                return Err(violated(&condition.name_in(&self.table), &rows, &violation));
            }
        }
        Ok(rows)
    }

    fn refuse_nulls(&self, rows: &RecordBatch) -> Result<()> {
        let Some(null) = not_null::first_null(rows, &self.columns) else { return Ok(()) };
        let what = format!("column '{}' of table '{}' is NOT NULL, which", null.path, self.table);
        Err(violated(&what, rows, &null.violation))
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
