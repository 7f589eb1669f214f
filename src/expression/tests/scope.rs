//! Names of several tables.

use arrow::datatypes::{DataType, Field, Schema};

use super::super::{Expression, Scope, Table, read_statement};
use crate::engine::Result;

fn schema() -> Schema {
    let inner = vec![Field::new("a", DataType::Int32, true), Field::new("deep", DataType::Utf8, true)];
    Schema::new(vec![
        Field::new("a", DataType::Int32, true),
        Field::new("b", DataType::Utf8, true),
        Field::new("A", DataType::Int64, true),
        Field::new("left", DataType::Struct(inner.into()), true),
    ])
}

fn bound(sql: &str, scope: &Scope<'_>) -> Result<Expression> {
    read_statement(sql, 1 << 10, &[], |mut parts| parts.remove(0).read(|words| words.expression()?.bind(scope)))
}

#[test]
fn a_table_comes_before_a_column_of_its_name() {
    let schema = schema();
    let table = |name: &str, columns| Table::new(vec![vec![name.to_owned()]], columns);
    let mut scope = Scope::over(&schema, vec![table("left", 0..2), table("right", 2..4)]);
    let column = |sql: &str, scope: &Scope<'_>| bound(sql, scope).expect(sql).as_column();
    assert_eq!(column("left.a", &scope), Some(0));
    assert_eq!(column("LEFT.A", &scope), Some(0));
    assert_eq!(column("right.a", &scope), Some(2));
    assert_eq!(column("b", &scope), Some(1));
    assert_eq!(column("right.left", &scope), Some(3));
    assert_eq!(bound("left.deep", &scope).expect("a field").columns(), [3]);
    assert_eq!(bound("right.left.a", &scope).expect("a field").columns(), [3]);
    let error = |sql: &str, scope: &Scope<'_>| bound(sql, scope).expect_err(sql).to_string();
    assert_eq!(error("a", &scope), "the column \"a\" is ambiguous: write left.a or right.a");
    assert_eq!(error("right.b", &scope), "there is no column \"b\" in right: its columns are A, left");
    assert_eq!(error("x.y", &scope), "there is no column \"x.y\": the columns are a, b, A, left");
    scope.share("a", vec![2, 0]);
    let shared = bound("a", &scope).expect("the first that is not NULL");
    assert_eq!((shared.columns(), shared.result().data_type()), ([0, 2].as_slice(), &DataType::Int64));
    let hidden = Scope::over(&schema, vec![table("left", 0..2), table("right", 2..4).hidden("it is away".to_owned())]);
    assert_eq!(column("a", &hidden), Some(0));
    assert_eq!(error("right.a", &hidden), "it is away");
    assert_eq!(error("left.deep", &hidden), "there is no column \"deep\" in left: its columns are a, b");
}
