//! Random decisions on random rows, against what a plain loop over them makes.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    super::{Limits, apply_within},
    fixture::*,
};
use crate::{
    delta::{
        fixtures::{Lake, Random, features, protocol},
        scan::RowPlace,
    },
    engine::MergeCounts,
    merge::{Action, MergePlan, When},
};

/// `id`, `v` and `t`.
type Row = (i64, i64, Option<String>);

fn text((id, v, t): &Row) -> String {
    format!("{id} {v} {}", t.as_deref().unwrap_or("NULL"))
}

fn plan(base: &crate::delta::snapshot::DeltaSnapshot, source: &arrow::datatypes::Schema) -> MergePlan {
    Plan::new(base, source)
        .update(When::Matched, &[("v", "v + s_v")])
        .update(When::Matched, &[("t", "s_t"), ("id", "s_id"), ("v", "s_v")])
        .delete(When::Matched)
        .insert(When::Matched, None, &["id + 1000", "s_v", "t"])
        .update(When::NotMatchedBySource, &[("t", "t || '?'")])
        .delete(When::NotMatchedBySource)
        .insert(When::NotMatchedBySource, None, &["-id", "v", "t"])
        .insert(When::NotMatched, Some("s_v % 2 = 0"), &["s_id", "s_v", "s_t"])
        .clause(When::NotMatched, Some("s_v % 3 = 0"), Action::DoNothing)
        .insert(When::NotMatched, None, &["s_id", "0", ""])
        .returning(&["id", "v", "t", "merge_action"])
        .done()
}

/// What the statement should make.
#[derive(Default)]
struct Expected {
    rows: Vec<String>,
    feed: Vec<String>,
    returned: Vec<String>,
    counts: MergeCounts,
    changed: BTreeMap<u32, Vec<u64>>,
}

impl Expected {
    fn insert(&mut self, row: &Row) {
        self.counts.inserted += 1;
        self.rows.push(text(row));
        self.feed.push(format!("{} insert", text(row)));
        self.returned.push(format!("{} INSERT", text(row)));
    }

    fn update(&mut self, place: RowPlace, old: &Row, new: &Row) {
        self.counts.updated += 1;
        self.rows.push(text(new));
        self.feed.push(format!("{} update_preimage", text(old)));
        self.feed.push(format!("{} update_postimage", text(new)));
        self.returned.push(format!("{} UPDATE", text(new)));
        self.changed.entry(place.file).or_default().push(place.position);
    }

    fn delete(&mut self, place: RowPlace, old: &Row) {
        self.counts.deleted += 1;
        self.feed.push(format!("{} delete", text(old)));
        self.returned.push(format!("{} DELETE", text(old)));
        self.changed.entry(place.file).or_default().push(place.position);
    }

    /// What a clause of the plan makes of a row of the target, and one of the source.
    fn decide(&mut self, clause: usize, place: RowPlace, old: &Row, source: &Row) {
        let (id, v, t) = old.clone();
        let (s_id, s_v, s_t) = source.clone();
        match clause {
            0 => self.update(place, old, &(id, v + s_v, t)),
            1 => self.update(place, old, &(s_id, s_v, s_t)),
            2 | 5 => self.delete(place, old),
            3 => self.insert(&(id + 1000, s_v, t)),
            4 => self.update(place, old, &(id, v, t.map(|t| t + "?"))),
            _ => self.insert(&(-id, v, t)),
        }
    }

    fn unmatched(&mut self, (s_id, s_v, s_t): &Row) {
        if s_v % 2 == 0 {
            self.insert(&(*s_id, *s_v, s_t.clone()));
        } else if s_v % 3 != 0 {
            self.insert(&(*s_id, 0, None));
        }
    }

    fn sort(&mut self) {
        [&mut self.rows, &mut self.feed, &mut self.returned].into_iter().for_each(|all| all.sort());
        self.changed.values_mut().for_each(|positions| positions.sort_unstable());
    }
}

