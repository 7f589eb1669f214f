//! Filters that a real DuckDB pushed down, over rows made for them: whatever the server leaves out, DuckDB's own
//! WHERE must leave out too. (DuckDB applies its filter again, so rows too many cost speed only.)

use std::collections::BTreeSet;

use airport_tests::{
    client::{Client, Table},
    readers,
    rows::sorted_integers,
};
use serde_json::Value;

use crate::support::{SALES, lake, listed};

/// `WHERE` and `json_filters`, one JSON object a line.
const RECORDED: &str = include_str!("../../golden/filters-duckdb-1.5.5.jsonl");

/// Makes table `t` of the recorded filters' columns and `id`, by a writer that takes no
/// infinite times, in files that each hold a few neighbours of every list
/// of values, so that bounds of files tell something; then notes which rows DuckDB selects for each WHERE.
const TABLE: &str = r#"
VALUES = {
    "b BOOLEAN": "true false NULL",
    "i8 TINYINT": "-128 -5 0 1 NULL 5 6 7 127",
    "i16 SMALLINT": "-32768 0 1 2 5 7 NULL 300 32767",
    "i32 INTEGER": "-2147483648 0 1 2 4 5 NULL 6 2147483647",
    "i64 BIGINT": "-9223372036854775808 -1 0 1 2 3 5 NULL 7 10 900 9223372036854775807",
    "f FLOAT": "'-inf' -0.0 0.0 0.1 0.5 1.5 2.5 NULL 'nan' 'inf'",
    "d DOUBLE": "'-inf' -0.0 0.0 0.05 0.06 0.1 1.5 5.0 5.5 NULL 6.0 1e300 'inf' 'nan'",
    "dec4 DECIMAL(4,1)": "-999.9 0 12.5 NULL 999.9",
    "dec9 DECIMAL(9,2)": "-1 0 0.5 1.5 2.25 10 10.01 NULL 9999999.99",
    "dec18 DECIMAL(18,3)": "-1 0.05 0.06 123456789012345.678 NULL 999999999999999.999",
    "dec38 DECIMAL(38,10)": "-2 -1 0 NULL 12345678901234567890.0123456789 9999999999999999999999999999",
    "s VARCHAR": "'' 'a' 'ab' 'abc' 'abcd' 'aXcd' NULL 'AB' 'b' 'a%b' 'ab%' 'x' 'q' '5' 'ÿz' '🦀'",
    "bin BLOB": r"'' '\x00\xFFab' 'a' NULL 'abc\x22\x27\x5C' '\xFF'",
    "dt DATE": "'0044-03-16 (BC)' '1969-12-31' '1994-06-01' '1998-09-02' '2023-12-31' '2024-01-01' NULL "
        "'2024-01-02' '2024-01-03' '2024-02-29' '9999-12-31'",
    "ts TIMESTAMP": "'1995-01-01T00:00:00' '2023-12-31T23:59:59.999999' '2024-01-01T00:00:00' NULL "
        "'2024-01-01T10:00:00.123456' '2024-01-01T12:00:00.000001' '2024-01-05T00:00:00' '9999-12-31T00:00:00'",
    "tz TIMESTAMPTZ": "'2023-12-31T21:59:59+00' '2024-01-01T00:00:00+00' NULL '2024-06-01T00:00:00+00'",
    "st STRUCT(A INTEGER, n STRUCT(x VARCHAR))": "{'A':1,'n':{'x':'q'}} {'A':5,'n':{'x':'qq'}} NULL {'A':6,'n':NULL} "
        "{'A':NULL,'n':{'x':'r'}} {'A':7,'n':{'x':NULL}}",
    "l INTEGER[]": "[] [5] [5,6,7] NULL [NULL]",
    "m MAP(VARCHAR, INTEGER)": "MAP{} MAP{'k':1} NULL MAP{'k':2}",
}
FILES, ROWS, NEIGHBOURS = 12, 150, 3

