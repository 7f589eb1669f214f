//! Msgpack with bounds: maps with names for the client, arrays for our own tickets.
//!
//! The client packs every C++ `std::string` as msgpack str even when it holds binary, so fields that may hold bytes
//! are decoded with `serde_bytes`, which takes both. Unknown keys are ignored: newer clients add some.

use serde::{Serialize, de::DeserializeOwned};

use super::DecodeError;

/// The longest message that is decoded. The largest honest ones are an `endpoints` request with a long IN list and
/// a `create_table` request with thousands of columns; both stay below a few MiB.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// How deep maps and arrays may nest in a client's message; none nests deeper than four.
const DEPTH_MAX: usize = 16;

/// Decodes one message that fills `bytes` exactly.
pub fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, DecodeError> {
    decode_nested(what, bytes, DEPTH_MAX)
}

/// As [`decode`], for messages that nest up to `depth_max`.
pub fn decode_nested<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    depth_max: usize,
) -> Result<T, DecodeError> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        let reason = format!("{} bytes are more than the {MESSAGE_BYTES_MAX} allowed", bytes.len());
        return Err(DecodeError::new(what, reason));
    }
    let mut rest = bytes;
    let mut decoder = rmp_serde::Deserializer::new(&mut rest);
    decoder.set_max_depth(depth_max);
    let value = T::deserialize(&mut decoder).map_err(|error| DecodeError::new(what, error.to_string()))?;
    match rest.len() {
        0 => Ok(value),
        trailing => Err(DecodeError::new(what, format!("{trailing} bytes follow its end"))),
    }
}

/// Encodes structs as maps with names, as the client reads them.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(value).expect("plain structs have an encoding, and memory takes every byte")
}

/// Encodes structs as arrays: for bytes that only this server reads back.
pub fn encode_compact<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    rmp_serde::to_vec(value).expect("plain structs have an encoding, and memory takes every byte")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Message {
        name: String,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    }

    /// {"name": "n", "bytes": <value>}
    fn message(value: &[u8]) -> Vec<u8> {
        [b"\x82\xa4name\xa1n\xa5bytes", value].concat()
    }

    #[test]
    fn takes_bytes_packed_as_str_or_bin() {
        for value in [&b"\xa3\xff\x00\xfe"[..], b"\xc4\x03\xff\x00\xfe"] {
            let decoded: Message = decode("message", &message(value)).unwrap();
            assert_eq!(decoded.bytes, b"\xff\x00\xfe");
        }
    }

    #[test]
    fn ignores_unknown_keys() {
        let bytes = b"\x83\xa3new\x91\x01\xa4name\xa1n\xa5bytes\xa0";
        assert_eq!(decode::<Message>("message", bytes).unwrap().name, "n");
    }

    #[test]
    fn refuses_trailing_bytes_and_missing_keys() {
        let trailing = decode::<Message>("message", &message(b"\xa0\xc0")).unwrap_err();
        assert_eq!(trailing.to_string(), "malformed message: 1 bytes follow its end");
        let missing = decode::<Message>("message", b"\x81\xa4name\xa1n").unwrap_err();
        assert_eq!(missing.to_string(), "malformed message: missing field `bytes`");
    }

    #[test]
    fn refuses_nesting_length_and_size_bombs() {
        let nested = [b"\x81\xa3new".to_vec(), vec![0x91; 100_000]].concat();
        assert!(decode::<Message>("message", &nested).is_err());
        let claims_4g = message(b"\xc6\xff\xff\xff\xff");
        assert!(decode::<Message>("message", &claims_4g).is_err());
        let long = vec![0xc0; MESSAGE_BYTES_MAX + 1];
        assert!(decode::<Message>("message", &long).is_err());
    }
}
