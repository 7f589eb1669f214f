//! DoAction: one decoded request in, one body out.

use std::collections::BTreeMap;

use arrow::datatypes::{FieldRef, Schema};
use futures::{StreamExt, future, stream};
use prost::Message;
use tracing::warn;

use super::{
    Airport,
    scan::refuse_time_travel,
    status::{Answer, Failure, text_of},
};
use crate::{
    catalog::{Catalog, CatalogTable},
    engine::Snapshot,
    protocol::{
        action::{
            ActionRequest, FlightInfoRequest,
            reply::{self, CatalogVersion, Contents, SchemaListing},
        },
        descriptor::TableReference,
        flight_info::TableInfo,
        headers::CallContext,
        types::travelling_field,
    },
};

/// Tables opened side by side for a listing: enough to hide the latency of a store, few enough not to starve
/// other calls.
const OPEN_CONCURRENCY: usize = 32;

impl Airport {
    /// Answers an action; `None` where the client expects no body.
    pub(super) async fn act(&self, context: &CallContext, request: ActionRequest) -> Answer<Option<Vec<u8>>> {
        let body = match request {
            ActionRequest::ListSchemas(request) => {
                self.create_as.listed(context.session_id.as_deref(), &request.catalog_name);
                self.list_schemas(&request.catalog_name).await?
            }
            ActionRequest::CatalogVersion(request) => {
                self.create_as.next_statement(context.session_id.as_deref());
                reply::catalog_version(version_of(self.catalog(&request.catalog_name)?.as_ref()))
            }
            ActionRequest::CreateTransaction(request) => self.create_transaction(context, &request.catalog_name)?,
            ActionRequest::FlightInfo(request) => self.flight_info(context, &request).await?,
            ActionRequest::Endpoints(request) => reply::endpoints(self.endpoints(context, &request).await?),
            ActionRequest::CreateSchema(request) => self.create_schema(&request).await?,
            ActionRequest::CreateTable(request) => self.create_table(context, request).await?,
            ActionRequest::DropSchema(request) => return self.drop_schema(&request).await,
            ActionRequest::DropTable(request) => return self.drop_table(context, &request).await,
            ActionRequest::ColumnStatistics(_) => return Err(not_offered("column_statistics")),
            ActionRequest::Unknown(name) => return Err(not_offered(&name)),
        };
        Ok(Some(body))
    }

    fn create_transaction(&self, context: &CallContext, catalog_name: &str) -> Answer<Vec<u8>> {
        self.catalog(catalog_name)?;
        if let Some(session) = &context.session_id {
            self.fresh_tables.settled(session);
        }
        Ok(reply::create_transaction(&self.transactions.begin()))
    }

    async fn list_schemas(&self, catalog_name: &str) -> Answer<Vec<u8>> {
        let catalog = self.catalog(catalog_name)?;
        let version = version_of(catalog.as_ref());
        let mut schemas = Vec::new();
        for schema in catalog.schemas().await? {
            let contents = contents_of(catalog.as_ref(), &schema).await?;
            schemas.push(SchemaListing {
                name: schema,
                description: String::new(),
                tags: BTreeMap::new(),
                contents,
                is_default: None,
            });
        }
        Ok(reply::list_schemas(&schemas, version)?)
    }

    async fn flight_info(&self, context: &CallContext, request: &FlightInfoRequest) -> Answer<Vec<u8>> {
        refuse_time_travel(&request.at)?;
        let table_ref = TableReference::from_descriptor(&request.descriptor)?;
        let snapshot = self.resolve(context, &table_ref).await?.snapshot;
        let rows = snapshot.row_count().await?;
        Ok(table_info(&table_ref.catalog, &table_ref.schema, &table_ref.table, snapshot.as_ref(), rows))
    }
}

/// What a schema holds.
pub(super) async fn contents_of(catalog: &dyn Catalog, schema: &str) -> Answer<Contents> {
    let tables = catalog.tables(schema).await?;
    Ok(Contents::of_schema(readable(catalog, schema, tables).await)?)
}

fn version_of(catalog: &dyn Catalog) -> CatalogVersion {
    CatalogVersion { catalog_version: catalog.generation(), is_fixed: false }
}

fn not_offered(action: &str) -> Failure {
    Failure::Unsupported(format!("the action {action:?} is not offered"))
}

/// The FlightInfos of the tables that can be read. One that cannot hides no other: it is left out, and the log says
/// why.
async fn readable(catalog: &dyn Catalog, schema: &str, tables: Vec<CatalogTable>) -> Vec<Vec<u8>> {
    let info = |CatalogTable { name, table }: CatalogTable| async move {
        match table.snapshot().await {
            Ok(snapshot) => Some(table_info(catalog.name(), schema, &name, snapshot.as_ref(), None)),
            Err(error) => {
                warn!(reason = text_of(&error), schema, table = name, "this table cannot be read and is left out");
                None
            }
        }
    };
    stream::iter(tables).map(info).buffered(OPEN_CONCURRENCY).filter_map(future::ready).collect().await
}

/// A table's columns as the client is told of them: in the types they travel in, and NOT NULL left out.
///
/// The client checks NOT NULL itself, row by row, while it sends; when it finds a NULL in the middle it ends the
/// stream as if that were all (its writer closes politely when it is destroyed), and the rows sent so far would be
/// committed. Checked by the server alone, such a statement fails as a whole.
pub(super) fn client_columns(columns: &Schema) -> Schema {
    let nullable = |field: &FieldRef| travelling_field(field).as_ref().clone().with_nullable(true);
    Schema::new(columns.fields().iter().map(nullable).collect::<Vec<_>>())
}

/// A table as the client's catalog takes it.
pub(super) fn table_info(
    catalog: &str,
    schema: &str,
    table: &str,
    snapshot: &dyn Snapshot,
    rows: Option<u64>,
) -> Vec<u8> {
    let (columns, comment) = (client_columns(&snapshot.schema()), snapshot.description());
    let info = TableInfo { catalog, schema, table, columns: &columns, comment: comment.as_deref(), rows };
    info.to_flight_info().encode_to_vec()
}
