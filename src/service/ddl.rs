//! What changes the catalog: CREATE and DROP of schemas and tables; ALTER TABLE is next door.

use std::sync::Arc;

use arrow::datatypes::Schema;

use super::{
    Airport,
    action::{contents_of, not_offered, table_info},
    attempts::{ActionDigest, Attempt, Outcome, Try},
    functions::holds_functions,
    status::{Answer, Failure},
    transactions::TableName,
};
use crate::{
    catalog::Catalog,
    engine::{Error, ROW_ID_COLUMN, Snapshot, TableSpec},
    protocol::{
        action::{ActionRequest, CreateSchema, CreateTable, DropSchema, DropTable, OnConflict, reply},
        headers::CallContext,
        types::{canonical_schema, enum_column},
    },
};

impl Airport {
    /// A change of the catalog, made once however often the client says it ([`super::attempts`]).
    ///
    /// It is seen through if the client goes away: the repetition finds it.
    pub(super) async fn change(
        self: &Arc<Self>,
        context: &CallContext,
        digest: ActionDigest,
        request: ActionRequest,
    ) -> Answer<Option<Vec<u8>>> {
        let mut this = Try::default();
        let attempt = match &context.session_id {
            Some(session) => {
                this.unknown_session = !self.attempts.knows(session);
                self.attempts.attempt(session, digest)
            }
            None => Attempt::new(Outcome::Undone.into()),
        };
        let (airport, context) = (Arc::clone(self), context.clone());
        let working = async move {
            let mut outcome = attempt.lock().await;
            match &*outcome {
                Outcome::Done(answer) => return Ok(answer.clone()),
                Outcome::Unknown { version } => (this.repeated, this.version) = (true, *version),
                Outcome::Undone => {}
            }
            *outcome = Outcome::Unknown { version: this.version };
            let answer = airport.try_change(&context, request, &mut this).await;
            *outcome = match &answer {
                Ok(body) => Outcome::Done(body.clone()),
                Err(failure) if failure.leaves_doubt() && (this.begun || this.repeated) => {
                    Outcome::Unknown { version: this.version }
                }
                Err(_) => Outcome::Undone,
            };
            answer
        };
        let died = |error| Failure::from(Error::internal("changing the catalog", error));
        tokio::spawn(working).await.unwrap_or_else(|error| Err(died(error)))
    }

    async fn try_change(
        &self,
        context: &CallContext,
        request: ActionRequest,
        this: &mut Try,
    ) -> Answer<Option<Vec<u8>>> {
        match request {
            ActionRequest::CreateSchema(request) => self.create_schema(&request).await.map(Some),
            ActionRequest::CreateTable(request) => self.create_table(context, request, this).await.map(Some),
            ActionRequest::DropSchema(request) => self.drop_schema(&request, this).await,
            ActionRequest::DropTable(request) => self.drop_table(context, &request, this).await,
            ActionRequest::Alter(request) => self.alter(context, request, this).await.map(Some),
            _ => Err(not_offered("this change")),
        }
    }

    async fn create_schema(&self, request: &CreateSchema) -> Answer<Vec<u8>> {
        let catalog = self.catalog(&request.catalog_name)?;
        if holds_functions(&request.schema) {
            // It is there, and IF NOT EXISTS does not reach the server.
            return Ok(reply::create_schema(&contents_of(catalog.as_ref(), &request.schema).await?));
        }
        match catalog.create_schema(&request.schema).await {
            // IF NOT EXISTS does not reach the server, and the client repeats calls that broke off: one that is there
            // is what was asked for.
            Err(Error::AlreadyExists(_)) if catalog.schemas().await?.contains(&request.schema) => {}
            made => made?,
        }
        Ok(reply::create_schema(&contents_of(catalog.as_ref(), &request.schema).await?))
    }

