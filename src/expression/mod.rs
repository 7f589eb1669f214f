//! SQL expressions over the rows of one table: CHECK constraints, generated columns, defaults, USING.
//!
//! Pure: Arrow in, Arrow out. An expression means what its dialect means by it, value for value, or it is refused by
//! the name of the function, operator or type that is not offered.

use arrow::{
    array::ArrayRef,
    datatypes::{Field, Schema},
    record_batch::RecordBatch,
};

use crate::engine::{Error, Result};

/// Whose SQL it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// DuckDB's, also as `ParsedExpression::ToString` prints it.
    DuckDb,
    /// Spark's, as Delta's logs keep it.
    Spark,
}

/// An expression that has been understood, over given columns.
#[derive(Debug, Clone)]
pub struct Expression {
    result: Field,
    columns: Vec<usize>,
}

impl Expression {
    /// Parses `sql` and binds it to `columns`, in the seam's types. Names match as in the dialect: in any case.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no expression or names no column; `Unsupported`, by name, for what is not offered.
    pub fn new(sql: &str, _dialect: Dialect, _columns: &Schema) -> Result<Self> {
        Err(Error::Unsupported(format!("the expression {sql} is not offered")))
    }

    /// The same, its value cast to a column's type as an assignment casts it.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such cast.
    pub fn cast_to(self, _target: &Field) -> Result<Self> {
        Ok(self)
    }

    /// The type of its value, in the seam's types, and whether it can be NULL.
    pub fn result(&self) -> &Field {
        &self.result
    }

    /// Indexes of the columns it reads, ascending, without repetition.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// It as SQL of a dialect, meaning the same.
    ///
    /// # Errors
    /// `Unsupported`, by name, for what the dialect has no faithful form of.
    pub fn to_sql(&self, _dialect: Dialect) -> Result<String> {
        Err(Error::Unsupported("expressions are not offered".to_owned()))
    }

    /// Its value for each row. `rows` has the columns it was bound to.
    ///
    /// # Errors
    /// `InvalidArgument` where the dialect fails on a row (overflow, a cast of text that is no number), with the value.
    pub fn evaluate(&self, _rows: &RecordBatch) -> Result<ArrayRef> {
        Err(Error::Unsupported("expressions are not offered".to_owned()))
    }
}
