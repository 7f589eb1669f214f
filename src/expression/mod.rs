//! SQL expressions over the rows of one table: CHECK constraints, generated columns, defaults, USING.
//!
//! Pure: Arrow in, Arrow out. An expression means what its dialect means by it, value for value, or it is refused by
//! the name of the function, operator or type that is not offered.
//!
//! In reading order: text becomes a syntax tree (`parse`), names and types are resolved (`bind`, by the `rules` over
//! `types`) into a typed `tree`, which is evaluated over batches (`eval`, `cast`, `functions`) or written in another
//! dialect (`print`).

mod bare;
mod bind;
mod cast;
mod eval;
mod functions;
#[cfg(test)]
pub(crate) mod fuzz;
mod limits;
mod parse;
mod predicate;
mod print;
mod render;
mod rules;
mod scope;
mod seam;
mod statement;
#[cfg(test)]
mod tests;
mod tree;
mod types;

use std::collections::BTreeMap;

use arrow::{
    array::ArrayRef,
    datatypes::{Field, Schema},
    record_batch::RecordBatch,
};

use crate::engine::{Error, Predicate, Result};
pub(crate) use cast::shorten;
pub use render::render_row;
pub(crate) use scope::{Scope, Table, find_column};
pub(crate) use statement::{Parsed, Part, Words, read_statement};
use tree::{Comparison, Node, Typed};
use types::Type;

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
    tree: Typed,
    result: Field,
    columns: Vec<usize>,
}

impl Expression {
    /// Parses `sql` and binds it to `columns`, in the seam's types. Names match as in the dialect: in any case.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no expression or names no column; `Unsupported`, by name, for what is not offered.
    pub fn new(sql: &str, dialect: Dialect, columns: &Schema) -> Result<Self> {
        // The syntax tree is made, read and dropped on a stack of its own.
        let tree = stacker::grow(limits::STACK_BYTES, || {
            let syntax = parse::parse(sql, dialect)?;
            bind::bind(&syntax, dialect, &Scope::of(columns))
        })?;
        Ok(Self::from_tree(tree))
    }

    /// The same, its value cast to a column's type as an assignment casts it.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such cast.
    pub fn cast_to(self, target: &Field) -> Result<Self> {
        let ty = Type::of(target).map_err(|name| {
            Error::InvalidArgument(format!(
                "column \"{}\" is of type {name}, which expressions do not know",
                target.name()
            ))
        })?;
        let tree = bind::assign(self.tree, &ty)?;
        let result = target.clone().with_nullable(tree.nullable);
        Ok(Self::of(tree, result))
    }

    /// The type of its value, in the seam's types, and whether it can be NULL.
    pub fn result(&self) -> &Field {
        &self.result
    }

    /// Indexes of the columns it reads, ascending, without repetition.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// The column that it is, if it is one and nothing else, or one cast to a type in which its values are less, equal,
    /// greater and NULL just as they were, as INTEGER to BIGINT. Where the type is another than the column's, so are the
    /// values: bounds of the one must be cast before they say anything of the other.
    pub fn as_column(&self) -> Option<usize> {
        bare::column(&self.tree)
    }

