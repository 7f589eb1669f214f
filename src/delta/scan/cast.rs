//! Values of a file's type as values of the table's type, where that loses nothing but fractions of microseconds.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Date32Array, PrimitiveArray, TimestampMicrosecondArray},
    compute::{CastOptions, cast_with_options},
    datatypes::{
        ArrowTimestampType, DataType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
        TimestampNanosecondType, TimestampSecondType,
    },
    error::ArrowError,
    temporal_conversions::MICROSECONDS_IN_DAY,
};

/// How one type becomes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cast {
    /// They are one type.
    Same,
    /// Timestamps change their unit to microseconds, nanoseconds to the microsecond they lie in, as every reader
    /// of Delta has it and as INT96 is read; what zone they are said to be in means nothing: Parquet
    /// stores UTC or local time, and the table's type says which.
    Micros(TimeUnit),
    /// Days become their midnights: a widened type (Delta protocol, "Type Widening").
    Midnight,
    /// Arrow's cast, which refuses each value it cannot keep.
    Checked,
}

impl Cast {
    /// The cast between two types without children; `None` if not every value of the table's type could be kept.
    pub(super) fn between(file: &DataType, table: &DataType) -> Option<Self> {
        use DataType::{
            Binary, Date32, Decimal128, Decimal256, FixedSizeBinary, Float16, Float32, Float64, Int8, Int16, Int32,
            Null, Timestamp, UInt8, UInt16, Utf8,
        };
        if file == table {
            return Some(Self::Same);
        }
        match (file, table) {
            (Timestamp(unit, _), Timestamp(TimeUnit::Microsecond, _)) => Some(Self::Micros(*unit)),
            (Date32, Timestamp(TimeUnit::Microsecond, None)) => Some(Self::Midnight),
            (from, to) if from.is_integer() && (to.is_signed_integer() || to.is_decimal()) => Some(Self::Checked),
            (Int8 | Int16 | Int32 | UInt8 | UInt16 | Float16 | Float32, Float64)
            | (Int8 | Int16 | UInt8 | UInt16 | Float16, Float32)
            | (Binary, Utf8)
            | (Utf8 | FixedSizeBinary(_), Binary)
            | (Null, _) => Some(Self::Checked),
            (Decimal128(_, from) | Decimal256(_, from), Decimal128(_, to)) if to >= from => Some(Self::Checked),
            _ => None,
        }
    }

    /// The values as `table`.
    ///
    /// # Errors
    /// If a value cannot be kept.
    pub(super) fn apply(self, array: ArrayRef, table: &DataType) -> Result<ArrayRef, ArrowError> {
        match self {
            Self::Same => Ok(array),
            Self::Micros(unit) => micros(&array, unit, table),
            Self::Midnight => midnights(&array),
            Self::Checked => {
                let options = CastOptions { safe: false, ..CastOptions::default() };
                cast_with_options(&array, table, &options)
            }
        }
    }
}

fn micros(array: &ArrayRef, unit: TimeUnit, table: &DataType) -> Result<ArrayRef, ArrowError> {
    let micros = match unit {
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().clone(),
        TimeUnit::Second => scaled::<TimestampSecondType>(array, |value| value.checked_mul(1_000_000))?,
        TimeUnit::Millisecond => scaled::<TimestampMillisecondType>(array, |value| value.checked_mul(1000))?,
        TimeUnit::Nanosecond => scaled::<TimestampNanosecondType>(array, |value| Some(value.div_euclid(1000)))?,
    };
    let DataType::Timestamp(_, zone) = table else {
        return Err(ArrowError::CastError(format!("{table} is no timestamp")));
    };
    Ok(Arc::new(micros.with_timezone_opt(zone.clone())))
}

/// Arrow's own cast multiplies without a look at what that leads to.
fn midnights(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let days: &Date32Array = array.as_primitive();
    let micros: TimestampMicrosecondArray = days.try_unary(|day| {
        let micros = i64::from(day).checked_mul(MICROSECONDS_IN_DAY);
        micros.ok_or_else(|| ArrowError::CastError(format!("day {day} is beyond all timestamps")))
    })?;
    Ok(Arc::new(micros))
}

