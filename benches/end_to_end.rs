//! What does a DuckDB user see, beside what else there is for the job?
//!
//! - `scan/lineitem-16`, `-2`, `-q6`: all columns, two of them, and TPC-H's Q6, through ATTACH, against DuckDB's own
//!   `delta_scan` of the same table in the same client with as many threads, and against a server of ready batches.
//! - `insert/lineitem`: rows of a Parquet file through ATTACH, against `write_deltalake` fed by DuckDB in Python, and
//!   against a server that discards rows.
//! - the server's peak memory in each of the two.
//!
//! Needs a real client and rows: `AIRPORT_EXTENSION`, `DELTAPORT_DUCKDB` or a Python in `DELTAPORT_TEST_PYTHON` (with
//! `deltalake` in it for the comparison), TPC-H's Parquet files in `DELTAPORT_TPCH`, and the server built with
//! `cargo build --release`. `DELTAPORT_BENCH_ROUNDS` says how often.

mod support;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use airport_tests::{
    readers,
    server::{CATALOG, Server, Setup},
    sql::{EXTENSION, Session},
};

use self::support::{
    lineitem::{self, TPCH},
    null::NullCatalog,
    report::{Report, Sample},
    serving::{Serving, TRANSPORTS},
};

const PYTHON: &str = "DELTAPORT_TEST_PYTHON";

/// What a scan's batches hold by custom; the null server's are of this size.
const SCAN_BATCH_ROWS: usize = 64 << 10;

/// The bound on the server's peak memory.
const PEAK_BYTES_AIM: u64 = 1 << 30;

/// TPC-H's Q6.
const Q6: &str = "SELECT sum(l_extendedprice * l_discount) FROM {} WHERE l_shipdate >= DATE '1994-01-01' \
                  AND l_shipdate < DATE '1995-01-01' AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24";

/// A DuckDB session, and where it finds the table.
struct Side {
    name: &'static str,
    transport: &'static str,
    session: Session,
    table: String,
}

