//! Random rows of every type, statistics of them as a log has them, and predicates over them.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
        Int16Array, Int32Array, Int64Array, ListArray, MapArray, RecordBatch, StringArray, StructArray,
        TimestampMicrosecondArray,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{DataType, Field, Fields, Int32Type},
};

use super::oracle::{order, value};
use crate::engine::{ColumnPath, CompareOp, Predicate, Scalar};

/// Numbers that look random and are the same in every run (Steele, Lea, Flood: SplitMix).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub(super) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

/// `rows` rows. Values wander slowly, so that neighbours are alike and bounds rule things out.
pub(super) fn batch(random: &mut Random, rows: usize) -> RecordBatch {
    let start = random.below(200) as i64 - 100;
    let nulls_one_in = random.pick(&[2, 10, 1000]);
    let base: Vec<i64> = (0..rows).map(|row| start + row as i64 / 20 + random.below(8) as i64).collect();
    let mut column = |make: &dyn Fn(&[Option<i64>]) -> ArrayRef| {
        let values: Vec<_> = base.iter().map(|v| (!random.one_in(nulls_one_in)).then_some(*v)).collect();
        make(&values)
    };
    let micros = |v: i64| v * 1_234_567_891;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..rows as i64))),
        ("b", column(&|v| Arc::new(v.iter().map(|v| v.map(|v| v % 64 < 60)).collect::<BooleanArray>()))),
        ("i8", column(&|v| Arc::new(v.iter().map(|v| v.map(|v| v.clamp(-128, 127) as i8)).collect::<Int8Array>()))),
        ("i16", column(&|v| Arc::new(v.iter().map(|v| v.map(|v| v as i16 * 100)).collect::<Int16Array>()))),
        ("i32", column(&|v| Arc::new(v.iter().map(|v| v.map(|v| v as i32 * 1_000_000)).collect::<Int32Array>()))),
        ("i64", column(&|v| Arc::new(v.iter().map(|v| v.map(|v| v << 50)).collect::<Int64Array>()))),
        ("f32", column(&|v| Arc::new(v.iter().map(|v| v.map(|v| float(v) as f32)).collect::<Float32Array>()))),
        ("f64", column(&|v| Arc::new(v.iter().map(|v| v.map(float)).collect::<Float64Array>()))),
        ("dec9", column(&|v| decimals(v, 9, 2, 37))),
        ("dec18", column(&|v| decimals(v, 18, 4, 1_000_000_000_003))),
        ("dec38", column(&|v| decimals(v, 38, 10, 10_i128.pow(30) + 7))),
        ("s", column(&|v| Arc::new(v.iter().map(|v| v.map(text)).collect::<StringArray>()))),
        (
            "bin",
            column(&|v| Arc::new(v.iter().map(|v| v.map(|v| v.to_be_bytes()[6..].to_vec())).collect::<BinaryArray>())),
        ),
        ("d", column(&|v| Arc::new(v.iter().map(|v| v.map(|v| v as i32 * 31)).collect::<Date32Array>()))),
        (
            "ts",
            column(&|v| {
                let values = v.iter().map(|v| v.map(micros)).collect::<TimestampMicrosecondArray>();
                Arc::new(values.with_timezone("UTC"))
            }),
        ),
        ("ntz", column(&|v| Arc::new(v.iter().map(|v| v.map(micros)).collect::<TimestampMicrosecondArray>()))),
        ("st", column(&structs)),
        ("l", column(&lists)),
        ("m", column(&maps)),
    ];
    let nullable = |name: &str| name != "id";
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, nullable(name))))
        .unwrap()
}

fn float(v: i64) -> f64 {
    match v.rem_euclid(50) {
        0 => f64::NAN,
        1 => -0.0,
        2 => 0.0,
        3 => f64::INFINITY,
        4 => f64::NEG_INFINITY,
        _ => v as f64 * 0.1,
    }
}

/// Longer than statistics keep, for some; and beyond the BMP, where bytes and UTF-16 disagree, for others.
fn text(v: i64) -> String {
    match v.rem_euclid(5) {
        0 => format!("{v:04}"),
        1 => format!("{:04}{}", v / 5, "x".repeat(70)),
        2 => format!("{:04}{}", v / 5, "\u{10000}".repeat(20)),
        3 => format!("{:04}\u{ffff}", v / 5),
        _ => "ab".to_owned(),
    }
}

fn decimals(values: &[Option<i64>], precision: u8, scale: i8, factor: i128) -> ArrayRef {
    let values: Decimal128Array = values.iter().map(|v| v.map(|v| i128::from(v) * factor)).collect();
    Arc::new(values.with_precision_and_scale(precision, scale).unwrap())
}

