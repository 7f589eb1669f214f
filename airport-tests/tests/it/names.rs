//! Names of schemas and tables: odd ones work, wicked ones never leave the lake.

use airport_tests::{
    client::{Client, OnConflict},
    server::Server,
};

use crate::support::{SALES, assert_callers_fault, files, ids, lake, listed, people, seen};

const ODD: [&str; 12] = [
    "with space",
    " leading and trailing ",
    "it's",
    "quo\"ted",
    "d.o.t",
    "ünïcødé 表 🦆",
    "e\u{301}", // a combining accent
    "%2e%2e",
    "per%cent",
    "a=b",
    "select * from x; --",
    "plus+hash#query?amp&star*",
];

#[tokio::test]
async fn odd_names_work() {
    let (server, client) = lake().await;
    for (number, name) in (0..).zip(ODD) {
        client.create_schema(name).await.unwrap_or_else(|e| panic!("schema {name:?}: {e}"));
        let made = client.create_table(name, name, &people(), OnConflict::Error).await;
        let table = made.unwrap_or_else(|e| panic!("table {name:?}: {e}"));
        client.insert(&table, &[ids(number..number + 1)]).await.unwrap_or_else(|e| panic!("insert {name:?}: {e}"));
    }
    // As a directory is what remains, a server that starts anew finds the same.
    let server = server.stop_beside_clients().await.again().serve_lake().tcp().start();
    let client = server.client().await;
    for (number, name) in (0..).zip(ODD) {
        let table = listed(&client, name, name).await;
        assert_eq!(seen(&client, &table).await, [number], "{name:?}");
        client.drop_table(name, name, false).await.unwrap_or_else(|e| panic!("drop {name:?}: {e}"));
        client.drop_schema(name, false).await.unwrap_or_else(|e| panic!("drop schema {name:?}: {e}"));
    }
    assert_eq!(files(&server.lake()), [""; 0]);
}

#[tokio::test]
async fn wicked_names_never_leave_the_lake() {
    let (server, client) = lake().await;
    // What the names below would reach.
    let around = server.lake().parent().unwrap().to_owned();
    std::fs::create_dir_all(around.join("outside/table/_delta_log")).unwrap();
    std::fs::write(around.join("outside/table/_delta_log/00000000000000000000.json"), "{}").unwrap();
    let before = files(&around);

    let absolute = around.join("outside");
    let long = "x".repeat(10_000);
    for wicked in [
        "..",
        ".",
        "",
        "../outside",
        "../../outside",
        "/",
        "/tmp",
        absolute.to_str().unwrap(),
        "a/b",
        "a/../../outside",
        "nul\0byte",
        "tab\tbed",
        "line\nbreak",
        "back\\slash",
        &long,
    ] {
        let what = |call: &str| format!("{call} {:?}", &wicked[..wicked.len().min(40)]);
        let schema = || client.create_schema(wicked);
        assert_callers_fault(schema().await, &what("create_schema"));
        for (schema, table) in [(SALES, wicked), (wicked, "table"), (wicked, wicked)] {
            let made = client.create_table(schema, table, &people(), OnConflict::Error).await;
            assert_callers_fault(made, &what("create_table"));
            assert_callers_fault(client.drop_table(schema, table, false).await, &what("drop_table"));
        }
        assert_callers_fault(client.drop_schema(wicked, false).await, &what("drop_schema"));
        client.drop_table(SALES, wicked, true).await.ok();
        client.drop_schema(wicked, true).await.ok();
        assert_eq!(files(&around), before, "{}", what("after"));
    }
    assert!(server.lake().join(SALES).is_dir() && around.join("outside/table").is_dir());
}

/// Names that a Delta directory uses itself, or that the client cannot address.
#[tokio::test]
async fn reserved_names_are_refused() {
    let (server, client) = lake().await;
    for name in ["_delta_log", "main"] {
        assert_callers_fault(client.create_schema(name).await, name);
    }
    let made = client.create_table(SALES, "_delta_log", &people(), OnConflict::Error).await;
    assert_callers_fault(made, "a table called _delta_log");
    let made = client.create_table("main", "t", &people(), OnConflict::Error).await;
    assert_callers_fault(made, "a table in main");
    assert_eq!(files(&server.lake()), [""; 0]);
}

#[cfg(unix)]
#[tokio::test]
async fn links_do_not_lead_out_of_a_drop() {
    let (server, client) = lake().await;
    let outside = server.lake().parent().unwrap().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("precious"), "").unwrap();
    std::os::unix::fs::symlink(&outside, server.lake().join("linked")).unwrap();
    client.drop_schema("linked", false).await.ok();
    client.drop_table("public", "linked", true).await.ok();
    assert!(outside.join("precious").exists());
}

/// On a file system that tells case apart two names may differ in case only; for DuckDB they are one.
#[tokio::test]
async fn names_that_differ_in_case_do_not_hide_each_other_in_silence() {
    let server = Server::start();
    let client: Client = server.client().await;
    client.create_schema("Sales").await.unwrap();
    let table = client.create_table("Sales", "Orders", &people(), OnConflict::Error).await.unwrap();
    client.insert(&table, &[ids(0..1)]).await.unwrap();
    assert_eq!(client.list_schemas().await.unwrap().table_names("Sales"), ["Orders"]);
    assert!(client.create_table("Sales", "ORDERS", &people(), OnConflict::Error).await.is_err());
    assert_eq!(seen(&client, &table).await, [0]);
}
