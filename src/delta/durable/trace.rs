//! In which order files were made, made durable and put where others see them: for tests of that order.

use std::{
    fs::{self, File},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// What was done to a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Its name was made.
    Made,
    /// Its bytes, or the names in it, are on the disk.
    Synced,
    /// It is a commit now.
    Appeared,
}

/// Of the whole process: files are synced on threads of their own.
static STEPS: Mutex<Vec<(PathBuf, Step)>> = Mutex::new(Vec::new());

pub(crate) fn note(path: &Path, step: Step) {
    STEPS.lock().unwrap_or_else(PoisonError::into_inner).push((path.to_owned(), step));
}

/// The name of an open file is the one it has now.
pub(crate) fn note_open(file: &File, step: Step) {
    if let Ok(path) = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())) {
        note(&path, step);
    }
}

/// What was done below a directory, in order.
pub(crate) fn steps_below(directory: &Path) -> Vec<(PathBuf, Step)> {
    let steps = STEPS.lock().unwrap_or_else(PoisonError::into_inner);
    steps.iter().filter(|(path, _)| path.starts_with(directory)).cloned().collect()
}
