//! How many rows fit.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int32Array, ListArray, StructArray},
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, Fields},
};

use super::{super::fitting::fitting, fixture::*};

/// Rows that take 4 bytes (an offset) and these in each of their columns.
const LENGTHS: [usize; 6] = [0, 4000, 4, 400, 0, 40];

#[tokio::test]
async fn as_many_rows_fit_as_their_own_values_take() {
    let words: Vec<String> = LENGTHS.iter().map(|length| "x".repeat(*length)).collect();
    let text = texts(&words.iter().map(|word| Some(word.as_str())).collect::<Vec<_>>());
    let numbers = Int32Array::from(vec![7; LENGTHS.iter().sum::<usize>() / 4]);
    let item = Arc::new(Field::new("item", DataType::Int32, true));
    let offsets = OffsetBuffer::from_lengths(LENGTHS.iter().map(|length| length / 4));
    let list: ArrayRef = Arc::new(ListArray::new(item, offsets, Arc::new(numbers), None));
    let fields = Fields::from(vec![Field::new("text", DataType::Utf8, true)]);
    let structure: ArrayRef = Arc::new(StructArray::new(fields, vec![text.clone()], None));
    let rows = batch(&[("t", text), ("l", list), ("s", structure)]);
    for source in [source_within(&rows, 1 << 10).await, source_within(&rows, 1 << 20).await] {
        for column in 0..3 {
            for (rows, bytes, expected) in [
                (&[0, 1, 2, 3][..], 4 + 4004 + 8, 3),
                (&[0, 1, 2, 3], 4 + 4004 + 7, 2),
                (&[5, 3, 1, 0], 44 + 404, 2),
                (&[2, 2, 2, 2, 2], 24, 3),
                (&[1, 0], 10, 1),
                (&[1, 0], 0, 1),
                (&[4, 5, 0], usize::MAX, 3),
                (&[], 0, 0),
            ] {
                assert_eq!(fitting(&source, &[column], rows, bytes), expected, "{column} {rows:?} {bytes}");
            }
        }
        assert_eq!(fitting(&source, &[0, 1, 2], &[2, 2, 2], 48), 2);
        assert_eq!(fitting(&source, &[], &[2, 1, 5], 1), 3, "nothing is taken of them");
    }
}