    async fn create_table(&self, context: &CallContext, request: CreateTable, this: &mut Try) -> Answer<Vec<u8>> {
        refuse_constraints(&request)?;
        refuse_columns(&request)?;
        self.limits.check_columns(&request.columns)?;
        let catalog = self.catalog(&request.catalog_name)?;
        let spec = TableSpec {
            schema: Arc::new(canonical_schema(&request.columns)?),
            partition_columns: Vec::new(),
            description: None,
            checks: request.check_constraints.clone(),
        };
        let name = TableName::new(&request.catalog_name, &request.schema_name, &request.table_name);
        if holds_functions(&name.schema) && !catalog.schemas().await?.contains(&name.schema) {
            return Err(Error::FailedPrecondition(format!(
                "schema {:?} holds the catalog's functions and no tables; make {:?} in another schema",
                name.schema, name.table
            ))
            .into());
        }
        self.create_as.admit_create(context.session_id.as_deref(), &name)?;
        this.begun = true;
        let snapshot = match catalog.create_table(&name.schema, &name.table, &spec).await {
            Ok(snapshot) => {
                self.made(context, &name, &request.columns);
                snapshot
            }
            Err(Error::AlreadyExists(_)) if request.on_conflict == OnConflict::Ignore => self.existing(&name).await?,
            Err(Error::AlreadyExists(reason)) if this.repeated => {
                let there = self.existing(&name).await?;
                if there.version() != 0 || there.schema() != spec.schema {
                    return Err(Error::AlreadyExists(reason).into());
                }
                self.made(context, &name, &request.columns);
                there
            }
            Err(error) => return Err(error.into()),
        };
        Ok(table_info(&name.catalog, &name.schema, &name.table, snapshot.as_ref()))
    }

    fn made(&self, context: &CallContext, name: &TableName, columns: &Schema) {
        self.transactions.release(context.session_id.as_deref(), name);
        if let Some(session) = &context.session_id {
            self.fresh_tables.made(session, name.clone());
        }
        if let Some(column) = enum_column(columns) {
            self.create_as.made(context.session_id.as_deref(), name, column);
        }
    }

    async fn existing(&self, name: &TableName) -> Answer<Arc<dyn Snapshot>> {
        Ok(self.catalog(&name.catalog)?.table(&name.schema, &name.table).await?.snapshot().await?)
    }

    async fn drop_schema(&self, request: &DropSchema, this: &mut Try) -> Answer<Option<Vec<u8>>> {
        if holds_functions(&request.schema_name) {
            let schema = &request.schema_name;
            return Err(Error::FailedPrecondition(format!(
                "schema {schema:?} holds the catalog's functions and stays"
            ))
            .into());
        }
        this.begun = true;
        let dropped = self.catalog(&request.catalog_name)?.drop_schema(&request.schema_name).await;
        unless_missing(dropped, request.ignore_not_found || this.repeated)
    }

    async fn drop_table(&self, context: &CallContext, request: &DropTable, this: &mut Try) -> Answer<Option<Vec<u8>>> {
        let catalog = self.catalog(&request.catalog_name)?;
        let table = spelled(catalog.as_ref(), &request.schema_name, &request.table_name).await?;
        let name = TableName::new(&request.catalog_name, &request.schema_name, &table);
        this.begun = true;
        let dropped = catalog.drop_table(&name.schema, &name.table).await;
        self.transactions.release(context.session_id.as_deref(), &name);
        let was_listed_only = self.create_as.dropped(context.session_id.as_deref(), &name);
        unless_missing(dropped, request.ignore_not_found || was_listed_only || this.repeated)
    }
}

/// A table's name as the catalog spells it: the client says it as the user did, and finds tables in any case.
pub(super) async fn spelled(catalog: &dyn Catalog, schema: &str, table: &str) -> Answer<String> {
    match catalog.table(schema, table).await {
        Err(Error::NotFound(_)) => {}
        other => return Ok(other.map(|_| table.to_owned())?),
    }
    let tables = match catalog.tables(schema).await {
        Err(Error::NotFound(_)) => Vec::new(),
        tables => tables?,
    };
    let folded = table.to_lowercase();
    let found = tables.into_iter().map(|table| table.name).find(|name| name.to_lowercase() == folded);
    Ok(found.unwrap_or_else(|| table.to_owned()))
}

/// IF EXISTS, and what an earlier try has dropped.
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
    let unkept = [("PRIMARY KEY", !request.primary_key.is_empty()), ("UNIQUE", !request.unique_constraints.is_empty())];
    match unkept.iter().find(|(_, stated)| *stated) {
        None => Ok(()),
        Some((kind, _)) => Err(Failure::Unsupported(format!(
            "{kind} is not offered, so table {:?} was not made: Delta has no unique constraint that a write could \
             enforce, as another writer may add the same key at the same time. Leave it out; NOT NULL and CHECK are \
             kept, and INSERT ... WHERE NOT EXISTS leaves out rows that are there",
            request.table_name
        ))),
    }
}
