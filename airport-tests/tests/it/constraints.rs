//! What rows must satisfy: NOT NULL, CHECK, generated columns; and defaults and comments as the client is told of them.

use std::{fs, path::Path, sync::Arc};

use airport_tests::{
    client::{Client, OnConflict, Table},
    readers,
    rows::sorted_rows,
    server::Server,
};
use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use serde_json::{Value, json};
use tonic::Code;

use crate::support::{SALES, assert_refused, data_files, lake, listed, people, versions};

const CHECK: &str = "check_constraints";

fn rows(rows: &[(Option<i64>, Option<&str>)]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(rows.iter().map(|(id, _)| *id).collect::<Int64Array>());
    let names: ArrayRef = Arc::new(rows.iter().map(|(_, name)| *name).collect::<StringArray>());
    RecordBatch::try_new(people().into(), vec![ids, names]).unwrap()
}

/// A table of [`people`] with CHECKs, as a statement of its own.
async fn checked(client: &Client, checks: &[&str]) -> Table {
    let checks: Vec<_> = checks.iter().map(|sql| (CHECK, *sql)).collect();
    let table = client.create_constrained_table(SALES, "t", &people(), &checks).await.unwrap();
    client.create_transaction().await.unwrap();
    table
}

/// Writes version 0 of `sales.t` by hand.
fn write_log(server: &Server, writer_features: &[&str], fields: &Value, properties: &Value) {
    let actions = [
        json!({ "protocol": {
            "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": [], "writerFeatures": writer_features,
        } }),
        json!({ "metaData": {
            "id": "00000000-0000-0000-0000-000000000001",
            "description": "all of them",
            "format": { "provider": "parquet", "options": {} },
            "schemaString": json!({ "type": "struct", "fields": fields }).to_string(),
            "partitionColumns": [],
            "configuration": properties,
            "createdTime": 1,
        } }),
    ];
    write_commit(&server.table(SALES, "t"), &actions);
}

fn write_commit(table: &Path, actions: &[Value]) {
    fs::create_dir_all(table.join("_delta_log")).unwrap();
    let lines: Vec<_> = actions.iter().map(Value::to_string).collect();
    fs::write(table.join("_delta_log/00000000000000000000.json"), lines.join("\n")).unwrap();
}

fn column(name: &str, data_type: &str, metadata: &Value) -> Value {
    json!({ "name": name, "type": data_type, "nullable": true, "metadata": metadata })
}

#[tokio::test]
async fn a_check_holds_for_the_statement_as_a_whole() {
    let (server, client) = lake().await;
    let table = checked(&client, &["(id > 0)", "(\"name\" <> 'x')"]).await;
    assert!(!table.schema.metadata().contains_key(CHECK), "the client would check, and end its stream as on success");
    assert_eq!(client.insert(&table, &[rows(&[(Some(1), Some("y")), (None, None)])]).await.unwrap(), 2);

    // In the third batch of the third thousand.
    let mut many: Vec<_> = (1..6_000).map(|id| (Some(id), Some("y"))).collect();
    many[5_000] = (Some(-7), Some("bad"));
    let refused = client.insert(&table, &[rows(&many)]).await;
    assert_refused(refused, Code::InvalidArgument, &["CHECK constraint 'check_1'", "'t'", "id = -7, name = 'bad'"]);
    let refused = client.insert_returning(&table, &[rows(&[(Some(1), Some("x"))])]).await;
    assert_refused(refused, Code::InvalidArgument, &["'check_2'", "name = 'x', id = 1"]);

    let path = server.table(SALES, "t");
    assert_eq!(versions(&path), [0, 1]);
    assert_eq!(data_files(&path).len(), 1);
    assert_eq!(readers::both(&path, "SELECT count(*), min(id) FROM t"), [[json!(2), json!(1)]]);
}

