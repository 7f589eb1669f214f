//! What the log says of a MERGE, and on which rows it relies.

use arrow::datatypes::{DataType, Field, Schema};

use super::{super::*, fixture::*};
use crate::{
    engine::MergeClauses,
    merge::{ColumnDefault, Target, plan},
};

fn planned(clauses: &str) -> MergePlan {
    let source = Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("value", DataType::Utf8, true),
        Field::new("part", DataType::Utf8, true),
    ]);
    let (columns, defaults) = (schema(), [const { ColumnDefault::Null }; 3]);
    let target = Target { name: "t", columns: &columns, defaults: &defaults };
    plan(&MergeClauses::Text(clauses.to_owned()), target, &source).unwrap()
}

#[test]
fn clauses_are_told_in_sparks_words() {
    let plan = planned(
        "ON target.id = source.id AND target.value <> 'x' AND target.part IS NOT DISTINCT FROM source.part
         WHEN MATCHED AND source.value = 'd' THEN DELETE
         WHEN MATCHED AND source.value IS NULL THEN DO NOTHING
         WHEN MATCHED THEN UPDATE SET value = source.value
         WHEN NOT MATCHED AND source.id > 5 THEN INSERT *
         WHEN NOT MATCHED BY SOURCE THEN DELETE",
    );
    let told = parameters(&plan);
    let json = |name: &str| serde_json::from_str::<Value>(told[name].as_str().unwrap()).unwrap();
    assert_eq!(
        json("predicate"),
        json!(["(target.id = source.id) AND (target.part <=> source.part) AND `value` <> 'x'"])
    );
    assert_eq!(
        json("matchedPredicates"),
        json!([{ "actionType": "delete", "predicate": "`value` = 'd'" }, { "actionType": "update" }])
    );
    assert_eq!(json("notMatchedPredicates"), json!([{ "actionType": "insert", "predicate": "id > 5" }]));
    assert_eq!(json("notMatchedBySourcePredicates"), json!([{ "actionType": "delete" }]));
    let told = parameters(&planned("ON false WHEN NOT MATCHED THEN INSERT *"));
    assert_eq!(told["matchedPredicates"], "[]");
}

/// Only who leaves a row as it is, and would add one if it were not there.
#[test]
fn rows_are_relied_on_where_they_keep_others_out() {
    for (clauses, relies) in [
        ("WHEN MATCHED THEN UPDATE WHEN NOT MATCHED THEN INSERT", false),
        ("WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT", false),
        ("WHEN NOT MATCHED THEN INSERT", true),
        ("WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT", true),
        ("WHEN MATCHED AND source.id > 5 THEN DELETE WHEN NOT MATCHED THEN INSERT", true),
        ("WHEN MATCHED AND source.id > 5 THEN DO NOTHING WHEN MATCHED THEN UPDATE WHEN NOT MATCHED THEN INSERT", true),
        ("WHEN MATCHED AND source.id > 5 THEN DELETE WHEN MATCHED THEN UPDATE WHEN NOT MATCHED THEN INSERT", false),
        ("WHEN MATCHED AND source.id > 5 THEN DELETE", false),
        ("WHEN NOT MATCHED BY SOURCE THEN DELETE", false),
        ("WHEN NOT MATCHED THEN DO NOTHING WHEN NOT MATCHED BY SOURCE THEN DELETE", false),
        ("WHEN NOT MATCHED THEN ERROR", true),
    ] {
        assert_eq!(relies_on_rows(&planned(&format!("USING (id) {clauses}"))), relies, "{clauses}");
    }
}

#[tokio::test]
async fn the_log_counts_rows_and_files() {
    for vectors in [true, false] {
        let table = Table::of(&[], vectors).await;
        insert(&table.table, "a", 1..=4).await;
        insert(&table.table, "a", 10..=12).await;
        committed(by_key(Kind::Upsert, &[2, 10, 11, 12, 20], "merged").run(&table.table).await);
        let info = table.commit(3)[0]["commitInfo"].clone();
        assert_eq!((&info["operation"], &info["readVersion"]), (&json!("MERGE"), &json!(2)));
        assert_eq!(info["isBlindAppend"], false);
        let metrics = &info["operationMetrics"];
        for (name, with_vectors, without) in [
            ("numSourceRows", 5, 5),
            ("numTargetRowsInserted", 1, 1),
            ("numTargetRowsUpdated", 4, 4),
            ("numTargetRowsDeleted", 0, 0),
            ("numTargetRowsCopied", 0, 3),
            ("numOutputRows", 5, 8),
            ("numTargetFilesAdded", 1, 1),
            ("numTargetFilesRemoved", 1, 2),
            ("numTargetChangeFilesAdded", 0, 0),
            ("numTargetDeletionVectorsAdded", 1, 0),
            ("numTargetDeletionVectorsUpdated", 0, 0),
            ("numTargetDeletionVectorsRemoved", 0, 0),
        ] {
            let expected: i32 = if vectors { with_vectors } else { without };
            assert_eq!(metrics[name], expected.to_string(), "{name}, vectors: {vectors}");
        }
    }
}
