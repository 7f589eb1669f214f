//! The clean-up: markers of the dead, what they note, and whether the log speaks of it.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    DIRECTORY, EXTENSION,
    marker::{boot, is_at, remove},
    record::Record,
    references::take_out_referenced,
};
use crate::{
    delta::{
        checkpoint::Background,
        log::{LOG_DIRECTORY, Log},
        store::TableStore,
    },
    engine::{Error, Result},
};

/// Markers looked at in one clean-up.
const MARKERS_MAX: usize = 4096;
/// Markers held at once, each an open file.
const BATCH_MARKERS: usize = 64;
/// The longest marker that is read: a statement of several hundred thousand files.
const MARKER_BYTES_MAX: u64 = 64 << 20;
/// How long a commit whose end nobody saw may still be on its way.
const UNDECIDED: Duration = Duration::from_secs(3600);
/// How long a marker is left alone whose lock may say nothing, as it was made under another boot or on another host, or
/// that is not understood. VACUUM leaves files alone for as long, and for the same reason: statements end within it.
const FOREIGN: Duration = Duration::from_secs(7 * 24 * 3600);

/// Cleans up behind the caller.
pub(crate) fn clean_behind(background: &Background, store: Arc<TableStore>, log: Log) {
    background.spawn(async move {
        match clean(&store, &log).await {
            Ok(0) => {}
            Ok(files) => tracing::info!(table = store.name(), files, "removed files of statements that died"),
            Err(error) => tracing::warn!(table = store.name(), %error, "cannot clean up after statements that died"),
        }
    });
}

/// Removes what statements left whose process has died, and answers how many files that were.
pub(super) async fn clean(store: &TableStore, log: &Log) -> Result<usize> {
    let Some(root) = store.local_root().map(Arc::<Path>::from) else { return Ok(0) };
    let directory = root.join(DIRECTORY);
    let markers = blocking(store, move || list(&directory)).await?;
    let mut removed = 0;
    for batch in markers.chunks(BATCH_MARKERS) {
        let (table, batch) = (Arc::clone(&root), batch.to_vec());
        let (dead, mut files) = blocking(store, move || Ok(take(&table, batch))).await?;
        let Some(base) = dead.iter().map(|dead| dead.record.head.base).min() else { continue };
        let unclear = match files.is_empty() {
            true => None,
            false => take_out_referenced(&mut files, base, store, log).await?,
        };
        if let Some(why) = unclear {
            let files = files.drain().count();
            tracing::warn!(table = store.name(), files, why, "files of statements that died are left to VACUUM");
        }
        let table = Arc::clone(&root);
        removed += blocking(store, move || Ok(bury(&table, &dead, &files))).await?;
    }
    Ok(removed)
}

async fn blocking<T: Send + 'static>(
    store: &TableStore,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|died| Err(died.into()));
    done.map_err(|error| Error::internal(format!("cannot clean up in table '{}'", store.name()), error))
}

fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let markers = entries.flatten().map(|entry| entry.path());
    Ok(markers.filter(|path| path.to_string_lossy().ends_with(EXTENSION)).take(MARKERS_MAX).collect())
}

/// A marker whose lock is ours now.
struct Dead {
    path: PathBuf,
    _lock: File,
    record: Record,
}

/// Takes the markers of the dead, and says which files they noted that are there.
///
/// Commits on their way go at once: without its file a commit cannot appear any more, so whoever reads the log after
/// this knows all that the dead have committed.
fn take(root: &Path, markers: Vec<PathBuf>) -> (Vec<Dead>, HashSet<String>) {
    let dead: Vec<_> = markers.into_iter().filter_map(take_one).collect();
    let mut files = HashSet::new();
    for path in dead.iter().flat_map(|dead| &dead.record.files) {
        if path.starts_with(LOG_DIRECTORY) {
            remove_file(root, path);
        } else if fs::exists(root.join(path)).unwrap_or(true) {
            files.insert(path.clone());
        }
    }
    (dead, files)
}

fn take_one(path: PathBuf) -> Option<Dead> {
    let mut lock = OpenOptions::new().read(true).append(true).open(&path).ok()?;
    lock.try_lock().ok()?;
    // It may have been settled between the two.
    if !is_at(&lock, &path) {
        return None;
    }
    let age = lock.metadata().and_then(|metadata| metadata.modified()).ok().map_or(Duration::ZERO, since);
    match read(&mut lock) {
        Ok(Some(record)) => {
            let foreign = record.head.boot != boot() || boot().is_empty();
            let wait = if foreign { FOREIGN } else { UNDECIDED };
            let decided = !foreign && !record.undecided;
            (decided || age > wait).then_some(Dead { path, _lock: lock, record })
        }
        // It died, or is about to begin, before it made anything.
        Ok(None) => {
            remove(&path);
            None
        }
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a marker is not understood; what it notes is left to VACUUM");
            if age > FOREIGN {
                remove(&path);
            }
            None
        }
    }
}

fn since(time: SystemTime) -> Duration {
    SystemTime::now().duration_since(time).unwrap_or_default()
}

fn read(marker: &mut File) -> io::Result<Option<Record>> {
    let mut bytes = Vec::new();
    marker.take(MARKER_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MARKER_BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {MARKER_BYTES_MAX} bytes")));
    }
    Record::parse(&bytes).map_err(io::Error::other)
}

/// Removes `orphans`, the directories made for them, and the markers; how many files went.
fn bury(root: &Path, dead: &[Dead], orphans: &HashSet<String>) -> usize {
    let mut removed = 0;
    for Dead { path, record, .. } in dead {
        let mine: Vec<_> = record.files.iter().filter(|file| orphans.contains(*file)).collect();
        let gone = mine.iter().filter(|file| remove_file(root, file)).count();
        removed += gone;
        // Not empty means that somebody uses it.
        record.directories.iter().rev().for_each(|directory| drop(fs::remove_dir(root.join(directory))));
        if gone == mine.len() {
            remove(path);
        }
    }
    removed
}

fn remove_file(root: &Path, file: &str) -> bool {
    match fs::remove_file(root.join(file)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(file, %error, "cannot remove a file of a statement that died");
            false
        }
        _ => true,
    }
}
