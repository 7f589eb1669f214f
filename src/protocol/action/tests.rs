//! Every recorded action, and the replies as the client would read them.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field, Schema};
use arrow_flight::{FlightDescriptor, FlightEndpoint};
use prost::Message;
use serde::{Deserialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};

use super::{reply::*, *};
use crate::protocol::{golden, msgpack};

fn recorded(name: &str) -> ActionRequest {
    let action = golden::action(name);
    ActionRequest::decode(&action.r#type, &action.body).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn orders() -> FlightDescriptor {
    // The recorded server spells its descriptor as one component.
    FlightDescriptor::new_path(vec!["lake/sales/table/orders".to_owned()])
}

#[test]
fn decodes_every_recorded_action() {
    let catalog = || CatalogRequest { catalog_name: "lake".to_owned() };
    let known = ["create_schema", "create_table", "drop_schema", "drop_table", "endpoints", "flight_info"];
    for name in golden::client_files("DoAction") {
        match recorded(&name) {
            ActionRequest::ListSchemas(request)
            | ActionRequest::CatalogVersion(request)
            | ActionRequest::CreateTransaction(request) => assert_eq!(request, catalog(), "{name}"),
            ActionRequest::Unknown(action) => {
                assert!(name.contains(&action) && !known.contains(&action.as_str()), "{name}");
            }
            _ => {}
        }
    }
}

#[test]
fn decodes_create_schema_and_the_drops() {
    let schema = CreateSchema {
        catalog_name: "lake".to_owned(),
        schema: "sales".to_owned(),
        comment: None,
        tags: BTreeMap::new(),
    };
    assert_eq!(recorded("005-DoAction-create_schema.00.client.pb"), ActionRequest::CreateSchema(schema));
    let table = DropTable {
        catalog_name: "lake".to_owned(),
        schema_name: "sales".to_owned(),
        table_name: "types".to_owned(),
        ignore_not_found: false,
    };
    assert_eq!(recorded("218-DoAction-drop_table.00.client.pb"), ActionRequest::DropTable(table));
    let schema =
        DropSchema { catalog_name: "lake".to_owned(), schema_name: "sales".to_owned(), ignore_not_found: false };
    assert_eq!(recorded("222-DoAction-drop_schema.00.client.pb"), ActionRequest::DropSchema(schema));
}

#[test]
fn decodes_create_table_with_its_constraints() {
    let ActionRequest::CreateTable(table) = recorded("011-DoAction-create_table.00.client.pb") else {
        panic!("another action");
    };
    assert_eq!((table.schema_name.as_str(), table.table_name.as_str()), ("sales", "orders"));
    assert_eq!(table.on_conflict, OnConflict::Error);
    assert_eq!(table.check_constraints, ["(price >= 0)"]);
    assert_eq!(table.primary_key, ["id"]);
    assert!(table.unique_constraints.is_empty());
    let nullable: Vec<_> = table.columns.fields().iter().map(|field| field.is_nullable()).collect();
    assert_eq!(nullable, [false, true, true, true, true, true]);
    assert_eq!(table.columns.field(2), &Field::new("price", DataType::Decimal128(12, 2), true));
}

#[test]
fn decodes_scans_and_time_travel() {
    let ActionRequest::Endpoints(count) = recorded("036-DoAction-endpoints.00.client.pb") else { panic!("another") };
    assert_eq!(count.descriptor, orders());
    assert_eq!(count.column_ids, [u64::MAX]);
    assert_eq!(count.json_filters, br#"{"filters":[],"column_binding_names_by_index":[]}"#);
    assert_eq!(count.at, AtClause::Absent);
    let ActionRequest::Endpoints(past) = recorded("112-DoAction-endpoints.00.client.pb") else { panic!("another") };
    assert_eq!(past.at, AtClause::Version(1));
    let info = FlightInfoRequest { descriptor: orders(), at: AtClause::Version(1) };
    assert_eq!(recorded("107-DoAction-flight_info.00.client.pb"), ActionRequest::FlightInfo(info));
}

#[test]
fn decodes_column_statistics() {
    #[derive(serde::Serialize)]
    struct Wire<'a> {
        #[serde(with = "serde_bytes")]
        flight_descriptor: Vec<u8>,
        column_name: &'a str,
        r#type: &'a str,
    }
    let wire = Wire { flight_descriptor: orders().encode_to_vec(), column_name: "id", r#type: "BIGINT" };
    let expected =
        ColumnStatistics { descriptor: orders(), column_name: "id".to_owned(), type_name: "BIGINT".to_owned() };
    let decoded = ActionRequest::decode("column_statistics", &msgpack::encode(&wire));
    assert_eq!(decoded, Ok(ActionRequest::ColumnStatistics(expected)));
}

#[test]
fn refuses_what_makes_no_sense_by_name() {
    let map = |pairs: &[(&str, &str)]| msgpack::encode(&pairs.iter().copied().collect::<BTreeMap<_, _>>());
    let drop = [("type", "schema"), ("catalog_name", "lake"), ("schema_name", "s"), ("name", "t")];
    for (action, body, reason) in [
        ("list_schemas", vec![], "list_schemas request"),
        ("list_schemas", map(&[]), "missing field `catalog_name`"),
        ("drop_table", map(&drop), "type \"schema\" is not table"),
        ("flight_info", map(&[("descriptor", ""), ("at_unit", "HOUR"), ("at_value", "1")]), "neither VERSION nor"),
        ("flight_info", map(&[("descriptor", ""), ("at_unit", "version"), ("at_value", "-1")]), "version \"-1\""),
        ("flight_info", map(&[("descriptor", "\u{7}\u{7}")]), "its descriptor"),
        ("create_table", map(&[("catalog_name", "lake")]), "missing field"),
    ] {
        let error = ActionRequest::decode(action, &body).unwrap_err().to_string();
        assert!(error.contains(reason), "{action}: {error}");
    }
}

#[test]
fn not_null_beyond_the_columns_is_refused() {
    let action = golden::action("011-DoAction-create_table.00.client.pb");
    // not_null_constraints is packed as an array of one: replace its element 0 by 6.
    let key = b"not_null_constraints";
    let at = action.body.windows(key.len()).position(|window| window == key).unwrap() + key.len();
    let mut bytes = action.body.to_vec();
    assert_eq!(&bytes[at..at + 2], [0x91, 0x00]);
    bytes[at + 1] = 0x06;
    let error = ActionRequest::decode("create_table", &bytes).unwrap_err().to_string();
    assert!(error.contains("NOT NULL names column 6"), "{error}");
}

#[test]
fn noise_and_damage_never_panic() {
    let mut noise = golden::Noise::new(3);
    for name in golden::client_files("DoAction") {
        let action = golden::action(&name);
        for _ in 0..300 {
            let _ = ActionRequest::decode(&action.r#type, &noise.mutate(&action.body));
            let _ = ActionRequest::decode(&action.r#type, &noise.bytes());
        }
    }
}

/// What the client's decoder makes of [length, zstd].
fn decompressed(bytes: &[u8]) -> Vec<u8> {
    let (length, frame): (u32, ByteBuf) = msgpack::decode("compressed content", bytes).unwrap();
    zstd::bulk::decompress(&frame, length as usize).unwrap()
}

fn decoded<T: DeserializeOwned>(bytes: &[u8]) -> T {
    msgpack::decode("reply", bytes).unwrap()
}

#[derive(Deserialize)]
struct TheirContents {
    sha256: String,
    url: Option<String>,
    serialized: Option<ByteBuf>,
}

#[derive(Deserialize)]
struct TheirSchema {
    name: String,
    description: String,
    tags: BTreeMap<String, String>,
    contents: TheirContents,
    is_default: Option<bool>,
}

#[derive(Deserialize)]
struct TheirVersion {
    catalog_version: u64,
    is_fixed: bool,
}

#[derive(Deserialize)]
struct TheirRoot {
    contents: TheirContents,
    schemas: Vec<TheirSchema>,
    version_info: TheirVersion,
}

#[test]
fn a_catalog_is_listed_as_the_client_reads_it() {
    let contents = Contents::of_schema([b"one".as_slice(), b"two\xff"]).unwrap();
    let schema = SchemaListing {
        name: "sales".to_owned(),
        description: "what was sold".to_owned(),
        tags: BTreeMap::new(),
        contents,
        is_default: Some(true),
    };
    let bytes = list_schemas(&[schema], CatalogVersion { catalog_version: 7, is_fixed: false }).unwrap();
    let root: TheirRoot = decoded(&decompressed(&bytes));
    assert_eq!((root.version_info.catalog_version, root.version_info.is_fixed), (7, false));
    assert_eq!(root.contents.sha256, "");
    assert!(root.contents.url.is_none() && root.contents.serialized.is_none());
    let [schema] = root.schemas.as_slice() else { panic!("one schema") };
    assert_eq!((schema.name.as_str(), schema.description.as_str()), ("sales", "what was sold"));
    assert_eq!((schema.is_default, schema.tags.len()), (Some(true), 0));
    let serialized = schema.contents.serialized.as_ref().unwrap();
    let digest: String = Sha256::digest(serialized).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(schema.contents.sha256, digest);
    let tables: Vec<ByteBuf> = decoded(&decompressed(serialized));
    assert_eq!(tables, [b"one".as_slice(), b"two\xff"]);
}

#[test]
fn an_empty_schema_still_has_contents() {
    let reply: TheirContents = decoded(&create_schema(&Contents::of_schema([[0u8; 0]; 0]).unwrap()));
    assert_eq!((reply.sha256.len(), reply.url), (64, None));
    let tables: Vec<ByteBuf> = decoded(&decompressed(&reply.serialized.unwrap()));
    assert!(tables.is_empty());
    // The recorded server's reply has the same structure.
    let theirs: TheirContents = decoded(&golden::result("005-DoAction-create_schema.01.server.pb"));
    let tables: Vec<ByteBuf> = decoded(&decompressed(&theirs.serialized.unwrap()));
    assert!(tables.is_empty());
}

#[test]
fn short_replies_equal_recorded_ones() {
    let version = CatalogVersion { catalog_version: 1, is_fixed: false };
    assert_eq!(catalog_version(version), golden::result("002-DoAction-catalog_version.01.server.pb"));
    let reply: BTreeMap<String, Option<String>> = decoded(&create_transaction("t1"));
    assert_eq!(reply, [("identifier".to_owned(), Some("t1".to_owned()))].into());
    let theirs: BTreeMap<String, Option<String>> =
        decoded(&golden::result("003-DoAction-create_transaction.01.server.pb"));
    assert_eq!(theirs.keys().collect::<Vec<_>>(), ["identifier"]);
}

#[test]
fn endpoints_reuse_the_connection() {
    let reply: Vec<ByteBuf> = decoded(&endpoints([b"ticket 1".to_vec(), b"ticket 2".to_vec()]));
    let theirs: Vec<ByteBuf> = decoded(&golden::result("036-DoAction-endpoints.01.server.pb"));
    let location = |bytes: &ByteBuf| FlightEndpoint::decode(bytes.as_slice()).unwrap().location;
    assert_eq!(reply.len(), 2);
    assert_eq!(location(&reply[1]), location(&theirs[0]));
    assert_eq!(FlightEndpoint::decode(reply[1].as_slice()).unwrap().ticket.unwrap().ticket, "ticket 2");
    let none: Vec<ByteBuf> = decoded(&endpoints(Vec::<Vec<u8>>::new()));
    assert!(none.is_empty());
}

#[test]
fn a_listing_of_many_tables_holds_them_all() {
    let columns = Schema::new(vec![Field::new("id", DataType::Int64, true)]);
    let table = |index: usize| {
        let name = format!("t{index}");
        let info = crate::protocol::flight_info::TableInfo {
            catalog: "lake",
            schema: "s",
            table: &name,
            columns: &columns,
            notes: &[],
            comment: None,
            rows: None,
        };
        info.to_flight_info().encode_to_vec()
    };
    let contents: TheirContents = decoded(&create_schema(&Contents::of_schema((0..1000).map(table)).unwrap()));
    let tables: Vec<ByteBuf> = decoded(&decompressed(&contents.serialized.unwrap()));
    assert_eq!(tables.len(), 1000);
}
