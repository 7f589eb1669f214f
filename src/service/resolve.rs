//! From what a call names to what it works on.

use std::sync::Arc;

use tonic::metadata::{KeyAndValueRef, MetadataMap};

use super::{Airport, action::client_columns, status::Answer, transactions::TableName};
use crate::{
    catalog::Catalog,
    engine::{Error, Snapshot, Table},
    protocol::{descriptor::TableReference, headers::CallContext, shape::Shape},
};

/// A table as one call sees it.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) name: TableName,
    pub(super) table: Arc<dyn Table>,
    pub(super) snapshot: Arc<dyn Snapshot>,
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
    /// The descriptor says which columns the client believes in: one that has changed since is refused, because
    /// the client would read and write the wrong ones.
    pub(super) async fn resolve(&self, context: &CallContext, table_ref: &TableReference) -> Answer<Resolved> {
        let table = self.catalog(&table_ref.catalog)?.table(&table_ref.schema, &table_ref.table).await?;
        let name = TableName::from(table_ref);
        let transaction = context.transaction_id.as_deref();
        let snapshot = self.transactions.snapshot(transaction, &name, table.as_ref()).await?;
        if Shape::of(&client_columns(&snapshot.schema())) == table_ref.shape {
            Ok(Resolved { name, table, snapshot })
        } else {
            Err(changed_shape(&name).into())
        }
    }
}

impl From<&TableReference> for TableName {
    fn from(table_ref: &TableReference) -> Self {
        Self::new(&table_ref.catalog, &table_ref.schema, &table_ref.table)
    }
}

fn changed_shape(name: &TableName) -> Error {
    Error::FailedPrecondition(format!(
        "the columns of {name} have changed since it was attached; DETACH and ATTACH again"
    ))
}

/// What a call's headers say.
pub(super) fn context_of(metadata: &MetadataMap) -> CallContext {
    CallContext::from_headers(metadata.iter().filter_map(|entry| match entry {
        KeyAndValueRef::Ascii(name, value) => Some((name.as_str(), value.to_str().ok()?)),
        KeyAndValueRef::Binary(..) => None,
    }))
}
