//! What a change does to one version of a table.

use arrow::datatypes::{Field, Schema};
use serde_json::{Value, json};

use super::{
    check::Rule,
    columns::same_name,
    default::default_text,
    draft::Draft,
    rewrite::Conversion,
    widened::{NewField, new_fields},
};
use crate::{
    delta::{commit_info::Operation, definition::Definition, rules::check_text, snapshot::DeltaSnapshot},
    engine::{Alteration, ColumnPath, Error, Result, Snapshot},
    expression::{Dialect, Expression},
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
    /// They are all written again.
    Become(Conversion),
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
            changed_column(draft, column).map(|operation| changes.then_some((operation, Rows::Keep(rule))))
        }
        Alteration::DropNotNull { column } => {
            let changes = draft.set_nullable(column, true)?;
            changed_column(draft, column).map(|operation| changes.then_some((operation, Rows::Any)))
        }
        Alteration::SetDefault { column, expression } => {
            let field = columns.field(position(table, columns, column)?);
            let text = default_text(expression, field)?;
            let changes = draft.set_default(column, text.as_deref())?;
            changed_column(draft, column).map(|operation| changes.then_some((operation, Rows::Any)))
        }
        Alteration::AddCheck { expression } => add_check(draft, expression, columns),
        Alteration::ChangeType { field, using } => change_type(draft, field, using, table, columns),
    }
}

fn add_check(draft: &mut Draft<'_>, sql: &str, columns: &Schema) -> Applied {
    let text = check_text(sql, columns)?;
    let looked_at = Expression::new(sql, Dialect::DuckDb, columns)?.columns().to_vec();
    let condition = Expression::new(sql, Dialect::DuckDb, &project(columns, &looked_at)?)?;
    let rule = Rule::Check { columns: looked_at, condition: Box::new(condition), sql: sql.to_owned() };
    let parameters = json!({ "name": draft.add_check(&text), "expr": text });
    Ok(Some((operation("ADD CONSTRAINT", &parameters), Rows::Keep(rule))))
}

fn change_type(draft: &mut Draft<'_>, to: &Field, using: &str, table: &str, columns: &Schema) -> Applied {
    let column = position(table, columns, to.name())?;
    let old = columns.field(column);
    let new = to.clone().with_name(old.name()).with_nullable(old.is_nullable());
    let inputs = Expression::new(using, Dialect::DuckDb, columns)?.columns().to_vec();
    let stated = Expression::new(using, Dialect::DuckDb, &project(columns, &inputs)?)?;
    let is_same = same_values(old, &new) && is_column(using, &stated, old);
    if is_column(using, &stated, &new)
        && let Some(more) = new_fields(old, &new)
    {
        for NewField { parent, field } in more {
            draft.add(&parent, &field, false)?;
        }
        return Ok(Some((changed_column(draft, old.name())?, Rows::Any)));
    }
    let values = stated.cast_to(&new)?;
    if !draft.change_type(old, &new, !is_same)? {
        return Ok(None);
    }
    refuse_default(draft, &new)?;
    let rows = if is_same { Rows::Any } else { Rows::Become(Conversion { column, inputs, values }) };
    Ok(Some((changed_column(draft, old.name())?, rows)))
}

/// Whether two columns have the same values.
fn same_values(old: &Field, new: &Field) -> bool {
    old.data_type() == new.data_type() && old.metadata() == new.metadata()
}

/// Whether an expression is a column by its name, or cast once, and of the type that `column` says.
fn is_column(sql: &str, expression: &Expression, column: &Field) -> bool {
    let inner = sql.strip_prefix("CAST(").and_then(|cast| cast.split_once(" AS ")).map_or(sql, |(inner, _)| inner);
    let quoted = inner.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    let name = quoted.map_or_else(|| inner.to_owned(), |name| name.replace("\"\"", "\""));
    same_name(&name, column.name()) && same_values(expression.result(), column)
}

/// A default that the new type cannot have would fail every later INSERT.
fn refuse_default(draft: &Draft<'_>, new: &Field) -> Result<()> {
    let Some(sql) = draft.default_of(new.name())? else { return Ok(()) };
    match Expression::new(sql, Dialect::Spark, &Schema::empty()).and_then(|default| default.cast_to(new)) {
        Err(Error::InvalidArgument(reason)) => Err(Error::InvalidArgument(format!(
            "column '{}' cannot get another type while its default is {sql}: {reason}; SET DEFAULT NULL first",
            new.name()
        ))),
        // What is not understood is the same as before.
        _ => Ok(()),
    }
}

fn project(columns: &Schema, places: &[usize]) -> Result<Schema> {
    columns.project(places).map_err(|error| Error::internal("cannot take columns from a schema", error))
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
fn changed_column(draft: &Draft<'_>, column: &str) -> Result<Operation> {
    let column = told(draft.field(&[column.to_owned()])?, &[]).to_string();
    Ok(operation("CHANGE COLUMN", &json!({ "column": column })))
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
