//! Targets of the wire's decoders, seeded by the recorded conversation.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, BinaryViewArray, BooleanArray, Date32Array, Decimal64Array, Decimal128Array,
        FixedSizeBinaryArray, Float64Array, Int32Array, Int64Array, LargeStringArray, ListArray, NullArray,
        RecordBatch, StringArray, StringViewArray, StructArray, Time64MicrosecondArray, TimestampMicrosecondArray,
        builder::{MapBuilder, StringBuilder},
    },
    compute::cast,
    datatypes::{DataType, Field, Fields, Int32Type, Schema, SchemaRef},
};
use arrow_flight::FlightData;
use prost::Message;

use super::{
    action::ActionRequest,
    descriptor::TableReference,
    filters::Filters,
    function::{Call, FunctionReference},
    golden,
    headers::{self, CallContext},
    ipc, msgpack,
    shape::Shape,
    ticket::ScanTicket,
    types::{Conform, canonical_schema},
};
use crate::{
    engine::{CompareOp, Predicate, ReadPart, ReadUnit, Scalar, ScanRequest},
    fuzz::{GROWTH_BYTES_MAX, Grammar, Outcome, Target},
};

/// Bodies of actions, each decoded as that of every action.
pub(crate) const ACTIONS: Target = Target {
    name: "actions",
    grammar: Grammar::Msgpack,
    growth_bytes_max: GROWTH_BYTES_MAX,
    run: action,
    seeds: recorded_bodies,
};

