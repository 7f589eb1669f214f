//! Fuzzing of every decoder of bytes from outside.
//!
//! A [`Target`] is a plain function of bytes. Its inputs begin as seeds: messages of a real client, and what was kept
//! under `fuzz/<target>/` because it once broke something. [`mutate`] changes them with a knowledge of their grammar,
//! [`run`] feeds them in and keeps those whose outcome is new, so that one mutation builds on another. An input fails
//! if it panics, takes too long, or (where no other test runs beside it) makes the process grow.
//!
//! Each target is a test. Plain `cargo test` gives each two seconds and always tries the same inputs first;
//! `DELTAPORT_FUZZ_SECONDS` gives them longer, from a fresh random beginning (`DELTAPORT_FUZZ_SEED` repeats one):
//!
//! ```text
//! RUST_TEST_THREADS=1 DELTAPORT_FUZZ_SECONDS=600 cargo test --profile fuzz -p deltaport --lib fuzz:: -- --nocapture
//! ```

mod mutate;
mod outside;
mod run;
mod spans;

use std::hash::{DefaultHasher, Hash, Hasher};

/// A decoder, and what it is fed with.
pub(crate) struct Target {
    /// Names its directory of kept inputs.
    pub(crate) name: &'static str,
    /// What its inputs are made of.
    pub(crate) grammar: Grammar,
    /// Decodes.
    pub(crate) run: fn(&[u8]) -> Outcome,
    /// How much one input may make the process grow.
    pub(crate) growth_bytes_max: u64,
    /// Inputs to begin with, most of them valid.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
}

/// Some hundred times the longest input.
pub(crate) const GROWTH_BYTES_MAX: u64 = 64 << 20;

/// What mutations know of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grammar {
    /// Flatbuffers, protobuf, Parquet, frames: numbers at any place.
    Binary,
    /// Values of msgpack.
    Msgpack,
    /// Values of JSON, and of other text.
    Text,
}

/// What came of an input, coarsely: inputs of equal outcome took the same way as far as can be seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Outcome(u64);

impl Outcome {
    /// The outcome of a decoding; of an error its words count, and what it quotes does not.
    pub(crate) fn of<T, E: std::fmt::Display>(result: &Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::from("ok"),
            Err(error) => {
                let words = |c: &char| !c.is_ascii_digit();
                Self::from(
                    error
                        .to_string()
                        .split(['"', '\''])
                        .step_by(2)
                        .flat_map(str::chars)
                        .filter(words)
                        .collect::<String>(),
                )
            }
        }
    }

    /// An outcome that is the same for equal values.
    pub(crate) fn from(value: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Self(hasher.finish())
    }

    /// Both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self::from((self, other))
    }
}

/// The name of the threads whose panics are reported by the tests and not by the hook.
pub(crate) const THREAD: &str = "fuzz";

macro_rules! targets {
    ($($name:ident: $target:expr,)*) => {
        $(
            #[test]
            fn $name() {
                run::fuzz(&$target);
            }
        )*

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

use crate::{delta::fuzz as delta, expression::fuzz as expression, merge::fuzz as merge, protocol::fuzz as protocol};

targets! {
    actions: protocol::ACTIONS,
    batches: protocol::BATCHES,
    descriptors: protocol::DESCRIPTORS,
    filters: protocol::FILTERS,
    headers: protocol::HEADERS,
    messages: protocol::MESSAGES,
    schemas: protocol::SCHEMAS,
    tickets: protocol::TICKETS,
    expressions: expression::EXPRESSIONS,
    clauses: merge::CLAUSES,
    checkpoints: delta::CHECKPOINTS,
    commits: delta::COMMITS,
    data_files: delta::DATA_FILES,
    deletion_vectors: delta::DELETION_VECTORS,
    log_names: delta::LOG_NAMES,
    logs: delta::LOGS,
    partition_values: delta::PARTITION_VALUES,
    statistics: delta::STATISTICS,
    type_texts: delta::TYPE_TEXTS,
    command_lines: outside::COMMAND_LINES,
    frames: outside::FRAMES,
}

/// A directory that no target reads would be kept for nothing.
#[test]
fn every_kept_input_has_a_target() {
    for directory in run::kept_directories() {
        assert!(NAMES.contains(&directory.as_str()), "fuzz/{directory}: there is no such target");
    }
}
