//! Filters on columns of DuckDB's types: files, row groups, pages and rows.

use std::{cmp::Ordering, num::NonZeroUsize, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, UInt64Array},
    compute::take_record_batch,
    datatypes::{
        DataType, Field, Schema, Time64MicrosecondType, Time64NanosecondType, TimestampMillisecondType,
        TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};

use super::{
    super::Kind,
    data::{KINDS, Random, values},
    tables::{all_rows, appended, created},
};
use crate::{
    delta::fixtures::Lake,
    engine::{CompareOp, Extension, Predicate, Scalar, ScanRequest},
};

/// A row's value as filters call it; `None` for kinds that no filter tells of.
fn scalar(kind: Kind, array: &ArrayRef, row: usize) -> Option<Scalar> {
    let micros = |value: i64, each: i64| match value {
        i64::MAX => value,
        value if value == -i64::MAX => value,
        value => value * each,
    };
    Some(match kind {
        Kind::UTinyInt => Scalar::Integer(array.as_primitive::<UInt8Type>().value(row).into()),
        Kind::USmallInt => Scalar::Integer(array.as_primitive::<UInt16Type>().value(row).into()),
        Kind::UInteger => Scalar::Integer(array.as_primitive::<UInt32Type>().value(row).into()),
        Kind::UBigInt => Scalar::Integer(array.as_primitive::<UInt64Type>().value(row).into()),
        Kind::Time => Scalar::Integer(array.as_primitive::<Time64MicrosecondType>().value(row).into()),
        Kind::TimeNs => Scalar::Integer(array.as_primitive::<Time64NanosecondType>().value(row).into()),
        Kind::TimestampNs => Scalar::Integer(array.as_primitive::<TimestampNanosecondType>().value(row).into()),
        Kind::TimestampS => {
            Scalar::Timestamp(micros(array.as_primitive::<TimestampSecondType>().value(row), 1_000_000))
        }
        Kind::TimestampMs => {
            Scalar::Timestamp(micros(array.as_primitive::<TimestampMillisecondType>().value(row), 1000))
        }
        _ => return None,
    })
}

fn order(left: &Scalar, right: &Scalar) -> Ordering {
    match (left, right) {
        (Scalar::Integer(a), Scalar::Integer(b)) => a.cmp(b),
        (Scalar::Timestamp(a), Scalar::Timestamp(b)) => a.cmp(b),
        other => panic!("{other:?}"),
    }
}

