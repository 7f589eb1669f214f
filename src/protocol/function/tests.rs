use std::collections::BTreeMap;

use arrow::{
    array::{AsArray, RecordBatch, StringArray},
    datatypes::Schema,
    ipc::writer::StreamWriter,
};
use arrow_flight::{FlightData, FlightInfo};
use prost::Message;

use super::*;
use crate::protocol::{
    action::{ActionRequest, FunctionCall},
    flight_info::FunctionInfo,
    golden,
};

const CLAUSES: &str = "USING (id) WHEN MATCHED THEN UPDATE SET name = source.name WHEN NOT MATCHED THEN INSERT BY NAME \
                       RETURNING merge_action, id, name, price";

fn recorded_call(name: &str) -> FunctionCall {
    let action = golden::action_of(&golden::merge_file(name));
    match ActionRequest::decode(&action.r#type, &action.body) {
        Ok(ActionRequest::FunctionCall(call)) => call,
        other => panic!("{name}: {other:?}"),
    }
}

fn text(row: &RecordBatch, column: usize) -> &str {
    row.column(column).as_string::<i32>().value(0)
}

#[test]
fn decodes_a_recorded_call_when_it_is_planned() {
    let call = recorded_call("02-DoAction-table_function_flight_info.00.client.pb");
    assert_eq!(call.function, FunctionReference::new("lake", "delta", "merge"));
    assert_eq!([0, 1].map(|column| text(&call.arguments, column)), ["s.b", CLAUSES]);
    let source = call.source.unwrap();
    let columns: Vec<_> = source.fields().iter().map(|f| (f.name().as_str(), f.data_type().clone())).collect();
    assert_eq!(columns, [("id", DataType::Int64), ("name", DataType::Utf8)]);
    assert_eq!(call.at, AtClause::Absent);
    let upsert = recorded_call("04-DoAction-table_function_flight_info.00.client.pb");
    let keys = upsert.arguments.column(1).as_list::<i32>().value(0);
    assert_eq!(keys.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("id")]);
}

/// The arguments come again with the rows, the same to the byte.
#[test]
fn decodes_a_recorded_call_when_it_is_run() {
    for (planned, run) in [("00", "01"), ("02", "03"), ("04", "05"), ("06", "07")] {
        let message = |at| golden::merge_file(&format!("{run}-DoExchange-table_function_in_out.0{at}.client.pb"));
        let [first, second, third] = [0, 1, 2].map(|at| FlightData::decode(&message(at)[..]).unwrap());
        let planned = recorded_call(&format!("{planned}-DoAction-table_function_flight_info.00.client.pb"));
        assert_eq!(FunctionReference::from_descriptor(&first.flight_descriptor.unwrap()), Ok(planned.function));
        assert!(first.app_metadata.is_empty() && first.data_header.is_empty() && second.data_header.is_empty());
        let call = Call::decode(&second.app_metadata).unwrap();
        assert_eq!((call.arguments, call.parameters, call.at), (planned.arguments, planned.parameters, planned.at));
        let sent = ipc::decode_schema_message("exchange", &third.data_header).unwrap();
        assert_eq!(Some(sent), planned.source.map(|source| source.as_ref().clone()));
    }
}

#[test]
fn its_flight_info_says_what_the_client_reads() {
    let function = FunctionReference::new("größe", "delta", "merge");
    let arguments = Schema::new(vec![Field::new("table", DataType::Utf8, true), table_argument("source")]);
    let returns = Schema::new(vec![Field::new("inserted", DataType::Int64, true)]);
    let info =
        FunctionInfo { function: &function, description: "what it does", arguments: &arguments, returns: &returns };
    let info = FlightInfo::decode(&info.to_flight_info().encode_to_vec()[..]).unwrap();
    let descriptor = info.flight_descriptor.unwrap();
    assert!(descriptor.path.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_graphic())));
    assert_eq!(FunctionReference::from_descriptor(&descriptor), Ok(function));
    assert_eq!(ipc::decode_schema("flight info", &info.schema).unwrap(), returns);
    let metadata: BTreeMap<String, Option<serde_bytes::ByteBuf>> =
        msgpack::decode("app_metadata", &info.app_metadata).unwrap();
    let bytes = |key: &str| metadata[key].as_ref().unwrap().as_slice();
    assert_eq!([bytes("type"), bytes("schema"), bytes("name")], [&b"table_function"[..], b"delta", b"merge"]);
    assert_eq!((bytes("catalog"), bytes("description")), ("größe".as_bytes(), &b"what it does"[..]));
    let told = ipc::decode_schema("input schema", bytes("input_schema")).unwrap();
    assert!(told.field(1).metadata().contains_key("is_table_type") && told.field(0).metadata().is_empty());
}

#[test]
fn descriptors_of_other_things_are_refused() {
    let path = |parts: &[&str]| FlightDescriptor::new_path(parts.iter().map(|&part| part.to_owned()).collect());
    for (descriptor, reason) in [
        (path(&["lake", "delta"]), "components instead of 3"),
        (path(&["lake", "sales", "orders", "0123456789abcdef"]), "its path has 4 components"),
        (path(&["lake", "", "merge"]), "is empty"),
        (path(&["lake", "delta", "a b"]), "not percent-encoded"),
        (FlightDescriptor::new_cmd("lake"), "not PATH"),
    ] {
        let error = FunctionReference::from_descriptor(&descriptor).unwrap_err().to_string();
        assert!(error.starts_with("malformed function descriptor: ") && error.contains(reason), "{error}");
    }
}

fn stream(rows: &[&str]) -> Vec<u8> {
    let column = StringArray::from(rows.to_vec());
    let batch = RecordBatch::try_from_iter([("a", std::sync::Arc::new(column) as _)]).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn arguments_are_one_row() {
    assert_eq!(text(&ipc::decode_row("call", &stream(&["x"])).unwrap(), 0), "x");
    let one = stream(&["x"]);
    let schema_only = ipc::encode_schema(&Schema::new(vec![Field::new("a", DataType::Utf8, true)]));
    for (bytes, reason) in [
        (stream(&[]), "an Arrow stream does not hold exactly one row"),
        (stream(&["x", "y"]), "exactly one row"),
        ([&one[..one.len() - 8], &one[..]].concat(), "exactly one row"),
        (schema_only.to_vec(), "an Arrow stream holds no rows"),
        (vec![], "an Arrow stream is empty"),
        (one[..one.len() / 2].to_vec(), "an Arrow stream is cut short"),
        (one[..6].to_vec(), "cut short"),
    ] {
        let error = ipc::decode_row("call", &bytes).unwrap_err().to_string();
        assert!(error.contains(reason), "{error} is not about {reason}");
    }
}

#[test]
fn damage_is_an_error_or_a_call_but_no_panic() {
    let mut noise = golden::Noise::new(5);
    let honest = golden::merge_file("05-DoExchange-table_function_in_out.01.client.pb");
    let honest = FlightData::decode(&honest[..]).unwrap().app_metadata;
    let mut refused = 0;
    for _ in 0..5_000 {
        refused += usize::from(Call::decode(&noise.mutate(&honest)).is_err());
        let _ = Call::decode(&noise.bytes());
    }
    assert!(refused > 500, "only {refused} of the damaged calls were refused");
}
