//! Vectors in an object store: durable before the commit that refers to them, and there for as long as it may stand.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use arrow::array::{Int64Array, RecordBatch, StringArray};
use async_trait::async_trait;
use futures::{TryStreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result as StoreResult, memory::InMemory, path::Path,
};
use url::Url;

use super::fixture::*;
use crate::{
    delta::{
        checkpoint::Background, create, fixtures::newest, snapshot::DeltaSnapshot, store::TableStore,
        table::DeltaTable, write::is_outcome_unknown,
    },
    engine::{Error, Snapshot, TableSpec},
};

/// What happens to a put of an object whose path holds some text.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// It fails.
    Fails(&'static str),
    /// It lands, and answers that it failed.
    LandsUnheard(&'static str),
}

/// A store in memory that notes what was put, in order.
#[derive(Debug, Default)]
struct Noting {
    inner: InMemory,
    puts: Mutex<Vec<String>>,
    fault: Mutex<Option<Fault>>,
}

impl Noting {
    fn take_puts(&self) -> Vec<String> {
        std::mem::take(&mut *self.puts.lock().unwrap())
    }

    async fn vectors(&self) -> usize {
        let objects: Vec<_> = self.inner.list(None).try_collect().await.unwrap();
        objects.iter().filter(|object| object.location.as_ref().contains("deletion_vector")).count()
    }
}

impl fmt::Display for Noting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("noting")
    }
}

#[async_trait]
impl ObjectStore for Noting {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> StoreResult<PutResult> {
        let fault = *self.fault.lock().unwrap();
        let failed = || object_store::Error::Generic { store: "noting", source: "it fails".into() };
        if let Some(Fault::Fails(what)) = fault
            && path.as_ref().contains(what)
        {
            return Err(failed());
        }
        let put = self.inner.put_opts(path, payload, options).await?;
        self.puts.lock().unwrap().push(path.to_string());
        match fault {
            Some(Fault::LandsUnheard(what)) if path.as_ref().contains(what) => Err(failed()),
            _ => Ok(put),
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, StoreResult<Path>>) -> BoxStream<'static, StoreResult<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// A table of 20,000 rows in a store, at version 1.
async fn table() -> (Arc<Noting>, DeltaSnapshot) {
    let store = Arc::new(Noting::default());
    let location = Url::parse("memory:///t/").unwrap();
    let remote = TableStore::remote(location, store.clone());
    let table = Arc::new(DeltaTable::new(remote, Arc::new(Background::default())));
    let spec = TableSpec { schema: schema(), partition_columns: vec![], description: None, checks: vec![] };
    create::create(table.store(), table.log(), &spec, true).await.unwrap();
    let mut append = newest(&table).await.unwrap().append().await.unwrap();
    let ids = Int64Array::from_iter_values(0..20_000);
    let parts = StringArray::from_iter_values(std::iter::repeat_n("a", ids.len()));
    append.write(RecordBatch::try_new(schema(), vec![Arc::new(ids), Arc::new(parts)]).unwrap()).await.unwrap();
    committed(append.commit().await);
    store.take_puts();
    (store, newest(&table).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_are_there_before_the_commit() {
    let (store, base) = table().await;
    committed(delete_where(&base, |id| id % 2 == 0).await);
    let puts = store.take_puts();
    let [vectors, commit] = &puts[..] else { panic!("{puts:?}") };
    assert!(vectors.starts_with("deletion_vector_"), "{puts:?}");
    assert!(commit.starts_with("_delta_log/"), "{puts:?}");
    let after = newest(base.table()).await.unwrap();
    assert_eq!(ids(&after).await, (0..20_000).filter(|id| id % 2 == 1).collect::<Vec<_>>());
    committed(delete_where(&after, |id| id == 1).await);
    committed(delete_where(&newest(base.table()).await.unwrap(), |_| true).await);
    assert_eq!(newest(base.table()).await.unwrap().row_count().await.unwrap(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vector_that_cannot_be_written_is_no_commit() {
    let (store, base) = table().await;
    *store.fault.lock().unwrap() = Some(Fault::Fails("deletion_vector"));
    let error = refused(delete_where(&base, |id| id % 2 == 0).await);
    assert!(matches!(&error, Error::Internal { .. }) && !is_outcome_unknown(&error), "{error}");
    assert_eq!(store.take_puts(), [] as [&str; 0]);
    *store.fault.lock().unwrap() = None;
    committed(delete_where(&base, |id| id % 2 == 0).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_stay_while_their_commit_may_stand() {
    let (store, base) = table().await;
    *store.fault.lock().unwrap() = Some(Fault::Fails("_delta_log"));
    let error = refused(delete_where(&base, |id| id % 2 == 0).await);
    assert!(is_outcome_unknown(&error), "{error}");
    assert_eq!(store.vectors().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_landed_unheard_is_known() {
    let (store, base) = table().await;
    *store.fault.lock().unwrap() = Some(Fault::LandsUnheard("_delta_log"));
    assert_eq!(committed(delete_where(&base, |id| id % 2 == 0).await).version(), 2);
    assert_eq!(ids(&newest(base.table()).await.unwrap()).await.len(), 10_000);
}
