//! Table functions on the wire: what is listed, what their arguments may be, and what an exchange of their rows may say.

use std::sync::Arc;

use airport_tests::{
    client::{Change, Client, Function, Merged, Packer, Table, parameters},
    rows::rows,
};
use arrow::{
    array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray, builder::ListBuilder, builder::StringBuilder},
    datatypes::{DataType, Field, Schema},
    ipc::writer::IpcWriteOptions,
};
use arrow_flight::{FlightData, FlightDescriptor, IpcMessage, SchemaAsIpc};
use prost::Message;
use serde_json::json;
use tonic::Code;

use crate::support::{SALES, assert_callers_fault, assert_refused, create_people, ids, lake, people, seen, versions};

#[tokio::test]
async fn schema_delta_lists_the_functions() {
    let (_server, client) = lake().await;
    let catalog = client.list_schemas().await.unwrap();
    assert_eq!(catalog.schema_names(), ["delta", "public", SALES]);
    let delta = catalog.schemas.iter().find(|schema| schema.name == "delta").unwrap();
    assert!(delta.tables.is_empty() && !delta.description.is_empty());
    let arguments = |function: &Function| -> Vec<String> {
        function.arguments.fields().iter().map(|field| field.name().clone()).collect()
    };
    let listed: Vec<_> = delta.functions.iter().map(|f| (f.metadata.name.as_str(), arguments(f).join(" "))).collect();
    assert_eq!(listed, [("merge", "table clauses source".to_owned()), ("upsert", "table keys source".to_owned())]);
    for function in &delta.functions {
        let last = function.arguments.fields().last().unwrap();
        assert!(last.metadata().contains_key("is_table_type"), "{function:?}");
        assert!(function.metadata.description.as_ref().is_some_and(|text| text.len() > 80));
        assert_eq!(returned(&function.returns), ["inserted", "updated", "deleted", "version"]);
    }
    for schema in catalog.schemas.iter().filter(|schema| schema.name != "delta") {
        assert!(schema.functions.is_empty(), "{schema:?}");
    }
}

#[tokio::test]
async fn tables_in_a_directory_delta_stay_beside_the_functions() {
    let (server, client) = lake().await;
    std::fs::create_dir(server.lake().join("delta")).unwrap();
    std::fs::rename(server.lake().join(SALES), server.lake().join("away")).unwrap();
    let table = client.create_table("delta", "t", &people(), airport_tests::client::OnConflict::Error).await.unwrap();
    client.create_transaction().await.unwrap();
    client.insert(&table, &[ids(0..2)]).await.unwrap();
    let catalog = client.list_schemas().await.unwrap();
    assert_eq!(catalog.schema_names(), ["away", "delta", "public"]);
    let delta = &catalog.schemas[1];
    assert_eq!((delta.tables.len(), delta.functions.len()), (1, 2));
    assert_eq!(seen(&client, catalog.table("delta", "t").unwrap()).await, [0, 1]);
}

#[tokio::test]
async fn schema_delta_is_there_and_stays() {
    let (server, client) = lake().await;
    for name in ["delta", "Delta"] {
        assert_refused(client.drop_schema(name, true).await, Code::FailedPrecondition, &[name, "functions"]);
        // IF NOT EXISTS does not reach the server.
        client.create_schema(name).await.unwrap();
    }
    assert!(!server.lake().join("delta").exists());
    let made = client.create_table("delta", "t", &people(), airport_tests::client::OnConflict::Error).await;
    assert_refused(made, Code::FailedPrecondition, &["delta", "functions", "another schema"]);
}

#[tokio::test]
async fn names_that_are_no_table() {
    let (_server, client) = lake().await;
    create_people(&client, "t").await;
    for (table, code, names) in [
        ("sales.x", Code::NotFound, ["\"x\"", "the tables are \"t\""]),
        ("t", Code::NotFound, ["\"public\"", "the schema has none"]),
        ("nope.t", Code::NotFound, ["\"nope\"", "\"public\", \"sales\""]),
        ("other.sales.t", Code::InvalidArgument, ["\"other\"", "the function of the catalog that has it"]),
        ("sales.\"t", Code::InvalidArgument, ["sales.\\\"t", "is no name of a table"]),
        ("a.b.c.d", Code::InvalidArgument, ["a.b.c.d", "more than three parts"]),
        ("", Code::InvalidArgument, ["argument \"table\" of merge", "is empty"]),
    ] {
        assert_refused(client.merge(table, "ON true", &[ids(0..1)]).await, code, &names);
    }
}

