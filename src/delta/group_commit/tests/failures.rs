//! What goes wrong is told to those it concerns, and nobody waits for ever.

use std::sync::atomic::Ordering::SeqCst;

use super::{
    store::{Store, Weather},
    *,
};
use crate::{
    delta::{
        fixtures::{field, metadata},
        write::OutcomeUnknown,
    },
    engine::Error,
};

async fn failed(inserting: Inserting) -> Error {
    inserting.await.unwrap().expect_err("it cannot succeed")
}

fn is_unknown(error: &Error) -> bool {
    matches!(error, Error::Internal { source, .. } if source.is::<OutcomeUnknown>())
}

#[tokio::test]
async fn values_that_cannot_be_kept_fail_alone() {
    let lake = Lake::new();
    let table = table(&lake, &["p"], GroupLimits::default()).await;
    let base = newest(&table).await.unwrap();
    // An empty text reads back as NULL, which shows only when rows are split by partition.
    let inserts = || (0..9).map(|x| insert(&base, [x], if x == 2 || x == 6 { "" } else { "p" }));
    for (x, one) in meeting(&table, inserts).await.into_iter().skip(1).enumerate() {
        if x == 2 || x == 6 {
            let error = failed(one).await;
            assert!(matches!(&error, Error::InvalidArgument(text) if text.contains("\"p\"")), "{error}");
        } else {
            assert_eq!(committed(one).await.version(), 2);
        }
    }
    let end = newest(&table).await.unwrap();
    assert_eq!(rows(&end).await, [-1, 0, 1, 3, 4, 5, 7, 8]);
    assert_eq!(commit_info(&lake, 2)["operationMetrics"]["numOutputRows"], "7");
    assert_no_orphans(&lake, &table).await;
}

#[tokio::test]
async fn nothing_is_committed_if_all_fail() {
    let lake = Lake::new();
    let table = table(&lake, &["p"], GroupLimits::default()).await;
    let base = newest(&table).await.unwrap();
    let mut inserting = meeting(&table, || (0..3).map(|x| insert(&base, [x], ""))).await;
    committed(inserting.remove(0)).await;
    for one in inserting {
        assert!(matches!(failed(one).await, Error::InvalidArgument(_)));
    }
    assert_eq!(newest(&table).await.unwrap().version(), 1);
    assert_no_orphans(&lake, &table).await;
}

#[tokio::test]
async fn those_that_knew_another_definition_conflict_alone() {
    let lake = Lake::new();
    let table = table(&lake, &[], GroupLimits::default()).await;
    let old = newest(&table).await.unwrap();
    let described = {
        let text = std::fs::read_to_string(lake.commit_path("t", 0)).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut line = lines.into_iter().find(|line| line["metaData"].is_object()).unwrap();
        line["metaData"]["description"] = json!("another");
        line
    };
    lake.write("t", 1, &[described]);
    let new = newest(&table).await.unwrap();
    let inserts = || (0..6).map(|x| insert(if x % 2 == 0 { &new } else { &old }, [x], "p"));
    for (x, one) in meeting(&table, inserts).await.into_iter().skip(1).enumerate() {
        match one.await.unwrap().unwrap() {
            CommitOutcome::Committed(snapshot) => assert_eq!((x % 2, snapshot.version()), (0, 3)),
            CommitOutcome::Conflict { reason } => {
                assert_eq!(x % 2, 1);
                assert_eq!(reason, "table 't' changed its schema or properties after version 0 (now at 3)");
            }
        }
    }
    assert_eq!(rows(&newest(&table).await.unwrap()).await, [-1, 0, 2, 4]);
    assert_no_orphans(&lake, &table).await;
}

#[tokio::test]
async fn a_definition_that_changes_under_a_group_is_a_conflict_of_all() {
    let lake = Lake::new();
    let table = table(&lake, &[], GroupLimits::default()).await;
    let base = newest(&table).await.unwrap();
    let turn = table.lock_commits().await;
    let mut inserting = vec![insert(&base, [1], "p")];
    until_waiting(&table, 0).await;
    inserting.extend([insert(&base, 0..MANY, "p"), insert(&base, [2], "p")]);
    until_waiting(&table, 2).await;
    let columns = json!([field("x", json!("long")), field("p", json!("string")), field("y", json!("long"))]);
    lake.write("t", 1, &[metadata(&columns, &json!({}))]);
    drop(turn);
    for one in inserting {
        let outcome = one.await.unwrap().unwrap();
        assert!(matches!(outcome, CommitOutcome::Conflict { .. }), "{outcome:?}");
    }
    assert_eq!(newest(&table).await.unwrap().version(), 1);
    until(|| data_files(&lake).is_empty()).await;
}

#[tokio::test]
async fn an_append_that_is_given_up_before_it_is_taken_leaves_no_trace() {
    let lake = Lake::new();
    let table = table(&lake, &[], GroupLimits::default()).await;
    let base = newest(&table).await.unwrap();
    let turn = table.lock_commits().await;
    let first = insert(&base, [-1], "first");
    until_waiting(&table, 0).await;
    let mut inserting: Vec<_> =
        (0..6).map(|x| insert(&base, if x < 4 { x..x + 1 } else { 1000..1000 + MANY }, "p")).collect();
    until_waiting(&table, 6).await;
    for given_up in [5, 3, 0] {
        let one = inserting.remove(given_up);
        one.abort();
        assert!(one.await.unwrap_err().is_cancelled());
    }
    drop(turn);
    committed(first).await;
    assert_eq!(versions(inserting).await, [2, 2, 2]);
    let end = newest(&table).await.unwrap();
    assert_eq!(rows(&end).await, [-1, 1, 2].into_iter().chain(1000..1000 + MANY).collect::<Vec<_>>());
    assert_no_orphans(&lake, &table).await;
}

