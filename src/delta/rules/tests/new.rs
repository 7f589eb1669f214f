use std::collections::HashMap;

use super::*;
use crate::{
    delta::{
        DeltaFormat,
        rules::{check_name, check_text},
    },
    engine::{Extension, TableFormat},
};

fn columns() -> Schema {
    Schema::new(vec![
        Field::new("a", DataType::Int64, true),
        Field::new("key", DataType::Int64, false),
        Field::new("odd name", DataType::Utf8, true),
    ])
}

async fn create(lake: &Lake, checks: &[&str]) -> Result<Arc<dyn Snapshot>> {
    let checks = checks.iter().map(|&sql| sql.to_owned()).collect();
    let spec = TableSpec { schema: Arc::new(columns()), partition_columns: vec![], description: None, checks };
    DeltaFormat::default().create(&lake.location("t"), &spec).await
}

#[tokio::test]
async fn a_check_keeps_duckdbs_meaning_for_every_writer() {
    let lake = Lake::new();
    create(&lake, &["(a > 0)", "(key > 0)", "(\"odd name\" <> 'x')"]).await.unwrap();
    let commit = fs::read_to_string(lake.commit_path("t", 0)).unwrap();
    let [_, protocol, metadata]: [Value; 3] =
        commit.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(protocol["protocol"]["writerFeatures"], json!(["deletionVectors", "columnMapping", "checkConstraints"]));
    assert_eq!(protocol["protocol"]["readerFeatures"], json!(["deletionVectors", "columnMapping"]));
    let properties = &metadata["metaData"]["configuration"];
    for (name, suffix) in [("check_1", ") IS NOT FALSE"), ("check_2", "> 0"), ("check_3", ") IS NOT FALSE")] {
        let text = properties[format!("delta.constraints.{name}")].as_str().unwrap();
        assert!(text.ends_with(suffix), "{name}: {text}");
    }

    let snapshot = snapshot(&lake).await;
    let rows = |a, key, odd: Option<&str>| {
        batch(vec![
            ("a", Arc::new(Int64Array::from(vec![a]))),
            ("key", Arc::new(Int64Array::from(vec![key]))),
            ("odd name", Arc::new(StringArray::from(vec![odd]))),
        ])
    };
    append(&snapshot, rows(Some(1), Some(1), Some("y"))).await.unwrap();
    append(&snapshot, rows(None, Some(1), None)).await.unwrap();
    assert_violated(&append(&snapshot, rows(Some(0), Some(1), None)).await, &["'check_1'", "a = 0, key = 1"]);
    assert_violated(&append(&snapshot, rows(None, Some(0), None)).await, &["'check_2'", "key = 0"]);
    assert_violated(&append(&snapshot, rows(None, None, None)).await, &["column 'key'", "NOT NULL"]);
    assert_violated(&append(&snapshot, rows(None, Some(1), Some("x"))).await, &["'check_3'", "odd name = 'x'"]);
}

#[tokio::test]
async fn a_check_that_cannot_be_kept_makes_no_table() {
    for (sql, part) in [
        ("a", "it is no condition; compare"),
        ("(b > 0)", "b"),
        ("(my_function(a) > 0)", "my_function"),
        ("(a >", "(a >"),
    ] {
        let lake = Lake::new();
        let error = create(&lake, &["(a > 0)", sql]).await.expect_err(sql);
        assert!(matches!(error, Error::InvalidArgument(_) | Error::Unsupported(_)), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&format!("CHECK ({sql})")) && text.contains(part), "{text}");
        assert!(!lake.path("t").exists());
    }
}

#[test]
fn names_are_new_whatever_their_case() {
    assert_eq!(check_name(&HashMap::new()), "check_1");
    let taken = ["delta.constraints.check_1", "Delta.Constraints.CHECK_2", "delta.constraints.check_4"];
    let taken = taken.map(|key| (key.to_owned(), String::new())).into();
    assert_eq!(check_name(&taken), "check_3");
}

#[test]
fn a_column_that_cannot_be_null_needs_no_more() {
    assert!(!check_text("(key > 0)", &columns()).unwrap().contains("FALSE"));
    assert!(check_text("(a > key)", &columns()).unwrap().ends_with("IS NOT FALSE"));
}

#[test]
fn text_that_others_would_read_differently_is_refused() {
    for sql in [r#"("odd name" <> 'it''s')"#, r#"("odd name" <> 'a\b')"#] {
        assert_unsupported(&check_text(sql, &columns()), &["CHECK (", "with a quote or a backslash differently"]);
    }
}

#[test]
fn a_check_is_kept_only_of_values_that_others_see_as_they_are() {
    use arrow::datatypes::TimeUnit::Microsecond;
    let columns = Schema::new(vec![
        Field::new("u", DataType::UInt8, true),
        Field::new("big", DataType::UInt64, true),
        Field::new("t", DataType::Time64(Microsecond), true),
        Extension::Uuid.field("id", true),
    ]);
    for sql in ["(u < 200)", "(big > 18446744073709551614)"] {
        check_text(sql, &columns).unwrap();
    }
    for (sql, column) in [("(t IS NOT NULL)", "'t'"), ("(id IS NOT NULL)", "'id'")] {
        assert_unsupported(&check_text(sql, &columns), &[sql, column, "other writers see the values of column"]);
    }
}