def column(number, spec, texts):
    name, kind = spec.split(" ", 1)
    choices = ", ".join(f"({text})::{kind}" for text in texts.split())
    window = f"(file * {number % 3 + 1} + hash(id, {number}) % {NEIGHBOURS}) % {len(texts.split())}"
    return f"([{choices}])[1 + ({window})::INTEGER] AS {name}"

connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
columns = ", ".join(column(number, *item) for number, item in enumerate(VALUES.items()))
numbers = f"SELECT i // {ROWS} AS file, i AS id FROM range({FILES * ROWS}) r(i)"
connection.execute(f"CREATE TABLE all_rows AS SELECT {columns}, id, file FROM ({numbers})")
for file in range(FILES):
    rows = connection.execute("SELECT * EXCLUDE (file) FROM all_rows WHERE file = ? ORDER BY id", [file])
    deltalake.write_deltalake(str(lake / "sales" / "t"), rows.to_arrow_table(), mode="append"PARTITIONED)

def selected(where):
    try:
        return [row[0] for row in connection.execute(f"SELECT id FROM all_rows WHERE {where} ORDER BY id").fetchall()]
    except duckdb.Error:
        return None

result = [selected(where) for where in WHERES]
"#;

#[tokio::test]
async fn no_row_that_duckdb_selects_is_left_out() {
    check("").await;
}

#[tokio::test]
async fn no_row_that_duckdb_selects_is_left_out_of_partitions() {
    check(", partition_by=[\"b\", \"i8\"]").await;
}

async fn check(partitioned: &str) {
    let (server, client) = lake().await;
    let recorded = recorded();
    let wheres: Vec<&str> = recorded.iter().map(|(sql, _)| sql.as_str()).collect();
    let code = TABLE.replace("WHERES", &serde_json::to_string(&wheres).unwrap()).replace("PARTITIONED", partitioned);
    let selected = readers::python(&server.lake(), &code);
    let table = listed(&client, SALES, "t").await;
    let everything = scanned(&client, &table, "").await.len();
    let (mut compared, mut asked) = (0, 0);
    for ((sql, json_filters), selected) in recorded.iter().zip(selected.as_array().expect("a list")) {
        // Some filters only the recording's table could answer (on row ids, for one).
        let Some(selected) = selected.as_array() else { continue };
        let selected: BTreeSet<i64> = selected.iter().map(|id| id.as_i64().expect("an id")).collect();
        let sent = scanned(&client, &table, json_filters).await;
        let lost: Vec<_> = selected.difference(&sent).collect();
        assert!(lost.is_empty(), "{sql}: rows {lost:?} were left out");
        (compared, asked) = (compared + 1, asked + sent.len());
    }
    assert!(compared > 190, "only {compared} filters were compared");
    assert!(asked < compared * everything / 2, "hardly a filter does anything: {asked} of {}", compared * everything);
}

fn recorded() -> Vec<(String, String)> {
    let text = |line: &Value, key: &str| line[key].as_str().expect("text").to_owned();
    let lines = RECORDED.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    // What they select is another thing each time they are asked.
    let steady = |(sql, _): &(String, String)| !sql.contains("random()");
    lines.map(|line: Value| (text(&line, "where"), text(&line, "json_filters"))).filter(steady).collect()
}

/// The ids the server sends for a filter.
async fn scanned(client: &Client, table: &Table, json_filters: &str) -> BTreeSet<i64> {
    let id = table.schema.index_of("id").expect("a column") as u64;
    let endpoints = client.endpoints_raw(&table.descriptor, json_filters.as_bytes(), &[id]).await.expect("planned");
    let mut ids = BTreeSet::new();
    for endpoint in endpoints {
        let mut stream = client.get(table, endpoint).await.expect("a stream");
        while let Some(batch) = stream.next().await.expect("a batch") {
            let batch = batch.project(&[id as usize]).expect("the column");
            ids.extend(sorted_integers(&[batch]));
        }
    }
    ids
}
