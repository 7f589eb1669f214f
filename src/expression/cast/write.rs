//! Values as text, as DuckDB prints them.

use std::fmt::Write;

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{
        ArrowPrimitiveType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type,
        Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType,
        Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};

use super::calendar::{self, DATE_INFINITY, MICROS_PER_SECOND, TIMESTAMP_INFINITY};
use crate::expression::types::Type;

/// Appends the text of a row that is not NULL.
pub(in crate::expression) type Writer<'a> = Box<dyn Fn(usize, &mut String) + 'a>;

/// What writes the values of an array in the memory form of `ty`.
pub(in crate::expression) fn writer<'a>(array: &'a ArrayRef, ty: &'a Type) -> Writer<'a> {
    match ty {
        Type::Boolean => {
            let values = array.as_boolean();
            Box::new(move |row, out| out.push_str(if values.value(row) { "true" } else { "false" }))
        }
        Type::TinyInt => display::<Int8Type>(array),
        Type::SmallInt => display::<Int16Type>(array),
        Type::Integer => display::<Int32Type>(array),
        Type::BigInt => display::<Int64Type>(array),
        Type::UTinyInt => display::<UInt8Type>(array),
        Type::USmallInt => display::<UInt16Type>(array),
        Type::UInteger => display::<UInt32Type>(array),
        Type::UBigInt => display::<UInt64Type>(array),
        Type::HugeInt => display::<Decimal128Type>(array),
        Type::UHugeInt => display::<Decimal256Type>(array),
        Type::Float => {
            primitive::<Float32Type>(array, |value, out| float(out, f64::from(value), &value.to_string_shortest()))
        }
        Type::Double => primitive::<Float64Type>(array, |value, out| float(out, value, &value.to_string_shortest())),
        Type::Decimal(width, scale) => {
            primitive::<Decimal128Type>(array, move |value, out| decimal(out, value, *width, *scale))
        }
        Type::Varchar | Type::Json => {
            let values = array.as_string::<i32>();
            Box::new(move |row, out| out.push_str(values.value(row)))
        }
        Type::Blob => {
            let values = array.as_binary::<i32>();
            Box::new(move |row, out| blob(out, values.value(row)))
        }
        Type::Bit => {
            let values = array.as_binary::<i32>();
            Box::new(move |row, out| bit(out, values.value(row)))
        }
        // Its digits are not known here; no cast comes this way.
        Type::BigNum => Box::new(|_, out| out.push('?')),
        Type::Uuid => {
            let values = array.as_fixed_size_binary();
            Box::new(move |row, out| uuid(out, values.value(row)))
        }
        Type::TimeTz => {
            let values = array.as_fixed_size_binary();
            Box::new(move |row, out| time_tz(out, values.value(row)))
        }
        Type::Date => primitive::<Date32Type>(array, |value, out| date(out, value)),
        Type::Time => primitive::<Time64MicrosecondType>(array, |value, out| time(out, value, 1)),
        Type::TimeNs => primitive::<Time64NanosecondType>(array, |value, out| time(out, value, 1000)),
        Type::Timestamp(unit) => timestamps(array, *unit),
        Type::TimestampTz => primitive::<TimestampMicrosecondType>(array, |value, out| {
            timestamp(out, value, 1);
            if value.unsigned_abs() != TIMESTAMP_INFINITY.unsigned_abs() {
                out.push_str("+00");
            }
        }),
        Type::Interval => primitive::<IntervalMonthDayNanoType>(array, |value, out| interval(out, value)),
        Type::List(item) => {
            let lists = array.as_list::<i32>();
            let items = nested(lists.values(), item);
            Box::new(move |row, out| {
                let offsets = lists.value_offsets();
                list(out, offsets[row] as usize..offsets[row + 1] as usize, &items);
            })
        }
        Type::Array(item, size) => {
            let lists = array.as_fixed_size_list();
            let items = nested(lists.values(), item);
            let size = usize::try_from(*size).unwrap_or(0);
            Box::new(move |row, out| list(out, row * size..(row + 1) * size, &items))
        }
        Type::Struct(fields) => {
            let columns = array.as_struct().columns().iter().zip(fields);
            let fields: Vec<_> = columns.map(|(column, (name, ty))| (name, nested(column, ty))).collect();
            Box::new(move |row, out| {
                out.push('{');
                for (index, (name, field)) in fields.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    out.push('\'');
                    for character in name.chars() {
                        out.push_str(if matches!(character, '\'' | '\\') { "\\" } else { "" });
                        out.push(character);
                    }
                    out.push_str("': ");
                    field(row, out);
                }
                out.push('}');
            })
        }
        Type::Map(key, value) => {
            let maps = array.as_map();
            let (keys, values) = (nested(maps.keys(), key), nested(maps.values(), value));
            Box::new(move |row, out| {
                let offsets = maps.value_offsets();
                out.push('{');
                for (index, entry) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    keys(entry, out);
                    out.push('=');
                    values(entry, out);
                }
                out.push('}');
            })
        }
        Type::Null => Box::new(|_, _| {}),
    }
}

