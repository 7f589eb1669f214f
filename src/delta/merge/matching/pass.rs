//! A scan of the target, several parts of it at a time.
//!
//! Each worker is a task: it takes the next part, reads it batch by batch and has each one's rows looked up on a thread
//! that may block, while the scan makes the next. No such thread ever waits for another, however many statements there
//! are. What is found waits in a short queue; workers wait when it is full.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use futures::TryStreamExt;
use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    task::{JoinSet, spawn_blocking},
};

use super::{
    decided::Decided,
    probe::{Probe, Prober},
};
use crate::{
    delta::scan::{self, LeftOut, ScanSource},
    engine::{Error, Predicate, ReadPart, ReadPlan, Result, ScanRequest},
};

/// Parts that a worker has to do in the mean: what is left out lies unevenly, and whoever has finished takes the next.
const PARTS_PER_WORKER: NonZeroUsize = NonZeroUsize::new(4).expect("is not zero");

/// Batches that wait to be taken, per worker: enough that neither side waits for the other's every step.
const QUEUE_PER_WORKER: usize = 2;

/// Which rows are read of which version.
pub(super) struct Scan {
    pub(super) target: ScanSource,
    pub(super) request: ScanRequest,
    /// What is left out of the rows that are read at all; the request's predicate says which these are.
    pub(super) filter: Predicate,
    pub(super) left_out: LeftOut,
}

/// A pass under way. Dropping it ends it.
pub(super) struct Pass {
    found: Receiver<Result<Decided>>,
    workers: JoinSet<()>,
}

impl Pass {
    pub(super) async fn begin(scan: Scan, probe: Probe) -> Result<Self> {
        let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let (scan, probe) = (Arc::new(scan), Arc::new(probe));
        let planned = Arc::clone(&scan);
        let plan = spawn_blocking(move || planned.plan(cores.saturating_mul(PARTS_PER_WORKER))).await;
        let parts = plan.map_err(|died| Error::internal("cannot tell which files a scan reads", died))?.parts;
        let (to, found) = mpsc::channel(cores.get() * QUEUE_PER_WORKER);
        let (count, parts) = (cores.get().min(parts.len()), Arc::new(Mutex::new(parts.into())));
        let mut workers = JoinSet::new();
        for _ in 0..count {
            let worker = Worker { scan: Arc::clone(&scan), parts: Arc::clone(&parts), to: to.clone() };
            workers.spawn(worker.run(Prober::new(Arc::clone(&probe))));
        }
        Ok(Self { found, workers })
    }

    /// The next rows; `None` when every worker has ended well.
    pub(super) async fn next(&mut self) -> Result<Option<Decided>> {
        if let Some(found) = self.found.recv().await {
            return found.map(Some);
        }
        while let Some(ended) = self.workers.join_next().await {
            ended.map_err(broke_down)?;
        }
        Ok(None)
    }
}

impl Scan {
    fn plan(&self, parts_max: NonZeroUsize) -> ReadPlan {
        scan::plan(&self.target.files, &self.target.schema, &self.request, parts_max)
    }
}

struct Worker {
    scan: Arc<Scan>,
    /// Those that nobody has taken yet.
    parts: Arc<Mutex<VecDeque<ReadPart>>>,
    to: Sender<Result<Decided>>,
}

impl Worker {
    async fn run(self, prober: Prober) {
        if let Err(error) = self.work(prober).await {
            // Nobody may be there any more.
            self.to.send(Err(error)).await.ok();
        }
    }

    async fn work(&self, mut prober: Prober) -> Result<()> {
        while let Some(part) = self.next_part() {
            let Scan { target, request, filter, left_out } = &*self.scan;
            let mut batches = scan::read_filtered(target.clone(), request, filter, &part, left_out.clone())?;
            while let Some(batch) = batches.try_next().await? {
                prober.take(&batch.rows)?;
                while prober.has_work() {
                    let (after, done) = spawn_blocking(move || {
                        let done = prober.step();
                        (prober, done)
                    })
                    .await
                    .map_err(broke_down)?;
                    prober = after;
                    done?;
                    self.send(prober.gathered.full()).await;
                }
            }
        }
        self.send(prober.gathered.rest()).await;
        Ok(())
    }

    fn next_part(&self) -> Option<ReadPart> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    async fn send(&self, found: Vec<Decided>) {
        for decided in found {
            // Where nobody takes it the task is about to end.
            self.to.send(Ok(decided)).await.ok();
        }
    }
}

fn broke_down(died: tokio::task::JoinError) -> Error {
    Error::internal("matching rows broke down", died)
}
