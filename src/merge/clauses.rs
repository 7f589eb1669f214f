//! What becomes of which rows: WHEN ... THEN ..., with names and types resolved as `bind_merge_into.cpp` does.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field};

use super::{
    plan::{Action, Assignment, Clause, When},
    sides::{Sides, source_is_hidden},
    syntax::{self, Order},
};
use crate::{
    engine::{Error, Result},
    expression::{Expression, Parsed, Scope, shorten},
};

/// The clauses in the order in which they are to be tried: of each kind, the one without a condition is the last.
pub(super) fn clauses(written: &[syntax::Clause], sides: &Sides<'_>) -> Result<Vec<Clause>> {
    let mut clauses = Vec::with_capacity(written.len());
    for clause in written {
        let again = |other: &Clause| other.when == clause.when && other.condition.is_none();
        if clause.condition.is_none() && clauses.iter().any(again) {
            return Err(Error::InvalidArgument(format!(
                "{} is there twice without a condition: only one such clause is taken, after those with AND",
                words(clause.when)
            )));
        }
        clauses.push(Binder { sides, when: clause.when, scope: sides.scope(clause.when) }.clause(clause)?);
    }
    clauses.sort_by_key(|clause| (clause.when, clause.condition.is_none()));
    Ok(clauses)
}

const fn words(when: When) -> &'static str {
    match when {
        When::Matched => "WHEN MATCHED",
        When::NotMatched => "WHEN NOT MATCHED",
        When::NotMatchedBySource => "WHEN NOT MATCHED BY SOURCE",
    }
}

/// Columns of the target that take those of the source of the same name: all of the source's, in its order.
pub(super) fn by_name(sides: &Sides<'_>) -> Result<Vec<(usize, Expression)>> {
    let mut pairs: Vec<(usize, Expression)> = Vec::new();
    for (index, field) in sides.of_source().zip(sides.source.fields()) {
        let column = sides.target_column(field.name()).map_err(|_| {
            let columns = sides.target.columns.fields().iter().map(|field| field.name().as_str());
            Error::InvalidArgument(format!(
                "the source's column \"{}\" is not in the target, whose columns are {}: leave it out of the source",
                shorten(field.name()),
                shorten(&columns.collect::<Vec<_>>().join(", "))
            ))
        })?;
        check_once(sides, pairs.iter().map(|(column, _)| *column), column)?;
        pairs.push((column, sides.assigned(column, sides.column(index)?)?));
    }
    Ok(pairs)
}

/// A whole row, from the values of some columns: the others have their defaults.
pub(super) fn row(sides: &Sides<'_>, values: Vec<(usize, Option<Expression>)>) -> Result<Vec<Option<Expression>>> {
    let mut given: BTreeMap<usize, Option<Expression>> = values.into_iter().collect();
    sides
        .of_target()
        .map(|column| match given.remove(&column) {
            Some(value) => Ok(value),
            None => sides.default(column),
        })
        .collect()
}

fn check_once(sides: &Sides<'_>, mut columns: impl Iterator<Item = usize>, column: usize) -> Result<()> {
    match columns.any(|other| other == column) {
        false => Ok(()),
        true => Err(Error::InvalidArgument(format!(
            "column \"{}\" of the target is set twice",
            sides.target.columns.field(column).name()
        ))),
    }
}

struct Binder<'a> {
    sides: &'a Sides<'a>,
    when: When,
    scope: Scope<'a>,
}

