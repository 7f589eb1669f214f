//! What one commit changes, read from its JSON.
//!
//! Only what moves a snapshot forward: protocol, metadata, files, row ids. Everything else in a commit (commitInfo,
//! txn, cdc, other domains' metadata, and kinds that some table feature adds) is passed over unread. Whatever is not understood
//! is an error, which a caller answers by loading the version afresh.

use std::{collections::BTreeMap, sync::Arc};

use delta_kernel::actions::{Metadata, Protocol, deletion_vector::DeletionVectorDescriptor};
use serde::Deserialize;
use url::Url;

use super::file::{DataFile, FileKey, FileNotes, PathError, data_path, log_path};

/// The domain whose metadata says which row ids are taken (PROTOCOL.md, "Row IDs").
pub(crate) const ROW_TRACKING_DOMAIN: &str = "delta.rowTracking";

/// The highest row id of a table that has given none.
pub(crate) const NO_ROW_ID: i64 = -1;

/// The changes of one commit, or of several in a row.
#[derive(Debug, Default)]
pub(crate) struct CommitChanges {
    /// The new protocol.
    pub(crate) protocol: Option<Protocol>,
    /// The new metadata.
    pub(crate) metadata: Option<Metadata>,
    /// Files that are no longer part of the table.
    pub(crate) removed: Vec<FileKey>,
    /// Files that now are.
    pub(crate) added: Vec<Arc<DataFile>>,
    /// The highest row id from now on.
    pub(crate) highest_row_id: Option<i64>,
}

/// Why a commit could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    /// Not the JSON that the protocol describes.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A file outside the table.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A deletion vector that cannot be one.
    #[error("deletion vector of '{path}': {source}")]
    DeletionVector {
        /// The data file, as the log names it.
        path: String,
        /// What is wrong.
        source: delta_kernel::Error,
    },
}

/// Reads a commit of the table at `root`.
pub(crate) fn parse_commit(root: &Url, bytes: &[u8]) -> Result<CommitChanges, CommitError> {
    let mut changes = CommitChanges::default();
    for line in serde_json::Deserializer::from_slice(bytes).into_iter::<Line>() {
        let Line { add, remove, meta_data, protocol, domain_metadata } = line?;
        changes.protocol = protocol.or(changes.protocol);
        changes.metadata = meta_data.or(changes.metadata);
        if let Some(add) = add {
            changes.added.push(Arc::new(add.into_file(root)?));
        }
        if let Some(remove) = remove {
            changes.removed.push(remove.into_key(root)?);
        }
        if let Some(domain) = domain_metadata.filter(|domain| domain.domain == ROW_TRACKING_DOMAIN) {
            changes.highest_row_id = Some(domain.highest_row_id()?);
        }
    }
    Ok(changes)
}

/// The time a commit says for itself, in milliseconds since 1970-01-01 (PROTOCOL.md, "In-Commit Timestamps"). Its
/// commitInfo comes first, so no further line is read.
pub(crate) fn in_commit_timestamp_ms(bytes: &[u8]) -> Option<i64> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct First {
        commit_info: Info,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Info {
        in_commit_timestamp: i64,
    }
    let first: First = serde_json::Deserializer::from_slice(bytes).into_iter().next()?.ok()?;
    Some(first.commit_info.in_commit_timestamp)
}

/// What a commit says that it did: `WRITE`, `DELETE`, `OPTIMIZE`, ...
pub(crate) fn operation(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Line {
        commit_info: Option<Info>,
    }
    #[derive(Deserialize)]
    struct Info {
        operation: Option<String>,
    }
    let mut lines = serde_json::Deserializer::from_slice(bytes).into_iter::<Line>();
    lines.find_map(|line| line.ok()?.commit_info)?.operation
}

/// One line of a commit: an object with one key, the action's kind (PROTOCOL.md, "Actions").
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    add: Option<AddLine>,
    remove: Option<RemoveLine>,
    meta_data: Option<Metadata>,
    protocol: Option<Protocol>,
    domain_metadata: Option<DomainMetadataLine>,
}

