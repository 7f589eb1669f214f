//! Insert or update by key.

use super::{super::*, Table};
use crate::engine::Error;

fn upsert(keys: &[&str], target: &Table, source: &Table) -> Result<MergePlan> {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    plan(&MergeClauses::Upsert(keys), target.target(), &source.columns)
}

fn target() -> Table {
    Table::new(&["id BIGINT", "part VARCHAR", "note VARCHAR", "count INTEGER = 9"], &[])
}

#[test]
fn columns_go_by_name_and_keys_stay() {
    let source = Table::new(&["NOTE VARCHAR", "part VARCHAR", "ID INTEGER"], &[]);
    let plan = upsert(&["id", "Part"], &target(), &source).expect("a plan");
    assert!(plan.source_keys_unique);
    assert_eq!(plan.target_columns, 4);
    let names: Vec<_> = plan.on.keys.iter().map(|key| (key.name.as_str(), key.nulls_equal)).collect();
    assert_eq!(names, [("id", false), ("part", false)]);
    let columns: Vec<_> = plan.on.keys.iter().map(|key| (key.target.as_column(), key.source.as_column())).collect();
    assert_eq!(columns, [(Some(0), Some(6)), (Some(1), Some(5))]);
    assert_eq!(plan.on.keys[0].source.result().data_type(), plan.on.keys[0].target.result().data_type());
    assert_eq!(plan.on.target.len() + plan.on.source.len() + plan.on.rest.len(), 0);
    let [update, insert] = plan.clauses.as_slice() else { panic!("{:?}", plan.clauses) };
    assert_eq!((update.when, insert.when), (When::Matched, When::NotMatched));
    let Action::Update(set) = &update.action else { panic!("{update:?}") };
    assert_eq!(set.iter().map(|set| (set.column, set.value.as_column())).collect::<Vec<_>>(), [(2, Some(4))]);
    let Action::Insert(values) = &insert.action else { panic!("{insert:?}") };
    let read: Vec<_> = values.iter().map(|value| value.as_ref().map(|value| value.columns().to_vec())).collect();
    assert_eq!(read, [Some(vec![6]), Some(vec![5]), Some(vec![4]), Some(vec![])], "the last has its default");
    assert!(plan.returning.is_none());
}

#[test]
fn a_source_of_keys_alone_changes_no_row() {
    let plan = upsert(&["id"], &target(), &Table::new(&["id BIGINT"], &[])).expect("a plan");
    assert!(matches!(plan.clauses[0].action, Action::DoNothing));
}

#[test]
fn what_is_no_upsert_is_refused() {
    let source = Table::new(&["id BIGINT", "note VARCHAR"], &[]);
    let refused = |keys: &[&str], source: &Table| match upsert(keys, &target(), source) {
        Err(Error::InvalidArgument(text)) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&[], &source), "an upsert needs at least one key column");
    assert_eq!(refused(&["id", "ID"], &source), "the key column \"ID\" is named twice");
    assert_eq!(
        refused(&["nr"], &source),
        "there is no column \"nr\" in the target: its columns are id, part, note, count"
    );
    assert_eq!(refused(&["part"], &source), "there is no column \"part\" in the source: its columns are id, note");
    let more = Table::new(&["id BIGINT", "extra VARCHAR"], &[]);
    assert_eq!(
        refused(&["id"], &more),
        "the source's column \"extra\" is not in the target, whose columns are id, part, note, count: leave it out of the \
         source"
    );
    let other = Table::new(&["id DATE", "note VARCHAR"], &[]);
    assert_eq!(
        refused(&["id"], &other),
        "column \"id\" of both sides cannot be compared: values of type BIGINT and DATE do not mix in a comparison: cast \
         one explicitly"
    );
}
