use std::collections::BTreeMap;

use delta_kernel::actions::deletion_vector::{DeletionVectorDescriptor, DeletionVectorStorageType};

use super::*;
use crate::delta::fixtures::Random;

fn file(path: &str, size_bytes: u64) -> DataFile {
    DataFile { path: path.into(), size_bytes, ..DataFile::default() }
}

fn with_vector(path: &str, vector: u64) -> DataFile {
    let deletion_vector = (vector > 0).then(|| DeletionVectorDescriptor {
        storage_type: DeletionVectorStorageType::Inline,
        path_or_inline_dv: vector.to_string(),
        offset: None,
        size_in_bytes: 1,
        cardinality: 1,
    });
    DataFile { deletion_vector, ..file(path, vector) }
}

fn sizes(index: &FileIndex) -> Vec<(&str, u64)> {
    index.iter().map(|file| (file.path.as_ref(), file.size_bytes)).collect()
}

#[test]
fn ordinals_follow_paths_and_versions_stay_as_they_were() {
    let first = FileIndex::try_new([file("b", 1), file("a", 2), file("c", 3)]).unwrap();
    let changes = CommitChanges {
        removed: vec![file("b", 0).key(), file("never there", 0).key()],
        added: vec![Arc::new(file("aa", 4)), Arc::new(file("c", 5))],
        ..CommitChanges::default()
    };
    let second = first.apply(&changes).unwrap();
    assert_eq!(sizes(&first), [("a", 2), ("b", 1), ("c", 3)]);
    assert_eq!(sizes(&second), [("a", 2), ("aa", 4), ("c", 5)]);
}

#[test]
fn a_file_twice_is_an_error() {
    assert!(FileIndex::try_new([file("a", 1), file("a", 2)]).is_err());
    let twice = |removed: Vec<FileKey>, added: Vec<DataFile>| {
        let added = added.into_iter().map(Arc::new).collect();
        FileIndex::default().apply(&CommitChanges { removed, added, ..CommitChanges::default() })
    };
    assert!(twice(vec![], vec![file("a", 1), file("a", 1)]).is_err());
    assert!(twice(vec![file("a", 1).key()], vec![file("a", 1)]).is_err());
}

#[test]
fn a_commit_shares_all_but_a_block_or_two() {
    let files = (0..10_000).map(|at| file(&format!("{at:05}"), at));
    let before = FileIndex::try_new(files).unwrap();
    let changes = CommitChanges {
        removed: vec![file("05000", 0).key()],
        added: vec![Arc::new(file("05000x", 0))],
        ..CommitChanges::default()
    };
    let after = before.apply(&changes).unwrap();
    let shared = |block: &&Arc<Block>| before.blocks.iter().any(|other| Arc::ptr_eq(block, other));
    assert_eq!(after.blocks.iter().filter(shared).count(), before.blocks.len() - 1);
    assert!(before.blocks.iter().all(|block| block.files().len() <= BLOCK_FILES_MAX));
}

#[test]
fn what_two_versions_do_not_share_is_found_whether_or_not_they_share_blocks() {
    let mut random = Random::new();
    println!("seed {}", random.0);
    let mut model = Model::new();
    let mut versions = vec![FileIndex::default()];
    for _ in 0..12 {
        let changes = random_commit(&mut random, &mut model, 700);
        versions.push(versions.last().unwrap().apply(&changes).unwrap());
    }
    let keys = |index: &FileIndex| index.iter().map(|file| file.key()).collect::<std::collections::BTreeSet<_>>();
    for _ in 0..40 {
        let [one, other] = [0; 2].map(|_| &versions[random.below(13) as usize]);
        let expected: Vec<_> = keys(one).difference(&keys(other)).cloned().collect();
        let replayed = FileIndex::try_new(other.iter().cloned()).unwrap();
        for other in [other, &replayed] {
            assert_eq!(one.since(other).map(|file| file.key()).collect::<Vec<_>>(), expected);
        }
    }
}

