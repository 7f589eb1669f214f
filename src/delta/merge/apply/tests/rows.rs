//! What becomes of rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use serde_json::json;

use super::{super::Limits, fixture::*};
use crate::{
    delta::fixtures::{Lake, features, field, field_with, metadata, protocol},
    engine::{Error, MergeCounts},
    merge::{Action, When},
};

#[tokio::test]
async fn all_columns_are_set_from_the_source() {
    let lake = Lake::new();
    let base = plain(&lake, &[100]).await;
    let rows = numbers(&["s_id", "s_v", "s_t"], 1000..1030);
    let (source, set) = (source(&rows).await, [("t", "s_t"), ("id", "s_id"), ("v", "s_v")]);
    let plan = Plan::new(&base, &rows.schema()).update(When::Matched, &set).done();
    let found = Found::default().pairs(0, &at(10..30), &(0..20).rev().collect::<Vec<_>>());
    let applied = run(&base, &plan, found, &source).await.unwrap();
    assert_eq!(applied.counts, MergeCounts { updated: 20, ..MergeCounts::default() });
    assert_eq!(changed(&applied.changed), [(0, (10..30).collect())]);
    assert_eq!(staged(&base, &applied.adds).await, told(&rows.slice(0, 20)));
    assert!(applied.changes.is_empty() && applied.returned.is_none());
}

#[tokio::test]
async fn what_is_set_may_follow_from_both_sides_and_the_rest_stays() {
    let lake = Lake::new();
    let base = plain(&lake, &[50, 50]).await;
    let rows = batch(&[("s_v", longs(&(0..40).map(Some).collect::<Vec<_>>()))]);
    let source = source(&rows).await;
    let plan = Plan::new(&base, &rows.schema())
        .update(When::Matched, &[("v", "v + s_v * id")])
        .update(When::NotMatchedBySource, &[("t", "'gone ' || v"), ("v", "NULL")])
        .delete(When::NotMatchedBySource)
        .done();
    let places: Vec<_> = placed(&base).await;
    let of = |ids: std::ops::Range<i64>| -> Vec<_> {
        places.iter().filter(|(id, _)| ids.contains(id)).map(|(_, place)| *place).collect()
    };
    let found = Found::default()
        .pairs(0, &of(40..60), &(0..20).collect::<Vec<_>>())
        .pairs(1, &of(70..72), &[])
        .pairs(2, &of(0..5), &[])
        .pairs(0, &of(60..62), &[39, 38]);
    let applied = run(&base, &plan, found, &source).await.unwrap();
    assert_eq!(applied.counts, MergeCounts { updated: 24, deleted: 5, inserted: 0 });
    let mut expected: Vec<String> = (40..60).map(|id| format!("{id} {} t{id}", 10 * id + (id - 40) * id)).collect();
    expected.extend([(60, 39), (61, 38)].map(|(id, v)| format!("{id} {} t{id}", 10 * id + v * id)));
    expected.extend((70..72).map(|id| format!("{id} NULL gone {}", 10 * id)));
    expected.sort();
    assert_eq!(staged(&base, &applied.adds).await, expected);
    let gone: u64 = applied.changed.files().map(|(_, file)| file.changed.len()).sum();
    assert_eq!(gone, 29);
}

#[tokio::test]
async fn rows_that_match_nothing_are_tried_in_order_and_added() {
    let lake = Lake::new();
    let base = plain(&lake, &[3]).await;
    let rows = numbers(&["s_id", "s_v", "s_t"], 0..60);
    let source = source(&rows).await;
    let plan = Plan::new(&base, &rows.schema())
        .insert(When::NotMatched, Some("s_id % 3 = 0"), &["s_id", "-s_v", ""])
        .clause(When::NotMatched, Some("s_id % 3 = 1"), Action::DoNothing)
        .insert(When::NotMatched, None, &["s_id", "s_v", "s_t || '!'"])
        .done();
    let found = Found::default().unmatched(10..60);
    let applied = run(&base, &plan, found, &source).await.unwrap();
    let mut expected: Vec<String> = (10..60)
        .filter_map(|n| match n % 3 {
            0 => Some(format!("{n} {} NULL", -10 * n)),
            1 => None,
            _ => Some(format!("{n} {} t{n}!", 10 * n)),
        })
        .collect();
    expected.sort();
    assert_eq!(applied.counts.inserted, expected.len() as u64);
    assert_eq!(staged(&base, &applied.adds).await, expected);
    assert!(applied.changed.is_empty());
}

