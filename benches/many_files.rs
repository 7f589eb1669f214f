//! Does a statement on one row cost more because its table has many files?
//!
//! `insert/FILES`, `update/FILES`: `INSERT INTO t VALUES (...)` and `UPDATE t SET v = v + 1 WHERE id = k` through ATTACH,
//! in tables of 10, 1,000 and 100,000 files, in turn within each round. Latency as a DuckDB user sees it, and how many
//! times that of the small table it is; and the server's processor time for it. The first statement on a table reads its log, and is told apart.
//!
//! The files of a table hold one row each, with an id of its own in their statistics; names are random, so that neither
//! the order of names nor that of ids helps. Most are links to a few that were really written; those are the ones
//! whose rows are updated, as no other could match.
//!
//! Needs a real client: `AIRPORT_EXTENSION`, `DELTAPORT_DUCKDB` or a Python in `DELTAPORT_TEST_PYTHON`, and the server built
//! with `cargo build --release`. `DELTAPORT_BENCH_ROUNDS` says how often.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use airport_tests::{
    server::{CATALOG, Server, Setup},
    sql::{EXTENSION, Session},
};

/// How many files the tables begin with.
const FILES: [usize; 3] = [10, 1_000, 100_000];

/// Files with rows that the server wrote.
const REAL_FILES: usize = 10;

/// Adds of one commit that is written by hand.
const COMMIT_FILES: usize = 20_000;

/// How many times the latency of the smallest table is aimed at, at most.
const RATIO_AIM: f64 = 1.5;

