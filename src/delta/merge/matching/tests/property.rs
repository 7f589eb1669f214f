//! Random tables, sources, conditions and clauses, against loops in loops.

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{Array, AsArray, Int64Array, RecordBatch, StringArray, UInt64Array},
    compute::{concat_batches, take_record_batch},
    datatypes::{DataType, SchemaRef},
};

use super::fixture::{Found, Matched, PlanOf, Target, columns, matched, places, scanned, source_of};
use crate::{
    delta::{
        fixtures::Random,
        merge::source::{KeyIndex, MemoryBudget},
        scan::RowPlace,
    },
    engine::{Error, Predicate},
    expression::Expression,
    merge::{Action, MergePlan, When},
};

fn target_columns() -> SchemaRef {
    columns(&[("t_id", DataType::Int64), ("t_s", DataType::Utf8), ("t_v", DataType::Int64), ("t_p", DataType::Utf8)])
}

fn source_columns() -> SchemaRef {
    columns(&[("s_id", DataType::Int64), ("s_s", DataType::Utf8), ("s_v", DataType::Int64)])
}

struct Cases(Random);

impl Cases {
    fn one_in(&mut self, bound: u64) -> bool {
        self.0.below(bound) == 0
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.0.below(of.len() as u64) as usize]
    }

    fn numbers(&mut self, rows: u64, below: u64) -> Arc<Int64Array> {
        let number = |_| (self.0.below(8) > 0).then(|| self.0.below(below) as i64);
        Arc::new((0..rows).map(number).collect())
    }

    fn texts(&mut self, rows: u64, of: &[&str]) -> Arc<StringArray> {
        let text = |_| (self.0.below(6) > 0).then(|| self.pick(of));
        Arc::new((0..rows).map(text).collect())
    }

    async fn target(&mut self) -> Target {
        let partitioned = self.one_in(2);
        let target = Target::new(target_columns(), if partitioned { &["t_p"] } else { &[] }).await;
        let spread = 1 + self.0.below(60);
        for _ in 0..self.0.below(4) {
            let rows = 1 + self.0.below(40);
            let (ids, texts, values) =
                (self.numbers(rows, spread), self.texts(rows, &["a", "b", "cc", ""]), self.numbers(rows, 6));
            let parts = self.texts(rows, &["a", "b", "cc"]);
            let rows = RecordBatch::try_new(target_columns(), vec![ids, texts, values, parts]);
            target.append(rows.unwrap()).await;
        }
        if self.one_in(2) {
            target.delete(|_| self.one_in(5)).await;
        }
        target
    }

    fn source(&mut self) -> Vec<RecordBatch> {
        let (spread, count) = (1 + self.0.below(60), self.0.below(5));
        let batch = |_| {
            let rows = 1 + self.0.below(12);
            let columns = vec![
                self.numbers(rows, spread) as _,
                self.texts(rows, &["a", "b", "cc", ""]) as _,
                self.numbers(rows, 6) as _,
            ];
            RecordBatch::try_new(source_columns(), columns).unwrap()
        };
        (0..count).map(batch).collect()
    }

    fn plan(&mut self) -> PlanOf {
        let mut plan = PlanOf::new(&target_columns(), &source_columns());
        for (target, source) in [("t_id", "s_id"), ("t_s", "s_s"), ("t_id + t_v", "s_v"), ("t_p", "s_s")] {
            if self.one_in(3) {
                plan = plan.key(target, source);
                plan = if self.one_in(3) { plan.nulls_equal() } else { plan };
            }
        }
        for _ in 0..self.0.below(3) {
            plan = plan.on(self.pick(&[
                "t_p = 'a'",
                "t_v > 2",
                "t_v IS NOT NULL",
                "t_id IN (1, 2, 3, NULL)",
                "length(t_s) = 1",
                "s_v < 4",
                "s_s <> 'b'",
                "t_v <> s_v",
                "t_id < s_id + 9",
                "t_s || s_s <> 'ab'",
                "true",
                "false",
            ]));
        }
        for _ in 0..self.0.below(6) {
            let when = [When::Matched, When::NotMatched, When::NotMatchedBySource][self.0.below(3) as usize];
            let condition = match when {
                _ if self.one_in(3) => None,
                When::Matched => {
                    Some(self.pick(&["t_v < s_v", "t_v = 1", "s_v = 1", "t_p = 'b'", "t_s = s_s OR s_id = 2"]))
                }
                When::NotMatched => Some(self.pick(&["s_v = 1", "s_id > 9"])),
                When::NotMatchedBySource => Some(self.pick(&["t_v = 1", "t_p = 'b'", "length(t_s) > 1", "t_id < 7"])),
            };
            let action = match self.0.below(3) {
                0 => Action::DoNothing,
                _ if when == When::NotMatched => Action::Insert(vec![]),
                _ => Action::Delete,
            };
            plan = plan.when(when, condition, action);
        }
        plan
    }
}

/// What is to be found of a table and a source, row beside row.
struct Model<'m> {
    plan: &'m MergePlan,
    /// Each row of the target beside each of the source, and NULLs where one is missing.
    pairs: RecordBatch,
    targets: Vec<RowPlace>,
    sources: usize,
}

