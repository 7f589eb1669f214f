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
/// The first file, if it is no larger, is left to whoever waits for all: to sync it takes hardly longer than to start a
/// thread.
const LONE_BYTES_MAX: u64 = 1 << 20;

/// Syncs the files and directories it is given side by side.
#[derive(Debug)]
pub(super) struct Syncer {
    /// The first file, if it is small.
    first: Option<Arc<File>>,
    /// How many have been submitted.
    submitted: usize,
    files: mpsc::SyncSender<Arc<File>>,
    waiting: Arc<Mutex<mpsc::Receiver<Arc<File>>>>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Syncer {
    pub(super) fn new() -> Self {
        let (files, waiting) = mpsc::sync_channel(QUEUE_FILES);
        Self { first: None, submitted: 0, files, waiting: Arc::new(Mutex::new(waiting)), threads: Vec::new() }
    }

    /// Begins to sync a file to which nothing more is written, or notes it.
    pub(super) fn submit(&mut self, file: Arc<File>) -> io::Result<()> {
        self.submitted += 1;
        if self.submitted == 1 && file.metadata()?.len() <= LONE_BYTES_MAX {
            self.first = Some(file);
            return Ok(());
        }
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
        let mut outcome = self.first.map_or(Ok(()), |file| durable::sync(&file));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn files(count: usize) -> Vec<Arc<File>> {
        (0..count).map(|_| Arc::new(tempfile::tempfile().unwrap())).collect()
    }

    #[test]
    fn one_small_file_needs_no_thread_and_several_share_a_few() {
        for (count, threads) in [(0, 0), (1, 0), (2, 1), (40, THREADS_MAX)] {
            let mut syncer = Syncer::new();
            let files = files(count);
            for file in &files {
                syncer.submit(Arc::clone(file)).unwrap();
            }
            assert_eq!(syncer.threads.len(), threads);
            syncer.finish().unwrap();
            assert!(files.iter().all(|file| Arc::strong_count(file) == 1), "a file was left waiting");
        }
    }

    #[test]
    fn a_large_file_is_begun_at_once() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        file.set_len(LONE_BYTES_MAX + 1).unwrap();
        let mut syncer = Syncer::new();
        syncer.submit(file).unwrap();
        assert_eq!(syncer.threads.len(), 1);
        syncer.finish().unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_cannot_be_synced_is_reported() {
        // A device that has nothing to sync says so.
        let unsyncable = || Arc::new(File::open("/dev/null").unwrap());
        for count in [1, 3] {
            let mut syncer = Syncer::new();
            for _ in 0..count {
                syncer.submit(unsyncable()).unwrap();
            }
            assert!(syncer.finish().is_err(), "{count}");
        }
    }
}
