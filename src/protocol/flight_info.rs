//! A table or function as the client's catalog takes it (`storage/airport_table_set.cpp`, `airport_schema_utils.cpp`,
//! `storage/airport_table_function_set.cpp`).

use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow_flight::FlightInfo;
use serde::Serialize;
use serde_bytes::Bytes;

use super::{descriptor::TableReference, function::FunctionReference, ipc, msgpack};
use crate::engine::{ColumnNotes, row_id_field};

/// What there is to say about a table.
#[derive(Debug, Clone, Copy)]
pub struct TableInfo<'a> {
    /// The name given to ATTACH; the client refuses any other.
    pub catalog: &'a str,
    /// The schema's name; the client refuses any other.
    pub schema: &'a str,
    /// The table's name.
    pub table: &'a str,
    /// The columns, without the row id, and the metadata of their schema.
    pub columns: &'a Schema,
    /// What is noted of each column; none of those beyond its end.
    pub notes: &'a [ColumnNotes],
    /// A comment on the table.
    pub comment: Option<&'a str>,
    /// How many rows there are, if that is known cheaply; it steers join orders only.
    pub rows: Option<u64>,
}

impl TableInfo<'_> {
    /// The message. It has no endpoints: the client asks for those with its filters.
    pub fn to_flight_info(&self) -> FlightInfo {
        let reference = TableReference::new(self.catalog, self.schema, self.table, self.columns);
        let mut info = FlightInfo::new()
            .with_descriptor(reference.to_descriptor())
            .with_total_records(self.rows.map_or(-1, |rows| i64::try_from(rows).unwrap_or(i64::MAX)))
            .with_total_bytes(-1)
            .with_app_metadata(self.app_metadata());
        info.schema = ipc::encode_schema(&with_row_id(&self.noted_columns()));
        info
    }

    /// The columns with what the client reads from their metadata (`AirportArrowSchemaToCreateTableInfo`). It parses
    /// `default` as SQL, and one that does not parse fails its whole listing.
    fn noted_columns(&self) -> Schema {
        let columns = self.columns.fields().iter().enumerate().map(|(index, field)| {
            let Some(ColumnNotes { comment, default }) = self.notes.get(index) else { return Arc::clone(field) };
            let noted = [("comment", comment), ("default", default)];
            let noted = noted.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text.clone()?)));
            let metadata = field.metadata().clone().into_iter().chain(noted);
            Arc::new(field.as_ref().clone().with_metadata(metadata.collect()))
        });
        Schema::new_with_metadata(columns.collect::<Vec<_>>(), self.columns.metadata().clone())
    }

    fn app_metadata(&self) -> Vec<u8> {
        msgpack::encode(&AppMetadata {
            r#type: "table",
            schema: self.schema,
            catalog: self.catalog,
            name: self.table,
            comment: self.comment,
            input_schema: None,
            action_name: None,
            description: None,
            extra_data: None,
        })
    }
}

/// What there is to say about a table function.
#[derive(Debug, Clone, Copy)]
pub struct FunctionInfo<'a> {
    /// Which function; the client refuses another catalog or schema than those it asked about.
    pub function: &'a FunctionReference,
    /// What it does.
    pub description: &'a str,
    /// Its arguments, a table argument last and marked by [`super::function::table_argument`].
    pub arguments: &'a Schema,
    /// The columns it gives back. In a listing they are but an example: the client asks again with the arguments.
    pub returns: &'a Schema,
}

impl FunctionInfo<'_> {
    /// The message.
    pub fn to_flight_info(&self) -> FlightInfo {
        let mut info = FlightInfo::new()
            .with_descriptor(self.function.to_descriptor())
            .with_total_records(-1)
            .with_total_bytes(-1)
            .with_app_metadata(self.app_metadata());
        info.schema = ipc::encode_schema(self.returns);
        info
    }

    fn app_metadata(&self) -> Vec<u8> {
        let FunctionReference { catalog, schema, name } = self.function;
        msgpack::encode(&AppMetadata {
            r#type: "table_function",
            schema,
            catalog,
            name,
            comment: None,
            input_schema: Some(Bytes::new(&ipc::encode_schema(self.arguments))),
            action_name: None,
            description: Some(self.description),
            extra_data: None,
        })
    }
}

