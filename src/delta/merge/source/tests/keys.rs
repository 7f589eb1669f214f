use arrow::{
    array::{Array, AsArray, FixedSizeListArray, ListArray, MapArray, StructArray, UInt32Array},
    buffer::{NullBuffer, OffsetBuffer},
    compute::take_record_batch,
};

use super::*;
use crate::{engine::Error, protocol::golden::Noise};

/// Of each type, values of which some are equal though they differ, and some differ though they look alike.
pub(super) const VALUES: [Values; 27] = [
    ("BOOLEAN", &["true", "false"]),
    ("TINYINT", &["-1", "1", "127", "-128"]),
    ("SMALLINT", &["-1", "255", "256"]),
    ("INTEGER", &["-1", "0", "65536", "2147483647"]),
    ("BIGINT", &["-1", "0", "4294967296", "9223372036854775807"]),
    ("UTINYINT", &["0", "255", "127"]),
    ("USMALLINT", &["0", "65535"]),
    ("UINTEGER", &["0", "4294967295"]),
    ("UBIGINT", &["0", "18446744073709551615", "9223372036854775808"]),
    ("HUGEINT", &["-1", "0", "170141183460469231731687303715884105727", "18446744073709551616"]),
    ("UHUGEINT", &["0", "340282366920938463463374607431768211455", "18446744073709551616"]),
    ("FLOAT", &["0", "-0", "nan", "-nan", "inf", "-inf", "1.5"]),
    ("DOUBLE", &["0", "-0", "nan", "-nan", "inf", "-inf", "1e300"]),
    ("DECIMAL(4,1)", &["1.0", "-1.0", "10.0"]),
    ("DECIMAL(38,10)", &["1", "1.0000000001", "-9999999999999999999999999999"]),
    ("VARCHAR", &["", "a", "A", "a ", "ab", "ä", "longer than a block of thirty-two bytes, by some"]),
    ("BLOB", &["", "a", "a\\x00", "\\x00"]),
    ("JSON", &["1", "1.0", "{\"a\": 1}", "{\"a\":1}"]),
    ("UUID", &["00000000-0000-0000-0000-000000000001", "80000000-0000-0000-0000-000000000001"]),
    ("DATE", &["1992-01-01", "1970-01-01", "infinity", "-infinity"]),
    ("TIME", &["00:00:00", "12:34:56.789", "24:00:00"]),
    ("TIMESTAMP", &["1992-01-01 00:00:00", "1992-01-01 00:00:00.000001", "infinity"]),
    ("TIMESTAMP_S", &["1992-01-01 00:00:00", "1970-01-01 00:00:00"]),
    ("TIMESTAMP_MS", &["1992-01-01 00:00:00", "1992-01-01 00:00:00.001"]),
    ("TIMESTAMP_NS", &["1992-01-01 00:00:00", "1992-01-01 00:00:00.000000001"]),
    ("TIMESTAMPTZ", &["1992-01-01 00:00:00+00", "1992-01-01 01:00:00+01", "1992-01-01 00:00:00+01"]),
    ("INTERVAL", &["1 month", "30 days", "29 days 24 hours", "720 hours", "1 day", "24 hours", "-1 month", "0 days"]),
];

