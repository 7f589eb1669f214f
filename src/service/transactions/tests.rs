use arrow::datatypes::{Schema, SchemaRef};

use super::*;
use crate::engine::{
    Alteration, Append, Change, ChangeRequest, ColumnNotes, ColumnStatistics, Merge, MergeRequest, ReadPart, ReadPlan,
    ReadStream, ScanRequest,
};

fn table(name: &str) -> TableName {
    TableName::new("lake", "s", name)
}

#[test]
fn a_transaction_nobody_began_is_refused() {
    let transactions = Transactions::new();
    let error = transactions.pinned("nope", &table("t")).err().expect("refused");
    assert!(matches!(error, Error::FailedPrecondition(_)), "{error}");
    let id = transactions.begin(None);
    assert!(transactions.pinned(&id, &table("t")).expect("known").is_none());
}

/// A table whose every version is there, under one id.
#[derive(Debug)]
struct FakeTable(&'static str);

#[derive(Debug)]
struct FakeSnapshot(u64, &'static str);

#[tonic::async_trait]
impl Table for FakeTable {
    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>> {
        self.snapshot_at(1).await
    }
    async fn snapshot_at(&self, version: u64) -> Result<Arc<dyn Snapshot>> {
        Ok(Arc::new(FakeSnapshot(version, self.0)))
    }
    async fn snapshot_as_of(&self, _: i64) -> Result<Arc<dyn Snapshot>> {
        self.snapshot().await
    }
    async fn alter(&self, _: &Alteration) -> Result<Arc<dyn Snapshot>> {
        self.snapshot().await
    }
}

#[tonic::async_trait]
impl Snapshot for FakeSnapshot {
    fn version(&self) -> u64 {
        self.0
    }
    fn table_id(&self) -> &str {
        self.1
    }
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::empty())
    }
    fn description(&self) -> Option<String> {
        None
    }
    fn notes(&self) -> Vec<ColumnNotes> {
        vec![]
    }
    async fn statistics(&self, _: usize) -> Result<ColumnStatistics> {
        Err(fake())
    }
    async fn row_count(&self) -> Result<Option<u64>> {
        Ok(None)
    }
    async fn plan(&self, _: &ScanRequest, _: NonZeroUsize) -> Result<ReadPlan> {
        Err(fake())
    }
    async fn read(&self, _: &ScanRequest, _: &ReadPart) -> Result<ReadStream> {
        Err(fake())
    }
    async fn change(&self, _: &ChangeRequest) -> Result<Box<dyn Change>> {
        Err(Error::Unsupported("a fake".to_owned()))
    }
    fn merge_returns(&self, _: &MergeRequest) -> Result<Option<SchemaRef>> {
        Err(Error::Unsupported("a fake".to_owned()))
    }
    async fn merge(&self, _: &MergeRequest) -> Result<Box<dyn Merge>> {
        Err(Error::Unsupported("a fake".to_owned()))
    }

    async fn append(&self) -> Result<Box<dyn Append>> {
        Err(fake())
    }
}

fn fake() -> Error {
    Error::Unsupported("a fake".to_owned())
}

#[tokio::test]
async fn only_the_transaction_that_changed_a_table_goes_on_with_another_one() {
    let (one, another) = (FakeTable("one"), FakeTable("another"));
    let (transactions, name) = (Transactions::new(), table("t"));
    let see = async |id: &str, table: &FakeTable| {
        let snapshot = transactions.snapshot(Some(id), &name, table).await;
        snapshot.map(|snapshot| snapshot.table_id().to_owned())
    };
    let [earlier, other] = [Some("a"), Some("b")].map(|session| transactions.begin(session));
    let own = transactions.begin(Some("a"));
    for id in [&earlier, &other, &own] {
        assert_eq!(see(id, &one).await.expect("pinned"), "one");
    }
    transactions.release(Some("a"), &name);
    assert_eq!(see(&own, &another).await.expect("pinned anew"), "another");
    for id in [&earlier, &other] {
        assert!(matches!(see(id, &another).await, Err(Error::FailedPrecondition(_))), "{id}");
        assert_eq!(see(id, &one).await.expect("still there"), "one", "a change that left the table what it is");
    }
}
