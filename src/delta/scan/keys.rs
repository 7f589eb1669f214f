//! Bounds of many files as pairs of 64-bit numbers, which rule most files out without a look at their statistics.
//!
//! A key keeps the order but not the distinctness of values: of two values the greater never has the lesser key. So
//! where keys tell that no value can match, the bounds themselves would, and where they do not, the bounds decide.

use std::sync::Arc;

use super::{
    order::{bytes, compare},
    prune::{ColumnBounds, Nulls},
};
use crate::{
    delta::{
        file::DataFile,
        index::{Splice, spliced},
    },
    engine::{CompareOp, Predicate, Scalar},
};

/// The bounds of one column over some files: seventeen bytes a file.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    /// What the texts among the bounds all begin with; their keys are made of what comes after it.
    prefix: Vec<u8>,
    kind: Option<Kind>,
    /// The least and the greatest key of each file.
    ranges: Vec<(u64, u64)>,
    nulls: Vec<Nulls>,
}

/// Values of different kinds do not compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    Integer,
    Decimal(u8),
    Float,
    Bytes,
    Date,
    Timestamp,
}

/// The keys that a value may have which satisfies a condition.
enum Wanted {
    /// Any.
    All,
    /// Those in a range.
    Range(u64, u64),
    /// Those of a list, ascending.
    OneOf(Vec<u64>),
}

impl Keys {
    /// The keys of these bounds.
    pub(super) fn new(bounds: &[ColumnBounds]) -> Self {
        let known = || bounds.iter().flat_map(|bounds| [&bounds.min, &bounds.max]).flatten();
        let kind = known().next().map(Kind::of);
        let mut keys = Self { prefix: common_prefix(known().filter_map(bytes)), kind, ranges: vec![], nulls: vec![] };
        keys.ranges = bounds.iter().map(|bounds| keys.range(bounds).unwrap_or((u64::MIN, u64::MAX))).collect();
        keys.nulls = bounds.iter().map(|bounds| bounds.nulls).collect();
        keys
    }

