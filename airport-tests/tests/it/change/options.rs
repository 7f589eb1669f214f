//! Whether deletion vectors are written, and whether new tables have them, is for the server's options to say.

use std::path::Path;

use airport_tests::{
    client::{Client, Table},
    readers,
    server::{Server, Setup},
};
use serde_json::{Value, json};

use super::rows_of;
use crate::support::{SALES, create_people, ids, listed, seen};

fn actions(table: &Path, version: u64) -> Vec<Value> {
    let log = table.join(format!("_delta_log/{version:020}.json"));
    let text = std::fs::read_to_string(&log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// How many of a version's actions of a kind have deletion vectors, and how many have not.
fn vectors(table: &Path, version: u64, kind: &str) -> (usize, usize) {
    let actions = actions(table, version);
    let of_kind = || actions.iter().filter_map(|action| action.get(kind));
    let with = of_kind().filter(|action| action["deletionVector"].is_object()).count();
    (with, of_kind().count() - with)
}

async fn delete(client: &Client, table: &Table, gone: &[i64]) {
    let row_ids = rows_of(client, table, gone).await.project(&[2]).unwrap();
    assert_eq!(client.delete(table, &[row_ids]).await.unwrap(), gone.len() as u64);
}

async fn started(setup: Setup) -> (Server, Client) {
    let server = setup.serve_lake().tcp().start();
    let client = server.client().await;
    (server, client)
}

#[tokio::test]
async fn a_server_that_must_not_write_vectors_honours_those_there_are() {
    let (server, client) = started(Setup::new()).await;
    client.create_schema(SALES).await.unwrap();
    let table = create_people(&client, "t").await;
    client.insert(&table, &[ids(0..100)]).await.unwrap();
    delete(&client, &table, &[7]).await;
    let path = server.table(SALES, "t");
    assert_eq!(vectors(&path, 2, "add"), (1, 0));

    let never = server.stop_beside_clients().await.again().arguments(["--deletion-vectors", "never"]);
    let (server, client) = started(never).await;
    let table = listed(&client, SALES, "t").await;
    delete(&client, &table, &[8, 9]).await;
    let path = server.table(SALES, "t");
    assert_eq!((vectors(&path, 3, "remove"), vectors(&path, 3, "add")), ((1, 0), (0, 1)));
    let expected: Vec<i64> = (0..100).filter(|id| !(7..10).contains(id)).collect();
    assert_eq!(seen(&client, &table).await, expected);
    let sum: i64 = expected.iter().sum();
    assert_eq!(readers::both(&path, "SELECT count(*), sum(id) FROM t"), [[json!(97), json!(sum)]]);
}

#[tokio::test]
async fn new_tables_do_without_vectors_if_told_so() {
    let (server, client) = started(Setup::new().arguments(["--new-table-deletion-vectors", "false"])).await;
    client.create_schema(SALES).await.unwrap();
    let table = create_people(&client, "t").await;
    let path = server.table(SALES, "t");
    let protocol = actions(&path, 0).into_iter().find_map(|action| action.get("protocol").cloned());
    assert_eq!(protocol, Some(json!({ "minReaderVersion": 1, "minWriterVersion": 2 })));
    client.insert(&table, &[ids(0..100)]).await.unwrap();
    delete(&client, &table, &[7]).await;
    assert_eq!((vectors(&path, 2, "remove"), vectors(&path, 2, "add")), ((0, 1), (0, 1)));
    assert_eq!(seen(&client, &table).await.len(), 99);
    assert_eq!(readers::both(&path, "SELECT count(*) FROM t"), [[json!(99)]]);
}

#[test]
fn other_values_are_refused_by_name() {
    for (arguments, named) in [
        (["--deletion-vectors", "sometimes"], "as-table"),
        (["--new-table-deletion-vectors", "maybe"], "--new-table-deletion-vectors"),
    ] {
        let (status, stderr) = Setup::new().serve_lake().arguments(arguments).tcp().refused();
        assert!(!status.success());
        assert!(stderr.contains(named), "{stderr}");
    }
}
