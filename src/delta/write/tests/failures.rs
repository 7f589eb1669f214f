//! Nothing that fails leaves a trace.

use arrow::{
    array::{ListArray, MapArray, StructArray},
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::Fields,
};
use futures::TryStreamExt;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStoreExt, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, memory::InMemory, path::Path as ObjectPath,
};

use super::*;

fn ids(rows: i64) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(0..rows))
}

fn partitioned() -> Fixture {
    let mut table = Fixture::new(vec![field("p", DataType::Int64), field("id", DataType::Int64)], &["p"]);
    table.limits.chunk_rows = 10;
    // As many as there are partitions: one file each.
    table.limits.open_uploads = 20;
    table
}

/// Enough rows that files are open when it ends.
async fn write_some(append: &mut DeltaAppend, table: &Fixture) {
    for _ in 0..20 {
        append.write(table.batch(vec![ids(20), ids(20)])).await.unwrap();
    }
}

/// Waits for what happens in the background: files vanish, or the test runs into its own time limit.
async fn until_empty(table: &Fixture) {
    // Not before: the encoder removes its files when it has ended.
    let left = |directory: &std::path::Path| {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_name() != "_deltaport").count()
    };
    while left(table.root.path()) > 0 || left(&table.root.path().join("_deltaport")) > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_conflict_or_an_error_of_the_commit_leaves_nothing() {
    for verdict in [Verdict::Conflict, Verdict::Fail] {
        let mut table = partitioned();
        table.verdict = verdict;
        let mut append = table.begin();
        write_some(&mut append, &table).await;
        let outcome = append.commit().await;
        assert_eq!(matches!(outcome, Ok(CommitOutcome::Conflict { .. })), verdict == Verdict::Conflict);
        assert_eq!(outcome.is_err(), verdict == Verdict::Fail);
        assert_eq!(table.adds().len(), 20);
        assert_eq!(table.entries(), [""; 0], "{verdict:?}");
    }
}

#[tokio::test]
async fn files_of_a_commit_that_may_stand_are_left() {
    for verdict in [Verdict::Unknown, Verdict::Panic] {
        let mut table = partitioned();
        table.verdict = verdict;
        let mut append = table.begin();
        write_some(&mut append, &table).await;
        assert!(append.commit().await.is_err());
        for add in table.adds() {
            table.read(&add);
        }
    }
}

#[tokio::test]
async fn abort_leaves_nothing() {
    for write in [false, true] {
        let table = partitioned();
        let mut append = table.begin();
        if write {
            write_some(&mut append, &table).await;
        }
        append.abort().await;
        assert_eq!(table.entries(), [""; 0]);
    }
}

#[tokio::test]
async fn drop_leaves_nothing_after_a_while() {
    let table = partitioned();
    let mut append = table.begin();
    write_some(&mut append, &table).await;
    drop(append);
    until_empty(&table).await;
}

#[test]
fn drop_needs_no_runtime() {
    let table = partitioned();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut append = table.begin();
    runtime.block_on(write_some(&mut append, &table));
    drop(runtime);
    drop(append);
    tokio::runtime::Runtime::new().unwrap().block_on(until_empty(&table));
}

#[tokio::test]
async fn a_commit_that_is_given_up_leaves_nothing() {
    let table = partitioned();
    let mut append = table.begin();
    write_some(&mut append, &table).await;
    let mut commit = append.commit();
    // Polled once: the encoder is told to finish.
    assert!(futures::poll!(&mut commit).is_pending());
    drop(commit);
    until_empty(&table).await;
    assert!(table.seen.lock().unwrap().is_none());
}

#[tokio::test]
async fn directories_of_others_are_left() {
    let table = partitioned();
    fs::create_dir(table.root.path().join("p=3")).unwrap();
    let mut append = table.begin();
    write_some(&mut append, &table).await;
    append.abort().await;
    assert_eq!(table.entries(), ["p=3"], "made by somebody else, who may be about to use it");
}

