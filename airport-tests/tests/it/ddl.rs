//! CREATE and DROP of tables and schemas.

use airport_tests::{
    client::{Client, OnConflict},
    readers,
};
use arrow::datatypes::{DataType, Field, IntervalUnit, Schema, TimeUnit};
use serde_json::json;
use tonic::Code;

use crate::support::{
    SALES, assert_callers_fault, assert_refused, create_people, files, ids, lake, listed, people, seen,
};

#[tokio::test]
async fn a_new_table_is_an_empty_delta_table() {
    let (server, client) = lake().await;
    let columns = Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("price", DataType::Decimal128(12, 2), true),
    ]);
    let made = client.create_table(SALES, "t", &columns, OnConflict::Error).await.unwrap();
    assert_eq!(made.column_names(), ["id", "price", "rowid"]);
    // The client checks NOT NULL while it sends and ends its stream politely when it finds a NULL, so that the rows
    // before would be committed: it must not know.
    assert!(made.schema.field(0).is_nullable(), "{:?}", made.schema);
    assert_eq!((made.metadata.schema.as_str(), made.metadata.name.as_str()), (SALES, "t"));
    assert!([-1, 0].contains(&made.total_records), "{}", made.total_records);

    let found = listed(&client, SALES, "t").await;
    assert_eq!(found.descriptor, made.descriptor);
    assert_eq!(found.schema, made.schema);
    assert_eq!(
        readers::both(&server.table(SALES, "t"), "SELECT count(*), sum(price) FROM t"),
        [[json!(0), json!(null)]]
    );
    let check = r#"
table = deltalake.DeltaTable(lake / "sales" / "t")
result = [[f.name, str(f.type.type), f.nullable] for f in table.schema().fields]
assert table.metadata().configuration["delta.enableDeletionVectors"] == "true"
"#;
    let fields = readers::python(&server.lake(), check);
    assert_eq!(fields, json!([["id", "long", false], ["price", "decimal(12,2)", true]]));
}

#[tokio::test]
async fn a_taken_name_is_refused_or_ignored() {
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    client.insert(&table, &[ids(0..2)]).await.unwrap();
    let before = files(&server.lake());

    let other = Schema::new(vec![Field::new("other", DataType::Boolean, true)]);
    assert_refused(client.create_table(SALES, "t", &other, OnConflict::Error).await, Code::AlreadyExists, &["t"]);
    let ignored = client.create_table(SALES, "t", &other, OnConflict::Ignore).await.unwrap();
    assert_eq!(ignored.schema, table.schema, "the table that is there is answered");
    assert_eq!(seen(&client, &ignored).await, [0, 1]);
    let replaced = client.create_table(SALES, "t", &other, OnConflict::Replace).await;
    assert_callers_fault(replaced, "a table is not replaced in silence");
    assert_eq!(files(&server.lake()), before);
}

#[tokio::test]
async fn a_table_needs_its_schema() {
    let (server, client) = lake().await;
    let made = client.create_table("nowhere", "t", &people(), OnConflict::Error).await;
    assert_refused(made, Code::NotFound, &["nowhere"]);
    assert!(!server.lake().join("nowhere").exists());
}

#[tokio::test]
async fn types_not_offered_are_refused_by_name() {
    let (server, client) = lake().await;
    let list = |item| DataType::List(Field::new("l", item, true).into());
    for odd in [
        DataType::Date64,
        DataType::Float16,
        DataType::Time32(TimeUnit::Second),
        DataType::Interval(IntervalUnit::DayTime),
        DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        DataType::Dictionary(DataType::UInt8.into(), DataType::Int32.into()),
        list(DataType::Date64),
        DataType::Struct(vec![Field::new("inside", list(DataType::Float16), true)].into()),
    ] {
        let columns =
            Schema::new(vec![Field::new("good", DataType::Int64, true), Field::new("odd", odd.clone(), true)]);
        let made = client.create_table(SALES, "t", &columns, OnConflict::Error).await;
        let error = made.expect_err(&format!("{odd}"));
        assert!(matches!(error.code(), Code::Unimplemented | Code::InvalidArgument), "{odd}: {error}");
        assert!(error.message().contains("odd"), "{odd}: the column is not named: {error}");
    }
    assert_eq!(files(&server.table(SALES, "t")), [""; 0]);
}

