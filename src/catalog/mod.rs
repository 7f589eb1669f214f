//! Which schemas and tables exist. Knows names and places, nothing of the wire or of a table's insides.

#[cfg(test)]
pub(crate) mod contract;
mod directory;
mod names;

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;

pub use directory::DirectoryCatalog;

use crate::engine::{Result, Snapshot, Table, TableSpec};

/// The schema of tables that lie directly under a catalog's root.
pub const ROOT_SCHEMA: &str = "public";

/// A set of schemas with tables in them. Names match exactly; two names that differ in case only cannot both be
/// seen by DuckDB, so no catalog lists or makes such a pair.
#[async_trait]
pub trait Catalog: Debug + Send + Sync + 'static {
    /// The name clients attach.
    fn name(&self) -> &str;

    /// Changes whenever this server changes the set of schemas or tables, never falls, and costs nothing.
    fn generation(&self) -> u64;

    /// All schemas, sorted; the root schema is always among them.
    async fn schemas(&self) -> Result<Vec<String>>;

    /// The tables of a schema, sorted by name. A handle does not promise that its table can be read.
    ///
    /// # Errors
    /// `NotFound` if there is no such schema.
    async fn tables(&self, schema: &str) -> Result<Vec<CatalogTable>>;

    /// One table.
    ///
    /// # Errors
    /// `NotFound` if there is no such schema or table; `InvalidArgument` if the name can never be one.
    async fn table(&self, schema: &str, table: &str) -> Result<Arc<dyn Table>>;

    /// Makes a schema, durably.
    ///
    /// # Errors
    /// `AlreadyExists`; `InvalidArgument` if the name cannot be one, with the reason.
    async fn create_schema(&self, schema: &str) -> Result<()>;

    /// Removes an empty schema.
    ///
    /// # Errors
    /// `NotFound`; `FailedPrecondition` if it still holds tables, or is the root schema.
    async fn drop_schema(&self, schema: &str) -> Result<()>;

    /// Makes an empty table, durably.
    ///
    /// # Errors
    /// `NotFound` if there is no such schema; `AlreadyExists`; `InvalidArgument` if the name cannot be one; and
    /// those of [`crate::engine::TableFormat::create`].
    async fn create_table(&self, schema: &str, table: &str, spec: &TableSpec) -> Result<Arc<dyn Snapshot>>;

    /// Gives a table another name in its schema, durably, at once for every reader of the catalog. Handles and
    /// snapshots of the old name find nothing any more; a scan that is under way fails at the next file it opens.
    ///
    /// # Errors
    /// `NotFound`; `AlreadyExists`; `InvalidArgument` if the new name cannot be one. After `Internal` it may have the
    /// new name.
    async fn rename_table(&self, schema: &str, table: &str, new_name: &str) -> Result<()>;

    /// Removes a table and its files: at once for every reader of the catalog, then its bytes.
    ///
    /// # Errors
    /// `NotFound`.
    async fn drop_table(&self, schema: &str, table: &str) -> Result<()>;
}

/// A table's name and handle.
#[derive(Debug, Clone)]
pub struct CatalogTable {
    /// Its name within the schema.
    pub name: String,
    /// Its handle.
    pub table: Arc<dyn Table>,
}
