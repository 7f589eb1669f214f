//! From what a call names to what it works on.

use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use tonic::metadata::{KeyAndValueRef, MetadataMap};

use super::{
    Airport,
    action::client_columns,
    status::Answer,
    transactions::{TableName, replaced},
};
use crate::{
    catalog::Catalog,
    engine::{self, Error, Snapshot, Table},
    protocol::{action::AtClause, descriptor::TableReference, headers::CallContext, shape::Shape, ticket::ScanTicket},
};

/// A table as one call that reads sees it.
#[derive(Debug)]
pub(super) struct Readable {
    pub(super) snapshot: Arc<dyn Snapshot>,
    /// The columns the client knows: those of the snapshot, or the first of them.
    pub(super) columns: SchemaRef,
}

impl Airport {
    /// A catalog by the name clients attach.
    pub(super) fn catalog(&self, name: &str) -> Answer<&Arc<dyn Catalog>> {
        let found = self.catalogs.iter().find(|catalog| catalog.name() == name);
        Ok(found.ok_or_else(|| {
            let known: Vec<_> = self.catalogs.iter().map(|catalog| format!("{:?}", catalog.name())).collect();
            Error::NotFound(format!("no catalog is called {name:?}; this server has {}", known.join(", ")))
        })?)
    }

    /// The table a descriptor names, at the version the call's transaction sees.
    ///
    /// The descriptor says which columns the client believes in: if these are not the table's, the client would
    /// write the wrong ones, and it is refused.
    pub(super) async fn resolve(&self, context: &CallContext, table_ref: &TableReference) -> Answer<Arc<dyn Snapshot>> {
        let (name, snapshot) = self.pinned(context, table_ref).await?;
        let columns = known_columns(&name, snapshot.as_ref(), table_ref)?;
        match snapshot.schema().fields().get(columns.fields().len()..) {
            Some([]) => Ok(snapshot),
            added => Err(added_columns(&name, added.unwrap_or_default()).into()),
        }
    }

    /// The table a descriptor names, for reading: at the version the call's transaction sees, or at another one.
    ///
    /// Columns that were added behind those the client knows do not keep it from reading.
    pub(super) async fn readable(
        &self,
        context: &CallContext,
        table_ref: &TableReference,
        at: AtClause,
    ) -> Answer<Readable> {
        let (name, snapshot) = match at {
            AtClause::Absent => self.pinned(context, table_ref).await?,
            at => self.travel(table_ref, at).await?,
        };
        Ok(Readable { columns: known_columns(&name, snapshot.as_ref(), table_ref)?, snapshot })
    }

    /// The version a scan was planned on. The ticket says which, whatever the call's transaction sees by now.
    pub(super) async fn planned(&self, context: &CallContext, ticket: &ScanTicket) -> Answer<Readable> {
        let (name, table) = self.table(&ticket.table).await?;
        let is_planned = |snapshot: &Arc<dyn Snapshot>| {
            snapshot.version() == ticket.version && snapshot.table_id() == ticket.table_id
        };
        let ready = self.transactions.ready(context.transaction_id.as_deref(), &name).filter(is_planned);
        let snapshot = match ready {
            Some(snapshot) => snapshot,
            None => table.snapshot_at(ticket.version).await?,
        };
        if !is_planned(&snapshot) {
            return Err(replaced(&name).into());
        }
        Ok(Readable { columns: known_columns(&name, snapshot.as_ref(), &ticket.table)?, snapshot })
    }

    /// The table a descriptor names, as it is at an [`AtClause`]: what its transaction sees plays no part.
    pub(super) async fn travel(
        &self,
        table_ref: &TableReference,
        at: AtClause,
    ) -> Answer<(TableName, Arc<dyn Snapshot>)> {
        let (name, table) = self.table(table_ref).await?;
        // The newest is looked at in any case, so that a table that took this one's place is noticed.
        let newest = table.snapshot().await?;
        let snapshot = match at {
            AtClause::Version(version) if version != newest.version() => table.snapshot_at(version).await?,
            AtClause::Timestamp(time_us) => table.snapshot_as_of(time_us).await?,
            AtClause::Version(_) | AtClause::Absent => newest,
        };
        Ok((name, snapshot))
    }

    /// The table a descriptor names, at the version the call's transaction sees.
    async fn pinned(
        &self,
        context: &CallContext,
        table_ref: &TableReference,
    ) -> Answer<(TableName, Arc<dyn Snapshot>)> {
        let (name, table) = self.table(table_ref).await?;
        let transaction = context.transaction_id.as_deref();
        let snapshot = self.transactions.snapshot(transaction, &name, table.as_ref()).await?;
        Ok((name, snapshot))
    }

    /// The table of a name the client was told once.
    async fn table(&self, table_ref: &TableReference) -> Answer<(TableName, Arc<dyn Table>)> {
        match self.catalog(&table_ref.catalog)?.table(&table_ref.schema, &table_ref.table).await {
            Ok(table) => Ok((TableName::from(table_ref), table)),
            Err(Error::NotFound(text)) => {
                Err(Error::NotFound(format!("{text}: it was dropped or renamed since it was attached")).into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl From<&TableReference> for TableName {
    fn from(table_ref: &TableReference) -> Self {
        Self::new(&table_ref.catalog, &table_ref.schema, &table_ref.table)
    }
}

/// The columns of a snapshot that the client knows: all of them, or the first ones.
fn known_columns(name: &TableName, snapshot: &dyn Snapshot, table_ref: &TableReference) -> engine::Result<SchemaRef> {
    let schema = snapshot.schema();
    let told = client_columns(&schema);
    if Shape::of(&told) == table_ref.shape {
        return Ok(schema);
    }
    let known = table_ref.shape.leading_columns(&told).ok_or_else(|| changed_columns(name))?;
    Ok(Arc::new(Schema::new(schema.fields()[..known].to_vec())))
}

fn changed_columns(name: &TableName) -> Error {
    Error::FailedPrecondition(format!(
        "columns of {name} were renamed, dropped, moved or got other types since it was attached, or the table was made \
         anew; DETACH and ATTACH again"
    ))
}

fn added_columns(name: &TableName, added: &[FieldRef]) -> Error {
    let added: Vec<_> = added.iter().map(|field| format!("{:?}", field.name())).collect();
    Error::FailedPrecondition(format!(
        "{name} was given the columns {} since it was attached; DETACH and ATTACH again to write to it",
        added.join(", ")
    ))
}

/// What a call's headers say.
pub(super) fn context_of(metadata: &MetadataMap) -> CallContext {
    CallContext::from_headers(metadata.iter().filter_map(|entry| match entry {
        KeyAndValueRef::Ascii(name, value) => Some((name.as_str(), value.to_str().ok()?)),
        KeyAndValueRef::Binary(..) => None,
    }))
}
