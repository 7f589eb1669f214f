//! What need not be looked at is not opened: its files are gone.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};

use super::{
    clauses::{rows, source_columns},
    fixture::{Matched, PlanOf, Target, columns, matched, source_of},
};
use crate::{
    delta::{
        fixtures::paths,
        merge::{matching::asked::Asked, source::MemoryBudget},
    },
    engine::{Predicate, Result},
    merge::{Action, MergePlan, When},
};

/// Partitioned by `t_s`.
fn target_columns() -> SchemaRef {
    columns(&[("t_id", DataType::Int64), ("t_s", DataType::Utf8)])
}

fn plan() -> PlanOf {
    PlanOf::new(&target_columns(), &source_columns())
}

/// A table with ids 0 to 9 in "a", 10 to 19 in "b" and 20 to 29 in "c", of which only the files of `kept` are still there.
async fn table(kept: &[&str]) -> Target {
    let target = Target::new(target_columns(), &["t_s"]).await;
    for (part, first) in [("a", 0), ("b", 10), ("c", 20)] {
        let of_part: Vec<(i64, &str)> = (first..first + 10).map(|id| (id, part)).collect();
        target.append(rows(&target_columns(), &of_part)).await;
    }
    for path in paths(&target.snapshot().await).await {
        if !kept.iter().any(|part| path.starts_with(&format!("t_s={part}"))) {
            std::fs::remove_file(target.lake.path("t").join(path)).unwrap();
        }
    }
    target
}

/// How many rows are found, how many sources match nothing, and what could matter.
async fn counts(plan: Arc<MergePlan>, kept: &[&str], sources: &[(i64, &str)]) -> Result<(usize, u64, Predicate)> {
    let (target, memory) = (table(kept).await, MemoryBudget::new(1 << 20));
    let source = source_of(&source_columns(), [rows(&source_columns(), sources)], &memory).await;
    let Matched { found, rest, .. } = matched(&plan, target.source().await, &source, &memory).await?;
    Ok((found.len(), rest.rows.len(), rest.could_matter))
}

#[tokio::test]
async fn files_beyond_the_keys_stay_closed() {
    let upsert = plan()
        .key("t_id", "s_id")
        .when(When::Matched, None, Action::Delete)
        .when(When::NotMatched, None, Action::Insert(vec![]))
        .done();
    let sources = [(11, ""), (15, ""), (19, "")];
    assert_eq!(counts(Arc::clone(&upsert), &["b"], &sources).await.unwrap().0, 3);
    assert!(counts(Arc::clone(&upsert), &["a", "c"], &sources).await.is_err(), "and one is opened");
    let (found, unmatched, could_matter) = counts(upsert, &[], &[]).await.unwrap();
    assert_eq!((found, unmatched, could_matter), (0, 0, Predicate::NEVER), "an empty source");
}

#[tokio::test]
async fn conditions_on_the_target_close_files() {
    let with = |on: &str| plan().key("t_id", "s_id").on(on).when(When::Matched, None, Action::Delete).done();
    let sources = [(1, ""), (11, ""), (21, "")];
    assert_eq!(counts(with("t_s = 'b'"), &["b"], &sources).await.unwrap().0, 1);
    assert_eq!(counts(with("t_s IN ('b', 'c')"), &["b", "c"], &sources).await.unwrap().0, 2);
    assert_eq!(counts(with("t_id >= 20"), &["c"], &sources).await.unwrap().0, 1);
    assert_eq!(counts(with("t_s <> 'b' AND t_id + s_id < 40"), &["a", "c"], &sources).await.unwrap().0, 1);
}

#[tokio::test]
async fn conditions_of_clauses_close_files_where_they_alone_matter() {
    let delete = || plan().key("t_id", "s_id").when(When::Matched, Some("t_s = 'b'"), Action::Delete);
    let sources = [(1, ""), (11, ""), (40, "")];
    assert_eq!(counts(delete().done(), &["b"], &sources).await.unwrap().0, 1);
    let insert = || delete().when(When::NotMatched, None, Action::Insert(vec![]));
    assert!(counts(insert().done(), &["b"], &sources).await.is_err(), "whether a row matches matters too");
    let (found, unmatched, _) = counts(insert().done(), &["a", "b"], &sources).await.unwrap();
    assert_eq!((found, unmatched), (1, 1));
}

#[tokio::test]
async fn rows_that_match_nothing_are_looked_for_where_a_clause_is_about_them() {
    let plan = |condition| {
        plan()
            .key("t_id", "s_id")
            .when(When::Matched, None, Action::Delete)
            .when(When::NotMatchedBySource, condition, Action::Delete)
            .done()
    };
    let sources = [(1, "")];
    assert_eq!(counts(plan(Some("t_s = 'c'")), &["a", "c"], &sources).await.unwrap().0, 11);
    assert!(counts(plan(None), &["a", "c"], &sources).await.is_err());
    assert_eq!(counts(plan(None), &["a", "b", "c"], &sources).await.unwrap().0, 30);
    assert_eq!(counts(plan(Some("t_s = 'c'")), &["c"], &[]).await.unwrap().0, 10, "an empty source");
    assert_eq!(counts(plan(None), &["a", "b", "c"], &[]).await.unwrap().2, Predicate::Unknown);
}

#[tokio::test]
async fn what_does_nothing_is_not_scanned_for() {
    let nothing = plan()
        .key("t_id", "s_id")
        .when(When::Matched, Some("t_s = s_s"), Action::DoNothing)
        .when(When::NotMatchedBySource, None, Action::DoNothing)
        .when(When::NotMatched, None, Action::DoNothing);
    assert_eq!(counts(nothing.done(), &[], &[(1, "")]).await.unwrap(), (0, 0, Predicate::NEVER));
    let excluded = plan().key("t_id", "s_id").on("s_id > 100").when(When::NotMatched, None, Action::Insert(vec![]));
    let (found, unmatched, _) = counts(excluded.done(), &[], &[(1, ""), (2, "")]).await.unwrap();
    assert_eq!((found, unmatched), (0, 2), "no row of the source can match");
}

#[test]
fn only_columns_that_are_asked_about_are_scanned() {
    let target = columns(&["a", "b", "c", "d", "e", "f"].map(|name| (name, DataType::Int64)));
    let plan = || PlanOf::new(&target, &source_columns()).key("b", "s_id");
    let scanned = |plan: PlanOf| Asked::of(&plan.done()).unwrap().scanned;
    assert_eq!(scanned(plan().when(When::Matched, None, Action::Delete)), [1]);
    let asking = plan()
        .on("c > 1")
        .on("d < s_id")
        .when(When::Matched, Some("f > s_id"), Action::Delete)
        .when(When::Matched, Some("e = 1"), Action::DoNothing)
        .when(When::NotMatchedBySource, Some("a = 1"), Action::DoNothing);
    assert_eq!(scanned(asking), [1, 2, 3, 5], "after the last that does anything nothing is asked");
}
