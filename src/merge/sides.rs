//! The two tables of a MERGE, and what names mean where.

use std::{ops::Range, sync::Arc};

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::{ColumnDefault, Target, plan::When};
use crate::{
    engine::{Error, Result},
    expression::{Dialect, Expression, Scope, Table, find_column, shorten},
};

const TARGET: &str = "target";
const SOURCE: &str = "source";

/// The two tables of a MERGE.
pub(super) struct Sides<'a> {
    pub(super) target: Target<'a>,
    pub(super) source: &'a Schema,
    /// The columns of both, the target's first. Any may be NULL.
    pub(super) joined: SchemaRef,
    /// Columns of USING, and which of the joined ones their names mean where both sides can be read.
    shared: Vec<(String, Vec<usize>)>,
}

impl<'a> Sides<'a> {
    pub(super) fn new(target: Target<'a>, source: &'a Schema) -> Self {
        let fields = target.columns.fields().iter().chain(source.fields());
        let joined = fields.map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>();
        Self { target, source, joined: Arc::new(Schema::new(joined)), shared: Vec::new() }
    }

    /// Makes a name mean the first of these joined columns that is not NULL, as it does after USING.
    pub(super) fn share(&mut self, name: &str, columns: Vec<usize>) {
        self.shared.push((name.to_owned(), columns));
    }

    /// Indexes of the target's columns among the joined ones.
    pub(super) fn of_target(&self) -> Range<usize> {
        0..self.target.columns.fields().len()
    }

    /// Indexes of the source's.
    pub(super) fn of_source(&self) -> Range<usize> {
        self.of_target().end..self.joined.fields().len()
    }

    /// Where rows match.
    pub(super) fn both(&self) -> Scope<'_> {
        Scope::over(&self.joined, vec![self.target_table(self.of_target()), self.source_table()])
    }

    /// In a clause.
    pub(super) fn scope(&self, when: When) -> Scope<'_> {
        let (mut target, mut source) = (self.target_table(self.of_target()), self.source_table());
        match when {
            When::Matched => {
                let mut scope = self.both();
                self.shared.iter().for_each(|(name, columns)| scope.share(name, columns.clone()));
                return scope;
            }
            When::NotMatched => {
                target = target.hidden(
                    "WHEN NOT MATCHED is about rows of the source that match no row of the target: only source can be \
                     read there"
                        .to_owned(),
                );
            }
            When::NotMatchedBySource => source = source.hidden(source_is_hidden()),
        }
        Scope::over(&self.joined, vec![target, source])
    }

    /// In RETURNING, over columns that begin with the target's.
    pub(super) fn returning<'c>(&self, columns: &'c Schema) -> Scope<'c> {
        let end = columns.fields().len();
        let source = Table::new(vec![vec![SOURCE.to_owned()]], end..end).hidden(
            "RETURNING gives back rows of the target: source cannot be read there, only the target's columns and \
             merge_action"
                .to_owned(),
        );
        Scope::over(columns, vec![self.target_table(0..end), source])
    }

    /// Whether these words name the target.
    pub(super) fn is_target(&self, path: &[String]) -> bool {
        let named = |own: &Vec<String>| {
            own.len() == path.len() && own.iter().zip(path).all(|(own, word)| own.to_lowercase() == word.to_lowercase())
        };
        self.target_paths().iter().any(named)
    }

    /// The index of a column of the target.
    pub(super) fn target_column(&self, name: &str) -> Result<usize> {
        let columns = self.target.columns;
        find_column(columns.fields(), name).ok_or_else(|| no_column(name, "the target", columns))
    }

    /// The index of a column of the source, among the joined ones.
    pub(super) fn source_column(&self, name: &str) -> Result<usize> {
        let index = find_column(self.source.fields(), name).ok_or_else(|| no_column(name, "the source", self.source));
        index.map(|index| self.of_source().start + index)
    }

    /// One of the joined columns.
    pub(super) fn column(&self, index: usize) -> Result<Expression> {
        Expression::column(&self.joined, index)
    }

    /// A value as a column of the target takes it.
    pub(super) fn assigned(&self, column: usize, value: Expression) -> Result<Expression> {
        let field = self.target.columns.field(column);
        let cast = value.cast_to(&nullable(field));
        cast.map_err(|error| match error {
            Error::InvalidArgument(reason) => {
                Error::InvalidArgument(format!("column \"{}\" of the target cannot be set: {reason}", field.name()))
            }
            other => other,
        })
    }

    /// What a column of the target is where nothing is said of it; `None` for NULL.
    pub(super) fn default(&self, column: usize) -> Result<Option<Expression>> {
        match self.target.defaults.get(column) {
            None | Some(ColumnDefault::Null) => Ok(None),
            Some(ColumnDefault::Value(value)) => Ok(Some(value.clone())),
            Some(ColumnDefault::Unknown(reason)) => Err(Error::Unsupported(format!(
                "column \"{}\" of the target must be set, because its default is not known here: {reason}",
                self.target.columns.field(column).name()
            ))),
        }
    }

    /// The same, with NULL as a value.
    pub(super) fn default_value(&self, column: usize) -> Result<Expression> {
        match self.default(column)? {
            Some(value) => Ok(value),
            None => self.assigned(column, Expression::new("NULL", Dialect::DuckDb, &Schema::empty())?),
        }
    }

    fn target_table(&self, columns: Range<usize>) -> Table {
        Table::new(self.target_paths(), columns)
    }

    fn source_table(&self) -> Table {
        Table::new(vec![vec![SOURCE.to_owned()]], self.of_source())
    }

    /// The word that always means it, and the table's name, unless that always means the source.
    fn target_paths(&self) -> Vec<Vec<String>> {
        let name = self.target.name;
        let own = (!name.eq_ignore_ascii_case(SOURCE)).then(|| vec![name.to_owned()]);
        own.into_iter().chain([vec![TARGET.to_owned()]]).collect()
    }
}

/// Why the source cannot be read where rows match none of it.
pub(super) fn source_is_hidden() -> String {
    "WHEN NOT MATCHED BY SOURCE is about rows of the target that match no row of the source: only target can be read there"
        .to_owned()
}

fn nullable(field: &Field) -> Field {
    field.clone().with_nullable(true)
}

fn no_column(name: &str, table: &str, columns: &Schema) -> Error {
    let columns = columns.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ");
    Error::InvalidArgument(format!(
        "there is no column \"{}\" in {table}: its columns are {}",
        shorten(name),
        shorten(&columns)
    ))
}
