//! DuckDB's types without children.

use std::fmt::{Display, Formatter, Result};

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

use crate::{delta::schema::UTC, engine::Extension};

/// A type of DuckDB's without children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    TinyInt,
    SmallInt,
    Integer,
    BigInt,
    UTinyInt,
    USmallInt,
    UInteger,
    UBigInt,
    Float,
    Double,
    /// Precision, and digits after the point.
    Decimal(u8, i8),
    Varchar,
    Blob,
    Date,
    Time,
    TimeNs,
    Timestamp,
    TimestampS,
    TimestampMs,
    TimestampNs,
    TimestampTz,
    Interval,
    Extension(Extension),
}

/// Those whose name says all.
const NAMED: [(Kind, &str); 29] = [
    (Kind::Boolean, "BOOLEAN"),
    (Kind::TinyInt, "TINYINT"),
    (Kind::SmallInt, "SMALLINT"),
    (Kind::Integer, "INTEGER"),
    (Kind::BigInt, "BIGINT"),
    (Kind::UTinyInt, "UTINYINT"),
    (Kind::USmallInt, "USMALLINT"),
    (Kind::UInteger, "UINTEGER"),
    (Kind::UBigInt, "UBIGINT"),
    (Kind::Float, "FLOAT"),
    (Kind::Double, "DOUBLE"),
    (Kind::Varchar, "VARCHAR"),
    (Kind::Blob, "BLOB"),
    (Kind::Date, "DATE"),
    (Kind::Time, "TIME"),
    (Kind::TimeNs, "TIME_NS"),
    (Kind::Timestamp, "TIMESTAMP"),
    (Kind::TimestampS, "TIMESTAMP_S"),
    (Kind::TimestampMs, "TIMESTAMP_MS"),
    (Kind::TimestampNs, "TIMESTAMP_NS"),
    (Kind::TimestampTz, "TIMESTAMP WITH TIME ZONE"),
    (Kind::Interval, "INTERVAL"),
    (Kind::Extension(Extension::Json), Extension::Json.duckdb_name()),
    (Kind::Extension(Extension::Uuid), Extension::Uuid.duckdb_name()),
    (Kind::Extension(Extension::HugeInt), Extension::HugeInt.duckdb_name()),
    (Kind::Extension(Extension::UHugeInt), Extension::UHugeInt.duckdb_name()),
    (Kind::Extension(Extension::TimeTz), Extension::TimeTz.duckdb_name()),
    (Kind::Extension(Extension::Bit), Extension::Bit.duckdb_name()),
    (Kind::Extension(Extension::BigNum), Extension::BigNum.duckdb_name()),
];

/// DuckDB's widest decimal, which is also Delta's.
const DECIMAL_DIGITS_MAX: u8 = 38;

impl Kind {
    /// The type of a column of the seam; `None` if it is nested, or none of the seam's.
    pub(crate) fn of(field: &Field) -> Option<Self> {
        if field.extension_type_name().is_some() {
            let extension = Extension::of(field)?;
            return (extension.storage() == *field.data_type()).then_some(Self::Extension(extension));
        }
        Some(match field.data_type() {
            DataType::Boolean => Self::Boolean,
            DataType::Int8 => Self::TinyInt,
            DataType::Int16 => Self::SmallInt,
            DataType::Int32 => Self::Integer,
            DataType::Int64 => Self::BigInt,
            DataType::UInt8 => Self::UTinyInt,
            DataType::UInt16 => Self::USmallInt,
            DataType::UInt32 => Self::UInteger,
            DataType::UInt64 => Self::UBigInt,
            DataType::Float32 => Self::Float,
            DataType::Float64 => Self::Double,
            DataType::Decimal128(precision, scale) => return Self::decimal(*precision, *scale),
            DataType::Utf8 => Self::Varchar,
            DataType::Binary => Self::Blob,
            DataType::Date32 => Self::Date,
            DataType::Time64(TimeUnit::Microsecond) => Self::Time,
            DataType::Time64(TimeUnit::Nanosecond) => Self::TimeNs,
            DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == UTC => Self::TimestampTz,
            DataType::Timestamp(TimeUnit::Second, None) => Self::TimestampS,
            DataType::Timestamp(TimeUnit::Millisecond, None) => Self::TimestampMs,
            DataType::Timestamp(TimeUnit::Microsecond, None) => Self::Timestamp,
            DataType::Timestamp(TimeUnit::Nanosecond, None) => Self::TimestampNs,
            DataType::Interval(IntervalUnit::MonthDayNano) => Self::Interval,
            _ => return None,
        })
    }

