//! Where a table lies: its object store, rooted at the table, and its directory when that is local.

mod unhinted;

use std::{path::PathBuf, sync::Arc};

use delta_kernel::Engine;
use deltalake_core::logstore::{StorageConfig, logstore_with};
use object_store::{ObjectStore, local::LocalFileSystem, path::Path, prefix::PrefixStore};
use percent_encoding::percent_decode_str;
use url::Url;

use unhinted::Unhinted;

use crate::engine::{Error, Result};

/// One table's storage. Opening it does no I/O; the directory need not exist.
#[derive(Debug)]
pub(crate) struct TableStore {
    name: String,
    location: Url,
    objects: Arc<dyn ObjectStore>,
    local_root: Option<PathBuf>,
}

impl TableStore {
    /// The store of the table at `location`, a directory URL that ends with a slash.
    pub(crate) fn open(location: &Url) -> Result<Self> {
        if !location.path().ends_with('/') {
            return Err(Error::InvalidArgument(format!("table location '{location}' does not end with a slash")));
        }
        match location.scheme() {
            "file" => Self::open_local(location),
            other => Err(Error::Unsupported(format!("table locations of scheme '{other}' are not offered; use file"))),
        }
    }

    /// A store without a local directory, as object stores have none.
    #[cfg(test)]
    pub(crate) fn remote(location: Url, objects: Arc<dyn ObjectStore>) -> Self {
        Self { name: table_name(&location), location, objects, local_root: None }
    }

    fn open_local(location: &Url) -> Result<Self> {
        let invalid = || Error::InvalidArgument(format!("table location '{location}' is not a local path"));
        let root = location.to_file_path().map_err(|()| invalid())?;
        // Not `LocalFileSystem::new_with_prefix`: that one needs the directory to be there already.
        let prefix = Path::from_absolute_path(&root).map_err(|_| invalid())?;
        let objects = Arc::new(PrefixStore::new(LocalFileSystem::new(), prefix));
        Ok(Self { name: table_name(location), location: location.clone(), objects, local_root: Some(root) })
    }

    /// The table's name for messages: the last part of its location.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The table's root.
    pub(crate) fn location(&self) -> &Url {
        &self.location
    }

    /// The objects below the table's root.
    pub(crate) fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.objects
    }

    /// The table's directory, if it is on this machine.
    pub(crate) fn local_root(&self) -> Option<&std::path::Path> {
        self.local_root.as_deref()
    }

    /// What the kernel reads logs with. Must be called on a tokio runtime.
    pub(crate) fn engine(&self) -> Result<Arc<dyn Engine>> {
        self.engine_over(self.objects.clone())
    }

    /// The same, for a log whose `_last_checkpoint` names a checkpoint that is not there.
    pub(crate) fn engine_without_hint(&self) -> Result<Arc<dyn Engine>> {
        self.engine_over(Arc::new(Unhinted { inner: self.objects.clone() }))
    }

    fn engine_over(&self, objects: Arc<dyn ObjectStore>) -> Result<Arc<dyn Engine>> {
        let broken = |error| Error::internal(format!("cannot open the store of table '{}'", self.name), error);
        let logs = logstore_with(objects, &kernel_root(), StorageConfig::default()).map_err(broken)?;
        Ok(logs.engine(None))
    }
}

/// The table's root as the kernel sees it: the root of a store that begins at the table.
///
/// The kernel takes paths through URLs and back, which mangles directory names that hold `%`; so it never sees
/// one. The scheme tells it that listings come unsorted, as local ones do.
pub(crate) fn kernel_root() -> Url {
    Url::parse("file:///").expect("a constant that parses")
}

fn table_name(location: &Url) -> String {
    let last = location.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    percent_decode_str(last).decode_utf8_lossy().into_owned()
}
