//! How many rows of the source fit a piece, by what their values take: rows of one source may differ by megabytes.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::DataType,
};

use crate::delta::merge::source::SourceRows;

/// How many of the first of `rows` take at most `bytes_max` in the columns `columns`; at least one, if there is one.
pub(super) fn fitting(source: &SourceRows, columns: &[usize], rows: &[u64], bytes_max: usize) -> usize {
    let batches = source.batches();
    let mut weights: Vec<Vec<Weight<'_>>> = Vec::new();
    weights.resize_with(batches.len(), Vec::new);
    let (mut index, mut bytes) = (0, 0_usize);
    for (count, row) in rows.iter().enumerate() {
        let Some((batch, row)) = source.place(*row, index) else { return rows.len() };
        index = batch;
        let weights = &mut weights[index];
        if weights.is_empty() {
            columns.iter().for_each(|column| weigh(batches[index].column(*column), weights));
        }
        bytes = weights.iter().fold(bytes, |bytes, weight| bytes.saturating_add(weight.of(row)));
        if bytes > bytes_max {
            return count.max(1);
        }
    }
    rows.len()
}

/// What values of a column take.
enum Weight<'a> {
    /// Each so many bytes.
    Each(usize),
    /// What is between two offsets, each so many bytes.
    Offsets(&'a [i32], usize),
}

impl Weight<'_> {
    fn of(&self, row: usize) -> usize {
        match self {
            Self::Each(bytes) => *bytes,
            Self::Offsets(offsets, each) => {
                let length = offsets.get(row..row + 2).map_or(0, |range| range[1].saturating_sub(range[0]));
                size_of::<i32>() + usize::try_from(length).unwrap_or(0).saturating_mul(*each)
            }
        }
    }
}

/// Values of varying length inside of lists count as the mean of their batch.
fn weigh<'a>(array: &'a ArrayRef, weights: &mut Vec<Weight<'a>>) {
    weights.push(match array.data_type() {
        DataType::Utf8 => Weight::Offsets(array.as_string::<i32>().value_offsets(), 1),
        DataType::Binary => Weight::Offsets(array.as_binary::<i32>().value_offsets(), 1),
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            Weight::Offsets(lists.value_offsets(), mean(lists.values()))
        }
        DataType::Map(..) => {
            let maps = array.as_map();
            Weight::Offsets(maps.value_offsets(), mean(maps.keys()) + mean(maps.values()))
        }
        DataType::Struct(_) => return array.as_struct().columns().iter().for_each(|column| weigh(column, weights)),
        _ => Weight::Each(mean(array)),
    });
}

fn mean(array: &ArrayRef) -> usize {
    let bytes = array.to_data().get_slice_memory_size().unwrap_or_default();
    bytes.div_ceil(array.len().max(1))
}
