//! Random tables of every type in every form DuckDB sends them.

use arrow::{
    array::*,
    buffer::{NullBuffer, OffsetBuffer, ScalarBuffer},
    compute::cast,
    datatypes::{FieldRef, IntervalMonthDayNano, IntervalUnit},
};
use arrow_flight::utils::batches_to_flight_data;

use super::*;
use crate::{
    engine::Extension,
    protocol::{golden::Noise, ipc::decode_batch},
};

const EXTENSIONS: [Extension; 7] = [
    Extension::Json,
    Extension::Uuid,
    Extension::HugeInt,
    Extension::UHugeInt,
    Extension::TimeTz,
    Extension::Bit,
    Extension::BigNum,
];

fn plain_types() -> Vec<DataType> {
    use DataType::*;
    let micros = TimeUnit::Microsecond;
    vec![
        Boolean,
        Int8,
        Int16,
        Int32,
        Int64,
        UInt8,
        UInt16,
        UInt32,
        UInt64,
        Float32,
        Float64,
        Utf8,
        Binary,
        Date32,
        Time64(micros),
        Time64(TimeUnit::Nanosecond),
        Timestamp(TimeUnit::Second, None),
        Timestamp(TimeUnit::Millisecond, None),
        Timestamp(micros, None),
        Timestamp(TimeUnit::Nanosecond, None),
        Timestamp(micros, Some("UTC".into())),
        Interval(IntervalUnit::MonthDayNano),
        Decimal128(4, 1),
        Decimal128(9, 0),
        Decimal128(18, 18),
        Decimal128(38, 10),
    ]
}

/// A column of the engine's.
fn random_field(noise: &mut Noise, name: &str, depth: usize) -> Field {
    let child = |noise: &mut Noise, name: &str| Arc::new(random_field(noise, name, depth - 1));
    let data_type = match noise.below(if depth == 0 { 8 } else { 14 }) {
        0..=4 => {
            let plain = plain_types();
            plain[noise.below(plain.len())].clone()
        }
        5..=7 => return EXTENSIONS[noise.below(EXTENSIONS.len())].field(name, true),
        8 | 9 => DataType::List(child(noise, "element")),
        10 => DataType::FixedSizeList(child(noise, "element"), 1 + noise.below(3) as i32),
        11 => {
            let key = Arc::new(child(noise, "key").as_ref().clone().with_nullable(false));
            let entries = DataType::Struct(vec![key, child(noise, "value")].into());
            DataType::Map(Arc::new(Field::new("key_value", entries, false)), false)
        }
        _ => DataType::Struct((0..=noise.below(3)).map(|i| child(noise, &format!("f{i}"))).collect()),
    };
    nullable(name, data_type)
}

fn random_nulls(noise: &mut Noise, field: &Field, length: usize) -> Option<NullBuffer> {
    let some = field.is_nullable() && noise.below(4) > 0;
    some.then(|| (0..length).map(|_| noise.below(4) > 0).collect::<Vec<bool>>().into())
}

fn random_lengths(noise: &mut Noise, rows: usize) -> OffsetBuffer<i32> {
    OffsetBuffer::from_lengths((0..rows).map(|_| noise.below(4)))
}

/// Values of the field's type; what lies below a NULL is a value of the type, as DuckDB sends it.
fn random_array(noise: &mut Noise, field: &Field, rows: usize) -> ArrayRef {
    let nulls = random_nulls(noise, field, rows);
    match field.data_type() {
        DataType::List(element) => {
            let offsets = random_lengths(noise, rows);
            let values = random_array(noise, element, offsets[rows] as usize);
            Arc::new(ListArray::new(Arc::clone(element), offsets, values, nulls))
        }
        DataType::FixedSizeList(element, length) => {
            let values = random_array(noise, element, rows * *length as usize);
            Arc::new(FixedSizeListArray::new(Arc::clone(element), *length, values, nulls))
        }
        DataType::Map(entries, _) => {
            let offsets = random_lengths(noise, rows);
            let values = random_array(noise, entries, offsets[rows] as usize).as_struct().clone();
            Arc::new(MapArray::new(Arc::clone(entries), offsets, values, nulls, false))
        }
        DataType::Struct(fields) => {
            let columns = fields.iter().map(|field| random_array(noise, field, rows)).collect();
            Arc::new(StructArray::new(fields.clone(), columns, nulls))
        }
        _ => with_nulls(&random_leaf(noise, field, rows), nulls),
    }
}

