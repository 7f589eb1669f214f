//! AT (VERSION => ...) and AT (TIMESTAMP => ...): the rows and the columns of then.

use std::{
    fs::File,
    time::{Duration, UNIX_EPOCH},
};

use airport_tests::{
    client::{Client, ROW_ID, Table},
    readers,
    rows::sorted_integers,
    server::Server,
};
use tonic::Code;

use crate::support::{SALES, assert_refused, create_people, ids, lake, listed, seen};

/// A table as the client has it after AT, which asks twice and wants the same descriptor back.
async fn travel(client: &Client, table: &Table, unit: &str, value: &str) -> Table {
    let then = client.flight_info(&table.descriptor, unit, value).await.unwrap();
    let again = client.flight_info(&then.descriptor, unit, value).await.unwrap();
    assert_eq!(again.descriptor, then.descriptor, "the client compares them");
    then
}

async fn seen_at(client: &Client, table: &Table, unit: &str, value: &str) -> Vec<i64> {
    let then = travel(client, table, unit, value).await;
    sorted_integers(&client.scan_at(&then, &["id"], unit, value).await.unwrap().batches)
}

/// A table of which each version has one row more, made a second apart from 1970-01-01 00:00:01 on.
async fn a_second_apart(server: &Server, client: &Client, versions: u64) -> Table {
    let write = format!(
        "
for number in range({versions}):
    deltalake.write_deltalake(lake / 'sales' / 't', pa.table({{'id': pa.array([number], pa.int64())}}), mode='append')
"
    );
    readers::python(&server.lake(), &write);
    for version in 0..versions {
        let path = server.lake().join(format!("sales/t/_delta_log/{version:020}.json"));
        let commit = File::options().append(true).open(path).unwrap();
        commit.set_modified(UNIX_EPOCH + Duration::from_secs(version + 1)).unwrap();
    }
    listed(client, SALES, "t").await
}

#[tokio::test]
async fn every_version_is_read_as_it_was() {
    let (server, client) = lake().await;
    let table = a_second_apart(&server, &client, 4).await;
    for version in 0..4_i64 {
        let expected: Vec<_> = (0..=version).collect();
        assert_eq!(seen_at(&client, &table, "VERSION", &version.to_string()).await, expected);
        let time = format!("1970-01-01 00:00:0{}.5", version + 1);
        assert_eq!(seen_at(&client, &table, "TIMESTAMP", &time).await, expected);
        let time = format!("1970-01-01 01:00:0{}+01", version + 1);
        assert_eq!(seen_at(&client, &table, "timestamp", &time).await, expected);
    }
    assert_eq!(seen(&client, &table).await, [0, 1, 2, 3]);
}

#[tokio::test]
async fn versions_and_times_that_are_not_there_are_refused_with_the_nearest() {
    let (server, client) = lake().await;
    let table = a_second_apart(&server, &client, 2).await;
    for (unit, value, code, names) in [
        ("VERSION", "2", Code::NotFound, &["'t'", "version 2", "0 to 1"][..]),
        ("VERSION", "18446744073709551615", Code::NotFound, &["0 to 1"]),
        ("VERSION", "-1", Code::InvalidArgument, &["\"-1\"", "whole number"]),
        ("VERSION", "NULL", Code::InvalidArgument, &["\"NULL\""]),
        ("TIMESTAMP", "1970-01-01", Code::NotFound, &["version 0", "1970-01-01 00:00:01+00"]),
        ("TIMESTAMP", "9999-12-31", Code::NotFound, &["still to come", "version 1", "1970-01-01 00:00:02+00"]),
        ("TIMESTAMP", "yesterday", Code::InvalidArgument, &["\"yesterday\"", "23:59:59"]),
        ("HOUR", "1", Code::InvalidArgument, &["\"HOUR\"", "VERSION", "TIMESTAMP"]),
    ] {
        assert_refused(client.flight_info(&table.descriptor, unit, value).await, code, names);
        assert_refused(client.scan_at(&table, &["id"], unit, value).await, code, names);
    }
    assert_eq!(seen(&client, &table).await, [0, 1], "the server goes on");
}

