//! Partition columns: one value, or NULL, in every row of a file.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
        Int8Array, Int16Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray, UInt32Array,
        new_null_array,
    },
    compute::take,
    datatypes::{DataType, Field, TimeUnit},
};

use super::text;
use crate::{
    delta::{duckdb_types, file::DataFile},
    engine::{Error, Result, Scalar},
};

/// A column that is the same in every row.
#[derive(Debug)]
pub(super) struct Constant {
    one: ArrayRef,
    /// As many rows as were wanted so far.
    many: ArrayRef,
}

impl Constant {
    /// A partition column of a file, by its name there; as it is stored, and as it is shown.
    ///
    /// # Errors
    /// If the log's text is no value of the column's type.
    pub(super) fn partition_column(file: &DataFile, physical: &str, stored: &Field, shown: &Field) -> Result<Self> {
        let data_type = stored.data_type();
        let one = match file.partition_values.get(physical) {
            Some(Some(value)) if !value.is_empty() => {
                let array = text::partition_value(value, data_type).and_then(|scalar| one_row(scalar, data_type));
                array.ok_or_else(|| {
                    let column = stored.name();
                    let context = format!("partition column {column} of file {}: not a {data_type}", file.path);
                    Error::internal(context, format!("the log says {value:?}"))
                })?
            }
            _ => new_null_array(data_type, 1),
        };
        let one = duckdb_types::load(&one, shown)?;
        Ok(Self { many: one.slice(0, 0), one })
    }

    /// The value `count` times.
    pub(super) fn repeat(&mut self, count: usize) -> Result<ArrayRef> {
        if self.many.len() < count {
            let indexes = UInt32Array::from(vec![0; count]);
            self.many = take(&self.one, &indexes, None)
                .map_err(|source| Error::internal("a partition value cannot be repeated", source))?;
        }
        Ok(self.many.slice(0, count))
    }
}

/// The constant as an array of one row; `None` if the type cannot hold it.
fn one_row(scalar: Scalar, data_type: &DataType) -> Option<ArrayRef> {
    Some(match (data_type, scalar) {
        (DataType::Boolean, Scalar::Boolean(value)) => Arc::new(BooleanArray::from(vec![value])),
        (DataType::Int8, Scalar::Integer(value)) => Arc::new(Int8Array::from(vec![i8::try_from(value).ok()?])),
        (DataType::Int16, Scalar::Integer(value)) => Arc::new(Int16Array::from(vec![i16::try_from(value).ok()?])),
        (DataType::Int32, Scalar::Integer(value)) => Arc::new(Int32Array::from(vec![i32::try_from(value).ok()?])),
        (DataType::Int64, Scalar::Integer(value)) => Arc::new(Int64Array::from(vec![i64::try_from(value).ok()?])),
        #[expect(clippy::cast_possible_truncation, reason = "it was widened from 32 bits")]
        (DataType::Float32, Scalar::Float(value)) => Arc::new(Float32Array::from(vec![value as f32])),
        (DataType::Float64, Scalar::Float(value)) => Arc::new(Float64Array::from(vec![value])),
        (DataType::Decimal128(precision, scale), Scalar::Decimal { unscaled, .. }) => {
            Arc::new(Decimal128Array::from(vec![unscaled]).with_precision_and_scale(*precision, *scale).ok()?)
        }
        (DataType::Utf8, Scalar::Text(value)) => Arc::new(StringArray::from(vec![value])),
        (DataType::Binary, Scalar::Binary(value)) => Arc::new(BinaryArray::from(vec![value.as_slice()])),
        (DataType::Date32, Scalar::Date(value)) => Arc::new(Date32Array::from(vec![value])),
        (DataType::Timestamp(TimeUnit::Microsecond, zone), Scalar::Timestamp(value)) => {
            Arc::new(TimestampMicrosecondArray::from(vec![value]).with_timezone_opt(zone.clone()))
        }
        _ => return None,
    })
}
