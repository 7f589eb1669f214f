//! Huffman-coded strings of HPACK, changed symbol by symbol where they lie. Decodes no text: only the borders between
//! symbols matter.
//!
//! The code of RFC 7541, appendix B, is canonical: sorted by length, codes count upwards. How many codes each length
//! has is therefore enough to walk it.

/// How many codes have so many bits. 257 in all: every byte value, and the end of string (EOS) with 30 one bits.
const CODES_OF_BITS: [u32; 31] =
    [0, 0, 0, 0, 0, 10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29, 0, 4];

/// One code of the Huffman code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code {
    /// Its bits, right-aligned.
    pub(super) value: u32,
    /// How many they are.
    pub(super) bits: usize,
}

/// Whether `code` is among the symbols of `text`.
pub(super) fn contains(text: &[u8], code: Code) -> bool {
    let mut at_bit = 0;
    while let Some(found) = code_at(text, at_bit) {
        if found == code {
            return true;
        }
        at_bit += found.bits;
    }
    false
}

/// Gives each symbol of `text` to `substitute` and writes the code it returns over it, which must have as many bits.
/// A text that is not well formed is changed up to where it stops making sense.
pub(super) fn substitute(text: &mut [u8], substitute: impl Fn(Code) -> Option<Code>) {
    let mut at_bit = 0;
    while let Some(found) = code_at(text, at_bit) {
        if let Some(code) = substitute(found) {
            debug_assert_eq!(code.bits, found.bits);
            write_code(text, at_bit, code);
        }
        at_bit += found.bits;
    }
}

/// The code that begins at a bit; `None` in the padding. Every bit pattern of 30 bits begins with a code, so the walk
/// always ends at the end of the text.
fn code_at(text: &[u8], at_bit: usize) -> Option<Code> {
    let mut value = 0;
    // The lowest code of the present length.
    let mut lowest = 0;
    for (bits, codes) in CODES_OF_BITS.into_iter().enumerate().skip(1) {
        let at = at_bit + bits - 1;
        value = value << 1 | u32::from(text.get(at / 8)? >> (7 - at % 8) & 1);
        lowest <<= 1;
        if value - lowest < codes {
            return Some(Code { value, bits });
        }
        lowest += codes;
    }
    None
}

fn write_code(text: &mut [u8], at_bit: usize, code: Code) {
    for bit in 0..code.bits {
        let at = at_bit + bit;
        let mask = 1 << (7 - at % 8);
        if code.value >> (code.bits - 1 - bit) & 1 == 1 {
            text[at / 8] |= mask;
        } else {
            text[at / 8] &= !mask;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The length of each byte's code (RFC 7541, appendix B).
    #[rustfmt::skip]
    const BITS_OF_BYTE: [usize; 256] = [
        13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
        6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
        13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
        15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
        20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
        22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
        26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
        20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    ];

    /// The code of one byte: within a length, codes go up with the byte.
    pub(crate) fn code_of(byte: u8) -> Code {
        let bits = BITS_OF_BYTE[usize::from(byte)];
        let mut lowest = 0;
        for codes in &CODES_OF_BITS[..bits] {
            lowest = (lowest + codes) << 1;
        }
        let before = BITS_OF_BYTE[..usize::from(byte)].iter().filter(|b| **b == bits).count();
        Code { value: lowest + before as u32, bits }
    }

    /// `text` in Huffman code, padded with one bits.
    pub(crate) fn encode(text: &[u8]) -> Vec<u8> {
        let bits: usize = text.iter().map(|byte| code_of(*byte).bits).sum();
        let mut encoded = vec![0xff; bits.div_ceil(8)];
        let mut at_bit = 0;
        for byte in text {
            write_code(&mut encoded, at_bit, code_of(*byte));
            at_bit += code_of(*byte).bits;
        }
        encoded
    }

    #[test]
    fn the_code_is_complete() {
        assert_eq!(CODES_OF_BITS.iter().sum::<u32>(), 257);
        let kraft: u64 = CODES_OF_BITS.iter().enumerate().map(|(bits, codes)| u64::from(*codes) << (30 - bits)).sum();
        assert_eq!(kraft, 1 << 30);
    }

    #[test]
    fn the_code_is_that_of_the_specification() {
        // RFC 7541, appendix B: a few rows of each length class, and examples C.4.1 and C.4.2.
        for (byte, value, bits) in [
            (b'0', 0x0, 5),
            (b't', 0x9, 5),
            (b' ', 0x14, 6),
            (b'%', 0x15, 6),
            (b'-', 0x16, 6),
            (b':', 0x5c, 7),
            (b'&', 0xf8, 8),
            (b'!', 0x3f8, 10),
            (b'@', 0x1ffa, 13),
            (b'\\', 0x7fff0, 19),
            (0x80, 0xfffe6, 20),
            (0x01, 0x7f_ffd8, 23),
            (0xff, 0x3ff_ffee, 26),
            (0x7f, 0xfff_fffc, 28),
            (b'\n', 0x3fff_fffc, 30),
        ] {
            assert_eq!(code_of(byte), Code { value, bits }, "{byte:#x}");
        }
        assert_eq!(
            encode(b"www.example.com"),
            [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff]
        );
        assert_eq!(encode(b"no-cache"), [0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]);
    }

    #[test]
    fn every_byte_is_found_at_every_bit_offset() {
        for byte in 0..=u8::MAX {
            for before in 0..8 {
                // Codes of 5 bits move the byte through every offset.
                let text = [&vec![b'0'; before][..], &[byte], b"00"].concat();
                let encoded = encode(&text);
                let code = code_of(byte);
                assert_eq!(code_at(&encoded, before * 5), Some(code), "{byte:#x}");
                assert!(contains(&encoded, code));
            }
        }
    }

    #[test]
    fn symbols_are_substituted_wherever_they_lie() {
        let (percent, dash) = (code_of(b'%'), code_of(b'-'));
        for before in 0..8 {
            let text = format!("{}%2F%%x", "a".repeat(before));
            let mut encoded = encode(text.as_bytes());
            substitute(&mut encoded, |code| (code == percent).then_some(dash));
            assert_eq!(encoded, encode(text.replace('%', "-").as_bytes()));
        }
    }

    #[test]
    fn bits_that_only_look_like_the_symbol_stay() {
        let (percent, dash) = (code_of(b'%'), code_of(b'-'));
        for first in 0x20..0x7f_u8 {
            for second in (0x20..0x7f_u8).filter(|byte| *byte != b'%') {
                let text = [first, second];
                let mut encoded = encode(&text);
                substitute(&mut encoded, |code| (code == percent).then_some(dash));
                assert_eq!(encoded, encode(&text.map(|byte| if byte == b'%' { b'-' } else { byte })));
            }
        }
    }

    #[test]
    fn padding_and_the_end_of_string_end_the_walk() {
        assert_eq!(code_at(&[], 0), None);
        assert_eq!(code_at(&[0xff], 0), None);
        assert_eq!(code_at(&[0xff; 8], 0), Some(Code { value: 0x3fff_ffff, bits: 30 }));
        assert!(!contains(&[0xff; 8], code_of(b'%')));
    }
}
