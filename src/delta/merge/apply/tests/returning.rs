//! What RETURNING gives back.

use arrow::datatypes::DataType;
use serde_json::json;

use super::fixture::*;
use crate::{
    delta::fixtures::{Lake, features, field, field_with, metadata},
    engine::Snapshot,
    merge::When,
};

#[tokio::test]
async fn new_rows_and_those_that_went_are_given_back_with_what_became_of_them() {
    let lake = Lake::new();
    let base = plain(&lake, &[30]).await;
    let rows = numbers(&["s_id", "s_v", "s_t"], 0..30);
    let source = source(&rows).await;
    let plan = Plan::new(&base, &rows.schema())
        .update(When::Matched, &[("v", "s_v + 1")])
        .delete(When::Matched)
        .insert(When::NotMatched, None, &["1000 + s_id", "s_v", ""])
        .returning(&["lower(merge_action)", "v / 2", "t", "id"])
        .done();
    let found = Found::default()
        .pairs(0, &at(0..9), &(0..9).collect::<Vec<_>>())
        .pairs(1, &at([20, 21, 10]), &[20, 21, 10])
        .unmatched(28..30);
    let applied = run(&base, &plan, found, &source).await.unwrap();
    let mut expected: Vec<String> =
        (0..9).map(|id| format!("update {:?} t{id} {id}", (10.0 * id as f64 + 1.0) / 2.0)).collect();
    expected.extend([10, 20, 21].map(|id| format!("delete {:?} t{id} {id}", 5.0 * id as f64)));
    expected.extend([28, 29].map(|id| format!("insert {:?} NULL {}", 5.0 * id as f64, 1000 + id)));
    expected.sort();
    assert_eq!(returned(&applied), expected);
    let schema = applied.returned.as_ref().unwrap().schema();
    let types: Vec<_> = schema.fields().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(types, [DataType::Utf8, DataType::Float64, DataType::Utf8, DataType::Int64]);
}

#[tokio::test]
async fn rows_are_given_back_as_the_rules_made_them() {
    let lake = Lake::new();
    let generated = json!({ "delta.generationExpression": "a + 1" });
    let columns = json!([field("a", json!("long")), field_with("g", json!("long"), generated)]);
    lake.write("t", 0, &[features(&[], &["generatedColumns"]), metadata(&columns, &json!({}))]);
    append(&lake, batch(&[("a", longs(&[Some(1), Some(2), Some(3)])), ("g", longs(&[None; 3]))])).await;
    let base = opened(&lake).await;
    let rows = batch(&[("s", longs(&[Some(10), Some(20)]))]);
    let source = source(&rows).await;
    let plan = Plan::new(&base, &rows.schema())
        .update(When::Matched, &[("a", "s")])
        .insert(When::NotMatched, None, &["s", ""])
        .returning(&["g", "merge_action"])
        .done();
    let found = Found::default().pairs(0, &at([2]), &[0]).unmatched([1]);
    let applied = run(&base, &plan, found, &source).await.unwrap();
    assert_eq!(returned(&applied), ["11 UPDATE", "21 INSERT"]);
}

#[tokio::test]
async fn values_have_the_types_that_were_told_however_these_are_spelt() {
    let lake = Lake::new();
    let list = json!({ "type": "array", "elementType": "integer", "containsNull": true });
    let structure = json!({ "type": "struct", "fields": [field("a", json!("long")), field("l", list.clone())] });
    let map = json!({ "type": "map", "keyType": "string", "valueType": "long", "valueContainsNull": true });
    let columns = json!([field("id", json!("long")), field("l", list), field("s", structure), field("m", map)]);
    lake.write("t", 0, &[features(&[], &[]), metadata(&columns, &json!({}))]);
    let base = opened(&lake).await;
    let rows = batch(&[("n", longs(&[Some(10), Some(20)]))]);
    let source = source(&rows).await;
    let mut plan = Plan::new(&base, &rows.schema())
        .insert(When::NotMatched, None, &["n", "[1, n]", "{'a': n, 'l': [2]}", ""])
        .returning(&["id", "l", "s", "m"])
        .done();
    if let Some(returning) = &mut plan.returning {
        returning.columns = base.schema();
    }
    let applied = run(&base, &plan, Found::default().unmatched(0..2), &source).await.unwrap();
    let returned = returned(&applied);
    assert_eq!(returned.len(), 2);
    assert_eq!(returned[0], "10 [1, 10] {a: 10, l: [2]} NULL");
    assert_eq!(staged(&base, &applied.adds).await, returned);
}

#[tokio::test]
async fn deleted_rows_are_given_back_even_if_nothing_of_them_is_wanted() {
    let lake = Lake::new();
    let base = plain(&lake, &[30]).await;
    let rows = batch(&[("n", longs(&[Some(10)]))]);
    let source = source(&rows).await;
    let plan = Plan::new(&base, &rows.schema())
        .delete(When::NotMatchedBySource)
        .update(When::Matched, &[("id", "n"), ("v", "1"), ("t", "''")])
        .returning(&["merge_action || '!'"])
        .done();
    let found = Found::default().pairs(0, &at(2..12), &[]).pairs(1, &at([1]), &[0]);
    let applied = run(&base, &plan, found, &source).await.unwrap();
    let expected: Vec<_> = std::iter::repeat_n("DELETE!", 10).chain(["UPDATE!"]).collect();
    assert_eq!(returned(&applied), expected);
}
