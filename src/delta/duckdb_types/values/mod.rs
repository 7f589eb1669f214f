//! Single values, as DuckDB packs them and as texts or numbers. Each text has one spelling when written; what others
//! may have written is read wherever it means exactly one value.

pub(super) mod bignum;
pub(super) mod bit;
pub(super) mod interval;
pub(super) mod time_tz;

/// A day of TIME; midnight at its end is a time too.
pub(super) const DAY_MICROS: i64 = 86_400_000_000;
/// A day of `TIME_NS`.
pub(super) const DAY_NANOS: i64 = DAY_MICROS * 1000;
pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(super) const MICROS_PER_MILLI: i64 = 1000;

/// DuckDB's infinite timestamps, the later and the earlier, in every unit (`common/types/timestamp.hpp`).
const INFINITIES: [i64; 2] = [i64::MAX, -i64::MAX];

/// A timestamp of a coarser unit, `each` microseconds long; `None` if there are not so many.
pub(super) fn micros_of(value: i64, each: i64) -> Option<i64> {
    if INFINITIES.contains(&value) { Some(value) } else { value.checked_mul(each) }
}

/// The exact inverse of [`micros_of`]; `None` if the unit cannot tell the time.
pub(super) fn of_micros(micros: i64, each: i64) -> Option<i64> {
    if INFINITIES.contains(&micros) { Some(micros) } else { (micros % each == 0).then(|| micros / each) }
}
