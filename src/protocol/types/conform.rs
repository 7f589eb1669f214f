//! Batches as a client sends them, brought into a table's exact schema.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, FixedSizeListArray, GenericListArray, GenericListViewArray, ListArray,
        MapArray, OffsetSizeTrait, RecordBatch, RecordBatchOptions, StructArray,
    },
    buffer::{NullBuffer, OffsetBuffer},
    compute::{cast, nullif},
    datatypes::{DataType, Decimal128Type, Field, FieldRef, Fields, SchemaRef, TimeUnit, TimestampMicrosecondType},
    error::ArrowError,
};

use super::{canonical::canonical_field, duckdb, values};
use crate::engine::{Error, Extension, Result};

/// The most elements that a list view may spread out to in one batch: views may overlap, so that a short batch could
/// ask for any amount of memory. DuckDB's batches hold 2048 rows and its own views do not overlap.
const LIST_VIEW_ELEMENTS_MAX: usize = 1 << 24;

/// How the batches of one stream become batches of a table. Checked once for the stream.
#[derive(Debug, Clone)]
pub struct Conform {
    source: SchemaRef,
    target: SchemaRef,
}

impl Conform {
    /// From what a client sends to what the table has: the same columns by position, name and type, where the type
    /// may come in any form DuckDB has for it.
    ///
    /// # Errors
    /// `Unsupported` for a type that Delta has not, `InvalidArgument` for another difference, by column.
    pub fn new(source: SchemaRef, target: SchemaRef) -> Result<Self> {
        if source.fields().len() != target.fields().len() {
            let (sent, wanted) = (source.fields().len(), target.fields().len());
            return Err(Error::InvalidArgument(format!("{sent} columns were sent and the table has {wanted}")));
        }
        for (source, target) in source.fields().iter().zip(target.fields()) {
            check_column(source, target)?;
        }
        Ok(Self { source, target })
    }

    /// What comes out.
    pub fn target(&self) -> &SchemaRef {
        &self.target
    }

    /// Brings one batch over. Values are copied only where their layout differs.
    ///
    /// # Errors
    /// `InvalidArgument` for a batch that is not of the stream's schema, a NULL where the target has none, a decimal
    /// beyond its precision, and text or lists beyond 2 GiB in one column.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.num_columns() != self.source.fields().len() {
            let reason = "a batch does not have the columns of its stream's schema";
            return Err(Error::InvalidArgument(reason.to_owned()));
        }
        let columns = batch.columns().iter().zip(self.source.fields()).zip(self.target.fields());
        let columns = columns.map(|((array, source), target)| conform_column(array, source, target));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.target), columns, &options)
            .map_err(|error| Error::InvalidArgument(format!("a batch does not fit the table: {error}")))
    }
}

/// [`Conform`] for a single batch.
pub fn conform(batch: &RecordBatch, target: &SchemaRef) -> Result<RecordBatch> {
    Conform::new(batch.schema(), Arc::clone(target))?.apply(batch)
}

fn check_column(source: &Field, target: &Field) -> Result<()> {
    if source.name() != target.name() {
        let (sent, wanted) = (source.name(), target.name());
        return Err(Error::InvalidArgument(format!("column {sent:?} was sent where the table has {wanted:?}")));
    }
    let canonical = canonical_field(source, &[])?;
    if fits(&canonical, target) {
        return Ok(());
    }
    let [sent, wanted] = [&canonical, target].map(duckdb::type_name);
    let name = source.name();
    Err(Error::InvalidArgument(format!("column {name:?} was sent as {sent} and is {wanted} in the table")))
}

/// Whether the target takes what the source holds, which is canonical: the same type but for nested nullability and
/// the names inside lists and maps, or the plain type in which DuckDB sends an extension.
fn fits(source: &Field, target: &Field) -> bool {
    match (Extension::of(source), Extension::of(target)) {
        (None, None) => fits_type(source.data_type(), target.data_type()),
        (None, Some(extension)) => is_lossy_form(source.data_type(), extension),
        (source, target) => source == target,
    }
}