#[derive(Deserialize)]
struct DomainMetadataLine {
    domain: String,
    configuration: String,
    #[serde(default)]
    removed: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddLine {
    path: String,
    size: u64,
    #[serde(default)]
    partition_values: BTreeMap<String, Option<String>>,
    #[serde(default)]
    modification_time: i64,
    stats: Option<String>,
    tags: Option<BTreeMap<String, Option<String>>>,
    deletion_vector: Option<DeletionVectorLine>,
    base_row_id: Option<i64>,
    default_row_commit_version: Option<i64>,
    clustering_provider: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RemoveLine {
    path: String,
    deletion_vector: Option<DeletionVectorLine>,
}

/// A deletion vector as Add and Remove tell of it (PROTOCOL.md, "Deletion Vector Descriptor Schema").
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeletionVectorLine {
    storage_type: String,
    path_or_inline_dv: String,
    offset: Option<i32>,
    size_in_bytes: i32,
    cardinality: i64,
}

impl DomainMetadataLine {
    fn highest_row_id(&self) -> Result<i64, serde_json::Error> {
        if self.removed { Ok(NO_ROW_ID) } else { highest_row_id(&self.configuration) }
    }
}

/// The highest row id from the configuration of [`ROW_TRACKING_DOMAIN`].
pub(crate) fn highest_row_id(configuration: &str) -> Result<i64, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Configuration {
        row_id_high_water_mark: i64,
    }
    Ok(serde_json::from_str::<Configuration>(configuration)?.row_id_high_water_mark)
}

impl AddLine {
    fn into_file(self, root: &Url) -> Result<DataFile, CommitError> {
        let notes = FileNotes {
            tags: self.tags.unwrap_or_default(),
            base_row_id: self.base_row_id,
            default_row_commit_version: self.default_row_commit_version,
            clustering_provider: self.clustering_provider,
        };
        Ok(DataFile {
            path: data_path(root, &self.path)?,
            log_path: log_path(&self.path),
            size_bytes: self.size,
            partition_values: self.partition_values,
            stats_json: self.stats.map(Arc::from),
            deletion_vector: descriptor(&self.path, self.deletion_vector)?,
            modified_ms: self.modification_time,
            notes: notes.boxed(),
        })
    }
}

impl RemoveLine {
    fn into_key(self, root: &Url) -> Result<FileKey, CommitError> {
        let vector = descriptor(&self.path, self.deletion_vector)?;
        Ok(FileKey::new(data_path(root, &self.path)?, vector.as_ref()))
    }
}

fn descriptor(path: &str, line: Option<DeletionVectorLine>) -> Result<Option<DeletionVectorDescriptor>, CommitError> {
    let read = line.map(DeletionVectorDescriptor::try_from).transpose();
    read.map_err(|source| CommitError::DeletionVector { path: path.to_owned(), source })
}

impl TryFrom<DeletionVectorLine> for DeletionVectorDescriptor {
    type Error = delta_kernel::Error;

    fn try_from(line: DeletionVectorLine) -> Result<Self, Self::Error> {
        let DeletionVectorLine { storage_type, path_or_inline_dv, offset, size_in_bytes, cardinality } = line;
        Self::try_new(storage_type.parse()?, path_or_inline_dv, offset, size_in_bytes, cardinality)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> Url {
        Url::parse("file:///lake/t/").unwrap()
    }

    #[test]
    fn reads_what_moves_a_snapshot_and_passes_over_the_rest() {
        let commit = br#"
            {"commitInfo":{"timestamp":1,"operation":"WRITE","readVersion":-1,"operationParameters":["odd"]}}
            {"protocol":{"minReaderVersion":1,"minWriterVersion":2}}
            {"add":{"path":"p=a%2520b/x%20y.parquet","partitionValues":{"p":"a b","q":null},"size":7,
                    "modificationTime":1,"dataChange":true,"stats":"{\"numRecords\":3}","tags":null,
                    "deletionVector":{"storageType":"u","pathOrInlineDv":"vBn[lx{q8@P<9BNH/isA","offset":1,
                                      "sizeInBytes":36,"cardinality":2}}}
            {"remove":{"path":"old.parquet","dataChange":true}}
            {"txn":{"appId":"x","version":1}}
            {"domainMetadata":{"domain":"delta.clustering","configuration":"{}","removed":false}}
            {"domainMetadata":{"domain":"delta.rowTracking","configuration":"{\"rowIdHighWaterMark\":41}","removed":false}}
            {"somethingNew":{"deeply":["unknown"]}}
        "#;
        let changes = parse_commit(&root(), commit).unwrap();
        assert_eq!(changes.protocol.unwrap().min_writer_version(), 2);
        assert!(changes.metadata.is_none());
        let [file] = &changes.added[..] else { panic!("one file was added") };
        assert_eq!(file.path.as_ref(), "p=a%20b/x y.parquet");
        assert_eq!(file.size_bytes, 7);
        assert_eq!(file.partition_values["p"].as_deref(), Some("a b"));
        assert_eq!(file.partition_values["q"], None);
        assert_eq!(file.stats_json.as_deref(), Some(r#"{"numRecords":3}"#));
        assert_eq!(file.deletion_vector.as_ref().unwrap().cardinality, 2);
        assert_eq!(changes.removed, [FileKey::new("old.parquet".into(), None)]);
        assert_eq!(changes.highest_row_id, Some(41));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for broken in [
            r#"{"add":{"path":"a","size":-1}}"#,
            r#"{"add":{"size":1}}"#,
            r#"{"add":{"path":"../a","size":1}}"#,
            r#"{"add":{"path":"a","size":1,"deletionVector":{"storageType":"?","pathOrInlineDv":"","sizeInBytes":1,"cardinality":1}}}"#,
            r#"{"remove":"a"}"#,
            r#"{"metaData":{}}"#,
            r#"{"domainMetadata":{"domain":"delta.rowTracking","configuration":"{}"}}"#,
            r#"{"add":{"path":"a","si"#,
            "[1]",
        ] {
            assert!(parse_commit(&root(), broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
