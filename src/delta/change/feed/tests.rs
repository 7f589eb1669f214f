use std::{collections::BTreeMap, fs, path::Path};

use arrow::{
    array::{Array, AsArray, Int64Array},
    compute::concat_batches,
    datatypes::Int64Type,
};
use deltalake_core::kernel::Add;
use futures::TryStreamExt;
use parquet::arrow::{PARQUET_FIELD_ID_META_KEY, arrow_reader::ParquetRecordBatchReaderBuilder};
use serde_json::{Value, json};

use super::*;
use crate::{
    delta::{
        DeletionVectors,
        checkpoint::Background,
        file::DataFile,
        fixtures::{Lake, Random, features, field, field_with, metadata, newest, protocol},
        index::FileIndex,
        scan::{ScanSource, read as scan},
        store::TableStore,
        table::DeltaTable,
    },
    engine::{
        ChangeKind, ChangeRequest, CommitOutcome, Predicate, ReadPart, ReadUnit, ScanRequest, Snapshot, row_id_field,
    },
};

fn with_feed(configuration: &Value) -> Value {
    let mut configuration = configuration.clone();
    configuration["delta.enableChangeDataFeed"] = json!("true");
    configuration
}

/// A table of `id` and `p`, by which it is partitioned if it is to be.
async fn table(lake: &Lake, protocol: Value, fields: &Value, configuration: &Value, partition: bool) -> DeltaSnapshot {
    let mut metadata = metadata(fields, configuration);
    if partition {
        metadata["metaData"]["partitionColumns"] = json!(["p"]);
    }
    lake.write("t", 0, &[protocol, metadata]);
    newest(&lake.table("t")).await.unwrap()
}

fn plain() -> Value {
    json!([field("id", json!("long")), field("p", json!("string"))])
}

fn mapped() -> Value {
    let mapped =
        |id: i64, name: &str| json!({ "delta.columnMapping.id": id, "delta.columnMapping.physicalName": name });
    json!([field_with("id", json!("long"), mapped(1, "col-1")), field_with("p", json!("string"), mapped(2, "col-2"))])
}

fn rows(base: &DeltaSnapshot, ids: &[i64]) -> RecordBatch {
    let parts = ids.iter().map(|id| (id % 3 > 0).then(|| format!("p{}", id % 3)));
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(ids.to_vec())), Arc::new(parts.collect::<StringArray>())];
    RecordBatch::try_new(base.schema(), columns).unwrap()
}

fn begun(base: &DeltaSnapshot) -> Feed {
    Feed::begin(base).unwrap().expect("the table keeps a feed")
}

