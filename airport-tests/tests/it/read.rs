//! Scans: projections, row ids, filters as advice, progress.

use airport_tests::{
    client::{Client, ROW_ID, Table},
    readers,
    rows::{rows, sorted_integers, sorted_rows},
};
use arrow::array::{Array, AsArray};
use serde_json::{Value, json};

use crate::support::{SALES, create_people, ids, lake, listed, seen};

/// Three files whose ids do not overlap: 0..1000, 1000..2000, 2000..3000.
async fn three_files(client: &Client) -> Table {
    let table = create_people(client, "t").await;
    for start in [0, 1000, 2000] {
        client.insert(&table, &[ids(start..start + 1000)]).await.unwrap();
    }
    table
}

#[tokio::test]
async fn a_projection_gives_its_columns_whole() {
    let (_server, client) = lake().await;
    let table = three_files(&client).await;
    let scan = client.scan(&table, &["name"]).await.unwrap();
    let mut names: Vec<_> = rows(&scan.batches).into_iter().map(|mut row| row.remove(0)).collect();
    names.sort_by_key(|name| name.as_str().unwrap()[1..].parse::<i64>().unwrap());
    assert_eq!(names, (0..3000).map(|id| json!(format!("n{id}"))).collect::<Vec<_>>());
}

/// `count(*)` asks for the row id and nothing else, or for no column at all.
#[tokio::test]
async fn counts_need_no_column() {
    let (_server, client) = lake().await;
    let table = three_files(&client).await;
    for columns in [&[][..], &[ROW_ID]] {
        assert_eq!(client.scan(&table, columns).await.unwrap().row_count(), 3000, "{columns:?}");
    }
}

#[tokio::test]
async fn every_row_has_a_row_id_of_its_own() {
    let (_server, client) = lake().await;
    let table = three_files(&client).await;
    let scan = client.scan(&table, &["id", ROW_ID]).await.unwrap();
    assert_eq!(scan.row_count(), 3000);
    let mut found = std::collections::HashSet::new();
    for batch in &scan.batches {
        assert_eq!(batch.column(1).null_count(), 0);
        let row_ids = batch.column(1).as_struct();
        assert!(row_ids.columns().iter().all(|column| column.null_count() == 0));
        found.extend((0..batch.num_rows()).map(|i| rows(&[batch.slice(i, 1)])[0][1].to_string()));
    }
    assert_eq!(found.len(), 3000);
    // The same snapshot gives the same row the same id.
    let again = client.scan(&table, &["id", ROW_ID]).await.unwrap();
    assert_eq!(sorted_rows(&again.batches), sorted_rows(&scan.batches));
}

#[tokio::test]
async fn filters_leave_out_files_but_never_a_row() {
    let (_server, client) = lake().await;
    let table = three_files(&client).await;
    for (filter, first, last, at_most) in [
        (compare("EQUAL", 1500), 1500, 1500, 1000),
        (compare("LESSTHAN", 10), 0, 9, 1000),
        (compare("GREATERTHANOREQUALTO", 1990), 1990, 2999, 2000),
        (compare("EQUAL", 70_000), 1, 0, 0),
        (format!("{},{}", compare("GREATERTHAN", 900), compare("LESSTHAN", 950)), 901, 949, 1000),
    ] {
        let scan = client.scan_where(&table, &["id"], &format!("[{filter}]")).await.unwrap();
        let read = sorted_integers(&scan.batches);
        assert!((first..=last).all(|id| read.binary_search(&id).is_ok()), "{filter} lost a row");
        assert!(read.len() <= at_most, "{filter} read {} rows", read.len());
    }
}

