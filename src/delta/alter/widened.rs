//! Types that only get more fields: the rows so far have NULL in them, which needs no rewriting.

use arrow::datatypes::{DataType, Field};

use crate::engine::ColumnPath;

/// A field that a new type of a column has more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NewField {
    /// The struct it is in.
    pub(super) parent: ColumnPath,
    pub(super) field: Field,
}

/// The fields that `new` has more than `old`, each after those that were there; `None` if anything else differs, or
/// nothing does.
pub(super) fn new_fields(old: &Field, new: &Field) -> Option<Vec<NewField>> {
    let mut found = Vec::new();
    compare(old, new, &[old.name().clone()], &mut found)?;
    (!found.is_empty()).then_some(found)
}

fn compare(old: &Field, new: &Field, path: &[String], found: &mut Vec<NewField>) -> Option<()> {
    match (old.data_type(), new.data_type()) {
        (DataType::Struct(were), DataType::Struct(are)) if are.len() >= were.len() => {
            for (was, is) in were.iter().zip(are) {
                (was.name() == is.name()).then_some(())?;
                compare(was, is, &[path, &[was.name().clone()]].concat(), found)?;
            }
            let more = are.iter().skip(were.len());
            found.extend(more.map(|field| NewField { parent: path.to_vec(), field: field.as_ref().clone() }));
            Some(())
        }
        (was, is) => (was == is && old.metadata() == new.metadata()).then_some(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(name: &str) -> Field {
        Field::new(name, DataType::Int64, true)
    }

    fn record(name: &str, fields: Vec<Field>) -> Field {
        Field::new(name, DataType::Struct(fields.into()), true)
    }

    fn found(old: &Field, new: &Field) -> Option<Vec<String>> {
        let found = new_fields(old, new)?;
        Some(found.into_iter().map(|new| format!("{}.{}", new.parent.join("."), new.field.name())).collect())
    }

    #[test]
    fn fields_after_those_that_were_there_are_new() {
        let old = record("s", vec![long("a"), record("r", vec![long("b")])]);
        let new = record("s", vec![long("a"), record("r", vec![long("b"), long("c")]), long("d"), long("e")]);
        assert_eq!(found(&old, &new).unwrap(), ["s.r.c", "s.d", "s.e"]);
    }

    #[test]
    fn any_other_difference_is_another_type() {
        let old = record("s", vec![long("a"), long("b")]);
        for new in [
            old.clone(),
            long("s"),
            record("s", vec![long("a")]),
            record("s", vec![long("b"), long("a"), long("c")]),
            record("s", vec![long("a"), long("c"), long("b")]),
            record("s", vec![long("A"), long("b"), long("c")]),
            record("s", vec![long("a"), Field::new("b", DataType::Int32, true), long("c")]),
        ] {
            assert_eq!(found(&old, &new), None, "{new:?}");
        }
    }
}
