//! The columns of a table as the seam shows them: Delta's types, and DuckDB's where the log names them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use delta_kernel::schema::{DataType as DeltaType, MetadataValue, StructField, StructType};

use super::{TYPE_KEY, kind::Kind, text::TypeText};

/// What the log shall name of a column of the seam; `None` if Delta's type says all.
pub(crate) fn declared_type(field: &Field) -> Option<TypeText> {
    TypeText::of(field).filter(|text| !text.is_plain())
}

/// The columns of `schema`, which are `stored`, as the seam shows them. A name of the log that does not fit Delta's
/// type, or is none, means nothing: another engine may have changed the column.
pub(crate) fn shown(schema: &StructType, stored: &Fields) -> Fields {
    schema.fields().zip(stored).map(|(delta, stored)| shown_field(delta, stored)).collect()
}

fn shown_field(delta: &StructField, stored: &FieldRef) -> FieldRef {
    let declared = match delta.metadata().get(TYPE_KEY) {
        Some(MetadataValue::String(text)) => TypeText::parse(text),
        _ => None,
    };
    let shown = declared.and_then(|declared| declared_as(&declared, delta.data_type(), stored));
    shown.unwrap_or_else(|| plain(delta.data_type(), stored))
}

/// The field under the declared type; `None` if that one does not fit.
fn declared_as(declared: &TypeText, delta: &DeltaType, stored: &FieldRef) -> Option<FieldRef> {
    let data_type = match (declared, delta, stored.data_type()) {
        (TypeText::Kind(kind), DeltaType::Primitive(_), data_type) => {
            return (kind.stored() == *data_type).then(|| kind_field(*kind, stored));
        }
        (TypeText::Struct, DeltaType::Struct(_), _) => return Some(plain(delta, stored)),
        (TypeText::List(declared), DeltaType::Array(array), DataType::List(element)) => {
            DataType::List(declared_as(declared, array.element_type(), element)?)
        }
        (TypeText::Array(declared, length), DeltaType::Array(array), DataType::List(element)) => {
            DataType::FixedSizeList(declared_as(declared, array.element_type(), element)?, *length)
        }
        (TypeText::Map(key, value), DeltaType::Map(map), DataType::Map(entries, sorted)) => {
            let pair = pair(entries)?;
            let key = declared_as(key, map.key_type(), &pair[0])?;
            let value = declared_as(value, map.value_type(), &pair[1])?;
            DataType::Map(with_type(entries, DataType::Struct(vec![key, value].into())), *sorted)
        }
        _ => return None,
    };
    Some(with_type(stored, data_type))
}

/// The field under Delta's type; fields of structs may still be declared.
fn plain(delta: &DeltaType, stored: &FieldRef) -> FieldRef {
    let data_type = match (delta, stored.data_type()) {
        (DeltaType::Struct(fields), DataType::Struct(stored)) => DataType::Struct(shown(fields, stored)),
        (DeltaType::Array(array), DataType::List(element)) => DataType::List(plain(array.element_type(), element)),
        (DeltaType::Map(map), DataType::Map(entries, sorted)) => {
            let Some(fields) = pair(entries) else { return Arc::clone(stored) };
            let fields = vec![plain(map.key_type(), &fields[0]), plain(map.value_type(), &fields[1])];
            DataType::Map(with_type(entries, DataType::Struct(fields.into())), *sorted)
        }
        _ => return Arc::clone(stored),
    };
    with_type(stored, data_type)
}

fn kind_field(kind: Kind, stored: &Field) -> FieldRef {
    Arc::new(kind.field(stored.name(), stored.is_nullable()))
}

fn with_type(field: &Field, data_type: DataType) -> FieldRef {
    Arc::new(field.clone().with_data_type(data_type))
}

fn pair(entries: &Field) -> Option<&Fields> {
    match entries.data_type() {
        DataType::Struct(fields) if fields.len() == 2 => Some(fields),
        _ => None,
    }
}
