//! A catalog that is a directory: `ROOT/<schema>/<table>`, and `ROOT/<table>` in schema `public`.
//!
//! Nothing is cached but what the table format keeps of each table: a listing is a walk over two levels, so tables
//! made or removed by others are seen at the next ATTACH. Symbolic links are followed: they are the operator's.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use tracing::warn;
use url::Url;
use uuid::Uuid;

use super::{
    Catalog, CatalogTable, ROOT_SCHEMA,
    names::{self, Kind},
};
use crate::engine::{Error, Result, Snapshot, Table, TableFormat, TableSpec};

/// What a dropped table's directory is called until its bytes are gone. Hidden, so that no listing shows it.
const DROPPED_PREFIX: &str = ".deltaport-dropped-";

/// The schema DuckDB's client cannot address: it answers "schema main does not exist" itself.
const UNADDRESSABLE_SCHEMA: &str = "main";

/// A catalog in a local directory.
#[derive(Debug)]
pub struct DirectoryCatalog {
    name: String,
    root: PathBuf,
    format: Arc<dyn TableFormat>,
    generation: AtomicU64,
}

impl DirectoryCatalog {
    /// Opens the directory and clears away what interrupted drops left.
    ///
    /// # Errors
    /// `NotFound` if `root` is no directory; `InvalidArgument` if the catalog's name cannot be one.
    pub fn open(name: &str, root: &Path, format: Arc<dyn TableFormat>) -> Result<Self> {
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(Error::InvalidArgument(format!("catalog name {name:?} is empty or holds control characters")));
        }
        let root = fs::canonicalize(root)
            .ok()
            .filter(|root| root.is_dir())
            .ok_or_else(|| Error::NotFound(format!("catalog {name:?}: {} is not a directory", root.display())))?;
        remove_dropped(&root);
        Ok(Self { name: name.to_owned(), root, format, generation: AtomicU64::new(first_generation()) })
    }

    /// Where a schema's new tables go.
    fn schema_dir(&self, schema: &str) -> Result<PathBuf> {
        names::check(Kind::Schema, schema)?;
        if schema == ROOT_SCHEMA {
            return Ok(self.root.clone());
        }
        let dir = self.root.join(schema);
        if self.is_schema(&dir) { Ok(dir) } else { Err(self.no_schema(schema)) }
    }

    /// Where a schema's tables may lie, the preferred place first: a directory `public` belongs to schema `public`
    /// beside the root's own tables.
    fn schema_dirs(&self, schema: &str) -> Result<Vec<PathBuf>> {
        let mut dirs = vec![self.schema_dir(schema)?];
        let public = self.root.join(ROOT_SCHEMA);
        if schema == ROOT_SCHEMA && self.is_schema(&public) {
            dirs.push(public);
        }
        Ok(dirs)
    }

    fn is_schema(&self, dir: &Path) -> bool {
        dir.is_dir() && !self.is_table(dir)
    }

    fn is_table(&self, dir: &Path) -> bool {
        location(dir).is_ok_and(|location| self.format.exists(&location))
    }

    /// The directory of a table that exists.
    fn table_dir(&self, schema: &str, table: &str) -> Result<PathBuf> {
        names::check(Kind::Table, table)?;
        let places = self.schema_dirs(schema)?.into_iter().map(|dir| dir.join(table));
        places.into_iter().find(|dir| self.is_table(dir)).ok_or_else(|| self.no_table(schema, table))
    }

    /// Schemas, or tables of a schema, by a walk over one directory.
    fn list(&self, dir: &Path, kind: Kind) -> Result<BTreeSet<String>> {
        let wanted = |path: &Path| match kind {
            Kind::Table => self.is_table(path),
            Kind::Schema => path.is_dir() && !self.is_table(path),
        };
        let entries = fs::read_dir(dir).map_err(|e| Error::internal(format!("listing {}", dir.display()), e))?;
        Ok(entries.flatten().filter_map(|e| visible_name(kind, &e)).filter(|name| wanted(&dir.join(name))).collect())
    }

    /// The name that stands where a new schema or table should, in any case.
    fn taken(&self, dir: &Path, name: &str) -> Option<String> {
        let folded = name.to_lowercase();
        let entries = fs::read_dir(dir).ok()?;
        entries.flatten().filter_map(|e| e.file_name().into_string().ok()).find(|n| n.to_lowercase() == folded)
    }

    fn refuse_taken(&self, kind: Kind, dir: &Path, name: &str) -> Result<()> {
        match self.taken(dir, name) {
            None => Ok(()),
            Some(other) if other == name => {
                Err(Error::AlreadyExists(format!("{} {name:?} already exists, or its directory is taken", kind.noun())))
            }
            Some(other) => Err(Error::AlreadyExists(format!(
                "{} {name:?} differs from the existing {other:?} in case only",
                kind.noun()
            ))),
        }
    }

    fn changed(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    fn no_schema(&self, schema: &str) -> Error {
        Error::NotFound(format!("catalog {:?} has no schema {schema:?}", self.name))
    }

    fn no_table(&self, schema: &str, table: &str) -> Error {
        Error::NotFound(format!("schema {schema:?} of catalog {:?} has no table {table:?}", self.name))
    }
}

