//! How much memory rows of a file take when decoded, guessed from its footer.

use arrow::datatypes::{DataType, Fields};
use parquet::{
    basic::Type as Physical,
    file::metadata::{ColumnChunkMetaData, RowGroupMetaData},
};

use super::coalesce::{BATCH_BYTES_MAX, BATCH_ROWS_MAX};

/// Per value of varying length: its offset.
const OFFSET_BYTES: u64 = 4;

/// How many rows of a row group to decode at once, so that they fill a batch but do not burst it. The footer does not
/// tell of `fixed_bytes`, which every row takes besides.
pub(super) fn batch_rows(group: &RowGroupMetaData, leaves: &[usize], fixed_bytes: usize) -> usize {
    let rows = u64::try_from(group.num_rows()).unwrap_or(0).max(1);
    let bytes: u64 = leaves.iter().map(|leaf| decoded_bytes(group.column(*leaf))).sum();
    let bytes = bytes.saturating_add(rows.saturating_mul(fixed_bytes as u64));
    let fit = (BATCH_BYTES_MAX as u64).saturating_mul(rows).checked_div(bytes).unwrap_or(u64::MAX);
    usize::try_from(fit).unwrap_or(usize::MAX).clamp(1, BATCH_ROWS_MAX)
}

/// What arrays of fixed length take in a row even where they are NULL, which costs nothing in a file.
pub(super) fn fixed_bytes(fields: &Fields) -> usize {
    fields.iter().map(|field| array_bytes(field.data_type(), 0)).sum()
}

/// `each`: what a value without such arrays counts for.
fn array_bytes(data_type: &DataType, each: usize) -> usize {
    match data_type {
        DataType::Struct(fields) => fields.iter().map(|field| array_bytes(field.data_type(), each)).sum(),
        DataType::FixedSizeList(element, length) => {
            let places = usize::try_from(*length).unwrap_or(0);
            places.saturating_mul(array_bytes(element.data_type(), each.max(OFFSET_BYTES as usize)))
        }
        other if each > 0 => other.primitive_width().unwrap_or(each),
        _ => 0,
    }
}

/// The encoded but uncompressed bytes of the leaves: a measure of the work of decoding them.
pub(super) fn encoded_bytes<'l>(group: &RowGroupMetaData, leaves: impl IntoIterator<Item = &'l usize>) -> i64 {
    leaves.into_iter().map(|leaf| group.column(*leaf).uncompressed_size()).sum()
}

fn decoded_bytes(chunk: &ColumnChunkMetaData) -> u64 {
    let values = u64::try_from(chunk.num_values()).unwrap_or(0);
    let each = match chunk.column_type() {
        Physical::BOOLEAN => 1,
        Physical::INT32 | Physical::FLOAT => 4,
        Physical::INT64 | Physical::DOUBLE | Physical::INT96 => 8,
        Physical::FIXED_LEN_BYTE_ARRAY => u64::try_from(chunk.column_descr().type_length()).unwrap_or(16).max(16),
        Physical::BYTE_ARRAY => return values.saturating_mul(OFFSET_BYTES).saturating_add(text_bytes(chunk, values)),
    };
    values.saturating_mul(each)
}

/// The length of all values together. Writers may say it; a dictionary hides it, and then the extremes, as any two
/// values, stand for all.
fn text_bytes(chunk: &ColumnChunkMetaData, values: u64) -> u64 {
    if let Some(bytes) = chunk.unencoded_byte_array_data_bytes() {
        return u64::try_from(bytes).unwrap_or(0);
    }
    let encoded = u64::try_from(chunk.uncompressed_size()).unwrap_or(0);
    if chunk.dictionary_page_offset().is_none() {
        return encoded;
    }
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let longest =
        chunk.statistics().map_or(0, |stats| length(stats.min_bytes_opt()).max(length(stats.max_bytes_opt())));
    encoded.max(values.saturating_mul(longest as u64))
}
