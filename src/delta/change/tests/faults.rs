//! Commits of changes whose put is answered with a failure: the rows are changed once, and no vector goes that a version
//! may need.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use super::fixture::{DELETE, array, batch, committed, ids, row_ids, schema};
use crate::{
    delta::{
        commit::faults::{Fault, Faulty, open},
        create::create,
        fixtures::newest,
        snapshot::DeltaSnapshot,
        write::is_outcome_unknown,
    },
    engine::{ChangeKind, ChangeRequest, CommitOutcome, Result, RowId, Snapshot, TableSpec, row_id_field},
};

/// As many rows as need a file for their vector, where every third is deleted.
const ROWS: i64 = 3000;

async fn table() -> Arc<Faulty> {
    let store = Arc::new(Faulty::default());
    let table = open(&store);
    let spec = TableSpec { schema: schema(), partition_columns: vec![], description: None, checks: vec![] };
    create(table.store(), table.log(), &spec, true).await.unwrap();
    let mut append = newest(&table).await.unwrap().append().await.unwrap();
    let parts: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(|_| "p")));
    let rows = vec![Arc::new(Int64Array::from_iter_values(0..ROWS)) as ArrayRef, parts];
    append.write(RecordBatch::try_new(schema(), rows).unwrap()).await.unwrap();
    committed(append.commit().await);
    store
}

/// Every third row's id, and its row id.
async fn thirds(base: &DeltaSnapshot) -> (Vec<i64>, Vec<RowId>) {
    row_ids(base).await.into_iter().filter(|(id, _)| id % 3 == 0).unzip()
}

async fn delete_thirds(store: &Arc<Faulty>) -> Result<CommitOutcome> {
    let base = newest(&open(store)).await.unwrap();
    let mut change = base.change(&DELETE).await?;
    change.write(batch(array(&thirds(&base).await.1))).await?;
    change.commit().await
}

/// Gives every third row its id's negative.
async fn negate_thirds(store: &Arc<Faulty>) -> Result<CommitOutcome> {
    let base = newest(&open(store)).await.unwrap();
    let mut change = base.change(&ChangeRequest { kind: ChangeKind::Update(vec![0]), returning: false }).await?;
    let (ids, row_ids) = thirds(&base).await;
    let negative: ArrayRef = Arc::new(Int64Array::from_iter_values(ids.iter().map(|id| -id - 1)));
    let fields = vec![schema().field(0).clone(), row_id_field()];
    let rows = RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(fields)), vec![negative, array(&row_ids)]);
    change.write(rows.unwrap()).await?;
    change.commit().await
}

async fn ids_now(store: &Arc<Faulty>) -> Vec<i64> {
    ids(&newest(&open(store)).await.unwrap()).await
}

fn others() -> impl Iterator<Item = i64> {
    (0..ROWS).filter(|id| id % 3 != 0)
}

fn negatives() -> impl Iterator<Item = i64> {
    (0..ROWS).filter(|id| id % 3 == 0).map(|id| -id - 1).rev()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_can_be_seen_through_is_none() {
    use Fault::{Beaten, Late, Lost, Unheard, UnheardAndFollowed};
    for faults in [&[Lost][..], &[Unheard], &[UnheardAndFollowed], &[Beaten, Unheard], &[Late(1)], &[Late(2), Lost]] {
        let store = table().await;
        store.fail_next(faults);
        committed(delete_thirds(&store).await);
        assert!(ids_now(&store).await.into_iter().eq(others()), "{faults:?}");
        assert_eq!((store.objects(".parquet").await, store.objects(".bin").await), (1, 1), "{faults:?}");

        let store = table().await;
        store.fail_next(faults);
        committed(negate_thirds(&store).await);
        assert!(ids_now(&store).await.into_iter().eq(negatives().chain(others())), "{faults:?}");
        assert_eq!((store.objects(".parquet").await, store.objects(".bin").await), (2, 1), "{faults:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_nobody_knows_of_keeps_its_files() {
    for (last, lands) in [(Fault::Lost, false), (Fault::Late(2), true)] {
        let store = table().await;
        store.fail_next(&[Fault::Lost, Fault::Lost, Fault::Lost, last]);
        let error = negate_thirds(&store).await.unwrap_err();
        assert!(is_outcome_unknown(&error), "{error:?}");
        assert_eq!((store.objects(".parquet").await, store.objects(".bin").await), (2, 1), "its files stay");
        store.pass().await;
        store.pass().await;
        let found = ids_now(&store).await;
        match lands {
            true => assert!(found.into_iter().eq(negatives().chain(others()))),
            false => assert!(found.into_iter().eq(0..ROWS)),
        }
    }
}
