//! UPDATE and DELETE beside other statements, and clients that stop in the middle.

use airport_tests::{
    client::{Client, Exchange, sent_schema},
    readers,
    rows::rows,
};
use arrow::array::RecordBatch;
use serde_json::json;
use tonic::Code;

use super::{People, person, renaming, rows_of};
use crate::support::{assert_refused, eventually, files, ids, seen, versions};

/// An exchange that has sent these rows and is not half-closed.
async fn open(client: &Client, people: &People, operation: &str, rows: &[RecordBatch]) -> Exchange {
    let mut exchange = client.exchange(&people.table, operation, false).await;
    exchange.send_schema(&sent_schema(&rows[0].schema())).await;
    exchange.read_schema().await.unwrap();
    for batch in rows {
        exchange.send_batch(batch).await;
    }
    exchange
}

#[tokio::test]
async fn changes_of_other_rows_of_one_file_both_succeed() {
    let people = People::new(10).await;
    let update = people.renaming(&[1, 2], |_| "updated".to_owned()).await;
    let mut exchange = open(&people.client, &people, "update", &[update]).await;
    let others = people.row_ids(&[3, 4]).await;
    people.client.delete(&people.table, &[others]).await.unwrap();
    people.client.insert(&people.table, &[ids(10..11)]).await.unwrap();
    exchange.half_close();
    assert_eq!(exchange.read_changed().await.unwrap(), 2);
    assert_eq!(versions(&people.path), [0, 1, 2, 3, 4]);
    assert_eq!(people.seen().await, [0, 1, 2, 5, 6, 7, 8, 9, 10]);
    let sql = "SELECT count(*), count(*) FILTER (WHERE name = 'updated') FROM t";
    assert_eq!(readers::both(&people.path, sql), [[json!(9), json!(2)]]);
}

#[tokio::test]
async fn the_first_to_commit_wins_a_row() {
    let people = People::new(10).await;
    for (operation, words) in [("update", "UPDATE of"), ("delete", "DELETE from")] {
        let id = people.seen().await[0];
        let update = people.renaming(&[id, id + 1], |_| "loser".to_owned()).await;
        let sent = if operation == "update" { update } else { people.row_ids(&[id, id + 1]).await };
        let mut exchange = open(&people.client, &people, operation, &[sent]).await;
        let row_ids = people.row_ids(&[id]).await;
        people.client.delete(&people.table, &[row_ids]).await.unwrap();
        let before = versions(&people.path);
        exchange.half_close();
        let why = format!("{words} lake.sales.t changed nothing: ");
        assert_refused(exchange.read_changed().await, Code::Aborted, &[&why]);
        assert_eq!(versions(&people.path), before);
        let [next] = &people.seen().await[..1] else { panic!("one row") };
        assert_eq!(*next, id + 1, "the row that nobody else changed is there");
    }
    let scan = people.client.scan(&people.table, &["id", "name"]).await.unwrap();
    assert!(!rows(&scan.batches).contains(&person(1, "loser")));
}