/// Columns come and go; each version has its own.
#[tokio::test]
async fn a_version_has_the_columns_it_had() {
    let (server, client) = lake().await;
    let lake = server.lake();
    let write = "
def write(table):
    deltalake.write_deltalake(lake / 'sales' / 't', pa.table(table), mode='overwrite', schema_mode='overwrite')
write({'a': pa.array([1], pa.int64()), 'b': ['x']})
write({'b': pa.array([2.5]), 'c': ['y']})
write({'a': pa.array([3], pa.int32())})
";
    readers::python(&lake, write);
    let table = listed(&client, SALES, "t").await;
    assert_eq!(table.column_names(), ["a", ROW_ID]);
    let mut wanted = vec![];
    for (version, columns) in [("0", &["a", "b", ROW_ID][..]), ("1", &["b", "c", ROW_ID]), ("2", &["a", ROW_ID])] {
        let then = travel(&client, &table, "VERSION", version).await;
        assert_eq!(then.column_names(), columns);
        let scan = client.scan_at(&then, columns, "VERSION", version).await.unwrap();
        assert_eq!(scan.row_count(), 1);
        wanted.push(then);
    }
    // A descriptor of one version does not read another's columns.
    assert_refused(
        client.scan_at(&wanted[0], &["a", "b"], "VERSION", "1").await,
        Code::FailedPrecondition,
        &["lake.sales.t", "ATTACH"],
    );
    assert_eq!(seen_column(&client, &table).await, 1);
}

async fn seen_column(client: &Client, table: &Table) -> usize {
    client.scan(table, &["a"]).await.unwrap().row_count()
}

#[tokio::test]
async fn what_a_transaction_has_pinned_and_time_travel_leave_each_other_alone() {
    let (_server, other) = lake().await;
    let table = create_people(&other, "t").await;
    other.insert(&table, &[ids(0..1)]).await.unwrap();
    let mut client = other.clone();
    client.begin().await.unwrap();
    assert_eq!(seen_at(&client, &table, "VERSION", "0").await, [0; 0]);
    other.insert(&table, &[ids(1..2)]).await.unwrap();
    assert_eq!(seen(&client, &table).await, [0, 1], "pinned only now");
    other.insert(&table, &[ids(2..3)]).await.unwrap();
    assert_eq!(seen_at(&client, &table, "VERSION", "3").await, [0, 1, 2], "newer than what is pinned");
    assert_eq!(seen(&client, &table).await, [0, 1]);
    assert_eq!(seen_at(&client, &table, "VERSION", "1").await, [0]);
}

/// Row ids of then say their version.
#[tokio::test]
async fn row_ids_are_of_the_version_that_is_read() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    client.insert(&table, &[ids(0..3)]).await.unwrap();
    client.insert(&table, &[ids(3..4)]).await.unwrap();
    let then = travel(&client, &table, "VERSION", "1").await;
    let scan = client.scan_at(&then, &["id", ROW_ID], "VERSION", "1").await.unwrap();
    let rows = airport_tests::rows::sorted_rows(&scan.batches);
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row[1]["version"] == 1), "{rows:?}");
}

#[tokio::test]
async fn versions_of_a_table_that_is_gone_are_gone() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    for number in 0..3 {
        client.insert(&table, &[ids(number..number + 1)]).await.unwrap();
    }
    let then = travel(&client, &table, "VERSION", "2").await;
    client.drop_table(SALES, "t", false).await.unwrap();
    let gone = client.flight_info(&table.descriptor, "VERSION", "2").await;
    assert_refused(gone, Code::NotFound, &["\"t\"", "dropped"]);
    let again = create_people(&client, "t").await;
    assert_refused(
        client.scan_at(&then, &["id"], "VERSION", "2").await,
        Code::NotFound,
        &["no version 2", "version 0 can be read"],
    );
    assert_eq!(seen_at(&client, &again, "VERSION", "0").await, [0; 0]);
}

/// The log is cleaned behind checkpoints: what can be read begins at one.
#[tokio::test]
async fn versions_behind_a_checkpoint_go_with_their_commits() {
    let (server, client) = lake().await;
    let make = "
t = lake / 'sales' / 't'
for number in range(4):
    deltalake.write_deltalake(t, pa.table({'id': pa.array([number], pa.int64())}), mode='append')
    if number == 2:
        deltalake.DeltaTable(t).create_checkpoint()
for number in range(2):
    (t / '_delta_log' / f'{number:020}.json').unlink()
";
    readers::python(&server.lake(), make);
    let table = listed(&client, SALES, "t").await;
    assert_eq!(seen_at(&client, &table, "VERSION", "2").await, [0, 1, 2]);
    let error = client.flight_info(&table.descriptor, "VERSION", "1").await;
    assert_refused(error, Code::NotFound, &["no version 1", "versions 2 to 3 can be read"]);
    let error = client.flight_info(&table.descriptor, "TIMESTAMP", "2000-01-01").await;
    assert_refused(error, Code::NotFound, &["version 2"]);
}
