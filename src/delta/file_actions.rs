//! Add, Remove and cdc actions as the log's JSON (PROTOCOL.md, "Actions").

use delta_kernel::actions::deletion_vector::DeletionVectorDescriptor;
use deltalake_core::kernel::{Action, Add, AddCDCFile};
use serde_json::{Value, json};

use super::{
    file::{DataFile, FileNotes},
    scan::replaced_fields,
};
use crate::engine::{Error, Result};

/// The Add of a new file.
pub(crate) fn add(add: Add) -> Result<Value> {
    action(&Action::Add(add))
}

/// The same file under a new deletion vector; it has `rows` rows, deleted ones counted.
///
/// Its bounds stay those of all its rows, which the log must say (`tightBounds`).
pub(crate) fn add_again(file: &DataFile, vector: &DeletionVectorDescriptor, rows: u64) -> Value {
    let counted = [("numRecords", rows.to_string()), ("tightBounds", false.to_string())];
    let mut add = json!({
        "path": spelled(file),
        "partitionValues": file.partition_values,
        "size": file.size_bytes,
        "modificationTime": file.modified_ms,
        "dataChange": true,
        "stats": replaced_fields(file.stats_json.as_deref().unwrap_or_default(), &counted),
        "deletionVector": descriptor(vector),
    });
    note(&mut add, file);
    if let Some(provider) = file.notes.as_deref().and_then(|notes| notes.clustering_provider.as_ref()) {
        add["clusteringProvider"] = json!(provider);
    }
    json!({ "add": add })
}

/// The Remove of a file, under the very name its Add has.
pub(crate) fn remove(file: &DataFile, now_ms: i64) -> Value {
    let mut remove = json!({
        "path": spelled(file),
        "deletionTimestamp": now_ms,
        "dataChange": true,
        "extendedFileMetadata": true,
        "partitionValues": file.partition_values,
        "size": file.size_bytes,
    });
    if let Some(vector) = &file.deletion_vector {
        remove["deletionVector"] = descriptor(vector);
    }
    note(&mut remove, file);
    json!({ "remove": remove })
}

/// The action of a file of the change data feed, which is told of as if it were added.
pub(crate) fn cdc(file: Add) -> Result<Value> {
    let Add { path, size, partition_values, .. } = file;
    action(&Action::Cdc(AddCDCFile { path, size, partition_values, data_change: false, tags: None }))
}

fn action(action: &Action) -> Result<Value> {
    serde_json::to_value(action).map_err(|error| Error::internal("cannot write an action as JSON", error))
}

fn spelled(file: &DataFile) -> &str {
    file.log_path.as_deref().unwrap_or(file.path.as_ref())
}

/// What Add and Remove have in common and most files lack.
fn note(action: &mut Value, file: &DataFile) {
    let Some(FileNotes { tags, base_row_id, default_row_commit_version, .. }) = file.notes.as_deref() else { return };
    if !tags.is_empty() {
        action["tags"] = json!(tags);
    }
    if let Some(id) = base_row_id {
        action["baseRowId"] = json!(id);
    }
    if let Some(version) = default_row_commit_version {
        action["defaultRowCommitVersion"] = json!(version);
    }
}

fn descriptor(vector: &DeletionVectorDescriptor) -> Value {
    let mut descriptor = json!({
        "storageType": vector.storage_type.to_string(),
        "pathOrInlineDv": vector.path_or_inline_dv,
        "sizeInBytes": vector.size_in_bytes,
        "cardinality": vector.cardinality,
    });
    if let Some(offset) = vector.offset {
        descriptor["offset"] = json!(offset);
    }
    descriptor
}
