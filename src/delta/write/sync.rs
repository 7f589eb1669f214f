//! Makes local files durable while others are still being written.

use std::{
    fs::File,
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use crate::delta::durable;

/// Files synced at once: a disk answers several requests together faster than one by one.
const THREADS_MAX: usize = 4;
/// Files that may wait, each an open descriptor.
const QUEUE_FILES: usize = 16;

/// Syncs the files it is given, on threads of its own.
#[derive(Debug)]
pub(super) struct Syncer {
    files: mpsc::SyncSender<Arc<File>>,
    waiting: Arc<Mutex<mpsc::Receiver<Arc<File>>>>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Syncer {
    pub(super) fn new() -> Self {
        let (files, waiting) = mpsc::sync_channel(QUEUE_FILES);
        Self { files, waiting: Arc::new(Mutex::new(waiting)), threads: Vec::new() }
    }

    /// Begins to sync a file to which nothing more is written.
    pub(super) fn submit(&mut self, file: Arc<File>) -> io::Result<()> {
        if self.threads.len() < THREADS_MAX {
            let waiting = Arc::clone(&self.waiting);
            self.threads.push(thread::Builder::new().name("delta-sync".to_owned()).spawn(move || sync_all(&waiting))?);
        }
        // `self.waiting` keeps the channel open.
        self.files.send(file).map_err(io::Error::other)
    }

    /// Waits until all files are durable.
    pub(super) fn finish(self) -> io::Result<()> {
        drop(self.files);
        let mut outcome = Ok(());
        for thread in self.threads {
            let synced = thread.join().unwrap_or_else(|_| Err(io::Error::other("a sync thread panicked")));
            outcome = outcome.and(synced);
        }
        outcome
    }
}

/// Goes on after a failure, so that whoever submits never waits in vain; the first failure is the outcome.
fn sync_all(waiting: &Mutex<mpsc::Receiver<Arc<File>>>) -> io::Result<()> {
    let mut outcome = Ok(());
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(file) => outcome = outcome.and(durable::sync(&file)),
            Err(mpsc::RecvError) => return outcome,
        }
    }
}
