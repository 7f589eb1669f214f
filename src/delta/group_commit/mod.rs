//! Appends that commit together: those that come while one version is being written make the next one.
//!
//! An append is led at once if nobody is being led; otherwise it waits, and when the version under way is done, the
//! leader takes all that wait (`waiting`), oldest first, makes one set of files of the rows of the small ones and one
//! commit of them all (`round`), and tells each. So the more come, the more share. Nobody waits for company but for a
//! moment after a group of several, whose members are likely to come back (`company`).
//!
//! - An append hears of success only when the version that has its rows is durable.
//! - Small ones that began from different versions share if those have the same definition; nothing else of a version
//!   matters to an append.
//! - Whatever is wrong with one append is told to that one. A commit that fails is told to all that shared it.
//! - An append whose caller goes away is dropped without a trace until it is taken.

mod company;
mod round;
#[cfg(test)]
mod tests;
mod waiting;

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use futures::FutureExt;
use tokio::{
    runtime::Handle,
    sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot},
    time::{Instant, timeout_at},
};

use super::{
    commit::{AppendCommit, unknown},
    snapshot::DeltaSnapshot,
    write::{CommitShared, Committer, Written},
};
use crate::engine::{CommitOutcome, Result};

use company::Company;
pub(crate) use waiting::GroupLimits;
use waiting::{Taken, Ticket, Waiting, Weight};

/// Who commits an append that begins from `base`.
pub(crate) fn committer(base: DeltaSnapshot) -> Committer {
    match base.table().group().limits.statements.get() {
        1 => Committer::Alone(Box::new(AppendCommit::new(base))),
        _ => Committer::Shared(Box::new(SharedCommit { base })),
    }
}

/// One table's appends that wait for a version.
pub(crate) struct Group {
    limits: GroupLimits,
    state: Mutex<State>,
    /// Tells the leader that as many wait as may come.
    complete: Notify,
    /// For those that wait; beyond, an append waits for a place before it joins.
    places: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    waiting: Waiting<Member>,
    /// Whether somebody leads: takes those that wait until there are none.
    led: bool,
    company: Company,
}

/// An append that waits.
struct Member {
    base: DeltaSnapshot,
    written: Written,
    answer: Answer,
    _place: Option<OwnedSemaphorePermit>,
}

type Answer = oneshot::Sender<Result<CommitOutcome>>;

/// Commits an append in its table's group.
struct SharedCommit {
    base: DeltaSnapshot,
}

#[async_trait]
impl CommitShared for SharedCommit {
    async fn commit(self: Box<Self>, written: Written) -> Result<CommitOutcome> {
        let table = self.base.table().clone();
        let outcome = table.group().join(self.base, written).await;
        // Never taken without an answer but by a leader that broke off.
        outcome.await.unwrap_or_else(|gone| Err(unknown(&table, gone)))
    }
}

impl Group {
    pub(crate) fn new(limits: GroupLimits) -> Self {
        let places = Arc::new(Semaphore::new(limits.waiting.get()));
        Self { limits, state: Mutex::default(), complete: Notify::new(), places }
    }

    /// Waits behind those that came before, and sees to it that somebody leads.
    async fn join(self: &Arc<Self>, base: DeltaSnapshot, written: Written) -> oneshot::Receiver<Result<CommitOutcome>> {
        // Nobody closes it.
        let place = self.places.clone().acquire_owned().await.ok();
        let (answer, outcome) = oneshot::channel();
        let mut state = self.lock();
        state.waiting.push(Member { base, written, answer, _place: place });
        if state.company.is_complete(state.waiting.len()) {
            self.complete.notify_one();
        }
        self.lead(state);
        outcome
    }

    /// Sets a task to lead those that wait, unless one does.
    fn lead(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if state.led || state.waiting.is_empty() {
            return;
        }
        state.led = true;
        drop(state);
        let leading = Leading { group: self.clone(), begun: false, ended: false };
        match Handle::try_current() {
            // A runtime that ends drops it at once.
            Ok(runtime) => drop(runtime.spawn(leading.lead())),
            Err(_) => drop(leading),
        }
    }

    /// Waits for those that are likely to come, if it has paid before.
    async fn gather(&self) {
        let (before, until) = {
            let state = self.lock();
            let waiting = state.waiting.len();
            (waiting, state.company.wait(waiting, Instant::now()))
        };
        let Some(until) = until else { return };
        // Told of an earlier group it looks again.
        while !self.is_complete() && timeout_at(until, self.complete.notified()).await.is_ok() {}
        let mut state = self.lock();
        let waiting = state.waiting.len();
        state.company.waited(before, waiting);
    }

    fn is_complete(&self) -> bool {
        let state = self.lock();
        state.company.is_complete(state.waiting.len())
    }

    /// A group of `members` that began at `began` is over.
    fn over(&self, members: usize, began: Instant) {
        let mut state = self.lock();
        let appends = (members + state.waiting.len()).min(self.limits.statements.get());
        state.company.after(appends, began, Instant::now());
    }

    /// Those that share the next version; `None` if nobody waits, and then nobody leads any more.
    fn next(&self) -> Option<Vec<Member>> {
        let mut state = self.lock();
        let Taken { members, given_up } = state.waiting.take(&self.limits);
        state.led = !members.is_empty();
        let members = state.led.then_some(members);
        drop(state);
        // Not under the lock: dropping their files may start threads.
        drop(given_up);
        members
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What is behind the lock is whole at every moment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever leads. Dropped before its end it makes room for another; before it began, which only a runtime that ends
/// does, it lets go of those that wait.
struct Leading {
    group: Arc<Group>,
    begun: bool,
    ended: bool,
}

impl Leading {
    async fn lead(mut self) {
        self.begun = true;
        loop {
            self.group.gather().await;
            let Some(members) = self.group.next() else { break };
            let (count, began) = (members.len(), Instant::now());
            // Those it had taken hear that nobody answers.
            if AssertUnwindSafe(round::round(members)).catch_unwind().await.is_err() {
                tracing::error!("a group of appends was left by a panic");
            }
            self.group.over(count, began);
        }
        // Since that look another may have begun to lead.
        self.ended = true;
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut state = self.group.lock();
        state.led = false;
        if self.begun {
            return self.group.lead(state);
        }
        let left = std::mem::take(&mut state.waiting);
        drop(state);
        drop(left);
    }
}

impl Ticket for Member {
    fn shares_with(&self, other: &Self) -> bool {
        let (one, other) = (self.base.definition(), other.base.definition());
        Arc::ptr_eq(one, other) || one == other
    }

    fn is_given_up(&self) -> bool {
        self.answer.is_closed()
    }

    fn weight(&self) -> Weight {
        match &self.written {
            Written::Rows(rows) => Weight { rows: rows.count, bytes: rows.bytes, files: 0 },
            Written::Files(staged) => Weight { files: staged.adds.len(), ..Weight::default() },
        }
    }
}

impl Default for Group {
    fn default() -> Self {
        Self::new(GroupLimits::default())
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Group").field("limits", &self.limits).finish_non_exhaustive()
    }
}
