//! Single values: what is stored of them, extremes first. Bytes are those that DuckDB 1.5 itself hands out.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, Decimal128Array, FixedSizeBinaryArray, FixedSizeListArray, Int16Array,
        Int32Array, Int64Array, IntervalMonthDayNanoArray, ListArray, StringArray, StructArray, Time64MicrosecondArray,
        Time64NanosecondArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
        TimestampSecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{DataType, Field, Int32Type, IntervalMonthDayNano},
};

use super::{
    super::{
        load, store,
        values::{bignum, bit, interval, time_tz},
    },
    data::{Random, parsed},
    of_kind,
};
use crate::engine::Error;

/// Stores and loads; the answer is what is stored.
#[track_caller]
fn round_trip(field: &Field, array: impl Array + 'static) -> ArrayRef {
    let array: ArrayRef = Arc::new(array);
    let stored = store(&array, field).unwrap();
    let loaded = load(&stored, field).unwrap();
    assert_eq!(loaded.data_type(), field.data_type(), "{field}");
    assert_eq!(&loaded, &array, "{field}");
    stored
}

#[track_caller]
fn assert_stored(kind: &str, array: impl Array + 'static, stored: impl Array + 'static) {
    assert_eq!(round_trip(&of_kind(kind), array).as_ref(), &stored as &dyn Array, "{kind}");
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn fixed(values: &[&str]) -> FixedSizeBinaryArray {
    FixedSizeBinaryArray::try_from_iter(values.iter().map(|value| hex(value))).unwrap()
}

fn binary(values: &[&str]) -> BinaryArray {
    values.iter().map(|value| Some(hex(value))).collect()
}

fn texts(values: &[&str]) -> StringArray {
    StringArray::from(values.to_vec())
}

#[test]
fn numbers_without_a_sign_are_kept_as_the_next_wider_type() {
    assert_stored(
        "UTINYINT",
        UInt8Array::from(vec![Some(0), None, Some(255)]),
        Int16Array::from(vec![Some(0), None, Some(255)]),
    );
    assert_stored("USMALLINT", UInt16Array::from(vec![0, u16::MAX]), Int32Array::from(vec![0, 65_535]));
    assert_stored("UINTEGER", UInt32Array::from(vec![0, u32::MAX]), Int64Array::from(vec![0, 4_294_967_295]));
    let decimals = Decimal128Array::from(vec![0, u64::MAX.into()]).with_precision_and_scale(20, 0).unwrap();
    assert_stored("UBIGINT", UInt64Array::from(vec![0, u64::MAX]), decimals);
}

#[test]
fn huge_numbers_are_kept_as_their_digits() {
    let minus_one = "ff".repeat(16);
    let least = format!("{}80", "00".repeat(15));
    let greatest = format!("{}7f", "ff".repeat(15));
    assert_stored(
        "HUGEINT",
        fixed(&[&least, &minus_one, &"00".repeat(16), &greatest]),
        texts(&["-170141183460469231731687303715884105728", "-1", "0", "170141183460469231731687303715884105727"]),
    );
    let one = format!("01{}", "00".repeat(15));
    assert_stored("UHUGEINT", fixed(&[&one, &minus_one]), texts(&["1", "340282366920938463463374607431768211455"]));
}

#[test]
fn big_numbers_are_kept_as_their_digits() {
    assert_stored(
        "BIGNUM",
        binary(&[
            "80000100",
            "80000101",
            "7ffffefe",
            "800001ff",
            "8000020100",
            "7ffffdfeff",
            "80000d018ee90ff6c373e0ee4e3f0ad2",
            "7fffecfb840e698c20ad1c80dbeffee2f00000000000",
        ]),
        texts(&[
            "0",
            "1",
            "-1",
            "255",
            "256",
            "-256",
            "123456789012345678901234567890",
            "-99999999999999999999999999999999999999999999",
        ]),
    );
}

#[test]
fn numbers_of_thousands_of_digits_are_exact() {
    for sign in ["", "-"] {
        for digits in [1, 9, 10, 4999, 39_456] {
            for first in ["1", "9"] {
                let number = format!("{sign}{first}{}", "0123456789".repeat(4000)[..digits - 1].to_owned());
                let bytes = parsed(&number, bignum::parse);
                let mut text = String::new();
                bignum::write(&bytes, &mut text).unwrap();
                assert_eq!(text, number);
            }
        }
    }
    // 2^80
    assert_eq!(parsed("1208925819614629174706176", bignum::parse), hex("80000b0100000000000000000000"));
    assert_eq!(bignum::parse(&"9".repeat(39_500), &mut vec![]), None, "beyond the bound");
    let long = parsed(&"9".repeat(39_456), bignum::parse);
    let longer = [&hex("804001ff")[..], &[0; 16 * 1024]].concat();
    assert!(long.len() <= 3 + 16 * 1024);
    assert!(bignum::write(&longer, &mut String::new()).unwrap_err().contains("39456 digits"));
}

#[test]
fn uuids_are_kept_as_they_are_written() {
    assert_stored(
        "UUID",
        fixed(&["00112233445566778899aabbccddeeff", &"ff".repeat(16)]),
        texts(&["00112233-4455-6677-8899-aabbccddeeff", "ffffffff-ffff-ffff-ffff-ffffffffffff"]),
    );
}

#[test]
fn bits_are_kept_as_they_are_written() {
    assert_stored(
        "BIT",
        binary(&["07fe", "07ff", "06fd", "00aa", "07ff55", "000001"]),
        texts(&["0", "1", "01", "10101010", "101010101", "0000000000000001"]),
    );
}

#[test]
fn times_with_a_zone_keep_the_time_and_the_offset() {
    assert_stored(
        "TIME WITH TIME ZONE",
        fixed(&["ffe0000000000000", "fec1010060d71d14", "0000000826e68b0a", "00e100ff5fd71d14"]),
        texts(&[
            "00:00:00.000000+00:00:00",
            "24:00:00.000000-15:59:59",
            "12:34:56.789000+15:59:59",
            "23:59:59.999999-00:00:01",
        ]),
    );
}

#[test]
fn intervals_keep_months_days_and_nanoseconds_apart() {
    let interval = |months, days, nanoseconds| IntervalMonthDayNano { months, days, nanoseconds };
    assert_stored(
        "INTERVAL",
        IntervalMonthDayNanoArray::from(vec![
            interval(0, 0, 0),
            interval(-1, 2, -3_500_000_000),
            interval(12, 0, 90_000_000_000_000),
            interval(1, -1, 1),
            interval(0, 0, -1),
            interval(i32::MIN, i32::MAX, i64::MIN),
            interval(i32::MAX, i32::MIN, i64::MAX),
        ]),
        texts(&[
            "P0M0DT0S",
            "P-1M2DT-3.5S",
            "P12M0DT90000S",
            "P1M-1DT0.000000001S",
            "P0M0DT-0.000000001S",
            "P-2147483648M2147483647DT-9223372036.854775808S",
            "P2147483647M-2147483648DT9223372036.854775807S",
        ]),
    );
}

#[test]
fn times_of_day_are_counted_from_midnight() {
    let day = 86_400_000_000;
    assert_stored("TIME", Time64MicrosecondArray::from(vec![0, 1, day]), Int64Array::from(vec![0, 1, day]));
    let day = day * 1000;
    assert_stored("TIME_NS", Time64NanosecondArray::from(vec![0, 1, day]), Int64Array::from(vec![0, 1, day]));
}

#[test]
fn timestamps_of_other_units_keep_infinities() {
    let infinities = [i64::MAX, -i64::MAX];
    let micros = |finite: [i64; 2]| TimestampMicrosecondArray::from([&infinities[..], &finite].concat());
    let last = i64::MAX / 1_000_000;
    let seconds = [&infinities[..], &[last, -last]].concat();
    assert_stored("TIMESTAMP_S", TimestampSecondArray::from(seconds), micros([last * 1_000_000, -last * 1_000_000]));
    let last = i64::MAX / 1000;
    let millis = [&infinities[..], &[last, -last]].concat();
    assert_stored("TIMESTAMP_MS", TimestampMillisecondArray::from(millis), micros([last * 1000, -last * 1000]));
    let nanos = [&infinities[..], &[i64::MIN, -1]].concat();
    assert_stored("TIMESTAMP_NS", TimestampNanosecondArray::from(nanos.clone()), Int64Array::from(nanos));
}

#[track_caller]
fn refused(kind: &str, array: impl Array + 'static, problem: &str) {
    let array: ArrayRef = Arc::new(array);
    let error = store(&array, &of_kind(kind)).unwrap_err();
    assert!(matches!(error, Error::InvalidArgument(_)), "{error:?}");
    assert_eq!(error.to_string(), format!("column 'c' holds {problem}"));
}

#[test]
fn values_that_cannot_be_kept_are_refused_by_column_and_value() {
    let beyond = "beyond the range of a TIMESTAMP";
    let problem = format!("the TIMESTAMP_S 9223372036855, which is {beyond}");
    refused("TIMESTAMP_S", TimestampSecondArray::from(vec![0, 9_223_372_036_855]), &problem);
    let problem = format!("the TIMESTAMP_MS -9223372036854776, which is {beyond}");
    refused("TIMESTAMP_MS", TimestampMillisecondArray::from(vec![-9_223_372_036_854_776]), &problem);
    refused("TIME", Time64MicrosecondArray::from(vec![-1]), "the TIME -1, which is not within a day");
    let packed = |kind| format!("a {kind} which is not as DuckDB packs one");
    for bytes in ["", "00", "08ff", "07"] {
        refused("BIT", binary(&[bytes]), &packed("BIT"));
    }
    for bytes in ["", "800001", "80000000", "80000201", "800000"] {
        refused("BIGNUM", binary(&[bytes]), &packed("BIGNUM"));
    }
    for bytes in ["ffe0000000d71d15", "ffffff0000000000"] {
        refused("TIME WITH TIME ZONE", fixed(&[bytes]), &packed("TIME WITH TIME ZONE"));
    }
}

#[test]
fn what_lies_below_a_null_is_not_looked_at() {
    let impossible = || TimestampSecondArray::from(vec![1, i64::MAX - 1, 2]);
    let nulls = || Some(NullBuffer::from(vec![true, false, true]));
    let element = Arc::new(of_kind("TIMESTAMP_S").with_name("element").with_nullable(false));
    let fields = vec![Arc::clone(&element)];
    let structs = StructArray::new(fields.clone().into(), vec![Arc::new(impossible())], nulls());
    let field = Field::new("c", DataType::Struct(fields.into()), true);
    let stored = round_trip(&field, structs);
    assert_eq!(stored.as_struct().column(0).null_count(), 0, "the field itself is NOT NULL");
    for offsets in [vec![0, 1, 2, 3], vec![0, 0, 2, 2]] {
        let offsets = OffsetBuffer::new(offsets.into());
        let list = ListArray::new(Arc::clone(&element), offsets, Arc::new(impossible()), nulls());
        let list: ArrayRef = Arc::new(list);
        let field = Field::new("c", list.data_type().clone(), true);
        let stored = store(&list, &field).unwrap();
        assert_eq!(stored.as_list::<i32>().value_offsets(), list.as_list::<i32>().value_offsets());
    }
    let offsets = OffsetBuffer::new(vec![0, 2, 2, 3].into());
    let list: ArrayRef = Arc::new(ListArray::new(Arc::clone(&element), offsets, Arc::new(impossible()), nulls()));
    assert!(store(&list, &Field::new("c", list.data_type().clone(), true)).is_err(), "a row has it");
    let arrays = FixedSizeListArray::new(Arc::clone(&element), 1, Arc::new(impossible()), nulls());
    let field = Field::new("c", arrays.data_type().clone(), true);
    round_trip(&field, arrays);
}

#[test]
fn slices_of_lists_and_arrays_are_kept_alone() {
    let kind = of_kind("UUID");
    let values = || fixed(&["00", "11", "22", "33", "44", "55"].map(|byte| byte.repeat(16)).each_ref().map(|s| &**s));
    let element = Arc::new(kind.with_name("element"));
    let list = ListArray::new(
        Arc::clone(&element),
        OffsetBuffer::new(vec![0, 2, 3, 6].into()),
        Arc::new(values()),
        Some(NullBuffer::from(vec![true, false, true])),
    );
    let field = Field::new("c", list.data_type().clone(), true);
    let stored = round_trip(&field, list.slice(2, 1));
    assert_eq!(stored.as_list::<i32>().values().len(), 3);
    round_trip(&field, list.slice(0, 0));
    let arrays = FixedSizeListArray::new(element, 2, Arc::new(values()), Some(vec![true, false, true].into()));
    let field = Field::new("c", arrays.data_type().clone(), true);
    let stored = round_trip(&field, arrays.slice(1, 2));
    assert_eq!(stored.as_list::<i32>().values().len(), 2, "the places of a NULL are left out");
    round_trip(&field, arrays.slice(0, 0));
}

#[test]
fn arrays_of_fixed_length_are_kept_as_lists() {
    let lists = vec![Some(vec![Some(1), None]), None, Some(vec![Some(3), Some(4)])];
    let array = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(lists.clone(), 2);
    let field = Field::new("c", array.data_type().clone(), true);
    let stored = round_trip(&field, array);
    let list = stored.as_list::<i32>();
    assert!(list.is_null(1));
    assert_eq!(list.value(2).as_primitive::<Int32Type>().values(), &[3, 4]);
}

#[test]
fn other_spellings_of_a_value_are_read() {
    let read = |kind: &str, text: &str| {
        let stored: ArrayRef = Arc::new(texts(&[text]));
        load(&stored, &of_kind(kind)).ok()
    };
    let same = |kind: &str, text: &str, canonical: &str| {
        let found = read(kind, text);
        assert!(found.is_some(), "{kind} {text}");
        assert_eq!(found, read(kind, canonical), "{kind} {text}");
    };
    same("HUGEINT", "+007", "7");
    same("UHUGEINT", "007", "7");
    same("BIGNUM", "-000", "0");
    same("BIGNUM", "+0012", "12");
    same("UUID", "00112233-4455-6677-8899-AABBCCDDEEFF", "00112233-4455-6677-8899-aabbccddeeff");
    same("UUID", "00112233445566778899aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff");
    same("TIME WITH TIME ZONE", "01:02:03+01", "01:02:03.000000+01:00:00");
    same("TIME WITH TIME ZONE", "01:02:03.5-01:30", "01:02:03.500000-01:30:00");
    same("INTERVAL", "P1Y2M3W4DT5H6M7.5S", "P14M25DT18367.5S");
    same("INTERVAL", "PT-0.5S", "P0M0DT-0.5S");
    same("INTERVAL", "P1D", "P0M1DT0S");
}

#[test]
fn texts_that_are_no_value_are_refused() {
    for (kind, bad) in [
        ("HUGEINT", &["", "-", "1.0", "1e3", " 1", "170141183460469231731687303715884105728", "٣"][..]),
        ("UHUGEINT", &["-1", "340282366920938463463374607431768211456"]),
        ("BIGNUM", &["", "-", "+", "1.5", "--1", "0x1", "1_000"]),
        ("UUID", &["", "abc", "00112233-4455-6677-8899-aabbccddeef", "g0112233-4455-6677-8899-aabbccddeeff"]),
        ("BIT", &["", "012", " 01", "b01"]),
        (
            "TIME WITH TIME ZONE",
            &[
                "",
                "01:02:03",
                "+01",
                "1:02:03+00",
                "24:00:01+00",
                "01:60:00+00",
                "01:02:60+00",
                "01:02:03+16",
                "01:02:03+1",
                "01:02:03.1234567+00",
                "01:02:03.+00",
                "01:02+00",
                "01:02:03:04+00",
                "01:02:03+00:00:00:00",
                "01:02:03+é0",
                "01:02:03.-1+00",
            ],
        ),
        (
            "INTERVAL",
            &[
                "",
                "P",
                "PT",
                "P1",
                "1M",
                "P1DT",
                "P1S",
                "PT1D",
                "P1.5M",
                "P2147483648M",
                "PT9223372036.854775808S",
                "PT1.0000000001S",
                "PT1.S",
                "PT.5S",
                "P1M1M",
                "P1D1M",
                "PT1S1S",
                "P--1M",
                "PT1.-5S",
                "P1Mé",
                "p1m",
                "P99999999999999999999999999999999999999999Y",
            ],
        ),
    ] {
        for text in bad {
            let stored: ArrayRef = Arc::new(texts(&[text]));
            let error = load(&stored, &of_kind(kind)).expect_err(text);
            assert!(matches!(error, Error::FailedPrecondition(_)), "{error:?}");
            assert_eq!(error.to_string(), format!("column 'c' holds {text:?}, which is no value of type {kind}"));
        }
    }
}

/// Texts of a few letters that matter to the parsers: none breaks one, and what one reads it writes and reads again.
#[test]
fn parsers_take_anything() {
    let mut random = Random(3);
    let letters: Vec<char> = "P0123456789MDTS.-+:YWHé".chars().collect();
    let (mut intervals, mut times) = (0, 0);
    for _ in 0..200_000 {
        let length = random.below(12);
        let mut text: String = (0..length).map(|_| letters[random.below(letters.len())]).collect();
        if random.one_in(2) {
            text = format!("P{text}D");
        }
        if let Some(value) = interval::parse(&text) {
            let mut canonical = String::new();
            interval::write(value, &mut canonical);
            assert_eq!(interval::parse(&canonical), Some(value), "{text}");
            intervals += 1;
        }
        let clock: String = (0..8).map(|at| if at % 3 == 2 { ':' } else { letters[1 + random.below(4)] }).collect();
        let text = format!("{clock}{text}+{clock}");
        if let Some(bits) = time_tz::parse(&text[..text.len() - random.below(6)]) {
            let mut canonical = String::new();
            time_tz::write(bits, &mut canonical).unwrap();
            assert_eq!(time_tz::parse(&canonical), Some(bits), "{text}");
            times += 1;
        }
        let _ = (bit::parse(&text, &mut vec![]), bignum::parse(&text, &mut vec![]));
    }
    assert!(intervals > 1000 && times > 100, "{intervals} intervals, {times} times");
}
