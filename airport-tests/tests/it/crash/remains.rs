//! What lies in a table's directory, held against what its log speaks of.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::support::{eventually, files};

/// Waits until no file is left but those the log speaks of, and its own.
pub(super) async fn assert_no_remains(table: &Path) {
    eventually(&format!("{} has no remains of dead statements", table.display()), async || remains(table).is_empty())
        .await;
}

fn remains(table: &Path) -> Vec<String> {
    // Before the log is read: nobody writes.
    let found = files(table);
    let named = named(&table.join("_delta_log"));
    found.into_iter().filter(|file| !named.contains(file) && !is_log_file(file)).collect()
}

fn is_log_file(file: &str) -> bool {
    let Some(name) = file.strip_prefix("_delta_log/") else { return false };
    let numbered = name.len() > 21 && name.is_char_boundary(20) && name[..20].bytes().all(|byte| byte.is_ascii_digit());
    name == "_last_checkpoint" || (numbered && matches!(&name[20..], ".json" | ".checkpoint.parquet"))
}

/// The files that any version speaks of, and may need.
fn named(log: &Path) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for commit in files(log).into_iter().filter(|file| file.ends_with(".json")) {
        for line in fs::read_to_string(log.join(commit)).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            for kind in ["add", "cdc"] {
                named.extend(line[kind]["path"].as_str().map(str::to_owned));
            }
            named.extend(vector_file(&line["add"]["deletionVector"]));
        }
    }
    assert!(named.iter().all(|file| !file.contains('%')), "this reads no encoded paths");
    named
}

/// The file of a vector that lies in one: an optional directory, and an id in 20 characters (PROTOCOL.md, "Deletion
/// Vector Descriptor Schema").
fn vector_file(vector: &Value) -> Option<String> {
    let told = vector["pathOrInlineDv"].as_str().filter(|_| vector["storageType"] == "u")?;
    let (directory, id) = told.split_at(told.len() - 20);
    let hex: String = z85(id).iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
    let slash = if directory.is_empty() { "" } else { "/" };
    Some(format!("{directory}{slash}deletion_vector_{parts}.bin"))
}

fn z85(text: &str) -> Vec<u8> {
    const DIGITS: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    let digit = |character| DIGITS.find(character).expect("a digit of z85") as u32;
    let quads = text.as_bytes().chunks(5);
    quads.flat_map(|quad| quad.iter().fold(0, |sum, byte| sum * 85 + digit(*byte as char)).to_be_bytes()).collect()
}

#[test]
fn vectors_are_found_by_their_ids() {
    let vector = serde_json::json!({ "storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^" });
    let file = "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin";
    assert_eq!(vector_file(&vector).as_deref(), Some(file));
}
