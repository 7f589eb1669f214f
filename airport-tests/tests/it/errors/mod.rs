//! `docs/errors.md` lists every text that the server can answer an error with, and each is tested.
//!
//! Texts are found in the sources: whatever is a string literal of several words, stands outside of tests, and is
//! neither logged nor said by a panic, is the text of an error or a part of one, unless [`OTHER_TEXTS`] says otherwise.

mod literals;

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
};

use self::literals::{Literal, literals};

/// Where texts are that a user can meet.
const SOURCES: [&str; 2] = ["src", "transports/src"];

/// Where tests are, beside those in the sources.
const TESTS: [&str; 1] = ["airport-tests/tests/it"];

/// Files that tests alone use, by a part of their path.
const TEST_FILES: [&str; 7] =
    ["/tests/", "/tests.rs", "/contract.rs", "/faults.rs", "/fixtures.rs", "/fuzz", "/golden.rs"];

/// Files that write SQL or names of types: there, only what an error is made of is one.
const SQL_AND_NAMES: [&str; 3] = ["src/expression/print/", "src/expression/tree.rs", "src/protocol/shape.rs"];

/// Calls that make an error, beside the constructors that tell its section.
const ERRORS: [&str; 2] = ["Err", "no_form"];

/// Calls and attributes whose texts nobody is answered with.
const UNSAID: [&str; 22] = [
    "expect",
    "debug!",
    "info!",
    "warn!",
    "error!",
    "trace!",
    "panic!",
    "assert!",
    "assert_eq!",
    "assert_ne!",
    "unreachable!",
    "debug_assert!",
    "arg",
    "command",
    "serde",
    "allow",
    "deny",
    "cfg",
    "concat!",
    "env!",
    "reason",
    "instrument",
];

/// Texts of several words that are no errors: what is printed, types, names of messages, reasons in the log alone.
const OTHER_TEXTS: &[&str] = &[
    "INSTALL airport FROM community; LOAD airport;",
    "ATTACH '{}' (TYPE airport, LOCATION 'grpc{}');",
    "CREATE TABLE",
    "PRIMARY KEY",
    "PRI * HTTP/2.0\\r\n\\r\nSM\\r\n\\r\n",
    "TIME WITH TIME ZONE",
    "TIMESTAMP WITH TIME ZONE",
    "no list of column names",
    "no list of filters",
    "table descriptor",
    "they are not JSON",
    "they are not UTF-8",
    "they are too long",
    "sample data",
    "ticket predicate",
    "unix peer without credentials",
    "uid {} gid {}",
    "AT clause",
    "ADD CONSTRAINT",
    "ADD COLUMNS",
    "DROP COLUMNS",
    "RENAME COLUMN",
    "CHANGE COLUMN",
    "NOT LIKE",
    "NOT ILIKE",
    "time with time zone",
    "timestamp with time zone",
    "{} without _last_checkpoint",
    "it is not looked at",
    "({text}) IS NOT FALSE",
    "WHEN MATCHED",
    "WHEN NOT MATCHED",
    "WHEN NOT MATCHED BY SOURCE",
];

/// Sections of the list whose texts need no test each: failures that a test would have to invent, below the server and
/// within it.
const UNTESTED_SECTIONS: [&str; 2] = ["INTERNAL", "Guards"];

/// The section of texts that stand within others.
const PARTS: &str = "Parts";

/// Shorter parts of a text are in too many by chance.
const FRAGMENT_CHARS_MIN: usize = 8;

#[test]
fn every_error_is_listed() {
    let (said, listed) = (said(), listed());
    let known: BTreeSet<&str> = listed.iter().map(|(_, text)| text.as_str()).collect();
    let mut missing: Vec<_> = said.iter().filter(|said| !known.contains(said.text.as_str())).collect();
    missing.sort_by_key(|said| said.section);
    let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
    assert!(missing.is_empty(), "docs/errors.md lacks (sections are guesses):\n{}", missing.join("\n"));
    let there: BTreeSet<&str> = said.iter().map(|said| said.text.as_str()).collect();
    let gone: Vec<_> = listed.iter().filter(|(_, text)| !there.contains(text.as_str())).collect();
    assert!(gone.is_empty(), "docs/errors.md lists what no source says: {gone:#?}");
    assert_eq!(known.len(), listed.len(), "docs/errors.md lists a text twice");
}

#[test]
fn every_error_is_tested() {
    let (tested, listed) = (tested(), listed());
    let texts: Vec<String> = listed.iter().map(|(_, text)| normal(text)).collect();
    // Only what is part of one text tells which was met.
    let distinct: BTreeSet<&String> = texts.iter().collect();
    let distinctive = |fragment: &str| distinct.iter().filter(|text| text.contains(fragment)).count() == 1;
    let fragments: Vec<&String> = tested.iter().filter(|fragment| distinctive(fragment)).collect();
    let quoted = |text: &str| tested.iter().any(|test| runs(text).all(|run| test.contains(run)));
    let is_tested = |text: &String| fragments.iter().any(|fragment| text.contains(*fragment)) || quoted(text);
    let sections = listed.iter().map(|(section, _)| section);
    let lacking = texts
        .iter()
        .zip(sections)
        .filter(|(_, section)| !UNTESTED_SECTIONS.iter().any(|untested| section.starts_with(untested)));
    let lacking: Vec<_> = lacking.filter(|(text, _)| !is_tested(text)).map(|(text, _)| format!("- `{text}`")).collect();
    let count = lacking.len();
    assert!(lacking.is_empty(), "{count} errors that no test quotes a distinctive part of:\n{}", lacking.join("\n"));
}

