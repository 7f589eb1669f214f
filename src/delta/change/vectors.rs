//! Deletion vectors written: in the log while they are small, else in a file that all of a commit share.

use bytes::Bytes;
use delta_kernel::actions::{
    deletion_vector::{DeletionVectorDescriptor, DeletionVectorStorageType},
    deletion_vector_writer::{DeletionVector, StreamingDeletionVectorWriter},
};
use roaring::RoaringTreemap;
use uuid::Uuid;

use crate::{
    delta::{
        snapshot::DeltaSnapshot,
        write::{Staged, stage_file},
    },
    engine::{Error, Result},
};

/// The most that the vectors of one commit may take together to be kept in the log. That saves the commit a file and its
/// syncs; but the log repeats them in checkpoints and every reader of the table holds them in memory, so it is about what
/// the statistics of one file take.
const INLINE_BYTES_MAX: usize = 512;

/// Before a bitmap where vectors lie (PROTOCOL.md, "Deletion Vector Format"): the magic number of the portable form.
const MAGIC: u32 = 1_681_511_377;

/// Vectors of one commit.
#[derive(Default)]
pub(super) struct Written {
    /// In the order they were given.
    pub(super) descriptors: Vec<DeletionVectorDescriptor>,
    /// Their file, durable, if they have one.
    pub(super) file: Option<Staged>,
}

/// Writes the vectors of one commit on top of `base`.
pub(super) async fn write(base: &DeltaSnapshot, mut vectors: Vec<RoaringTreemap>) -> Result<Written> {
    for vector in &mut vectors {
        vector.optimize();
    }
    let bytes: usize = vectors.iter().map(|vector| size_of_val(&MAGIC) + vector.serialized_size()).sum();
    if bytes <= INLINE_BYTES_MAX {
        let descriptors = vectors.iter().map(inline).collect::<Result<_>>()?;
        return Ok(Written { descriptors, file: None });
    }
    let encoded = tokio::task::spawn_blocking(move || shared(vectors, bytes));
    let (name, content, descriptors) = encoded.await.map_err(|died| cannot_write(died.into()))??;
    let target = base.table().stage_target(base.definition());
    Ok(Written { descriptors, file: Some(stage_file(&target, name, content).await?) })
}

fn inline(vector: &RoaringTreemap) -> Result<DeletionVectorDescriptor> {
    let mut bytes = MAGIC.to_le_bytes().to_vec();
    vector.serialize_into(&mut bytes).map_err(|error| cannot_write(error.into()))?;
    let size = bytes.len();
    // Z85 is made of whole groups of four; readers cut off what the size does not tell of.
    bytes.resize(size.next_multiple_of(4), 0);
    Ok(DeletionVectorDescriptor {
        storage_type: DeletionVectorStorageType::Inline,
        path_or_inline_dv: z85::encode(bytes),
        offset: None,
        size_in_bytes: i32::try_from(size).map_err(|error| cannot_write(error.into()))?,
        cardinality: vector.len().cast_signed(),
    })
}

/// Name and content of a file of vectors, below the table's root, and where in it they lie.
fn shared(vectors: Vec<RoaringTreemap>, bytes: usize) -> Result<(String, Bytes, Vec<DeletionVectorDescriptor>)> {
    let uuid = Uuid::new_v4();
    let mut content = Vec::with_capacity(bytes + 1 + 8 * vectors.len());
    let mut writer = StreamingDeletionVectorWriter::new(&mut content);
    let mut descriptors = Vec::with_capacity(vectors.len());
    for vector in vectors {
        let place = writer.write_deletion_vector(Bitmap(vector)).map_err(|error| cannot_write(error.into()))?;
        descriptors.push(DeletionVectorDescriptor {
            storage_type: DeletionVectorStorageType::PersistedRelative,
            path_or_inline_dv: z85::encode(uuid.as_bytes()),
            offset: Some(place.offset),
            size_in_bytes: place.size_in_bytes,
            cardinality: place.cardinality,
        });
    }
    writer.finalize().map_err(|error| cannot_write(error.into()))?;
    Ok((format!("deletion_vector_{uuid}.bin"), content.into(), descriptors))
}

fn cannot_write(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::internal("cannot write a deletion vector", source)
}

/// A vector as the kernel's writer takes it, without being taken apart.
struct Bitmap(RoaringTreemap);

impl DeletionVector for Bitmap {
    type IndexIterator = roaring::treemap::IntoIter;

    fn into_iter(self) -> Self::IndexIterator {
        self.0.into_iter()
    }

    fn cardinality(&self) -> u64 {
        self.0.len()
    }

    fn serialize(self) -> delta_kernel::DeltaResult<Bytes> {
        let mut bytes = Vec::with_capacity(self.0.serialized_size());
        self.0.serialize_into(&mut bytes).map_err(delta_kernel::Error::generic_err)?;
        Ok(bytes.into())
    }
}
