//! A version read from nothing: the kernel's replay of checkpoint and commits.
//!
//! It costs time in proportion to the log, so it happens once per table; later versions are reached by single
//! commits.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use arrow::array::{Array, AsArray, RecordBatch, StructArray};
use arrow::datatypes::{Int32Type, Int64Type};
use delta_kernel::{
    Engine, Error as KernelError, Snapshot, SnapshotRef, actions::deletion_vector::DeletionVectorDescriptor,
    engine::arrow_data::ArrowEngineData, scan::StatsOptions,
};
use url::Url;

use super::{
    actions::{NO_ROW_ID, ROW_TRACKING_DOMAIN, highest_row_id, parse_commit},
    definition::Definition,
    file::{DataFile, FileNotes, data_path, log_path},
    index::FileIndex,
    log::{CommitIdentity, Log},
    log_listing::LogListing,
    store::{TableStore, kernel_root},
};
use crate::engine::{Error, Result};

/// How many commits are looked through, newest first, for the reason why a log cannot be read.
const DIAGNOSED_COMMITS_MAX: usize = 100;

/// A version without its files.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) version: u64,
    /// `None` if the commit file has been cleaned behind a checkpoint.
    pub(crate) identity: Option<CommitIdentity>,
    pub(crate) definition: Arc<Definition>,
    /// Where the files can be read from.
    pub(crate) kernel: SnapshotRef,
}

/// Reads protocol and metadata of `version`, or of the newest one.
///
/// # Errors
/// `NotFound` if there is no table, or no such version of it; `Unsupported` if it is not offered.
pub(crate) async fn replay(store: &TableStore, log: &Log, version: Option<u64>) -> Result<Replayed> {
    let kernel = match build(store, version).await? {
        Ok(kernel) => kernel,
        Err(error) => return Err(diagnose(store, log, version, error).await),
    };
    let config = kernel.table_configuration();
    let definition = Definition::try_new(store.name(), config.protocol().clone(), config.metadata().clone())?;
    let identity = log.identity(kernel.version()).await?;
    Ok(Replayed { version: kernel.version(), identity, definition: Arc::new(definition), kernel })
}

/// Whether the commit file that `replayed` was read from is still the one of its identity: false if the table
/// was dropped and made again in between.
pub(crate) fn is_whole(replayed: &Replayed) -> bool {
    let listed = replayed.kernel.log_segment().listed.latest_commit_file.as_ref();
    match (listed.filter(|file| file.version == replayed.version), &replayed.identity) {
        (Some(file), Some(identity)) => identity.agrees_with(file.location.size, file.location.last_modified),
        (None, None) => true,
        _ => false,
    }
}

/// Reads the live files of a version; `kernel` saves listing the log again.
pub(crate) async fn replay_files(store: &TableStore, version: u64, kernel: Option<SnapshotRef>) -> Result<FileIndex> {
    let context = || format!("cannot read the files of version {version} of table '{}'", store.name());
    let kernel = match kernel {
        Some(kernel) => kernel,
        None => build(store, Some(version)).await?.map_err(|error| kernel_error(context(), error))?,
    };
    let (engine, root) = (store.engine()?, store.location().clone());
    match tokio::task::spawn_blocking(move || read_files(&kernel, engine.as_ref(), &root)).await {
        Ok(Ok(files)) => FileIndex::try_new(files).map_err(|error| Error::internal(context(), error)),
        Ok(Err(ScanError::Kernel(error))) => Err(kernel_error(context(), error)),
        Ok(Err(ScanError::Path(error))) => Err(Error::Unsupported(format!("table '{}': {error}", store.name()))),
        Err(died) => Err(Error::internal(context(), died)),
    }
}

/// Reads the highest row id that was given up to a version.
pub(crate) async fn replay_highest_row_id(store: &TableStore, version: u64) -> Result<i64> {
    let context = || format!("cannot read the row ids of version {version} of table '{}'", store.name());
    let kernel = build(store, Some(version)).await?.map_err(|error| kernel_error(context(), error))?;
    let engine = store.engine()?;
    let read = move || kernel.get_domain_metadata_internal(ROW_TRACKING_DOMAIN, engine.as_ref());
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(Some(domain))) => highest_row_id(&domain).map_err(|error| Error::internal(context(), error)),
        Ok(Ok(None)) => Ok(NO_ROW_ID),
        Ok(Err(error)) => Err(kernel_error(context(), error)),
        Err(died) => Err(Error::internal(context(), died)),
    }
}

/// The kernel's snapshot of `version`, or of the newest one.
pub(crate) async fn build(
    store: &TableStore,
    version: Option<u64>,
) -> Result<std::result::Result<SnapshotRef, KernelError>> {
    match build_with(store, store.engine()?, version).await? {
        Err(KernelError::InvalidCheckpoint(reason)) => {
            tracing::debug!(table = store.name(), reason, "looking for checkpoints without the hint");
            build_with(store, store.engine_without_hint()?, version).await
        }
        built => Ok(built),
    }
}