fn fits_type(source: &DataType, target: &DataType) -> bool {
    match (source, target) {
        (DataType::List(source), DataType::List(target)) => fits(source, target),
        (DataType::FixedSizeList(source, length), DataType::FixedSizeList(target, wanted)) => {
            length == wanted && fits(source, target)
        }
        (DataType::Map(source, _), DataType::Map(target, _)) => match (source.data_type(), target.data_type()) {
            (DataType::Struct(source), DataType::Struct(target)) => fit(source, target, |_, _| true),
            _ => false,
        },
        (DataType::Struct(source), DataType::Struct(target)) => fit(source, target, |a, b| a.name() == b.name()),
        _ => source == target,
    }
}

fn fit(source: &Fields, target: &Fields, also: impl Fn(&Field, &Field) -> bool) -> bool {
    let one = |(source, target): (&FieldRef, &FieldRef)| also(source, target) && fits(source, target);
    source.len() == target.len() && source.iter().zip(target).all(one)
}

/// What DuckDB sends for an extension without `arrow_lossless_conversion`.
fn is_lossy_form(data_type: &DataType, extension: Extension) -> bool {
    *data_type
        == match extension {
            Extension::Json | Extension::Uuid => DataType::Utf8,
            Extension::HugeInt | Extension::UHugeInt => DataType::Decimal128(38, 0),
            Extension::TimeTz => DataType::Time64(TimeUnit::Microsecond),
            Extension::Bit => DataType::Binary,
            Extension::BigNum => return false,
        }
}

fn conform_column(array: &ArrayRef, source: &Field, target: &Field) -> Result<ArrayRef> {
    let name = target.name();
    if array.data_type() != source.data_type() {
        let reason = format!("column {name:?} does not have the type its stream's schema gives it");
        return Err(Error::InvalidArgument(reason));
    }
    convert(array, target).map_err(|error| match error {
        ArrowError::InvalidArgumentError(reason) | ArrowError::ComputeError(reason) => {
            Error::InvalidArgument(format!("column {name:?}: {reason}"))
        }
        other => Error::InvalidArgument(format!("column {name:?}: {other}")),
    })
}

/// Both types have passed [`fits`].
fn convert(array: &ArrayRef, target: &Field) -> Result<ArrayRef, ArrowError> {
    if let Some(extension) = Extension::of(target) {
        return values::extension(array, extension);
    }
    match (array.data_type(), target.data_type()) {
        (
            DataType::Decimal128(..) | DataType::Decimal64(..) | DataType::Decimal32(..),
            target @ DataType::Decimal128(..),
        ) => decimal(array, target),
        (DataType::Timestamp(TimeUnit::Microsecond, _), DataType::Timestamp(_, zone)) => {
            let values = array.as_primitive::<TimestampMicrosecondType>().clone();
            Ok(Arc::new(values.with_timezone_opt(zone.clone())))
        }
        (DataType::Time64(unit), _) => values::times(array, *unit),
        (DataType::Interval(_), _) => values::intervals(array),
        (DataType::Dictionary(..), _) => values::dictionary(array),
        (DataType::List(_), DataType::List(element)) => list(array.as_list::<i32>(), element),
        (DataType::LargeList(_), DataType::List(element)) => list(array.as_list::<i64>(), element),
        (DataType::ListView(_), DataType::List(_)) => list_view(array.as_list_view::<i32>(), target),
        (DataType::LargeListView(_), DataType::List(_)) => list_view(array.as_list_view::<i64>(), target),
        (DataType::FixedSizeList(..), DataType::FixedSizeList(element, _)) => {
            fixed_size_list(array.as_fixed_size_list(), element)
        }
        (DataType::Map(..), DataType::Map(entries, _)) => map(array.as_map(), entries),
        (DataType::Struct(_), DataType::Struct(fields)) => {
            Ok(Arc::new(structure(array.as_struct(), fields)?) as ArrayRef)
        }
        (_, target @ (DataType::Utf8 | DataType::Binary)) => values::variable(array, target),
        (source, target) if source == target => Ok(Arc::clone(array)),
        // BOOLEAN in bytes.
        (_, target) => cast(array, target),
    }
}

