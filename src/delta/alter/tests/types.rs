use arrow::datatypes::TimeUnit;
use serde_json::json;

use super::*;

/// ALTER COLUMN ... TYPE as DuckDB says it.
fn retype(column: &str, to: DataType, using: &str) -> Alteration {
    Alteration::ChangeType { field: Field::new(column, to, true), using: using.to_owned() }
}

#[tokio::test]
async fn all_rows_are_written_again_in_one_commit() {
    let lake = Lake::new();
    let table = people(&lake).await;
    let before = newest(&table).await;
    let text = altered(&table, retype("ID", DataType::Utf8, "CAST(id AS VARCHAR)")).await;
    assert_eq!(text.schema().field(0), &Field::new("id", DataType::Utf8, true));
    assert_eq!((text.version(), rows(text.as_ref()).await), (3, vec!["1 a".into(), "2 NULL".into(), "3 c".into()]));
    assert_eq!(rows(&before).await, ["1 a", "2 NULL", "3 c"], "the version before is still read");

    let told = commit(&lake, 3);
    assert_eq!(kinds(&told), ["commitInfo", "metaData", "remove", "remove", "add"]);
    assert_eq!(told[0]["commitInfo"]["operation"], "CHANGE COLUMN");
    assert_eq!(told[0]["commitInfo"]["operationMetrics"]["numOutputRows"], "3");
    let removed: Vec<_> = told.iter().filter_map(|action| action["remove"]["path"].as_str()).collect();
    let added: Vec<_> = [1, 2].iter().map(|&version| adds(&commit(&lake, version)).remove(0).path).collect();
    assert!(added.iter().all(|path| removed.contains(&path.as_str())), "{removed:?}");
    assert!(text.version() == newest(&lake.table("t")).await.version());
}

#[tokio::test]
async fn using_says_what_the_values_become() {
    let lake = Lake::new();
    let table = people(&lake).await;
    let doubled = altered(&table, retype("id", DataType::Int32, "((id * 2) + length(name))")).await;
    assert_eq!(rows(doubled.as_ref()).await, ["3 a", "7 c", "NULL NULL"]);
    let again = altered(&table, retype("id", DataType::Int32, "(id + 1)")).await;
    assert_eq!(rows(again.as_ref()).await, ["4 a", "8 c", "NULL NULL"], "values change although the type does not");
    let one = altered(&table, retype("name", DataType::Boolean, "true")).await;
    assert_eq!(rows(one.as_ref()).await, ["4 true", "8 true", "NULL true"]);
}

#[tokio::test]
async fn a_type_it_has_is_nothing_to_do() {
    let lake = Lake::new();
    let table = people(&lake).await;
    for using in ["CAST(\"name\" AS VARCHAR)", "CAST(name AS VARCHAR)", "NAME"] {
        assert_eq!(altered(&table, retype("name", DataType::Utf8, using)).await.version(), 2, "{using}");
    }
    let error = refused(&table, retype("none", DataType::Utf8, "1")).await;
    assert!(matches!(error, Error::NotFound(_)), "{error}");
}

#[tokio::test]
async fn a_value_that_cannot_be_cast_changes_nothing() {
    let lake = Lake::new();
    let table = people(&lake).await;
    let files = |lake: &Lake| std::fs::read_dir(lake.path("t")).unwrap().count();
    let before = files(&lake);
    let error = refused(&table, retype("name", DataType::Int32, "CAST(name AS INTEGER)")).await;
    assert!(matches!(&error, Error::InvalidArgument(text) if text.contains("'name'") && text.contains('a')), "{error}");
    altered(&table, not_null("id")).await;
    let error = refused(&table, retype("id", DataType::Int32, "CASE WHEN (id = 2) THEN NULL ELSE id END")).await;
    assert!(matches!(&error, Error::InvalidArgument(text) if text.contains("NOT NULL")), "{error}");
    assert_eq!(files(&lake), before, "what was staged is removed");
    assert_eq!(rows(&newest(&table).await).await, ["1 a", "2 NULL", "3 c"]);
}

#[tokio::test]
async fn partition_columns_get_new_values() {
    let lake = Lake::new();
    let table = made(&lake, &["id"]).await;
    insert(&table, &[(1, Some("x y"))]).await;
    let text = altered(&table, retype("id", DataType::Utf8, "(CAST(id AS VARCHAR) || ' %')")).await;
    assert_eq!(rows(text.as_ref()).await, ["1 % a", "1 % x y", "2 % NULL", "3 % c"]);
    let told = commit(&lake, text.version());
    let values: Vec<_> = told.iter().filter_map(|action| action["add"]["partitionValues"]["id"].as_str()).collect();
    assert_eq!(values.len(), 3, "one file a partition: {values:?}");
    assert!(values.contains(&"1 %"));
    let nested = DataType::Struct(vec![long("a")].into());
    let error = refused(&table, retype("id", nested, "{'a': 1}")).await;
    let expected = "column 'id' cannot get a nested type: table 't' is partitioned by it";
    assert!(matches!(&error, Error::InvalidArgument(text) if text == expected), "{error}");
}

