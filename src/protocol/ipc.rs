//! Arrow schemas as IPC bytes, checked before they are believed.
//!
//! `arrow::ipc::convert::fb_to_schema` panics on flatbuffers that are well formed and still no schema (an integer
//! of 7 bits, a list without a child), so each field is looked at first. The reader of record batches panics on
//! buffers that lie outside the body, so those are looked at as well.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use arrow::{
    array::RecordBatch,
    buffer::Buffer,
    datatypes::{Schema, SchemaRef},
    ipc::{
        self, DateUnit, Endianness, Field, Precision, TimeUnit, Type, UnionMode, convert::fb_to_schema,
        reader::read_record_batch,
    },
};
use arrow_flight::{IpcMessage, SchemaAsIpc};

use super::DecodeError;

/// Marks the current form of an encapsulated message (Arrow columnar format, "Encapsulated message format").
const CONTINUATION: [u8; 4] = [0xff; 4];

/// The schema in an encapsulated message: optional continuation marker, length, flatbuffer.
pub fn decode_schema(what: &'static str, bytes: &[u8]) -> Result<Schema, DecodeError> {
    let too_short = || DecodeError::new(what, "the Arrow schema is cut short");
    let rest = bytes.strip_prefix(&CONTINUATION).unwrap_or(bytes);
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(too_short)?;
    let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| too_short())?;
    decode_schema_message(what, rest.get(..length).ok_or_else(too_short)?)
}

/// The one row of an IPC stream of one batch, its values validated.
pub fn decode_row(what: &'static str, bytes: &[u8]) -> Result<RecordBatch, DecodeError> {
    let Some((schema, _, rest)) = split_message(what, bytes)? else {
        return Err(DecodeError::new(what, "an Arrow stream is empty"));
    };
    let schema = Arc::new(decode_schema_message(what, schema)?);
    let Some((header, body, rest)) = split_message(what, rest)? else {
        return Err(DecodeError::new(what, "an Arrow stream holds no rows"));
    };
    let batch = decode_batch(what, header, bytes::Bytes::copy_from_slice(body), &schema)?;
    match (batch.num_rows(), split_message(what, rest)?) {
        (1, None) => Ok(batch),
        _ => Err(DecodeError::new(what, "an Arrow stream does not hold exactly one row")),
    }
}

/// A message's metadata and body, and what follows.
type Split<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// The next encapsulated message of a stream; `None` at the stream's end.
fn split_message<'a>(what: &'static str, bytes: &'a [u8]) -> Result<Option<Split<'a>>, DecodeError> {
    let too_short = || DecodeError::new(what, "an Arrow stream is cut short");
    let rest = bytes.strip_prefix(&CONTINUATION).unwrap_or(bytes);
    if bytes.is_empty() || rest == [0; 4] {
        return Ok(None);
    }
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(too_short)?;
    let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| too_short())?;
    let (metadata, rest) = rest.split_at_checked(length).ok_or_else(too_short)?;
    let message = ipc::root_as_message(metadata)
        .map_err(|error| DecodeError::new(what, format!("no Arrow message: {error:?}")))?;
    let body_length = usize::try_from(message.bodyLength()).map_err(|_| too_short())?;
    let (body, rest) = rest.split_at_checked(body_length).ok_or_else(too_short)?;
    Ok(Some((metadata, body, rest)))
}

/// The schema in a bare flatbuffer message, as FlightData's `data_header` carries it.
pub fn decode_schema_message(what: &'static str, message: &[u8]) -> Result<Schema, DecodeError> {
    let message = ipc::root_as_message(message)
        .map_err(|error| DecodeError::new(what, format!("no Arrow message: {error:?}")))?;
    let schema = message.header_as_schema().ok_or_else(|| DecodeError::new(what, "no Arrow schema"))?;
    if schema.endianness() != Endianness::Little {
        return Err(DecodeError::new(what, "the Arrow schema is not little-endian"));
    }
    let fields = schema.fields().ok_or_else(|| DecodeError::new(what, "the Arrow schema has no fields"))?;
    for field in fields {
        if !is_sound(field) {
            let name = field.name().unwrap_or_default();
            return Err(DecodeError::new(what, format!("the Arrow type of column {name:?} is malformed")));
        }
    }
    Ok(fb_to_schema(schema))
}

