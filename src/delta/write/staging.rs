//! The files of an append on their way into a version: made, made durable, and removed unless they got there.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::{Path as FsPath, PathBuf},
    sync::Arc,
};

use futures::{StreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use tokio::runtime::Handle;

#[cfg(test)]
use crate::delta::durable;
use crate::delta::orphans::Marker;

use super::{
    StageTarget,
    sink::{Sink, Upload},
    sync::Syncer,
};
use crate::engine::{Error, Result};

/// How often a directory is made again that another append, which made it first, has just removed.
const DIRECTORY_ATTEMPTS_MAX: usize = 8;
/// Parts that one file of an unpartitioned table uploads at once.
const UPLOAD_PARTS_MAX: usize = 8;
/// Objects removed at once.
const DELETES_MAX: usize = 8;

/// Where a table's files go.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// The table's root on a local disk.
    Local(PathBuf),
    /// A store rooted at the table's root.
    Remote {
        store: Arc<dyn ObjectStore>,
        runtime: Handle,
        /// Parts of one file that are sent at once.
        parts_max: usize,
    },
}

impl Place {
    /// # Errors
    /// `Internal` if an object store's requests have no tokio runtime to run on.
    pub(super) fn of(target: &StageTarget) -> Result<Self> {
        if let Some(root) = &target.local_root {
            return Ok(Self::Local(root.clone()));
        }
        let runtime = Handle::try_current().map_err(|e| Error::internal("an upload needs a tokio runtime", e))?;
        // Of many partitions each has its own part to send.
        let parts_max = if target.schema.partition_columns.is_empty() { UPLOAD_PARTS_MAX } else { 1 };
        Ok(Self::Remote { store: Arc::clone(&target.store), runtime, parts_max })
    }
}

/// Every file and directory an append has made. Dropping it removes them in the background, unless they are kept.
/// Blocking but for being dropped.
#[derive(Debug)]
pub(super) struct Staging {
    place: Place,
    /// Below the table's root.
    files: Vec<String>,
    /// Made by this append, outer ones first.
    directories: Vec<PathBuf>,
    syncer: Option<Syncer>,
    /// Notes what is made on a local disk, in case the process dies.
    marker: Option<Marker>,
    kept: bool,
}

impl Staging {
    pub(super) fn new(place: Place) -> Self {
        Self { place, files: Vec::new(), directories: Vec::new(), syncer: None, marker: None, kept: false }
    }

    /// Makes the file `path` (below the table's root, `/` between directories), and directories as needed.
    pub(super) fn create(&mut self, path: &str) -> io::Result<Sink> {
        let sink = match self.place.clone() {
            Place::Local(root) => Sink::Local(Arc::new(self.create_local(&root, path)?)),
            Place::Remote { store, runtime, parts_max } => {
                let path = Path::parse(path).map_err(io::Error::other)?;
                Sink::Remote(Box::new(Upload::new(store, path, runtime, parts_max)))
            }
        };
        self.files.push(path.to_owned());
        Ok(sink)
    }

    fn create_local(&mut self, root: &FsPath, path: &str) -> io::Result<File> {
        if self.marker.is_none() && self.files.is_empty() {
            self.marker = Marker::begin(root)?;
        }
        if let Some(marker) = &mut self.marker {
            marker.note_file(path)?;
        }
        let mut attempts = 0;
        loop {
            attempts += 1;
            self.create_directories(root, path)?;
            match File::create_new(root.join(path)) {
                Err(e) if e.kind() == io::ErrorKind::NotFound && attempts < DIRECTORY_ATTEMPTS_MAX => {}
                outcome => {
                    #[cfg(test)]
                    durable::trace::note(&root.join(path), durable::trace::Step::Made);
                    return outcome;
                }
            }
        }
    }

