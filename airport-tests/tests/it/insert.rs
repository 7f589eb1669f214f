//! INSERT, with and without RETURNING.

use std::sync::Arc;

use airport_tests::{
    client::{Client, OnConflict},
    readers,
    rows::{rows, sorted_rows},
};
use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
    ipc::writer::IpcWriteOptions,
};
use arrow_flight::{FlightData, SchemaAsIpc};
use serde_json::json;

use crate::support::{SALES, assert_callers_fault, create_people, data_files, ids, lake, listed, seen, versions};

#[tokio::test]
async fn rows_are_there_for_everybody_once_acknowledged() {
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    assert_eq!(client.insert(&table, &[ids(0..3)]).await.unwrap(), 3);

    let path = server.table(SALES, "t");
    assert_eq!(versions(&path), [0, 1]);
    let expected = [[json!(0), json!("n0")], [json!(1), json!("n1")], [json!(2), json!("n2")]];
    assert_eq!(sorted_rows(&client.scan(&table, &["id", "name"]).await.unwrap().batches), expected);
    assert_eq!(readers::both(&path, "SELECT id, name FROM t ORDER BY id"), expected);
}

#[tokio::test]
async fn many_batches_make_one_commit_and_few_files() {
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    assert_eq!(client.insert(&table, &[ids(0..50_000)]).await.unwrap(), 50_000);
    let path = server.table(SALES, "t");
    assert_eq!(versions(&path), [0, 1]);
    let files = data_files(&path);
    assert!(files.len() < 5, "25 batches became {files:?}");
    assert_eq!(seen(&client, &table).await, (0..50_000).collect::<Vec<_>>());
    let sums = readers::both(&path, "SELECT count(*), sum(id), count(DISTINCT name) FROM t");
    assert_eq!(sums, [[json!(50_000), json!(1_249_975_000), json!(50_000)]]);
    let told = listed(&client, SALES, "t").await.total_records;
    assert!([-1, 50_000].contains(&told), "unknown or right, not {told}");
}

#[tokio::test]
async fn an_insert_of_nothing_commits_nothing() {
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    assert_eq!(client.insert(&table, &[]).await.unwrap(), 0);
    assert_eq!(client.insert(&table, &[ids(0..0)]).await.unwrap(), 0);
    let mut exchange = client.exchange(&table, "insert", false).await;
    exchange.send_schema(&table.insert_schema()).await;
    exchange.read_schema().await.unwrap();
    exchange.send_batch(&ids(0..0)).await;
    exchange.half_close();
    assert_eq!(exchange.read_changed().await.unwrap(), 0);
    assert_eq!(versions(&server.table(SALES, "t")), [0]);
}

#[tokio::test]
async fn the_schema_may_come_with_the_descriptor() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    let schema: FlightData = SchemaAsIpc::new(&table.insert_schema(), &IpcWriteOptions::default()).into();
    let first = schema.with_descriptor(table.descriptor.clone());
    let mut exchange = client.exchange_with(first, "insert", false).await;
    exchange.read_schema().await.unwrap();
    exchange.send_batch(&ids(0..1)).await;
    exchange.half_close();
    assert_eq!(exchange.read_changed().await.unwrap(), 1);
}

#[tokio::test]
async fn returning_answers_each_batch_with_one_of_its_size() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    let sent = ids(0..5_000);
    let (changed, returned) = client.insert_returning(&table, std::slice::from_ref(&sent)).await.unwrap();
    assert_eq!(changed, 5_000);
    assert_eq!(returned.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [2048, 2048, 904]);
    let columns = |batch: &RecordBatch| {
        let at = |name| batch.schema().index_of(name).unwrap();
        batch.project(&[at("id"), at("name")]).unwrap()
    };
    assert_eq!(rows(&returned.iter().map(columns).collect::<Vec<_>>()), rows(&[sent]));
}

/// A reply batch that were split would leave the client waiting for ever.
#[tokio::test]
async fn returning_never_splits_a_large_batch() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    let long = "x".repeat(4096);
    let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..2048).map(|id| format!("{id}{long}"))));
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..2048));
    let batch = RecordBatch::try_new(table.insert_schema(), vec![ids, names]).unwrap();
    let (changed, returned) = client.insert_returning(&table, &[batch.clone(), batch]).await.unwrap();
    assert_eq!(changed, 4096);
    assert_eq!(returned.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [2048, 2048]);
}

