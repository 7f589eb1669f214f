//! What other readers find in the table.
//!
//! How a reader shows a value is learnt from the first row that has it: then it must show it so in every row, and no
//! other value of the column so. Which of DuckDB's types they see as what is tested elsewhere.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use airport_tests::readers;
use serde_json::Value;

use super::{ID, model::Model, tables::Kind, values::Column};

/// What has been learnt of the readers.
#[derive(Debug, Default)]
pub(crate) struct Others {
    /// By reader, column and value.
    shown: HashMap<(&'static str, usize, usize), String>,
}

impl Others {
    /// All rows, by every reader.
    pub(crate) fn check(&mut self, path: &Path, kind: Kind, model: &Model, what: &str) {
        let names: Vec<_> = model.columns.iter().map(|column| format!("\"{}\"", column.name())).collect();
        let sql = format!("SELECT {ID}, {} FROM t", names.join(", "));
        for reader in ["deltalake", "delta_scan"] {
            // It has NULL in all of these columns (docs/foreign-tables.md).
            if reader == "delta_scan" && kind.mapped && kind.partitioned > 0 {
                continue;
            }
            let rows = readers::by_name(reader).expect("a reader")(path, &sql);
            self.compare(reader, rows, model, &format!("{what}: as {reader} reads it"));
        }
    }

    /// All changes since the table was made come to its rows.
    pub(crate) fn check_feed(&mut self, path: &Path, model: &Model, what: &str) {
        let names: Vec<_> = model.columns.iter().map(Column::name).collect();
        let code = format!(
            "import reader\n\
             table = deltalake.DeltaTable({path:?})\n\
             feed = pa.table(table.load_cdf(starting_version=1).read_all())\n\
             feed = feed.select(['_commit_version', '_change_type', {ID:?}] + {names:?})\n\
             result = reader.rows(feed)"
        );
        let feed = readers::python(path, &code);
        let feed: Vec<Vec<Value>> = serde_json::from_value(feed).expect("rows");
        let mut rows: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
        let mut order: Vec<_> = feed.iter().collect();
        // What was removed by a version goes before what it added.
        let adds = |row: &[Value]| matches!(row[1].as_str(), Some("insert" | "update_postimage"));
        order.sort_by_key(|row| (row[0].as_i64(), adds(row)));
        for row in order {
            let id = row[2].as_i64().expect("an id");
            let before = rows.remove(&id);
            if adds(row) {
                assert_eq!(before, None, "{what}: the feed adds row {id} twice: {row:?}");
                rows.insert(id, row[2..].to_vec());
            } else {
                assert_eq!(before.as_deref(), Some(&row[2..]), "{what}: the feed removes what is not there: {row:?}");
            }
        }
        self.compare("deltalake", rows.into_values().collect(), model, &format!("{what}: the change data feed"));
    }

    fn compare(&mut self, reader: &'static str, rows: Vec<Vec<Value>>, model: &Model, what: &str) {
        let mut found: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
        for mut row in rows {
            let id = row.remove(0).as_i64().expect("an id");
            assert!(found.insert(id, row).is_none(), "{what}: row {id} is there twice");
        }
        let (ids, expected): (Vec<_>, Vec<_>) = (found.keys().collect(), model.rows.keys().collect());
        assert_eq!(ids, expected, "{what}: the ids");
        for (row, values) in found.values().zip(model.rows.values()) {
            for (column, (shown, value)) in row.iter().zip(values).enumerate() {
                let shown = shown.to_string();
                let known = self.shown.entry((reader, column, *value)).or_insert_with(|| shown.clone());
                assert_eq!(*known, shown, "{what}: {} in {row:?}", model.columns[column].name());
            }
        }
        self.tell_apart(reader, model, what);
    }

    /// Two values that differ here differ there.
    fn tell_apart(&self, reader: &'static str, model: &Model, what: &str) {
        for (index, column) in model.columns.iter().enumerate() {
            let mut seen: HashMap<&str, &str> = HashMap::new();
            for (value, text) in column.texts.iter().enumerate() {
                let Some(shown) = self.shown.get(&(reader, index, value)) else { continue };
                let other = seen.insert(shown, text);
                assert_eq!(other, None, "{what}: {} shows {text} as {shown} too", column.name());
            }
        }
    }
}
