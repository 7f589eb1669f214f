//! Random types, and random values of them with the extremes among them.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray,
        FixedSizeListArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
        IntervalMonthDayNanoArray, ListArray, MapArray, StringArray, StructArray, Time64MicrosecondArray,
        Time64NanosecondArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
        TimestampSecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{DataType, Field, FieldRef, Fields, IntervalMonthDayNano},
};

use super::super::{
    kind::Kind,
    values::{DAY_MICROS, DAY_NANOS, bignum, bit},
};
use crate::{
    delta::schema::{LIST_ELEMENT, MAP_KEY, MAP_VALUE, map_type},
    engine::Extension,
};

/// Every type without children.
pub(crate) const KINDS: [Kind; 30] = [
    Kind::Boolean,
    Kind::TinyInt,
    Kind::SmallInt,
    Kind::Integer,
    Kind::BigInt,
    Kind::UTinyInt,
    Kind::USmallInt,
    Kind::UInteger,
    Kind::UBigInt,
    Kind::Float,
    Kind::Double,
    Kind::Decimal(38, 10),
    Kind::Varchar,
    Kind::Blob,
    Kind::Date,
    Kind::Time,
    Kind::TimeNs,
    Kind::Timestamp,
    Kind::TimestampS,
    Kind::TimestampMs,
    Kind::TimestampNs,
    Kind::TimestampTz,
    Kind::Interval,
    Kind::Extension(Extension::Json),
    Kind::Extension(Extension::Uuid),
    Kind::Extension(Extension::HugeInt),
    Kind::Extension(Extension::UHugeInt),
    Kind::Extension(Extension::TimeTz),
    Kind::Extension(Extension::Bit),
    Kind::Extension(Extension::BigNum),
];

/// Numbers that look random and are the same every time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    /// Extremes, and of other numbers large and small ones alike.
    fn bits(&mut self) -> u128 {
        let bits = u128::from(self.next()) << 64 | u128::from(self.next());
        match self.below(6) {
            0 => 0,
            1 => u128::MAX,
            2 => u128::MAX >> 1,
            3 => 1 << 127,
            _ => bits >> self.below(128),
        }
    }

    fn nulls(&mut self, rows: usize) -> Option<NullBuffer> {
        let one_in = [2, 5, 50][self.below(3)];
        (!self.one_in(3)).then(|| (0..rows).map(|_| !self.one_in(one_in)).collect::<Vec<_>>().into())
    }

    fn within(&mut self, last: i64) -> i64 {
        match self.below(4) {
            0 => 0,
            1 => last,
            _ => (self.next() % last.cast_unsigned()).cast_signed(),
        }
    }

    /// A timestamp in units of so many microseconds.
    fn timestamp(&mut self, micros: i64) -> i64 {
        match self.below(6) {
            0 => i64::MAX,
            1 => -i64::MAX,
            2 => i64::MAX / micros - 1,
            3 => i64::MIN / micros + 1,
            _ => (self.next().cast_signed() >> self.below(40)) / micros,
        }
    }

    fn time_tz(&mut self) -> [u8; 8] {
        let micros = self.within(DAY_MICROS).cast_unsigned();
        let offset = [0, 115_198, 57_599, self.below(115_199) as u64][self.below(4)];
        (micros << 24 | offset).to_le_bytes()
    }

    fn digits(&mut self) -> String {
        let sign = if self.one_in(2) { "-" } else { "" };
        let length = [1, 9, 10, 38, 39, 200][self.below(6)];
        let digits: String = (0..length).map(|_| char::from(b'0' + self.below(10) as u8)).collect();
        format!("{sign}{digits}")
    }

    fn text(&mut self) -> String {
        ["", "a", "{\"k\": [1, null]}", "naïve 😀", "x/y=%z"][self.below(5)].to_owned()
    }
}

