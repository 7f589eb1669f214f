//! What the log notes of single fields of a schema, found wherever the fields stand.

use delta_kernel::schema::{DataType, MetadataValue, StructField, StructType};

/// A field's dotted name and the text under the key that was looked for.
pub(crate) type Noted = (String, String);

/// The first field of a schema, nested ones too, that carries a metadata key.
pub(crate) fn first_with(schema: &StructType, key: &str) -> Option<Noted> {
    schema.fields().find_map(|field| match text_under(field, key) {
        Some(text) => Some((field.name().clone(), text)),
        None => first_below(field, key),
    })
}

/// The same, of the fields inside of a field.
pub(crate) fn first_below(field: &StructField, key: &str) -> Option<Noted> {
    let (path, text) = structs_in(field.data_type()).into_iter().find_map(|inner| first_with(inner, key))?;
    Some((format!("{}.{path}", field.name()), text))
}

/// What stands under a key; anything but a string as JSON.
pub(crate) fn text_under(field: &StructField, key: &str) -> Option<String> {
    field.metadata().get(key).map(|value| match value {
        MetadataValue::String(text) => text.clone(),
        other => other.to_string(),
    })
}

/// The structs directly below a type, through arrays and maps.
pub(crate) fn structs_in(data_type: &DataType) -> Vec<&StructType> {
    match data_type {
        DataType::Struct(inner) => vec![inner.as_ref()],
        DataType::Array(array) => structs_in(array.element_type()),
        DataType::Map(map) => {
            let mut found = structs_in(map.key_type());
            found.extend(structs_in(map.value_type()));
            found
        }
        DataType::Primitive(_) | DataType::Variant(_) => Vec::new(),
    }
}
