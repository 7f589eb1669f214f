use serde_json::json;

use super::*;
use crate::delta::fixtures::{self, features, field, metadata};

#[tokio::test]
async fn rows_so_far_are_null_in_a_new_column() {
    let lake = Lake::new();
    let table = people(&lake).await;
    let after = altered(&table, add("age")).await;
    assert_eq!(
        (after.version(), rows(after.as_ref()).await),
        (3, vec!["1 a NULL".into(), "2 NULL NULL".into(), "3 c NULL".into()])
    );
    let told = commit(&lake, 3);
    assert_eq!(kinds(&told), ["commitInfo", "metaData"]);
    let info = &told[0]["commitInfo"];
    assert_eq!((&info["operation"], &info["readVersion"]), (&json!("ADD COLUMNS"), &json!(2)));
    let columns = info["operationParameters"]["columns"].as_str().unwrap();
    assert!(columns.contains(r#""name":"age""#) && columns.contains(r#""type":"long""#), "{columns}");
    assert_eq!(after.version(), lake.table("t").newest().await.unwrap().number(), "another process sees it");
}

#[tokio::test]
async fn a_renamed_column_keeps_its_values_and_a_dropped_one_never_comes_back() {
    let lake = Lake::new();
    let table = people(&lake).await;
    let renamed = altered(&table, rename("NAME", "full name")).await;
    assert_eq!(renamed.schema().field(1).name(), "full name");
    assert_eq!(rows(renamed.as_ref()).await, ["1 a", "2 NULL", "3 c"]);
    assert_eq!(kinds(&commit(&lake, 3)), ["commitInfo", "protocol", "metaData"]);
    assert_eq!(commit(&lake, 3)[0]["commitInfo"]["operation"], "RENAME COLUMN");
    insert(&table, &[(4, Some("d"))]).await;
    assert_eq!(rows(&newest(&table).await).await, ["1 a", "2 NULL", "3 c", "4 d"]);

    let dropped = altered(&table, drop_column("full name")).await;
    assert_eq!(rows(dropped.as_ref()).await, ["1", "2", "3", "4"]);
    assert_eq!(commit(&lake, 5)[0]["commitInfo"]["operation"], "DROP COLUMNS");
    let text = Field::new("name", DataType::Utf8, true);
    let again = altered(&table, Alteration::AddColumn { field: text, if_not_exists: false }).await;
    assert_eq!(rows(again.as_ref()).await, ["1 NULL", "2 NULL", "3 NULL", "4 NULL"]);
    insert(&table, &[(5, Some("e"))]).await;
    assert_eq!(rows(&newest(&table).await).await.last().unwrap(), "5 e");
}

#[tokio::test]
async fn nothing_to_do_is_no_version() {
    let lake = Lake::new();
    let table = people(&lake).await;
    let id = || "id".to_owned();
    for nothing in [
        Alteration::AddColumn { field: long("ID"), if_not_exists: true },
        Alteration::DropColumn { path: vec!["none".to_owned()], if_exists: true },
        rename("id", "id"),
        Alteration::DropNotNull { column: id() },
    ] {
        assert_eq!(altered(&table, nothing.clone()).await.version(), 2, "{nothing:?}");
    }
}

#[tokio::test]
async fn a_null_stands_against_not_null_and_is_shown() {
    let lake = Lake::new();
    let table = people(&lake).await;
    let error = refused(&table, not_null("name")).await;
    assert!(
        matches!(&error, Error::InvalidArgument(text) if text.contains("'name'") && text.contains("id = 2")),
        "{error}"
    );
    let strict = altered(&table, not_null("ID")).await;
    assert!(!strict.schema().field(0).is_nullable());
    assert_eq!(commit(&lake, 3)[0]["commitInfo"]["operation"], "CHANGE COLUMN");
    assert_eq!(altered(&table, not_null("id")).await.version(), 3, "it is so already");
    let loose = altered(&table, Alteration::DropNotNull { column: "id".to_owned() }).await;
    assert!(loose.schema().field(0).is_nullable());
    let missing = refused(&table, not_null("none")).await;
    assert!(matches!(&missing, Error::NotFound(text) if text == "table 't' has no column 'none'"), "{missing}");
}

/// A file without statistics, or written before the column was there.
#[tokio::test]
async fn not_null_looks_where_the_log_says_nothing() {
    let lake = Lake::new();
    let table = people(&lake).await;
    altered(&table, add("age")).await;
    let error = refused(&table, not_null("age")).await;
    // Any of the rows: files come in the order of their random names.
    let expected = "column 'age' of table 't' cannot be NOT NULL: a row has no value for it: age = NULL, id = ";
    assert!(matches!(&error, Error::InvalidArgument(text) if text.starts_with(expected)), "{error}");
    let mut bare = adds(&commit(&lake, 1)).remove(0);
    bare.stats = None;
    let remove = json!({ "remove": { "path": bare.path, "dataChange": true, "deletionTimestamp": 1 } });
    bare.path = bare.path.replace("part-", "copy-");
    let original = adds(&commit(&lake, 1)).remove(0).path;
    std::fs::copy(lake.path("t").join(original), lake.path("t").join(&bare.path)).unwrap();
    lake.write("t", 4, &[remove, json!({ "add": bare })]);
    let error = refused(&table, not_null("name")).await;
    assert!(error.to_string().contains("id = 2"), "{error}");
    altered(&table, not_null("id")).await;
}

#[tokio::test]
async fn partition_columns_are_renamed_and_written_on() {
    let lake = Lake::new();
    let table = made(&lake, &["name"]).await;
    let error = refused(&table, drop_column("name")).await;
    assert!(error.to_string().contains("partitioned"), "{error}");
    let error = refused(&table, not_null("name")).await;
    assert!(error.to_string().contains("id = 2"), "{error}");
    let renamed = altered(&table, rename("name", "who")).await;
    assert_eq!(rows(renamed.as_ref()).await, ["1 a", "2 NULL", "3 c"]);
    insert(&table, &[(4, Some("a"))]).await;
    assert_eq!(rows(&newest(&table).await).await, ["1 a", "2 NULL", "3 c", "4 a"]);
}

#[tokio::test]
async fn tables_that_ask_for_more_are_refused_by_the_name_of_it() {
    let lake = Lake::new();
    let fields = json!([field("x", json!("long"))]);
    let iceberg = json!({ "delta.enableIcebergCompatV1": "true" });
    for (table, feature, properties) in
        [("a", "icebergCompatV1", iceberg), ("b", "somethingNew", json!({})), ("e", "collations", json!({}))]
    {
        lake.write(table, 0, &[features(&[], &[feature]), metadata(&fields, &properties)]);
        let error = alter(&lake.table(table), &add("y")).await.unwrap_err();
        assert!(matches!(&error, Error::Unsupported(text) if text.contains(feature)), "{error}");
    }
    lake.write(
        "c",
        0,
        &[features(&[], &["rowTracking", "appendOnly"]), metadata(&fields, &json!({ "delta.appendOnly": "true" }))],
    );
    alter(&lake.table("c"), &add("y")).await.expect("neither says anything of columns");
    lake.write("d", 0, &[fixtures::protocol(1, 8), metadata(&fields, &json!({}))]);
    let error = alter(&lake.table("d"), &add("y")).await.unwrap_err();
    assert!(matches!(&error, Error::Unsupported(text) if text.contains("writer version 8")), "{error}");
    let error = alter(&lake.table("none"), &add("y")).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
}

#[tokio::test]
async fn commits_say_what_the_tables_features_ask_of_them() {
    let lake = Lake::new();
    let fields = json!([field("x", json!("long")), field("y", json!("long"))]);
    let properties = json!({ "delta.enableInCommitTimestamps": "true", "delta.enableRowTracking": "true" });
    let first = json!({ "commitInfo": { "inCommitTimestamp": 9_999_999_999_999_u64 } });
    let features = features(&[], &["inCommitTimestamp", "rowTracking", "domainMetadata", "clustering"]);
    lake.write("t", 0, &[first, features, metadata(&fields, &properties)]);
    let table = lake.table("t");
    altered(&table, rename("x", "z")).await;
    let info = &commit(&lake, 1)[0]["commitInfo"];
    assert_eq!(info["inCommitTimestamp"], 10_000_000_000_000_u64, "later than the version before");
    assert_eq!(info["tags"], json!({ "delta.rowTracking.preserved": "true" }));
    let drop = refused(&table, drop_column("z")).await;
    assert!(
        matches!(&drop, Error::Unsupported(text) if text == "table 't' uses the table feature 'clustering', with which dropping columns is not offered"),
        "{drop}"
    );
    let using = "CAST(z AS VARCHAR)".to_owned();
    let text = Alteration::ChangeType { field: Field::new("z", DataType::Utf8, true), using };
    let rewrite = refused(&table, text).await;
    assert!(
        matches!(&rewrite, Error::Unsupported(text) if text.contains("which rewriting them would not")),
        "{rewrite}"
    );
}

fn set_default(column: &str, expression: &str) -> Alteration {
    Alteration::SetDefault { column: column.to_owned(), expression: expression.to_owned() }
}

#[tokio::test]
async fn defaults_are_kept_in_the_log_and_told_to_duckdb() {
    let lake = Lake::new();
    let table = people(&lake).await;
    for (sql, kept) in [("7", "7"), ("(3 + 4)", "7"), ("CAST(8 AS INTEGER)", "8")] {
        let after = altered(&table, set_default("ID", sql)).await;
        let default = after.notes()[0].default.clone();
        assert!(
            default.as_ref().is_some_and(|told| told.contains(kept) || told.contains("3 + 4")),
            "{sql}: {default:?}"
        );
    }
    let quoted = altered(&table, set_default("name", "'it''s'")).await;
    assert_eq!(quoted.notes()[1].default.as_deref(), Some("'it''s'"));
    let before = quoted.version();
    assert_eq!(altered(&table, set_default("name", "'it''s'")).await.version(), before, "it has that one");
    let none = altered(&table, set_default("name", "NULL")).await;
    assert_eq!(none.notes()[1].default, None);
    assert_eq!(altered(&table, set_default("name", "CAST(NULL AS VARCHAR)")).await.version(), none.version());
    assert_eq!(rows(none.as_ref()).await, ["1 a", "2 NULL", "3 c"], "rows so far stay as they are");
    insert(&table, &[(4, None)]).await;
}

#[tokio::test]
async fn defaults_that_cannot_be_are_refused_by_their_words() {
    let lake = Lake::new();
    let table = people(&lake).await;
    for (sql, part) in [
        ("'x'", "'x'"),
        ("name", "name"),
        ("random()", "random"),
        ("9223372036854775808", "922"),
        ("(SELECT 1)", "SELECT"),
    ] {
        let error = refused(&table, set_default("id", sql)).await;
        assert!(matches!(&error, Error::InvalidArgument(_) | Error::Unsupported(_)), "{error}");
        assert!(error.to_string().contains(part), "{error}");
        let expected = format!("default {sql} of column 'id' cannot be kept: ");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    altered(&table, set_default("id", "7")).await;
    let using = "CAST(id AS BOOLEAN)".to_owned();
    let error = refused(
        &table,
        Alteration::ChangeType { field: Field::new("id", DataType::Date32, true), using: "NULL".to_owned() },
    )
    .await;
    assert!(error.to_string().contains("SET DEFAULT NULL"), "{error}");
    altered(&table, set_default("id", "NULL")).await;
    altered(&table, Alteration::ChangeType { field: Field::new("id", DataType::Boolean, true), using }).await;
}

fn check(expression: &str) -> Alteration {
    Alteration::AddCheck { expression: expression.to_owned() }
}

#[tokio::test]
async fn checks_hold_for_the_rows_so_far_and_for_those_to_come() {
    let lake = Lake::new();
    let table = people(&lake).await;
    let error = refused(&table, check("(id < 3)")).await;
    assert!(
        matches!(&error, Error::InvalidArgument(text) if text.starts_with("table 't' cannot have CHECK ((id < 3)): a row does not keep it: id = 3")),
        "{error}"
    );
    let error = refused(&table, check("(none > 3)")).await;
    assert!(error.to_string().contains("none"), "{error}");
    let error = refused(&table, check("(random() > 0)")).await;
    assert!(error.to_string().starts_with("CHECK ((random() > 0)) cannot be kept: the function \"random\""), "{error}");
    altered(&table, check("(id < 9)")).await;
    altered(&table, check("(length(name) < 2)")).await;
    let told = commit(&lake, 4);
    assert_eq!(told[0]["commitInfo"]["operation"], "ADD CONSTRAINT");
    assert_eq!(told[0]["commitInfo"]["operationParameters"]["name"], "check_2");
    let snapshot = newest(&table).await;
    for rows in [[(9, Some("x"))], [(5, Some("xy"))]] {
        let mut append = snapshot.append().await.unwrap();
        let error = append.write(batch(&snapshot.schema(), &rows)).await.unwrap_err();
        assert!(error.to_string().contains("check_"), "{error}");
        append.abort().await;
    }
    insert(&table, &[(5, None)]).await;
    for change in [rename("id", "z"), drop_column("name")] {
        let error = refused(&table, change).await;
        assert!(error.to_string().contains("check_"), "{error}");
    }
}