/// Shortest digits that read back as the same number, in scientific notation: `1.5e-7`.
trait Shortest {
    fn to_string_shortest(self) -> String;
}

impl Shortest for f32 {
    fn to_string_shortest(self) -> String {
        let shortest = format!("{self:e}");
        if is_between(&shortest, f64::from(self), [self.next_down().into(), self.next_up().into()]) {
            return format!("{self:.digits$e}", digits = digit_count(&shortest));
        }
        even_tie(shortest, 8, |digits| format!("{self:.digits$e}"), |text| text.parse() == Ok(self))
    }
}

impl Shortest for f64 {
    fn to_string_shortest(self) -> String {
        even_tie(format!("{self:e}"), 16, |digits| format!("{self:.digits$e}"), |text| text.parse() == Ok(self))
    }
}

fn digit_count(scientific: &str) -> usize {
    scientific.split('e').next().unwrap_or_default().bytes().filter(u8::is_ascii_digit).count()
}

/// Whether a form lies in the middle between a FLOAT and a neighbour: it reads back by rounding to even only, and DuckDB
/// does not count on that for FLOAT. Numbers so large are whole.
fn is_between(form: &str, value: f64, neighbours: [f64; 2]) -> bool {
    const WHOLE: std::ops::Range<f64> = 16_777_216.0..1e30;
    let whole = || -> Option<i128> {
        let (mantissa, exponent) = form.split_once('e')?;
        let digits: i128 = mantissa.replace('.', "").parse().ok()?;
        let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let zeros = exponent.parse::<u32>().ok()?.checked_sub(u32::try_from(fraction).ok()?)?;
        digits.checked_mul(10_i128.checked_pow(zeros)?)
    };
    WHOLE.contains(&value.abs())
        && whole()
            .is_some_and(|form| neighbours.into_iter().any(|neighbour| form * 2 == value as i128 + neighbour as i128))
}

/// A number that lies in the middle of two of its shortest forms takes the even one. Only forms of `many` digits have
/// such neighbours.
fn even_tie(
    shortest: String,
    many: usize,
    exact: impl Fn(usize) -> String,
    reads_back: impl Fn(&str) -> bool,
) -> String {
    const MORE_DIGITS: usize = 30;
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let count = digit_count(&shortest);
    let odd = mantissa.bytes().last().is_some_and(|digit| digit % 2 == 1);
    if count < many || !odd {
        return shortest;
    }
    let exact = exact(count + MORE_DIGITS);
    let (digits, exponent) = exact.split_once('e').unwrap_or((&exact, "0"));
    let (kept, rest) = digits.split_at(digits.len().min(mantissa.len()));
    if rest.strip_prefix('5').is_some_and(|rest| rest.bytes().all(|digit| digit == b'0')) {
        let even = format!("{kept}e{exponent}");
        return if reads_back(&even) { even } else { shortest };
    }
    shortest
}

fn primitive<'a, T: ArrowPrimitiveType>(
    array: &'a ArrayRef,
    write: impl Fn(T::Native, &mut String) + 'a,
) -> Writer<'a> {
    let values = array.as_primitive::<T>();
    Box::new(move |row, out| write(values.value(row), out))
}

fn display<'a, T: ArrowPrimitiveType>(array: &'a ArrayRef) -> Writer<'a>
where
    T::Native: std::fmt::Display,
{
    primitive::<T>(array, |value, out| put(out, format_args!("{value}")))
}

