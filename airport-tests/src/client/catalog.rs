//! What the catalog looks like to the client: schemas, their contents, and tables as FlightInfo.
//!
//! Checked as strictly as the client's C++ does (`airport_catalog_api.cpp`): a deviation there ends the ATTACH.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field, Schema as ArrowSchema, SchemaRef};
use arrow_flight::{FlightDescriptor, FlightInfo};
use prost::Message;
use serde::Deserialize;
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};

use super::{
    CatalogVersion, Error, Function, Result,
    actions::unpack,
    scan::{ROW_ID, is_row_id},
};

/// The answer to `list_schemas`.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// In the server's order.
    pub schemas: Vec<Schema>,
    /// Of this listing.
    pub version: CatalogVersion,
}

/// One schema with its tables.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Its name.
    pub name: String,
    /// Its comment.
    pub description: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whether the server calls it the default one.
    pub is_default: bool,
    /// In the server's order.
    pub tables: Vec<Table>,
    /// In the server's order.
    pub functions: Vec<Function>,
}

/// One table as the server described it.
#[derive(Debug, Clone)]
pub struct Table {
    /// Opaque; every call on the table gives it back.
    pub descriptor: FlightDescriptor,
    /// All columns, the row id last.
    pub schema: SchemaRef,
    /// What DuckDB's catalog is told.
    pub metadata: AppMetadata,
    /// How many rows, -1 if unknown.
    pub total_records: i64,
}

/// `AirportSerializedFlightAppMetadata`
#[derive(Debug, Clone, Deserialize)]
pub struct AppMetadata {
    /// `table`, `table_function` or `scalar_function`.
    pub r#type: String,
    /// The schema it is in.
    pub schema: String,
    /// The ATTACH name.
    pub catalog: String,
    /// Its name.
    pub name: String,
    /// Its comment.
    pub comment: Option<String>,
    /// A function's arguments, as an Arrow schema message.
    pub input_schema: Option<ByteBuf>,
    /// What a function does.
    pub description: Option<String>,
}

