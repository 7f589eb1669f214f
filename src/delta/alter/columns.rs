//! The schema in a table's metadata, as the log's JSON: what is not touched stays as whoever wrote it.
//!
//! PROTOCOL.md, "Schema Serialization Format" and "Column Mapping". Names are compared in any case, as Delta's are.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    delta::schema::{LIST_ELEMENT, MAP_KEY, MAP_VALUE},
    engine::{Error, Result},
};

/// The keys of column mapping in a field's metadata.
const ID: &str = "delta.columnMapping.id";
const PHYSICAL_NAME: &str = "delta.columnMapping.physicalName";

/// The columns of a table.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    table: String,
    root: Value,
}

/// The physical names that fields without one get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PhysicalNames {
    /// The logical ones, whatever the log says now: data files have been written under them.
    Logical,
    /// Names that no data file has.
    Fresh,
}

impl Columns {
    pub(super) fn parse(table: &str, schema_string: &str) -> Result<Self> {
        let root: Value = serde_json::from_str(schema_string)
            .map_err(|error| Error::internal(format!("cannot parse the schema of table '{table}'"), error))?;
        if root["fields"].is_array() {
            Ok(Self { table: table.to_owned(), root })
        } else {
            Err(Error::internal(format!("cannot parse the schema of table '{table}'"), "it is no struct"))
        }
    }

    pub(super) fn to_schema_string(&self) -> String {
        self.root.to_string()
    }

    pub(super) fn root(&self) -> &Value {
        &self.root
    }

    /// A field by its path.
    pub(super) fn field(&self, path: &[String]) -> Result<&Value> {
        let found = path.split_last().and_then(|(name, parent)| {
            let fields = fields(parent.iter().try_fold(&self.root, |data_type, step| inside(data_type, step))?)?;
            fields.get(position(fields, name)?)
        });
        found.ok_or_else(|| self.missing(path))
    }

    /// A field by its path, to be changed.
    pub(super) fn field_mut(&mut self, path: &[String]) -> Result<&mut Value> {
        let missing = self.missing(path);
        let Some((name, parent)) = path.split_last() else { return Err(missing) };
        let siblings = self.fields_mut(parent)?;
        let found = position(siblings, name).and_then(|at| siblings.get_mut(at));
        found.ok_or(missing)
    }

    /// The fields of a struct by its path, the columns by the empty one.
    pub(super) fn fields_mut(&mut self, path: &[String]) -> Result<&mut Vec<Value>> {
        let missing = self.missing(path);
        let no_struct = Error::InvalidArgument(format!("column '{}' is no struct", path.join(".")));
        let data_type = path.iter().try_fold(&mut self.root, |data_type, step| inside_mut(data_type, step));
        data_type.ok_or(missing)?.get_mut("fields").and_then(Value::as_array_mut).ok_or(no_struct)
    }

    /// Whether a field has a name, or the type at `parent` is no struct.
    pub(super) fn position(&mut self, parent: &[String], name: &str) -> Result<Option<usize>> {
        Ok(position(self.fields_mut(parent)?, name))
    }

    /// Every field, nested ones too, with its path.
    pub(super) fn for_each(&self, visit: &mut dyn FnMut(&[String], &Value)) {
        for_each(&self.root, &mut Vec::new(), visit);
    }

    /// Gives ids, counted on from `id_max`, and physical names to all fields (`Logical`), or to those that have none.
    pub(super) fn map(&mut self, id_max: &mut i64, names: PhysicalNames) {
        map(&mut self.root, id_max, names);
    }

    /// The highest id there is.
    pub(super) fn id_max(&self) -> i64 {
        let mut most = 0;
        self.for_each(&mut |_, field| most = most.max(field["metadata"][ID].as_i64().unwrap_or_default()));
        most
    }

    fn missing(&self, path: &[String]) -> Error {
        Error::NotFound(format!("table '{}' has no column '{}'", self.table, path.join(".")))
    }
}

