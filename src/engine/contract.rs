//! What every table format must do, whatever it is: one suite, run against each.

use std::{num::NonZeroUsize, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, StringArray, UInt64Array},
    compute::{concat_batches, take_record_batch},
    datatypes::{DataType, Field, Int32Type, Int64Type, Schema, SchemaRef},
    record_batch::RecordBatch,
};
use futures::TryStreamExt;
use url::Url;

use super::{
    Alteration, Change, ChangeKind, ChangeRequest, CommitOutcome, CompareOp, Error, Merge, MergeClauses, MergeCounts,
    MergeOutcome, MergeRequest, Merged, Predicate, ReadPart, ReadUnit, Result, Scalar, ScanRequest, Snapshot,
    TableFormat, TableSpec,
};

/// Runs the suite. `location` is a place where no table is, below a directory that exists.
pub(crate) async fn check(format: &dyn TableFormat, location: &Url) {
    nothing_is_there(format, location).await;
    a_table_is_made_once(format, location).await;
    appends_are_seen_whole_or_not_at_all(format, location).await;
    snapshots_never_change(format, location).await;
    scans_select_columns_rows_and_row_ids(format, location).await;
    parts_of_nowhere_are_refused(format, location).await;
    what_does_not_fit_is_refused(format, location).await;
    appends_race_and_none_is_lost(format, location).await;
    deletes_take_exactly_their_rows(format, location).await;
    deletes_conflict_by_row(format, location).await;
    row_ids_are_of_one_version(format, location).await;
    merges_do_what_their_clauses_say(format, location).await;
    merges_leave_nothing_of_themselves(format, location).await;
    merges_are_as_if_alone(format, location).await;
    merges_end_where_the_table_is_another(format, location).await;
}

async fn nothing_is_there(format: &dyn TableFormat, location: &Url) {
    assert!(!format.exists(location));
    let error = format.table(location).expect("a handle").snapshot().await.expect_err("no table");
    assert!(matches!(error, Error::NotFound(_)), "{error}");
}

async fn a_table_is_made_once(format: &dyn TableFormat, location: &Url) {
    let made = format.create(location, &spec()).await.expect("made");
    assert_eq!((made.version(), rows_of(&made).await.len()), (0, 0));
    assert_eq!(made.schema(), schema());
    assert_eq!(made.description().as_deref(), Some("a table"));
    assert!(format.exists(location));
    let error = format.create(location, &spec()).await.expect_err("made twice");
    assert!(matches!(error, Error::AlreadyExists(_)), "{error}");
    assert_eq!(newest(format, location).await.version(), 0, "the refusal changed nothing");
}

async fn appends_are_seen_whole_or_not_at_all(format: &dyn TableFormat, location: &Url) {
    let before = newest(format, location).await;
    let mut append = before.append().await.expect("begun");
    append.write(batch(&[1, 2])).await.expect("staged");
    append.write(batch(&[3])).await.expect("staged");
    assert!(rows_of(&newest(format, location).await).await.is_empty(), "staged rows are not seen");
    let after = committed(append.commit().await);
    assert_eq!(rows_of(&after).await, [1, 2, 3]);
    assert_eq!(after.row_count().await.expect("counted"), Some(3));

    let mut dropped = after.append().await.expect("begun");
    dropped.write(batch(&[9])).await.expect("staged");
    dropped.abort().await;
    let empty = after.append().await.expect("begun");
    assert_eq!(committed(empty.commit().await).version(), after.version(), "no rows, no version");
    assert_eq!(rows_of(&newest(format, location).await).await, [1, 2, 3]);
}

async fn snapshots_never_change(format: &dyn TableFormat, location: &Url) {
    let before = newest(format, location).await;
    let after = append(&before, &[4]).await;
    assert_eq!(rows_of(&before).await, [1, 2, 3]);
    assert_eq!(rows_of(&after).await, [1, 2, 3, 4]);
    let table = format.table(location).expect("a handle");
    let again = table.snapshot_at(before.version()).await.expect("still there");
    assert_eq!(rows_of(&again).await, [1, 2, 3]);
    let error = table.snapshot_at(after.version() + 1).await.expect_err("a version to come");
    assert!(matches!(error, Error::NotFound(_)), "{error}");
}