/// What the index is to be: a sorted map.
type Model = BTreeMap<FileKey, DataFile>;

/// Few paths, some in directories, and few vectors, so that commits meet the files of others.
fn random_file(random: &mut Random, paths: u64) -> DataFile {
    let path = format!("p={}/f{}", random.below(3), random.below(paths));
    with_vector(&path, random.below(4).saturating_sub(1))
}

/// Commits that add and remove, a few files or very many; some only remove.
fn random_commit(random: &mut Random, model: &mut Model, paths: u64) -> CommitChanges {
    let size = [3, 40, paths][random.below(3) as usize];
    let (removals, additions) = (random.below(2 * size), random.below(3) * random.below(size));
    let mut changes = CommitChanges::default();
    for _ in 0..removals {
        changes.removed.push(random_file(random, paths).key());
    }
    let mut added = Model::new();
    for _ in 0..additions {
        let file = random_file(random, paths);
        if !changes.removed.contains(&file.key()) {
            added.insert(file.key(), file);
        }
    }
    model.retain(|key, _| !changes.removed.contains(key));
    changes.added = added.values().cloned().map(Arc::new).collect();
    model.extend(added);
    changes
}

#[test]
fn it_is_a_sorted_map_whatever_is_committed() {
    for paths in [5, 700] {
        let mut random = Random::new();
        let seed = random.0;
        let (mut index, mut model) = (FileIndex::default(), Model::new());
        for commit in 0..60 {
            index = index.apply(&random_commit(&mut random, &mut model, paths)).unwrap();
            let at = format!("seed {seed}, commit {commit}");
            check(&index, &model, &mut random, paths, &at);
            assert!(index == FileIndex::try_new(model.values().cloned()).unwrap(), "{at}: as if loaded");
        }
    }
}

fn check(index: &FileIndex, model: &Model, random: &mut Random, paths: u64, at: &str) {
    assert!(index.iter().map(Arc::as_ref).eq(model.values()), "{at}: files in order");
    assert_eq!((index.len(), index.is_empty()), (model.len(), model.is_empty()), "{at}");
    for (ordinal, (key, file)) in model.iter().enumerate() {
        assert_eq!(index.get(ordinal).map(Arc::as_ref), Some(file), "{at}: {ordinal}");
        assert_eq!(index.ordinal(key), Some(ordinal), "{at}: {key:?}");
    }
    assert_eq!(index.get(model.len()), None, "{at}");
    for _ in 0..10 {
        let wanted = random_file(random, paths);
        let expected: Vec<_> = model.values().filter(|file| file.path == wanted.path).collect();
        let found: Vec<_> = index.at_path(&wanted.path).map(|(_, file)| file.as_ref()).collect();
        assert_eq!(found, expected, "{at}: {}", wanted.path);
        assert!(index.at_path(&wanted.path).all(|(ordinal, file)| Arc::ptr_eq(&index[ordinal], file)), "{at}");
        assert_eq!(index.ordinal(&wanted.key()).is_some(), model.contains_key(&wanted.key()), "{at}");
    }
    let sizes: Vec<_> = index.blocks.iter().map(|block| block.files().len()).collect();
    assert!(sizes.iter().all(|size| (1..=BLOCK_FILES_MAX).contains(size)), "{at}: {sizes:?}");
}

#[test]
fn blocks_that_shrink_become_fewer() {
    let mut index = FileIndex::try_new((0..20_000).map(|at| file(&format!("{at:05}"), at))).unwrap();
    let mut random = Random::new();
    let mut left: Vec<u64> = (0..20_000).collect();
    while left.len() > 100 {
        let removed = (0..50).map(|_| left.swap_remove(random.below(left.len() as u64) as usize));
        let removed = removed.map(|at| file(&format!("{at:05}"), 0).key()).collect();
        index = index.apply(&CommitChanges { removed, ..CommitChanges::default() }).unwrap();
    }
    assert_eq!(index.len(), left.len());
    assert!(index.blocks.len() <= 4, "{} blocks of {} files", index.blocks.len(), index.len());
}
