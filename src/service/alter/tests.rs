//! Changes that are made and whose answer is lost: what the client then repeats.

use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::DataType;
use arrow_flight::FlightInfo;
use async_trait::async_trait;
use prost::Message;

use super::*;
use crate::{
    catalog::{CatalogTable, DirectoryCatalog},
    config::Limits,
    delta::DeltaFormat,
    engine::{self, TableSpec},
    protocol::{
        action::{ActionRequest, CreateTable, DropTable, OnConflict},
        headers, ipc,
    },
    service::attempts::ActionDigest,
};

/// A catalog that makes changes and then fails, once each time it is told to.
#[derive(Debug)]
struct Forgetful {
    inner: DirectoryCatalog,
    forgets: Arc<AtomicBool>,
}

impl Forgetful {
    fn forget<T>(&self, made: engine::Result<T>) -> engine::Result<T> {
        forget(&self.forgets, made)
    }
}

fn forget<T>(forgets: &AtomicBool, made: engine::Result<T>) -> engine::Result<T> {
    if made.is_ok() && forgets.swap(false, Ordering::SeqCst) {
        return Err(Error::internal("the commit broke off", "no disk"));
    }
    made
}

#[async_trait]
impl Catalog for Forgetful {
    fn name(&self) -> &str {
        self.inner.name()
    }
    fn generation(&self) -> u64 {
        self.inner.generation()
    }
    async fn schemas(&self) -> engine::Result<Vec<String>> {
        self.inner.schemas().await
    }
    async fn tables(&self, schema: &str) -> engine::Result<Vec<CatalogTable>> {
        self.inner.tables(schema).await
    }
    async fn table(&self, schema: &str, table: &str) -> engine::Result<Arc<dyn Table>> {
        let inner = self.inner.table(schema, table).await?;
        Ok(Arc::new(ForgetfulTable { inner, forgets: Arc::clone(&self.forgets) }))
    }
    async fn create_schema(&self, schema: &str) -> engine::Result<()> {
        self.inner.create_schema(schema).await
    }
    async fn drop_schema(&self, schema: &str) -> engine::Result<()> {
        self.forget(self.inner.drop_schema(schema).await)
    }
    async fn create_table(&self, schema: &str, table: &str, spec: &TableSpec) -> engine::Result<Arc<dyn Snapshot>> {
        self.forget(self.inner.create_table(schema, table, spec).await)
    }
    async fn rename_table(&self, schema: &str, table: &str, new_name: &str) -> engine::Result<()> {
        self.forget(self.inner.rename_table(schema, table, new_name).await)
    }
    async fn drop_table(&self, schema: &str, table: &str) -> engine::Result<()> {
        self.forget(self.inner.drop_table(schema, table).await)
    }
}

#[derive(Debug)]
struct ForgetfulTable {
    inner: Arc<dyn Table>,
    forgets: Arc<AtomicBool>,
}

#[async_trait]
impl Table for ForgetfulTable {
    async fn snapshot(&self) -> engine::Result<Arc<dyn Snapshot>> {
        self.inner.snapshot().await
    }
    async fn snapshot_at(&self, version: u64) -> engine::Result<Arc<dyn Snapshot>> {
        self.inner.snapshot_at(version).await
    }
    async fn snapshot_as_of(&self, time_us: i64) -> engine::Result<Arc<dyn Snapshot>> {
        self.inner.snapshot_as_of(time_us).await
    }
    async fn alter(&self, change: &Alteration) -> engine::Result<Arc<dyn Snapshot>> {
        forget(&self.forgets, self.inner.alter(change).await)
    }
}

/// A service over such a catalog, and one client session of it.
struct Fixture {
    airport: Arc<Airport>,
    forgets: Arc<AtomicBool>,
    session: CallContext,
    _root: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let inner = DirectoryCatalog::open("lake", root.path(), Arc::new(DeltaFormat::default())).unwrap();
        let forgets = Arc::new(AtomicBool::new(false));
        let catalog = Arc::new(Forgetful { inner, forgets: Arc::clone(&forgets) });
        let session = CallContext::from_headers([(headers::SESSION_ID, "s")]);
        Self { airport: Airport::new(vec![catalog], Limits::default()), forgets, session, _root: root }
    }

    /// A request as the client numbers it: the same body is the same statement.
    async fn say(&self, body: &str, request: &ActionRequest) -> Answer<Option<Vec<u8>>> {
        self.airport.act(&self.session, ActionDigest::of("action", body.as_bytes()), request.clone()).await
    }

    /// A statement whose first answer is lost, and its repetition.
    async fn say_twice(&self, body: &str, request: ActionRequest) -> Answer<Option<Vec<u8>>> {
        self.airport.attempts.settled("s");
        self.forgets.store(true, Ordering::SeqCst);
        let lost = self.say(body, &request).await.expect_err("the answer is lost");
        assert!(lost.leaves_doubt(), "{lost:?}");
        self.say(body, &request).await
    }

    async fn create(&self) {
        self.say("create", &create("t")).await.unwrap();
    }
}

