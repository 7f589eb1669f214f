//! Row ids that name no row to be changed are refused, and the statement with them.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, StructArray},
    buffer::NullBuffer,
};

use super::fixture::*;
use crate::{
    delta::{fixtures::paths, snapshot::DeltaSnapshot},
    engine::{Error, Result, RowId, Snapshot},
};

/// Rows 0 to 9 in one file, 10 to 19 in another, of which 5 is deleted; at version 3.
async fn table() -> (Table, DeltaSnapshot) {
    let table = Table::new().await;
    table.append("a", 0..10).await;
    table.append("a", 10..20).await;
    committed(table.delete(|id| id == 5).await);
    let snapshot = table.newest().await;
    (table, snapshot)
}

async fn taken(snapshot: &DeltaSnapshot, batches: &[&[RowId]]) -> Result<()> {
    let mut change = snapshot.change(&DELETE).await?;
    for row_ids in batches {
        change.write(batch(array(row_ids))).await?;
    }
    Ok(())
}

#[track_caller]
fn assert_told(refused: Result<()>, parts: &[&str]) {
    let Err(Error::InvalidArgument(text)) = refused else { panic!("{refused:?}") };
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
}

#[tokio::test]
async fn rows_that_are_not_there_are_refused_by_what_is_wrong() {
    let (_table, snapshot) = table().await;
    let good = row_ids(&snapshot).await;
    let files = paths(&snapshot).await;
    let with = |change: fn(&mut RowId)| {
        let mut row_id = good[&4];
        change(&mut row_id);
        row_id
    };
    let hint = "row ids are those that the statement itself has read";
    for file in [with(|row| row.file = 2), with(|row| row.file = -1), with(|row| row.file = i32::MAX)] {
        let told = format!("names file {} of table 't', whose version 3 has 2", file.file);
        assert_told(taken(&snapshot, &[&[good[&3], file]]).await, &[&told, hint]);
    }
    for place in [with(|row| row.position = 10), with(|row| row.position = -1), with(|row| row.position = i64::MAX)] {
        let told = format!("names row {} of file {}", place.position, files[place.file as usize]);
        assert_told(taken(&snapshot, &[&[place]]).await, &[&told, "of table 't', which has 10;", hint]);
    }
    let deleted = with(|row| row.position = 5);
    assert_told(taken(&snapshot, &[&[good[&3], deleted]]).await, &["names row 5", "which version 3 has deleted", hint]);
    taken(&snapshot, &[&[], &good.values().copied().collect::<Vec<_>>(), &[]]).await.unwrap();
}

#[tokio::test]
async fn rows_of_another_version_are_refused_by_both_versions() {
    let (table, before) = table().await;
    let row = row_ids(&before).await[&3];
    let after = table.append("a", [20]).await;
    let refused = taken(&after, &[&[row]]).await;
    let Err(Error::FailedPrecondition(text)) = refused else { panic!("{refused:?}") };
    assert!(text.contains("of table 't' is of version 3, and the statement sees version 4"), "{text}");
}

#[tokio::test]
async fn a_row_comes_once() {
    let (_table, snapshot) = table().await;
    let rows = row_ids(&snapshot).await;
    let of = |ids: &[i64]| ids.iter().map(|id| rows[id]).collect::<Vec<_>>();
    for batches in [
        &[of(&[3, 3])][..],
        &[of(&[3]), of(&[3])],
        &[of(&[1, 2, 3]), of(&[7, 6, 2])],
        &[of(&[0, 1, 2, 3]), of(&[4, 6, 7]), of(&[1, 12])],
        &[of(&[13, 3, 14, 15, 3])],
    ] {
        let batches: Vec<_> = batches.iter().map(Vec::as_slice).collect();
        let told = ["would be changed twice (row ", "FROM or USING matches it more than once", "DISTINCT"];
        assert_told(taken(&snapshot, &batches).await, &told);
    }
    taken(&snapshot, &[&of(&[9, 1, 11]), &of(&[2, 10, 3, 0]), &of(&[4])]).await.unwrap();
}

