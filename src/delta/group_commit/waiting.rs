//! Who waits, in the order they came, and who of them goes together. Knows nothing of tables.

use std::{collections::VecDeque, num::NonZeroUsize};

/// What one group holds at most, and how many may wait for the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupLimits {
    /// Appends of one group. With one, none shares: each makes its own files and its own commit.
    pub(crate) statements: NonZeroUsize,
    /// Rows that are encoded together: about what one append hands to its encoder at once, so that none waits long
    /// for the rows of others.
    pub(crate) rows: u64,
    /// Bytes of them, likewise.
    pub(crate) bytes: usize,
    /// Files that appends have made for themselves: each is a line of the commit, which is written and read as a whole.
    pub(crate) files: usize,
    /// Appends that wait in the queue, with their rows. More wait for a place before they join it; so many calls at
    /// a time on a whole server are refused anyway.
    pub(crate) waiting: NonZeroUsize,
}

/// What a place in the queue must tell.
pub(super) trait Ticket {
    /// Whether both may be of one group.
    fn shares_with(&self, other: &Self) -> bool;

    /// Whether nobody waits for it any more.
    fn is_given_up(&self) -> bool;

    fn weight(&self) -> Weight;
}

/// What a ticket takes of a group's bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) rows: u64,
    pub(super) bytes: usize,
    pub(super) files: usize,
}

/// Tickets in the order they came.
#[derive(Debug)]
pub(super) struct Waiting<T>(VecDeque<T>);

/// Tickets taken from the queue.
#[derive(Debug)]
pub(super) struct Taken<T> {
    /// One group; empty if nobody waits.
    pub(super) members: Vec<T>,
    pub(super) given_up: Vec<T>,
}

impl GroupLimits {
    /// How many appends share a version at most, unless told otherwise: all calls of a connection.
    pub(crate) const STATEMENTS_MAX: NonZeroUsize = NonZeroUsize::new(1024).expect("is not zero");

    /// The default bounds but for the number of appends.
    pub(crate) fn of_statements(statements: NonZeroUsize) -> Self {
        Self {
            statements,
            rows: 64 * 1024,
            bytes: 16 << 20,
            files: 4096,
            waiting: NonZeroUsize::new(4096).expect("is not zero"),
        }
    }

    fn hold(&self, members: usize, weight: Weight) -> bool {
        let Weight { rows, bytes, files } = weight;
        members <= self.statements.get() && rows <= self.rows && bytes <= self.bytes && files <= self.files
    }
}

impl Default for GroupLimits {
    fn default() -> Self {
        Self::of_statements(Self::STATEMENTS_MAX)
    }
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: Ticket> Waiting<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn push(&mut self, ticket: T) {
        self.0.push_back(ticket);
    }

    /// The oldest ticket, whatever it weighs, and those behind it that share with it, up to the first that no longer
    /// fits: nobody is overtaken by a lighter one. Those that do not share keep their places.
    pub(super) fn take(&mut self, limits: &GroupLimits) -> Taken<T> {
        let (mut members, mut given_up) = (Vec::<T>::new(), Vec::new());
        let (mut weight, mut full) = (Weight::default(), false);
        let mut left = VecDeque::new();
        for ticket in self.0.drain(..) {
            if ticket.is_given_up() {
                given_up.push(ticket);
                continue;
            }
            if full || members.first().is_some_and(|first| !first.shares_with(&ticket)) {
                left.push_back(ticket);
                continue;
            }
            let more = weight.plus(ticket.weight());
            if members.is_empty() || limits.hold(members.len() + 1, more) {
                weight = more;
                members.push(ticket);
            } else {
                full = true;
                left.push_back(ticket);
            }
        }
        self.0 = left;
        Taken { members, given_up }
    }
}