#[tokio::test]
async fn a_check_binds_the_writers_of_others() {
    let (server, client) = lake().await;
    checked(&client, &["(id > 0)"]).await;
    let code = r#"
def write(id):
    rows = pa.table({"id": pa.array([id], pa.int64()), "name": pa.array(["n"], pa.string())})
    try:
        deltalake.write_deltalake(lake / "sales" / "t", rows, mode="append")
        return "written"
    except Exception as e:
        return "refused" if "failed validation" in str(e) else str(e)
result = [write(id) for id in (1, -1, None)]
"#;
    assert_eq!(readers::python(&server.lake(), code), json!(["written", "refused", "written"]));
}

#[tokio::test]
async fn checks_of_others_bind_us() {
    let (server, client) = lake().await;
    let code = r#"
rows = pa.table({"id": pa.array([1], pa.int64()), "name": pa.array(["n"], pa.string())})
deltalake.write_deltalake(lake / "sales" / "t", rows)
deltalake.DeltaTable(lake / "sales" / "t").alter.add_constraint({"positive": "id > 0", "named": "name IN ('n', 'm')"})
"#;
    readers::python(&server.lake(), code);
    let table = listed(&client, SALES, "t").await;
    assert_eq!(client.insert(&table, &[rows(&[(Some(2), Some("m"))])]).await.unwrap(), 1);
    for (row, names) in [
        ((Some(0), Some("n")), ["'positive'", "id > 0", "id = 0"]),
        // Delta's CHECK wants true.
        ((None, Some("n")), ["'positive'", "id > 0", "id = NULL"]),
        ((Some(1), Some("x")), ["'named'", "name", "name = 'x'"]),
    ] {
        assert_refused(client.insert(&table, &[rows(&[row])]).await, Code::InvalidArgument, &names);
    }
    assert_eq!(readers::both(&server.table(SALES, "t"), "SELECT sum(id) FROM t"), [[json!(3)]]);
}

#[tokio::test]
async fn checks_that_cannot_be_kept_make_no_table() {
    let (server, client) = lake().await;
    for (sql, part) in [
        ("id", "no condition"),
        ("(other > 0)", "other"),
        ("(no_such_function(id) > 0)", "no_such_function"),
        ("(id > random())", "random"),
        ("(id >", "(id >"),
    ] {
        let made = client.create_constrained_table(SALES, "t", &people(), &[(CHECK, "(id > 0)"), (CHECK, sql)]).await;
        let error = made.expect_err(sql);
        assert!(matches!(error.code(), Code::InvalidArgument | Code::Unimplemented), "{sql}: {error}");
        assert!(error.message().contains(sql) && error.message().contains(part), "{sql}: {error}");
        assert!(!server.table(SALES, "t").exists());
    }
}

#[tokio::test]
async fn keys_are_refused_with_the_reason() {
    let (server, client) = lake().await;
    for (key, text, name) in [
        ("primary_key_columns", "id", "PRIMARY KEY"),
        ("multi_key_primary_keys", "id", "PRIMARY KEY"),
        ("unique_columns", "id", "UNIQUE"),
        ("extra_constraints", "UNIQUE(id, name)", "UNIQUE"),
    ] {
        let made = client.create_constrained_table(SALES, "t", &people(), &[(key, text)]).await;
        assert_refused(made, Code::Unimplemented, &[name, "\"t\"", "Delta has no unique constraint"]);
        assert!(!server.table(SALES, "t").exists());
    }
}

#[tokio::test]
async fn not_null_names_table_column_and_row() {
    let (server, client) = lake().await;
    let columns = Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8, true)]);
    let table = client.create_table(SALES, "t", &columns, OnConflict::Error).await.unwrap();
    client.create_transaction().await.unwrap();
    let refused = client.insert(&table, &[rows(&[(Some(1), Some("n")), (None, Some("m"))])]).await;
    let names = ["column 'id' of table 't' is NOT NULL", "id = NULL, name = 'm'"];
    assert_refused(refused, Code::InvalidArgument, &names);
    assert_eq!(versions(&server.table(SALES, "t")), [0]);
}