#[tokio::test]
async fn arguments_that_are_none() {
    let (_server, client) = lake().await;
    create_people(&client, "t").await;
    let text = |text: Option<&str>| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let keys = |keys: Option<&[Option<&str>]>| {
        let mut list = ListBuilder::new(StringBuilder::new());
        list.append_option(keys.map(|keys| keys.iter().copied()));
        Arc::new(list.finish() as ListArray) as ArrayRef
    };
    let rows = [ids(0..1)];
    for (function, name, argument, fault) in [
        ("merge", "clauses", text(None), "is NULL"),
        ("merge", "clauses", text(Some("  ")), "is empty"),
        ("upsert", "keys", keys(None), "is NULL"),
        ("upsert", "keys", keys(Some(&[])), "is empty"),
        ("upsert", "keys", keys(Some(&[Some("id"), None])), "holds NULL"),
        ("upsert", "keys", keys(Some(&[Some("")])), "holds an empty name"),
    ] {
        let called = client.call(function, vec![("table", text(Some("sales.t"))), (name, argument)], &rows).await;
        assert_refused(called, Code::InvalidArgument, &[&format!("argument {name:?} of {function} {fault}")]);
    }
    let called = client.call("upsert", vec![("table", text(Some("sales.t"))), ("keys", keys(None))], &rows).await;
    assert_refused(called, Code::InvalidArgument, &["the names of the key columns, such as ['id']"]);
    let called = client.call("merge", vec![("table", text(None)), ("clauses", text(Some("x")))], &rows).await;
    assert_refused(called, Code::InvalidArgument, &["argument \"table\" of merge is NULL", "such as 'sales.orders'"]);
    let called = client.call("merge", vec![("table", text(Some("sales.t")))], &rows).await;
    assert_refused(called, Code::InvalidArgument, &["the arguments of merge"]);
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let called = client.call("merge", vec![("table", text(Some("sales.t"))), ("clauses", numbers)], &rows).await;
    assert_refused(called, Code::InvalidArgument, &["the arguments of merge", "\"clauses\"", "BIGINT"]);
}

#[tokio::test]
async fn functions_that_are_none() {
    let (_server, client) = lake().await;
    let row = merge_of("sales.t", "ON true");
    for path in [&["lake", "delta", "optimise"][..], &["lake", "sales", "merge"]] {
        let asked = client.table_function_flight_info(&path_of(path), &row, Some(&people())).await;
        assert_refused(asked, Code::NotFound, &["there is no function ", path[1], path[2], "delta has merge, upsert"]);
    }
    for path in [&["lake", "delta"][..], &["lake", "delta", "merge", "x"], &["lake", "delta", "a b"], &[]] {
        let asked = client.table_function_flight_info(&path_of(path), &row, Some(&people())).await;
        assert_callers_fault(asked, &format!("{path:?}"));
    }
    let asked = client.table_function_flight_info(&merge_function(), &row, None).await;
    assert_refused(asked, Code::InvalidArgument, &["without its table argument"]);
}

#[tokio::test]
async fn arguments_that_are_no_row() {
    let (_server, client) = lake().await;
    create_people(&client, "t").await;
    let good = merge_of("sales.t", "ON true");
    let two = parameters(vec![("table", Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef)]).unwrap();
    let long = [&good[..good.len() - 8], &good[..]].concat();
    for bytes in [&b""[..], b"\xff\xff\xff\xff\0\0\0\0", &good[..good.len() / 2], &good[..40], &two, &long, &[0xff; 64]]
    {
        let asked = client.table_function_flight_info(&merge_function(), bytes, Some(&people())).await;
        assert_callers_fault(asked, &format!("{} bytes", bytes.len()));
        let mut call = client.in_out(&merge_function(), bytes).await;
        call.send_schema(&people()).await;
        assert_callers_fault(call.read_schema().await, &format!("{} bytes", bytes.len()));
    }
}

#[tokio::test]
async fn exchanges_that_say_too_little() {
    let (_server, client) = lake().await;
    let first = FlightData::new().with_descriptor(merge_function());
    let mut call = client.exchange_with(first.clone(), "table_function_in_out", true).await;
    call.send_schema(&people()).await;
    assert_refused(call.read_schema().await, Code::InvalidArgument, &["what the function is called with"]);

    let mut call = client.exchange_with(first.with_app_metadata(vec![0xc1]), "table_function_in_out", true).await;
    call.send_schema(&people()).await;
    assert_callers_fault(call.read_schema().await, "a call that is no msgpack");

    let mut call = client.in_out(&merge_function(), &merge_of("sales.t", "ON true")).await;
    call.half_close();
    assert_callers_fault(call.read_schema().await, "no schema");
}

