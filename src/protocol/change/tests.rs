use arrow::array::{Int32Array, Int64Array, StringArray};
use arrow_flight::FlightData;
use prost::Message;

use super::*;
use crate::protocol::{golden, ipc::decode_schema_message};

const UPDATE: Operation = Operation::Update;
const DELETE: Operation = Operation::Delete;

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

/// `id BIGINT, name VARCHAR, addr STRUCT(zip INTEGER NOT NULL)`
fn table() -> Schema {
    let zip = Field::new("zip", DataType::Int32, false);
    Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        field("name", DataType::Utf8),
        field("addr", DataType::Struct(vec![zip].into())),
    ])
}

/// As DuckDB sends them: everything may be NULL.
fn row_id() -> Field {
    let parts = RowId::fields().iter().map(|part| part.as_ref().clone().with_nullable(true)).collect::<Vec<_>>();
    field("rowid", DataType::Struct(parts.into()))
}

fn id() -> Field {
    field("id", DataType::Int64)
}

fn name() -> Field {
    field("name", DataType::Utf8)
}

fn shape(operation: Operation, sent: Vec<Field>) -> Result<ChangeShape> {
    ChangeShape::new(operation, &Arc::new(Schema::new(sent)), "t", &table())
}

#[track_caller]
fn assert_refused(operation: Operation, sent: Vec<Field>, wanted: &str) {
    let refused = shape(operation, sent).expect_err(wanted).to_string();
    assert!(refused.contains(wanted), "{refused}");
}

fn row_ids(ids: &[(Option<i64>, i32, i64)], nulls: Option<NullBuffer>) -> ArrayRef {
    let DataType::Struct(parts) = row_id().data_type().clone() else { unreachable!("it is a struct") };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter(ids.iter().map(|id| id.0))),
        Arc::new(Int32Array::from_iter_values(ids.iter().map(|id| id.1))),
        Arc::new(Int64Array::from_iter_values(ids.iter().map(|id| id.2))),
    ];
    Arc::new(StructArray::new(parts, columns, nulls))
}

fn names(schema: &Schema) -> Vec<&str> {
    schema.fields().iter().map(|field| field.name().as_str()).collect()
}

#[test]
fn an_update_sets_columns_in_its_own_order_and_gets_all_back_in_it() {
    let shape = shape(UPDATE, vec![name(), id(), row_id()]).unwrap();
    assert_eq!(shape.kind(), &ChangeKind::Update(vec![1, 0]));
    assert_eq!(names(shape.reply_schema()), ["name", "id", "addr", "rowid"]);
    let marked = shape.reply_schema().field(3);
    assert!(marked.metadata().contains_key("is_rowid"), "the client leaves out what is marked");

    let sent = Schema::new(vec![name(), id(), row_id()]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["a", "b"])),
        Arc::new(Int64Array::from(vec![1, 2])),
        row_ids(&[(Some(7), 0, 5), (Some(7), 1, 6)], None),
    ];
    let sent = RecordBatch::try_new(Arc::new(sent), columns).unwrap();
    let taken = shape.take(&sent).unwrap();
    assert_eq!(names(&taken.schema()), ["name", "id", "rowid"]);
    assert_eq!(taken.column(2).data_type(), &DataType::Struct(RowId::fields()));

    let addr = StructArray::from(vec![(
        Arc::new(Field::new("zip", DataType::Int32, false)),
        Arc::new(Int32Array::from(vec![8, 9])) as ArrayRef,
    )]);
    let whole = vec![Arc::clone(taken.column(1)), Arc::clone(taken.column(0)), Arc::new(addr)];
    let changed = RecordBatch::try_new(Arc::new(table()), whole).unwrap();
    let reply = shape.reply(&changed, &taken).unwrap();
    assert_eq!(names(&reply.schema()), ["name", "id", "addr", "rowid"]);
    assert_eq!(reply.columns()[..2], taken.columns()[..2]);
    assert_eq!(reply.columns()[2].to_data(), changed.columns()[2].to_data());
    assert!(shape.reply(&changed.slice(0, 1), &taken).is_err(), "fewer rows than were sent");
}

#[test]
fn a_delete_sends_row_ids_and_gets_the_tables_columns_back() {
    let shape = shape(DELETE, vec![row_id()]).unwrap();
    assert_eq!(shape.kind(), &ChangeKind::Delete);
    assert_eq!(names(shape.reply_schema()), ["id", "name", "addr"]);
    let sent = Schema::new(vec![row_id()]);
    let sent = RecordBatch::try_new(Arc::new(sent), vec![row_ids(&[(Some(1), 0, 0)], None)]).unwrap();
    let taken = shape.take(&sent).unwrap();
    let changed = RecordBatch::new_empty(Arc::new(table()));
    assert!(shape.reply(&changed, &taken).is_err());
    let none = sent.slice(0, 0);
    assert_eq!(shape.reply(&changed, &shape.take(&none).unwrap()).unwrap().num_rows(), 0);
}

