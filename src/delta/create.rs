//! New tables: their first commit.

use std::{collections::HashMap, path::Path};

use bytes::Bytes;
use deltalake_core::kernel::{Metadata, Protocol};
use serde_json::json;
use uuid::Uuid;

use super::{
    commit_info,
    create_schema::NewSchema,
    definition::Definition,
    durable::{self, PutOutcome},
    log::{LOG_DIRECTORY, Log},
    rules::{CHECK_PREFIX, check_name, check_text},
    store::TableStore,
};
use crate::engine::{Error, Result, TableSpec};

/// Makes the table at `store` as its version 0, durably. With `deletion_vectors` rows are deleted by them.
pub(crate) async fn create(store: &TableStore, log: &Log, spec: &TableSpec, deletion_vectors: bool) -> Result<()> {
    let commit = first_commit(store.name(), spec, deletion_vectors)?;
    // The put alone does not tell: an old log may have lost its version 0 to a checkpoint.
    if log.list().await?.is_table() {
        return Err(exists(store));
    }
    make_directories(store).await?;
    match log.put(0, commit).await {
        Ok(PutOutcome::Written) => Ok(()),
        Ok(PutOutcome::NameTaken) => Err(exists(store)),
        Err(failure) => Err(Error::internal(format!("cannot create table '{}'", store.name()), failure)),
    }
}

fn exists(store: &TableStore) -> Error {
    Error::AlreadyExists(format!("table '{}' exists already", store.name()))
}

fn first_commit(table: &str, spec: &TableSpec, deletion_vectors: bool) -> Result<Bytes> {
    let schema = NewSchema::try_new(&spec.schema, &spec.partition_columns)?;
    let protocol = protocol(&schema, spec, deletion_vectors)?;
    let metadata = metadata(&schema, spec, deletion_vectors)?;
    // What we could not open ourselves is not made.
    Definition::try_new(table, protocol.clone(), metadata.clone())?;
    commit_info::create(protocol, metadata)
}

/// Reader 3 and writer 7 with just the features that are used; of a table that uses none, what every reader and writer
/// knows.
fn protocol(schema: &NewSchema, spec: &TableSpec, deletion_vectors: bool) -> Result<Protocol> {
    let mut features = Vec::new();
    if deletion_vectors {
        features.push("deletionVectors");
    }
    if schema.timestamp_ntz {
        features.push("timestampNtz");
    }
    if schema.column_id_max.is_some() {
        features.push("columnMapping");
    }
    let mut writer_features = features.clone();
    if !spec.checks.is_empty() {
        writer_features.push("checkConstraints");
    }
    let protocol = match (features.is_empty(), writer_features.is_empty()) {
        (true, true) => json!({ "minReaderVersion": 1, "minWriterVersion": 2 }),
        (true, false) => json!({ "minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": writer_features }),
        (false, _) => json!({
            "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": writer_features,
        }),
    };
    serde_json::from_value(protocol).map_err(|error| Error::internal("cannot make a protocol action", error))
}

fn metadata(schema: &NewSchema, spec: &TableSpec, deletion_vectors: bool) -> Result<Metadata> {
    let context = "cannot make a metadata action";
    let mut properties = HashMap::new();
    if deletion_vectors {
        properties.insert("delta.enableDeletionVectors".to_owned(), "true".to_owned());
    }
    if let Some(column_id_max) = schema.column_id_max {
        properties.insert("delta.columnMapping.mode".to_owned(), "name".to_owned());
        properties.insert("delta.columnMapping.maxColumnId".to_owned(), column_id_max.to_string());
    }
    for check in &spec.checks {
        let name = check_name(&properties);
        properties.insert(format!("{CHECK_PREFIX}{name}"), check_text(check, &spec.schema)?);
    }
    let schema = serde_json::to_string(&schema.columns).map_err(|error| Error::internal(context, error))?;
    let metadata = json!({
        "id": Uuid::new_v4().to_string(),
        "description": spec.description,
        "format": { "provider": "parquet", "options": {} },
        "schemaString": schema,
        "partitionColumns": spec.partition_columns,
        "configuration": properties,
        "createdTime": commit_info::now_ms(),
    });
    serde_json::from_value(metadata).map_err(|error| Error::internal(context, error))
}

/// Makes the table's directories where there are such things, with their names durable up to the first
/// directory that was there before.
async fn make_directories(store: &TableStore) -> Result<()> {
    let Some(root) = store.local_root().map(Path::to_path_buf) else { return Ok(()) };
    let made = tokio::task::spawn_blocking(move || {
        durable::create_directories(&root.join(LOG_DIRECTORY))?;
        // Another process may have made them a moment ago.
        durable::sync_directory(&root)?;
        root.parent().map_or(Ok(()), durable::sync_directory)
    });
    let made = made.await.unwrap_or_else(|died| Err(died.into()));
    made.map_err(|error| Error::internal(format!("cannot make the directories of table '{}'", store.name()), error))
}

#[cfg(test)]
mod tests;