fn main() {
    if std::env::var_os(EXTENSION).is_none() {
        return println!("SKIPPED: many_files measures with a real DuckDB, and {EXTENSION} does not give one");
    }
    let rounds = std::env::var("DELTAPORT_BENCH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let server = server_with_tables();
    let mut session = attached(&server);
    println!("first statement after the server's start");
    for files in FILES {
        let elapsed = timed(&mut session, &insert(files, 0));
        println!("  insert/{files:<8} {:9.1} ms", millis(elapsed));
        let elapsed = timed(&mut session, &update(files, 0));
        println!("  update/{files:<8} {:9.1} ms", millis(elapsed));
    }
    println!("resident memory of the server: {} MiB", resident_bytes(&server) >> 20);
    let mut inserts = FILES.map(|_| Vec::new());
    let mut updates = FILES.map(|_| Vec::new());
    for round in 1..=rounds {
        for (at, files) in FILES.into_iter().enumerate() {
            inserts[at].push(timed(&mut session, &insert(files, round)));
            updates[at].push(timed(&mut session, &update(files, round)));
        }
    }
    println!("{rounds} rounds: median, 90th and 99th percentile, longest");
    print_series("insert", &mut inserts);
    print_series("update", &mut updates);
    println!("processor time of the server for each statement");
    for files in FILES {
        let inserting = processor_time(&server, rounds, |round| execute(&mut session, &insert(files, round)));
        let updating = processor_time(&server, rounds, |round| execute(&mut session, &update(files, round)));
        println!("  insert/{files:<8} {:7.2} ms    update/{files:<8} {:7.2} ms", millis(inserting), millis(updating));
    }
    for files in FILES {
        let rows = session.execute(&format!("SELECT sum(v) FROM {} WHERE id >= 0 AND id < 10", table(files)));
        assert_eq!(rows.expect("a sum"), [format!("{}", 2 * rounds + 1)], "each update counted once");
    }
}

/// Ids from a billion on: no file has them, and each is new.
fn insert(files: usize, round: usize) -> String {
    format!("INSERT INTO {} VALUES ({}, 0)", table(files), 1_000_000_000 + round)
}

/// The row of one of the files that were written.
fn update(files: usize, round: usize) -> String {
    format!("UPDATE {} SET v = v + 1 WHERE id = {}", table(files), round % REAL_FILES)
}

fn table(files: usize) -> String {
    format!("{CATALOG}.bench.t{files}")
}

/// A server that has not looked at its tables yet.
fn server_with_tables() -> Server {
    let server = Setup::new().serve_lake().unix().start();
    let mut session = attached(&server);
    execute(&mut session, &format!("CREATE SCHEMA {CATALOG}.bench"));
    for files in FILES {
        execute(&mut session, &format!("CREATE TABLE {} (id BIGINT, v BIGINT)", table(files)));
        for id in 0..REAL_FILES {
            execute(&mut session, &format!("INSERT INTO {} VALUES ({id}, 0)", table(files)));
        }
        let begin = Instant::now();
        add_files(&server.table("bench", &format!("t{files}")), files);
        println!("made a table of {files} files in {:.1} s", begin.elapsed().as_secs_f64());
    }
    drop(session);
    // What was acknowledged is on disk, so how the first server ends does not matter.
    server.crash().start()
}

/// Fills a table up by links to its files.
fn add_files(directory: &Path, files: usize) {
    let entries = fs::read_dir(directory).expect("the table's directory");
    let data = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
    let real: Vec<_> = data.collect();
    assert_eq!(real.len(), REAL_FILES);
    let size = fs::metadata(&real[0]).expect("a data file").len();
    let new: Vec<usize> = (REAL_FILES..files).collect();
    for (commit, ids) in new.chunks(COMMIT_FILES).enumerate() {
        let mut log = String::new();
        for id in ids {
            let name = format!("part-{:016x}.parquet", shuffled(*id as u64));
            fs::hard_link(&real[id % REAL_FILES], directory.join(&name)).expect("a link");
            let stats = format!(
                r#"{{\"numRecords\":1,\"minValues\":{{\"id\":{id},\"v\":0}},\"maxValues\":{{\"id\":{id},\"v\":0}},\"nullCount\":{{\"id\":0,\"v\":0}}}}"#
            );
            writeln!(
                log,
                r#"{{"add":{{"path":"{name}","partitionValues":{{}},"size":{size},"modificationTime":1,"dataChange":true,"stats":"{stats}"}}}}"#
            )
            .expect("a string takes all");
        }
        let version = REAL_FILES + 1 + commit;
        fs::write(directory.join(format!("_delta_log/{version:020}.json")), log).expect("a commit");
    }
}

/// Another number for each number, in no order (the last step of SplitMix64).
fn shuffled(number: u64) -> u64 {
    let z = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn attached(server: &Server) -> Session {
    let mut session = Session::start();
    execute(&mut session, &format!("ATTACH '{CATALOG}' (TYPE airport, LOCATION '{}')", server.unix()));
    session
}

fn execute(session: &mut Session, sql: &str) -> Vec<String> {
    session.execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn timed(session: &mut Session, sql: &str) -> Duration {
    let begin = Instant::now();
    execute(session, sql);
    begin.elapsed()
}

fn print_series(operation: &str, series: &mut [Vec<Duration>; FILES.len()]) {
    let smallest = at_fraction(&mut series[0], 0.5);
    for (files, series) in FILES.into_iter().zip(series) {
        let [median, p90, p99, most] = [0.5, 0.9, 0.99, 1.0].map(|fraction| millis(at_fraction(series, fraction)));
        let ratio = median / millis(smallest);
        let verdict = if ratio <= RATIO_AIM { "reached" } else { "MISSED" };
        println!(
            "  {operation}/{files:<8} {median:7.2} {p90:7.2} {p99:7.2} {most:7.2} ms  {ratio:5.2} times {operation}/{} \
             (aim at most {RATIO_AIM}: {verdict})",
            FILES[0]
        );
    }
}

fn at_fraction(series: &mut [Duration], fraction: f64) -> Duration {
    series.sort();
    series[((series.len() - 1) as f64 * fraction) as usize]
}

fn millis(elapsed: Duration) -> f64 {
    elapsed.as_secs_f64() * 1e3
}

/// What each of `rounds` statements costs the server's threads, which is the same on a machine that does other things.
fn processor_time(server: &Server, rounds: usize, mut statement: impl FnMut(usize) -> Vec<String>) -> Duration {
    let before = ticks(server);
    for round in 1..=rounds {
        statement(round);
    }
    // Linux shows hundredths of a second to every program.
    Duration::from_millis((ticks(server) - before) * 10) / u32::try_from(rounds).expect("few rounds")
}

/// `utime` and `stime` of proc_pid_stat(5), which come after the program's name in parentheses.
fn ticks(server: &Server) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.id())).expect("the server runs on Linux");
    let fields = stat.rsplit_once(')').expect("the name ends").1.split_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}

/// The memory the server holds (`VmRSS`).
fn resident_bytes(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("the server runs on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("kilobytes");
    kib << 10
}
