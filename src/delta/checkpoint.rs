//! Checkpoints: written now and then behind the commits, so that logs stay quick to open.
//!
//! A checkpoint only sums up what the commits say. One that fails costs speed, not data: it is logged, and the
//! next one is tried in its turn. Old commits are never removed here.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::JoinSet;

use super::{
    durable,
    log::{LOG_DIRECTORY, checkpoint_temporary_names},
    orphans::Marker,
    replay::build,
    store::TableStore,
};

/// Work that outlives the call that caused it.
#[derive(Debug, Default)]
pub(crate) struct Background {
    tasks: Mutex<JoinSet<()>>,
}

impl Background {
    /// Runs `task` behind the caller.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Waits for what has been spawned so far.
    pub(crate) async fn finish(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        while tasks.join_next().await.is_some() {}
    }
}

/// Writes the checkpoint of a version, behind the caller.
pub(crate) fn checkpoint_behind(background: &Background, store: Arc<TableStore>, version: u64) {
    background.spawn(async move {
        match checkpoint(&store, version).await {
            Ok(()) => tracing::debug!(table = store.name(), version, "wrote a checkpoint"),
            Err(error) => tracing::warn!(table = store.name(), version, %error, "cannot write a checkpoint"),
        }
    });
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn checkpoint(store: &TableStore, version: u64) -> Result<(), Failure> {
    let (snapshot, engine) = (build(store, Some(version)).await??, store.engine()?);
    let local_root = store.local_root().map(Path::to_path_buf);
    let written = tokio::task::spawn_blocking(move || {
        let marker = local_root.as_deref().map(|root| marked(root, version)).transpose()?.flatten();
        snapshot.checkpoint(engine.as_ref(), None)?;
        local_root.map_or(Ok(()), |root| sync_checkpoint(&root.join(LOG_DIRECTORY), version))?;
        if let Some(marker) = marker {
            marker.settle();
        }
        Ok(())
    });
    written.await?
}

/// Notes the files that a checkpoint cut short leaves, but for those that somebody else has left, or writes now.
fn marked(root: &Path, version: u64) -> std::io::Result<Option<Marker>> {
    let mut marker = Marker::begin(root)?;
    for name in checkpoint_temporary_names(version) {
        let path = format!("{LOG_DIRECTORY}/{name}");
        if let Some(marker) = marker.as_mut().filter(|_| !root.join(&path).exists()) {
            marker.note_file(&path)?;
        }
    }
    Ok(marker)
}

/// Makes the files of a checkpoint durable: readers prefer it to the commits it sums up, so that one which a
/// crash cuts short would break the table for those that do not look at its length.
fn sync_checkpoint(log_directory: &Path, version: u64) -> Result<(), Failure> {
    let prefix = format!("{version:020}.checkpoint.");
    for entry in std::fs::read_dir(log_directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(&prefix) || name == "_last_checkpoint" {
            durable::sync_file(&entry.path())?;
        }
    }
    Ok(durable::sync_directory(log_directory)?)
}
