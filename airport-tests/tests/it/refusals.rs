//! Every refusal that a client can provoke, by its words: what is wrong, and what would be right. Nothing is written,
//! and the next statement works.

use std::fs;

use airport_tests::{
    client::{Client, Exchange, OnConflict, Packer, Table},
    server::Server,
};
use arrow::datatypes::{DataType, Field, Schema};
use arrow_flight::{FlightData, FlightDescriptor};
use prost::Message;
use serde_json::{Value, json};
use tonic::Code;

use crate::support::{SALES, assert_refused, create_people, files, ids, lake, listed, people, seen};

/// A lake with one table, and what it holds.
struct Lake {
    server: Server,
    client: Client,
    table: Table,
    before: Vec<String>,
}

impl Lake {
    async fn new() -> Self {
        let (server, client) = lake().await;
        let table = create_people(&client, "t").await;
        client.insert(&table, &[ids(0..3)]).await.unwrap();
        let before = files(&server.lake());
        Self { server, client, table, before }
    }

    /// Nothing was written, and the next statement works.
    async fn assert_unharmed(&mut self) {
        crate::support::eventually("no file is left", async || files(&self.server.lake()) == self.before).await;
        let count = seen(&self.client, &self.table).await.len() as i64;
        self.client.insert(&self.table, &[ids(count..count + 1)]).await.unwrap();
        self.before = files(&self.server.lake());
    }

    async fn exchange(&self, messages: Vec<FlightData>) -> Exchange {
        let mut messages = messages.into_iter();
        let mut exchange = self.client.exchange_with(messages.next().unwrap(), "insert", false).await;
        for message in messages {
            exchange.send_message(message).await;
        }
        exchange.half_close();
        exchange
    }
}

#[tokio::test]
async fn schemas_and_tables() {
    let mut lake = Lake::new().await;
    let client = lake.client.clone();
    let elsewhere = Client::attach(lake.server.tcp(), "nowhere").await.unwrap();
    assert_refused(elsewhere.list_schemas().await, Code::NotFound, &["no catalog is called \"nowhere\"", "\"lake\""]);
    for (schema, why) in [
        ("main", "cannot be addressed through ATTACH; choose another name"),
        ("", "is empty"),
        (".x", "starts with a dot; such directories are not part of a catalog"),
        ("_delta_log", "is what tables call their logs"),
        ("a/b", "slashes, backslashes and control characters are not possible"),
        (&"x".repeat(256), "has 256 bytes; at most 255 are possible"),
    ] {
        assert_refused(client.create_schema(schema).await, Code::InvalidArgument, &[why]);
    }
    let create = async |schema, table| client.create_table(schema, table, &people(), OnConflict::Error).await;
    let exists = "already exists, or its directory is taken";
    assert_refused(create(SALES, "t").await, Code::AlreadyExists, &["table \"t\"", exists]);
    let checked = golden_with_check(&client).await;
    assert_refused(
        checked,
        Code::Unimplemented,
        &[
            "is not offered, so table \"orders\" was not made: Delta has no unique constraint that a write could enforce",
        ],
    );
    let case = "differs from the existing \"t\" in case only";
    assert_refused(create(SALES, "T").await, Code::AlreadyExists, &["\"T\"", case]);
    assert_refused(create("none", "t").await, Code::NotFound, &["catalog \"lake\" has no schema \"none\""]);
    let no_table = "schema \"sales\" of catalog \"lake\" has no table \"none\"";
    assert_refused(client.drop_table(SALES, "none", false).await, Code::NotFound, &[no_table]);
    let full = "is not empty; drop its tables first (CASCADE does not reach the server)";
    assert_refused(client.drop_schema(SALES, false).await, Code::FailedPrecondition, &[full]);
    let root = "schema \"public\" is the catalog's root and stays";
    fs::create_dir(lake.server.lake().join("loose")).unwrap();
    assert_refused(client.drop_schema("public", false).await, Code::FailedPrecondition, &[root]);
    lake.assert_unharmed().await;
}

