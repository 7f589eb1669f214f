//! Tables that change behind the back of a client, whose catalog is loaded once per ATTACH: served in the shape it
//! knows, or refused; never a wrong column, never another table.

use airport_tests::{
    client::{Client, OnConflict, ROW_ID, Table},
    readers,
    rows::sorted_rows,
    server::Server,
};
use arrow::datatypes::{DataType, Field, Schema};
use serde_json::json;
use tonic::Code;

use crate::support::{SALES, assert_refused, create_people, ids, lake, listed, people, seen};

/// Writes `rows` over the table at `sales/t`, its columns too.
fn overwrite(server: &Server, rows: &str) {
    write(server, &format!("pa.table({rows}), mode='overwrite', schema_mode='overwrite'"));
}

fn write(server: &Server, arguments: &str) {
    readers::python(&server.lake(), &format!("deltalake.write_deltalake(lake / 'sales' / 't', {arguments})"));
}

/// A table of [`people`] that others made, with the rows 1 and 2.
async fn others_table(server: &Server, client: &Client) -> Table {
    overwrite(server, "{'id': pa.array([1, 2], pa.int64()), 'name': ['n1', 'n2']}");
    listed(client, SALES, "t").await
}

#[track_caller]
fn assert_changed<T: std::fmt::Debug>(result: Result<T, airport_tests::client::Error>) {
    assert_refused(result, Code::FailedPrecondition, &["lake.sales.t", "since it was attached", "ATTACH again"]);
}

#[tokio::test]
async fn columns_added_elsewhere_do_not_keep_a_client_from_reading() {
    let (server, client) = lake().await;
    let table = others_table(&server, &client).await;
    let more = "{'id': pa.array([3], pa.int64()), 'name': ['n3'], 'more': [1.5], 'most': ['x']}";
    write(&server, &format!("pa.table({more}), mode='append', schema_mode='merge'"));

    let scan = client.scan(&table, &["id", "name", ROW_ID]).await.unwrap();
    let rows: Vec<_> = sorted_rows(&scan.batches).into_iter().map(|row| row[..2].to_vec()).collect();
    assert_eq!(rows, [[json!(1), json!("n1")], [json!(2), json!("n2")], [json!(3), json!("n3")]]);
    client.column_statistics(&table, "id").await.unwrap();

    let refused = client.insert(&table, &[ids(4..5)]).await;
    assert_changed(refused.clone());
    assert_refused(refused, Code::FailedPrecondition, &["\"more\", \"most\"", "to write"]);
    let again = listed(&client, SALES, "t").await;
    assert_eq!(again.column_names(), ["id", "name", "more", "most", ROW_ID]);
    assert_eq!(client.scan(&again, &["more"]).await.unwrap().row_count(), 3);
}

#[tokio::test]
async fn columns_that_are_not_what_the_client_knows_are_refused() {
    let (server, client) = lake().await;
    let table = others_table(&server, &client).await;
    for (what, rows) in [
        ("renamed", "{'ids': pa.array([1], pa.int64()), 'name': ['n1']}"),
        ("dropped", "{'id': pa.array([1], pa.int64())}"),
        ("the first dropped", "{'name': ['n1']}"),
        ("retyped", "{'id': pa.array([1], pa.int32()), 'name': ['n1']}"),
        ("moved", "{'name': ['n1'], 'id': pa.array([1], pa.int64())}"),
        ("added in front", "{'new': [1], 'id': pa.array([1], pa.int64()), 'name': ['n1']}"),
    ] {
        overwrite(&server, rows);
        for refused in [
            client.scan(&table, &["id"]).await.map(drop),
            client.column_statistics(&table, "id").await.map(drop),
            client.insert(&table, &[ids(9..10)]).await.map(drop),
        ] {
            assert!(refused.is_err(), "{what}");
            assert_changed(refused);
        }
    }
    overwrite(&server, "{'id': pa.array([7], pa.int64()), 'name': ['n7']}");
    assert_eq!(seen(&client, &table).await, [7], "it is what the client knows again");
}

/// What was planned is read as it was planned; what was pinned stays.
#[tokio::test]
async fn columns_that_change_later_change_nothing_that_is_under_way() {
    let (server, other) = lake().await;
    let table = others_table(&server, &other).await;
    let endpoints = other.endpoints(&table, &["id"], "[]").await.unwrap();
    let mut client = other.clone();
    client.begin().await.unwrap();
    assert_eq!(seen(&client, &table).await, [1, 2]);
    overwrite(&server, "{'other': ['x']}");
    assert_eq!(seen(&client, &table).await, [1, 2], "its transaction has pinned the table");
    for endpoint in endpoints {
        let mut stream = other.get(&table, endpoint).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap().num_rows(), 2);
    }
    assert_changed(other.scan(&table, &["id"]).await);
    // An INSERT began from what is pinned, which is no longer what the table is.
    let refused = client.insert(&table, &[ids(3..4)]).await;
    assert_refused(refused, Code::Aborted, &["schema"]);
}