fn with_nulls(values: &ArrayRef, nulls: Option<NullBuffer>) -> ArrayRef {
    let Some(nulls) = nulls else { return Arc::clone(values) };
    arrow::compute::nullif(values, &BooleanArray::new(!nulls.inner(), None)).unwrap()
}

fn random_leaf(noise: &mut Noise, field: &Field, rows: usize) -> ArrayRef {
    let mut values = (0..rows).map(|_| noise.next()).collect::<Vec<u64>>().into_iter();
    let fixed =
        |width: i32, bytes: Vec<u8>| -> ArrayRef { Arc::new(FixedSizeBinaryArray::new(width, bytes.into(), None)) };
    match Extension::of(field) {
        Some(Extension::TimeTz) => fixed(8, values.flat_map(|bits| time_tz(bits).to_le_bytes()).collect()),
        Some(Extension::Bit) => Arc::new(BinaryArray::from_iter_values(values.map(bit))),
        Some(Extension::BigNum) => Arc::new(BinaryArray::from_iter_values(values.map(bignum))),
        Some(Extension::Json) => Arc::new(StringArray::from_iter_values(values.map(|bits| bits.to_string()))),
        Some(Extension::Uuid | Extension::HugeInt | Extension::UHugeInt) => fixed(
            16,
            values.flat_map(|bits| [bits.to_le_bytes(), bits.rotate_left(7).to_le_bytes()].concat()).collect(),
        ),
        None => match field.data_type() {
            DataType::Utf8 => Arc::new(StringArray::from_iter_values(values.map(text))),
            DataType::Binary => Arc::new(BinaryArray::from_iter_values(values.map(text))),
            DataType::Boolean => Arc::new(values.map(|bits| Some(bits % 2 == 0)).collect::<BooleanArray>()),
            DataType::Interval(_) => Arc::new(IntervalMonthDayNanoArray::from_iter_values(values.map(interval))),
            DataType::Decimal128(precision, scale) => {
                let value = |bits| i128::from(bits as i64) % 10_i128.pow((*precision).into());
                let decimals = Decimal128Array::from_iter_values(values.map(value));
                Arc::new(decimals.with_precision_and_scale(*precision, *scale).unwrap())
            }
            DataType::Time64(TimeUnit::Nanosecond) => {
                Arc::new(Time64NanosecondArray::from_iter_values(values.map(|bits| (bits % 86_400_000_000_001) as i64)))
            }
            DataType::Time64(_) => {
                Arc::new(Time64MicrosecondArray::from_iter_values(values.map(|bits| (bits % 86_400_000_001) as i64)))
            }
            DataType::UInt64 => Arc::new(UInt64Array::from_iter_values(values)),
            DataType::Float64 => Arc::new(Float64Array::from_iter_values(values.map(f64::from_bits))),
            DataType::Float32 => {
                Arc::new(Float32Array::from_iter_values(values.map(|bits| f32::from_bits(bits as u32))))
            }
            DataType::Timestamp(..) => {
                cast(&Int64Array::from_iter_values(values.map(|bits| bits as i64)), field.data_type()).unwrap()
            }
            narrow => {
                let width = narrow.primitive_width().unwrap() as u32 * 8;
                let value = |bits: u64| match narrow.is_unsigned_integer() {
                    true => (bits >> (64 - width)) as i64,
                    false => bits as i64 >> (64 - width),
                };
                let values = Int64Array::from_iter_values(values.by_ref().map(value));
                match narrow {
                    DataType::Date32 => cast(&cast(&values, &DataType::Int32).unwrap(), narrow).unwrap(),
                    _ => cast(&values, narrow).unwrap(),
                }
            }
        },
    }
}

fn text(bits: u64) -> String {
    "ä text".repeat((bits % 5) as usize)
}

fn interval(bits: u64) -> IntervalMonthDayNano {
    IntervalMonthDayNano::new(bits as i32, (bits >> 32) as i32, (bits as i64 / 1_000) * 1_000)
}

fn time_tz(bits: u64) -> u64 {
    ((bits % 86_400_000_001) << 24) | ((bits >> 40) % 115_199)
}

