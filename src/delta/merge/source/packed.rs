//! Keys of few bits as one number.

use std::ops::Range;

use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
        TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};

/// A number that the values of all keys fit in side by side.
pub(super) trait Packed: Copy + Eq + Default + Send + Sync + std::fmt::Debug + 'static {
    /// The number with more bits after its own.
    fn with(self, value: u128, bits: u32) -> Self;

    /// Well mixed.
    fn hash(self, seed: u64) -> u64;
}

impl Packed for u64 {
    fn with(self, value: u128, bits: u32) -> Self {
        self.checked_shl(bits).unwrap_or(0) | value as Self
    }

    fn hash(self, seed: u64) -> u64 {
        mixed(self ^ seed)
    }
}

impl Packed for u128 {
    fn with(self, value: u128, bits: u32) -> Self {
        self.checked_shl(bits).unwrap_or(0) | value
    }

    fn hash(self, seed: u64) -> u64 {
        mixed(mixed(self as u64 ^ seed) ^ (self >> 64) as u64)
    }
}

/// Every bit of the answer depends on every bit of the number.
pub(super) fn mixed(number: u64) -> u64 {
    let product = u128::from(number ^ 0x9e37_79b9_7f4a_7c15) * 0xca5a_8263_9512_1157;
    (product >> 64) as u64 ^ product as u64
}

/// How many bits the values of keys of these types take, NULL told from the others where it counts; `None` if there is
/// one that takes as many as it likes.
pub(super) fn bits<'a>(keys: impl IntoIterator<Item = (&'a DataType, bool)>) -> Option<u32> {
    keys.into_iter().try_fold(0, |bits, (data_type, nullable)| Some(bits + width(data_type)? + u32::from(nullable)))
}

fn width(data_type: &DataType) -> Option<u32> {
    Some(match data_type {
        DataType::Boolean => 1,
        DataType::Int8 | DataType::UInt8 => 8,
        DataType::Int16 | DataType::UInt16 => 16,
        DataType::Int32 | DataType::UInt32 | DataType::Float32 | DataType::Date32 => 32,
        DataType::Int64 | DataType::UInt64 | DataType::Float64 => 64,
        DataType::Time64(_) | DataType::Timestamp(..) => 64,
        DataType::Decimal128(..) | DataType::FixedSizeBinary(16) => 128,
        DataType::FixedSizeBinary(8) => 64,
        _ => return None,
    })
}

/// The keys of some rows. Where a key that is not `nulls_equal` is NULL, the number means nothing.
pub(super) fn pack<K: Packed>(keys: &[ArrayRef], nulls_equal: &[bool], rows: Range<usize>, packed: &mut Vec<K>) {
    packed.clear();
    packed.resize(rows.len(), K::default());
    for (key, nulls_equal) in keys.iter().zip(nulls_equal) {
        append(key, *nulls_equal, rows.clone(), packed);
    }
}

fn append<K: Packed>(key: &ArrayRef, nullable: bool, rows: Range<usize>, packed: &mut [K]) {
    match key.data_type() {
        DataType::Boolean => {
            let values = key.as_boolean().values();
            each(key, nullable, 1, rows, packed, |row| values.value(row).into());
        }
        DataType::Int8 => native::<Int8Type, K>(key, nullable, rows, packed, |value| value.cast_unsigned().into()),
        DataType::Int16 => native::<Int16Type, K>(key, nullable, rows, packed, |value| value.cast_unsigned().into()),
        DataType::Int32 => native::<Int32Type, K>(key, nullable, rows, packed, |value| value.cast_unsigned().into()),
        DataType::Int64 => native::<Int64Type, K>(key, nullable, rows, packed, |value| value.cast_unsigned().into()),
        DataType::UInt8 => native::<UInt8Type, K>(key, nullable, rows, packed, u128::from),
        DataType::UInt16 => native::<UInt16Type, K>(key, nullable, rows, packed, u128::from),
        DataType::UInt32 => native::<UInt32Type, K>(key, nullable, rows, packed, u128::from),
        DataType::UInt64 => native::<UInt64Type, K>(key, nullable, rows, packed, u128::from),
        DataType::Float32 => native::<Float32Type, K>(key, nullable, rows, packed, |value| value.to_bits().into()),
        DataType::Float64 => native::<Float64Type, K>(key, nullable, rows, packed, |value| value.to_bits().into()),
        DataType::Date32 => native::<Date32Type, K>(key, nullable, rows, packed, |value| value.cast_unsigned().into()),
        DataType::Decimal128(..) => native::<Decimal128Type, K>(key, nullable, rows, packed, i128::cast_unsigned),
        DataType::Time64(TimeUnit::Nanosecond) => signed::<Time64NanosecondType, K>(key, nullable, rows, packed),
        DataType::Time64(_) => signed::<Time64MicrosecondType, K>(key, nullable, rows, packed),
        DataType::Timestamp(unit, _) => match unit {
            TimeUnit::Second => signed::<TimestampSecondType, K>(key, nullable, rows, packed),
            TimeUnit::Millisecond => signed::<TimestampMillisecondType, K>(key, nullable, rows, packed),
            TimeUnit::Microsecond => signed::<TimestampMicrosecondType, K>(key, nullable, rows, packed),
            TimeUnit::Nanosecond => signed::<TimestampNanosecondType, K>(key, nullable, rows, packed),
        },
        DataType::FixedSizeBinary(bytes) => {
            let values = key.as_fixed_size_binary();
            each(key, nullable, 8 * bytes.cast_unsigned(), rows, packed, |row| {
                values.value(row).iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
            });
        }
        // Of these `width` says nothing.
        _ => {}
    }
}

fn signed<T: ArrowPrimitiveType<Native = i64>, K: Packed>(
    key: &ArrayRef,
    nullable: bool,
    rows: Range<usize>,
    packed: &mut [K],
) {
    native::<T, K>(key, nullable, rows, packed, |value| value.cast_unsigned().into());
}

fn native<T: ArrowPrimitiveType, K: Packed>(
    key: &ArrayRef,
    nullable: bool,
    rows: Range<usize>,
    packed: &mut [K],
    number: impl Fn(T::Native) -> u128,
) {
    let values = key.as_primitive::<T>().values();
    let bits = 8 * size_of::<T::Native>() as u32;
    each(key, nullable, bits, rows, packed, |row| number(values[row]));
}

fn each<K: Packed>(
    key: &ArrayRef,
    nullable: bool,
    bits: u32,
    rows: Range<usize>,
    packed: &mut [K],
    number: impl Fn(usize) -> u128,
) {
    let nulls = key.nulls().filter(|nulls| nulls.null_count() > 0);
    for (packed, row) in packed.iter_mut().zip(rows) {
        *packed = match (nullable, nulls) {
            (false, _) => packed.with(number(row), bits),
            (true, Some(nulls)) if nulls.is_null(row) => packed.with(0, bits + 1),
            (true, _) => packed.with(number(row) << 1 | 1, bits + 1),
        };
    }
}