async fn scans_select_columns_rows_and_row_ids(format: &dyn TableFormat, location: &Url) {
    let snapshot = newest(format, location).await;
    let above_two =
        Predicate::Compare { column: vec!["id".to_owned()], op: CompareOp::Greater, value: Scalar::Integer(2) };
    let request = ScanRequest { projection: vec![1], row_id: true, predicate: above_two };
    let rows = scan(&snapshot, &request, 8).await.expect("scanned");
    assert_eq!(rows.schema().fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>(), ["name", "rowid"]);
    let names: Vec<_> = rows.column(0).as_string::<i32>().iter().flatten().collect();
    assert!(names.contains(&"n3") && names.contains(&"n4"), "a predicate never loses a row: {names:?}");
    let ids = rows.column(1).as_struct();
    let versions = ids.column(0).as_primitive::<Int64Type>();
    assert!(versions.values().iter().all(|version| *version as u64 == snapshot.version()));
    let mut places: Vec<_> = (0..rows.num_rows())
        .map(|i| {
            (ids.column(1).as_primitive::<Int32Type>().value(i), ids.column(2).as_primitive::<Int64Type>().value(i))
        })
        .collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), rows.num_rows(), "each row has an id of its own");

    let none = ScanRequest { predicate: Predicate::Or(vec![]), ..request };
    assert!(snapshot.plan(&none, NonZeroUsize::MIN).await.expect("planned").parts.is_empty(), "no row can match");
    let count = ScanRequest { projection: vec![], row_id: false, predicate: Predicate::Unknown };
    assert_eq!(scan(&snapshot, &count, 1).await.expect("counted").num_rows(), 4);
}

