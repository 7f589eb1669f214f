//! ALTER TABLE, and what the client repeats of it.

use airport_tests::{
    client::{Change, Client, OnConflict, Table},
    readers,
    rows::sorted_rows,
    server::Server,
};
use arrow::{
    array::{Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use serde_json::json;
use std::{fs, sync::Arc, time::Duration};
use tonic::Code;

use crate::support::{
    SALES, assert_callers_fault, assert_refused, create_people, data_files, ids, lake, listed, seen, versions,
};

/// A lake with the people 0 to 2 in `sales.t`.
async fn with_people() -> (Server, Client, Table) {
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    client.insert(&table, &[ids(0..3)]).await.unwrap();
    (server, client, table)
}

/// One ALTER as a statement of its own.
async fn alter(client: &Client, change: &Change<'_>) -> Table {
    client.create_transaction().await.unwrap();
    client.alter(SALES, "t", change).await.unwrap_or_else(|error| panic!("{change:?}: {error}"))
}

fn long(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

/// Rows as other readers see them.
fn read(server: &Server, columns: &str) -> readers::Rows {
    readers::both(&server.table(SALES, "t"), &format!("SELECT {columns} FROM t ORDER BY id"))
}

#[tokio::test]
async fn columns_come_go_and_change_their_names() {
    let (server, client, _) = with_people().await;
    let wider = alter(&client, &Change::AddColumn(&long("age"), false)).await;
    assert_eq!(wider.column_names(), ["id", "name", "age", "rowid"]);
    assert_eq!(listed(&client, SALES, "t").await.descriptor, wider.descriptor);
    assert_eq!(read(&server, "id, name, age")[1], [json!(1), json!("n1"), json!(null)]);

    let renamed = alter(&client, &Change::RenameColumn("NAME", "full name")).await;
    assert_eq!(renamed.column_names(), ["id", "full name", "age", "rowid"]);
    let people = [("id", vec![9]), ("age", vec![99])];
    let columns = people.map(|(_, values)| Arc::new(Int64Array::from(values)) as _);
    let [id, age] = columns;
    let row = RecordBatch::try_new(renamed.insert_schema(), vec![id, Arc::new(StringArray::from(vec!["n9"])), age]);
    client.insert(&renamed, &[row.unwrap()]).await.unwrap();
    assert_eq!(read(&server, "id, \"full name\", age")[3], [json!(9), json!("n9"), json!(99)]);

    let narrow = alter(&client, &Change::RemoveColumn("full name", false)).await;
    assert_eq!(narrow.column_names(), ["id", "age", "rowid"]);
    assert_eq!(
        read(&server, "*"),
        [[json!(0), json!(null)], [json!(1), json!(null)], [json!(2), json!(null)], [json!(9), json!(99)]]
    );
    let text = Field::new("full name", DataType::Utf8, true);
    let again = alter(&client, &Change::AddColumn(&text, false)).await;
    let scan = client.scan(&again, &["full name"]).await.unwrap();
    assert!(sorted_rows(&scan.batches).iter().all(|row| row[0].is_null()), "the old values must not come back");
}

#[tokio::test]
async fn names_are_found_and_refused_in_any_case() {
    let (_server, client, _) = with_people().await;
    let altered = client.alter(SALES, "T", &Change::AddColumn(&long("Age"), false)).await.unwrap();
    assert_eq!(altered.metadata.name, "t");
    let twice = client.alter(SALES, "t", &Change::AddColumn(&long("AGE"), false)).await;
    assert_refused(twice, Code::AlreadyExists, &["AGE"]);
    alter(&client, &Change::AddColumn(&long("AGE"), true)).await;
    assert_refused(client.alter(SALES, "t", &Change::RenameColumn("id", "age")).await, Code::AlreadyExists, &["age"]);
    assert_refused(
        client.alter(SALES, "t", &Change::RemoveColumn("none", false)).await,
        Code::NotFound,
        &["table 't' has no column 'none'"],
    );
    alter(&client, &Change::RemoveColumn("none", true)).await;
    for rowid in [Change::AddColumn(&long("RowId"), false), Change::RenameColumn("id", "rowid")] {
        assert_refused(
            client.alter(SALES, "t", &rowid).await,
            Code::InvalidArgument,
            &["rowid is the name of the rows' own ids; call the column otherwise"],
        );
    }
    let interval = Field::new("odd", DataType::Duration(arrow::datatypes::TimeUnit::Second), true);
    assert_callers_fault(client.alter(SALES, "t", &Change::AddColumn(&interval, false)).await, "a type of nobody's");
    for gone in ["u", ""] {
        let change = Change::RemoveColumn("id", false);
        assert_callers_fault(client.alter(SALES, gone, &change).await, "a table that is not there");
    }
    let gone = client.alter(SALES, "u", &Change::RemoveColumn("id", false)).await;
    assert_refused(gone, Code::NotFound, &["has no table \"u\" (any more); DETACH and ATTACH again"]);
}

#[tokio::test]
async fn fields_of_structs_are_columns_too() {
    let (server, client) = lake().await;
    let inner = vec![long("a"), Field::new("b", DataType::Utf8, true)];
    let columns = Schema::new(vec![long("id"), Field::new("s", DataType::Struct(inner.into()), true)]);
    client.create_table(SALES, "t", &columns, OnConflict::Error).await.unwrap();
    let renamed = alter(&client, &Change::RenameField(&["S", "b"], "beta")).await;
    let fields = |table: &Table| match table.schema.field(1).data_type() {
        DataType::Struct(fields) => fields.iter().map(|field| field.name().clone()).collect::<Vec<_>>(),
        other => panic!("{other}"),
    };
    assert_eq!(fields(&renamed), ["a", "beta"]);
    assert_eq!(fields(&alter(&client, &Change::RemoveField(&["s", "A"], false)).await), ["beta"]);
    let last = client.alter(SALES, "t", &Change::RemoveField(&["s", "beta"], false)).await;
    assert_refused(last, Code::InvalidArgument, &["s.beta", "last"]);
    let added = alter(&client, &Change::AddField(&["s"], &long("c"), false)).await;
    assert_eq!(fields(&added), ["beta", "c"]);
    let nameless = client.alter(SALES, "t", &Change::AddField(&["s"], &long("s"), false)).await;
    assert_refused(nameless, Code::Unimplemented, &["does not say", "TYPE STRUCT"]);
    assert_eq!(readers::both(&server.table(SALES, "t"), "SELECT count(s) FROM t"), [[json!(0)]]);
}

#[tokio::test]
async fn not_null_is_checked_set_and_dropped() {
    let (server, client, _) = with_people().await;
    alter(&client, &Change::AddColumn(&long("age"), false)).await;
    let before = versions(&server.table(SALES, "t"));
    let nulls = client.alter(SALES, "t", &Change::SetNotNull("age")).await;
    assert_refused(nulls, Code::InvalidArgument, &["'age'", "NOT NULL", "id = 0"]);
    assert_eq!(versions(&server.table(SALES, "t")), before);
    let strict = alter(&client, &Change::SetNotNull("id")).await;
    assert!(strict.schema.field(0).is_nullable(), "the client must not check by itself");
    let null = RecordBatch::new_empty(strict.insert_schema());
    let nulls = null.columns().iter().map(|column| arrow::array::new_null_array(column.data_type(), 1)).collect();
    let null = RecordBatch::try_new(null.schema(), nulls).unwrap();
    assert_refused(client.insert(&strict, std::slice::from_ref(&null)).await, Code::InvalidArgument, &["id"]);
    let loose = alter(&client, &Change::DropNotNull("id")).await;
    client.insert(&loose, &[null]).await.unwrap();
    assert_eq!(client.scan(&loose, &["id"]).await.unwrap().row_count(), 4);
}

#[tokio::test]
async fn a_new_type_rewrites_the_rows_for_every_reader() {
    let (server, client, table) = with_people().await;
    client.insert(&table, &[ids(3..5)]).await.unwrap();
    let before = data_files(&server.table(SALES, "t"));
    let text = Field::new("id", DataType::Utf8, true);
    let altered = alter(&client, &Change::ChangeType(&text, "CAST(id AS VARCHAR)")).await;
    assert_eq!(altered.schema.field(0).data_type(), &DataType::Utf8);
    assert_eq!(read(&server, "id, name")[4], [json!("4"), json!("n4")]);
    let after = data_files(&server.table(SALES, "t"));
    assert_eq!(after.len(), before.len() + 1, "one new file; the old ones stay for those who read older versions");
    let refused = client.alter(SALES, "t", &Change::ChangeType(&long("name"), "CAST(\"name\" AS BIGINT)")).await;
    assert_refused(refused, Code::InvalidArgument, &["'name'", "'n"]);
    assert_eq!(data_files(&server.table(SALES, "t")), after);
}

#[tokio::test]
async fn a_renamed_table_is_where_its_new_name_says() {
    let (server, client, table) = with_people().await;
    create_people(&client, "taken").await;
    for taken in ["taken", "TAKEN", "t"] {
        let refused = client.alter(SALES, "t", &Change::RenameTable(taken)).await;
        assert_refused(refused, Code::AlreadyExists, &[taken]);
    }
    let refused = client.alter(SALES, "t", &Change::RenameTable("taken")).await;
    assert_refused(refused, Code::AlreadyExists, &["table \"taken\" already exists, or its directory is taken"]);
    for invalid in ["", "../t", ".hidden"] {
        assert_callers_fault(client.alter(SALES, "t", &Change::RenameTable(invalid)).await, invalid);
    }
    let renamed = client.alter(SALES, "t", &Change::RenameTable("new name")).await.unwrap();
    assert_eq!((renamed.metadata.name.as_str(), &renamed.schema), ("new name", &table.schema));
    assert!(!server.table(SALES, "t").exists());
    assert_eq!(seen(&client, &renamed).await, [0, 1, 2]);
    assert_refused(client.scan(&table, &["id"]).await, Code::NotFound, &["t"]);
    let again = create_people(&client, "t").await;
    assert_eq!(seen(&client, &again).await, [0; 0]);
    let columns = readers::both(&server.table(SALES, "new name"), "SELECT count(*) FROM t");
    assert_eq!(columns, [[json!(3)]]);
}

/// Files are opened by their paths: what is not open yet is not found any more.
#[tokio::test]
async fn a_scan_of_a_table_that_is_renamed_meanwhile_is_whole_or_fails() {
    let (_server, client, table) = with_people().await;
    client.insert(&table, &[ids(3..6)]).await.unwrap();
    let endpoints = client.endpoints(&table, &["id"], "[]").await.unwrap();
    client.alter(SALES, "t", &Change::RenameTable("u")).await.unwrap();
    for endpoint in endpoints {
        let read = client.get(&table, endpoint).await;
        assert_refused(read.map(|_| ()), Code::NotFound, &["t"]);
    }
}

/// BEGIN; SELECT; ALTER; SELECT; INSERT: the statements after it see what it made.
#[tokio::test]
async fn a_transaction_sees_its_own_alter_and_others_keep_their_version() {
    let (server, client, table) = with_people().await;
    let mut other = server.client().await;
    other.begin().await.unwrap();
    assert_eq!(seen(&other, &table).await, [0, 1, 2]);

    let mut own = client.clone();
    own.begin().await.unwrap();
    assert_eq!(seen(&own, &table).await, [0, 1, 2]);
    let altered = own.alter(SALES, "t", &Change::AddColumn(&long("age"), false)).await.unwrap();
    assert_eq!(seen(&own, &altered).await, [0, 1, 2]);
    assert_eq!(own.scan(&altered, &["age"]).await.unwrap().row_count(), 3);
    let strict = own.alter(SALES, "t", &Change::SetNotNull("id")).await.unwrap();
    assert_eq!(strict.descriptor, altered.descriptor, "the client knows nothing of NOT NULL");
    let age = Arc::new(Int64Array::from(vec![1]));
    let columns = vec![Arc::new(Int64Array::from(vec![7])) as _, Arc::new(StringArray::from(vec!["x"])) as _, age as _];
    let row = RecordBatch::try_new(strict.insert_schema(), columns).unwrap();
    own.insert(&strict, &[row]).await.unwrap();
    assert_eq!(seen(&own, &strict).await, [0, 1, 2, 7]);

    assert_eq!(seen(&other, &table).await, [0, 1, 2], "as it was when they first looked");
    other.begin().await.unwrap();
    assert_eq!(seen(&other, &table).await, [0, 1, 2, 7], "a column that came last hides nothing");
    assert_refused(other.insert(&table, &[ids(8..9)]).await, Code::FailedPrecondition, &["ATTACH"]);
    let now = listed(&other, SALES, "t").await;
    assert_eq!(seen(&other, &now).await, [0, 1, 2, 7]);
}

#[tokio::test]
async fn a_transaction_goes_on_under_a_new_name() {
    let (server, client, table) = with_people().await;
    let mut own = client.clone();
    own.begin().await.unwrap();
    assert_eq!(seen(&own, &table).await, [0, 1, 2]);
    let other = server.client().await;
    other.insert(&table, &[ids(3..4)]).await.unwrap();
    let renamed = own.alter(SALES, "t", &Change::RenameTable("u")).await.unwrap();
    assert_eq!(seen(&own, &renamed).await, [0, 1, 2], "the version it has pinned");
}

#[tokio::test]
async fn what_duckdb_cannot_say_is_served_or_refused() {
    let (server, client, _) = with_people().await;
    for constraint in ["PRIMARY KEY(id)", "UNIQUE(id)", "FOREIGN KEY (id) REFERENCES u(id)"] {
        let refused = client.alter(SALES, "t", &Change::AddConstraint(constraint)).await;
        assert_refused(
            refused,
            Code::Unimplemented,
            &[&format!("ADD {constraint} is not offered; NOT NULL and CHECK are")],
        );
    }
    assert_eq!(versions(&server.table(SALES, "t")), [0, 1]);
}

/// The client sends an action again that failed with INTERNAL or broke off.
#[tokio::test]
async fn a_repeated_statement_is_answered_and_not_made_twice() {
    let (server, client, _) = with_people().await;
    let text = Field::new("id", DataType::Utf8, true);
    for change in [
        Change::AddColumn(&long("age"), false),
        Change::RenameColumn("age", "years"),
        Change::RemoveColumn("years", false),
        Change::ChangeType(&text, "CAST((id + 1) AS VARCHAR)"),
        Change::RenameTable("u"),
    ] {
        client.create_transaction().await.unwrap();
        let action = client.alter_action(SALES, "t", &change);
        let first = client.action_message(action.clone()).await.unwrap_or_else(|e| panic!("{change:?}: {e}"));
        let again = client.action_message(action.clone()).await.unwrap_or_else(|e| panic!("{change:?}: {e}"));
        assert_eq!(first, again, "{change:?}");
        let elsewhere = server.client().await.action_message(action.clone()).await;
        assert_callers_fault(elsewhere, "another session's statement");
        client.create_transaction().await.unwrap();
        assert_callers_fault(client.action_message(action).await, "the next transaction's statement");
    }
    assert_eq!(versions(&server.table(SALES, "u")), [0, 1, 2, 3, 4, 5]);
}

/// What cannot be read is no commit: an attempt that meets it fails, and may have been made for all that is known.
fn block(server: &Server, version: u64) -> std::path::PathBuf {
    let path = server.table(SALES, "t").join(format!("_delta_log/{version:020}.json"));
    fs::write(&path, "no commit").unwrap();
    path
}

#[tokio::test]
async fn an_attempt_that_failed_is_made_by_its_repetition() {
    let (server, client, _) = with_people().await;
    let text = Field::new("id", DataType::Utf8, true);
    for (version, change) in [
        (2, Change::AddColumn(&long("age"), false)),
        (3, Change::RenameColumn("age", "years")),
        (4, Change::ChangeType(&text, "CAST((id + 1) AS VARCHAR)")),
    ] {
        client.create_transaction().await.unwrap();
        let action = client.alter_action(SALES, "t", &change);
        let blocked = block(&server, version);
        assert_refused(client.action_message(action.clone()).await, Code::Internal, &[]);
        fs::remove_file(blocked).unwrap();
        client.action_message(action).await.unwrap_or_else(|e| panic!("{change:?}: {e}"));
    }
    assert_eq!(
        read(&server, "id, years"),
        [[json!("1"), json!(null)], [json!("2"), json!(null)], [json!("3"), json!(null)]]
    );
}

/// A server that has started meanwhile knows nothing of what was said to the one before: a column that has the type
/// already may have got it by this very statement, and USING must not be applied twice.
#[tokio::test]
async fn a_conversion_is_not_made_for_a_session_that_began_elsewhere() {
    let (server, client, table) = with_people().await;
    let id = long("id");
    let doubled = Change::ChangeType(&id, "(id * 2)");
    let stranger = server.client().await;
    let refused = stranger.alter(SALES, "t", &doubled).await;
    assert_refused(refused, Code::FailedPrecondition, &["broke off", "\"id\""]);
    stranger.create_transaction().await.unwrap();
    stranger.alter(SALES, "t", &doubled).await.unwrap();
    assert_eq!(seen(&client, &table).await, [0, 2, 4]);
}

/// The connection breaks while the rows are rewritten: the statement goes on, and its repetition waits for it.
#[tokio::test]
async fn a_statement_whose_connection_broke_is_found_by_its_repetition() {
    let (server, client, table) = with_people().await;
    for part in 0..20 {
        client.insert(&table, &[ids(part * 10_000..(part + 1) * 10_000)]).await.unwrap();
    }
    let text = Field::new("id", DataType::Utf8, true);
    let action = client.alter_action(SALES, "t", &Change::ChangeType(&text, "CAST((id + 1) AS VARCHAR)"));
    client.create_transaction().await.unwrap();
    let first = tokio::time::timeout(Duration::from_millis(20), client.action_message(action.clone())).await;
    let again = client.action_message(action).await.unwrap();
    assert_eq!(again.len(), 1);
    assert!(first.is_err(), "it was too quick to be broken off");
    assert_eq!(versions(&server.table(SALES, "t")).len(), 23, "one version more");
    let count = readers::both(&server.table(SALES, "t"), "SELECT count(*), min(length(id)) FROM t");
    assert_eq!(count, [[json!(200_003), json!(1)]]);
}

/// Killed at any moment of a rewriting: the table is as before or as after, for every reader.
#[tokio::test]
async fn a_crash_leaves_the_table_whole() {
    let text = Field::new("id", DataType::Utf8, true);
    for pause_ms in [5, 40, 80, 160] {
        let (server, client, table) = with_people().await;
        for part in 0..10 {
            client.insert(&table, &[ids(10 + part * 10_000..10 + (part + 1) * 10_000)]).await.unwrap();
        }
        let change = Change::ChangeType(&text, "CAST((id + 1) AS VARCHAR)");
        let altering = client.alter(SALES, "t", &change);
        let _ = tokio::time::timeout(Duration::from_millis(pause_ms), altering).await;
        let path = server.table(SALES, "t");
        drop((client, table));
        let setup = server.crash();
        let found = readers::both(&path, "SELECT count(*), count(DISTINCT id), min(CAST(id AS BIGINT)) FROM t");
        let before = [json!(100_003), json!(100_003), json!(0)];
        let after = [json!(100_003), json!(100_003), json!(1)];
        assert!(found == [before.clone()] || found == [after.clone()], "after {pause_ms} ms: {found:?}");
        drop(setup);
    }
}
