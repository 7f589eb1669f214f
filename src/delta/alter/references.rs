//! Which expressions of a table's definition use a column: CHECK constraints, invariants and generated columns.
//!
//! They are Spark's SQL, which is not understood here: a word that could be the column is taken to be it.

use std::collections::HashMap;

use super::columns::Columns;
use crate::delta::rules::CHECK_PREFIX;

const GENERATION: &str = "delta.generationExpression";
const INVARIANTS: &str = "delta.invariants";

/// An expression in a definition.
#[derive(Debug)]
pub(super) struct Reference {
    /// In words, with its name.
    pub(super) who: String,
    pub(super) sql: String,
    /// The column that carries it, if one does.
    pub(super) holder: Option<Vec<String>>,
}

/// All expressions of a definition.
pub(super) fn references(columns: &Columns, properties: &HashMap<String, String>) -> Vec<Reference> {
    let constraints = properties.iter().filter_map(|(key, sql)| {
        let (prefix, name) = key.split_at_checked(CHECK_PREFIX.len())?;
        prefix.eq_ignore_ascii_case(CHECK_PREFIX).then_some(())?;
        Some(Reference { who: format!("the CHECK constraint '{name}' ({sql})"), sql: sql.clone(), holder: None })
    });
    let mut found: Vec<_> = constraints.collect();
    found.sort_by(|a, b| a.who.cmp(&b.who));
    columns.for_each(&mut |path, field| {
        let column = path.join(".");
        for (key, what) in [(GENERATION, "the generated column"), (INVARIANTS, "the invariant of column")] {
            if let Some(sql) = field["metadata"][key].as_str() {
                let (who, sql) = (format!("{what} '{column}' ({sql})"), sql.to_owned());
                found.push(Reference { who, sql, holder: Some(path.to_vec()) });
            }
        }
    });
    found
}

/// Whether an expression may use the column or field at `path`.
pub(super) fn mentions(sql: &str, path: &[String]) -> bool {
    let sql = sql.to_lowercase();
    let has = |name: &String| {
        let name = name.to_lowercase();
        let is_word = |word: char| word.is_alphanumeric() || word == '_';
        if name.chars().all(is_word) {
            sql.split(|c| !is_word(c)).any(|word| word == name)
        } else {
            sql.contains(&name)
        }
    };
    path.first().is_some_and(has) && path.last().is_some_and(has)
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_and_odd_names_are_found() {
        let mentions = |sql: &str, path: &[&str]| {
            super::mentions(sql, &path.iter().map(|&step| step.to_owned()).collect::<Vec<_>>())
        };
        assert!(mentions("Price >= 0", &["price"]));
        assert!(mentions("`a b` > 1 AND x < 2", &["a b"]));
        assert!(!mentions("price_eur > 0", &["price"]));
        assert!(!mentions("größer > 0", &["größe"]));
        assert!(mentions("s.a > 0", &["s", "a"]));
        assert!(!mentions("s.a > 0", &["s", "b"]));
        assert!(!mentions("t.a > 0", &["s", "a"]));
    }
}
