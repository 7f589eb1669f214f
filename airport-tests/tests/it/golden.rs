//! What a real DuckDB said, said again to this server.

mod changes;
mod merges;

use std::sync::Arc;

use airport_tests::{
    client::{Error, ROW_ID, Table},
    golden::{self, Golden},
    readers,
    rows::rows,
};
use arrow::array::{ArrayRef, RecordBatch};
use serde_json::json;
use tonic::Code;

use crate::{
    change::rows_of,
    support::{OFFERED, assert_refused, files, lake},
};

/// `CREATE TABLE lake.sales.copy AS ...`: without the constraints of the table it copies.
const CREATE_COPY: &str = "174-DoAction-create_table";
const INSERT_COPY: &str = "175-DoExchange-insert";
/// How many rows the five batches of [`INSERT_COPY`] hold.
const COPIED_ROWS: u64 = 2549;

#[tokio::test]
async fn a_recorded_create_table_as_goes_through() {
    let (server, client) = lake().await;
    let golden = Golden::duckdb_1_5_5();
    let table = golden::create_table(&client, &golden, CREATE_COPY).await.unwrap();
    assert_eq!(table.column_names(), ["id", "name", "price", "placed", "tags", "addr", "rowid"]);
    let changed = insert(&client, &golden, INSERT_COPY, &table).await;
    assert_eq!(changed.unwrap(), COPIED_ROWS);

    let columns = ["id", "price", "placed", "tags", "addr"];
    assert_eq!(client.scan(&table, &columns).await.unwrap().row_count() as u64, COPIED_ROWS);
    let path = server.table("sales", "copy");
    let first = "SELECT id, name, price, placed, tags, addr FROM t WHERE id = 1";
    let addr = json!({ "street": "s", "zip": 1 });
    let expected = [json!(1), json!("a"), json!("1.50"), json!("2024-01-01T10:00:00"), json!(["x", "y"]), addr];
    assert_eq!(readers::both(&path, first), [expected]);
    assert_eq!(readers::both(&path, "SELECT count(*), count(tags) FROM t")[0][0], json!(COPIED_ROWS));
}

#[tokio::test]
async fn recorded_inserts_go_through() {
    let (_server, client) = lake().await;
    let golden = Golden::duckdb_1_5_5();
    let table = golden::create_table(&client, &golden, CREATE_COPY).await.unwrap();
    let mut rows = 0;
    for (call, changed) in [
        ("016-DoExchange-insert", 2),
        ("021-DoExchange-insert", 1),
        ("026-DoExchange-insert", 5000),
        ("101-DoExchange-insert", 1),
    ] {
        assert_eq!(insert(&client, &golden, call, &table).await.unwrap(), changed, "{call}");
        rows += changed;
    }
    // With RETURNING: one batch in, one batch out.
    let mut returning = golden::insert(&client, &golden, "031-DoExchange-insert", &table, true).await.unwrap();
    assert_eq!(returning.read_batch().await.unwrap().num_rows(), 1);
    assert_eq!(returning.read_changed().await.unwrap(), 1);
    assert_eq!(client.scan(&table, &["id"]).await.unwrap().row_count() as u64, rows + 1);
}

/// What was recorded of them, with row ids of this server's for the rows they were about.
#[tokio::test]
async fn recorded_updates_and_deletes_go_through() {
    let (_server, client) = lake().await;
    let golden = Golden::duckdb_1_5_5();
    let table = golden::create_table(&client, &golden, CREATE_COPY).await.unwrap();
    for call in ["016-DoExchange-insert", "021-DoExchange-insert", "026-DoExchange-insert", "031-DoExchange-insert"] {
        insert(&client, &golden, call, &table).await.unwrap();
    }
    let of_rows = async |call, ids: &[i64]| {
        let rows = rows_of(&client, &table, ids).await;
        with_row_ids(golden.changed(call), rows.column(2))
    };
    // SET name = 'upd', price = price + 1
    let update = of_rows("068-DoExchange-update", &[10, 11, 12]).await;
    assert_eq!(client.update(&table, &update).await.unwrap(), 3);
    // SET name = 'ret' WHERE id = 1 RETURNING id, name, price
    let update = of_rows("077-DoExchange-update", &[1]).await;
    let (changed, returned) = client.update_returning(&table, &update).await.unwrap();
    let returned = rows(&[returned[0].project(&[0, 1, 2]).unwrap()]);
    assert_eq!((changed, returned), (1, vec![vec![json!(1), json!("ret"), json!("1.50")]]));
    // WHERE id % 2 = 0 AND id > 100
    let even: Vec<i64> = (101..5010).filter(|id| id % 2 == 0).chain([7000]).collect();
    let delete = of_rows("086-DoExchange-delete", &even).await;
    assert_eq!(client.delete(&table, &delete).await.unwrap(), 2455);
    // WHERE id = 3 RETURNING id, name
    let delete = of_rows("095-DoExchange-delete", &[3]).await;
    let (changed, returned) = client.delete_returning(&table, &delete).await.unwrap();
    let returned = rows(&[returned[0].project(&[0, 1]).unwrap()]);
    assert_eq!((changed, returned), (1, vec![vec![json!(3), json!(null)]]));

    let left = client.scan(&table, &["id", "name"]).await.unwrap();
    assert_eq!(left.row_count() as u64, COPIED_ROWS - 1);
    let changed = rows(&[rows_of(&client, &table, &[1, 10, 12, 13]).await.project(&[1]).unwrap()]);
    assert_eq!(changed, ["ret", "upd", "upd", "n13"].map(|name| vec![json!(name)]));
}

