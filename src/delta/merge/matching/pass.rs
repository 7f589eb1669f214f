//! A scan of the target, several parts of it at a time.
//!
//! Each worker is a thread that may block: it takes the next part, reads it batch by batch and looks its rows up, while
//! the scan makes the next batch on another thread. What is found waits in a short queue; workers wait when it is full.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use futures::TryStreamExt;
use tokio::{
    runtime::Handle,
    sync::mpsc::{self, Receiver, Sender},
    task::JoinSet,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    decided::{Decided, Gathered},
    probe::{Ended, Probe, Prober},
};
use crate::{
    delta::scan::{self, LeftOut, ScanSource},
    engine::{Error, Predicate, ReadPart, Result, ScanRequest},
};

/// Parts that a worker has to do in the mean: what is left out lies unevenly, and whoever has finished takes the next.
const PARTS_PER_WORKER: usize = 4;

/// Batches that wait to be taken, per worker: enough that neither side waits for the other's every step.
const QUEUE_PER_WORKER: usize = 2;

/// Which rows are read of which version.
pub(super) struct Scan {
    pub(super) target: ScanSource,
    pub(super) columns: Vec<usize>,
    pub(super) predicate: Predicate,
    pub(super) left_out: LeftOut,
}

/// A pass under way. Dropping it ends it.
pub(super) struct Pass {
    found: Receiver<Result<Decided>>,
    workers: JoinSet<()>,
    _cancel_on_drop: DropGuard,
}

impl Pass {
    pub(super) async fn begin(scan: Scan, probe: Probe) -> Result<Self> {
        let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let parts_max = cores.saturating_mul(NonZeroUsize::MIN.saturating_add(PARTS_PER_WORKER - 1));
        let request = ScanRequest { projection: scan.columns, row_id: true, predicate: scan.predicate };
        let target = scan.target.clone();
        let planning = tokio::task::spawn_blocking(move || {
            let plan = scan::plan(&target.files, &target.schema, &request, parts_max);
            (plan, request)
        });
        let planned = planning.await.map_err(|died| Error::internal("cannot tell which files a scan reads", died))?;
        let (plan, request) = planned;
        let (to, found) = mpsc::channel(cores.get() * QUEUE_PER_WORKER);
        let (cancelled, count) = (CancellationToken::new(), cores.get().min(plan.parts.len()));
        let work = Arc::new(Work {
            parts: Mutex::new(plan.parts.into()),
            target: scan.target,
            request,
            left_out: scan.left_out,
            probe,
            runtime: Handle::current(),
            cancelled: cancelled.clone(),
        });
        let mut workers = JoinSet::new();
        for _ in 0..count {
            let (work, to) = (Arc::clone(&work), to.clone());
            workers.spawn_blocking(move || work.run(&to));
        }
        Ok(Self { found, workers, _cancel_on_drop: cancelled.drop_guard() })
    }

    /// The next rows; `None` when every worker has ended well.
    pub(super) async fn next(&mut self) -> Result<Option<Decided>> {
        if let Some(found) = self.found.recv().await {
            return found.map(Some);
        }
        while let Some(ended) = self.workers.join_next().await {
            ended.map_err(|died| Error::internal("matching rows broke down", died))?;
        }
        Ok(None)
    }
}

/// What the workers of a pass share.
struct Work {
    parts: Mutex<VecDeque<ReadPart>>,
    target: ScanSource,
    request: ScanRequest,
    left_out: LeftOut,
    probe: Probe,
    runtime: Handle,
    cancelled: CancellationToken,
}

impl Work {
    fn run(&self, to: &Sender<Result<Decided>>) {
        let mut prober = Prober::new(&self.probe, Gathered::new(to.clone()), &self.cancelled);
        if let Err(Ended::Failed(error)) = self.read_parts(&mut prober) {
            // Nobody may be there any more.
            to.blocking_send(Err(error)).ok();
        }
    }

    fn read_parts(&self, prober: &mut Prober<'_>) -> Result<(), Ended> {
        while let Some(part) = self.next_part() {
            let mut batches = scan::read_without(self.target.clone(), &self.request, &part, self.left_out.clone())?;
            while let Some(batch) = self.wait_for(batches.try_next())?? {
                prober.probe(&batch.rows)?;
            }
        }
        prober.finish()
    }

    fn next_part(&self) -> Option<ReadPart> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn wait_for<T>(&self, work: impl Future<Output = T>) -> Result<T, Ended> {
        self.runtime.block_on(self.cancelled.run_until_cancelled(work)).ok_or(Ended::Unwanted)
    }
}
