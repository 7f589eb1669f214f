//! What does Deltaport cost on top of the wire, and what does each transport allow?
//!
//! - `scan/lineitem/{tcp,unix}`: how near does a scan of a Delta table come to sending ready batches?
//! - `insert/lineitem/{tcp,unix}`: how near does an insert, Parquet and commit included, come to discarding rows?
//!
//! Both sides, `null` and `deltaport`, are the real service in this process; only what lies under it differs. The
//! client counts bytes and decodes nothing, so it weighs less than DuckDB does; `end_to_end` measures with DuckDB.
//!
//! Rows are TPC-H's if `DELTAPORT_TPCH` names a directory with `lineitem.parquet`, else made up;
//! `DELTAPORT_BENCH_ROWS` says how many, `DELTAPORT_BENCH_ROUNDS` how often.

mod support;

use std::time::Instant;

use airport_tests::client::{Client, OnConflict, Result, Table};
use arrow::array::RecordBatch;
use arrow_flight::{FlightData, utils::batches_to_flight_data};
use deltaport::{
    app::Server,
    config::{CatalogConfig, Config},
};
use futures::{StreamExt, TryStreamExt, stream};

use self::support::{
    lineitem,
    null::NullCatalog,
    report::{Report, Sample},
    serving::{Serving, TRANSPORTS},
};

const CATALOG: &str = "lake";
const SCHEMA: &str = "bench";

/// DuckDB's vector size: what one message of an insert holds.
const INSERT_BATCH_ROWS: usize = 2048;

/// What a scan's batches hold by custom; the null server's are of this size.
const SCAN_BATCH_ROWS: usize = 64 << 10;

/// One server, and a client over each transport.
struct Side {
    name: &'static str,
    clients: Vec<Client>,
    table: Table,
    /// Whether rows stay, so that each insert needs a table of its own.
    keeps: bool,
    _serving: Serving,
}

#[tokio::main]
async fn main() -> Result<()> {
    let rows = number("DELTAPORT_BENCH_ROWS", 1_500_000);
    let rounds = number("DELTAPORT_BENCH_ROUNDS", 7);
    let batches = lineitem::batches(rows, INSERT_BATCH_ROWS);
    let messages = batches_to_flight_data(&lineitem::schema(), batches.clone()).expect("batches have an IPC form");
    let messages = &messages[1..]; // the first is the schema
    let directory = tempfile::tempdir().expect("a temporary directory");
    let sides = [null_side(directory.path(), rows).await?, delta_side(directory.path(), &batches).await?];
    println!("{rows} rows, {rounds} rounds");
    let mut report = Report::default();
    for _ in 0..rounds {
        for (transport, name) in TRANSPORTS.iter().enumerate() {
            for side in &sides {
                report.note(&format!("scan/lineitem/{name}"), side.name, scan(side, transport).await?);
            }
        }
        for (transport, name) in TRANSPORTS.iter().enumerate() {
            for side in &sides {
                report.note(&format!("insert/lineitem/{name}"), side.name, insert(side, transport, messages).await?);
            }
        }
    }
    print_ratios(&report);
    Ok(())
}

fn print_ratios(report: &Report) {
    report.print_medians();
    for transport in TRANSPORTS {
        let scan = format!("scan/lineitem/{transport}");
        report.print_ratio((&scan, "deltaport"), (&scan, "null"), Some(0.7));
        let insert = format!("insert/lineitem/{transport}");
        report.print_ratio((&insert, "deltaport"), (&insert, "null"), None);
    }
    for operation in ["scan/lineitem", "insert/lineitem"] {
        for side in ["null", "deltaport"] {
            let [tcp, unix] = TRANSPORTS.map(|transport| format!("{operation}/{transport}"));
            report.print_ratio((&unix, side), (&tcp, side), Some(1.2));
        }
    }
}

