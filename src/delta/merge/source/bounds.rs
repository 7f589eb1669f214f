//! What the keys of the source say about columns of the target, as a predicate.
//!
//! It decides which rows a scan may leave out, and whether rows that others have added could matter: a row that can match
//! is never excluded. Where a value cannot be said for sure, nothing is.

use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
        Int64Type, Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
        TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
        UInt64Type,
    },
};

use super::ranges::{Ordered, Ranges};
use crate::{
    engine::{ColumnPath, CompareOp, Extension, Predicate, Scalar},
    merge::MergePlan,
};

/// Lists up to this length are looked through for each file and page; longer ones are taken for their extremes there.
const LIST_MAX: usize = 64;

/// Each range costs two comparisons for every file, page and row.
const RANGES_MAX: usize = 16;

/// Columns with longer values are not said anything about: bounds are kept, copied and compared.
const TEXT_BYTES_MAX: usize = 1024;

/// The values of one key.
#[derive(Debug)]
pub(super) struct KeyBounds {
    /// The column of the target; `None` if there is none, or nothing can be said of its values.
    column: Option<Column>,
    numbers: Ranges<i128>,
    texts: Ranges<Vec<u8>>,
    has_null: bool,
}

#[derive(Debug)]
struct Column {
    name: String,
    kind: Kind,
    data_type: DataType,
}

/// What a column's values are to [`Scalar`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    Integer,
    /// Integers that are no numbers: of another unit they are others.
    Native,
    Decimal(u8),
    Float,
    Text,
    Binary,
    Date,
    Timestamp,
}

impl KeyBounds {
    /// Nothing yet, of each key of ON.
    pub(super) fn all(plan: &MergePlan) -> Vec<Self> {
        let of = |key: &crate::merge::Key| {
            let field = plan.columns.field(key.target.as_column()?);
            let (name, data_type) = (field.name().clone(), field.data_type().clone());
            Some(Column { name, kind: Kind::of(field)?, data_type })
        };
        let bounds = |column| Self { column, numbers: Ranges::default(), texts: Ranges::default(), has_null: false };
        plan.on.keys.iter().map(|key| bounds(of(key))).collect()
    }

    /// Adds the values of a key of the source, in the form of `Expression::evaluate_comparable`.
    pub(super) fn add(&mut self, values: &ArrayRef) {
        let Some(column) = &self.column else { return };
        self.has_null |= values.null_count() > 0;
        let known = match (column.kind, values.data_type()) {
            (Kind::Text, DataType::Utf8) => {
                texts(values.as_string::<i32>().iter().flatten().map(str::as_bytes)).map(|texts| self.texts.add(texts))
            }
            (Kind::Binary, DataType::Binary) => {
                texts(values.as_binary::<i32>().iter().flatten()).map(|texts| self.texts.add(texts))
            }
            (Kind::Native, data_type) if *data_type != column.data_type => None,
            (kind, _) => numbers(kind, values).map(|numbers| self.numbers.add(numbers)),
        };
        if known.is_none() {
            self.column = None;
        }
    }

    /// What a row of the target must satisfy to match.
    pub(super) fn predicate(&self) -> Predicate {
        let Some(Column { name, kind, .. }) = &self.column else { return Predicate::Unknown };
        let path = vec![name.clone()];
        let values = match kind {
            Kind::Text | Kind::Binary => within(&path, &self.texts, |text| kind.text(text)),
            _ => within(&path, &self.numbers, |number| kind.number(*number)),
        };
        let null = self.has_null.then_some(Predicate::IsNull { column: path, negated: false });
        match (values, null) {
            (None, _) => Predicate::Unknown,
            (Some(values), null) => Predicate::Or(values.into_iter().chain(null).collect()),
        }
    }
}

/// Any of these; `None` if a value cannot be said.
fn within<T: Ordered>(
    column: &ColumnPath,
    ranges: &Ranges<T>,
    scalar: impl Fn(&T) -> Option<Scalar>,
) -> Option<Vec<Predicate>> {
    if let Some(values) = ranges.values(LIST_MAX) {
        let values = values.map(scalar).collect::<Option<Vec<_>>>()?;
        let list = Predicate::In { column: column.clone(), values, negated: false };
        return Some(if ranges.is_empty() { Vec::new() } else { vec![list] });
    }
    let compare = |op, value: &T| Some(Predicate::Compare { column: column.clone(), op, value: scalar(value)? });
    let range = |(low, high): (T, T)| {
        Some(Predicate::And(vec![compare(CompareOp::GreaterOrEqual, &low)?, compare(CompareOp::LessOrEqual, &high)?]))
    };
    ranges.coarse(RANGES_MAX).into_iter().map(range).collect()
}

impl Kind {
    /// `None` for columns whose values nobody compares with constants.
    fn of(field: &Field) -> Option<Self> {
        if Extension::of(field).is_some() {
            return None;
        }
        Some(match field.data_type() {
            DataType::Boolean => Self::Boolean,
            data_type if data_type.is_integer() => Self::Integer,
            DataType::Time64(_) | DataType::Timestamp(TimeUnit::Nanosecond, _) => Self::Native,
            DataType::Decimal128(_, scale) => Self::Decimal(u8::try_from(*scale).ok()?),
            DataType::Float32 | DataType::Float64 => Self::Float,
            DataType::Utf8 => Self::Text,
            DataType::Binary => Self::Binary,
            DataType::Date32 => Self::Date,
            DataType::Timestamp(..) => Self::Timestamp,
            _ => return None,
        })
    }

