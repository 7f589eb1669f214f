//! RETURNING: what is given back of the rows that were changed.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};

use super::{plan::Returning, sides::Sides, syntax::Item};
use crate::{
    engine::{Error, Result},
    expression::{Expression, find_column, shorten},
};

/// What was done with a row.
const MERGE_ACTION: &str = "merge_action";

pub(super) fn returning(items: &[Item], sides: &Sides<'_>) -> Result<Returning> {
    let of_target = sides.target.columns.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    let columns = of_target.chain([Field::new(MERGE_ACTION, DataType::Utf8, false)]).collect::<Vec<_>>();
    let columns = Schema::new(columns);
    let (mut fields, mut values): (Vec<FieldRef>, Vec<Expression>) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::All { table, exclude } => {
                for index in all(table, exclude, sides)? {
                    fields.push(Arc::clone(&columns.fields()[index]));
                    values.push(Expression::column(&columns, index)?);
                }
            }
            Item::Value { value, alias } => {
                let bound = value.bind(&sides.returning(&columns))?;
                let name = alias.as_deref().or(value.column_name()).unwrap_or(value.text());
                fields.push(Arc::new(bound.result().clone().with_name(name)));
                values.push(bound);
            }
        }
    }
    match fields.is_empty() {
        true => Err(Error::InvalidArgument("RETURNING gives back no column: EXCLUDE leaves none of them".to_owned())),
        false => Ok(Returning { columns: Arc::new(Schema::new(fields)), values }),
    }
}

/// The columns that `*` stands for.
fn all(table: &[String], exclude: &[String], sides: &Sides<'_>) -> Result<Vec<usize>> {
    if !table.is_empty() && !sides.is_target(table) {
        return Err(Error::InvalidArgument(format!(
            "RETURNING gives back rows of the target: say * or target.*, not {}.*",
            shorten(&table.join("."))
        )));
    }
    let columns = sides.target.columns.fields();
    let excluded = exclude.iter().map(|name| {
        find_column(columns, name).ok_or_else(|| {
            Error::InvalidArgument(format!("there is no column \"{}\" for EXCLUDE to leave out", shorten(name)))
        })
    });
    let excluded = excluded.collect::<Result<Vec<_>>>()?;
    Ok(sides.of_target().filter(|index| !excluded.contains(index)).collect())
}