/// A recorded CREATE TABLE with CHECK and PRIMARY KEY.
async fn golden_with_check(client: &Client) -> airport_tests::client::Result<Table> {
    let golden = airport_tests::golden::Golden::duckdb_1_5_5();
    airport_tests::golden::create_table(client, &golden, "011-DoAction-create_table").await
}

#[tokio::test]
async fn columns() {
    let mut lake = Lake::new().await;
    let field = |name: &str| Field::new(name, DataType::Int32, true);
    for (columns, why) in [
        (vec![], "table \"new\" was not made: it has no columns"),
        (vec![field("ROWID")], "a column is called rowid, which is the name of the rows' own ids"),
        (vec![field("a"), field("")], "a column has an empty name"),
        (vec![field("a"), field("A")], "is there twice (names differ in case only)"),
    ] {
        let made = lake.client.create_table(SALES, "new", &Schema::new(columns), OnConflict::Error).await;
        assert_refused(made, Code::InvalidArgument, &[why]);
    }
    lake.assert_unharmed().await;
}

#[tokio::test]
async fn looking_at_tables() {
    let mut lake = Lake::new().await;
    let mut client = lake.client.clone();
    let descriptor = lake.table.descriptor.clone();
    let info = client.flight_info(&descriptor, "VERSION", "one").await;
    assert_refused(info, Code::InvalidArgument, &["version \"one\" is not a whole number of 0 or more"]);
    let info = client.flight_info(&descriptor, "MOON", "1").await;
    assert_refused(
        info,
        Code::InvalidArgument,
        &["malformed AT clause: unit \"MOON\" is neither VERSION nor TIMESTAMP"],
    );
    let endpoints = client.endpoints_raw(&descriptor, b"", &[2]).await;
    assert_refused(endpoints, Code::InvalidArgument, &["column 2 was asked for and the table has 2"]);
    client.set_transaction(Some("forgotten"));
    let endpoints = client.endpoints(&lake.table, &["id"], "[]").await;
    let info = client.flight_info(&descriptor, "VERSION", "9").await;
    assert_refused(info, Code::NotFound, &["has no version 9; versions 0 to"]);
    let unknown = "is not known to this server (it restarted, or too many others came since)";
    assert_refused(endpoints, Code::FailedPrecondition, &["transaction forgotten", unknown]);
    lake.assert_unharmed().await;
}

#[tokio::test]
async fn actions_and_methods_that_are_not_offered() {
    let mut lake = Lake::new().await;
    let client = lake.client.clone();
    let action = client.action("no_such_action", "").await;
    assert_refused(action, Code::Unimplemented, &["the action \"no_such_action\" is not offered"]);
    let empty = || vec![bytes::Bytes::new()];
    for method in ["Handshake", "ListFlights", "GetFlightInfo", "PollFlightInfo", "GetSchema", "DoPut", "ListActions"] {
        let named = [method, "is not offered; ATTACH the catalog with TYPE airport"];
        assert_refused(client.call_raw(method, empty(), &[]).await, Code::Unimplemented, &named);
    }
    assert_refused(client.call_raw("NoSuchMethod", empty(), &[]).await, Code::Unimplemented, &[]);
    for (operation, code, named) in [
        ("table_function_in_out", Code::InvalidArgument, "malformed function descriptor: its path has 4 components"),
        ("scalar_function", Code::Unimplemented, "scalar functions are not offered"),
    ] {
        let mut exchange = client.exchange(&lake.table, operation, false).await;
        exchange.send_schema(&people()).await;
        assert_refused(exchange.read_schema().await, code, &[named]);
    }
    let mut exchange = client.exchange(&lake.table, "upsert", false).await;
    assert_refused(
        exchange.read_schema().await,
        Code::InvalidArgument,
        &["operation \"upsert\" is none of insert, update"],
    );
    lake.assert_unharmed().await;
}

