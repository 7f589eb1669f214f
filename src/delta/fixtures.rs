//! What tests of this module share: a lake in a temporary directory, and logs written by hand.

use std::{fs, path::PathBuf, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema};
use delta_kernel::actions::{
    deletion_vector::{DeletionVectorDescriptor, DeletionVectorStorageType},
    deletion_vector_writer::{KernelDeletionVector, StreamingDeletionVectorWriter},
};
use deltalake_core::kernel::Add;
use object_store::path::Path;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::{
    checkpoint::Background,
    definition::Definition,
    file::DataFile,
    log::{LOG_DIRECTORY, commit_name},
    snapshot::DeltaSnapshot,
    store::TableStore,
    table::DeltaTable,
};
use crate::engine::{Result, TableSpec};

/// A directory of tables, removed when dropped.
pub(crate) struct Lake {
    directory: tempfile::TempDir,
}

impl Lake {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, table: &str) -> PathBuf {
        self.directory.path().join(table)
    }

    pub(crate) fn location(&self, table: &str) -> Url {
        Url::from_directory_path(self.path(table)).unwrap()
    }

    /// A handle with a cache of its own, as another process would have.
    pub(crate) fn table(&self, table: &str) -> Arc<DeltaTable> {
        let store = TableStore::open(&self.location(table)).unwrap();
        Arc::new(DeltaTable::new(store, Arc::new(Background::default())))
    }

    pub(crate) fn commit_path(&self, table: &str, version: u64) -> PathBuf {
        self.path(table).join(LOG_DIRECTORY).join(commit_name(version))
    }

    /// Writes a commit by hand.
    pub(crate) fn write(&self, table: &str, version: u64, actions: &[Value]) {
        let path = self.commit_path(table, version);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let lines: Vec<_> = actions.iter().map(Value::to_string).collect();
        fs::write(path, lines.join("\n")).unwrap();
    }

    /// Writes version 0 of a table with one column `x` by hand.
    pub(crate) fn write_table(&self, table: &str) {
        self.write(table, 0, &[protocol(1, 2), metadata(&json!([field("x", json!("long"))]), &json!({}))]);
    }

    /// The Add of a new, empty data file.
    pub(crate) fn data_file(&self, table: &str, path: &str, rows: u64) -> Add {
        let file = self.path(table).join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
        Add {
            path: path.to_owned(),
            size: 10,
            modification_time: 1,
            data_change: true,
            stats: Some(json!({ "numRecords": rows }).to_string()),
            ..Add::default()
        }
    }
}

/// The newest version of a table as a snapshot.
pub(crate) async fn newest(table: &Arc<DeltaTable>) -> Result<DeltaSnapshot> {
    Ok(DeltaSnapshot::new(table.clone(), table.newest().await?))
}

/// The live files of a snapshot, by value.
pub(crate) async fn files(snapshot: &DeltaSnapshot) -> Vec<DataFile> {
    snapshot.files().await.unwrap().iter().map(|file| DataFile::clone(file)).collect()
}

/// The paths of the live files, in their order.
pub(crate) async fn paths(snapshot: &DeltaSnapshot) -> Vec<String> {
    files(snapshot).await.into_iter().map(|file| file.path.into()).collect()
}

/// A spec of unpartitioned, nullable columns.
pub(crate) fn spec(columns: &[(&str, DataType)]) -> TableSpec {
    let fields: Vec<_> = columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect();
    TableSpec { schema: Arc::new(Schema::new(fields)), partition_columns: vec![], description: None, checks: vec![] }
}

/// A legacy protocol.
pub(crate) fn protocol(reader: i32, writer: i32) -> Value {
    json!({ "protocol": { "minReaderVersion": reader, "minWriterVersion": writer } })
}

/// A protocol of table features.
pub(crate) fn features(reader: &[&str], writer: &[&str]) -> Value {
    json!({ "protocol": {
        "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": reader, "writerFeatures": writer,
    } })
}

