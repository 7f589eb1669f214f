//! BIGNUM: DuckDB's bytes and texts of decimal digits.
//!
//! Three bytes say how many follow, with the highest bit set; then the absolute value, big-endian without zeros at its
//! head (zero is one of them). All bytes are inverted if the number is negative (`common/types/bignum.cpp`).

use std::fmt::Write;

const HEADER_BYTES: usize = 3;
const HEADER_MARK: u32 = 0x80_0000;

/// The bytes of the largest absolute value, some 39,000 digits. Both ways cost the square of the length, and this one
/// some milliseconds.
const VALUE_BYTES_MAX: usize = 16 * 1024;

/// Digits that [`VALUE_BYTES_MAX`] bytes may have: a byte has 2.408...
const DIGITS_MAX: usize = VALUE_BYTES_MAX * 2409 / 1000;

/// The highest power of ten in 32 bits, and its zeros.
const CHUNK: u64 = 1_000_000_000;
const CHUNK_DIGITS: usize = 9;

const WORD: u64 = 1 << 32;

/// Appends the text of a number.
pub(in super::super) fn write(bytes: &[u8], text: &mut String) -> Result<(), &'static str> {
    let invalid = "not as DuckDB packs one";
    let (header, value) = bytes.split_at_checked(HEADER_BYTES).ok_or(invalid)?;
    let negative = header[0] & 0x80 == 0;
    let flip = if negative { 0xff } else { 0 };
    let length = header.iter().fold(0_u32, |length, byte| length << 8 | u32::from(byte ^ flip));
    if u32::try_from(value.len()) != Ok(length ^ HEADER_MARK) || value.is_empty() {
        return Err(invalid);
    }
    if value.len() > VALUE_BYTES_MAX {
        return Err("longer than the 39456 digits that can be kept");
    }
    let chunks = decimal_chunks(value.iter().map(|byte| byte ^ flip));
    let Some((highest, lower)) = chunks.split_last() else {
        text.push('0');
        return Ok(());
    };
    let sign = if negative { "-" } else { "" };
    write!(text, "{sign}{highest}").map_err(|_| invalid)?;
    lower.iter().rev().try_for_each(|chunk| write!(text, "{chunk:09}")).map_err(|_| invalid)
}

/// Appends the bytes of a number; `None` if the text is none.
pub(in super::super) fn parse(text: &str, bytes: &mut Vec<u8>) -> Option<()> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    if digits.len() > DIGITS_MAX {
        return None;
    }
    let words = binary_words(digits)?;
    let value: Vec<u8> = words.iter().rev().flat_map(|word| word.to_be_bytes()).skip_while(|byte| *byte == 0).collect();
    let value = if value.is_empty() { vec![0] } else { value };
    let flip = if text.starts_with('-') && !digits.is_empty() { 0xff } else { 0 };
    let header = u32::try_from(value.len()).ok()? | HEADER_MARK;
    let header = &header.to_be_bytes()[1..];
    bytes.extend(header.iter().chain(&value).map(|byte| byte ^ flip));
    Some(())
}

/// The absolute value in base 10^9, lowest first, without zeros at the end.
fn decimal_chunks(value: impl ExactSizeIterator<Item = u8>) -> Vec<u32> {
    let mut chunks: Vec<u32> = Vec::new();
    let mut taken = value.len();
    let mut word = 0_u64;
    for byte in value {
        word = word << 8 | u64::from(byte);
        taken -= 1;
        if taken.is_multiple_of(4) {
            multiply_add::<WORD, CHUNK>(&mut chunks, std::mem::take(&mut word));
        }
    }
    chunks
}

/// The number in base 2^32, lowest first.
fn binary_words(digits: &str) -> Option<Vec<u32>> {
    let mut words = Vec::new();
    let (head, tail) = digits.split_at(digits.len() % CHUNK_DIGITS);
    let chunks = tail.as_bytes().chunks(CHUNK_DIGITS);
    for chunk in std::iter::once(head.as_bytes()).filter(|head| !head.is_empty()).chain(chunks) {
        let chunk = std::str::from_utf8(chunk).ok()?.parse::<u64>().ok()?;
        multiply_add::<CHUNK, WORD>(&mut words, chunk);
    }
    Some(words)
}

/// `places = places * FACTOR + add`, where places are of base `BASE`, lowest first; none is above 2^32.
///
/// Constants, as a division by what is not known before is several times as dear.
fn multiply_add<const FACTOR: u64, const BASE: u64>(places: &mut Vec<u32>, add: u64) {
    let mut carry = add;
    for place in places.iter_mut() {
        let product = u64::from(*place) * FACTOR + carry;
        *place = (product % BASE) as u32;
        carry = product / BASE;
    }
    while carry > 0 {
        places.push((carry % BASE) as u32);
        carry /= BASE;
    }
}
