use arrow::array::{Array, AsArray, BooleanArray, ListArray, StructArray};
use arrow::buffer::OffsetBuffer;

use super::*;

#[tokio::test]
async fn a_check_wants_true_and_names_itself_and_the_row() {
    let lake = Lake::new();
    with_checks(&lake, &[("positive", "a > 0"), ("named", "b <> 'x' OR a = 7")]);
    let snapshot = snapshot(&lake).await;
    append(&snapshot, rows(&[(Some(1), Some("y")), (Some(7), Some("x"))])).await.unwrap();

    let outcome = append(&snapshot, rows(&[(Some(1), Some("y")), (Some(-1), Some("it"))])).await;
    assert_violated(
        &outcome,
        &["CHECK constraint 'positive' (a > 0) of table 't'", "is violated by the row: a = -1, b = 'it'"],
    );
    let outcome = append(&snapshot, rows(&[(Some(1), Some("x"))])).await;
    assert_violated(&outcome, &["'named'", "a = 1, b = 'x'"]);
    // Delta's CHECK is not SQL's: what is not true is a violation.
    let outcome = append(&snapshot, rows(&[(None, Some("y"))])).await;
    assert_violated(&outcome, &["'positive'", "a = NULL, b = 'y'"]);
}

#[tokio::test]
async fn a_statement_that_fails_late_leaves_no_version_and_no_file() {
    let lake = Lake::new();
    with_checks(&lake, &[("positive", "a > 0")]);
    let mut append = snapshot(&lake).await.append().await.unwrap();
    // Enough rows to have files begun.
    let many: Vec<_> = (1..200_000).map(|a| (Some(a), Some("row"))).collect();
    append.write(rows(&many)).await.unwrap();
    append.write(rows(&many)).await.unwrap();
    assert_violated(&append.write(rows(&[(Some(1), None), (Some(0), None)])).await, &["a = 0, b = NULL"]);
    assert!(append.write(rows(&[(Some(1), None)])).await.is_err(), "nothing more is taken");
    append.abort().await;
    assert_eq!(snapshot(&lake).await.version(), 0);
    assert_eq!(data_files(&lake), [""; 0]);
}

#[tokio::test]
async fn a_check_that_is_not_understood_refuses_writing_and_not_reading() {
    let lake = Lake::new();
    with_checks(&lake, &[("odd", "my_function(a) > 0")]);
    let snapshot = snapshot(&lake).await;
    assert_eq!(snapshot.row_count().await.unwrap(), Some(0));
    let outcome = append(&snapshot, rows(&[(Some(1), None)])).await;
    assert_unsupported(
        &outcome,
        &[
            "table 't' cannot be written here, because of the CHECK constraint 'odd' (my_function(a) > 0)",
            "my_function",
        ],
    );

    for (sql, part) in [("a + 1", "it is no condition but has type Int64"), ("c > 0", "\"c\""), ("a >", "a >")] {
        let lake = Lake::new();
        with_checks(&lake, &[("odd", sql)]);
        assert_unsupported(&append(&super::snapshot(&lake).await, rows(&[])).await, &["'odd'", part]);
    }
}

#[tokio::test]
async fn an_expression_that_fails_on_a_row_refuses_the_row() {
    let lake = Lake::new();
    with_checks(&lake, &[("sum", "a + 1 > 0")]);
    let outcome = append(&snapshot(&lake).await, rows(&[(Some(i64::MAX), None)])).await;
    assert_violated(&outcome, &["CHECK constraint 'sum'", "fails on a row: ", "9223372036854775807"]);
}

#[tokio::test]
async fn partition_columns_have_rules_too() {
    let lake = Lake::new();
    let columns = json!([field("a", json!("long")), field("b", json!("string"))]);
    let mut metadata = metadata(&columns, &json!({ "delta.constraints.b": "b <> 'x'" }));
    metadata["metaData"]["partitionColumns"] = json!(["b"]);
    lake.write("t", 0, &[features(&[], &["checkConstraints"]), metadata]);
    let snapshot = snapshot(&lake).await;
    append(&snapshot, rows(&[(Some(1), Some("y"))])).await.unwrap();
    assert_violated(&append(&snapshot, rows(&[(Some(1), Some("x"))])).await, &["'b'", "b = 'x', a = 1"]);
}

