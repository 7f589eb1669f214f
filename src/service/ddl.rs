//! CREATE and DROP of schemas and tables.

use std::sync::Arc;

use super::{
    Airport,
    action::table_info,
    status::{Answer, Failure},
    transactions::TableName,
};
use crate::{
    engine::{Error, Snapshot, TableSpec},
    protocol::{
        action::{
            CreateSchema, CreateTable, DropSchema, DropTable, OnConflict,
            reply::{self, Contents},
        },
        headers::CallContext,
        types::canonical_schema,
    },
};

impl Airport {
    pub(super) async fn create_schema(&self, request: &CreateSchema) -> Answer<Vec<u8>> {
        self.catalog(&request.catalog_name)?.create_schema(&request.schema).await?;
        Ok(reply::create_schema(&Contents::of_schema::<Vec<u8>>([])?))
    }

    pub(super) async fn create_table(&self, context: &CallContext, request: CreateTable) -> Answer<Vec<u8>> {
        refuse_constraints(&request)?;
        let catalog = self.catalog(&request.catalog_name)?;
        let spec = TableSpec {
            schema: Arc::new(canonical_schema(&request.columns)?),
            partition_columns: Vec::new(),
            description: None,
        };
        let name = TableName {
            catalog: request.catalog_name.clone(),
            schema: request.schema_name.clone(),
            table: request.table_name.clone(),
        };
        let snapshot = match catalog.create_table(&name.schema, &name.table, &spec).await {
            Ok(snapshot) => {
                self.transactions.release(&name);
                if let Some(session) = &context.session_id {
                    self.fresh_tables.made(session, name.clone());
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

    pub(super) async fn drop_table(&self, request: &DropTable) -> Answer<Option<Vec<u8>>> {
        let dropped = self.catalog(&request.catalog_name)?.drop_table(&request.schema_name, &request.table_name).await;
        self.transactions.release(&TableName {
            catalog: request.catalog_name.clone(),
            schema: request.schema_name.clone(),
            table: request.table_name.clone(),
        });
        unless_missing(dropped, request.ignore_not_found)
    }
}

/// IF EXISTS.
fn unless_missing(dropped: Result<(), Error>, ignore_not_found: bool) -> Answer<Option<Vec<u8>>> {
    match dropped {
        Err(Error::NotFound(_)) if ignore_not_found => Ok(None),
        other => Ok(other.map(|()| None)?),
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