#[async_trait]
impl Catalog for DirectoryCatalog {
    fn name(&self) -> &str {
        &self.name
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    async fn schemas(&self) -> Result<Vec<String>> {
        let mut schemas = self.list(&self.root, Kind::Schema)?;
        if schemas.remove(UNADDRESSABLE_SCHEMA) {
            warn!(catalog = self.name, "schema \"main\" is left out: DuckDB cannot address it; rename its directory");
        }
        schemas.insert(ROOT_SCHEMA.to_owned());
        Ok(without_case_twins(Kind::Schema, schemas).into_iter().collect())
    }

    async fn tables(&self, schema: &str) -> Result<Vec<CatalogTable>> {
        let mut names = BTreeSet::new();
        for dir in self.schema_dirs(schema)? {
            names.extend(self.list(&dir, Kind::Table)?);
        }
        let open = |name: String| {
            let table = self.format.table(&location(&self.table_dir(schema, &name)?)?)?;
            Ok(CatalogTable { name, table })
        };
        without_case_twins(Kind::Table, names).into_iter().map(open).collect()
    }

    async fn table(&self, schema: &str, table: &str) -> Result<Arc<dyn Table>> {
        self.format.table(&location(&self.table_dir(schema, table)?)?)
    }

    async fn create_schema(&self, schema: &str) -> Result<()> {
        names::check(Kind::Schema, schema)?;
        if schema.eq_ignore_ascii_case(UNADDRESSABLE_SCHEMA) {
            return Err(Error::InvalidArgument(
                "schema \"main\" cannot be addressed through ATTACH; choose another name".to_owned(),
            ));
        }
        if schema == ROOT_SCHEMA {
            return Err(Error::AlreadyExists(format!("schema {schema:?} already exists")));
        }
        self.refuse_taken(Kind::Schema, &self.root, schema)?;
        let dir = self.root.join(schema);
        fs::create_dir(&dir)
            .and_then(|()| sync_dir(&self.root))
            .map_err(|e| Error::internal(format!("making schema {schema:?}"), e))?;
        self.changed();
        Ok(())
    }

    async fn drop_schema(&self, schema: &str) -> Result<()> {
        let dir = self.schema_dir(schema)?;
        if schema == ROOT_SCHEMA {
            return Err(Error::FailedPrecondition("schema \"public\" is the catalog's root and stays".to_owned()));
        }
        fs::remove_dir(&dir).and_then(|()| sync_dir(&self.root)).map_err(|e| match e.kind() {
            io::ErrorKind::DirectoryNotEmpty => Error::FailedPrecondition(format!(
                "schema {schema:?} is not empty; drop its tables first (CASCADE does not reach the server)"
            )),
            io::ErrorKind::NotFound => self.no_schema(schema),
            _ => Error::internal(format!("dropping schema {schema:?}"), e),
        })?;
        self.changed();
        Ok(())
    }

    async fn create_table(&self, schema: &str, table: &str, spec: &TableSpec) -> Result<Arc<dyn Snapshot>> {
        names::check(Kind::Table, table)?;
        for dir in self.schema_dirs(schema)? {
            self.refuse_taken(Kind::Table, &dir, table)?;
        }
        let dir = self.schema_dir(schema)?;
        let snapshot = self.format.create(&location(&dir.join(table))?, spec).await?;
        self.changed();
        Ok(snapshot)
    }

    async fn rename_table(&self, schema: &str, table: &str, new_name: &str) -> Result<()> {
        names::check(Kind::Table, new_name)?;
        let dir = self.table_dir(schema, table)?;
        for place in self.schema_dirs(schema)? {
            self.refuse_taken(Kind::Table, &place, new_name)?;
        }
        let parent = dir.parent().unwrap_or(&self.root);
        let renamed = parent.join(new_name);
        // Both names are in one directory, so one sync makes both durable. A directory that has taken the new name
        // meanwhile is in the way unless it is empty: then it is no table yet, and whoever makes one there finds this.
        fs::rename(&dir, &renamed).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                Error::AlreadyExists(format!("table {new_name:?} already exists, or its directory is taken"))
            }
            io::ErrorKind::NotFound => self.no_table(schema, table),
            _ => Error::internal(format!("renaming table {table:?} of schema {schema:?}"), error),
        })?;
        // From here on the table has its new name for everybody.
        self.format.forget(&location(&dir)?);
        self.format.forget(&location(&renamed)?);
        self.changed();
        sync_dir(parent)
            .map_err(|error| Error::internal(format!("renaming table {table:?} of schema {schema:?}"), error))
    }

    async fn drop_table(&self, schema: &str, table: &str) -> Result<()> {
        let dir = self.table_dir(schema, table)?;
        let failed = |e| Error::internal(format!("dropping table {table:?} of schema {schema:?}"), e);
        let grave = self.root.join(format!("{DROPPED_PREFIX}{}", Uuid::new_v4()));
        let parent = dir.parent().unwrap_or(&self.root).to_owned();
        // The rename is the drop: from here on the table is gone for everybody, whatever happens to its bytes.
        fs::rename(&dir, &grave).and_then(|()| sync_dir(&parent)).map_err(failed)?;
        self.format.forget(&location(&dir)?);
        self.changed();
        let removal = tokio::task::spawn_blocking(move || (fs::remove_dir_all(&grave), grave));
        if let Ok((Err(error), grave)) = removal.await {
            warn!(%error, path = %grave.display(), "a dropped table's files could not be removed; the next start tries again");
        }
        Ok(())
    }
}

