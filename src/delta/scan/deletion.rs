//! Deletion vectors as sets of the rows that are deleted, and as masks of those that live.
//!
//! The kernel decodes them (Delta protocol, "Deletion Vector Format"); it is handed the bytes, and only those of
//! the vector that is asked for: many may share a file.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use arrow::{array::BooleanBufferBuilder, buffer::BooleanBuffer};
use bytes::Bytes;
use delta_kernel::{
    DeltaResult, Error as KernelError, FileMeta, FileSlice, StorageHandler,
    actions::deletion_vector::DeletionVectorDescriptor,
};
use object_store::path::Path;
use roaring::RoaringTreemap;
use url::Url;

use crate::engine::{Error, Result};

/// Before a vector in its file: the size. After it: the checksum.
const FRAME_BYTES: u64 = 4 + 4;

/// The length of the kernel's magic number, below which it does not look.
const INLINE_CHARS_MIN: usize = 5;

/// Where the bytes of a vector lie: in which file below the table's root, and at which place there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct VectorFile {
    pub(super) path: Path,
    pub(super) range: std::ops::Range<u64>,
}

/// Where the bytes of a vector lie; `None` if the descriptor holds them.
///
/// # Errors
/// `Unsupported` if the file lies outside the table.
pub(super) fn locate(vector: &DeletionVectorDescriptor, table_root: &Url) -> Result<Option<VectorFile>> {
    let bad = |source| Error::internal("the log's deletion vector has no proper path", source);
    let Some(url) = vector.absolute_path(table_root).map_err(bad)? else {
        return Ok(None);
    };
    let Some(below) = url.as_str().strip_prefix(table_root.as_str()) else {
        return Err(Error::Unsupported(format!("the deletion vector {url} lies outside of its table")));
    };
    let path = Path::from_url_path(below)
        .map_err(|source| Error::internal(format!("the deletion vector {url} has no proper path"), source))?;
    let start = u64::try_from(vector.offset.unwrap_or(1)).unwrap_or(0);
    let size = u64::try_from(vector.size_in_bytes).unwrap_or(0);
    Ok(Some(VectorFile { path, range: start..start + size + FRAME_BYTES }))
}

/// A mask of the `rows` rows of a data file, set where the row is not deleted; `framed` as for [`deleted_rows`].
pub(super) fn live_rows(
    vector: &DeletionVectorDescriptor,
    framed: Option<Bytes>,
    table_root: &Url,
    rows: usize,
) -> Result<BooleanBuffer> {
    let deleted = deleted_rows(vector, framed, table_root, rows as u64)?;
    without(None, &deleted, rows).ok_or_else(beyond_the_end)
}

/// The mask `live` of `rows` rows, all of them if it is absent, without those at `positions`; `None` if one of these is
/// beyond the end.
pub(super) fn without(live: Option<&BooleanBuffer>, positions: &RoaringTreemap, rows: usize) -> Option<BooleanBuffer> {
    let mut left = BooleanBufferBuilder::new(rows);
    match live {
        Some(live) => left.append_buffer(live),
        None => left.append_n(rows, true),
    }
    for position in positions {
        left.set_bit(usize::try_from(position).ok().filter(|position| *position < rows)?, false);
    }
    Some(left.finish())
}

/// The deleted rows of a data file that has `rows` rows. `framed` are the bytes of the vector's [`VectorFile`], absent if
/// it has none.
pub(super) fn deleted_rows(
    vector: &DeletionVectorDescriptor,
    framed: Option<Bytes>,
    table_root: &Url,
    rows: u64,
) -> Result<RoaringTreemap> {
    if framed.is_none() && vector.path_or_inline_dv.len() < INLINE_CHARS_MIN {
        return Err(corrupt("an inline deletion vector is too short"));
    }
    // The kernel is shown a file with this vector alone: the version, then the vector.
    let alone = DeletionVectorDescriptor { offset: framed.as_ref().map(|_| 1), ..vector.clone() };
    let file = framed.map(|framed| Bytes::from([&[1], &framed[..]].concat())).unwrap_or_default();
    // What it decodes of an inline vector may be shorter than it takes for granted; it holds no state.
    let read = || alone.read(Arc::new(OneFile(file)), table_root);
    let deleted = catch_unwind(AssertUnwindSafe(read))
        .map_err(|_| corrupt("a deletion vector is too short"))?
        .map_err(|source| Error::internal("a deletion vector cannot be read", source))?;
    if u64::try_from(vector.cardinality).ok() != Some(deleted.len()) {
        return Err(corrupt("a deletion vector does not hold as many rows as the log says"));
    }
    if deleted.max().is_some_and(|last| last >= rows) {
        return Err(beyond_the_end());
    }
    Ok(deleted)
}

/// The vector of the file at `path` is wrong.
pub(super) fn inapplicable(path: &Path, source: Error) -> Error {
    Error::internal(format!("the deletion vector of file {path} cannot be applied"), source)
}

fn beyond_the_end() -> Error {
    corrupt("a deletion vector deletes rows that its file does not have")
}

fn corrupt(what: &str) -> Error {
    Error::internal(what, "the table's log or files are corrupt")
}

/// Answers every read with the same bytes, and nothing else.
#[derive(Debug)]
struct OneFile(Bytes);

impl StorageHandler for OneFile {
    fn read_files(&self, files: Vec<FileSlice>) -> DeltaResult<Box<dyn Iterator<Item = DeltaResult<Bytes>>>> {
        let bytes = self.0.clone();
        Ok(Box::new(files.into_iter().map(move |_| Ok(bytes.clone()))))
    }

