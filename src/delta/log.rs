//! The `_delta_log` of a table: its commit files, one by one.
//!
//! Knows names, identities and the put-if-absent that makes a version; not what commits say.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{Error as StoreError, ObjectMeta, ObjectStoreExt, PutMode, path::Path as ObjectPath};
use uuid::Uuid;

use super::{
    durable::{self, PutFailure, PutOutcome},
    log_listing::{LogListing, parse_name},
    orphans::Marker,
    store::TableStore,
};
use crate::engine::{Error, Result};

/// The directory of a table's log.
pub(crate) const LOG_DIRECTORY: &str = "_delta_log";

/// How long is waited before a commit that a store failed to take, and does not show, is put again. The store's own
/// retries, which take minutes, come before each.
const PUT_WAITS_MS: [u64; 3] = [50, 250, 1000];

/// How the names of commits on their way end.
const TEMPORARY_EXTENSION: &str = ".tmp";

/// The log of one table.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    store: Arc<TableStore>,
}

/// Tells a commit file from another that later took its name: a table was dropped and made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommitIdentity {
    /// On local disks inode, time and size in one.
    e_tag: Option<String>,
    size_bytes: u64,
    modified_ms: i64,
}

/// A commit file and which one it is.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) bytes: Bytes,
    pub(crate) identity: CommitIdentity,
}

/// A commit file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write version {version} of table '{table}': {source}")]
pub(crate) struct CommitFailure {
    table: String,
    version: u64,
    /// Whether the commit may be, or become, visible all the same: then what it refers to must stay.
    pub(crate) maybe_visible: bool,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl CommitIdentity {
    fn new(meta: &ObjectMeta) -> Self {
        let modified_ms = meta.last_modified.timestamp_millis();
        Self { e_tag: meta.e_tag.clone(), size_bytes: meta.size, modified_ms }
    }

    /// Whether a listing that shows this size and time may have shown this file.
    pub(crate) fn agrees_with(&self, size_bytes: u64, modified_ms: i64) -> bool {
        self.size_bytes == size_bytes && self.modified_ms == modified_ms
    }
}

impl Log {
    pub(crate) fn new(store: Arc<TableStore>) -> Self {
        Self { store }
    }

    /// Which file is commit `version`; `None` if there is none.
    pub(crate) async fn identity(&self, version: u64) -> Result<Option<CommitIdentity>> {
        match self.store.objects().head(&commit_path(version)).await {
            Ok(meta) => Ok(Some(CommitIdentity::new(&meta))),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.unreadable(version, error)),
        }
    }

    /// Commit `version`; `None` if there is none.
    pub(crate) async fn read(&self, version: u64) -> Result<Option<Commit>> {
        let found = match self.store.objects().get(&commit_path(version)).await {
            Ok(found) => found,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.unreadable(version, error)),
        };
        let identity = CommitIdentity::new(&found.meta);
        let bytes = found.bytes().await.map_err(|error| self.unreadable(version, error))?;
        Ok(Some(Commit { bytes, identity }))
    }

    /// What the log's directory holds; takes time in proportion to it.
    pub(crate) async fn list(&self) -> Result<LogListing> {
        let context = || format!("cannot list the log of table '{}'", self.store.name());
        let mut listing = LogListing::default();
        let mut found = self.store.objects().list(Some(&ObjectPath::from(LOG_DIRECTORY)));
        while let Some(meta) = found.try_next().await.map_err(|error| Error::internal(context(), error))? {
            listing.take(meta.location.filename().unwrap_or_default(), meta.last_modified.timestamp_millis());
        }
        Ok(listing)
    }

    /// Makes `bytes` commit `version` unless there is one already; durable when it returns. The directory must
    /// be there.
    pub(crate) async fn put(&self, version: u64, bytes: Bytes) -> Result<PutOutcome, CommitFailure> {
        let outcome = match self.store.local_root() {
            Some(root) => put_local(root.to_path_buf(), version, bytes).await,
            None => self.put_object(version, bytes).await,
        };
        outcome.map_err(|(maybe_visible, source)| CommitFailure {
            table: self.store.name().to_owned(),
            version,
            maybe_visible,
            source,
        })
    }

    /// Neither answer of a store can be believed alone: a put that landed may answer with a failure, and its retry, made
    /// out of sight, with "exists". The commit holds a unique id, so its bytes tell whose it is. One that is not there
    /// may still land; as it lands but once, however often it is put, it is put again.
    async fn put_object(&self, version: u64, bytes: Bytes) -> PutResult {
        let mut waits_ms = PUT_WAITS_MS.iter();
        loop {
            let path = commit_path(version);
            let put = self.store.objects().put_opts(&path, bytes.clone().into(), PutMode::Create.into()).await;
            let Err(error) = put else { return Ok(PutOutcome::Written) };
            match self.read(version).await {
                Ok(Some(there)) if there.bytes == bytes => return Ok(PutOutcome::Written),
                Ok(Some(_)) => return Ok(PutOutcome::NameTaken),
                Ok(None) | Err(_) => {}
            }
            let Some(wait_ms) = waits_ms.next() else { return Err((true, error.into())) };
            tokio::time::sleep(Duration::from_millis(*wait_ms)).await;
        }
    }

    fn unreadable(&self, version: u64, error: StoreError) -> Error {
        Error::internal(format!("cannot read version {version} of table '{}'", self.store.name()), error)
    }
}

