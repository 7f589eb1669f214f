//! What is kept of files from version to version answers as a look at every file would.

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc};

use arrow::array::RecordBatch;
use delta_kernel::actions::deletion_vector::{DeletionVectorDescriptor, DeletionVectorStorageType};
use object_store::path::Path;

use super::{
    data::{Random, batch, predicate, stats_json},
    fixture::Fixture,
};
use crate::{
    delta::{
        actions::CommitChanges,
        file::DataFile,
        index::FileIndex,
        scan::{
            ColumnSummary,
            file_bounds::{FileBounds, rows_by_log},
            plan,
            prune::may_match,
            row_count,
            simplify::{Known, coarse, simplify},
            summary,
        },
        schema::TableSchema,
    },
    engine::{Predicate, ScanRequest},
};

/// A file of a few rows of `all`, which may lack statistics, and be of any of a few hundred names.
fn random_file(random: &mut Random, all: &RecordBatch) -> DataFile {
    let rows = all.slice(random.below(all.num_rows() - 4), 1 + random.below(4));
    let vector = |cardinality| DeletionVectorDescriptor {
        storage_type: DeletionVectorStorageType::Inline,
        path_or_inline_dv: "v".to_owned(),
        offset: None,
        size_in_bytes: 0,
        cardinality,
    };
    DataFile {
        path: Path::from(format!("{:03}", random.below(600))),
        size_bytes: 1,
        stats_json: (!random.one_in(800)).then(|| stats_json(&rows, random.one_in(2)).into()),
        deletion_vector: random.one_in(10).then(|| vector(1 + random.below(rows.num_rows()) as i64)),
        ..DataFile::default()
    }
}

/// Some files come, and some of those that are there go, or are replaced.
fn random_commit(random: &mut Random, index: &FileIndex, all: &RecordBatch) -> CommitChanges {
    let size = random.pick(&[1, 5, 100]);
    let mut changes = CommitChanges::default();
    let removed = (0..random.below(size + 1)).filter_map(|_| index.get(random.below(600)));
    changes.removed = removed.map(|file| file.key()).collect();
    let added: BTreeMap<_, _> =
        (0..random.below(2 * size)).map(|_| random_file(random, all)).map(|f| (f.key(), f)).collect();
    let added = added.into_iter().filter(|(key, _)| !changes.removed.contains(key));
    changes.added = added.map(|(_, file)| Arc::new(file)).collect();
    changes
}

fn planned(index: &FileIndex, schema: &Arc<TableSchema>, predicate: &Predicate) -> Vec<usize> {
    let request = ScanRequest { projection: vec![0], row_id: false, predicate: predicate.clone() };
    let parts = plan(index, schema, &request, NonZeroUsize::MIN).parts;
    parts.iter().flat_map(|part| part.units.iter().map(|unit| unit.file as usize)).collect()
}

/// By the bounds of each file.
fn expected(index: &FileIndex, schema: &TableSchema, predicate: &Predicate) -> Vec<usize> {
    let predicate = coarse(&simplify(predicate, &|_| Known::Nothing));
    let wanted = |file: &DataFile| {
        let bounds = FileBounds::new(file, schema);
        !bounds.is_empty() && may_match(&predicate, &bounds)
    };
    index.iter().enumerate().filter(|(_, file)| wanted(file)).map(|(ordinal, _)| ordinal).collect()
}

fn check_columns(index: &FileIndex, schema: &Arc<TableSchema>, at: &str) {
    for column in 0..schema.logical.fields().len() {
        let mut exact = ColumnSummary::default();
        exact.add(index.iter(), schema, column);
        let kept = summary(index, schema, column);
        let mut both = kept.clone();
        both.merge(&exact);
        assert_eq!(both, kept, "{at}, column {column}: {exact:?} is not within");
        let fresh = FileIndex::try_new(index.iter().cloned()).unwrap();
        assert_eq!(summary(&fresh, schema, column), exact, "{at}, column {column}: made anew");
    }
}

#[test]
fn plans_counts_and_summaries_hold_over_versions() {
    for seed in 0..2 {
        let mut random = Random(seed);
        let all = batch(&mut random, 3000);
        let schema = Arc::new(Fixture::of(&all).schema);
        let mut index = FileIndex::default();
        let (mut ruled_out, mut told) = (0, 0);
        for commit in 0..15 {
            index = index.apply(&random_commit(&mut random, &index, &all)).unwrap();
            let at = format!("seed {seed}, commit {commit}");
            for _ in 0..10 {
                let about = all.slice(random.below(2900), 100);
                let predicate = predicate(&mut random, &about, 2, true);
                let expected = expected(&index, &schema, &predicate);
                assert_eq!(planned(&index, &schema, &predicate), expected, "{at}: {predicate:?}");
                ruled_out += index.len() - expected.len();
            }
            let rows = index.iter().try_fold(0, |sum, file| Some(sum + rows_by_log(file)?));
            assert_eq!(row_count(&index), rows, "{at}");
            told += usize::from(rows.is_some());
            check_columns(&index, &schema, &at);
        }
        assert!(ruled_out > 1000 && told > 0, "seed {seed}: {ruled_out}, {told}");
    }
}

/// Another schema gives columns other names and types; what was known under the one must not answer for the other.
#[test]
fn columns_are_told_apart_by_their_schema() {
    let mut random = Random(1);
    let all = batch(&mut random, 100);
    let one = Arc::new(Fixture::of(&all).schema);
    let mut other = TableSchema::clone(&one);
    let order: Vec<usize> = (0..all.num_columns()).rev().collect();
    other.physical = Arc::new(one.physical.project(&order).unwrap());
    let other = Arc::new(other);
    let index = FileIndex::try_new([random_file(&mut random, &all)]).unwrap();
    for schema in [&one, &other, &one] {
        for column in 0..all.num_columns() {
            let mut exact = ColumnSummary::default();
            exact.add(index.iter(), schema, column);
            assert_eq!(summary(&index, schema, column), exact);
        }
        for _ in 0..200 {
            let predicate = predicate(&mut random, &all, 0, false);
            assert_eq!(planned(&index, schema, &predicate), expected(&index, schema, &predicate), "{predicate:?}");
        }
    }
}

/// Bounds that only grow are made anew in time: a table that is changed for ever is told of as it is.
#[test]
fn summaries_forget_in_the_end() {
    let mut random = Random(2);
    let all = batch(&mut random, 100);
    let schema = Arc::new(Fixture::of(&all).schema);
    let id = |id: u64| DataFile {
        path: Path::from(format!("{id:04}")),
        stats_json: Some(format!(r#"{{"numRecords":1,"minValues":{{"id":{id}}},"maxValues":{{"id":{id}}}}}"#).into()),
        ..DataFile::default()
    };
    let mut index = FileIndex::try_new((0..20).map(id)).unwrap();
    let first = summary(&index, &schema, 0);
    for new in 20..100 {
        let changes =
            CommitChanges { removed: vec![id(new - 20).key()], added: vec![Arc::new(id(new))], ..Default::default() };
        index = index.apply(&changes).unwrap();
        summary(&index, &schema, 0);
    }
    let mut both = summary(&index, &schema, 0);
    both.merge(&first);
    assert_ne!(both, summary(&index, &schema, 0), "what was first is not told of any more");
}