/// The record batch in a FlightData's `data_header` and `data_body`, its values validated.
pub fn decode_batch(
    what: &'static str,
    header: &[u8],
    body: bytes::Bytes,
    schema: &SchemaRef,
) -> Result<RecordBatch, DecodeError> {
    let message =
        ipc::root_as_message(header).map_err(|error| DecodeError::new(what, format!("no Arrow message: {error:?}")))?;
    let batch = message.header_as_record_batch().ok_or_else(|| DecodeError::new(what, "no Arrow record batch"))?;
    if !lies_within(batch, body.len()) {
        return Err(DecodeError::new(what, "a record batch names values outside its body"));
    }
    let read = || {
        let (body, no_dictionaries) = (Buffer::from(body), HashMap::new());
        read_record_batch(&body, batch, Arc::clone(schema), &no_dictionaries, None, &message.version())
    };
    // Whatever the reader still asserts instead of refusing ends this call and nothing else: it holds no state.
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(rows) => rows.map_err(|error| DecodeError::new(what, format!("a record batch: {error}"))),
        Err(_) => Err(DecodeError::new(what, "a record batch does not hold what it says")),
    }
}

/// Whether every buffer of a batch lies within its body, and no length is negative.
fn lies_within(batch: ipc::RecordBatch<'_>, body_len: usize) -> bool {
    let buffer_fits = |buffer: &ipc::Buffer| {
        let end = buffer.offset().checked_add(buffer.length());
        buffer.offset() >= 0 && buffer.length() >= 0 && end.is_some_and(|end| end as u64 <= body_len as u64)
    };
    let node_fits = |node: &ipc::FieldNode| (0..=node.length()).contains(&node.null_count());
    batch.length() >= 0
        && batch.buffers().is_some_and(|buffers| buffers.iter().all(buffer_fits))
        && batch.nodes().is_some_and(|nodes| nodes.iter().all(node_fits))
}

/// The encapsulated message of a schema.
pub fn encode_schema(schema: &Schema) -> bytes::Bytes {
    let options = ipc::writer::IpcWriteOptions::default();
    let IpcMessage(bytes) =
        SchemaAsIpc::new(schema, &options).try_into().expect("a schema message has no length that could overflow");
    bytes
}

/// Whether a field, and all below it, says everything its type needs. Recursion is bounded by the flatbuffer
/// verifier's own depth.
fn is_sound(field: Field<'_>) -> bool {
    let index_is_sound = match field.dictionary() {
        Some(dictionary) => dictionary.indexType().is_some_and(|index| is_integer_width(index.bitWidth())),
        None => true,
    };
    let children = field.children();
    index_is_sound
        && has_children(field.type_type(), children.map_or(0, |children| children.len()))
        && has_parameters(field)
        && children.is_none_or(|children| children.iter().all(is_sound))
}

fn has_children(kind: Type, count: usize) -> bool {
    match kind {
        Type::List | Type::LargeList | Type::ListView | Type::LargeListView | Type::FixedSizeList | Type::Map => {
            count == 1
        }
        Type::RunEndEncoded => count == 2,
        _ => true,
    }
}

fn has_parameters(field: Field<'_>) -> bool {
    match field.type_type() {
        Type::Null | Type::Bool | Type::Utf8 | Type::LargeUtf8 | Type::Utf8View => true,
        Type::Binary | Type::LargeBinary | Type::BinaryView | Type::Struct_ | Type::RunEndEncoded => true,
        Type::List | Type::LargeList | Type::ListView | Type::LargeListView => true,
        Type::Int => field.type_as_int().is_some_and(|int| is_integer_width(int.bitWidth())),
        Type::FloatingPoint => field
            .type_as_floating_point()
            .is_some_and(|float| [Precision::HALF, Precision::SINGLE, Precision::DOUBLE].contains(&float.precision())),
        Type::Date => {
            field.type_as_date().is_some_and(|date| [DateUnit::DAY, DateUnit::MILLISECOND].contains(&date.unit()))
        }
        Type::Time => field.type_as_time().is_some_and(|time| is_time(time.bitWidth(), time.unit())),
        Type::Timestamp => field.type_as_timestamp().is_some_and(|timestamp| is_time_unit(timestamp.unit())),
        Type::Duration => field.type_as_duration().is_some_and(|duration| is_time_unit(duration.unit())),
        Type::Interval => field.type_as_interval().is_some_and(|interval| interval.unit().variant_name().is_some()),
        Type::FixedSizeBinary => field.type_as_fixed_size_binary().is_some_and(|binary| binary.byteWidth() >= 0),
        Type::FixedSizeList => field.type_as_fixed_size_list().is_some_and(|list| list.listSize() >= 0),
        Type::Map => field.type_as_map().is_some(),
        Type::Decimal => field.type_as_decimal().is_some_and(is_decimal),
        Type::Union => is_union(field),
        _ => false,
    }
}

