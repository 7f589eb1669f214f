//! Changes to an input that leave most of it valid.

use std::ops::Range;

use super::{Grammar, spans};
use crate::protocol::golden::Noise;

/// The longest input that is made: long enough for every structure, short enough to be tried often.
const INPUT_BYTES_MAX: usize = 64 << 10;

/// Numbers at the borders of types and lengths.
const NUMBERS: [i64; 16] = [
    0,
    1,
    -1,
    2,
    7,
    127,
    128,
    255,
    65_535,
    i32::MAX as i64,
    i32::MIN as i64,
    u32::MAX as i64,
    1 << 31,
    1 << 33,
    i64::MAX,
    i64::MIN,
];

/// Values of msgpack: nil, booleans, numbers, empty and lying ones.
const MSGPACK: [&[u8]; 16] = [
    b"\xc0",
    b"\xc2",
    b"\xc3",
    b"\x00",
    b"\xff",
    b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00",
    b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
    b"\xa0",
    b"\xa2\xff\xfe",
    b"\xdb\xff\xff\xff\xff",
    b"\xc6\x7f\xff\xff\xff",
    b"\x80",
    b"\x90",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\x7f\xff\xff\xff",
];

/// Values of JSON and Delta's texts.
const TEXTS: [&[u8]; 24] = [
    b"null",
    b"true",
    b"0",
    b"-0",
    b"-1",
    b"1e400",
    b"1e-400",
    b"99999999999999999999999999999999999999999",
    b"-170141183460469231731687303715884105728",
    b"9223372036854775808",
    b"NaN",
    b"-Infinity",
    b"\"\"",
    b"\"\\ud800\"",
    b"\"\\u0000\"",
    b"\"\xf0\x9f\xa6\x80\"",
    b"\"9999-12-31T23:59:59.999999Z\"",
    b"\"-262143-01-01\"",
    b"\"+294247-01-10T04:00:54.775807Z\"",
    b"[]",
    b"{}",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"\"1.5e2147483647\"",
    b"\"2024-02-30\"",
];

/// `input` with one to five changes; `other` lends parts.
pub(super) fn mutate(noise: &mut Noise, grammar: Grammar, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=noise.below(5) {
        match (grammar, noise.below(2)) {
            (Grammar::Msgpack, 0) => of_values(noise, &mut bytes, spans::msgpack, other, &MSGPACK),
            (Grammar::Text, 0) => of_values(noise, &mut bytes, spans::text, other, &TEXTS),
            _ => of_bytes(noise, &mut bytes, other),
        }
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

fn of_values(
    noise: &mut Noise,
    bytes: &mut Vec<u8>,
    spans: fn(&[u8]) -> Vec<Range<usize>>,
    other: &[u8],
    known: &[&[u8]],
) {
    let values = spans(bytes);
    if values.is_empty() {
        return of_bytes(noise, bytes, other);
    }
    let one = values[noise.below(values.len())].clone();
    let by = match noise.below(6) {
        0 => bytes[values[noise.below(values.len())].clone()].to_vec(),
        1 => {
            let theirs = spans(other);
            theirs.get(noise.below(theirs.len())).map(|span| other[span.clone()].to_vec()).unwrap_or_default()
        }
        2 => [&bytes[one.clone()], &bytes[one.clone()]].concat(),
        3 => rewritten(noise, &bytes[one.clone()], other),
        _ => known[noise.below(known.len())].to_vec(),
    };
    bytes.splice(one, by);
}

/// A string or binary of msgpack with other content, its length told right; anything else as bytes.
fn rewritten(noise: &mut Noise, value: &[u8], other: &[u8]) -> Vec<u8> {
    let head = match value.first() {
        Some(0xa0..=0xbf) => 1,
        Some(0xc4 | 0xd9) => 2,
        Some(0xc5 | 0xda) => 3,
        Some(0xc6 | 0xdb) => 5,
        _ => 0,
    };
    let mut content = value[head.min(value.len())..].to_vec();
    of_bytes(noise, &mut content, other);
    match u32::try_from(content.len()) {
        Ok(length) if head > 0 => [&[0xdb][..], &length.to_be_bytes(), &content].concat(),
        _ => content,
    }
}

fn of_bytes(noise: &mut Noise, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = noise.below(bytes.len());
    match noise.below(10) {
        0 if noise.below(4) == 0 => bytes.truncate(at),
        1 => drop(bytes.splice(at..(at + 1 + noise.below(8)).min(bytes.len()), [])),
        2 => drop(bytes.splice(at..at, (0..=noise.below(8)).map(|_| noise.next() as u8).collect::<Vec<_>>())),
        3 => {
            let block = part(noise, bytes).to_vec();
            bytes.splice(at..at, block);
        }
        4 => {
            let block = part(noise, other).to_vec();
            bytes.splice(at..at, block);
        }
        5 => overwrite(bytes, at, part(noise, other)),
        6 => number(noise, bytes, at),
        7 => number(noise, bytes, at & !3),
        8 => number(noise, bytes, at & !7),
        _ => {
            let bit = 1 << noise.below(8);
            bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= bit);
        }
    }
}

fn part<'a>(noise: &mut Noise, bytes: &'a [u8]) -> &'a [u8] {
    let start = noise.below(bytes.len());
    &bytes[start..(start + noise.below(64)).min(bytes.len())]
}

fn overwrite(bytes: &mut [u8], at: usize, by: &[u8]) {
    bytes.iter_mut().skip(at).zip(by).for_each(|(byte, by)| *byte = *by);
}

/// A number of some width in either order of bytes: one of the borders, or a little more or less than it was.
fn number(noise: &mut Noise, bytes: &mut [u8], at: usize) {
    let width = 1 << noise.below(4);
    let known = NUMBERS[noise.below(NUMBERS.len())];
    let Some(place) = bytes.get_mut(at..at + width) else { return };
    let mut was = [0; 8];
    was[..width].copy_from_slice(place);
    let near = i64::from_le_bytes(was).wrapping_add(noise.below(33) as i64 - 16);
    match noise.below(3) {
        0 => place.copy_from_slice(&near.to_le_bytes()[..width]),
        1 => place.copy_from_slice(&known.to_le_bytes()[..width]),
        _ => place.copy_from_slice(&known.to_be_bytes()[8 - width..]),
    }
}
