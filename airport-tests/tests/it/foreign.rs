//! Tables that others made (`readers/foreign.py`): each is read right and appended to so that others read that right,
//! or is refused by the name of what stands in the way.

use std::{fs, path::Path, sync::Arc};

use airport_tests::{
    client::{Client, Table},
    readers::{self, Rows},
    rows::sorted_rows,
    server::Server,
};
use arrow::{
    array::{Int64Array, RecordBatch},
    compute::cast,
};
use arrow_flight::FlightDescriptor;
use serde_json::{Value, json};
use tonic::Code;

use crate::{
    read::comparison,
    support::{SALES, assert_refused, data_files, eventually, files, lake, listed, versions},
};

/// Makes a table of the fixtures, and answers with its rows and with who else reads it right.
fn make(server: &Server, name: &str) -> (Rows, Vec<String>) {
    let made =
        readers::python(&server.lake(), &format!("result = foreign.TABLES[{name:?}](lake / 'sales' / {name:?})"));
    let (rows, readers) = (made[0].clone(), made[1].clone());
    (serde_json::from_value(rows).expect("rows"), serde_json::from_value(readers).expect("names"))
}

fn python(server: &Server, code: &str) -> Value {
    readers::python(&server.lake(), code)
}

async fn scan(client: &Client, table: &Table) -> Vec<RecordBatch> {
    let names: Vec<_> = columns(table);
    client.scan(table, &names).await.unwrap_or_else(|error| panic!("{}: {error}", table.metadata.name)).batches
}

/// A batch that was read in the types that rows are sent in.
fn to_insert(table: &Table, read: &RecordBatch) -> RecordBatch {
    let schema = table.insert_schema();
    let columns = read.columns().iter().zip(schema.fields()).map(|(column, field)| cast(column, field.data_type()));
    RecordBatch::try_new(schema.clone(), columns.collect::<Result<_, _>>().unwrap()).unwrap()
}

fn columns(table: &Table) -> Vec<&str> {
    table.column_names().into_iter().filter(|name| *name != "rowid").collect()
}

/// Rows as text in one order: what another reader gives as a number, this server may give as text.
fn texts(rows: &Rows) -> Vec<String> {
    fn plain(value: &Value) -> Value {
        match value {
            Value::Number(number) => Value::String(number.to_string()),
            Value::String(text) => Value::String(instant(text).to_owned()),
            Value::Array(items) => items.iter().map(plain).collect(),
            Value::Object(fields) => fields.iter().map(|(name, item)| (name.clone(), plain(item))).collect(),
            other => other.clone(),
        }
    }
    fn instant(text: &str) -> &str {
        let local = text.strip_suffix("+00:00").or(text.strip_suffix('Z')).unwrap_or(text);
        if local.contains('T') && local.contains('.') { local.trim_end_matches('0') } else { local }
    }
    let mut texts: Vec<_> = rows.iter().map(|row| row.iter().map(plain).collect::<Value>().to_string()).collect();
    texts.sort();
    texts
}

/// Reads a table, inserts its own rows into it, and has everybody read it again.
async fn read_and_appended_to(name: &str) {
    let (server, client) = lake().await;
    let (mut expected, readers) = make(&server, name);
    let path = server.table(SALES, name);
    let before = versions(&path).last().copied().unwrap();
    let table = listed(&client, SALES, name).await;
    let read = scan(&client, &table).await;
    assert_eq!(texts(&sorted_rows(&read)), texts(&expected), "{name} as it was found");

    let rows: Vec<_> = read.iter().map(|batch| to_insert(&table, batch)).collect();
    client.create_transaction().await.unwrap();
    client.insert(&table, &rows).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(versions(&path).last().copied(), Some(before + 1));
    expected.extend(expected.clone());
    client.create_transaction().await.unwrap();
    assert_eq!(texts(&sorted_rows(&scan(&client, &table).await)), texts(&expected), "{name} with its rows twice");
    for reader in readers {
        let read = readers::by_name(&reader).expect("a reader");
        assert_eq!(texts(&read(&path, "SELECT * FROM t")), texts(&expected), "{name} as {reader} reads it");
    }
}

macro_rules! tables {
    ($($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                read_and_appended_to(stringify!($name)).await;
            }
        )*

        #[test]
        fn every_table_is_tested() {
            let made = readers::python(Path::new("."), "result = list(foreign.TABLES)");
            assert_eq!(made, json!([$(stringify!($name)),*]));
        }
    };
}

tables! {
    by_deltalake
    by_duckdb
    mapped_by_name
    mapped_by_id
    widened
    odd_partitions
    typed_partitions
    negative_decimal_partitions
    timestamps
    uneven
    with_vectors
    vectored
    full_paths
    tracked
    checkpointed_often
    collated
    evolved
}