    /// A column of the seam of this type.
    pub(crate) fn field(self, name: &str, nullable: bool) -> Field {
        let data_type = match self {
            Self::Extension(extension) => return extension.field(name, nullable),
            Self::UTinyInt => DataType::UInt8,
            Self::USmallInt => DataType::UInt16,
            Self::UInteger => DataType::UInt32,
            Self::UBigInt => DataType::UInt64,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::TimeNs => DataType::Time64(TimeUnit::Nanosecond),
            Self::TimestampS => DataType::Timestamp(TimeUnit::Second, None),
            Self::TimestampMs => DataType::Timestamp(TimeUnit::Millisecond, None),
            Self::TimestampNs => DataType::Timestamp(TimeUnit::Nanosecond, None),
            Self::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            as_stored => as_stored.stored(),
        };
        Field::new(name, data_type, nullable)
    }

    /// How its values lie in memory when they come from a data file, or go to one.
    pub(crate) fn stored(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::TinyInt => DataType::Int8,
            Self::SmallInt | Self::UTinyInt => DataType::Int16,
            Self::Integer | Self::USmallInt => DataType::Int32,
            Self::BigInt | Self::UInteger | Self::Time | Self::TimeNs | Self::TimestampNs => DataType::Int64,
            Self::UBigInt => DataType::Decimal128(20, 0),
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Decimal(precision, scale) => DataType::Decimal128(precision, scale),
            Self::Blob => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Timestamp | Self::TimestampS | Self::TimestampMs => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
            Self::Varchar | Self::Interval | Self::Extension(_) => DataType::Utf8,
        }
    }

    /// Whether Delta has it.
    pub(crate) fn is_plain(self) -> bool {
        !matches!(self, Self::Extension(_)) && *self.field("", true).data_type() == self.stored()
    }

    /// Whether two values compare as what is stored of them does, also where another engine wrote it.
    pub(crate) fn keeps_order(self) -> bool {
        !matches!(self, Self::Interval | Self::Extension(_))
    }

    /// The type of that name, whatever its case.
    pub(super) fn named(text: &str) -> Option<Self> {
        let digits = text.split_once('(').filter(|(name, _)| name.trim().eq_ignore_ascii_case("DECIMAL"));
        if let Some((_, digits)) = digits {
            let (precision, scale) = digits.strip_suffix(')')?.split_once(',')?;
            return Self::decimal(precision.trim().parse().ok()?, scale.trim().parse().ok()?);
        }
        NAMED.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(kind, _)| *kind)
    }

    fn decimal(precision: u8, scale: i8) -> Option<Self> {
        let widths = 1..=DECIMAL_DIGITS_MAX;
        let fits = widths.contains(&precision) && u8::try_from(scale).is_ok_and(|scale| scale <= precision);
        fits.then_some(Self::Decimal(precision, scale))
    }
}

/// As DuckDB writes it.
impl Display for Kind {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        if let Self::Decimal(precision, scale) = self {
            return write!(formatter, "DECIMAL({precision},{scale})");
        }
        let named = NAMED.iter().find(|(kind, _)| kind == self);
        formatter.write_str(named.map_or("", |(_, name)| name))
    }
}
