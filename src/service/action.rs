//! DoAction: one decoded request in, one body out.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use arrow::datatypes::{FieldRef, Schema};
use arrow_flight::{Action, Result as ActionResult};
use futures::{StreamExt, future, stream};
use prost::Message;
use tonic::{Request, Response, Status};
use tracing::warn;

use super::{
    Airport,
    attempts::ActionDigest,
    functions::{FUNCTIONS_SCHEMA, holds_functions, listed},
    resolve::{self, Readable},
    scan::encoding_failed,
    status::{Answer, Failure, status, text_of},
};
use crate::{
    catalog::{Catalog, CatalogTable},
    engine::{Error, Snapshot},
    protocol::{
        action::{
            ActionRequest, AtClause, ColumnStatistics, FlightInfoRequest,
            reply::{self, CatalogVersion, Contents, SchemaListing},
        },
        descriptor::TableReference,
        flight_info::TableInfo,
        headers::CallContext,
        statistics::{CAN_PRODUCE_STATISTICS, can_be_told, column_statistics},
        types::travelling_field,
    },
};

/// Tables opened side by side for a listing: enough to hide the latency of a store, few enough not to starve
/// other calls.
const OPEN_CONCURRENCY: usize = 32;

/// DoAction.
pub(super) async fn do_action(airport: Arc<Airport>, request: Request<Action>) -> Result<Response<Results>, Status> {
    let context = resolve::context_of(request.metadata());
    let Action { r#type, body } = request.into_inner();
    let action = ActionRequest::decode(&r#type, &body).map_err(status)?;
    let digest = ActionDigest::of(&r#type, &body);
    let body = airport.act(&context, digest, action).await.map_err(status)?;
    let results = body.map(|body| Ok(ActionResult { body: body.into() }));
    Ok(Response::new(stream::iter(results).boxed()))
}

/// At most one.
pub(super) type Results = stream::BoxStream<'static, Result<ActionResult, Status>>;

impl Airport {
    /// Answers an action; `None` where the client expects no body.
    pub(super) async fn act(
        self: &Arc<Self>,
        context: &CallContext,
        digest: ActionDigest,
        request: ActionRequest,
    ) -> Answer<Option<Vec<u8>>> {
        let body = match request {
            ActionRequest::ListSchemas(request) => {
                self.create_as.listed(context.session_id.as_deref(), &request.catalog_name);
                self.list_schemas(&request.catalog_name).await?
            }
            ActionRequest::CatalogVersion(request) => {
                self.create_as.next_statement(context.session_id.as_deref());
                reply::catalog_version(self.version_of(self.catalog(&request.catalog_name)?.as_ref()))
            }
            ActionRequest::CreateTransaction(request) => self.create_transaction(context, &request.catalog_name)?,
            ActionRequest::FlightInfo(request) => self.flight_info(context, &request).await?,
            ActionRequest::Endpoints(request) => reply::endpoints(self.endpoints(context, &request).await?),
            change @ (ActionRequest::CreateSchema(_)
            | ActionRequest::CreateTable(_)
            | ActionRequest::DropSchema(_)
            | ActionRequest::DropTable(_)
            | ActionRequest::Alter(_)) => return self.change(context, digest, change).await,
            ActionRequest::ColumnStatistics(request) => self.column_statistics(context, &request).await?,
            ActionRequest::FunctionCall(call) => self.function_info(context, &call).await?,
            ActionRequest::Unknown(name) => return Err(not_offered(&name)),
        };
        Ok(Some(body))
    }

    fn create_transaction(&self, context: &CallContext, catalog_name: &str) -> Answer<Vec<u8>> {
        self.catalog(catalog_name)?;
        if let Some(session) = &context.session_id {
            self.fresh_tables.settled(session);
            self.attempts.settled(session);
        }
        Ok(reply::create_transaction(&self.transactions.begin(context.session_id.as_deref())))
    }

    /// The version of a catalog as DuckDB asks for it: whether plans made before may still be run.
    ///
    /// None may. A plan holds the identifier of the transaction it was made in, and what that transaction saw of its
    /// tables: statistics may have dropped a filter from it, and its scans are sent under that identifier. Run in a
    /// later transaction (EXECUTE of a PREPARE) it would read the past, and its row ids would be of the past. So no
    /// answer is given twice, and DuckDB plans each execution in its own transaction
    /// (`main/prepared_statement_data.cpp`, RequireRebind).
    fn version_of(&self, catalog: &dyn Catalog) -> CatalogVersion {
        let looks = self.version_looks.fetch_add(1, Ordering::Relaxed);
        CatalogVersion { catalog_version: catalog.generation().wrapping_add(looks), is_fixed: false }
    }

    async fn list_schemas(&self, catalog_name: &str) -> Answer<Vec<u8>> {
        let catalog = self.catalog(catalog_name)?;
        let version = self.version_of(catalog.as_ref());
        let mut schemas = Vec::new();
        for schema in schemas_of(catalog.as_ref()).await? {
            let contents = contents_of(catalog.as_ref(), &schema).await?;
            let description = if holds_functions(&schema) { "Functions over Delta tables." } else { "" };
            schemas.push(SchemaListing {
                name: schema,
                description: description.to_owned(),
                tags: BTreeMap::new(),
                contents,
                is_default: None,
            });
        }
        Ok(reply::list_schemas(&schemas, version)?)
    }

    async fn flight_info(&self, context: &CallContext, request: &FlightInfoRequest) -> Answer<Vec<u8>> {
        let table_ref = TableReference::from_descriptor(&request.descriptor)?;
        // At another version the client asks for the columns of then, whatever it knows of now.
        let snapshot = match request.at {
            AtClause::Absent => self.resolve(context, &table_ref).await?,
            at => self.travel(&table_ref, at).await?.1,
        };
        let rows = snapshot.row_count().await?;
        Ok(past_table_info(&table_ref, snapshot.as_ref(), rows))
    }

    /// Statistics of the very snapshot that the plan's scan will read: both are sent under one transaction.
    async fn column_statistics(&self, context: &CallContext, request: &ColumnStatistics) -> Answer<Vec<u8>> {
        let table_ref = TableReference::from_descriptor(&request.descriptor)?;
        let Readable { snapshot, columns } = self.readable(context, &table_ref, AtClause::Absent).await?;
        let Some((index, column)) = columns.fields().find(&request.column_name) else {
            let (column, table) = (&request.column_name, &table_ref.table);
            return Err(Error::NotFound(format!("table {table:?} has no column {column:?}")).into());
        };
        let statistics = snapshot.statistics(index).await?;
        column_statistics(column, &statistics).map_err(encoding_failed)
    }
}

/// The schemas of a catalog, and that of the functions.
async fn schemas_of(catalog: &dyn Catalog) -> Answer<Vec<String>> {
    let mut schemas = catalog.schemas().await?;
    if !schemas.iter().any(|schema| holds_functions(schema)) {
        schemas.push(FUNCTIONS_SCHEMA.to_owned());
        schemas.sort_unstable();
    }
    Ok(schemas)
}

/// What a schema holds.
pub(super) async fn contents_of(catalog: &dyn Catalog, schema: &str) -> Answer<Contents> {
    let holds_functions = holds_functions(schema);
    let tables = match catalog.tables(schema).await {
        Err(Error::NotFound(_)) if holds_functions => Vec::new(),
        tables => tables?,
    };
    let functions = holds_functions.then(|| listed(catalog.name(), schema)).into_iter().flatten();
    Ok(Contents::of_schema(readable(catalog, schema, tables).await.into_iter().chain(functions))?)
}

pub(super) fn not_offered(action: &str) -> Failure {
    Failure::Unsupported(format!("the action {action:?} is not offered"))
}

/// The FlightInfos of the tables that can be read. One that cannot hides no other: it is left out, and the log says
/// why.
async fn readable(catalog: &dyn Catalog, schema: &str, tables: Vec<CatalogTable>) -> Vec<Vec<u8>> {
    let info = |CatalogTable { name, table }: CatalogTable| async move {
        match table.snapshot().await {
            Ok(snapshot) => Some(table_info(catalog.name(), schema, &name, snapshot.as_ref())),
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
pub(super) fn table_info(catalog: &str, schema: &str, table: &str, snapshot: &dyn Snapshot) -> Vec<u8> {
    let mut columns = client_columns(&snapshot.schema());
    if can_be_told(&columns) {
        columns.metadata.insert(CAN_PRODUCE_STATISTICS.to_owned(), "1".to_owned());
    }
    told((catalog, schema, table), &columns, snapshot, None)
}

/// A table at another version. There are no statistics: `column_statistics` does not say which version they are
/// wanted of.
fn past_table_info(table_ref: &TableReference, snapshot: &dyn Snapshot, rows: Option<u64>) -> Vec<u8> {
    let TableReference { catalog, schema, table, .. } = table_ref;
    told((catalog, schema, table), &client_columns(&snapshot.schema()), snapshot, rows)
}

fn told(
    (catalog, schema, table): (&str, &str, &str),
    columns: &Schema,
    snapshot: &dyn Snapshot,
    rows: Option<u64>,
) -> Vec<u8> {
    let (notes, comment) = (snapshot.notes(), snapshot.description());
    let info = TableInfo { catalog, schema, table, columns, notes: &notes, comment: comment.as_deref(), rows };
    info.to_flight_info().encode_to_vec()
}
