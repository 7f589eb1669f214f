//! MERGE statements: the text of their clauses becomes a plan over the columns of a target and a source.
//!
//! Pure. What a clause means is what DuckDB's MERGE INTO means by it (`bind_merge_into.cpp`, `transform_merge_into.cpp`), or
//! it is refused by name. Where the rows come from, and what is done with them, it does not know.

mod clauses;
#[cfg(test)]
pub(crate) mod fuzz;
mod on;
mod plan;
mod returning;
mod sides;
mod syntax;
mod upsert;

pub use plan::{Action, Assignment, Clause, Key, MergePlan, On, Returning, When};

use arrow::datatypes::{Schema, SchemaRef};

use self::{sides::Sides, syntax::Join};
use crate::{
    engine::{MergeClauses, Result},
    expression::{Expression, Part, read_statement},
};

/// Two lists of some thousand columns with long names.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// The table that is merged into.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// What clauses may call it besides `target`.
    pub name: &'a str,
    /// Its columns, in the seam's types.
    pub columns: &'a SchemaRef,
    /// Of each, what it is when an INSERT leaves it out, or where DEFAULT is said.
    pub defaults: &'a [ColumnDefault],
}

/// What a column is where nothing is said of it.
#[derive(Debug, Clone)]
pub enum ColumnDefault {
    /// NULL.
    Null,
    /// An expression that reads no column and has the column's type.
    Value(Expression),
    /// It cannot be told: what needs it is refused for this reason.
    Unknown(String),
}

/// Understands what is asked for, over the columns of both sides.
///
/// # Errors
/// `InvalidArgument` for what are no clauses, or what names what is not there; `Unsupported`, by name, for what is not
/// offered.
pub fn plan(clauses: &MergeClauses, target: Target<'_>, source: &Schema) -> Result<MergePlan> {
    match clauses {
        MergeClauses::Text(text) => {
            read_statement(text, TEXT_BYTES_MAX, &syntax::HEADS, |parts| of_text(parts, Sides::new(target, source)))
        }
        MergeClauses::Upsert(keys) => upsert::upsert(keys, &Sides::new(target, source)),
    }
}

fn of_text(parts: Vec<Part<'_>>, mut sides: Sides<'_>) -> Result<MergePlan> {
    let written = syntax::parse(parts)?;
    let on = match &written.join {
        Join::On(condition) => on::on(condition, &sides)?,
        Join::Using(names) => {
            let on = on::using(names, &sides)?;
            share(names, &written.clauses, &mut sides)?;
            on
        }
    };
    Ok(MergePlan {
        columns: sides.joined.clone(),
        target_columns: sides.of_target().len(),
        on,
        clauses: clauses::clauses(&written.clauses, &sides)?,
        source_keys_unique: false,
        returning: written.returning.as_ref().map(|items| returning::returning(items, &sides)).transpose()?,
    })
}

/// After USING, a name means the column of the side whose rows are all there: that of the outer join DuckDB makes of the
/// clauses. They can differ in type.
fn share(names: &[String], clauses: &[syntax::Clause], sides: &mut Sides<'_>) -> Result<()> {
    let has = |when| clauses.iter().any(|clause| clause.when == when);
    for name in names {
        let (target, source) = (sides.target_column(name)?, sides.source_column(name)?);
        let columns = match (has(When::NotMatched), has(When::NotMatchedBySource)) {
            (true, true) => vec![source, target],
            (false, true) => vec![target],
            (_, false) => vec![source],
        };
        sides.share(name, columns);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
