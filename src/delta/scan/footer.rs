//! Whether the lists of a Parquet footer can be as long as they say.
//!
//! The Parquet reader reserves memory for some lists before it looks for their elements. A footer that announces two
//! billion row groups would end the process, not the scan, so lengths are looked at first: every element takes at
//! least a byte. Everything else is left to the reader to refuse.

use parquet::{
    errors::{ParquetError, Result},
    file::reader::ChunkReader,
};

/// Length and magic at the end of a file (Parquet format, "File Format").
const TAIL_BYTES: u64 = 8;
const MAGIC: &[u8] = b"PAR1";

/// How deep a footer's structures nest: five, and a few to come.
const DEPTH_MAX: usize = 16;

/// Reads the footer's bytes and looks at the lengths in them.
///
/// # Errors
/// If there are lists longer than the footer, or the file cannot be read.
pub(super) fn check(file: &impl ChunkReader) -> Result<()> {
    let Some(tail_start) = file.len().checked_sub(TAIL_BYTES) else { return Ok(()) };
    let tail = file.get_bytes(tail_start, TAIL_BYTES as usize)?;
    let Some((length, MAGIC)) = tail.split_first_chunk::<4>() else { return Ok(()) };
    let length = u32::from_le_bytes(*length);
    let Some(start) = tail_start.checked_sub(length.into()) else { return Ok(()) };
    match is_sound(&file.get_bytes(start, length as usize)?) {
        true => Ok(()),
        false => Err(ParquetError::General("the footer is malformed".to_owned())),
    }
}

fn is_sound(footer: &[u8]) -> bool {
    let mut reader = Reader { rest: footer };
    let file = reader.fields(|reader, field, kind| match (field, kind) {
        (SCHEMA, LIST) => reader.schema(),
        _ => reader.skip(kind, DEPTH_MAX),
    });
    file.is_some()
}

/// Field numbers of `FileMetaData` and `SchemaElement` (parquet.thrift).
const SCHEMA: i16 = 2;
const NUM_CHILDREN: i16 = 5;

/// Types of Thrift's compact protocol (thrift-compact-protocol.md).
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;

/// Walks Thrift's compact protocol; `None` where it is malformed.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    /// The fields of a structure: their numbers and types.
    fn fields(&mut self, mut field: impl FnMut(&mut Self, i16, u8) -> Option<()>) -> Option<()> {
        let mut number = 0_i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            number = match head >> 4 {
                0 => i16::try_from(self.signed()?).ok()?,
                step => number.checked_add(step.into())?,
            };
            field(self, number, head & 0x0f)?;
        }
    }

    /// The list of schema elements, whose children are among them.
    fn schema(&mut self) -> Option<()> {
        let (kind, elements) = self.list()?;
        if kind != STRUCT {
            return None;
        }
        for _ in 0..elements {
            self.fields(|reader, field, kind| match (field, kind) {
                (NUM_CHILDREN, I32) => (reader.signed()? <= elements as i64).then_some(()),
                _ => reader.skip(kind, DEPTH_MAX),
            })?;
        }
        Some(())
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            TRUE | FALSE => Some(()),
            BYTE => self.take(1),
            I16 | I32 | I64 => self.varint().map(drop),
            DOUBLE => self.take(8),
            BINARY => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.take(length)
            }
            LIST | SET => {
                let (kind, count) = self.list()?;
                (0..count).try_for_each(|_| self.element(kind, depth))
            }
            MAP => {
                let count = self.count()?;
                let kinds = if count == 0 { 0 } else { self.byte()? };
                (0..count).try_for_each(|_| {
                    self.element(kinds >> 4, depth)?;
                    self.element(kinds & 0x0f, depth)
                })
            }
            STRUCT => self.fields(|reader, _, kind| reader.skip(kind, depth)),
            UUID => self.take(16),
            _ => None,
        }
    }

    /// In a field a boolean is its type; in a list it is a byte.
    fn element(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            TRUE | FALSE => self.take(1),
            kind => self.skip(kind, depth),
        }
    }

    fn list(&mut self) -> Option<(u8, usize)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.count()?,
            short => short.into(),
        };
        (count <= self.rest.len()).then_some((head & 0x0f, count))
    }

    /// No more than there are bytes left.
    fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.varint()?).ok()?;
        (count <= self.rest.len()).then_some(count)
    }

    fn signed(&mut self) -> Option<i64> {
        let zigzag = self.varint()?;
        Some((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn take(&mut self, length: usize) -> Option<()> {
        self.rest = self.rest.get(length..)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn file(footer: &[u8]) -> Bytes {
        Bytes::from([footer, &(footer.len() as u32).to_le_bytes(), MAGIC].concat())
    }

    /// A root, one column, no rows; with a list of row groups of so many.
    fn footer(children: u8, row_groups: &[u8]) -> Vec<u8> {
        let root = [0x48, 4, b'r', b'o', b'o', b't', 0x15, children << 1, 0];
        let column = [0x15, 4, 0x25, 0, 0x18, 1, b'x', 0];
        let head = [0x15, 2, 0x19, 0x2c];
        [&head[..], &root, &column, &[0x16, 0], &[0x19], row_groups, &[0]].concat()
    }

    #[test]
    fn honest_footers_pass() {
        assert!(is_sound(&footer(1, &[0x0c])));
        assert!(check(&file(&footer(1, &[0x0c]))).is_ok());
        for written in super::super::fuzz::parquet_files() {
            assert!(check(&Bytes::from(written)).is_ok());
        }
    }

    #[test]
    fn lists_longer_than_the_footer_are_refused() {
        assert!(!is_sound(&footer(63, &[0x0c])), "63 children of 2");
        let two_billion = [0xfc, 0xff, 0xff, 0xff, 0xff, 0x07];
        assert!(!is_sound(&footer(1, &two_billion)));
        let error = check(&file(&footer(1, &two_billion))).unwrap_err().to_string();
        assert!(error.contains("the footer is malformed"), "{error}");
    }

    #[test]
    fn what_is_no_footer_is_left_to_the_reader_or_refused() {
        for bytes in [&b""[..], b"PAR1", b"\xff\xff\xff\xffPAR1", b"\0\0\0\0PARE"] {
            assert!(check(&Bytes::copy_from_slice(bytes)).is_ok(), "{bytes:?}");
        }
        let deep = [[0x1c].repeat(100), vec![0; 101]].concat();
        assert!(!is_sound(&deep));
        assert!(!is_sound(&[0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0]));
    }
}
