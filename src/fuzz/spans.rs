//! Where the values of an input lie, by its grammar. What is malformed has values up to there.

use std::ops::Range;

/// How deep values are followed; what lies deeper is mutated as bytes.
const DEPTH_MAX: usize = 32;

/// The values of a msgpack message, each with all below it.
pub(super) fn msgpack(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut at = 0;
    while let Some(end) = value(bytes, at, 0, &mut spans) {
        at = end;
    }
    spans
}

fn value(bytes: &[u8], at: usize, depth: usize, spans: &mut Vec<Range<usize>>) -> Option<usize> {
    let number = |width: usize| {
        let digits = bytes.get(at + 1..at + 1 + width)?;
        Some(digits.iter().fold(0, |number: usize, digit| number << 8 | usize::from(*digit)))
    };
    let first = *bytes.get(at)?;
    let (head, payload, children) = match first {
        0x80..=0x8f => (1, 0, 2 * usize::from(first & 0x0f)),
        0x90..=0x9f => (1, 0, usize::from(first & 0x0f)),
        0xa0..=0xbf => (1, usize::from(first & 0x1f), 0),
        0xc4 | 0xd9 => (2, number(1)?, 0),
        0xc5 | 0xda => (3, number(2)?, 0),
        0xc6 | 0xdb => (5, number(4)?, 0),
        0xcc | 0xd0 => (2, 0, 0),
        0xcd | 0xd1 => (3, 0, 0),
        0xca | 0xce | 0xd2 => (5, 0, 0),
        0xcb | 0xcf | 0xd3 => (9, 0, 0),
        0xdc => (3, 0, number(2)?),
        0xdd => (5, 0, number(4)?),
        0xde => (3, 0, 2 * number(2)?),
        0xdf => (5, 0, 2 * number(4)?),
        _ => (1, 0, 0),
    };
    let mut end = at.checked_add(head + payload).filter(|end| *end <= bytes.len())?;
    if depth < DEPTH_MAX {
        for _ in 0..children {
            end = value(bytes, end, depth + 1, spans)?;
        }
    }
    spans.push(at..end);
    Some(end)
}

/// The values and names of a JSON text: strings, numbers and words, arrays and objects.
pub(super) fn text(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut spans, mut open, mut at) = (Vec::new(), Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        let end = match byte {
            b'"' => end_of_string(bytes, at),
            b'{' | b'[' => {
                open.push(at);
                at += 1;
                continue;
            }
            b'}' | b']' => {
                spans.extend(open.pop().map(|start| start..at + 1));
                at += 1;
                continue;
            }
            _ if is_word(byte) => at + bytes[at..].iter().take_while(|byte| is_word(**byte)).count(),
            _ => {
                at += 1;
                continue;
            }
        };
        spans.push(at..end);
        at = end;
    }
    spans
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-._".contains(&byte)
}
