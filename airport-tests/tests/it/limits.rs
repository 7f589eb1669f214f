//! Every bound on what a client may ask for: it is kept to, said by name, and the next statement works.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use airport_tests::{
    client::{Client, Exchange, OnConflict, Packer, Table},
    server::{Server, Setup},
};
use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::{DataType, Field, Schema},
};
use arrow_flight::FlightData;
use tonic::Code;

use crate::support::{
    SALES, assert_callers_fault, assert_refused, create_people, data_files, eventually, ids, people, seen, versions,
};

/// A server with one limit set low, and a client with a table there.
async fn limited(arguments: [&str; 2]) -> (Server, Client, Table) {
    let server = Setup::new().serve_lake().tcp().unix().arguments(arguments).start();
    let client = server.client().await;
    client.create_schema(SALES).await.unwrap();
    let table = create_people(&client, "t").await;
    (server, client, table)
}

/// Nothing was written, and what is written now is.
async fn assert_unharmed(server: &Server, client: &Client, table: &Table) {
    let path = server.table(SALES, "t");
    eventually("no staged file is left", async || data_files(&path).is_empty()).await;
    assert_eq!(versions(&path), [0]);
    client.insert(table, &[ids(0..2)]).await.unwrap();
    assert_eq!(seen(client, table).await, [0, 1]);
}

async fn opened(client: &Client, table: &Table) -> Exchange {
    let mut exchange = client.exchange(table, "insert", false).await;
    exchange.send_schema(&table.insert_schema()).await;
    exchange.read_schema().await.unwrap();
    exchange
}

#[tokio::test]
async fn an_exchange_that_never_starts_is_ended() {
    let (server, client, table) = limited(["--opening-seconds-max", "1"]).await;
    let mut silent = client.exchange_unsaid(table.descriptor.clone(), "insert", false);
    let mut nameless = client.exchange(&table, "insert", false).await;
    for (exchange, lacking) in [(&mut silent, "a table"), (&mut nameless, "a schema")] {
        let ended = exchange.read_schema().await;
        assert_refused(ended, Code::DeadlineExceeded, &[lacking, "--opening-seconds-max", "nothing was changed"]);
    }
    assert_unharmed(&server, &client, &table).await;
}

#[tokio::test]
async fn an_exchange_that_falls_silent_is_ended() {
    let (server, client, table) = limited(["--idle-seconds-max", "1"]).await;
    let mut exchange = opened(&client, &table).await;
    exchange.send_batch(&ids(0..2048)).await;
    let ended = exchange.read_changed().await;
    assert_refused(
        ended,
        Code::DeadlineExceeded,
        &["no rows came for 1 s", "--idle-seconds-max", "nothing was changed"],
    );
    assert_unharmed(&server, &client, &table).await;
}

#[tokio::test]
async fn a_stream_of_nothing_is_ended() {
    let (server, client, table) = limited(["--idle-seconds-max", "3600"]).await;
    let nothing = FlightData::new();
    let no_rows = ids(0..0);
    for rows in [None, Some(&no_rows)] {
        let mut exchange = opened(&client, &table).await;
        for _ in 0..10_001 {
            match rows {
                Some(rows) => exchange.send_batch(rows).await,
                None => exchange.send_message(nothing.clone()).await,
            }
        }
        assert_refused(exchange.read_changed().await, Code::InvalidArgument, &["10000 messages without rows"]);
    }
    let mut exchange = client.exchange(&table, "insert", false).await;
    for _ in 0..10_001 {
        exchange.send_message(nothing.clone()).await;
    }
    assert_refused(exchange.read_schema().await, Code::InvalidArgument, &["10000 messages without rows"]);
    assert_unharmed(&server, &client, &table).await;
}

