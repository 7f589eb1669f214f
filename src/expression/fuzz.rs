//! Target of SQL: users write it, and other writers leave it in logs.

use std::sync::Arc;

use arrow::{
    array::{BooleanArray, Date32Array, Float64Array, Int32Array, ListArray, RecordBatch, StringArray},
    datatypes::{DataType, Field, Int32Type, Schema},
};

use super::{Dialect, Expression};
use crate::fuzz::{GROWTH_BYTES_MAX, Grammar, Outcome, Target};

/// Expressions in both dialects: understood, printed in the other, read again if it can be, and evaluated.
pub(crate) const EXPRESSIONS: Target = Target {
    name: "expressions",
    grammar: Grammar::Text,
    growth_bytes_max: GROWTH_BYTES_MAX,
    run: expression,
    seeds: expressions,
};

fn expression(bytes: &[u8]) -> Outcome {
    let (text, rows) = (String::from_utf8_lossy(bytes), rows());
    let outcomes = [(Dialect::DuckDb, Dialect::Spark), (Dialect::Spark, Dialect::DuckDb)].map(|(dialect, other)| {
        let understood = Expression::new(&text, dialect, &rows.schema());
        let Ok(expression) = &understood else { return Outcome::of(&understood) };
        let printed = expression.to_sql(other);
        let again = printed.as_ref().ok().map(|sql| Expression::new(sql, other, &rows.schema()).is_ok());
        let values = expression.evaluate(&rows).map(|values| assert_eq!(values.len(), rows.num_rows()));
        Outcome::of(&printed).and(Outcome::from(again)).and(Outcome::of(&values))
    });
    outcomes[0].and(outcomes[1])
}

fn rows() -> RecordBatch {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])]);
    let fields = [
        ("b", DataType::Boolean),
        ("i", DataType::Int32),
        ("d", DataType::Float64),
        ("s", DataType::Utf8),
        ("dt", DataType::Date32),
    ];
    let mut fields: Vec<_> = fields.into_iter().map(|(name, data_type)| Field::new(name, data_type, true)).collect();
    let element = Arc::new(Field::new("element", DataType::Int32, true));
    fields.push(Field::new("l", DataType::List(Arc::clone(&element)), true));
    let (_, offsets, values, nulls) = lists.into_parts();
    RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        vec![
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            Arc::new(Int32Array::from(vec![Some(i32::MAX), None, Some(-3)])),
            Arc::new(Float64Array::from(vec![Some(f64::NAN), None, Some(-0.0)])),
            Arc::new(StringArray::from(vec![Some("größe"), None, Some("12")])),
            Arc::new(Date32Array::from(vec![Some(i32::MAX), None, Some(0)])),
            Arc::new(ListArray::new(element, offsets, values, nulls)),
        ],
    )
    .expect("columns of their types")
}

/// Those that were compared with DuckDB's own answers, and some of Spark's.
fn expressions() -> Vec<Vec<u8>> {
    let compared = include_str!("tests/duckdb.txt").lines().filter(|line| !line.starts_with("column\t"));
    let compared = compared.filter_map(|line| line.split('\t').next()).step_by(7);
    let spark = [
        "`i` <=> 3 AND s RLIKE 'a'",
        "date_format(dt, 'yyyy-MM') = \"2024-01\"",
        "CASE WHEN b THEN i DIV 2 ELSE pmod(i, 3) END > 0",
        "element_at(l, 1) IN (1, 2)",
    ];
    compared.chain(spark).map(|sql| sql.as_bytes().to_vec()).collect()
}