#[tokio::test]
async fn invariants_hold_wherever_they_stand() {
    let lake = Lake::new();
    let invariant = |sql: &str| json!({ "delta.invariants": json!({"expression": {"expression": sql}}).to_string() });
    let inner = json!({"type": "struct", "fields": [field_with("y", json!("long"), invariant("b <> 'no'"))]});
    let columns =
        json!([field_with("a", json!("long"), invariant("a > 3")), field("b", json!("string")), field("s", inner)]);
    lake.write("t", 0, &[features(&[], &["invariants"]), metadata(&columns, &json!({}))]);
    let rows = |a, b| {
        let fields = vec![Field::new("y", DataType::Int64, true)].into();
        let nothing = StructArray::new_null(fields, 1);
        batch(vec![
            ("a", Arc::new(Int64Array::from(vec![a]))),
            ("b", Arc::new(StringArray::from(vec![b]))),
            ("s", Arc::new(nothing)),
        ])
    };
    let snapshot = snapshot(&lake).await;
    append(&snapshot, rows(4, "yes")).await.unwrap();
    assert_violated(
        &append(&snapshot, rows(3, "yes")).await,
        &["invariant of column 'a' (a > 3) of table 't'", "a = 3"],
    );
    assert_violated(&append(&snapshot, rows(4, "no")).await, &["invariant of column 's.y'", "b = 'no'"]);

    lake.write(
        "u",
        0,
        &[
            features(&[], &["invariants"]),
            metadata(&json!([field_with("a", json!("long"), json!({"delta.invariants": "a > 3"}))]), &json!({})),
        ],
    );
    let odd = newest(&lake.table("u")).await.unwrap();
    assert_unsupported(
        &odd.append().await.map(drop),
        &["column 'a' of table 'u' has an invariant of unknown form (a > 3)"],
    );
}

fn generated(lake: &Lake, expression: &str) {
    let metadata_of = json!({ "delta.generationExpression": expression });
    let mut column = field_with("g", json!("integer"), metadata_of);
    column["nullable"] = json!(false);
    let columns = json!([field("a", json!("long")), column]);
    lake.write("t", 0, &[features(&[], &["generatedColumns"]), metadata(&columns, &json!({}))]);
}

fn with_generated(rows: &[(Option<i64>, Option<i32>)]) -> RecordBatch {
    batch(vec![
        ("a", Arc::new(rows.iter().map(|(a, _)| *a).collect::<Int64Array>())),
        ("g", Arc::new(rows.iter().map(|(_, g)| *g).collect::<arrow::array::Int32Array>())),
    ])
}

#[tokio::test]
async fn generated_columns_are_filled_before_they_are_checked() {
    let lake = Lake::new();
    generated(&lake, "a + 1");
    let snapshot = snapshot(&lake).await;
    let of = |rows: &RecordBatch| rows.column(1).as_primitive::<arrow::datatypes::Int32Type>().values().to_vec();
    let some =
        append(&snapshot, with_generated(&[(Some(1), None), (Some(2), Some(3)), (Some(3), None)])).await.unwrap();
    assert_eq!(of(&some), [2, 3, 4], "the answer is what will be read");
    let all = append(&snapshot, with_generated(&[(Some(1), None), (Some(-1), None)])).await.unwrap();
    assert_eq!(of(&all), [2, 0]);
    let none = append(&snapshot, with_generated(&[(Some(1), Some(2))])).await.unwrap();
    assert_eq!(of(&none), [2]);

    let outcome = append(&snapshot, with_generated(&[(Some(1), Some(2)), (Some(1), Some(9))])).await;
    assert_violated(&outcome, &["generated column 'g' (a + 1) of table 't'", "g = 9, a = 1"]);
    let outcome = append(&snapshot, with_generated(&[(None, None)])).await;
    assert_violated(&outcome, &["column 'g' of table 't' is NOT NULL"]);
}

