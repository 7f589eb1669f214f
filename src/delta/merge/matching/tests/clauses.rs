//! Clauses in their order, errors that they raise, keys that repeat.

use std::sync::Arc;

use arrow::{
    array::{Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, SchemaRef},
};

use super::fixture::{Matched, PlanOf, Target, columns, matched, source_of};
use crate::{
    delta::merge::{matching::Matching, source::MemoryBudget},
    engine::{Error, Result},
    merge::{Action, MergePlan, When},
};

pub(super) fn target_columns() -> SchemaRef {
    columns(&[("t_id", DataType::Int64), ("t_s", DataType::Utf8)])
}

pub(super) fn source_columns() -> SchemaRef {
    columns(&[("s_id", DataType::Int64), ("s_s", DataType::Utf8)])
}

pub(super) fn rows(columns: &SchemaRef, of: &[(i64, &str)]) -> RecordBatch {
    let ids = Int64Array::from_iter_values(of.iter().map(|(id, _)| *id));
    let texts = StringArray::from_iter_values(of.iter().map(|(_, text)| *text));
    RecordBatch::try_new(Arc::clone(columns), vec![Arc::new(ids), Arc::new(texts)]).unwrap()
}

pub(super) fn plan() -> PlanOf {
    PlanOf::new(&target_columns(), &source_columns())
}

/// Rows 1 to 4 in a file, against sources 2, 3 and 9.
async fn clauses_of(plan: Arc<MergePlan>) -> Result<Vec<(usize, u64, Option<u64>)>> {
    let target = Target::new(target_columns(), &[]).await;
    target.append(rows(&target_columns(), &[(1, "a"), (2, "b"), (3, "c"), (4, "dd")])).await;
    let memory = MemoryBudget::new(1 << 20);
    let batch = rows(&source_columns(), &[(2, "x"), (3, "y"), (9, "z")]);
    let source = source_of(&source_columns(), [batch], &memory).await;
    let Matched { found, .. } = matched(&plan, target.source().await, &source, &memory).await?;
    Ok(found.into_iter().map(|(clause, place, row)| (clause, place.position, row)).collect())
}

#[tokio::test]
async fn the_first_clause_that_holds_is_a_rows_own() {
    let plan = plan()
        .key("t_id", "s_id")
        .when(When::NotMatchedBySource, Some("t_id = 1"), Action::DoNothing)
        .when(When::Matched, Some("s_s = 'x' AND NULL"), Action::Delete)
        .when(When::Matched, Some("t_s < 'c'"), Action::Delete)
        .when(When::NotMatchedBySource, Some("length(t_s) = 1"), Action::Delete)
        .when(When::Matched, None, Action::Delete)
        .when(When::Matched, None, Action::Error(None))
        .when(When::NotMatchedBySource, None, Action::Delete);
    assert_eq!(clauses_of(plan.done()).await.unwrap(), [(2, 1, Some(0)), (4, 2, Some(1)), (6, 3, None)]);
}

#[tokio::test]
async fn conditions_are_asked_only_of_rows_that_are_left() {
    let plan = plan().key("t_id", "s_id").when(When::Matched, Some("t_s = 'b'"), Action::DoNothing).when(
        When::Matched,
        Some("CASE WHEN t_s = 'b' THEN CAST(t_s AS INTEGER) = 1 ELSE true END"),
        Action::Delete,
    );
    assert_eq!(clauses_of(plan.done()).await.unwrap(), [(1, 2, Some(1))]);
}

#[tokio::test]
async fn a_condition_that_fails_fails_the_merge() {
    let plan = plan().key("t_id", "s_id").when(When::Matched, Some("CAST(t_s AS INTEGER) = 1"), Action::Delete);
    let failure = clauses_of(plan.done()).await.unwrap_err();
    assert!(matches!(&failure, Error::InvalidArgument(text) if text.contains("'b'")), "{failure:?}");
}

