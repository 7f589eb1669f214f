//! UPDATE and DELETE as a real DuckDB said them about tables of this server's.

use std::sync::Arc;

use airport_tests::{
    client::{Client, OnConflict, Table},
    golden::Golden,
    readers::{self, Rows},
    rows::{rows, sorted_rows},
};
use arrow::{
    array::{ArrayRef, Decimal128Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray},
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, Fields, Schema},
};
use serde_json::{Value, json};

use crate::support::{SALES, lake};

const ROWS: i64 = 2100;
pub(super) const NAMES: [&str; 5] = ["id", "name", "price", "tags", "spot"];

/// What becomes of a row, by its id: nothing, another row, or none.
type Becomes = fn(i64) -> Option<Value>;

/// A recorded call, how many rows it changes, and what becomes of all rows.
const CALLS: [(&str, usize, Becomes); 8] = [
    ("00-DoExchange-delete", 700, |id| (id % 3 != 1).then(|| row(id))),
    ("01-DoExchange-delete", 4, |id| (3..2099).contains(&id).then(|| row(id))),
    ("02-DoExchange-delete", 2100, |_| None),
    ("03-DoExchange-delete", 0, |id| Some(row(id))),
    ("04-DoExchange-update", 3, |id| {
        Some(if id % 700 == 0 { json!([id, null, price(2 * hundredths(id)), tags(id), spot(id)]) } else { row(id) })
    }),
    ("05-DoExchange-update", 3, |id| {
        let spot = json!({ "x": null, "y": format!("n{id}") });
        let new = json!([-id, format!("n{id}"), price(hundredths(id)), tags(id), spot]);
        Some(if [1, 1000, 2099].contains(&id) { new } else { row(id) })
    }),
    ("06-DoExchange-update", 3, |id| {
        let new = json!([id, format!("n{id}"), price(hundredths(id)), [format!("n{id}")], spot(id)]);
        Some(if (10..=12).contains(&id) { new } else { row(id) })
    }),
    ("07-DoExchange-update", 2100, |id| Some(json!([id, "all", price(hundredths(id)), tags(id), spot(id)]))),
];

#[tokio::test]
async fn every_recorded_change_goes_through() {
    let golden = Golden::changes_duckdb_1_5_5();
    let (server, mut client) = lake().await;
    assert_eq!(golden.calls(""), CALLS.map(|(call, ..)| call));
    for (number, (call, changed, becomes)) in CALLS.into_iter().enumerate() {
        let table = filled(&mut client, &format!("t{number}")).await;
        let returned = say(&client, &golden, call, &table, changed).await;
        client.begin().await.unwrap();
        let found = sorted_rows(&client.scan(&table, &NAMES).await.unwrap().batches);
        let mut expected: Rows = (0..ROWS).filter_map(becomes).map(cells).collect();
        expected.sort_by_cached_key(|row| Value::from(row.clone()).to_string());
        assert_eq!(found, expected, "{call}");
        check_returned(call, &returned, becomes);
        let count = readers::both(&server.table(SALES, &format!("t{number}")), "SELECT count(*), count(name) FROM t");
        let names = expected.iter().filter(|row| !row[1].is_null()).count();
        assert_eq!(count, [[json!(expected.len()), json!(names)]], "{call}");
    }
}

/// Says a call about `table`; what came back.
async fn say(client: &Client, golden: &Golden, call: &str, table: &Table, changed: usize) -> Vec<RecordBatch> {
    let returning = golden.header(call, "return-chunks") == Some("1");
    let operation = golden.header(call, "airport-operation").expect("every exchange has one");
    let mut messages = golden.exchange_about(call, &table.descriptor).into_iter().skip(1);
    let mut exchange = client.exchange(table, operation, returning).await;
    exchange.send_message(messages.next().expect("the schema")).await;
    exchange.read_schema().await.unwrap_or_else(|e| panic!("{call}: {e}"));
    let mut returned = Vec::new();
    for batch in messages {
        exchange.send_message(batch).await;
        if returning {
            returned.push(exchange.read_batch().await.unwrap_or_else(|e| panic!("{call}: {e}")));
        }
    }
    exchange.half_close();
    let acknowledged = exchange.read_changed().await.unwrap_or_else(|e| panic!("{call}: {e}"));
    assert_eq!(acknowledged, changed as u64, "{call}");
    assert!(!returning || returned.iter().map(RecordBatch::num_rows).sum::<usize>() == changed, "{call}");
    returned
}

