//! Lakes as they are found: many tables, broken ones, and the demo's.

use std::{fs, path::Path};

use airport_tests::{
    client::OnConflict,
    readers,
    server::{Server, Setup},
};

use crate::support::{assert_callers_fault, eventually, files, people, seen};

const MANY: usize = 1000;

#[tokio::test]
async fn a_thousand_tables_attach() {
    let server = Server::start();
    let schema = server.lake().join("many");
    fs::create_dir(&schema).unwrap();
    one_table(&server.lake(), "many/t0");
    for number in 1..MANY {
        copy_table(&schema.join("t0"), &schema.join(format!("t{number}")));
    }
    let client = server.client().await;
    let catalog = client.list_schemas().await.unwrap();
    assert_eq!(catalog.table_names("many").len(), MANY);
    let table = catalog.table("many", "t777").unwrap();
    assert_eq!(seen(&client, table).await, [1, 2]);
    // A second client, as a first one's tables are cached.
    assert_eq!(server.client().await.list_schemas().await.unwrap().table_names("many").len(), MANY);
}

#[tokio::test]
async fn a_broken_table_hides_no_other() {
    let server = Server::start();
    one_table(&server.lake(), "sales/good");
    let broken = server.lake().join("sales/broken");
    copy_table(&server.lake().join("sales/good"), &broken);
    fs::write(broken.join("_delta_log/00000000000000000000.json"), "this is no log\n").unwrap();
    let future = server.lake().join("sales/future");
    copy_table(&server.lake().join("sales/good"), &future);
    require_feature(&future, "timeTravelToTheFuture");
    fs::create_dir_all(server.lake().join("sales/empty/_delta_log")).unwrap();
    fs::create_dir_all(server.lake().join("sales/no table/at all")).unwrap();
    let before = files(&server.lake());

    let client = server.client().await;
    let catalog = client.list_schemas().await.unwrap();
    assert_eq!(catalog.table_names("sales"), ["good"]);
    assert_eq!(seen(&client, catalog.table("sales", "good").unwrap()).await, [1, 2]);
    eventually("a warning names each", async || {
        let stderr = server.stderr();
        ["broken", "future", "timeTravelToTheFuture"].iter().all(|name| stderr.contains(name))
    })
    .await;
    // Naming one says what is wrong with it, and does not make a new table over it.
    let made = client.create_table("sales", "future", &people(), OnConflict::Ignore).await;
    assert!(made.clone().is_err_and(|e| e.message().contains("timeTravelToTheFuture")), "{made:?}");
    let made = client.create_table("sales", "broken", &people(), OnConflict::Error).await;
    assert_callers_fault_or_internal(made);
    assert_eq!(files(&server.lake()), before);
}

/// A log that cannot be read is nobody's fault but the storage's; the point is that nothing is overwritten.
fn assert_callers_fault_or_internal<T: std::fmt::Debug>(made: airport_tests::client::Result<T>) {
    let error = made.expect_err("a table stands there");
    if error.code() != tonic::Code::Internal {
        assert_callers_fault::<()>(Err(error), "a broken table's name");
    }
}

#[tokio::test]
async fn a_table_that_breaks_later_says_why_when_it_is_read() {
    let server = Server::start();
    one_table(&server.lake(), "sales/t");
    let client = server.client().await;
    let catalog = client.list_schemas().await.unwrap();
    let table = catalog.table("sales", "t").unwrap();
    let data = files(&server.lake()).into_iter().find(|file| file.ends_with(".parquet")).unwrap();
    fs::write(server.lake().join(&data), "no Parquet").unwrap();
    let error = client.scan(table, &["id"]).await.expect_err("the data file is broken");
    let name = Path::new(&data).file_name().unwrap().to_str().unwrap();
    assert!(error.message().contains(name), "the file is not named: {error}");
    assert_eq!(client.list_schemas().await.unwrap().table_names("sales"), ["t"], "the server goes on");
}

#[tokio::test]
async fn a_demo_is_made_once_and_served() {
    let setup = Setup::new();
    let directory = setup.beside("a demo");
    let server = setup.demo().arguments([directory.to_str().unwrap()]).tcp().start();
    let client = server.client().await;
    let catalog = client.list_schemas().await.unwrap();
    let tables: Vec<_> = catalog.schemas.iter().flat_map(|schema| &schema.tables).collect();
    assert!(tables.len() >= 3, "a plain, a partitioned and a nested table: {catalog:?}");
    for table in &tables {
        let rows = client.scan(table, &table.column_names()[..1]).await.unwrap().row_count();
        assert!(rows > 0, "{} is empty", table.metadata.name);
    }

    let before = files(&directory);
    let setup = server.stop_beside_clients().await;
    let server = setup.again().demo().arguments([directory.to_str().unwrap()]).tcp().start();
    assert_eq!(server.client().await.list_schemas().await.unwrap().schemas.len(), catalog.schemas.len());
    assert_eq!(files(&directory), before, "a lake that is there is served as it is");
}

/// Writes a table of two rows at a path below the lake.
fn one_table(lake: &Path, path: &str) {
    let write = format!("deltalake.write_deltalake(lake / '{path}', pa.table({{'id': pa.array([1, 2], pa.int64())}}))");
    readers::python(lake, &write);
}

fn copy_table(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(&file);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(from.join(&file), target).unwrap();
    }
}

/// Makes a table say that its readers need `feature`.
fn require_feature(table: &Path, feature: &str) {
    let log = table.join("_delta_log/00000000000000000000.json");
    let text = fs::read_to_string(&log).unwrap();
    let protocol = format!(
        r#"{{"protocol":{{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["{feature}"],"writerFeatures":["{feature}"]}}}}"#
    );
    let lines = text.lines().map(|line| if line.contains("\"protocol\"") { &protocol } else { line });
    fs::write(log, lines.collect::<Vec<_>>().join("\n")).unwrap();
}
