//! What does it cost to change scattered rows of a large table?
//!
//! One row in a hundred of TPC-H's lineitem is deleted, or updated in one column, in a fresh copy of one table:
//!
//! - `statement`: through the wire as DuckDB does it: a scan of the column in WHERE, of what SET needs and of the row
//!   ids, then the exchange, until it is acknowledged.
//! - `exchange`: of that the exchange alone.
//! - `duckdb`: the SQL statement in a real DuckDB, if `AIRPORT_EXTENSION` gives one.
//! - `deltalake`: its `delete` and `update`, on a copy of the same files.
//!
//! Afterwards all tables must hold the same rows. The bytes a statement writes are told against those that the changed
//! rows have in the table's files.
//!
//! Rows are TPC-H's if `DELTAPORT_TPCH` names a directory with `lineitem.parquet`, else made up;
//! `DELTAPORT_BENCH_ROWS` says how many at most, `DELTAPORT_BENCH_ROUNDS` how often. Needs `DELTAPORT_TEST_PYTHON`, and
//! the server built with `cargo build --release`.

#[path = "support/lineitem.rs"]
mod lineitem;
#[path = "support/report.rs"]
mod report;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use airport_tests::{
    client::{Client, OnConflict, ROW_ID, Result, Table},
    readers,
    server::{CATALOG, Server, Setup},
    sql::{EXTENSION, Session},
};
use arrow::{
    array::{ArrayRef, AsArray, BooleanArray, RecordBatch},
    compute::{concat_batches, filter_record_batch},
    datatypes::{Int32Type, Int64Type, Schema},
};

use self::report::{Report, Sample};

const SCHEMA: &str = "bench";

/// The rows that change, in the words of both.
const WHERE: &str = "l_partkey % 100 = 7";

/// How many times deltalake's speed is aimed at.
const AIMS: [(Operation, f64); 2] = [(Operation::Delete, 20.0), (Operation::Update, 10.0)];

/// How many times the bytes of the changed rows may be written.
const BYTES_AIM: f64 = 2.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Delete,
    Update,
}

/// What a statement wrote.
struct Written {
    operation: Operation,
    side: &'static str,
    bytes: u64,
}

struct Bench {
    server: Server,
    client: Client,
    /// Made once; each statement gets a copy.
    original: PathBuf,
    rows: u64,
    data_bytes: u64,
    report: Report,
    written: Vec<Written>,
}

#[tokio::main]
async fn main() -> Result<()> {
    if std::env::var_os("DELTAPORT_TEST_PYTHON").is_none() {
        println!("SKIPPED: changes measures against deltalake, and DELTAPORT_TEST_PYTHON names no Python with it");
        return Ok(());
    }
    let rounds = number("DELTAPORT_BENCH_ROUNDS", 5);
    let mut bench = Bench::begin(number("DELTAPORT_BENCH_ROWS", 6_001_215)).await?;
    let (rows, mib) = (bench.rows, bench.data_bytes >> 20);
    println!("{rows} rows in {} files of {mib} MiB, {rounds} rounds", data_files(&bench.original).len());
    for _ in 0..rounds {
        for operation in [Operation::Delete, Operation::Update] {
            bench.round(operation).await?;
        }
    }
    bench.print();
    Ok(())
}

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

impl Bench {
    async fn begin(rows: usize) -> Result<Self> {
        let server = Setup::new().serve_lake().unix().start();
        let mut client = server.client().await;
        client.create_schema(SCHEMA).await?;
        let table = client.create_table(SCHEMA, "original", &lineitem::schema(), OnConflict::Error).await?;
        client.begin().await?;
        let rows = client.insert(&table, &lineitem::batches(rows, 64 << 10)).await?;
        let original = server.table(SCHEMA, "original");
        let data_bytes = data_files(&original).iter().map(|(_, bytes)| bytes).sum();
        Ok(Self { server, client, original, rows, data_bytes, report: Report::default(), written: Vec::new() })
    }

