//! The types of expressions: DuckDB's, with their forms on the seam and in an evaluation.
//!
//! Inside an evaluation each type has one form in memory, whatever the names, nullability and time zone text of the
//! column it came from: HUGEINT is Decimal128 and UHUGEINT Decimal256 of scale 0, the children of nested types are
//! nullable, a time zone is `UTC`.

use std::fmt;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};

use crate::engine::Extension;

/// The zone text of TIMESTAMP WITH TIME ZONE.
const UTC: &str = "UTC";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    /// Of a bare NULL.
    Null,
    Boolean,
    TinyInt,
    SmallInt,
    Integer,
    BigInt,
    HugeInt,
    UTinyInt,
    USmallInt,
    UInteger,
    UBigInt,
    UHugeInt,
    Float,
    Double,
    /// Digits in all, and behind the point.
    Decimal(u8, u8),
    Varchar,
    Json,
    Blob,
    Bit,
    BigNum,
    Uuid,
    Date,
    Time,
    TimeNs,
    TimeTz,
    Timestamp(TimeUnit),
    TimestampTz,
    Interval,
    List(Box<Type>),
    Array(Box<Type>, i32),
    Struct(Vec<(String, Type)>),
    Map(Box<Type>, Box<Type>),
}

/// DECIMAL's greatest width.
pub(super) const DECIMAL_WIDTH_MAX: u8 = 38;

impl Type {
    /// What a column of the seam is; the name of the type where expressions do not know it.
    pub(super) fn of(field: &Field) -> Result<Self, String> {
        if let Some(extension) = Extension::of(field) {
            return Ok(match extension {
                Extension::Json => Self::Json,
                Extension::Uuid => Self::Uuid,
                Extension::HugeInt => Self::HugeInt,
                Extension::UHugeInt => Self::UHugeInt,
                Extension::TimeTz => Self::TimeTz,
                Extension::Bit => Self::Bit,
                Extension::BigNum => Self::BigNum,
            });
        }
        Ok(match field.data_type() {
            DataType::Null => Self::Null,
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
            DataType::Decimal128(width, scale) => {
                Self::Decimal(*width, u8::try_from(*scale).map_err(|_| format!("decimal({width}, {scale})"))?)
            }
            DataType::Utf8 => Self::Varchar,
            DataType::Binary => Self::Blob,
            DataType::Date32 => Self::Date,
            DataType::Time64(TimeUnit::Nanosecond) => Self::TimeNs,
            DataType::Time64(_) => Self::Time,
            DataType::Timestamp(unit, None) => Self::Timestamp(*unit),
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => Self::TimestampTz,
            DataType::Interval(IntervalUnit::MonthDayNano) => Self::Interval,
            DataType::List(item) => Self::List(Box::new(Self::of(item)?)),
            DataType::FixedSizeList(item, size) => Self::Array(Box::new(Self::of(item)?), *size),
            DataType::Struct(fields) => {
                Self::Struct(fields.iter().map(|field| Ok((field.name().clone(), Self::of(field)?))).collect::<Result<
                    _,
                    String,
                >>(
                )?)
            }
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(fields) if fields.len() == 2 => {
                    Self::Map(Box::new(Self::of(&fields[0])?), Box::new(Self::of(&fields[1])?))
                }
                other => return Err(format!("map of {other}")),
            },
            other => return Err(other.to_string()),
        })
    }

    /// The form of its values in an evaluation.
    pub(super) fn memory(&self) -> DataType {
        match self {
            Self::HugeInt => DataType::Decimal128(DECIMAL_WIDTH_MAX, 0),
            Self::UHugeInt => DataType::Decimal256(76, 0),
            Self::List(item) => DataType::List(Field::new("item", item.memory(), true).into()),
            Self::Array(item, size) => DataType::FixedSizeList(Field::new("item", item.memory(), true).into(), *size),
            Self::Struct(fields) => DataType::Struct(
                fields.iter().map(|(name, field)| Field::new(name, field.memory(), true)).collect::<Fields>(),
            ),
            Self::Map(key, value) => {
                map_of(Field::new("key", key.memory(), false), Field::new("value", value.memory(), true))
            }
            _ => self.field("", true).data_type().clone(),
        }
    }

    /// A column of this type on the seam. A bare NULL becomes INTEGER, as DuckDB makes it.
    pub(super) fn field(&self, name: &str, nullable: bool) -> Field {
        if let Some(extension) = self.extension() {
            return extension.field(name, nullable);
        }
        let data_type = match self {
            Self::Boolean => DataType::Boolean,
            Self::TinyInt => DataType::Int8,
            Self::SmallInt => DataType::Int16,
            Self::Null | Self::Integer => DataType::Int32,
            Self::BigInt => DataType::Int64,
            Self::UTinyInt => DataType::UInt8,
            Self::USmallInt => DataType::UInt16,
            Self::UInteger => DataType::UInt32,
            Self::UBigInt => DataType::UInt64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            // Widths and scales are at most 38.
            Self::Decimal(width, scale) => DataType::Decimal128(*width, *scale as i8),
            Self::Blob => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::TimeNs => DataType::Time64(TimeUnit::Nanosecond),
            Self::Timestamp(unit) => DataType::Timestamp(*unit, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
            Self::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Self::List(item) => DataType::List(item.field("item", true).into()),
            Self::Array(item, size) => DataType::FixedSizeList(item.field("item", true).into(), *size),
            Self::Struct(fields) => {
                DataType::Struct(fields.iter().map(|(name, field)| field.field(name, true)).collect::<Fields>())
            }
            Self::Map(key, value) => map_of(key.field("key", false), value.field("value", true)),
            _ => DataType::Utf8,
        };
        Field::new(name, data_type, nullable)
    }

    fn extension(&self) -> Option<Extension> {
        Some(match self {
            Self::Json => Extension::Json,
            Self::Uuid => Extension::Uuid,
            Self::HugeInt => Extension::HugeInt,
            Self::UHugeInt => Extension::UHugeInt,
            Self::TimeTz => Extension::TimeTz,
            Self::Bit => Extension::Bit,
            Self::BigNum => Extension::BigNum,
            _ => return None,
        })
    }

    pub(super) const fn is_signed(&self) -> bool {
        matches!(self, Self::TinyInt | Self::SmallInt | Self::Integer | Self::BigInt | Self::HugeInt)
    }

    pub(super) const fn is_unsigned(&self) -> bool {
        matches!(self, Self::UTinyInt | Self::USmallInt | Self::UInteger | Self::UBigInt | Self::UHugeInt)
    }

    pub(super) const fn is_integer(&self) -> bool {
        self.is_signed() || self.is_unsigned()
    }

    pub(super) const fn is_float(&self) -> bool {
        matches!(self, Self::Float | Self::Double)
    }

    pub(super) const fn is_numeric(&self) -> bool {
        self.is_integer() || self.is_float() || matches!(self, Self::Decimal(..))
    }

    /// The width and scale of the decimal that holds its values, if one does.
    pub(super) const fn as_decimal(&self) -> Option<(u8, u8)> {
        Some(match self {
            Self::Null => (0, 0),
            Self::Boolean => (1, 0),
            Self::TinyInt | Self::UTinyInt => (3, 0),
            Self::SmallInt | Self::USmallInt => (5, 0),
            Self::Integer | Self::UInteger => (10, 0),
            Self::BigInt => (19, 0),
            Self::UBigInt => (20, 0),
            Self::HugeInt | Self::UHugeInt => (DECIMAL_WIDTH_MAX, 0),
            Self::Decimal(width, scale) => (*width, *scale),
            _ => return None,
        })
    }
}

