use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    ops::Range,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, ListArray, StringArray},
    compute::concat_batches,
    datatypes::{DataType, Field, Int32Type, Int64Type, Schema},
    util::display::array_value_to_string,
};
use async_trait::async_trait;
use bytes::Bytes;
use deltalake_core::kernel::Add;
use futures::{TryStreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result as StoreResult, path::Path,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::*;
use crate::{
    delta::{
        DeltaFormat,
        file::DataFile,
        fixtures::{Lake, Random, data_file, inline_vector, newest},
        index::FileIndex,
        scan::read,
        write::Staged,
    },
    engine::{CommitOutcome, TableFormat, TableSpec},
};

/// A table `t` of several files, made the way tables are.
struct Made {
    lake: Lake,
    base: DeltaSnapshot,
}

/// A live row: where it lies, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    file: u32,
    position: u64,
    id: i64,
    values: Vec<String>,
}

/// Rows of `id`, a text that is wide now and then, a list with nulls, and `p`, of which there are four.
fn rows(ids: Range<i64>, text: &str) -> RecordBatch {
    let numbers = || Int64Array::from_iter_values(ids.clone());
    let texts = ids.clone().map(|id| match id % 97 {
        0 => Some("wide ".repeat(4000 + id as usize % 1000)),
        1 => None,
        _ => Some(format!("text {id}")),
    });
    let lists = ids.clone().map(|id| (id % 3 > 0).then(|| vec![Some(id), None]));
    let parts = ids.clone().map(|id| (id % 4 > 0).then(|| format!("p {}", id % 4)));
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>(lists);
    let list = ListArray::new(
        Arc::new(Field::new("element", DataType::Int64, true)),
        list.offsets().clone(),
        list.values().clone(),
        list.nulls().cloned(),
    );
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(numbers())),
        (text, Arc::new(texts.collect::<StringArray>())),
        ("list", Arc::new(list)),
        ("p", Arc::new(parts.collect::<StringArray>())),
    ];
    let fields = columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|(_, column)| column).collect()).unwrap()
}

impl Made {
    /// A column called `a b` needs column mapping.
    async fn new(text: &str, partitioned: bool, appends: &[Range<i64>]) -> Self {
        let lake = Lake::new();
        let format = DeltaFormat::default();
        let partition_columns = if partitioned { vec!["p".to_owned()] } else { vec![] };
        let schema = rows(0..0, text).schema();
        let spec = TableSpec { schema, partition_columns, description: None, checks: vec![] };
        let mut snapshot = format.create(&lake.location("t"), &spec).await.unwrap();
        for ids in appends {
            let mut append = snapshot.append().await.unwrap();
            append.write(rows(ids.clone(), text)).await.unwrap();
            let CommitOutcome::Committed(next) = append.commit().await.unwrap() else { panic!("nobody else commits") };
            snapshot = next;
        }
        let base = newest(&lake.table("t")).await.unwrap();
        Self { lake, base }
    }

    /// Deletes rows of the version's `file` by a vector.
    async fn delete(&mut self, file: usize, positions: &[u64]) {
        let file = Arc::clone(&self.base.files().await.unwrap()[file]);
        let mut add = (1..=self.base.version()).find_map(|version| {
            let commit = fs::read_to_string(self.lake.commit_path("t", version)).unwrap();
            let actions: Vec<Value> = commit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let of_file = |action: &Value| action["add"]["path"].as_str() == Some(&log_path(&file));
            actions.into_iter().find(of_file)
        });
        let add = add.as_mut().expect("a commit has the file");
        let vector = inline_vector(positions);
        add["add"]["deletionVector"] = json!({
            "storageType": "i", "pathOrInlineDv": vector.path_or_inline_dv, "sizeInBytes": vector.size_in_bytes,
            "cardinality": vector.cardinality,
        });
        let remove = json!({ "remove": { "path": log_path(&file), "dataChange": true, "deletionTimestamp": 1 } });
        self.lake.write("t", self.base.version() + 1, &[remove, add.clone()]);
        self.base = newest(&self.lake.table("t")).await.unwrap();
    }

    async fn source(&self) -> ScanSource {
        self.base.source().await.unwrap()
    }

