//! Schemas and rows that the tests share.

mod canonical;
mod conform;
mod property;
mod recorded;
mod scan;
mod values;

use std::sync::Arc;

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Fields, Schema, TimeUnit},
};
use arrow_flight::{FlightData, utils::flight_data_to_arrow_batch};
use prost::Message;

use super::*;
use crate::protocol::{golden, ipc::decode_schema_message};

fn nullable(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn one_column(field: Field) -> Schema {
    Schema::new(vec![field])
}

fn recorded_schema(file: &str) -> Schema {
    let data = FlightData::decode(golden::file(file).as_slice()).unwrap();
    decode_schema_message("exchange", &data.data_header).unwrap()
}

fn recorded_batch(schema_file: &str, batch_file: &str) -> RecordBatch {
    let data = FlightData::decode(golden::file(batch_file).as_slice()).unwrap();
    flight_data_to_arrow_batch(&data, Arc::new(recorded_schema(schema_file)), &Default::default()).unwrap()
}

fn map_type(entries: &str, key: &str, value: &str) -> DataType {
    let fields = Fields::from(vec![Field::new(key, DataType::Utf8, false), nullable(value, DataType::Int32)]);
    DataType::Map(Arc::new(Field::new(entries, DataType::Struct(fields), false)), false)
}

fn list_type(element: &str) -> DataType {
    DataType::List(Arc::new(nullable(element, DataType::Utf8)))
}

fn orders() -> Schema {
    let addr = Fields::from(vec![nullable("street", DataType::Utf8), nullable("zip", DataType::Int32)]);
    Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        nullable("name", DataType::Utf8),
        nullable("price", DataType::Decimal128(12, 2)),
        nullable("placed", DataType::Timestamp(TimeUnit::Microsecond, None)),
        nullable("tags", list_type("element")),
        nullable("addr", DataType::Struct(addr)),
    ])
}