#[tokio::test]
async fn filters_find_what_was_written_before_a_column_became_wider() {
    let (server, client) = lake().await;
    make(&server, "widened");
    let table = listed(&client, SALES, "widened").await;
    for (column, kind, value, found) in [
        ("l", "BIGINT", json!(-128), 1),
        ("f", "DOUBLE", json!(0.5), 1),
        ("i", "DOUBLE", json!(-7.0), 1),
        ("n", "BIGINT", json!(1), 1),
        ("l", "BIGINT", json!(-129), 0),
    ] {
        let filters = format!("[{}]", comparison("EQUAL", column, kind, &value));
        let rows = client.scan_where(&table, &[column], &filters).await.unwrap();
        assert_eq!(rows.row_count(), found, "{column} = {value}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_by_its_name() {
    let (server, client) = lake().await;
    for (name, why) in [
        ("variant", "column 'v' of table 'variant' has type variant"),
        ("catalog", "'catalogManaged', which is not offered for reading"),
        ("tomorrow", "'timeTravelToTheFuture', which is not offered for reading"),
        ("void", "column 'v' of table 'void' has type void"),
        ("narrowed", "column 'n' of table 'narrowed' was changed from long to integer"),
    ] {
        python(&server, &format!("foreign.refused_to_read(lake / 'sales' / '{name}', '{name}')"));
        let info = client.flight_info(&descriptor(name), "", "").await;
        assert_refused(info, Code::Unimplemented, &[why]);
    }
    python(&server, "foreign.clone(lake / 'sales' / 'clone')");
    let table = listed(&client, SALES, "clone").await;
    let scan = client.scan(&table, &["n"]).await;
    assert_refused(scan, Code::Unimplemented, &["elsewhere.parquet' lies outside the table's directory"]);
}

/// The descriptor of a table that is not listed, of columns that nobody has seen.
fn descriptor(table: &str) -> FlightDescriptor {
    FlightDescriptor::new_path(["lake", SALES, table, "0000000000000000"].map(str::to_owned).into())
}

#[tokio::test]
async fn what_cannot_be_written_is_refused_by_its_name_and_left_as_it_is() {
    let (server, client) = lake().await;
    for (feature, properties) in [
        ("icebergCompatV1", "{'delta.enableIcebergCompatV1': 'true'}"),
        ("icebergCompatV2", "{'delta.enableIcebergCompatV2': 'true'}"),
        ("materializePartitionColumns", "{}"),
        ("timeTravelToTheFuture", "{}"),
    ] {
        python(&server, &format!("foreign.refused_to_write(lake / 'sales' / '{feature}', '{feature}', {properties})"));
        let path = server.table(SALES, feature);
        let before = files(&path);
        let table = listed(&client, SALES, feature).await;
        assert_eq!(scan(&client, &table).await.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
        client.create_transaction().await.unwrap();
        let row = RecordBatch::try_new(table.insert_schema(), vec![Arc::new(Int64Array::from(vec![1]))]);
        let inserted = client.insert(&table, &[row.unwrap()]).await;
        assert_refused(inserted, Code::Unimplemented, &[feature, "which is not offered for writing"]);
        assert_eq!(files(&path), before);
        assert_eq!(data_files(&path), [] as [String; 0]);
    }
}

#[tokio::test]
async fn a_tracked_tables_commits_go_on_from_its_own() {
    let (server, client) = lake().await;
    make(&server, "tracked");
    let table = listed(&client, SALES, "tracked").await;
    let rows = scan(&client, &table).await;
    let rows = to_insert(&table, &rows[0]);
    for version in 2..=3 {
        client.create_transaction().await.unwrap();
        client.insert(&table, std::slice::from_ref(&rows)).await.unwrap();
        let log = server.table(SALES, "tracked").join(format!("_delta_log/{version:020}.json"));
        let text = fs::read_to_string(log).unwrap();
        let actions: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let info = &actions[0]["commitInfo"];
        assert_eq!(info["inCommitTimestamp"], 4_000_000_000_000_u64 + version, "{text}");
        assert_eq!(info["tags"]["delta.rowTracking.preserved"], "true");
        let add = &actions[1]["add"];
        assert_eq!(
            (add["baseRowId"].as_u64(), add["defaultRowCommitVersion"].as_u64()),
            (Some(2 * version - 2), Some(version))
        );
        assert!(add["stats"].as_str().unwrap().contains(r#""minValues":{"n":1"#), "clustering columns have statistics");
        let highest = actions[2]["domainMetadata"]["configuration"].as_str().unwrap();
        assert_eq!(highest, format!(r#"{{"rowIdHighWaterMark":{}}}"#, 2 * version - 1));
    }
}

#[tokio::test]
async fn a_checkpoint_of_the_second_kind_is_written_where_it_is_due() {
    let (server, client) = lake().await;
    make(&server, "checkpointed_often");
    let table = listed(&client, SALES, "checkpointed_often").await;
    let rows = scan(&client, &table).await;
    let rows = to_insert(&table, &rows[0]);
    client.create_transaction().await.unwrap();
    client.insert(&table, std::slice::from_ref(&rows)).await.unwrap();
    let path = server.table(SALES, "checkpointed_often");
    let checkpoint = path.join("_delta_log/00000000000000000002.checkpoint.parquet");
    eventually("the checkpoint", async || path.join("_delta_log/_last_checkpoint").exists() && checkpoint.exists())
        .await;
    let columns = python(
        &server,
        "import pyarrow.parquet as pq\n\
         table = pq.read_table(lake / 'sales/checkpointed_often/_delta_log/00000000000000000002.checkpoint.parquet')\n\
         adds = [row for row in table.column('add').to_pylist() if row]\n\
         marks = [row for row in table.column('checkpointMetadata').to_pylist() if row]\n\
         result = [len(marks), sorted(add['stats_parsed']['numRecords'] for add in adds), 'stats' in adds[0]]",
    );
    assert_eq!(columns, json!([1, [2, 2], false]));
    // Nothing but the checkpoint tells of the commits before it.
    for version in 0..2 {
        fs::remove_file(path.join(format!("_delta_log/{version:020}.json"))).unwrap();
    }
    assert_eq!(readers::both(&path, "SELECT count(*) FROM t"), [[json!(4)]]);
}
