//! Files that dead statements left behind, found and removed.
//!
//! Whoever makes files in a table's directory that no version knows yet notes them first in a marker: a small file under
//! [`DIRECTORY`], locked for as long as the process lives that may still lead them into a version. The system gives the
//! lock back when the process dies, however it dies, so a marker that can be locked belongs to nobody, and what it notes
//! is removed unless the log speaks of it. Only what markers note is ever touched.
//!
//! - `marker`: a statement's own marker.
//! - `record`: what markers say.
//! - `references`: which files the log speaks of.
//! - `clean`: the clean-up.
//!
//! Markers are not synced: they outlive a process, not a loss of power. Object stores have no locks and get none.

mod clean;
mod marker;
mod record;
mod references;
#[cfg(test)]
mod tests;

pub(crate) use clean::clean_behind;
pub(crate) use marker::Marker;

/// Where markers lie below a table's root. Readers and VACUUM pass over names that begin with `_`.
pub(crate) const DIRECTORY: &str = "_deltaport";

/// How the names of markers end.
const EXTENSION: &str = ".staged";
