//! What is known of the values of one column: that they lie in a few ranges.

use std::mem;

/// Values that stand in an order, and how far apart.
pub(super) trait Ordered: Ord + Clone {
    /// Never less for a greater value.
    fn position(&self) -> u128;
}

impl Ordered for i128 {
    fn position(&self) -> u128 {
        self.cast_unsigned() ^ (1 << 127)
    }
}

/// By their first bytes.
impl Ordered for Vec<u8> {
    fn position(&self) -> u128 {
        let mut first = [0; 16];
        for (to, from) in first.iter_mut().zip(self) {
            *to = *from;
        }
        u128::from_be_bytes(first)
    }
}

/// More ranges than this are not kept while values come.
const KEPT_MAX: usize = 256;

/// A gap that is a lesser part of the whole than this is taken for chance: no file, and hardly a page, lies in it.
const GAP_SHARE: u128 = 256;

/// Disjoint ranges, ascending, in which all values lie; both ends are values.
#[derive(Debug, Clone)]
pub(super) struct Ranges<T> {
    ranges: Vec<(T, T)>,
}

impl<T> Default for Ranges<T> {
    fn default() -> Self {
        Self { ranges: Vec::new() }
    }
}

impl<T: Ordered> Ranges<T> {
    /// Adds values.
    pub(super) fn add(&mut self, mut values: Vec<T>) {
        values.retain(|value| !self.holds(value));
        values.sort_unstable();
        values.dedup();
        let mut ranges: Vec<(T, T)> = mem::take(&mut self.ranges);
        ranges.extend(values.into_iter().map(|value| (value.clone(), value)));
        // None overlaps: a value that was in one has been left out, and those between two make one of their own.
        ranges.sort_unstable();
        self.ranges = ranges;
        if self.ranges.len() > KEPT_MAX {
            self.cut(KEPT_MAX / 2, 0);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Every value, if there are no more than this.
    pub(super) fn values(&self, values_max: usize) -> Option<impl Iterator<Item = &T>> {
        let few = self.ranges.len() <= values_max && self.ranges.iter().all(|(low, high)| low == high);
        few.then(|| self.ranges.iter().map(|(value, _)| value))
    }

    /// At most this many ranges, cut at the largest gaps.
    pub(super) fn coarse(&self, ranges_max: usize) -> Vec<(T, T)> {
        let mut coarse = self.clone();
        let ends = self.ranges.first().zip(self.ranges.last());
        let whole = ends.map_or(0, |((low, _), (_, high))| high.position() - low.position());
        coarse.cut(ranges_max, whole / GAP_SHARE);
        coarse.ranges
    }

    fn holds(&self, value: &T) -> bool {
        let after = self.ranges.partition_point(|(low, _)| low <= value);
        after > 0 && *value <= self.ranges[after - 1].1
    }

    /// Closes all gaps but the largest ones that are larger than `gap`.
    fn cut(&mut self, ranges_max: usize, gap: u128) {
        let mut gaps: Vec<u128> = self.gaps().collect();
        gaps.sort_unstable_by(|a, b| b.cmp(a));
        // Of equal gaps at the limit none is kept.
        let closed = gaps.get(ranges_max.saturating_sub(1)).copied().unwrap_or(0).max(gap);
        let all_fit = gaps.len() < ranges_max;
        let open: Vec<bool> = self.gaps().map(|own| own > closed || (all_fit && own >= closed)).collect();
        let mut ranges = mem::take(&mut self.ranges).into_iter();
        let Some(first) = ranges.next() else { return };
        self.ranges.push(first);
        for ((low, high), open) in ranges.zip(open) {
            match self.ranges.last_mut() {
                Some(last) if !open => last.1 = high,
                _ => self.ranges.push((low, high)),
            }
        }
    }

    fn gaps(&self) -> impl Iterator<Item = u128> {
        self.ranges.windows(2).map(|pair| pair[1].0.position() - pair[0].1.position())
    }
}
