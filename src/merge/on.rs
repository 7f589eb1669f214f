//! Which rows match: a condition, taken apart.

use super::{
    plan::{Key, On},
    sides::Sides,
};
use crate::{
    engine::{Error, Result},
    expression::{Dialect, Expression, Parsed},
};

/// `ON condition`
pub(super) fn on(condition: &Parsed, sides: &Sides<'_>) -> Result<On> {
    let mut on = On::default();
    for term in condition.bind_condition(&sides.both())?.conjuncts() {
        add(&mut on, term, sides);
    }
    Ok(on)
}

/// `USING (columns)`: as DuckDB does, one that is named twice counts once.
pub(super) fn using(names: &[String], sides: &Sides<'_>) -> Result<On> {
    let mut on = On::default();
    let mut seen = Vec::new();
    for name in names {
        let target = sides.target_column(name)?;
        let source = sides.source_column(name)?;
        if !seen.contains(&target) {
            seen.push(target);
            add(&mut on, equal(sides, target, source)?, sides);
        }
    }
    Ok(on)
}

/// That two columns are equal.
pub(super) fn equal(sides: &Sides<'_>, target: usize, source: usize) -> Result<Expression> {
    let name = sides.target.columns.field(target).name();
    let equality = sides.column(target)?.equals(sides.column(source)?);
    equality.map_err(|error| match error {
        Error::InvalidArgument(reason) => {
            Error::InvalidArgument(format!("column \"{name}\" of both sides cannot be compared: {reason}"))
        }
        other => other,
    })
}

/// Puts a condition where it belongs.
pub(super) fn add(on: &mut On, term: Expression, sides: &Sides<'_>) {
    if let Some(key) = key(&term, sides) {
        on.keys.push(key);
    } else if is_of_target(&term, sides) {
        on.target.push(term);
    } else if term.columns().iter().all(|column| sides.of_source().contains(column)) {
        on.source.push(term);
    } else {
        on.rest.push(term);
    }
}

fn key(term: &Expression, sides: &Sides<'_>) -> Option<Key> {
    let (left, right, nulls_equal) = term.equality()?;
    let (target, source) = match is_of_target(&left, sides) {
        true => (left, right),
        false => (right, left),
    };
    (is_of_target(&target, sides) && is_of_source(&source, sides)).then(|| {
        let name = match target.as_column() {
            Some(column) => sides.target.columns.field(column).name().clone(),
            None => target.to_sql(Dialect::DuckDb).unwrap_or_else(|_| "the key".to_owned()),
        };
        Key { target, source, nulls_equal, name }
    })
}

fn is_of_target(value: &Expression, sides: &Sides<'_>) -> bool {
    !value.columns().is_empty() && value.columns().iter().all(|column| sides.of_target().contains(column))
}

fn is_of_source(value: &Expression, sides: &Sides<'_>) -> bool {
    !value.columns().is_empty() && value.columns().iter().all(|column| sides.of_source().contains(column))
}
