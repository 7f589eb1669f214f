//! Clients that read and insert into one table at a time: no error, no lost row, each snapshot whole.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use airport_tests::{
    client::{Client, Table},
    readers,
    rows::sorted_integers,
    server::Setup,
};
use arrow::array::{Int64Array, RecordBatch, StringArray};
use serde_json::json;

use crate::support::{SALES, create_people, data_files, ids, lake, seen, versions};

/// Rows of one statement; they all have the statement's number as id. More than one batch.
const STATEMENT_ROWS: usize = 3000;
/// Numbers of one writer's statements begin at a multiple of this.
const WRITER: i64 = 1_000_000;

/// How long the writers write.
fn duration() -> Duration {
    let long = std::env::var_os("DELTAPORT_LONG").is_some_and(|value| value == "1");
    Duration::from_secs(if long { 60 } else { 4 })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_and_writers_share_a_table() {
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    let done = AtomicBool::new(false);
    let over = [server.tcp(), server.unix()];
    let writers = async {
        let until = Instant::now() + duration();
        let counts = tokio::join!(write(over[0], &table, WRITER, until), write(over[1], &table, 2 * WRITER, until));
        done.store(true, Ordering::Relaxed);
        counts
    };
    let readers_of_both = async { tokio::join!(read(over[0], &table, &done), read(over[1], &table, &done)) };
    let ((one, two), (read_one, read_two)) = tokio::join!(writers, readers_of_both);
    assert!(one > 0 && two > 0 && read_one > 0 && read_two > 0, "{one} {two} {read_one} {read_two}");

    // Every statement that was acknowledged is there, and nothing else.
    let expected: BTreeMap<i64, usize> = (WRITER..WRITER + one)
        .chain(2 * WRITER..2 * WRITER + two)
        .map(|statement| (statement, STATEMENT_ROWS))
        .collect();
    assert_eq!(statements(&client, &table).await, expected);
    let sql = "SELECT count(*), count(DISTINCT id), count(DISTINCT name) FROM t";
    let total = (one + two) as usize * STATEMENT_ROWS;
    assert_eq!(
        readers::both(&server.table(SALES, "t"), sql),
        [[json!(total), json!(one + two), json!(STATEMENT_ROWS)]]
    );
}

/// Inserts one statement after the other until `until`; how many were acknowledged.
async fn write(location: &str, table: &Table, first: i64, until: Instant) -> i64 {
    let client = Client::attach(location, "lake").await.unwrap();
    let mut statement = first;
    while Instant::now() < until {
        let mut client = client.clone();
        client.begin().await.unwrap();
        let changed = client.insert(table, &[rows_of(statement)]).await;
        assert_eq!(changed.unwrap_or_else(|e| panic!("statement {statement}: {e}")), STATEMENT_ROWS as u64);
        statement += 1;
    }
    statement - first
}

/// Reads again and again until `done`: each time whole statements, and never fewer than before.
async fn read(location: &str, table: &Table, done: &AtomicBool) -> usize {
    let client = Client::attach(location, "lake").await.unwrap();
    let (mut before, mut times) = (BTreeMap::new(), 0);
    while !done.load(Ordering::Relaxed) {
        let mut client = client.clone();
        client.begin().await.unwrap();
        let now = statements(&client, table).await;
        assert!(now.values().all(|rows| *rows == STATEMENT_ROWS), "a torn statement: {now:?}");
        assert!(before.keys().all(|statement| now.contains_key(statement)), "a statement went away again");
        assert_eq!(statements(&client, table).await, now, "one transaction, two versions");
        (before, times) = (now, times + 1);
    }
    times
}

/// How many rows each statement has in one scan.
async fn statements(client: &Client, table: &Table) -> BTreeMap<i64, usize> {
    let scan = client.scan(table, &["id"]).await.unwrap();
    let mut counts = BTreeMap::new();
    for statement in sorted_integers(&scan.batches) {
        *counts.entry(statement).or_default() += 1;
    }
    counts
}

fn rows_of(statement: i64) -> RecordBatch {
    let ids = Int64Array::from_value(statement, STATEMENT_ROWS);
    let names = StringArray::from_iter_values((0..STATEMENT_ROWS).map(|row| format!("row {row}")));
    let columns = vec![std::sync::Arc::new(ids) as _, std::sync::Arc::new(names) as _];
    RecordBatch::try_new(crate::support::people().into(), columns).unwrap()
}

/// Single rows of many clients that insert one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_share_commits_and_lose_nothing() {
    const CLIENTS: i64 = 64;
    const STATEMENTS: i64 = 10;
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..CLIENTS {
        let (location, table) = ([server.tcp(), server.unix()][number as usize % 2].to_owned(), table.clone());
        clients.spawn(async move {
            let mut client = Client::attach(&location, "lake").await.unwrap();
            for statement in 0..STATEMENTS {
                let id = number * STATEMENTS + statement;
                client.begin().await.unwrap();
                assert_eq!(client.insert(&table, &[ids(id..id + 1)]).await.unwrap(), 1);
                // The transaction sees its own row at once, and none of its own is lost later.
                let mine = |id: &i64| (number * STATEMENTS..(number + 1) * STATEMENTS).contains(id);
                let seen: Vec<_> = seen(&client, &table).await.into_iter().filter(mine).collect();
                assert_eq!(seen, (number * STATEMENTS..=id).collect::<Vec<_>>());
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    let statements = CLIENTS * STATEMENTS;
    assert_eq!(seen(&client, &table).await, (0..statements).collect::<Vec<_>>());
    let commits = versions(&server.table(SALES, "t")).len() as i64 - 1;
    assert!(commits < statements / 2, "{commits} commits of {statements} statements");
    assert_eq!(data_files(&server.table(SALES, "t")).len() as i64, commits, "one file a commit");
    let sql = "SELECT count(*), count(DISTINCT id), min(id), max(id) FROM t";
    assert_eq!(
        readers::both(&server.table(SALES, "t"), sql),
        [[json!(statements), json!(statements), json!(0), json!(statements - 1)]]
    );
}

#[tokio::test]
async fn a_server_may_be_told_that_none_shares() {
    let server = Setup::new().serve_lake().arguments(["--group-commit-statements-max", "1"]).tcp().start();
    let client = server.client().await;
    client.create_schema(SALES).await.unwrap();
    let table = create_people(&client, "t").await;
    let inserts = (0..16).map(|id| {
        let (client, table) = (client.clone(), table.clone());
        async move { client.insert(&table, &[ids(id..id + 1)]).await.unwrap() }
    });
    assert_eq!(futures::future::join_all(inserts).await, [1; 16]);
    assert_eq!(versions(&server.table(SALES, "t")), (0..=16).collect::<Vec<_>>());
}