#[tokio::test]
async fn rows_that_match_are_added_beside_the_rows_they_match() {
    let lake = Lake::new();
    let base = plain(&lake, &[20]).await;
    let rows = numbers(&["s_id", "s_v", "s_t"], 0..20);
    let source = source(&rows).await;
    let plan = Plan::new(&base, &rows.schema())
        .insert(When::Matched, None, &["-id", "v + s_v", "s_t"])
        .insert(When::NotMatchedBySource, None, &["100 + id", "", "t"])
        .insert(When::Matched, None, &["s_id", "7", "''"])
        .done();
    // Rows of the target may come as often as they like.
    let places: Vec<u64> = (0..40).map(|row| [3, 9, 3, 1][row % 4]).collect();
    let found = Found::default()
        .pairs(0, &at(places.clone()), &(0..40).map(|row| row % 20).collect::<Vec<_>>())
        .pairs(1, &at([7, 8]), &[])
        .pairs(2, &at([7, 7]), &[1, 2]);
    let applied = run(&base, &plan, found, &source).await.unwrap();
    assert_eq!(applied.counts, MergeCounts { inserted: 44, ..MergeCounts::default() });
    assert!(applied.changed.is_empty());
    let added = places.iter().zip(0..).map(|(id, n)| format!("-{id} {} t{}", 10 * id + 10 * (n % 20), n % 20));
    let mut expected: Vec<String> = added.collect();
    expected.extend(["107 NULL t7", "108 NULL t8", "1 7 ", "2 7 "].map(str::to_owned));
    expected.sort();
    assert_eq!(staged(&base, &applied.adds).await, expected);
}

#[tokio::test]
async fn an_error_is_raised_where_its_clause_is_met() {
    let lake = Lake::new();
    let base = plain(&lake, &[1]).await;
    let rows = numbers(&["s_id", "s_v", "s_t"], 0..20);
    let source = source(&rows).await;
    let plan = |message: Option<&str>| {
        let plan =
            Plan::new(&base, &rows.schema()).insert(When::NotMatched, Some("s_id < 10"), &["s_id", "s_v", "s_t"]);
        let message = message.map(|message| plan.expression(message));
        plan.clause(When::NotMatched, Some("s_id > 15"), Action::Error(message)).done()
    };
    for (message, text) in [
        (None, "Merge error condition WHEN NOT MATCHED AND s_id > 15"),
        (Some("'unknown: ' || s_t"), "Merge error condition WHEN NOT MATCHED AND s_id > 15: unknown: t16"),
        (Some("CASE WHEN s_id > 16 THEN s_t END"), "Merge error condition WHEN NOT MATCHED AND s_id > 15: NULL"),
    ] {
        let found = Found::default().unmatched(0..20);
        let error = run(&base, &plan(message), found, &source).await.map(drop).unwrap_err();
        assert!(matches!(&error, Error::InvalidArgument(found) if found == text), "{error}");
    }
    let applied = run(&base, &plan(None), Found::default().unmatched(0..16), &source).await.unwrap();
    assert_eq!(applied.counts.inserted, 10);
}

