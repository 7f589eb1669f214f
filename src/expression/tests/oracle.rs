//! Expressions and DuckDB's own answers.
//!
//! `duckdb.txt` holds them, tab by tab, so that the tests need no DuckDB. `column NAME TYPE` and six texts are a column
//! of table `t`; further columns are those of [`nested`]. Any other line is an expression, its `typeof`, and for each
//! row the value cast to VARCHAR, or one value if all rows have it: what DuckDB 1.5.5 answers to `SELECT typeof(e), CAST(e AS VARCHAR) FROM t` in time
//! zone UTC, each row asked by itself where the whole fails. `\N` is NULL, `\!` an error, and a line of an expression
//! and `\!` is one that does not bind.

use std::{fmt::Write, sync::Arc};

use arrow::{
    array::{ArrayRef, Int32Array, RecordBatch, StringArray},
    datatypes::{Field, Schema},
};

use super::super::{
    Dialect, Expression,
    cast::{self, Mode},
    seam,
    types::Type,
};
use crate::engine::Error;

const ROWS: usize = 6;

#[test]
fn expressions_mean_what_duckdb_means() {
    let report = disagreements(include_str!("duckdb.txt"));
    assert!(report.wrong.is_empty(), "{}", report.wrong);
    assert_eq!(report.refused, "", "each line is of what is offered");
}

/// Any other table of the same form, for wider comparisons: the file named by `DELTAPORT_EXPRESSIONS`.
#[test]
#[ignore = "asks for a file"]
fn expressions_of_a_file_mean_what_duckdb_means() {
    let Ok(file) = std::env::var("DELTAPORT_EXPRESSIONS") else { panic!("DELTAPORT_EXPRESSIONS names no file") };
    let report = disagreements(&std::fs::read_to_string(file).expect("a readable file"));
    println!("refused:\n{}\nagreed: {}, refused: {}", report.refused, report.agreed, report.refused.lines().count());
    assert!(report.wrong.is_empty(), "{}\n{} wrong", report.wrong, report.wrong.lines().count());
}

#[derive(Default)]
struct Report {
    agreed: usize,
    wrong: String,
    refused: String,
}

fn disagreements(table: &str) -> Report {
    let batch = batch(table);
    let mut report = Report::default();
    for line in table.lines().filter(|line| !line.starts_with("column\t")) {
        let (expression, expected) = line.split_once('\t').expect("an expression and its value");
        let expected = &unfold(expected);
        let expected = &expected.replace("-nan", "nan").replace('"', "");
        let (found, error) = match answer(expression, &batch) {
            Ok(found) => found,
            Err(Error::Unsupported(reason)) => {
                let _ = writeln!(report.refused, "{expression}\t{reason}");
                continue;
            }
            Err(error) => ("\\!".to_owned(), error.to_string()),
        };
        let agrees = found == *expected;
        if agrees {
            report.agreed += 1;
            if let Err(difference) = survives_printing(expression, &batch, expected) {
                let _ = writeln!(report.wrong, "{expression}\n  duckdb {expected}\n  we     printed as {difference}");
            }
        } else {
            let _ = writeln!(report.wrong, "{expression}\n  duckdb {expected}\n  we     {found}   {error}");
        }
    }
    report
}

/// Six values for one that stands for all.
fn unfold(expected: &str) -> String {
    match expected.split('\t').collect::<Vec<_>>().as_slice() {
        [ty, value] => format!("{ty}{}", format!("\t{value}").repeat(ROWS)),
        _ => expected.to_owned(),
    }
}

/// Printed in DuckDB's SQL and read again, it still means the same.
fn survives_printing(expression: &str, batch: &RecordBatch, expected: &str) -> Result<(), String> {
    let Ok(bound) = Expression::new(expression, Dialect::DuckDb, batch.schema_ref()) else { return Ok(()) };
    let printed = bound.to_sql(Dialect::DuckDb).map_err(|error| error.to_string())?;
    let (again, _) = answer(&printed, batch).map_err(|error| format!("{printed}\t{error}"))?;
    if again == expected { Ok(()) } else { Err(format!("{printed}\t{again}")) }
}

/// The type and the six values, as a line has them, and the text of an error among them.
fn answer(expression: &str, batch: &RecordBatch) -> Result<(String, String), Error> {
    let bound = Expression::new(expression, Dialect::DuckDb, batch.schema_ref())?;
    let mut line = bound.tree.ty.to_string();
    let mut error = None;
    match values(&bound, batch) {
        Ok(values) => values.iter().for_each(|value| line.extend(["\t", value])),
        Err(_) => {
            for row in 0..ROWS {
                match values(&bound, &batch.slice(row, 1)) {
                    Ok(values) => line.extend(["\t", &values[0]]),
                    Err(Error::InvalidArgument(text)) => {
                        line.push_str("\t\\!");
                        error = Some(text);
                    }
                    Err(other) => return Err(other),
                }
            }
        }
    }
    // The sign of what is no number is the processor's.
    Ok((line.replace("-nan", "nan").replace('"', ""), error.unwrap_or_default()))
}