/// The rows that came back are those that went, or the new ones, in the order they were sent.
fn check_returned(call: &str, returned: &[RecordBatch], becomes: Becomes) {
    let Some(first) = returned.first() else { return };
    let places = NAMES.map(|name| first.schema().index_of(name).expect("every column comes back"));
    let returned: Vec<_> = returned.iter().map(|batch| batch.project(&places).expect("its columns")).collect();
    let changed = (0..ROWS).filter(|id| becomes(*id) != Some(row(*id)));
    let expected: Rows = changed.map(|id| cells(becomes(id).unwrap_or_else(|| row(id)))).collect();
    assert_eq!(rows(&returned), expected, "{call}");
}

/// A table as `session.sql` makes them.
async fn filled(client: &mut Client, name: &str) -> Table {
    fill(client, SALES, name, ROWS as usize).await
}

/// The same of a few rows, in any schema.
pub(super) async fn fill(client: &mut Client, schema: &str, name: &str, count: usize) -> Table {
    let rows = all().slice(0, count);
    client.begin().await.unwrap();
    let table = client.create_table(schema, name, &rows.schema(), OnConflict::Error).await.unwrap();
    client.begin().await.unwrap();
    assert_eq!(client.insert(&table, &[rows]).await.unwrap(), count as u64);
    client.begin().await.unwrap();
    table
}

fn all() -> RecordBatch {
    let texts = |letter: &str| StringArray::from_iter_values((0..ROWS).map(|id| format!("{letter}{id}")));
    let prices = Decimal128Array::from_iter_values((0..ROWS).map(|id| i128::from(hundredths(id))));
    let items = StringArray::from_iter((0..2 * ROWS).map(|item| (item % 2 == 0).then(|| format!("t{}", item / 2))));
    let item = Arc::new(Field::new("l", DataType::Utf8, true));
    let lists = ListArray::new(item, OffsetBuffer::from_repeated_length(2, ROWS as usize), Arc::new(items), None);
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(0..ROWS as i32));
    let nulls: ArrayRef = Arc::new(StringArray::new_null(ROWS as usize));
    let fields = Fields::from(vec![Field::new("x", DataType::Int32, true), Field::new("y", DataType::Utf8, true)]);
    let columns: [ArrayRef; 5] = [
        Arc::new(Int64Array::from_iter_values(0..ROWS)),
        Arc::new(texts("n")),
        Arc::new(prices.with_precision_and_scale(9, 2).expect("they fit")),
        Arc::new(lists),
        Arc::new(StructArray::new(fields, vec![numbers, nulls], None)),
    ];
    let fields: Vec<_> =
        NAMES.iter().zip(&columns).map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.to_vec()).expect("columns of one length")
}

/// As it was inserted.
fn row(id: i64) -> Value {
    json!([id, format!("n{id}"), price(hundredths(id)), tags(id), spot(id)])
}

/// `id / 4`, in hundredths.
fn hundredths(id: i64) -> i64 {
    25 * id
}

fn price(hundredths: i64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn tags(id: i64) -> Value {
    json!([format!("t{id}"), null])
}

fn spot(id: i64) -> Value {
    json!({ "x": id, "y": null })
}

fn cells(row: Value) -> Vec<Value> {
    serde_json::from_value(row).expect("a row is a list")
}
