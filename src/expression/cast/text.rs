//! Casts from and to text.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder, PrimitiveBuilder,
        StringBuilder,
    },
    datatypes::{
        ArrowPrimitiveType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type,
        Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType,
        Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type, i256,
    },
};

use super::{Cast, Mode, interval, read, read_time, temporal::from_micros, write};
use crate::{
    engine::Result,
    expression::types::{DECIMAL_WIDTH_MAX, Type},
};

impl Cast<'_> {
    pub(super) fn write(&self) -> ArrayRef {
        if *self.from == Type::Json {
            return self.array.clone();
        }
        let write = write::writer(self.array, self.from);
        let mut texts = StringBuilder::with_capacity(self.array.len(), self.array.len() * 8);
        let mut text = String::new();
        for row in 0..self.array.len() {
            if self.array.is_null(row) {
                texts.append_null();
                continue;
            }
            text.clear();
            write(row, &mut text);
            texts.append_value(&text);
        }
        Arc::new(texts.finish())
    }

    pub(super) fn read(&self) -> Result<ArrayRef> {
        match self.to {
            Type::Boolean => {
                let mut values = BooleanBuilder::with_capacity(self.array.len());
                self.each(read::boolean, |value| values.append_option(value))?;
                Ok(Arc::new(values.finish()))
            }
            Type::TinyInt => self.read_integers::<Int8Type>(i8::MIN, i8::MAX),
            Type::SmallInt => self.read_integers::<Int16Type>(i16::MIN, i16::MAX),
            Type::Integer => self.read_integers::<Int32Type>(i32::MIN, i32::MAX),
            Type::BigInt => self.read_integers::<Int64Type>(i64::MIN, i64::MAX),
            Type::UTinyInt => self.read_integers::<UInt8Type>(0, u8::MAX),
            Type::USmallInt => self.read_integers::<UInt16Type>(0, u16::MAX),
            Type::UInteger => self.read_integers::<UInt32Type>(0, u32::MAX),
            Type::UBigInt => self.read_integers::<UInt64Type>(0, u64::MAX),
            Type::HugeInt => self.read_as::<Decimal128Type>(read::huge),
            Type::UHugeInt => {
                self.read_as::<Decimal256Type>(|text| read::unsigned_huge(text).map(|value| i256::from_parts(value, 0)))
            }
            Type::Float => self.read_as::<Float32Type>(read::float),
            Type::Double => self.read_as::<Float64Type>(read::double),
            Type::Decimal(width, scale) => {
                let (width, scale) = (*width.min(&DECIMAL_WIDTH_MAX), *scale);
                self.read_as::<Decimal128Type>(|text| read::decimal(text, width, scale))
            }
            Type::Date => self.read_as::<Date32Type>(read_time::date),
            Type::Time => self.read_as::<Time64MicrosecondType>(|text| read_time::time(text).map(|nanos| nanos / 1000)),
            Type::TimeNs => self.read_as::<Time64NanosecondType>(read_time::time),
            Type::Timestamp(TimeUnit::Second) => {
                self.read_as::<TimestampSecondType>(|text| from_micros(read_time::timestamp(text)?, TimeUnit::Second))
            }
            Type::Timestamp(TimeUnit::Millisecond) => self.read_as::<TimestampMillisecondType>(|text| {
                from_micros(read_time::timestamp(text)?, TimeUnit::Millisecond)
            }),
            Type::Timestamp(TimeUnit::Nanosecond) => self.read_as::<TimestampNanosecondType>(read_time::timestamp_ns),
            Type::Timestamp(TimeUnit::Microsecond) => self.read_as::<TimestampMicrosecondType>(read_time::timestamp),
            Type::TimestampTz => self.read_as::<TimestampMicrosecondType>(read_time::timestamp_tz),
            Type::Interval => self.read_as::<IntervalMonthDayNanoType>(|text| {
                let span = interval::parse(text)?;
                Some(IntervalMonthDayNano::new(span.months, span.days, span.micros.checked_mul(1000)?))
            }),
            Type::Uuid => self.read_bytes(16, |text| read::uuid(text).map(Vec::from)),
            Type::TimeTz => self.read_bytes(8, |text| {
                let (micros, offset) = read_time::time_tz(text)?;
                Some(((micros as u64) << 24 | (57_599 - offset) as u64).to_le_bytes().to_vec())
            }),
            Type::Blob => self.read_blobs(read::blob),
            Type::Bit => self.read_blobs(read::bit),
            Type::Json => {
                let mut values = StringBuilder::with_capacity(self.array.len(), 0);
                let is_json =
                    |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok().then(|| text.to_owned());
                self.each(is_json, |value| values.append_option(value))?;
                Ok(Arc::new(values.finish()))
            }
            _ => Ok(self.array.clone()),
        }
    }

    fn read_integers<T: ArrowPrimitiveType>(&self, least: T::Native, greatest: T::Native) -> Result<ArrayRef>
    where
        T::Native: TryFrom<i128> + Into<i128>,
    {
        let (least, greatest) = (least.into(), greatest.into());
        self.read_as::<T>(|text| {
            // Most are digits and nothing else.
            let plain = text.len() < 19 && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
            let value = if plain { text.parse().ok() } else { read::integer(text, least, greatest) };
            T::Native::try_from(value?).ok()
        })
    }

    fn read_as<T: ArrowPrimitiveType>(&self, parse: impl Fn(&str) -> Option<T::Native>) -> Result<ArrayRef> {
        let mut values = PrimitiveBuilder::<T>::with_capacity(self.array.len());
        self.each(parse, |value| values.append_option(value))?;
        Ok(self.typed(values.finish()))
    }

    fn read_blobs(&self, parse: impl Fn(&str) -> Option<Vec<u8>>) -> Result<ArrayRef> {
        let mut values = BinaryBuilder::with_capacity(self.array.len(), 0);
        self.each(parse, |value| values.append_option(value))?;
        Ok(Arc::new(values.finish()))
    }

    fn read_bytes(&self, width: i32, parse: impl Fn(&str) -> Option<Vec<u8>>) -> Result<ArrayRef> {
        let mut values = FixedSizeBinaryBuilder::with_capacity(self.array.len(), width);
        let mut wrong_width = Ok(());
        self.each(parse, |value| match value {
            Some(value) => {
                if let Err(error) = values.append_value(value) {
                    wrong_width = Err(error);
                }
            }
            None => values.append_null(),
        })?;
        wrong_width.map_err(super::super::eval::kernel_failure)?;
        Ok(Arc::new(values.finish()))
    }

    /// Reads row by row: NULL stays, text that is no value fails or becomes NULL.
    fn each<V>(&self, parse: impl Fn(&str) -> Option<V>, mut append: impl FnMut(Option<V>)) -> Result<()> {
        for (row, text) in self.array.as_string::<i32>().iter().enumerate() {
            let value = text.and_then(&parse);
            if value.is_none() && text.is_some() && self.mode == Mode::Strict {
                return Err(self.failure(row));
            }
            append(value);
        }
        Ok(())
    }
}
