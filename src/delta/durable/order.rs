//! In which order a table and its rows reach the disk.

use std::{path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch},
    datatypes::DataType,
};

use super::trace::{Step, steps_below};
use crate::{
    delta::{
        create::create,
        fixtures::{Lake, newest, spec},
    },
    engine::{CommitOutcome, Snapshot, TableSpec},
};

#[tokio::test]
async fn all_that_a_version_needs_is_on_the_disk_before_it_appears_and_it_before_the_answer() {
    let lake = Lake::new();
    let table = lake.table("s/t");
    let spec = TableSpec {
        partition_columns: vec!["p".to_owned()],
        ..spec(&[("p", DataType::Int64), ("x", DataType::Int64)])
    };
    create(table.store(), table.log(), &spec, true).await.unwrap();
    assert_durable(&lake.path(""), 1);
    for rounds in 2..4 {
        let mut append = newest(&table).await.unwrap().append().await.unwrap();
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..5));
        let rows = RecordBatch::try_from_iter([("p", numbers.clone()), ("x", numbers)]).unwrap();
        append.write(rows).await.unwrap();
        assert!(matches!(append.commit().await, Ok(CommitOutcome::Committed(_))));
        assert_durable(&lake.path(""), rounds);
    }
    let files = steps_below(&lake.path("s/t")).into_iter().filter(|(path, step)| *step == Step::Made && path.is_file());
    assert_eq!(files.count(), 10, "five partitions, twice");
}

/// Whatever was made is named by a synced directory, and a synced file, before the next commit appears; that commit
/// was synced before, and its name after.
pub(crate) fn assert_durable(lake: &Path, commits: usize) {
    let steps = steps_below(lake);
    let find = |from: usize, to: usize, wanted: &dyn Fn(&Path) -> bool| {
        steps[from..to].iter().any(|(path, step)| *step == Step::Synced && wanted(path))
    };
    let appeared: Vec<_> = (0..steps.len()).filter(|at| steps[*at].1 == Step::Appeared).collect();
    assert_eq!(appeared.len(), commits, "{steps:?}");
    for (at, (path, _)) in steps.iter().enumerate().filter(|(_, (_, step))| *step == Step::Made) {
        let commit = *appeared.iter().find(|commit| **commit > at).expect("a commit after it");
        assert!(find(at, commit, &|synced| Some(synced) == path.parent()), "{path:?} has no durable name: {steps:?}");
        assert!(path.is_dir() || find(at, commit, &|synced| synced == path), "{path:?} is not durable: {steps:?}");
    }
    let mut before = 0;
    for commit in appeared {
        let path = &steps[commit].0;
        let name = path.file_name().unwrap().to_str().unwrap();
        let temporary = |synced: &Path| synced.file_name().is_some_and(|it| it.to_string_lossy().contains(name));
        assert!(find(before, commit, &temporary), "{name} appeared before its bytes were durable: {steps:?}");
        assert!(find(commit, steps.len(), &|synced| Some(synced) == path.parent()), "{name} has no durable name");
        before = commit;
    }
}
