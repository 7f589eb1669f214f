//! Msgpack as the client's msgpack-c writes it: every `std::string` is a `str`, even when it holds binary.
//!
//! serde cannot write a `str` that is not UTF-8, hence these few lines.

/// Writes one msgpack value after another.
#[derive(Debug, Default)]
pub struct Packer(Vec<u8>);

impl Packer {
    /// A writer with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// The head of a map; `len` keys and values follow.
    pub fn map(&mut self, len: u8) -> &mut Self {
        assert!(len < 16, "the client sends small maps only");
        self.0.push(0x80 | len);
        self
    }

    /// The head of an array; `len` values follow.
    pub fn array(&mut self, len: usize) -> &mut Self {
        match u8::try_from(len) {
            Ok(small @ 0..16) => self.0.push(0x90 | small),
            _ => {
                self.0.push(0xdc);
                self.0.extend(u16::try_from(len).expect("a test's array is short").to_be_bytes());
            }
        }
        self
    }

    /// A `std::string`.
    pub fn str(&mut self, value: impl AsRef<[u8]>) -> &mut Self {
        let bytes = value.as_ref();
        let len = bytes.len();
        if let Ok(short) = u8::try_from(len) {
            match short {
                0..32 => self.0.push(0xa0 | short),
                _ => self.0.extend([0xd9, short]),
            }
        } else if let Ok(medium) = u16::try_from(len) {
            self.0.push(0xda);
            self.0.extend(medium.to_be_bytes());
        } else {
            self.0.push(0xdb);
            self.0.extend(u32::try_from(len).expect("a message is below 4 GiB").to_be_bytes());
        }
        self.0.extend_from_slice(bytes);
        self
    }

    /// An unsigned integer in its shortest form.
    pub fn uint(&mut self, value: u64) -> &mut Self {
        match value {
            0..0x80 => self.0.push(value as u8),
            0x80..0x100 => self.0.extend([0xcc, value as u8]),
            0x100..0x1_0000 => {
                self.0.push(0xcd);
                self.0.extend((value as u16).to_be_bytes());
            }
            0x1_0000..0x1_0000_0000 => {
                self.0.push(0xce);
                self.0.extend((value as u32).to_be_bytes());
            }
            _ => {
                self.0.push(0xcf);
                self.0.extend(value.to_be_bytes());
            }
        }
        self
    }

    /// A boolean.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.0.push(if value { 0xc3 } else { 0xc2 });
        self
    }

    /// Nil.
    pub fn nil(&mut self) -> &mut Self {
        self.0.push(0xc0);
        self
    }

    /// What was written, leaving the writer empty.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_binary_as_str() {
        assert_eq!(Packer::new().map(1).str("a").str([0xff, 0xfe]).take(), [0x81, 0xa1, b'a', 0xa2, 0xff, 0xfe]);
    }

    #[test]
    fn picks_the_shortest_form() {
        for (value, bytes) in [
            (127, vec![0x7f]),
            (128, vec![0xcc, 0x80]),
            (256, vec![0xcd, 1, 0]),
            (65536, vec![0xce, 0, 1, 0, 0]),
            (u64::MAX, vec![0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ] {
            assert_eq!(Packer::new().uint(value).take(), bytes);
        }
        assert_eq!(Packer::new().str(vec![b'x'; 32]).take()[..2], [0xd9, 32]);
        assert_eq!(Packer::new().str(vec![b'x'; 256]).take()[..3], [0xda, 1, 0]);
        assert_eq!(Packer::new().str(vec![b'x'; 65536]).take()[..5], [0xdb, 0, 1, 0, 0]);
    }
}
