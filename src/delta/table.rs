//! One table: its cache of versions, kept up with the log by reading single commits.
//!
//! A look at a table that has not changed costs two look-ups: that the next commit is not there, and that the
//! current one is still the same file, so that a table dropped and made again is noticed.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use lru::LruCache;
use tokio::sync::{Mutex, MutexGuard};

use super::{
    DeletionVectors, MergeOptions,
    actions::parse_commit,
    checkpoint::Background,
    definition::Definition,
    group_commit::{Group, GroupLimits},
    history::{History, now_us},
    log::{CommitIdentity, Log},
    merge::Turns,
    orphans::clean_behind,
    replay::{is_whole, no_version, replay},
    store::TableStore,
    version::Version,
    write::{FileNaming, StageTarget},
};
use crate::engine::{Error, Result};

/// Versions kept besides the newest: those that running transactions have pinned are mostly among them, and
/// they share what they have in common.
const RECENT_VERSIONS_MAX: NonZeroUsize = NonZeroUsize::new(16).expect("is not zero");

/// How many commits are read one by one before loading from nothing (which begins at the newest checkpoint) is
/// taken to be cheaper.
const ADVANCED_COMMITS_MAX: u64 = 200;

/// How often a load is tried again because the table was replaced under it.
const REPLACED_RETRIES_MAX: usize = 3;

/// A table; all handles of one location share it.
#[derive(Debug)]
pub(crate) struct DeltaTable {
    store: Arc<TableStore>,
    log: Log,
    cache: Mutex<Cache>,
    /// Refreshes begun so far.
    refreshes: AtomicU64,
    /// Held while this process commits, so that its own commits do not race each other.
    commits: Mutex<()>,
    turns: Turns,
    group: Arc<Group>,
    background: Arc<Background>,
    /// Whether what an earlier process left has been looked for.
    cleaned: AtomicBool,
    deletion_vectors: DeletionVectors,
    merge: MergeOptions,
}

#[derive(Debug)]
struct Cache {
    newest: Option<Arc<Version>>,
    /// Which refresh made `newest` what it is.
    refresh: u64,
    recent: LruCache<u64, Arc<Version>>,
}

impl DeltaTable {
    pub(crate) fn new(store: TableStore, background: Arc<Background>) -> Self {
        let store = Arc::new(store);
        let cache = Cache { newest: None, refresh: 0, recent: LruCache::new(RECENT_VERSIONS_MAX) };
        Self {
            log: Log::new(store.clone()),
            store,
            cache: Mutex::new(cache),
            refreshes: AtomicU64::new(0),
            commits: Mutex::new(()),
            turns: Turns::default(),
            group: Arc::default(),
            background,
            cleaned: AtomicBool::new(false),
            deletion_vectors: DeletionVectors::default(),
            merge: MergeOptions::default(),
        }
    }

    /// The table where vectors are written as told.
    pub(crate) fn with_deletion_vectors(self, deletion_vectors: DeletionVectors) -> Self {
        Self { deletion_vectors, ..self }
    }

    /// With other bounds on what a MERGE keeps.
    pub(crate) fn with_merge(self, merge: MergeOptions) -> Self {
        Self { merge, ..self }
    }

    /// With other bounds on what shares a commit.
    pub(crate) fn with_group(self, limits: GroupLimits) -> Self {
        Self { group: Arc::new(Group::new(limits)), ..self }
    }

    pub(crate) fn store(&self) -> &Arc<TableStore> {
        &self.store
    }

    /// Where the data files of a version of that definition go.
    pub(crate) fn stage_target(&self, definition: &Definition) -> StageTarget {
        StageTarget {
            store: self.store.objects().clone(),
            local_root: self.store.local_root().map(Into::into),
            schema: definition.schema().clone(),
            stats_columns: definition.stats_columns(),
            naming: FileNaming::DATA,
        }
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Whether UPDATE and DELETE write deletion vectors: if the table wants them and the server may.
    pub(crate) fn writes_deletion_vectors(&self, definition: &Definition) -> bool {
        self.deletion_vectors == DeletionVectors::AsTable && definition.wants_deletion_vectors()
    }

    /// What a MERGE may keep.
    pub(crate) fn merge_options(&self) -> &MergeOptions {
        &self.merge
    }

    pub(crate) fn background(&self) -> &Background {
        &self.background
    }

    /// Removes what dead statements left, behind the caller.
    pub(crate) fn clean_up(&self) {
        clean_behind(&self.background, self.store.clone(), self.log.clone());
    }

    /// The appends that wait for a version.
    pub(crate) fn group(&self) -> &Arc<Group> {
        &self.group
    }

    /// The turns of MERGEs.
    pub(crate) fn turns(&self) -> &Turns {
        &self.turns
    }

    pub(crate) async fn lock_commits(&self) -> MutexGuard<'_, ()> {
        self.commits.lock().await
    }

