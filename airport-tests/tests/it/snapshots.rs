//! A transaction sees one version of each table from its first touch, and its own writes after them.

use airport_tests::client::ROW_ID;
use airport_tests::rows::sorted_rows;
use tonic::Code;

use crate::support::{SALES, create_people, ids, lake, seen};

#[tokio::test]
async fn a_transaction_keeps_the_version_it_first_touched() {
    let (_server, other) = lake().await;
    let table = create_people(&other, "t").await;
    other.insert(&table, &[ids(0..2)]).await.unwrap();

    let mut client = other.clone();
    client.begin().await.unwrap();
    assert_eq!(seen(&client, &table).await, [0, 1]);
    other.insert(&table, &[ids(2..4)]).await.unwrap();
    assert_eq!(seen(&client, &table).await, [0, 1]);
    assert_eq!(seen(&other, &table).await, [0, 1, 2, 3]);

    client.begin().await.unwrap();
    assert_eq!(seen(&client, &table).await, [0, 1, 2, 3], "the next transaction sees what is there now");
}

#[tokio::test]
async fn a_transaction_sees_its_own_writes() {
    let (_server, other) = lake().await;
    let table = create_people(&other, "t").await;
    let mut client = other.clone();
    client.begin().await.unwrap();
    assert_eq!(seen(&client, &table).await, [0; 0]);
    other.insert(&table, &[ids(10..12)]).await.unwrap();
    client.insert(&table, &[ids(0..2)]).await.unwrap();
    let now = seen(&client, &table).await;
    assert!(now.starts_with(&[0, 1]), "its own rows are missing: {now:?}");
    other.insert(&table, &[ids(20..22)]).await.unwrap();
    assert_eq!(seen(&client, &table).await, now, "and it is pinned again");
}

#[tokio::test]
async fn a_table_is_pinned_when_it_is_first_touched() {
    let (_server, other) = lake().await;
    let (one, two) = (create_people(&other, "one").await, create_people(&other, "two").await);
    let mut client = other.clone();
    client.begin().await.unwrap();
    assert_eq!(seen(&client, &one).await, [0; 0]);
    other.insert(&one, &[ids(0..1)]).await.unwrap();
    other.insert(&two, &[ids(0..1)]).await.unwrap();
    assert_eq!(seen(&client, &one).await, [0; 0]);
    assert_eq!(seen(&client, &two).await, [0]);
}

/// A scan and the UPDATE or DELETE that follows must agree on what a row id means.
#[tokio::test]
async fn row_ids_stay_the_same_within_a_transaction() {
    let (_server, other) = lake().await;
    let table = create_people(&other, "t").await;
    other.insert(&table, &[ids(0..100)]).await.unwrap();
    let mut client = other.clone();
    client.begin().await.unwrap();
    let before = client.scan(&table, &["id", ROW_ID]).await.unwrap();
    other.insert(&table, &[ids(100..200)]).await.unwrap();
    let after = client.scan(&table, &["id", ROW_ID]).await.unwrap();
    assert_eq!(sorted_rows(&before.batches), sorted_rows(&after.batches));
}

#[tokio::test]
async fn a_plan_is_of_one_version() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    client.insert(&table, &[ids(0..1000)]).await.unwrap();
    let endpoints = client.endpoints(&table, &["id"], "[]").await.unwrap();
    client.insert(&table, &[ids(1000..2000)]).await.unwrap();
    let mut rows = 0;
    for endpoint in endpoints {
        let mut stream = client.get(&table, endpoint).await.unwrap();
        while let Some(batch) = stream.next().await.unwrap() {
            rows += batch.num_rows();
        }
    }
    assert_eq!(rows, 1000, "the endpoints were planned before the second insert");
}

#[tokio::test]
async fn transactions_are_told_apart() {
    let (_server, client) = lake().await;
    let (one, two) = (client.create_transaction().await.unwrap(), client.create_transaction().await.unwrap());
    assert!(one.is_some() && one != two, "{one:?} {two:?}");
}

/// Nothing ends a transaction, so a server forgets the oldest; another server never knew them.
#[tokio::test]
async fn an_unknown_transaction_is_served_or_refused_clearly() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    client.insert(&table, &[ids(0..2)]).await.unwrap();
    let mut client = client;
    for unknown in ["", "nonsense", "00000000-0000-0000-0000-000000000000", &"x".repeat(5000)] {
        client.set_transaction(Some(unknown));
        match client.scan(&table, &["id"]).await {
            Ok(scan) => assert_eq!(scan.row_count(), 2),
            Err(error) => {
                assert!(
                    matches!(error.code(), Code::FailedPrecondition | Code::InvalidArgument),
                    "{unknown:?}: {error}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_dropped_and_remade_table_is_not_read_through_an_old_pin() {
    let (_server, other) = lake().await;
    let table = create_people(&other, "t").await;
    other.insert(&table, &[ids(0..2)]).await.unwrap();
    let mut client = other.clone();
    client.begin().await.unwrap();
    assert_eq!(seen(&client, &table).await, [0, 1]);
    other.drop_table(SALES, "t", false).await.unwrap();
    let again = create_people(&other, "t").await;
    other.insert(&again, &[ids(7..8)]).await.unwrap();
    // The files of the pinned version are gone: an error, but never another table's rows as if they were these.
    if let Ok(scan) = client.scan(&table, &["id"]).await {
        assert_eq!(scan.row_count(), 1);
    }
    assert_eq!(seen(&other, &again).await, [7]);
}