#[tokio::test]
async fn a_null_in_a_not_null_column_takes_the_statement_with_it() {
    let (server, client) = lake().await;
    let columns = Schema::new(vec![Field::new("key", DataType::Int64, false)]);
    let table = client.create_table(SALES, "strict", &columns, OnConflict::Error).await.unwrap();
    client.create_transaction().await.unwrap(); // the INSERT is another statement
    let column: ArrayRef = Arc::new(Int64Array::from_iter((0..4096).map(|i| (i != 4000).then_some(i))));
    let batch = RecordBatch::try_new(table.insert_schema(), vec![column]).unwrap();
    let refused = client.insert(&table, &[batch]).await;
    assert_callers_fault(refused.clone(), "a null");
    assert!(refused.unwrap_err().message().contains("key"), "the column is named");
    assert_eq!(versions(&server.table(SALES, "strict")), [0]);
    assert_eq!(data_files(&server.table(SALES, "strict")), [""; 0]);
    assert_eq!(client.scan(&table, &["key"]).await.unwrap().row_count(), 0);
}

#[tokio::test]
async fn columns_that_are_not_the_tables_are_refused() {
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    let id = Field::new("id", DataType::Int64, true);
    let name = Field::new("name", DataType::Utf8, true);
    for columns in [
        vec![],
        vec![id.clone()],
        vec![id.clone(), name.clone(), Field::new("more", DataType::Int64, true)],
        vec![id.clone(), Field::new("other", DataType::Utf8, true)],
        vec![id.clone(), Field::new("name", DataType::Int64, true)],
        vec![Field::new("id", DataType::Utf8, true), name],
    ] {
        let what = format!("{columns:?}");
        let mut exchange = client.exchange(&table, "insert", false).await;
        exchange.send_schema(&Schema::new(columns)).await;
        exchange.half_close();
        let answer = async {
            exchange.read_schema().await?;
            exchange.read_changed().await
        };
        assert_callers_fault(answer.await, &what);
    }
    assert_eq!(versions(&server.table(SALES, "t")), [0]);
}

#[tokio::test]
async fn what_is_not_offered_yet_changes_nothing() {
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    client.insert(&table, &[ids(0..2)]).await.unwrap();
    for operation in ["scalar_function", "merge", ""] {
        let mut exchange = client.exchange(&table, operation, false).await;
        let row_id = table.schema.field(2).clone();
        exchange.send_schema(&Schema::new(vec![row_id])).await;
        exchange.half_close();
        assert_callers_fault(exchange.read_schema().await, operation);
    }
    assert_eq!(versions(&server.table(SALES, "t")), [0, 1]);
}

#[tokio::test]
async fn appends_of_others_are_kept() {
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    let append = r#"
table = pa.table({"id": pa.array([10], pa.int64()), "name": ["py"]})
deltalake.write_deltalake(lake / "sales" / "t", table, mode="append")
"#;
    let mut exchange = client.exchange(&table, "insert", false).await;
    exchange.send_schema(&table.insert_schema()).await;
    exchange.read_schema().await.unwrap();
    exchange.send_batch(&ids(0..2)).await;
    readers::python(&server.lake(), append); // commits while the insert is open
    exchange.half_close();
    assert_eq!(exchange.read_changed().await.unwrap(), 2);
    assert_eq!(versions(&server.table(SALES, "t")), [0, 1, 2]);
    assert_eq!(seen(&client, &table).await, [0, 1, 10]);
}

#[tokio::test]
async fn a_table_whose_shape_changed_is_not_written_blindly() {
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    let change = r#"
table = pa.table({"id": pa.array([1], pa.int64()), "name": ["a"], "more": [1.5]})
deltalake.write_deltalake(lake / "sales" / "t", table, mode="append", schema_mode="merge")
"#;
    readers::python(&server.lake(), change);
    let stale = client.insert(&table, &[ids(0..2)]).await;
    assert_callers_fault(stale, "an insert of the old shape");
    let other = Client::attach(server.tcp(), client.catalog()).await.unwrap();
    let fresh = listed(&other, SALES, "t").await;
    assert_eq!(fresh.column_names(), ["id", "name", "more", "rowid"]);
    // A stale reader is served the shape it knows, or refused.
    if let Ok(scan) = client.scan(&table, &["id"]).await {
        assert_eq!(scan.row_count(), 1);
    }
}