/// Every action the client has, offered or not (`src/` of the client, AirportActionType).
const ACTION_NAMES: [&str; 23] = [
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

fn action(bytes: &[u8]) -> Outcome {
    ACTION_NAMES.iter().fold(Outcome::from(()), |all, name| {
        let request = ActionRequest::decode(name, bytes);
        if let Ok(ActionRequest::CreateTable(request)) = &request {
            let _ = canonical_schema(&request.columns);
        }
        all.and(Outcome::of(&request))
    })
}

fn recorded_bodies() -> Vec<Vec<u8>> {
    let calls = ["00", "02", "04", "06"].map(|call| format!("{call}-DoAction-table_function_flight_info.00.client.pb"));
    let calls = calls.iter().map(|file| golden::action_of(&golden::merge_file(file)).body.to_vec());
    golden::client_files("DoAction").iter().map(|file| golden::action(file).body.to_vec()).chain(calls).collect()
}

/// Schemas, encapsulated and bare, and what follows from one.
pub(crate) const SCHEMAS: Target = Target {
    name: "schemas",
    grammar: Grammar::Binary,
    growth_bytes_max: GROWTH_BYTES_MAX,
    run: schema,
    seeds: honest_schemas,
};

fn schema(bytes: &[u8]) -> Outcome {
    let bare = ipc::decode_schema_message("schema", bytes.get(8..).unwrap_or_default());
    let schema = ipc::decode_schema("schema", bytes);
    let canonical = match &schema {
        Ok(schema) => canonical_schema(schema).map(|target| {
            let _ = ipc::decode_schema("schema", &ipc::encode_schema(&target));
            (Shape::of(&target), Conform::new(Arc::new(schema.clone()), Arc::new(target)))
        }),
        Err(_) => return Outcome::of(&schema).and(Outcome::of(&bare)),
    };
    Outcome::of(&canonical).and(Outcome::of(&bare))
}

fn honest_schemas() -> Vec<Vec<u8>> {
    batches().iter().map(|batch| ipc::encode_schema(&batch.schema()).to_vec()).collect()
}

/// A batch of one of several schemas: which, the header's length, the header, the body.
pub(crate) const BATCHES: Target = Target {
    name: "batches",
    grammar: Grammar::Binary,
    growth_bytes_max: GROWTH_BYTES_MAX,
    run: batch,
    seeds: honest_batches,
};

fn batch(bytes: &[u8]) -> Outcome {
    thread_local! {
        static SCHEMAS: Vec<SchemaRef> = batches().iter().map(RecordBatch::schema).collect();
    }
    let Some(([which, low, high], rest)) = bytes.split_first_chunk::<3>() else { return Outcome::from("short") };
    let (header, body) = rest.split_at(usize::from(u16::from_le_bytes([*low, *high])).min(rest.len()));
    let schema = SCHEMAS.with(|schemas| Arc::clone(&schemas[usize::from(*which) % schemas.len()]));
    let batch = ipc::decode_batch("exchange", header, body.to_vec().into(), &schema);
    let Ok(rows) = &batch else { return Outcome::of(&batch).and(Outcome::from(which)) };
    let Ok(target) = canonical_schema(&schema) else { return Outcome::from("no types of ours") };
    let conform = Conform::new(schema, Arc::new(target)).expect("the canonical form is what it conforms to");
    let rows = conform.apply(rows);
    if let Ok(rows) = &rows {
        // Whoever takes the rows looks at every value.
        rows.columns().iter().for_each(|column| column.to_data().validate_full().expect("valid arrays"));
    }
    Outcome::of(&rows).and(Outcome::from(which))
}

fn honest_batches() -> Vec<Vec<u8>> {
    let framed = |(which, batch): (usize, RecordBatch)| {
        let messages = arrow_flight::utils::batches_to_flight_data(&batch.schema(), vec![batch]).unwrap();
        let FlightData { data_header, data_body, .. } = &messages[1];
        [&[which as u8][..], &(data_header.len() as u16).to_le_bytes(), data_header, data_body].concat()
    };
    batches().into_iter().enumerate().map(framed).collect()
}

/// Rows of every form in which values come.
fn batches() -> Vec<RecordBatch> {
    let of = |columns: Vec<ArrayRef>| {
        let fields = columns.iter().enumerate();
        let fields = fields.map(|(at, column)| Field::new(format!("c{at}"), column.data_type().clone(), true));
        RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns.clone()).unwrap()
    };
    let text: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None, Some("longer than twelve bytes")]));
    let as_type = |data_type: DataType| cast(&text, &data_type).unwrap();
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])]);
    let list: ArrayRef = Arc::new(list);
    let list_as = |wrap: fn(Arc<Field>) -> DataType| {
        cast(&list, &wrap(Arc::new(Field::new("item", DataType::Int32, true)))).unwrap()
    };
    let decimal = Decimal128Array::from(vec![Some(1), None, Some(-99)]).with_precision_and_scale(12, 2).unwrap();
    let narrow = Decimal64Array::from(vec![Some(1), None, Some(-99)]).with_precision_and_scale(12, 2).unwrap();
    let times = TimestampMicrosecondArray::from(vec![Some(0), None, Some(i64::MAX)]);
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("k");
    map.values().append_null();
    map.append(true).unwrap();
    map.append(false).unwrap();
    map.append(true).unwrap();
    let structure = StructArray::from(vec![(Arc::new(Field::new("t", DataType::Utf8, true)), Arc::clone(&text))]);
    let bytes = FixedSizeBinaryArray::try_from_iter([[1; 16], [2; 16], [3; 16]].iter()).unwrap();
    vec![
        of(vec![Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])), Arc::clone(&text)]),
        of(vec![
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            Arc::new(decimal),
            Arc::new(narrow),
            Arc::new(times.clone().with_timezone("UTC")),
            Arc::new(times),
            Arc::new(Date32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX)])),
            Arc::new(Float64Array::from(vec![Some(f64::NAN), None, Some(-0.0)])),
        ]),
        of(vec![Arc::clone(&list), Arc::new(map.finish()), Arc::new(structure)]),
        of(vec![
            Arc::new(StringViewArray::from(vec![Some("x"), None, Some("longer than twelve bytes")])),
            Arc::new(BinaryViewArray::from_iter([Some(&b"y"[..]), None, Some(b"longer than twelve bytes")])),
            Arc::new(LargeStringArray::from(vec![Some("x"), None, Some("")])),
            as_type(DataType::LargeBinary),
        ]),
        of(vec![list_as(DataType::LargeList), list_as(DataType::ListView), list_as(DataType::LargeListView)]),
        of(vec![Arc::new(bytes), Arc::new(Time64MicrosecondArray::from(vec![0, 1, 2])), Arc::new(NullArray::new(3))]),
        of(vec![Arc::new(StructArray::from(vec![
            (Arc::new(Field::new("a", DataType::Int32, true)), Arc::new(Int32Array::from(vec![1, 2, 3])) as ArrayRef),
            (Arc::new(Field::new("l", list.data_type().clone(), true)), list),
        ]))]),
        RecordBatch::new_empty(Arc::new(Schema::new(Fields::empty()))),
    ]
}

