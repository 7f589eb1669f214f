//! Rows that several rows of the source would change.

use super::fixture::*;
use crate::{
    delta::fixtures::Lake,
    engine::Error,
    merge::{MergePlan, When},
};

#[tokio::test]
async fn two_rows_of_the_source_for_one_row_are_an_error_that_names_the_key() {
    let lake = Lake::new();
    let base = plain(&lake, &[10, 10]).await;
    let rows = batch(&[("s_id", longs(&[Some(7), Some(7), None])), ("s_t", texts(&[Some("it's"), Some("b"), None]))]);
    let source = source(&rows).await;
    let columns = rows.schema();
    let plan = |keys: &[(&str, &str)]| {
        let plan = keys.iter().fold(Plan::new(&base, &columns), |plan, (target, source)| plan.key(target, source));
        plan.update(When::Matched, &[("t", "s_t")]).delete(When::Matched).delete(When::NotMatchedBySource).done()
    };
    let one = plan(&[("id", "s_id")]);
    let seven = placed(&base).await[7].1;
    let other = placed(&base).await[12].1;
    let cases: Vec<(Found, &MergePlan)> = vec![
        (Found::default().pairs(0, &[other, seven, seven], &[0, 0, 1]), &one),
        (Found::default().pairs(0, &[seven], &[0]).pairs(0, &[other, seven], &[2, 1]), &one),
        (Found::default().pairs(0, &[seven], &[0]).pairs(1, &[seven], &[1]), &one),
        (Found::default().pairs(1, &[seven], &[0]).pairs(0, &[other, seven, other], &[0, 1, 2]), &one),
    ];
    for (index, (found, plan)) in cases.into_iter().enumerate() {
        let error = run(&base, plan, found, &source).await.map(drop).unwrap_err();
        let text = "two rows of the source match one row of table 't' (id = 7); let each match once, by DISTINCT, an \
                    aggregate or a condition";
        assert!(matches!(&error, Error::InvalidArgument(found) if found == text), "{index}: {error}");
    }
    for (keys, row, key) in [
        (&[("id", "s_id + 1"), ("t", "s_t")][..], 0, "(id = 8, t = 'it''s')"),
        (&[("id", "s_id")], 2, "(id = NULL)"),
        (&[], 1, "(s_id = 7, s_t = 'b')"),
    ] {
        let found = Found::default().pairs(0, &[seven, seven], &[row, row]);
        let error = run(&base, &plan(keys), found, &source).await.map(drop).unwrap_err().to_string();
        assert!(error.contains(&format!("of table 't' {key}; let each")), "{error}");
    }
    let twice = Found::default().pairs(2, &[seven], &[]).pairs(2, &[seven], &[]);
    let error = run(&base, &one, twice, &source).await.map(drop).unwrap_err();
    assert!(matches!(error, Error::Internal { .. }), "no matching finds that: {error}");
}

#[tokio::test]
async fn a_place_that_is_not_there_is_no_mistake_of_the_user() {
    let lake = Lake::new();
    let base = plain(&lake, &[10]).await;
    let rows = batch(&[("s_t", texts(&[None]))]);
    let source = source(&rows).await;
    let plan = Plan::new(&base, &rows.schema()).delete(When::Matched).done();
    for place in [crate::delta::scan::RowPlace { file: 1, position: 0 }, at([10])[0]] {
        let error = run(&base, &plan, Found::default().pairs(0, &[place], &[0]), &source).await.map(drop).unwrap_err();
        assert!(matches!(error, Error::Internal { .. }), "{error}");
    }
}
