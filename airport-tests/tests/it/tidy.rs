//! The architecture's invariants, held against the sources.
//!
//! Lines of tests inside the server's crates count too: a test that reaches around a seam shows that the seam is
//! in the wrong place.

use std::{
    fs,
    path::{Path, PathBuf},
};

#[test]
fn only_delta_names_delta() {
    refuse("src", |file| !file.starts_with("src/delta"), &["deltalake", "deltalake_core", "delta_kernel", "parquet"]);
    refuse("transports/src", |_| true, &["deltalake_core", "delta_kernel", "parquet"]);
}

#[test]
fn only_the_service_names_tonic() {
    let outside = |file: &Path| {
        !(file.starts_with("src/service") || file.starts_with("src/app") || names(file, &["app.rs", "main.rs"]))
    };
    refuse("src", outside, &["tonic"]);
    refuse("transports/src", |_| true, &["tonic", "arrow", "arrow_flight"]);
}

#[test]
fn one_place_makes_a_status() {
    let elsewhere = |file: &Path| file.starts_with("src/service") && !names(file, &["src/service/status.rs"]);
    for constructor in STATUS_CONSTRUCTORS {
        refuse_text("src", elsewhere, &format!("Status::{constructor}("));
    }
}

#[test]
fn protocol_and_engine_do_no_io() {
    let pure = |file: &Path| (file.starts_with("src/protocol") || file.starts_with("src/engine")) && !only_tests(file);
    refuse("src", pure, &["tokio", "object_store", "deltaport_transports"]);
    for io in ["std::fs", "std::net", "std::io", "std::process", "std::thread"] {
        refuse_text("src", pure, io);
    }
}

#[test]
fn the_protocol_knows_no_table_format_and_the_seam_no_flight() {
    refuse("src", |file| file.starts_with("src/engine"), &["arrow_flight", "rmp_serde", "prost"]);
    for above in ["service", "app", "catalog", "delta", "config", "cli"] {
        let below = |file: &Path| file.starts_with("src/engine") || file.starts_with("src/protocol");
        refuse_text("src", below, &format!("crate::{above}"));
    }
    for beside in ["service", "app", "catalog", "protocol"] {
        refuse_text("src", |file| file.starts_with("src/delta"), &format!("crate::{beside}"));
    }
}

#[test]
fn unsafe_stays_in_the_fabric() {
    for root in ["src", "transports/src", "airport-tests/src"] {
        refuse(root, |file| !file.starts_with("transports/src/fabric"), &["unsafe"]);
    }
}

/// tonic's, without those that only read (`code`, `message`).
const STATUS_CONSTRUCTORS: [&str; 20] = [
    "new",
    "with_details",
    "with_metadata",
    "from_error",
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's root").to_owned()
}

/// Fails if code in a file `which` picks says one of `words` as a word of its own.
fn refuse(root: &str, which: impl Fn(&Path) -> bool, words: &[&str]) {
    refuse_lines(root, which, |code| words.iter().any(|word| says(code, word)));
}

/// Fails if code in a file `which` picks contains `text`.
fn refuse_text(root: &str, which: impl Fn(&Path) -> bool, text: &str) {
    refuse_lines(root, which, |code| code.contains(text));
}

fn refuse_lines(root: &str, which: impl Fn(&Path) -> bool, bad: impl Fn(&str) -> bool) {
    let top = workspace();
    let mut found = Vec::new();
    for path in sources(&top.join(root)) {
        let file = path.strip_prefix(&top).expect("it lies in the workspace");
        if !which(file) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file is text");
        let bad = (1..).zip(text.lines()).filter(|(_, line)| bad(code(line)));
        found.extend(bad.map(|(number, line)| format!("{}:{number}: {}", file.display(), line.trim())));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// A line without its comment and without what it quotes. Good enough for lines that name crates.
fn code(line: &str) -> &str {
    let end = [line.find("//"), line.find('"')].into_iter().flatten().min();
    &line[..end.unwrap_or(line.len())]
}

fn says(code: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].chars().next_back().is_some_and(part_of_name)
            && !code[at + word.len()..].chars().next().is_some_and(part_of_name)
    })
}

/// Whether its parent declares the module for tests alone.
fn only_tests(file: &Path) -> bool {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).expect("a source file has a name");
    let parent = workspace().join(file).with_file_name("mod.rs");
    let parent = fs::read_to_string(parent).unwrap_or_default();
    stem == "tests"
        || parent.lines().zip(parent.lines().skip(1)).any(|(attribute, module)| {
            attribute.trim() == "#[cfg(test)]" && module.trim().ends_with(&format!("mod {stem};"))
        })
}

fn names(file: &Path, endings: &[&str]) -> bool {
    endings.iter().any(|ending| file.ends_with(ending))
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(directory) else { return found };
    for entry in entries {
        let path = entry.expect("a readable directory").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_check_sees_what_it_looks_for() {
    assert!(says(code("use tonic::Status; // tonic"), "tonic"));
    assert!(!says(code("// use tonic"), "tonic"));
    assert!(!says(code("use my_tonic::x;"), "tonic"));
    assert!(!says(code("let parquet_file = 1;"), "parquet"));
    assert!(sources(&workspace().join("src")).len() > 3, "the sources are elsewhere");
}
