//! What has been found out about a block of files, kept for the next statements and, brought up to date, for the next
//! versions.
//!
//! A statement on few rows asks the same of every file's statistics that the one before asked; their texts take a
//! microsecond or two each to read. Only what was asked for is kept: summaries of columns, a hundred bytes or so for the
//! whole block, and the [`Keys`] of a bounded number of columns.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    file_bounds::{FileBounds, rows_by_log},
    keys::Keys,
    summary::ColumnSummary,
};
use crate::{
    delta::{file::DataFile, index::Splice, schema::TableSchema},
    engine::{ColumnPath, Predicate},
};

/// Columns whose keys are kept; of more, the one that came first goes. Few statements look for rows by more columns,
/// and so many cost a file as much memory as its statistics.
const KEYED_COLUMNS_MAX: usize = 16;

/// What is known of one block of files. It never changes what is answered, only how soon.
#[derive(Debug, Default)]
pub(crate) struct Digest {
    known: Mutex<Known>,
}

#[derive(Debug, Default, Clone)]
struct Known {
    row_count: Option<RowCount>,
    /// The schema that the columns below are of.
    schema: Option<Arc<TableSchema>>,
    /// By the column's index.
    summaries: BTreeMap<usize, Summary>,
    keys: Vec<(ColumnPath, Arc<Keys>)>,
}

/// How many rows there are in some files.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowCount {
    rows: u128,
    /// Files of which the log does not say.
    unknown_files: usize,
}

/// A summary that may be wider than the files make it.
#[derive(Debug, Clone)]
struct Summary {
    column: ColumnSummary,
    /// Files that have gone since it was made.
    removed: usize,
}

impl Digest {
    /// How many rows the log says the files hold.
    pub(super) fn row_count(&self, files: &[Arc<DataFile>]) -> RowCount {
        if let Some(known) = self.lock().row_count {
            return known;
        }
        let mut count = RowCount::default();
        files.iter().for_each(|file| count.add(file));
        self.lock().row_count = Some(count);
        count
    }

    /// What the log knows of the column `index`.
    pub(super) fn summary(&self, files: &[Arc<DataFile>], schema: &Arc<TableSchema>, index: usize) -> ColumnSummary {
        if let Some(known) = self.of(schema).summaries.get(&index) {
            return known.column.clone();
        }
        let mut column = ColumnSummary::default();
        column.add(files, schema, index);
        self.of(schema).summaries.insert(index, Summary { column: column.clone(), removed: 0 });
        column
    }

    /// For each file, false if no row of it can satisfy the predicate; what says true may have to be looked at closer.
    pub(super) fn may_match(
        &self,
        files: &[Arc<DataFile>],
        schema: &Arc<TableSchema>,
        predicate: &Predicate,
    ) -> Vec<bool> {
        let each = |parts: &[Predicate], of_none, both: fn(bool, bool) -> bool| {
            parts.iter().fold(vec![of_none; files.len()], |so_far, part| {
                let part = self.may_match(files, schema, part);
                so_far.into_iter().zip(part).map(|(a, b)| both(a, b)).collect()
            })
        };
        match predicate {
            Predicate::Unknown => vec![true; files.len()],
            Predicate::And(parts) => each(parts, true, |a, b| a && b),
            Predicate::Or(parts) => each(parts, false, |a, b| a || b),
            Predicate::Compare { column, .. }
            | Predicate::In { column, .. }
            | Predicate::IsNull { column, .. }
            | Predicate::StartsWith { column, .. } => self.keys(files, schema, column).may_match(predicate),
        }
    }

    fn keys(&self, files: &[Arc<DataFile>], schema: &Arc<TableSchema>, path: &ColumnPath) -> Arc<Keys> {
        if let Some((_, known)) = self.of(schema).keys.iter().find(|(of, _)| of == path) {
            return known.clone();
        }
        let bounds: Vec<_> = files.iter().map(|file| FileBounds::new(file, schema).column_or_unknown(path)).collect();
        let keys = Arc::new(Keys::new(&bounds));
        let mut known = self.of(schema);
        if known.keys.len() >= KEYED_COLUMNS_MAX {
            known.keys.remove(0);
        }
        known.keys.push((path.clone(), keys.clone()));
        keys
    }

    /// The digest after changes of the files, of which there were `files`.
    pub(crate) fn spliced(&self, files: usize, splices: &[Splice<'_>]) -> Self {
        let Known { row_count, schema, mut summaries, keys } = self.lock().clone();
        let row_count = row_count.and_then(|count| count.spliced(splices));
        let Some(schema) = schema else { return Self { known: Mutex::new(Known { row_count, ..Known::default() }) } };
        let removed = splices.iter().filter(|splice| splice.removes.is_some()).count();
        for (index, summary) in &mut summaries {
            summary.removed += removed;
            summary.column.add(splices.iter().filter_map(|splice| splice.inserts), &schema, *index);
        }
        // Too wide is still true. Made anew when as many have gone as there are, it costs each a file's worth.
        summaries.retain(|_, summary| summary.removed < files);
        let keys = keys.into_iter().filter_map(|(path, keys)| {
            let keys = keys.spliced(splices, |file| FileBounds::new(file, &schema).column_or_unknown(&path))?;
            Some((path, Arc::new(keys)))
        });
        let keys = keys.collect();
        Self { known: Mutex::new(Known { row_count, schema: Some(schema), summaries, keys }) }
    }

    /// What is known in terms of a schema; whatever is in terms of another is forgotten.
    fn of(&self, schema: &Arc<TableSchema>) -> MutexGuard<'_, Known> {
        let mut known = self.lock();
        if !known.schema.as_ref().is_some_and(|own| Arc::ptr_eq(own, schema)) {
            (known.schema, known.summaries, known.keys) = (Some(schema.clone()), BTreeMap::new(), Vec::new());
        }
        known
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Each change under it is a single one, so a panic elsewhere leaves nothing half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RowCount {
    fn add(&mut self, file: &DataFile) {
        match rows_by_log(file) {
            Some(rows) => self.rows += u128::from(rows),
            None => self.unknown_files += 1,
        }
    }

    /// The rows of both.
    pub(super) fn and(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, unknown_files: self.unknown_files + other.unknown_files }
    }

    /// `None` if it is not known of every file.
    pub(super) fn known(self) -> Option<u64> {
        u64::try_from(self.rows).ok().filter(|_| self.unknown_files == 0)
    }

    fn spliced(self, splices: &[Splice<'_>]) -> Option<Self> {
        let (mut removed, mut inserted) = (Self::default(), Self::default());
        splices.iter().filter_map(|splice| splice.removes).for_each(|file| removed.add(file));
        splices.iter().filter_map(|splice| splice.inserts).for_each(|file| inserted.add(file));
        let Self { rows, unknown_files } = self.and(inserted);
        Some(Self {
            rows: rows.checked_sub(removed.rows)?,
            unknown_files: unknown_files.checked_sub(removed.unknown_files)?,
        })
    }
}