/// Pairs in batches of their clauses, in no particular order.
fn shuffled(mut pairs: Vec<(usize, RowPlace, u64)>, random: &mut Random) -> Found {
    for index in (1..pairs.len()).rev() {
        // Some runs stay as they are.
        if random.below(3) > 0 {
            pairs.swap(index, random.below(index as u64 + 1) as usize);
        }
    }
    let mut found = Found::default();
    while !pairs.is_empty() {
        let clause = pairs[pairs.len() - 1].0;
        let batch = 1 + random.below(40) as usize;
        let rows: Vec<_> = pairs.iter().filter(|pair| pair.0 == clause).take(batch).copied().collect();
        let mut left = rows.len();
        pairs.retain(|pair| {
            let taken = pair.0 == clause && left > 0;
            left -= usize::from(taken);
            !taken
        });
        let places: Vec<RowPlace> = rows.iter().map(|row| row.1).collect();
        let source: Vec<u64> = rows.iter().map(|row| row.2).collect();
        found = found.pairs(clause, &places, if clause < 4 { &source } else { &[] });
    }
    found
}

async fn check(seed: u64) {
    let mut random = Random(seed);
    let lake = Lake::new();
    let (vectors, feed) = (random.below(2) == 0, random.below(2) == 0);
    let configuration =
        json!({ "delta.enableDeletionVectors": vectors.to_string(), "delta.enableChangeDataFeed": feed.to_string() });
    let table = match vectors || feed {
        true => features(&["deletionVectors"], &["deletionVectors", "changeDataFeed"]),
        false => protocol(1, 2),
    };
    let files: Vec<i64> = (0..1 + random.below(4)).map(|_| 1 + random.below(60) as i64).collect();
    let base = numbered(&lake, table, &configuration, &files).await;
    let source_rows: Vec<Row> = (0..1 + random.below(100) as i64)
        .map(|n| (500 + n, random.below(100) as i64, (random.below(4) > 0).then(|| format!("s{n}"))))
        .collect();
    let rows = batch(&[
        ("s_id", longs(&source_rows.iter().map(|row| Some(row.0)).collect::<Vec<_>>())),
        ("s_v", longs(&source_rows.iter().map(|row| Some(row.1)).collect::<Vec<_>>())),
        ("s_t", texts(&source_rows.iter().map(|row| row.2.as_deref()).collect::<Vec<_>>())),
    ]);
    let (mut expected, mut pairs, mut stay) = (Expected::default(), Vec::new(), Vec::new());
    for (id, place) in placed(&base).await {
        let old = (id, 10 * id, Some(format!("t{id}")));
        let mut decide = |clause: usize, random: &mut Random| {
            let source = random.below(source_rows.len() as u64);
            expected.decide(clause, place, &old, &source_rows[source as usize]);
            pairs.push((clause, place, source));
        };
        (0..random.below(8).saturating_sub(5)).for_each(|_| decide(3, &mut random));
        let clause = [0, 1, 2, 4, 5, 6, 7][random.below(7) as usize];
        if clause < 7 {
            decide(clause, &mut random);
        }
        if clause > 5 {
            stay.push((place.file, text(&old)));
        }
    }
    let unmatched: Vec<u64> = (0..source_rows.len() as u64).filter(|_| random.below(2) == 0).collect();
    unmatched.iter().for_each(|row| expected.unmatched(&source_rows[*row as usize]));
    // Without vectors rows of changed files are written again.
    if !vectors {
        stay.retain(|(file, row)| {
            let again = expected.changed.contains_key(file);
            expected.rows.extend(again.then(|| row.clone()));
            !again
        });
    }
    expected.sort();
    let found = shuffled(pairs, &mut random).unmatched(unmatched);
    let limits = Limits {
        chunk_rows: 1 + random.below(70) as usize,
        fetched_bytes: 1 + random.below(2000) as usize,
        piece_bytes: 1 + random.below(2000) as usize,
    };
    let source = source_within(&rows, 1 << (6 + random.below(12))).await;
    let applied = apply_within(&base, &plan(&base, &rows.schema()), found, &source, &memory(), limits).await.unwrap();
    assert_eq!(applied.counts, expected.counts, "{seed}");
    assert_eq!(BTreeMap::from_iter(changed(&applied.changed)), expected.changed, "{seed}");
    assert_eq!(staged(&base, &applied.adds).await, expected.rows, "{seed}");
    assert_eq!(returned(&applied), expected.returned, "{seed}");
    let told = feed && !expected.changed.is_empty();
    assert_eq!(changes(&lake, &applied.changes), if told { expected.feed } else { Vec::new() }, "{seed}");
}

#[tokio::test]
async fn random_decisions_make_what_they_should() {
    let first = Random::new().below(1 << 31);
    for seed in first..first + 40 {
        check(seed + 1).await;
    }
}