fn main() {
    let Some(parquet) = lineitem::parquet_file() else { return skip(TPCH) };
    if std::env::var_os(EXTENSION).is_none() {
        return skip(EXTENSION);
    }
    if std::env::var_os(PYTHON).is_none() {
        return skip(PYTHON);
    }
    let rounds = std::env::var("DELTAPORT_BENCH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let (server, insert_peak, scan_peak) = filled_server(&parquet);
    let batches = lineitem::batches(usize::MAX, SCAN_BATCH_ROWS);
    let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    let sizes = Sizes {
        rows,
        all: arrow_bytes(&batches, &ALL_COLUMNS),
        two: arrow_bytes(&batches, &[4, 5]),
        q6: q6_bytes(&batches),
    };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let null = NullCatalog::serve(CATALOG, batches, &directory.path().join("null.sock"));
    let mut sides = sides(&server, &null);
    println!("{rows} rows, {rounds} rounds");
    let mut report = Report::default();
    for _ in 0..rounds {
        scan_round(&mut sides, &sizes, &mut report);
        insert_round(&mut sides, &parquet, &sizes, &mut report);
        let id = "insert/lineitem/local";
        let elapsed = write_deltalake(directory.path(), &parquet);
        report.note(id, "write_deltalake", Sample { rows, bytes: sizes.all, elapsed });
    }
    print_ratios(&report);
    println!("\npeak memory of the server");
    print_peak("insert", insert_peak);
    print_peak("scan", scan_peak);
}

fn skip(variable: &str) {
    println!("SKIPPED: end_to_end measures with a real DuckDB and real rows, and {variable} does not give them");
}

/// A server with `bench.lineitem` in it, and the peaks of one that only inserted it and of one that only read it.
fn filled_server(parquet: &Path) -> (Server, u64, u64) {
    let server = Setup::new().serve_lake().tcp().unix().start();
    let mut session = attached(server.unix());
    execute(&mut session, &format!("CREATE SCHEMA {CATALOG}.bench"));
    execute(&mut session, &format!("CREATE TABLE {CATALOG}.bench.lineitem AS FROM '{}'", parquet.display()));
    let insert_peak = peak_bytes(&server);
    drop(session);
    // What was acknowledged is on disk, so how the first server ends does not matter.
    let server = server.crash().start();
    execute(&mut attached(server.unix()), &all_columns(&format!("{CATALOG}.bench.lineitem")));
    let scan_peak = peak_bytes(&server);
    (server, insert_peak, scan_peak)
}

/// Arrow bytes that each shape moves.
struct Sizes {
    rows: u64,
    all: u64,
    two: u64,
    q6: u64,
}

/// The columns of lineitem.
const ALL_COLUMNS: [usize; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

fn arrow_bytes(batches: &[arrow::array::RecordBatch], columns: &[usize]) -> u64 {
    let column = |batch: &arrow::array::RecordBatch, index| {
        batch.column(index).to_data().get_slice_memory_size().expect("lineitem has plain columns") as u64
    };
    batches.iter().map(|batch| columns.iter().map(|index| column(batch, *index)).sum::<u64>()).sum()
}

fn q6_bytes(batches: &[arrow::array::RecordBatch]) -> u64 {
    arrow_bytes(batches, &[4, 5, 6, 10])
}

fn sides(server: &Server, null: &Serving) -> Vec<Side> {
    let table = || format!("{CATALOG}.bench.lineitem");
    let mut sides = Vec::new();
    for (transport, deltaport, null) in
        [(TRANSPORTS[0], server.tcp(), &null.locations[0]), (TRANSPORTS[1], server.unix(), &null.locations[1])]
    {
        sides.push(Side { name: "null", transport, session: attached(null), table: table() });
        sides.push(Side { name: "deltaport", transport, session: attached(deltaport), table: table() });
    }
    let mut session = session();
    if let Err(error) = session.execute("LOAD delta") {
        println!("SKIPPED: no delta_scan to compare with: {error}");
        return sides;
    }
    let table = format!("delta_scan('{}')", server.table("bench", "lineitem").display());
    sides.push(Side { name: "delta_scan", transport: "local", session, table });
    sides
}

fn session() -> Session {
    let mut session = Session::start();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    execute(&mut session, &format!("SET threads = {threads}"));
    session
}

fn attached(location: &str) -> Session {
    let mut session = session();
    execute(&mut session, &format!("ATTACH '{CATALOG}' (TYPE airport, LOCATION '{location}')"));
    session
}

fn execute(session: &mut Session, sql: &str) -> Vec<String> {
    session.execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn timed(session: &mut Session, sql: &str) -> (Vec<String>, Duration) {
    let begin = Instant::now();
    let rows = execute(session, sql);
    (rows, begin.elapsed())
}

fn scan_round(sides: &mut [Side], sizes: &Sizes, report: &mut Report) {
    /// A shape's name, its query over a table, and the bytes the query looks at.
    type Shape = (&'static str, fn(&str) -> String, u64);
    let shapes: [Shape; 3] = [
        ("lineitem-16", all_columns, sizes.all),
        ("lineitem-2", |table| format!("SELECT sum(l_quantity), sum(l_extendedprice) FROM {table}"), sizes.two),
        ("lineitem-q6", |table| Q6.replace("{}", table), sizes.q6),
    ];
    for (shape, sql, bytes) in shapes {
        let mut answers = Vec::new();
        for side in &mut *sides {
            let (answer, elapsed) = timed(&mut side.session, &sql(&side.table));
            report.note(&scan_id(shape, side.transport), side.name, Sample { rows: sizes.rows, bytes, elapsed });
            answers.push(answer);
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{shape}: the answers differ: {answers:?}");
    }
}

/// Every value of every column is looked at, and little made of it.
fn all_columns(table: &str) -> String {
    format!("SELECT max(COLUMNS(*)) FROM {table}")
}

fn scan_id(shape: &str, transport: &str) -> String {
    format!("scan/{shape}/{transport}")
}

fn insert_round(sides: &mut [Side], parquet: &Path, sizes: &Sizes, report: &mut Report) {
    for side in sides.iter_mut().filter(|side| side.name != "delta_scan") {
        // The null server keeps no rows, and has one table only.
        let target = if side.name == "null" { side.table.clone() } else { format!("{CATALOG}.bench.target") };
        let columns = format!("FROM '{}'", parquet.display());
        if side.name != "null" {
            execute(&mut side.session, &format!("CREATE TABLE {target} AS {columns} LIMIT 0"));
        }
        let (_, elapsed) = timed(&mut side.session, &format!("INSERT INTO {target} {columns}"));
        let id = format!("insert/lineitem/{}", side.transport);
        report.note(&id, side.name, Sample { rows: sizes.rows, bytes: sizes.all, elapsed });
        if side.name != "null" {
            execute(&mut side.session, &format!("DROP TABLE {target}"));
        }
    }
}

/// As its users do it; timed inside, so that the interpreter's start does not count.
fn write_deltalake(directory: &Path, parquet: &Path) -> Duration {
    let code = format!(
        "import shutil, time\n\
         target = str(lake / 'target')\n\
         con = duckdb.connect()\n\
         begin = time.monotonic()\n\
         deltalake.write_deltalake(target, con.execute(\"FROM '{}'\").to_arrow_reader(1 << 16))\n\
         result = time.monotonic() - begin\n\
         shutil.rmtree(target)\n",
        parquet.display()
    );
    let seconds = readers::python(directory, &code);
    Duration::from_secs_f64(seconds.as_f64().expect("seconds"))
}

fn print_ratios(report: &Report) {
    report.print_medians();
    for shape in ["lineitem-16", "lineitem-2", "lineitem-q6"] {
        let [tcp, unix, local] = ["tcp", "unix", "local"].map(|transport| scan_id(shape, transport));
        report.print_ratio((&unix, "deltaport"), (&unix, "null"), Some(0.7));
        report.print_ratio((&unix, "deltaport"), (&local, "delta_scan"), Some(0.7));
        report.print_ratio((&tcp, "deltaport"), (&tcp, "null"), Some(0.7));
        report.print_ratio((&unix, "deltaport"), (&tcp, "deltaport"), Some(1.2));
        report.print_ratio((&unix, "null"), (&tcp, "null"), None);
    }
    let [tcp, unix, local] = ["tcp", "unix", "local"].map(|transport| format!("insert/lineitem/{transport}"));
    report.print_ratio((&unix, "deltaport"), (&local, "write_deltalake"), Some(2.0));
    report.print_ratio((&unix, "deltaport"), (&unix, "null"), None);
    report.print_ratio((&unix, "deltaport"), (&tcp, "deltaport"), Some(1.2));
    report.print_ratio((&unix, "null"), (&tcp, "null"), None);
}

fn print_peak(operation: &str, bytes: u64) {
    let verdict = if bytes < PEAK_BYTES_AIM { "reached" } else { "MISSED" };
    println!("  {operation:<8} {:5} MiB  aim below {} MiB: {verdict}", bytes >> 20, PEAK_BYTES_AIM >> 20);
}

/// The most memory the server has held (`VmHWM`).
fn peak_bytes(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("the server runs on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a process has a peak");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("kilobytes");
    kib << 10
}