#[tokio::test]
async fn a_reader_that_stops_is_let_go() {
    let (_server, client, table) = limited(["--idle-seconds-max", "1"]).await;
    client.insert(&table, &[ids(0..2_000_000)]).await.unwrap();
    let endpoint = client.endpoints(&table, &["id", "name"], "[]").await.unwrap().remove(0);
    let mut stopped = client.get(&table, endpoint).await.unwrap();
    // Longer than the server waits: the other statement ends by the same clock.
    let mut clock = opened(&client, &table).await;
    assert_refused(clock.read_changed().await, Code::DeadlineExceeded, &[]);
    let mut clock = opened(&client, &table).await;
    assert_refused(clock.read_changed().await, Code::DeadlineExceeded, &[]);
    let ended = loop {
        match stopped.next().await {
            Ok(Some(_)) => {}
            ended => break ended,
        }
    };
    assert_refused(ended, Code::DeadlineExceeded, &["took nothing", "--idle-seconds-max"]);
    assert_eq!(seen(&client, &table).await.len(), 2_000_000);
}

#[tokio::test]
async fn calls_beyond_the_limit_are_refused() {
    let (server, client, table) = limited(["--calls-max", "3"]).await;
    let exchanges = [opened(&client, &table).await, opened(&client, &table).await, opened(&client, &table).await];
    let other = server.client().await;
    for client in [&client, &other] {
        assert_refused(client.catalog_version().await, Code::ResourceExhausted, &["3 calls", "--calls-max"]);
        let mut fourth = client.exchange(&table, "insert", false).await;
        assert_refused(fourth.read_schema().await, Code::ResourceExhausted, &["--calls-max"]);
    }
    drop(exchanges);
    eventually("the calls have ended", async || client.catalog_version().await.is_ok()).await;
    assert_unharmed(&server, &client, &table).await;
}

/// HTTP/2 holds back the streams that are too many for one connection until others end.
#[tokio::test]
async fn a_client_may_open_thousands_of_streams() {
    let (server, client, table) = limited(["--calls-max", "4096"]).await;
    let asks = (0..3_000).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.catalog_version().await })
    });
    for answer in asks.collect::<Vec<_>>() {
        answer.await.unwrap().unwrap();
    }
    assert_unharmed(&server, &client, &table).await;
}

#[tokio::test]
async fn messages_beyond_the_limit_are_refused() {
    let (server, client, table) = limited(["--message-bytes-max", "100000"]).await;
    let named = &["100000 bytes", "--message-bytes-max"];
    let action = client.action("catalog_version", vec![0xc0; 200_000]).await;
    assert_refused(action, Code::ResourceExhausted, named);
    let ticket = arrow_flight::Ticket::new(vec![0; 200_000]);
    let read = client.get_ticket(&table.descriptor, ticket).await.map(drop);
    assert_refused(read, Code::ResourceExhausted, named);
    let mut exchange = opened(&client, &table).await;
    exchange.send_message(FlightData::new().with_data_body(vec![0; 200_000])).await;
    assert_refused(exchange.read_changed().await, Code::ResourceExhausted, named);
    let mut exchange = client.exchange(&table, "insert", false).await;
    exchange.send_message(FlightData::new().with_data_body(vec![0; 200_000])).await;
    assert_refused(exchange.read_schema().await, Code::ResourceExhausted, named);
    assert_unharmed(&server, &client, &table).await;
}

#[tokio::test]
async fn batches_of_too_many_rows_are_refused() {
    let (server, client, table) = limited(["--batch-rows-max", "100"]).await;
    let mut exchange = opened(&client, &table).await;
    exchange.send_batch(&ids(0..101)).await;
    let refused = exchange.read_changed().await;
    assert_refused(refused, Code::ResourceExhausted, &["101 rows", "--batch-rows-max"]);
    assert_unharmed(&server, &client, &table).await;
}

#[tokio::test]
async fn columns_beyond_the_limits_are_refused() {
    for (arguments, columns) in [
        (["--columns-max", "3"], (0..4).map(|at| Field::new(format!("c{at}"), DataType::Int32, true)).collect()),
        (["--nesting-max", "3"], vec![nested(4)]),
        (["--column-name-bytes-max", "10"], vec![Field::new("eleven byte", DataType::Int32, true)]),
    ] {
        let (server, client, table) = limited(arguments).await;
        let columns = Schema::new(columns);
        let made = client.create_table(SALES, "other", &columns, OnConflict::Error).await;
        assert_refused(made, Code::ResourceExhausted, &[arguments[0]]);
        assert!(!server.table(SALES, "other").exists());
        let mut exchange = client.exchange(&table, "insert", false).await;
        exchange.send_schema(&columns).await;
        assert_refused(exchange.read_schema().await, Code::ResourceExhausted, &[arguments[0]]);
        assert_unharmed(&server, &client, &table).await;
    }
}

