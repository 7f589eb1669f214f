//! The recorded conversation, for tests.

use arrow_flight::Action;
use prost::Message;

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/airport-tests/golden/duckdb-1.5.5");

/// One recorded message: a bare protobuf.
pub(crate) fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{DIRECTORY}/{name}")).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The same of the recording about types.
pub(crate) fn types_file(name: &str) -> Vec<u8> {
    file(&format!("../types-duckdb-1.5.5/{name}"))
}

/// The same of the recording about merges.
pub(crate) fn merge_file(name: &str) -> Vec<u8> {
    file(&format!("../merge-duckdb-1.5.5/{name}"))
}

/// A recorded action.
pub(crate) fn action(name: &str) -> Action {
    action_of(&file(name))
}

/// The action in a recorded message.
pub(crate) fn action_of(message: &[u8]) -> Action {
    Action::decode(message).unwrap()
}

/// The body of a recorded result.
pub(crate) fn result(name: &str) -> Vec<u8> {
    arrow_flight::Result::decode(file(name).as_slice()).unwrap().body.to_vec()
}

/// Names of the client's messages of calls whose name contains `part`, in order.
pub(crate) fn client_files(part: &str) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(DIRECTORY)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(part) && name.ends_with(".client.pb"))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no recorded {part}");
    names
}

/// The request headers of a call.
pub(crate) fn request_headers(call: &str) -> Vec<(String, String)> {
    let index: serde_json::Value = serde_json::from_slice(&file("index.json")).unwrap();
    let entry = index.as_array().unwrap().iter().find(|entry| entry["call"] == call).unwrap();
    serde_json::from_value(entry["request_headers"].clone()).unwrap()
}

/// Bytes that look random and are the same in every run (xorshift64*).
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Up to 200 random bytes.
    pub(crate) fn bytes(&mut self) -> Vec<u8> {
        let length = self.below(200);
        (0..length).map(|_| self.next() as u8).collect()
    }

    /// `bytes` with a few of them changed, cut or doubled.
    pub(crate) fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut mutated = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(mutated.len());
            match self.below(4) {
                0 => mutated.truncate(at),
                1 if !mutated.is_empty() => drop(mutated.remove(at)),
                2 => mutated.insert(at, self.next() as u8),
                _ if !mutated.is_empty() => mutated[at] = self.next() as u8,
                _ => {}
            }
        }
        mutated
    }
}