/// Below msgpack and Arrow: protobuf that is none, and headers that are no text.
#[tokio::test]
async fn messages_that_are_no_messages() {
    let mut lake = Lake::new().await;
    let client = lake.client.clone();
    for method in ["DoAction", "DoGet", "DoExchange"] {
        for message in [&b"\xff"[..], b"\x0a\xff\xff\xff\xff\x0f", b"\x08\x96", b"\x0b\x0b\x0b"] {
            let headers = [("airport-operation", b"insert".to_vec())];
            let call = client.call_raw(method, vec![message.to_vec().into()], &headers).await;
            assert_refused(call, Code::InvalidArgument, &["malformed message: "]);
        }
        // A call without any message.
        client.call_raw(method, vec![], &[]).await.expect_err(method);
    }
    let insert = FlightData::new().with_descriptor(lake.table.descriptor.clone()).encode_to_vec();
    for headers in [
        vec![],
        vec![("airport-operation", b"\xff\xfe".to_vec())],
        vec![("airport-operation", b"".to_vec())],
        vec![("airport-operation", b"insert".to_vec()), ("airport-operation", b"upsert".to_vec())],
    ] {
        let call = client.call_raw("DoExchange", vec![insert.clone().into()], &headers).await;
        assert_refused(call, Code::InvalidArgument, &["operation"]);
    }
    // What is no 1 asks for no rows back; a transaction of odd characters is one that nobody began.
    let odd = [("airport-operation", b"insert".to_vec()), ("return-chunks", b"\xe4\xb8\xad".to_vec())];
    let call = client.call_raw("DoExchange", vec![insert.clone().into()], &odd).await;
    assert_refused(call, Code::InvalidArgument, &["the exchange ended before it named a schema"]);
    lake.assert_unharmed().await;
}

#[tokio::test]
async fn exchanges() {
    let mut lake = Lake::new().await;
    let descriptor = FlightData::new().with_descriptor(lake.table.descriptor.clone());
    let schema = |schema: &Schema| -> FlightData {
        arrow_flight::SchemaAsIpc::new(schema, &arrow::ipc::writer::IpcWriteOptions::default()).into()
    };
    let row_id = Field::new("rowid", DataType::Int64, true);
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    let (id, name) = (field("id", DataType::Int64), field("name", DataType::Utf8));
    for (messages, why) in [
        (vec![FlightData::new()], "the first message of the exchange names no table"),
        (vec![descriptor.clone()], "the exchange ended before it named a schema"),
        (vec![descriptor.clone(), FlightData::new().with_data_header(&b"junk"[..])], "no Arrow message: "),
        (vec![descriptor.clone(), schema(&Schema::new(vec![id.clone()]))], "1 columns were sent and the table has 2"),
        (
            vec![descriptor.clone(), schema(&Schema::new(vec![id.clone(), name.clone(), row_id]))],
            "3 columns were sent and the table has 2",
        ),
        (
            vec![descriptor.clone(), schema(&Schema::new(vec![name.clone(), id.clone()]))],
            "column \"name\" was sent where the table has \"id\"",
        ),
        (
            vec![descriptor.clone(), schema(&Schema::new(vec![field("id", DataType::Utf8), name.clone()]))],
            "column \"id\" was sent as VARCHAR and is BIGINT in the table",
        ),
    ] {
        let mut exchange = lake.exchange(messages).await;
        assert_refused(exchange.read_schema().await, Code::InvalidArgument, &[why]);
    }
    lake.assert_unharmed().await;
}

#[tokio::test]
async fn a_table_that_was_made_anew() {
    let mut lake = Lake::new().await;
    let client = lake.client.clone();
    let old = create_people(&client, "changing").await;
    client.drop_table(SALES, "changing", false).await.unwrap();
    let columns = Schema::new(vec![Field::new("other", DataType::Utf8, true)]);
    client.create_table(SALES, "changing", &columns, OnConflict::Error).await.unwrap();
    client.create_transaction().await.unwrap();
    lake.before = files(&lake.server.lake());
    let why = "or the table was made anew; DETACH and ATTACH again";
    assert_refused(client.endpoints(&old, &["id"], "[]").await, Code::FailedPrecondition, &[why]);
    let mut exchange = client.exchange(&old, "insert", false).await;
    exchange.send_schema(&people()).await;
    assert_refused(exchange.read_schema().await, Code::FailedPrecondition, &[why]);
    lake.assert_unharmed().await;
}