    /// All live rows, by place.
    async fn live(&self) -> Vec<Row> {
        let columns = self.base.schema().fields().len();
        let all = ScanRequest { projection: (0..columns).collect(), row_id: true, predicate: Predicate::Unknown };
        let batch = scan(&self.source().await, &all).await;
        let ids = batch.column(columns).as_struct();
        let (files, positions) = (ids.column(1).as_primitive::<Int32Type>(), ids.column(2).as_primitive::<Int64Type>());
        let rows = texts(&batch, columns).into_iter().enumerate().map(|(row, (id, values))| Row {
            file: files.value(row) as u32,
            position: positions.value(row) as u64,
            id,
            values,
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort();
        rows
    }

    /// What is changed of each file, when the rows of `changed` are.
    async fn changed(&self, changed: &[Row]) -> BTreeMap<u32, ChangedFile> {
        let live: BTreeSet<_> = self.live().await.into_iter().map(|row| (row.file, row.position)).collect();
        let files = self.base.files().await.unwrap().clone();
        let mut of_files = BTreeMap::<u32, ChangedFile>::new();
        for row in changed {
            let of_file = of_files.entry(row.file).or_default();
            let stats = files[row.file as usize].stats_json.as_deref().unwrap();
            let stats: Value = serde_json::from_str(stats).unwrap();
            of_file.rows = stats["numRecords"].as_u64().unwrap();
            of_file.deleted = (0..of_file.rows).filter(|position| !live.contains(&(row.file, *position))).collect();
            of_file.changed.insert(row.position);
        }
        of_files
    }

    fn stage(&self) -> Stage {
        Stage::begin(self.base.table().stage_target(self.base.definition())).unwrap()
    }

    async fn copy(&self, changed: &BTreeMap<u32, ChangedFile>, slice_bytes: u64) -> Result<Staged> {
        let mut stage = self.stage();
        let copied = copy_all(&self.source().await, changed, slice_bytes, &mut stage).await;
        match copied {
            Ok(()) => stage.finish().await,
            Err(error) => {
                stage.abort().await;
                Err(error)
            }
        }
    }

    /// The rows of staged files, file after file.
    async fn read(&self, adds: &[Add]) -> Vec<Vec<Row>> {
        let mut read = Vec::new();
        for add in adds {
            let source =
                ScanSource { files: Arc::new(FileIndex::try_new([data_file(add)]).unwrap()), ..self.source().await };
            let columns = self.base.schema().fields().len();
            let batch = scan(&source, &everything(columns)).await;
            let rows = texts(&batch, columns).into_iter().zip(0..);
            read.push(rows.map(|((id, values), position)| Row { file: 0, position, id, values }).collect());
        }
        read
    }

    fn files(&self) -> BTreeSet<String> {
        fn collect(directory: &std::path::Path, found: &mut BTreeSet<String>) {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { collect(&path, found) } else { assert!(found.insert(path.display().to_string())) }
            }
        }
        let mut found = BTreeSet::new();
        collect(&self.lake.path("t"), &mut found);
        found
    }
}

async fn copy_all(
    source: &ScanSource,
    changed: &BTreeMap<u32, ChangedFile>,
    slice_bytes: u64,
    stage: &mut Stage,
) -> Result<()> {
    let columns = source.schema.logical.fields().len();
    let files = changed.iter().map(|(ordinal, file)| (*ordinal, file));
    copy(source, &everything(columns), files, slice_bytes, stage).await
}

fn everything(columns: usize) -> ScanRequest {
    ScanRequest { projection: (0..columns).collect(), row_id: false, predicate: Predicate::Unknown }
}

async fn scan(source: &ScanSource, request: &ScanRequest) -> RecordBatch {
    let units = (0..source.files.len() as u32).map(|file| ReadUnit { file, slice: 0, slices: 1 }).collect();
    let batches: Vec<_> = read(source.clone(), request, &ReadPart { units }).unwrap().try_collect().await.unwrap();
    let batches: Vec<RecordBatch> = batches.into_iter().map(|batch| batch.rows).collect();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

/// The id and the text of each column, by row.
fn texts(batch: &RecordBatch, columns: usize) -> Vec<(i64, Vec<String>)> {
    let text = |row: usize, column: usize| array_value_to_string(batch.column(column), row).unwrap();
    let row = |row| (0..columns).map(|column| text(row, column)).collect();
    let ids = batch.column_by_name("id").unwrap().as_primitive::<Int64Type>();
    (0..batch.num_rows()).map(|at| (ids.value(at), row(at))).collect()
}

fn log_path(file: &DataFile) -> String {
    file.log_path.as_deref().unwrap_or(file.path.as_ref()).to_owned()
}

#[tokio::test]
async fn what_is_staged_is_what_was_there_without_what_is_changed() {
    for (text, partitioned, seed) in [
        ("text", false, 1),
        ("text", true, 2),
        ("a b", false, 3),
        ("a b", true, 4),
        ("a b", true, 5),
        ("text", false, 6),
    ] {
        let mut random = Random(seed);
        let mut made = Made::new(text, partitioned, &[0..700, 700..710, 710..2500]).await;
        let files = made.base.files().await.unwrap().len() as u64;
        for _ in 0..2 {
            let file = random.below(files) as usize;
            if made.source().await.files[file].deletion_vector.is_none() {
                let rows = made.live().await.iter().filter(|row| row.file == file as u32).count() as u64;
                made.delete(file, &(0..rows - 1).filter(|_| random.below(5) == 0).collect::<Vec<_>>()).await;
            }
        }
        let live = made.live().await;
        let untouched = random.below(files) as u32;
        let share = [2, 50, 1000][seed as usize % 3];
        let (changed, kept): (Vec<Row>, Vec<Row>) =
            live.into_iter().filter(|row| row.file != untouched).partition(|_| random.below(share) == 0);
        let of_files = made.changed(&changed).await;
        let mut expected: Vec<Row> = kept.into_iter().filter(|row| of_files.contains_key(&row.file)).collect();
        expected.sort_by_key(|row| row.id);
        let before = made.files();
        // Whole files, and slices smaller than a page.
        for slice_bytes in [SLICE_BYTES, 10_000, 1_000] {
            let staged = made.copy(&of_files, slice_bytes).await.unwrap();
            assert_eq!(staged.rows, expected.len() as u64);
            let read = made.read(&staged.adds).await;
            let places: BTreeMap<i64, (u32, u64)> =
                expected.iter().map(|row| (row.id, (row.file, row.position))).collect();
            for file in &read {
                assert!(file.is_sorted_by_key(|row| places[&row.id]), "seed {seed}: rows keep their order");
            }
            let mut read: Vec<Row> = read.into_iter().flatten().collect();
            read.sort_by_key(|row| row.id);
            let values = |rows: &[Row]| rows.iter().map(|row| (row.id, row.values.clone())).collect::<Vec<_>>();
            assert!(values(&read) == values(&expected), "seed {seed}, slices of {slice_bytes}");
            staged.remove().await;
        }
        assert_eq!(made.files(), before);
    }
}

#[tokio::test]
async fn a_file_that_keeps_no_row_is_not_even_opened() {
    let mut made = Made::new("text", false, &[0..100, 100..110]).await;
    let (small, large) =
        match made.source().await.files.iter().position(|file| file.stats_json.as_deref().unwrap().contains(":10,")) {
            Some(0) => (0, 1),
            _ => (1, 0),
        };
    made.delete(small as usize, &[0, 9]).await;
    fs::remove_file(made.lake.path("t").join(made.source().await.files[small as usize].path.as_ref())).unwrap();
    let mut changed = BTreeMap::new();
    changed.insert(small, ChangedFile { rows: 10, deleted: [0, 9].into_iter().collect(), changed: (1..9).collect() });
    changed.insert(large, ChangedFile { rows: 100, changed: [7].into_iter().collect(), ..ChangedFile::default() });
    let staged = made.copy(&changed, SLICE_BYTES).await.unwrap();
    assert_eq!(staged.rows, 99);
    assert_eq!(staged.adds.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_read_whole_fails_and_leaves_nothing() {
    let made = Made::new("text", true, &[0..400, 400..800]).await;
    let files = made.base.files().await.unwrap().clone();
    let last = files.len() as u32 - 1;
    let rows = made.live().await.iter().filter(|row| row.file == last).count() as u64;
    let changed = |rows, position: u64| {
        let first = ChangedFile { rows: 100, changed: [1].into_iter().collect(), ..ChangedFile::default() };
        let of_last = ChangedFile { rows, changed: [position].into_iter().collect(), ..ChangedFile::default() };
        BTreeMap::from([(0, first), (last, of_last)])
    };
    made.copy(&changed(rows, 3), SLICE_BYTES).await.unwrap().remove().await;
    let before = made.files();
    let refused = |outcome: Result<Staged>, why: &str| match outcome {
        Err(error) => assert!(format!("{error:?}").contains(why), "{error:?}"),
        Ok(_) => panic!("{why}"),
    };
    refused(made.copy(&changed(rows + 1, 3), SLICE_BYTES).await, &format!("{rows} of its rows were to stay"));
    refused(made.copy(&changed(rows - 1, 3), SLICE_BYTES).await, "cannot be written again");
    refused(made.copy(&changed(rows + 1, rows), SLICE_BYTES).await, "cannot be left out");
    assert_eq!(made.files(), before);
    fs::write(made.lake.path("t").join(files[last as usize].path.as_ref()), "no Parquet").unwrap();
    refused(made.copy(&changed(rows, 3), SLICE_BYTES).await, files[last as usize].path.as_ref());
    assert_eq!(made.files(), before);
}

/// Holds back the reads of one object until all others that may be read meanwhile are.
#[derive(Debug)]
struct Gated {
    inner: Arc<dyn ObjectStore>,
    first: Path,
    others: AtomicUsize,
    open: AtomicBool,
    opened: Notify,
    begun: std::sync::Mutex<BTreeSet<String>>,
}

impl fmt::Display for Gated {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("gated")
    }
}

impl Gated {
    async fn pass(&self, path: &Path) {
        let begun = {
            let mut begun = self.begun.lock().unwrap();
            begun.insert(path.to_string());
            begun.len()
        };
        if begun >= SLICES_READ_MAX {
            self.opened.notify_one();
        }
        if *path == self.first && !self.open.load(SeqCst) {
            self.opened.notified().await;
            // Whoever else would begin has had every chance to.
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            self.others.store(self.begun.lock().unwrap().len(), SeqCst);
            self.open.store(true, SeqCst);
        }
    }
}

#[async_trait]
impl ObjectStore for Gated {
    async fn get_opts(&self, path: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.pass(path).await;
        self.inner.get_opts(path, options).await
    }
    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        self.pass(path).await;
        self.inner.get_ranges(path, ranges).await
    }
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> StoreResult<PutResult> {
        self.inner.put_opts(path, payload, options).await
    }
    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_files_are_read_at_once_and_never_more_than_that() {
    let appends: Vec<_> = (0..20).map(|file| file * 10..file * 10 + 10).collect();
    let made = Made::new("text", false, &appends).await;
    let source = made.source().await;
    let store = Arc::new(Gated {
        inner: Arc::clone(&source.store),
        first: source.files[0].path.clone(),
        others: AtomicUsize::new(0),
        open: AtomicBool::new(false),
        opened: Notify::new(),
        begun: Default::default(),
    });
    let source = ScanSource { store: Arc::clone(&store) as _, local_root: None, ..source };
    let changed = (0..20).map(|file| {
        (
            file,
            ChangedFile {
                rows: 10,
                changed: [file.into()].into_iter().filter(|p| *p < 10).chain([1]).collect(),
                ..ChangedFile::default()
            },
        )
    });
    let changed: BTreeMap<u32, ChangedFile> = changed.collect();
    let survivors: u64 = changed.values().map(|file| file.rows - file.changed.len()).sum();
    let mut stage = made.stage();
    copy_all(&source, &changed, SLICE_BYTES, &mut stage).await.unwrap();
    assert_eq!(stage.finish().await.unwrap().rows, survivors);
    assert_eq!(store.others.load(SeqCst), SLICES_READ_MAX);
    assert_eq!(store.begun.lock().unwrap().len(), 20);
}

#[tokio::test]
async fn giving_up_ends_the_readers() {
    let made = Made::new("text", false, &[0..5000, 5000..9000]).await;
    let source = made.source().await;
    let strong = || Arc::strong_count(&source.files);
    let before = strong();
    let mut readers = Readers::default();
    for file in 0..2 {
        let changed = Arc::new([1_u64].into_iter().collect());
        let slice = Slice { unit: ReadUnit { file, slice: 0, slices: 1 }, rows_of_file: 1, changed };
        readers.start(&source, &everything(4), slice).unwrap();
    }
    let (_, mut batches) = readers.pop().unwrap();
    assert!(batches.next().await.unwrap().is_some());
    drop((readers, batches));
    while strong() > before {
        tokio::task::yield_now().await;
    }
}