#[tokio::test]
async fn deleted_rows_stay_deleted() {
    let lake = Lake::new();
    let table = people(&lake).await;
    // The first row of the first file: a vector inline, of one value (RoaringBitmapArray, portable form).
    let add = adds(&commit(&lake, 1)).remove(0);
    let vector = json!({ "storageType": "i", "pathOrInlineDv": inline_vector(), "sizeInBytes": 34, "cardinality": 1 });
    let mut deleted = commit(&lake, 1)[1].clone();
    deleted["add"]["deletionVector"] = vector;
    let remove = json!({ "remove": { "path": add.path, "dataChange": true, "deletionTimestamp": 1 } });
    lake.write("t", 3, &[remove, deleted]);
    assert_eq!(rows(&newest(&table).await).await, ["2 NULL", "3 c"]);
    let text = altered(&table, retype("id", DataType::Utf8, "CAST(id AS VARCHAR)")).await;
    assert_eq!(rows(text.as_ref()).await, ["2 NULL", "3 c"]);
    let told = commit(&lake, 4);
    let vectors: Vec<_> = told.iter().filter(|action| action["remove"]["deletionVector"].is_object()).collect();
    assert_eq!(vectors.len(), 1, "the file is removed with the vector it had");
    assert_eq!(rows(&newest(&lake.table("t")).await).await, ["2 NULL", "3 c"], "another process agrees");
}