#[tokio::test]
async fn a_null_in_a_not_null_column_is_refused_by_name() {
    let inner = Fields::from(vec![Field::new("must", DataType::Int64, false), field("may", DataType::Int64)]);
    let strict = |values: Vec<Option<i64>>, valid: Vec<bool>| -> ArrayRef {
        let loose = Fields::from(vec![field("must", DataType::Int64), field("may", DataType::Int64)]);
        let children: Vec<ArrayRef> =
            vec![Arc::new(Int64Array::from(values.clone())), Arc::new(Int64Array::from(values))];
        Arc::new(StructArray::new(loose, children, Some(NullBuffer::from(valid))))
    };
    let list = |values: ArrayRef| -> ArrayRef {
        let element = Arc::new(field("item", values.data_type().clone()));
        Arc::new(ListArray::new(
            element,
            OffsetBuffer::from_lengths([1, 1]),
            values,
            Some(NullBuffer::from(vec![true, false])),
        ))
    };
    let strict_list = DataType::List(Arc::new(Field::new("element", DataType::Struct(inner.clone()), false)));
    let cases: Vec<(Field, ArrayRef, Option<&str>)> = vec![
        (Field::new("n", DataType::Int64, false), Arc::new(Int64Array::from(vec![Some(1), None])), Some("n")),
        (Field::new("n", DataType::Int64, false), ids(2), None),
        (field("s", DataType::Struct(inner.clone())), strict(vec![Some(1), None], vec![true, true]), Some("s.must")),
        (field("s", DataType::Struct(inner.clone())), strict(vec![Some(1), None], vec![true, false]), None),
        (field("l", strict_list.clone()), list(strict(vec![None, Some(1)], vec![true, true])), Some("l.element.must")),
        (field("l", strict_list.clone()), list(strict(vec![Some(1), None], vec![true, true])), None),
        (field("l", strict_list), list(strict(vec![Some(1), Some(2)], vec![false, true])), Some("l.element")),
    ];
    for (column, array, refused) in cases {
        let table = Fixture::new(vec![field("id", DataType::Int64), column], &[]);
        let mut append = table.begin();
        let outcome = append.write(table.batch(vec![ids(2), array])).await;
        match refused {
            None => {
                outcome.unwrap();
                append.commit().await.unwrap();
                assert_eq!(table.read(&table.adds()[0]).num_rows(), 2);
            }
            Some(name) => {
                let error = outcome.unwrap_err();
                let want = format!("column '{name}' of table 't' is NOT NULL");
                assert!(
                    matches!(&error, Error::InvalidArgument(text) if text.contains(&want)),
                    "{error} is not {want}"
                );
                let next =
                    append
                        .write(table.batch(vec![
                            ids(0),
                            arrow::array::new_empty_array(table.schema.logical.field(1).data_type()),
                        ]))
                        .await;
                assert!(matches!(next, Err(Error::FailedPrecondition(_))), "{next:?}");
                append.abort().await;
                assert_eq!(table.entries(), [""; 0]);
            }
        }
    }
}

#[tokio::test]
async fn a_map_may_be_spelt_otherwise_but_has_no_null_key() {
    let entries = |key: &str, nullable| {
        Fields::from(vec![Field::new(key, DataType::Utf8, nullable), field("value", DataType::Int64)])
    };
    let map = |fields: &Fields| {
        DataType::Map(Arc::new(Field::new("entries", DataType::Struct(fields.clone()), false)), false)
    };
    let table = Fixture::new(vec![field("m", map(&entries("key", false)))], &[]);
    let fields = entries("k", false);
    let pairs = StructArray::new(fields.clone(), vec![Arc::new(StringArray::from(vec!["a", "b"])), ids(2)], None);
    let column = MapArray::new(
        Arc::new(Field::new("pairs", DataType::Struct(fields), false)),
        OffsetBuffer::from_lengths([2]),
        pairs,
        None,
        false,
    );
    let batch = RecordBatch::try_from_iter([("m", Arc::new(column) as ArrayRef)]).unwrap();
    let adds = table.append(vec![batch]).await;
    assert_eq!(table.read(&adds[0]).num_rows(), 1);
}

