//! A table's columns before anything is known about their nulls.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};

/// The same columns, nullable at every depth. The keys of maps and their entries stay as they are: DuckDB has no NULL
/// there.
pub fn with_nulls(schema: &Schema) -> Schema {
    Schema::new(schema.fields().iter().map(|field| nullable(field)).collect::<Vec<_>>())
}

fn nullable(field: &Field) -> Field {
    field.clone().with_data_type(inside(field.data_type())).with_nullable(true)
}

fn inside(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| nullable(field)).collect()),
        DataType::List(element) => DataType::List(Arc::new(nullable(element))),
        DataType::FixedSizeList(element, size) => DataType::FixedSizeList(Arc::new(nullable(element)), *size),
        DataType::Map(entries, sorted) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                let key = pair[0].as_ref().clone().with_data_type(inside(pair[0].data_type()));
                let pair = DataType::Struct(vec![key, nullable(&pair[1])].into());
                DataType::Map(Arc::new(entries.as_ref().clone().with_data_type(pair)), *sorted)
            }
            _ => data_type.clone(),
        },
        _ => data_type.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_may_be_null_but_the_keys_of_maps() {
        let strict = |name: &str, data_type| Field::new(name, data_type, false);
        let int = DataType::Int32;
        let map = |value: Field| {
            let pair = DataType::Struct(vec![strict("key", DataType::Utf8), value].into());
            DataType::Map(Arc::new(strict("entries", pair)), false)
        };
        let fields = DataType::Struct(vec![strict("x", int.clone())].into());
        let before = Schema::new(vec![
            strict("list", DataType::List(Arc::new(strict("element", fields)))),
            strict("array", DataType::FixedSizeList(Arc::new(strict("element", int.clone())), 2)),
            strict("map", map(strict("value", int.clone()))),
        ]);
        let loose = |name: &str, data_type| Field::new(name, data_type, true);
        let fields = DataType::Struct(vec![loose("x", int.clone())].into());
        let after = Schema::new(vec![
            loose("list", DataType::List(Arc::new(loose("element", fields)))),
            loose("array", DataType::FixedSizeList(Arc::new(loose("element", int.clone())), 2)),
            loose("map", map(loose("value", int))),
        ]);
        assert_eq!(with_nulls(&before), after);
    }
}
