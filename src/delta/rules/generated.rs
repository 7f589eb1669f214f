//! Columns whose values follow from others.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, make_comparator},
    compute::{SortOptions, is_null, kernels::zip::zip},
    datatypes::{DataType, Float32Type, Float64Type, Schema},
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

pub(super) fn all(table: &str, written: &Written, columns: &Schema) -> Result<Vec<Generated>> {
    let is_generated = |column: &usize| written.generated.iter().any(|(generated, _)| generated == column);
    let generated = written.generated.iter().map(|(column, sql)| {
        let field = columns.field(*column);
        let what = format!("generated column '{}' ({sql})", field.name());
        let expression = Expression::new(sql, Dialect::Spark, columns).and_then(|value| value.cast_to(field));
        let expression = expression.map_err(|error| not_followed(&what, table, &error))?;
        // Delta has none; one would have to be filled before the other.
        match expression.columns().iter().find(|column| is_generated(column)) {
            None => Ok(Generated { column: *column, what, expression }),
            Some(source) => {
                let reason = format!("it follows from '{}', which is generated itself", columns.field(*source).name());
                Err(not_followed(&what, table, &Error::Unsupported(reason)))
            }
        }
    });
    generated.collect()
}

impl Generated {
    /// The rows with this column's NULLs replaced by its values; `None` if that changes nothing. What is given must
    /// be the value (PROTOCOL.md, "Generated Columns").
    pub(super) fn fill(&self, table: &str, rows: &RecordBatch) -> Result<Option<RecordBatch>> {
        let of_table = || format!("{} of table '{table}'", self.what);
        let wanted = self.expression.evaluate(rows).map_err(|error| failed(&of_table(), error))?;
        let given = rows.column(self.column);
        if given.null_count() == given.len() {
            return self.replaced(rows, wanted).map(Some);
        }
        let internal = |error| Error::internal(format!("could not fill the {}", of_table()), error);
        let filled = if given.null_count() == 0 {
            Arc::clone(given)
        } else {
            // Two arrays of one type may differ in the names of nested fields.
            let wanted = arrow::compute::cast(&wanted, given.data_type()).map_err(internal)?;
            zip(&is_null(given).map_err(internal)?, &wanted, given).map_err(internal)?
        };
        if let Some(row) = first_difference(&filled, &wanted).map_err(internal)? {
            let columns = [&[self.column], self.expression.columns()].concat();
            return Err(violated(&of_table(), rows, &Violation { row, columns }));
        }
        if given.null_count() == 0 { Ok(None) } else { self.replaced(rows, filled).map(Some) }
    }

    fn replaced(&self, rows: &RecordBatch, values: ArrayRef) -> Result<RecordBatch> {
        let mut columns = rows.columns().to_vec();
        let mut fields: Vec<_> = rows.schema().fields().iter().cloned().collect();
        fields[self.column] = Arc::new(
            fields[self.column].as_ref().clone().with_data_type(values.data_type().clone()).with_nullable(true),
        );
        columns[self.column] = values;
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|error| Error::internal(format!("could not fill the {}", self.what), error))
    }
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
