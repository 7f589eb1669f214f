//! One unit of a scan is looked into: what of it is left to read, if anything.

use std::sync::Arc;

use arrow::buffer::BooleanBuffer;

use super::{
    adapt::Mismatch,
    columns::FileColumns,
    constant::Constant,
    context::{ScanContext, unreadable},
    data_file::{PageIndex, ParquetFile, Place},
    deletion,
    file_bounds::{FileBounds, rows_by_log},
    prune::ColumnBounds,
    row_groups::select,
    simplify::{Known, simplify},
    unit_reader::{Filter, Output, UnitReader},
};
use crate::{
    delta::{file::DataFile, schema::TableSchema},
    engine::{ColumnPath, Error, Predicate, ReadUnit, Result},
};

/// A unit that was looked into.
#[derive(Debug)]
pub(super) enum Opened {
    /// The answer has no columns, and this many rows.
    Counted(u64),
    /// The answer is read.
    Reader(Box<UnitReader>),
}

/// A file of a version that was opened, and a mask of its rows that live, if some do not.
#[derive(Debug, Clone)]
pub(super) struct OpenFile {
    ordinal: u32,
    page_index: PageIndex,
    parquet: Arc<ParquetFile>,
    live: Option<BooleanBuffer>,
}

/// Looks into a unit. Footer and deletion vector are read unless the log has the answer, or they are those of
/// `last`, the file opened last.
pub(super) fn open(scan: &Arc<ScanContext>, unit: ReadUnit, last: &mut Option<OpenFile>) -> Result<Opened> {
    let file = &scan.source.files[unit.file as usize];
    let bounds = FileBounds::new(file, &scan.source.schema);
    let predicate = simplify(&scan.request.predicate, &|path| bounds.partition(path));
    if predicate == Predicate::NEVER {
        return Ok(Opened::Counted(0));
    }
    let rows_alone = scan.request.projection.is_empty() && !scan.request.row_id;
    let left_out = scan.left_out.contains_key(&unit.file);
    if rows_alone
        && !left_out
        && predicate == Predicate::Unknown
        && unit.slices == 1
        && let Some(rows) = rows_by_log(file)
    {
        return Ok(Opened::Counted(rows));
    }
    let page_index = match predicate {
        Predicate::Unknown if unit.slices == 1 && file.deletion_vector.is_none() && !left_out => PageIndex::Nothing,
        Predicate::Unknown => PageIndex::Offsets,
        _ => PageIndex::Bounds,
    };
    let same = |file: &OpenFile| file.ordinal == unit.file && file.page_index == page_index;
    let file = match last.take().filter(same) {
        Some(file) => file,
        None => open_file(scan, unit.file, page_index)?,
    };
    *last = Some(file.clone());
    look_into(scan, unit, file, &predicate, rows_alone)
}

fn open_file(scan: &Arc<ScanContext>, ordinal: u32, page_index: PageIndex) -> Result<OpenFile> {
    let file = &scan.source.files[ordinal as usize];
    let parquet = ParquetFile::open(scan.input(file)?, page_index, scan.source.schema.mapping)
        .map_err(|source| unreadable(&file.path, source))?;
    let live = live_rows(scan, ordinal, &parquet)?;
    Ok(OpenFile { ordinal, page_index, parquet: Arc::new(parquet), live })
}

fn look_into(
    scan: &Arc<ScanContext>,
    unit: ReadUnit,
    OpenFile { parquet, live, .. }: OpenFile,
    predicate: &Predicate,
    rows_alone: bool,
) -> Result<Opened> {
    let (file, schema) = (&scan.source.files[unit.file as usize], &scan.source.schema);
    let predicate = simplify(predicate, &|path| known(&parquet, schema, path));
    if predicate == Predicate::NEVER {
        return Ok(Opened::Counted(0));
    }
    let groups = select(&parquet, schema, unit, live.as_ref(), &predicate);
    if rows_alone && predicate == Predicate::Unknown {
        return Ok(Opened::Counted(groups.iter().map(|group| group.rows as u64).sum()));
    }
    let predicate = match &scan.row_filter {
        None => predicate,
        Some(filter) => {
            let of_file = simplify(filter, &|path| FileBounds::new(file, schema).partition(path));
            simplify(&of_file, &|path| known(&parquet, schema, path))
        }
    };
    let columns =
        FileColumns::of_predicate(&predicate, schema, &parquet).map_err(|mismatch| mismatched(file, mismatch))?;
    let filter = (predicate != Predicate::Unknown).then_some(Filter { predicate, columns });
    let projected = projected(scan, file, &parquet)?;
    let output = output(scan, file)?;
    let reader = UnitReader::new(Arc::clone(scan), unit, parquet, projected, output, filter, groups);
    Ok(Opened::Reader(Box::new(reader)))
}

/// The columns of the answer that are in the file.
pub(super) fn projected(scan: &ScanContext, file: &DataFile, parquet: &ParquetFile) -> Result<Arc<FileColumns>> {
    let schema = &scan.source.schema;
    let in_file = scan.request.projection.iter().copied().filter(|index| !schema.partition_columns.contains(index));
    let projected = FileColumns::whole(in_file, schema, parquet);
    projected.map(Arc::new).map_err(|mismatch| mismatched(file, mismatch))
}

fn mismatched(file: &DataFile, Mismatch { column, file: found, table }: Mismatch) -> Error {
    Error::internal(format!("file {} has column {column} as {found}", file.path), format!("the table has {table}"))
}

fn known(file: &ParquetFile, schema: &TableSchema, path: &ColumnPath) -> Known {
    match file.place(path, schema) {
        Place::Leaf(_) | Place::Nested => Known::Nothing,
        Place::Missing => Known::Constant(ColumnBounds::all_null()),
        Place::Unknown => Known::Unreadable,
    }
}

/// How each column of the answer is had.
pub(super) fn output(scan: &ScanContext, file: &DataFile) -> Result<Vec<Output>> {
    let schema = &scan.source.schema;
    let column = |index: &usize| {
        if !schema.partition_columns.contains(index) {
            return Ok(Output::File);
        }
        let physical = schema.physical.field(*index).name();
        Constant::partition_column(file, physical, schema.stored.field(*index), schema.logical.field(*index))
            .map(Output::Constant)
    };
    scan.request.projection.iter().map(column).collect()
}

/// The rows that are neither deleted nor left out.
fn live_rows(scan: &ScanContext, ordinal: u32, parquet: &ParquetFile) -> Result<Option<BooleanBuffer>> {
    let file = &scan.source.files[ordinal as usize];
    let rows = usize::try_from(parquet.footer().file_metadata().num_rows()).unwrap_or(0);
    let live = not_deleted(scan, file, rows)?;
    let Some(left_out) = scan.left_out.get(&ordinal) else { return Ok(live) };
    let left = deletion::without(live.as_ref(), left_out, rows);
    let beyond = || format!("it has {rows}, and one of them is beyond its end");
    let refused = || Error::internal(format!("rows of file {} cannot be left out", file.path), beyond());
    left.map(Some).ok_or_else(refused)
}

fn not_deleted(scan: &ScanContext, file: &DataFile, rows: usize) -> Result<Option<BooleanBuffer>> {
    let Some(vector) = &file.deletion_vector else { return Ok(None) };
    let framed = scan.read_vector(vector)?;
    deletion::live_rows(vector, framed, &scan.source.table_root, rows)
        .map(Some)
        .map_err(|source| deletion::inapplicable(&file.path, source))
}