/// The other half of that: the table goes while rows are on their way.
#[tokio::test]
async fn a_table_that_is_made_anew_under_a_statement() {
    let mut lake = Lake::new().await;
    let client = lake.client.clone();
    let table = create_people(&client, "changing").await;
    let mut exchange = client.exchange(&table, "insert", false).await;
    exchange.send_schema(&people()).await;
    exchange.read_schema().await.unwrap();
    exchange.send_batch(&ids(0..10)).await;
    client.drop_table(SALES, "changing", false).await.unwrap();
    create_people(&client, "changing").await;
    lake.before = files(&lake.server.lake());
    exchange.half_close();
    let why = ["INSERT into lake.sales.changing changed nothing", "was dropped and made again"];
    assert_refused(exchange.read_changed().await, Code::Aborted, &why);
    lake.assert_unharmed().await;
}

#[tokio::test]
async fn bodies_of_actions() {
    let mut lake = Lake::new().await;
    let client = lake.client.clone();
    let mut other_type = Packer::new();
    other_type.map(5).str("type").str("view").str("catalog_name").str("lake").str("schema_name").str(SALES);
    other_type.str("name").str("t").str("ignore_not_found").bool(false);
    let dropped = client.action("drop_table", other_type.take()).await;
    assert_refused(dropped, Code::InvalidArgument, &["malformed drop_table request: type \"view\" is not table"]);
    let mut trailing = Packer::new();
    trailing.map(1).str("catalog_name").str("lake").nil();
    let version = client.action("catalog_version", trailing.take()).await;
    assert_refused(version, Code::InvalidArgument, &["malformed catalog_version request: 1 bytes follow its end"]);
    let long = client.action("catalog_version", vec![0xc0; 17 << 20]).await;
    assert_refused(long, Code::InvalidArgument, &["bytes are more than the 16777216 allowed"]);
    let mut info = Packer::new();
    info.map(3).str("descriptor").str([0xff; 8]).str("at_unit").str("").str("at_value").str("");
    assert_refused(client.action("flight_info", info.take()).await, Code::InvalidArgument, &["its descriptor: "]);
    lake.assert_unharmed().await;
}

/// Tables that others made: what a log asks for and this server does not offer is refused by its name.
#[tokio::test]
async fn tables_of_other_writers() {
    let mut lake = Lake::new().await;
    let versions = |reader: i32, writer: i32| json!({ "minReaderVersion": reader, "minWriterVersion": writer });
    let reader = |feature: &str| json!({ "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": [feature], "writerFeatures": [feature] });
    let field =
        |name: &str, data_type: &str| json!({ "name": name, "type": data_type, "nullable": true, "metadata": {} });
    let plain = [field("x", "long")];
    let mut widened = plain.clone();
    widened[0]["metadata"] = json!({ "delta.typeChanges": [{ "fromType": "string", "toType": "long" }] });
    for (protocol, fields, why) in [
        (versions(4, 2), &plain, "needs Delta reader version 4; versions up to 3 are offered"),
        (
            reader("catalogManaged"),
            &plain,
            "needs the table feature 'catalogManaged', which is not offered for reading",
        ),
        (
            reader("typeWidening"),
            &widened,
            "was changed from string to long, which is none of the changes of the table feature 'typeWidening'",
        ),
        (versions(1, 2), &[field("x", "void")], "column 'x' of table 'foreign' has type void, which is not offered"),
    ] {
        foreign(&lake.server, protocol, fields, json!({}));
        lake.before = files(&lake.server.lake());
        let descriptor = descriptor("foreign");
        assert_refused(lake.client.flight_info(&descriptor, "", "").await, Code::Unimplemented, &[why]);
    }
    foreign(&lake.server, versions(1, 2), &plain, json!({}));
    let log = lake.server.table(SALES, "foreign").join("_delta_log/00000000000000000000.json");
    let orc = fs::read_to_string(&log).unwrap().replace("\"parquet\"", "\"orc\"");
    fs::write(log, orc).unwrap();
    let info = lake.client.flight_info(&descriptor("foreign"), "", "").await;
    assert_refused(info, Code::Unimplemented, &["keeps its data as", "orc; parquet is offered"]);
    lake.assert_unharmed().await;
}