/// Whole messages of an exchange.
pub(crate) const MESSAGES: Target = Target {
    name: "messages",
    grammar: Grammar::Binary,
    growth_bytes_max: GROWTH_BYTES_MAX,
    run: message,
    seeds: recorded_messages,
};

fn message(bytes: &[u8]) -> Outcome {
    let message = FlightData::decode(bytes);
    let Ok(FlightData { flight_descriptor, data_header, data_body, app_metadata }) = message else {
        return Outcome::of(&message);
    };
    let descriptor = flight_descriptor.unwrap_or_default();
    let function = FunctionReference::from_descriptor(&descriptor);
    let called = Outcome::of(&Call::decode(&app_metadata)).and(Outcome::of(&function));
    let descriptor = TableReference::from_descriptor(&descriptor);
    let schema = ipc::decode_schema_message("exchange", &data_header);
    let columns = Arc::new(golden_columns());
    called.and(Outcome::of(&descriptor)).and(Outcome::of(&schema)).and(Outcome::of(&ipc::decode_batch(
        "exchange",
        &data_header,
        data_body,
        &columns,
    )))
}

fn golden_columns() -> Schema {
    Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8, true)])
}

fn recorded_messages() -> Vec<Vec<u8>> {
    // The longest are thousands of rows, which say no more than a few.
    let files = golden::client_files("DoExchange").into_iter().map(|file| golden::file(&file));
    let calls = ["01", "03", "05"].map(|call| format!("{call}-DoExchange-table_function_in_out.01.client.pb"));
    let files = files.chain(calls.iter().map(|file| golden::merge_file(file)));
    files.filter(|message| message.len() < 8 << 10).collect()
}

/// Serialized descriptors.
pub(crate) const DESCRIPTORS: Target = Target {
    name: "descriptors",
    grammar: Grammar::Binary,
    growth_bytes_max: GROWTH_BYTES_MAX,
    run: descriptor,
    seeds: honest_descriptors,
};

fn descriptor(bytes: &[u8]) -> Outcome {
    let table = TableReference::from_bytes(bytes);
    if let Ok(table) = &table {
        let again = TableReference::from_descriptor(&table.to_descriptor());
        assert_eq!(again.as_ref(), Ok(table), "a table has one spelling");
    }
    Outcome::of(&table)
}

fn honest_descriptors() -> Vec<Vec<u8>> {
    let names = [("lake", "sales", "orders"), ("größe", "a b", "50%/2"), ("🦀", "..", "\u{7f}")];
    let reference = |(catalog, schema, table)| TableReference::new(catalog, schema, table, &golden_columns());
    names.into_iter().map(|names| reference(names).to_descriptor().encode_to_vec()).collect()
}

/// Tickets.
pub(crate) const TICKETS: Target = Target {
    name: "tickets",
    grammar: Grammar::Msgpack,
    growth_bytes_max: GROWTH_BYTES_MAX,
    run: ticket,
    seeds: honest_tickets,
};

fn ticket(bytes: &[u8]) -> Outcome {
    let ticket = ScanTicket::decode(bytes);
    if let Ok(ticket) = &ticket {
        ScanTicket::decode(&ticket.encode()).expect("what was read can be written and read");
    }
    Outcome::of(&ticket)
}

