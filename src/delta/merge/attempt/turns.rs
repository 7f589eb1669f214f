//! Who of the MERGEs of one table in this process may commit when.
//!
//! A MERGE that has to be done again would be overtaken for ever by others that are quicker. So its later attempts have
//! the table's MERGEs to themselves: until such an attempt has ended the others go on matching, and wait with their
//! commits. They do not wait for long, though, so that one MERGE of many minutes does not hold up all short ones.
//!
//! Whoever holds a turn may go on to lock the commits of the table; nobody who holds that lock waits for a turn.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock},
    time::timeout,
};

/// How long a commit waits for MERGEs that have the table's MERGEs to themselves: long enough for a queue of short ones,
/// and for most that are not.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The turns of one table.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    lock: Arc<RwLock<()>>,
}

/// A turn; over when dropped.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Of a commit.
    Shared { _guard: OwnedRwLockReadGuard<()> },
    /// Of a whole attempt.
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

impl Turns {
    /// For one commit; `None` if it has waited long enough, and goes ahead.
    pub(super) async fn shared(&self) -> Option<Turn> {
        let guard = timeout(WAIT_MAX, Arc::clone(&self.lock).read_owned()).await.ok()?;
        Some(Turn::Shared { _guard: guard })
    }

    /// For an attempt. Those who wait get it in the order they came.
    pub(super) async fn alone(&self) -> Turn {
        Turn::Alone { _guard: Arc::clone(&self.lock).write_owned().await }
    }
}
