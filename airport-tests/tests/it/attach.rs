//! ATTACH: what is listed, over which transports, under which names.

use airport_tests::{
    client::{Client, raw},
    readers,
    server::{CATALOG, Server, Setup},
};
use arrow_flight::Action;
use tonic::Code;

use crate::support::{assert_refused, create_people, ids, lake, listed, seen};

#[tokio::test]
async fn an_empty_lake_has_no_tables_and_no_main() {
    let server = Server::start();
    let catalog = server.client().await.list_schemas().await.unwrap();
    assert!(catalog.schemas.iter().all(|schema| schema.tables.is_empty()), "{catalog:?}");
    // The real client cannot address a schema of that name.
    assert!(!catalog.schema_names().contains(&"main"));
    assert!(catalog.schema_names().contains(&"public"), "tables under the root need a schema");
}

#[tokio::test]
async fn every_listener_serves_the_same_lake() {
    let (server, client) = lake().await;
    let table = create_people(&client, "t").await;
    client.insert(&table, &[ids(0..3)]).await.unwrap();
    for location in [server.tcp(), server.unix()] {
        let other = Client::attach(location, CATALOG).await.unwrap();
        let table = listed(&other, "sales", "t").await;
        assert_eq!(seen(&other, &table).await, [0, 1, 2], "{location}");
    }
}

#[tokio::test]
async fn a_unix_socket_takes_the_authority_grpc_cpp_sends() {
    let server = Server::start();
    let body = [&[0x81, 0xac][..], b"catalog_name", &[0xa4], b"lake"].concat();
    let action = Action::new("catalog_version", body);
    let authority = raw::authority(&server.socket());
    assert!(authority.contains("%2F"), "{authority}");
    for authority in [&authority, "localhost"] {
        let (ending, results) = raw::do_action(&server.socket(), authority, &action).unwrap();
        assert_eq!((ending, results.len()), (raw::Ending::Ended, 1), "{authority}");
    }
}

#[tokio::test]
async fn catalogs_are_served_by_name() {
    let setup = Setup::new();
    let (first, second) = (setup.beside("one"), setup.beside("two"));
    for directory in [&first, &second] {
        std::fs::create_dir(directory).unwrap();
    }
    let one = format!("one={}", first.display());
    let two = format!("o'two={}", second.display());
    let server = setup.arguments(["--catalog", &one, "--catalog", &two]).tcp().lines(2).start();
    let mut names: Vec<_> = server.attach().iter().map(|attach| attach.catalog.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["o'two", "one"]);

    let one = Client::attach(server.tcp(), "one").await.unwrap();
    one.create_schema("only_in_one").await.unwrap();
    let two = Client::attach(server.tcp(), "o'two").await.unwrap();
    assert!(one.list_schemas().await.unwrap().schema_names().contains(&"only_in_one"));
    assert!(!two.list_schemas().await.unwrap().schema_names().contains(&"only_in_one"));

    let nobody = Client::attach(server.tcp(), "three").await.unwrap();
    assert_refused(nobody.list_schemas().await, Code::NotFound, &["three"]);
}

#[tokio::test]
async fn a_table_of_others_is_listed_with_its_row_count() {
    let server = Server::start();
    let write = r#"
table = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "name": ["a", None, "c"]})
deltalake.write_deltalake(lake / "rooted", table)
deltalake.write_deltalake(lake / "sales" / "orders", table)
"#;
    readers::python(&server.lake(), write);
    let client = server.client().await;
    for (schema, name) in [("public", "rooted"), ("sales", "orders")] {
        let table = listed(&client, schema, name).await;
        assert_eq!(table.column_names(), ["id", "name", "rowid"]);
        assert_eq!(table.metadata.r#type, "table");
        assert_eq!(seen(&client, &table).await, [1, 2, 3]);
    }
}

#[tokio::test]
async fn no_plan_is_run_twice_and_the_catalogs_version_never_falls() {
    let (_server, client) = lake().await;
    let mut last = client.catalog_version().await.unwrap();
    assert!(!last.is_fixed);
    let listed = client.list_schemas().await.unwrap().version;
    assert!(listed.catalog_version > last.catalog_version);

    let mut moved = async |what: &str| {
        let now = client.catalog_version().await.unwrap();
        assert!(now.catalog_version > last.catalog_version, "{what}");
        last = now;
    };
    moved("nothing happened, yet a plan made then is of a transaction that is over").await;
    create_people(&client, "t").await;
    moved("a table was made").await;
    client.create_schema("another").await.unwrap();
    moved("a schema was made").await;
    client.drop_table("sales", "t", false).await.unwrap();
    moved("a table was dropped").await;
    client.drop_schema("another", false).await.unwrap();
    moved("a schema was dropped").await;
}