type PutResult = std::result::Result<PutOutcome, (bool, Box<dyn std::error::Error + Send + Sync>)>;

async fn put_local(root: PathBuf, version: u64, bytes: Bytes) -> PutResult {
    match tokio::task::spawn_blocking(move || put_marked(&root, version, &bytes)).await {
        Ok(outcome) => outcome.map_err(|PutFailure { maybe_visible, source }| (maybe_visible, source.into())),
        Err(died) => Err((true, died.into())),
    }
}

/// Puts a commit whose temporary file is noted, so that it does not outlive a crash for long. Blocking.
fn put_marked(root: &Path, version: u64, bytes: &[u8]) -> std::result::Result<PutOutcome, PutFailure> {
    let (directory, name) = (root.join(LOG_DIRECTORY), commit_name(version));
    let temporary = temporary_name(&name);
    let begin = || {
        let mut marker = Marker::begin(root)?;
        marker.as_mut().map_or(Ok(()), |marker| marker.note_file(&format!("{LOG_DIRECTORY}/{temporary}")))?;
        Ok(marker)
    };
    let marker = begin().map_err(PutFailure::invisible)?;
    let put = durable::put_new(&directory, &name, &temporary, bytes);
    match (marker, directory.join(&temporary).exists()) {
        (Some(marker), false) => marker.settle(),
        (Some(marker), true) => marker.leave(),
        (None, _) => {}
    }
    put
}

/// The name of a commit's file before it is one. A leading dot and the ending keep every reader of Delta logs away
/// (Spark uses the same form).
fn temporary_name(commit_name: &str) -> String {
    format!(".{commit_name}.{}{TEMPORARY_EXTENSION}", Uuid::new_v4())
}

/// What the object store calls files of the log while they are written: what a checkpoint cut short may leave.
pub(crate) fn checkpoint_temporary_names(version: u64) -> [String; 2] {
    [format!("{version:020}.checkpoint.parquet#1"), "_last_checkpoint#1".to_owned()]
}

/// Whether a file of that name is a commit or a checkpoint on its way.
pub(crate) fn is_temporary_name(name: &str) -> bool {
    let of_checkpoint = |version| checkpoint_temporary_names(version).iter().any(|temporary| temporary == name);
    if of_checkpoint(parse_name(name).map_or(0, |(version, _)| version)) {
        return true;
    }
    let inner = name.strip_prefix('.').and_then(|name| name.strip_suffix(TEMPORARY_EXTENSION));
    let id = inner.and_then(parse_name).and_then(|(_, kind)| kind.strip_prefix("json."));
    id.is_some_and(|id| Uuid::try_parse(id).is_ok())
}

/// The name of commit `version`'s file.
pub(crate) fn commit_name(version: u64) -> String {
    format!("{version:020}.json")
}

