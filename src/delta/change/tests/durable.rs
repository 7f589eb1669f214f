//! Vectors reach the disk before anybody is told of them.

use super::fixture::{Table, committed};
use crate::delta::durable::order::assert_durable;

#[tokio::test]
async fn vectors_are_on_the_disk_before_the_version_that_has_them() {
    let table = Table::partitioned(&["part"]).await;
    table.append("a", 0..3000).await;
    committed(table.delete(|id| id % 3 == 0).await);
    assert_eq!(table.vectors_on_disk().len(), 1, "they fill a file");
    assert_durable(&table.lake.path(""), 3);
}
