//! Header blocks of HTTP/2 (HPACK, RFC 7541), walked just far enough to find the values of `:authority` and to write
//! over characters in them. Decodes no header and keeps no dynamic table, only which of its entries are named
//! `:authority`.
//!
//! # Why no table is needed
//!
//! A field enters the dynamic table by the same literal that carries it, so what is changed there is clean wherever
//! the entry is used later by its index. Every substitute has the length of what it replaces, raw and Huffman-coded,
//! so blocks and table entries keep their sizes and both ends evict alike. What remains is a literal that takes its
//! *name* from the table: that is looked up in [`AuthorityNames`].

use std::ops::Range;

use super::huffman::{self, Code};

/// The character that `http::uri::Authority` refuses, and that no authority but a percent-encoded path has.
const PERCENT: Substitute = Substitute::new((b'%', 0x15), (b'-', 0x16), 6);

/// What becomes of the characters in a percent-encoded path. gRPC encodes a path's slashes but leaves alone what an
/// authority may hold (grpc: `IsAuthorityChar` in src/core/util/uri.cc), and `:`, `@` and brackets are refused too
/// where they do not part a host from a port or user. The substitutes are harmless characters with codes of equal
/// length; nobody routes by the authority of a Unix socket.
const SUBSTITUTES: [Substitute; 5] = [
    PERCENT,
    Substitute::new((b':', 0x5c), (b'x', 0x79), 7),
    Substitute::new((b'@', 0x1ffa), (b'~', 0x1ffd), 13),
    Substitute::new((b'[', 0x1ffb), (b'~', 0x1ffd), 13),
    Substitute::new((b']', 0x1ffc), (b'~', 0x1ffd), 13),
];

const NAME: &[u8] = b":authority";

/// The name in Huffman code. There is one way to write it: codes are unique, and padding is fewer than eight one bits.
const NAME_HUFFMAN: [u8; 8] = [0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f];

/// The index of `:authority` in the static table.
const NAME_STATIC_INDEX: usize = 1;

/// The first index of the dynamic table: that of its newest entry.
const DYNAMIC_INDEX_MIN: usize = 62;

/// The longest integer, in bytes after its prefix: enough for any length in a bounded block.
const INTEGER_BYTES_MAX: usize = 4;

/// The block is no HPACK. What becomes of it is for the HTTP/2 implementation to say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Which of the dynamic table's entries are named `:authority`: the lowest bit for the newest.
///
/// Entries are only counted in, never out: an index that evicted entries or an oversized field made invalid is for
/// HTTP/2 to refuse, and the valid ones are counted from the newest alike. A table of 4096 bytes, which a server
/// offers unless it says otherwise, holds at most 128 entries of at least 32 bytes: one bit each.
#[derive(Debug, Default)]
pub(super) struct AuthorityNames(u128);

impl AuthorityNames {
    /// Walks one whole header block, in order of arrival, and cleans the values of `:authority` in it.
    pub(super) fn clean(&mut self, block: &mut [u8]) -> Result<(), Malformed> {
        let mut at = 0;
        while let Some(first) = block.get(at).copied() {
            // The representations of RFC 7541, section 6, by their first bits.
            match first {
                0x80.. => at = integer(block, at, 7)?.1,                         // indexed field
                0x40..0x80 => at = self.literal(block, at, 6, Indexing::Added)?, // with incremental indexing
                0x20..0x40 => at = integer(block, at, 5)?.1,                     // table size update
                0x00..0x20 => at = self.literal(block, at, 4, Indexing::NotAdded)?, // without indexing, never indexed
            }
        }
        Ok(())
    }

    /// One literal field; gives where it ends.
    fn literal(&mut self, block: &mut [u8], at: usize, prefix: u32, indexing: Indexing) -> Result<usize, Malformed> {
        let (index, mut at) = integer(block, at, prefix)?;
        let is_authority = if index == 0 {
            let name = Text::at(block, at)?;
            at = name.range.end;
            name.is_authority(block)
        } else {
            self.contains(index)
        };
        let value = Text::at(block, at)?;
        let end = value.range.end;
        if is_authority {
            value.clean(block);
        }
        if indexing == Indexing::Added {
            self.0 = self.0 << 1 | u128::from(is_authority);
        }
        Ok(end)
    }

    fn contains(&self, index: usize) -> bool {
        match index.checked_sub(DYNAMIC_INDEX_MIN) {
            Some(age) => age < 128 && self.0 >> age & 1 == 1,
            None => index == NAME_STATIC_INDEX,
        }
    }
}

/// Whether a literal becomes the newest entry of the dynamic table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Indexing {
    Added,
    NotAdded,
}

/// A string literal (RFC 7541, section 5.2): where its bytes are.
struct Text {
    range: Range<usize>,
    huffman: bool,
}

impl Text {
    fn at(block: &[u8], at: usize) -> Result<Self, Malformed> {
        let huffman = block.get(at).ok_or(Malformed)? & 0x80 != 0;
        let (length, start) = integer(block, at, 7)?;
        let range = start..start + length;
        if range.end > block.len() { Err(Malformed) } else { Ok(Self { range, huffman }) }
    }

    fn is_authority(&self, block: &[u8]) -> bool {
        block[self.range.clone()] == *if self.huffman { &NAME_HUFFMAN } else { NAME }
    }

    /// Writes the substitutes, if the value is a percent-encoded path.
    fn clean(&self, block: &mut [u8]) {
        let value = &mut block[self.range.clone()];
        if self.huffman {
            if huffman::contains(value, PERCENT.code) {
                let substitute = |code| SUBSTITUTES.iter().find(|s| s.code == code).map(|s| s.by_code);
                huffman::substitute(value, substitute);
            }
        } else if value.contains(&PERCENT.byte) {
            for byte in value {
                if let Some(substitute) = SUBSTITUTES.iter().find(|s| s.byte == *byte) {
                    *byte = substitute.by_byte;
                }
            }
        }
    }
}

/// A character and what is written over it, raw and Huffman-coded.
#[derive(Clone, Copy)]
struct Substitute {
    byte: u8,
    by_byte: u8,
    code: Code,
    by_code: Code,
}

impl Substitute {
    const fn new(character: (u8, u32), by: (u8, u32), bits: usize) -> Self {
        let code = Code { value: character.1, bits };
        Self { byte: character.0, by_byte: by.0, code, by_code: Code { value: by.1, bits } }
    }
}

/// An integer with a prefix of so many bits (RFC 7541, section 5.1), and where it ends.
fn integer(block: &[u8], at: usize, prefix: u32) -> Result<(usize, usize), Malformed> {
    let mask = (1_usize << prefix) - 1;
    let mut value = usize::from(*block.get(at).ok_or(Malformed)?) & mask;
    if value < mask {
        return Ok((value, at + 1));
    }
    for i in 0..INTEGER_BYTES_MAX {
        let byte = usize::from(*block.get(at + 1 + i).ok_or(Malformed)?);
        value += (byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok((value, at + 2 + i));
        }
    }
    Err(Malformed)
}

#[cfg(test)]
mod tests;
