//! Which files the log speaks of: data files, deletion vectors, files of the change data feed.

use std::collections::HashSet;

use delta_kernel::actions::deletion_vector::DeletionVectorDescriptor;
use serde::Deserialize;
use url::Url;

use crate::delta::{
    actions::DeletionVectorLine,
    file::{PathError, data_path},
    log::Log,
    store::TableStore,
};
use crate::engine::Result;

/// How many commits are read for one clean-up.
const COMMITS_MAX: usize = 10_000;
/// And how many bytes of them.
const BYTES_MAX: usize = 1 << 30;

/// Takes out of `files`, paths below the table's root, those that a commit after `base` speaks of, were they removed
/// since or not: earlier versions need them. Answers why that cannot be told, if it cannot: then it never will be.
///
/// # Errors
/// If the log cannot be read for now.
pub(super) async fn take_out_referenced(
    files: &mut HashSet<String>,
    base: u64,
    store: &TableStore,
    log: &Log,
) -> Result<Option<&'static str>> {
    let listing = log.list().await?;
    let versions: Vec<_> = listing.commits().map(|(version, _)| version).filter(|version| *version > base).collect();
    let newest = listing.readable().map(|readable| *readable.end());
    if newest.is_none_or(|newest| newest < base || newest - base != versions.len() as u64) {
        return Ok(Some("the log no longer holds all commits since"));
    }
    if versions.len() > COMMITS_MAX {
        return Ok(Some("too many commits were made since"));
    }
    let mut bytes = 0;
    for version in versions {
        let Some(commit) = log.read(version).await? else {
            return Ok(Some("the log no longer holds all commits since"));
        };
        bytes += commit.bytes.len();
        if bytes > BYTES_MAX {
            return Ok(Some("the commits since are too large"));
        }
        if take_out(files, store.location(), &commit.bytes).is_err() {
            return Ok(Some("a commit since is not understood"));
        }
    }
    Ok(None)
}

#[derive(Debug, thiserror::Error)]
enum Unclear {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Path(#[from] PathError),
    #[error(transparent)]
    DeletionVector(#[from] delta_kernel::Error),
}

/// One line of a commit: only what names files.
#[derive(Deserialize)]
struct Line {
    add: Option<FileLine>,
    remove: Option<FileLine>,
    cdc: Option<FileLine>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileLine {
    path: String,
    deletion_vector: Option<DeletionVectorLine>,
}

fn take_out(files: &mut HashSet<String>, root: &Url, commit: &[u8]) -> Result<(), Unclear> {
    for line in serde_json::Deserializer::from_slice(commit).into_iter::<Line>() {
        let Line { add, remove, cdc } = line?;
        for file in [add, remove, cdc].into_iter().flatten() {
            files.remove(data_path(root, &file.path)?.as_ref());
            if let Some(vector) = file.deletion_vector.map(|line| vector_path(root, line)).transpose()?.flatten() {
                files.remove(&vector);
            }
        }
    }
    Ok(())
}

/// The path below the root of a vector's file; `None` if the log itself holds the vector.
fn vector_path(root: &Url, line: DeletionVectorLine) -> Result<Option<String>, Unclear> {
    let vector = DeletionVectorDescriptor::try_from(line)?;
    let Some(url) = vector.absolute_path(root)? else { return Ok(None) };
    Ok(Some(data_path(root, url.as_str())?.into()))
}