fn sorted(batch: &RecordBatch, kind: Kind) -> RecordBatch {
    let column = batch.column(0);
    let mut rows: Vec<u64> = (0..column.len() as u64).collect();
    rows.sort_by(|a, b| {
        let at = |row: &u64| scalar(kind, column, *row as usize).filter(|_| column.is_valid(*row as usize));
        match (at(a), at(b)) {
            (Some(a), Some(b)) => order(&a, &b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        }
    });
    take_record_batch(batch, &UInt64Array::from(rows)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_and_times_are_pruned_and_filtered_exactly() {
    let ordered = KINDS.into_iter().filter(|kind| !kind.is_plain());
    let mut pruned = 0;
    for kind in ordered.filter(|kind| !matches!(kind, Kind::Extension(_) | Kind::Interval)) {
        for partitioned in [false, true] {
            let lake = Lake::new();
            let mut random = Random(5);
            let mut fields = vec![kind.field("c", true)];
            fields.push(Field::new("x", DataType::Int64, true));
            let partitions: &[&str] = if partitioned { &["c"] } else { &[] };
            let mut snapshot = created(&lake, "t", fields, partitions).await;
            let schema = snapshot.schema();
            let columns = schema.fields().iter().map(|field| values(&mut random, field, 40)).collect();
            let all = sorted(&RecordBatch::try_new(Arc::clone(&schema), columns).unwrap(), kind);
            let all = if partitioned { without_far_times(&all, kind) } else { all };
            for start in (0..all.num_rows()).step_by(10) {
                let length = 10.min(all.num_rows() - start);
                snapshot = appended(&snapshot, &[all.slice(start, length)]).await;
            }
            let column = all.column(0);
            for row in (0..all.num_rows()).step_by(3).filter(|row| column.is_valid(*row)) {
                let value = scalar(kind, column, row).unwrap();
                let other = scalar(kind, column, all.num_rows() - 1).unwrap();
                for op in CompareOp::ALL {
                    let path = || vec!["c".to_owned()];
                    let compare = Predicate::Compare { column: path(), op, value: value.clone() };
                    let list = Predicate::In {
                        column: path(),
                        values: vec![value.clone(), other.clone()],
                        negated: op == CompareOp::NotEqual,
                    };
                    for (predicate, is_list) in [(compare, false), (list, true)] {
                        let read = all_rows(&snapshot, predicate.clone()).await;
                        let wanted = |row: &usize| {
                            let found = scalar(kind, column, *row).filter(|_| column.is_valid(*row));
                            found.is_some_and(|found| match is_list {
                                true => {
                                    let is_in = order(&found, &value).is_eq() || order(&found, &other).is_eq();
                                    is_in != (op == CompareOp::NotEqual)
                                }
                                false => op.holds(order(&found, &value)),
                            })
                        };
                        let wanted = (0..all.num_rows()).filter(wanted).count();
                        assert_eq!(read.num_rows(), wanted, "{kind}: {predicate:?}");
                        pruned += usize::from(files(&snapshot, &predicate).await < 4 && !partitioned);
                    }
                }
            }
            let nulls = Predicate::IsNull { column: vec!["c".to_owned()], negated: false };
            assert_eq!(all_rows(&snapshot, nulls).await.num_rows(), column.null_count(), "{kind}");
        }
    }
    assert!(pruned > 300, "files are left out: {pruned}");
}

/// Only times that a partition can hold.
fn without_far_times(batch: &RecordBatch, kind: Kind) -> RecordBatch {
    let near = |row: &u64| match scalar(kind, batch.column(0), *row as usize) {
        Some(Scalar::Timestamp(micros)) => micros.unsigned_abs() < 1 << 55,
        _ => true,
    };
    let rows: Vec<u64> = (0..batch.num_rows() as u64).filter(near).collect();
    take_record_batch(batch, &UInt64Array::from(rows)).unwrap()
}

async fn files(snapshot: &Arc<dyn crate::engine::Snapshot>, predicate: &Predicate) -> usize {
    let request = ScanRequest { projection: vec![0], row_id: false, predicate: predicate.clone() };
    let plan = snapshot.plan(&request, NonZeroUsize::MIN).await.unwrap();
    plan.parts.iter().map(|part| part.units.len()).sum()
}

/// Whatever a filter says of values that are kept as texts, no row is lost; only NULLs are told apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_on_texts_of_values_lose_no_row() {
    let kinds = KINDS.into_iter().filter(|kind| matches!(kind, Kind::Extension(_) | Kind::Interval));
    for kind in kinds {
        let lake = Lake::new();
        let mut random = Random(9);
        let fields = vec![kind.field("c", true), Field::new("x", DataType::Int64, true)];
        let mut snapshot = created(&lake, "t", fields, &[]).await;
        let schema = snapshot.schema();
        let columns = schema.fields().iter().map(|field| values(&mut random, field, 40)).collect();
        let all = RecordBatch::try_new(schema, columns).unwrap();
        snapshot = appended(&snapshot, &[all.slice(0, 20)]).await;
        snapshot = appended(&snapshot, &[all.slice(20, 20)]).await;
        let constants =
            [Scalar::Integer(7), Scalar::Text("7".to_owned()), Scalar::Binary(vec![7; 16]), Scalar::Float(7.0)];
        let column = || vec!["c".to_owned()];
        for value in constants {
            for op in CompareOp::ALL {
                let predicate = Predicate::Compare { column: column(), op, value: value.clone() };
                assert_eq!(all_rows(&snapshot, predicate).await.num_rows(), 40, "{kind} {op:?} {value:?}");
            }
            for negated in [false, true] {
                let predicate = Predicate::In { column: column(), values: vec![value.clone()], negated };
                assert_eq!(all_rows(&snapshot, predicate).await.num_rows(), 40, "{kind}");
                let predicate = Predicate::StartsWith { column: column(), prefix: "7".to_owned(), negated };
                assert_eq!(all_rows(&snapshot, predicate).await.num_rows(), 40, "{kind}");
            }
        }
        for (negated, rows) in [(false, all.column(0).null_count()), (true, 40 - all.column(0).null_count())] {
            let predicate = Predicate::IsNull { column: column(), negated };
            assert_eq!(all_rows(&snapshot, predicate).await.num_rows(), rows, "{kind}");
        }
    }
}

#[test]
fn fields_of_structs_are_told_of_too() {
    use super::super::stored_predicate;
    let inner = vec![Kind::UBigInt.field("n", true), Kind::Extension(Extension::Uuid).field("id", true)];
    let shown = Schema::new(vec![Field::new("s", DataType::Struct(inner.into()), true)]);
    let compare = |name: &str, value| Predicate::Compare {
        column: vec!["s".to_owned(), name.to_owned()],
        op: CompareOp::Less,
        value,
    };
    let both = Predicate::And(vec![
        compare("n", Scalar::Integer(7)),
        Predicate::Or(vec![compare("id", Scalar::Text("7".to_owned())), compare("elsewhere", Scalar::Integer(1))]),
    ]);
    let expected = Predicate::And(vec![
        compare("n", Scalar::Decimal { unscaled: 7, scale: 0 }),
        Predicate::Or(vec![Predicate::Unknown, compare("elsewhere", Scalar::Integer(1))]),
    ]);
    assert_eq!(stored_predicate(&both, &shown), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn infinite_times_are_found_and_bound_nothing_wrongly() {
    for (kind, infinity) in [
        (Kind::Date, i64::from(i32::MAX)),
        (Kind::Timestamp, i64::MAX),
        (Kind::TimestampTz, i64::MAX),
        (Kind::TimestampS, i64::MAX),
        (Kind::TimestampMs, i64::MAX),
    ] {
        let lake = Lake::new();
        let mut snapshot = created(&lake, "t", vec![kind.field("c", true)], &[]).await;
        let schema = snapshot.schema();
        for values in [[0, infinity], [-infinity, 0], [infinity, -infinity]] {
            let numbers: ArrayRef = match kind {
                Kind::Date => Arc::new(Int32Array::from_iter_values(values.map(|value| value as i32))),
                _ => Arc::new(Int64Array::from_iter_values(values)),
            };
            let column = arrow::compute::cast(&numbers, schema.field(0).data_type()).unwrap();
            snapshot = appended(&snapshot, &[RecordBatch::try_new(Arc::clone(&schema), vec![column]).unwrap()]).await;
        }
        let constant = |value: i64| match kind {
            Kind::Date => Scalar::Date(value as i32),
            _ => Scalar::Timestamp(value),
        };
        let column = || vec!["c".to_owned()];
        let count = async |op, value| {
            let predicate = Predicate::Compare { column: column(), op, value: constant(value) };
            all_rows(&snapshot, predicate).await.num_rows()
        };
        assert_eq!(count(CompareOp::Equal, infinity).await, 2, "{kind}");
        assert_eq!(count(CompareOp::Equal, -infinity).await, 2, "{kind}");
        assert_eq!(count(CompareOp::Greater, 0).await, 2, "{kind}");
        assert_eq!(count(CompareOp::Less, 0).await, 2, "{kind}");
        assert_eq!(count(CompareOp::LessOrEqual, infinity).await, 6, "{kind}");
        for (version, bounds) in [(1, (true, false)), (2, (false, true)), (3, (false, false))] {
            let commit = std::fs::read_to_string(lake.commit_path("t", version)).unwrap();
            let adds = commit.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            let stats = adds.filter_map(|action| action["add"]["stats"].as_str().map(str::to_owned)).next().unwrap();
            let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
            let has = |side: &str| stats[side].get("c").is_some();
            assert_eq!((has("minValues"), has("maxValues")), bounds, "{kind}: {stats}");
        }
    }
}

/// Statistics of every kind bound all values, those at the extremes too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statistics_bound_every_value() {
    let mut told = 0;
    for kind in KINDS {
        for seed in 0..4 {
            let lake = Lake::new();
            let snapshot = created(&lake, "t", vec![kind.field("c", true)], &[]).await;
            let mut random = Random(seed);
            let column = values(&mut random, snapshot.schema().field(0), 1 + 5 * seed as usize);
            let batch = RecordBatch::try_new(snapshot.schema(), vec![Arc::clone(&column)]).unwrap();
            let snapshot = appended(&snapshot, &[batch]).await;
            let found = snapshot.statistics(0).await.unwrap();
            assert_eq!(found.min.data_type(), column.data_type(), "{kind}");
            assert_eq!(found.has_not_null, column.null_count() < column.len(), "{kind}");
            assert_eq!(found.has_null, column.null_count() > 0, "{kind}");
            let bound = |array: &ArrayRef| array.is_valid(0).then(|| scalar(kind, array, 0)).flatten();
            let (min, max) = (bound(&found.min), bound(&found.max));
            told += usize::from(min.is_some() && max.is_some());
            for row in (0..column.len()).filter(|row| column.is_valid(*row)) {
                let Some(value) = scalar(kind, &column, row) else { continue };
                let inside = |bound: &Option<Scalar>, beyond: fn(Ordering) -> bool| {
                    bound.as_ref().is_none_or(|bound| !beyond(order(&value, bound)))
                };
                assert!(inside(&min, Ordering::is_lt) && inside(&max, Ordering::is_gt), "{kind} {value:?} {found:?}");
            }
        }
    }
    assert!(told > 20, "statistics are told: {told}");
}

#[test]
fn bounds_are_rounded_outward_to_values_of_the_type() {
    use super::super::{Side, stored_bound};
    let at =
        |kind: Kind, bound: Scalar, side| stored_bound(&bound, &kind.field("c", true), side).map(|(bound, _)| bound);
    let times = |micros: i64| {
        [Side::Min, Side::Max].map(|side| match at(Kind::TimestampS, Scalar::Timestamp(micros), side) {
            Some(Scalar::Timestamp(micros)) => micros,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(times(1_500_000), [1_000_000, 2_000_000]);
    assert_eq!(times(-1), [-1_000_000, 0]);
    assert_eq!(times(2_000_000), [2_000_000, 2_000_000]);
    assert_eq!(times(i64::MAX), [i64::MAX - 775_807, i64::MAX]);
    assert_eq!(times(i64::MIN)[0], -i64::MAX);
    let integer = |value| Scalar::Integer(value);
    assert_eq!(at(Kind::UTinyInt, integer(300), Side::Max), Some(integer(255)));
    assert_eq!(at(Kind::UTinyInt, integer(-1), Side::Min), Some(integer(0)));
    let decimal = |unscaled| Scalar::Decimal { unscaled, scale: 0 };
    assert_eq!(at(Kind::UBigInt, decimal(1 << 64), Side::Max), Some(decimal(u64::MAX.into())));
    assert_eq!(at(Kind::Extension(Extension::Uuid), Scalar::Text("a".to_owned()), Side::Max), None);
}