    fn list_from(&self, _: &Url) -> DeltaResult<Box<dyn Iterator<Item = DeltaResult<FileMeta>>>> {
        Err(KernelError::unsupported("listing"))
    }

    fn copy_atomic(&self, _: &Url, _: &Url) -> DeltaResult<()> {
        Err(KernelError::unsupported("copying"))
    }

    fn put(&self, _: &Url, _: Bytes, _: bool) -> DeltaResult<()> {
        Err(KernelError::unsupported("writing"))
    }

    fn head(&self, _: &Url) -> DeltaResult<FileMeta> {
        Err(KernelError::unsupported("metadata"))
    }

    fn delete(&self, _: &Url) -> DeltaResult<()> {
        Err(KernelError::unsupported("deletion"))
    }
}

#[cfg(test)]
mod tests {
    use delta_kernel::actions::{
        deletion_vector::DeletionVectorStorageType,
        deletion_vector_writer::{KernelDeletionVector, StreamingDeletionVectorWriter},
    };

    use super::*;

    /// A file of two vectors, {1} and the given one, and the latter's descriptor under a 20-character name.
    fn second_of_two(rows: &[u64]) -> (Vec<u8>, DeletionVectorDescriptor) {
        let mut file = Vec::new();
        let mut writer = StreamingDeletionVectorWriter::new(&mut file);
        let mut written = Vec::new();
        for rows in [&[1][..], rows] {
            let mut vector = KernelDeletionVector::new();
            vector.add_deleted_row_indexes(rows);
            written.push(writer.write_deletion_vector(vector).unwrap());
        }
        writer.finalize().unwrap();
        let descriptor = DeletionVectorDescriptor {
            storage_type: DeletionVectorStorageType::PersistedRelative,
            path_or_inline_dv: "vBn[lx{q8@P<9BNH/isA".to_owned(),
            offset: Some(written[1].offset),
            size_in_bytes: written[1].size_in_bytes,
            cardinality: written[1].cardinality,
        };
        (file, descriptor)
    }

    fn root() -> Url {
        Url::parse("memory:///lake/t/").unwrap()
    }

    #[test]
    fn a_vector_is_read_from_its_place_in_a_shared_file() {
        let (file, descriptor) = second_of_two(&[0, 3]);
        let place = locate(&descriptor, &root()).unwrap().unwrap();
        assert_eq!(place.path, Path::from("deletion_vector_61d16c75-6994-46b7-a15b-8b538852e50e.bin"));
        let framed = |bytes: &[u8]| Some(Bytes::copy_from_slice(bytes));
        let (start, end) = (place.range.start as usize, place.range.end as usize);
        assert_eq!(end, file.len());
        let live = live_rows(&descriptor, framed(&file[start..end]), &root(), 5).unwrap();
        assert_eq!(live, BooleanBuffer::from(vec![false, true, true, false, true]));

        assert!(live_rows(&descriptor, framed(&file[start..end]), &root(), 3).is_err(), "row 3 is beyond the file");
        assert!(live_rows(&descriptor, framed(&file[start..end - 1]), &root(), 5).is_err(), "cut short");
        let mut flipped = file[start..end].to_vec();
        flipped[12] ^= 1;
        assert!(live_rows(&descriptor, framed(&flipped), &root(), 5).is_err(), "the checksum fails");
        let miscounted = DeletionVectorDescriptor { cardinality: 1, ..descriptor };
        assert!(live_rows(&miscounted, framed(&file[start..end]), &root(), 5).is_err());
    }

    #[test]
    fn inline_vectors_need_no_file() {
        let inline = |text: &str, cardinality| DeletionVectorDescriptor {
            storage_type: DeletionVectorStorageType::Inline,
            path_or_inline_dv: text.to_owned(),
            offset: None,
            size_in_bytes: 44,
            cardinality,
        };
        // Delta protocol, "Deletion Vector Descriptor Schema": rows 3, 4, 7, 11, 18, 29.
        let sample = inline("^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L", 6);
        assert_eq!(locate(&sample, &root()).unwrap(), None);
        let live = live_rows(&sample, None, &root(), 30).unwrap();
        let deleted: Vec<_> = (0..30).filter(|row| !live.value(*row)).collect();
        assert_eq!(deleted, [3, 4, 7, 11, 18, 29]);
        for broken in ["", "ab", "abcde", "^Bg9^", "^Bg9^0rr91"] {
            assert!(live_rows(&inline(broken, 6), None, &root(), 30).is_err(), "{broken}");
        }
    }

    #[test]
    fn absolute_paths_stay_within_the_table() {
        let absolute = |url: &str| DeletionVectorDescriptor {
            storage_type: DeletionVectorStorageType::PersistedAbsolute,
            path_or_inline_dv: url.to_owned(),
            offset: Some(4),
            size_in_bytes: 40,
            cardinality: 6,
        };
        let inside = locate(&absolute("memory:///lake/t/a%20b/v.bin"), &root()).unwrap().unwrap();
        assert_eq!(inside, VectorFile { path: Path::from("a b/v.bin"), range: 4..52 });
        for outside in ["memory:///lake/u/v.bin", "memory:///lake/t/../u/v.bin", "file:///etc/passwd"] {
            let error = locate(&absolute(outside), &root()).unwrap_err().to_string();
            assert!(error.ends_with("lies outside of its table"), "{error}");
        }
        assert!(locate(&absolute("not a url"), &root()).is_err());
    }
}
