//! Arrow batches as rows of JSON values, in the form the readers of others give them.

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, Int8Type, Int16Type, Int32Type, Int64Type},
    util::display::{ArrayFormatter, FormatOptions},
};
use serde_json::{Value, json};

use crate::readers::Rows;

/// All rows of all batches.
pub fn rows(batches: &[RecordBatch]) -> Rows {
    let row = |batch: &RecordBatch, index| batch.columns().iter().map(|column| value(column, index)).collect();
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |index| row(batch, index))).collect()
}

/// All rows, sorted by their text: scans promise no order.
pub fn sorted_rows(batches: &[RecordBatch]) -> Rows {
    let mut rows = rows(batches);
    rows.sort_by_cached_key(|row| Value::from(row.clone()).to_string());
    rows
}

/// All values of the one integer column of `batches`, sorted.
pub fn sorted_integers(batches: &[RecordBatch]) -> Vec<i64> {
    let mut values: Vec<_> = rows(batches).iter().map(|row| row[0].as_i64().expect("an integer")).collect();
    values.sort_unstable();
    values
}

fn value(column: &dyn Array, index: usize) -> Value {
    if column.is_null(index) || *column.data_type() == DataType::Null {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Boolean => json!(column.as_boolean().value(index)),
        DataType::Int8 => json!(column.as_primitive::<Int8Type>().value(index)),
        DataType::Int16 => json!(column.as_primitive::<Int16Type>().value(index)),
        DataType::Int32 => json!(column.as_primitive::<Int32Type>().value(index)),
        DataType::Int64 => json!(column.as_primitive::<Int64Type>().value(index)),
        DataType::Struct(fields) => {
            let item = |(i, name): (usize, &String)| (name.clone(), value(column.as_struct().column(i), index));
            fields.iter().map(|f| f.name()).enumerate().map(item).collect()
        }
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(index);
            (0..items.len()).map(|i| value(&items, i)).collect()
        }
        _ => text(column, index),
    }
}

fn text(column: &dyn Array, index: usize) -> Value {
    let options = FormatOptions::default().with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.f"));
    let formatter = ArrayFormatter::try_new(column, &options).expect("every type has a text form");
    Value::String(formatter.value(index).to_string())
}
