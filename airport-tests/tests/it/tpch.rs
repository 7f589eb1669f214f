//! The main job on real input: TPC-H at scale factor 1 through a real DuckDB, and readers beside writers.
//!
//! `DELTAPORT_TPCH` names a directory with the eight tables as Parquet files; without it they are generated first.
//! Worth running with `--release` only: there are 8.7 million rows to write.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use airport_tests::{
    readers::{self, Rows},
    server::{CATALOG, Server, Setup},
    sql::Session,
};
use serde_json::Value;

/// Each table, and what its rows come to.
const TABLES: [(&str, &str); 8] = [
    ("region", "sum(CAST(r_regionkey AS BIGINT)), min(r_name), sum(length(r_comment))"),
    (
        "nation",
        "sum(CAST(n_nationkey AS BIGINT)), sum(CAST(n_regionkey AS BIGINT)), max(n_name), sum(length(n_comment))",
    ),
    ("supplier", "sum(s_suppkey), sum(s_acctbal), min(s_phone), max(s_address), sum(length(s_comment))"),
    ("customer", "sum(c_custkey), sum(c_acctbal), min(c_mktsegment), max(c_phone), sum(length(c_comment))"),
    ("part", "sum(p_partkey), sum(p_retailprice), sum(CAST(p_size AS BIGINT)), max(p_type), sum(length(p_name))"),
    ("partsupp", "sum(ps_partkey), sum(ps_suppkey), sum(ps_supplycost), sum(length(ps_comment))"),
    ("orders", "sum(o_orderkey), sum(o_totalprice), min(o_orderdate), max(o_orderdate), sum(length(o_comment))"),
    (
        "lineitem",
        "sum(l_orderkey), sum(l_partkey), sum(l_suppkey), sum(CAST(l_linenumber AS BIGINT)), sum(l_quantity), \
         sum(l_extendedprice), sum(l_discount), sum(l_tax), min(l_shipdate), max(l_commitdate), max(l_receiptdate), \
         min(l_shipinstruct), max(l_shipmode), sum(length(l_comment))",
    ),
];

/// Averages as sums divided: engines differ in the scale they give an average of decimals.
const Q1: &str = "SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), \
     sum(l_extendedprice * (1 - l_discount)), sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)), \
     CAST(avg(CAST(l_quantity AS DOUBLE)) AS DECIMAL(18, 4)), CAST(avg(CAST(l_extendedprice AS DOUBLE)) AS DECIMAL(18, 4)), \
     CAST(avg(CAST(l_discount AS DOUBLE)) AS DECIMAL(18, 4)), count(*) \
     FROM lineitem WHERE l_shipdate <= DATE '1998-09-02' \
     GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus";

const Q3: &str = "SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue, o_orderdate, o_shippriority \
     FROM customer JOIN orders ON c_custkey = o_custkey JOIN lineitem ON l_orderkey = o_orderkey \
     WHERE c_mktsegment = 'BUILDING' AND o_orderdate < DATE '1995-03-15' AND l_shipdate > DATE '1995-03-15' \
     GROUP BY l_orderkey, o_orderdate, o_shippriority ORDER BY revenue DESC, o_orderdate LIMIT 10";

const Q6: &str = "SELECT sum(l_extendedprice * l_discount) FROM lineitem WHERE l_shipdate >= DATE '1994-01-01' \
     AND l_shipdate < DATE '1995-01-01' AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24";

