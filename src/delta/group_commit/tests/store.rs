//! A store in memory whose writes can be held, counted, and made to fail.

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use futures::stream::BoxStream;
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, memory::InMemory, path::Path,
};

use super::*;
use crate::delta::store::TableStore;

/// What becomes of writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    Fair,
    /// Data files cannot be written.
    NoData,
    /// Commits cannot be written, nor looked at afterwards: nobody knows whether they are there.
    NoCommits,
    /// A panic when a commit is written.
    Panic,
}

#[derive(Debug)]
pub(super) struct Store {
    inner: InMemory,
    weather: Mutex<Weather>,
    /// Commits whose writes have failed.
    lost: Mutex<HashSet<Path>>,
    /// Held while commits must wait.
    pub(super) gate: tokio::sync::Mutex<()>,
    pub(super) data_writes: AtomicUsize,
    /// Commits that have come to the gate.
    pub(super) commit_writes: AtomicUsize,
}

impl Store {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: InMemory::new(),
            weather: Mutex::new(Weather::Fair),
            lost: Mutex::default(),
            gate: tokio::sync::Mutex::default(),
            data_writes: AtomicUsize::new(0),
            commit_writes: AtomicUsize::new(0),
        })
    }

    /// A table in it, as [`super::table`] makes it.
    pub(super) async fn table(self: &Arc<Self>) -> Arc<DeltaTable> {
        let location = url::Url::parse("memory:///t/").unwrap();
        made(DeltaTable::new(TableStore::remote(location, self.clone()), Arc::default()), &[]).await
    }

    pub(super) fn becomes(&self, weather: Weather) {
        *self.weather.lock().unwrap() = weather;
    }

    fn weather(&self) -> Weather {
        *self.weather.lock().unwrap()
    }

    pub(super) async fn data_files(&self) -> usize {
        let all: Vec<_> = self.inner.list(None).try_collect().await.unwrap();
        all.iter().filter(|meta| !is_commit(&meta.location)).count()
    }

    async fn write(&self, path: &Path) -> object_store::Result<()> {
        if !is_commit(path) {
            self.data_writes.fetch_add(1, SeqCst);
            return if self.weather() == Weather::NoData { failure() } else { Ok(()) };
        }
        self.commit_writes.fetch_add(1, SeqCst);
        drop(self.gate.lock().await);
        match self.weather() {
            Weather::NoCommits => {
                self.lost.lock().unwrap().insert(path.clone());
                failure()
            }
            Weather::Panic => panic!("the store panics, as this test wants"),
            Weather::Fair | Weather::NoData => Ok(()),
        }
    }
}

fn is_commit(path: &Path) -> bool {
    path.as_ref().contains("_delta_log/")
}

fn failure<T>() -> object_store::Result<T> {
    Err(StoreError::Generic { store: "test", source: "bad weather".into() })
}

impl fmt::Display for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("test")
    }
}

#[async_trait]
impl ObjectStore for Store {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> object_store::Result<PutResult> {
        self.write(path).await?;
        self.inner.put_opts(path, payload, options).await
    }
    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.write(path).await?;
        self.inner.put_multipart_opts(path, options).await
    }
    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        let lost = self.lost.lock().unwrap().contains(path);
        if lost { failure() } else { self.inner.get_opts(path, options).await }
    }
    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(paths)
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