/// A random type that nests at most `levels` deep.
pub(crate) fn data_type(random: &mut Random, name: &str, levels: usize) -> Field {
    let nullable = !random.one_in(4);
    let inner = |random: &mut Random, name: &str| data_type(random, name, levels - 1);
    if levels == 0 || random.one_in(2) {
        return KINDS[random.below(KINDS.len())].field(name, nullable);
    }
    let nested = match random.below(4) {
        0 => DataType::List(inner(random, LIST_ELEMENT).into()),
        1 => DataType::FixedSizeList(inner(random, LIST_ELEMENT).into(), 1 + random.below(3) as i32),
        2 => map_type(inner(random, MAP_KEY).with_nullable(false), inner(random, MAP_VALUE)),
        _ => {
            let fields = 1 + random.below(3);
            DataType::Struct((0..fields).map(|index| inner(random, &format!("f{index}"))).collect())
        }
    };
    Field::new(name, nested, nullable)
}

/// Random values of a column. Rows below a NULL may hold anything.
pub(crate) fn values(random: &mut Random, field: &Field, rows: usize) -> ArrayRef {
    let nulls = if field.is_nullable() { random.nulls(rows) } else { None };
    match field.data_type() {
        DataType::List(element) => {
            let (offsets, total) = offsets(random, rows);
            let values = values(random, element, total);
            Arc::new(ListArray::new(Arc::clone(element), offsets, values, nulls))
        }
        DataType::FixedSizeList(element, length) => {
            let values = values(random, element, rows * *length as usize);
            Arc::new(FixedSizeListArray::new(Arc::clone(element), *length, values, nulls))
        }
        DataType::Map(entries, sorted) => {
            let DataType::Struct(pair) = entries.data_type() else { panic!("entries") };
            let (offsets, total) = offsets(random, rows);
            let pairs = children(random, pair, total, None);
            Arc::new(MapArray::new(Arc::clone(entries), offsets, pairs, nulls, *sorted))
        }
        DataType::Struct(fields) => Arc::new(children(random, fields, rows, nulls)),
        _ => leaves(random, Kind::of(field).unwrap(), rows, nulls),
    }
}

fn children(random: &mut Random, fields: &Fields, rows: usize, nulls: Option<NullBuffer>) -> StructArray {
    let columns = fields.iter().map(|field: &FieldRef| values(random, field, rows)).collect();
    StructArray::new(fields.clone(), columns, nulls)
}

fn offsets(random: &mut Random, rows: usize) -> (OffsetBuffer<i32>, usize) {
    let lengths: Vec<usize> = (0..rows).map(|_| random.below(4)).collect();
    let total = lengths.iter().sum();
    (OffsetBuffer::from_lengths(lengths), total)
}

macro_rules! array {
    ($array:ident, $random:ident, $rows:ident, $nulls:ident, $value:expr) => {{
        let values: Vec<_> = (0..$rows).map(|_| $value).collect();
        Arc::new($array::new(values.into(), $nulls))
    }};
}