fn map_of(key: Field, value: Field) -> DataType {
    let entries = Field::new("entries", DataType::Struct(vec![key, value].into()), false);
    DataType::Map(entries.into(), false)
}

/// DuckDB's name of the type.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Null => "\"NULL\"",
            Self::Boolean => "BOOLEAN",
            Self::TinyInt => "TINYINT",
            Self::SmallInt => "SMALLINT",
            Self::Integer => "INTEGER",
            Self::BigInt => "BIGINT",
            Self::HugeInt => "HUGEINT",
            Self::UTinyInt => "UTINYINT",
            Self::USmallInt => "USMALLINT",
            Self::UInteger => "UINTEGER",
            Self::UBigInt => "UBIGINT",
            Self::UHugeInt => "UHUGEINT",
            Self::Float => "FLOAT",
            Self::Double => "DOUBLE",
            Self::Varchar => "VARCHAR",
            Self::Json => "JSON",
            Self::Blob => "BLOB",
            Self::Bit => "BIT",
            Self::BigNum => "BIGNUM",
            Self::Uuid => "UUID",
            Self::Date => "DATE",
            Self::Time => "TIME",
            Self::TimeNs => "TIME_NS",
            Self::TimeTz => "TIME WITH TIME ZONE",
            Self::Timestamp(TimeUnit::Second) => "TIMESTAMP_S",
            Self::Timestamp(TimeUnit::Millisecond) => "TIMESTAMP_MS",
            Self::Timestamp(TimeUnit::Microsecond) => "TIMESTAMP",
            Self::Timestamp(TimeUnit::Nanosecond) => "TIMESTAMP_NS",
            Self::TimestampTz => "TIMESTAMP WITH TIME ZONE",
            Self::Interval => "INTERVAL",
            Self::Decimal(width, scale) => return write!(f, "DECIMAL({width},{scale})"),
            Self::List(item) => return write!(f, "{item}[]"),
            Self::Array(item, size) => return write!(f, "{item}[{size}]"),
            Self::Map(key, value) => return write!(f, "MAP({key}, {value})"),
            Self::Struct(fields) => {
                f.write_str("STRUCT(")?;
                for (index, (name, field)) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}\"{}\" {field}", name.replace('"', "\"\""))?;
                }
                return f.write_str(")");
            }
        };
        f.write_str(name)
    }
}
