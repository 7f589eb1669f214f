//! What a table holds, by who wrote it, and what a statement makes of that.

use std::{collections::BTreeMap, ops::Range, path::Path};

use airport_tests::readers;
use serde_json::Value;

/// The numbers of the rows that one statement made and one statement, or none, changed last: always a range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Contents(BTreeMap<Group, Range<i64>>);

/// The statement that made rows, and the one that changed them last; 0 for none.
pub(super) type Group = (i64, i64);

impl Contents {
    /// What other people's readers find, who must agree; every value is checked.
    pub(super) fn read(table: &Path) -> Self {
        let sql = "SELECT statement, mark, count(*), count(DISTINCT number), min(number), max(number), \
                   sum(CASE WHEN part = mark % 3 THEN 0 ELSE 1 END), min(text), max(text) \
                   FROM t GROUP BY statement, mark ORDER BY statement, mark";
        let group = |row: Vec<Value>| {
            let integer = |index: usize| row[index].as_i64().unwrap_or_else(|| panic!("no integer in {row:?}"));
            let (statement, numbers) = (integer(0), integer(4)..integer(5) + 1);
            assert_eq!(integer(2), integer(3), "rows that are there twice: {row:?}");
            assert_eq!(integer(2), numbers.end - numbers.start, "a torn statement: {row:?}");
            assert_eq!(integer(6), 0, "half an update: {row:?}");
            assert!(row[7..].iter().all(|value| *value == text(statement)), "another's text: {row:?}");
            ((statement, integer(1)), numbers)
        };
        Self(readers::both(table, sql).into_iter().map(group).collect())
    }

    /// Parts with what the statements that `which` picks have made.
    pub(super) fn take_out(&mut self, which: impl Fn(i64) -> bool) -> Self {
        Self(self.0.extract_if(.., |(statement, _), _| which(*statement)).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The `index`th group.
    pub(super) fn group(&self, index: usize) -> (Group, Range<i64>) {
        let (group, numbers) = self.0.iter().nth(index).expect("an index below the length");
        (*group, numbers.clone())
    }

    /// Rows from 0 to `rows` that `statement` has made.
    pub(super) fn insert(&mut self, statement: i64, rows: i64) {
        self.0.insert((statement, 0), 0..rows);
    }

    /// Without the rows of a group below `end`, which then belong to `changed`, if to any.
    pub(super) fn change(&mut self, group: Group, end: i64, changed: Option<i64>) {
        let numbers = self.0.remove(&group).expect("a group that is there");
        if end < numbers.end {
            self.0.insert(group, end..numbers.end);
        }
        if let Some(mark) = changed {
            self.0.insert((group.0, mark), numbers.start..end);
        }
    }
}

/// What every row of a statement says.
pub(super) fn text(statement: i64) -> String {
    format!("made by statement {statement}, which nobody else may say")
}
