//! Clients that die, cancel or give up in the middle: no commit and, after clean-up, no stray file.

use airport_tests::{
    client::{Client, Exchange, OnConflict, Table},
    readers,
    server::Server,
};
use serde_json::json;
use tonic::Code;

use crate::support::{
    SALES, assert_refused, create_people, data_files, eventually, files, ids, lake, people, seen, versions,
};

/// How far an insert gets before its client stops.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Descriptor,
    Schema,
    FirstBatch,
    ManyBatches,
}

const CUTS: [Cut; 4] = [Cut::Descriptor, Cut::Schema, Cut::FirstBatch, Cut::ManyBatches];

async fn insert_until(client: &Client, table: &Table, cut: Cut) -> Exchange {
    let mut exchange = client.exchange(table, "insert", false).await;
    if matches!(cut, Cut::Descriptor) {
        return exchange;
    }
    exchange.send_schema(&table.insert_schema()).await;
    exchange.read_schema().await.unwrap();
    let batches = match cut {
        Cut::FirstBatch => 1,
        Cut::ManyBatches => 200,
        Cut::Descriptor | Cut::Schema => 0,
    };
    for batch in 0..batches {
        exchange.send_batch(&ids(batch * 2048..(batch + 1) * 2048)).await;
    }
    exchange
}

#[tokio::test]
async fn a_cancelled_insert_leaves_nothing() {
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    client.insert(&table, &[ids(0..3)]).await.unwrap();
    let path = server.table(SALES, "t");
    let before = files(&path);
    for cut in CUTS {
        drop(insert_until(&client, &table, cut).await);
        eventually(&format!("{cut:?}: the directory as it was"), async || files(&path) == before).await;
        assert_eq!(seen(&client, &table).await, [0, 1, 2], "{cut:?}");
    }
    client.insert(&table, &[ids(3..4)]).await.unwrap();
    assert_eq!(readers::both(&path, "SELECT count(*), max(id) FROM t"), [[json!(4), json!(3)]]);
}

/// As when DuckDB's process is killed: the connection itself goes away.
#[tokio::test]
async fn a_client_that_dies_leaves_nothing() {
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    let path = server.table(SALES, "t");
    let before = files(&path);
    for cut in CUTS {
        let doomed = Client::attach(server.tcp(), client.catalog()).await.unwrap();
        let exchange = insert_until(&doomed, &table, cut).await;
        drop((exchange, doomed));
        eventually(&format!("{cut:?}: the directory as it was"), async || files(&path) == before).await;
        assert_eq!(versions(&path), [0], "{cut:?}");
    }
}

/// Once the client has half-closed, the server may have committed: then wholly.
#[tokio::test]
async fn an_unread_acknowledgement_is_all_or_nothing() {
    let (server, client) = lake().await;
    let path = server.table(SALES, "t");
    let table = create_people(&client, "t").await;
    let mut exchange = insert_until(&client, &table, Cut::ManyBatches).await;
    exchange.half_close();
    drop(exchange);
    let settled = async || {
        let rows = seen(&client, &table).await.len();
        assert!(rows == 0 || rows == 200 * 2048, "{rows} rows");
        // Either the commit is there, or the files that were staged for it are gone.
        (rows > 0) == (versions(&path) == [0, 1]) && (rows > 0) != data_files(&path).is_empty()
    };
    eventually("all or nothing", settled).await;
}

#[tokio::test]
async fn a_bad_message_in_the_middle_leaves_nothing() {
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    let path = server.table(SALES, "t");
    let before = files(&path);
    let mut exchange = insert_until(&client, &table, Cut::ManyBatches).await;
    exchange.send_message(arrow_flight::FlightData::new().with_data_header(&b"garbage"[..])).await;
    exchange.half_close();
    exchange.read_changed().await.expect_err("garbage is no batch");
    eventually("the directory as it was", async || files(&path) == before).await;
    assert_eq!(seen(&client, &table).await, [0; 0]);
}

#[tokio::test]
async fn a_server_that_crashes_keeps_what_it_acknowledged_and_no_more() {
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    client.insert(&table, &[ids(0..3000)]).await.unwrap();
    let open = insert_until(&client, &table, Cut::ManyBatches).await;
    let path = server.table(SALES, "t");
    let lake = server.crash();
    drop(open);
    assert_eq!(readers::both(&path, "SELECT count(*), sum(id) FROM t"), [[json!(3000), json!(4_498_500)]]);

    let server = lake.again().serve_lake().tcp().start();
    let client = server.client().await;
    let table = crate::support::listed(&client, SALES, "t").await;
    assert_eq!(seen(&client, &table).await.len(), 3000);
    client.insert(&table, &[ids(3000..3001)]).await.unwrap();
    assert_eq!(seen(&client, &table).await.len(), 3001);
}