fn structs(values: &[Option<i64>]) -> ArrayRef {
    let validity = NullBuffer::from_iter(values.iter().map(Option::is_some));
    let a: Int32Array = values.iter().map(|v| v.filter(|v| v % 3 != 0).map(|v| v as i32)).collect();
    let x: StringArray = values.iter().map(|v| v.map(text)).collect();
    let inner = NullBuffer::from_iter(values.iter().map(|v| v.is_some_and(|v| v % 4 != 0)));
    let inner_fields = Fields::from(vec![Field::new("x", DataType::Utf8, true)]);
    let t = StructArray::new(inner_fields.clone(), vec![Arc::new(x)], Some(inner));
    let fields = Fields::from(vec![
        Field::new("a", DataType::Int32, true),
        Field::new("t", DataType::Struct(inner_fields), true),
    ]);
    Arc::new(StructArray::new(fields, vec![Arc::new(a), Arc::new(t)], Some(validity)))
}

fn lists(values: &[Option<i64>]) -> ArrayRef {
    let list = |v: i64| (0..v.rem_euclid(4)).map(move |i| (i != 1).then_some((v + i) as i32));
    Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(values.iter().map(|v| v.map(list))))
}

fn maps(values: &[Option<i64>]) -> ArrayRef {
    let lengths: Vec<usize> = values.iter().map(|v| v.map_or(0, |v| v.rem_euclid(3) as usize)).collect();
    let keys: StringArray = lengths.iter().flat_map(|n| (0..*n).map(|i| Some(format!("k{i}")))).collect();
    let items: Int64Array = lengths.iter().flat_map(|n| (0..*n).map(|i| (i != 1).then_some(i as i64))).collect();
    let fields =
        Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Int64, true)]);
    let entries = StructArray::new(fields.clone(), vec![Arc::new(keys), Arc::new(items)], None);
    let field = Arc::new(Field::new("key_value", DataType::Struct(fields), false));
    let validity = NullBuffer::from_iter(values.iter().map(Option::is_some));
    Arc::new(MapArray::new(field, OffsetBuffer::from_lengths(lengths), entries, Some(validity), false))
}

fn path(dotted: &str) -> ColumnPath {
    dotted.split('.').map(str::to_owned).collect()
}

const PATHS: [&str; 18] = [
    "id", "b", "i8", "i16", "i32", "i64", "f32", "f64", "dec9", "dec18", "dec38", "s", "bin", "d", "ts", "ntz", "st.a",
    "st.t.x",
];

/// A predicate over the columns of [`batch`]; its constants are mostly values of `rows`.
pub(super) fn predicate(random: &mut Random, rows: &RecordBatch, depth: usize, unknown: bool) -> Predicate {
    if unknown && random.one_in(4) {
        return Predicate::Unknown;
    }
    if depth > 0 && random.one_in(2) {
        let count = random.below(4);
        let parts = (0..count).map(|_| predicate(random, rows, depth - 1, unknown)).collect();
        return if random.one_in(2) { Predicate::And(parts) } else { Predicate::Or(parts) };
    }
    let column = path(random.pick(&PATHS));
    let negated = random.one_in(2);
    match random.below(8) {
        0 => Predicate::IsNull { column: path(random.pick(&["st", "l", "m", "st.t", "st.t.x", "s", "i32"])), negated },
        1 => {
            let count = 1 + random.below(12);
            match (0..count).map(|_| constant(random, rows, &column)).collect::<Option<Vec<_>>>() {
                Some(values) => Predicate::In { column, values, negated },
                None => Predicate::Or(vec![]),
            }
        }
        2 => {
            let prefix =
                (random.pick(&["0", "00", "-0", "0007", "ab", "abc", "0001xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"]))
                    .into();
            Predicate::StartsWith { column: path(random.pick(&["s", "st.t.x"])), prefix, negated }
        }
        _ => {
            use CompareOp::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
            let op = random.pick(&[Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual]);
            match constant(random, rows, &column) {
                Some(value) => Predicate::Compare { column, op, value },
                None => Predicate::IsNull { column, negated },
            }
        }
    }
}