fn scaled<T: ArrowTimestampType>(
    array: &ArrayRef,
    exact: impl Fn(i64) -> Option<i64>,
) -> Result<TimestampMicrosecondArray, ArrowError> {
    let array: &PrimitiveArray<T> = array.as_primitive();
    array.try_unary(|value| {
        exact(value).ok_or_else(|| ArrowError::CastError(format!("{value} {:?}s is no microsecond", T::UNIT)))
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Array, BinaryArray, Decimal128Array, Float32Array, Int32Array, Int64Array, StringArray,
        TimestampMillisecondArray, TimestampNanosecondArray, UInt64Array,
    };

    use super::*;

    fn cast(array: impl Array + 'static, table: &DataType) -> Result<ArrayRef, ArrowError> {
        let cast = Cast::between(array.data_type(), table).expect("a cast");
        let result = cast.apply(Arc::new(array), table)?;
        assert_eq!(result.data_type(), table);
        Ok(result)
    }

    #[test]
    fn values_that_fit_are_kept() {
        let narrow = cast(Int32Array::from(vec![Some(-128), None]), &DataType::Int8).unwrap();
        assert_eq!(narrow.as_primitive::<arrow::datatypes::Int8Type>().value(0), -128);
        assert!(narrow.is_null(1));
        let decimal = Decimal128Array::from(vec![125]).with_precision_and_scale(9, 1).unwrap();
        let wide = cast(decimal, &DataType::Decimal128(20, 3)).unwrap();
        assert_eq!(wide.as_primitive::<arrow::datatypes::Decimal128Type>().value(0), 12_500);
        let double = cast(Float32Array::from(vec![0.1]), &DataType::Float64).unwrap();
        assert_eq!(double.as_primitive::<arrow::datatypes::Float64Type>().value(0), f64::from(0.1_f32));
        assert_eq!(
            cast(BinaryArray::from(vec!["ü".as_bytes()]), &DataType::Utf8).unwrap().as_string::<i32>().value(0),
            "ü"
        );
        assert_eq!(cast(StringArray::from(vec!["ü"]), &DataType::Binary).unwrap().len(), 1);
    }

    #[test]
    fn values_that_do_not_fit_are_refused() {
        assert!(cast(Int32Array::from(vec![128]), &DataType::Int8).is_err());
        assert!(cast(UInt64Array::from(vec![u64::MAX]), &DataType::Int64).is_err());
        assert!(cast(Int64Array::from(vec![100]), &DataType::Decimal128(2, 0)).is_err());
        let decimal = Decimal128Array::from(vec![12_345]).with_precision_and_scale(9, 1).unwrap();
        assert!(cast(decimal, &DataType::Decimal128(4, 1)).is_err());
        assert!(cast(BinaryArray::from(vec![&[0xff_u8][..]]), &DataType::Utf8).is_err());
    }

    #[test]
    fn timestamps_become_microseconds_or_fail() {
        let instants = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let millis = cast(TimestampMillisecondArray::from(vec![-1]), &instants).unwrap();
        assert_eq!(millis.as_primitive::<TimestampMicrosecondType>().value(0), -1000);
        let nanos =
            cast(TimestampNanosecondArray::from(vec![Some(-5000), Some(-4999), Some(1999)]), &instants).unwrap();
        assert_eq!(nanos.as_primitive::<TimestampMicrosecondType>().values(), &[-5, -5, 1]);
        let local = cast(TimestampMicrosecondArray::from(vec![7]), &instants).unwrap();
        assert_eq!(local.as_primitive::<TimestampMicrosecondType>().value(0), 7, "the zone moves nothing");
        let ntz = DataType::Timestamp(TimeUnit::Microsecond, None);
        let days = cast(Date32Array::from(vec![Some(-1), None]), &ntz).unwrap();
        assert_eq!(days.as_primitive::<TimestampMicrosecondType>().value(0), -86_400_000_000);
        assert!(days.is_null(1));
        let far = cast(Date32Array::from(vec![i32::MAX]), &ntz).unwrap_err();
        assert!(far.to_string().ends_with("day 2147483647 is beyond all timestamps"), "{far}");
        assert!(cast(TimestampMillisecondArray::from(vec![i64::MAX]), &instants).is_err());
    }

    #[test]
    fn lossy_pairs_have_no_cast() {
        for (file, table) in [
            (DataType::Int64, DataType::Float64),
            (DataType::Float64, DataType::Float32),
            (DataType::Decimal128(9, 3), DataType::Decimal128(9, 2)),
            (DataType::Utf8, DataType::Int32),
            (DataType::Int32, DataType::Date32),
            (DataType::Date32, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
            (DataType::Boolean, DataType::Int8),
        ] {
            assert_eq!(Cast::between(&file, &table), None, "{file} to {table}");
        }
    }
}