/// The batches with these row ids in place of their own.
fn with_row_ids(batches: Vec<RecordBatch>, row_ids: &ArrayRef) -> Vec<RecordBatch> {
    let mut taken = 0;
    let replaced = |batch: RecordBatch| {
        let ours = row_ids.slice(taken, batch.num_rows());
        taken += batch.num_rows();
        let schema = batch.schema();
        let last = batch.num_columns() - 1;
        let columns = schema.fields().iter().zip(batch.columns()).take(last);
        let columns = columns.map(|(field, column)| (field.name().as_str(), Arc::clone(column)));
        RecordBatch::try_from_iter(columns.chain([(ROW_ID, ours)])).expect("columns of one length")
    };
    let replaced = batches.into_iter().map(replaced).collect();
    assert_eq!(taken, row_ids.len());
    replaced
}

#[tokio::test]
async fn recorded_filters_are_understood_or_left_alone() {
    let (_server, client) = lake().await;
    let golden = Golden::duckdb_1_5_5();
    let table = golden::create_table(&client, &golden, CREATE_COPY).await.unwrap();
    insert(&client, &golden, INSERT_COPY, &table).await.unwrap();
    for call in golden.calls("DoAction-endpoints") {
        let endpoints = golden::endpoints(&client, &golden, call, &table).await;
        for endpoint in endpoints.unwrap_or_else(|e| panic!("{call}: {e}")) {
            let mut stream = client.get(&table, endpoint).await.unwrap_or_else(|e| panic!("{call}: {e}"));
            while stream.next().await.unwrap_or_else(|e| panic!("{call}: {e}")).is_some() {}
        }
    }
}

#[tokio::test]
async fn recorded_catalog_calls_are_answered() {
    let (_server, client) = lake().await;
    let golden = Golden::duckdb_1_5_5();
    for call in ["DoAction-catalog_version", "DoAction-create_transaction", "DoAction-list_schemas"] {
        for call in golden.calls(call) {
            let answer = client.action_message(golden.action(call)).await.unwrap_or_else(|e| panic!("{call}: {e}"));
            assert_eq!(answer.len(), 1, "{call}");
        }
    }
    client.drop_schema("sales", false).await.unwrap();
    client.action_message(golden.action("005-DoAction-create_schema")).await.unwrap();
    let dropped = client.action_message(golden.action("218-DoAction-drop_table")).await;
    assert_refused(dropped, Code::NotFound, &["types"]);
    client.action_message(golden.action("222-DoAction-drop_schema")).await.unwrap();
}

/// PRIMARY KEY is not kept, so a table that asks for it must not be made in silence.
#[tokio::test]
async fn recorded_constraints_are_not_dropped_in_silence() {
    let (server, client) = lake().await;
    let made = golden::create_table(&client, &Golden::duckdb_1_5_5(), "011-DoAction-create_table").await;
    assert_refused(made, Code::Unimplemented, &["PRIMARY KEY"]);
    assert_eq!(files(&server.table("sales", "orders")), [""; 0]);
}

/// One row of UTINYINT, HUGEINT, UUID, TIME, INTERVAL, BIT and others, in the forms DuckDB sends them.
#[tokio::test]
async fn a_recorded_row_of_types_delta_lacks_goes_through() {
    let (server, client) = lake().await;
    let golden = Golden::duckdb_1_5_5();
    let schema = &golden.exchange_about("197-DoExchange-insert", &golden::recorded_descriptor("types"))[1];
    let columns = arrow::datatypes::Schema::try_from(schema).unwrap();
    let on_conflict = airport_tests::client::OnConflict::Error;
    let table = client.create_table("sales", "types", &columns, on_conflict).await.unwrap();
    assert_eq!(insert(&client, &golden, "197-DoExchange-insert", &table).await.unwrap(), 1);
    let names: Vec<_> = columns.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(client.scan(&table, &names).await.unwrap().row_count(), 1);
    let others = "SELECT a, b, d, e, f, m, n, o, q FROM t";
    let expected = json!([
        1,
        "2",
        36_000_000_000_i64,
        "P0M3DT0S",
        "101",
        5,
        1_577_836_800_123_456_789_i64,
        r#"{"a":1}"#,
        [1, 2, 3]
    ]);
    let expected = expected.as_array().unwrap().clone();
    assert_eq!(readers::both(&server.table("sales", "types"), others), [expected]);
}

#[tokio::test]
async fn recorded_calls_that_are_not_offered_are_refused() {
    let (_server, client) = lake().await;
    let golden = Golden::duckdb_1_5_5();
    let table = golden::create_table(&client, &golden, CREATE_COPY).await.unwrap();
    for call in golden.calls("").into_iter().filter(|call| call.contains("DoAction")) {
        let action = golden.action(call);
        let name = action.r#type.clone();
        if !OFFERED.contains(&name.as_str()) {
            assert_refused(client.action_message(action).await, Code::Unimplemented, &[&name]);
        }
    }
    // The recorded server's row ids were numbers.
    for operation in ["update", "delete"] {
        for call in golden.calls(&format!("DoExchange-{operation}")) {
            let mut exchange = client.exchange(&table, operation, false).await;
            for message in golden.exchange_about(call, &table.descriptor).into_iter().skip(1) {
                exchange.send_message(message).await;
            }
            let why = "column \"rowid\" was sent as BIGINT and is STRUCT(";
            assert_refused(exchange.read_schema().await, Code::InvalidArgument, &[why]);
        }
    }
    assert_eq!(client.scan(&table, &["id"]).await.unwrap().row_count(), 0);
}

async fn insert(
    client: &airport_tests::client::Client,
    golden: &Golden,
    call: &str,
    table: &Table,
) -> Result<u64, Error> {
    golden::insert(client, golden, call, table, false).await?.read_changed().await
}
