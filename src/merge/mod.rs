//! MERGE statements: the text of their clauses becomes a plan over the columns of a target and a source.
//!
//! Pure. What a clause means is what DuckDB's MERGE INTO means by it (`bind_merge_into.cpp`, `transform_merge_into.cpp`), or
//! it is refused by name. Where the rows come from, and what is done with them, it does not know.

mod plan;

pub use plan::{Action, Assignment, Clause, Key, MergePlan, On, Returning, When};

use arrow::datatypes::{Schema, SchemaRef};

use crate::{
    engine::{Error, MergeClauses, Result},
    expression::Expression,
};

/// The table that is merged into.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// What clauses may call it besides `target`.
    pub name: &'a str,
    /// Its columns, in the seam's types.
    pub columns: &'a SchemaRef,
    /// What a column is when an INSERT leaves it out, or says DEFAULT: an expression that reads no column and has the
    /// column's type; `None` for NULL.
    pub defaults: &'a [Option<Expression>],
}

/// Understands what is asked for, over the columns of both sides.
///
/// # Errors
/// `InvalidArgument` for what are no clauses, or what names what is not there; `Unsupported`, by name, for what is not
/// offered.
pub fn plan(_clauses: &MergeClauses, _target: Target<'_>, _source: &Schema) -> Result<MergePlan> {
    Err(Error::Unsupported("MERGE is not offered".to_owned()))
}
