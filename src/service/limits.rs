//! Bounds on the columns of tables.

use arrow::datatypes::{Field, Schema};

use crate::{
    config::Limits,
    engine::{Error, Result},
};

impl Limits {
    /// Refuses columns beyond the bounds.
    ///
    /// # Errors
    /// `ResourceExhausted`, naming the bound.
    pub(super) fn check_columns(&self, columns: &Schema) -> Result<()> {
        let mut count = 0;
        columns.fields().iter().try_for_each(|field| self.check_field(field, 1, &mut count))
    }

    fn check_field(&self, field: &Field, depth: usize, count: &mut usize) -> Result<()> {
        *count += 1;
        let Self { columns_max, nesting_max, column_name_bytes_max, .. } = *self;
        let exceeded = |what: String| Err(Error::ResourceExhausted(what));
        if *count > columns_max {
            return exceeded(format!(
                "there are more than {columns_max} columns, nested fields counted; the server may be started with a \
                 larger --columns-max"
            ));
        }
        if depth > nesting_max {
            return exceeded(format!(
                "the type of a column nests more than {nesting_max} deep; the server may be started with a larger \
                 --nesting-max"
            ));
        }
        let bytes = field.name().len();
        if bytes > column_name_bytes_max {
            let start: String = field.name().chars().take(40).collect();
            return exceeded(format!(
                "the column name {start:?}... has {bytes} bytes, more than {column_name_bytes_max}; give it an alias, \
                 or start the server with a larger --column-name-bytes-max"
            ));
        }
        children(field).into_iter().try_for_each(|child| self.check_field(child, depth + 1, count))
    }
}

fn children(field: &Field) -> Vec<&Field> {
    use arrow::datatypes::DataType;
    match field.data_type() {
        DataType::Struct(fields) => fields.iter().map(AsRef::as_ref).collect(),
        DataType::Union(fields, _) => fields.iter().map(|(_, field)| field.as_ref()).collect(),
        DataType::List(child)
        | DataType::LargeList(child)
        | DataType::ListView(child)
        | DataType::LargeListView(child)
        | DataType::FixedSizeList(child, _)
        | DataType::Map(child, _) => vec![child],
        _ => vec![],
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

    use super::*;

    fn refusal(limits: &Limits, fields: Vec<Field>) -> String {
        match limits.check_columns(&Schema::new(fields)) {
            Err(Error::ResourceExhausted(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    fn nested(depth: usize) -> Field {
        let leaf = Field::new("item", DataType::Int32, true);
        (1..depth).fold(leaf, |field, _| Field::new("item", DataType::List(field.into()), true))
    }

    #[test]
    fn each_bound_is_named_and_what_is_within_passes() {
        let limits = Limits { columns_max: 5, nesting_max: 4, column_name_bytes_max: 10, ..Limits::default() };
        assert!(limits.check_columns(&Schema::new(vec![nested(4), nested(1)])).is_ok());
        assert!(refusal(&limits, vec![nested(4), nested(2)]).contains("--columns-max"));
        assert!(refusal(&limits, vec![nested(5)]).contains("--nesting-max"));
        let long = Field::new("elf bytes..", DataType::Int32, true);
        let text = refusal(&limits, vec![long]);
        assert!(text.contains("--column-name-bytes-max") && text.contains("elf bytes.."), "{text}");
    }
}