    /// A value as the column has it, from [`numbers`].
    fn number(self, number: i128) -> Option<Scalar> {
        Some(match self {
            Self::Boolean => Scalar::Boolean(number != 0),
            Self::Integer | Self::Native => Scalar::Integer(number),
            Self::Decimal(scale) => Scalar::Decimal { unscaled: number, scale },
            Self::Float => Scalar::Float(float(number)),
            Self::Date => Scalar::Date(number.try_into().ok()?),
            Self::Timestamp => Scalar::Timestamp(number.try_into().ok()?),
            Self::Text | Self::Binary => return None,
        })
    }

    fn text(self, bytes: &[u8]) -> Option<Scalar> {
        match self {
            Self::Text => Some(Scalar::Text(String::from_utf8(bytes.to_vec()).ok()?)),
            _ => Some(Scalar::Binary(bytes.to_vec())),
        }
    }
}

/// Values as a column of this kind has them, in their order; those that it cannot have, and so cannot match, are left
/// out. `None` if they are of a type that does not go with it.
fn numbers(kind: Kind, values: &ArrayRef) -> Option<Vec<i128>> {
    let scale = match kind {
        Kind::Decimal(scale) => i8::try_from(scale).ok()?,
        _ => 0,
    };
    match (kind, values.data_type()) {
        (Kind::Boolean, DataType::Boolean) => Some(values.as_boolean().iter().flatten().map(i128::from).collect()),
        (Kind::Float, DataType::Float32) => {
            Some(values.as_primitive::<Float32Type>().iter().flatten().map(|value| bits(value.into())).collect())
        }
        (Kind::Float, DataType::Float64) => {
            Some(values.as_primitive::<Float64Type>().iter().flatten().map(bits).collect())
        }
        (Kind::Integer | Kind::Decimal(_), DataType::Decimal128(_, own)) => {
            let factor = 10_i128.checked_pow(own.checked_sub(scale)?.try_into().ok()?)?;
            let values = values.as_primitive::<Decimal128Type>().iter().flatten();
            Some(values.filter(|value| value % factor == 0).map(|value| value / factor).collect())
        }
        (Kind::Integer, data_type) => integers(values, data_type),
        (Kind::Native, data_type) => natives_of(values, data_type),
        (Kind::Date, DataType::Date32) => natives::<Date32Type>(values),
        (Kind::Timestamp, DataType::Timestamp(unit, _)) => {
            let (values, micros) = match unit {
                TimeUnit::Second => (natives::<TimestampSecondType>(values)?, 1_000_000),
                TimeUnit::Millisecond => (natives::<TimestampMillisecondType>(values)?, 1000),
                TimeUnit::Microsecond => (natives::<TimestampMicrosecondType>(values)?, 1),
                TimeUnit::Nanosecond => return None,
            };
            Some(values.into_iter().map(|value| value * micros).collect())
        }
        _ => None,
    }
}

fn integers(values: &ArrayRef, data_type: &DataType) -> Option<Vec<i128>> {
    match data_type {
        DataType::Int8 => natives::<Int8Type>(values),
        DataType::Int16 => natives::<Int16Type>(values),
        DataType::Int32 => natives::<Int32Type>(values),
        DataType::Int64 => natives::<Int64Type>(values),
        DataType::UInt8 => natives::<UInt8Type>(values),
        DataType::UInt16 => natives::<UInt16Type>(values),
        DataType::UInt32 => natives::<UInt32Type>(values),
        DataType::UInt64 => natives::<UInt64Type>(values),
        _ => None,
    }
}

fn natives_of(values: &ArrayRef, data_type: &DataType) -> Option<Vec<i128>> {
    match data_type {
        DataType::Time64(TimeUnit::Microsecond) => natives::<Time64MicrosecondType>(values),
        DataType::Time64(_) => natives::<Time64NanosecondType>(values),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => natives::<TimestampNanosecondType>(values),
        _ => None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "one shape with the types that have none")]
fn natives<T: ArrowPrimitiveType<Native: Into<i128>>>(values: &ArrayRef) -> Option<Vec<i128>> {
    Some(values.as_primitive::<T>().iter().flatten().map(Into::into).collect())
}

/// `None` if one is too long.
fn texts<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Vec<Vec<u8>>> {
    values.map(|value| (value.len() <= TEXT_BYTES_MAX).then(|| value.to_vec())).collect()
}

/// A number that stands in the order as the float does: NaN, of which there is one here, is the greatest.
fn bits(value: f64) -> i128 {
    let bits = value.to_bits().cast_signed();
    i128::from(if bits < 0 { bits ^ i64::MAX } else { bits })
}

fn float(bits: i128) -> f64 {
    let bits = bits as i64;
    f64::from_bits((if bits < 0 { bits ^ i64::MAX } else { bits }).cast_unsigned())
}
