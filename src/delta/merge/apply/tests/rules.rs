//! What the table asks of rows, and of a MERGE as a whole.

use serde_json::{Value, json};

use super::{super::check, fixture::*};
use crate::{
    delta::{
        fixtures::{Lake, features, field, field_with, metadata, protocol},
        snapshot::DeltaSnapshot,
    },
    engine::Error,
    merge::When,
};

/// `a BIGINT NOT NULL, b VARCHAR, g BIGINT GENERATED (a + 1), c BIGINT CHECK (c > 0)`; rows `(n, NULL, n + 1, n)` from 1.
async fn ruled(lake: &Lake) -> DeltaSnapshot {
    let mut a = field("a", json!("long"));
    a["nullable"] = json!(false);
    let generated = json!({ "delta.generationExpression": "a + 1" });
    let columns =
        json!([a, field("b", json!("string")), field_with("g", json!("long"), generated), field("c", json!("long"))]);
    let properties = json!({ "delta.constraints.positive": "c > 0", "delta.enableDeletionVectors": "true" });
    let writer = ["checkConstraints", "generatedColumns", "invariants", "deletionVectors"];
    lake.write("t", 0, &[features(&["deletionVectors"], &writer), metadata(&columns, &properties)]);
    let numbers: Vec<_> = (1..30).map(Some).collect();
    let rows = [("a", longs(&numbers)), ("b", texts(&[None; 29])), ("g", longs(&[None; 29])), ("c", longs(&numbers))];
    append(lake, batch(&rows)).await;
    opened(lake).await
}

#[tokio::test]
async fn generated_columns_follow() {
    let lake = Lake::new();
    let base = ruled(&lake).await;
    let rows = batch(&[("s", longs(&[Some(100), Some(200)])), ("s_g", longs(&[Some(101), None]))]);
    let source = source(&rows).await;
    let plan = Plan::new(&base, &rows.schema())
        .update(When::Matched, &[("a", "s")])
        .update(When::Matched, &[("c", "c + s")])
        .update(When::Matched, &[("g", "s_g"), ("a", "s")])
        .update(When::Matched, &[("b", "g || '!'")])
        .insert(When::NotMatched, None, &["s", "'new'", "", "1"])
        .insert(When::Matched, None, &["-a", "", "1 - a", "c"])
        .done();
    let found = Found::default()
        .pairs(0, &at([0]), &[0])
        .pairs(1, &at([1]), &[0])
        .pairs(2, &at([3, 2]), &[1, 0])
        .pairs(3, &at([4]), &[0])
        .pairs(5, &at([9]), &[0])
        .unmatched([1]);
    let applied = run(&base, &plan, found, &source).await.unwrap();
    let expected = [
        "-10 NULL -9 10",
        "100 NULL 101 1",
        "100 NULL 101 3",
        "2 NULL 3 102",
        "200 NULL 201 4",
        "200 new 201 1",
        "5 6! 6 5",
    ];
    assert_eq!(staged(&base, &applied.adds).await, expected);
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_by_its_name() {
    let lake = Lake::new();
    let base = ruled(&lake).await;
    let (rows, files) = (batch(&[("s", longs(&[Some(100), None, Some(-1)]))]), files_on_disk(&lake));
    let source = source(&rows).await;
    let plan = Plan::new(&base, &rows.schema())
        .update(When::Matched, &[("a", "s")])
        .update(When::Matched, &[("c", "s")])
        .update(When::Matched, &[("g", "s")])
        .insert(When::NotMatched, None, &["s", "", "", "s"])
        .insert(When::NotMatchedBySource, None, &["1", "", "", ""])
        .done();
    let null = "column 'a' of table 't' is NOT NULL, which is violated by the row: a = NULL";
    let check = "CHECK constraint 'positive' (c > 0) of table 't' is violated by the row: c =";
    for (found, text) in [
        (Found::default().pairs(0, &at([0, 1]), &[0, 1]), null.to_owned()),
        (Found::default().pairs(1, &at([0, 1]), &[0, 2]), format!("{check} -1, a = 2")),
        (Found::default().pairs(1, &at([0]), &[1]), format!("{check} NULL")),
        (Found::default().pairs(2, &at([3]), &[0]), "generated column 'g' (a + 1) of table 't' is violated".to_owned()),
        (Found::default().unmatched([0, 1]), null.to_owned()),
        (Found::default().unmatched([2]), check.to_owned()),
        (Found::default().pairs(4, &at([0]), &[]), check.to_owned()),
    ] {
        let error = run(&base, &plan, found, &source).await.map(drop).unwrap_err();
        assert!(matches!(&error, Error::InvalidArgument(found) if found.contains(&text)), "{text}: {error}");
        while files_on_disk(&lake) > files {
            tokio::task::yield_now().await;
        }
    }
}

/// A table of `x` with these properties.
async fn with(protocol: Value, configuration: Value) -> (Lake, DeltaSnapshot) {
    let lake = Lake::new();
    lake.write("t", 0, &[protocol, metadata(&json!([field("x", json!("long"))]), &configuration)]);
    let base = opened(&lake).await;
    (lake, base)
}

#[tokio::test]
async fn what_the_table_forbids_is_refused_by_what_the_clauses_may_do() {
    let vectors = ["deletionVectors"];
    let row_ids = json!({ "delta.enableRowTracking": "true", "delta.enableDeletionVectors": "true" });
    let tracking = features(&vectors, &["deletionVectors", "rowTracking", "domainMetadata"]);
    let unknown = json!({ "delta.constraints.odd": "foo(x)" });
    for (protocol, configuration, allowed) in [
        (protocol(1, 2), json!({}), [true, true, true]),
        (protocol(1, 2), json!({ "delta.appendOnly": "true" }), [true, false, false]),
        (tracking, row_ids, [true, false, true]),
        (protocol(1, 3), unknown, [false, false, true]),
        (features(&[], &["notKnown"]), json!({}), [false, false, false]),
    ] {
        let (_lake, base) = with(protocol.clone(), configuration).await;
        let source = batch(&[("s", longs(&[]))]).schema();
        let plans = [
            Plan::new(&base, &source).insert(When::NotMatched, None, &["s"]),
            Plan::new(&base, &source).update(When::Matched, &[("x", "s")]),
            Plan::new(&base, &source).delete(When::NotMatchedBySource),
        ];
        let outcomes = plans.map(|plan| check(&base, &plan.done()).is_ok());
        assert_eq!(outcomes, allowed, "{protocol}");
    }
}

#[tokio::test]
async fn a_column_that_the_feed_gives_itself_is_refused_where_rows_may_change() {
    let lake = Lake::new();
    let columns = json!([field("x", json!("long")), field("_change_type", json!("string"))]);
    let feed = json!({ "delta.enableChangeDataFeed": "true" });
    lake.write("t", 0, &[protocol(1, 4), metadata(&columns, &feed)]);
    let base = opened(&lake).await;
    let source = batch(&[("s", longs(&[]))]).schema();
    let insert = || Plan::new(&base, &source).insert(When::NotMatched, None, &["s", ""]);
    check(&base, &insert().done()).unwrap();
    let error = check(&base, &insert().delete(When::Matched).done()).unwrap_err();
    assert!(matches!(&error, Error::FailedPrecondition(text) if text.contains("_change_type")), "{error}");
}