async fn parts_of_nowhere_are_refused(format: &dyn TableFormat, location: &Url) {
    let snapshot = newest(format, location).await;
    let request = everything();
    for unit in [ReadUnit { file: 999, slice: 0, slices: 1 }, ReadUnit { file: 0, slice: 1, slices: 1 }] {
        let read = match snapshot.read(&request, &ReadPart { units: vec![unit] }).await {
            Ok(stream) => stream.try_collect::<Vec<_>>().await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert!(matches!(read, Err(Error::InvalidArgument(_))), "{unit:?}: {read:?}");
    }
}

async fn what_does_not_fit_is_refused(format: &dyn TableFormat, location: &Url) {
    let snapshot = newest(format, location).await;
    let other = Schema::new(vec![Field::new("id", DataType::Int64, false)]);
    let narrow = RecordBatch::try_new(Arc::new(other), vec![int64s(&[Some(1)])]).expect("a batch");
    let nullable =
        Schema::new(schema().fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect::<Vec<_>>());
    let names: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let null_id = RecordBatch::try_new(Arc::new(nullable), vec![int64s(&[None]), names]).expect("a batch");
    for rows in [narrow, null_id] {
        let mut append = snapshot.append().await.expect("begun");
        let error = append.write(rows).await.expect_err("refused");
        assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
        append.abort().await;
    }
    assert_eq!(newest(format, location).await.version(), snapshot.version());
}

async fn appends_race_and_none_is_lost(format: &dyn TableFormat, location: &Url) {
    let base = newest(format, location).await;
    let writers = (100..108).map(|id| {
        let base = Arc::clone(&base);
        async move { (id, append(&base, &[id]).await) }
    });
    for (id, snapshot) in futures::future::join_all(writers).await {
        // Several may share a version.
        assert!((1..=8).contains(&(snapshot.version() - base.version())));
        assert!(rows_of(&snapshot).await.contains(&id), "its snapshot has its rows");
    }
    let rows = rows_of(&newest(format, location).await).await;
    assert_eq!(rows, [1, 2, 3, 4, 100, 101, 102, 103, 104, 105, 106, 107]);
}

async fn deletes_take_exactly_their_rows(format: &dyn TableFormat, location: &Url) {
    let before = newest(format, location).await;
    let all = rows_of(&before).await;
    let mut delete = before.change(&DELETE).await.expect("begun");
    delete.write(row_ids(&before, &[2]).await).await.expect("taken");
    delete.write(row_ids(&before, &[100, 4]).await).await.expect("taken");
    assert_eq!(rows_of(&newest(format, location).await).await, all, "uncommitted changes are not seen");
    let after = committed(delete.commit().await);
    assert_eq!(after.version(), before.version() + 1, "one version");
    assert_eq!(rows_of(&after).await, [1, 3, 101, 102, 103, 104, 105, 106, 107]);
    assert_eq!(rows_of(&before).await, all);

    let aborted = delete_of(&after, &[1]).await;
    aborted.abort().await;
    drop(delete_of(&after, &[1]).await);
    let empty = after.change(&DELETE).await.expect("begun");
    assert_eq!(committed(empty.commit().await).version(), after.version(), "no rows, no version");

    let returning = ChangeRequest { returning: true, ..DELETE };
    let mut delete = after.change(&returning).await.expect("begun");
    let rows = delete.write(row_ids(&after, &[107, 3]).await).await.expect("taken").expect("the rows");
    assert_eq!(rows, batch(&[107, 3]), "as they were, in their order");
    committed(delete.commit().await);
}

async fn deletes_conflict_by_row(format: &dyn TableFormat, location: &Url) {
    let base = newest(format, location).await;
    let (first, other) = (delete_of(&base, &[101, 102]).await, delete_of(&base, &[103]).await);
    let (same, meanwhile) = (delete_of(&base, &[104, 102]).await, base.append().await.expect("begun"));
    committed(first.commit().await);
    append(&base, &[200]).await;
    committed(other.commit().await);
    let CommitOutcome::Conflict { reason } = same.commit().await.expect("an outcome") else { panic!("row 102 twice") };
    assert!(!reason.is_empty());
    let now = newest(format, location).await;
    assert_eq!((now.version(), rows_of(&now).await), (base.version() + 3, vec![1, 104, 105, 106, 200]));
    meanwhile.abort().await;
}

async fn row_ids_are_of_one_version(format: &dyn TableFormat, location: &Url) {
    let before = newest(format, location).await;
    let ids = row_ids(&before, &[104]).await;
    let after = append(&before, &[201]).await;
    let mut delete = after.change(&DELETE).await.expect("begun");
    let error = delete.write(ids.clone()).await.expect_err("of another version");
    assert!(matches!(error, Error::FailedPrecondition(_)), "{error}");
    delete.abort().await;

    let mut delete = before.change(&DELETE).await.expect("begun");
    delete.write(ids.clone()).await.expect("taken");
    let error = delete.write(ids).await.expect_err("the row came before");
    assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
    delete.abort().await;
    assert_eq!(newest(format, location).await.version(), after.version());
}

async fn merges_do_what_their_clauses_say(format: &dyn TableFormat, location: &Url) {
    let before = append(&newest(format, location).await, &[300, 301, 302]).await;
    let all = rows_of(&before).await;
    let clauses = "ON target.id = source.id WHEN MATCHED AND source.name = 'n301' THEN DELETE
         WHEN MATCHED THEN UPDATE SET name = 'merged' WHEN NOT MATCHED THEN INSERT RETURNING merge_action, id";
    let returned = before.merge_returns(&merge_of(clauses)).expect("understood").expect("RETURNING");
    assert_eq!(returned.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>(), ["merge_action", "id"]);
    let mut merge = before.merge(&merge_of(clauses)).await.expect("begun");
    merge.write(batch(&[301, 900])).await.expect("taken");
    merge.write(batch(&[300])).await.expect("taken");
    assert_eq!(rows_of(&newest(format, location).await).await, all, "uncommitted rows are not seen");
    let Merged { snapshot: after, counts, returned: rows } = merged(merge.commit().await);
    assert_eq!((after.version(), counts), (before.version() + 1, MergeCounts { inserted: 1, updated: 1, deleted: 1 }));
    let expected: Vec<_> = all.iter().copied().filter(|id| *id != 301).chain([900]).collect();
    assert_eq!(rows_of(&after).await, expected);
    assert_eq!(rows_of(&before).await, all);
    let rows: Vec<RecordBatch> = rows.expect("RETURNING").try_collect().await.expect("rows");
    let rows = concat_batches(&returned, &rows).expect("of the columns that were told");
    let actions = rows.column(0).as_string::<i32>().iter().map(Option::unwrap);
    let mut rows: Vec<_> = actions.zip(rows.column(1).as_primitive::<Int64Type>().values().iter().copied()).collect();
    rows.sort_unstable();
    assert_eq!(rows, [("DELETE", 301), ("INSERT", 900), ("UPDATE", 300)]);

    let twice = after.merge(&upsert()).await.expect("begun");
    let error = written(twice, &[302, 302]).await.commit().await.expect_err("two rows for one");
    assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
    for clauses in ["", "ON target.id = source.nothing WHEN MATCHED THEN DELETE"] {
        let refused = (after.merge_returns(&merge_of(clauses)).err(), after.merge(&merge_of(clauses)).await.err());
        assert!(matches!(refused, (Some(Error::InvalidArgument(_)), Some(Error::InvalidArgument(_)))), "{refused:?}");
    }
    assert_eq!(newest(format, location).await.version(), after.version());
}

async fn merges_leave_nothing_of_themselves(format: &dyn TableFormat, location: &Url) {
    let before = newest(format, location).await;
    written(before.merge(&upsert()).await.expect("begun"), &[302, 901]).await.abort().await;
    drop(written(before.merge(&upsert()).await.expect("begun"), &[302, 901]).await);
    let given_up = written(before.merge(&upsert()).await.expect("begun"), &[302, 901]).await.commit();
    drop(given_up);
    let nothing =
        "ON target.id = source.id WHEN MATCHED AND target.id > 1000 THEN DELETE WHEN NOT MATCHED THEN DO NOTHING";
    for merge in [before.merge(&merge_of(nothing)).await, before.merge(&upsert()).await] {
        let merge = merge.expect("begun");
        let Merged { snapshot, counts, returned } = merged(merge.commit().await);
        assert_eq!((snapshot.version(), counts), (before.version(), MergeCounts::default()));
        assert!(returned.is_none());
    }
    assert_eq!(newest(format, location).await.version(), before.version());
}

async fn merges_are_as_if_alone(format: &dyn TableFormat, location: &Url) {
    let base = newest(format, location).await;
    let all = rows_of(&base).await;
    let begin = async |ids| written(base.merge(&upsert()).await.expect("begun"), ids).await;
    let (first, second, other) = (begin(&[300, 910]).await, begin(&[910, 300, 911]).await, begin(&[912]).await);
    assert_eq!(merged(first.commit().await).counts, MergeCounts { inserted: 1, updated: 1, deleted: 0 });
    let gone = delete_of(&newest(format, location).await, &[302]).await;
    committed(gone.commit().await);
    let last = merged(second.commit().await);
    assert_eq!(last.counts, MergeCounts { inserted: 1, updated: 2, deleted: 0 });
    assert_eq!(merged(other.commit().await).snapshot.version(), base.version() + 4);
    let expected: Vec<_> = all.into_iter().filter(|id| *id != 302).chain([910, 911, 912]).collect();
    let mut rows = rows_of(&newest(format, location).await).await;
    rows.sort_unstable();
    let mut sorted = expected;
    sorted.sort_unstable();
    assert_eq!(rows, sorted);
}

async fn merges_end_where_the_table_is_another(format: &dyn TableFormat, location: &Url) {
    let base = newest(format, location).await;
    let merge = written(base.merge(&upsert()).await.expect("begun"), &[920]).await;
    let field = Field::new("more", DataType::Int64, true);
    let more = Alteration::AddColumn { field, if_not_exists: false };
    let after = format.table(location).expect("a handle").alter(&more).await.expect("altered");
    let MergeOutcome::Conflict { reason } = merge.commit().await.expect("an outcome") else {
        panic!("of other columns")
    };
    assert!(!reason.is_empty());
    assert_eq!(newest(format, location).await.version(), after.version());
}

fn merge_of(clauses: &str) -> MergeRequest {
    let clauses = MergeClauses::Text(clauses.to_owned());
    MergeRequest { table: "t".to_owned(), clauses, source: schema() }
}

fn upsert() -> MergeRequest {
    MergeRequest { clauses: MergeClauses::Upsert(vec!["id".to_owned()]), ..merge_of("") }
}

async fn written(mut merge: Box<dyn Merge>, ids: &[i64]) -> Box<dyn Merge> {
    merge.write(batch(ids)).await.expect("taken");
    merge
}

fn merged(outcome: Result<MergeOutcome>) -> Merged {
    match outcome.expect("an outcome") {
        MergeOutcome::Committed(merged) => merged,
        MergeOutcome::Conflict { reason } => panic!("a conflict: {reason}"),
    }
}

const DELETE: ChangeRequest = ChangeRequest { kind: ChangeKind::Delete, returning: false };

async fn delete_of(base: &Arc<dyn Snapshot>, ids: &[i64]) -> Box<dyn Change> {
    let mut delete = base.change(&DELETE).await.expect("begun");
    let told = delete.write(row_ids(base, ids).await).await.expect("taken");
    assert!(told.is_none(), "nobody asked for rows");
    delete
}

/// The row ids of the rows with these ids, in this order.
async fn row_ids(snapshot: &Arc<dyn Snapshot>, ids: &[i64]) -> RecordBatch {
    let request = ScanRequest { projection: vec![0], row_id: true, predicate: Predicate::Unknown };
    let rows = scan(snapshot, &request, 1).await.expect("scanned");
    let there = rows.column(0).as_primitive::<Int64Type>().values();
    let place = |id: &i64| there.iter().position(|there| there == id).expect("a row of this id") as u64;
    let places = UInt64Array::from_iter_values(ids.iter().map(place));
    take_record_batch(&rows.project(&[1]).expect("two columns"), &places).expect("rows of the batch")
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8, true)]))
}

