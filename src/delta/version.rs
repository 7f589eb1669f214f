//! One version of a table, as the table's cache keeps it: definition at once, files when first needed.

use std::sync::{Arc, Mutex, PoisonError};

use delta_kernel::SnapshotRef;
use tokio::sync::OnceCell;

use super::{
    actions::CommitChanges,
    definition::Definition,
    index::FileIndex,
    log::{CommitIdentity, Log},
    replay::{Replayed, replay_files},
    store::TableStore,
};
use crate::engine::{Error, Result};

/// A version; never changes but for what it has loaded.
#[derive(Debug)]
pub(crate) struct Version {
    number: u64,
    identity: Option<CommitIdentity>,
    definition: Arc<Definition>,
    files: OnceCell<Arc<FileIndex>>,
    /// Saves listing the log again when the files are loaded; given up then.
    kernel: Mutex<Option<SnapshotRef>>,
}

impl Version {
    /// A version that was read from nothing.
    pub(crate) fn replayed(replayed: Replayed) -> Self {
        let Replayed { version, identity, definition, kernel } = replayed;
        Self { number: version, identity, definition, files: OnceCell::new(), kernel: Mutex::new(Some(kernel)) }
    }

    /// The version after this one.
    ///
    /// # Errors
    /// `None` if the commit says something this way of advancing does not understand: load it from nothing.
    pub(crate) fn next(
        &self,
        table: &str,
        changes: CommitChanges,
        identity: Option<CommitIdentity>,
    ) -> Result<Option<Self>> {
        let files = match self.files.get().map(|files| files.apply(&changes)) {
            Some(Ok(files)) => OnceCell::new_with(Some(Arc::new(files))),
            Some(Err(_)) => return Ok(None),
            None => OnceCell::new(),
        };
        let definition = match changes {
            CommitChanges { protocol: None, metadata: None, .. } => self.definition.clone(),
            CommitChanges { protocol, metadata, .. } => Arc::new(self.definition.changed(table, protocol, metadata)?),
        };
        Ok(Some(Self { number: self.number + 1, identity, definition, files, kernel: Mutex::new(None) }))
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Which file is the version's commit; `None` if it has been cleaned behind a checkpoint.
    pub(crate) fn identity(&self) -> Option<&CommitIdentity> {
        self.identity.as_ref()
    }

    pub(crate) fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// The live files, loaded once.
    ///
    /// # Errors
    /// `FailedPrecondition` if the table was dropped and made again since the version was opened.
    pub(crate) async fn files(&self, store: &TableStore, log: &Log) -> Result<&Arc<FileIndex>> {
        self.files.get_or_try_init(|| self.load_files(store, log)).await
    }

    async fn load_files(&self, store: &TableStore, log: &Log) -> Result<Arc<FileIndex>> {
        let kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner).take();
        let files = replay_files(store, self.number, kernel).await;
        // Checked afterwards, and before a failure is believed: the log may have changed under the reading.
        if self.identity.is_some() && log.identity(self.number).await? != self.identity {
            return Err(Error::FailedPrecondition(format!(
                "version {} of table '{}' is no longer there: the table was replaced or its log was cleaned",
                self.number,
                store.name()
            )));
        }
        Ok(Arc::new(files?))
    }
}