fn leaves(random: &mut Random, kind: Kind, rows: usize, nulls: Option<NullBuffer>) -> ArrayRef {
    let micros = 1_000_000;
    match kind {
        Kind::Boolean => {
            let values: Vec<bool> = (0..rows).map(|_| random.one_in(2)).collect();
            Arc::new(BooleanArray::new(values.into(), nulls))
        }
        Kind::TinyInt => array!(Int8Array, random, rows, nulls, random.bits() as i8),
        Kind::SmallInt => array!(Int16Array, random, rows, nulls, random.bits() as i16),
        Kind::Integer => array!(Int32Array, random, rows, nulls, random.bits() as i32),
        Kind::BigInt => array!(Int64Array, random, rows, nulls, random.bits() as i64),
        Kind::UTinyInt => array!(UInt8Array, random, rows, nulls, random.bits() as u8),
        Kind::USmallInt => array!(UInt16Array, random, rows, nulls, random.bits() as u16),
        Kind::UInteger => array!(UInt32Array, random, rows, nulls, random.bits() as u32),
        Kind::UBigInt => array!(UInt64Array, random, rows, nulls, random.bits() as u64),
        Kind::Float => array!(Float32Array, random, rows, nulls, [0.0, -0.0, f32::NAN, f32::MIN, 1.5][random.below(5)]),
        Kind::Double => {
            array!(Float64Array, random, rows, nulls, [0.0, -0.0, f64::NAN, f64::INFINITY, 0.1][random.below(5)])
        }
        Kind::Decimal(precision, scale) => {
            let limit = 10_i128.pow(precision.into());
            let values: Vec<i128> = (0..rows).map(|_| (random.bits() as i128) % limit).collect();
            let array = Decimal128Array::new(values.into(), nulls);
            Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
        }
        Kind::Varchar | Kind::Extension(Extension::Json) => {
            let values = texts(random, rows, nulls.as_ref(), Random::text);
            Arc::new(StringArray::from(values))
        }
        Kind::Date => array!(Date32Array, random, rows, nulls, [i32::MAX, -i32::MAX, 0, 20_000][random.below(4)]),
        Kind::Time => array!(Time64MicrosecondArray, random, rows, nulls, random.within(DAY_MICROS)),
        Kind::TimeNs => array!(Time64NanosecondArray, random, rows, nulls, random.within(DAY_NANOS)),
        Kind::Timestamp => array!(TimestampMicrosecondArray, random, rows, nulls, random.timestamp(1)),
        Kind::TimestampTz => {
            let values: Vec<i64> = (0..rows).map(|_| random.timestamp(1)).collect();
            Arc::new(TimestampMicrosecondArray::new(values.into(), nulls).with_timezone("UTC"))
        }
        Kind::TimestampS => array!(TimestampSecondArray, random, rows, nulls, random.timestamp(micros)),
        Kind::TimestampMs => array!(TimestampMillisecondArray, random, rows, nulls, random.timestamp(1000)),
        Kind::TimestampNs => array!(TimestampNanosecondArray, random, rows, nulls, random.bits() as i64),
        Kind::Interval => array!(
            IntervalMonthDayNanoArray,
            random,
            rows,
            nulls,
            IntervalMonthDayNano {
                months: random.bits() as i32,
                days: random.bits() as i32,
                nanoseconds: random.bits() as i64,
            }
        ),
        Kind::Extension(Extension::Uuid | Extension::HugeInt | Extension::UHugeInt) => {
            let values: Vec<u8> = (0..rows).flat_map(|_| random.bits().to_le_bytes()).collect();
            Arc::new(FixedSizeBinaryArray::new(16, values.into(), nulls))
        }
        Kind::Extension(Extension::TimeTz) => {
            let values: Vec<u8> = (0..rows).flat_map(|_| random.time_tz()).collect();
            Arc::new(FixedSizeBinaryArray::new(8, values.into(), nulls))
        }
        Kind::Blob => binaries(random, rows, nulls.as_ref(), |random| random.text().into_bytes()),
        Kind::Extension(Extension::Bit) => binaries(random, rows, nulls.as_ref(), |random| {
            let length = 1 + random.below(20);
            let text: String = (0..length).map(|_| if random.one_in(2) { '1' } else { '0' }).collect();
            parsed(&text, bit::parse)
        }),
        Kind::Extension(Extension::BigNum) => {
            binaries(random, rows, nulls.as_ref(), |random| parsed(&random.digits(), bignum::parse))
        }
    }
}

pub(crate) fn parsed(text: &str, parse: impl Fn(&str, &mut Vec<u8>) -> Option<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    parse(text, &mut bytes).unwrap();
    bytes
}

fn texts<T>(
    random: &mut Random,
    rows: usize,
    nulls: Option<&NullBuffer>,
    value: impl Fn(&mut Random) -> T,
) -> Vec<Option<T>> {
    (0..rows).map(|row| nulls.is_none_or(|nulls| nulls.is_valid(row)).then(|| value(random))).collect()
}

fn binaries(
    random: &mut Random,
    rows: usize,
    nulls: Option<&NullBuffer>,
    value: impl Fn(&mut Random) -> Vec<u8>,
) -> ArrayRef {
    let values = texts(random, rows, nulls, value);
    Arc::new(BinaryArray::from_iter(values)) as Arc<dyn Array>
}
