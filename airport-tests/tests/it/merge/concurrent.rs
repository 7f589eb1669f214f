//! Many clients merge the same keys, through one server and through two: each key is there once, with the value that was
//! acknowledged last, and no merge is lost.
//!
//! `DELTAPORT_LONG=1` makes it a minute.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use airport_tests::{
    client::{Client, Error, OnConflict},
    readers,
    server::{CATALOG, Server, Setup},
};
use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch},
    datatypes::{DataType, Field, Schema},
};
use serde_json::{Value, json};
use tonic::Code;

use crate::{
    oracle::{Kind, amend},
    random::Random,
    support::{SALES, listed, versions},
};

const CLIENTS: usize = 16;
/// Keys that everybody wants; those before anybody begins are even.
const KEYS: usize = 48;
/// Of one statement.
const KEYS_MAX: usize = 6;
const TABLE: &str = "sales.t";

const COUNTED: &str = "ON target.key = source.key \
                       WHEN MATCHED THEN UPDATE SET value = source.value, counter = target.counter + 1 \
                       WHEN NOT MATCHED THEN INSERT VALUES (key, value, 1)";

/// How the keys are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Each key's value.
    Upsert,
    /// Its value, and how often it was set.
    Merge,
}

/// A statement that was acknowledged.
#[derive(Debug)]
struct Statement {
    value: i64,
    keys: Vec<i64>,
    version: i64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_upsert_the_same_keys() {
    run(Form::Upsert, Kind { vectors: true, ..Kind::default() }, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_merge_the_same_keys() {
    run(Form::Merge, Kind { vectors: true, ..Kind::default() }, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_merge_the_same_keys_into_rewritten_files() {
    run(Form::Merge, Kind::default(), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_two_servers_that_upsert_the_same_keys() {
    run(Form::Upsert, Kind { vectors: true, ..Kind::default() }, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_two_servers_that_merge_the_same_keys() {
    run(Form::Merge, Kind { vectors: true, ..Kind::default() }, 2).await;
}

async fn run(form: Form, kind: Kind, servers: usize) {
    let lake = begin(kind, servers).await;
    let long = std::env::var_os("DELTAPORT_LONG").is_some_and(|value| value == "1");
    let until = Instant::now() + Duration::from_secs(if long { 60 } else { 4 });
    let next = Arc::new(AtomicI64::new(1));
    let writers: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (location, next) = (lake[number % servers].tcp().to_owned(), Arc::clone(&next));
            tokio::spawn(write(location, form, number, until, next))
        })
        .collect();
    let (mut landed, mut conflicts) = (Vec::new(), 0);
    for writer in writers {
        let (statements, refused) = writer.await.expect("no writer panics");
        landed.extend(statements);
        conflicts += refused;
    }
    println!("{form:?}, {kind:?}, {servers} servers: {} landed, {conflicts} conflicts", landed.len());
    assert!(landed.len() >= CLIENTS, "hardly anything landed: {} and {conflicts} conflicts", landed.len());

    let path = lake[0].table(SALES, "t");
    let commits = versions(&path).len() - 2 - usize::from(KEYS > 0);
    assert!(landed.len() <= commits, "{} statements in {commits} versions", landed.len());
    check(form, &landed, &readers::both(&path, "SELECT key, value, counter FROM t ORDER BY key, value"));
}

/// Each key once, with the value of the last statement, and every statement counted.
fn check(form: Form, landed: &[Statement], rows: &[Vec<Value>]) {
    let mut last: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    let mut times: BTreeMap<i64, i64> = BTreeMap::new();
    for Statement { value, keys, version } in landed {
        for key in keys {
            *times.entry(*key).or_default() += 1;
            let (newest, of) = last.entry(*key).or_insert((*version, *value));
            assert!(*newest != *version || of == value, "key {key}: two statements of version {version}");
            if version > newest {
                (*newest, *of) = (*version, *value);
            }
        }
    }
    let expected: Vec<_> = (0..KEYS as i64)
        .filter(|key| key % 2 == 0 || times.contains_key(key))
        .map(|key| {
            let value = last.get(&key).map_or(0, |(_, value)| *value);
            let merged = times.get(&key).copied().unwrap_or_default();
            let counter = if form == Form::Merge { merged } else { i64::from(merged > 0) };
            vec![json!(key), json!(value), json!(counter)]
        })
        .collect();
    assert_eq!(rows, expected, "key, value, counter; {last:?}");
}

/// Servers over one lake, and a table with every second key.
async fn begin(kind: Kind, servers: usize) -> Vec<Server> {
    let mut lake = vec![Setup::new().serve_lake().tcp().start()];
    let directory = lake[0].lake();
    let client = lake[0].client().await;
    client.create_schema(SALES).await.unwrap();
    client.create_table(SALES, "t", &columns(), OnConflict::Error).await.unwrap();
    client.create_transaction().await.unwrap();
    amend(&lake[0].table(SALES, "t"), kind, &[]);
    let table = listed(&client, SALES, "t").await;
    let even: Vec<_> = (0..KEYS as i64).step_by(2).collect();
    let rows = rows(&even, 0, 0);
    client.insert(&table, &[rows]).await.unwrap();
    for _ in 1..servers {
        lake.push(Setup::new().arguments([directory.to_str().expect("UTF-8")]).tcp().start());
    }
    lake
}

/// Merges until the time is up: what was acknowledged, and how often a conflict was reported.
async fn write(
    location: String,
    form: Form,
    number: usize,
    until: Instant,
    next: Arc<AtomicI64>,
) -> (Vec<Statement>, usize) {
    // Other servers have the lake under the name of its directory too.
    let client = Client::attach(&location, CATALOG).await.unwrap();
    let mut random = Random::new(number as u64);
    let (mut landed, mut conflicts) = (Vec::new(), 0);
    while Instant::now() < until {
        let mut keys: Vec<i64> = (0..KEYS as i64).collect();
        random.shuffle(&mut keys);
        keys.truncate(1 + random.below(KEYS_MAX));
        let value = next.fetch_add(1, Ordering::Relaxed);
        let source = [rows(&keys, value, 1)];
        let answer = match form {
            Form::Upsert => client.upsert(TABLE, &["key"], &source).await,
            Form::Merge => client.merge(TABLE, COUNTED, &source).await,
        };
        match answer {
            Ok(merged) => {
                assert_eq!(merged.inserted + merged.updated, keys.len() as i64, "{merged:?} of {keys:?}");
                assert_eq!(merged.deleted, 0, "{merged:?}");
                landed.push(Statement { value, keys, version: merged.version });
            }
            Err(Error::Refused { code: Code::Aborted, .. }) => conflicts += 1,
            Err(error) => panic!("{form:?} of {keys:?}: {error}"),
        }
    }
    (landed, conflicts)
}

fn columns() -> Schema {
    Schema::new(["key", "value", "counter"].map(|name| Field::new(name, DataType::Int64, true)).to_vec())
}

fn rows(keys: &[i64], value: i64, counter: i64) -> RecordBatch {
    let all = |value: i64| Arc::new(Int64Array::from_value(value, keys.len())) as ArrayRef;
    let columns_of = vec![Arc::new(Int64Array::from(keys.to_vec())) as ArrayRef, all(value), all(counter)];
    RecordBatch::try_new(columns().into(), columns_of).unwrap()
}

/// Of two that add one new key at a time, one does and the other finds it there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_is_added_once() {
    const ROUNDS: i64 = 25;
    let lake = begin(Kind { vectors: true, ..Kind::default() }, 2).await;
    let clients = [lake[0].client().await, lake[0].client().await, lake[1].client().await];
    let clauses = "USING (key) WHEN NOT MATCHED THEN INSERT *";
    for round in 0..ROUNDS {
        let source = |number: i64| [rows(&[1000 + round], number, 1)];
        let (one, two, three) = (source(1), source(2), source(3));
        let told = tokio::join!(
            clients[0].merge(TABLE, clauses, &one),
            clients[1].merge(TABLE, clauses, &two),
            clients[2].merge(TABLE, clauses, &three)
        );
        let mut inserted = 0;
        for answer in [told.0, told.1, told.2] {
            match answer {
                Ok(merged) => inserted += merged.inserted,
                Err(Error::Refused { code: Code::Aborted, .. }) => {}
                Err(error) => panic!("round {round}: {error}"),
            }
        }
        assert_eq!(inserted, 1, "round {round}");
    }
    let sql = "SELECT count(*), count(DISTINCT key) FROM t WHERE key >= 1000";
    assert_eq!(readers::both(&lake[0].table(SALES, "t"), sql), [[json!(ROUNDS), json!(ROUNDS)]]);
}