/// A field's own metadata.
pub(super) fn metadata_mut(field: &mut Value) -> &mut Map<String, Value> {
    let metadata = &mut field["metadata"];
    if !metadata.is_object() {
        *metadata = json!({});
    }
    metadata.as_object_mut().expect("it has just been made one")
}

/// Forgets ids and physical names of a field and all below it.
pub(super) fn unmap(field: &mut Value) {
    let metadata = metadata_mut(field);
    metadata.remove(ID);
    metadata.remove(PHYSICAL_NAME);
    unmap_type(&mut field["type"]);
}

fn unmap_type(data_type: &mut Value) {
    if let Some(fields) = data_type.get_mut("fields").and_then(Value::as_array_mut) {
        fields.iter_mut().for_each(unmap);
    }
    for inner in ["elementType", "keyType", "valueType"] {
        if let Some(inner) = data_type.get_mut(inner) {
            unmap_type(inner);
        }
    }
}

fn fields(data_type: &Value) -> Option<&Vec<Value>> {
    data_type.get("fields").and_then(Value::as_array)
}

/// Whether two names are one to Delta.
pub(super) fn same_name(one: &str, other: &str) -> bool {
    one == other || one.to_lowercase() == other.to_lowercase()
}

fn position(fields: &[Value], name: &str) -> Option<usize> {
    fields.iter().position(|field| field["name"].as_str().is_some_and(|other| same_name(other, name)))
}

/// The key under which the type one step further stands.
fn step_key(data_type: &Value, step: &str) -> Option<&'static str> {
    match data_type.get("type").and_then(Value::as_str)? {
        "array" if step.eq_ignore_ascii_case(LIST_ELEMENT) => Some("elementType"),
        "map" if step.eq_ignore_ascii_case(MAP_KEY) => Some("keyType"),
        "map" if step.eq_ignore_ascii_case(MAP_VALUE) => Some("valueType"),
        _ => None,
    }
}

fn inside<'a>(data_type: &'a Value, step: &str) -> Option<&'a Value> {
    match fields(data_type) {
        Some(fields) => fields.get(position(fields, step)?)?.get("type"),
        None => data_type.get(step_key(data_type, step)?),
    }
}

fn inside_mut<'a>(data_type: &'a mut Value, step: &str) -> Option<&'a mut Value> {
    match fields(data_type) {
        Some(fields) => {
            let at = position(fields, step)?;
            data_type.get_mut("fields")?.get_mut(at)?.get_mut("type")
        }
        None => data_type.get_mut(step_key(data_type, step)?),
    }
}

fn for_each(data_type: &Value, path: &mut Vec<String>, visit: &mut dyn FnMut(&[String], &Value)) {
    for field in fields(data_type).into_iter().flatten() {
        path.push(field["name"].as_str().unwrap_or_default().to_owned());
        visit(path, field);
        for_each(&field["type"], path, visit);
        path.pop();
    }
    for (key, step) in [("elementType", LIST_ELEMENT), ("keyType", MAP_KEY), ("valueType", MAP_VALUE)] {
        if let Some(inner) = data_type.get(key) {
            path.push(step.to_owned());
            for_each(inner, path, visit);
            path.pop();
        }
    }
}

fn map(data_type: &mut Value, id_max: &mut i64, names: PhysicalNames) {
    for field in data_type.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = field["name"].as_str().unwrap_or_default().to_owned();
        let metadata = metadata_mut(field);
        if names == PhysicalNames::Logical || !metadata.contains_key(ID) {
            *id_max += 1;
            metadata.insert(ID.to_owned(), json!(id_max));
        }
        match names {
            PhysicalNames::Logical => drop(metadata.insert(PHYSICAL_NAME.to_owned(), json!(name))),
            // As Delta's own writers spell them.
            PhysicalNames::Fresh => {
                metadata.entry(PHYSICAL_NAME).or_insert_with(|| json!(format!("col-{}", Uuid::new_v4())));
            }
        }
        map(&mut field["type"], id_max, names);
    }
    for inner in ["elementType", "keyType", "valueType"] {
        if let Some(inner) = data_type.get_mut(inner) {
            map(inner, id_max, names);
        }
    }
}
