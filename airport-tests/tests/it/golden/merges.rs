//! Merges as a real DuckDB said them about tables of this server's.

use std::collections::HashMap;

use airport_tests::{
    client::Client,
    golden::Golden,
    rows::{rows, sorted_rows},
};
use arrow::{array::RecordBatch, datatypes::Schema};
use arrow_flight::{FlightData, FlightInfo, utils::flight_data_to_arrow_batch};
use prost::Message;
use serde_json::{Value, json};

use super::changes::NAMES;
use crate::support::{SALES, lake};

/// What was recorded of each: when it was planned and when it was run.
const CALLS: [(&str, &str); 4] = [
    ("00-DoAction-table_function_flight_info", "01-DoExchange-table_function_in_out"),
    ("02-DoAction-table_function_flight_info", "03-DoExchange-table_function_in_out"),
    ("04-DoAction-table_function_flight_info", "05-DoExchange-table_function_in_out"),
    ("06-DoAction-table_function_flight_info", "07-DoExchange-table_function_in_out"),
];

#[tokio::test]
async fn every_recorded_merge_goes_through() {
    let golden = Golden::merge_duckdb_1_5_5();
    let (_server, mut client) = lake().await;
    client.create_schema("s").await.unwrap();
    for (table, (planned, run)) in ["a", "b", "c", "d"].into_iter().zip(CALLS) {
        let table = super::changes::fill(&mut client, "s", table, 10).await;
        let results = client.action_message(golden.action(planned)).await.unwrap_or_else(|e| panic!("{planned}: {e}"));
        let info = FlightInfo::decode(&results[0][..]).unwrap();
        let told = Schema::try_from(info).unwrap();
        let replies = say(&client, &golden, run).await;
        assert!(replies.iter().all(|batch| batch.schema().fields() == told.fields()), "{run}");
        client.begin().await.unwrap();
        let found = sorted_rows(&client.scan(&table, &NAMES).await.unwrap().batches);
        check(run, &rows(&replies), &found);
    }
    assert!(client.list_schemas().await.unwrap().table_names(SALES).is_empty());
}

/// Says a recorded exchange: the replies that hold rows. All come after the half-close.
async fn say(client: &Client, golden: &Golden, call: &str) -> Vec<RecordBatch> {
    let mut messages = golden.exchange(call).into_iter();
    let first = messages.next().expect("a descriptor");
    let mut exchange = client.exchange_with(first, "table_function_in_out", true).await;
    for _ in ["the call", "the schema"] {
        exchange.send_message(messages.next().expect("a message")).await;
    }
    let columns = exchange.read_schema().await.unwrap_or_else(|e| panic!("{call}: {e}"));
    for batch in messages {
        exchange.send_message(batch).await;
        assert!(exchange.read_chunks(&columns).await.unwrap_or_else(|e| panic!("{call}: {e}")).is_empty());
    }
    exchange.half_close();
    let mut replies = Vec::new();
    while let Some(reply) = exchange.read_message().await.unwrap_or_else(|e| panic!("{call}: {e}")) {
        replies.push(reply);
    }
    let (last, others) = replies.split_last().expect("a reply");
    assert_eq!(last.app_metadata, b"chunk_finished"[..], "{call}");
    assert!(others.iter().all(|reply| reply.app_metadata == b"chunk_continues"[..]), "{call}");
    let batch = |reply: &FlightData| flight_data_to_arrow_batch(reply, columns.clone(), &HashMap::new()).unwrap();
    replies.iter().map(batch).collect()
}

fn check(call: &str, replies: &[Vec<Value>], found: &[Vec<Value>]) {
    let ids = || found.iter().map(|row| row[0].as_i64().unwrap());
    let name = |id: i64| found.iter().find(|row| row[0] == id).unwrap()[1].clone();
    match call.as_bytes()[1] {
        b'1' => {
            assert_eq!(replies, [[2090, 2, 1, 2].map(|count| json!(count))]);
            assert_eq!((found.len(), ids().filter(|id| *id == 8).count()), (2099, 0));
            assert_eq!([name(6), name(7), name(2099)], [json!("n6"), json!("m7"), json!("m2099")]);
        }
        b'3' => {
            assert_eq!(replies.len(), 1500);
            let of = |id: i64| replies.iter().find(|row| row[1] == id).unwrap().clone();
            assert_eq!(of(5), [json!("UPDATE"), json!(5), json!("m5"), json!("1.25")]);
            assert_eq!(of(1504), [json!("INSERT"), json!(1504), json!("m1504"), json!(null)]);
            assert_eq!(found.len(), 1505);
        }
        b'5' => {
            assert_eq!(replies, [[1, 1, 0, 2].map(|count| json!(count))]);
            assert_eq!((found.len(), name(3), name(12)), (11, json!("x"), json!(null)));
        }
        _ => {
            assert_eq!(replies, [[0, 0, 10, 2].map(|count| json!(count))]);
            assert!(found.is_empty());
        }
    }
}