#[tokio::test]
async fn other_columns_are_refused_by_the_first_difference() {
    let table = Fixture::new(
        vec![field("a", DataType::Int64), field("b", DataType::Struct(vec![field("x", DataType::Utf8)].into()))],
        &[],
    );
    let inner = |name: &str| -> ArrayRef {
        Arc::new(StructArray::new(
            vec![field(name, DataType::Utf8)].into(),
            vec![Arc::new(StringArray::from(vec!["x"]))],
            None,
        ))
    };
    let cases: Vec<(Vec<(&str, ArrayRef)>, &str)> = vec![
        (vec![("a", ids(1))], "column \"b\" is missing"),
        (vec![("a", ids(1)), ("c", inner("x"))], "column 2 is called \"c\" where the table has \"b\""),
        (vec![("a", inner("x")), ("b", inner("x"))], "column \"a\" has type"),
        (vec![("a", ids(1)), ("b", inner("y"))], "column \"b\" has type"),
        (vec![("a", ids(1)), ("b", inner("x")), ("c", ids(1))], "no column \"c\""),
    ];
    for (columns, want) in cases {
        let mut append = table.begin();
        let error = append.write(RecordBatch::try_from_iter(columns).unwrap()).await.unwrap_err();
        assert!(matches!(&error, Error::InvalidArgument(text) if text.contains(want)), "{error} is not {want}");
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_reported() {
    let mut table = Fixture::new(vec![field("id", DataType::Int64)], &[]);
    table.limits.chunk_rows = 1;
    let mut append = table.begin();
    fs::remove_dir(table.root.path()).unwrap();
    let error = loop {
        if let Err(error) = append.write(table.batch(vec![ids(5)])).await {
            break error;
        }
    };
    assert!(
        matches!(&error, Error::Internal { context, .. } if context.contains("could not write data file")),
        "{error}"
    );
    let next = append.write(table.batch(vec![ids(5)])).await;
    assert!(matches!(next, Err(Error::FailedPrecondition(_))), "{next:?}");
    append.abort().await;
}

/// An object store that fails, or panics, at its `n`th write.
#[derive(Debug)]
struct Faulty {
    inner: InMemory,
    writes_left: std::sync::atomic::AtomicI64,
    panics: bool,
}

impl Faulty {
    fn new(writes_left: i64, panics: bool) -> Arc<Self> {
        Arc::new(Self { inner: InMemory::new(), writes_left: writes_left.into(), panics })
    }

    fn write(&self) -> object_store::Result<()> {
        if self.writes_left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) > 0 {
            return Ok(());
        }
        assert!(!self.panics, "the store panics, as this test wants");
        Err(object_store::Error::Generic { store: "faulty", source: "no space left".into() })
    }

    async fn objects(&self) -> usize {
        self.inner.list(None).try_collect::<Vec<_>>().await.unwrap().len()
    }
}

impl std::fmt::Display for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("faulty")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        path: &ObjectPath,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.write()?;
        self.inner.put_opts(path, payload, options).await
    }
    async fn put_multipart_opts(
        &self,
        path: &ObjectPath,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.write()?;
        self.inner.put_multipart_opts(path, options).await
    }
    async fn get_opts(&self, path: &ObjectPath, options: GetOptions) -> object_store::Result<GetResult> {
        self.inner.get_opts(path, options).await
    }
    fn delete_stream(
        &self,
        paths: futures::stream::BoxStream<'static, object_store::Result<ObjectPath>>,
    ) -> futures::stream::BoxStream<'static, object_store::Result<ObjectPath>> {
        self.inner.delete_stream(paths)
    }
    fn list(
        &self,
        prefix: Option<&ObjectPath>,
    ) -> futures::stream::BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }
    async fn list_with_delimiter(&self, prefix: Option<&ObjectPath>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, from: &ObjectPath, to: &ObjectPath, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_store_that_fails_keeps_nothing() {
    for panics in [false, true] {
        let mut table = partitioned();
        let store = Faulty::new(5, panics);
        table.store = Some(Arc::clone(&store) as _);
        let mut append = table.begin();
        write_some(&mut append, &table).await;
        let error = append.commit().await.unwrap_err();
        assert!(matches!(error, Error::Internal { .. }), "{error}");
        assert_eq!(store.objects().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_store_gets_the_files_and_loses_them_again() {
    for verdict in [Verdict::Commit, Verdict::Conflict] {
        let mut table = partitioned();
        let store = Faulty::new(i64::MAX, false);
        table.store = Some(Arc::clone(&store) as _);
        table.verdict = verdict;
        let mut append = table.begin();
        write_some(&mut append, &table).await;
        append.commit().await.unwrap();
        assert_eq!(store.objects().await, if verdict == Verdict::Commit { 20 } else { 0 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_is_uploaded_in_parts() {
    let mut table = Fixture::new(vec![field("id", DataType::Int64)], &[]);
    let store = Faulty::new(i64::MAX, false);
    table.store = Some(Arc::clone(&store) as _);
    let mut random = Random(3);
    let rows = 1_500_000;
    let batch = table.batch(vec![Arc::new((0..rows).map(|_| Some(random.next() as i64)).collect::<Int64Array>())]);
    let adds = table.append(vec![batch]).await;
    assert!(adds[0].size > 10 << 20, "larger than a part: {}", adds[0].size);
    let bytes = store.inner.get(&ObjectPath::parse(&adds[0].path).unwrap()).await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes.len() as i64, adds[0].size);
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), rows);

    let mut append = table.begin();
    append.write(table.batch(vec![ids(1_200_000)])).await.unwrap();
    append.abort().await;
    assert_eq!(store.objects().await, 1);
}
