//! Which rows of a file are to be read: those of the slice that are not deleted and that bounds do not rule out.

use std::ops::Range;

use arrow::buffer::BooleanBuffer;
use parquet::{
    arrow::arrow_reader::{RowSelection, RowSelector},
    file::metadata::ParquetMetaData,
};

use super::{
    data_file::{ParquetFile, Place},
    prune::{Bounds, ColumnBounds, leaf_may_match, may_match},
    simplify::coarse,
};
use crate::{
    delta::schema::TableSchema,
    engine::{ColumnPath, Predicate, ReadUnit},
};

/// A row group with rows to be read.
#[derive(Debug)]
pub(super) struct Group {
    /// Its index in the file.
    pub(super) index: usize,
    /// Which of its rows; all if absent.
    pub(super) selection: Option<RowSelection>,
    /// How many those are, at least one.
    pub(super) rows: usize,
    /// How many rows may be decoded for one of them, those between them counted.
    pub(super) spread: usize,
}

/// The row groups of a slice of a file in which a row may be wanted. `live` is a mask of the file's rows.
pub(super) fn select(
    file: &ParquetFile,
    schema: &TableSchema,
    unit: ReadUnit,
    live: Option<&BooleanBuffer>,
    predicate: &Predicate,
) -> Vec<Group> {
    let footer = file.footer();
    let slice = slice_rows(footer, unit);
    let predicate = &coarse(predicate);
    let mut first_row = 0;
    let mut groups = Vec::new();
    for (index, group) in footer.row_groups().iter().enumerate() {
        let rows = usize::try_from(group.num_rows()).unwrap_or(0);
        let of_slice = slice.start.max(first_row)..slice.end.min(first_row + rows);
        if of_slice.start < of_slice.end {
            let within = of_slice.start - first_row..of_slice.end - first_row;
            let live = live.map(|live| live.slice(first_row, rows));
            let pages = Pages { file, schema, group: index, rows };
            if may_match(predicate, &GroupBounds { file, schema, group: index }) {
                groups.extend(group_of(index, rows, within, live, pages.select(predicate)));
            }
        }
        first_row += rows;
    }
    groups
}

/// The rows of a slice. Where the offset index lets a reader begin anywhere, slices are cut by rows, otherwise
/// between row groups. Slice boundaries depend on the file alone, so that slices never overlap or leave a gap.
fn slice_rows(footer: &ParquetMetaData, unit: ReadUnit) -> Range<usize> {
    let groups = footer.row_groups();
    let rows_before = |group: usize| groups[..group].iter().map(|g| usize::try_from(g.num_rows()).unwrap_or(0)).sum();
    let share = |whole: usize, slice: u32| {
        let share = whole as u128 * u128::from(slice) / u128::from(unit.slices);
        usize::try_from(share).expect("no more than the whole")
    };
    let cut = |slice: u32| match footer.offset_index() {
        Some(_) => share(rows_before(groups.len()), slice),
        None => rows_before(share(groups.len(), slice)),
    };
    cut(unit.slice)..cut(unit.slice + 1)
}

fn group_of(
    index: usize,
    rows: usize,
    within: Range<usize>,
    live: Option<BooleanBuffer>,
    pages: Option<RowSelection>,
) -> Option<Group> {
    let slice = (within != (0..rows)).then(|| RowSelection::from_consecutive_ranges([within].into_iter(), rows));
    let live = live.filter(|live| live.count_set_bits() < rows).map(RowSelection::from_boolean_buffer);
    let selection = [slice, pages, live].into_iter().flatten().reduce(|a, b| a.intersection(&b));
    let rows = selection.as_ref().map_or(rows, RowSelection::row_count);
    (rows > 0).then_some(Group { index, selection, rows, spread: 1 })
}

/// The [`Bounds`] of one row group.
struct GroupBounds<'a> {
    file: &'a ParquetFile,
    schema: &'a TableSchema,
    group: usize,
}

impl Bounds for GroupBounds<'_> {
    fn column(&self, path: &ColumnPath) -> Option<ColumnBounds> {
        match self.file.place(path, self.schema) {
            Place::Leaf(leaf) => {
                let footer = self.file.footer();
                Some(leaf.group_bounds(footer, footer.row_group(self.group)))
            }
            Place::Missing => Some(ColumnBounds::all_null()),
            Place::Nested | Place::Unknown => None,
        }
    }
}

/// The pages of one row group. Columns have their pages each at other rows, so conditions are not decided page by
/// page but each makes a selection of rows, and those are intersected and united.
struct Pages<'a> {
    file: &'a ParquetFile,
    schema: &'a TableSchema,
    group: usize,
    rows: usize,
}

impl Pages<'_> {
    /// The rows in which the predicate may be true; `None` for all.
    fn select(&self, predicate: &Predicate) -> Option<RowSelection> {
        match predicate {
            Predicate::Unknown => None,
            Predicate::And(parts) => {
                parts.iter().filter_map(|part| self.select(part)).reduce(|a, b| a.intersection(&b))
            }
            Predicate::Or(parts) => {
                let none = RowSelection::from(vec![RowSelector::skip(self.rows)]);
                parts.iter().try_fold(none, |all, part| Some(all.union(&self.select(part)?)))
            }
            Predicate::Compare { column, .. }
            | Predicate::In { column, .. }
            | Predicate::IsNull { column, .. }
            | Predicate::StartsWith { column, .. } => self.select_leaf(predicate, column),
        }
    }

    fn select_leaf(&self, predicate: &Predicate, path: &ColumnPath) -> Option<RowSelection> {
        let Place::Leaf(leaf) = self.file.place(path, self.schema) else { return None };
        let footer = self.file.footer();
        let index = footer.column_index()?.get(self.group)?.get(leaf.index)?;
        let pages = footer.offset_index()?.get(self.group)?.get(leaf.index)?.page_locations();
        let starts: Option<Vec<usize>> = pages.iter().map(|page| usize::try_from(page.first_row_index).ok()).collect();
        let starts = starts.filter(|starts| starts.is_sorted() && starts.first() == Some(&0))?;
        let ends = starts.iter().skip(1).copied().chain([self.rows]);
        let ranges: Vec<Range<usize>> = starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect();
        if starts.last().is_some_and(|last| *last > self.rows) {
            return None; // an index of other rows
        }
        let kept = ranges.into_iter().enumerate().filter(|(page, rows)| {
            leaf_may_match(predicate, &leaf.page_bounds(footer, index, *page, rows.len() as u64))
        });
        Some(RowSelection::from_consecutive_ranges(kept.map(|(_, rows)| rows), self.rows))
    }
}
