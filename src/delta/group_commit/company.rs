//! Whether it pays to wait for company, told by the groups before.
//!
//! Clients that insert one row after the other come back soon after they are answered. If the next group began at once, it
//! would be of those alone that came while the last one was written, and each half would always wait for the other's
//! commit. So for a moment after a group, those it has answered are waited for. Whoever comes when that moment has
//! passed, or after a group of one, waits for nobody; and if too few come back, nobody is waited for for a while.

use std::time::Duration;

use tokio::time::Instant;

/// The part of the last group's time that its members are given to come back: if they do, twice as many share.
const WAIT_SHARE: u32 = 2;
/// No wait is longer: whoever takes longer is not coming back for the next statement, but thinking.
const WAIT_MAX: Duration = Duration::from_millis(10);
/// No wait is shorter, for that is how fine the runtime's clock is; nor would it be worth it.
const WAIT_MIN: Duration = Duration::from_millis(1);
/// How many groups begin at once after one that waited in vain: what it costs to try again is lost among so many.
const GROUPS_WITHOUT_WAIT: u32 = 31;

/// What the last groups tell of the next.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Company {
    /// How many may come: the last one's members, and those that came meanwhile.
    appends: usize,
    /// Until when they are waited for.
    until: Option<Instant>,
    /// So many groups begin at once.
    without_wait: u32,
}

impl Company {
    /// A group is over that took from `began` until `ended`; `appends` is how many it were, and those that wait by now.
    pub(super) fn after(&mut self, appends: usize, began: Instant, ended: Instant) {
        let wait = ((ended - began) / WAIT_SHARE).min(WAIT_MAX);
        let pays = wait >= WAIT_MIN && self.without_wait == 0;
        *self =
            Self { appends, until: pays.then_some(ended + wait), without_wait: self.without_wait.saturating_sub(1) };
    }

    /// Until when `waiting` appends are to wait for others at `now`; `None` if not at all.
    pub(super) fn wait(&self, waiting: usize, now: Instant) -> Option<Instant> {
        self.until.filter(|until| waiting > 0 && waiting < self.appends && now < *until)
    }

    /// Whether nobody is missing when `waiting` appends wait.
    pub(super) fn is_complete(&self, waiting: usize) -> bool {
        waiting >= self.appends
    }

    /// `before` of those awaited waited when the wait began, `waiting` when it was over.
    pub(super) fn waited(&mut self, before: usize, waiting: usize) {
        let (missing, come) = (self.appends.saturating_sub(before), waiting.saturating_sub(before));
        if come < missing.div_ceil(2) {
            self.without_wait = GROUPS_WITHOUT_WAIT;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOK: Duration = Duration::from_millis(10);

    fn after(appends: usize, ended: Instant) -> Company {
        let mut company = Company::default();
        company.after(appends, ended - TOOK, ended);
        company
    }

    #[test]
    fn those_just_answered_are_waited_for_a_moment() {
        let ended = Instant::now() + TOOK;
        let company = after(3, ended);
        let until = ended + TOOK / WAIT_SHARE;
        assert_eq!(company.wait(0, ended), None, "there is nobody to wait");
        assert_eq!(company.wait(1, ended), Some(until));
        assert_eq!(company.wait(2, until - Duration::from_nanos(1)), Some(until));
        assert_eq!(company.wait(3, ended), None, "all are there");
        assert_eq!(company.wait(1, until), None, "the moment has passed");
        assert_eq!(after(1, ended).wait(1, ended), None, "there was no company");
        assert_eq!(Company::default().wait(1, ended), None);
    }

    #[test]
    fn the_moment_is_bounded_both_ways() {
        let began = Instant::now();
        let wait = |took: Duration| {
            let (mut company, ended) = (Company::default(), began + took);
            company.after(2, began, ended);
            company.wait(1, ended).map(|until| until - ended)
        };
        assert_eq!(wait(WAIT_MIN * WAIT_SHARE - Duration::from_nanos(2)), None);
        assert_eq!(wait(WAIT_MIN * WAIT_SHARE), Some(WAIT_MIN));
        assert_eq!(wait(Duration::from_secs(60)), Some(WAIT_MAX));
    }

    #[test]
    fn a_wait_in_vain_is_not_repeated_for_a_while() {
        let ended = Instant::now() + TOOK;
        for (come, pays) in [(0, false), (1, false), (2, true), (4, true)] {
            let mut company = after(6, ended);
            company.waited(2, 2 + come);
            let mut groups = 0;
            loop {
                company.after(6, ended - TOOK, ended);
                if company.wait(1, ended).is_some() {
                    break;
                }
                groups += 1;
            }
            assert_eq!(groups, if pays { 0 } else { GROUPS_WITHOUT_WAIT }, "{come} of 4 came");
        }
    }
}