    /// Its value for each row. `rows` has the columns it was bound to.
    ///
    /// # Errors
    /// `InvalidArgument` where the dialect fails on a row (overflow, a cast of text that is no number), with the value.
    pub fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        seam::release(&self.values(rows)?, &self.tree.ty, &self.result)
    }

    /// The same in a form of its own, where two values of this type are bit for bit equal if, and only if, the dialect's `=`
    /// holds of them. The type is another for some (INTERVAL, HUGEINT, MAP), the NULLs are the same.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn evaluate_comparable(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        eval::comparable(&self.values(rows)?, &self.tree.ty)
    }

    /// In the memory form of its type.
    fn values(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let mut columns = vec![None; rows.num_columns()];
        for index in &self.columns {
            let column = rows.columns().get(*index).ok_or_else(|| {
                Error::InvalidArgument(format!("the rows have no column {index}, which the expression reads"))
            })?;
            let ty = Type::of(rows.schema().field(*index)).map_err(|name| {
                Error::InvalidArgument(format!("column {index} is of type {name}, which expressions do not know"))
            })?;
            columns[*index] = Some(seam::adopt(column, &ty)?);
        }
        eval::evaluate(&self.tree, &eval::Rows::all(&columns, rows.num_rows()))?.expand(rows.num_rows())
    }

    /// The same over fewer columns, or others in another order: the column `i` of the rows to come is `columns[i]` of those
    /// it is bound to.
    ///
    /// # Errors
    /// `Internal` if a column that it reads is not among them.
    pub fn over(&self, columns: &[usize]) -> Result<Self> {
        let to: BTreeMap<usize, usize> = columns.iter().enumerate().map(|(to, from)| (*from, to)).collect();
        if let Some(missing) = self.columns.iter().find(|column| !to.contains_key(column)) {
            return Err(Error::internal("rows lack a column of an expression", format!("column {missing}")));
        }
        let mut tree = self.tree.clone();
        tree.renumber(&to);
        Ok(Self::of(tree, self.result.clone()))
    }

    /// The rows of which it is true, as far as a predicate can tell: it is BOOLEAN, and `columns` are (the first of) those
    /// it is bound to. Of other columns nothing is told.
    pub fn predicate(&self, columns: &Schema) -> Predicate {
        predicate::told(&self.tree, columns, true)
    }

    /// The expression in a dialect's SQL, meaning the same there. A text that Delta's log is to keep is Spark's.
    ///
    /// # Errors
    /// `Unsupported`, by name, for what has no such form.
    pub fn to_sql(&self, dialect: Dialect) -> Result<String> {
        print::print(&self.tree, dialect)
    }

    /// A column of `columns` by itself.
    ///
    /// # Errors
    /// `Unsupported` if it is of a type that expressions do not know.
    pub fn column(columns: &Schema, index: usize) -> Result<Self> {
        bind::column(columns, index).map(Self::from_tree)
    }

    /// One value for all rows: the first of `value`, which is of the type of `field`.
    ///
    /// # Errors
    /// `Unsupported` if it is of a type that expressions do not know.
    pub fn constant(value: &ArrayRef, field: &Field) -> Result<Self> {
        let ty = Type::of(field).map_err(|ty| Error::Unsupported(format!("expressions do not know the type {ty}")))?;
        let one = seam::adopt(&value.slice(0, 1), &ty)?;
        Ok(Self::from_tree(Typed::literal(one, ty)))
    }

    /// Another random UUID for each row.
    pub fn random_uuid() -> Self {
        let node = Node::Call(&functions::random::RANDOM_UUID, Vec::new());
        Self::from_tree(Typed { node, ty: Type::Uuid, nullable: false, fails: false })
    }

    /// What must all be true for this condition to be: the operands of AND, or itself.
    pub(crate) fn conjuncts(self) -> Vec<Self> {
        match self.tree.node {
            Node::And(terms) => terms.into_iter().flat_map(|term| Self::from_tree(term).conjuncts()).collect(),
            _ => vec![self],
        }
    }

    /// The two sides of an equality, which are of one type, and whether NULL equals NULL.
    pub(crate) fn equality(&self) -> Option<(Self, Self, bool)> {
        match &self.tree.node {
            Node::Compare(comparison @ (Comparison::Equal | Comparison::NotDistinct), left, right) => {
                let side = |tree: &Typed| Self::from_tree(tree.clone());
                Some((side(left), side(right), *comparison == Comparison::NotDistinct))
            }
            _ => None,
        }
    }

    /// `self = other`, by the rules of DuckDB's dialect.
    ///
    /// # Errors
    /// `InvalidArgument` if the two cannot be compared; `Unsupported` if it is not offered.
    pub(crate) fn equals(self, other: Self) -> Result<Self> {
        bind::compare(Comparison::Equal, self.tree, other.tree).map(Self::from_tree)
    }

    fn from_tree(tree: Typed) -> Self {
        let result = tree.ty.field("", tree.nullable);
        Self::of(tree, result)
    }

    fn of(tree: Typed, result: Field) -> Self {
        let mut columns = Vec::new();
        tree.columns(&mut columns);
        columns.sort_unstable();
        columns.dedup();
        Self { tree, result, columns }
    }
}
