//! The rules' texts, where Delta keeps them: table properties and the metadata of columns.
//!
//! A text binds writers only where the table's protocol has its feature (PROTOCOL.md, "Table Features").

use delta_kernel::{
    schema::{ColumnMetadataKey, StructField, StructType},
    table_configuration::TableConfiguration,
    table_features::TableFeature,
};
use serde::Deserialize;

use super::new::CHECK_PREFIX;
use crate::{
    delta::{
        features::writer_features,
        field_metadata::{first_below, structs_in, text_under},
    },
    engine::{Error, Result},
};

/// The metadata key under which Spark keeps what was declared CHAR or VARCHAR (`CharVarcharUtils`).
const CHAR_VARCHAR: &str = "__CHAR_VARCHAR_TYPE_STRING";

/// What binds writers of a table.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// CHECK constraints by name, sorted.
    pub(super) checks: Vec<(String, String)>,
    /// Invariants by the dotted name of the column that carries them.
    pub(super) invariants: Vec<(String, String)>,
    /// Generation expressions by column.
    pub(super) generated: Vec<(usize, String)>,
    /// The most characters a column may hold.
    pub(super) lengths: Vec<(usize, u64)>,
}

impl Written {
    pub(super) fn of(table: &str, config: &TableConfiguration) -> Result<Self> {
        let features = writer_features(config.protocol());
        let schema = config.logical_schema();
        let mut written = Self { lengths: lengths(table, &schema)?, ..Self::default() };
        if features.contains(&TableFeature::CheckConstraints) {
            written.checks = checks(config);
        }
        if features.contains(&TableFeature::Invariants) {
            invariants(table, &schema, "", &mut written.invariants)?;
        }
        if features.contains(&TableFeature::GeneratedColumns) {
            written.generated = generated(table, &schema)?;
        }
        Ok(written)
    }
}

/// Property keys match in any case, as in Spark (`Constraints.getCheckConstraints`).
fn checks(config: &TableConfiguration) -> Vec<(String, String)> {
    let properties = config.metadata().configuration().iter();
    let mut checks: Vec<_> = properties
        .filter_map(|(key, sql)| {
            let (prefix, name) = key.split_at_checked(CHECK_PREFIX.len())?;
            prefix.eq_ignore_ascii_case(CHECK_PREFIX).then(|| (name.to_owned(), sql.clone()))
        })
        .collect();
    checks.sort_unstable();
    checks
}

/// Their texts name columns of the table wherever they stand.
fn invariants(table: &str, schema: &StructType, path: &str, found: &mut Vec<(String, String)>) -> Result<()> {
    /// `{"expression": {"expression": "x > 3"}}`
    #[derive(Deserialize)]
    struct Invariant {
        expression: Persisted,
    }
    #[derive(Deserialize)]
    struct Persisted {
        expression: String,
    }
    for field in schema.fields() {
        let path = join(path, field.name());
        if let Some(text) = text_under(field, ColumnMetadataKey::Invariants.as_ref()) {
            let invariant: Invariant = serde_json::from_str(&text).map_err(|_| {
                Error::Unsupported(format!(
                    "column '{path}' of table '{table}' has an invariant of unknown form ({text})"
                ))
            })?;
            found.push((path.clone(), invariant.expression.expression));
        }
        for inner in structs_in(field.data_type()) {
            invariants(table, inner, &path, found)?;
        }
    }
    Ok(())
}

fn generated(table: &str, schema: &StructType) -> Result<Vec<(usize, String)>> {
    let key = ColumnMetadataKey::GenerationExpression.as_ref();
    let mut found = Vec::new();
    for (index, field) in schema.fields().enumerate() {
        refuse_nested(table, field, key, "a generation expression")?;
        found.extend(text_under(field, key).map(|sql| (index, sql)));
    }
    Ok(found)
}

/// `varchar(n)` and `char(n)` both limit the length; only readers pad (`CharVarcharConstraint.scala`).
fn lengths(table: &str, schema: &StructType) -> Result<Vec<(usize, u64)>> {
    let mut found = Vec::new();
    for (index, field) in schema.fields().enumerate() {
        refuse_nested(table, field, CHAR_VARCHAR, "a length")?;
        let Some(declared) = text_under(field, CHAR_VARCHAR) else { continue };
        match length(&declared) {
            Some(length) => found.push((index, length)),
            None => return Err(refused(table, field.name(), "a declared type that limits lengths", &declared)),
        }
    }
    Ok(found)
}

fn length(declared: &str) -> Option<u64> {
    let declared = declared.trim().to_ascii_lowercase();
    let (kind, length) = declared.strip_suffix(')')?.split_once('(')?;
    matches!(kind.trim(), "char" | "varchar").then_some(())?;
    length.trim().parse().ok()
}

/// Spark has these on whole columns only.
fn refuse_nested(table: &str, field: &StructField, key: &str, what: &str) -> Result<()> {
    match first_below(field, key) {
        Some((path, text)) => Err(refused(table, &path, what, &text)),
        None => Ok(()),
    }
}

fn refused(table: &str, column: &str, what: &str, text: &str) -> Error {
    Error::Unsupported(format!(
        "column '{column}' of table '{table}' has {what} ({text}), which is not offered for writing"
    ))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
