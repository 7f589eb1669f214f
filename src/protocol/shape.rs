//! A fingerprint of a table's columns.
//!
//! The client loads its catalog once for each ATTACH, so it may read or write a table whose columns have changed
//! since. The shape travels in every descriptor and ticket, and one that is not the table's is refused instead of misread.

use std::{fmt, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use sha2::{Digest, Sha256};

use super::DecodeError;
use crate::engine::Extension;

/// The first 64 bits of a SHA-256 over names, types and nullability: enough to tell the versions of one table apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape([u8; 8]);

impl Shape {
    /// The shape of a table's columns (without the row id). Of the metadata only what makes an [`Extension`] counts. The same in
    /// every process and build: the hashed bytes are defined here, not by an Arrow version.
    pub fn of(schema: &Schema) -> Self {
        let mut hash = Sha256::new();
        schema.fields().iter().for_each(|field| hash_field(&mut hash, field));
        Self::from_hash(hash)
    }

    fn from_hash(hash: Sha256) -> Self {
        let digest: [u8; 32] = hash.finalize().into();
        Self(*digest.first_chunk().expect("32 bytes have a first 8"))
    }

    /// How many of the first columns of a table have this shape; `None` if no number of them has.
    pub fn leading_columns(self, schema: &Schema) -> Option<usize> {
        let mut hash = Sha256::new();
        let ends_here = |field: &Arc<Field>| {
            hash_field(&mut hash, field);
            Self::from_hash(hash.clone()) == self
        };
        Some(schema.fields().iter().position(ends_here)? + 1)
    }

    /// The shape whose text this is: 16 lower-case hex digits.
    pub fn from_hex(what: &'static str, text: &str) -> Result<Self, DecodeError> {
        let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match u64::from_str_radix(text, 16) {
            Ok(bits) if text.len() == 16 && text.bytes().all(lower_hex) => Ok(Self(bits.to_be_bytes())),
            _ => Err(DecodeError::new(what, format!("shape {text:?} is not 16 hex digits"))),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// Name, nullability, type and children, each with its length, so that no two shapes run into one.
fn hash_field(hash: &mut Sha256, field: &Field) {
    hash_text(hash, field.name());
    hash.update([u8::from(field.is_nullable())]);
    let children: Vec<&Field> = match field.data_type() {
        _ if let Some(extension) = Extension::of(field) => {
            hash_text(hash, extension.duckdb_name());
            vec![]
        }
        DataType::FixedSizeList(element, length) => {
            hash_text(hash, &format!("array({length})"));
            vec![element]
        }
        DataType::List(element) => {
            hash_text(hash, "list");
            vec![element]
        }
        DataType::Map(entries, _) => {
            hash_text(hash, "map");
            vec![entries]
        }
        DataType::Struct(fields) => {
            hash_text(hash, "struct");
            fields.iter().map(AsRef::as_ref).collect()
        }
        leaf => {
            hash_text(hash, &leaf_name(leaf));
            vec![]
        }
    };
    hash.update((children.len() as u64).to_be_bytes());
    children.into_iter().for_each(|child| hash_field(hash, child));
}

/// A name for each of the engine's types. Others do not occur in a table; they hash by their debug text.
fn leaf_name(leaf: &DataType) -> String {
    match leaf {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 => "byte".to_owned(),
        DataType::Int16 => "short".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "long".to_owned(),
        DataType::UInt8 => "unsigned byte".to_owned(),
        DataType::UInt16 => "unsigned short".to_owned(),
        DataType::UInt32 => "unsigned integer".to_owned(),
        DataType::UInt64 => "unsigned long".to_owned(),
        DataType::Float32 => "float".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Utf8 => "string".to_owned(),
        DataType::Binary => "binary".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Time64(TimeUnit::Nanosecond) => "time_ns".to_owned(),
        DataType::Time64(_) => "time".to_owned(),
        DataType::Interval(_) => "interval".to_owned(),
        DataType::Timestamp(TimeUnit::Second, None) => "timestamp_s".to_owned(),
        DataType::Timestamp(TimeUnit::Millisecond, None) => "timestamp_ms".to_owned(),
        DataType::Timestamp(TimeUnit::Nanosecond, None) => "timestamp_ns".to_owned(),
        DataType::Timestamp(_, None) => "timestamp_ntz".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamp".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        other => format!("{other:?}"),
    }
}

fn hash_text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(fields: Vec<Field>) -> Schema {
        Schema::new(fields)
    }

    #[test]
    fn is_the_same_in_every_build() {
        let columns = schema(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("tags", DataType::new_list(DataType::Utf8, true), true),
        ]);
        assert_eq!(Shape::of(&columns).to_string(), "c1ab11ff33286525");
    }

    #[test]
    fn tells_columns_apart_and_ignores_metadata() {
        let base = Field::new("a", DataType::Int32, true);
        let shapes = [
            schema(vec![]),
            schema(vec![base.clone()]),
            schema(vec![base.clone().with_name("b")]),
            schema(vec![base.clone().with_nullable(false)]),
            schema(vec![base.clone().with_data_type(DataType::Int64)]),
            schema(vec![base.clone().with_data_type(DataType::Decimal128(5, 1))]),
            schema(vec![base.clone().with_data_type(DataType::Decimal128(5, 2))]),
            schema(vec![base.clone(), base.clone().with_name("b")]),
            schema(vec![Field::new_struct("a", vec![base.clone()], true)]),
            schema(vec![Field::new_struct("a", vec![base.clone()], true), base.clone()]),
            schema(vec![Field::new_struct("a", vec![base.clone(), base.clone()], true)]),
        ]
        .map(|schema| Shape::of(&schema));
        let distinct: std::collections::HashSet<_> = shapes.iter().collect();
        assert_eq!(distinct.len(), shapes.len());

        let commented = base.clone().with_metadata([("comment".to_owned(), "x".to_owned())].into());
        assert_eq!(Shape::of(&schema(vec![commented])), shapes[1]);
    }

    /// A column of every type of the engine.
    fn every_type() -> Vec<Field> {
        use DataType::*;
        let units = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
        let element = || std::sync::Arc::new(Field::new("element", Int32, true));
        let plain = [
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
            Time64(TimeUnit::Microsecond),
            Time64(TimeUnit::Nanosecond),
            Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Interval(arrow::datatypes::IntervalUnit::MonthDayNano),
            Decimal128(38, 0),
            List(element()),
            FixedSizeList(element(), 2),
            FixedSizeList(element(), 3),
        ];
        let timestamps = units.map(|unit| Timestamp(unit, None));
        let plain = plain.into_iter().chain(timestamps).map(|data_type| Field::new("a", data_type, true));
        let extensions = [
            Extension::Json,
            Extension::Uuid,
            Extension::HugeInt,
            Extension::UHugeInt,
            Extension::TimeTz,
            Extension::Bit,
            Extension::BigNum,
        ];
        plain.chain(extensions.map(|extension| extension.field("a", true))).collect()
    }

    #[test]
    fn tells_every_type_from_every_other() {
        let mut seen = std::collections::HashMap::new();
        for field in every_type() {
            let nested = Field::new("l", DataType::List(field.clone().into()), true);
            for field in [field, nested] {
                let shape = Shape::of(&schema(vec![field.clone()]));
                assert_eq!(seen.insert(shape, field.clone()), None, "{field}");
            }
        }
        let uuid = schema(vec![Extension::Uuid.field("a", true)]);
        assert_eq!(Shape::of(&uuid).to_string(), "61959f9fe334137b");
    }

    #[test]
    fn is_found_at_the_head_of_a_table() {
        let columns = |count: usize| {
            schema((0..count).map(|number| Field::new(format!("c{number}"), DataType::Int32, true)).collect())
        };
        for count in 1..4 {
            assert_eq!(Shape::of(&columns(count)).leading_columns(&columns(3)), (count <= 3).then_some(count));
        }
        let renamed = schema(vec![Field::new("c1", DataType::Int32, true)]);
        assert_eq!(Shape::of(&renamed).leading_columns(&columns(3)), None);
        assert_eq!(Shape::of(&columns(0)).leading_columns(&columns(3)), None);
    }

    #[test]
    fn reads_its_own_text_and_nothing_else() {
        let shape = Shape::of(&schema(vec![Field::new("a", DataType::Int32, true)]));
        assert_eq!(Shape::from_hex("descriptor", &shape.to_string()), Ok(shape));
        for text in ["", "0", "0123456789abcde", "0123456789ABCDEF", "+123456789abcdef", "0123456789abcdef0", "ä"] {
            assert!(Shape::from_hex("descriptor", text).is_err(), "{text}");
        }
    }
}