#[test]
#[ignore = "needs a real client: set AIRPORT_EXTENSION and run ./check"]
fn all_tables_go_in_and_come_out_the_same() {
    let server = Setup::new().serve_lake().unix().start();
    let source = source(&server);
    let mut session = attached(&server);
    execute(&mut session, "CREATE SCHEMA lake.tpch");
    for (table, sums) in TABLES {
        let file = format!("'{}'", source.join(table).with_extension("parquet").display());
        execute(&mut session, &format!("CREATE TABLE lake.tpch.{table} AS FROM {file}"));
        let summary = |from: &str| format!("SELECT count(*), {sums} FROM {from}");
        let expected = execute(&mut session, &summary(&file));
        assert_eq!(execute(&mut session, &summary(&format!("lake.tpch.{table}"))), expected, "{table} through ATTACH");
        let path = server.table("tpch", table);
        assert_eq!(lines(&readers::deltalake(&path, &summary("t"))), expected, "{table} by deltalake");
        assert_eq!(lines(&readers::delta_scan(&path, &summary("t"))), expected, "{table} by delta_scan");
    }
    queries_agree(&server, &mut session, &source);
}

/// Q1, Q3 and Q6 on the source, through ATTACH and by the readers of others.
fn queries_agree(server: &Server, session: &mut Session, source: &Path) {
    execute(session, "ATTACH ':memory:' AS source");
    for (table, _) in TABLES {
        let file = source.join(table).with_extension("parquet");
        execute(session, &format!("CREATE VIEW source.main.{table} AS FROM '{}'", file.display()));
    }
    for (name, sql) in [("Q1", Q1), ("Q3", Q3), ("Q6", Q6)] {
        execute(session, "USE source");
        let expected = execute(session, sql);
        execute(session, "USE lake.tpch");
        assert_eq!(execute(session, sql), expected, "{name} through ATTACH");
        for reader in ["deltalake", "delta_scan"] {
            assert_eq!(lines(&query_by(reader, server, sql)), expected, "{name} by {reader}");
        }
    }
}

/// Asks a reader about all tables at once.
fn query_by(reader: &str, server: &Server, sql: &str) -> Rows {
    let code = format!(
        "import duckdb_extension_delta\n\
         sql, reader = {sql:?}, {reader:?}\n\
         tables = {{path.name: str(path) for path in (lake / 'tpch').iterdir()}}\n\
         if reader == 'deltalake':\n\
         \x20   engine = deltalake.QueryBuilder()\n\
         \x20   for name, path in tables.items():\n\
         \x20       engine = engine.register(name, deltalake.DeltaTable(path))\n\
         \x20   answer = pa.table(engine.execute(sql).read_all())\n\
         else:\n\
         \x20   engine = duckdb.connect()\n\
         \x20   extension = next(pathlib.Path(duckdb_extension_delta.__path__[0]).glob('extensions/*/delta.duckdb_extension'))\n\
         \x20   engine.execute(f\"LOAD '{{extension}}'\")\n\
         \x20   for name, path in tables.items():\n\
         \x20       engine.execute(f\"CREATE VIEW {{name}} AS FROM delta_scan('{{path}}')\")\n\
         \x20   answer = engine.execute(sql).to_arrow_table()\n\
         result = list(zip(*[column.to_pylist() for column in answer.columns]))\n"
    );
    serde_json::from_value(readers::python(&server.lake(), &code)).expect("rows of values")
}

/// The directory of the eight Parquet files.
fn source(server: &Server) -> PathBuf {
    if let Some(directory) = std::env::var_os("DELTAPORT_TPCH") {
        return directory.into();
    }
    let code = "import duckdb_extension_tpch\n\
                extension = next(pathlib.Path(duckdb_extension_tpch.__path__[0]).glob('extensions/*/tpch.duckdb_extension'))\n\
                db = duckdb.connect()\n\
                db.execute(f\"LOAD '{extension}'\")\n\
                db.execute('CALL dbgen(sf = 1)')\n\
                out = lake.parent / 'source'\n\
                out.mkdir()\n\
                for (name,) in db.execute('SELECT table_name FROM duckdb_tables()').fetchall():\n\
                \x20   db.execute(f\"COPY {name} TO '{out / name}.parquet' (FORMAT parquet)\")\n\
                result = str(out)\n";
    readers::python(&server.lake(), code).as_str().expect("a path").into()
}

/// Rows of one INSERT: more than one of DuckDB's batches, and their values add up to nothing.
const INSERT_ROWS: usize = 5001;

