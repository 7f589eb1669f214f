//! What the names in an expression mean.

use std::ops::Range;

use arrow::datatypes::{FieldRef, Schema};

/// What the names in an expression mean.
#[derive(Debug, Clone)]
pub(crate) struct Scope<'a> {
    /// What indexes of columns refer to.
    pub(super) columns: &'a Schema,
    /// Whose columns they are. If nobody's, any name may stand before a column's.
    pub(super) tables: Vec<Table>,
    /// Names that mean one column of two tables, as after USING, with the columns to be taken, the first that is not NULL.
    pub(super) shared: Vec<(String, Vec<usize>)>,
}

/// A table whose columns are in scope.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Its names, longer ones first, each with what it is qualified with.
    pub(super) paths: Vec<Vec<String>>,
    /// Which columns are its own.
    pub(super) columns: Range<usize>,
    /// Why it cannot be read, if it cannot: an error.
    pub(super) hidden: Option<String>,
}

impl<'a> Scope<'a> {
    /// Columns of one table, which may have any name.
    pub(crate) fn of(columns: &'a Schema) -> Self {
        Self { columns, tables: Vec::new(), shared: Vec::new() }
    }

    /// Columns of several tables.
    pub(crate) fn over(columns: &'a Schema, tables: Vec<Table>) -> Self {
        Self { columns, tables, shared: Vec::new() }
    }

    /// Lets a name that is in several tables mean the first of `columns` that is not NULL.
    pub(crate) fn share(&mut self, name: &str, columns: Vec<usize>) {
        self.shared.push((name.to_owned(), columns));
    }

    /// The index of the column, if there is one of that name among `within`; one of the very name comes first.
    pub(super) fn find(&self, within: Range<usize>, name: &str) -> Option<usize> {
        find_column(self.columns.fields().get(within.clone())?, name).map(|index| within.start + index)
    }

    /// The columns of all tables that can be read, for errors.
    pub(super) fn names(&self, within: Range<usize>) -> String {
        let fields = self.columns.fields().get(within).unwrap_or_default();
        fields.iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl Table {
    /// A table of these columns, which may be called by any of these names, each with what it is qualified with.
    pub(crate) fn new(paths: Vec<Vec<String>>, columns: Range<usize>) -> Self {
        let mut paths = paths;
        paths.sort_by_key(|path| std::cmp::Reverse(path.len()));
        Self { paths, columns, hidden: None }
    }

    /// The same where it cannot be read, and what is said to whoever tries.
    pub(crate) fn hidden(self, reason: String) -> Self {
        Self { hidden: Some(reason), ..self }
    }

    /// How many of the words name the table, if they do and more of them follow.
    pub(super) fn named(&self, words: &[&str]) -> Option<usize> {
        let begins = |path: &&Vec<String>| {
            path.len() < words.len() && path.iter().zip(words).all(|(own, word)| same_name(own, word))
        };
        self.paths.iter().find(begins).map(Vec::len)
    }

    /// What errors call it.
    pub(super) fn name(&self) -> &str {
        self.paths.last().and_then(|path| path.last()).map_or("", String::as_str)
    }
}

/// The index of the column of a name; one of the very name comes before one that is written otherwise.
pub(crate) fn find_column(columns: &[FieldRef], name: &str) -> Option<usize> {
    let exact = columns.iter().position(|column| column.name() == name);
    exact.or_else(|| columns.iter().position(|column| same_name(column.name(), name)))
}

pub(super) fn same_name(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right) || left.to_lowercase() == right.to_lowercase()
}