/// The text of an error in the sources.
struct Said {
    /// Where it first stands.
    place: String,
    text: String,
    /// Where in the list it probably belongs.
    section: &'static str,
}

impl fmt::Display for Said {
    /// Ready to be pasted under its section.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:20} {:40} - `{}`", self.section, self.place, self.text)
    }
}

fn said() -> Vec<Said> {
    let mut found: Vec<Said> = Vec::new();
    for (file, literal) in SOURCES.iter().flat_map(|root| read(root)) {
        let is_product = !TEST_FILES.iter().any(|part| file.contains(part)) && !literal.in_tests;
        let is_sql = SQL_AND_NAMES.iter().any(|part| file.starts_with(part)) && !makes_an_error(&literal);
        let is_new = !found.iter().any(|said| said.text == literal.text);
        if is_product && !is_sql && is_new && is_error(&literal) {
            let section = section_of(&literal);
            found.push(Said { place: format!("{file}:{}", literal.line), text: literal.text, section });
        }
    }
    found
}

/// By the innermost constructor of an error.
fn section_of(literal: &Literal) -> &'static str {
    let of = |name: &String| {
        Some(match name.as_str() {
            "InvalidArgument" | "Malformed" | "new" => "INVALID_ARGUMENT",
            "NotFound" => "NOT_FOUND",
            "AlreadyExists" => "ALREADY_EXISTS",
            "FailedPrecondition" => "FAILED_PRECONDITION",
            "Conflict" => "ABORTED",
            "ResourceExhausted" => "RESOURCE_EXHAUSTED",
            "Silent" => "DEADLINE_EXCEEDED",
            "Unsupported" => "UNIMPLEMENTED",
            "internal" => UNTESTED_SECTIONS[0],
            _ => return None,
        })
    };
    literal.within.iter().rev().find_map(of).unwrap_or(PARTS)
}

fn makes_an_error(literal: &Literal) -> bool {
    section_of(literal) != PARTS || literal.within.iter().any(|name| ERRORS.contains(&name.as_str()))
}

fn is_error(literal: &Literal) -> bool {
    let Literal { text, within, .. } = literal;
    let words = normal(text).split_whitespace().filter(|word| word.chars().any(char::is_alphabetic)).count();
    words > 1
        && !within.iter().any(|name| UNSAID.contains(&name.as_str()))
        && !OTHER_TEXTS.contains(&text.as_str())
        && !text.ends_with(" request")
}

/// What tests look for.
fn tested() -> BTreeSet<String> {
    let sources = SOURCES.iter().chain(&TESTS).flat_map(|root| read(root));
    let in_tests = sources.filter(|(file, literal)| {
        literal.in_tests || TEST_FILES.iter().any(|part| file.contains(part)) || file.starts_with(TESTS[0])
    });
    let literals = in_tests.filter(|(file, _)| !file.contains("/errors/")).map(|(_, literal)| literal.text);
    let scripts = files(&workspace().join("airport-tests/sql"), "test").into_iter().flat_map(|script| {
        fs::read_to_string(script).expect("a script is text").lines().map(str::to_owned).collect::<Vec<_>>()
    });
    let whole = literals.chain(scripts).map(|text| normal(&text));
    let with_wordings = whole.flat_map(|text| {
        let wordings = wordings(&text);
        std::iter::once(text).chain(wordings)
    });
    with_wordings.filter(|text| text.chars().count() >= FRAGMENT_CHARS_MIN).collect()
}

/// Section and text of every item of the list.
fn listed() -> Vec<(String, String)> {
    let list = fs::read_to_string(workspace().join("docs/errors.md")).expect("docs/errors.md is there");
    let (mut section, mut found) = (String::new(), Vec::new());
    for line in list.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut section);
        } else if let Some(item) = line.strip_prefix("- ") {
            let quote = if item.starts_with("``") { "``" } else { "`" };
            let text = item.strip_prefix(quote).and_then(|item| item.split_once(quote));
            let (text, _) = text.unwrap_or_else(|| panic!("docs/errors.md: an item without a text: {line}"));
            found.push((section.clone(), text.trim_matches(if quote == "``" { ' ' } else { '`' }).to_owned()));
        }
    }
    found
}

/// The text with `{}` for each of its placeholders.
fn normal(text: &str) -> String {
    let mut parts = text.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| match part.split_once('}') {
        Some((_, rest)) => all + "{}" + rest,
        None => all + "{" + part,
    })
}

/// What stands between the values in a text: numbers, paths, and what is quoted.
fn wordings(text: &str) -> Vec<String> {
    let is_value = |word: &&str| {
        let inner = word.trim_end_matches(['.', ',', ';', ':']);
        inner.contains(|c: char| c.is_ascii_digit() || "'\"{}/.=:".contains(c))
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    words.split(|word| is_value(word)).map(|wording| wording.join(" ")).collect()
}

/// What stands between placeholders, if it says something.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split("{}").map(str::trim).filter(|run| run.chars().any(char::is_alphanumeric))
}

fn read(root: &str) -> Vec<(String, Literal)> {
    let top = workspace();
    let of = |path: PathBuf| {
        let file = path.strip_prefix(&top).expect("below the workspace").display().to_string();
        let source = fs::read_to_string(&path).expect("a source is text");
        literals(&source).into_iter().map(move |literal| (file.clone(), literal)).collect::<Vec<_>>()
    };
    files(&top.join(root), "rs").into_iter().flat_map(of).collect()
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's root").to_owned()
}

fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable directory").path()).collect();
    paths.sort();
    let below = |path: PathBuf| match path.is_dir() {
        true => files(&path, ending),
        false => Vec::from_iter((path.extension().is_some_and(|found| found == ending)).then_some(path)),
    };
    paths.into_iter().flat_map(below).collect()
}
