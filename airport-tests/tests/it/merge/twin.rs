//! The same table in DuckDB itself, where MERGE INTO says what must come of a statement.

use std::{fs::File, path::Path};

use airport_tests::readers;
use arrow::{array::RecordBatch, compute::concat_batches, ipc::reader::FileReader};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    clauses::{Action, Clauses, When},
    source::{Source, Target, table},
};
use crate::oracle::Kind;

/// A table of DuckDB's own.
#[derive(Debug)]
pub(super) struct Twin {
    name: String,
    /// Where statements leave their files.
    directory: tempfile::TempDir,
}

/// What must come of a statement.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub(super) struct Told {
    /// By action: rows that a clause is for.
    pub(super) counts: std::collections::HashMap<String, u64>,
    /// Some row would be changed by two rows of the source.
    pub(super) twice: bool,
    /// Some row comes to a clause that is an error.
    pub(super) raises: bool,
    /// What such clauses say.
    pub(super) messages: Vec<Option<String>>,
    /// DuckDB refused it: an `expression` that failed, a `constraint`, or the `statement` itself.
    pub(super) refused: Option<String>,
    /// In its words.
    pub(super) error: Option<String>,
}

impl Twin {
    pub(super) fn begin(name: &str, statements: &[String]) -> Self {
        let directory = tempfile::Builder::new().prefix("deltaport-twin").tempdir().expect("a temporary directory");
        let twin = Self { name: name.to_owned(), directory };
        twin.ask("begin", json!({ "statements": statements }));
        twin
    }

    /// The table's columns and rows, as they are.
    pub(super) fn table(&self) -> RecordBatch {
        self.ask("empty", json!({ "directory": self.directory.path() }));
        self.rows("table")
    }

    pub(super) fn step(&self, target: &Target, source: &Source, clauses: &Clauses) -> Told {
        let kinds = [When::Matched, When::NotMatched, When::NotMatchedBySource];
        let of = |when: &When| clauses.list.iter().any(|clause| clause.when == *when);
        let kinds = kinds.into_iter().filter(of);
        let kinds: serde_json::Map<_, _> =
            kinds.map(|when| (format!("{when:?}"), json!([clauses.chosen(when), clauses.message(when)]))).collect();
        let action = |action: &Action| match action {
            Action::Update(..) => "UPDATE",
            Action::Insert(_) => "INSERT",
            Action::Delete => "DELETE",
            Action::DoNothing => "DO NOTHING",
            Action::Error(_) => "ERROR",
        };
        let actions: Vec<_> = clauses.list.iter().map(|clause| action(&clause.action)).collect();
        let told = self.ask(
            "step",
            json!({
                "directory": self.directory.path(),
                "statements": table("s", &source.columns, &source.rows),
                "on": clauses.on,
                "kinds": kinds,
                "actions": actions,
                "sql": format!("MERGE INTO t AS target USING s AS source {}", clauses.text_for_duckdb(target)),
                "returning": clauses.returning.is_some(),
            }),
        );
        serde_json::from_value(told).expect("what merging.py tells")
    }

    /// The last source.
    pub(super) fn source(&self) -> RecordBatch {
        self.rows("source")
    }

    /// What the table must hold after the last statement.
    pub(super) fn expected(&self) -> RecordBatch {
        self.rows("table")
    }

    /// What the last statement must give back.
    pub(super) fn returned(&self) -> RecordBatch {
        self.rows("returned")
    }

    /// Whether two rows of the last source have the same keys.
    pub(super) fn repeated(&self, keys: &[&str]) -> bool {
        self.ask("repeated", json!({ "keys": keys })) == json!(true)
    }

    /// Fails unless the readers of others find the same rows in a table of the lake.
    pub(super) fn assert_others_agree(&self, path: &Path, kind: Kind, what: &str) {
        // It has NULL in all of these columns (docs/foreign-tables.md).
        let skipped = kind.mapped && kind.partitioned > 0;
        let readers = if skipped { &["deltalake"][..] } else { &["deltalake", "delta_scan"] };
        let differing = self.ask("agree", json!({ "path": path, "readers": readers }));
        assert_eq!(differing, json!({}), "{what}: what they find, and miss");
    }

    /// Makes the last statement undone.
    pub(super) fn undo(&self) {
        self.ask("undo", json!({}));
    }

    /// The last statement as SQL that can be pasted.
    pub(super) fn as_sql(&self, clauses: &str) -> String {
        let dump = |table: &str, called: &str| {
            let text = self.ask("dump", json!({ "table": table, "called": called }));
            text.as_str().expect("text").to_owned()
        };
        let (table, source) = (dump("before", "t"), dump("s", "s"));
        format!("{table}{source}MERGE INTO t AS target USING s AS source {clauses};\n")
    }

    fn rows(&self, file: &str) -> RecordBatch {
        read(&self.directory.path().join(file).with_extension("arrow"))
    }

    fn ask(&self, function: &str, mut arguments: Value) -> Value {
        arguments["name"] = json!(self.name);
        ask(self.directory.path(), function, &arguments)
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.ask("end", json!({}));
        }
    }
}

/// Asks `readers/merging.py`.
pub(super) fn ask(lake: &Path, function: &str, arguments: &Value) -> Value {
    // A JSON string is a Python string.
    let question = json!(json!([function, arguments]).to_string());
    readers::python(lake, &format!("import merging\nresult = merging.ask({question})"))
}

/// All rows of an Arrow file.
pub(super) fn read(path: &Path) -> RecordBatch {
    let file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let reader = FileReader::try_new(file, None).expect("an Arrow file");
    let schema = reader.schema();
    let batches: Vec<_> = reader.map(|batch| batch.expect("an Arrow file")).collect();
    concat_batches(&schema, &batches).expect("one schema")
}