impl Weight {
    fn plus(self, other: Self) -> Self {
        Self {
            rows: self.rows.saturating_add(other.rows),
            bytes: self.bytes.saturating_add(other.bytes),
            files: self.files.saturating_add(other.files),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Fake {
        number: usize,
        kind: usize,
        given_up: bool,
        weight: Weight,
    }

    impl Ticket for Fake {
        fn shares_with(&self, other: &Self) -> bool {
            self.kind == other.kind
        }

        fn is_given_up(&self) -> bool {
            self.given_up
        }

        fn weight(&self) -> Weight {
            self.weight
        }
    }

    fn limits() -> GroupLimits {
        let count = |count| NonZeroUsize::new(count).unwrap();
        GroupLimits { statements: count(4), rows: 10, bytes: 100, files: 3, waiting: count(1) }
    }

    /// Those of one kind that weigh `rows`, numbered from 0.
    fn waiting(rows: &[u64]) -> Waiting<Fake> {
        let fake = |(number, &rows): (usize, &u64)| {
            let weight = Weight { rows, bytes: 1, files: 0 };
            Fake { number, kind: 0, given_up: false, weight }
        };
        Waiting(rows.iter().enumerate().map(fake).collect())
    }

    fn numbers(tickets: &[Fake]) -> Vec<usize> {
        tickets.iter().map(|ticket| ticket.number).collect()
    }

    fn taken(waiting: &mut Waiting<Fake>) -> Vec<usize> {
        numbers(&waiting.take(&limits()).members)
    }

    #[test]
    fn the_oldest_go_first_and_none_is_overtaken() {
        let mut queue = waiting(&[1, 1, 9, 1, 1, 1, 1, 1]);
        assert_eq!(taken(&mut queue), [0, 1], "the third would be too much, and nobody passes it");
        assert_eq!(taken(&mut queue), [2, 3]);
        assert_eq!(taken(&mut queue), [4, 5, 6, 7]);
        assert_eq!(taken(&mut queue), [0; 0]);
    }

    #[test]
    fn what_is_more_than_all_goes_alone() {
        let mut queue = waiting(&[11, 0, 50, 10]);
        assert_eq!((taken(&mut queue), taken(&mut queue)), (vec![0], vec![1]));
        assert_eq!((taken(&mut queue), taken(&mut queue)), (vec![2], vec![3]));
    }

    #[test]
    fn bytes_and_files_are_bounded_too() {
        let mut queue = waiting(&[0; 4]);
        queue.0[1].weight.bytes = 100;
        queue.0[2].weight.files = 3;
        queue.0[3].weight.files = 1;
        assert_eq!((taken(&mut queue), taken(&mut queue)), (vec![0], vec![1]));
        assert_eq!((taken(&mut queue), taken(&mut queue)), (vec![2], vec![3]));
    }

    #[test]
    fn other_kinds_keep_their_places() {
        let mut queue = waiting(&[1; 5]);
        queue.0[1].kind = 1;
        queue.0[3].kind = 1;
        assert_eq!((taken(&mut queue), taken(&mut queue)), (vec![0, 2, 4], vec![1, 3]));
    }

    #[test]
    fn those_given_up_are_dropped_on_the_way() {
        let mut queue = waiting(&[1; 4]);
        queue.0[0].given_up = true;
        queue.0[2].given_up = true;
        let Taken { members, given_up } = queue.take(&limits());
        assert_eq!((numbers(&members), numbers(&given_up)), (vec![1, 3], vec![0, 2]));
        queue = waiting(&[1]);
        queue.0[0].given_up = true;
        assert!(queue.take(&limits()).members.is_empty() && queue.is_empty());
    }

    /// Random queues: each ticket goes once, no group is over its bounds, and kinds keep their order.
    #[test]
    fn whatever_waits_goes_once_in_its_order() {
        let mut seed = 7u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            (seed >> 33) % below
        };
        for _ in 0..500 {
            let rows: Vec<_> = (0..random(40)).map(|_| random(13)).collect();
            let mut queue = waiting(&rows);
            for ticket in &mut queue.0 {
                (ticket.kind, ticket.given_up) = (random(3) as usize, random(5) == 0);
                ticket.weight.files = random(3) as usize;
            }
            let (mut went, mut given_up) = (Vec::new(), Vec::new());
            while !queue.is_empty() {
                let Taken { members, given_up: dropped } = queue.take(&limits());
                let weight = members.iter().fold(Weight::default(), |sum, ticket| sum.plus(ticket.weight));
                assert!(members.len() < 2 || limits().hold(members.len(), weight), "{members:?}");
                assert!(members.windows(2).all(|pair| pair[0].kind == pair[1].kind));
                went.extend(members);
                given_up.extend(dropped);
            }
            assert!(went.iter().all(|ticket| !ticket.given_up) && given_up.iter().all(|ticket| ticket.given_up));
            for kind in 0..3 {
                let order: Vec<_> = went.iter().filter(|ticket| ticket.kind == kind).map(|t| t.number).collect();
                assert!(order.is_sorted_by(|one, next| one < next), "{order:?}");
            }
            assert_eq!(went.len() + given_up.len(), rows.len());
        }
    }
}