fn bit(bits: u64) -> Vec<u8> {
    let mut bytes = vec![(bits % 8) as u8];
    bytes.extend(&bits.to_le_bytes()[..1 + (bits >> 4) as usize % 8]);
    bytes
}

/// Up to eight digits, not the first of them 0.
fn bignum(bits: u64) -> Vec<u8> {
    let digits: Vec<u8> = bits.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    let digits = if digits.is_empty() { vec![0] } else { digits };
    let header = (0x80_0000 | digits.len() as u32).to_be_bytes();
    let is_negative = bits % 2 == 1;
    let bytes = header[1..].iter().chain(&digits).copied();
    bytes.map(|byte| if is_negative { !byte } else { byte }).collect()
}

/// A column as DuckDB might send it.
fn sent(noise: &mut Noise, field: &Field, array: &ArrayRef, dictionaries: bool) -> (FieldRef, ArrayRef) {
    if let Some(extension) = Extension::of(field) {
        return sent_extension(noise, extension, field, array);
    }
    let pick = |noise: &mut Noise, forms: &[DataType]| cast(array, &forms[noise.below(forms.len())]).unwrap();
    let array = match array.data_type() {
        DataType::Utf8 if dictionaries && noise.below(3) == 0 => {
            let keys = [DataType::UInt8, DataType::UInt16, DataType::UInt32][noise.below(3)].clone();
            cast(array, &DataType::Dictionary(Box::new(keys), Box::new(DataType::Utf8))).unwrap()
        }
        DataType::Utf8 => pick(noise, &[DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View]),
        DataType::Binary => pick(noise, &[DataType::Binary, DataType::LargeBinary, DataType::BinaryView]),
        DataType::Boolean if noise.below(2) == 0 => {
            let bool8 = [("ARROW:extension:name".to_owned(), "arrow.bool8".to_owned())];
            let field = nullable(field.name(), DataType::Int8).with_metadata(bool8.into());
            return (Arc::new(field), cast(array, &DataType::Int8).unwrap());
        }
        DataType::Decimal128(p @ ..=9, s) => pick(noise, &[DataType::Decimal32(*p, *s), DataType::Decimal128(*p, *s)]),
        DataType::Decimal128(p @ ..=18, s) => pick(noise, &[DataType::Decimal64(*p, *s), DataType::Decimal128(*p, *s)]),
        DataType::Timestamp(_, Some(_)) => {
            let values = array.as_primitive::<arrow::datatypes::TimestampMicrosecondType>().clone();
            Arc::new(values.with_timezone("Europe/Berlin"))
        }
        DataType::List(element) => sent_list(noise, element, array.as_list(), dictionaries),
        DataType::FixedSizeList(element, length) => {
            let list = array.as_fixed_size_list();
            let (element, values) = sent(noise, &element.as_ref().clone().with_name(""), list.values(), dictionaries);
            Arc::new(FixedSizeListArray::new(element, *length, values, list.nulls().cloned()))
        }
        DataType::Map(..) => sent_map(noise, array.as_map(), dictionaries),
        DataType::Struct(_) => Arc::new(sent_struct(noise, array.as_struct(), dictionaries)),
        _ => Arc::clone(array),
    };
    (Arc::new(Field::new(field.name(), array.data_type().clone(), field.is_nullable())), array)
}

fn sent_extension(noise: &mut Noise, extension: Extension, field: &Field, array: &ArrayRef) -> (FieldRef, ArrayRef) {
    let lossy = noise.below(2) == 0 && !matches!(extension, Extension::TimeTz | Extension::BigNum);
    let forms = match extension.storage() {
        DataType::Utf8 => vec![DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View],
        DataType::Binary => vec![DataType::Binary, DataType::LargeBinary, DataType::BinaryView],
        fixed => vec![fixed],
    };
    let array: ArrayRef = match (extension, lossy) {
        (Extension::HugeInt | Extension::UHugeInt, true) => {
            let bits = |bytes: Option<&[u8]>| bytes.map(|bytes| i128::from_le_bytes(bytes.try_into().unwrap()));
            let decimals: Decimal128Array = array.as_fixed_size_binary().iter().map(bits).collect();
            Arc::new(decimals.with_precision_and_scale(38, 0).unwrap())
        }
        (Extension::Uuid, true) => {
            let text = |bytes: Option<&[u8]>| bytes.map(|bytes| uuid::Uuid::from_slice(bytes).unwrap().to_string());
            Arc::new(array.as_fixed_size_binary().iter().map(text).collect::<StringArray>())
        }
        _ => cast(array, &forms[noise.below(forms.len())]).unwrap(),
    };
    let metadata = if lossy { Default::default() } else { extension.metadata() };
    let field = Field::new(field.name(), array.data_type().clone(), field.is_nullable()).with_metadata(metadata);
    (Arc::new(field), array)
}