/// DuckDB sends whole rows and does not know which columns are generated: NULL asks for the value.
#[tokio::test]
async fn generated_columns_come_back_filled() {
    let (server, client) = lake().await;
    let generated = json!({ "delta.generationExpression": "id + 1" });
    let columns = json!([column("id", "long", &json!({})), column("next", "long", &generated)]);
    write_log(&server, &["generatedColumns"], &columns, &json!({}));
    let table = listed(&client, SALES, "t").await;
    let rows = |rows: &[(i64, Option<i64>)]| {
        let ids: ArrayRef = Arc::new(rows.iter().map(|(id, _)| Some(*id)).collect::<Int64Array>());
        let next: ArrayRef = Arc::new(rows.iter().map(|(_, next)| *next).collect::<Int64Array>());
        RecordBatch::try_new(table.insert_schema(), vec![ids, next]).unwrap()
    };
    let (_, returned) = client.insert_returning(&table, &[rows(&[(1, None), (2, Some(3))])]).await.unwrap();
    let expected = [[json!(1), json!(2)], [json!(2), json!(3)]];
    assert_eq!(sorted_rows(&returned), expected);
    assert_eq!(readers::both(&server.table(SALES, "t"), "SELECT id, next FROM t ORDER BY id"), expected);
    let refused = client.insert(&table, &[rows(&[(1, Some(9))])]).await;
    assert_refused(refused, Code::InvalidArgument, &["generated column 'next' (id + 1)", "next = 9, id = 1"]);
}

#[tokio::test]
async fn defaults_and_comments_are_told() {
    let (server, client) = lake().await;
    let columns = json!([
        column("id", "long", &json!({ "comment": "the key", "CURRENT_DEFAULT": "7" })),
        column("name", "string", &json!({ "CURRENT_DEFAULT": "'Ulm'" })),
    ]);
    write_log(&server, &["allowColumnDefaults"], &columns, &json!({}));
    let table = listed(&client, SALES, "t").await;
    assert_eq!(table.metadata.comment.as_deref(), Some("all of them"));
    let noted = |at: usize, key: &str| table.schema.field(at).metadata().get(key).cloned();
    assert_eq!([noted(0, "comment"), noted(1, "comment")], [Some("the key".to_owned()), None]);
    assert_eq!([noted(0, "default"), noted(1, "default")], [Some("7".to_owned()), Some("'Ulm'".to_owned())]);
    assert_eq!(client.insert(&table, &[rows(&[(None, None)])]).await.unwrap(), 1, "an explicit NULL is a NULL");
}

#[tokio::test]
async fn rules_that_are_not_understood_refuse_writing_only() {
    for (features, metadata, properties, names) in [
        (
            ["checkConstraints"],
            json!({}),
            json!({ "delta.constraints.odd": "odd(id) > 0" }),
            ["'odd' (odd(id) > 0)", "odd"],
        ),
        (
            ["generatedColumns"],
            json!({ "delta.generationExpression": "odd(id)" }),
            json!({}),
            ["'name' (odd(id))", "odd"],
        ),
        (["allowColumnDefaults"], json!({ "CURRENT_DEFAULT": "odd(1)" }), json!({}), ["column 'name' (odd(1))", "odd"]),
        (["identityColumns"], json!({ "delta.identity.start": 1 }), json!({}), ["column 'name'", "identity"]),
    ] {
        let (server, client) = lake().await;
        let columns = json!([column("id", "long", &json!({})), column("name", "string", &metadata)]);
        write_log(&server, &features, &columns, &properties);
        let table = listed(&client, SALES, "t").await;
        assert_eq!(client.scan(&table, &["id"]).await.unwrap().row_count(), 0);
        let refused = client.insert(&table, &[rows(&[(Some(1), Some("n"))])]).await;
        assert_refused(refused, Code::Unimplemented, &names);
        assert_eq!(versions(&server.table(SALES, "t")), [0]);
    }
}