async fn build_with(
    store: &TableStore,
    engine: Arc<dyn Engine>,
    version: Option<u64>,
) -> Result<std::result::Result<SnapshotRef, KernelError>> {
    let built = tokio::task::spawn_blocking(move || {
        let mut builder = Snapshot::builder_for(kernel_root());
        if let Some(version) = version {
            builder = builder.at_version(version);
        }
        builder.build(engine.as_ref()).map_err(without_backtrace)
    });
    built.await.map_err(|died| Error::internal(format!("cannot read the log of table '{}'", store.name()), died))
}

fn without_backtrace(error: KernelError) -> KernelError {
    match error {
        KernelError::Backtraced { source, .. } => without_backtrace(*source),
        other => other,
    }
}

/// Why the kernel could not read a log, in our words: what is missing or not offered, by its name.
async fn diagnose(store: &TableStore, log: &Log, version: Option<u64>, error: KernelError) -> Error {
    let table = store.name();
    let listing = match log.list().await {
        Ok(listing) if listing.is_table() => listing,
        Ok(_) => return Error::NotFound(format!("table '{table}' does not exist")),
        Err(error) => return error,
    };
    if let Some(version) = version
        && let Some(readable) = listing.readable()
        && !readable.contains(&version)
    {
        return no_version(table, version, &readable);
    }
    match refusal(store, log, &listing).await {
        Some(refusal) => refusal,
        None => kernel_error(format!("cannot read the log of table '{table}'"), error),
    }
}

/// Versions that were never made, or whose commits have been removed behind a checkpoint.
pub(crate) fn no_version(table: &str, version: u64, readable: &RangeInclusive<u64>) -> Error {
    let readable = match (readable.start(), readable.end()) {
        (first, last) if first == last => format!("version {last}"),
        (first, last) => format!("versions {first} to {last}"),
    };
    Error::NotFound(format!("table '{table}' has no version {version}; {readable} can be read"))
}

/// The refusal of the newest protocol and metadata, if commits still tell them.
async fn refusal(store: &TableStore, log: &Log, listing: &LogListing) -> Option<Error> {
    let (mut protocol, mut metadata) = (None, None);
    for (version, _) in listing.commits().rev().take(DIAGNOSED_COMMITS_MAX) {
        let commit = log.read(version).await.ok()??;
        let changes = parse_commit(store.location(), &commit.bytes).ok()?;
        protocol = protocol.or(changes.protocol);
        metadata = metadata.or(changes.metadata);
        if let (Some(protocol), Some(metadata)) = (&protocol, &metadata) {
            let refused = Definition::try_new(store.name(), Clone::clone(protocol), Clone::clone(metadata)).err();
            return refused.filter(|error| matches!(error, Error::Unsupported(_)));
        }
    }
    None
}

fn kernel_error(context: String, error: KernelError) -> Error {
    match without_backtrace(error) {
        KernelError::Unsupported(what) => Error::Unsupported(format!("{context}: {what}")),
        other => Error::internal(context, other),
    }
}

#[derive(Debug, thiserror::Error)]
enum ScanError {
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Path(#[from] super::file::PathError),
}

fn read_files(kernel: &SnapshotRef, engine: &dyn Engine, root: &Url) -> std::result::Result<Vec<DataFile>, ScanError> {
    let files = scan_files(kernel, engine, root, StatsOptions::json_only())?;
    let from_checkpoint = kernel.log_segment().checkpoint_version.is_some();
    if !from_checkpoint || files.iter().all(|file| file.stats_json.is_some()) {
        return Ok(files);
    }
    // A checkpoint may keep statistics as columns only (`delta.checkpoint.writeStatsAsJson`). The kernel turns
    // them into JSON when asked for both forms, which is too slow to ask for unless they are missed.
    scan_files(kernel, engine, root, StatsOptions::all())
}

fn scan_files(
    kernel: &SnapshotRef,
    engine: &dyn Engine,
    root: &Url,
    stats: StatsOptions,
) -> std::result::Result<Vec<DataFile>, ScanError> {
    let scan = kernel.clone().scan_builder().with_stats(stats).without_row_transforms().build()?;
    let mut files = Vec::new();
    for batch in scan.scan_metadata(engine)? {
        let selected = batch?.scan_files.apply_selection_vector()?;
        let batch: RecordBatch = (*ArrowEngineData::try_from_engine_data(selected)?).into();
        let columns = Columns::try_new(&batch)?;
        for row in 0..batch.num_rows() {
            files.push(columns.file(row, root)?);
        }
    }
    Ok(files)
}

/// The columns of `delta_kernel::scan::scan_row_schema` that make a [`DataFile`].
struct Columns<'a> {
    path: &'a dyn Array,
    size: &'a dyn Array,
    stats: &'a dyn Array,
    vectors: &'a StructArray,
    modified_ms: &'a dyn Array,
    /// What the Add says of the file as a whole.
    constants: Constants<'a>,
}

