//! Runs of rows that are decoded whole and kept.
//!
//! Whoever asks for a few rows at a time would have the same pages decoded for every few. So a window that is asked for
//! again, for few rows again, is decoded whole and kept until all its rows were asked for: no row is asked for twice.
//! Where many streams are interleaved there may be more windows in use than can be kept. Then those that are there stay,
//! and of the others only the rows asked for are decoded: to throw one out for each other would be the dearest of all.

use std::num::NonZeroUsize;

use arrow::array::RecordBatch;
use lru::LruCache;

use super::super::coalesce::{BATCH_BYTES_MAX, bytes_of};

/// Bytes of all windows: sixteen of the size they mostly have, for as many streams.
const WINDOWS_BYTES_MAX: usize = 16 * BATCH_BYTES_MAX;

/// Bytes of one window. A footer's guess of what rows take may be too small; by more than this it is not believed.
const WINDOW_BYTES_MAX: usize = 2 * BATCH_BYTES_MAX;

/// Few rows are less than this part of a window: of more, decoding costs about as much as they are worth.
const FEW_DIVISOR: u64 = 8;

/// Calls after which a window that nobody asked for makes room for another: more than streams are interleaved.
const UNUSED_CALLS_MAX: u64 = 64;

/// Windows of which it is known that they were asked for; of others it is forgotten.
const ASKED_MAX: NonZeroUsize = NonZeroUsize::new(4096).expect("is not zero");

/// Which window of which row group of which file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct WindowKey {
    pub(super) file: u32,
    pub(super) group: usize,
    pub(super) window: u64,
}

/// How rows of a window are had.
#[derive(Debug)]
pub(super) enum Way {
    /// The rows that are asked for are decoded.
    Few,
    /// The window is decoded, and kept.
    Whole,
    /// It was kept.
    Kept(RecordBatch),
}

/// What is known of the windows of all files.
#[derive(Debug)]
pub(super) struct Windows {
    calls: u64,
    asked: LruCache<WindowKey, Asked>,
    kept: LruCache<WindowKey, Kept>,
    kept_bytes: usize,
    /// What windows that are being decoded are expected to take.
    expected_bytes: usize,
}

/// A window that was asked for.
#[derive(Debug, Default, Clone, Copy)]
struct Asked {
    rows: u64,
    /// What one of them takes; 0 if not yet known.
    row_bytes: usize,
}

#[derive(Debug)]
struct Kept {
    rows: RecordBatch,
    bytes: usize,
    /// Rows not asked for yet.
    left: u64,
    last_call: u64,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            calls: 0,
            asked: LruCache::new(ASKED_MAX),
            kept: LruCache::unbounded(),
            kept_bytes: 0,
            expected_bytes: 0,
        }
    }
}

impl Windows {
    pub(super) fn begin_call(&mut self) {
        self.calls += 1;
        self.expected_bytes = 0;
    }

    /// How `asked` of the `rows` of a window are to be had.
    pub(super) fn way(&mut self, key: WindowKey, rows: u64, asked: u64) -> Way {
        if let Some(window) = self.kept.get_mut(&key) {
            window.last_call = self.calls;
            window.left = window.left.saturating_sub(asked);
            let (rows, is_done) = (window.rows.clone(), window.left == 0);
            if is_done {
                self.forget(&key);
            }
            return Way::Kept(rows);
        }
        let before = self.asked.get(&key).copied().unwrap_or_default();
        let known = Asked { rows: before.rows + asked, ..before };
        self.asked.put(key, known);
        let bytes = before.row_bytes.saturating_mul(usize::try_from(rows).unwrap_or(usize::MAX));
        let again = before.rows > 0 && before.row_bytes > 0 && known.rows < rows;
        if again && asked < rows / FEW_DIVISOR && bytes <= WINDOW_BYTES_MAX && self.make_room(bytes) {
            self.expected_bytes += bytes;
            return Way::Whole;
        }
        Way::Few
    }

    /// A window that was to be decoded whole, and now is.
    pub(super) fn keep(&mut self, key: WindowKey, rows: &RecordBatch) {
        let bytes = bytes_of(rows);
        let asked = self.asked.pop(&key).map_or(0, |asked| asked.rows);
        let left = (rows.num_rows() as u64).saturating_sub(asked);
        if bytes <= WINDOW_BYTES_MAX && left > 0 {
            self.kept_bytes += bytes;
            self.kept.put(key, Kept { rows: rows.clone(), bytes, left, last_call: self.calls });
        }
    }

