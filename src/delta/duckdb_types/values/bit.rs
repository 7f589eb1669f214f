//! BIT: DuckDB's bytes and texts of 0 and 1.
//!
//! The first byte counts the bits at the head of the second that are padding; padding is set, and there is at least
//! one bit besides (`common/types/bit.cpp`).

const BITS_PER_BYTE: usize = 8;

/// Appends the text of a bit string.
pub(in super::super) fn write(bytes: &[u8], text: &mut String) -> Result<(), &'static str> {
    let [padding @ 0..8, first, rest @ ..] = bytes else { return Err("not as DuckDB packs one") };
    let padding = usize::from(*padding);
    text.reserve(bytes.len() * BITS_PER_BYTE);
    push_bits(*first, padding, text);
    rest.iter().for_each(|byte| push_bits(*byte, 0, text));
    Ok(())
}

/// Appends the bytes of a bit string; `None` if the text is none.
pub(in super::super) fn parse(text: &str, bytes: &mut Vec<u8>) -> Option<()> {
    if text.is_empty() || !text.bytes().all(|digit| matches!(digit, b'0' | b'1')) {
        return None;
    }
    let padding = text.len().next_multiple_of(BITS_PER_BYTE) - text.len();
    bytes.push(u8::try_from(padding).ok()?);
    let set = std::iter::repeat_n(b'1', padding);
    let mut byte = 0_u8;
    for (index, digit) in set.chain(text.bytes()).enumerate() {
        byte = byte << 1 | u8::from(digit == b'1');
        if index % BITS_PER_BYTE == BITS_PER_BYTE - 1 {
            bytes.push(byte);
        }
    }
    Some(())
}

fn push_bits(byte: u8, padding: usize, text: &mut String) {
    for bit in (0..BITS_PER_BYTE - padding).rev() {
        text.push(if byte >> bit & 1 == 1 { '1' } else { '0' });
    }
}