#[tokio::test]
async fn a_table_has_columns_with_names_of_their_own() {
    let (server, client) = lake().await;
    let column = |name| Field::new(name, DataType::Int64, true);
    for columns in [
        vec![],
        vec![column("a"), column("a")],
        vec![column("a"), column("A")],
        vec![column("rowid")],
        vec![column("")],
    ] {
        let what = format!("{columns:?}");
        let made = client.create_table(SALES, "t", &Schema::new(columns), OnConflict::Error).await;
        assert_callers_fault(made, &what);
    }
    assert_eq!(files(&server.table(SALES, "t")), [""; 0]);
}

#[tokio::test]
async fn a_dropped_table_is_gone_with_its_files() {
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    create_people(&client, "other").await;
    client.insert(&table, &[ids(0..2)]).await.unwrap();

    client.drop_table(SALES, "t", false).await.unwrap();
    assert!(!server.table(SALES, "t").exists());
    assert_eq!(client.list_schemas().await.unwrap().table_names(SALES), ["other"]);
    assert_refused(client.scan(&table, &["id"]).await, Code::NotFound, &["t"]);
    // Without a transaction between, it would be what the client sends again when it has heard no answer.
    client.create_transaction().await.unwrap();
    assert_refused(client.drop_table(SALES, "t", false).await, Code::NotFound, &["t"]);
    client.drop_table(SALES, "t", true).await.unwrap();
    client.drop_table("nowhere", "t", true).await.unwrap();

    let again = create_people(&client, "t").await;
    assert_eq!(seen(&client, &again).await, [0; 0], "nothing of the old table is seen in the new one");
}

#[tokio::test]
async fn an_insert_into_a_dropped_table_is_refused() {
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    client.drop_table(SALES, "t", false).await.unwrap();
    assert_refused(client.insert(&table, &[ids(0..2)]).await, Code::NotFound, &["t"]);
    assert!(!server.table(SALES, "t").exists());
}

#[tokio::test]
async fn schemas_come_and_go() {
    let (server, client) = lake().await;
    assert!(client.create_schema("new").await.unwrap().is_empty());
    assert!(server.lake().join("new").is_dir());
    let other = Client::attach(server.tcp(), client.catalog()).await.unwrap();
    assert!(other.list_schemas().await.unwrap().schema_names().contains(&"new"));

    client.drop_schema("new", false).await.unwrap();
    assert!(!server.lake().join("new").exists());
    client.create_transaction().await.unwrap();
    assert_refused(client.drop_schema("new", false).await, Code::NotFound, &["new"]);
    client.drop_schema("new", true).await.unwrap();
}

/// CREATE SCHEMA IF NOT EXISTS is the same message, so making what is there answers with what is there.
#[tokio::test]
async fn a_schema_that_is_there_is_answered() {
    let (_server, client) = lake().await;
    create_people(&client, "t").await;
    let tables = client.create_schema(SALES).await.unwrap();
    assert_eq!(tables.iter().map(|table| table.metadata.name.as_str()).collect::<Vec<_>>(), ["t"]);
}

#[tokio::test]
async fn a_schema_that_holds_something_is_not_dropped() {
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    client.insert(&table, &[ids(0..2)]).await.unwrap();
    assert_refused(client.drop_schema(SALES, false).await, Code::FailedPrecondition, &[SALES]);
    assert_eq!(seen(&client, &table).await, [0, 1]);

    client.create_schema("files").await.unwrap();
    std::fs::write(server.lake().join("files/of the user.txt"), "precious").unwrap();
    assert_callers_fault(client.drop_schema("files", false).await, "a schema with other people's files");
    assert!(server.lake().join("files/of the user.txt").exists());
}