impl Catalog {
    /// The names of all schemas, sorted.
    pub fn schema_names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.schemas.iter().map(|s| s.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// A table by name.
    pub fn table(&self, schema: &str, table: &str) -> Option<&Table> {
        self.schemas.iter().find(|s| s.name == schema)?.tables.iter().find(|t| t.metadata.name == table)
    }

    /// The names of a schema's tables, sorted; empty if there is no such schema.
    pub fn table_names(&self, schema: &str) -> Vec<&str> {
        let schema = self.schemas.iter().filter(|s| s.name == schema);
        let mut names: Vec<_> = schema.flat_map(|s| &s.tables).map(|t| t.metadata.name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

impl Table {
    /// A serialized FlightInfo of `catalog`.
    pub fn decode(info: &[u8], catalog: &str) -> Result<Self> {
        let info = FlightInfo::decode(info).map_err(Error::malformed)?;
        let metadata = unpack(&info.app_metadata)?;
        Self::of(info, metadata, catalog)
    }

    fn of(info: FlightInfo, metadata: AppMetadata, catalog: &str) -> Result<Self> {
        let descriptor = info.flight_descriptor.clone().ok_or_else(|| Error::malformed("no descriptor"))?;
        if metadata.catalog != catalog {
            return Err(Error::Malformed(format!("catalog {:?}, not {catalog:?}", metadata.catalog)));
        }
        let total_records = info.total_records;
        let schema = ArrowSchema::try_from(info).map_err(Error::malformed)?;
        if schema.fields().iter().rev().skip(1).any(|field| is_row_id(field)) {
            return Err(Error::malformed("the row id is not the last column"));
        }
        if schema.fields().iter().any(|field| is_row_id(field) && field.name() != ROW_ID) {
            return Err(Error::Malformed(format!("the row id column is not called {ROW_ID}")));
        }
        Ok(Self { descriptor, schema: schema.into(), metadata, total_records })
    }

    /// The columns without the row id, as an INSERT sends them: DuckDB makes the schema of its own types, so
    /// every field is nullable and without metadata.
    pub fn insert_schema(&self) -> SchemaRef {
        let columns = self.schema.fields().iter().filter(|field| !is_row_id(field));
        ArrowSchema::new(columns.map(|f| Field::new(f.name(), sent_type(f), true)).collect::<Vec<_>>()).into()
    }

    /// The names of the columns, the row id included.
    pub fn column_names(&self) -> Vec<&str> {
        self.schema.fields().iter().map(|field| field.name().as_str()).collect()
    }
}

/// DuckDB sends decimals in 128 bits unless `arrow_output_version` says otherwise, whatever it was told of the table.
fn sent_type(field: &Field) -> DataType {
    match field.data_type() {
        DataType::Decimal64(precision, scale) => DataType::Decimal128(*precision, *scale),
        other => other.clone(),
    }
}

/// `AirportSerializedContentsWithSHA256Hash`
#[derive(Deserialize)]
struct Contents {
    sha256: String,
    url: Option<String>,
    serialized: Option<ByteBuf>,
}

/// `AirportSerializedCompressedContent`: uncompressed length, zstd bytes.
#[derive(Deserialize)]
struct Compressed(u32, ByteBuf);

pub(super) fn decode_catalog(bytes: &[u8], catalog: &str) -> Result<Catalog> {
    #[derive(Deserialize)]
    struct Root {
        contents: Contents,
        schemas: Vec<RawSchema>,
        version_info: CatalogVersion,
    }
    #[derive(Deserialize)]
    struct RawSchema {
        name: String,
        description: String,
        tags: BTreeMap<String, String>,
        contents: Contents,
        is_default: Option<bool>,
    }
    let root: Root = unpack(&decompress(bytes)?)?;
    if !root.contents.sha256.is_empty() {
        return Err(Error::malformed(
            "catalog-level contents would fill the user's disk cache, which is never emptied",
        ));
    }
    let schema = |raw: RawSchema| {
        let (tables, functions) = items_of(&raw.contents, catalog, &raw.name)?;
        Ok(Schema {
            tables,
            functions,
            name: raw.name,
            description: raw.description,
            tags: raw.tags,
            is_default: raw.is_default.unwrap_or(false),
        })
    };
    let schemas: Vec<_> = root.schemas.into_iter().map(schema).collect::<Result<_>>()?;
    let mut names = std::collections::BTreeSet::new();
    if let Some(twice) = schemas.iter().find(|s| s.name.is_empty() || !names.insert(&s.name)) {
        return Err(Error::Malformed(format!("schema name {:?} is empty or there twice", twice.name)));
    }
    Ok(Catalog { schemas, version: root.version_info })
}

pub(super) fn decode_contents(bytes: &[u8], catalog: &str, schema: &str) -> Result<Vec<Table>> {
    Ok(items_of(&unpack(bytes)?, catalog, schema)?.0)
}

fn items_of(contents: &Contents, catalog: &str, schema: &str) -> Result<(Vec<Table>, Vec<Function>)> {
    let Some(serialized) = &contents.serialized else {
        let lazy = contents.sha256.is_empty() && contents.url.is_none();
        return if lazy {
            Ok((Vec::new(), Vec::new()))
        } else {
            Err(Error::malformed("contents by URL are not expected"))
        };
    };
    let hash: String = Sha256::digest(serialized).iter().map(|byte| format!("{byte:02x}")).collect();
    if !contents.sha256.is_empty() && contents.sha256 != hash {
        return Err(Error::Malformed(format!("schema {schema}: sha256 {}, not {hash}", contents.sha256)));
    }
    let items: Vec<ByteBuf> = unpack(&decompress(serialized)?)?;
    let (mut tables, mut functions) = (Vec::new(), Vec::new());
    for item in &items {
        let info = FlightInfo::decode(&item[..]).map_err(Error::malformed)?;
        let metadata: AppMetadata = unpack(&info.app_metadata)?;
        if metadata.schema != schema {
            return Err(Error::Malformed(format!("{metadata:?} is listed in schema {schema}")));
        }
        match metadata.r#type.as_str() {
            "table" => tables.push(Table::of(info, metadata, catalog)?),
            "table_function" => functions.push(Function::decode(info, metadata, catalog)?),
            other => return Err(Error::Malformed(format!("an item is a {other:?}"))),
        }
    }
    Ok((tables, functions))
}

fn decompress(bytes: &[u8]) -> Result<Vec<u8>> {
    let Compressed(len, data) = unpack(bytes)?;
    let plain = zstd::decode_all(&data[..]).map_err(Error::malformed)?;
    if plain.len() != len as usize {
        return Err(Error::Malformed(format!("{} bytes where {len} were announced", plain.len())));
    }
    Ok(plain)
}
