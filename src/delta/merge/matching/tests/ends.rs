//! Batches of a good size, and the end of what nobody wants any more.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use super::{
    clauses::{plan, rows, source_columns, target_columns},
    fixture::{Matched, Target, matched, source_of},
};
use crate::{
    delta::{
        fixtures::Random,
        merge::{
            matching::{Decided, Matching},
            source::MemoryBudget,
        },
        scan::{RowPlace, plan as plan_of},
    },
    engine::{Predicate, ScanRequest},
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

/// Text that no codec makes much smaller.
fn noise(random: &mut Random) -> String {
    (0..400).map(|_| char::from(b'0' + random.below(64) as u8)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_parts_are_looked_at_at_once() {
    let (target, mut random) = (Target::new(target_columns(), &[]).await, Random::new());
    for file in 0..3 {
        let texts: Vec<(i64, String)> = (0..16_000).map(|row| (file * 16_000 + row, noise(&mut random))).collect();
        let texts: Vec<(i64, &str)> = texts.iter().map(|(id, text)| (*id, text.as_str())).collect();
        target.append(rows(&target_columns(), &texts)).await;
    }
    let scan = target.source().await;
    let request = ScanRequest { projection: vec![0], row_id: true, predicate: Predicate::Unknown };
    assert!(plan_of(&scan.files, &scan.schema, &request, NonZeroUsize::new(8).unwrap()).parts.len() > 1);

    let memory = MemoryBudget::new(64 << 20);
    let even: Vec<(i64, &str)> = (0..30_000).map(|row| (row * 2, "")).collect();
    let source = source_of(&source_columns(), [rows(&source_columns(), &even)], &memory).await;
    let merge = plan()
        .key("t_id", "s_id")
        .when(When::Matched, Some("t_id % 3 = 0"), Action::Delete)
        .when(When::NotMatched, None, Action::Insert(vec![]))
        .when(When::NotMatchedBySource, Some("t_id % 5 = 0"), Action::Delete);
    let Matched { found, rest, .. } = matched(&merge.done(), scan, &source, &memory).await.unwrap();
    let places = |clause| found.iter().filter(move |(of, ..)| *of == clause).map(|(_, place, _)| *place);
    let place = |id: u64| RowPlace { file: 0, position: id % 16_000 };
    let expected = |wanted: fn(u64) -> bool| (0..48_000).filter(|id| wanted(*id)).map(place).collect::<Vec<_>>();
    let positions = |clause| {
        let mut found: Vec<_> = places(clause).map(|place| RowPlace { file: 0, ..place }).collect();
        found.sort_unstable();
        found
    };
    let sorted = |mut places: Vec<RowPlace>| {
        places.sort_unstable();
        places
    };
    assert_eq!(positions(0), sorted(expected(|id| id % 6 == 0)));
    assert_eq!(positions(2), sorted(expected(|id| id % 2 == 1 && id % 5 == 0)));
    assert_eq!(rest.rows.iter().collect::<Vec<_>>(), (24_000..30_000).collect::<Vec<_>>());
}
