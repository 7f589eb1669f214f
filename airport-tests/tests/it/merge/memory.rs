//! Sources that are larger than the memory of one merge: they are spilled, the merge ends, and the server stays small.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use airport_tests::{
    client::{OnConflict, Table},
    readers,
    server::{Server, Setup},
};
use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use serde_json::json;
use tonic::Code;

use crate::support::{SALES, assert_refused, eventually, files, listed, versions};

const TABLE: &str = "sales.t";

const MIB: u64 = 1 << 20;

/// Of one merge.
const BUDGET_MIB: u64 = 32;

/// What a server may take beyond its budget: rows on their way to the writer (64 MiB in four chunks) and through its
/// encoder (64 MiB), of source rows one piece (32 MiB), the batches of a scan, and what the allocator keeps of memory
/// that was given back.
const ALLOWANCE_MIB: u64 = 192;

/// 400 bytes each: 400 MiB.
const SOURCE_ROWS: i64 = 1 << 20;

const BATCH_ROWS: i64 = 64 << 10;

/// Inserts every second key, so that half of what comes is new.
async fn begin(arguments: &[&str], rows: i64) -> (Server, airport_tests::client::Client, Table) {
    let server = Setup::new().serve_lake().unix().arguments(arguments.iter().copied()).start();
    let client = server.client().await;
    client.create_schema(SALES).await.unwrap();
    client.create_table(SALES, "t", &columns(), OnConflict::Error).await.unwrap();
    client.create_transaction().await.unwrap();
    let table = listed(&client, SALES, "t").await;
    let keys: Vec<_> = (0..rows).step_by(2).collect();
    let batches: Vec<_> = keys.chunks(BATCH_ROWS as usize).map(|keys| batch(keys.iter().copied(), 0)).collect();
    client.insert(&table, &batches).await.unwrap();
    (server, client, table)
}

fn columns() -> Schema {
    Schema::new(vec![
        Field::new("key", DataType::Int64, true),
        Field::new("value", DataType::Int64, true),
        Field::new("payload", DataType::Utf8, true),
    ])
}

fn batch(keys: impl Iterator<Item = i64> + Clone, value: i64) -> RecordBatch {
    let payloads = keys.clone().map(|key| format!("{key:08}{}", "payload ".repeat(46)));
    let values = Int64Array::from_iter_values(keys.clone().map(|_| value));
    let columns_of: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(keys)),
        Arc::new(values),
        Arc::new(StringArray::from_iter_values(payloads)),
    ];
    RecordBatch::try_new(columns().into(), columns_of).unwrap()
}