#[tokio::test]
async fn a_table_that_was_dropped_says_so() {
    let (_server, other) = lake().await;
    let table = create_people(&other, "t").await;
    let mut client = other.clone();
    client.begin().await.unwrap();
    assert_eq!(seen(&client, &table).await, [0; 0]);
    let endpoints = {
        other.insert(&table, &[ids(0..1)]).await.unwrap();
        other.endpoints(&table, &["id"], "[]").await.unwrap()
    };
    other.drop_table(SALES, "t", false).await.unwrap();
    let gone = &["\"t\"", "dropped or renamed since it was attached"];
    assert_refused(client.scan(&table, &["id"]).await, Code::NotFound, gone);
    assert_refused(client.insert(&table, &[ids(1..2)]).await, Code::NotFound, gone);
    for endpoint in endpoints {
        assert_refused(other.get(&table, endpoint).await, Code::NotFound, gone);
    }
}

/// Drops the table and makes one of the same name, columns and number of versions.
async fn remake(session: &Client) -> Table {
    session.create_transaction().await.unwrap();
    session.drop_table(SALES, "t", false).await.unwrap();
    let again = create_people(session, "t").await;
    session.insert(&again, &[ids(50..53)]).await.unwrap();
    again
}

#[tokio::test]
async fn another_table_of_the_same_name_is_not_taken_for_the_pinned_one() {
    let (server, other) = lake().await;
    let table = create_people(&other, "t").await;
    other.insert(&table, &[ids(0..3)]).await.unwrap();
    let planned = other.endpoints(&table, &["id"], "[]").await.unwrap();
    let mut pinned = server.client().await;
    pinned.begin().await.unwrap();
    assert_eq!(seen(&pinned, &table).await, [0, 1, 2]);

    let again = remake(&other).await;
    assert_eq!(again.descriptor, table.descriptor, "nothing tells them apart by name and columns");
    let gone = &[
        "the version of lake.sales.t that this transaction sees is gone: the table was dropped and made again",
        "or its log was cleaned; ROLLBACK and begin again",
    ];
    assert_refused(pinned.scan(&table, &["id"]).await, Code::FailedPrecondition, gone);
    assert_refused(pinned.column_statistics(&table, "id").await, Code::FailedPrecondition, gone);
    assert_refused(pinned.insert(&table, &[ids(9..10)]).await, Code::FailedPrecondition, gone);
    for endpoint in planned {
        assert_refused(other.get(&table, endpoint).await, Code::FailedPrecondition, gone);
    }
    assert_eq!(seen(&other, &table).await, [50, 51, 52]);
    pinned.begin().await.unwrap();
    assert_eq!(seen(&pinned, &table).await, [50, 51, 52], "the next transaction sees the table that is there");
}

/// The same, by somebody whom this server did not see: the files of the pinned version are gone.
#[tokio::test]
async fn another_table_made_elsewhere_is_not_taken_for_the_pinned_one() {
    let (server, other) = lake().await;
    let table = others_table(&server, &other).await;
    let mut pinned = other.clone();
    pinned.begin().await.unwrap();
    assert_eq!(seen(&pinned, &table).await, [1, 2]);
    let remake = "
import shutil
shutil.rmtree(lake / 'sales' / 't')
rows = pa.table({'id': pa.array([7], pa.int64()), 'name': ['n']})
deltalake.write_deltalake(lake / 'sales' / 't', rows)";
    readers::python(&server.lake(), remake);
    assert_eq!(seen(&other, &table).await, [7]);
    assert_refused(pinned.scan(&table, &["id"]).await, Code::FailedPrecondition, &[".parquet", "dropped"]);
    let refused = pinned.insert(&table, &[ids(9..10)]).await;
    assert_refused(refused, Code::Aborted, &["dropped and made again"]);
    assert_eq!(seen(&other, &table).await, [7]);
}

/// The transaction that drops and makes a table goes on with the new one.
#[tokio::test]
async fn a_transaction_sees_the_table_it_made_itself() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    client.insert(&table, &[ids(0..3)]).await.unwrap();
    let mut client = client;
    client.begin().await.unwrap();
    assert_eq!(seen(&client, &table).await, [0, 1, 2]);
    client.drop_table(SALES, "t", false).await.unwrap();
    let again = client.create_table(SALES, "t", &people(), OnConflict::Error).await.unwrap();
    client.insert(&again, &[ids(4..5)]).await.unwrap();
    assert_eq!(seen(&client, &again).await, [4]);
}

#[tokio::test]
async fn a_table_made_anew_with_other_columns_is_refused() {
    let (_server, other) = lake().await;
    let table = create_people(&other, "t").await;
    other.insert(&table, &[ids(0..3)]).await.unwrap();
    other.drop_table(SALES, "t", false).await.unwrap();
    let columns = Schema::new(vec![Field::new("name", DataType::Utf8, true), Field::new("id", DataType::Int64, true)]);
    other.create_table(SALES, "t", &columns, OnConflict::Error).await.unwrap();
    assert_changed(other.scan(&table, &["id"]).await);
    assert_changed(other.insert(&table, &[ids(0..1)]).await);
}
