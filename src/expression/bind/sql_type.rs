//! Names of types.

use arrow::datatypes::TimeUnit;
use sqlparser::ast::{ArrayElemTypeDef, DataType, ExactNumberInfo, TimezoneInfo};

use super::Binder;
use crate::{
    engine::{Error, Result},
    expression::{
        Dialect,
        types::{DECIMAL_WIDTH_MAX, Type},
    },
};

impl Binder<'_> {
    pub(super) fn sql_type(&mut self, syntax: &DataType) -> Result<Type> {
        self.depth += 1;
        if self.depth > crate::expression::limits::DEPTH_MAX {
            return Err(Error::InvalidArgument("a type nests too deep".to_owned()));
        }
        let ty = match self.dialect {
            Dialect::DuckDb => self.duckdb_type(syntax),
            Dialect::Spark => self.spark_type(syntax),
        };
        self.depth -= 1;
        ty
    }

    fn duckdb_type(&mut self, syntax: &DataType) -> Result<Type> {
        Ok(match syntax {
            DataType::Bool | DataType::Boolean => Type::Boolean,
            DataType::TinyInt(None) => Type::TinyInt,
            DataType::SmallInt(None) | DataType::Int2(None) | DataType::Int16 => Type::SmallInt,
            DataType::Int(None)
            | DataType::Integer(None)
            | DataType::Int4(None)
            | DataType::Int32
            | DataType::Signed => Type::Integer,
            DataType::BigInt(None) | DataType::Int8(None) | DataType::Int64 => Type::BigInt,
            DataType::HugeInt | DataType::Int128 => Type::HugeInt,
            DataType::UTinyInt | DataType::UInt8 => Type::UTinyInt,
            DataType::USmallInt | DataType::UInt16 => Type::USmallInt,
            DataType::UInt32 => Type::UInteger,
            DataType::UBigInt | DataType::UInt64 => Type::UBigInt,
            DataType::UHugeInt | DataType::UInt128 => Type::UHugeInt,
            DataType::Float(ExactNumberInfo::None) | DataType::Float4 | DataType::Real | DataType::Float32 => {
                Type::Float
            }
            DataType::Double(ExactNumberInfo::None)
            | DataType::DoublePrecision
            | DataType::Float8
            | DataType::Float64 => Type::Double,
            DataType::Decimal(info) | DataType::Numeric(info) | DataType::Dec(info) => decimal(info, (18, 3))?,
            DataType::Varchar(_)
            | DataType::Char(_)
            | DataType::Character(_)
            | DataType::CharacterVarying(_)
            | DataType::CharVarying(_)
            | DataType::Text
            | DataType::String(_) => Type::Varchar,
            DataType::Blob(None) | DataType::Bytea | DataType::Varbinary(None) | DataType::Binary(None) => Type::Blob,
            DataType::Uuid => Type::Uuid,
            DataType::JSON => Type::Json,
            DataType::Bit(None) => Type::Bit,
            DataType::Date => Type::Date,
            DataType::Time(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => Type::Time,
            DataType::Time(None, _) => Type::TimeTz,
            DataType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone)
            | DataType::Datetime(None) => Type::Timestamp(TimeUnit::Microsecond),
            DataType::Timestamp(None, _) => Type::TimestampTz,
            DataType::Interval { fields: None, precision: None } => Type::Interval,
            DataType::Array(ArrayElemTypeDef::SquareBracket(item, None)) => Type::List(Box::new(self.sql_type(item)?)),
            DataType::Array(ArrayElemTypeDef::SquareBracket(item, Some(size))) => {
                let size = i32::try_from(*size).ok().filter(|size| (1..=100_000).contains(size));
                let size = size.ok_or_else(|| unknown("an ARRAY of that size"))?;
                Type::Array(Box::new(self.sql_type(item)?), size)
            }
            DataType::Struct(fields, _) => {
                let fields = fields.iter().map(|field| {
                    let name = field.field_name.as_ref().ok_or_else(|| unknown("a STRUCT without names"))?;
                    Ok((name.value.clone(), self.sql_type(&field.field_type)?))
                });
                Type::Struct(fields.collect::<Result<_>>()?)
            }
            DataType::Map(key, value) => Type::Map(Box::new(self.sql_type(key)?), Box::new(self.sql_type(value)?)),
            DataType::Custom(name, parameters) if name.to_string().eq_ignore_ascii_case("map") => {
                let [key, value] = parameters.as_slice() else { return Err(unknown("MAP of other than two types")) };
                Type::Map(Box::new(custom(key, &[])?), Box::new(custom(value, &[])?))
            }
            DataType::Custom(name, parameters) => custom(&name.to_string(), parameters)?,
            other => return Err(unknown(&other.to_string())),
        })
    }

    fn spark_type(&mut self, syntax: &DataType) -> Result<Type> {
        Ok(match syntax {
            DataType::Bool | DataType::Boolean => Type::Boolean,
            DataType::TinyInt(None) => Type::TinyInt,
            DataType::SmallInt(None) => Type::SmallInt,
            DataType::Int(None) | DataType::Integer(None) => Type::Integer,
            DataType::BigInt(None) => Type::BigInt,
            DataType::Float(ExactNumberInfo::None) | DataType::Real => Type::Float,
            DataType::Double(ExactNumberInfo::None) => Type::Double,
            DataType::Decimal(info) | DataType::Numeric(info) | DataType::Dec(info) => decimal(info, (10, 0))?,
            DataType::String(None) => Type::Varchar,
            DataType::Binary(None) => Type::Blob,
            DataType::Date => Type::Date,
            DataType::Timestamp(None, TimezoneInfo::None) => Type::TimestampTz,
            DataType::TimestampNtz(None) => Type::Timestamp(TimeUnit::Microsecond),
            DataType::Custom(name, parameters) if parameters.is_empty() => {
                match name.to_string().to_ascii_lowercase().as_str() {
                    "byte" => Type::TinyInt,
                    "short" => Type::SmallInt,
                    "long" => Type::BigInt,
                    "timestamp_ltz" => Type::TimestampTz,
                    "timestamp_ntz" => Type::Timestamp(TimeUnit::Microsecond),
                    other => return Err(unknown(other)),
                }
            }
            other => return Err(unknown(&other.to_string())),
        })
    }
}

