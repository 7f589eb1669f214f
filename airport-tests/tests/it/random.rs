//! Numbers that look random and are the same for a seed, and how many seeds a run takes.
//!
//! `DELTAPORT_SEED=N` runs that seed alone, at full length; `DELTAPORT_LONG=1` runs all of them.

use std::ops::RangeInclusive;

/// Knuth's MMIX generator.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed);
        // Small seeds begin alike.
        for _ in 0..8 {
            random.below(2);
        }
        random
    }

    /// A number from 0 up to `bound`, without it.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    /// True so many times out of a hundred.
    pub(crate) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

/// How much is run.
#[derive(Debug)]
pub(crate) struct Effort {
    pub(crate) seeds: RangeInclusive<u64>,
    pub(crate) statements: usize,
}

/// A `(seeds, statements)` for every run, and one for long runs.
pub(crate) fn effort(short: (u64, usize), long: (u64, usize)) -> Effort {
    let number =
        |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{name}={text}")));
    match number("DELTAPORT_SEED") {
        Some(seed) => Effort { seeds: seed..=seed, statements: long.1 },
        None if number("DELTAPORT_LONG") == Some(1) => Effort { seeds: 1..=long.0, statements: long.1 },
        None => Effort { seeds: 1..=short.0, statements: short.1 },
    }
}