fn nested(depth: usize) -> Field {
    let leaf = Field::new("item", DataType::Int32, true);
    (1..depth).fold(leaf, |field, _| Field::new("item", DataType::List(field.into()), true))
}

/// The bounds that nobody set: what lies beyond them is refused, and what a large honest table has is not.
#[tokio::test]
async fn the_bounds_of_columns_by_default() {
    let (server, client, table) = limited(["--columns-max", "10000"]).await;
    let columns = |count: usize| {
        Schema::new((0..count).map(|at| Field::new(format!("c{at}"), DataType::Int32, true)).collect::<Vec<_>>())
    };
    for (name, columns) in [
        ("wide", columns(10_001)),
        ("deep", Schema::new(vec![nested(33)])),
        ("deeper", Schema::new(vec![nested(500)])),
        ("long", Schema::new(vec![Field::new("x".repeat(4097), DataType::Int32, true)])),
    ] {
        assert_callers_fault(client.create_table(SALES, name, &columns, OnConflict::Error).await, name);
        assert!(!server.table(SALES, name).exists(), "{name}");
    }
    let wide = client.create_table(SALES, "w", &columns(2_000), OnConflict::Error).await.unwrap();
    let none = RecordBatchOptions::new().with_row_count(Some(1));
    let nulls =
        columns(2_000).fields().iter().map(|field| arrow::array::new_null_array(field.data_type(), 1)).collect();
    let row = RecordBatch::try_new_with_options(columns(2_000).into(), nulls, &none).unwrap();
    assert_eq!(client.insert(&wide, &[row]).await.unwrap(), 1);
    assert_unharmed(&server, &client, &table).await;
}

#[tokio::test]
async fn who_connects_and_never_calls_is_closed() {
    let (server, client, table) = limited(["--opening-seconds-max", "1"]).await;
    for said in [&b""[..], b"PRI * HTTP", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"] {
        let mut peer = UnixStream::connect(server.socket()).unwrap();
        peer.write_all(said).unwrap();
        let closed = tokio::task::spawn_blocking(move || peer.read_to_end(&mut Vec::new()).map(drop));
        closed.await.unwrap().unwrap_or_else(|error| panic!("{said:?}: {error}"));
    }
    // Who has called may stay, however long it says nothing.
    assert_unharmed(&server, &client, &table).await;
}

#[tokio::test]
async fn headers_beyond_the_limit_are_refused() {
    let (server, client, table) = limited(["--calls-max", "100"]).await;
    for (count, bytes) in [(1, 100_000), (300, 100), (1, 20_000)] {
        let headers: Vec<_> = (0..count).map(|_| ("airport-trace-id", vec![b'x'; bytes])).collect();
        client.call_raw("DoAction", vec![], &headers).await.expect_err("too long");
        client.catalog_version().await.unwrap();
    }
    assert_unharmed(&server, &client, &table).await;
}

/// Names and lists that no honest client makes.
#[tokio::test]
async fn actions_of_immoderate_size_are_refused() {
    let (server, client, table) = limited(["--calls-max", "100"]).await;
    let long = "x".repeat(100_000);
    assert_callers_fault(client.create_schema(&long).await, "a long schema name");
    assert_callers_fault(client.create_table(SALES, &long, &people(), OnConflict::Error).await, "a long table name");
    let mut body = Packer::new();
    body.map(1).str("catalog_name").str("x".repeat(17 << 20));
    assert_callers_fault(client.action("catalog_version", body.take()).await, "a body of 17 MiB");
    let columns = vec![0; 60_000];
    if let Err(error) = client.endpoints_raw(&table.descriptor, b"", &columns).await {
        assert_callers_fault::<()>(Err(error), "60,000 columns");
    }
    let filters = [b"{\"filters\":[".as_slice(), &b"1,".repeat(5_000_000), b"1]}"].concat();
    if let Err(error) = client.endpoints_raw(&table.descriptor, &filters, &[0]).await {
        assert_callers_fault::<()>(Err(error), "a filter of 10 MB");
    }
    assert_unharmed(&server, &client, &table).await;
}
