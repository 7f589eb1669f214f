//! The sides of a comparison: columns, struct fields and casts of them, constants.

use super::{
    constant::{self, Constant, Kind},
    json::Json,
};
use crate::engine::{ColumnPath, ROW_ID_COLUMN};

/// A column or a field in struct columns, with its type.
pub(super) struct Column<'a, 'b> {
    pub(super) path: ColumnPath,
    logical_type: &'b Json<'a>,
}

impl Column<'_, '_> {
    /// The type, if the engine compares its values.
    pub(super) fn kind(&self) -> Option<Kind> {
        Kind::parse(self.logical_type).filter(|kind| kind.is_of_columns())
    }
}

/// One side of a comparison.
pub(super) enum Side {
    /// A column, compared as a value of type `compared_as`: its own type unless it stands in a CAST.
    Column { path: ColumnPath, kind: Kind, compared_as: Kind },
    /// A constant.
    Constant { kind: Kind, value: Constant },
}

/// Reads one side of a comparison.
pub(super) fn side(expression: &Json<'_>, names: &[&str]) -> Option<Side> {
    match class(expression)? {
        "BOUND_CONSTANT" => constant::parse(expression).map(|(kind, value)| Side::Constant { kind, value }),
        "BOUND_CAST" => cast(expression, names),
        _ => {
            let column = column(expression, names)?;
            let kind = column.kind()?;
            Some(Side::Column { path: column.path, kind, compared_as: kind })
        }
    }
}

/// Reads a column or a struct field.
pub(super) fn column<'a, 'b>(expression: &'b Json<'a>, names: &[&str]) -> Option<Column<'a, 'b>> {
    match class(expression)? {
        "BOUND_COLUMN_REF" => column_ref(expression, names),
        "BOUND_FUNCTION" => struct_field(expression, names),
        _ => None,
    }
}

pub(super) fn class<'b>(expression: &'b Json<'_>) -> Option<&'b str> {
    expression.get("expression_class")?.text()
}

/// The function's name and arguments.
pub(super) fn function<'a, 'b>(expression: &'b Json<'a>) -> Option<(&'b str, &'b [Json<'a>])> {
    Some((expression.get("name")?.text()?, expression.get("children")?.array()?))
}

/// A TRY_CAST turns what does not fit into NULL, which the translations of casts do not foresee.
fn cast(expression: &Json<'_>, names: &[&str]) -> Option<Side> {
    let column = column(expression.get("child")?, names)?;
    let kind = column.kind()?;
    let compared_as = Kind::parse(expression.get("return_type")?)?;
    let fails_loudly = !expression.get("try_cast")?.bool()?;
    fails_loudly.then_some(Side::Column { path: column.path, kind, compared_as })
}

/// The binding's index is into the columns of the scan as bound, whose names come beside the filters; the alias may
/// be the query's own. The row id is no column of the table.
fn column_ref<'a, 'b>(expression: &'b Json<'a>, names: &[&str]) -> Option<Column<'a, 'b>> {
    let index = expression.get("binding")?.get("column_index")?.integer()?;
    let name = *names.get(usize::try_from(index).ok()?)?;
    let is_outer = expression.get("depth")?.integer()? != 0;
    if is_outer || name == ROW_ID_COLUMN {
        return None;
    }
    Some(Column { path: vec![name.to_owned()], logical_type: expression.get("return_type")? })
}

/// `s.field` is struct_extract, `s['field']` is array_extract, both with the name as the query spells it: struct fields
/// are found without regard to case (StructExtractBind in DuckDB's `struct_extract.cpp`).
fn struct_field<'a, 'b>(expression: &'b Json<'a>, names: &[&str]) -> Option<Column<'a, 'b>> {
    let ("struct_extract" | "array_extract", [parent, field]) = function(expression)? else { return None };
    let Column { mut path, logical_type } = column(parent, names)?;
    if logical_type.get("id")?.text()? != "STRUCT" || class(field)? != "BOUND_CONSTANT" {
        return None;
    }
    let wanted = field.get("value")?.get("value")?.text()?;
    let fields = logical_type.get("type_info")?.get("child_types")?.array()?;
    let (name, logical_type) = fields.iter().find_map(|field| {
        let name = field.get("first")?.text()?;
        name.eq_ignore_ascii_case(wanted).then_some((name, field.get("second")?))
    })?;
    path.push(name.to_owned());
    Some(Column { path, logical_type })
}