/// A value of the column, or one nearby.
fn constant(random: &mut Random, rows: &RecordBatch, column: &ColumnPath) -> Option<Scalar> {
    let value = value(rows, column, random.below(rows.num_rows()))?;
    let shift = random.below(5) as i64 - 2;
    Some(match value {
        Scalar::Integer(v) => Scalar::Integer(if random.one_in(20) { i128::MAX } else { v + i128::from(shift) }),
        Scalar::Decimal { unscaled, scale } => match shift {
            1 if unscaled.unsigned_abs() < 1 << 60 => Scalar::Decimal { unscaled: unscaled * 10 + 5, scale: scale + 1 },
            _ => Scalar::Decimal { unscaled: unscaled + i128::from(shift), scale },
        },
        Scalar::Float(v) if random.one_in(3) => Scalar::Float(v + shift as f64),
        Scalar::Text(v) if random.one_in(3) => Scalar::Text(v + "x"),
        Scalar::Date(v) => Scalar::Date(v + shift as i32),
        Scalar::Timestamp(v) => Scalar::Timestamp(v + shift),
        other => other,
    })
}

/// The statistics of the rows as a writer puts them in the log; `truncating` ones keep no more than they must.
pub(super) fn stats_json(rows: &RecordBatch, truncating: bool) -> String {
    let mut sides = [String::new(), String::new(), String::new()];
    let mut open_struct = false;
    for dotted in PATHS {
        let column = path(dotted);
        let mut values: Vec<_> = (0..rows.num_rows()).filter_map(|row| value(rows, &column, row)).collect();
        let nulls = rows.num_rows() - values.len();
        // Writers leave NaN out; infinities are not JSON, and then there are no bounds.
        values.retain(|v| !matches!(v, Scalar::Float(f) if f.is_nan()));
        values.sort_by(order);
        let shown = |v: &Scalar| match v {
            Scalar::Float(float) => float.is_finite(),
            other => !matches!(other, Scalar::Boolean(_) | Scalar::Binary(_)),
        };
        let bounds = if values.iter().all(shown) { (values.first(), values.last()) } else { (None, None) };
        let name = match column.as_slice() {
            [name] => format!("\"{name}\""),
            [_, a] if a == "a" => "\"st\":{\"a\"".to_owned(),
            _ => "\"t\":{\"x\"".to_owned(),
        };
        open_struct |= column.len() > 1;
        let show =
            |bound: Option<&Scalar>| bound.map_or("null".to_owned(), |bound| json(bound, &column[0], truncating));
        for (side, text) in sides.iter_mut().zip([show(bounds.0), show(bounds.1), nulls.to_string()]) {
            side.push_str(&format!("{}{name}:{text}", if side.is_empty() { "" } else { "," }));
        }
    }
    let close = if open_struct { "}}" } else { "" };
    let [min, max, nulls] = sides;
    let count = rows.num_rows();
    format!(
        "{{\"numRecords\":{count},\"minValues\":{{{min}{close}}},\"maxValues\":{{{max}{close}}},\"nullCount\":{{{nulls}{close}}}}}"
    )
}

fn json(bound: &Scalar, column: &str, truncating: bool) -> String {
    let instant = |micros: i64| {
        let (millis, rest) = if truncating { (micros.div_euclid(1000) * 1000, 3) } else { (micros, 6) };
        let seconds = millis.div_euclid(1_000_000);
        let fraction = format!("{:06}", millis.rem_euclid(1_000_000));
        let days = seconds.div_euclid(86_400) as i32;
        let of_day = seconds.rem_euclid(86_400);
        let zone = if column == "ts" { "Z" } else { "" };
        format!(
            "\"{}T{:02}:{:02}:{:02}.{}{zone}\"",
            day(days),
            of_day / 3600,
            of_day / 60 % 60,
            of_day % 60,
            &fraction[..rest]
        )
    };
    match bound {
        Scalar::Integer(v) => v.to_string(),
        Scalar::Float(v) if column == "f32" && !truncating => (*v as f32).to_string(),
        Scalar::Float(v) => v.to_string(),
        Scalar::Decimal { unscaled, scale } if truncating => {
            format!("{}", *unscaled as f64 / 10_f64.powi(i32::from(*scale)))
        }
        Scalar::Decimal { unscaled, scale } => {
            let one = 10_u128.pow(u32::from(*scale));
            let (sign, digits) = (if *unscaled < 0 { "-" } else { "" }, unscaled.unsigned_abs());
            format!("{sign}{}.{:0width$}", digits / one, digits % one, width = usize::from(*scale))
        }
        Scalar::Text(v) => {
            let kept: String = v.chars().take(if truncating { 32 } else { usize::MAX }).collect();
            serde_json::to_string(&kept).unwrap()
        }
        Scalar::Date(v) => format!("\"{}\"", day(*v)),
        Scalar::Timestamp(v) => instant(*v),
        other => panic!("{other:?} is not written"),
    }
}

fn day(days: i32) -> String {
    arrow::temporal_conversions::date32_to_datetime(days).unwrap().to_string()[..10].to_owned()
}
