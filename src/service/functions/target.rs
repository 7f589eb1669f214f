//! The table that a call names: `schema.table` or `table`, each part plain or in double quotes.

use std::sync::Arc;

use crate::{
    catalog::{Catalog, ROOT_SCHEMA},
    engine::{Error, Result, Snapshot},
    service::{Airport, ddl::spelled, status::Answer, transactions::TableName},
};

/// How many of the names that are there an error tells.
const NAMES_TOLD_MAX: usize = 10;

/// A table and its newest version.
pub(in crate::service) struct Target {
    pub(in crate::service) name: TableName,
    pub(in crate::service) snapshot: Arc<dyn Snapshot>,
}

impl Airport {
    /// The table that `text` names in a catalog, at its newest version: a call does not say which transaction it
    /// belongs to.
    pub(super) async fn target(&self, catalog_name: &str, text: &str) -> Answer<Target> {
        let catalog = self.catalog(catalog_name)?;
        let (before, table) = parse(text)?;
        let schema = match before.as_slice() {
            [] => ROOT_SCHEMA,
            [schema] => schema,
            [other, schema, ..] if other.eq_ignore_ascii_case(catalog_name) => schema,
            [other, ..] => {
                return Err(Error::InvalidArgument(format!(
                    "table {text:?} is not of catalog {catalog_name:?} but of {other:?}; write it as 'schema.table', and \
                     call the function of the catalog that has it"
                ))
                .into());
            }
        };
        let schema = spelled_schema(catalog.as_ref(), schema).await?;
        let table = spelled(catalog.as_ref(), &schema, &table).await?;
        match catalog.table(&schema, &table).await {
            Ok(found) => {
                let snapshot = found.snapshot().await?;
                Ok(Target { name: TableName::new(catalog_name, &schema, &table), snapshot })
            }
            Err(Error::NotFound(reason)) => Err(not_found(catalog.as_ref(), &schema, &reason).await.into()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A schema's name as the catalog spells it.
async fn spelled_schema(catalog: &dyn Catalog, schema: &str) -> Result<String> {
    let schemas = catalog.schemas().await?;
    let folded = schema.to_lowercase();
    let found = schemas.iter().find(|name| *name == schema);
    let found = found.or_else(|| schemas.iter().find(|name| name.to_lowercase() == folded));
    Ok(found.map_or_else(|| schema.to_owned(), Clone::clone))
}

/// Says what is there instead.
async fn not_found(catalog: &dyn Catalog, schema: &str, reason: &str) -> Error {
    let (what, names) = match catalog.tables(schema).await {
        Ok(tables) => ("tables", tables.into_iter().map(|table| table.name).collect()),
        Err(_) => ("schemas", catalog.schemas().await.unwrap_or_default()),
    };
    let told: Vec<_> = names.iter().take(NAMES_TOLD_MAX).map(|name| format!("{name:?}")).collect();
    let rest = if names.len() > NAMES_TOLD_MAX { ", ..." } else { "" };
    match told.is_empty() {
        true => Error::NotFound(format!("{reason}: the schema has none")),
        false => Error::NotFound(format!("{reason}; the {what} are {}{rest}", told.join(", "))),
    }
}

/// A name's last part, and up to two before it, as DuckDB reads them: parts between dots, a part in double quotes as it
/// stands, `""` in it for one quote.
fn parse(text: &str) -> Result<(Vec<String>, String)> {
    let mut before = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => take_quoted(quoted).ok_or_else(|| malformed(text, "a quote is not closed"))?,
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                let (part, after) = rest.split_at(end);
                if part.contains('"') {
                    return Err(malformed(text, "a quote stands within a part"));
                }
                (part.trim().to_owned(), after)
            }
        };
        if part.is_empty() {
            return Err(malformed(text, "a part of it is empty"));
        }
        match after.trim_start().strip_prefix('.') {
            Some(more) if before.len() < 2 => {
                before.push(part);
                rest = more.trim_start();
            }
            Some(_) => return Err(malformed(text, "it has more than three parts")),
            None if after.trim().is_empty() => return Ok((before, part)),
            None => return Err(malformed(text, "something follows a closing quote")),
        }
    }
}

/// What stands before the closing quote, and what follows it.
fn take_quoted(text: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        part.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                part.push('"');
                rest = more;
            }
            None => return Some((part, after)),
        }
    }
}

fn malformed(text: &str, fault: &str) -> Error {
    Error::InvalidArgument(format!(
        "{text:?} is no name of a table: {fault}; write it as 'schema.table', and a part with dots or quotes in it in \
         double quotes"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_duckdb_reads_them() {
        for (text, parts) in [
            ("orders", vec!["orders"]),
            ("sales.orders", vec!["sales", "orders"]),
            (" sales . orders ", vec!["sales", "orders"]),
            ("lake.sales.orders", vec!["lake", "sales", "orders"]),
            (r#""a.b"."c""d""#, vec!["a.b", "c\"d"]),
            (r#"sales."of 2024""#, vec!["sales", "of 2024"]),
            (r#""größe".t"#, vec!["größe", "t"]),
            ("a b.c", vec!["a b", "c"]),
        ] {
            let (mut found, last) = parse(text).expect(text);
            found.push(last);
            assert_eq!(found, parts, "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "a part of it is empty"),
            (".", "a part of it is empty"),
            ("a.", "a part of it is empty"),
            ("a..b", "a part of it is empty"),
            (r#""".t"#, "a part of it is empty"),
            (r#"a."b"#, "not closed"),
            (r#"a"b".c"#, "within a part"),
            (r#""a"b.c"#, "follows a closing quote"),
            ("a.b.c.d", "more than three parts"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
