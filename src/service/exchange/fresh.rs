//! The table that a CREATE TABLE AS has made: it goes again if the insert that follows fails.

use std::sync::Arc;

use crate::{
    catalog::Catalog,
    engine::Result,
    protocol::headers::CallContext,
    service::{Airport, status::Answer, transactions::TableName},
};

/// A table made by the same statement or transaction: unless kept, it is dropped again.
pub(super) struct FreshTable {
    airport: Arc<Airport>,
    session: String,
    catalog: Arc<dyn Catalog>,
    name: TableName,
    kept: bool,
}

impl FreshTable {
    /// The table, if this call's transaction has just made it.
    pub(super) fn of(airport: &Arc<Airport>, context: &CallContext, name: TableName) -> Answer<Option<Self>> {
        let (Some(session), Some(_)) = (&context.session_id, &context.transaction_id) else { return Ok(None) };
        let catalog = Arc::clone(airport.catalog(&name.catalog)?);
        // Never made for another table, not even to be thrown away: dropping one drops its table.
        let (airport, is_fresh) = (Arc::clone(airport), airport.fresh_tables.take(session, &name));
        Ok(is_fresh.then(|| Self { airport, session: session.clone(), catalog, name, kept: false }))
    }

    /// The insert has been committed.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for FreshTable {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        self.airport.create_as.failed(Some(&self.session), &self.name);
        let (catalog, name) = (Arc::clone(&self.catalog), self.name.clone());
        tokio::spawn(async move {
            if let Err(error) = remove_if_untouched(catalog.as_ref(), &name).await {
                tracing::warn!(%error, table = %name, "the empty table of a failed CREATE TABLE AS stays");
            }
        });
    }
}

/// Drops a table nobody has written to since it was made.
async fn remove_if_untouched(catalog: &dyn Catalog, name: &TableName) -> Result<()> {
    let table = catalog.table(&name.schema, &name.table).await?;
    if table.snapshot().await?.version() == 0 {
        catalog.drop_table(&name.schema, &name.table).await?;
    }
    Ok(())
}