struct Constants<'a> {
    partition_values: &'a dyn Array,
    tags: &'a dyn Array,
    base_row_id: &'a dyn Array,
    default_row_commit_version: &'a dyn Array,
    clustering_provider: &'a dyn Array,
}

impl<'a> Columns<'a> {
    fn try_new(batch: &'a RecordBatch) -> std::result::Result<Self, KernelError> {
        let column = |name: &str| {
            let found = batch.column_by_name(name).map(AsRef::as_ref);
            found.ok_or_else(|| KernelError::MissingColumn(format!("scan row column '{name}'")))
        };
        Ok(Self {
            path: column("path")?,
            size: column("size")?,
            stats: column("stats")?,
            vectors: column("deletionVector")?.as_struct(),
            modified_ms: column("modificationTime")?,
            constants: Constants::try_new(column("fileConstantValues")?.as_struct())?,
        })
    }

    fn file(&self, row: usize, root: &Url) -> std::result::Result<DataFile, ScanError> {
        let size = self.size.as_primitive::<Int64Type>().value(row);
        let path = self.path.as_string::<i32>().value(row);
        Ok(DataFile {
            path: data_path(root, path)?,
            log_path: log_path(path),
            size_bytes: u64::try_from(size)
                .map_err(|_| KernelError::MissingData(format!("a file size, not {size}")))?,
            partition_values: texts(self.constants.partition_values, row),
            stats_json: text(self.stats, row).map(Into::into),
            deletion_vector: self.deletion_vector(row)?,
            modified_ms: long(self.modified_ms, row).unwrap_or_default(),
            notes: self.constants.notes(row).boxed(),
        })
    }

    fn deletion_vector(&self, row: usize) -> std::result::Result<Option<DeletionVectorDescriptor>, KernelError> {
        let field = |name: &str| {
            let found = self.vectors.column_by_name(name).map(AsRef::as_ref);
            found.ok_or_else(|| KernelError::MissingColumn(format!("deletion vector field '{name}'")))
        };
        let storage = match text(field("storageType")?, row) {
            Some(storage) if self.vectors.is_valid(row) => storage.parse()?,
            _ => return Ok(None),
        };
        let offset = field("offset")?.as_primitive::<Int32Type>();
        let descriptor = DeletionVectorDescriptor::try_new(
            storage,
            text(field("pathOrInlineDv")?, row).unwrap_or_default(),
            offset.is_valid(row).then(|| offset.value(row)),
            field("sizeInBytes")?.as_primitive::<Int32Type>().value(row),
            field("cardinality")?.as_primitive::<Int64Type>().value(row),
        )?;
        Ok(Some(descriptor))
    }
}

impl<'a> Constants<'a> {
    fn try_new(constants: &'a StructArray) -> std::result::Result<Self, KernelError> {
        let column = |name: &str| {
            let found = constants.column_by_name(name).map(AsRef::as_ref);
            found.ok_or_else(|| KernelError::MissingColumn(format!("scan row column '{name}'")))
        };
        Ok(Self {
            partition_values: column("partitionValues")?,
            tags: column("tags")?,
            base_row_id: column("baseRowId")?,
            default_row_commit_version: column("defaultRowCommitVersion")?,
            clustering_provider: column("clusteringProvider")?,
        })
    }

    fn notes(&self, row: usize) -> FileNotes {
        FileNotes {
            tags: texts(self.tags, row),
            base_row_id: long(self.base_row_id, row),
            default_row_commit_version: long(self.default_row_commit_version, row),
            clustering_provider: text(self.clustering_provider, row).map(str::to_owned),
        }
    }
}

fn text(column: &dyn Array, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.as_string::<i32>().value(row))
}

fn long(column: &dyn Array, row: usize) -> Option<i64> {
    column.is_valid(row).then(|| column.as_primitive::<Int64Type>().value(row))
}

/// A map of texts to texts; an absent one is empty.
fn texts(column: &dyn Array, row: usize) -> BTreeMap<String, Option<String>> {
    let maps = column.as_map();
    if maps.is_null(row) {
        return BTreeMap::new();
    }
    let entries = maps.value(row);
    let (keys, values) = (entries.column(0), entries.column(1));
    let entry = |at| (text(keys, at).unwrap_or_default().to_owned(), text(values, at).map(str::to_owned));
    (0..entries.len()).map(entry).collect()
}

#[cfg(test)]
mod tests;
