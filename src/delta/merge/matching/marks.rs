//! Rows that have matched.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use roaring::RoaringTreemap;

use crate::delta::scan::{LeftOut, RowPlace};

/// Rows of the source, a bit each; all threads of a pass mark them.
#[derive(Debug)]
pub(super) struct SourceMarks {
    words: Vec<AtomicU64>,
    rows: u64,
}

impl SourceMarks {
    pub(super) fn new(rows: u64) -> Self {
        let words = usize::try_from(rows.div_ceil(64)).unwrap_or(usize::MAX);
        Self { words: (0..words).map(|_| AtomicU64::new(0)).collect(), rows }
    }

    pub(super) fn mark(&self, rows: &[u64]) {
        for row in rows {
            let (word, bit) = (&self.words[(row / 64) as usize], 1_u64 << (row % 64));
            // Many rows of the target may match one of the source, and a look is cheaper than a write.
            if word.load(Ordering::Relaxed) & bit == 0 {
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
    }

    /// The rows that were not marked. Whoever marked them must have been waited for.
    pub(super) fn unmarked(&self) -> RoaringTreemap {
        let mut rows = RoaringTreemap::new();
        let mut run = 0..0;
        for (at, word) in self.words.iter().enumerate() {
            let (first, mut left) = (at as u64 * 64, !word.load(Ordering::Relaxed));
            while left != 0 {
                let start = left.trailing_zeros();
                let length = (left >> start).trailing_ones();
                let found = first + u64::from(start)..first + u64::from(start + length);
                left = if start + length == 64 { 0 } else { left >> (start + length) << (start + length) };
                if found.start == run.end {
                    run.end = found.end;
                } else {
                    rows.insert_range(std::mem::replace(&mut run, found));
                }
            }
        }
        rows.insert_range(run.start..run.end.min(self.rows));
        rows
    }
}

/// Rows of the target, by file; all threads of all passes mark them.
#[derive(Debug, Default)]
pub(super) struct TargetMarks(Mutex<BTreeMap<u32, RoaringTreemap>>);

impl TargetMarks {
    pub(super) fn mark(&self, places: impl Iterator<Item = RowPlace>) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places = places.peekable();
        while let Some(first) = places.peek().copied() {
            let rows = files.entry(first.file).or_default();
            while let Some(place) = places.next_if(|place| place.file == first.file) {
                rows.insert(place.position);
            }
        }
    }

    /// The rows, as a scan is told to leave them out.
    pub(super) fn take(&self) -> LeftOut {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *files).into_iter().map(|(file, rows)| (file, Arc::new(rows))).collect()
    }
}