#[tokio::test]
async fn errors_are_raised_for_rows_that_are_there() {
    let error = |sql: Option<&str>| Action::Error(sql.map(|sql| plan().expression(sql)));
    let raised = async |when, condition, action| {
        let plan = plan().key("t_id", "s_id").when(when, condition, action);
        clauses_of(plan.done()).await.map_err(|error| match error {
            Error::InvalidArgument(text) => text,
            other => panic!("{other:?}"),
        })
    };
    let text = "Merge error condition WHEN Matched AND t_id = 3: c is not y";
    let message = error(Some("t_s || ' is not ' || s_s"));
    assert_eq!(raised(When::Matched, Some("t_id = 3"), message).await.unwrap_err(), text);
    let text = "Merge error condition WHEN NotMatchedBySource";
    assert_eq!(raised(When::NotMatchedBySource, None, error(None)).await.unwrap_err(), text);
    let text = "Merge error condition WHEN Matched: NULL";
    assert_eq!(raised(When::Matched, None, error(Some("CAST(NULL AS VARCHAR)"))).await.unwrap_err(), text);
    assert_eq!(raised(When::Matched, Some("t_id = 4"), error(Some("t_s"))).await.unwrap(), []);
}

#[tokio::test]
async fn keys_that_repeat_are_refused_where_they_must_not() {
    let target = Target::new(target_columns(), &[]).await;
    target.append(rows(&target_columns(), &[(1, "a")])).await;
    let plan = |unique: bool| {
        let plan = plan().key("t_id", "s_id").key("t_s", "s_s").when(When::Matched, None, Action::Delete);
        let plan = plan.when(When::NotMatched, None, Action::Insert(vec![]));
        if unique { plan.unique().done() } else { plan.done() }
    };
    let mut sources: Vec<(i64, String)> = (0..300).map(|id| (id, "x".repeat(id as usize % 7))).collect();
    sources.push((5, "x".repeat(5)));
    let sources: Vec<(i64, &str)> = sources.iter().map(|(id, text)| (*id, text.as_str())).collect();
    for bytes_max in [1 << 20, 4096] {
        let memory = MemoryBudget::new(bytes_max);
        let source = source_of(&source_columns(), [rows(&source_columns(), &sources)], &memory).await;
        let failure = matched(&plan(true), target.source().await, &source, &memory).await.unwrap_err();
        let expected = "two rows of the source have the key t_id = 5, t_s = 'xxxxx'; let each come once, by DISTINCT or an \
                        aggregate";
        assert_eq!(failure.to_string(), expected);
        let Matched { rest, passes, .. } =
            matched(&plan(false), target.source().await, &source, &memory).await.unwrap();
        assert_eq!((rest.rows.len(), passes > 1), (301, bytes_max == 4096));
    }
}

#[tokio::test]
async fn the_end_is_told_only_at_the_end() {
    let target = Target::new(target_columns(), &[]).await;
    target.append(rows(&target_columns(), &[(1, "a"), (2, "b")])).await;
    let memory = MemoryBudget::new(1 << 20);
    let source = source_of(&source_columns(), [rows(&source_columns(), &[(1, "x")])], &memory).await;
    let of = async |plan: PlanOf| {
        Matching::new(plan.done(), target.source().await, Arc::clone(&source), memory.clone()).unwrap()
    };
    let delete = || plan().key("t_id", "s_id").when(When::Matched, None, Action::Delete);
    let mut matching = of(delete()).await;
    assert_eq!(matching.next().await.unwrap().unwrap().places.len(), 1);
    assert!(matches!(matching.finish(), Err(Error::Internal { .. })));

    let failing = delete().on("CAST(t_s AS INTEGER) > s_id");
    let mut matching = of(failing).await;
    assert!(matches!(matching.next().await, Err(Error::InvalidArgument(_))));
    assert!(matches!(matching.next().await, Err(Error::Internal { .. })), "it stays failed");
    assert!(matching.finish().is_err());
}