pub(super) type Values = (&'static str, &'static [&'static str]);

/// Random values of a type, some of them NULL.
pub(super) fn of_type(noise: &mut Noise, name: &str, (ty, values): Values, rows: usize) -> (Field, ArrayRef) {
    let texts = (0..rows).map(|_| if noise.below(6) == 0 { None } else { Some(values[noise.below(values.len())]) });
    column(name, ty, &texts.collect::<Vec<_>>())
}

/// Random lists, arrays, structs and maps of a type, some of them NULL.
fn nested(noise: &mut Noise, name: &str, (values, kind): (Values, usize), rows: usize) -> (Field, ArrayRef) {
    let nulls: Option<NullBuffer> = Some((0..rows).map(|_| noise.below(6) > 0).collect::<Vec<_>>().into());
    let lengths = OffsetBuffer::from_lengths((0..rows).map(|_| noise.below(3)));
    let children = lengths[rows] as usize;
    let array: ArrayRef = match kind {
        0 => {
            let (item, items) = of_type(noise, "element", values, children);
            Arc::new(ListArray::new(item.into(), lengths, items, nulls))
        }
        1 => {
            let (item, items) = of_type(noise, "element", values, 2 * rows);
            Arc::new(FixedSizeListArray::new(item.into(), 2, items, nulls))
        }
        2 => {
            let children = [("a", values), ("b", VALUES[0])].map(|(name, values)| of_type(noise, name, values, rows));
            let (fields, columns): (Vec<_>, Vec<_>) = children.into_iter().unzip();
            Arc::new(StructArray::new(fields.into(), columns, nulls))
        }
        _ => {
            let keys: Vec<_> = (0..children).map(|_| Some(["a", "b"][noise.below(2)])).collect();
            let (key, keys) = column("key", "VARCHAR", &keys);
            let (value, items) = of_type(noise, "value", values, children);
            let entries = StructArray::new(vec![key.with_nullable(false), value].into(), vec![keys, items], None);
            let field = Field::new("key_value", entries.data_type().clone(), false);
            Arc::new(MapArray::new(field.into(), lengths, entries, nulls, false))
        }
    };
    (Field::new(name, array.data_type().clone(), true), array)
}

/// Every row of the one beside every row of the other, and where the condition holds.
pub(super) fn expected(target: &RecordBatch, source: &RecordBatch, condition: &str) -> Vec<(u64, u64)> {
    let (targets, sources) = (target.num_rows() as u32, source.num_rows() as u32);
    let left = UInt32Array::from_iter_values((0..targets).flat_map(|row| std::iter::repeat_n(row, sources as usize)));
    let right = UInt32Array::from_iter_values((0..targets).flat_map(|_| 0..sources));
    let (left_rows, right_rows) =
        (take_record_batch(target, &left).unwrap(), take_record_batch(source, &right).unwrap());
    let side = |rows: &RecordBatch| -> Vec<(Field, ArrayRef)> {
        let fields = rows.schema();
        fields.fields().iter().map(|field| field.as_ref().clone()).zip(rows.columns().iter().cloned()).collect()
    };
    let joined = batch([side(&left_rows), side(&right_rows)].concat());
    let holds = expression(condition, joined.schema_ref()).evaluate(&joined).unwrap();
    let holds = holds.as_boolean();
    let rows = (0..holds.len()).filter(|row| holds.is_valid(*row) && holds.value(*row));
    rows.map(|row| (left.value(row).into(), right.value(row).into())).collect()
}

fn sorted(mut pairs: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    pairs.sort_unstable();
    pairs
}

#[test]
fn pairs_are_those_of_which_the_condition_holds_whatever_the_type() {
    for (seed, values) in VALUES.into_iter().enumerate() {
        let mut noise = Noise::new(seed as u64);
        let target = batch(vec![of_type(&mut noise, "t", values, 40)]);
        let source = batch(vec![of_type(&mut noise, "s", values, 30)]);
        check_pairs(&target, &source, &format!("{values:?}"));
    }
    for (seed, values) in VALUES.into_iter().enumerate() {
        for kind in 0..4 {
            let mut noise = Noise::new(seed as u64);
            let target = batch(vec![nested(&mut noise, "t", (values, kind), 60)]);
            let source = batch(vec![nested(&mut noise, "s", (values, kind), 60)]);
            check_pairs(&target, &source, &format!("{kind} of {values:?}"));
        }
    }
}

fn check_pairs(target: &RecordBatch, source: &RecordBatch, what: &str) {
    for (nulls_equal, condition) in [(false, "t = s"), (true, "t IS NOT DISTINCT FROM s")] {
        let plan = plan(target.schema_ref(), source.schema_ref(), &[("t", "s", nulls_equal)], &[]);
        let expected = expected(target, source, condition);
        assert!(!expected.is_empty(), "{what}");
        let source = kept(&[source.slice(0, 11), source.slice(11, 0), source.slice(11, source.num_rows() - 11)]);
        assert_eq!(pairs(&plan, target, &source, PLENTY, 61), expected, "{what}: {condition}");
    }
}

#[test]
fn pairs_of_several_keys_over_several_passes() {
    for seed in 0..60 {
        let mut noise = Noise::new(seed);
        let types = [0, 1, 2].map(|_| VALUES[noise.below(VALUES.len())]);
        let count = 1 + noise.below(3);
        let mut side = |name: &str, rows| {
            let columns = types[..count].iter().enumerate();
            batch(columns.map(|(at, values)| of_type(&mut noise, &format!("{name}{at}"), *values, rows)).collect())
        };
        let (target, source) = (side("t", 60), side("s", 80));
        let names: Vec<(String, String)> = (0..count).map(|at| (format!("t{at}"), format!("s{at}"))).collect();
        let nulls_equal: Vec<bool> = (0..count).map(|_| noise.below(2) == 0).collect();
        let keys: Vec<_> =
            names.iter().zip(&nulls_equal).map(|((t, s), equal)| (t.as_str(), s.as_str(), *equal)).collect();
        let operator = |equal: &bool| if *equal { "IS NOT DISTINCT FROM" } else { "=" };
        let terms: Vec<_> = keys.iter().map(|(t, s, equal)| format!("({t} {} {s})", operator(equal))).collect();
        let plan = plan(target.schema_ref(), source.schema_ref(), &keys, &[]);
        let expected = expected(&target, &source, &terms.join(" AND "));
        let source = kept(&[source.slice(0, 50), source.slice(50, 30)]);
        for memory in [PLENTY, 3000] {
            let found = sorted(pairs(&plan, &target, &source, memory, 1 + noise.below(20)));
            assert_eq!(found, expected, "seed {seed}: {types:?} {keys:?}");
        }
    }
}

#[test]
fn conditions_on_the_source_come_before_its_keys() {
    let target = batch(vec![column("t", "INTEGER", &[Some("1"), Some("2"), None])]);
    let texts = [Some("1"), Some("no number"), Some("2"), None, Some("2")];
    let flags = [Some("true"), Some("false"), Some("true"), Some("true"), None];
    let source = batch(vec![column("s", "VARCHAR", &texts), column("f", "BOOLEAN", &flags)]);
    let key = [("t", "CAST(s AS INTEGER)", false)];
    let of = |conditions: &[&str]| plan(target.schema_ref(), source.schema_ref(), &key, conditions);
    let rows = kept(std::slice::from_ref(&source));
    assert_eq!(pairs(&of(&["f"]), &target, &rows, PLENTY, 9), [(0, 0), (1, 2)], "NULL is not true");
    assert_eq!(pairs(&of(&["f", "s > '1'"]), &target, &rows, PLENTY, 9), [(1, 2)]);
    assert_eq!(pairs(&of(&["1 = 2"]), &target, &rows, PLENTY, 9), []);
    let error = KeyIndex::build(&of(&[]), &rows, 0, &MemoryBudget::new(PLENTY)).unwrap_err();
    assert!(error.to_string().contains("no number"), "{error}");
}

#[test]
fn without_keys_every_row_pairs_with_every_other() {
    let target = batch(vec![column("t", "INTEGER", &[Some("1"), None, Some("3")])]);
    let source = batch(vec![column("s", "INTEGER", &[Some("1"), Some("2"), None])]);
    let all: Vec<(u64, u64)> = (0..3).flat_map(|row| (0..3).map(move |other| (row, other))).collect();
    let every = plan(target.schema_ref(), source.schema_ref(), &[], &[]);
    for pairs_max in 1..11 {
        assert_eq!(pairs(&every, &target, &kept(std::slice::from_ref(&source)), PLENTY, pairs_max), all);
    }
    let some = plan(target.schema_ref(), source.schema_ref(), &[], &["s >= 2"]);
    assert_eq!(pairs(&some, &target, &kept(&[source]), PLENTY, 2), [(0, 1), (1, 1), (2, 1)]);
}

#[test]
fn an_empty_side_pairs_with_nothing() {
    let rows = batch(vec![column("t", "BIGINT", &[Some("1")])]);
    let none = batch(vec![column("s", "BIGINT", &[])]);
    for keys in [&[("t", "s", false)][..], &[]] {
        let plan = plan(rows.schema_ref(), none.schema_ref(), keys, &[]);
        assert_eq!(pairs(&plan, &rows, &kept(std::slice::from_ref(&none)), PLENTY, 5), []);
    }
    let plan = plan(none.schema_ref(), rows.schema_ref(), &[("s", "t", false)], &[]);
    assert_eq!(pairs(&plan, &none, &kept(&[rows]), PLENTY, 5), []);
}

#[test]
fn a_repeated_key_is_found_within_and_between_indexes() {
    let check = |ty: &str, texts: &[Option<&str>], nulls_equal, memory, expected: Option<(u64, u64)>| {
        let source = batch(vec![column("s", ty, texts)]);
        let target = batch(vec![column("t", ty, &[])]);
        let plan = plan(target.schema_ref(), source.schema_ref(), &[("t", "s", nulls_equal)], &[]);
        let (rows, memory) = (kept(&[source]), MemoryBudget::new(memory));
        let (mut first, mut found) = (0, None);
        while first < rows.len() && found.is_none() {
            let index = KeyIndex::build(&plan, &rows, first, &memory).unwrap();
            found = index.repeated().or(index.repeated_after(&rows).unwrap());
            first = index.rows().end;
        }
        assert_eq!(found, expected, "{ty} {texts:?}");
    };
    for (ty, little) in [("BIGINT", 100), ("HUGEINT", 400), ("VARCHAR", 400)] {
        for memory in [PLENTY, little] {
            check(ty, &["1", "2", "3", "2", "1"].map(Some), false, memory, Some((1, 3)));
            check(ty, &["1", "2", "3"].map(Some), false, memory, None);
            check(ty, &[None, Some("1"), None], false, memory, None);
            check(ty, &[None, Some("1"), None], true, memory, Some((0, 2)));
        }
    }
    check("DOUBLE", &[Some("0"), Some("-0")], false, PLENTY, Some((0, 1)));
}

#[test]
fn an_index_stays_within_its_memory_or_says_so() {
    let texts: Vec<String> = (0..20_000).map(|row| format!("{row}")).collect();
    let texts: Vec<_> = texts.iter().map(|text| Some(text.as_str())).collect();
    for ty in ["BIGINT", "HUGEINT", "VARCHAR"] {
        let source = kept(&[batch(vec![column("s", ty, &texts)])]);
        let target = batch(vec![column("t", ty, &[])]);
        let plan = plan(target.schema_ref(), source.schema().as_ref(), &[("t", "s", false)], &[]);
        let (memory, mut first, mut passes) = (MemoryBudget::new(256 << 10), 0, 0);
        while first < source.len() {
            let index = KeyIndex::build(&plan, &source, first, &memory).unwrap();
            assert!(index.rows().start == first && index.rows().end > first);
            assert!(memory.available() >= memory.bytes_max() / 8, "some is left to others");
            (first, passes) = (index.rows().end, passes + 1);
        }
        assert!((2..10).contains(&passes), "{ty}: {passes}");
        let error = KeyIndex::build(&plan, &source, 0, &MemoryBudget::new(20)).unwrap_err();
        let Error::ResourceExhausted(text) = error else { panic!("{error:?}") };
        assert!(
            text.starts_with("the keys of a single row of the source do not fit what is left of the 0 MiB"),
            "{text}"
        );
    }
}
