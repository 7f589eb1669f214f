//! A MERGE whose caller goes away: until its commit begins nothing comes of it, and nothing is left.

use std::future::pending;

use tokio::sync::Notify;

use super::{super::*, fixture::*};
use crate::engine::Snapshot;

#[tokio::test]
async fn what_was_staged_goes() {
    for attempt in [1, 2] {
        let table = Table::new().await;
        insert(&table.table, "a", 1..=3).await;
        let (there, other) = (Arc::new(Notify::new()), table.elsewhere());
        let at_it = there.clone();
        let merge = by_key(Kind::Upsert, &[2, 9], "merged").meanwhile(move |now| {
            let (at_it, other) = (at_it.clone(), other.clone());
            async move {
                if now < attempt {
                    insert(&other, "a", [9]).await;
                    return;
                }
                at_it.notify_one();
                pending::<()>().await;
            }
        });
        tokio::select! {
            _ = merge.run(&table.table) => panic!("it waits"),
            () = there.notified() => {}
        }
        assert_eq!(merge.attempts(), attempt);
        table.no_strays().await;
        assert_eq!(table.newest().await.version(), u64::from(attempt));
        // It has left its turn.
        committed(by_key(Kind::Upsert, &[2], "next").run(&table.table).await);
    }
}

#[tokio::test]
async fn waiting_for_a_turn_is_given_up() {
    let table = Table::new().await;
    insert(&table.table, "a", 1..=3).await;
    let alone = table.table.turns().alone().await;
    let there = Arc::new(Notify::new());
    let at_it = there.clone();
    let merge = by_key(Kind::Upsert, &[2], "merged").meanwhile(move |_| {
        at_it.notify_one();
        async {}
    });
    let mut running = Box::pin(merge.run(&table.table));
    tokio::select! {
        _ = &mut running => panic!("another has the turn"),
        () = there.notified() => {}
    }
    assert!(futures::poll!(&mut running).is_pending());
    drop(running);
    table.no_strays().await;
    drop(alone);
    assert_eq!((table.newest().await.version(), merge.attempts()), (1, 1));
    committed(by_key(Kind::Upsert, &[2], "next").run(&table.table).await);
}

/// Half a commit cannot be taken back.
#[tokio::test]
async fn a_commit_under_way_comes_to_its_end() {
    let table = Table::new().await;
    insert(&table.table, "a", 1..=3).await;
    let (there, lock) = (Arc::new(Notify::new()), table.table.lock_commits().await);
    let at_it = there.clone();
    let merge = by_key(Kind::Upsert, &[2, 9], "merged").meanwhile(move |_| {
        at_it.notify_one();
        async {}
    });
    let mut running = Box::pin(merge.run(&table.table));
    tokio::select! {
        _ = &mut running => panic!("another commits"),
        () = there.notified() => {}
    }
    assert!(futures::poll!(&mut running).is_pending());
    drop(running);
    drop(lock);
    while table.newest().await.version() == 1 {
        tokio::task::yield_now().await;
    }
    table.no_strays().await;
    assert_eq!(contents(&table.table).await[&9], "merged");
}

/// The wait for those that have the table to themselves ends.
#[tokio::test(start_paused = true)]
async fn a_turn_is_waited_for_within_bounds() {
    let turns = Turns::default();
    let alone = turns.alone().await;
    assert!(turns.shared().await.is_none());
    drop(alone);
    let shared = turns.shared().await;
    assert!(shared.is_some() && turns.shared().await.is_some());
}