#[tokio::test]
async fn columns_beyond_the_limits_and_types_that_are_none() {
    let (server, client) = lake().await;
    create_people(&client, "t").await;
    let many: Vec<_> =
        (0..10_001).map(|at| (format!("c{at}"), Arc::new(Int64Array::from(vec![1])) as ArrayRef)).collect();
    let many = RecordBatch::try_from_iter(many).unwrap();
    assert_refused(client.merge("sales.t", "ON true", &[many]).await, Code::ResourceExhausted, &["--columns-max"]);
    let letters = arrow::compute::cast(
        &(Arc::new(StringArray::from(vec!["a"])) as ArrayRef),
        &DataType::Dictionary(Box::new(DataType::UInt8), Box::new(DataType::Utf8)),
    );
    let letters = RecordBatch::try_from_iter([("mood", letters.unwrap())]).unwrap();
    let (function, call) = (merge_function(), merge_of("sales.t", "ON true"));
    let asked = client.table_function_flight_info(&function, &call, Some(&letters.schema())).await;
    assert_refused(asked, Code::Unimplemented, &["\"mood\"", "ENUM", "VARCHAR"]);
    assert_eq!(versions(&server.lake().join("sales/t")), [0]);
}

/// The client's own grammar has no AT there.
#[tokio::test]
async fn a_version_of_the_past_cannot_be_merged_into() {
    let (_server, client) = lake().await;
    create_people(&client, "t").await;
    let mut body = Packer::new();
    body.map(5).str("descriptor").str(merge_function().encode_to_vec());
    body.str("parameters").str(merge_of("sales.t", ADD));
    body.str("table_input_schema").str(encoded_people()).str("at_unit").str("VERSION").str("at_value").str("0");
    let asked = client.action("table_function_flight_info", body.take()).await;
    assert_refused(asked, Code::Unimplemented, &["AT is not offered for merge: it writes"]);
}

#[tokio::test]
async fn scalar_functions_are_none() {
    let (_server, client) = lake().await;
    let first = FlightData::new().with_descriptor(merge_function());
    let mut call = client.exchange_with(first, "scalar_function", true).await;
    call.send_schema(&people()).await;
    assert_refused(call.read_schema().await, Code::Unimplemented, &["scalar functions are not offered"]);
}

#[tokio::test]
async fn columns_that_change_between_plan_and_run_are_noticed() {
    let (_server, client) = lake().await;
    create_people(&client, "t").await;
    let call = merge_of("sales.t", &format!("{ADD_BY_NAME} RETURNING *"));
    client.table_function_flight_info(&merge_function(), &call, Some(&people())).await.unwrap();
    let more = Field::new("more", DataType::Int64, true);
    client.alter(SALES, "t", &Change::AddColumn(&more, false)).await.unwrap();
    let mut run = client.in_out(&merge_function(), &call).await;
    run.send_schema(&people()).await;
    let refused = ["columns of lake.sales.t changed", "was planned; run it again"];
    assert_refused(run.read_schema().await, Code::FailedPrecondition, &refused);
    // Planned anew it goes through, and what plans nothing is taken as it is.
    let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let merge = vec![("table", text("sales.t")), ("clauses", text(&format!("{ADD_BY_NAME} RETURNING *")))];
    let returned = client.call("merge", merge, &[ids(0..1)]).await.unwrap();
    assert_eq!(returned[0].num_columns(), 3);
}

/// At every step until the half-close.
#[tokio::test]
async fn a_call_that_breaks_off_leaves_nothing() {
    let (server, client) = lake().await;
    create_people(&client, "t").await;
    for steps in 0..3 {
        let mut call = start(&client, "sales.t", ADD).await;
        let columns = call.read_schema().await.unwrap();
        for step in 0..steps {
            call.send_batch(&ids(step * 10..step * 10 + 10)).await;
            assert!(call.read_chunks(&columns).await.unwrap().is_empty());
        }
        drop(call);
    }
    // It is the next call's turn, and its version is the first.
    let merged = client.merge("sales.t", ADD, &[ids(0..5)]).await.unwrap();
    assert_eq!(merged, Merged { inserted: 5, updated: 0, deleted: 0, version: 1 });
    assert_eq!(versions(&server.lake().join("sales/t")), [0, 1]);
}

#[tokio::test]
async fn bad_batches_in_the_middle_leave_nothing() {
    let (server, client) = lake().await;
    create_people(&client, "t").await;
    let other = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    for no_batch in [true, false] {
        let mut call = start(&client, "sales.t", ADD).await;
        let columns = call.read_schema().await.unwrap();
        call.send_batch(&ids(0..3)).await;
        call.read_chunks(&columns).await.unwrap();
        match no_batch {
            true => call.send_message(FlightData::new().with_data_header(vec![0xff; 64])).await,
            false => call.send_batch(&other).await,
        }
        assert_callers_fault(call.read_chunks(&columns).await, "a batch that is none");
    }
    assert_eq!(versions(&server.lake().join("sales/t")), [0]);
}

