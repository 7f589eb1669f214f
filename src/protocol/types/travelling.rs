//! The form in which columns travel to the client, where it differs from the engine's.
//!
//! DuckDB keeps a decimal of 10 to 18 digits in 64 bits. Sent in 64 bits it takes the values where they lie; sent in
//! 128 it converts them one by one (`arrow_conversion.cpp`, ConvertDecimal), and they are twice the bytes. The client
//! reads a scan by the types it was told with the table, so both must say the same. Decimals inside of other types
//! stay as they are.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Decimal64Array},
    buffer::ScalarBuffer,
    datatypes::{DataType, Decimal128Type, FieldRef},
};

/// The fewest digits DuckDB keeps in 64 bits (`common/types/decimal.hpp`, MAX_WIDTH_INT32).
const DIGITS_MIN: u8 = 10;
/// The most (MAX_WIDTH_INT64).
const DIGITS_MAX: u8 = 18;

/// A column of a table as the client is told of it.
pub fn travelling_field(field: &FieldRef) -> FieldRef {
    match field.data_type() {
        DataType::Decimal128(precision @ DIGITS_MIN..=DIGITS_MAX, scale) => {
            Arc::new(field.as_ref().clone().with_data_type(DataType::Decimal64(*precision, *scale)))
        }
        _ => Arc::clone(field),
    }
}

/// The values of such a column.
pub fn travelling_column(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Decimal128(precision @ DIGITS_MIN..=DIGITS_MAX, scale) => {
            let wide = column.as_primitive::<Decimal128Type>();
            // Eighteen digits fit; what lies below a null may be cut and is not looked at.
            let values: ScalarBuffer<i64> = wide.values().iter().map(|value| *value as i64).collect();
            let narrow = Decimal64Array::new(values, wide.nulls().cloned());
            Arc::new(narrow.with_data_type(DataType::Decimal64(*precision, *scale)))
        }
        _ => Arc::clone(column),
    }
}

#[cfg(test)]
mod tests {
    use arrow::{array::Decimal128Array, datatypes::Field};

    use super::*;

    #[test]
    fn decimals_of_64_bits_keep_their_values_and_their_type_agrees_with_their_field() {
        let digits = [(9, 9), (10, 10), (15, 15), (18, 18), (19, 19), (38, 38)];
        for (precision, nines) in digits {
            let most = 10_i128.pow(nines) - 1;
            let wide = Decimal128Array::from(vec![Some(most), None, Some(-most), Some(0)]);
            let wide: ArrayRef = Arc::new(wide.with_precision_and_scale(precision, 3).unwrap());
            let column = travelling_column(&wide);
            let field: FieldRef = Arc::new(Field::new("d", wide.data_type().clone(), true));
            assert_eq!(column.data_type(), travelling_field(&field).data_type());
            let is_narrow = matches!(column.data_type(), DataType::Decimal64(..));
            assert_eq!(is_narrow, (10..=18).contains(&precision), "{precision}");
            assert_eq!(&arrow::compute::cast(&column, wide.data_type()).unwrap(), &wide, "{precision}");
        }
    }
}
