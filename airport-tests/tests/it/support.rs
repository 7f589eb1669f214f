//! What several tests need: a lake with a schema, small tables, and looks at a table's directory.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use airport_tests::{
    client::{Client, Error, OnConflict, Table},
    server::Server,
};
use arrow::{
    array::{Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use tonic::Code;

/// The schema tests put their tables into.
pub(crate) const SALES: &str = "sales";

/// The actions that are offered.
pub(crate) const OFFERED: [&str; 23] = [
    "add_column",
    "add_constraint",
    "add_field",
    "catalog_version",
    "change_column_type",
    "column_statistics",
    "create_schema",
    "create_table",
    "create_transaction",
    "drop_not_null",
    "drop_schema",
    "drop_table",
    "endpoints",
    "flight_info",
    "list_schemas",
    "remove_column",
    "remove_field",
    "rename_column",
    "rename_field",
    "rename_table",
    "set_default",
    "set_not_null",
    "table_function_flight_info",
];

/// A guard against a server that never gets there; no test waits for it to pass.
const HANG: Duration = Duration::from_secs(60);

/// A server over an empty lake, and a client that has made the schema [`SALES`] there.
pub(crate) async fn lake() -> (Server, Client) {
    let server = Server::start();
    let client = server.client().await;
    client.create_schema(SALES).await.unwrap();
    (server, client)
}

/// The columns of most tests: `id BIGINT, name VARCHAR`.
pub(crate) fn people() -> Schema {
    Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8, true)])
}

/// CREATE TABLE [`SALES`].`name` of [`people`], as a statement of its own: an exchange that follows at once would be
/// the second half of a CREATE TABLE AS.
pub(crate) async fn create_people(client: &Client, name: &str) -> Table {
    let table = client.create_table(SALES, name, &people(), OnConflict::Error).await.unwrap();
    client.create_transaction().await.unwrap();
    table
}

/// One row of [`people`] for each id, called `n` and its id.
pub(crate) fn ids(ids: Range<i64>) -> RecordBatch {
    let names = StringArray::from_iter_values(ids.clone().map(|id| format!("n{id}")));
    RecordBatch::try_new(people().into(), vec![Arc::new(Int64Array::from_iter_values(ids)), Arc::new(names)]).unwrap()
}

/// One whole exchange, message by message as the client does it: the number of rows acknowledged, and what came back.
pub(crate) async fn exchange(
    client: &Client,
    table: &Table,
    operation: &str,
    schema: &Schema,
    batches: &[RecordBatch],
    returning: bool,
) -> Result<(u64, Vec<RecordBatch>), Error> {
    let mut exchange = client.exchange(table, operation, returning).await;
    exchange.send_schema(schema).await;
    exchange.read_schema().await?;
    let mut returned = Vec::new();
    for batch in batches {
        exchange.send_batch(batch).await;
        if returning {
            returned.push(exchange.read_batch().await?);
        }
    }
    exchange.half_close();
    Ok((exchange.read_changed().await?, returned))
}

/// The listed table.
pub(crate) async fn listed(client: &Client, schema: &str, table: &str) -> Table {
    let catalog = client.list_schemas().await.unwrap();
    catalog.table(schema, table).unwrap_or_else(|| panic!("{schema}.{table} is not among {catalog:?}")).clone()
}

/// All ids a fresh statement of this client sees, sorted.
pub(crate) async fn seen(client: &Client, table: &Table) -> Vec<i64> {
    airport_tests::rows::sorted_integers(&client.scan(table, &["id"]).await.unwrap().batches)
}

/// Which versions the table's log holds.
pub(crate) fn versions(table: &Path) -> Vec<u64> {
    let log = files(&table.join("_delta_log"));
    let mut versions: Vec<_> = log.iter().filter_map(|file| file.strip_suffix(".json")?.parse().ok()).collect();
    versions.sort_unstable();
    versions
}

/// The table's files outside its log, as paths below it, sorted.
pub(crate) fn data_files(table: &Path) -> Vec<String> {
    files(table).into_iter().filter(|file| !file.starts_with("_delta_log/")).collect()
}

/// All files below `directory`, as paths below it, sorted; none if it is not there.
pub(crate) fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        // A directory may go away while it is looked at: a server cleans up.
        for path in fs::read_dir(&next).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                left.push(path);
            } else {
                found.push(below(directory, &path));
            }
        }
    }
    found.sort();
    found
}

/// Waits until `holds`; asks again every few milliseconds, for what happens in another process sends no signal.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let since = Instant::now();
    while !holds().await {
        assert!(since.elapsed() < HANG, "this never came: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Fails unless the refusal says that the caller is at fault: the client retries and garbles the other codes.
#[track_caller]
pub(crate) fn assert_callers_fault<T: std::fmt::Debug>(result: Result<T, Error>, what: &str) {
    let error = result.expect_err(what);
    let callers = [
        Code::InvalidArgument,
        Code::NotFound,
        Code::AlreadyExists,
        Code::FailedPrecondition,
        Code::ResourceExhausted,
        Code::OutOfRange,
        Code::Unimplemented,
    ];
    assert!(callers.contains(&error.code()), "{what}: {error}");
    assert!(!error.message().is_empty(), "{what}: a refusal without a reason");
}

/// Fails unless it was refused with `code` and the text names each of `names`.
#[track_caller]
pub(crate) fn assert_refused<T: std::fmt::Debug>(result: Result<T, Error>, code: Code, names: &[&str]) {
    let error = result.expect_err("it must be refused");
    assert_eq!(error.code(), code, "{error}");
    for name in names {
        assert!(error.message().contains(name), "{name:?} is not named: {error}");
    }
}

fn below(directory: &Path, path: &Path) -> String {
    let below: PathBuf = path.strip_prefix(directory).expect("it was found below").to_owned();
    below.to_str().expect("the server makes UTF-8 names").to_owned()
}
