//! One column of a row group: values in, encoded and compressed pages out, and the facts Parquet does not note.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::concat,
    datatypes::{DataType, FieldRef, Float32Type, Float64Type},
};
use parquet::{
    arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves},
    errors::Result,
};
use rayon::prelude::*;

/// One column of a finished row group.
#[derive(Debug)]
pub(super) struct EncodedColumn {
    /// One per leaf.
    pub(super) chunks: Vec<ArrowColumnChunk>,
    /// Whether a leaf holds NaN, which Parquet's own statistics leave out.
    pub(super) has_nan: Vec<bool>,
    /// Rows in which the whole column is null.
    pub(super) null_rows: u64,
}

/// Encodes one column of one row group.
#[derive(Debug)]
pub(super) struct ColumnEncoder {
    field: FieldRef,
    /// One per leaf.
    writers: Vec<ArrowColumnWriter>,
    has_nan: Vec<bool>,
    null_rows: u64,
    /// Whether leaves are encoded side by side.
    parallel: bool,
}

impl ColumnEncoder {
    /// Takes as many `writers` as the column has leaves, which are encoded side by side if `parallel`.
    pub(super) fn new(field: FieldRef, writers: &mut impl Iterator<Item = ArrowColumnWriter>, parallel: bool) -> Self {
        let writers: Vec<_> = writers.take(leaf_count(field.data_type())).collect();
        let parallel = parallel && writers.len() > 1;
        Self { field, has_nan: vec![false; writers.len()], writers, null_rows: 0, parallel }
    }

    pub(super) fn encode(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        if let [_] = self.writers[..] {
            // Small arrays cost no more than one large one.
            return arrays.iter().try_for_each(|array| self.encode_array(array));
        }
        // Levels of nested columns are dear for small arrays, and several leaves can share the cores.
        let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
        self.encode_array(&concat(&arrays)?)
    }

    fn encode_array(&mut self, array: &ArrayRef) -> Result<()> {
        self.null_rows += array.null_count() as u64;
        mark_nan(array, &mut self.has_nan.iter_mut());
        let leaves = compute_leaves(&self.field, array)?;
        match self.parallel {
            true => self.writers.par_iter_mut().zip(&leaves).try_for_each(|(writer, leaf)| writer.write(leaf)),
            false => self.writers.iter_mut().zip(&leaves).try_for_each(|(writer, leaf)| writer.write(leaf)),
        }
    }

    pub(super) fn anticipated_bytes(&self) -> usize {
        self.writers.iter().map(ArrowColumnWriter::get_estimated_total_bytes).sum()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.writers.iter().map(ArrowColumnWriter::memory_size).sum()
    }

    pub(super) fn finish(self) -> Result<EncodedColumn> {
        let chunks = match self.parallel {
            true => self.writers.into_par_iter().map(ArrowColumnWriter::close).collect::<Result<_>>()?,
            false => self.writers.into_iter().map(ArrowColumnWriter::close).collect::<Result<_>>()?,
        };
        Ok(EncodedColumn { chunks, has_nan: self.has_nan, null_rows: self.null_rows })
    }
}

/// How many Parquet columns a type becomes.
pub(super) fn leaf_count(data_type: &DataType) -> usize {
    match data_type {
        DataType::Struct(fields) => fields.iter().map(|field| leaf_count(field.data_type())).sum(),
        DataType::List(element) | DataType::Map(element, _) => leaf_count(element.data_type()),
        _ => 1,
    }
}

/// Notes which leaves hold NaN. Those inside of lists and maps are passed over: they have no statistics.
fn mark_nan<'a>(array: &ArrayRef, leaves: &mut impl Iterator<Item = &'a mut bool>) {
    let has_nan = match array.data_type() {
        DataType::Struct(_) => {
            array.as_struct().columns().iter().for_each(|child| mark_nan(child, leaves));
            return;
        }
        DataType::Float32 => {
            array.as_primitive_opt::<Float32Type>().is_some_and(|array| array.iter().flatten().any(f32::is_nan))
        }
        DataType::Float64 => {
            array.as_primitive_opt::<Float64Type>().is_some_and(|array| array.iter().flatten().any(f64::is_nan))
        }
        other => {
            leaves.take(leaf_count(other)).for_each(drop);
            return;
        }
    };
    if let Some(leaf) = leaves.next() {
        *leaf |= has_nan;
    }
}