#[tokio::test]
async fn batches_without_rows_are_answered_too() {
    let (_server, client) = lake().await;
    create_people(&client, "t").await;
    let mut call = start(&client, "sales.t", ADD).await;
    let columns = call.read_schema().await.unwrap();
    for batch in [ids(0..0), ids(0..2), ids(2..2)] {
        call.send_batch(&batch).await;
        assert!(call.read_chunks(&columns).await.unwrap().is_empty());
    }
    call.half_close();
    let counts = call.read_chunks(&columns).await.unwrap();
    assert_eq!(rows(&counts), [[2, 0, 0, 1].map(|count| json!(count))]);
    assert!(call.read_message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_source_that_says_how_many_rows_it_has_is_held_to_it() {
    let (server, client) = lake().await;
    create_people(&client, "t").await;
    let counted = |rows: std::ops::Range<i64>, told: i64| {
        let (people, count) = (ids(rows.clone()), rows.count());
        let told: ArrayRef = Arc::new(Int64Array::from(vec![told; count]));
        let columns = people.columns().iter().cloned().zip(["id", "name"]).map(|(column, name)| (name, column));
        RecordBatch::try_from_iter(columns.chain([("merge_source_rows", told)])).unwrap()
    };
    let merged = client.merge("sales.t", ADD, &[counted(0..3000, 5000)]).await;
    assert_refused(merged, Code::InvalidArgument, &["ended after 3000 of 5000 rows, so nothing was merged"]);
    assert_eq!(versions(&server.lake().join("sales/t")), [0]);
    let merged = client.merge("sales.t", ADD, &[counted(0..3000, 5000), counted(3000..5000, 5000)]).await.unwrap();
    assert_eq!(merged.inserted, 5000);
}

/// No function's call says which transaction it belongs to; the server knows which was begun last.
#[tokio::test]
async fn a_transaction_sees_what_it_has_merged() {
    let (server, mut client) = lake().await;
    let table = create_people(&client, "t").await;
    let mut other = server.client().await;
    let other_table = other.list_schemas().await.unwrap().table(SALES, "t").unwrap().clone();
    other.begin().await.unwrap();
    client.begin().await.unwrap();
    assert!(seen_in(&client, &table).await.is_empty() && seen_in(&other, &other_table).await.is_empty());
    client.merge("sales.t", ADD, &[ids(0..3)]).await.unwrap();
    assert_eq!(seen_in(&client, &table).await, [0, 1, 2]);
    assert!(seen_in(&other, &other_table).await.is_empty(), "another's transaction sees what it saw");
    // A merge beside it is of the newest version all the same.
    let merged = other.merge("sales.t", ADD, &[ids(2..5)]).await.unwrap();
    assert_eq!((merged.inserted, merged.version), (2, 2));
    assert_eq!(seen_in(&other, &other_table).await, [0, 1, 2, 3, 4]);
    assert_eq!(seen_in(&client, &table).await, [0, 1, 2]);
}

async fn seen_in(client: &Client, table: &Table) -> Vec<i64> {
    airport_tests::rows::sorted_integers(&client.scan(table, &["id"]).await.unwrap().batches)
}

const ADD: &str = "ON target.id = source.id WHEN NOT MATCHED THEN INSERT *";
const ADD_BY_NAME: &str = "ON target.id = source.id WHEN NOT MATCHED THEN INSERT BY NAME";

fn encoded_people() -> Vec<u8> {
    let message: IpcMessage = SchemaAsIpc::new(&people(), &IpcWriteOptions::default()).try_into().unwrap();
    message.0.to_vec()
}

/// A call whose schema has been sent.
async fn start(client: &Client, table: &str, clauses: &str) -> airport_tests::client::Exchange {
    let call = client.in_out(&merge_function(), &merge_of(table, clauses)).await;
    call.send_schema(&people()).await;
    call
}

fn merge_function() -> FlightDescriptor {
    path_of(&["lake", "delta", "merge"])
}

fn path_of(path: &[&str]) -> FlightDescriptor {
    FlightDescriptor::new_path(path.iter().map(|&part| part.to_owned()).collect())
}

fn merge_of(table: &str, clauses: &str) -> Vec<u8> {
    let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    parameters(vec![("table", text(table)), ("clauses", text(clauses))]).unwrap()
}

fn returned(columns: &Schema) -> Vec<&str> {
    columns.fields().iter().map(|field| field.name().as_str()).collect()
}