/// CREATE TABLE AS is `create_table` and then an exchange, in one session and one transaction.
#[tokio::test]
async fn a_create_table_as_that_fails_leaves_no_table() {
    // An exchange that ends with its first message may never reach the server, which then has made a table and no more.
    for cut in [Cut::Schema, Cut::FirstBatch, Cut::ManyBatches] {
        let (server, mut client) = lake().await;
        client.begin().await.unwrap();
        let table = client.create_table(SALES, "t", &people(), OnConflict::Error).await.unwrap();
        drop(insert_until(&client, &table, cut).await);
        gone(&server, &client, &format!("{cut:?}")).await;
        // The name is free for the next statement.
        client.begin().await.unwrap();
        let table = create_people(&client, "t").await;
        client.insert(&table, &[ids(0..1)]).await.unwrap();
        assert_eq!(seen(&client, &table).await, [0]);
    }
}

#[tokio::test]
async fn a_create_table_as_that_is_refused_leaves_no_table() {
    let (server, mut client) = lake().await;
    client.begin().await.unwrap();
    let table = client.create_table(SALES, "t", &people(), OnConflict::Error).await.unwrap();
    let mut exchange = insert_until(&client, &table, Cut::FirstBatch).await;
    exchange.send_message(arrow_flight::FlightData::new().with_data_header(&b"garbage"[..])).await;
    exchange.read_changed().await.expect_err("garbage is no batch");
    gone(&server, &client, "refused").await;
}

/// An INSERT of a later statement that fails must not take the table with it.
#[tokio::test]
async fn a_table_that_was_created_before_stays() {
    let (server, mut client) = lake().await;
    client.begin().await.unwrap();
    let table = client.create_table(SALES, "t", &people(), OnConflict::Error).await.unwrap();
    client.begin().await.unwrap();
    drop(insert_until(&client, &table, Cut::ManyBatches).await);
    let path = server.table(SALES, "t");
    eventually("no stray file", async || data_files(&path).is_empty()).await;
    assert_eq!(versions(&path), [0]);
    assert_eq!(seen(&client, &table).await, [0; 0]);
}

#[tokio::test]
async fn a_table_that_if_not_exists_found_stays() {
    let (server, other) = lake().await;
    let table = create_people(&other, "t").await;
    other.insert(&table, &[ids(0..2)]).await.unwrap();
    let mut client = Client::attach(server.tcp(), other.catalog()).await.unwrap();
    client.begin().await.unwrap();
    let found = client.create_table(SALES, "t", &people(), OnConflict::Ignore).await.unwrap();
    drop(insert_until(&client, &found, Cut::ManyBatches).await);
    let path = server.table(SALES, "t");
    eventually("no stray file", async || data_files(&path).len() == 1).await;
    assert_eq!(seen(&other, &table).await, [0, 1]);
}

/// Another session's CREATE TABLE is no part of a CREATE TABLE AS of this one.
#[tokio::test]
async fn a_table_of_another_session_stays() {
    let (server, mut maker) = lake().await;
    maker.begin().await.unwrap();
    maker.create_table(SALES, "t", &people(), OnConflict::Error).await.unwrap();
    let mut client = Client::attach(server.tcp(), maker.catalog()).await.unwrap();
    client.begin().await.unwrap();
    let table = crate::support::listed(&client, SALES, "t").await;
    drop(insert_until(&client, &table, Cut::ManyBatches).await);
    let path = server.table(SALES, "t");
    eventually("no stray file", async || data_files(&path).is_empty()).await;
    assert_eq!(versions(&path), [0]);
}

/// DuckDB lists the table all the same, plans the next CREATE TABLE AS of that name as a mere CREATE TABLE, and would
/// leave it empty.
#[tokio::test]
async fn a_create_table_as_that_failed_is_not_repeated_without_its_rows() {
    let (server, mut client) = lake().await;
    client.begin().await.unwrap();
    let table = client.create_table(SALES, "t", &people(), OnConflict::Error).await.unwrap();
    drop(insert_until(&client, &table, Cut::FirstBatch).await);
    let path = server.table(SALES, "t");
    eventually("the table is gone", async || !path.exists()).await;
    client.begin().await.unwrap();
    let again = client.create_table(SALES, "t", &people(), OnConflict::Error).await;
    assert_refused(again, Code::FailedPrecondition, &["DROP TABLE IF EXISTS lake.sales.t"]);
    client.begin().await.unwrap();
    client.drop_table(SALES, "t", false).await.unwrap();
    client.begin().await.unwrap();
    create_people(&client, "t").await;
}

async fn gone(server: &Server, client: &Client, what: &str) {
    let path = server.table(SALES, "t");
    eventually(&format!("{what}: the table is gone"), async || !path.exists()).await;
    assert_eq!(client.list_schemas().await.unwrap().table_names(SALES), [""; 0], "{what}");
}
