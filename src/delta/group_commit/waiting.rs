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
