//! UPDATE and DELETE, with and without RETURNING.

mod bad;
mod beside;
mod options;
mod others;

use std::{path::PathBuf, sync::Arc};

use airport_tests::{
    client::{Change, Client, ROW_ID, Table},
    readers,
    rows::{rows, sorted_rows},
    server::Server,
};
use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, UInt64Array},
    compute::{concat_batches, take_record_batch},
    datatypes::{DataType, Field, Int64Type},
};
use serde_json::{Value, json};

use crate::support::{SALES, create_people, files, ids, lake, seen, versions};

/// A table of people that rows are changed of.
struct People {
    server: Server,
    client: Client,
    table: Table,
    path: PathBuf,
}

impl People {
    /// With the ids 0 to `count`, inserted as one version.
    async fn new(count: i64) -> Self {
        let (server, client) = lake().await;
        let table = create_people(&client, "t").await;
        client.insert(&table, &[ids(0..count)]).await.unwrap();
        let path = server.table(SALES, "t");
        Self { server, client, table, path }
    }

    /// `id`, `name` and row id of these people, in this order, as a new statement sees them.
    async fn rows(&self, ids: &[i64]) -> RecordBatch {
        rows_of(&self.client, &self.table, ids).await
    }

    /// The row ids of these people.
    async fn row_ids(&self, ids: &[i64]) -> RecordBatch {
        self.rows(ids).await.project(&[2]).unwrap()
    }

    /// New names for these people: `name` and row id.
    async fn renaming(&self, ids: &[i64], name: impl Fn(i64) -> String) -> RecordBatch {
        renaming(&self.rows(ids).await, name)
    }

    async fn seen(&self) -> Vec<i64> {
        seen(&self.client, &self.table).await
    }
}

/// `id`, `name` and row id of the rows of these ids, in this order.
pub(crate) async fn rows_of(client: &Client, table: &Table, ids: &[i64]) -> RecordBatch {
    let scan = client.scan(table, &["id", "name", ROW_ID]).await.unwrap();
    let all = concat_batches(&scan.batches[0].schema(), &scan.batches).unwrap();
    let column = all.column(0).as_primitive::<Int64Type>();
    let place = |id: &i64| column.iter().position(|row| row == Some(*id)).expect("a row of this id") as u64;
    take_record_batch(&all, &UInt64Array::from_iter_values(ids.iter().map(place))).unwrap()
}

fn renaming(rows: &RecordBatch, name: impl Fn(i64) -> String) -> RecordBatch {
    let ids = rows.column(0).as_primitive::<Int64Type>();
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(ids.values().iter().map(|id| name(*id))));
    RecordBatch::try_from_iter([("name", names), (ROW_ID, Arc::clone(rows.column(2)))]).unwrap()
}

/// `rows` of `id`, `name` and row id as an UPDATE of `name` with RETURNING sends them.
fn renaming_whole(rows: &RecordBatch, name: impl Fn(i64) -> String) -> RecordBatch {
    let renamed = renaming(rows, name);
    let [names, row_ids] = renamed.columns() else { panic!("two columns") };
    let columns = [("name", names), ("id", rows.column(0)), (ROW_ID, row_ids)];
    RecordBatch::try_from_iter(columns.map(|(name, column)| (name, Arc::clone(column)))).unwrap()
}

fn person(id: i64, name: &str) -> Vec<Value> {
    vec![json!(id), json!(name)]
}

#[tokio::test]
async fn an_update_changes_the_rows_it_names_and_no_others() {
    let people = People::new(5).await;
    let update = people.renaming(&[3, 1], |id| format!("new{id}")).await;
    assert_eq!(people.client.update(&people.table, &[update]).await.unwrap(), 2);
    assert_eq!(versions(&people.path), [0, 1, 2]);
    let expected = [person(0, "n0"), person(1, "new1"), person(2, "n2"), person(3, "new3"), person(4, "n4")];
    let scan = people.client.scan(&people.table, &["id", "name"]).await.unwrap();
    assert_eq!(sorted_rows(&scan.batches), expected);
    assert_eq!(readers::both(&people.path, "SELECT id, name FROM t ORDER BY id"), expected);
}

