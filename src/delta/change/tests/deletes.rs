//! What a DELETE leaves, and how it says so.

use serde_json::json;

use super::fixture::*;
use crate::engine::Snapshot;

#[tokio::test]
async fn a_few_rows_go_into_a_vector_in_the_log() {
    let table = Table::new().await;
    table.append("a", 0..10).await;
    let before = table.newest().await;
    let after = committed(table.delete(|id| [3, 7].contains(&id)).await);
    assert_eq!(after.version(), 2);
    assert_eq!(after.row_count().await.unwrap(), Some(8));
    assert_eq!(table.ids().await, [0, 1, 2, 4, 5, 6, 8, 9]);
    assert_eq!(ids(&before).await.len(), 10, "the version it began from stays as it was");
    assert_eq!(table.vectors_on_disk(), [] as [&str; 0]);

    let actions = table.commit(2);
    let (info, remove, add) = (&actions[0]["commitInfo"], &actions[1]["remove"], &actions[2]["add"]);
    assert_eq!(actions.len(), 3);
    assert_eq!(info["operation"], "DELETE");
    assert_eq!((&info["readVersion"], &info["isBlindAppend"]), (&json!(1), &json!(false)));
    assert_eq!(info["operationMetrics"]["numDeletedRows"], "2");
    assert_eq!(info["operationMetrics"]["numDeletionVectorsAdded"], "1");
    assert_eq!(info["operationMetrics"]["numRemovedFiles"], "0");
    let added = table.commit(1)[1]["add"].clone();
    for same in ["path", "size", "partitionValues"] {
        assert_eq!((&remove[same], &add[same]), (&added[same], &added[same]), "{same}");
    }
    assert_eq!(add["modificationTime"], added["modificationTime"]);
    assert_eq!(remove["deletionVector"], json!(null));
    assert_eq!(add["deletionVector"]["storageType"], "i");
    assert_eq!(add["deletionVector"]["cardinality"], 2);
}
