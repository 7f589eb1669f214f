//! Behaviour: against tables of expressions and what DuckDB answers, and by hand where DuckDB cannot be asked.

mod bare;
mod lazy;
mod limits;
mod oracle;
mod predicate;
mod print;
mod refusals;
mod render;
mod scope;
mod seam;
mod soup;
mod spark;
mod wording;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{Field, Schema},
};

use super::{
    Dialect, Expression,
    cast::{self, Mode},
    seam as forms,
    types::Type,
};
use crate::engine::Result;

/// Rows of columns, each of a type and texts; `None` is NULL.
fn rows(columns: &[(&str, &str, &[Option<&str>])]) -> RecordBatch {
    let columns: Vec<(Field, ArrayRef)> = columns.iter().map(|(name, ty, texts)| column(name, ty, texts)).collect();
    let schema = Schema::new(columns.iter().map(|(field, _)| field.clone()).collect::<Vec<_>>());
    RecordBatch::try_new(schema.into(), columns.into_iter().map(|(_, array)| array).collect()).expect("a batch")
}

fn column(name: &str, ty: &str, texts: &[Option<&str>]) -> (Field, ArrayRef) {
    let texts: ArrayRef = std::sync::Arc::new(texts.iter().copied().collect::<arrow::array::StringArray>());
    let schema = Schema::new(vec![Field::new("text", texts.data_type().clone(), true)]);
    let cast = Expression::new(&format!("CAST(text AS {ty})"), Dialect::DuckDb, &schema).expect("a cast");
    let rows = RecordBatch::try_new(schema.into(), vec![texts]).expect("rows");
    let array = cast.evaluate(&rows).expect("values of the type");
    (cast.result().clone().with_name(name), array)
}

/// The values of an expression, as text.
fn values(expression: &Expression, rows: &RecordBatch) -> Result<Vec<Option<String>>> {
    let array = expression.evaluate(rows)?;
    let ty = Type::of(expression.result()).expect("a known type");
    let texts = cast::cast(&forms::adopt(&array, &ty)?, &ty, &Type::Varchar, Mode::Strict)?;
    Ok(texts.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect())
}

/// The value of an expression over one row, `NULL` or text.
fn value(sql: &str, dialect: Dialect, rows: &RecordBatch) -> Result<String> {
    let values = values(&Expression::new(sql, dialect, rows.schema_ref())?, rows)?;
    Ok(values[0].clone().unwrap_or_else(|| "NULL".to_owned()))
}