/// All keys, in an order that is neither theirs nor its reverse.
fn source(rows: i64, value: i64) -> Vec<RecordBatch> {
    let starts: Vec<_> = (0..rows).step_by(BATCH_ROWS as usize).collect();
    // An odd factor goes through all of a power of two.
    let key = |row: i64| (row * 40_503) % rows;
    starts.iter().map(|start| batch((*start..(start + BATCH_ROWS).min(rows)).map(key), value)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_several_times_the_memory_is_spilled() {
    let spill = tempfile::tempdir().unwrap();
    let budget = BUDGET_MIB.to_string();
    let arguments =
        ["--merge-memory-mib-max", &budget, "--spill-directory", spill.path().to_str().expect("a temporary path")];
    let (server, client, _) = begin(&arguments, SOURCE_ROWS).await;
    let baseline = anonymous_bytes(server.id());
    let watch = Watch::begin(server.id(), spill.path());
    let merged = client.upsert(TABLE, &["key"], &source(SOURCE_ROWS, 7)).await.unwrap();
    let (peak, spilled) = watch.end();
    println!("baseline {} MiB, peak {} MiB, budget {BUDGET_MIB} MiB", baseline / MIB, peak / MIB);
    assert_eq!([merged.inserted, merged.updated, merged.deleted], [SOURCE_ROWS / 2, SOURCE_ROWS / 2, 0]);
    let bound = baseline + (BUDGET_MIB + ALLOWANCE_MIB) * MIB;
    assert!(peak <= bound, "{} MiB of anonymous memory, where {} MiB were", peak / MIB, baseline / MIB);
    assert!(spilled, "the spill directory was never used");
    assert_eq!(files(spill.path()), [""; 0], "what is left of it");
    let open = || held_open(server.id(), spill.path());
    eventually("no spilled file stays open", async || !open()).await;
    let sql = "SELECT count(*), count(DISTINCT key), min(value), max(value) FROM t";
    let rows = [[json!(SOURCE_ROWS), json!(SOURCE_ROWS), json!(7), json!(7)]];
    assert_eq!(readers::both(&server.table(SALES, "t"), sql), rows);
}

/// So little memory that the target is gone through several times: the rows must be those of one pass.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_passes_are_as_good_as_one() {
    const ROWS: i64 = 1 << 16;
    let clauses = "ON target.key = source.key \
                   WHEN MATCHED AND source.key % 4 = 0 THEN DELETE \
                   WHEN MATCHED THEN UPDATE SET value = target.value + source.value \
                   WHEN NOT MATCHED AND source.key % 3 = 0 THEN INSERT * \
                   WHEN NOT MATCHED BY SOURCE THEN UPDATE SET payload = 'nobody asked'";
    let mut found = Vec::new();
    for budget in ["1", "512"] {
        let (server, client, table) = begin(&["--merge-memory-mib-max", budget], ROWS).await;
        // Keys that no source has.
        client.insert(&table, &[batch(ROWS..ROWS + 1000, 1)]).await.unwrap();
        let merged = client.merge(TABLE, clauses, &source(ROWS, 5)).await.unwrap();
        let odd = (0..ROWS).filter(|key| key % 2 == 1 && key % 3 == 0).count() as i64;
        assert_eq!([merged.inserted, merged.updated, merged.deleted], [odd, ROWS / 4 + 1000, ROWS / 4], "{budget} MiB");
        let sql = "SELECT value, payload = 'nobody asked', count(*), sum(key), count(DISTINCT payload) \
                   FROM t GROUP BY ALL ORDER BY ALL";
        found.push(readers::delta_scan(&server.table(SALES, "t"), sql));
        // A row of the source in one pass, its like in another.
        let mut twice = source(ROWS, 5);
        twice.push(batch(2..3, 6));
        let refused = client.upsert(TABLE, &["key"], &twice).await;
        assert_refused(refused, Code::InvalidArgument, &["key", "2"]);
    }
    assert_eq!(found[0], found[1], "1 MiB (left) and 512 MiB (right)");
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_to() {
    let missing = tempfile::tempdir().unwrap().path().join("gone");
    let missing = missing.to_str().expect("a temporary path");
    let arguments = ["--merge-memory-mib-max", "1", "--spill-directory", missing];
    let (server, client, _) = begin(&arguments, 100).await;
    let path = server.table(SALES, "t");
    let (before, version) = (files(&path), versions(&path));
    let refused = client.upsert(TABLE, &["key"], &source(1 << 16, 7)).await;
    assert_refused(refused, Code::ResourceExhausted, &[missing, "--spill-directory"]);
    eventually("the directory as it was", async || files(&path) == before).await;
    assert_eq!(versions(&path), version);
    // What fits needs no directory.
    let merged = client.upsert(TABLE, &["key"], &source(64, 7)).await.unwrap();
    assert_eq!([merged.inserted, merged.updated], [32, 32]);
}

/// Looks at a server again and again: the most anonymous memory it had, and whether it had a file in a directory.
struct Watch {
    done: Arc<AtomicBool>,
    thread: JoinHandle<bool>,
    peak: Arc<AtomicU64>,
}

impl Watch {
    fn begin(process: u32, directory: &Path) -> Self {
        let (done, peak) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stop, most, directory) = (Arc::clone(&done), Arc::clone(&peak), directory.to_owned());
        let thread = std::thread::spawn(move || {
            let mut used = false;
            while !stop.load(Ordering::Relaxed) {
                most.fetch_max(anonymous_bytes(process), Ordering::Relaxed);
                used = used || held_open(process, &directory);
                std::thread::sleep(Duration::from_millis(10)); // the period of the samples
            }
            used
        });
        Self { done, thread, peak }
    }

    fn end(self) -> (u64, bool) {
        self.done.store(true, Ordering::Relaxed);
        let used = self.thread.join().expect("looking does not panic");
        (self.peak.load(Ordering::Relaxed), used)
    }
}

/// Memory of a process that no file stands behind.
fn anonymous_bytes(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the server is running");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("proc_pid_status(5)");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("kB") << 10
}

/// Whether a process has a file of a directory open or mapped, though it may have no name there.
fn held_open(process: u32, directory: &Path) -> bool {
    let within = |path: &str| Path::new(path).starts_with(directory);
    let links = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let mut links = links.filter_map(|entry| fs::read_link(entry.path()).ok());
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap_or_default();
    links.any(|link| link.starts_with(directory))
        || maps.lines().any(|line| line.find('/').is_some_and(|at| within(&line[at..])))
}
