//! Object stores that answer a commit's put with a failure: whether it landed or not, the statement is committed once
//! and no file goes that a version may need.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, PoisonError},
};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch},
    datatypes::DataType,
};
use futures::{TryStreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, memory::InMemory, path::Path,
};
use serde_json::json;

use super::*;
use crate::delta::{
    checkpoint::Background,
    create::create,
    fixtures::{newest, paths, spec},
    log::commit_path,
    store::TableStore,
};

/// What becomes of one put of a commit that is answered with a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It never lands.
    Lost,
    /// It landed.
    Unheard,
    /// It landed, and another writer's commit came after it.
    UnheardAndFollowed,
    /// Another writer's commit took its place.
    Beaten,
    /// This commit of another writer took its place.
    BeatenBy(&'static str),
    /// It lands after so many further requests.
    Late(usize),
    /// It lands after so many further requests, unless another writer's commit, which comes first, takes its place.
    LateAndBeaten(usize),
}

/// A store whose puts of commits fail as told, and then succeed.
#[derive(Debug, Default)]
pub(crate) struct Faulty {
    inner: InMemory,
    faults: Mutex<VecDeque<Fault>>,
    /// Puts on their way, each with the requests that come before it lands.
    late: Mutex<Vec<(usize, Path, PutPayload)>>,
}

impl Faulty {
    fn failure() -> StoreError {
        StoreError::Generic { store: "faulty", source: "the connection broke off".into() }
    }

    /// The puts of commits that come next fail so.
    pub(crate) fn fail_next(&self, faults: &[Fault]) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    /// How many objects have names that end so.
    pub(crate) async fn objects(&self, end: &str) -> usize {
        let all: Vec<_> = self.inner.list(None).try_collect().await.unwrap();
        all.iter().filter(|object| object.location.as_ref().ends_with(end)).count()
    }

    /// Takes the commit of a version away.
    pub(crate) async fn take_commit(&self, version: u64) -> String {
        let commit = self.inner.get(&commit_path(version)).await.unwrap().bytes().await.unwrap();
        self.inner.delete(&commit_path(version)).await.unwrap();
        String::from_utf8(commit.to_vec()).unwrap()
    }

    async fn land(&self, path: &Path, payload: PutPayload) {
        // In whichever order: the first one to come has the name.
        let _ = self.inner.put_opts(path, payload, PutMode::Create.into()).await;
    }

    async fn others(&self, path: &Path) {
        let transaction = json!({ "txn": { "appId": "another", "version": version_of(path) } });
        self.land(path, format!("{transaction}\n").into()).await;
    }

    /// What is on its way comes a request nearer.
    pub(crate) async fn pass(&self) {
        let due: Vec<_> = {
            let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
            late.iter_mut().for_each(|(left, ..)| *left = left.saturating_sub(1));
            late.extract_if(.., |(left, ..)| *left == 0).collect()
        };
        for (_, path, payload) in due {
            self.land(&path, payload).await;
        }
    }

    async fn fail(&self, fault: Fault, path: &Path, payload: PutPayload) {
        let late = |requests| self.late.lock().unwrap().push((requests + 1, path.clone(), payload.clone()));
        match fault {
            Fault::Lost => {}
            Fault::Unheard => self.land(path, payload).await,
            Fault::UnheardAndFollowed => {
                self.land(path, payload).await;
                self.others(&commit_path(version_of(path) + 1)).await;
            }
            Fault::Beaten => self.others(path).await,
            Fault::BeatenBy(commit) => self.land(path, commit.into()).await,
            Fault::Late(requests) => late(requests),
            Fault::LateAndBeaten(requests) => {
                late(requests);
                self.others(path).await;
            }
        }
    }
}

fn version_of(path: &Path) -> u64 {
    path.filename().unwrap().trim_end_matches(".json").parse().unwrap()
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> object_store::Result<PutResult> {
        self.pass().await;
        let is_commit = path.as_ref().ends_with(".json");
        let fault = if is_commit { self.faults.lock().unwrap().pop_front() } else { None };
        let Some(fault) = fault else { return self.inner.put_opts(path, payload, options).await };
        self.fail(fault, path, payload).await;
        Err(Self::failure())
    }
    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }
    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.pass().await;
        self.inner.get_opts(path, options).await
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

pub(crate) fn open(store: &Arc<Faulty>) -> Arc<DeltaTable> {
    let store = TableStore::remote(url::Url::parse("memory:///t/").unwrap(), store.clone());
    Arc::new(DeltaTable::new(store, Arc::new(Background::default())))
}

/// A table of one row, and an insert of one more under the given faults: how it ended, and the table.
async fn insert_under(faults: &[Fault]) -> (Result<CommitOutcome>, Arc<Faulty>) {
    let store = Arc::new(Faulty::default());
    let table = open(&store);
    create(table.store(), table.log(), &spec(&[("x", DataType::Int64)]), true).await.unwrap();
    assert!(matches!(insert(&table).await, Ok(CommitOutcome::Committed(_))));
    store.fail_next(faults);
    (insert(&table).await, store)
}

