//! Random deletes under way at once, over random files, against a set of rows: what lands is exactly what was asked
//! for, and a statement lands unless one of its rows has been changed since it began.

use std::collections::BTreeSet;

use super::fixture::*;
use crate::{
    delta::{
        fixtures::{Random, newest},
        snapshot::DeltaSnapshot,
    },
    engine::{Change, CommitOutcome},
};

/// Statements under way at once.
const PENDING_MAX: usize = 6;

struct Pending {
    change: Box<dyn Change>,
    rows: BTreeSet<i64>,
    /// Rows that were deleted since it began.
    lost: BTreeSet<i64>,
}

#[tokio::test]
async fn deletes_land_whole_or_conflict_by_row() {
    let (mut landed, mut conflicts) = (0, 0);
    for seed in [3, 1_000_003, 77_777_777] {
        let (here, there) = run(seed).await;
        (landed, conflicts) = (landed + here, conflicts + there);
    }
    assert!(landed > 50 && conflicts > 10, "{landed} landed, {conflicts} conflicts");
}

async fn run(seed: u64) -> (usize, usize) {
    let mut random = Random(seed);
    let table = Table::partitioned(&["part"]).await;
    let handles = [table.table.clone(), table.elsewhere()];
    let (mut live, mut next_id) = (BTreeSet::new(), 0_i64);
    let mut pending: Vec<Pending> = Vec::new();
    let (mut landed, mut conflicts) = (0, 0);
    for step in 0..90 {
        match random.below(10) {
            0 | 1 => {
                let count = [1, 10, 400][random.below(3) as usize];
                table.append(["a", "b"][random.below(2) as usize], next_id..next_id + count).await;
                live.extend(next_id..next_id + count);
                next_id += count;
            }
            2..=5 if pending.len() < PENDING_MAX => {
                let base = newest(&handles[random.below(2) as usize]).await.unwrap();
                pending.push(begin(&mut random, &base).await);
            }
            _ if pending.is_empty() => {}
            _ => {
                let Pending { change, rows, lost } = pending.swap_remove(random.below(pending.len() as u64) as usize);
                let conflicts_by_model = !rows.is_disjoint(&lost);
                match change.commit().await.unwrap() {
                    CommitOutcome::Committed(_) => {
                        assert!(!conflicts_by_model, "seed {seed}, step {step}: a row was deleted twice");
                        live.retain(|id| !rows.contains(id));
                        pending.iter_mut().for_each(|other| other.lost.extend(&rows));
                        landed += 1;
                    }
                    CommitOutcome::Conflict { reason } => {
                        assert!(conflicts_by_model, "seed {seed}, step {step}: {reason}");
                        conflicts += 1;
                    }
                }
                let seen: BTreeSet<i64> = table.ids().await.into_iter().collect();
                assert_eq!(seen, live, "seed {seed}, step {step}");
            }
        }
    }
    let fresh = ids(&newest(&table.elsewhere()).await.unwrap()).await;
    assert_eq!(fresh.into_iter().collect::<BTreeSet<_>>(), live, "seed {seed}");
    (landed, conflicts)
}

async fn begin(random: &mut Random, base: &DeltaSnapshot) -> Pending {
    let there = row_ids(base).await;
    let (most, skew) = ([1, 4, 60, u64::MAX][random.below(4) as usize], 1 + random.below(5));
    let from = random.below(there.len() as u64 + 1) as usize;
    let wanted = there.iter().skip(from).filter(|_| random.below(skew) == 0).take(usize::try_from(most).unwrap());
    let wanted: Vec<_> = wanted.map(|(id, row)| (*id, *row)).collect();
    let rows: Vec<_> = wanted.iter().map(|(_, row)| *row).collect();
    let change = begun(base, &rows).await.unwrap();
    Pending { change, rows: wanted.into_iter().map(|(id, _)| id).collect(), lost: BTreeSet::new() }
}