fn spec() -> TableSpec {
    TableSpec { schema: schema(), partition_columns: vec![], description: Some("a table".to_owned()), checks: vec![] }
}

fn int64s(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

/// Rows with these ids, each named after its id.
fn batch(ids: &[i64]) -> RecordBatch {
    let names = StringArray::from_iter_values(ids.iter().map(|id| format!("n{id}")));
    let ids = int64s(&ids.iter().copied().map(Some).collect::<Vec<_>>());
    RecordBatch::try_new(schema(), vec![ids, Arc::new(names)]).expect("a batch of the schema")
}

fn everything() -> ScanRequest {
    ScanRequest { projection: vec![0, 1], row_id: false, predicate: Predicate::Unknown }
}

async fn newest(format: &dyn TableFormat, location: &Url) -> Arc<dyn Snapshot> {
    format.table(location).expect("a handle").snapshot().await.expect("a table")
}

async fn append(base: &Arc<dyn Snapshot>, ids: &[i64]) -> Arc<dyn Snapshot> {
    let mut append = base.append().await.expect("begun");
    append.write(batch(ids)).await.expect("staged");
    committed(append.commit().await)
}

fn committed(outcome: Result<CommitOutcome>) -> Arc<dyn Snapshot> {
    match outcome.expect("an outcome") {
        CommitOutcome::Committed(snapshot) => snapshot,
        CommitOutcome::Conflict { reason } => panic!("a conflict: {reason}"),
    }
}

/// The ids of all rows, sorted.
async fn rows_of(snapshot: &Arc<dyn Snapshot>) -> Vec<i64> {
    let rows = scan(snapshot, &everything(), 3).await.expect("scanned");
    let mut ids = rows.column(0).as_primitive::<Int64Type>().values().to_vec();
    ids.sort_unstable();
    ids
}

async fn scan(snapshot: &Arc<dyn Snapshot>, request: &ScanRequest, parts_max: usize) -> Result<RecordBatch> {
    let plan = snapshot.plan(request, NonZeroUsize::new(parts_max).expect("not zero")).await?;
    assert!(plan.parts.len() <= parts_max);
    let mut batches = Vec::new();
    for part in &plan.parts {
        batches.extend(snapshot.read(request, part).await?.try_collect::<Vec<_>>().await?);
    }
    let Some(first) = batches.first() else { return snapshot_empty(snapshot, request) };
    if first.rows.num_columns() == 0 {
        let count = batches.iter().map(|batch| batch.rows.num_rows()).sum();
        let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(count));
        return Ok(RecordBatch::try_new_with_options(first.rows.schema(), vec![], &options).expect("no columns"));
    }
    Ok(concat_batches(&first.rows.schema(), batches.iter().map(|batch| &batch.rows)).expect("batches of one schema"))
}

fn snapshot_empty(snapshot: &Arc<dyn Snapshot>, request: &ScanRequest) -> Result<RecordBatch> {
    let schema = snapshot.schema().project(&request.projection).expect("columns of the table");
    Ok(RecordBatch::new_empty(Arc::new(schema)))
}