    /// What a row takes of those that were read of a window.
    pub(super) fn note(&mut self, key: WindowKey, row_bytes: usize) {
        if let Some(asked) = self.asked.peek_mut(&key) {
            asked.row_bytes = asked.row_bytes.max(row_bytes).max(1);
        }
    }

    /// It cannot be decoded whole: there may be a bad value in a row that nobody asks for.
    pub(super) fn never_whole(&mut self, key: WindowKey) {
        self.note(key, usize::MAX);
    }

    fn make_room(&mut self, bytes: usize) -> bool {
        while self.kept_bytes + self.expected_bytes + bytes > WINDOWS_BYTES_MAX {
            let unused =
                |(key, window): (&WindowKey, &Kept)| (window.last_call + UNUSED_CALLS_MAX < self.calls).then_some(*key);
            let Some(key) = self.kept.peek_lru().and_then(unused) else { return false };
            self.forget(&key);
        }
        true
    }

    fn forget(&mut self, key: &WindowKey) {
        if let Some(gone) = self.kept.pop(key) {
            self.kept_bytes -= gone.bytes;
        }
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> (usize, usize) {
        (self.kept.len(), self.kept_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;

    use super::*;

    const ROWS: u64 = 64 * 1024;

    fn key(window: u64) -> WindowKey {
        WindowKey { file: 0, group: 0, window }
    }

    fn rows() -> RecordBatch {
        let numbers = Int64Array::from_iter_values(0..ROWS as i64);
        RecordBatch::try_from_iter([("n", Arc::new(numbers) as _)]).unwrap()
    }

    /// Asks, and does what is to be done.
    fn ask(windows: &mut Windows, window: u64, asked: u64, row_bytes: usize) -> &'static str {
        windows.begin_call();
        match windows.way(key(window), ROWS, asked) {
            Way::Few => {
                windows.note(key(window), row_bytes);
                "few"
            }
            Way::Whole => {
                windows.keep(key(window), &rows());
                "whole"
            }
            Way::Kept(_) => "kept",
        }
    }

    #[test]
    fn a_window_is_kept_from_the_second_time_to_its_last_row() {
        let mut windows = Windows::default();
        let ways: Vec<_> = (0..32).map(|_| ask(&mut windows, 3, ROWS / 32, 8)).collect();
        assert_eq!(ways[..3], ["few", "whole", "kept"]);
        assert!(ways[2..].iter().all(|way| *way == "kept"));
        assert_eq!(windows.kept(), (0, 0), "all its rows were asked for");
    }

    #[test]
    fn many_rows_or_wide_ones_are_not_worth_it() {
        let mut windows = Windows::default();
        assert!((0..5).all(|_| ask(&mut windows, 1, ROWS / 6, 8) == "few"));
        assert!((0..5).all(|_| ask(&mut windows, 2, 10, WINDOW_BYTES_MAX / 1000) == "few"));
        assert_eq!(windows.kept(), (0, 0));
    }

    #[test]
    fn windows_in_use_are_not_thrown_out_for_others() {
        let mut windows = Windows::default();
        let expected = WINDOW_BYTES_MAX / ROWS as usize;
        let fit = (WINDOWS_BYTES_MAX / (ROWS as usize * 8)) as u64;
        for _ in 0..10 {
            for window in 0..fit + 10 {
                ask(&mut windows, window, 1, if window < fit { 8 } else { expected });
            }
        }
        let (count, bytes) = windows.kept();
        assert!(bytes <= WINDOWS_BYTES_MAX && count as u64 > fit / 2, "{count} windows");
        // Nobody asks for those any more.
        for call in 0..UNUSED_CALLS_MAX * 2 {
            ask(&mut windows, 1_000_000 + call, 1, 8);
        }
        assert_eq!([(); 3].map(|()| ask(&mut windows, 2_000_000, 1, 8)), ["few", "whole", "kept"]);
        assert!(windows.kept().1 <= WINDOWS_BYTES_MAX);
    }
}