#[tokio::test]
async fn a_delete_removes_the_rows_it_names_and_no_others() {
    let people = People::new(5).await;
    let row_ids = people.row_ids(&[4, 0]).await;
    assert_eq!(people.client.delete(&people.table, &[row_ids]).await.unwrap(), 2);
    assert_eq!(versions(&people.path), [0, 1, 2]);
    assert_eq!(people.seen().await, [1, 2, 3]);
    assert_eq!(readers::both(&people.path, "SELECT count(*), sum(id) FROM t"), [[json!(3), json!(6)]]);
    // What is left is deleted in a second statement.
    let row_ids = people.row_ids(&[1, 2, 3]).await;
    assert_eq!(people.client.delete(&people.table, &[row_ids]).await.unwrap(), 3);
    assert_eq!(people.seen().await, [0; 0]);
    assert_eq!(readers::both(&people.path, "SELECT count(*) FROM t"), [[json!(0)]]);
}

#[tokio::test]
async fn many_batches_are_one_commit() {
    let people = People::new(20_000).await;
    let odd: Vec<_> = (0..20_000).filter(|id| id % 2 == 1).collect();
    let update = people.renaming(&odd, |id| format!("odd{id}")).await;
    assert_eq!(people.client.update(&people.table, &[update]).await.unwrap(), 10_000);
    let row_ids = people.row_ids(&(0..20_000).filter(|id| id % 4 == 1).collect::<Vec<_>>()).await;
    assert_eq!(people.client.delete(&people.table, &[row_ids]).await.unwrap(), 5_000);
    assert_eq!(versions(&people.path), [0, 1, 2, 3]);
    let sql = "SELECT count(*), sum(id), count(*) FILTER (WHERE name LIKE 'odd%') FROM t";
    let sum: i64 = (0..20_000).filter(|id| id % 4 != 1).sum();
    assert_eq!(readers::both(&people.path, sql), [[json!(15_000), json!(sum), json!(5_000)]]);
}

#[tokio::test]
async fn a_delete_returns_the_rows_as_they_were_and_in_their_order() {
    let people = People::new(5_000).await;
    let gone: Vec<_> = (0..5_000).rev().filter(|id| id % 2 == 0).collect();
    let row_ids = people.row_ids(&gone).await;
    let (changed, returned) = people.client.delete_returning(&people.table, &[row_ids]).await.unwrap();
    assert_eq!(changed, 2_500);
    assert_eq!(returned.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [2048, 452]);
    let expected: Vec<_> = gone.iter().map(|id| person(*id, &format!("n{id}"))).collect();
    assert_eq!(rows(&returned), expected);
    assert_eq!(people.seen().await.len(), 2_500);
}

#[tokio::test]
async fn an_update_returns_the_rows_as_they_are_and_in_their_order() {
    let people = People::new(5_000).await;
    let renamed: Vec<_> = (0..5_000).rev().filter(|id| id % 2 == 0).collect();
    let update = renaming_whole(&people.rows(&renamed).await, |id| format!("new{id}"));
    let (changed, returned) = people.client.update_returning(&people.table, &[update]).await.unwrap();
    assert_eq!(changed, 2_500);
    assert_eq!(returned.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [2048, 452]);
    let expected: Vec<_> = renamed.iter().map(|id| person(*id, &format!("new{id}"))).collect();
    assert_eq!(rows(&returned), expected);
    assert_eq!(people.seen().await.len(), 5_000);
}

/// A reply that were split would leave the client waiting for ever.
#[tokio::test]
async fn returning_never_splits_a_large_batch() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    let names: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..2048).map(|id| format!("{id}{}", "x".repeat(4096)))));
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..2048));
    let wide = RecordBatch::try_new(table.insert_schema(), vec![ids, names]).unwrap();
    client.insert(&table, std::slice::from_ref(&wide)).await.unwrap();
    let all = rows_of(&client, &table, &(0..2048).collect::<Vec<_>>()).await;
    let (_, returned) = client.update_returning(&table, &[renaming_whole(&all, |_| "y".repeat(5000))]).await.unwrap();
    assert_eq!(returned.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [2048]);
    let all = rows_of(&client, &table, &(0..2048).collect::<Vec<_>>()).await;
    let (_, returned) = client.delete_returning(&table, &[all.project(&[2]).unwrap()]).await.unwrap();
    assert_eq!(returned.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [2048]);
}