#[tokio::test]
async fn conditions_are_evaluated_on_rows_that_earlier_clauses_left() {
    let lake = Lake::new();
    let base = plain(&lake, &[1]).await;
    let rows = batch(&[("s_t", texts(&[Some("no number"), Some("5"), Some("1"), None]))]);
    let source = source(&rows).await;
    let plan = Plan::new(&base, &rows.schema())
        .clause(When::NotMatched, Some("s_t = 'no number'"), Action::DoNothing)
        .insert(When::NotMatched, Some("CAST(s_t AS BIGINT) > 3"), &["CAST(s_t AS BIGINT)", "", ""])
        .insert(When::NotMatched, Some("s_t IS NULL"), &["0", "", "s_t"])
        .done();
    let applied = run(&base, &plan, Found::default().unmatched(0..4), &source).await.unwrap();
    assert_eq!(staged(&base, &applied.adds).await, ["0 NULL NULL", "5 NULL NULL"]);
    let plan = Plan::new(&base, &rows.schema()).insert(When::NotMatched, None, &["CAST(s_t AS BIGINT)", "", ""]).done();
    let error = run(&base, &plan, Found::default().unmatched(0..4), &source).await.map(drop).unwrap_err();
    assert!(matches!(&error, Error::InvalidArgument(text) if text.contains("no number")), "{error}");
}

#[tokio::test]
async fn nothing_makes_no_files() {
    let lake = Lake::new();
    let base = plain(&lake, &[10]).await;
    let rows = numbers(&["s_id", "s_v", "s_t"], 0..3);
    let (source, files) = (source(&rows).await, files_on_disk(&lake));
    let plan = Plan::new(&base, &rows.schema())
        .update(When::Matched, &[("v", "s_v")])
        .clause(When::NotMatched, None, Action::DoNothing)
        .returning(&["id"])
        .done();
    for found in [Found::default(), Found::default().unmatched(0..3), Found::default().pairs(0, &[], &[])] {
        let applied = run(&base, &plan, found, &source).await.unwrap();
        assert_eq!(applied.counts, MergeCounts::default());
        assert!(applied.changed.is_empty() && applied.adds.is_empty() && applied.staged.is_empty());
        assert_eq!(returned(&applied), [""; 0]);
        assert_eq!(files_on_disk(&lake), files);
    }
}

#[tokio::test]
async fn deleted_rows_need_no_files() {
    let lake = Lake::new();
    let base = plain(&lake, &[10]).await;
    let rows = numbers(&["s_id", "s_v", "s_t"], 0..3);
    let (source, files) = (source(&rows).await, files_on_disk(&lake));
    let plan = Plan::new(&base, &rows.schema()).delete(When::Matched).done();
    let applied = run(&base, &plan, Found::default().pairs(0, &at([4, 2]), &[0, 1]), &source).await.unwrap();
    assert_eq!(changed(&applied.changed), [(0, vec![2, 4])]);
    assert_eq!(applied.counts.deleted, 2);
    assert!(applied.adds.is_empty() && files_on_disk(&lake) == files);
}

#[tokio::test]
async fn without_vectors_the_rows_that_stay_are_written_again() {
    let lake = Lake::new();
    let base = numbered(&lake, protocol(1, 2), &json!({}), &[10, 10, 10]).await;
    let rows = numbers(&["s_id", "s_v", "s_t"], 100..110);
    let source = source(&rows).await;
    let plan = Plan::new(&base, &rows.schema())
        .update(When::Matched, &[("v", "s_v")])
        .delete(When::Matched)
        .insert(When::NotMatched, None, &["s_id", "s_v", "s_t"])
        .done();
    let places = placed(&base).await;
    let place = |id: usize| places[id].1;
    let found = Found::default()
        .pairs(0, &[place(3), place(5)], &[0, 1])
        .pairs(1, &[place(4), place(22)], &[2, 3])
        .unmatched(4..6);
    let applied = run(&base, &plan, found, &source).await.unwrap();
    let stays =
        (0..10).chain(20..30).filter(|id| ![3, 4, 5, 22].contains(id)).map(|id| format!("{id} {} t{id}", 10 * id));
    let new = ["3 1000 t3", "5 1010 t5", "104 1040 t104", "105 1050 t105"].map(str::to_owned);
    let mut expected: Vec<String> = stays.chain(new).collect();
    expected.sort();
    assert_eq!(staged(&base, &applied.adds).await, expected, "the file without changed rows stays");
    // Of added rows alone no file is written again.
    let applied = run(&base, &plan, Found::default().unmatched(4..5), &source).await.unwrap();
    assert_eq!(staged(&base, &applied.adds).await, ["104 1040 t104"]);
}