#[tokio::test]
async fn writes_to_tables_of_other_writers() {
    let mut lake = Lake::new().await;
    let writer = |version: i32| json!({ "minReaderVersion": 1, "minWriterVersion": version });
    let feature = |feature: &str| json!({ "minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": [feature] });
    let noted = |metadata: Value| json!({ "name": "x", "type": "long", "nullable": true, "metadata": metadata });
    let plain = noted(json!({}));
    let iceberg = json!({ "delta.enableIcebergCompatV1": "true" });
    let check = json!({ "delta.constraints.positive": "odd(x) > 0" });
    let with = |metadata: Value, what: &'static str| (noted(metadata), what);
    let invariant = with(
        json!({ "delta.invariants": "{\"expression\":{\"expression\":\"odd(x) > 0\"}}" }),
        "because of the invariant of column 'x' (odd(x) > 0)",
    );
    let generated = with(json!({ "delta.generationExpression": "odd(1)" }), "column 'x' (odd(1))");
    let identity = with(json!({ "delta.identity.start": 1 }), "has identity values (");
    let defaulted = with(
        json!({ "CURRENT_DEFAULT": "odd(1)" }),
        "because DuckDB cannot be told the default of column 'x' (odd(1))",
    );
    for (protocol, field, why) in [
        (writer(2), invariant.0, invariant.1),
        (writer(4), generated.0, generated.1),
        (writer(6), identity.0, identity.1),
        (feature("allowColumnDefaults"), defaulted.0, defaulted.1),
    ] {
        refuses_insert(&mut lake, protocol, &field, json!({}), why).await;
    }
    for (protocol, properties, why) in [
        (writer(3), check, "because of the CHECK constraint 'positive' (odd(x) > 0)"),
        (writer(8), json!({}), "needs Delta writer version 8; versions up to 7 are offered"),
        (
            feature("icebergCompatV1"),
            iceberg,
            "table 'foreign' uses the table feature 'icebergCompatV1', which is not offered for writing",
        ),
    ] {
        refuses_insert(&mut lake, protocol, &plain, properties, why).await;
    }
    lake.assert_unharmed().await;
}

async fn refuses_insert(lake: &mut Lake, protocol: Value, field: &Value, properties: Value, why: &str) {
    let kept = lake.before.clone();
    foreign(&lake.server, protocol, std::slice::from_ref(field), properties);
    let table = listed(&lake.client, SALES, "foreign").await;
    let mut exchange = lake.client.exchange(&table, "insert", false).await;
    exchange.send_schema(&table.insert_schema()).await;
    assert_refused(exchange.read_schema().await, Code::Unimplemented, &["table 'foreign'", why]);
    // The same call twice in one transaction is a repetition.
    lake.client.create_transaction().await.unwrap();
    lake.client.drop_table(SALES, "foreign", false).await.unwrap();
    lake.before = kept;
}

/// Writes the log of the table `foreign` by hand.
#[allow(clippy::needless_pass_by_value, reason = "callers make the values in place")]
fn foreign(server: &Server, protocol: Value, fields: &[Value], properties: Value) {
    let log = server.table(SALES, "foreign").join("_delta_log");
    fs::create_dir_all(&log).unwrap();
    let metadata = json!({
        "id": "foreign",
        "format": { "provider": "parquet", "options": {} },
        "schemaString": json!({ "type": "struct", "fields": fields }).to_string(),
        "partitionColumns": [],
        "configuration": properties,
        "createdTime": 1,
    });
    let lines = [json!({ "protocol": protocol }), json!({ "metaData": metadata })];
    fs::write(log.join(format!("{:020}.json", 0)), lines.map(|line| line.to_string()).join("\n")).unwrap();
}

/// A descriptor as the server gives them out, of columns that nobody has seen.
fn descriptor(table: &str) -> FlightDescriptor {
    FlightDescriptor::new_path(["lake", SALES, table, "0000000000000000"].map(str::to_owned).into())
}
