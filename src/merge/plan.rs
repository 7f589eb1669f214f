//! A MERGE, understood.
//!
//! Its expressions are bound to the joined columns: those of the target, in order, then those of the source.
//! [`Expression::over`] makes one of them fit rows that have a few of these columns only.

use std::collections::BTreeSet;

use arrow::datatypes::SchemaRef;

use crate::expression::Expression;

/// A MERGE, understood.
#[derive(Debug, Clone)]
pub struct MergePlan {
    /// The joined columns: `target_columns` of the target, then the source's. Every one of them may be NULL.
    pub columns: SchemaRef,
    /// How many of them are the target's.
    pub target_columns: usize,
    /// Which rows match.
    pub on: On,
    /// What becomes of rows: of those of each [`When`] in the order they are to be tried.
    pub clauses: Vec<Clause>,
    /// Whether two rows of the source with equal keys are refused even where they match no row of the target.
    pub source_keys_unique: bool,
    /// What is given back of the rows that were changed.
    pub returning: Option<Returning>,
}

impl MergePlan {
    /// Indexes of the columns of the source, counted from its first, that anything reads.
    pub fn source_columns(&self) -> BTreeSet<usize> {
        let on = &self.on;
        let sides = on.keys.iter().flat_map(|key| [&key.target, &key.source]);
        let conditions = on.target.iter().chain(&on.source).chain(&on.rest);
        let clauses = self.clauses.iter().flat_map(|clause| clause.condition.iter().chain(clause.action.expressions()));
        let read = sides.chain(conditions).chain(clauses).flat_map(Expression::columns);
        read.filter_map(|column| column.checked_sub(self.target_columns)).collect()
    }
}

/// Which rows match: those for which everything here holds.
#[derive(Debug, Clone, Default)]
pub struct On {
    /// Equalities between a value of the target and one of the source.
    pub keys: Vec<Key>,
    /// Conditions that read columns of the target only.
    pub target: Vec<Expression>,
    /// Conditions that read columns of the source only, or none at all.
    pub source: Vec<Expression>,
    /// Conditions that read both.
    pub rest: Vec<Expression>,
}

/// An equality. Both sides are of one type, whose values are equal as DuckDB has it: not bytes but values. `-0.0` is `0.0`
/// and NaN is NaN, an interval of 30 days is one of a month; a NULL within a list, struct or map equals another one. Types
/// whose equality is not known here (BIT, BIGNUM, TIMETZ) have been refused; text is compared byte by byte.
#[derive(Debug, Clone)]
pub struct Key {
    /// Reads columns of the target only.
    pub target: Expression,
    /// Reads columns of the source only.
    pub source: Expression,
    /// IS NOT DISTINCT FROM: NULL equals NULL. Otherwise NULL equals nothing.
    pub nulls_equal: bool,
    /// What errors call it: the column of the target, or the text of its side.
    pub name: String,
}

/// WHEN ... THEN ...
#[derive(Debug, Clone)]
pub struct Clause {
    /// Of which rows.
    pub when: When,
    /// AND: BOOLEAN, reads what [`When`] has.
    pub condition: Option<Expression>,
    /// What becomes of them.
    pub action: Action,
    /// WHEN up to THEN as it was written, for errors and the commit.
    pub text: String,
}

/// Of which rows a clause is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// Pairs of rows that match; both can be read.
    Matched,
    /// Rows of the source that match none of the target; only the source can be read.
    NotMatched,
    /// Rows of the target that match none of the source; only the target can be read.
    NotMatchedBySource,
}

/// What becomes of a row.
#[derive(Debug, Clone)]
pub enum Action {
    /// These columns of the target are set, at least one, none twice, in the order of SET.
    Update(Vec<Assignment>),
    /// A row is added: an expression for each column of the target, in order; `None` for NULL.
    Insert(Vec<Option<Expression>>),
    /// The row is deleted.
    Delete,
    /// It stays.
    DoNothing,
    /// The statement fails, with the text of this value if there is one.
    Error(Option<Expression>),
}

impl Action {
    /// What is evaluated for it.
    fn expressions(&self) -> Vec<&Expression> {
        match self {
            Self::Update(assignments) => assignments.iter().map(|assignment| &assignment.value).collect(),
            Self::Insert(values) => values.iter().flatten().collect(),
            Self::Error(message) => message.iter().collect(),
            Self::Delete | Self::DoNothing => Vec::new(),
        }
    }
}

/// A column that is set.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The index of the target's column.
    pub column: usize,
    /// Of the column's type.
    pub value: Expression,
}

/// RETURNING.
#[derive(Debug, Clone)]
pub struct Returning {
    /// What is given back, by name and type.
    pub columns: SchemaRef,
    /// The value of each, bound to the columns of the target and, after them, `merge_action`: VARCHAR, "INSERT", "UPDATE"
    /// or "DELETE".
    pub values: Vec<Expression>,
}