/// Magic, one bitmap under key 0 with the value 0, in Z85.
fn inline_vector() -> String {
    let mut bytes = Vec::new();
    bytes.extend(1_681_511_377_u32.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    // No run containers; one container, key 0, cardinality 1, its offset, the value.
    for word in [12346_u32, 1, 0, 16] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(0_u16.to_le_bytes());
    bytes.extend([0; 2]); // Z85 takes fours.
    z85(&bytes)
}

fn z85(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    let mut text = String::new();
    for four in bytes.chunks_exact(4) {
        let mut number = u32::from_be_bytes(four.try_into().unwrap());
        let mut digits = [0; 5];
        for digit in digits.iter_mut().rev() {
            *digit = DIGITS[(number % 85) as usize];
            number /= 85;
        }
        text.extend(digits.map(char::from));
    }
    text
}

#[tokio::test]
async fn an_empty_table_changes_its_words_only() {
    let lake = Lake::new();
    let spec = TableSpec { schema: columns(), partition_columns: vec![], description: None, checks: vec![] };
    DeltaFormat::default().create(&lake.location("t"), &spec).await.unwrap();
    let ntz = DataType::Timestamp(TimeUnit::Microsecond, None);
    let after = altered(&lake.table("t"), retype("name", ntz.clone(), "CAST(name AS TIMESTAMP)")).await;
    assert_eq!(after.schema().field(1).data_type(), &ntz);
    assert_eq!(kinds(&commit(&lake, 1)), ["commitInfo", "protocol", "metaData"]);
}

#[tokio::test]
async fn append_only_tables_are_not_rewritten() {
    let lake = Lake::new();
    let fields = json!([crate::delta::fixtures::field("x", json!("long"))]);
    let properties = json!({ "delta.appendOnly": "true" });
    let protocol = crate::delta::fixtures::protocol(1, 2);
    lake.write("t", 0, &[protocol, crate::delta::fixtures::metadata(&fields, &properties)]);
    lake.write("t", 1, &[crate::delta::fixtures::add("f", 1)]);
    let error = refused(&lake.table("t"), retype("x", DataType::Utf8, "CAST(x AS VARCHAR)")).await;
    assert!(
        matches!(&error, Error::FailedPrecondition(text) if text.contains("so that its rows cannot be rewritten")),
        "{error}"
    );
}

#[tokio::test]
async fn clustered_tables_are_not_rewritten() {
    let lake = Lake::new();
    let fields = json!([crate::delta::fixtures::field("x", json!("long"))]);
    let protocol = crate::delta::fixtures::features(&[], &["domainMetadata", "clustering"]);
    lake.write("t", 0, &[protocol, crate::delta::fixtures::metadata(&fields, &json!({}))]);
    let error = refused(&lake.table("t"), retype("x", DataType::Utf8, "CAST(x AS VARCHAR)")).await;
    let expected = "table 't' uses the table feature 'clustering', with which rewriting rows is not offered";
    assert!(matches!(&error, Error::Unsupported(text) if text == expected), "{error}");
}

/// What was rewritten is the version before, and another has come between.
#[tokio::test]
async fn rows_that_changed_meanwhile_are_not_overwritten() {
    let lake = Lake::new();
    let table = people(&lake).await;
    let before = newest(&table).await;
    let plan = plan::plan(&before, &retype("id", DataType::Utf8, "CAST(id AS VARCHAR)")).unwrap().unwrap();
    let Rows::Become(conversion) = &plan.rows else { panic!("other rows") };
    insert(&lake.table("t"), &[(4, None)]).await;
    match rewrite(&before, &plan, conversion).await.unwrap() {
        CommitOutcome::Conflict { reason } => {
            assert_eq!(reason, "rows of table 't' changed after version 2 (now at 3)");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(rows(&newest(&table).await).await, ["1 a", "2 NULL", "3 c", "4 NULL"]);
}

#[tokio::test]
async fn a_file_is_removed_by_the_name_its_writer_gave_it() {
    let lake = Lake::new();
    let table = people(&lake).await;
    let mut moved = adds(&commit(&lake, 1)).remove(0);
    std::fs::rename(lake.path("t").join(&moved.path), lake.path("t").join("a b:1.parquet")).unwrap();
    let remove = json!({ "remove": { "path": moved.path, "dataChange": true, "deletionTimestamp": 1 } });
    moved.path = "x".to_owned();
    let mut add = json!({ "add": moved });
    // Other writers encode the colon too, or the space as well.
    add["add"]["path"] = json!("a%20b%3A1.parquet");
    lake.write("t", 3, &[remove, add]);
    let text = altered(&table, retype("id", DataType::Utf8, "CAST(id AS VARCHAR)")).await;
    assert_eq!(rows(text.as_ref()).await, ["1 a", "2 NULL", "3 c"]);
    let told = commit(&lake, 4);
    assert!(told.iter().any(|action| action["remove"]["path"] == "a%20b%3A1.parquet"), "{told:?}");
    assert_eq!(rows(&newest(&lake.table("t")).await).await, ["1 a", "2 NULL", "3 c"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rows_that_others_write_meanwhile_are_rewritten_too_or_refused() {
    let lake = Lake::new();
    people(&lake).await;
    let writer = tokio::spawn({
        let table = lake.table("t");
        async move {
            let mut written = 0;
            for id in 10..30 {
                let snapshot = newest(&table).await;
                if snapshot.schema().field(0).data_type() != &DataType::Int64 {
                    break;
                }
                let mut append = snapshot.append().await.unwrap();
                append.write(batch(&snapshot.schema(), &[(id, Some("w"))])).await.unwrap();
                written += usize::from(matches!(append.commit().await.unwrap(), CommitOutcome::Committed(_)));
            }
            written
        }
    });
    let table = lake.table("t");
    let outcome = alter(&table, &retype("id", DataType::Utf8, "CAST(id AS VARCHAR)")).await;
    let written = writer.await.unwrap();
    let now = newest(&table).await;
    assert_eq!(rows(&now).await.len(), 3 + written, "no row is lost and none is doubled");
    match outcome {
        Ok(_) => assert_eq!(now.schema().field(0).data_type(), &DataType::Utf8),
        Err(error) => assert!(matches!(error, Error::Conflict(_)), "{error}"),
    }
}

/// What ADD COLUMN of a field cannot say through DuckDB's client.
#[tokio::test]
async fn a_struct_gets_more_fields_without_rewriting() {
    let lake = Lake::new();
    let record = |fields: &[&str]| {
        let fields: Vec<_> = fields.iter().map(|name| long(name)).collect();
        Field::new("s", DataType::Struct(fields.into()), true)
    };
    let schema = Arc::new(Schema::new(vec![long("id"), record(&["a"])]));
    let spec = TableSpec { schema: schema.clone(), partition_columns: vec![], description: None, checks: vec![] };
    DeltaFormat::default().create(&lake.location("t"), &spec).await.unwrap();
    let table = lake.table("t");
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let records = arrow::array::StructArray::from(vec![(Arc::new(long("a")), ids.clone())]);
    let mut append = newest(&table).await.append().await.unwrap();
    append.write(RecordBatch::try_new(schema, vec![ids, Arc::new(records)]).unwrap()).await.unwrap();
    append.commit().await.unwrap();

    let wider = record(&["a", "b", "c"]);
    let retype = |using: &str| Alteration::ChangeType { field: wider.clone(), using: using.to_owned() };
    let after = altered(&table, retype("CAST(s AS STRUCT(a BIGINT, b BIGINT, c BIGINT))")).await;
    assert_eq!(kinds(&commit(&lake, 2)), ["commitInfo", "metaData"]);
    assert_eq!(after.schema().field(1).data_type(), wider.data_type());
    assert_eq!(rows(after.as_ref()).await, ["1 {a: 1, b: , c: }"]);
}