    /// The keys after changes of the files; `None` if the new bounds do not go with the others.
    pub(super) fn spliced(
        &self,
        splices: &[Splice<'_>],
        bounds: impl Fn(&Arc<DataFile>) -> ColumnBounds,
    ) -> Option<Self> {
        let mut fits = true;
        let entries: Vec<_> = self.ranges.iter().copied().zip(self.nulls.iter().copied()).collect();
        let entries = spliced(&entries, splices, |file| {
            let bounds = bounds(file);
            let range = self.range(&bounds);
            fits &= range.is_some();
            (range.unwrap_or_default(), bounds.nulls)
        });
        let (ranges, nulls) = entries.into_iter().unzip();
        fits.then(|| Self { prefix: self.prefix.clone(), kind: self.kind, ranges, nulls })
    }

    /// For each file, false if no row of it can satisfy a predicate on the column.
    pub(super) fn may_match(&self, leaf: &Predicate) -> Vec<bool> {
        if let Predicate::IsNull { negated, .. } = leaf {
            let never = if *negated { Nulls::All } else { Nulls::None };
            return self.nulls.iter().map(|nulls| *nulls != never).collect();
        }
        match self.wanted(leaf) {
            Wanted::All => vec![true; self.ranges.len()],
            Wanted::Range(low, high) => self.ranges.iter().map(|(min, max)| *min <= high && *max >= low).collect(),
            Wanted::OneOf(keys) => {
                let any = |(min, max): &(u64, u64)| {
                    keys.get(keys.partition_point(|key| key < min)).is_some_and(|key| key <= max)
                };
                self.ranges.iter().map(any).collect()
            }
        }
    }

    /// Nothing is in the range of a file without values. `None` if the bounds do not go with the others.
    fn range(&self, bounds: &ColumnBounds) -> Option<(u64, u64)> {
        if bounds.nulls == Nulls::All {
            return Some((u64::MAX, u64::MIN));
        }
        if let (Some(min), Some(max)) = (&bounds.min, &bounds.max)
            && compare(min, max).is_none_or(std::cmp::Ordering::is_gt)
        {
            return Some((u64::MIN, u64::MAX)); // bounds that contradict themselves say nothing
        }
        let key = |bound: &Option<Scalar>, unknown| match bound {
            Some(value) if self.goes_with(value) => self.key(value),
            Some(_) => None,
            None => Some(unknown),
        };
        Some((key(&bounds.min, u64::MIN)?, key(&bounds.max, u64::MAX)?))
    }

    fn goes_with(&self, bound: &Scalar) -> bool {
        bytes(bound).is_none_or(|bytes| bytes.starts_with(&self.prefix))
    }

    fn wanted(&self, leaf: &Predicate) -> Wanted {
        let is_float = self.kind == Some(Kind::Float);
        match leaf {
            Predicate::Compare { op, value, .. } => match (self.key(value), op) {
                (None, _) | (_, CompareOp::NotEqual) => Wanted::All,
                // A NaN may be there that the bounds do not tell of.
                (_, CompareOp::Greater | CompareOp::GreaterOrEqual) if is_float => Wanted::All,
                (Some(key), CompareOp::Equal) => Wanted::Range(key, key),
                (Some(key), CompareOp::Less | CompareOp::LessOrEqual) => Wanted::Range(u64::MIN, key),
                (Some(key), CompareOp::Greater | CompareOp::GreaterOrEqual) => Wanted::Range(key, u64::MAX),
            },
            Predicate::In { values, negated: false, .. } => {
                let keys: Option<Vec<u64>> = values.iter().map(|value| self.key(value)).collect();
                keys.map_or(Wanted::All, |mut keys| {
                    keys.sort_unstable();
                    Wanted::OneOf(keys)
                })
            }
            Predicate::StartsWith { prefix, negated: false, .. } if self.kind == Some(Kind::Bytes) => {
                let (least, greatest) = (self.text_key(prefix.as_bytes(), 0), self.text_key(prefix.as_bytes(), 0xff));
                Wanted::Range(least, greatest)
            }
            _ => Wanted::All,
        }
    }

    /// `None` for values that do not compare with the bounds, and for NaN.
    fn key(&self, value: &Scalar) -> Option<u64> {
        if Some(Kind::of(value)) != self.kind {
            return None;
        }
        match value {
            Scalar::Boolean(value) => Some(u64::from(*value)),
            Scalar::Integer(value) => Some(integer_key(*value)),
            Scalar::Decimal { unscaled, .. } => Some(integer_key(*unscaled)),
            Scalar::Float(value) => float_key(*value),
            Scalar::Text(text) => Some(self.text_key(text.as_bytes(), 0)),
            Scalar::Binary(bytes) => Some(self.text_key(bytes, 0)),
            Scalar::Date(days) => Some(integer_key((*days).into())),
            Scalar::Timestamp(micros) => Some(integer_key((*micros).into())),
        }
    }

    /// The key of a text that goes on with `filler` for ever.
    fn text_key(&self, text: &[u8], filler: u8) -> u64 {
        let Some(rest) = text.strip_prefix(&*self.prefix) else {
            // All bounds are on one side of it, unless it is what they begin with, or a part of that.
            return match self.prefix.starts_with(text) {
                true => [u64::MIN, u64::MAX][usize::from(filler > 0)],
                false => [u64::MIN, u64::MAX][usize::from(text > &*self.prefix)],
            };
        };
        let mut key = [filler; 8];
        for (to, from) in key.iter_mut().zip(rest) {
            *to = *from;
        }
        u64::from_be_bytes(key)
    }
}

impl Kind {
    fn of(value: &Scalar) -> Self {
        match value {
            Scalar::Boolean(_) => Self::Boolean,
            Scalar::Integer(_) => Self::Integer,
            Scalar::Decimal { scale, .. } => Self::Decimal(*scale),
            Scalar::Float(_) => Self::Float,
            Scalar::Text(_) | Scalar::Binary(_) => Self::Bytes,
            Scalar::Date(_) => Self::Date,
            Scalar::Timestamp(_) => Self::Timestamp,
        }
    }
}

/// What is beyond 64 bits has the key of the last that is not.
fn integer_key(value: i128) -> u64 {
    let value = i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX });
    value.cast_unsigned() ^ (1 << 63)
}