/// The columns with the row id last.
pub fn with_row_id(columns: &Schema) -> Schema {
    let row_id = Arc::new(row_id_field());
    let fields: Vec<_> = columns.fields().iter().cloned().chain([row_id]).collect();
    Schema::new_with_metadata(fields, columns.metadata().clone())
}

/// `AirportSerializedFlightAppMetadata` (`include/storage/airport_catalog_api.hpp`)
#[derive(Debug, Serialize)]
struct AppMetadata<'a> {
    r#type: &'a str,
    schema: &'a str,
    catalog: &'a str,
    name: &'a str,
    comment: Option<&'a str>,
    input_schema: Option<&'a Bytes>,
    action_name: Option<&'a str>,
    description: Option<&'a str>,
    extra_data: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::datatypes::{DataType, Field};
    use prost::Message;

    use super::*;
    use crate::protocol::golden;

    type Metadata = BTreeMap<String, Option<String>>;

    fn columns() -> Schema {
        Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8, true)])
    }

    fn info(rows: Option<u64>) -> FlightInfo {
        let (catalog, schema, table) = ("lake", "sales", "orders");
        let notes = [
            ColumnNotes { comment: Some("the key".to_owned()), default: None },
            ColumnNotes { comment: None, default: Some("'x'".to_owned()) },
        ];
        let (columns, comment) = (columns(), Some("the orders"));
        TableInfo { catalog, schema, table, columns: &columns, notes: &notes, comment, rows }.to_flight_info()
    }

    #[test]
    fn says_what_the_recorded_server_said() {
        let recorded = golden::result("011-DoAction-create_table.01.server.pb");
        let recorded = FlightInfo::decode(recorded.as_slice()).unwrap();
        let theirs: Metadata = msgpack::decode("app_metadata", &recorded.app_metadata).unwrap();
        let ours: Metadata = msgpack::decode("app_metadata", &info(None).app_metadata).unwrap();
        assert!(theirs.keys().all(|key| ours.contains_key(key)), "{theirs:?}");
        for key in ["type", "schema", "catalog", "name"] {
            assert_eq!(ours[key], theirs[key], "{key}");
        }
        assert_eq!(ours["comment"].as_deref(), Some("the orders"));
    }

    #[test]
    fn puts_the_row_id_last_and_marks_it() {
        let schema = ipc::decode_schema("flight info", &info(None).schema).unwrap();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["id", "name", "rowid"]);
        assert!(schema.field(2).metadata().contains_key("is_rowid"));
        assert!(!schema.field(0).is_nullable());
    }

    #[test]
    fn comments_and_defaults_are_metadata_of_their_columns() {
        let schema = ipc::decode_schema("flight info", &info(None).schema).unwrap();
        let noted: Vec<_> = ["comment", "default"]
            .iter()
            .map(|key| [0, 1].map(|at| schema.field(at).metadata().get(*key).cloned()))
            .collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(noted, [[text("the key"), None], [None, text("'x'")]]);
    }

    #[test]
    fn its_descriptor_names_the_table_and_its_shape() {
        let descriptor = info(None).flight_descriptor.unwrap();
        let expected = TableReference::new("lake", "sales", "orders", &columns());
        assert_eq!(TableReference::from_descriptor(&descriptor), Ok(expected));
    }

    #[test]
    fn unknown_and_huge_row_counts() {
        assert_eq!([None, Some(7), Some(u64::MAX)].map(|rows| info(rows).total_records), [-1, 7, i64::MAX]);
        assert!(info(None).endpoint.is_empty());
    }
}
