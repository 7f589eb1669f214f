//! What expressions mean in a MERGE, value by value, as `delta.merge` and as DuckDB's MERGE INTO: division, casts, NULL,
//! text.

use airport_tests::{client::OnConflict, server::Server};
use arrow::array::RecordBatch;
use tonic::Code;

use super::{
    clauses::{Action, Clause, Clauses, When},
    source::{Shape, Source, Target, table},
    twin::Twin,
    values::{Class, Column},
};
use crate::{
    oracle::texts,
    support::{SALES, assert_refused, lake, listed, versions},
};

const COLUMNS: [(&str, Class, &str); 9] = [
    ("i", Class::Integer, "TINYINT"),
    ("n", Class::Integer, "INTEGER"),
    ("b", Class::Integer, "BIGINT"),
    ("d", Class::Decimal, "DECIMAL(9,2)"),
    ("f", Class::Real, "DOUBLE"),
    ("v", Class::Text, "VARCHAR"),
    ("t", Class::Date, "DATE"),
    ("m", Class::Timestamp, "TIMESTAMP"),
    ("o", Class::Boolean, "BOOLEAN"),
];

const ROWS: [[&str; 9]; 8] = [
    ["0", "0", "0", "0.00", "0.0", "''", "DATE '1970-01-01'", "TIMESTAMP '1970-01-01 00:00:00'", "true"],
    ["5", "7", "-9", "2.50", "2.5", "'abc'", "DATE '2024-02-29'", "TIMESTAMP '2024-02-29 23:59:59.999999'", "false"],
    ["-5", "-7", "9", "-2.50", "-2.5", "'Ünïcödé'", "DATE '1969-12-31'", "TIMESTAMP '1969-12-31 23:59:59.5'", "true"],
    ["1", "2", "3", "3.45", "3.5", "'日本語テキスト'", "DATE '2023-12-31'", "TIMESTAMP '2023-12-31 12:00:00'", "NULL"],
    ["-1", "-2", "-3", "-0.05", "-3.5", "' 12 '", "DATE '0001-01-01'", "TIMESTAMP '1900-03-01 06:07:08'", "false"],
    ["10", "100", "1000", "9.99", "1e20", "'straße ĳ'", "DATE '2000-10-10'", "TIMESTAMP '2000-10-10 10:10:10'", "true"],
    ["NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL"],
    [
        "2",
        "3",
        "4",
        "0.50",
        "'nan'::DOUBLE",
        "'e\u{301}🙂👩‍👧x'",
        "DATE '9999-12-31'",
        "TIMESTAMP '2038-01-19 03:14:08'",
        "true",
    ],
];

/// Every one of them has a value for each row.
const EXPRESSIONS: [&str; 118] = [
    // Division.
    "n / 2",
    "n / i",
    "n // 2",
    "n // i",
    "n // -2",
    "n % 3",
    "n % -3",
    "n % i",
    "b % 4",
    "mod(n, 4)",
    "d / 2",
    "d // 2",
    "d % 0.75",
    "f / 2",
    "f / i",
    "f // 2",
    "f % 2",
    "1 / 3",
    "10 // 4",
    "-7 // 2",
    "-7 % 2",
    // Numbers.
    "i + 1",
    "i + n",
    "n * b",
    "d + 1",
    "d * d",
    "d - f",
    "n + f",
    "-d",
    "abs(d)",
    "abs(f)",
    "sign(f)",
    "sign(n)",
    "floor(d)",
    "ceil(d)",
    "floor(f)",
    "ceil(-f)",
    "round(f)",
    "round(d)",
    "round(d, 1)",
    "round(f, 0)",
    "trunc(f)",
    "trunc(d)",
    "sqrt(abs(n))",
    "pow(i, 2)",
    "i ** 2",
    "n & 6",
    "n | 8",
    "xor(n, 5)",
    "isnan(f)",
    "greatest(i, n, 1)",
    "least(i, n)",
    "greatest(f, 1.5)",
    // Casts.
    "CAST(d AS INTEGER)",
    "CAST(d * 10 AS INTEGER)",
    "CAST(d AS DECIMAL(9,1))",
    "CAST(d AS DOUBLE)",
    "CAST(n AS DECIMAL(9,3))",
    "CAST(n AS DOUBLE)",
    "CAST(n AS BOOLEAN)",
    "CAST(o AS INTEGER)",
    "CAST(least(greatest(f, -100), 100) AS INTEGER)",
    "TRY_CAST(f AS INTEGER)",
    "TRY_CAST(v AS INTEGER)",
    "TRY_CAST(v AS DOUBLE)",
    "TRY_CAST(v AS DECIMAL(9,1))",
    "TRY_CAST(b AS TINYINT)",
    "f::VARCHAR",
    "d::VARCHAR || '!'",
    "m::DATE",
    "t::TIMESTAMP",
    "t::VARCHAR",
    "m::VARCHAR",
    "o::VARCHAR",
    "CAST('2.5' AS DECIMAL(9,1))",
    "CAST('0.5' AS INTEGER) + CAST('1.5' AS INTEGER)",
    // NULL.
    "n = NULL",
    "NULL AND o",
    "NULL OR o",
    "NOT o",
    "n IS DISTINCT FROM i",
    "n IS NOT DISTINCT FROM NULL",
    "o IS NOT TRUE",
    "coalesce(v, n::VARCHAR, 'none')",
    "ifnull(n, -1)",
    "nullif(i, 5)",
    "i IN (5, NULL)",
    "i NOT IN (5, 10)",
    "n BETWEEN i AND 100",
    "CASE WHEN o THEN 'yes' WHEN NOT o THEN 'no' END",
    "CASE i WHEN 5 THEN 'five' WHEN NULL THEN 'null' ELSE 'other' END",
    "f > 1",
    "f = f",
    // Text.
    "v || '|' || n",
    "concat(v, NULL, n, '|')",
    "length(v)",
    "strlen(v)",
    "upper(v)",
    "lower(v)",
    "trim(v)",
    "left(v, 2)",
    "left(v, -2)",
    "right(v, 2)",
    "right(v, -2)",
    "substring(v, 2, 3)",
    "substring(v, -2)",
    "substring(v, 0, 2)",
    "replace(v, 'b', 'BB')",
    "CASE WHEN i = 2 THEN 'of combined characters' ELSE reverse(v) END",
    "lpad(v, 5, 'xy')",
    "rpad(v, 2, '.')",
    "repeat(v, 2)",
    "position('本' IN v)",
    "v LIKE '%b%'",
    "v ILIKE '%Ü%'",
    "v LIKE '___'",
    "ascii(v)",
    "v < 'b'",
];

