//! One version of a table, as the table's cache keeps it: definition at once, files when first needed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use delta_kernel::SnapshotRef;
use tokio::sync::OnceCell;

use super::{
    actions::CommitChanges,
    definition::Definition,
    index::FileIndex,
    log::{CommitIdentity, Log},
    replay::{Replayed, replay_files, replay_highest_row_id},
    scan::{self, ColumnSummary},
    store::TableStore,
};
use crate::engine::{Error, Result};

/// How many commits may lie between a version and the one that its files would be derived from. It bounds what
/// a table that is only ever written to keeps of its commits.
const DERIVED_COMMITS_MAX: usize = 100;

/// A version; never changes but for what it has loaded.
#[derive(Debug)]
pub(crate) struct Version {
    number: u64,
    identity: Option<CommitIdentity>,
    definition: Arc<Definition>,
    files: OnceCell<Arc<FileIndex>>,
    highest_row_id: OnceCell<i64>,
    origin: Mutex<Origin>,
}

/// Where the files of a version that has not loaded them come from.
#[derive(Debug, Clone)]
enum Origin {
    /// From the whole log; the kernel's snapshot saves listing it again.
    Log(Option<SnapshotRef>),
    /// From those of an earlier version. While a table is written to faster than its files can be listed, this
    /// is what makes one listing do for all readers.
    Version { earlier: Arc<Version>, changes: Arc<CommitChanges>, distance: usize },
}

impl Version {
    /// A version that was read from nothing.
    pub(crate) fn replayed(replayed: Replayed) -> Self {
        let Replayed { version, identity, definition, kernel } = replayed;
        Self::new(version, identity, definition, OnceCell::new(), Origin::Log(Some(kernel)))
    }

    fn new(
        number: u64,
        identity: Option<CommitIdentity>,
        definition: Arc<Definition>,
        files: OnceCell<Arc<FileIndex>>,
        origin: Origin,
    ) -> Self {
        Self { number, identity, definition, files, highest_row_id: OnceCell::new(), origin: Mutex::new(origin) }
    }

    /// The version after this one; `None` if the commit says something this way of advancing does not
    /// understand: load it from nothing.
    pub(crate) fn next(
        self: &Arc<Self>,
        table: &str,
        changes: CommitChanges,
        identity: Option<CommitIdentity>,
    ) -> Result<Option<Self>> {
        let definition = match (&changes.protocol, &changes.metadata) {
            (None, None) => self.definition.clone(),
            (protocol, metadata) => Arc::new(self.definition.changed(table, protocol.clone(), metadata.clone())?),
        };
        let highest_row_id = changes.highest_row_id.or(self.highest_row_id.get().copied());
        let (files, origin) = match self.files.get() {
            Some(files) => match files.apply(&changes) {
                Ok(files) => (OnceCell::new_with(Some(Arc::new(files))), Origin::Log(None)),
                Err(_) => return Ok(None),
            },
            None => (OnceCell::new(), self.origin_of_next(changes)),
        };
        let next = Self::new(self.number + 1, identity, definition, files, origin);
        Ok(Some(Self { highest_row_id: OnceCell::new_with(highest_row_id), ..next }))
    }

    fn origin_of_next(self: &Arc<Self>, changes: CommitChanges) -> Origin {
        let distance = match &*lock(&self.origin) {
            Origin::Log(_) => 1,
            Origin::Version { distance, .. } => distance + 1,
        };
        if distance > DERIVED_COMMITS_MAX {
            return Origin::Log(None);
        }
        Origin::Version { earlier: self.clone(), changes: Arc::new(changes), distance }
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
        let files = self.files.get_or_try_init(|| self.load(store, log)).await?;
        // Lets go of the versions before.
        *lock(&self.origin) = Origin::Log(None);
        Ok(files)
    }

    /// How many live files there are, as far as they were looked at.
    pub(crate) fn files_known(&self) -> usize {
        self.files.get().map_or(0, |files| files.len())
    }

    /// The highest row id given so far, by the log; [`NO_ROW_ID`](super::actions::NO_ROW_ID) if there is none.
    pub(crate) async fn highest_row_id(&self, store: &TableStore) -> Result<i64> {
        let read = || replay_highest_row_id(store, self.number);
        self.highest_row_id.get_or_try_init(read).await.copied()
    }

    async fn load(&self, store: &TableStore, log: &Log) -> Result<Arc<FileIndex>> {
        let kernel = match self.origin() {
            Origin::Log(kernel) => kernel,
            Origin::Version { earlier, changes, .. } => match derive(earlier, changes, store, log).await {
                Some(files) => return Ok(Arc::new(files)),
                None => None,
            },
        };
        self.load_from_log(store, log, kernel).await
    }

    async fn load_from_log(
        &self,
        store: &TableStore,
        log: &Log,
        kernel: Option<SnapshotRef>,
    ) -> Result<Arc<FileIndex>> {
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

    fn origin(&self) -> Origin {
        lock(&self.origin).clone()
    }

    /// What the log knows of the column `index`; looks through all files for it once, and then through new ones.
    pub(crate) async fn summary(&self, index: usize, store: &TableStore, log: &Log) -> Result<ColumnSummary> {
        let (files, definition) = (self.files(store, log).await?.clone(), self.definition.clone());
        let find = move || scan::summary(&files, definition.schema(), index);
        let context = || format!("cannot read the statistics of table '{}'", store.name());
        // The first time, hundreds of nanoseconds a file, or a few microseconds.
        tokio::task::spawn_blocking(find).await.map_err(|died| Error::internal(context(), died))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is replaced as a whole, so a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The files after `changes` to those of `earlier`; `None` if they cannot be had this way.
async fn derive(
    mut earlier: Arc<Version>,
    changes: Arc<CommitChanges>,
    store: &TableStore,
    log: &Log,
) -> Option<FileIndex> {
    let mut commits = vec![changes];
    let first = loop {
        match (earlier.files.get(), earlier.origin()) {
            (Some(files), _) => break files.clone(),
            (None, Origin::Version { earlier: before, changes, .. }) => {
                commits.push(changes);
                earlier = before;
            }
            (None, Origin::Log(kernel)) => {
                let loaded = earlier.files.get_or_try_init(|| earlier.load_from_log(store, log, kernel)).await;
                break loaded.ok()?.clone();
            }
        }
    };
    let (last, rest) = commits.split_first()?;
    let mut files = first;
    for changes in rest.iter().rev() {
        files = Arc::new(files.apply(changes).ok()?);
    }
    files.apply(last).ok()
}