/// A value inside a list, struct or map: NULL is written, text is quoted where it could be taken for something else.
fn nested<'a>(array: &'a ArrayRef, ty: &'a Type) -> Writer<'a> {
    let write = writer(array, ty);
    let quotes = !matches!(ty, Type::List(_) | Type::Array(..) | Type::Struct(_) | Type::Map(..));
    Box::new(move |row, out| {
        if array.is_null(row) {
            out.push_str("NULL");
            return;
        }
        let start = out.len();
        write(row, out);
        if quotes && needs_quotes(&out[start..]) {
            let text = out.split_off(start);
            out.push('\'');
            for character in text.chars() {
                out.push_str(if matches!(character, '\'' | '\\') { "\\" } else { "" });
                out.push(character);
            }
            out.push('\'');
        }
    })
}

fn needs_quotes(text: &str) -> bool {
    text.is_empty()
        || text.eq_ignore_ascii_case("null")
        || text.starts_with(|c: char| c.is_ascii_whitespace() || c == '\x0b')
        || text.ends_with(|c: char| c.is_ascii_whitespace() || c == '\x0b')
        || text.contains(['{', '}', '(', ')', '[', ']', ',', '=', ':', '\'', '"'])
}

fn list(out: &mut String, items: std::ops::Range<usize>, item: &Writer<'_>) {
    out.push('[');
    for (index, row) in items.enumerate() {
        out.push_str(if index == 0 { "" } else { ", " });
        item(row, out);
    }
    out.push(']');
}

/// `1.0`, `0.0001`, `1e-05`, `1e+16`, `inf`, `nan`: 17 digits in front of the point are too many.
fn float(out: &mut String, value: f64, scientific: &str) {
    if value.is_nan() {
        return out.push_str(if value.is_sign_negative() { "-nan" } else { "nan" });
    }
    if value.is_infinite() {
        return out.push_str(if value > 0.0 { "inf" } else { "-inf" });
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    out.push_str(sign);
    let digits = mantissa.replace('.', "");
    if !(-4..16).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        return put(out, format_args!("e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()));
    }
    if exponent < 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', (-exponent - 1) as usize));
        return out.push_str(&digits);
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        out.push_str(&digits);
        out.extend(std::iter::repeat_n('0', whole - digits.len()));
        return out.push_str(".0");
    }
    put(out, format_args!("{}.{}", &digits[..whole], &digits[whole..]));
}

/// `1.50`; a decimal that has no digits before its point shows none.
fn decimal(out: &mut String, value: i128, width: u8, scale: u8) {
    if scale == 0 {
        return put(out, format_args!("{value}"));
    }
    let factor = 10_u128.pow(u32::from(scale));
    let sign = if value < 0 { "-" } else { "" };
    let (whole, rest) = (value.unsigned_abs() / factor, value.unsigned_abs() % factor);
    let digits = usize::from(scale);
    if width == scale {
        return put(out, format_args!("{sign}.{rest:0digits$}"));
    }
    put(out, format_args!("{sign}{whole}.{rest:0digits$}"));
}

fn blob(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'\\' | b'\'' | b'"' => put(out, format_args!("\\x{byte:02X}")),
            32..=126 => out.push(char::from(*byte)),
            _ => put(out, format_args!("\\x{byte:02X}")),
        }
    }
}

/// The first byte counts the bits of padding at the head of the second.
fn bit(out: &mut String, bytes: &[u8]) {
    let Some((padding, bytes)) = bytes.split_first() else { return };
    let bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |shift| byte >> shift & 1 == 1));
    out.extend(bits.skip(usize::from(*padding)).map(|bit| if bit { '1' } else { '0' }));
}