/// A directory as the URL the table format takes: with a slash at its end.
fn location(dir: &Path) -> Result<Url> {
    Url::from_directory_path(dir)
        .map_err(|()| Error::InvalidArgument(format!("{} is not an absolute path", dir.display())))
}

/// An entry's name, unless it is hidden, not UTF-8 or otherwise no name of a schema or table.
fn visible_name(kind: Kind, entry: &fs::DirEntry) -> Option<String> {
    let name = entry.file_name().into_string().ok()?;
    (names::check(kind, &name).is_ok()).then_some(name)
}

/// Leaves out names that DuckDB, which folds case, would take for another one.
fn without_case_twins(kind: Kind, names: BTreeSet<String>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let keep = |name: &String| {
        let first = seen.insert(name.to_lowercase());
        if !first {
            warn!(name, "this {} is left out: its name differs from another's in case only", kind.noun());
        }
        first
    };
    names.into_iter().filter(keep).collect()
}

/// Makes a directory's entries durable.
fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

fn remove_dropped(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    let dropped = |e: &fs::DirEntry| e.file_name().to_string_lossy().starts_with(DROPPED_PREFIX);
    for entry in entries.flatten().filter(dropped) {
        if let Err(error) = fs::remove_dir_all(entry.path()) {
            warn!(%error, path = %entry.path().display(), "a dropped table's files could not be removed");
        }
    }
}

/// Microseconds since 1970: above what an earlier run of the server gave, so that clients notice a restart.
fn first_generation() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_micros()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