#[tokio::test]
async fn rows_move_to_the_partition_they_are_set_to_under_the_names_that_files_have() {
    let lake = Lake::new();
    let mapped =
        |id: i64| json!({ "delta.columnMapping.id": id, "delta.columnMapping.physicalName": format!("col-{id}") });
    let columns = json!([field_with("id", json!("long"), mapped(1)), field_with("p", json!("string"), mapped(2))]);
    let configuration = json!({ "delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "2",
                                "delta.enableDeletionVectors": "true" });
    let mut table = metadata(&columns, &configuration);
    table["metaData"]["partitionColumns"] = json!(["p"]);
    let both = ["columnMapping", "deletionVectors"];
    lake.write("t", 0, &[features(&both, &both), table]);
    let parts: ArrayRef = Arc::new((0..6).map(|n| Some(format!("p{}", n % 2))).collect::<StringArray>());
    append(&lake, batch(&[("id", longs(&(0..6).map(Some).collect::<Vec<_>>())), ("p", parts)])).await;
    let base = opened(&lake).await;
    let rows = batch(&[("s_p", texts(&[Some("p1"), None, Some("new")]))]);
    let source = source(&rows).await;
    let plan = Plan::new(&base, &rows.schema())
        .update(When::Matched, &[("p", "s_p")])
        .insert(When::NotMatched, None, &["9", "s_p"])
        .done();
    let places = placed(&base).await;
    let found = Found::default().pairs(0, &[places[0].1, places[3].1], &[0, 1]).unmatched([2]);
    let applied = run(&base, &plan, found, &source).await.unwrap();
    let mut found: Vec<_> = applied.adds.iter().map(|add| add.partition_values["col-2"].clone()).collect();
    found.sort();
    assert_eq!(found, [None, Some("new".to_owned()), Some("p1".to_owned())]);
    assert_eq!(staged(&base, &applied.adds).await, ["0 p1", "3 NULL", "9 new"]);
}

#[tokio::test]
async fn wide_rows_are_made_a_few_at_a_time() {
    let lake = Lake::new();
    let vectors = json!({ "delta.enableDeletionVectors": "true" });
    let columns = json!([field("id", json!("long")), field("t", json!("string"))]);
    lake.write("t", 0, &[features(&["deletionVectors"], &["deletionVectors"]), metadata(&columns, &vectors)]);
    let wide = |n: i64| "x".repeat(if n % 10 == 0 { 5000 } else { 1 });
    let texts: ArrayRef = Arc::new((0..100).map(|n| Some(wide(n))).collect::<StringArray>());
    let ids = longs(&(0..100).map(Some).collect::<Vec<_>>());
    append(&lake, batch(&[("id", ids.clone()), ("t", texts.clone())])).await;
    let base = opened(&lake).await;
    let rows = batch(&[("s_id", ids), ("s_t", texts)]);
    let source = source(&rows).await;
    let plan = Plan::new(&base, &rows.schema())
        .update(When::Matched, &[("t", "t || s_t")])
        .insert(When::NotMatched, None, &["1000 + s_id", "s_t"])
        .insert(When::Matched, None, &["2000 + s_id", "t || s_t"])
        .done();
    let all: Vec<u64> = (0..50).collect();
    let found = Found::default().pairs(0, &at(0..50), &all).pairs(2, &at((0..50).map(|_| 60)), &all).unmatched(50..100);
    let limits = Limits { chunk_rows: 30, fetched_bytes: 8000, piece_bytes: 8000 };
    let applied = super::super::apply_within(&base, &plan, found, &source, &memory(), limits).await.unwrap();
    let length = |n: i64| wide(n).len();
    let of = |id: i64, bytes: usize| format!("{id} {}", "x".repeat(bytes));
    let mut expected: Vec<String> = (0..50).map(|n| of(n, 2 * length(n))).collect();
    expected.extend((0..50).map(|n| of(2000 + n, 5000 + length(n))));
    expected.extend((50..100).map(|n| of(1000 + n, length(n))));
    expected.sort();
    assert!(staged(&base, &applied.adds).await == expected);
}
