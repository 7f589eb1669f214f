//! Insert or update by key, as a plan.

use super::{
    clauses::{by_name, row},
    on,
    plan::{Action, Assignment, Clause, MergePlan, On, When},
    sides::Sides,
};
use crate::engine::{Error, Result};

/// Rows of the source with the key of a row of the target take its place, column by column by name; the others are added.
pub(super) fn upsert(keys: &[String], sides: &Sides<'_>) -> Result<MergePlan> {
    if keys.is_empty() {
        return Err(Error::InvalidArgument("an upsert needs at least one key column".to_owned()));
    }
    let (mut on, mut key_columns) = (On::default(), Vec::new());
    for key in keys {
        let (target, source) = (sides.target_column(key)?, sides.source_column(key)?);
        if key_columns.contains(&target) {
            return Err(Error::InvalidArgument(format!("the key column \"{key}\" is named twice")));
        }
        key_columns.push(target);
        on::add(&mut on, on::equal(sides, target, source)?, sides);
    }
    let pairs = by_name(sides)?;
    let set = pairs.iter().filter(|(column, _)| !key_columns.contains(column));
    let set: Vec<_> = set.map(|(column, value)| Assignment { column: *column, value: value.clone() }).collect();
    let clause = |when, action, text: &str| Clause { when, condition: None, action, text: text.to_owned() };
    let insert = row(sides, pairs.into_iter().map(|(column, value)| (column, Some(value))).collect())?;
    let update = if set.is_empty() { Action::DoNothing } else { Action::Update(set) };
    Ok(MergePlan {
        columns: sides.joined.clone(),
        target_columns: sides.of_target().len(),
        on,
        clauses: vec![
            clause(When::Matched, update, "WHEN MATCHED"),
            clause(When::NotMatched, Action::Insert(insert), "WHEN NOT MATCHED"),
        ],
        source_keys_unique: true,
        returning: None,
    })
}