impl Binder<'_> {
    fn clause(&self, clause: &syntax::Clause) -> Result<Clause> {
        let condition = clause.condition.as_ref().map(|condition| condition.bind_condition(&self.scope)).transpose()?;
        let action = self.action(&clause.action)?;
        Ok(Clause { when: self.when, condition, action, text: clause.text.clone() })
    }

    fn action(&self, action: &syntax::Action) -> Result<Action> {
        use syntax::Action as Written;
        if self.when == When::NotMatched
            && matches!(action, Written::UpdateSet(_) | Written::UpdateAll(_) | Written::Delete)
        {
            return Err(Error::InvalidArgument(
                "WHEN NOT MATCHED [BY TARGET] takes no UPDATE and no DELETE: there is no row in the target; say WHEN \
                 MATCHED or WHEN NOT MATCHED BY SOURCE"
                    .to_owned(),
            ));
        }
        Ok(match action {
            Written::UpdateSet(set) => Action::Update(self.set(set)?),
            Written::UpdateAll(order) => Action::Update(self.update_all(*order)?),
            Written::InsertValues { columns, values } => Action::Insert(self.insert(columns.as_deref(), values)?),
            Written::InsertAll(order) => Action::Insert(self.insert_all(*order)?),
            Written::InsertDefaults => Action::Insert(row(self.sides, Vec::new())?),
            Written::Delete => Action::Delete,
            Written::DoNothing => Action::DoNothing,
            Written::Error(message) => Action::Error(message.as_ref().map(|text| self.message(text)).transpose()?),
        })
    }

    fn set(&self, set: &[(Vec<String>, Parsed)]) -> Result<Vec<Assignment>> {
        let mut assignments: Vec<Assignment> = Vec::with_capacity(set.len());
        for (path, value) in set {
            let column = self.set_column(path)?;
            check_once(self.sides, assignments.iter().map(|assignment| assignment.column), column)?;
            let value = match value.is_default() {
                true => self.sides.default_value(column)?,
                false => self.sides.assigned(column, value.bind(&self.scope)?)?,
            };
            assignments.push(Assignment { column, value });
        }
        Ok(assignments)
    }

    fn set_column(&self, path: &[String]) -> Result<usize> {
        match path {
            [name] => self.sides.target_column(name),
            [table @ .., name] if self.sides.is_target(table) => self.sides.target_column(name),
            _ => Err(Error::Unsupported(format!(
                "SET takes columns of the target, and \"{}\" is none: a field of a struct is set with the whole struct",
                shorten(&path.join("."))
            ))),
        }
    }

    fn update_all(&self, order: Order) -> Result<Vec<Assignment>> {
        let pairs = self.all(order, "UPDATE")?;
        Ok(pairs.into_iter().map(|(column, value)| Assignment { column, value }).collect())
    }

    fn insert_all(&self, order: Order) -> Result<Vec<Option<Expression>>> {
        let pairs = self.all(order, "INSERT")?;
        row(self.sides, pairs.into_iter().map(|(column, value)| (column, Some(value))).collect())
    }

    /// What `*` stands for.
    fn all(&self, order: Order, verb: &str) -> Result<Vec<(usize, Expression)>> {
        if self.when == When::NotMatchedBySource {
            return Err(Error::InvalidArgument(source_is_hidden()));
        }
        if order == Order::ByName {
            return by_name(self.sides);
        }
        let (target, source) = (self.sides.of_target(), self.sides.of_source());
        if target.len() != source.len() {
            return Err(Error::InvalidArgument(format!(
                "{verb} takes the source's columns by position, of which there are {}, and the target has {}: say {verb} BY \
                 NAME, or which columns",
                source.len(),
                target.len()
            )));
        }
        target.zip(source).map(|(to, from)| Ok((to, self.sides.assigned(to, self.sides.column(from)?)?))).collect()
    }

    fn insert(&self, columns: Option<&[String]>, values: &[Parsed]) -> Result<Vec<Option<Expression>>> {
        let columns = self.insert_columns(columns)?;
        if columns.len() != values.len() {
            return Err(Error::InvalidArgument(format!(
                "INSERT has {} columns and {} values",
                columns.len(),
                values.len()
            )));
        }
        let values = columns.into_iter().zip(values).map(|(column, value)| {
            let value = match value.is_default() {
                true => self.sides.default(column)?,
                false => Some(self.sides.assigned(column, value.bind(&self.scope)?)?),
            };
            Ok((column, value))
        });
        row(self.sides, values.collect::<Result<_>>()?)
    }

    fn insert_columns(&self, names: Option<&[String]>) -> Result<Vec<usize>> {
        let Some(names) = names else { return Ok(self.sides.of_target().collect()) };
        let mut columns = Vec::with_capacity(names.len());
        for name in names {
            let column = self.sides.target_column(name)?;
            check_once(self.sides, columns.iter().copied(), column)?;
            columns.push(column);
        }
        Ok(columns)
    }

    fn message(&self, text: &Parsed) -> Result<Expression> {
        text.bind(&self.scope)?.cast_to(&Field::new("message", DataType::Utf8, true))
    }
}
