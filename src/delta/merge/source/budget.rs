//! How much memory is left to a statement.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Bytes that a statement may keep; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct MemoryBudget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bytes_max: usize,
    reserved: AtomicUsize,
}

/// Bytes of a budget that are in use; dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: MemoryBudget,
    bytes: usize,
}

impl MemoryBudget {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { shared: Arc::new(Shared { bytes_max, reserved: AtomicUsize::new(0) }) }
    }

    /// All of it, in use or not.
    pub(crate) fn bytes_max(&self) -> usize {
        self.shared.bytes_max
    }

    /// What is not in use. Another may take it the next moment.
    pub(crate) fn available(&self) -> usize {
        self.shared.bytes_max - self.shared.reserved.load(Ordering::Relaxed)
    }

    /// Nothing yet, to be grown.
    pub(crate) fn reservation(&self) -> Reservation {
        Reservation { budget: self.clone(), bytes: 0 }
    }

    /// As many of these bytes as can be had with `left` bytes still left to others.
    pub(crate) fn reserve_up_to(&self, bytes: usize, left: usize) -> Reservation {
        let mut reservation = self.reservation();
        loop {
            let granted = bytes.min(self.available().saturating_sub(left));
            if reservation.try_grow(granted, 0) {
                return reservation;
            }
        }
    }
}

impl Reservation {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds bytes; false, and nothing changed, if fewer than `left` would be left to others.
    pub(crate) fn try_grow(&mut self, bytes: usize, left: usize) -> bool {
        let Shared { bytes_max, reserved } = &*self.budget.shared;
        let fits = |reserved: usize| {
            let grown = reserved.checked_add(bytes)?;
            (grown.checked_add(left)? <= *bytes_max).then_some(grown)
        };
        let grown = bytes == 0 || reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        self.bytes += if grown { bytes } else { 0 };
        grown
    }

    /// Gives back all but `bytes`.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let returned = self.bytes.saturating_sub(bytes);
        self.budget.shared.reserved.fetch_sub(returned, Ordering::Relaxed);
        self.bytes -= returned;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_and_drops_give_back() {
        let budget = MemoryBudget::new(100);
        let mut first = budget.clone().reserve_up_to(60, 0);
        assert!(!budget.reservation().try_grow(41, 0));
        assert_eq!(budget.available(), 40, "what was refused takes nothing");
        assert!(!first.try_grow(30, 20) && first.try_grow(20, 20));
        assert!(!first.try_grow(usize::MAX, 0) && !first.try_grow(1, usize::MAX));
        first.shrink_to(30);
        first.shrink_to(50);
        assert_eq!((first.bytes(), budget.available()), (30, 70), "shrinking never grows");
        let rest = budget.reserve_up_to(1000, 10);
        assert_eq!((rest.bytes(), budget.available()), (60, 10));
        assert_eq!(budget.reserve_up_to(5, 50).bytes(), 0);
        drop((first, rest));
        assert_eq!(budget.available(), budget.bytes_max());
    }

    #[test]
    fn threads_never_get_more_than_there_is() {
        let budget = MemoryBudget::new(1000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut held = Vec::new();
                    for _ in 0..1000 {
                        let mut next = budget.reservation();
                        if next.try_grow(7, 0) {
                            held.push(next);
                        }
                        let total: usize = held.iter().map(Reservation::bytes).sum();
                        assert!(total + budget.available() <= 1000);
                        if held.len() > 30 {
                            held.clear();
                        }
                    }
                });
            }
        });
        assert_eq!(budget.available(), 1000);
    }
}
