//! Rows of others that stand in the way of a statement that does not change them.

use deltalake_core::kernel::Add;
use serde_json::{Value, json};

use super::fixture::*;
use crate::{
    delta::{
        change::{
            ChangeSet, ChangedRows, Guard, Landing, MergeStatement, Statement,
            commit::{Means, land},
        },
        snapshot::DeltaSnapshot,
    },
    engine::{MergeCounts, Predicate, Scalar, Snapshot},
};

/// The commit of a new file on top of `base`, which minds rows with one of the ids: how it ended.
async fn added(base: &DeltaSnapshot, ids: &[i128], gone_too: bool) -> std::result::Result<u64, String> {
    let values = ids.iter().copied().map(Scalar::Integer).collect();
    let could_matter = Predicate::In { column: vec!["id".to_owned()], values, negated: false };
    let parameters = json!({});
    let new = Add { path: "new".to_owned(), size: 1, stats: Some("{}".to_owned()), ..Add::default() };
    let set = ChangeSet {
        statement: Statement::Merge(MergeStatement { parameters, counts: MergeCounts::default(), source_rows: 1 }),
        means: Means::Vectors,
        changed: ChangedRows::new(base).await.unwrap(),
        adds: vec![new],
        changes: vec![],
        guard: Some(Guard { could_matter, gone_too }),
    };
    match land(base, &set).await.unwrap() {
        Landing::Landed(snapshot) => Ok(snapshot.version()),
        Landing::Redefined(reason) => Err(reason),
        Landing::Obstructed(obstruction) => Err(obstruction.told(base, &set).await),
    }
}

/// The Add of the only file of a version, as its log has it.
fn logged(table: &Table, version: u64) -> Value {
    table.commit(version).into_iter().find_map(|mut action| Some(action.get_mut("add")?.take())).unwrap()
}

#[tokio::test]
async fn rows_that_come_stand_in_the_way() {
    let table = Table::new().await;
    let base = table.append("a", 0..10).await;
    table.append("a", 100..200).await;
    table.append("a", 20..30).await;
    let told = "version 3 of table 't' (WRITE) added rows that this statement may be about";
    assert_eq!(added(&base, &[5, 25], false).await.unwrap_err(), told);
    assert_eq!(added(&base, &[5, 15, 35], false).await, Ok(4));
}

#[tokio::test]
async fn rows_that_come_back_stand_in_the_way() {
    let table = Table::new().await;
    table.append("a", 0..10).await;
    committed(table.delete(|id| id == 4).await);
    let base = table.newest().await;
    let (whole, less) = (logged(&table, 1), logged(&table, 2));
    let gone = json!({ "path": less["path"], "dataChange": true, "deletionVector": less["deletionVector"] });
    table.lake.write("t", 3, &[json!({ "remove": gone }), json!({ "add": whole })]);
    let told = "version 3 of table 't' brought back deleted rows that this statement may be about";
    assert_eq!(added(&base, &[4], false).await.unwrap_err(), told);
    assert_eq!(added(&base, &[20], true).await, Ok(4));
}

#[tokio::test]
async fn rows_that_go_stand_in_the_way_where_they_are_relied_on() {
    for (id, relied_on, passes) in [(5, true, false), (5, false, true), (20, true, true)] {
        for wanted in [(|id| id == 4) as fn(i64) -> bool, |_| true] {
            let table = Table::new().await;
            let base = table.append("a", 0..10).await;
            committed(table.delete(wanted).await);
            let told = "version 2 of table 't' (DELETE) took away rows that this statement may be about".to_owned();
            assert_eq!(added(&base, &[id], relied_on).await, if passes { Ok(3) } else { Err(told) });
        }
    }
}