    /// The newest version. Callers that come while one is looking share the next look.
    pub(crate) async fn newest(&self) -> Result<Arc<Version>> {
        let begun_before = self.refreshes.load(Ordering::SeqCst);
        let mut cache = self.cache.lock().await;
        if let Some(newest) = cache.newest.as_ref().filter(|_| cache.refresh > begun_before) {
            return Ok(newest.clone());
        }
        let refresh = self.refreshes.fetch_add(1, Ordering::SeqCst) + 1;
        match self.look(cache.newest.as_ref()).await {
            Ok(Look { version, replaced }) => {
                if replaced {
                    cache.recent.clear();
                }
                cache.keep(&version);
                cache.refresh = refresh;
                if !self.cleaned.swap(true, Ordering::Relaxed) {
                    self.clean_up();
                }
                Ok(version)
            }
            Err(error) => {
                // A store that fails for a moment says nothing about the table.
                if !matches!(error, Error::Internal { .. }) {
                    cache.newest = None;
                    cache.recent.clear();
                }
                Err(error)
            }
        }
    }

    /// A given version.
    pub(crate) async fn at(&self, number: u64) -> Result<Arc<Version>> {
        if let Some(version) = self.cache.lock().await.get(number) {
            return Ok(version);
        }
        let newest = self.newest().await?;
        if number > newest.number() {
            let first = self.log.list().await?.readable().map_or(newest.number(), |readable| *readable.start());
            return Err(no_version(self.store.name(), number, &(first..=newest.number())));
        }
        if let Some(version) = self.cache.lock().await.get(number) {
            return Ok(version);
        }
        let version = Arc::new(Version::replayed(replay(&self.store, &self.log, Some(number)).await?));
        Ok(self.cache.lock().await.recent.get_or_insert(number, || version).clone())
    }

    /// The newest version at a time, in microseconds since 1970-01-01.
    pub(crate) async fn as_of(&self, time_us: i64) -> Result<Arc<Version>> {
        let newest = self.newest().await?;
        let listing = self.log.list().await?;
        let in_commits = newest.definition().in_commit_timestamps();
        let history = History::new(self.store.name(), &self.log, &listing, in_commits);
        self.at(history.as_of(time_us, now_us()).await?).await
    }

    /// The version that `commit`, just made by this process on top of `base`, has led to.
    pub(crate) async fn advanced(
        &self,
        base: &Arc<Version>,
        commit: &[u8],
        identity: Option<CommitIdentity>,
    ) -> Result<Arc<Version>> {
        let Some(next) = self.next(base, commit, identity)? else { return self.at(base.number() + 1).await };
        let mut cache = self.cache.lock().await;
        if let Some(version) = cache.get(next.number()) {
            return Ok(version); // Somebody looked in between.
        }
        let next = Arc::new(next);
        if cache.newest.as_ref().is_some_and(|newest| newest.number() == base.number()) {
            cache.keep(&next);
        }
        Ok(next)
    }

    async fn look(&self, cached: Option<&Arc<Version>>) -> Result<Look> {
        if let Some(cached) = cached
            && let Some(version) = self.advance(cached).await?
        {
            return Ok(Look { version, replaced: false });
        }
        let version = self.load().await?;
        // A log that was only cleaned goes on with the same table id.
        let same = |cached: &Arc<Version>| {
            cached.number() <= version.number()
                && cached.definition().metadata().id() == version.definition().metadata().id()
        };
        Ok(Look { replaced: !cached.is_some_and(same), version })
    }

    async fn load(&self) -> Result<Arc<Version>> {
        for _ in 0..REPLACED_RETRIES_MAX {
            let replayed = replay(&self.store, &self.log, None).await?;
            if is_whole(&replayed) {
                return Ok(Arc::new(Version::replayed(replayed)));
            }
        }
        Err(Error::FailedPrecondition(format!("table '{}' is being replaced", self.store.name())))
    }

    /// The newest version, reached from a cached one; `None` if it cannot be reached from there.
    async fn advance(&self, cached: &Arc<Version>) -> Result<Option<Arc<Version>>> {
        let mut version = cached.clone();
        for _ in 0..ADVANCED_COMMITS_MAX {
            let Some(commit) = self.log.read(version.number() + 1).await? else {
                // Only now: a table replaced before the last commit was read is noticed too.
                let same = cached.identity().is_some()
                    && self.log.identity(cached.number()).await?.as_ref() == cached.identity();
                return Ok(same.then_some(version));
            };
            match self.next(&version, &commit.bytes, Some(commit.identity)) {
                Ok(Some(next)) => version = Arc::new(next),
                // Whatever a commit asks for that is not offered, a replaced table may not ask for it.
                Ok(None) | Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The version that `commit` makes of `version`; `None` if it says something unexpected.
    fn next(&self, version: &Arc<Version>, commit: &[u8], identity: Option<CommitIdentity>) -> Result<Option<Version>> {
        match parse_commit(self.store.location(), commit) {
            Ok(changes) => version.next(self.store.name(), changes, identity),
            Err(error) => {
                let (table, number) = (self.store.name(), version.number() + 1);
                tracing::warn!(table, version = number, %error, "a commit is not understood; loading it from nothing");
                Ok(None)
            }
        }
    }
}

struct Look {
    version: Arc<Version>,
    /// Whether what is cached belongs to another table.
    replaced: bool,
}

impl Cache {
    fn get(&mut self, number: u64) -> Option<Arc<Version>> {
        let newest = self.newest.as_ref().filter(|newest| newest.number() == number);
        newest.or_else(|| self.recent.get(&number)).cloned()
    }

    fn keep(&mut self, version: &Arc<Version>) {
        if let Some(before) = self.newest.replace(version.clone())
            && before.number() < version.number()
        {
            self.recent.put(before.number(), before);
        }
    }
}

#[cfg(test)]
mod tests;
