//! One data file of a version, as the log describes it.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use delta_kernel::actions::deletion_vector::DeletionVectorDescriptor;
use object_store::path::Path;
use percent_encoding::percent_decode_str;
use url::Url;

/// A live Add action: one Parquet file, and which of its rows are deleted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct DataFile {
    /// Where it lies below the table's root, percent-decoding of the log's path done.
    pub(crate) path: Path,
    /// How the log spells that path, where there is more than one way: whoever removes the file from the table must
    /// spell it alike.
    pub(crate) log_path: Option<Arc<str>>,
    /// The file's length.
    pub(crate) size_bytes: u64,
    /// Partition values by the columns' physical names, as the log's strings; `None` is NULL.
    pub(crate) partition_values: BTreeMap<String, Option<String>>,
    /// The Add's `stats` as the log's JSON (Delta protocol, "Per-file Statistics"); parsed only when needed.
    pub(crate) stats_json: Option<Arc<str>>,
    /// Which rows are deleted.
    pub(crate) deletion_vector: Option<DeletionVectorDescriptor>,
    /// When the file was made, in milliseconds since 1970-01-01, by the Add.
    pub(crate) modified_ms: i64,
    /// What most Adds do not say; boxed, as many files are held.
    pub(crate) notes: Option<Box<FileNotes>>,
}

/// The rarer parts of an Add: whoever adds the file again must repeat them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FileNotes {
    pub(crate) tags: BTreeMap<String, Option<String>>,
    /// The id of the file's first row (PROTOCOL.md, "Row Tracking").
    pub(crate) base_row_id: Option<i64>,
    /// The version that first had the file.
    pub(crate) default_row_commit_version: Option<i64>,
    /// Who clustered it.
    pub(crate) clustering_provider: Option<String>,
}

impl FileNotes {
    /// [`DataFile::notes`]: nothing said is nothing kept.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

/// What makes two file actions speak of the same logical file: path and deletion vector
/// (PROTOCOL.md, "Action Reconciliation"). Ordered by path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileKey {
    path: Path,
    deletion_vector: Option<String>,
}

impl FileKey {
    pub(crate) fn new(path: Path, deletion_vector: Option<&DeletionVectorDescriptor>) -> Self {
        Self { path, deletion_vector: deletion_vector.map(DeletionVectorDescriptor::unique_id) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl DataFile {
    /// The file's identity within a version.
    pub(crate) fn key(&self) -> FileKey {
        FileKey::new(self.path.clone(), self.deletion_vector.as_ref())
    }

    /// How the file's key compares to another, which is not made for that.
    pub(crate) fn cmp_key(&self, key: &FileKey) -> Ordering {
        let vector = || self.deletion_vector.as_ref().map(DeletionVectorDescriptor::unique_id);
        self.path.cmp(&key.path).then_with(|| vector().cmp(&key.deletion_vector))
    }

    /// How the keys of two files compare.
    pub(crate) fn cmp_identity(&self, other: &Self) -> Ordering {
        let vector = |file: &Self| file.deletion_vector.as_ref().map(DeletionVectorDescriptor::unique_id);
        self.path.cmp(&other.path).then_with(|| vector(self).cmp(&vector(other)))
    }
}

/// [`DataFile::log_path`] of a path as the log spells it.
pub(crate) fn log_path(encoded: &str) -> Option<Arc<str>> {
    let one_way = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/=".contains(&byte);
    (!encoded.bytes().all(one_way)).then(|| encoded.into())
}

/// A data file whose path we cannot follow.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PathError {
    /// Shallow clones do this.
    #[error("data file '{0}' lies outside the table's directory, which is not offered")]
    Outside(String),
    /// Not a path below the table.
    #[error("'{0}' is not the path of a data file")]
    Invalid(String),
}

/// The place of a data file below the table at `root`, from the log's `path`: a percent-encoded URI, relative to
/// the table or absolute (PROTOCOL.md, "Add File and Remove File").
pub(crate) fn data_path(root: &Url, encoded: &str) -> Result<Path, PathError> {
    let invalid = || PathError::Invalid(encoded.to_owned());
    let relative = match absolute(root, encoded) {
        Some(url) => {
            url.as_str().strip_prefix(root.as_str()).ok_or_else(|| PathError::Outside(encoded.to_owned()))?.to_owned()
        }
        None => encoded.to_owned(),
    };
    let decoded = percent_decode_str(&relative).decode_utf8().map_err(|_| invalid())?;
    match Path::parse(decoded) {
        Ok(path) if !path.as_ref().is_empty() => Ok(path),
        _ => Err(invalid()),
    }
}

/// The URL of an absolute `path`; a scheme is only believed when a slash follows it, as `p=12:30` may be a
/// directory.
fn absolute(root: &Url, path: &str) -> Option<Url> {
    let has_scheme = path.split_once(":/").is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char))
    });
    (has_scheme || path.starts_with('/')).then(|| root.join(path).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(encoded: &str) -> Result<String, PathError> {
        data_path(&Url::parse("file:///lake/a%20b/").unwrap(), encoded).map(String::from)
    }

    #[test]
    fn paths_are_decoded_once() {
        assert_eq!(path("part-0.parquet").unwrap(), "part-0.parquet");
        assert_eq!(path("p=a%20b/c%2541.parquet").unwrap(), "p=a b/c%41.parquet");
        assert_eq!(path("p=12:30/%C3%BC.parquet").unwrap(), "p=12:30/ü.parquet");
        assert_eq!(path("p=x#1?/a.parquet").unwrap(), "p=x#1?/a.parquet");
    }

    #[test]
    fn absolute_paths_count_when_they_lie_in_the_table() {
        assert_eq!(path("file:///lake/a%20b/p=1/x%20y.parquet").unwrap(), "p=1/x y.parquet");
        assert_eq!(path("/lake/a%20b/x.parquet").unwrap(), "x.parquet");
        for outside in ["file:///lake/other/x.parquet", "s3://bucket/x.parquet", "/etc/passwd", "file:/lake/x"] {
            let error = path(outside).unwrap_err().to_string();
            assert!(error.ends_with("lies outside the table's directory, which is not offered"), "{error}");
        }
    }

    #[test]
    fn paths_never_leave_the_table() {
        for escaping in ["../x.parquet", "a/../../x", "%2e%2e/x", "a/./b", "", "/", "file:///lake/a%20b/../x", "%ff"] {
            assert!(path(escaping).is_err(), "{escaping}");
        }
    }
}
