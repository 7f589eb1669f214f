//! What does a MERGE cost, against `deltalake`'s of the same source?
//!
//! Each statement goes into a fresh copy of one table of TPC-H's lineitem (or orders), through the wire to a server that
//! has just been started, and as `DeltaTable.merge` of a Python process of its own:
//!
//! - `upsert`: one row in a hundred, half of them new.
//! - `update`: one column of one row in twenty.
//! - `insert`: one in a hundred, of which only those that are not there, half of them, are added.
//! - `delete`: one row in a hundred, by key.
//! - `cdc`: one in a hundred with a column that says what became of it: inserted, updated or deleted.
//! - `growth`: the upsert again while the table has the rows 1, 2 and 4 times over.
//!
//! Afterwards both tables must hold the same rows. Memory is how much a process has grown at its peak (VmHWM less VmRSS
//! before the rows of the source are there).
//!
//! Rows are TPC-H's if `DELTAPORT_TPCH` names a directory with `lineitem.parquet` and `orders.parquet`, else lineitem is
//! made up and orders left out; `DELTAPORT_BENCH_ROWS` says how many at most, `DELTAPORT_BENCH_ROUNDS` how often. Needs
//! `DELTAPORT_TEST_PYTHON`, and the server built with `cargo build --release`.

#[path = "merge/deltalake.rs"]
mod deltalake;
#[path = "support/lineitem.rs"]
mod lineitem;
#[path = "merge/memory.rs"]
mod memory;
#[path = "support/report.rs"]
mod report;
#[path = "merge/sources.rs"]
mod sources;
#[path = "merge/statements.rs"]
mod statements;
#[path = "merge/tables.rs"]
mod tables;

use std::{path::Path, time::Instant};

use airport_tests::{
    client::Result,
    readers,
    server::{Server, Setup},
};
use arrow::array::RecordBatch;

use self::{
    memory::Growth,
    report::{Report, Sample},
    statements::{STATEMENTS, Statement},
    tables::{SCHEMA, Shape},
};

/// How many times deltalake's speed, and what part of its memory, is aimed at.
const SPEED_AIM: f64 = 10.0;
const MEMORY_AIM: f64 = 0.25;

struct Bench {
    /// `None` while it is started anew.
    server: Option<Server>,
    report: Report,
    memory: Vec<(String, &'static str, u64)>,
}

#[tokio::main]
async fn main() -> Result<()> {
    if std::env::var_os("DELTAPORT_TEST_PYTHON").is_none() {
        println!("SKIPPED: merge measures against deltalake, and DELTAPORT_TEST_PYTHON names no Python with it");
        return Ok(());
    }
    let (rows, rounds) = (number("DELTAPORT_BENCH_ROWS", 6_001_215), number("DELTAPORT_BENCH_ROUNDS", 3));
    let server = Setup::new().serve_lake().unix().start();
    let mut bench = Bench { server: Some(server), report: Report::default(), memory: Vec::new() };
    for shape in [Shape::Lineitem, Shape::Orders] {
        let Some(batches) = shape.batches(rows) else { continue };
        bench.create(shape, &batches, 1).await?;
        for statement in STATEMENTS {
            let source = sources::source(shape, statement, &batches);
            for _ in 0..rounds {
                bench.against_deltalake(shape, statement, &source).await?;
            }
        }
    }
    let batches = Shape::Lineitem.batches(rows).expect("there is always one");
    let source = sources::source(Shape::Lineitem, Statement::Upsert, &batches);
    for times in [1, 2, 4] {
        bench.create(Shape::Lineitem, &batches, times).await?;
        for _ in 0..rounds {
            let id = format!("growth/{times}x/unix");
            bench.deltaport(&id, Shape::Lineitem, Statement::Upsert, &source).await?;
            tables::remove(bench.server(), "wire");
        }
    }
    bench.print();
    Ok(())
}

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

impl Bench {
    fn server(&self) -> &Server {
        self.server.as_ref().expect("it is running")
    }

