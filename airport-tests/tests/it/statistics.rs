//! Statistics drop filters from plans, so they must be true of the very rows that the plan's scan gives.

use airport_tests::{
    client::{Client, OnConflict, Table},
    readers,
};
use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, Field, Int64Type, Schema},
};
use tonic::Code;

use crate::support::{SALES, assert_refused, create_people, ids, lake, listed, seen};

/// The key that makes the client ask.
const ANNOUNCED: &str = "can_produce_statistics";

/// Least and greatest `id` as the statistics have it.
async fn range(client: &Client, table: &Table) -> Option<(i64, i64)> {
    let statistics = client.column_statistics(table, "id").await.unwrap();
    let bound = |name: &str| {
        let column = statistics.column_by_name(name).unwrap();
        column.is_valid(0).then(|| column.as_primitive::<Int64Type>().value(0))
    };
    Some((bound("min")?, bound("max")?))
}

fn flag(statistics: &RecordBatch, name: &str) -> bool {
    statistics.column_by_name(name).unwrap().as_boolean().value(0)
}

#[tokio::test]
async fn statistics_are_those_of_the_newest_rows() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    let empty = client.column_statistics(&table, "id").await.unwrap();
    assert!(!flag(&empty, "has_null") && !flag(&empty, "has_not_null"));
    client.insert(&table, &[ids(5..10)]).await.unwrap();
    assert_eq!(range(&client, &table).await, Some((5, 9)));
    client.insert(&table, &[ids(0..2)]).await.unwrap();
    client.insert(&table, &[ids(20..30)]).await.unwrap();
    assert_eq!(range(&client, &table).await, Some((0, 29)));
    let now = client.column_statistics(&table, "id").await.unwrap();
    assert!(!flag(&now, "has_null") && flag(&now, "has_not_null"));
    let names = client.column_statistics(&table, "name").await.unwrap();
    assert_eq!(names.column_by_name("min").unwrap().as_string::<i32>().value(0), "n0");
    assert!(flag(&names, "contains_unicode"));
}

/// A plan made in a transaction and the scan sent under it see the same rows, whatever happens in between.
#[tokio::test]
async fn a_plan_and_its_scan_agree() {
    let (server, other) = lake().await;
    let table = create_people(&other, "t").await;
    other.insert(&table, &[ids(0..5)]).await.unwrap();
    let mut client = other.clone();
    client.begin().await.unwrap();
    assert_eq!(range(&client, &table).await, Some((0, 4)));
    other.insert(&table, &[ids(100..105)]).await.unwrap();
    let write = "
rows = pa.table({'id': pa.array([-7], pa.int64()), 'name': ['n']})
deltalake.write_deltalake(lake / 'sales' / 't', rows, mode='append')";
    readers::python(&server.lake(), write);
    assert_eq!(range(&client, &table).await, Some((0, 4)), "the plan is of then");
    assert_eq!(seen(&client, &table).await, [0, 1, 2, 3, 4], "and so is its scan");

    // The next execution is planned anew: the catalog's version says so, and its transaction sees what is there.
    let planned_at = client.catalog_version().await.unwrap();
    assert_ne!(client.catalog_version().await.unwrap(), planned_at);
    client.begin().await.unwrap();
    assert_eq!(range(&client, &table).await, Some((-7, 104)));
    assert_eq!(seen(&client, &table).await.len(), 11);
}

/// A transaction's own write moves its statistics with its rows.
#[tokio::test]
async fn a_transactions_statistics_follow_its_writes() {
    let (_server, other) = lake().await;
    let table = create_people(&other, "t").await;
    let mut client = other.clone();
    client.begin().await.unwrap();
    assert_eq!(range(&client, &table).await, None);
    client.insert(&table, &[ids(3..4)]).await.unwrap();
    assert_eq!(range(&client, &table).await, Some((3, 3)));
    assert_eq!(seen(&client, &table).await, [3]);
}

/// Removed rows may leave bounds too wide, never too narrow.
#[tokio::test]
async fn what_others_overwrite_is_found_anew() {
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    client.insert(&table, &[ids(0..5)]).await.unwrap();
    assert_eq!(range(&client, &table).await, Some((0, 4)));
    let write = "
rows = pa.table({'id': pa.array([50, None], pa.int64()), 'name': ['n', 'n']})
deltalake.write_deltalake(lake / 'sales' / 't', rows, mode='overwrite')";
    readers::python(&server.lake(), write);
    let (min, max) = range(&client, &table).await.unwrap();
    assert!(min <= 50 && max >= 50, "{min} {max}");
    assert!(flag(&client.column_statistics(&table, "id").await.unwrap(), "has_null"));
}

#[tokio::test]
async fn statistics_of_nothing_known_are_refused_as_the_scan_would_be() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    assert_refused(client.column_statistics(&table, "nope").await, Code::NotFound, &["\"nope\"", "\"t\""]);
    let mut lost = client.clone();
    lost.set_transaction(Some("nobody began this"));
    assert_refused(lost.column_statistics(&table, "id").await, Code::FailedPrecondition, &["ROLLBACK"]);
    assert_refused(lost.endpoints(&table, &["id"], "[]").await, Code::FailedPrecondition, &["ROLLBACK"]);
    client.drop_table(SALES, "t", false).await.unwrap();
    assert_refused(client.column_statistics(&table, "id").await, Code::NotFound, &["dropped"]);
}

#[tokio::test]
async fn tables_announce_statistics_if_every_column_has_them_and_never_of_the_past() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    assert!(table.schema.metadata().contains_key(ANNOUNCED));
    assert!(listed(&client, SALES, "t").await.schema.metadata().contains_key(ANNOUNCED));
    let past = client.flight_info(&table.descriptor, "VERSION", "0").await.unwrap();
    assert!(!past.schema.metadata().contains_key(ANNOUNCED), "the question does not say which version it is about");

    let blob = Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("b", DataType::Binary, true)]);
    let blob = client.create_table(SALES, "blobs", &blob, OnConflict::Error).await.unwrap();
    assert!(!blob.schema.metadata().contains_key(ANNOUNCED));
    let statistics = client.column_statistics(&blob, "b").await.unwrap();
    assert!(statistics.column_by_name("max").unwrap().is_null(0), "asked all the same, nothing is claimed");
}
