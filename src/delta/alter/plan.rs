//! What a change does to one version of a table.

use arrow::datatypes::{Field, Schema};
use serde_json::{Value, json};

use super::{check::Rule, columns::same_name, draft::Draft};
use crate::{
    delta::{commit_info::Operation, definition::Definition, snapshot::DeltaSnapshot},
    engine::{Alteration, ColumnPath, Error, Result, Snapshot},
};

/// A change, thought through for one version.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) definition: Definition,
    pub(super) operation: Operation,
    pub(super) rows: Rows,
}

/// What a change means for the rows so far.
#[derive(Debug)]
pub(super) enum Rows {
    /// Nothing.
    Any,
    /// They must keep a rule.
    Keep(Rule),
}

/// The plan of a change; `None` if there is nothing to do.
pub(super) fn plan(snapshot: &DeltaSnapshot, change: &Alteration) -> Result<Option<Plan>> {
    let table = snapshot.table().store().name();
    let definition = snapshot.definition();
    definition.check_alter(table)?;
    let mut draft = Draft::new(table, definition)?;
    let columns = snapshot.schema();
    let Some((operation, rows)) = apply(&mut draft, change, table, &columns)? else { return Ok(None) };
    Ok(Some(Plan { definition: draft.finish()?, operation, rows }))
}

type Applied = Result<Option<(Operation, Rows)>>;

fn apply(draft: &mut Draft<'_>, change: &Alteration, table: &str, columns: &Schema) -> Applied {
    match change {
        Alteration::AddColumn { field, if_not_exists } => add(draft, &[], field, *if_not_exists),
        Alteration::AddField { parent, field, if_not_exists } => add(draft, parent, field, *if_not_exists),
        Alteration::DropColumn { path, if_exists } => drop_column(draft, path, *if_exists),
        Alteration::RenameColumn { path, new_name } => rename(draft, path, new_name),
        Alteration::SetNotNull { column } => {
            let rule = Rule::NotNull { column: position(table, columns, column)? };
            let changes = draft.set_nullable(column, false)?;
            Ok(changed_column(draft, column)?.filter(|_| changes).map(|operation| (operation, Rows::Keep(rule))))
        }
        Alteration::DropNotNull { column } => {
            let changes = draft.set_nullable(column, true)?;
            Ok(changed_column(draft, column)?.filter(|_| changes).map(|operation| (operation, Rows::Any)))
        }
        other => Err(Error::Unsupported(format!("{other:?} is not offered"))),
    }
}

fn add(draft: &mut Draft<'_>, parent: &[String], field: &Field, if_not_exists: bool) -> Applied {
    if !draft.add(parent, field, if_not_exists)? {
        return Ok(None);
    }
    let path: ColumnPath = parent.iter().chain([field.name()]).cloned().collect();
    let column = json!([{ "column": told(draft.field(&path)?, parent) }]);
    Ok(Some((operation("ADD COLUMNS", &json!({ "columns": column.to_string() })), Rows::Any)))
}

fn drop_column(draft: &mut Draft<'_>, path: &[String], if_exists: bool) -> Applied {
    let changes = draft.drop(path, if_exists)?;
    let columns = json!([path.join(".")]).to_string();
    Ok(changes.then(|| (operation("DROP COLUMNS", &json!({ "columns": columns })), Rows::Any)))
}

fn rename(draft: &mut Draft<'_>, path: &[String], new_name: &str) -> Applied {
    let changes = draft.rename(path, new_name)?;
    let parent = path.split_last().map(|(_, parent)| parent).unwrap_or_default();
    let new_path: Vec<_> = parent.iter().map(String::as_str).chain([new_name]).collect();
    let parameters = json!({ "oldColumnPath": path.join("."), "newColumnPath": new_path.join(".") });
    Ok(changes.then(|| (operation("RENAME COLUMN", &parameters), Rows::Any)))
}

/// What the log says of a change of one column.
fn changed_column(draft: &Draft<'_>, column: &str) -> Result<Option<Operation>> {
    let column = told(draft.field(&[column.to_owned()])?, &[]).to_string();
    Ok(Some(operation("CHANGE COLUMN", &json!({ "column": column }))))
}

/// A field as operations tell of it: under its full name.
fn told(field: &Value, parent: &[String]) -> Value {
    let mut told = field.clone();
    if !parent.is_empty() {
        told["name"] = json!(format!("{}.{}", parent.join("."), field["name"].as_str().unwrap_or_default()));
    }
    told
}

fn operation(name: &'static str, parameters: &Value) -> Operation {
    Operation { name, parameters: parameters.clone(), metrics: json!({}) }
}

/// A column's place on the seam, by its name in any case.
fn position(table: &str, columns: &Schema, column: &str) -> Result<usize> {
    let found = columns.fields().iter().position(|field| same_name(field.name(), column));
    found.ok_or_else(|| Error::NotFound(format!("table '{table}' has no column '{column}'")))
}