/// The place of commit `version` below the table's root.
pub(crate) fn commit_path(version: u64) -> ObjectPath {
    ObjectPath::from_iter([LOG_DIRECTORY, &commit_name(version)])
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;
    use url::Url;

    use super::*;

    fn local() -> (tempfile::TempDir, Log) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join(LOG_DIRECTORY)).unwrap();
        let store = TableStore::open(&Url::from_directory_path(directory.path()).unwrap()).unwrap();
        (directory, Log::new(Arc::new(store)))
    }

    fn remote() -> Log {
        let location = Url::parse("memory:///t/").unwrap();
        Log::new(Arc::new(TableStore::remote(location, Arc::new(InMemory::new()))))
    }

    async fn a_version_is_written_once(log: &Log) {
        assert_eq!(log.read(3).await.unwrap().map(|commit| commit.bytes), None);
        assert_eq!(log.put(3, "one".into()).await.unwrap(), PutOutcome::Written);
        assert_eq!(log.put(3, "two".into()).await.unwrap(), PutOutcome::NameTaken);
        let commit = log.read(3).await.unwrap().unwrap();
        assert_eq!(commit.bytes, "one");
        assert_eq!(log.identity(3).await.unwrap(), Some(commit.identity));
        assert_eq!(log.identity(4).await.unwrap(), None);
        assert_eq!(log.list().await.unwrap().commits().map(|commit| commit.0).collect::<Vec<_>>(), [3]);
    }

    #[tokio::test]
    async fn a_version_is_written_once_on_disk() {
        let (_directory, log) = local();
        a_version_is_written_once(&log).await;
    }

    #[tokio::test]
    async fn a_version_is_written_once_in_an_object_store() {
        a_version_is_written_once(&remote()).await;
    }

    #[tokio::test]
    async fn a_put_that_landed_unheard_is_known_as_ours() {
        let log = remote();
        log.put(0, "ours".into()).await.unwrap();
        assert_eq!(log.put(0, "ours".into()).await.unwrap(), PutOutcome::Written);
    }

    #[tokio::test]
    async fn a_put_that_fails_elsewhere_may_have_landed() {
        let directory = tempfile::tempdir().unwrap();
        let objects = object_store::local::LocalFileSystem::new_with_prefix(directory.path()).unwrap();
        let log = Log::new(Arc::new(TableStore::remote(Url::parse("memory:///t/").unwrap(), Arc::new(objects))));
        std::fs::write(directory.path().join(LOG_DIRECTORY), "in the way").unwrap();
        assert!(log.put(0, "one".into()).await.unwrap_err().maybe_visible);
    }

    #[tokio::test]
    async fn another_file_of_the_same_name_has_another_identity() {
        let (directory, log) = local();
        log.put(0, "one".into()).await.unwrap();
        let before = log.identity(0).await.unwrap();
        let path = directory.path().join(LOG_DIRECTORY).join(commit_name(0));
        let kept = directory.path().join("kept"); // keeps the inode from being used again
        std::fs::rename(&path, kept).unwrap();
        log.put(0, "one".into()).await.unwrap();
        assert_ne!(log.identity(0).await.unwrap(), before);
    }

    #[tokio::test]
    async fn only_commits_and_checkpoints_make_a_table() {
        let (directory, log) = local();
        let make = |name: &str| std::fs::write(directory.path().join(LOG_DIRECTORY).join(name), "").unwrap();
        for other in ["_last_checkpoint", ".00000000000000000000.json.x.tmp", "1.json", "00000000000000000000.crc"] {
            make(other);
        }
        assert!(!log.list().await.unwrap().is_table());
        make("00000000000000000007.checkpoint.parquet");
        assert!(log.list().await.unwrap().is_table());
        assert_eq!(log.list().await.unwrap().commits().count(), 0);
    }

    #[tokio::test]
    async fn a_log_that_is_not_there_is_empty() {
        let store = TableStore::open(&Url::parse("file:///nowhere/at/all/").unwrap()).unwrap();
        let log = Log::new(Arc::new(store));
        assert!(!log.list().await.unwrap().is_table());
        assert_eq!(log.identity(0).await.unwrap(), None);
    }
}