/// The rows of a change file, and its schema.
fn read(lake: &Lake, add: &Add) -> RecordBatch {
    let file = fs::File::open(lake.path("t").join(&add.path)).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = Arc::clone(reader.schema());
    let batches: Vec<_> = reader.build().unwrap().map(std::result::Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

/// Ids and what became of them.
fn changes(batch: &RecordBatch, id: &str) -> Vec<(i64, String)> {
    let ids = batch.column_by_name(id).unwrap().as_primitive::<Int64Type>();
    let types = batch.column_by_name("_change_type").unwrap().as_string::<i32>();
    (0..batch.num_rows()).map(|row| (ids.value(row), types.value(row).to_owned())).collect()
}

#[tokio::test]
async fn changes_lie_in_files_of_their_own_with_what_became_of_each_row() {
    let lake = Lake::new();
    let base = table(&lake, protocol(1, 4), &plain(), &with_feed(&json!({})), false).await;
    let mut feed = begun(&base);
    feed.write(&rows(&base, &[1, 2]), ChangeType::UpdatePreimage).await.unwrap();
    feed.write(&rows(&base, &[11, 12]), ChangeType::UpdatePostimage).await.unwrap();
    feed.write(&rows(&base, &[]), ChangeType::Delete).await.unwrap();
    feed.write(&rows(&base, &[3]), ChangeType::Delete).await.unwrap();
    let staged = feed.finish().await.unwrap();
    assert_eq!(staged.rows, 5);
    let [add] = &staged.adds[..] else { panic!("one file") };
    assert!(add.path.starts_with("_change_data/cdc-00000-"), "{}", add.path);
    assert!(add.partition_values.is_empty());
    assert_eq!(add.size as u64, fs::metadata(lake.path("t").join(&add.path)).unwrap().len());
    let batch = read(&lake, add);
    assert_eq!(
        batch.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(),
        ["id", "p", "_change_type"]
    );
    let expected = [
        (1, "update_preimage"),
        (2, "update_preimage"),
        (11, "update_postimage"),
        (12, "update_postimage"),
        (3, "delete"),
    ];
    assert_eq!(changes(&batch, "id"), expected.map(|(id, change)| (id, change.to_owned())));
}

#[tokio::test]
async fn partitions_have_directories_of_their_own() {
    let lake = Lake::new();
    let base = table(&lake, features(&[], &["changeDataFeed"]), &plain(), &with_feed(&json!({})), true).await;
    let mut feed = begun(&base);
    feed.write(&rows(&base, &[1, 2, 3, 4]), ChangeType::Delete).await.unwrap();
    let mut staged = feed.finish().await.unwrap();
    staged.adds.sort_by_key(|add| add.partition_values["p"].clone());
    let seen: Vec<_> = staged
        .adds
        .iter()
        .map(|add| {
            let directory = Path::new(&add.path).parent().unwrap().to_str().unwrap().to_owned();
            let batch = read(&lake, add);
            assert!(batch.column_by_name("p").is_none());
            (directory, add.partition_values["p"].as_deref().unwrap_or("NULL").to_owned(), changes(&batch, "id").len())
        })
        .collect();
    let expected = [
        ("_change_data/p=__HIVE_DEFAULT_PARTITION__", "NULL", 1),
        ("_change_data/p=p1", "p1", 2),
        ("_change_data/p=p2", "p2", 1),
    ];
    assert_eq!(seen, expected.map(|(directory, value, rows)| (directory.to_owned(), value.to_owned(), rows)));
}

#[tokio::test]
async fn mapped_columns_have_their_names_and_ids_in_files() {
    for mode in ["name", "id"] {
        let lake = Lake::new();
        let configuration =
            with_feed(&json!({ "delta.columnMapping.mode": mode, "delta.columnMapping.maxColumnId": "2" }));
        let features = features(&["columnMapping"], &["columnMapping", "changeDataFeed"]);
        let base = table(&lake, features, &mapped(), &configuration, true).await;
        let mut feed = begun(&base);
        feed.write(&rows(&base, &[1]), ChangeType::Delete).await.unwrap();
        let staged = feed.finish().await.unwrap();
        let add = &staged.adds[0];
        assert_eq!(Path::new(&add.path).parent().unwrap().to_str(), Some("_change_data"));
        assert_eq!(add.partition_values["col-2"].as_deref(), Some("p1"));
        let batch = read(&lake, add);
        assert_eq!(changes(&batch, "col-1"), [(1, "delete".to_owned())]);
        let ids: Vec<_> =
            batch.schema().fields().iter().map(|f| f.metadata().get(PARQUET_FIELD_ID_META_KEY).cloned()).collect();
        assert_eq!(ids, [Some("1".to_owned()), None]);
    }
}

#[tokio::test]
async fn there_is_a_feed_only_where_property_and_protocol_have_it() {
    for (protocol, configuration, kept) in [
        (protocol(1, 4), with_feed(&json!({})), true),
        (features(&[], &["changeDataFeed"]), with_feed(&json!({})), true),
        (protocol(1, 4), json!({}), false),
        (protocol(1, 4), json!({ "delta.enableChangeDataFeed": "false" }), false),
        (protocol(1, 2), with_feed(&json!({})), false),
        (features(&[], &["appendOnly"]), with_feed(&json!({})), false),
    ] {
        let lake = Lake::new();
        let base = table(&lake, protocol.clone(), &plain(), &configuration, false).await;
        assert_eq!(Feed::begin(&base).unwrap().is_some(), kept, "{protocol} {configuration}");
    }
}

#[tokio::test]
async fn a_column_that_the_feed_gives_itself_is_refused_by_name() {
    for name in ["_change_type", "_Change_Type", "_commit_version", "_commit_timestamp"] {
        let lake = Lake::new();
        let fields = json!([field("id", json!("long")), field(name, json!("string"))]);
        let base = table(&lake, protocol(1, 4), &fields, &with_feed(&json!({})), false).await;
        match Feed::begin(&base).map(drop) {
            Err(Error::FailedPrecondition(text)) => {
                let why = format!("which needs the name '{}' for itself", name.to_lowercase());
                assert!(
                    text.starts_with("table 't' keeps a change data feed (delta.enableChangeDataFeed)")
                        && text.contains(&why),
                    "{text}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn nothing_is_left_of_changes_that_were_given_up_and_nothing_made_of_none() {
    let lake = Lake::new();
    let base = table(&lake, protocol(1, 4), &plain(), &with_feed(&json!({})), false).await;
    let directory = lake.path("t").join("_change_data");
    let staged = begun(&base).finish().await.unwrap();
    assert!(staged.adds.is_empty());
    let mut feed = begun(&base);
    // More than is gathered before the encoder begins.
    let ids: Vec<i64> = (0..100_000).collect();
    feed.write(&rows(&base, &ids), ChangeType::Delete).await.unwrap();
    feed.abort().await;
    assert!(!directory.exists());
    let mut feed = begun(&base);
    feed.write(&rows(&base, &ids), ChangeType::Delete).await.unwrap();
    let staged = feed.finish().await.unwrap();
    assert!(directory.exists());
    staged.remove().await;
    assert!(!directory.exists());
}

/// Rows by their ids: `t` and `p`.
type Rows = BTreeMap<i64, (Option<String>, Option<String>)>;

/// What a statement does to a row.
type Changes = Vec<(String, i64, Option<String>, Option<String>)>;

/// All rows of some files of a table, with the columns that `schema` has.
async fn scanned(base: &DeltaSnapshot, files: FileIndex, schema: Arc<TableSchema>, row_id: bool) -> RecordBatch {
    let units = (0..files.len() as u32).map(|file| ReadUnit { file, slice: 0, slices: 1 }).collect();
    let columns = schema.logical.fields().len();
    let source = ScanSource { files: Arc::new(files), schema: schema.clone(), ..base.source().await.unwrap() };
    let request = ScanRequest { projection: (0..columns).collect(), row_id, predicate: Predicate::Unknown };
    let batches: Vec<_> = scan(source, &request, &ReadPart { units }).unwrap().try_collect().await.unwrap();
    let batches: Vec<RecordBatch> = batches.into_iter().map(|batch| batch.rows).collect();
    let mut fields: Vec<_> = schema.logical.fields().iter().cloned().collect();
    fields.extend(row_id.then(|| Arc::new(row_id_field())));
    concat_batches(&Arc::new(Schema::new(fields)), &batches).unwrap()
}

fn text(batch: &RecordBatch, column: usize, row: usize) -> Option<String> {
    let column = batch.column(column).as_string::<i32>();
    column.is_valid(row).then(|| column.value(row).to_owned())
}

fn id(batch: &RecordBatch, row: usize) -> i64 {
    batch.column(0).as_primitive::<Int64Type>().value(row)
}

/// The rows of a version, and the batch they came in, with their row ids.
async fn contents(base: &DeltaSnapshot) -> (Rows, RecordBatch) {
    let files = FileIndex::try_new(base.files().await.unwrap().iter().cloned()).unwrap();
    let batch = scanned(base, files, base.definition().schema().clone(), true).await;
    let rows = (0..batch.num_rows()).map(|row| (id(&batch, row), (text(&batch, 1, row), text(&batch, 2, row))));
    let rows: Rows = rows.collect();
    assert_eq!(rows.len(), batch.num_rows(), "ids are unique");
    (rows, batch)
}

/// What the feed says that a version changed, and the number of its Adds that have deletion vectors.
async fn told(lake: &Lake, base: &DeltaSnapshot) -> (Changes, usize) {
    let commit = fs::read_to_string(lake.commit_path("t", base.version())).unwrap();
    let actions: Vec<Value> = commit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let files = actions.iter().filter_map(|action| action.get("cdc")).map(|cdc| {
        assert_eq!(cdc["dataChange"], json!(false));
        DataFile {
            path: object_store::path::Path::from_url_path(cdc["path"].as_str().unwrap()).unwrap(),
            log_path: None,
            size_bytes: cdc["size"].as_u64().unwrap(),
            partition_values: serde_json::from_value(cdc["partitionValues"].clone()).unwrap(),
            stats_json: None,
            deletion_vector: None,
            modified_ms: 0,
            notes: None,
        }
    });
    let files = FileIndex::try_new(files).unwrap();
    let change_type = Arc::new(Field::new(CHANGE_TYPE, DataType::Utf8, false));
    let batch = scanned(base, files, Arc::new(with_column(base.definition().schema(), &change_type)), false).await;
    let change = |row| (text(&batch, 3, row).unwrap(), id(&batch, row), text(&batch, 1, row), text(&batch, 2, row));
    let mut changes: Changes = (0..batch.num_rows()).map(change).collect();
    changes.sort();
    let vectors = actions.iter().filter(|action| action["add"]["deletionVector"].is_object()).count();
    (changes, vectors)
}

#[derive(Debug, Clone, Copy)]
struct Case {
    deletion_vectors: DeletionVectors,
    mapped: bool,
    partitioned: bool,
    seed: u64,
}

/// A table of `id`, `t` and `p` that keeps a feed.
fn kept(lake: &Lake, case: Case) {
    let named = |number: i64, name: &str, data_type: &str| {
        let ids = json!({ "delta.columnMapping.id": number,
                          "delta.columnMapping.physicalName": format!("col-{number}") });
        field_with(name, json!(data_type), if case.mapped { ids } else { json!({}) })
    };
    let fields = json!([named(1, "id", "long"), named(2, "t", "string"), named(3, "p", "string")]);
    let mut configuration = with_feed(&json!({ "delta.enableDeletionVectors": "true" }));
    let mut both = vec!["deletionVectors"];
    if case.mapped {
        configuration["delta.columnMapping.mode"] = json!("name");
        configuration["delta.columnMapping.maxColumnId"] = json!("3");
        both.push("columnMapping");
    }
    let mut metadata = metadata(&fields, &configuration);
    if case.partitioned {
        metadata["metaData"]["partitionColumns"] = json!(["p"]);
    }
    let writer = [&both[..], &["changeDataFeed"]].concat();
    lake.write("t", 0, &[features(&both, &writer), metadata]);
}

/// Rows of `t` and `p` for some ids.
fn batch_of(schema: SchemaRef, rows: &Rows) -> RecordBatch {
    let ids = Int64Array::from_iter_values(rows.keys().copied());
    let texts: StringArray = rows.values().map(|(text, _)| text.clone()).collect();
    let parts: StringArray = rows.values().map(|(_, part)| part.clone()).collect();
    RecordBatch::try_new(schema, vec![Arc::new(ids), Arc::new(texts), Arc::new(parts)]).unwrap()
}

/// A statement on random rows: what it does to `rows`, and the changes a feed should tell.
async fn change(base: &DeltaSnapshot, rows: &mut Rows, random: &mut Random) -> Changes {
    let (_, batch) = contents(base).await;
    let share = [1, 2, 20][random.below(3) as usize];
    let chosen: Vec<usize> = (0..batch.num_rows()).filter(|_| random.below(share) == 0).collect();
    let picked = arrow::array::UInt64Array::from_iter_values(chosen.iter().map(|row| *row as u64));
    let picked = arrow::compute::take_record_batch(&batch, &picked).unwrap();
    // 0 deletes, others set that column.
    let column = [0, 1, 2][random.below(3) as usize];
    let kind = if column == 0 { ChangeKind::Delete } else { ChangeKind::Update(vec![column]) };
    let mut statement = base.change(&ChangeRequest { kind, returning: false }).await.unwrap();
    let mut expected = Changes::new();
    for from in (0..picked.num_rows()).step_by(100) {
        let piece = picked.slice(from, (picked.num_rows() - from).min(100));
        let new: StringArray =
            (0..piece.num_rows()).map(|_| (random.below(5) > 0).then(|| format!("n{}", random.below(4)))).collect();
        for row in 0..piece.num_rows() {
            let key = id(&piece, row);
            let old = rows[&key].clone();
            let value = new.is_valid(row).then(|| new.value(row).to_owned());
            let now = if column == 1 { (value, old.1.clone()) } else { (old.0.clone(), value) };
            if column == 0 {
                rows.remove(&key);
                expected.push(("delete".to_owned(), key, old.0, old.1));
            } else {
                expected.push(("update_preimage".to_owned(), key, old.0, old.1));
                expected.push(("update_postimage".to_owned(), key, now.0.clone(), now.1.clone()));
                rows.insert(key, now);
            }
        }
        let mut columns: Vec<(Field, ArrayRef)> = vec![(row_id_field(), piece.column(3).clone())];
        if column > 0 {
            columns.insert(0, (base.schema().field(column).clone(), Arc::new(new)));
        }
        let (fields, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        assert!(statement.write(batch).await.unwrap().is_none());
    }
    assert!(matches!(statement.commit().await.unwrap(), CommitOutcome::Committed(_)));
    expected.sort();
    expected
}

async fn statements(case: Case) {
    let Case { deletion_vectors, seed, .. } = case;
    let lake = Lake::new();
    kept(&lake, case);
    let store = TableStore::open(&lake.location("t")).unwrap();
    let table = DeltaTable::new(store, Arc::new(Background::default())).with_deletion_vectors(deletion_vectors);
    let table = Arc::new(table);
    let open = async || newest(&table).await.unwrap();
    let (mut random, mut rows, mut with_vectors) = (Random(seed), Rows::new(), 0);
    for first in [0, 1000, 1500] {
        let more =
            (first..first + 400).map(|id| (id, (Some(format!("t{id}")), (id % 3 > 0).then(|| format!("p{}", id % 3)))));
        let more: Rows = more.collect();
        let mut append = open().await.append().await.unwrap();
        append.write(batch_of(open().await.schema(), &more)).await.unwrap();
        append.commit().await.unwrap();
        rows.extend(more);
    }
    for _ in 0..6 {
        let base = open().await;
        let expected = change(&base, &mut rows, &mut random).await;
        let now = open().await;
        assert_eq!(contents(&now).await.0, rows, "{case:?}");
        if expected.is_empty() {
            assert_eq!(now.version(), base.version());
            continue;
        }
        let (told, vectors) = told(&lake, &now).await;
        assert!(told == expected, "{case:?}");
        with_vectors += vectors;
    }
    assert_eq!(with_vectors > 0, deletion_vectors == DeletionVectors::AsTable, "{case:?}");
}

#[tokio::test]
async fn random_statements_change_what_they_should_and_tell_what_they_changed_by_either_means() {
    for seed in 1..3 {
        for (mapped, partitioned) in [(false, false), (false, true), (true, false), (true, true)] {
            for deletion_vectors in [DeletionVectors::AsTable, DeletionVectors::Never] {
                statements(Case { deletion_vectors, mapped, partitioned, seed }).await;
            }
        }
    }
}