#[tokio::test]
async fn generated_columns_that_cannot_be_followed_refuse_writing() {
    for (expression, part) in [("my_function(a)", "my_function"), ("nothing + 1", "nothing")] {
        let lake = Lake::new();
        generated(&lake, expression);
        let outcome = append(&snapshot(&lake).await, with_generated(&[])).await;
        assert_unsupported(&outcome, &["generated column 'g'", expression, part]);
    }
    let lake = Lake::new();
    let column = |name, sql| field_with(name, json!("long"), json!({ "delta.generationExpression": sql }));
    let columns = json!([field("a", json!("long")), column("g", "a + 1"), column("h", "g + 1")]);
    lake.write("t", 0, &[features(&[], &["generatedColumns"]), metadata(&columns, &json!({}))]);
    let outcome = snapshot(&lake).await.append().await.map(drop);
    assert_unsupported(&outcome, &["generated column 'h'", "'g', which is generated itself"]);

    let duckdbs = json!({ "delta.generationExpression": "a + 1", "duckdb.type": "TIME" });
    let columns = json!([field("a", json!("long")), field_with("g", json!("long"), duckdbs)]);
    lake.write("u", 0, &[features(&[], &["generatedColumns"]), metadata(&columns, &json!({}))]);
    let outcome = newest(&lake.table("u")).await.unwrap().append().await.map(drop);
    assert_unsupported(&outcome, &["generated column 'g'", "its values are stored as Int64"]);
}

#[tokio::test]
async fn declared_lengths_count_characters() {
    let lake = Lake::new();
    let declared = |name, text| field_with(name, json!("string"), json!({ "__CHAR_VARCHAR_TYPE_STRING": text }));
    let columns = json!([declared("v", "varchar(3)"), declared("c", "char(2)")]);
    lake.write("t", 0, &[features(&[], &["appendOnly"]), metadata(&columns, &json!({}))]);
    let rows = |v: Option<&str>, c: Option<&str>| {
        batch(vec![("v", Arc::new(StringArray::from(vec![v]))), ("c", Arc::new(StringArray::from(vec![c])))])
    };
    let snapshot = snapshot(&lake).await;
    for (v, c) in [(Some("abc"), Some("ab")), (Some("äöü"), Some("")), (None, None)] {
        append(&snapshot, rows(v, c)).await.unwrap();
    }
    assert_violated(&append(&snapshot, rows(Some("abcd"), None)).await, &["VARCHAR(3) of column 'v'", "v = 'abcd'"]);
    assert_violated(&append(&snapshot, rows(None, Some("abc"))).await, &["column 'c'", "c = 'abc'"]);

    let nested = json!([field_with(
        "l",
        json!({"type":"array","elementType":"string","containsNull":true}),
        json!({ "__CHAR_VARCHAR_TYPE_STRING": "array<varchar(3)>" })
    )]);
    lake.write("u", 0, &[features(&[], &["appendOnly"]), metadata(&nested, &json!({}))]);
    let nested = newest(&lake.table("u")).await.unwrap();
    assert_unsupported(
        &nested.append().await.map(drop),
        &[
            "column 'l' of table 'u' has a declared type that limits lengths (array<varchar(3)>), which is not offered for writing",
        ],
    );
    let inner = json!({ "type": "struct", "fields": [declared("v", "varchar(3)")] });
    lake.write("v", 0, &[features(&[], &["appendOnly"]), metadata(&json!([field("s", inner)]), &json!({}))]);
    let inside = newest(&lake.table("v")).await.unwrap();
    assert_unsupported(&inside.append().await.map(drop), &["column 's.v'", "has a length (varchar(3))"]);
}

