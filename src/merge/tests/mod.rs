//! Clauses against DuckDB's own answers, and what they become.

mod forms;
mod oracle;
mod refusals;
mod soup;
mod upsert;

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};

use super::{ColumnDefault, MergePlan, Target, plan};
use crate::{
    engine::{MergeClauses, Result},
    expression::{Dialect, Expression},
};

/// A table: rows of columns, each of a name, a type and a default, if it has one.
struct Table {
    columns: SchemaRef,
    defaults: Vec<ColumnDefault>,
    rows: RecordBatch,
}

impl Table {
    /// Columns as `name TYPE` or `name TYPE = default`, rows of texts; `None` is NULL.
    fn new(columns: &[&str], rows: &[Vec<Option<&str>>]) -> Self {
        let (mut fields, mut defaults, mut arrays) = (Vec::new(), Vec::new(), Vec::new());
        for (index, column) in columns.iter().enumerate() {
            let (column, default) = match column.split_once(" = ") {
                Some((column, default)) => (column, Some(default)),
                None => (*column, None),
            };
            let (name, ty) = column.split_once(' ').expect("a name and a type");
            let (field, array) = typed(name, ty, rows.iter().map(|row| row[index]).collect());
            defaults.push(match default {
                Some(sql) => ColumnDefault::Value(constant(sql).cast_to(&field).expect("a default")),
                None => ColumnDefault::Null,
            });
            fields.push(field);
            arrays.push(array);
        }
        let columns = Arc::new(Schema::new(fields));
        Self { rows: RecordBatch::try_new(columns.clone(), arrays).expect("rows"), columns, defaults }
    }

    fn target(&self) -> Target<'_> {
        Target { name: "orders", columns: &self.columns, defaults: &self.defaults }
    }
}

fn constant(sql: &str) -> Expression {
    Expression::new(sql, Dialect::DuckDb, &Schema::empty()).expect(sql)
}

/// The values of a column; structs are written `{'x': 1, 'y': u}`, and have an INTEGER and a VARCHAR in some order.
fn typed(name: &str, ty: &str, texts: Vec<Option<&str>>) -> (Field, ArrayRef) {
    let texts: Vec<Option<String>> = texts.into_iter().map(|text| text.map(str::to_owned)).collect();
    let raw: ArrayRef = Arc::new(StringArray::from(texts));
    let schema = Schema::new(vec![Field::new("raw", DataType::Utf8, true)]);
    let part = |field: &str| format!("left(substring(raw, position('''{field}'': ' IN raw) + 5), 1)");
    let sql = match ty {
        "STRUCT(x INTEGER, y VARCHAR)" => {
            format!("CASE WHEN raw IS NOT NULL THEN {{'x': CAST({} AS INTEGER), 'y': {}}} END", part("x"), part("y"))
        }
        "STRUCT(z VARCHAR, v INTEGER)" => "CASE WHEN raw = '{''z'': zed, ''v'': 100}' THEN {'z': 'zed', 'v': 100} \
             WHEN raw IS NOT NULL THEN {'z': 'zz', 'v': 3} END"
            .to_owned(),
        _ => format!("CAST(raw AS {ty})"),
    };
    let value = Expression::new(&sql, Dialect::DuckDb, &schema).expect(&sql);
    let rows = RecordBatch::try_new(schema.into(), vec![raw]).expect("rows");
    (value.result().clone().with_name(name).with_nullable(true), value.evaluate(&rows).expect("values"))
}

fn orders() -> Table {
    Table::new(&["a INTEGER", "b VARCHAR", "c DOUBLE = 7.5"], &[vec![Some("1"), Some("x"), Some("1.0")]])
}

fn updates() -> Table {
    Table::new(&["a INTEGER", "b VARCHAR", "c DOUBLE"], &[vec![Some("1"), Some("n"), Some("10.0")]])
}

fn of(text: &str) -> Result<MergePlan> {
    plan(&MergeClauses::Text(text.to_owned()), orders().target(), &updates().columns)
}