/// The engine refuses NULLs by their row; half a row id is none.
#[test]
fn a_row_id_that_is_null_in_part_is_null() {
    let shape = shape(DELETE, vec![row_id()]).unwrap();
    let nulls = NullBuffer::from(vec![true, false, true]);
    let ids = row_ids(&[(None, 1, 2), (Some(3), 4, 5), (Some(6), 7, 8)], Some(nulls));
    let sent = RecordBatch::try_new(Arc::new(Schema::new(vec![row_id()])), vec![ids]).unwrap();
    let taken = shape.take(&sent).unwrap();
    let nulls: Vec<_> = (0..3).map(|row| taken.column(0).is_null(row)).collect();
    assert_eq!(nulls, [true, true, false]);
}

#[test]
fn columns_that_make_no_change_are_refused() {
    for operation in [UPDATE, DELETE] {
        let verb = operation.to_string().to_uppercase();
        let wanted = format!("the last column of {verb} must be \"rowid\", which says what rows it is about");
        assert_refused(operation, vec![], &wanted);
        assert_refused(operation, vec![name()], &wanted);
        assert_refused(operation, vec![row_id(), name()], &wanted);
        let text = field("rowid", DataType::Utf8);
        let set = if operation == UPDATE { vec![id()] } else { vec![] };
        let wrong = |last: Field| set.iter().cloned().chain([last]).collect();
        assert_refused(operation, wrong(text), "column \"rowid\" was sent as VARCHAR and is STRUCT(");
        let two = DataType::Struct(RowId::fields()[..2].to_vec().into());
        assert_refused(operation, wrong(field("rowid", two)), "column \"rowid\" was sent as STRUCT(");
        assert_refused(operation, wrong(field("ROWID", row_id().data_type().clone())), &wanted);
    }
    assert_refused(UPDATE, vec![row_id()], "UPDATE sets no column");
    assert_refused(UPDATE, vec![id(), name(), id(), row_id()], "column \"id\" is set twice");
    assert_refused(UPDATE, vec![row_id(), row_id()], "table \"t\" has no column \"rowid\"");
    assert_refused(UPDATE, vec![field("Name", DataType::Utf8), row_id()], "table \"t\" has no column \"Name\"");
    assert_refused(UPDATE, vec![field("name", DataType::Int64), row_id()], "column \"name\" was sent as BIGINT");
    assert_refused(DELETE, vec![id(), row_id()], "DELETE takes \"rowid\" alone; column \"id\" was sent too");
}

/// With RETURNING the recorded client set `name` and sent all other columns behind it, in an order of its own.
#[test]
fn the_recorded_update_gets_its_columns_back_in_the_order_it_sent_them() {
    let recorded = recorded_schema("077-DoExchange-update.01.client.pb");
    let sent = with_our_row_id(&recorded);
    let mut columns = recorded.fields()[..recorded.fields().len() - 1].to_vec();
    columns.sort_by_key(|field| field.name().clone());
    let shape = ChangeShape::new(UPDATE, &sent, "orders", &canonical(&columns)).unwrap();
    assert_eq!(names(shape.reply_schema()), names(&recorded));
    assert_eq!(names(&recorded), ["name", "addr", "tags", "placed", "price", "id", "rowid"]);
    assert_eq!(shape.kind(), &ChangeKind::Update(vec![2, 0, 5, 3, 4, 1]));
}

/// The recorded server had row ids of its own kind.
#[test]
fn row_ids_of_another_server_are_refused() {
    for (operation, file) in
        [(UPDATE, "068-DoExchange-update.01.client.pb"), (DELETE, "095-DoExchange-delete.01.client.pb")]
    {
        let sent = Arc::new(recorded_schema(file));
        let columns = canonical(&sent.fields()[..sent.fields().len() - 1]);
        let refused = ChangeShape::new(operation, &sent, "orders", &columns).unwrap_err().to_string();
        assert!(refused.contains("column \"rowid\" was sent as BIGINT and is STRUCT("), "{refused}");
    }
}

fn recorded_schema(file: &str) -> Schema {
    let message = FlightData::decode(golden::file(file).as_slice()).unwrap();
    decode_schema_message("exchange", &message.data_header).unwrap()
}

fn with_our_row_id(recorded: &Schema) -> SchemaRef {
    let (_, set) = recorded.fields().split_last().unwrap();
    Arc::new(Schema::new(set.iter().cloned().chain([Arc::new(row_id())]).collect::<Vec<_>>()))
}

fn canonical(columns: &[FieldRef]) -> Schema {
    crate::protocol::types::canonical_schema(&Schema::new(columns.to_vec())).unwrap()
}