#[tokio::test]
async fn a_filter_that_is_not_understood_is_left_to_duckdb() {
    let (_server, client) = lake().await;
    let table = three_files(&client).await;
    let understood = compare("EQUAL", 1500);
    for (strange, at_most) in [
        (r#"{"expression_class":"BOUND_NEW_IDEA","type":"FROM_THE_FUTURE"}"#.to_owned(), 3000),
        (r#"{"expression_class":"BOUND_COMPARISON"}"#.to_owned(), 3000),
        (compare("NEITHER", 5), 3000),
        ("null".to_owned(), 3000),
        ("7".to_owned(), 3000),
        (format!(r#"{understood},{{"expression_class":"BOUND_NEW_IDEA"}}"#), 1000),
    ] {
        let scan = client.scan_where(&table, &["id"], &format!("[{strange}]")).await.unwrap();
        let read = sorted_integers(&scan.batches);
        assert!(read.contains(&1500), "{strange} lost a row");
        assert!(read.len() <= at_most && (at_most < 3000 || read.len() == 3000), "{strange}: {}", read.len());
    }
}

#[tokio::test]
async fn an_empty_table_is_read_as_such() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    for columns in [&["id", "name"][..], &[], &["id", ROW_ID]] {
        assert_eq!(client.scan(&table, columns).await.unwrap().row_count(), 0);
    }
}

#[tokio::test]
async fn progress_rises_to_the_end() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    client.insert(&table, &[ids(0..300_000)]).await.unwrap();
    let mut told = 0;
    for endpoint in client.endpoints(&table, &["id"], "[]").await.unwrap() {
        let mut stream = client.get(&table, endpoint).await.unwrap();
        let mut last = 0.0;
        while stream.next().await.unwrap().is_some() {
            if let Some(progress) = stream.progress() {
                assert!(progress >= last, "it fell from {last} to {progress}");
                (last, told) = (progress, told + 1);
            }
        }
    }
    assert!(told > 0, "no batch told of progress");
}

#[tokio::test]
async fn a_scan_that_is_given_up_disturbs_nobody() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    client.insert(&table, &[ids(0..200_000)]).await.unwrap();
    for _ in 0..3 {
        for endpoint in client.endpoints(&table, &["id", "name"], "[]").await.unwrap() {
            let mut stream = client.get(&table, endpoint).await.unwrap();
            stream.next().await.unwrap();
        }
    }
    assert_eq!(seen(&client, &table).await.len(), 200_000);
}

#[tokio::test]
async fn partitions_of_others_are_read_and_pruned() {
    let (server, client) = lake().await;
    let write = r#"
table = pa.table({"id": pa.array(range(6), pa.int64()), "part": ["a", "a", "b c/d=e", "b c/d=e", None, "ünï %41"]})
deltalake.write_deltalake(lake / "sales" / "p", table, partition_by=["part"])
"#;
    readers::python(&server.lake(), write);
    let table = listed(&client, SALES, "p").await;
    let expected = ["a", "a", "b c/d=e", "b c/d=e", "", "ünï %41"];
    let expected = expected.map(|part| if part.is_empty() { Value::Null } else { json!(part) });
    let expected: Vec<_> = (0..).zip(expected).map(|(id, part)| vec![json!(id), part]).collect();
    assert_eq!(sorted_rows(&client.scan(&table, &["id", "part"]).await.unwrap().batches), expected);

    let filter = compare_text("part", "a");
    let scan = client.scan_where(&table, &["part", "id"], &format!("[{filter}]")).await.unwrap();
    assert_eq!(
        sorted_rows(&scan.batches),
        [[json!("a"), json!(0)], [json!("a"), json!(1)]],
        "only one partition is read"
    );
}

/// `id op value` as DuckDB 1.5.5 writes it.
fn compare(op: &str, value: i64) -> String {
    comparison(op, "id", "BIGINT", &json!(value))
}

fn compare_text(column: &str, value: &str) -> String {
    comparison("EQUAL", column, "VARCHAR", &json!(value))
}

pub(crate) fn comparison(op: &str, column: &str, kind: &str, value: &Value) -> String {
    let nowhere = u64::MAX;
    json!({
        "expression_class": "BOUND_COMPARISON", "type": format!("COMPARE_{op}"), "alias": "", "query_location": nowhere,
        "left": {
            "expression_class": "BOUND_COLUMN_REF", "type": "BOUND_COLUMN_REF", "alias": column,
            "query_location": nowhere, "return_type": { "id": kind, "type_info": null },
            // The index into the names that are sent along, where the column is always the first here.
            "binding": { "table_index": 0, "column_index": 0 }, "depth": 0,
        },
        "right": {
            "expression_class": "BOUND_CONSTANT", "type": "VALUE_CONSTANT", "alias": "", "query_location": nowhere,
            "value": { "type": { "id": kind, "type_info": null }, "is_null": false, "value": value },
        },
    })
    .to_string()
}