#[tokio::test]
async fn a_statement_about_no_row_commits_nothing() {
    let people = People::new(3).await;
    let before = files(&people.path);
    let all = people.rows(&[0, 1, 2]).await;
    let none = all.slice(0, 0);
    let (client, table) = (&people.client, &people.table);
    assert_eq!(client.update(table, &[renaming(&none, |_| String::new())]).await.unwrap(), 0);
    assert_eq!(client.delete(table, &[none.project(&[2]).unwrap()]).await.unwrap(), 0);
    let whole = renaming_whole(&none, |_| String::new());
    assert_eq!(client.update_returning(table, &[whole]).await.unwrap(), (0, vec![]));
    // An empty batch on the wire is answered in its turn.
    let mut exchange = client.exchange(table, "delete", true).await;
    exchange.send_schema(&airport_tests::client::sent_schema(&all.project(&[2]).unwrap().schema())).await;
    exchange.read_schema().await.unwrap();
    exchange.send_batch(&none.project(&[2]).unwrap()).await;
    assert_eq!(exchange.read_batch().await.unwrap().num_rows(), 0);
    exchange.half_close();
    assert_eq!(exchange.read_changed().await.unwrap(), 0);
    assert_eq!(files(&people.path), before);
}

#[tokio::test]
async fn a_transaction_sees_what_it_changed() {
    let people = People::new(4).await;
    let (mut client, table) = (people.client.clone(), &people.table);
    client.begin().await.unwrap();
    let first = rows_of(&client, table, &[0, 1, 2, 3]).await;
    client.insert(table, &[ids(4..5)]).await.unwrap();
    client.update(table, &[renaming(&rows_of(&client, table, &[4]).await, |_| "four".to_owned())]).await.unwrap();
    assert_eq!(rows(&[rows_of(&client, table, &[4]).await.project(&[0, 1]).unwrap()]), [person(4, "four")]);
    client.delete(table, &[rows_of(&client, table, &[4, 0]).await.project(&[2]).unwrap()]).await.unwrap();
    assert_eq!(seen(&client, table).await, [1, 2, 3]);
    // The ids of before are of another version, though their rows are still there.
    let stale = client.delete(table, &[first.slice(1, 1).project(&[2]).unwrap()]).await;
    crate::support::assert_refused(stale, tonic::Code::FailedPrecondition, &["version 1"]);
    assert_eq!(versions(&people.path), [0, 1, 2, 3, 4]);
}

/// What the client does not know of stays as it is.
#[tokio::test]
async fn columns_added_since_do_not_stand_in_the_way() {
    let people = People::new(3).await;
    let other = Client::attach(people.server.tcp(), people.client.catalog()).await.unwrap();
    let more = Field::new("more", DataType::Int64, true);
    other.alter(SALES, "t", &Change::AddColumn(&more, false)).await.unwrap();
    let fresh = crate::support::listed(&other, SALES, "t").await;
    let row = [7, 8].map(|value| Arc::new(Int64Array::from(vec![value])) as ArrayRef);
    let name: ArrayRef = Arc::new(StringArray::from(vec!["g"]));
    let row = RecordBatch::try_new(fresh.insert_schema(), vec![Arc::clone(&row[0]), name, Arc::clone(&row[1])]);
    other.insert(&fresh, &[row.unwrap()]).await.unwrap();

    let update = renaming_whole(&people.rows(&[7]).await, |_| "seven".to_owned());
    let (_, returned) = people.client.update_returning(&people.table, &[update]).await.unwrap();
    assert_eq!(rows(&returned), [person(7, "seven")]);
    let row_ids = people.row_ids(&[1]).await;
    let (_, returned) = people.client.delete_returning(&people.table, &[row_ids]).await.unwrap();
    assert_eq!(rows(&returned), [person(1, "n1")]);
    let expected = [vec![json!(7), json!("seven"), json!(8)]];
    assert_eq!(readers::both(&people.path, "SELECT id, name, more FROM t WHERE more IS NOT NULL"), expected);
}