    fn create_directories(&mut self, root: &FsPath, path: &str) -> io::Result<()> {
        for (end, _) in path.match_indices('/') {
            let directory = root.join(&path[..end]);
            if directory.exists() {
                continue;
            }
            if let Some(marker) = &mut self.marker {
                marker.note_directory(&path[..end])?;
            }
            match fs::create_dir(&directory) {
                Ok(()) => {
                    #[cfg(test)]
                    durable::trace::note(&directory, durable::trace::Step::Made);
                    self.directories.push(directory);
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                // An outer directory was removed in between: the caller begins again.
                Err(e) if e.kind() == io::ErrorKind::NotFound && end != path.find('/').unwrap_or(end) => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// A file's last byte is written: begins to make it durable.
    pub(super) fn written(&mut self, file: Option<Arc<File>>) -> io::Result<()> {
        match file {
            Some(file) => self.syncer.get_or_insert_with(Syncer::new).submit(file),
            None => Ok(()),
        }
    }

    /// Waits until every file is durable, and the entries of all directories down to it.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let Some(mut syncer) = self.syncer.take() else { return Ok(()) };
        if let Place::Local(root) = &self.place {
            let mut directories = BTreeSet::new();
            for path in &self.files {
                directories.insert("");
                directories.extend(path.match_indices('/').map(|(end, _)| &path[..end]));
            }
            // Beside the files: their names do not wait for their bytes.
            let submit = |directory| syncer.submit(Arc::new(File::open(root.join(directory))?));
            directories.into_iter().try_for_each(submit)?;
        }
        syncer.finish()
    }

    /// The files belong to a version, or may: dropping this removes nothing any more.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }

    /// The files belong to a version.
    pub(super) fn landed(&mut self) {
        self.kept = true;
        if let Some(marker) = self.marker.take() {
            marker.settle();
        }
    }

    /// They do not after all: dropping this removes them again.
    pub(super) fn release(&mut self) {
        self.kept = false;
    }

    /// Removes every file, and every directory this append made that is empty now. What cannot be removed is left to
    /// a later clean-up, with a warning.
    pub(super) fn remove(&mut self) {
        // No thread may still hold a file open.
        if let Some(syncer) = self.syncer.take() {
            let _ = syncer.finish();
        }
        match &self.place {
            Place::Local(root) => {
                let mut all_gone = true;
                for path in self.files.drain(..) {
                    all_gone &= warn_unless_gone(&path, fs::remove_file(root.join(&path)));
                }
                // Not empty means that another append uses it.
                self.directories.drain(..).rev().for_each(|directory| drop(fs::remove_dir(directory)));
                match self.marker.take() {
                    Some(marker) if all_gone => marker.settle(),
                    Some(marker) => marker.leave(),
                    None => {}
                }
            }
            Place::Remote { store, runtime, .. } => {
                let files = std::mem::take(&mut self.files);
                runtime.block_on(stream::iter(files).for_each_concurrent(DELETES_MAX, |path| async move {
                    let deleted = match Path::parse(&path) {
                        Ok(location) => store.delete(&location).await.map_err(io::Error::from),
                        Err(e) => Err(io::Error::other(e)),
                    };
                    warn_unless_gone(&path, deleted);
                }));
            }
        }
    }
}

fn warn_unless_gone(path: &str, removed: io::Result<()>) -> bool {
    match removed {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path, error = %e, "could not remove a data file that belongs to no version");
            false
        }
        _ => true,
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.kept {
            // Nobody said that the files are part of a version.
            if let Some(marker) = self.marker.take() {
                marker.leave();
            }
            return;
        }
        if self.files.is_empty() && self.directories.is_empty() && self.marker.is_none() {
            return;
        }
        // Not here: whoever drops it may be a task that must not block.
        let mut rest = std::mem::replace(self, Self::new(self.place.clone()));
        let spawned = std::thread::Builder::new().name("delta-unstage".to_owned()).spawn(move || rest.remove());
        if let Err(e) = spawned {
            tracing::warn!(error = %e, "could not start a thread to remove data files that belong to no version");
        }
    }
}