fn uuid(out: &mut String, bytes: &[u8]) {
    for (index, byte) in bytes.iter().enumerate() {
        out.push_str(if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" });
        put(out, format_args!("{byte:02x}"));
    }
}

/// Microseconds in the upper 40 bits, and in the lower 24 how far the offset is below 15:59:59 in seconds.
fn time_tz(out: &mut String, bytes: &[u8]) {
    let packed = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    time(out, (packed >> 24) as i64, 1);
    let offset = 57_599 - (packed & 0xff_ffff) as i64;
    let seconds = offset.abs();
    put(out, format_args!("{}{:02}", if offset < 0 { '-' } else { '+' }, seconds / 3600));
    if seconds % 3600 != 0 {
        put(out, format_args!(":{:02}", seconds / 60 % 60));
    }
    if seconds % 60 != 0 {
        put(out, format_args!(":{:02}", seconds % 60));
    }
}

pub(in crate::expression) fn date(out: &mut String, days: i32) {
    match days {
        DATE_INFINITY => return out.push_str("infinity"),
        days if days == -DATE_INFINITY => return out.push_str("-infinity"),
        _ => {}
    }
    let day = calendar::civil(i64::from(days));
    let year = if day.year > 0 { day.year } else { 1 - day.year };
    put(out, format_args!("{year:04}-{:02}-{:02}", day.month, day.day));
    if day.year <= 0 {
        out.push_str(" (BC)");
    }
}

/// `units` are the parts of a microsecond.
pub(in crate::expression) fn time(out: &mut String, value: i64, units: i64) {
    let per_second = MICROS_PER_SECOND * units;
    let (seconds, fraction) = (value / per_second, value % per_second);
    put(out, format_args!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
    if fraction != 0 {
        let digits = format!("{fraction:0width$}", width = if units == 1 { 6 } else { 9 });
        put(out, format_args!(".{}", digits.trim_end_matches('0')));
    }
}

fn timestamps(array: &ArrayRef, unit: TimeUnit) -> Writer<'_> {
    // Seconds and milliseconds can lie beyond what microseconds reach.
    match unit {
        TimeUnit::Second => primitive::<TimestampSecondType>(array, |value, out| coarse(out, value, MICROS_PER_SECOND)),
        TimeUnit::Millisecond => primitive::<TimestampMillisecondType>(array, |value, out| coarse(out, value, 1000)),
        TimeUnit::Microsecond => primitive::<TimestampMicrosecondType>(array, |value, out| timestamp(out, value, 1)),
        TimeUnit::Nanosecond => primitive::<TimestampNanosecondType>(array, |value, out| timestamp(out, value, 1000)),
    }
}

/// `units` are the parts of a microsecond.
pub(in crate::expression) fn timestamp(out: &mut String, value: i64, units: i64) {
    if infinite(out, value) {
        return;
    }
    let per_day = calendar::MICROS_PER_DAY * units;
    day_and_time(out, value.div_euclid(per_day), value.rem_euclid(per_day), units);
}

/// `micros` is how many microseconds one unit is.
fn coarse(out: &mut String, value: i64, micros: i64) {
    if infinite(out, value) {
        return;
    }
    let per_day = calendar::MICROS_PER_DAY / micros;
    day_and_time(out, value.div_euclid(per_day), value.rem_euclid(per_day) * micros, 1);
}

fn infinite(out: &mut String, value: i64) -> bool {
    let infinite = value.unsigned_abs() == TIMESTAMP_INFINITY.unsigned_abs();
    if infinite {
        out.push_str(if value > 0 { "infinity" } else { "-infinity" });
    }
    infinite
}

fn day_and_time(out: &mut String, days: i64, within: i64, units: i64) {
    let day = calendar::civil(days);
    let year = if day.year > 0 { day.year } else { 1 - day.year };
    put(out, format_args!("{year:04}-{:02}-{:02}", day.month, day.day));
    if day.year <= 0 {
        out.push_str(" (BC)");
    }
    out.push(' ');
    time(out, within, units);
}

pub(in crate::expression) fn interval(out: &mut String, value: IntervalMonthDayNano) {
    let start = out.len();
    for (count, unit) in [(value.months / 12, "year"), (value.months % 12, "month"), (value.days, "day")] {
        if count != 0 {
            let space = if out.len() > start { " " } else { "" };
            let plural = if count.abs() == 1 { "" } else { "s" };
            put(out, format_args!("{space}{count} {unit}{plural}"));
        }
    }
    let micros = value.nanoseconds / 1000;
    if micros == 0 && out.len() > start {
        return;
    }
    out.push_str(if out.len() > start { " " } else { "" });
    out.push_str(if micros < 0 { "-" } else { "" });
    // The smallest i64 has no negative.
    let micros = i64::try_from(micros.unsigned_abs()).unwrap_or(i64::MAX);
    time(out, micros, 1);
}

/// Writing to a string does not fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}