/// What DuckDB cannot declare: elements and values that are NOT NULL.
#[tokio::test]
async fn not_null_holds_at_every_depth_and_shows_the_row() {
    let lake = Lake::new();
    let mut must = field("must", json!("long"));
    must["nullable"] = json!(false);
    let inner = json!({"type": "struct", "fields": [must]});
    let list = json!({"type": "array", "elementType": inner, "containsNull": false});
    let columns = json!([field("id", json!("long")), field("l", list)]);
    lake.write("t", 0, &[features(&[], &["appendOnly"]), metadata(&columns, &json!({}))]);
    let snapshot = snapshot(&lake).await;

    // One list each of the values; `null` elements and `null` lists as told.
    let rows = |lists: &[Option<Vec<Option<Option<i64>>>>]| {
        let fields: arrow::datatypes::Fields = vec![Field::new("must", DataType::Int64, true)].into();
        let elements: Vec<_> = lists.iter().flatten().flatten().collect();
        let values: Int64Array = elements.iter().map(|element| element.flatten()).collect();
        let valid = BooleanArray::from_iter(elements.iter().map(|element| Some(element.is_some())));
        let nulls = arrow::buffer::NullBuffer::new(valid.values().clone());
        let elements = StructArray::new(fields, vec![Arc::new(values)], Some(nulls));
        let offsets = OffsetBuffer::from_lengths(lists.iter().map(|list| list.as_ref().map_or(0, Vec::len)));
        let nulls = lists.iter().map(Option::is_some).collect::<Vec<_>>().into();
        let element = Arc::new(Field::new("item", elements.data_type().clone(), true));
        let lists_array = ListArray::new(element, offsets, Arc::new(elements), Some(nulls));
        let ids = Int64Array::from_iter_values(0..lists.len() as i64);
        batch(vec![("id", Arc::new(ids)), ("l", Arc::new(lists_array))])
    };
    let fine = Some(vec![Some(Some(1)), Some(Some(2))]);
    append(&snapshot, rows(&[fine.clone(), None, Some(vec![])])).await.unwrap();
    let outcome = append(&snapshot, rows(&[fine.clone(), None, fine.clone(), Some(vec![Some(Some(1)), None])])).await;
    assert_violated(&outcome, &["column 'l.element' of table 't' is NOT NULL", "id = 3"]);
    let outcome = append(&snapshot, rows(&[fine.clone(), Some(vec![Some(None)]), fine, Some(vec![None])])).await;
    assert_violated(&outcome, &["column 'l.element.must'", "id = 1"]);
}

#[tokio::test]
async fn a_row_is_shown_within_bounds() {
    let lake = Lake::new();
    let names: Vec<_> = (0..40).map(|at| format!("c{at}")).collect();
    let columns: Vec<_> = names.iter().map(|name| field(name, json!("string"))).collect();
    let properties = json!({ "delta.constraints.last": "c39 = 'y'" });
    lake.write("t", 0, &[features(&[], &["checkConstraints"]), metadata(&json!(columns), &properties)]);
    let long = "ü".repeat(10_000);
    let column = || -> ArrayRef { Arc::new(StringArray::from(vec![long.as_str()])) };
    let rows = batch(names.iter().map(|name| (name.as_str(), column())).collect());
    let outcome = append(&snapshot(&lake).await, rows).await;
    assert_violated(&outcome, &["row: c39 = 'üü", "c0 = ", "..."]);
    let Err(error) = outcome else { panic!("{outcome:?}") };
    assert!(error.to_string().len() < 1_800, "{}", error.to_string().len());
}

/// A text in the log speaks of what is stored: 16-bit integers for UTINYINT, microseconds for TIME.
#[tokio::test]
async fn rules_read_what_is_stored_and_show_what_was_sent() {
    let lake = Lake::new();
    let column = |name, stored, duckdb: &str| field_with(name, json!(stored), json!({ "duckdb.type": duckdb }));
    let columns = json!([column("u", "short", "UTINYINT"), column("t", "long", "TIME"), field("x", json!("long"))]);
    let properties = json!({ "delta.constraints.small": "u - 200 < 0", "delta.constraints.late": "t >= 3600000000" });
    lake.write("t", 0, &[features(&[], &["checkConstraints"]), metadata(&columns, &properties)]);
    let rows = |u: u8, seconds: i64| {
        batch(vec![
            ("u", Arc::new(arrow::array::UInt8Array::from(vec![u]))),
            ("t", Arc::new(arrow::array::Time64MicrosecondArray::from(vec![seconds * 1_000_000]))),
            ("x", Arc::new(Int64Array::from(vec![9]))),
        ])
    };
    let snapshot = snapshot(&lake).await;
    append(&snapshot, rows(199, 3600)).await.unwrap();
    assert_violated(&append(&snapshot, rows(200, 3600)).await, &["'small'", "u = 200, t = '01:00:00', x = 9"]);
    assert_violated(&append(&snapshot, rows(1, 60)).await, &["'late'", "t = '00:01:00', u = 1, x = 9"]);
}