async fn null_side(directory: &std::path::Path, rows: usize) -> Result<Side> {
    let batches = lineitem::batches(rows, SCAN_BATCH_ROWS);
    let serving = NullCatalog::serve(CATALOG, batches, &directory.join("null.sock"));
    let clients = clients(&serving).await?;
    let catalog = clients[0].list_schemas().await?;
    let table = catalog.table(SCHEMA, "lineitem").expect("the null server has one table").clone();
    Ok(Side { name: "null", clients, table, keeps: false, _serving: serving })
}

async fn delta_side(directory: &std::path::Path, batches: &[RecordBatch]) -> Result<Side> {
    let path = directory.join(CATALOG);
    std::fs::create_dir(&path).expect("a new directory");
    let catalogs = vec![CatalogConfig { name: CATALOG.to_owned(), path }];
    let serving =
        Serving::start(&directory.join("deltaport.sock"), |listen| Server::bind(Config::new(catalogs, listen)));
    let clients = clients(&serving).await?;
    clients[0].create_schema(SCHEMA).await?;
    let table = clients[0].create_table(SCHEMA, "lineitem", &lineitem::schema(), OnConflict::Error).await?;
    clients[0].insert(&table, batches).await?;
    Ok(Side { name: "deltaport", clients, table, keeps: true, _serving: serving })
}

async fn clients(serving: &Serving) -> Result<Vec<Client>> {
    stream::iter(&serving.locations).then(|location| Client::attach(location, CATALOG)).try_collect().await
}

/// Reads all columns, as many streams at a time as DuckDB has threads.
async fn scan(side: &Side, transport: usize) -> Result<Sample> {
    let client = &side.clients[transport];
    let columns: Vec<_> = side.table.column_names().into_iter().filter(|name| *name != "rowid").collect();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let begin = Instant::now();
    let endpoints = client.endpoints(&side.table, &columns, "[]").await?;
    let streams = endpoints.into_iter().map(|endpoint| {
        let (client, table) = (client.clone(), side.table.clone());
        let reading = tokio::spawn(async move {
            let (mut rows, mut bytes) = (0, 0);
            let mut stream = client.get(&table, endpoint).await?;
            while let Some(message) = stream.next_message().await? {
                rows += row_count(&message);
                bytes += message.data_body.len() as u64;
            }
            Ok::<_, airport_tests::client::Error>((rows, bytes))
        });
        async { reading.await.expect("a reader does not panic") }
    });
    let streams = stream::iter(streams).buffer_unordered(threads);
    let (rows, bytes) = streams.try_fold((0, 0), |a, b| async move { Ok((a.0 + b.0, a.1 + b.1)) }).await?;
    Ok(Sample { rows, bytes, elapsed: begin.elapsed() })
}

fn row_count(message: &FlightData) -> u64 {
    let header = arrow::ipc::root_as_message(&message.data_header).expect("an Arrow message");
    header.header_as_record_batch().map_or(0, |batch| batch.length() as u64)
}

/// Sends ready messages and waits for the acknowledgement.
async fn insert(side: &Side, transport: usize, messages: &[FlightData]) -> Result<Sample> {
    let client = &side.clients[transport];
    let table = match side.keeps {
        true => client.create_table(SCHEMA, "target", &lineitem::schema(), OnConflict::Error).await?,
        false => side.table.clone(),
    };
    let begin = Instant::now();
    let mut exchange = client.exchange(&table, "insert", false).await;
    exchange.send_schema(&table.insert_schema()).await;
    exchange.read_schema().await?;
    for message in messages {
        exchange.send_message(message.clone()).await;
    }
    exchange.half_close();
    let rows = exchange.read_changed().await?;
    let elapsed = begin.elapsed();
    if side.keeps {
        client.drop_table(SCHEMA, "target", false).await?;
    }
    Ok(Sample { rows, bytes: messages.iter().map(|message| message.data_body.len() as u64).sum(), elapsed })
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
