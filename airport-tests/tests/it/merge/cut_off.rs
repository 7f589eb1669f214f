//! Merges whose client goes away, and whose server is killed: all or nothing, and no stray file.

use std::path::Path;

use airport_tests::{
    client::{Client, Exchange, Table, parameters},
    readers,
    server::{Server, Setup},
};
use arrow::array::{ArrayRef, StringArray};
use arrow_flight::FlightDescriptor;
use serde_json::json;

use crate::support::{SALES, create_people, data_files, eventually, files, ids, people, seen, versions};

/// How far a merge gets before its client stops.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Called,
    Schema,
    FirstRows,
    /// Far past what stays in memory.
    ManyRows,
    /// It matches, writes and commits.
    HalfClosed,
}

const CUTS: [Cut; 5] = [Cut::Called, Cut::Schema, Cut::FirstRows, Cut::ManyRows, Cut::HalfClosed];

const CLAUSES: &str =
    "USING (id) WHEN MATCHED THEN UPDATE SET name = source.name || '!' WHEN NOT MATCHED THEN INSERT *";

/// Rows there are before, and rows that are merged.
const ROWS: i64 = 3000;
const MERGED: i64 = 100 * 2048;

async fn begin(spill: &Path) -> (Server, Client, Table) {
    let directory = spill.to_str().expect("a temporary path");
    let arguments = ["--merge-memory-mib-max", "1", "--spill-directory", directory];
    let server = Setup::new().serve_lake().tcp().arguments(arguments).start();
    let client = server.client().await;
    client.create_schema(SALES).await.unwrap();
    let table = create_people(&client, "t").await;
    client.insert(&table, &[ids(0..ROWS)]).await.unwrap();
    (server, client, table)
}

async fn merge_until(client: &Client, cut: Cut) -> Exchange {
    client.create_transaction().await.unwrap();
    let path = vec![client.catalog().to_owned(), "delta".to_owned(), "merge".to_owned()];
    let descriptor = FlightDescriptor::new_path(path);
    let text = |text: &str| std::sync::Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let called = parameters(vec![("table", text("sales.t")), ("clauses", text(CLAUSES))]).unwrap();
    client.table_function_flight_info(&descriptor, &called, Some(&people())).await.unwrap();
    let mut call = client.in_out(&descriptor, &called).await;
    if matches!(cut, Cut::Called) {
        return call;
    }
    call.send_schema(&people()).await;
    let returns = call.read_schema().await.unwrap();
    let batches = match cut {
        Cut::Called | Cut::Schema => 0,
        Cut::FirstRows => 1,
        Cut::ManyRows | Cut::HalfClosed => MERGED / 2048,
    };
    for batch in 0..batches {
        call.send_batch(&ids(batch * 2048..(batch + 1) * 2048)).await;
        call.read_chunks(&returns).await.unwrap();
    }
    if matches!(cut, Cut::HalfClosed) {
        call.half_close();
    }
    call
}

#[tokio::test]
async fn a_merge_whose_client_goes_away_leaves_nothing() {
    let spill = tempfile::tempdir().unwrap();
    let (server, client, table) = begin(spill.path()).await;
    let path = server.table(SALES, "t");
    let before = files(&path);
    for cut in &CUTS[..4] {
        for connection in ["cancelled", "gone"] {
            let doomed = Client::attach(server.tcp(), client.catalog()).await.unwrap();
            let call = merge_until(&doomed, *cut).await;
            if connection == "gone" {
                drop((call, doomed));
            } else {
                drop(call);
            }
            eventually(&format!("{cut:?}: the directory as it was"), async || files(&path) == before).await;
            eventually(&format!("{cut:?}: nothing spilled"), async || files(spill.path()).is_empty()).await;
            assert_eq!(seen(&client, &table).await.len() as i64, ROWS, "{cut:?}");
        }
    }
    // The server goes on.
    let merged = client.merge("sales.t", CLAUSES, &[ids(ROWS - 1..ROWS + 1)]).await.unwrap();
    assert_eq!([merged.inserted, merged.updated], [1, 1]);
}

/// Once the client has half-closed, the server may commit: then wholly.
#[tokio::test]
async fn an_unread_answer_is_all_or_nothing() {
    let spill = tempfile::tempdir().unwrap();
    let (server, client, table) = begin(spill.path()).await;
    let path = server.table(SALES, "t");
    let before = data_files(&path);
    drop(merge_until(&client, Cut::HalfClosed).await);
    let settled = async || {
        let rows = seen(&client, &table).await.len() as i64;
        assert!(rows == ROWS || rows == MERGED, "{rows} rows");
        // Either the commit is there, or the files that were staged for it are gone.
        let landed = rows == MERGED;
        landed == (versions(&path) == [0, 1, 2]) && landed != (data_files(&path) == before)
    };
    eventually("all or nothing", settled).await;
    eventually("nothing spilled", async || files(spill.path()).is_empty()).await;
}

#[tokio::test]
async fn a_server_killed_in_a_merge_leaves_all_of_it_or_nothing() {
    for cut in CUTS {
        let spill = tempfile::tempdir().unwrap();
        let (server, client, _) = begin(spill.path()).await;
        let path = server.table(SALES, "t");
        let call = merge_until(&client, cut).await;
        let lake = server.crash();
        drop(call);
        let sum = |rows: i64| rows * (rows - 1) / 2;
        let whole = [[json!(MERGED), json!(sum(MERGED)), json!(MERGED)], [json!(ROWS), json!(sum(ROWS)), json!(ROWS)]];
        let sql = "SELECT count(*), sum(id), count(DISTINCT name) FROM t";
        let found = readers::both(&path, sql);
        assert!(whole.iter().any(|rows| found == [rows.to_vec()]), "{cut:?}: {found:?}");
        let server = lake.again().serve_lake().tcp().start();
        server.client().await.list_schemas().await.unwrap();
        let merged = server.client().await.merge("sales.t", CLAUSES, &[ids(-2..0)]).await.unwrap();
        assert_eq!(merged.inserted, 2, "{cut:?}");
        assert_eq!(files(spill.path()), [""; 0], "{cut:?}: spilled");
    }
}
