//! Delta readers that others wrote, asked in SQL: `deltalake` with its own engine, and DuckDB's `delta_scan`.
//!
//! They run in one long-lived Python process (`readers/reader.py`); its interpreter, with the pinned packages of
//! `requirements.txt`, is named by `DELTAPORT_TEST_PYTHON`, which `./check` sets.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};

/// Rows of values as JSON: what JSON lacks is text, a map a list of pairs, binary hexadecimal text.
pub type Rows = Vec<Vec<Value>>;

/// The rows `sql` gives over table `t`, read by `deltalake`.
pub fn deltalake(table: &Path, sql: &str) -> Rows {
    ask_rows("deltalake", table, sql)
}

/// The rows `sql` gives over table `t`, read by DuckDB's delta extension.
pub fn delta_scan(table: &Path, sql: &str) -> Rows {
    ask_rows("delta_scan", table, sql)
}

/// The rows `sql` gives over table `t`, asked of both readers, who must agree.
pub fn both(table: &Path, sql: &str) -> Rows {
    let rows = deltalake(table, sql);
    assert_eq!(rows, delta_scan(table, sql), "deltalake (left) and delta_scan (right) differ on {sql}");
    rows
}

/// The reader of a name.
pub fn by_name(name: &str) -> Option<fn(&Path, &str) -> Rows> {
    match name {
        "deltalake" => Some(deltalake),
        "delta_scan" => Some(delta_scan),
        "both" => Some(both),
        _ => None,
    }
}

/// Runs Python code with `deltalake`, `duckdb`, `pa` (pyarrow) and `lake` (a Path) in scope, and returns what it
/// leaves in `result`.
pub fn python(lake: &Path, code: &str) -> Value {
    ask(&json!({ "ask": "python", "lake": lake, "code": code }))["result"].take()
}

fn ask_rows(reader: &str, table: &Path, sql: &str) -> Rows {
    let answer = ask(&json!({ "ask": reader, "path": table, "sql": sql }));
    serde_json::from_value(answer["rows"].clone()).expect("rows of values")
}

fn ask(question: &Value) -> Value {
    static PYTHON: Mutex<Option<Python>> = Mutex::new(None);
    let mut python = PYTHON.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = python.get_or_insert_with(Python::start).ask(question);
    drop(python); // a failing test must not keep the others waiting
    if let Some(error) = answer.get("error") {
        panic!("{question}\n{}", error.as_str().unwrap_or_default());
    }
    answer
}

/// The process; it ends when this one does and its stdin closes.
#[derive(Debug)]
struct Python {
    _process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Python {
    fn start() -> Self {
        let interpreter = std::env::var("DELTAPORT_TEST_PYTHON")
            .expect("DELTAPORT_TEST_PYTHON names no Python with the readers in it; run ./check, which makes one");
        let mut process = Command::new(&interpreter)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("readers/reader.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{interpreter}: {e}; ./check makes it"));
        let questions = process.stdin.take().expect("it is piped");
        let answers = BufReader::new(process.stdout.take().expect("it is piped"));
        Self { _process: process, questions, answers }
    }

    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.questions, "{question}").expect("the readers' process is running");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the readers' process is running");
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("the readers' process answered {line:?}: {e}"))
    }
}