/// Dates.
const DATES: [&str; 14] = [
    "year(t)",
    "month(t)",
    "dayofweek(t)",
    "week(t)",
    "quarter(t)",
    "last_day(t)",
    "t - 1",
    "t - DATE '2000-01-01'",
    "date_trunc('month', m)",
    "m - INTERVAL 1 MONTH",
    "m - INTERVAL '90 minutes'",
    "epoch(m)",
    "microsecond(m)",
    "extract(doy FROM t)",
];

/// Each fails for some row.
const FAILING: [&str; 10] = [
    "CAST(v AS INTEGER)",
    "CAST(b * 1000 AS TINYINT)",
    "CAST(f AS INTEGER)",
    "CAST(n * 100000000 AS DECIMAL(9,2))",
    "i * i * i",
    "n * 100000000 * 100000000 * 100000000",
    "CAST(v AS DATE)",
    "CAST(v AS BOOLEAN)",
    "repeat('1', n + 20)::BIGINT",
    "sqrt(n)",
];

#[tokio::test]
async fn expressions_mean_what_they_mean_in_duckdb() {
    let (server, client) = lake().await;
    let expressions: Vec<_> = EXPRESSIONS.iter().chain(&DATES).copied().collect();
    for (number, expressions) in expressions.chunks(40).enumerate() {
        let pair = Pair::begin(&server, &client, number, expressions.len()).await;
        pair.compare(expressions).await;
    }
}

#[tokio::test]
async fn what_fails_in_duckdb_fails_and_changes_nothing() {
    let (server, client) = lake().await;
    let pair = Pair::begin(&server, &client, 0, 1).await;
    for expression in FAILING {
        let clauses = pair.clauses(&[expression]);
        let told = pair.twin.step(&pair.target, &pair.source, &clauses);
        assert_eq!(told.refused.as_deref(), Some("expression"), "{expression}: {told:?}");
        let answer = client.merge("sales.t0", &clauses.text(), &[pair.twin.source()]).await;
        println!("{expression}: {answer:?}");
        assert_refused(answer, Code::InvalidArgument, &[]);
        assert_eq!(versions(&server.table(SALES, "t0")), [0, 1], "{expression}");
    }
}

/// A branch that no row takes fails nobody, though DuckDB evaluates it.
#[tokio::test]
async fn an_expression_fails_only_for_rows_of_its_clause() {
    let (server, client) = lake().await;
    let pair = Pair::begin(&server, &client, 0, 1).await;
    let text = "ON target.k = source.k WHEN MATCHED AND source.v = 'abc' THEN UPDATE SET r0 = 'text' \
                WHEN MATCHED AND source.i = 0 THEN UPDATE SET r0 = CAST(CAST('1' || source.v AS INTEGER) AS VARCHAR)";
    let told = pair.twin.step(&pair.target, &pair.source, &pair.clauses(&["v"]));
    assert_eq!(told.refused, None);
    let merged = client.merge("sales.t0", text, &[pair.twin.source()]).await.unwrap();
    assert_eq!(merged.updated, 2);
}

