//! SQL scripts run through a real DuckDB with the Airport extension.
//!
//! Each script gets a fresh lake and a fresh server on a Unix socket. `script` reads the files, `session`
//! drives a DuckDB process; a connection is a process of its own, so two of them are two users.

mod script;
mod session;

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use self::script::{Expectation, Step, parse};
pub use self::session::Session;
use crate::{
    readers,
    server::{CATALOG, Server, Setup},
};

/// The environment variable that names the `.duckdb_extension` file of the Airport extension.
pub const EXTENSION: &str = "AIRPORT_EXTENSION";

/// The topics there are scripts about, sorted.
pub fn topics() -> Vec<String> {
    let topics = entries(&root()).into_iter().map(|path| path.file_name().expect("a name").to_owned());
    topics.map(|name| name.into_string().expect("topics are plain words")).collect()
}

/// Runs every script of a topic.
///
/// # Panics
/// With all that went wrong, by file and line; or if no real client was given.
pub fn run_topic(topic: &str) {
    assert!(
        std::env::var_os(EXTENSION).is_some(),
        "{EXTENSION} is not set: there is no real client to run {topic} with"
    );
    let scripts = entries(&root().join(topic));
    assert!(!scripts.is_empty(), "topic {topic} has no scripts");
    let failures: String = scripts.iter().map(|script| run(script)).collect();
    assert!(failures.is_empty(), "\n{failures}");
}

/// Parses every script there is, which needs no client.
///
/// # Panics
/// If one does not parse.
pub fn check_scripts() {
    for script in topics().iter().flat_map(|topic| entries(&root().join(topic))) {
        let steps = parse(&read(&script)).unwrap_or_else(|e| panic!("{}:{e}", script.display()));
        assert!(!steps.is_empty(), "{} says nothing", script.display());
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sql")
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable directory").path()).collect();
    paths.sort();
    paths
}

fn read(script: &Path) -> String {
    fs::read_to_string(script).unwrap_or_else(|e| panic!("{}: {e}", script.display()))
}

/// Runs one script and returns what went wrong. A script ends at its first failure: later steps build on it.
fn run(script: &Path) -> String {
    let mut failures = String::new();
    let mut run = Run { server: Setup::new().serve_lake().unix().start(), sessions: BTreeMap::new() };
    for step in parse(&read(script)).unwrap_or_else(|e| panic!("{}:{e}", script.display())) {
        let (line, text) = (step.line, run.substitute(&step.text));
        if let Err(reason) = run.step(&step, &text) {
            writeln!(failures, "{}:{line}: {text}\n{reason}", script.display()).expect("a string takes all");
            writeln!(failures, "the server said:\n{}", run.server.stderr()).expect("a string takes all");
            break;
        }
    }
    failures
}

struct Run {
    server: Server,
    sessions: BTreeMap<String, Session>,
}

impl Run {
    fn step(&mut self, step: &Step, text: &str) -> Result<(), String> {
        match &step.expectation {
            Expectation::Ok { connection } => self.session(connection).execute(text).map(drop),
            Expectation::Error { connection, fragments } => match self.session(connection).execute(text) {
                Ok(_) => Err("it succeeded".to_owned()),
                Err(error) => contains_all(&error, fragments),
            },
            Expectation::Rows { connection, sorted, rows } => {
                let mut found = self.session(connection).execute(text)?;
                if *sorted {
                    found.sort();
                }
                let expected: Vec<_> = rows.iter().map(|row| self.substitute(row)).collect();
                equal(&found, &expected)
            }
            Expectation::Reader { reader, table, rows } => {
                let table = self.server.lake().join(table);
                let read = readers::by_name(reader).ok_or_else(|| format!("no reader {reader}"))?;
                equal(&read(&table, text).iter().map(|row| csv(row)).collect::<Vec<_>>(), rows)
            }
            Expectation::Python => {
                readers::python(&self.server.lake(), text);
                Ok(())
            }
        }
    }

    fn session(&mut self, connection: &str) -> &mut Session {
        self.sessions.entry(connection.to_owned()).or_insert_with(Session::start)
    }

    fn substitute(&self, text: &str) -> String {
        let lake = self.server.lake();
        let lake = lake.to_str().expect("a temporary path is UTF-8");
        text.replace("${CATALOG}", CATALOG).replace("${LOCATION}", self.server.unix()).replace("${LAKE}", lake)
    }
}

fn contains_all(error: &str, fragments: &[String]) -> Result<(), String> {
    match fragments.iter().find(|fragment| !error.contains(*fragment)) {
        Some(missing) => Err(format!("the error lacks {missing:?}: {error}")),
        None => Ok(()),
    }
}

fn equal(found: &[String], expected: &[String]) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("expected:\n  {}\nfound:\n  {}", expected.join("\n  "), found.join("\n  ")))
}

/// A reader's row as the scripts write it: text as it is, NULL, anything else as JSON.
fn csv(row: &[Value]) -> String {
    let cell = |value: &Value| match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    row.iter().map(cell).collect::<Vec<_>>().join(",")
}
