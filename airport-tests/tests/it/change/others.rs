//! Deletes on tables of others, beside others, read by others.

use airport_tests::{
    client::{Client, ROW_ID, Table},
    readers,
    rows::sorted_integers,
    server::Server,
};
use arrow::{
    array::{AsArray, RecordBatch, UInt64Array},
    compute::{concat_batches, take_record_batch},
    datatypes::Int64Type,
};
use serde_json::json;
use tonic::Code;

use super::{People, rows_of};
use crate::support::{SALES, assert_refused, lake, listed};

/// A table of `readers/foreign.py`.
async fn foreign(name: &str) -> (Server, Client, Table) {
    let (server, client) = lake().await;
    readers::python(&server.lake(), &format!("foreign.TABLES[{name:?}](lake / 'sales' / {name:?})"));
    let table = listed(&client, SALES, name).await;
    (server, client, table)
}

/// Deletes the rows whose first column satisfies `wanted`; how many.
async fn delete(client: &Client, table: &Table, wanted: impl Fn(i64) -> bool) -> u64 {
    let first = table.column_names()[0].to_owned();
    let scan = client.scan(table, &[&first, ROW_ID]).await.unwrap();
    let all = concat_batches(&scan.batches[0].schema(), &scan.batches).unwrap();
    let values = all.column(0).as_primitive::<Int64Type>().values();
    let places = (0..).zip(values).filter(|(_, value)| wanted(**value)).map(|(place, _)| place);
    let chosen = take_record_batch(&all, &UInt64Array::from_iter_values(places)).unwrap();
    client.delete(table, &[chosen.project(&[1]).unwrap()]).await.unwrap()
}

/// Everybody sees the numbers of `expected` in the first column.
#[track_caller]
fn assert_numbers(server: &Server, table: &Table, scanned: &[RecordBatch], expected: &[i64]) {
    assert_eq!(sorted_integers(scanned), expected);
    let (first, path) = (table.column_names()[0].to_owned(), server.table(SALES, &table.metadata.name));
    let seen = readers::both(&path, &format!("SELECT {first} FROM t ORDER BY 1"));
    assert!(seen.iter().flatten().eq(expected.iter().map(|number| json!(number)).collect::<Vec<_>>().iter()));
}

async fn check(server: &Server, client: &Client, table: &Table, expected: &[i64]) {
    let scan = client.scan(table, &[table.column_names()[0]]).await.unwrap();
    assert_numbers(server, table, &scan.batches, expected);
}

/// In the log, in files of one and of several vectors, below a directory, by a full path: each gets rows added.
#[tokio::test]
async fn vectors_of_others_are_added_to() {
    let (server, client, table) = foreign("with_vectors").await;
    let mut expected: Vec<i64> = (0..50).filter(|n| ![5, 6, 10, 21, 32, 39, 43, 44].contains(n)).collect();
    check(&server, &client, &table, &expected).await;
    for wanted in [|n: i64| n % 10 == 7, |n| n == 11, |n| (20..30).contains(&n), |_| true] {
        let before = expected.len();
        expected.retain(|n| !wanted(*n));
        assert_eq!(delete(&client, &table, wanted).await, (before - expected.len()) as u64);
        check(&server, &client, &table, &expected).await;
    }
}

/// Through checkpoints, with small vectors and with large ones, until files and partitions have no row left.
#[tokio::test]
async fn mapped_columns_odd_partitions_and_checkpoints_go_along() {
    let (server, client, table) = foreign("vectored").await;
    let mut expected: Vec<i64> = (0..4000).filter(|n| *n != 2000).collect();
    for wanted in [
        (|n| n % 1000 == 17) as fn(i64) -> bool,
        |n| n % 3 == 0,
        |n| n == 2001 || n == 1,
        |n| (1000..2000).contains(&n),
        |n| n % 7 == 1 && n < 3500,
        |n| n > 3990,
    ] {
        let before = expected.len();
        expected.retain(|n| !wanted(*n));
        assert_eq!(delete(&client, &table, wanted).await, (before - expected.len()) as u64);
        check(&server, &client, &table, &expected).await;
    }
    let path = server.table(SALES, "vectored");
    let partitions = "SELECT p, count(*) FROM t GROUP BY p ORDER BY p";
    let of = |files: &[i64]| expected.iter().filter(|n| files.contains(&(*n / 1000))).count();
    assert_eq!(
        readers::deltalake(&path, partitions),
        [[json!("100%"), json!(of(&[2]))], [json!("a b"), json!(of(&[0, 3]))]]
    );
    assert!(path.join("_delta_log/00000000000000000010.checkpoint.parquet").exists());
}

/// `deltalake` rewrites the file that rows are in, or all files, or adds others.
#[tokio::test]
async fn commits_of_deltalake_stand_in_the_way_only_of_rows_they_moved() {
    for (statement, operation) in [
        ("delete('id = 1')", Some("DELETE")),
        ("update(predicate='id = 1', updates={'name': \"'x'\"})", Some("UPDATE")),
        ("optimize.compact()", Some("OPTIMIZE")),
        ("restore(1)", None),
    ] {
        let people = People::new(10).await;
        people.client.insert(&people.table, &[crate::support::ids(10..20)]).await.unwrap();
        let mut client = people.client.clone();
        client.begin().await.unwrap();
        let rows = rows_of(&client, &people.table, &[4, 12]).await.project(&[2]).unwrap();
        let python = format!("deltalake.DeltaTable(lake / 'sales' / 't').{statement}");
        readers::python(&people.server.lake(), &python);
        let refused = client.delete(&people.table, &[rows]).await;
        let told = operation.map(|operation| format!("({operation}) rewrote or removed a file")).unwrap_or_default();
        let start = "DELETE from lake.sales.t changed nothing: version ";
        assert_refused(refused, Code::Aborted, &[start, " of table 't' ", &told, "; run the statement again"]);
    }
    let people = People::new(10).await;
    let mut client = people.client.clone();
    client.begin().await.unwrap();
    let rows = rows_of(&client, &people.table, &[4]).await.project(&[2]).unwrap();
    let more = "pa.table({'id': pa.array([50], pa.int64()), 'name': ['x']})";
    let append = format!("deltalake.write_deltalake(lake / 'sales' / 't', {more}, mode='append')");
    readers::python(&people.server.lake(), &append);
    client.delete(&people.table, &[rows]).await.unwrap();
    assert_eq!(readers::both(&people.path, "SELECT count(*), sum(id) FROM t"), [[json!(10), json!(45 - 4 + 50)]]);
}