fn sent_list(noise: &mut Noise, element: &Field, list: &ListArray, dictionaries: bool) -> ArrayRef {
    let (element, values) = sent(noise, &element.clone().with_name("l"), list.values(), dictionaries);
    let nulls = list.nulls().cloned();
    let starts = || list.offsets().iter().take(list.len());
    let lengths: Vec<usize> = list.offsets().lengths().collect();
    match noise.below(4) {
        0 => Arc::new(ListArray::new(element, list.offsets().clone(), values, nulls)),
        1 => Arc::new(LargeListArray::new(element, OffsetBuffer::from_lengths(lengths), values, nulls)),
        2 => {
            let (starts, sizes) = (starts().copied().collect(), lengths.iter().map(|length| *length as i32).collect());
            Arc::new(ListViewArray::new(element, starts, sizes, values, nulls))
        }
        _ => {
            let starts: ScalarBuffer<i64> = starts().map(|start| i64::from(*start)).collect();
            let sizes = lengths.iter().map(|length| *length as i64).collect();
            Arc::new(LargeListViewArray::new(element, starts, sizes, values, nulls))
        }
    }
}

fn sent_map(noise: &mut Noise, map: &MapArray, dictionaries: bool) -> ArrayRef {
    let entries = sent_struct(noise, map.entries(), dictionaries);
    let field = Field::new("entries", entries.data_type().clone(), false);
    Arc::new(MapArray::new(Arc::new(field), map.offsets().clone(), entries, map.nulls().cloned(), false))
}

fn sent_struct(noise: &mut Noise, array: &StructArray, dictionaries: bool) -> StructArray {
    let columns = array.fields().iter().zip(array.columns());
    let (fields, columns): (Vec<_>, Vec<_>) =
        columns.map(|(field, column)| sent(noise, field, column, dictionaries)).unzip();
    StructArray::new(fields.into(), columns, array.nulls().cloned())
}

#[test]
fn every_table_comes_through_in_every_form() {
    let mut noise = Noise::new(20);
    for _ in 0..400 {
        let table = (0..1 + noise.below(4)).map(|i| random_field(&mut noise, &format!("c{i}"), 3));
        let table = Arc::new(Schema::new(table.collect::<Vec<_>>()));
        let rows = noise.below(50);
        let columns: Vec<_> = table.fields().iter().map(|field| random_array(&mut noise, field, rows)).collect();
        let expected = RecordBatch::try_new(Arc::clone(&table), columns).unwrap();
        assert_eq!(canonical_schema(&table).unwrap(), *table);
        for dictionaries in [false, true] {
            let columns = table.fields().iter().zip(expected.columns());
            let columns = columns.map(|(field, column)| sent(&mut noise, field, column, dictionaries));
            let (fields, columns): (Vec<_>, Vec<_>) = columns.unzip();
            let mut batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
            if !dictionaries {
                batch = over_the_wire(&batch);
            }
            assert_eq!(conform(&batch, &table).unwrap(), expected, "{:?}", batch.schema());
        }
        for (field, column) in table.fields().iter().zip(expected.columns()) {
            assert_eq!(travelling_field(field).data_type(), travelling_column(column).data_type());
            assert_eq!(travelling_field(field).metadata(), field.metadata());
        }
    }
}

fn over_the_wire(batch: &RecordBatch) -> RecordBatch {
    let [schema, rows] = batches_to_flight_data(&batch.schema(), vec![batch.clone()]).unwrap().try_into().unwrap();
    let schema = Arc::new(decode_schema_message("exchange", &schema.data_header).unwrap());
    decode_batch("exchange", &rows.data_header, rows.data_body, &schema).unwrap()
}
