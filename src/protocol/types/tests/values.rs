//! Values at the edge of their types, and beyond it.

use arrow::{
    array::*,
    buffer::NullBuffer,
    datatypes::{IntervalMonthDayNano, UInt8Type, UInt32Type},
};

use super::*;
use crate::engine::{Extension, Result};

/// One column of `target`, sent as `array` under its plain type.
fn sent(array: impl Array + 'static, target: Field) -> Result<ArrayRef> {
    sent_as(nullable("c", array.data_type().clone()), Arc::new(array), target)
}

fn sent_as(source: Field, array: ArrayRef, target: Field) -> Result<ArrayRef> {
    let batch = RecordBatch::try_new(Arc::new(one_column(source)), vec![array]).unwrap();
    conform(&batch, &Arc::new(one_column(target.with_name("c")))).map(|rows| Arc::clone(rows.column(0)))
}

fn extension(extension: Extension) -> Field {
    extension.field("c", true)
}

fn fixed<const N: usize>(values: impl IntoIterator<Item = Option<[u8; N]>>) -> FixedSizeBinaryArray {
    FixedSizeBinaryArray::try_from_sparse_iter_with_size(values.into_iter(), N as i32).unwrap()
}

fn binary(values: &[&[u8]]) -> ArrayRef {
    Arc::new(BinaryArray::from_iter_values(values))
}

fn reason(refused: Result<ArrayRef>) -> String {
    refused.unwrap_err().to_string()
}

#[test]
fn uuids_are_read_from_text() {
    let text = StringArray::from(vec![Some("00112233-4455-6677-8899-aabbccddeeff"), None]);
    let expected = fixed([Some(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes()), None]);
    assert_eq!(sent(text, extension(Extension::Uuid)).unwrap().as_fixed_size_binary(), &expected);
    for text in ["", "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeefg"] {
        let refused = reason(sent(StringArray::from(vec![text]), extension(Extension::Uuid)));
        assert_eq!(refused, format!("column \"c\": {text:?} is no UUID"));
    }
}