#[test]
#[ignore = "needs a real client: set AIRPORT_EXTENSION and run ./check"]
fn two_clients_read_while_two_insert() {
    let server = Setup::new().serve_lake().unix().start();
    execute(&mut attached(&server), "CREATE TABLE lake.public.t (writer INTEGER, statement BIGINT, value BIGINT)");
    let duration = Duration::from_secs(if std::env::var("DELTAPORT_LONG").is_ok_and(|v| v == "1") { 60 } else { 5 });
    let done = AtomicBool::new(false);
    let (inserted, read) = thread::scope(|scope| {
        let writers = [0, 1].map(|writer| {
            let server = &server;
            scope.spawn(move || insert_for(server, writer, duration))
        });
        let readers = [0, 1].map(|_| scope.spawn(|| read_until(&server, &done)));
        let inserted = writers.map(std::thread::ScopedJoinHandle::join);
        done.store(true, Relaxed);
        (inserted, readers.map(|reader| reader.join().expect("a reader found what it should")))
    });
    let statements: usize = inserted.map(|count| count.expect("a writer succeeded")).iter().sum();
    let summary = "SELECT count(*), sum(value), count(DISTINCT 1000000 * writer + statement) FROM";
    let expected = [format!("{},0,{statements}", statements * INSERT_ROWS)];
    assert_eq!(execute(&mut attached(&server), &format!("{summary} lake.public.t")), expected);
    assert_eq!(lines(&readers::deltalake(&server.lake().join("t"), &format!("{summary} t"))), expected);
    println!("{statements} statements, read {read:?} times meanwhile");
}

/// Inserts until the time is up; how many statements there were.
fn insert_for(server: &Server, writer: usize, duration: Duration) -> usize {
    let mut session = attached(server);
    let begin = Instant::now();
    let mut statements = 0;
    while begin.elapsed() < duration {
        let insert = format!(
            "INSERT INTO lake.public.t SELECT {writer}, {statements}, i - {} FROM range({INSERT_ROWS}) r(i)",
            INSERT_ROWS / 2
        );
        execute(&mut session, &insert);
        statements += 1;
    }
    statements
}

/// Reads until `done`, and once after; how often. Every snapshot holds whole statements only, and never fewer than
/// one before it.
fn read_until(server: &Server, done: &AtomicBool) -> usize {
    let mut session = attached(server);
    let (mut reads, mut most) = (0, 0);
    loop {
        let last = done.load(Relaxed);
        execute(&mut session, "BEGIN");
        let torn = "SELECT writer, statement, count(*), sum(value) FROM lake.public.t GROUP BY ALL \
                    HAVING count(*) <> 5001 OR sum(value) <> 0";
        assert_eq!(execute(&mut session, torn), [""; 0], "a snapshot holds a part of a statement");
        let count = "SELECT count(value) FROM lake.public.t";
        let rows = execute(&mut session, count);
        assert_eq!(execute(&mut session, count), rows, "two reads of one transaction differ");
        execute(&mut session, "COMMIT");
        let rows: usize = rows[0].parse().expect("a count");
        assert!(rows.is_multiple_of(INSERT_ROWS) && rows >= most, "{rows} rows after {most}");
        (reads, most) = (reads + 1, rows);
        if last {
            return reads;
        }
    }
}

fn attached(server: &Server) -> Session {
    let mut session = Session::start();
    execute(&mut session, &format!("ATTACH '{CATALOG}' (TYPE airport, LOCATION '{}')", server.unix()));
    session
}

fn execute(session: &mut Session, sql: &str) -> Vec<String> {
    session.execute(sql).unwrap_or_else(|error| panic!("{sql}\n{error}"))
}

/// A reader's rows as the client prints them, as CSV.
fn lines(rows: &Rows) -> Vec<String> {
    let cell = |value: &Value| match value {
        Value::String(text) if text.contains([',', '"']) => format!("\"{}\"", text.replace('"', "\"\"")),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(",")).collect()
}