#[tokio::test]
async fn null_is_no_row() {
    let (_table, snapshot) = table().await;
    let rows = row_ids(&snapshot).await;
    let ids = array(&[rows[&1], rows[&2]]);
    let (fields, columns, _) = ids.as_struct().clone().into_parts();
    let one_null: ArrayRef = Arc::new(StructArray::new(fields, columns, Some(NullBuffer::from(vec![true, false]))));
    assert_eq!(one_null.null_count(), 1);
    let schema = crate::engine::row_id_field().with_nullable(true);
    let schema = Arc::new(arrow::datatypes::Schema::new(vec![schema]));
    let rows = arrow::array::RecordBatch::try_new(schema, vec![one_null]).unwrap();
    let mut change = snapshot.change(&DELETE).await.unwrap();
    let refused = change.write(rows).await.map(drop);
    assert_told(refused, &["a row id of table 't' is NULL, which names no row"]);
}

#[tokio::test]
async fn without_row_ids_nothing_is_changed() {
    let (_table, snapshot) = table().await;
    let names: ArrayRef = Arc::new(arrow::array::StringArray::from(vec!["x"]));
    let rows = arrow::array::RecordBatch::try_from_iter([("rowid", names)]).unwrap();
    let refused = snapshot.change(&DELETE).await.unwrap().write(rows).await.map(drop);
    assert_told(refused, &["the last column of a change must hold the row ids"]);
}

#[tokio::test]
async fn after_a_refusal_nothing_more_is_taken_or_committed() {
    let (table, snapshot) = table().await;
    let rows = row_ids(&snapshot).await;
    let mut change = begun(&snapshot, &[rows[&1]]).await.unwrap();
    change.write(batch(array(&[rows[&1]]))).await.unwrap_err();
    for refused in [change.write(batch(array(&[rows[&2]]))).await.map(drop), change.commit().await.map(drop)] {
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("has failed before"), "{text}");
    }
    assert_eq!(table.newest().await.version(), 3);
}

#[tokio::test]
async fn no_rows_are_no_version() {
    let (table, snapshot) = table().await;
    for batches in [vec![], vec![batch(array(&[]))]] {
        let mut change = snapshot.change(&DELETE).await.unwrap();
        for batch in batches {
            change.write(batch).await.unwrap();
        }
        assert_eq!(committed(change.commit().await).version(), 3);
    }
    assert_eq!(table.newest().await.version(), 3);
}

/// Some thousand positions in every order, against a set.
#[tokio::test]
async fn any_order_of_rows_is_the_same_rows() {
    let table = Table::new().await;
    let base = table.append("a", 0..200_000).await;
    let version = i64::try_from(base.version()).unwrap();
    let row = |position| RowId { version, file: 0, position };
    let mut random = crate::delta::fixtures::Random(11);
    let mut shuffled: Vec<i64> = (0..200_000).step_by(7).collect();
    for at in (1..shuffled.len()).rev() {
        shuffled.swap(at, usize::try_from(random.below(at as u64 + 1)).unwrap());
    }
    let orders =
        [(0..200_000).step_by(7).collect(), (0..200_000).rev().step_by(3).collect(), shuffled, (5..99_999).collect()];
    for positions in orders {
        let positions: Vec<i64> = positions;
        let mut changed = super::super::changed_rows::ChangedRows::new(&base).await.unwrap();
        for some in positions.chunks(2048) {
            let ids: Vec<_> = some.iter().copied().map(row).collect();
            let places = changed.take(&array(&ids)).await.unwrap();
            assert!(places.iter().zip(some).all(|(place, position)| place.position.cast_signed() == *position));
        }
        let [(0, file)] = changed.files().collect::<Vec<_>>()[..] else { panic!("one file") };
        let mut expected: Vec<u64> = positions.iter().map(|position| position.cast_unsigned()).collect();
        expected.sort_unstable();
        assert!(file.changed.iter().eq(expected), "{} positions", positions.len());
    }
}
