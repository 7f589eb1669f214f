use super::*;
use crate::{
    delta::rules::new::default_text,
    engine::{ColumnNotes, Extension},
    merge::ColumnDefault,
};

fn with_default(lake: &Lake, protocol: &Value, default: &str) {
    let default = json!({ "CURRENT_DEFAULT": default, "comment": "how it's called" });
    let columns = json!([field("a", json!("long")), field_with("b", json!("string"), default)]);
    lake.write("t", 0, &[protocol.clone(), metadata(&columns, &json!({}))]);
}

async fn noted(lake: &Lake) -> ColumnNotes {
    let [nothing, b] = snapshot(lake).await.notes().try_into().unwrap();
    assert_eq!(nothing, ColumnNotes::default());
    assert_eq!(b.comment.as_deref(), Some("how it's called"));
    b
}

#[tokio::test]
async fn defaults_and_comments_are_told_in_duckdbs_words() {
    let protocol = features(&[], &["allowColumnDefaults"]);
    for (spark, duckdb) in [("'x'", "'x'"), (" UUID ()", "uuid()")] {
        let lake = Lake::new();
        with_default(&lake, &protocol, spark);
        assert_eq!(noted(&lake).await.default.as_deref(), Some(duckdb));
        append(&snapshot(&lake).await, rows(&[(Some(1), None)])).await.unwrap();
    }
    // Without the feature it is a note that binds nobody.
    let lake = Lake::new();
    with_default(&lake, &features(&[], &["appendOnly"]), "'x'");
    assert_eq!(noted(&lake).await.default, None);
    append(&snapshot(&lake).await, rows(&[(Some(1), None)])).await.unwrap();
}

/// MERGE leaves columns out by itself.
#[tokio::test]
async fn defaults_have_values_here() {
    use arrow::array::{AsArray, RecordBatch, RecordBatchOptions};
    const NOW_US: i64 = 1_700_000_000_123_456;
    let of = async |spark_type: &str, sql: &str, protocol: &Value| {
        let lake = Lake::new();
        let default = json!({ "CURRENT_DEFAULT": sql });
        let columns = json!([field("a", json!("long")), field_with("b", json!(spark_type), default)]);
        lake.write("t", 0, &[protocol.clone(), metadata(&columns, &json!({}))]);
        let [nothing, b] = snapshot(&lake).await.definition().defaults(NOW_US).try_into().unwrap();
        assert!(matches!(nothing, ColumnDefault::Null));
        b
    };
    let bound = features(&["timestampNtz"], &["allowColumnDefaults", "timestampNtz"]);
    let two = RecordBatchOptions::new().with_row_count(Some(2));
    let two = RecordBatch::try_new_with_options(Schema::empty().into(), vec![], &two).unwrap();
    for (spark_type, sql, expected) in [
        ("string", "'x'", Some("x")),
        ("decimal(9,2)", "1 + 0.5", Some("1.50")),
        ("date", "current_date()", Some("2023-11-14")),
        ("timestamp", "current_timestamp()", Some("2023-11-14 22:13:20.123456+00")),
        ("timestamp_ntz", "now()", Some("2023-11-14 22:13:20.123456")),
        ("string", "uuid()", None),
    ] {
        let ColumnDefault::Value(value) = of(spark_type, sql, &bound).await else { panic!("{sql}") };
        assert_eq!(value.columns(), [] as [usize; 0]);
        let text = value.cast_to(&Field::new("t", DataType::Utf8, true)).unwrap().evaluate(&two).unwrap();
        let text = text.as_string::<i32>();
        match expected {
            Some(expected) => assert_eq!((text.value(0), text.value(1)), (expected, expected), "{sql}"),
            None => {
                assert_ne!(text.value(0), text.value(1), "each row has its own");
                assert_eq!(text.value(0).len(), 36);
            }
        }
    }
    for (spark_type, sql) in [("string", "my_function('x')"), ("string", "other_column"), ("string", "now()")] {
        let ColumnDefault::Unknown(reason) = of(spark_type, sql, &bound).await else { panic!("{sql}") };
        assert!(reason.starts_with(&format!("({sql}): ")), "{reason}");
    }
    let unbound = of("string", "'x'", &features(&[], &["appendOnly"])).await;
    assert!(matches!(unbound, ColumnDefault::Null), "without the feature it is a note that binds nobody");
    let lake = Lake::new();
    let inner = field_with("y", json!("long"), json!({ "CURRENT_DEFAULT": "1" }));
    let columns = json!([field("s", json!({"type": "struct", "fields": [inner]}))]);
    lake.write("t", 0, &[features(&[], &["allowColumnDefaults"]), metadata(&columns, &json!({}))]);
    let [inside] = snapshot(&lake).await.definition().defaults(NOW_US).try_into().unwrap();
    let ColumnDefault::Unknown(reason) = inside else { panic!("{inside:?}") };
    assert_eq!(reason, "that of 's.y' (1) is inside of another column");
}

/// A row that comes with NULL may be one whose default DuckDB did not know.
#[tokio::test]
async fn a_default_that_cannot_be_told_refuses_inserts_and_not_reading() {
    for default in ["my_function('x')", "'x", "other_column", "now()"] {
        let lake = Lake::new();
        with_default(&lake, &features(&[], &["allowColumnDefaults"]), default);
        assert_eq!(noted(&lake).await.default, None, "it must not break the client's listing");
        let outcome = append(&snapshot(&lake).await, rows(&[(Some(1), None)])).await;
        assert_unsupported(&outcome, &["table 't'", "column 'b'", default]);
    }
    let lake = Lake::new();
    let inner = field_with("y", json!("long"), json!({ "CURRENT_DEFAULT": "1" }));
    let columns = json!([field("s", json!({"type": "struct", "fields": [inner]}))]);
    lake.write("t", 0, &[features(&[], &["allowColumnDefaults"]), metadata(&columns, &json!({}))]);
    assert_unsupported(&snapshot(&lake).await.append().await.map(drop), &["'s.y'", "it is inside of another column"]);
}

#[test]
fn a_default_is_kept_in_sparks_words() {
    use arrow::datatypes::TimeUnit::Microsecond;
    let column = |data_type| Field::new("c", data_type, true);
    let text = |sql, data_type| default_text(sql, &column(data_type));
    assert_eq!(text("now()", DataType::Timestamp(Microsecond, None)).unwrap(), "current_timestamp()");
    assert_eq!(text("current_timestamp", DataType::Timestamp(Microsecond, None)).unwrap(), "current_timestamp()");
    assert_eq!(text("today()", DataType::Date32).unwrap(), "current_date()");
    assert_eq!(default_text("gen_random_uuid()", &Extension::Uuid.field("c", true)).unwrap(), "uuid()");
    assert_eq!(text("'x'", DataType::Utf8).unwrap(), "'x'");
    assert_unsupported(&text("today()", DataType::Utf8), &["current_date() is no Utf8, as c is"]);
    assert_unsupported(&text("random_thing()", DataType::Utf8), &["random_thing"]);
    assert!(text("another_column", DataType::Utf8).is_err());
    assert!(text("CAST('\\xAA' AS BLOB)", DataType::Binary).is_err(), "it could not be told to DuckDB again");
}