fn is_integer_width(bits: i32) -> bool {
    matches!(bits, 8 | 16 | 32 | 64)
}

fn is_time_unit(unit: TimeUnit) -> bool {
    unit.variant_name().is_some()
}

fn is_time(bits: i32, unit: TimeUnit) -> bool {
    match unit {
        TimeUnit::SECOND | TimeUnit::MILLISECOND => bits == 32,
        TimeUnit::MICROSECOND | TimeUnit::NANOSECOND => bits == 64,
        _ => false,
    }
}

fn is_decimal(decimal: ipc::Decimal<'_>) -> bool {
    let digits_max = match decimal.bitWidth() {
        32 => 9,
        64 => 18,
        128 => 38,
        256 => 76,
        _ => return false,
    };
    (1..=digits_max).contains(&decimal.precision()) && (-digits_max..=digits_max).contains(&decimal.scale())
}

fn is_union(field: Field<'_>) -> bool {
    let Some(union) = field.type_as_union() else { return false };
    let children = field.children().map_or(0, |children| children.len());
    let ids_are_sound = match union.typeIds() {
        None => children <= 128,
        Some(ids) => {
            let distinct: std::collections::BTreeSet<i32> = ids.iter().collect();
            ids.len() == children && distinct.len() == children && distinct.iter().all(|id| (0..128).contains(id))
        }
    };
    [UnionMode::Dense, UnionMode::Sparse].contains(&union.mode()) && ids_are_sound
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Fields, UnionFields};
    use arrow_flight::FlightData;
    use prost::Message;

    use super::*;
    use crate::protocol::golden;

    /// A schema with a field of many a kind.
    fn varied() -> Schema {
        let list = |name: &str| Field::new(name, DataType::new_list(DataType::Utf8, true), true);
        let union = UnionFields::try_new([3, 5], [Field::new("x", DataType::Int8, true), list("y")]).unwrap();
        Schema::new(vec![
            Field::new("a", DataType::Decimal128(12, 2), false),
            Field::new("b", DataType::Struct(Fields::from(vec![list("c"), list("d")])), true),
            Field::new("e", DataType::Dictionary(Box::new(DataType::UInt8), Box::new(DataType::Utf8)), true),
            Field::new("f", DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into())), true),
            Field::new("g", DataType::Union(union, arrow::datatypes::UnionMode::Sparse), true),
            Field::new("h", DataType::Time64(arrow::datatypes::TimeUnit::Microsecond), true),
            Field::new("i", DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano), true),
            Field::new("j", DataType::FixedSizeBinary(16), true),
        ])
    }

    #[test]
    fn takes_back_what_it_encodes() {
        let schema = varied();
        let decoded = decode_schema("schema", &encode_schema(&schema)).unwrap();
        assert_eq!(decoded.fields().len(), schema.fields().len());
        assert_eq!(decoded.field(1), schema.field(1));
        assert_eq!(decoded.field(4), schema.field(4));
    }

    #[test]
    fn takes_every_recorded_schema() {
        for name in golden::client_files("DoExchange") {
            let data = FlightData::decode(golden::file(&name).as_slice()).unwrap();
            if name.ends_with(".01.client.pb") {
                decode_schema_message("exchange", &data.data_header).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        }
    }

    #[test]
    fn noise_and_damage_are_errors_or_schemas_but_no_panic() {
        let mut noise = golden::Noise::new(1);
        let honest = encode_schema(&varied());
        let mut refused = 0;
        for _ in 0..5_000 {
            let damaged = noise.mutate(&honest);
            refused += usize::from(decode_schema("schema", &damaged).is_err());
            decode_schema("schema", &noise.bytes()).unwrap_err();
        }
        assert!(refused > 500, "only {refused} of the damaged schemas were refused");
    }

    #[test]
    fn batches_come_back_and_damaged_ones_are_errors_but_no_panic() {
        let schema =
            Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Utf8, true)]));
        let ids = Arc::new(arrow::array::Int64Array::from(vec![Some(1), None, Some(3)]));
        let names = Arc::new(arrow::array::StringArray::from(vec![Some("x"), Some("yz"), None]));
        let batch = RecordBatch::try_new(schema.clone(), vec![ids, names]).unwrap();
        let data = arrow_flight::utils::batches_to_flight_data(&schema, vec![batch.clone()]).unwrap().remove(1);
        assert_eq!(decode_batch("exchange", &data.data_header, data.data_body.clone(), &schema), Ok(batch));
        let cut = data.data_body.slice(..8);
        decode_batch("exchange", &data.data_header, cut, &schema).unwrap_err();
        let mut noise = golden::Noise::new(2);
        for _ in 0..5_000 {
            let header = noise.mutate(&data.data_header);
            let _ = decode_batch("exchange", &header, data.data_body.clone(), &schema);
            let body = noise.mutate(&data.data_body);
            let _ = decode_batch("exchange", &data.data_header, body.into(), &schema);
        }
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        let reason = |result: Result<RecordBatch, DecodeError>| result.unwrap_err().reason;
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        let ids = Arc::new(arrow::array::Int64Array::from(vec![Some(1), None, Some(3)]));
        let batch = RecordBatch::try_new(schema.clone(), vec![ids]).unwrap();
        let messages = arrow_flight::utils::batches_to_flight_data(&schema, vec![batch]).unwrap();
        let FlightData { data_header: header, data_body: body, .. } = &messages[1];
        let decode = |header: &[u8], body: bytes::Bytes| reason(decode_batch("exchange", header, body, &schema));
        assert_eq!(decode(&messages[0].data_header, body.clone()), "no Arrow record batch");
        assert_eq!(decode(header, body.slice(..8)), "a record batch names values outside its body");
        let other = Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8, true)]));
        let error = reason(decode_batch("exchange", header, body.clone(), &other));
        assert!(error.starts_with("a record batch: "), "{error}");
        let error = decode_schema_message("exchange", header).unwrap_err();
        assert_eq!(error.reason, "no Arrow schema");
    }

    /// A flatbuffer that is a schema message, and of the schema says no more than its endianness.
    fn bare_schema(endianness: u8) -> Vec<u8> {
        let message_vtable = [10, 0, 12, 0, 0, 0, 8, 0, 4, 0];
        let message = [12, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0];
        let (schema_vtable, schema) = ([6, 0, 6, 0, 4, 0], [8, 0, 0, 0, endianness, 0]);
        [&[16, 0, 0, 0][..], &message_vtable, &[0, 0], &message, &schema_vtable, &[0, 0], &schema].concat()
    }

    #[test]
    fn schemas_of_little_are_refused() {
        let reason = |bytes: &[u8]| decode_schema_message("schema", bytes).unwrap_err().reason;
        assert_eq!(reason(&bare_schema(1)), "the Arrow schema is not little-endian");
        assert_eq!(reason(&bare_schema(0)), "the Arrow schema has no fields");
        let mut noise = golden::Noise::new(1);
        let honest = encode_schema(&varied());
        let damaged = (0..5_000).filter_map(|_| decode_schema("schema", &noise.mutate(&honest)).err());
        let named = damaged.filter(|error| error.reason.starts_with("the Arrow type of column \"")).count();
        assert!(named > 10, "only {named} name the column");
    }

    #[test]
    fn lengths_beyond_the_end_are_refused() {
        for bytes in [&b""[..], b"\xff\xff\xff\xff", b"\xff\xff\xff\xff\xff\xff\xff\xff", b"\x08\0\0\0ab"] {
            let error = decode_schema("schema", bytes).unwrap_err();
            assert_eq!(error.to_string(), "malformed schema: the Arrow schema is cut short");
        }
    }
}