fn honest_tickets() -> Vec<Vec<u8>> {
    let column = || vec!["a".to_owned(), "ü".to_owned()];
    let values = [
        Scalar::Boolean(true),
        Scalar::Integer(i128::MIN),
        Scalar::Decimal { unscaled: -1, scale: 38 },
        Scalar::Float(0.1),
        Scalar::Text("x".to_owned()),
        Scalar::Binary(vec![0xff]),
        Scalar::Date(1),
        Scalar::Timestamp(-1),
    ];
    let compare = |value: &Scalar| Predicate::Compare { column: column(), op: CompareOp::Less, value: value.clone() };
    let predicate = Predicate::Or(vec![
        Predicate::And(values.iter().map(compare).collect()),
        Predicate::In { column: column(), values: values.to_vec(), negated: true },
        Predicate::IsNull { column: column(), negated: false },
        Predicate::StartsWith { column: column(), prefix: "p".to_owned(), negated: true },
    ]);
    let of = |predicate: Predicate| ScanTicket {
        table: TableReference::new("lake", "sales", "orders", &golden_columns()),
        version: 7,
        table_id: "0b9a".to_owned(),
        request: ScanRequest { projection: vec![0, 2], row_id: true, predicate },
        part: ReadPart { units: vec![ReadUnit { file: 1, slice: 1, slices: 3 }] },
        row_ids_unread: false,
    };
    // A predicate on its own is a message within the message.
    [Predicate::Unknown, predicate].map(|predicate| of(predicate).encode()).into()
}

/// Pushed filters.
pub(crate) const FILTERS: Target = Target {
    name: "filters",
    grammar: Grammar::Text,
    growth_bytes_max: GROWTH_BYTES_MAX,
    run: filters,
    seeds: recorded_filters,
};

fn filters(bytes: &[u8]) -> Outcome {
    let filters = Filters::parse(bytes);
    // The predicate's form without its values.
    let form = filters.as_ref().map(|filters| format!("{:.2000}", format!("{:?}", filters.predicate)));
    Outcome::of(&filters).and(Outcome::of(&form.map_or(Ok(()), Err)))
}

fn recorded_filters() -> Vec<Vec<u8>> {
    let lines = String::from_utf8(golden::file("../filters-duckdb-1.5.5.jsonl")).unwrap();
    let filter = |line: &str| {
        let recorded: serde_json::Value = serde_json::from_str(line).unwrap();
        recorded["json_filters"].as_str().unwrap_or_default().as_bytes().to_vec()
    };
    lines.lines().map(filter).collect()
}

/// Headers, `name: value` a line.
pub(crate) const HEADERS: Target = Target {
    name: "headers",
    grammar: Grammar::Text,
    growth_bytes_max: GROWTH_BYTES_MAX,
    run: headers,
    seeds: recorded_headers,
};

fn headers(bytes: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(bytes);
    let context = CallContext::from_headers(text.lines().filter_map(|line| line.split_once(": ")));
    let shape = context.transaction_id.as_deref().map(|text| Shape::from_hex("shape", text).is_ok());
    Outcome::of(&context.operation()).and(Outcome::from((context.return_chunks, shape)))
}

fn recorded_headers() -> Vec<Vec<u8>> {
    let known = [headers::USER_AGENT, headers::TRACE_ID, headers::SKIP_PRODUCING_RESULTS];
    let of = |call| {
        let lines = golden::request_headers(call).into_iter().map(|(name, value)| format!("{name}: {value}"));
        let more = known.iter().map(|name| format!("{name}: 1"));
        let transaction = format!("{}: 0123456789abcdef", headers::TRANSACTION_ID);
        lines.chain(more).chain([transaction]).collect::<Vec<_>>().join("\n").into_bytes()
    };
    ["031-DoExchange-insert", "077-DoExchange-update", "086-DoExchange-delete"].map(of).into()
}

/// A message that only msgpack's own decoding is about: anything goes, within the bounds.
#[test]
fn no_message_of_msgpack_nests_without_end() {
    let bomb = vec![0x91; msgpack::MESSAGE_BYTES_MAX];
    assert!(msgpack::decode::<serde::de::IgnoredAny>("message", &bomb).is_err());
}