#[test]
fn huge_integers_are_all_bits_of_a_decimal() {
    let values = [Some(i128::MIN), Some(-1), None, Some(i128::MAX)];
    for huge in [Extension::HugeInt, Extension::UHugeInt] {
        let decimals = Decimal128Array::from(values.to_vec()).with_precision_and_scale(38, 0).unwrap();
        let expected = fixed(values.map(|value| value.map(i128::to_le_bytes)));
        assert_eq!(sent(decimals.slice(1, 3), extension(huge)).unwrap().as_fixed_size_binary(), &expected.slice(1, 3));
    }
    let scaled = Decimal128Array::from(vec![1]).with_precision_and_scale(38, 1).unwrap();
    let refused = reason(sent(scaled, extension(Extension::HugeInt)));
    assert_eq!(refused, r#"column "c" was sent as DECIMAL(38,1) and is HUGEINT in the table"#);
}

#[test]
fn a_time_with_time_zone_is_whole_or_null() {
    let column = || extension(Extension::TimeTz);
    let none = Time64MicrosecondArray::from(vec![None, None]);
    assert_eq!(sent(none, column()).unwrap().null_count(), 2);
    assert_eq!(sent(Time64MicrosecondArray::from(Vec::<i64>::new()), column()).unwrap().len(), 0);
    let some = reason(sent(Time64MicrosecondArray::from(vec![None, Some(0)]), column()));
    let text = "its TIME WITH TIME ZONE was sent without the zone: SET arrow_lossless_conversion = true";
    assert_eq!(some, format!("column \"c\": {text}"));

    let packed = |micros: u64, offset: u64| {
        sent_as(column(), Arc::new(fixed([Some(((micros << 24) | offset).to_le_bytes())])), column())
    };
    for (micros, offset) in [(0, 0), (86_400_000_000, 115_198)] {
        packed(micros, offset).unwrap();
    }
    for (micros, offset) in [(86_400_000_001, 0), (0, 115_199), ((1 << 40) - 1, 0)] {
        assert_eq!(reason(packed(micros, offset)), r#"column "c": what was sent is no TIME WITH TIME ZONE"#);
    }
}

#[test]
fn times_lie_within_a_day() {
    let micros = || nullable("c", DataType::Time64(TimeUnit::Microsecond));
    let nanos = || nullable("c", DataType::Time64(TimeUnit::Nanosecond));
    sent(Time64MicrosecondArray::from(vec![Some(0), None, Some(86_400_000_000)]), micros()).unwrap();
    sent(Time64NanosecondArray::from(vec![Some(0), None, Some(86_400_000_000_000)]), nanos()).unwrap();
    for outside in [-1, 86_400_000_001] {
        let refused = reason(sent(Time64MicrosecondArray::from(vec![outside]), micros()));
        assert!(refused.starts_with(r#"column "c": what was sent is no TIME; "#), "{refused}");
    }
    assert!(sent(Time64NanosecondArray::from(vec![86_400_000_000_001]), nanos()).is_err());
}

#[test]
fn intervals_have_whole_microseconds() {
    let column = || nullable("c", DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano));
    let nanos = |nanos| IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(i32::MIN, i32::MAX, nanos)]);
    for whole in [0, -1_000, 9_223_372_036_854_775_000] {
        sent(nanos(whole), column()).unwrap();
    }
    // A microsecond more than fits, as DuckDB sends it.
    let refused = reason(sent(nanos(9_223_372_036_854_776_i64.wrapping_mul(1_000)), column()));
    assert_eq!(refused, r#"column "c": what was sent is no INTERVAL within 292 years of microseconds"#);
}

#[test]
fn bits_and_bignums_are_checked() {
    let bit = |bytes: &[u8]| sent_as(extension(Extension::Bit), binary(&[bytes]), extension(Extension::Bit));
    for bytes in [&[0, 0xff][..], &[7, 0xff], &[3, 0, 1, 2]] {
        assert_eq!(&bit(bytes).unwrap(), &binary(&[bytes]));
    }
    for bytes in [&[][..], &[0], &[8, 0]] {
        assert_eq!(reason(bit(bytes)), r#"column "c": what was sent is no BIT"#);
    }
    let bignum = |bytes: &[u8]| sent_as(extension(Extension::BigNum), binary(&[bytes]), extension(Extension::BigNum));
    for bytes in [&[0x80, 0, 1, 0][..], &[0x80, 0, 1, 5], &[0x7f, 0xff, 0xfe, 0xfa], &[0x80, 0, 2, 1, 0]] {
        assert_eq!(&bignum(bytes).unwrap(), &binary(&[bytes]));
    }
    let length_lies: &[u8] = &[0x80, 0, 2, 5];
    let leading_zero: &[u8] = &[0x80, 0, 2, 0, 5];
    let minus_zero: &[u8] = &[0x7f, 0xff, 0xfe, 0xff];
    for bytes in [&[][..], &[0x80, 0, 0], length_lies, leading_zero, minus_zero] {
        assert_eq!(reason(bignum(bytes)), r#"column "c": what was sent is no BIGNUM"#);
    }
}

#[test]
fn what_lies_below_a_null_is_not_looked_at() {
    let broken: ArrayRef = Arc::new(Time64MicrosecondArray::from(vec![-1, 5]));
    let nulls = || Some(NullBuffer::from(vec![false, true]));
    let time = Arc::new(nullable("element", broken.data_type().clone()));
    let within = StructArray::new(vec![Arc::clone(&time)].into(), vec![Arc::clone(&broken)], nulls());
    let target = nullable("c", within.data_type().clone());
    assert!(sent(within, target).unwrap().is_null(0));
    let within = FixedSizeListArray::new(time, 1, broken, nulls());
    let target = nullable("c", within.data_type().clone());
    assert!(sent(within, target).unwrap().is_null(0));
}

#[test]
fn enums_are_the_text_behind_their_keys() {
    let column = || nullable("c", DataType::Utf8);
    let values: ArrayRef = Arc::new(StringArray::from(vec![Some("sad"), Some("ok"), None]));
    let keys = UInt8Array::from(vec![Some(1), None, Some(0), Some(2)]);
    let expected = StringArray::from(vec![Some("ok"), None, Some("sad"), None]);
    let array = DictionaryArray::<UInt8Type>::new(keys, Arc::clone(&values));
    assert_eq!(sent(array.clone(), column()).unwrap().as_string::<i32>(), &expected);
    assert_eq!(sent(array.slice(1, 2), column()).unwrap().as_string::<i32>(), &expected.slice(1, 2));
    let empty: ArrayRef = Arc::new(StringArray::from(Vec::<&str>::new()));
    let none = DictionaryArray::<UInt32Type>::new(UInt32Array::from(vec![None, None]), empty);
    assert_eq!(sent(none, column()).unwrap().null_count(), 2);

    let long: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(1 << 20)]));
    let bomb = DictionaryArray::<UInt8Type>::new(UInt8Array::from(vec![0; 2_100]), long);
    assert!(reason(sent(bomb, column())).contains("more than 2 GiB"));
    assert!(sent(array, Field::new("c", DataType::Utf8, false)).is_err());
}

#[test]
fn extensions_do_not_pass_for_each_other() {
    let ids: ArrayRef = Arc::new(fixed([Some([0; 16])]));
    let refused = reason(sent_as(extension(Extension::Uuid), Arc::clone(&ids), extension(Extension::HugeInt)));
    assert_eq!(refused, r#"column "c" was sent as UUID and is HUGEINT in the table"#);
    let text = StringArray::from(vec!["x"]);
    let refused = reason(sent(text, extension(Extension::BigNum)));
    assert_eq!(refused, r#"column "c" was sent as VARCHAR and is BIGNUM in the table"#);
    let plain = reason(sent_as(extension(Extension::Uuid), ids, nullable("c", DataType::Utf8)));
    assert_eq!(plain, r#"column "c" was sent as UUID and is VARCHAR in the table"#);
    let pair = |length| DataType::FixedSizeList(Arc::new(nullable("element", DataType::Int32)), length);
    let refused = reason(sent(new_null_array(&pair(2), 1).as_fixed_size_list().clone(), nullable("c", pair(3))));
    assert_eq!(refused, r#"column "c" was sent as INTEGER[2] and is INTEGER[3] in the table"#);
}