fn decimal(info: &ExactNumberInfo, default: (u8, u8)) -> Result<Type> {
    let (width, scale) = match info {
        ExactNumberInfo::None => (default.0.into(), default.1.into()),
        ExactNumberInfo::Precision(width) => (*width, 0),
        ExactNumberInfo::PrecisionAndScale(width, scale) => (*width, *scale),
    };
    match (u8::try_from(width), u8::try_from(scale)) {
        (Ok(width @ 1..=DECIMAL_WIDTH_MAX), Ok(scale)) if scale <= width => Ok(Type::Decimal(width, scale)),
        _ => Err(Error::InvalidArgument(format!(
            "DECIMAL({width}, {scale}) is no type: the width is 1 to {DECIMAL_WIDTH_MAX}, the scale at most the width"
        ))),
    }
}

/// Names the grammar does not know, and those it knows but DuckDB prints in quotes.
fn custom(name: &str, parameters: &[String]) -> Result<Type> {
    let name = name.trim_matches('"').to_ascii_lowercase();
    let number = |index: usize| parameters.get(index).and_then(|digits: &String| digits.trim().parse::<u64>().ok());
    Ok(match name.as_str() {
        "decimal" | "numeric" | "dec" => decimal(
            &match (number(0), number(1)) {
                (Some(width), Some(scale)) => {
                    ExactNumberInfo::PrecisionAndScale(width, i64::try_from(scale).unwrap_or(i64::MAX))
                }
                (Some(width), None) => ExactNumberInfo::Precision(width),
                _ => ExactNumberInfo::None,
            },
            (18, 3),
        )?,
        _ if !parameters.is_empty() && !matches!(name.as_str(), "varchar" | "char" | "bpchar" | "string" | "text") => {
            return Err(unknown(&name));
        }
        "boolean" | "bool" | "logical" => Type::Boolean,
        "tinyint" | "int1" => Type::TinyInt,
        "smallint" | "int2" | "short" | "int16" => Type::SmallInt,
        "integer" | "int" | "int4" | "signed" | "int32" | "integral" => Type::Integer,
        "bigint" | "int8" | "long" | "int64" | "oid" => Type::BigInt,
        "hugeint" | "int128" => Type::HugeInt,
        "utinyint" | "uint8" => Type::UTinyInt,
        "usmallint" | "uint16" => Type::USmallInt,
        "uinteger" | "uint32" => Type::UInteger,
        "ubigint" | "uint64" => Type::UBigInt,
        "uhugeint" | "uint128" => Type::UHugeInt,
        "float" | "float4" | "real" => Type::Float,
        "double" | "float8" => Type::Double,
        "varchar" | "char" | "bpchar" | "text" | "string" | "nvarchar" => Type::Varchar,
        "blob" | "bytea" | "binary" | "varbinary" => Type::Blob,
        "uuid" | "guid" => Type::Uuid,
        "json" => Type::Json,
        "bit" | "bitstring" => Type::Bit,
        "date" => Type::Date,
        "time" => Type::Time,
        "time_ns" => Type::TimeNs,
        "timetz" | "time with time zone" => Type::TimeTz,
        "timestamp" | "datetime" | "timestamp_us" => Type::Timestamp(TimeUnit::Microsecond),
        "timestamp_s" => Type::Timestamp(TimeUnit::Second),
        "timestamp_ms" => Type::Timestamp(TimeUnit::Millisecond),
        "timestamp_ns" => Type::Timestamp(TimeUnit::Nanosecond),
        "timestamptz" | "timestamp with time zone" => Type::TimestampTz,
        "interval" => Type::Interval,
        _ => return Err(unknown(&name)),
    })
}

fn unknown(name: &str) -> Error {
    Error::Unsupported(format!("the type {name} is not offered in expressions"))
}