#[tokio::test]
async fn an_append_that_is_given_up_later_is_committed() {
    let lake = Lake::new();
    let table = table(&lake, &[], GroupLimits::default()).await;
    let base = newest(&table).await.unwrap();
    let turn = table.lock_commits().await;
    let first = insert(&base, [-1], "first");
    until_waiting(&table, 0).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    drop(turn);
    assert_eq!(committed(insert(&base, [0], "p")).await.version(), 2);
    assert_eq!(rows(&newest(&table).await.unwrap()).await, [-1, 0]);
}

#[tokio::test]
async fn nobody_waits_if_all_have_been_given_up() {
    let lake = Lake::new();
    let table = table(&lake, &[], GroupLimits::default()).await;
    let base = newest(&table).await.unwrap();
    let mut all = meeting(&table, || (0..3).map(|x| insert(&base, [x], "p"))).await;
    // Nothing has run since the turn came free.
    let first = all.remove(0);
    all.iter().for_each(JoinHandle::abort);
    committed(first).await;
    until(|| !table.group().lock().led).await;
    assert_eq!(newest(&table).await.unwrap().version(), 1);
    assert_eq!(committed(insert(&base, [9], "p")).await.version(), 2);
}

#[tokio::test]
async fn nobody_hears_of_success_before_the_commit_is_there() {
    let store = Store::new();
    let table = store.table().await;
    let base = newest(&table).await.unwrap();
    let inserting = meeting(&table, || (0..4).map(|x| insert(&base, [x], "p"))).await;
    // The turn was free for a moment, so the first may be done; the rest come to the gate behind it.
    let gate = store.gate.lock().await;
    let begun = store.commit_writes.load(SeqCst);
    let late: Vec<_> = (10..14).map(|x| insert(&base, [x], "p")).collect();
    until(|| store.commit_writes.load(SeqCst) > begun).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(late.iter().all(|one| !one.is_finished()), "acknowledged before the commit was written");
    drop(gate);
    let (soon, late) = (versions(inserting).await, versions(late).await);
    assert!(soon.iter().max() <= late.iter().min(), "{soon:?} {late:?}");
    assert_eq!(rows(&newest(&table).await.unwrap()).await.len(), 9);
}

#[tokio::test]
async fn a_commit_of_which_nobody_knows_is_told_to_all_and_keeps_its_files() {
    for weather in [Weather::NoCommits, Weather::Panic] {
        let store = Store::new();
        let table = store.table().await;
        let base = newest(&table).await.unwrap();
        let gate = store.gate.lock().await;
        let mut inserting = vec![insert(&base, [-1], "first")];
        until(|| store.commit_writes.load(SeqCst) == 2).await;
        inserting.extend((0..3).map(|x| insert(&base, [x], "p")));
        inserting.push(insert(&base, 0..MANY, "p"));
        until_waiting(&table, 4).await;
        drop(gate);
        // Behind the first's commit, before that of the others.
        let gate = store.gate.lock().await;
        store.becomes(weather);
        drop(gate);
        committed(inserting.remove(0)).await;
        for one in inserting {
            let error = failed(one).await;
            assert!(is_unknown(&error), "{error:?}");
            assert!(error.to_string().contains("table 't' broke off"), "{error}");
        }
        assert_eq!(store.data_files().await, 3, "the commit may stand");
        store.becomes(Weather::Fair);
        until(|| !table.group().lock().led).await;
        // The next ones find nobody in their way.
        if weather == Weather::Panic {
            assert_eq!(committed(insert(&base, [9], "p")).await.version(), 2);
        }
    }
}

#[tokio::test]
async fn a_store_that_takes_no_files_is_told_to_all_after_few_attempts() {
    let store = Store::new();
    let table = store.table().await;
    let base = newest(&table).await.unwrap();
    let mut inserting = meeting(&table, || (0..64).map(|x| insert(&base, [x], "p"))).await;
    store.becomes(Weather::NoData);
    let first = inserting.remove(0);
    let _ = first.await.unwrap();
    for one in inserting {
        let error = failed(one).await;
        assert!(matches!(error, Error::Internal { .. }) && !is_unknown(&error), "{error:?}");
    }
    assert!(store.data_writes.load(SeqCst) <= 1 + 3, "{} attempts", store.data_writes.load(SeqCst));
    store.becomes(Weather::Fair);
    committed(insert(&base, [99], "p")).await;
}

#[test]
fn a_runtime_that_ends_leaves_nobody_leading() {
    let lake = Lake::new();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let (table, base) = first.block_on(async {
        let table = table(&lake, &[], GroupLimits::default()).await;
        let base = newest(&table).await.unwrap();
        let turn = table.lock_commits().await;
        drop([insert(&base, [-1], "first")]);
        until_waiting(&table, 0).await;
        drop((0..3).map(|x| insert(&base, [x], "p")).collect::<Vec<_>>());
        drop(insert(&base, 0..MANY, "p"));
        until_waiting(&table, 4).await;
        drop(turn);
        (table, base)
    });
    drop(first);
    assert!(!table.group().lock().led && table.group().lock().waiting.is_empty());
    runtime().block_on(async {
        let snapshot = committed(insert(&base, [5], "p")).await;
        assert!(rows(&*snapshot).await.contains(&5));
    });
}