/// Another writer makes the file what it was before a DELETE, as RESTORE does.
#[tokio::test]
async fn rows_that_were_brought_back_stand_in_the_way() {
    let people = People::new(10).await;
    let deleted = people.row_ids(&[0]).await;
    people.client.delete(&people.table, &[deleted]).await.unwrap();
    let mut exchange = open(&people.client, &people, "delete", &[people.row_ids(&[5]).await]).await;
    let actions = |version: usize| -> Vec<serde_json::Value> {
        let log = people.path.join(format!("_delta_log/{version:020}.json"));
        std::fs::read_to_string(log).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let add = |version| actions(version).into_iter().find_map(|action| action.get("add").cloned()).unwrap();
    let (before, now) = (add(1), add(2));
    let remove = json!({ "remove": {
        "path": now["path"], "deletionVector": now["deletionVector"], "deletionTimestamp": 1, "dataChange": true,
    } });
    let restored = format!("{remove}\n{}", json!({ "add": before }));
    std::fs::write(people.path.join("_delta_log/00000000000000000003.json"), restored).unwrap();
    exchange.half_close();
    let why = "DELETE from lake.sales.t changed nothing: version 3 of table 't' brought back deleted rows of a file";
    assert_refused(exchange.read_changed().await, Code::Aborted, &[why]);
    assert_eq!(people.seen().await, (0..10).collect::<Vec<_>>());
}

/// Each transaction goes by what it saw: the second to commit does not see the first.
#[tokio::test]
async fn a_transaction_that_saw_an_older_version_conflicts_by_row() {
    let people = People::new(4).await;
    let (mut one, mut two) = (people.client.clone(), people.client.clone());
    one.begin().await.unwrap();
    two.begin().await.unwrap();
    let (of_one, of_two) = (rows_of(&one, &people.table, &[0, 1]).await, rows_of(&two, &people.table, &[1, 2]).await);
    one.update(&people.table, &[renaming(&of_one, |_| "one".to_owned())]).await.unwrap();
    let refused = two.update(&people.table, &[renaming(&of_two, |_| "two".to_owned())]).await;
    assert_refused(refused, Code::Aborted, &["UPDATE of lake.sales.t changed nothing: "]);
    assert_eq!(two.update(&people.table, &[renaming(&of_two.slice(1, 1), |_| "two".to_owned())]).await.unwrap(), 1);
    let names = "SELECT string_agg(name, ',' ORDER BY id) FROM t";
    assert_eq!(readers::both(&people.path, names), [[json!("one,one,two,n3")]]);
}

#[tokio::test]
async fn a_cancelled_change_leaves_nothing() {
    let people = People::new(5_000).await;
    let before = files(&people.path);
    let all: Vec<_> = (0..5_000).collect();
    for operation in ["update", "delete"] {
        let rows = match operation {
            "update" => people.renaming(&all, |id| format!("new{id}")).await,
            _ => people.row_ids(&all).await,
        };
        let batches: Vec<_> = (0..5_000).step_by(500).map(|start| rows.slice(start, 500)).collect();
        for sent in [0, 1, 10] {
            let batches = if sent == 0 { vec![rows.slice(0, 0)] } else { batches[..sent].to_vec() };
            drop(open(&people.client, &people, operation, &batches).await);
            eventually(&format!("{operation} {sent}: as it was"), async || files(&people.path) == before).await;
        }
        // As when DuckDB's process is killed.
        let doomed = Client::attach(people.server.tcp(), people.client.catalog()).await.unwrap();
        let exchange = open(&doomed, &people, operation, &batches).await;
        drop((exchange, doomed));
        eventually(&format!("{operation}, dead: as it was"), async || files(&people.path) == before).await;
    }
    assert_eq!(people.seen().await, all);
}

#[tokio::test]
async fn a_bad_message_in_the_middle_leaves_nothing() {
    let people = People::new(5_000).await;
    let before = files(&people.path);
    let update = people.renaming(&(0..5_000).collect::<Vec<_>>(), |id| format!("new{id}")).await;
    let mut exchange = open(&people.client, &people, "update", &[update]).await;
    exchange.send_message(arrow_flight::FlightData::new().with_data_header(&b"garbage"[..])).await;
    exchange.half_close();
    assert_refused(exchange.read_changed().await, Code::InvalidArgument, &["no Arrow message"]);
    eventually("as it was", async || files(&people.path) == before).await;
}

/// Once the client has half-closed, the server may have committed: then wholly.
#[tokio::test]
async fn an_unread_acknowledgement_is_all_or_nothing() {
    let people = People::new(5_000).await;
    let row_ids = people.row_ids(&(0..4_000).collect::<Vec<_>>()).await;
    let mut exchange = open(&people.client, &people, "delete", &[row_ids]).await;
    let before = files(&people.path);
    exchange.half_close();
    drop(exchange);
    let settled = async || {
        let rows = seen(&people.client, &people.table).await.len();
        assert!(rows == 5_000 || rows == 1_000, "{rows} rows");
        match versions(&people.path).len() {
            2 => rows == 5_000 && files(&people.path) == before,
            _ => rows == 1_000,
        }
    };
    eventually("all or nothing", settled).await;
}
