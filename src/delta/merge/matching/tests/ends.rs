//! Batches of a good size, and the end of what nobody wants any more.

use std::{sync::Arc, time::Duration};

use super::{
    clauses::{plan, rows, source_columns, target_columns},
    fixture::{Target, source_of},
};
use crate::{
    delta::merge::{
        matching::{Decided, Matching},
        source::MemoryBudget,
    },
    merge::{Action, When},
};

fn many(count: i64) -> Vec<(i64, &'static str)> {
    (0..count).map(|id| (id, "")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_rows_of_many_files_come_together_and_in_order() {
    let target = Target::new(target_columns(), &[]).await;
    for _ in 0..20 {
        target.append(rows(&target_columns(), &many(30))).await;
    }
    let memory = MemoryBudget::new(1 << 20);
    let source = source_of(&source_columns(), [rows(&source_columns(), &[(3, ""), (7, "")])], &memory).await;
    let delete = plan().key("t_id", "s_id").when(When::Matched, None, Action::Delete).done();
    let mut matching = Matching::new(delete, target.source().await, source, memory).unwrap();
    let Decided { places, source, .. } = matching.next().await.unwrap().unwrap();
    assert_eq!((places.len(), source.len()), (40, 40));
    assert!(places.is_sorted());
    assert!(matching.next().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_it_ends_it() {
    let target = Target::new(target_columns(), &[]).await;
    target.append(rows(&target_columns(), &many(5000))).await;
    let memory = MemoryBudget::new(1 << 20);
    // Every row matches every other: 25 million pairs.
    let source = source_of(&source_columns(), [rows(&source_columns(), &many(5000))], &memory).await;
    let all = plan().when(When::Matched, None, Action::Delete).done();
    let mut matching = Matching::new(all, target.source().await, Arc::clone(&source), memory).unwrap();
    let first = matching.next().await.unwrap().unwrap();
    assert!(first.places.len() < 100_000, "a row may match many, but not all come at once");
    drop(matching);
    let ended = async {
        while Arc::strong_count(&source) > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("the workers end");
}
