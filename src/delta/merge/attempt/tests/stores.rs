//! Commits whose put is answered with a failure, or beaten: what may stand is not done again.

use super::{super::*, fixture::*};
use crate::delta::{
    commit::faults::{Fault, Faulty, open},
    create::create,
    table::DeltaTable,
    write::is_outcome_unknown,
};

/// A table of the ids 1 to 3 in one file.
async fn table() -> (Arc<Faulty>, Arc<DeltaTable>) {
    let store = Arc::new(Faulty::default());
    let table = open(&store);
    create(table.store(), table.log(), &spec(&[]), true).await.unwrap();
    insert(&table, "a", 1..=3).await;
    (store, table)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_can_be_seen_through_is_none() {
    use Fault::{Beaten, Late, Lost, Unheard, UnheardAndFollowed};
    for faults in [&[Lost][..], &[Unheard], &[UnheardAndFollowed], &[Beaten, Unheard], &[Late(1)], &[Late(2), Lost]] {
        let (store, table) = table().await;
        store.fail_next(faults);
        let merge = by_key(Kind::Upsert, &[2, 9], "merged");
        committed(merge.run(&table).await);
        let contents = contents(&open(&store)).await;
        assert_eq!((contents.len(), contents[&2].as_str(), merge.attempts()), (4, "merged", 1), "{faults:?}");
        assert_eq!(store.objects(".parquet").await, 2, "{faults:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_knows_of_is_not_done_again() {
    for (last, lands) in [(Fault::Lost, false), (Fault::Late(2), true)] {
        let (store, table) = table().await;
        store.fail_next(&[Fault::Lost, Fault::Lost, Fault::Lost, last]);
        let merge = by_key(Kind::Upsert, &[2, 9], "merged");
        let error = merge.run(&table).await.unwrap_err();
        assert!(is_outcome_unknown(&error), "{error:?}");
        assert_eq!((merge.attempts(), store.objects(".parquet").await), (1, 2), "its files stay");
        store.pass().await;
        store.pass().await;
        assert_eq!(contents(&open(&store)).await.contains_key(&9), lands);
    }
}

/// Seen from within the lock: the other one came when everything had been checked.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_first_at_the_very_end_is_seen() {
    for (key, attempts, versions) in [(9, 2, 3), (50, 1, 3)] {
        let (store, table) = table().await;
        insert(&open(&store), "a", [key]).await;
        let beaten = Fault::BeatenBy(store.take_commit(2).await.leak());
        let table = {
            drop(table);
            open(&store)
        };
        store.fail_next(&[beaten]);
        let merge = by_key(Kind::InsertOnly, &[8, 9], "merged");
        let merged = committed(merge.run(&table).await);
        assert_eq!((merge.attempts(), merged.snapshot.version()), (attempts, versions), "{key}");
        let contents = contents(&open(&store)).await;
        assert_eq!(contents[&9], if key == 9 { "inserted" } else { "merged" });
        assert_eq!(store.objects(".parquet").await, 3, "of a lost attempt nothing is left");
    }
}
