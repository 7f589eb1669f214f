//! CREATE and DROP of schemas and tables.

use std::sync::Arc;

use super::{
    Airport,
    action::{contents_of, table_info},
    status::{Answer, Failure},
    transactions::TableName,
};
use crate::{
    engine::{Error, ROW_ID_COLUMN, Snapshot, TableSpec},
    protocol::{
        action::{CreateSchema, CreateTable, DropSchema, DropTable, OnConflict, reply},
        headers::CallContext,
        types::{canonical_schema, enum_column},
    },
};

impl Airport {
    pub(super) async fn create_schema(&self, request: &CreateSchema) -> Answer<Vec<u8>> {
        let catalog = self.catalog(&request.catalog_name)?;
        match catalog.create_schema(&request.schema).await {
            // IF NOT EXISTS does not reach the server, and the client repeats calls that broke off: one that is there
            // is what was asked for.
            Err(Error::AlreadyExists(_)) if catalog.schemas().await?.contains(&request.schema) => {}
            made => made?,
        }
        Ok(reply::create_schema(&contents_of(catalog.as_ref(), &request.schema).await?))
    }

    pub(super) async fn create_table(&self, context: &CallContext, request: CreateTable) -> Answer<Vec<u8>> {
        refuse_constraints(&request)?;
        refuse_columns(&request)?;
        let catalog = self.catalog(&request.catalog_name)?;
        let spec = TableSpec {
            schema: Arc::new(canonical_schema(&request.columns)?),
            partition_columns: Vec::new(),
            description: None,
            checks: request.check_constraints.clone(),
        };
        let name = TableName::new(&request.catalog_name, &request.schema_name, &request.table_name);
        let session = context.session_id.as_deref();
        self.create_as.admit_create(session, &name)?;
        let snapshot = match catalog.create_table(&name.schema, &name.table, &spec).await {
            Ok(snapshot) => {
                self.transactions.release(&name);
                if let Some(session) = session {
                    self.fresh_tables.made(session, name.clone());
                }
                if let Some(column) = enum_column(&request.columns) {
                    self.create_as.made(session, &name, column);
                }
                snapshot
            }
            Err(Error::AlreadyExists(_)) if request.on_conflict == OnConflict::Ignore => self.existing(&name).await?,
            Err(error) => return Err(error.into()),
        };
        Ok(table_info(&name.catalog, &name.schema, &name.table, snapshot.as_ref(), None))
    }

    async fn existing(&self, name: &TableName) -> Answer<Arc<dyn Snapshot>> {
        Ok(self.catalog(&name.catalog)?.table(&name.schema, &name.table).await?.snapshot().await?)
    }

    pub(super) async fn drop_schema(&self, request: &DropSchema) -> Answer<Option<Vec<u8>>> {
        let dropped = self.catalog(&request.catalog_name)?.drop_schema(&request.schema_name).await;
        unless_missing(dropped, request.ignore_not_found)
    }

    pub(super) async fn drop_table(&self, context: &CallContext, request: &DropTable) -> Answer<Option<Vec<u8>>> {
        let name = TableName::new(&request.catalog_name, &request.schema_name, &request.table_name);
        let dropped = self.catalog(&name.catalog)?.drop_table(&name.schema, &name.table).await;
        self.transactions.release(&name);
        let was_listed_only = self.create_as.dropped(context.session_id.as_deref(), &name);
        unless_missing(dropped, request.ignore_not_found || was_listed_only)
    }
}

/// IF EXISTS.
fn unless_missing(dropped: Result<(), Error>, ignore_not_found: bool) -> Answer<Option<Vec<u8>>> {
    match dropped {
        Err(Error::NotFound(_)) if ignore_not_found => Ok(None),
        other => Ok(other.map(|()| None)?),
    }
}

/// Columns the client could not address.
fn refuse_columns(request: &CreateTable) -> Answer<()> {
    let refuse = |reason: &str| {
        Err(Error::InvalidArgument(format!("table {:?} was not made: {reason}", request.table_name)).into())
    };
    let fields = request.columns.fields();
    if fields.is_empty() {
        refuse("it has no columns")
    } else if fields.iter().any(|field| field.name().eq_ignore_ascii_case(ROW_ID_COLUMN)) {
        refuse("a column is called rowid, which is the name of the rows' own ids")
    } else if fields.iter().any(|field| field.name().is_empty()) {
        refuse("a column has an empty name")
    } else {
        Ok(())
    }
}

/// A constraint that would not be kept is refused, never silently dropped.
fn refuse_constraints(request: &CreateTable) -> Answer<()> {
    let named = [
        ("CHECK", !request.check_constraints.is_empty()),
        ("PRIMARY KEY", !request.primary_key.is_empty()),
        ("UNIQUE", !request.unique_constraints.is_empty()),
    ];
    match named.iter().find(|(_, present)| *present) {
        None => Ok(()),
        Some((kind, _)) => Err(Failure::Unsupported(format!(
            "{kind} constraints are not offered; table {:?} was not made: leave it out, NOT NULL is offered",
            request.table_name
        ))),
    }
}