    /// The table that statements get copies of, with all rows so many times over.
    async fn create(&mut self, shape: Shape, batches: &[RecordBatch], times: usize) -> Result<()> {
        tables::create(self.server(), shape, batches, times).await?;
        let (files, mib) = tables::size(self.server());
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        println!("{shape:?}: {} rows in {files} files of {mib} MiB", rows * times);
        Ok(())
    }

    async fn against_deltalake(&mut self, shape: Shape, statement: Statement, source: &[RecordBatch]) -> Result<()> {
        let id = id(shape, statement);
        let ours = self.deltaport(&id, shape, statement, source).await?;
        let copy = tables::copy(self.server(), "deltalake");
        let (elapsed, grown) = deltalake::merge(&copy, shape, statement, source);
        self.note(&id, "deltalake", source, elapsed, grown);
        let theirs = sums(&copy, shape);
        tables::remove(self.server(), "wire");
        tables::remove(self.server(), "deltalake");
        assert_eq!(ours, theirs, "{id}: the tables differ");
        Ok(())
    }

    /// One statement through a server that has done nothing yet; what the table's rows come to.
    async fn deltaport(
        &mut self,
        id: &str,
        shape: Shape,
        statement: Statement,
        source: &[RecordBatch],
    ) -> Result<String> {
        let copy = tables::copy(self.server(), "wire");
        let stopped = self.server.take().expect("it is running").stop_beside_clients().await;
        self.server = Some(stopped.again().serve_lake().unix().start());
        let client = self.server().client().await;
        client.list_schemas().await?;
        let growth = Growth::begin(self.server().id());
        let begin = Instant::now();
        let table = format!("{SCHEMA}.wire");
        match statement.clauses(shape) {
            Some(clauses) => client.merge(&table, &clauses, source).await?,
            None => client.upsert(&table, shape.keys(), source).await?,
        };
        let elapsed = begin.elapsed();
        let grown = growth.end();
        self.note(id, "deltaport", source, elapsed, grown);
        Ok(sums(&copy, shape))
    }

    fn note(&mut self, id: &str, side: &'static str, source: &[RecordBatch], elapsed: std::time::Duration, grown: u64) {
        let rows = source.iter().map(|batch| batch.num_rows() as u64).sum();
        let bytes = source.iter().map(|batch| batch.get_array_memory_size() as u64).sum();
        self.report.note(id, side, Sample { rows, bytes, elapsed });
        self.memory.push((id.to_owned(), side, grown));
    }

    fn print(&self) {
        self.report.print_medians();
        for shape in [Shape::Lineitem, Shape::Orders] {
            for id in STATEMENTS.map(|statement| id(shape, statement)) {
                self.report.print_ratio((&id, "deltaport"), (&id, "deltalake"), Some(SPEED_AIM));
            }
        }
        for times in [2, 4] {
            let (id, one) = (format!("growth/{times}x/unix"), "growth/1x/unix");
            self.report.print_ratio((&id, "deltaport"), (one, "deltaport"), None);
        }
        println!("\npeak memory, the largest of all rounds, and what part of deltalake's");
        let peak = |id: &str, of: &str| {
            self.memory.iter().filter(|(at, side, _)| at == id && *side == of).map(|(_, _, bytes)| *bytes).max()
        };
        let mut ids: Vec<_> = self.memory.iter().map(|(id, ..)| id).collect();
        ids.dedup();
        for id in ids {
            let Some(ours) = peak(id, "deltaport") else { continue };
            print!("  {id:<24} {:6} MiB", ours >> 20);
            match peak(id, "deltalake") {
                None => println!(),
                Some(theirs) => {
                    let ratio = ours as f64 / theirs as f64;
                    let verdict = if ratio <= MEMORY_AIM { "reached" } else { "MISSED" };
                    println!(" of {:6} MiB  {ratio:5.2}  aim {MEMORY_AIM:.2}: {verdict}", theirs >> 20);
                }
            }
        }
    }
}

fn id(shape: Shape, statement: Statement) -> String {
    format!("{statement:?}/{shape:?}/unix").to_lowercase()
}

/// What a table's rows come to.
fn sums(table: &Path, shape: Shape) -> String {
    format!("{:?}", readers::delta_scan(table, &shape.sums()))
}
