//! Which rows a statement changes: row ids, checked against the version that minted them, or places that it read itself.
//!
//! Of a row only its place is kept, in bitmaps: a statement may name every row of a table.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{ArrowPrimitiveType, Int32Type, Int64Type},
};
use futures::{StreamExt, TryStreamExt, stream};
use roaring::RoaringTreemap;

use crate::{
    delta::{
        scan::{FileRows, RowPlace, ScanSource, file_rows},
        snapshot::DeltaSnapshot,
    },
    engine::{Error, Result, RowId, Snapshot},
};

/// Deletion vectors and footers that are read at once.
const LOOKS_MAX: usize = 8;

/// The rows, by the ordinals of their files.
#[derive(Debug)]
pub(crate) struct ChangedRows {
    files: BTreeMap<u32, ChangedFile>,
    table: String,
    version: i64,
    source: ScanSource,
}

/// What is changed of a file.
#[derive(Debug, Default)]
pub(crate) struct ChangedFile {
    /// Rows of the file, deleted ones counted.
    pub(crate) rows: u64,
    /// Positions that are deleted in the version already.
    pub(crate) deleted: RoaringTreemap,
    /// Positions to be changed; none of them is deleted.
    pub(crate) changed: RoaringTreemap,
}

impl ChangedRows {
    pub(crate) async fn new(base: &DeltaSnapshot) -> Result<Self> {
        Ok(Self {
            files: BTreeMap::new(),
            table: base.table().store().name().to_owned(),
            version: i64::try_from(base.version()).unwrap_or(i64::MAX),
            source: base.source().await?,
        })
    }

    /// Notes the rows that `row_ids`, an array of [`crate::engine::RowId::fields`], name; their places in that order.
    ///
    /// # Errors
    /// `InvalidArgument` if an id is null, came before, or names no live row; `FailedPrecondition` if it is of another
    /// version. After an error it is not known which of the rows were noted.
    pub(crate) async fn take(&mut self, row_ids: &ArrayRef) -> Result<Vec<RowPlace>> {
        let row_ids = Ids::of(row_ids, &self.table)?;
        self.check_versions(&row_ids)?;
        let runs = self.runs(&row_ids)?;
        self.look_into(runs.iter().map(|(file, _)| *file)).await?;
        let mut places = Vec::with_capacity(row_ids.positions.len());
        for (file, run) in runs {
            let positions = &row_ids.positions[run];
            if let Err((position, wrong)) = self.note_in(file, positions) {
                return Err(self.refuse(file, position, wrong));
            }
            // None is negative.
            places.extend(positions.iter().map(|position| RowPlace { file, position: position.unsigned_abs() }));
        }
        Ok(places)
    }