impl<'m> Model<'m> {
    fn new(plan: &'m MergePlan, target: &RecordBatch, targets: Vec<RowPlace>, source: &RecordBatch) -> Self {
        let (rows, sources) = (targets.len(), source.num_rows());
        // Behind the last row are NULLs.
        let pairs = (0..=rows).flat_map(|row| (0..=sources).map(move |other| (row, other)));
        let (left, right): (Vec<_>, Vec<_>) = pairs
            .map(|(row, other)| ((row < rows).then_some(row as u64), (other < sources).then_some(other as u64)))
            .unzip();
        let columns: Vec<usize> = (0..plan.target_columns).collect();
        let left = take_record_batch(&target.project(&columns).unwrap(), &UInt64Array::from(left)).unwrap();
        let right = take_record_batch(source, &UInt64Array::from(right)).unwrap();
        let columns = left.columns().iter().chain(right.columns()).cloned().collect();
        Self { plan, pairs: RecordBatch::try_new(Arc::clone(&plan.columns), columns).unwrap(), targets, sources }
    }

    fn holds(&self, condition: &Expression, row: usize, source: usize) -> bool {
        let values = condition.evaluate(&self.pairs.slice(row * (self.sources + 1) + source, 1)).unwrap();
        values.as_boolean().is_valid(0) && values.as_boolean().value(0)
    }

    fn matches(&self, row: usize, source: usize) -> bool {
        let on = &self.plan.on;
        let pair = self.pairs.slice(row * (self.sources + 1) + source, 1);
        on.keys.iter().all(|key| {
            let (left, right) = (key.target.evaluate(&pair).unwrap(), key.source.evaluate(&pair).unwrap());
            if left.is_null(0) || right.is_null(0) {
                key.nulls_equal && left.is_null(0) && right.is_null(0)
            } else {
                left == right
            }
        }) && on.target.iter().chain(&on.source).chain(&on.rest).all(|condition| self.holds(condition, row, source))
    }

    fn clause(&self, when: When, row: usize, source: usize) -> Option<usize> {
        let mut clauses = self.plan.clauses.iter().enumerate().filter(|(_, clause)| clause.when == when);
        let holds = |condition: &Option<Expression>| condition.as_ref().is_none_or(|sql| self.holds(sql, row, source));
        let (at, clause) = clauses.find(|(_, clause)| holds(&clause.condition))?;
        (!matches!(clause.action, Action::DoNothing)).then_some(at)
    }

    /// What is found, the rows of the source that match nothing, and those of the target that matter.
    fn found(&self) -> (Vec<Found>, Vec<u64>, BTreeSet<RowPlace>) {
        let (mut found, mut matched_sources, mut matter) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        let inserts = self.plan.clauses.iter().any(|clause| matches!(clause.action, Action::Insert(_)));
        for (row, place) in self.targets.iter().enumerate() {
            let matches: Vec<_> = (0..self.sources).filter(|source| self.matches(row, *source)).collect();
            for source in &matches {
                found.extend(self.clause(When::Matched, row, *source).map(|at| (at, *place, Some(*source as u64))));
            }
            if matches.is_empty() {
                let clause = self.clause(When::NotMatchedBySource, row, self.sources);
                found.extend(clause.map(|at| (at, *place, None)));
            } else if inserts {
                matter.insert(*place);
            }
            matched_sources.extend(matches);
        }
        found.sort_unstable();
        matter.extend(found.iter().map(|(_, place, _)| *place));
        let unmatched = (0..self.sources).filter(|source| inserts && !matched_sources.contains(source));
        (found, unmatched.map(|source| source as u64).collect(), matter)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_found_is_what_loops_find() {
    let random = Random::new();
    let seed = random.0;
    println!("seed {seed}");
    let mut cases = Cases(random);
    let mut several_passes = 0;
    for _ in 0..12 {
        let target = cases.target().await;
        let snapshot = target.snapshot().await;
        let rows = scanned(&snapshot, (0..4).collect(), Predicate::Unknown).await;
        for _ in 0..12 {
            let (plan, batches) = (cases.plan().done(), cases.source());
            let source = concat_batches(&source_columns(), &batches).unwrap();
            let (found, unmatched, matter) = Model::new(&plan, &rows, places(&rows), &source).found();
            let case = format!("seed {seed}: {plan:#?}");
            for small in [false, true] {
                let memory = MemoryBudget::new(if small { smallest(&plan, &batches).await } else { 1 << 30 });
                let kept = source_of(&source_columns(), batches.clone(), &memory).await;
                let Matched { found: really, rest, passes } =
                    matched(&plan, target.source().await, &kept, &memory).await.unwrap();
                assert_eq!(really, found, "{passes} passes, {case}");
                assert_eq!(rest.rows.iter().collect::<Vec<_>>(), unmatched, "{passes} passes, {case}");
                let could = scanned(&snapshot, vec![], rest.could_matter.clone()).await;
                let could: BTreeSet<_> = places(&could).into_iter().collect();
                assert!(could.is_superset(&matter), "{:?} of {case}", rest.could_matter);
                several_passes += usize::from(passes > 2);
            }
        }
    }
    assert!(several_passes > 20, "{several_passes}");
}

/// About the least memory that a source can be looked up in.
async fn smallest(plan: &MergePlan, batches: &[RecordBatch]) -> usize {
    let mut bytes_max = 32;
    loop {
        let memory = MemoryBudget::new(bytes_max);
        let source = source_of(&source_columns(), batches.iter().cloned(), &memory).await;
        match KeyIndex::build(plan, &source, 0, &memory) {
            Err(Error::ResourceExhausted(_)) => bytes_max = bytes_max * 5 / 4,
            _ => return bytes_max * 2,
        }
    }
}