/// Neither IPC nor DuckDB checks that the digits fit: a HUGEINT without `arrow_lossless_conversion` is sent as
/// DECIMAL(38,0) and may have 39.
fn decimal(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, ArrowError> {
    let array = if array.data_type() == target { Arc::clone(array) } else { cast(array, target)? };
    let decimals = array.as_primitive::<Decimal128Type>();
    decimals.validate_decimal_precision(decimals.precision())?;
    Ok(array)
}

fn list<O: OffsetSizeTrait>(array: &GenericListArray<O>, element: &FieldRef) -> Result<ArrayRef, ArrowError> {
    let offsets = narrow(array.offsets())?;
    let values = convert(array.values(), element)?;
    Ok(Arc::new(ListArray::try_new(Arc::clone(element), offsets, values, array.nulls().cloned())?))
}

fn narrow<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>) -> Result<OffsetBuffer<i32>, ArrowError> {
    let too_long = |_| ArrowError::ComputeError("lists in one batch hold more than 2^31 elements".to_owned());
    // Offsets ascend, so when the last fits all do.
    i32::try_from(offsets[offsets.len() - 1].as_usize()).map_err(too_long)?;
    Ok(OffsetBuffer::new(offsets.iter().map(|offset| offset.as_usize() as i32).collect()))
}

fn list_view<O: OffsetSizeTrait>(array: &GenericListViewArray<O>, target: &Field) -> Result<ArrayRef, ArrowError> {
    let elements = array.sizes().iter().fold(0, |sum: usize, size| sum.saturating_add(size.as_usize()));
    if elements > LIST_VIEW_ELEMENTS_MAX {
        let reason = format!("{elements} list elements in one batch are more than {LIST_VIEW_ELEMENTS_MAX}");
        return Err(ArrowError::ComputeError(reason));
    }
    let element = Arc::new(Field::new("element", array.value_type(), true));
    convert(&cast(array, &DataType::List(element))?, target)
}

fn fixed_size_list(array: &FixedSizeListArray, element: &FieldRef) -> Result<ArrayRef, ArrowError> {
    let (length, nulls) = (array.value_length(), array.nulls());
    let below = nulls.map(|nulls| nulls.expand(length as usize));
    let values = convert(&masked(array.values(), below.as_ref())?, element)?;
    Ok(Arc::new(FixedSizeListArray::try_new(Arc::clone(element), length, values, nulls.cloned())?))
}

fn map(array: &MapArray, entries: &FieldRef) -> Result<ArrayRef, ArrowError> {
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(ArrowError::ComputeError("a map without entries".to_owned()));
    };
    let converted = structure(array.entries(), fields)?;
    let (offsets, nulls) = (array.offsets().clone(), array.nulls().cloned());
    Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, converted, nulls, false)?))
}

fn structure(array: &StructArray, fields: &Fields) -> Result<StructArray, ArrowError> {
    let convert = |(column, field): (&ArrayRef, &FieldRef)| convert(&masked(column, array.nulls())?, field);
    let columns = array.columns().iter().zip(fields).map(convert).collect::<Result<_, _>>()?;
    StructArray::try_new_with_length(fields.clone(), columns, array.nulls().cloned(), array.len())
}

/// What lies below a NULL may be anything, and is not looked at.
fn masked(values: &ArrayRef, parents: Option<&NullBuffer>) -> Result<ArrayRef, ArrowError> {
    match parents {
        Some(parents) if parents.null_count() > 0 => nullif(values, &BooleanArray::new(!parents.inner(), None)),
        _ => Ok(Arc::clone(values)),
    }
}