    /// Notes rows by their places in the version; a place that came before, in these or earlier ones, if there is one:
    /// then it is not known which of them were noted.
    ///
    /// # Errors
    /// `Internal` if a place is not one of a live row.
    pub(crate) async fn note(&mut self, places: &[RowPlace]) -> Result<Option<RowPlace>> {
        if let Some(nowhere) = places.iter().find(|place| self.source.files.get(place.file as usize).is_none()) {
            return Err(Error::internal("a row is changed that is not there", format!("{nowhere:?}")));
        }
        self.look_into(places.chunk_by(|a, b| a.file == b.file).map(|run| run[0].file)).await?;
        for run in places.chunk_by(|a, b| a.file == b.file) {
            let file = run[0].file;
            let positions: Vec<i64> = run.iter().map(|place| place.position.cast_signed()).collect();
            match self.note_in(file, &positions) {
                Ok(()) => {}
                Err((position, Wrong::Repeated)) => {
                    return Ok(Some(RowPlace { file, position: position.unsigned_abs() }));
                }
                Err((position, Wrong::Nowhere | Wrong::Deleted)) => {
                    return Err(Error::internal("a row is changed that is not there", format!("{file}: {position}")));
                }
            }
        }
        Ok(None)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// By ordinal.
    pub(crate) fn files(&self) -> impl Iterator<Item = (u32, &ChangedFile)> {
        self.files.iter().map(|(ordinal, file)| (*ordinal, file))
    }

    /// Of a file that was looked into.
    fn note_in(&mut self, file: u32, positions: &[i64]) -> Result<(), (i64, Wrong)> {
        self.files.get_mut(&file).map_or(Ok(()), |rows| rows.note(positions))
    }

    fn check_versions(&self, row_ids: &Ids) -> Result<()> {
        match row_ids.versions.iter().find(|version| **version != self.version) {
            None => Ok(()),
            Some(other) => Err(Error::FailedPrecondition(format!(
                "a row id of table '{}' is of version {other}, and the statement sees version {}: row ids hold within the \
                 version they were read from; run the statement again",
                self.table, self.version
            ))),
        }
    }

    /// Files and the rows in a row that are theirs.
    fn runs(&self, row_ids: &Ids) -> Result<Vec<(u32, Range<usize>)>> {
        let mut start = 0;
        let run = |of_one_file: &[i32]| {
            let run = start..start + of_one_file.len();
            start = run.end;
            match u32::try_from(of_one_file[0]).ok().filter(|file| self.source.files.get(*file as usize).is_some()) {
                Some(file) => Ok((file, run)),
                None => Err(Error::InvalidArgument(format!(
                    "a row id names file {} of table '{}', whose version {} has {}; {READ_IDS}",
                    of_one_file[0],
                    self.table,
                    self.version,
                    self.source.files.len()
                ))),
            }
        };
        row_ids.files.chunk_by(|a, b| a == b).map(run).collect()
    }

    /// Reads what must be known of files that were not touched before.
    async fn look_into(&mut self, files: impl Iterator<Item = u32>) -> Result<()> {
        let new: BTreeSet<u32> = files.filter(|file| !self.files.contains_key(file)).collect();
        let source = &self.source;
        let looks = new.into_iter().map(|ordinal| async move {
            let FileRows { rows, deleted } = file_rows(source, &source.files[ordinal as usize]).await?;
            Ok::<_, Error>((ordinal, ChangedFile { rows, deleted, changed: RoaringTreemap::new() }))
        });
        let looks: Vec<_> = stream::iter(looks).buffer_unordered(LOOKS_MAX).try_collect().await?;
        self.files.extend(looks);
        Ok(())
    }

    fn refuse(&self, file: u32, position: i64, wrong: Wrong) -> Error {
        let Self { table, version, source, files } = self;
        let path = &source.files[file as usize].path;
        let rows = files.get(&file).map_or(0, |file| file.rows);
        Error::InvalidArgument(match wrong {
            Wrong::Nowhere => {
                format!("a row id names row {position} of file {path} of table '{table}', which has {rows}; {READ_IDS}")
            }
            Wrong::Deleted => format!(
                "a row id names row {position} of file {path} of table '{table}', which version {version} has deleted; \
                 {READ_IDS}"
            ),
            Wrong::Repeated => format!(
                "a row of table '{table}' would be changed twice (row {position} of file {path}): what the statement has \
                 in FROM or USING matches it more than once; let it match each row once, by DISTINCT or an aggregate"
            ),
        })
    }
}

const READ_IDS: &str = "row ids are those that the statement itself has read";

/// What is wrong with a row id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nowhere,
    Deleted,
    Repeated,
}

impl ChangedFile {
    /// The position at fault, if there is one.
    fn note(&mut self, positions: &[i64]) -> Result<(), (i64, Wrong)> {
        let exists = |position: i64| u64::try_from(position).is_ok_and(|position| position < self.rows);
        if let Some(nowhere) = positions.iter().find(|position| !exists(**position)) {
            return Err((*nowhere, Wrong::Nowhere));
        }
        let places = || positions.iter().map(|position| position.unsigned_abs());
        if !self.deleted.is_empty()
            && let Some(deleted) = positions.iter().find(|position| self.deleted.contains(position.unsigned_abs()))
        {
            return Err((*deleted, Wrong::Deleted));
        }
        // Scans deliver rows in order: then a bitmap grows at its end, many times faster than by look-ups, and fastest of
        // all by neighbours.
        let (Some(first), Some(last)) = (places().next(), places().next_back()) else { return Ok(()) };
        if self.changed.max().is_none_or(|greatest| greatest < first) && positions.is_sorted_by(|a, b| a < b) {
            if last - first + 1 == positions.len() as u64 {
                self.changed.insert_range(first..=last);
                return Ok(());
            }
            if self.changed.append(places()).is_ok() {
                return Ok(());
            }
        }
        match places().find(|position| !self.changed.insert(*position)) {
            Some(repeated) => Err((repeated.cast_signed(), Wrong::Repeated)),
            None => Ok(()),
        }
    }
}

/// The columns of row ids.
struct Ids<'a> {
    versions: &'a [i64],
    files: &'a [i32],
    positions: &'a [i64],
}

impl<'a> Ids<'a> {
    fn of(row_ids: &'a ArrayRef, table: &str) -> Result<Self> {
        let [versions, files, positions] = match row_ids.as_struct_opt().map(|ids| (ids.fields(), ids.columns())) {
            Some((fields, [versions, files, positions])) if *fields == RowId::fields() => [versions, files, positions],
            _ => return Err(Error::internal("taking row ids", format!("they are {}", row_ids.data_type()))),
        };
        if [row_ids, versions, files, positions].iter().any(|column| column.null_count() > 0) {
            return Err(Error::InvalidArgument(format!(
                "a row id of table '{table}' is NULL, which names no row; {READ_IDS}"
            )));
        }
        Ok(Self {
            versions: values::<Int64Type>(versions),
            files: values::<Int32Type>(files),
            positions: values::<Int64Type>(positions),
        })
    }
}

fn values<T: ArrowPrimitiveType>(column: &ArrayRef) -> &[T::Native] {
    column.as_primitive::<T>().values()
}
