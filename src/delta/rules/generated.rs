//! Columns whose values follow from others.

use arrow::{
    array::{Array, ArrayRef, AsArray, make_comparator},
    compute::{SortOptions, cast, is_null, kernels::zip::zip},
    datatypes::{DataType, Float32Type, Float64Type},
    error::ArrowError,
    record_batch::RecordBatch,
};

use super::{
    Violation,
    condition::{failed, not_followed},
    violated,
    written::Written,
};
use crate::{
    delta::{duckdb_types::is_stored_as_is, schema::TableSchema},
    engine::{Error, Result},
    expression::{Dialect, Expression},
};

/// A generated column.
#[derive(Debug)]
pub(super) struct Generated {
    column: usize,
    /// `generated column 'day' (CAST(at AS DATE))`
    what: String,
    expression: Expression,
}

/// Bound to the columns as they are stored.
pub(super) fn all(table: &str, written: &Written, schema: &TableSchema) -> Result<Vec<Generated>> {
    let generated = written.generated.iter().map(|(column, sql)| {
        let what = format!("generated column '{}' ({sql})", schema.stored.field(*column).name());
        let refused = |error: &Error| not_followed(&what, table, error);
        let expression = expression(*column, sql, written, schema).map_err(|error| refused(&error))?;
        Ok(Generated { column: *column, what, expression })
    });
    generated.collect()
}

fn expression(column: usize, sql: &str, written: &Written, schema: &TableSchema) -> Result<Expression> {
    let field = schema.stored.field(column);
    if !is_stored_as_is(schema.logical.field(column)) {
        return Err(Error::Unsupported(format!("its values are stored as {}", field.data_type())));
    }
    let value = Expression::new(sql, Dialect::Spark, &schema.stored)?.cast_to(field)?;
    // Delta has none; one would have to be filled before the other.
    let is_generated = |column: &usize| written.generated.iter().any(|(generated, _)| generated == column);
    match value.columns().iter().find(|column| is_generated(column)) {
        None => Ok(value),
        Some(source) => {
            let source = schema.stored.field(*source).name();
            Err(Error::Unsupported(format!("it follows from '{source}', which is generated itself")))
        }
    }
}

impl Generated {
    pub(super) fn index(&self) -> usize {
        self.column
    }

    /// The columns it looks at, its own among them.
    pub(super) fn columns(&self) -> impl Iterator<Item = usize> {
        [self.column].into_iter().chain(self.expression.columns().iter().copied())
    }

    /// This column with its NULLs replaced by its values; `None` if that changes nothing. What is given must be the
    /// value (PROTOCOL.md, "Generated Columns"). `stored` has `rows` as they are stored.
    pub(super) fn fill(&self, table: &str, stored: &RecordBatch, rows: &RecordBatch) -> Result<Option<ArrayRef>> {
        let of_table = || format!("{} of table '{table}'", self.what);
        let wanted = self.expression.evaluate(stored).map_err(|error| failed(&of_table(), error))?;
        let given = rows.column(self.column);
        if given.null_count() == given.len() {
            return Ok(Some(wanted));
        }
        let internal = |error| Error::internal(format!("could not fill the {}", of_table()), error);
        let filled = match given.null_count() {
            0 => None,
            _ => Some(filled(given, &wanted).map_err(internal)?),
        };
        if let Some(row) = first_difference(filled.as_ref().unwrap_or(given), &wanted).map_err(internal)? {
            let columns = self.columns().collect::<Vec<_>>();
            return Err(violated(&of_table(), rows, &Violation { row, columns }));
        }
        Ok(filled)
    }
}

fn filled(given: &ArrayRef, wanted: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    // Two arrays of one type may differ in the names of nested fields.
    let wanted = cast(wanted, given.data_type())?;
    zip(&is_null(given)?, &wanted, given)
}

/// The first row in which the two are not `<=>` equal, as Spark has it: NULL is NULL, NaN is NaN, -0.0 is 0.0.
fn first_difference(left: &ArrayRef, right: &ArrayRef) -> Result<Option<usize>, ArrowError> {
    let compare = make_comparator(left, right, SortOptions::default())?;
    Ok((0..left.len()).find(|row| compare(*row, *row).is_ne() && !same_number(left, right, *row)))
}

fn same_number(left: &ArrayRef, right: &ArrayRef, row: usize) -> bool {
    if left.is_null(row) || right.is_null(row) {
        return false;
    }
    let [left, right] = match left.data_type() {
        DataType::Float32 => [left, right].map(|array| f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => [left, right].map(|array| array.as_primitive::<Float64Type>().value(row)),
        _ => return false,
    };
    left == right || left.is_nan() && right.is_nan()
}