    /// Every side's statement, each on a copy of its own.
    async fn round(&mut self, operation: Operation) -> Result<()> {
        let mut sums = Vec::new();
        let copy = self.copy("wire");
        self.wire(operation, &copy).await?;
        sums.push(finish(self, operation, "deltaport", &copy));
        if std::env::var_os(EXTENSION).is_some() {
            let copy = self.copy("duckdb");
            let (changed, elapsed) = self.duckdb(operation);
            self.note(operation, "duckdb", changed, elapsed);
            sums.push(finish(self, operation, "duckdb", &copy));
        }
        let copy = self.copy("deltalake");
        let (changed, elapsed) = deltalake(operation, &copy);
        self.note(operation, "deltalake", changed, elapsed);
        sums.push(finish(self, operation, "deltalake", &copy));
        assert!(sums.windows(2).all(|pair| pair[0] == pair[1]), "{operation:?}: the tables differ: {sums:?}");
        Ok(())
    }

    fn note(&mut self, operation: Operation, side: &str, changed: u64, elapsed: Duration) {
        let sample = Sample { rows: changed, bytes: self.bytes_of(changed), elapsed };
        self.report.note(&id(operation), side, sample);
    }

    /// What `rows` rows of the table take up in its files.
    fn bytes_of(&self, rows: u64) -> u64 {
        (self.data_bytes as f64 * rows as f64 / self.rows as f64) as u64
    }

    /// A table of the same files: links, as nobody writes into a data file.
    fn copy(&self, name: &str) -> PathBuf {
        let to = self.server.table(SCHEMA, name);
        fs::create_dir(&to).expect("the last copy is gone");
        for (path, _) in data_files(&self.original) {
            fs::hard_link(&path, to.join(path.file_name().expect("a file"))).expect("one file system");
        }
        let log = to.join("_delta_log");
        fs::create_dir(&log).expect("a new directory");
        for entry in fs::read_dir(self.original.join("_delta_log")).expect("a log").flatten() {
            fs::copy(entry.path(), log.join(entry.file_name())).expect("a log can be copied");
        }
        to
    }

    async fn wire(&mut self, operation: Operation, copy: &Path) -> Result<()> {
        let name = copy.file_name().and_then(|name| name.to_str()).expect("a plain name");
        let table = self.client.list_schemas().await?.table(SCHEMA, name).expect("the copy is listed").clone();
        let begin = Instant::now();
        self.client.begin().await?;
        let changes = scan(&self.client, &table, operation).await?;
        let exchange = Instant::now();
        let changed = match operation {
            Operation::Delete => self.client.delete(&table, &[changes]).await?,
            Operation::Update => self.client.update(&table, &[changes]).await?,
        };
        self.note(operation, "exchange", changed, exchange.elapsed());
        self.note(operation, "statement", changed, begin.elapsed());
        Ok(())
    }

    fn duckdb(&self, operation: Operation) -> (u64, Duration) {
        let mut session = Session::start();
        let mut execute = |sql: &str| session.execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        execute(&format!("ATTACH '{CATALOG}' AS lake (TYPE airport, LOCATION '{}')", self.server.unix()));
        let count = execute(&format!("SELECT count(*) FROM lake.{SCHEMA}.duckdb WHERE {WHERE}"));
        let sql = match operation {
            Operation::Delete => format!("DELETE FROM lake.{SCHEMA}.duckdb WHERE {WHERE}"),
            Operation::Update => {
                format!("UPDATE lake.{SCHEMA}.duckdb SET l_linenumber = l_linenumber + 1 WHERE {WHERE}")
            }
        };
        let begin = Instant::now();
        execute(&sql);
        (count[0].parse().expect("a count"), begin.elapsed())
    }

    fn print(&self) {
        self.report.print_medians();
        for (operation, aim) in AIMS {
            let id = id(operation);
            for side in ["statement", "exchange", "duckdb"] {
                self.report.print_ratio((&id, side), (&id, "deltalake"), Some(aim));
            }
        }
        println!("\nbytes written, and how many times those of the changed rows");
        let changed = self.bytes_of(self.rows) as f64 / 100.0;
        for Written { operation, side, bytes } in &self.written {
            let ratio = *bytes as f64 / changed;
            let verdict = if ratio <= BYTES_AIM { "reached" } else { "MISSED" };
            let aim = if *side == "deltalake" { String::new() } else { format!("  aim {BYTES_AIM:.1}: {verdict}") };
            println!("  {:<24} {side:<16} {bytes:11} bytes  {ratio:6.2}{aim}", id(*operation));
        }
    }
}