async fn insert(table: &Arc<DeltaTable>) -> Result<CommitOutcome> {
    let mut append = newest(table).await.unwrap().append().await.unwrap();
    let rows = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    append.write(rows).await.unwrap();
    append.commit().await
}

/// The files of the inserts that the newest version has, each of which is there, in no more than one commit.
async fn landed(store: &Arc<Faulty>) -> usize {
    let table = open(store);
    let newest = newest(&table).await.unwrap();
    let mine = paths(&newest).await;
    let mut added = 0;
    for version in 1..=newest.version() {
        let commit = store.inner.get(&commit_path(version)).await.unwrap().bytes().await.unwrap();
        let text = String::from_utf8(commit.to_vec()).unwrap();
        added += mine.iter().map(|path| text.matches(path.as_str()).count()).sum::<usize>();
    }
    assert_eq!(added, mine.len(), "a file was added twice");
    for path in &mine {
        store.inner.head(&Path::parse(path).unwrap()).await.expect("a file of a version is there");
    }
    mine.len()
}

async fn data_objects(store: &Arc<Faulty>) -> usize {
    store.objects(".parquet").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_can_be_seen_through_is_none() {
    use Fault::{Beaten, Late, LateAndBeaten, Lost, Unheard, UnheardAndFollowed};
    for faults in [
        &[Lost][..],
        &[Unheard],
        &[UnheardAndFollowed],
        &[Beaten],
        &[Beaten, Unheard],
        &[Beaten, Beaten, UnheardAndFollowed],
        &[Lost, Unheard],
        &[Lost, Beaten, Lost, Unheard],
        &[Late(0)],
        &[Late(1)],
        &[Late(2), Lost],
        &[Late(2), Beaten, Unheard],
        &[LateAndBeaten(0)],
        &[LateAndBeaten(1), Late(1)],
    ] {
        let (outcome, store) = insert_under(faults).await;
        assert!(matches!(outcome, Ok(CommitOutcome::Committed(_))), "{faults:?}: {outcome:?}");
        assert_eq!(landed(&store).await, 2, "{faults:?}");
        assert_eq!(data_objects(&store).await, 2, "{faults:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_nobody_knows_of_keeps_its_files() {
    // Whether and when it lands after all is beyond what can be found out.
    for (last, lands) in [(Fault::Lost, false), (Fault::Late(2), true)] {
        let (outcome, store) = insert_under(&[Fault::Lost, Fault::Lost, Fault::Lost, last]).await;
        let error = outcome.unwrap_err();
        assert!(matches!(&error, Error::Internal { source, .. } if source.is::<OutcomeUnknown>()), "{error:?}");
        assert_eq!(data_objects(&store).await, 2, "its file stays");
        store.pass().await;
        store.pass().await;
        assert_eq!(landed(&store).await, 1 + usize::from(lands));
        // The table goes on, and the same statement said again is another one.
        assert!(matches!(insert(&open(&store)).await, Ok(CommitOutcome::Committed(_))));
        assert_eq!(landed(&store).await, 2 + usize::from(lands));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_under_random_faults_lose_and_repeat_nothing() {
    let store = Arc::new(Faulty::default());
    let table = open(&store);
    create(table.store(), table.log(), &spec(&[("x", DataType::Int64)]), true).await.unwrap();
    let (seed, _) = Uuid::new_v4().as_u64_pair();
    println!("seed {seed}");
    let kinds = [Fault::Lost, Fault::Unheard, Fault::UnheardAndFollowed, Fault::Beaten, Fault::Late(1)];
    let mut state = seed | 1;
    let faults = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        kinds[state as usize % kinds.len()]
    });
    store.fail_next(&faults.take(30).collect::<Vec<_>>());
    let writers = (0..4).map(|_| {
        // A handle of its own: no commit is shared.
        let table = open(&store);
        tokio::spawn(async move {
            let mut committed = 0;
            for _ in 0..5 {
                match insert(&table).await {
                    Ok(CommitOutcome::Committed(_)) => committed += 1,
                    Err(Error::Internal { source, .. }) if source.is::<OutcomeUnknown>() => {}
                    other => panic!("{other:?}"),
                }
            }
            committed
        })
    });
    let committed = futures::future::join_all(writers.collect::<Vec<_>>()).await;
    let committed: usize = committed.into_iter().map(std::result::Result::unwrap).sum();
    let landed = landed(&store).await;
    assert!((committed..=20).contains(&landed), "seed {seed}: {committed} were acknowledged, {landed} landed");
    assert_eq!(data_objects(&store).await, 20, "seed {seed}: none is removed that may be needed");
    assert!(committed > 0, "seed {seed}");
}