/// Metadata of an unpartitioned table, always with the same id.
pub(crate) fn metadata(fields: &Value, configuration: &Value) -> Value {
    json!({ "metaData": {
        "id": "a-table",
        "format": { "provider": "parquet", "options": {} },
        "schemaString": json!({ "type": "struct", "fields": fields }).to_string(),
        "partitionColumns": [],
        "configuration": configuration,
        "createdTime": 1,
    } })
}

/// A nullable field of a schema's JSON.
pub(crate) fn field(name: &str, data_type: Value) -> Value {
    field_with(name, data_type, json!({}))
}

/// A nullable field with metadata.
#[allow(clippy::needless_pass_by_value, reason = "callers make the values in place")]
pub(crate) fn field_with(name: &str, data_type: Value, metadata: Value) -> Value {
    json!({ "name": name, "type": data_type, "nullable": true, "metadata": metadata })
}

/// An Add by hand.
pub(crate) fn add(path: &str, size: u64) -> Value {
    let stats = json!({ "numRecords": size }).to_string();
    json!({ "add": {
        "path": path, "partitionValues": {}, "size": size, "modificationTime": 1, "dataChange": true, "stats": stats,
    } })
}

/// A Remove by hand.
pub(crate) fn remove(path: &str) -> Value {
    json!({ "remove": { "path": path, "dataChange": true, "deletionTimestamp": 1 } })
}

/// The file that an Add speaks of, without a vector.
pub(crate) fn data_file(add: &Add) -> DataFile {
    DataFile {
        path: Path::parse(&add.path).unwrap(),
        size_bytes: add.size as u64,
        partition_values: add.partition_values.clone().into_iter().collect(),
        stats_json: add.stats.as_deref().map(Into::into),
        ..DataFile::default()
    }
}

/// A definition from protocol and metadata actions.
pub(crate) fn definition(protocol: &Value, metadata: &Value) -> Result<Definition> {
    let protocol = serde_json::from_value(protocol["protocol"].clone()).unwrap();
    Definition::try_new("t", protocol, serde_json::from_value(metadata["metaData"].clone()).unwrap())
}

/// A deletion vector in the log itself.
pub(crate) fn inline_vector(rows: &[u64]) -> DeletionVectorDescriptor {
    let framed = vector_file(rows).0;
    // Version and size before, checksum after; the base 85 alphabet holds four bytes in five letters.
    let mut vector = framed[5..framed.len() - 4].to_vec();
    let size_in_bytes = vector.len() as i32;
    vector.resize(vector.len().next_multiple_of(4), 0);
    DeletionVectorDescriptor {
        storage_type: DeletionVectorStorageType::Inline,
        path_or_inline_dv: z85(&vector),
        offset: None,
        size_in_bytes,
        cardinality: rows.len() as i64,
    }
}

/// A file of one deletion vector, and that one's size in bytes.
pub(crate) fn vector_file(rows: &[u64]) -> (Vec<u8>, i32) {
    let mut vector = KernelDeletionVector::new();
    vector.add_deleted_row_indexes(rows);
    let mut bytes = Vec::new();
    let mut writer = StreamingDeletionVectorWriter::new(&mut bytes);
    let size_in_bytes = writer.write_deletion_vector(vector).unwrap().size_in_bytes;
    writer.finalize().unwrap();
    (bytes, size_in_bytes)
}

/// ZeroMQ RFC 32.
pub(crate) fn z85(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    let word = |chunk: &[u8]| {
        let value = u32::from_be_bytes(chunk.try_into().unwrap());
        [52_200_625, 614_125, 7225, 85, 1].map(|place| char::from(LETTERS[(value / place % 85) as usize]))
    };
    bytes.chunks(4).flat_map(word).collect()
}

/// A small random generator: a failing test says its seed, and runs again with it.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn new() -> Self {
        Self(Uuid::new_v4().as_u64_pair().0 | 1)
    }

    /// A number below `bound` (xorshift64*).
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}