fn id(operation: Operation) -> String {
    format!("{operation:?}/lineitem/unix").to_lowercase()
}

/// Notes what a statement wrote, takes its table away and answers with what the rows come to.
fn finish(bench: &mut Bench, operation: Operation, side: &'static str, copy: &Path) -> String {
    let bytes = |path: &Path| files(path).iter().map(|(_, bytes)| bytes).sum::<u64>();
    let written = bytes(copy) - bytes(&bench.original);
    if !bench.written.iter().any(|written| written.operation == operation && written.side == side) {
        bench.written.push(Written { operation, side, bytes: written });
    }
    let sums = "SELECT count(*), sum(l_orderkey), sum(l_linenumber), sum(l_extendedprice), count(l_comment) FROM t";
    let rows = format!("{:?}", readers::deltalake(copy, sums));
    fs::remove_dir_all(copy).expect("the copy is ours");
    rows
}

/// The rows of WHERE as their UPDATE or DELETE sends them.
async fn scan(client: &Client, table: &Table, operation: Operation) -> Result<RecordBatch> {
    let columns: &[&str] = match operation {
        Operation::Delete => &["l_partkey", ROW_ID],
        Operation::Update => &["l_partkey", "l_linenumber", ROW_ID],
    };
    let mut found = Vec::new();
    for endpoint in client.endpoints(table, columns, "[]").await? {
        let mut stream = client.get(table, endpoint).await?;
        while let Some(batch) = stream.next().await? {
            let keys = batch.column_by_name("l_partkey").expect("it was asked for").as_primitive::<Int64Type>();
            let wanted: BooleanArray = keys.iter().map(|key| key.map(|key| key % 100 == 7)).collect();
            let sent = columns[1..].iter().map(|name| batch.schema().index_of(name).expect("it was asked for"));
            let batch = batch.project(&sent.collect::<Vec<_>>()).expect("its columns");
            found.push(filter_record_batch(&batch, &wanted).expect("a mask of its length"));
        }
    }
    let schema = found.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
    let all = concat_batches(&schema, &found).expect("one schema");
    Ok(match operation {
        Operation::Delete => all,
        Operation::Update => {
            let numbers = all.column(0).as_primitive::<Int32Type>().unary::<_, Int32Type>(|number| number + 1);
            let columns: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::clone(all.column(1))];
            RecordBatch::try_new(schema, columns).expect("the same types")
        }
    })
}

/// As its users do it; timed inside, so that the interpreter's start does not count.
fn deltalake(operation: Operation, table: &Path) -> (u64, Duration) {
    let statement = match operation {
        Operation::Delete => format!("table.delete('{WHERE}')['num_deleted_rows']"),
        Operation::Update => {
            format!("table.update({{'l_linenumber': 'l_linenumber + 1'}}, predicate='{WHERE}')['num_updated_rows']")
        }
    };
    let code = format!(
        "import time\n\
         begin = time.monotonic()\n\
         table = deltalake.DeltaTable({table:?})\n\
         changed = {statement}\n\
         result = [changed, time.monotonic() - begin]\n"
    );
    let answer = readers::python(table, &code);
    let seconds = Duration::from_secs_f64(answer[1].as_f64().expect("seconds"));
    (answer[0].as_u64().expect("a count"), seconds)
}

/// The table's data files, and the size of each.
fn data_files(table: &Path) -> Vec<(PathBuf, u64)> {
    let mut files = files(table);
    files.retain(|(path, _)| path.extension().is_some_and(|extension| extension == "parquet"));
    files.retain(|(path, _)| path.parent() == Some(table));
    files
}

/// All files below a directory, and the size of each.
fn files(directory: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let kind = entry.file_type().expect("a file system that knows");
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push((entry.path(), entry.metadata().expect("it is there").len()));
        }
    }
    found
}