/// A table whose columns take what expressions give, here and there, and a source with the values they read.
struct Pair<'a> {
    name: String,
    client: &'a airport_tests::client::Client,
    target: Target,
    source: Source,
    twin: Twin,
}

impl<'a> Pair<'a> {
    async fn begin(server: &Server, client: &'a airport_tests::client::Client, number: usize, columns: usize) -> Self {
        let named = |name: &str, class, sql_type| Column { name: name.to_owned(), class, sql_type, never_empty: false };
        let results = (0..columns).map(|column| named(&format!("r{column}"), Class::Text, "VARCHAR"));
        let key = named("k", Class::Integer, "INTEGER");
        let target = Target { columns: std::iter::once(key.clone()).chain(results).collect() };
        let rows: Vec<_> = (0..ROWS.len())
            .map(|row| std::iter::once(row.to_string()).chain((0..columns).map(|_| "NULL".to_owned())).collect())
            .collect();
        let values = COLUMNS.map(|(name, class, sql_type)| named(name, class, sql_type));
        let source = Source {
            shape: Shape::More,
            columns: std::iter::once(key).chain(values).collect(),
            names: vec![None; columns + 1],
            rows: ROWS
                .iter()
                .enumerate()
                .map(|(row, values)| std::iter::once(row.to_string()).chain(values.map(str::to_owned)).collect())
                .collect(),
        };
        let twin = Twin::begin(&format!("meaning {number} {:?}", server.id()), &table("t", &target.columns, &rows));
        let name = format!("t{number}");
        let rows = twin.table();
        client.create_table(SALES, &name, &rows.schema(), OnConflict::Error).await.unwrap();
        client.create_transaction().await.unwrap();
        client.insert(&listed(client, SALES, &name).await, &[rows]).await.unwrap();
        Self { name, client, target, source, twin }
    }

    /// Each expression's value in a column of its own.
    fn clauses(&self, expressions: &[&str]) -> Clauses {
        let set: Vec<_> =
            (0..).zip(expressions).map(|(number, text)| format!("r{number} = CAST({text} AS VARCHAR)")).collect();
        let action = Action::Update((1..=expressions.len()).collect(), format!("UPDATE SET {}", set.join(", ")));
        let list = vec![Clause { when: When::Matched, condition: None, action }];
        Clauses { on: "ON target.k = source.k".to_owned(), list, returning: None }
    }

    async fn compare(&self, expressions: &[&str]) {
        let clauses = self.clauses(expressions);
        let told = self.twin.step(&self.target, &self.source, &clauses);
        assert_eq!(told.error, None);
        let source = self.twin.source();
        let table = format!("{SALES}.{}", self.name);
        if let Err(error) = self.client.merge(&table, &clauses.text(), std::slice::from_ref(&source)).await {
            let mut refused = Vec::new();
            for expression in expressions {
                let alone = self.clauses(&[expression]).text();
                let answer = self.client.merge(&table, &alone, std::slice::from_ref(&source)).await;
                refused.extend(answer.err().map(|error| format!("{expression}: {error}")));
            }
            panic!("{error}\neach alone:\n{}", refused.join("\n"));
        }
        let mut fresh = self.client.clone();
        fresh.begin().await.unwrap();
        let names: Vec<_> = self.target.columns.iter().map(|column| column.name.as_str()).collect();
        let found = fresh.scan(&listed(&fresh, SALES, &self.name).await, &names).await.unwrap();
        let found: Vec<_> = found.batches.iter().flat_map(rows).collect();
        let mut differing = Vec::new();
        for expected in rows(&self.twin.expected()) {
            let row = found.iter().find(|row| row[0] == expected[0]).expect("every key is there");
            let pairs =
                row[1..].iter().zip(&expected[1..]).zip(expressions).filter(|((found, expected), _)| found != expected);
            differing.extend(pairs.map(|((found, value), expression)| {
                format!("{expression} of row {}: {found}, in DuckDB {value}", expected[0])
            }));
        }
        assert!(differing.is_empty(), "{}", differing.join("\n"));
    }
}

fn rows(batch: &RecordBatch) -> Vec<Vec<String>> {
    let columns: Vec<_> = batch.columns().iter().map(|column| texts(column)).collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|column| column[row].clone()).collect()).collect()
}