fn values(expression: &Expression, batch: &RecordBatch) -> Result<Vec<String>, Error> {
    let array = expression.evaluate(batch)?;
    assert_eq!(array.data_type(), expression.result().data_type());
    assert_eq!(array.len(), batch.num_rows());
    assert!(expression.result().is_nullable() || array.null_count() == 0, "NULL in a result that says it has none");
    let ty = &expression.tree.ty;
    let array = seam::adopt(&array, ty)?;
    let texts = cast::cast(&array, ty, &Type::Varchar, Mode::Strict)?;
    Ok(arrow::array::AsArray::as_string::<i32>(&texts).iter().map(escape).collect())
}

fn escape(text: Option<&str>) -> String {
    let Some(text) = text else { return "\\N".to_owned() };
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

/// The columns a table says, and the nested ones.
pub(super) fn batch(table: &str) -> RecordBatch {
    let mut columns: Vec<(Field, ArrayRef)> = Vec::new();
    for line in table.lines().filter_map(|line| line.strip_prefix("column\t")) {
        let parts: Vec<&str> = line.split('\t').collect();
        let texts = parts[2..].iter().map(|text| (*text != "\\N").then(|| text.replace("\\\\", "\\")));
        let texts: StringArray = texts.collect();
        assert_eq!(arrow::array::Array::len(&texts), ROWS, "{line}");
        columns.push(column(parts[0], parts[1], Arc::new(texts)));
    }
    columns.extend(nested());
    let row: ArrayRef = Arc::new(Int32Array::from_iter_values(0..ROWS as i32));
    columns.push((Field::new("r", row.data_type().clone(), true), row));
    let schema = Schema::new(columns.iter().map(|(field, _)| field.clone()).collect::<Vec<_>>());
    RecordBatch::try_new(schema.into(), columns.into_iter().map(|(_, array)| array).collect()).expect("a batch")
}

fn column(name: &str, ty: &str, texts: ArrayRef) -> (Field, ArrayRef) {
    let schema = Schema::new(vec![Field::new("text", texts.data_type().clone(), true)]);
    let cast = Expression::new(&format!("CAST(text AS {ty})"), Dialect::DuckDb, &schema).expect("a cast");
    let rows = RecordBatch::try_new(schema.into(), vec![texts]).expect("rows");
    let array = cast.evaluate(&rows).expect("values of the type");
    (cast.result().clone().with_name(name), array)
}

fn nested() -> Vec<(Field, ArrayRef)> {
    use arrow::{
        array::{FixedSizeListArray, Int32Builder, ListArray, ListBuilder, MapBuilder, StringBuilder, StructArray},
        datatypes::{DataType, Int32Type},
    };
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1), Some(2), Some(3)]),
        Some(vec![]),
        None,
        Some(vec![None]),
        Some(vec![Some(5), None, Some(i32::MAX)]),
        Some(vec![Some(1)]),
    ]);
    let mut texts = ListBuilder::new(StringBuilder::new());
    texts.append_value([Some("a"), Some("b c")]);
    texts.append_value::<[Option<&str>; 0], _>([]);
    texts.append_null();
    texts.append_value([Some(""), None]);
    texts.append_value([Some("it's"), Some("x,y")]);
    texts.append_value([Some("z")]);
    let structs = StructArray::new(
        vec![Field::new("x", DataType::Int32, true), Field::new("y", DataType::Utf8, true)].into(),
        vec![
            Arc::new(Int32Array::from(vec![Some(1), Some(-5), Some(99), None, Some(7), Some(1)])),
            Arc::new(StringArray::from(vec![Some("one"), Some(""), Some("hidden"), None, Some("se,ven"), Some("one")])),
        ],
        Some(vec![true, true, false, true, true, true].into()),
    );
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    let rows: [Option<&[(&str, Option<i32>)]>; ROWS] = [
        Some(&[("a", Some(1)), ("b", Some(2))]),
        Some(&[]),
        None,
        Some(&[("k", None)]),
        Some(&[("a,b", Some(7)), ("", Some(8))]),
        Some(&[("z", Some(1))]),
    ];
    for row in rows {
        for (key, value) in row.unwrap_or_default() {
            maps.keys().append_value(key);
            maps.values().append_option(*value);
        }
        maps.append(row.is_some()).expect("as many keys as values");
    }
    let arrays = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(
        [
            Some(vec![Some(1), Some(2)]),
            Some(vec![Some(3), Some(4)]),
            None,
            Some(vec![None, Some(5)]),
            Some(vec![Some(0), Some(0)]),
            Some(vec![Some(9), Some(9)]),
        ],
        2,
    );
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("l", Arc::new(lists)),
        ("sl", Arc::new(texts.finish())),
        ("st", Arc::new(structs)),
        ("m", Arc::new(maps.finish())),
        ("ar", Arc::new(arrays)),
    ];
    columns.into_iter().map(|(name, array)| (Field::new(name, array.data_type().clone(), true), array)).collect()
}
