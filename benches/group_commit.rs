//! What do INSERTs of one row gain by sharing commits?
//!
//! - `insert/rows-of-64/unix`: 64 clients, each with a connection of its own, insert single rows into one table as fast
//!   as they are acknowledged. How many statements a second, when those that meet share a commit (`group`), and when
//!   each makes its own (`alone`)?
//! - `insert/rows-of-1/unix`: the same with one client: what does sharing cost where nobody is there to share with?
//!
//! Both servers are the real service in this process, over a local directory; they differ in one option. A statement is
//! what DuckDB makes of it: `create_transaction`, then an exchange. How much there is to gain depends on what the disk
//! takes to make a file durable, so that is printed, too: `DELTAPORT_BENCH_DIRECTORY` says where the tables lie.
//! `DELTAPORT_BENCH_SECONDS` says how long each measurement takes, `DELTAPORT_BENCH_ROUNDS` how often.

#[path = "support/report.rs"]
mod report;
#[path = "support/serving.rs"]
mod serving;

use std::{
    fs::File,
    io::Write,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use airport_tests::client::{Client, OnConflict, Result, Table};
use arrow::{
    array::{Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use deltaport::{
    app::Server,
    config::{CatalogConfig, Config},
};
use futures::future::try_join_all;

use self::{
    report::{Report, Sample},
    serving::{Serving, TRANSPORTS},
};

const CATALOG: &str = "lake";
const SCHEMA: &str = "bench";
const TRANSPORT: &str = "unix";

/// How many clients insert at a time.
const CLIENTS: [usize; 2] = [64, 1];

/// How many times as many statements a second 64 clients are to get by sharing.
const AIM: f64 = 50.0;

/// A server, and what its clients say to it.
struct Side {
    name: &'static str,
    lake: PathBuf,
    clients: Vec<Client>,
    _serving: Serving,
}

#[tokio::main]
async fn main() -> Result<()> {
    let seconds = Duration::from_secs(number("DELTAPORT_BENCH_SECONDS", 3));
    let rounds = number("DELTAPORT_BENCH_ROUNDS", 5);
    let directory = match std::env::var_os("DELTAPORT_BENCH_DIRECTORY") {
        Some(path) => tempfile::tempdir_in(path),
        None => tempfile::tempdir(),
    };
    let directory = directory.expect("a temporary directory");
    println!("{rounds} rounds of {} s; a file is durable after {:?}", seconds.as_secs(), sync_time(directory.path()));
    let sides = [side("group", None, directory.path()).await?, side("alone", Some(1), directory.path()).await?];
    let mut report = Report::default();
    for round in 0..rounds {
        for clients in CLIENTS {
            for side in &sides {
                let sample = measure(side, clients, &format!("t{round}-{clients}"), seconds).await?;
                report.note(&id(clients), side.name, sample);
            }
        }
    }
    report.print_medians();
    for clients in CLIENTS {
        report.print_ratio((&id(clients), "group"), (&id(clients), "alone"), (clients > 1).then_some(AIM));
    }
    Ok(())
}

fn id(clients: usize) -> String {
    format!("insert/rows-of-{clients}/{TRANSPORT}")
}

async fn side(name: &'static str, statements_max: Option<usize>, directory: &Path) -> Result<Side> {
    let lake = directory.join(name).join(CATALOG);
    std::fs::create_dir_all(&lake).expect("a new directory");
    let catalogs = vec![CatalogConfig { name: CATALOG.to_owned(), path: lake.clone() }];
    let serving = Serving::start(&directory.join(name).join("socket"), move |listen| {
        let mut config = Config::new(catalogs, listen);
        if let Some(statements_max) = statements_max.and_then(NonZeroUsize::new) {
            config.delta.group_commit_statements_max = statements_max;
        }
        Server::bind(config)
    });
    let unix = TRANSPORTS.iter().position(|transport| *transport == TRANSPORT).expect("it is served");
    let unix = &serving.locations[unix];
    let clients = try_join_all((0..CLIENTS[0]).map(|_| Client::attach(unix, CATALOG))).await?;
    clients[0].create_schema(SCHEMA).await?;
    Ok(Side { name, lake, clients, _serving: serving })
}

/// Inserts into a table made for it, and looks whether all is there.
async fn measure(side: &Side, clients: usize, table: &str, seconds: Duration) -> Result<Sample> {
    let made = side.clients[0].create_table(SCHEMA, table, &schema(), OnConflict::Error).await?;
    side.clients[0].create_transaction().await?; // or the first insert would be that of a CREATE TABLE AS
    let begin = Instant::now();
    let inserting = side.clients[..clients].iter().enumerate().map(|(number, client)| {
        let (client, table) = (client.clone(), made.clone());
        tokio::spawn(async move { insert(client, &table, number as i64, begin + seconds).await })
    });
    let counts = try_join_all(inserting).await.expect("a client does not panic");
    let elapsed = begin.elapsed();
    let statements = counts.into_iter().sum::<Result<u64>>()?;
    let scan = side.clients[0].scan(&made, &["id"]).await?;
    let rows: usize = scan.batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows as u64, statements, "each acknowledged statement has its row");
    let log = side.lake.join(SCHEMA).join(table).join("_delta_log");
    let commits = std::fs::read_dir(log).expect("the table's log").flatten();
    let commits = commits.filter(|file| file.path().extension().is_some_and(|ending| ending == "json")).count() - 1;
    println!("    {:.1} statements a commit", statements as f64 / commits as f64);
    Ok(Sample { rows: statements, bytes: 0, elapsed })
}

/// Inserts row after row; how many were acknowledged.
async fn insert(mut client: Client, table: &Table, number: i64, until: Instant) -> Result<u64> {
    let row = row(number);
    let mut statements = 0;
    while Instant::now() < until {
        client.begin().await?;
        statements += client.insert(table, std::slice::from_ref(&row)).await?;
    }
    Ok(statements)
}

fn schema() -> Schema {
    Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8, true)])
}

fn row(number: i64) -> RecordBatch {
    let columns: Vec<arrow::array::ArrayRef> =
        vec![Arc::new(Int64Array::from(vec![number])), Arc::new(StringArray::from(vec![format!("client {number}")]))];
    RecordBatch::try_new(Arc::new(schema()), columns).expect("a batch of the schema")
}

/// What it takes to make a small new file durable here: the median of several.
fn sync_time(directory: &Path) -> Duration {
    let path = directory.join("sync");
    let sync = || {
        let mut file = File::create(&path).expect("a new file");
        file.write_all(&[0; 1000]).expect("a few bytes");
        let begin = Instant::now();
        file.sync_all().expect("a file is synced");
        begin.elapsed()
    };
    let mut times: Vec<_> = (0..21).map(|_| sync()).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