/// Both zeros have one.
fn float_key(value: f64) -> Option<u64> {
    let bits = if value == 0.0 { 0 } else { value.to_bits() };
    let ordered = if bits >> 63 == 1 { !bits } else { bits | (1 << 63) };
    (!value.is_nan()).then_some(ordered)
}

fn common_prefix<'a>(mut texts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let first = texts.next().unwrap_or_default();
    let common = texts.fold(first, |common, text| {
        let same = common.iter().zip(text).take_while(|(a, b)| a == b).count();
        &common[..same]
    });
    common.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.to_owned())
    }

    fn keys(bounds: &[(Scalar, Scalar)]) -> Keys {
        let bounds = bounds.iter().cloned();
        let bounds: Vec<_> =
            bounds.map(|(min, max)| ColumnBounds { min: Some(min), max: Some(max), ..Default::default() }).collect();
        Keys::new(&bounds)
    }

    fn may_match(keys: &Keys, op: CompareOp, value: Scalar) -> Vec<bool> {
        keys.may_match(&Predicate::Compare { column: vec!["c".to_owned()], op, value })
    }

    #[test]
    fn texts_are_told_apart_by_what_comes_after_what_they_share() {
        let keys = keys(&[
            (text("https://example.com/a"), text("https://example.com/b")),
            (text("https://example.com/c"), text("https://example.com/d")),
        ]);
        let equal = |value| may_match(&keys, CompareOp::Equal, text(value));
        assert_eq!(equal("https://example.com/aaaaaaaaaaaa"), [true, false]);
        assert_eq!(equal("https://example.com/cx"), [false, true]);
        assert_eq!(equal("https://example.com/e"), [false, false]);
        assert_eq!(equal("https://example.net/"), [false, false]);
        let less = |value| may_match(&keys, CompareOp::Less, text(value));
        assert_eq!([less("https://example.com/bb"), less("https")], [[true, false], [false, false]]);
        let begins = |prefix: &str| {
            keys.may_match(&Predicate::StartsWith { column: vec![], prefix: prefix.to_owned(), negated: false })
        };
        assert_eq!([begins("https://"), begins("https://example.com/cc")], [[true, true], [false, true]]);
    }

    #[test]
    fn keys_keep_the_order() {
        let integers = [i128::MIN, -1 << 70, i64::MIN.into(), -1, 0, 1, i64::MAX.into(), 1 << 70].map(integer_key);
        assert!(integers.is_sorted());
        let infinity = f64::INFINITY;
        let floats = [-infinity, f64::MIN, -1.0, -f64::MIN_POSITIVE, -0.0, 0.0, f64::MIN_POSITIVE, 1.0, infinity];
        let floats = floats.map(|value| float_key(value).unwrap());
        assert!(floats.is_sorted() && floats[4] == floats[5] && floats[3] < floats[4]);
        assert_eq!(float_key(f64::NAN), None);
    }

    #[test]
    fn lists_and_ranges_leave_out_what_is_beside_them() {
        let keys = keys(&[0, 10, 20, 30].map(|least| (Scalar::Integer(least), Scalar::Integer(least + 5))));
        let list = |values: &[i128]| {
            let values = values.iter().copied().map(Scalar::Integer).collect();
            keys.may_match(&Predicate::In { column: vec![], values, negated: false })
        };
        assert_eq!(list(&[33, 7, 15]), [false, true, false, true]);
        assert_eq!(list(&[-1, 6, 40]), [false; 4]);
        assert_eq!(may_match(&keys, CompareOp::Greater, Scalar::Integer(18)), [false, false, true, true]);
        assert_eq!(may_match(&keys, CompareOp::Equal, text("1")), [true; 4], "other kinds do not compare");
    }
}
