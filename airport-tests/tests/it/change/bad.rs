//! Row ids and columns that make no change: refused, and nothing is left.

use std::sync::Arc;

use airport_tests::client::{ROW_ID, sent_schema};
use arrow::{
    array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray, StructArray},
    buffer::NullBuffer,
    datatypes::{DataType, Field, Int32Type, Int64Type, Schema},
};
use tonic::Code;

use super::{People, renaming, rows_of};
use crate::support::{SALES, assert_refused, create_people, files, ids, listed};

/// A row id in parts.
#[derive(Debug, Clone, Copy)]
struct Id {
    version: Option<i64>,
    file: i32,
    position: i64,
}

fn parts(row_ids: &ArrayRef) -> Vec<Id> {
    let row_ids = row_ids.as_struct();
    let versions = row_ids.column(0).as_primitive::<Int64Type>();
    let files = row_ids.column(1).as_primitive::<Int32Type>();
    let positions = row_ids.column(2).as_primitive::<Int64Type>();
    let id = |row| Id { version: Some(versions.value(row)), file: files.value(row), position: positions.value(row) };
    (0..row_ids.len()).map(id).collect()
}

/// A column of row ids; `None` is NULL.
fn column(ids: &[Option<Id>]) -> ArrayRef {
    let part = |name, data_type| Arc::new(Field::new(name, data_type, true));
    let of = |id: &Option<Id>| id.unwrap_or(Id { version: Some(0), file: 0, position: 0 });
    let columns: [(_, ArrayRef); 3] = [
        (part("version", DataType::Int64), Arc::new(Int64Array::from_iter(ids.iter().map(|id| of(id).version)))),
        (part("file", DataType::Int32), Arc::new(Int32Array::from_iter_values(ids.iter().map(|id| of(id).file)))),
        (
            part("position", DataType::Int64),
            Arc::new(Int64Array::from_iter_values(ids.iter().map(|id| of(id).position))),
        ),
    ];
    let (fields, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let nulls = NullBuffer::from_iter(ids.iter().map(Option::is_some));
    Arc::new(StructArray::new(fields.into(), columns, Some(nulls)))
}

/// The batches as a DELETE and as an UPDATE send them, refused, and the table as it was.
async fn assert_no_change(people: &People, code: Code, batches: &[Vec<Option<Id>>], named: &[&str]) {
    let before = files(&people.path);
    let (client, table) = (&people.client, &people.table);
    let deletes: Vec<_> =
        batches.iter().map(|ids| RecordBatch::try_from_iter([(ROW_ID, column(ids))]).unwrap()).collect();
    let update = |ids: &Vec<Option<Id>>| {
        let names: ArrayRef = Arc::new(StringArray::from(vec!["bad"; ids.len()]));
        RecordBatch::try_from_iter([("name", names), (ROW_ID, column(ids))]).unwrap()
    };
    let updates: Vec<_> = batches.iter().map(update).collect();
    assert_refused(client.delete(table, &deletes).await, code, named);
    assert_refused(client.delete_returning(table, &deletes).await, code, named);
    assert_refused(client.update(table, &updates).await, code, named);
    crate::support::eventually("the table as it was", async || files(&people.path) == before).await;
}

#[tokio::test]
async fn row_ids_that_name_no_row() {
    let people = People::new(3_000).await;
    people.client.insert(&people.table, &[ids(3_000..3_010)]).await.unwrap();
    let gone = people.row_ids(&[17]).await;
    people.client.delete(&people.table, &[gone]).await.unwrap();
    let rows = people.rows(&[0, 18, 3_000]).await;
    let [first, second, third] = parts(rows.column(2))[..] else { panic!("three rows") };
    let good = vec![Some(second), Some(third)];
    let bad = |id: Id| vec![good.clone(), vec![Some(id)]];

    let refused = async |batches: Vec<Vec<Option<Id>>>, named: &[&str]| {
        assert_no_change(&people, Code::InvalidArgument, &batches, named).await;
    };
    refused(vec![vec![Some(first), None]], &["NULL"]).await;
    refused(bad(Id { version: None, ..first }), &["NULL"]).await;
    refused(vec![vec![Some(first), Some(second), Some(first)]], &["twice"]).await;
    refused(vec![vec![Some(first)], good.clone(), vec![Some(first)]], &["twice"]).await;
    refused(bad(Id { position: 3_000, ..first }), &["3000"]).await;
    refused(bad(Id { position: i64::MAX, ..first }), &["9223372036854775807"]).await;
    refused(bad(Id { position: -1, ..first }), &["-1"]).await;
    refused(bad(Id { file: 2, ..first }), &["file"]).await;
    refused(bad(Id { file: i32::MAX, ..first }), &["file"]).await;
    refused(bad(Id { file: -1, ..first }), &["file"]).await;
    // Where a row was that is deleted in this very version.
    let deleted = Id { position: second.position - 1, ..second };
    refused(bad(deleted), &["deleted"]).await;
    assert_eq!(people.seen().await.len(), 3_009);
}

#[tokio::test]
async fn row_ids_of_another_version() {
    let people = People::new(10).await;
    let stale = people.rows(&[3, 4]).await;
    people.client.insert(&people.table, &[ids(10..11)]).await.unwrap();
    let [of_before, _] = parts(stale.column(2))[..] else { panic!("two rows") };
    let version = of_before.version.unwrap();
    let fresh = parts(people.rows(&[5]).await.column(2))[0];
    for version in [version, version + 2, 0, -1, i64::MAX] {
        let bad = Id { version: Some(version), ..of_before };
        let batches = [vec![Some(fresh)], vec![Some(bad)]];
        assert_no_change(&people, Code::FailedPrecondition, &batches, &[&format!("version {version}")]).await;
    }
}

/// A row id does not name its table; its version and place do not fit another one but by chance.
#[tokio::test]
async fn row_ids_of_another_table() {
    let people = People::new(10).await;
    let (client, other) = (&people.client, create_people(&people.client, "other").await);
    client.insert(&other, &[ids(0..20)]).await.unwrap();
    let longer = rows_of(client, &other, &[15]).await;
    let id = parts(longer.column(2))[0];
    assert_no_change(&people, Code::InvalidArgument, &[vec![Some(id)]], &[&id.position.to_string()]).await;
    client.insert(&other, &[ids(20..21)]).await.unwrap();
    let later = rows_of(client, &other, &[1]).await;
    let id = parts(later.column(2))[0];
    assert_no_change(&people, Code::FailedPrecondition, &[vec![Some(id)]], &["version 2"]).await;
}

#[tokio::test]
async fn columns_that_make_no_change() {
    let people = People::new(3).await;
    let before = files(&people.path);
    let row_id = people.table.schema.field(2).clone();
    let id = Field::new("id", DataType::Int64, true);
    let name = Field::new("name", DataType::Utf8, true);
    let last = "must be \"rowid\", which says what rows it is about";
    let wrong = Field::new(ROW_ID, DataType::Int64, true);
    for (operation, columns, code, why) in [
        ("delete", vec![], Code::InvalidArgument, last),
        ("delete", vec![id.clone()], Code::InvalidArgument, last),
        ("delete", vec![id.clone(), row_id.clone()], Code::InvalidArgument, "takes \"rowid\" alone; column \"id\" was"),
        ("delete", vec![wrong.clone()], Code::InvalidArgument, "column \"rowid\" was sent as BIGINT and is STRUCT"),
        ("update", vec![], Code::InvalidArgument, last),
        ("update", vec![row_id.clone()], Code::InvalidArgument, "UPDATE sets no column"),
        ("update", vec![name.clone()], Code::InvalidArgument, last),
        ("update", vec![row_id.clone(), name.clone()], Code::InvalidArgument, last),
        ("update", vec![name.clone(), wrong], Code::InvalidArgument, "column \"rowid\" was sent as BIGINT"),
        (
            "update",
            vec![name.clone(), id.clone(), name.clone(), row_id.clone()],
            Code::InvalidArgument,
            "column \"name\" is set twice",
        ),
        (
            "update",
            vec![Field::new("other", DataType::Utf8, true), row_id.clone()],
            Code::NotFound,
            "table \"t\" has no column \"other\"",
        ),
        (
            "update",
            vec![Field::new("name", DataType::Int64, true), row_id.clone()],
            Code::InvalidArgument,
            "column \"name\" was sent as BIGINT and is VARCHAR in the table",
        ),
    ] {
        let mut exchange = people.client.exchange(&people.table, operation, false).await;
        exchange.send_schema(&sent_schema(&Schema::new(columns))).await;
        exchange.half_close();
        assert_refused(exchange.read_schema().await, code, &[why]);
    }
    assert_eq!(files(&people.path), before);
}

#[tokio::test]
async fn tables_that_are_not_the_ones_they_were() {
    let people = People::new(3).await;
    let (client, table) = (&people.client, &people.table);
    let row_ids = people.row_ids(&[1]).await;
    client.drop_table(SALES, "t", false).await.unwrap();
    let refused = client.delete(table, std::slice::from_ref(&row_ids)).await;
    assert_refused(refused, Code::NotFound, &["it was dropped or renamed since it was attached"]);
    let columns = Schema::new(vec![Field::new("other", DataType::Utf8, true)]);
    client.create_table(SALES, "t", &columns, airport_tests::client::OnConflict::Error).await.unwrap();
    client.create_transaction().await.unwrap();
    let refused = client.delete(table, &[row_ids]).await;
    assert_refused(refused, Code::FailedPrecondition, &["or the table was made anew; DETACH and ATTACH again"]);
    assert_eq!(listed(client, SALES, "t").await.column_names(), ["other", ROW_ID]);
}

/// NOT NULL holds for new rows, and takes the statement with it.
#[tokio::test]
async fn a_null_in_a_not_null_column() {
    let people = People::new(1).await;
    let client = &people.client;
    let columns =
        Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8, false)]);
    let strict =
        client.create_table(SALES, "strict", &columns, airport_tests::client::OnConflict::Error).await.unwrap();
    client.create_transaction().await.unwrap();
    client.insert(&strict, &[ids(0..3_000)]).await.unwrap();
    let path = people.server.table(SALES, "strict");
    let before = files(&path);
    let rows = rows_of(client, &strict, &(0..3_000).collect::<Vec<_>>()).await;
    let names = StringArray::from_iter((0..3_000).map(|id| (id != 2_500).then_some("x")));
    let update = RecordBatch::try_from_iter_with_nullable([
        ("name", Arc::new(names) as ArrayRef, true),
        (ROW_ID, Arc::clone(renaming(&rows, |_| String::new()).column(1)), true),
    ]);
    let named = ["column 'name' of table 'strict' is NOT NULL", "is violated by the row: "];
    assert_refused(client.update(&strict, &[update.unwrap()]).await, Code::InvalidArgument, &named);
    crate::support::eventually("the table as it was", async || files(&path) == before).await;
}
