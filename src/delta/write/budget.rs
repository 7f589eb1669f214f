//! A bound on bytes, waited for by threads.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// So many bytes may be held at once.
#[derive(Debug)]
pub(super) struct Budget {
    limit_bytes: usize,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    used_bytes: usize,
    peak_bytes: usize,
}

/// Bytes taken from a budget; given back when dropped.
#[derive(Debug)]
pub(super) struct Held {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub(super) fn new(limit_bytes: usize) -> Arc<Self> {
        Arc::new(Self { limit_bytes, state: Mutex::default(), freed: Condvar::new() })
    }

    /// Takes `bytes`, waiting until they are free. More than the whole budget is taken alone. Blocks the thread:
    /// never call it where those who give back run.
    pub(super) fn take(self: &Arc<Self>, bytes: usize) -> Held {
        let full = |state: &mut State| state.used_bytes > 0 && state.used_bytes + bytes > self.limit_bytes;
        let mut state = self.freed.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        state.used_bytes += bytes;
        state.peak_bytes = state.peak_bytes.max(state.used_bytes);
        Held { budget: Arc::clone(self), bytes }
    }

    /// The most that was ever held.
    pub(super) fn peak_bytes(&self) -> usize {
        self.lock().peak_bytes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic between two assignments of integers cannot leave them half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.lock().used_bytes -= self.bytes;
        self.budget.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_until_enough_is_given_back() {
        let budget = Budget::new(10);
        let first = budget.take(6);
        let second = budget.take(4);
        let waiting = std::thread::spawn({
            let budget = Arc::clone(&budget);
            move || drop(budget.take(5))
        });
        drop(second);
        drop(first);
        waiting.join().unwrap();
        assert_eq!(budget.lock().used_bytes, 0);
        assert!(budget.peak_bytes() <= 10, "took {} of 10", budget.peak_bytes());
    }

    #[test]
    fn more_than_all_is_taken_alone() {
        let budget = Budget::new(10);
        drop(budget.take(100));
        assert_eq!(budget.peak_bytes(), 100);
        drop(budget.take(1));
    }
}