fn create(table: &str) -> ActionRequest {
    ActionRequest::CreateTable(CreateTable {
        catalog_name: "lake".to_owned(),
        schema_name: "public".to_owned(),
        table_name: table.to_owned(),
        columns: Schema::new(vec![long("id"), long("v")]),
        on_conflict: OnConflict::Error,
        check_constraints: vec![],
        primary_key: vec![],
        unique_constraints: vec![],
    })
}

fn long(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

fn alter_request(table: &str, change: TableChange) -> ActionRequest {
    ActionRequest::Alter(AlterTable {
        catalog_name: "lake".to_owned(),
        schema_name: "public".to_owned(),
        table_name: table.to_owned(),
        ignore_not_found: false,
        change,
    })
}

/// The columns in an answer, without the row id.
fn columns(answer: Answer<Option<Vec<u8>>>) -> Vec<String> {
    let info = FlightInfo::decode(answer.unwrap().unwrap().as_slice()).unwrap();
    let schema = ipc::decode_schema("answer", &info.schema).unwrap();
    schema.fields().iter().map(|field| field.name().clone()).filter(|name| name != "rowid").collect()
}

#[tokio::test]
async fn a_change_that_was_made_is_answered_when_it_is_said_again() {
    let fixture = Fixture::new();
    fixture.create().await;
    let path = |name: &str| vec![name.to_owned()];
    let text = Field::new("id", DataType::Utf8, true);
    for (change, expected) in [
        (TableChange::AddColumn { column: long("w"), if_not_exists: false }, &["id", "v", "w"][..]),
        (TableChange::RenameColumn { path: path("w"), new_name: "x".to_owned() }, &["id", "v", "x"]),
        (TableChange::DropColumn { path: path("x"), if_exists: false }, &["id", "v"]),
        (TableChange::ChangeType { column: text, using: "CAST(id AS VARCHAR)".to_owned() }, &["id", "v"]),
        (TableChange::SetNotNull { column: "v".to_owned() }, &["id", "v"]),
        (TableChange::DropNotNull { column: "v".to_owned() }, &["id", "v"]),
        (TableChange::RenameTable { new_name: "u".to_owned() }, &["id", "v"]),
    ] {
        let body = format!("{change:?}");
        assert_eq!(columns(fixture.say_twice(&body, alter_request("t", change)).await), expected, "{body}");
    }
    let catalog = fixture.airport.catalog("lake").unwrap();
    assert_eq!(catalog.table("public", "u").await.unwrap().snapshot().await.unwrap().version(), 6, "each once");
}

#[tokio::test]
async fn so_are_tables_made_and_dropped() {
    let fixture = Fixture::new();
    assert_eq!(columns(fixture.say_twice("create", create("t")).await), ["id", "v"]);
    let drop = ActionRequest::DropTable(DropTable {
        catalog_name: "lake".to_owned(),
        schema_name: "public".to_owned(),
        table_name: "T".to_owned(),
        ignore_not_found: false,
    });
    assert_eq!(fixture.say_twice("drop", drop).await.unwrap(), None);
}

#[tokio::test]
async fn what_others_made_is_not_taken_for_ones_own() {
    let fixture = Fixture::new();
    fixture.create().await;
    fixture.airport.attempts.settled("s");
    let add = |name: &str| alter_request("t", TableChange::AddColumn { column: long(name), if_not_exists: false });
    let taken = fixture.say("first", &add("id")).await.expect_err("there is one");
    assert!(matches!(taken, Failure::Engine(Error::AlreadyExists(_))), "{taken:?}");
    let again = fixture.say("first", &add("id")).await.expect_err("there still is");
    assert!(matches!(again, Failure::Engine(Error::AlreadyExists(_))), "{again:?}");
}

/// Said again, `USING id + 1` would add once more.
#[tokio::test]
async fn new_values_of_the_same_type_are_not_made_twice() {
    let fixture = Fixture::new();
    fixture.create().await;
    let change = TableChange::ChangeType { column: long("id"), using: "(id + 1)".to_owned() };
    let refused = fixture.say_twice("change", alter_request("t", change)).await.expect_err("it may have been made");
    let expected = "this statement broke off before and may have given column \"id\" its type; look at the table, and \
                    say it again if not";
    assert!(matches!(&refused, Failure::Engine(Error::FailedPrecondition(text)) if text == expected), "{refused:?}");
}
