//! Header blocks in every representation, built by hand.

use super::*;
use crate::unix::authority::huffman::tests::{code_of, encode};

const DIRTY: &str = "run%2Fx%2Fy.sock";
const CLEAN: &str = "run-2Fx-2Fy.sock";

fn integer_bytes(first: u8, prefix: u32, value: usize) -> Vec<u8> {
    let mask = (1 << prefix) - 1;
    if value < mask {
        return vec![first | value as u8];
    }
    let mut bytes = vec![first | mask as u8];
    let mut rest = value - mask;
    while rest >= 128 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

fn text(value: &str, huffman: bool) -> Vec<u8> {
    if huffman {
        let bytes = encode(value.as_bytes());
        [integer_bytes(0x80, 7, bytes.len()), bytes].concat()
    } else {
        [integer_bytes(0, 7, value.len()), value.into()].concat()
    }
}

/// First byte and prefix of the three literal representations.
const LITERALS: [(u8, u32); 3] = [(0x40, 6), (0x00, 4), (0x10, 4)];

fn named(literal: (u8, u32), name: &str, value: &str, huffman: bool) -> Vec<u8> {
    [vec![literal.0], text(name, huffman), text(value, huffman)].concat()
}

fn indexed_name(literal: (u8, u32), index: usize, value: &str, huffman: bool) -> Vec<u8> {
    [integer_bytes(literal.0, literal.1, index), text(value, huffman)].concat()
}

fn cleaned(names: &mut AuthorityNames, block: &[u8]) -> Vec<u8> {
    let mut block = block.to_vec();
    names.clean(&mut block).unwrap();
    block
}

fn clean_once(block: &[u8]) -> Vec<u8> {
    cleaned(&mut AuthorityNames::default(), block)
}

#[test]
fn constants_agree_with_the_code() {
    assert_eq!(encode(NAME), NAME_HUFFMAN);
    for substitute in SUBSTITUTES {
        assert_eq!(substitute.code, code_of(substitute.byte));
        assert_eq!(substitute.by_code, code_of(substitute.by_byte));
    }
}

#[test]
fn every_literal_form_is_cleaned() {
    for literal in LITERALS {
        for huffman in [false, true] {
            let block = |value| named(literal, ":authority", value, huffman);
            assert_eq!(clean_once(&block(DIRTY)), block(CLEAN));
            let block = |value| indexed_name(literal, 1, value, huffman);
            assert_eq!(clean_once(&block(DIRTY)), block(CLEAN));
        }
    }
}

#[test]
fn long_values_are_cleaned_to_their_end() {
    let dirty = "%2F".repeat(5000);
    for huffman in [false, true] {
        let block = |value: &str| [indexed_name((0x40, 6), 1, value, huffman), vec![0x83]].concat();
        assert_eq!(clean_once(&block(&dirty)), block(&dirty.replace('%', "-")));
    }
}

#[test]
fn other_characters_of_an_encoded_path_are_made_harmless() {
    for huffman in [false, true] {
        let block = |value| indexed_name((0x40, 6), 1, value, huffman);
        assert_eq!(clean_once(&block("a%2F[b]:c@d!$&'()*+,;=_~")), block("a-2F~b~xc~d!$&'()*+,;=_~"));
    }
}

#[test]
fn an_ordinary_authority_is_untouched() {
    for value in ["", "localhost:8815", "[::1]:8815", "y.sock", "user@host"] {
        for huffman in [false, true] {
            let block = indexed_name((0x40, 6), 1, value, huffman);
            assert_eq!(clean_once(&block), block);
        }
    }
}

#[test]
fn other_headers_keep_their_percent_signs() {
    for huffman in [false, true] {
        let block = [
            named((0x40, 6), "authority", "grpc+unix:///run%2Fx", huffman),
            named((0x00, 4), ":path", "/a%20b", huffman),
            indexed_name((0x40, 6), 4, "/a%20b", huffman),
            indexed_name((0x10, 4), 58, "agent%", huffman),
            named((0x40, 6), ":authorit%", DIRTY, huffman),
        ]
        .concat();
        assert_eq!(clean_once(&block), block);
    }
}

#[test]
fn names_are_found_in_the_dynamic_table_as_it_moves() {
    let mut names = AuthorityNames::default();
    cleaned(&mut names, &named((0x40, 6), ":authority", DIRTY, false));
    for others in 0..127 {
        for literal in [(0x00, 4), (0x10, 4)] {
            let block = |value| indexed_name(literal, 62 + others, value, true);
            assert_eq!(cleaned(&mut names, &block(DIRTY)), block(CLEAN), "{others} entries since");
            let neighbour = indexed_name(literal, 63 + others, DIRTY, false);
            assert_eq!(cleaned(&mut names, &neighbour), neighbour);
        }
        cleaned(&mut names, &named((0x40, 6), "x", "y", false));
    }
}

#[test]
fn an_entry_named_by_an_entry_counts_too() {
    let mut names = AuthorityNames::default();
    cleaned(&mut names, &named((0x40, 6), ":authority", "a", true));
    cleaned(&mut names, &indexed_name((0x40, 6), 62, "b", true));
    for index in [62, 63] {
        let block = |value| indexed_name((0x10, 4), index, value, false);
        assert_eq!(cleaned(&mut names, &block(DIRTY)), block(CLEAN));
    }
}

#[test]
fn indexed_fields_and_size_updates_add_no_entry() {
    let mut names = AuthorityNames::default();
    let between = [integer_bytes(0x20, 5, 4096), vec![0x83, 0xbe], integer_bytes(0x80, 7, 300)].concat();
    cleaned(&mut names, &named((0x40, 6), ":authority", DIRTY, false));
    cleaned(&mut names, &between);
    let block = |value| indexed_name((0x00, 4), 62, value, false);
    assert_eq!(cleaned(&mut names, &block(DIRTY)), block(CLEAN));
}

#[test]
fn what_is_no_hpack_is_refused() {
    let overlong = [&[0x7f][..], &[0xff; 8]].concat();
    let unending = [0x41, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    for block in
        [&[0x40][..], &[0x41], &[0x41, 5, b'a'], &[0x40, 1, b'a'], &[0xff], &[0x3f, 0x80], &overlong, &unending]
    {
        assert_eq!(AuthorityNames::default().clean(&mut block.to_vec()), Err(Malformed), "{block:x?}");
    }
}

#[test]
fn every_truncation_is_refused_or_a_block_of_its_own() {
    let block = [named((0x40, 6), ":authority", DIRTY, true), indexed_name((0x00, 4), 1, DIRTY, false)].concat();
    let whole_fields = block.len() - indexed_name((0x00, 4), 1, DIRTY, false).len();
    for length in 0..block.len() {
        let outcome = AuthorityNames::default().clean(&mut block[..length].to_vec());
        assert_eq!(outcome.is_ok(), length == 0 || length == whole_fields, "{length}");
    }
}
