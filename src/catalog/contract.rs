//! What every catalog must do, whatever it is: one suite, run against each.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};

use super::{Catalog, ROOT_SCHEMA};
use crate::engine::{Error, TableSpec};

/// Runs the suite on a catalog without tables.
pub(crate) async fn check(catalog: &dyn Catalog) {
    assert_eq!(catalog.schemas().await.expect("listed"), [ROOT_SCHEMA]);
    schemas_come_and_go(catalog).await;
    tables_come_and_go(catalog).await;
    tables_get_other_names(catalog).await;
    odd_names_are_kept(catalog).await;
    names_that_cannot_be_are_refused(catalog).await;
}

async fn schemas_come_and_go(catalog: &dyn Catalog) {
    let before = catalog.generation();
    catalog.create_schema("sales").await.expect("made");
    assert!(catalog.generation() > before, "a change shows");
    assert_eq!(catalog.schemas().await.expect("listed"), [ROOT_SCHEMA, "sales"]);
    assert!(catalog.tables("sales").await.expect("listed").is_empty());
    for taken in ["sales", "SALES", ROOT_SCHEMA] {
        refused(catalog.create_schema(taken).await, |e| matches!(e, Error::AlreadyExists(_)));
    }
    catalog.drop_schema("sales").await.expect("dropped");
    refused(catalog.drop_schema("sales").await, |e| matches!(e, Error::NotFound(_)));
    refused(catalog.drop_schema(ROOT_SCHEMA).await, |e| matches!(e, Error::FailedPrecondition(_)));
    refused(catalog.tables("sales").await, |e| matches!(e, Error::NotFound(_)));
}

async fn tables_come_and_go(catalog: &dyn Catalog) {
    catalog.create_schema("s").await.expect("made");
    for schema in ["s", ROOT_SCHEMA] {
        catalog.create_table(schema, "t", &spec()).await.expect("made");
        assert_eq!(names(catalog, schema).await, ["t"]);
        catalog.table(schema, "t").await.expect("found").snapshot().await.expect("a table");
        for taken in ["t", "T"] {
            refused(catalog.create_table(schema, taken, &spec()).await, |e| matches!(e, Error::AlreadyExists(_)));
        }
    }
    refused(catalog.create_schema("t").await, |e| matches!(e, Error::AlreadyExists(_)));
    refused(catalog.create_table(ROOT_SCHEMA, "s", &spec()).await, |e| matches!(e, Error::AlreadyExists(_)));
    refused(catalog.drop_schema("s").await, |e| matches!(e, Error::FailedPrecondition(_)));
    let before = catalog.generation();
    catalog.drop_table("s", "t").await.expect("dropped");
    assert!(catalog.generation() > before, "a change shows");
    refused(catalog.table("s", "t").await, |e| matches!(e, Error::NotFound(_)));
    refused(catalog.drop_table("s", "t").await, |e| matches!(e, Error::NotFound(_)));
    assert_eq!(names(catalog, ROOT_SCHEMA).await, ["t"], "the other table stays");
    catalog.create_table("s", "t", &spec()).await.expect("made again");
    refused(catalog.create_table("none", "t", &spec()).await, |e| matches!(e, Error::NotFound(_)));
}

async fn tables_get_other_names(catalog: &dyn Catalog) {
    catalog.create_table("s", "other", &spec()).await.expect("made");
    let (old, before) = (catalog.table("s", "t").await.expect("found"), catalog.generation());
    let id = old.snapshot().await.expect("a table").version();
    catalog.rename_table("s", "t", "renamed").await.expect("renamed");
    assert!(catalog.generation() > before, "a change shows");
    assert_eq!(names(catalog, "s").await, ["other", "renamed"]);
    refused(catalog.table("s", "t").await, |e| matches!(e, Error::NotFound(_)));
    refused(old.snapshot().await, |e| matches!(e, Error::NotFound(_)));
    let renamed = catalog.table("s", "renamed").await.expect("found").snapshot().await.expect("the same table");
    assert_eq!(renamed.version(), id);
    refused(catalog.rename_table("s", "t", "u").await, |e| matches!(e, Error::NotFound(_)));
    refused(catalog.rename_table("none", "t", "u").await, |e| matches!(e, Error::NotFound(_)));
    for taken in ["other", "OTHER", "renamed", "Renamed"] {
        refused(catalog.rename_table("s", "renamed", taken).await, |e| matches!(e, Error::AlreadyExists(_)));
    }
    for invalid in ["", "..", "../t", "a/b", ".hidden"] {
        refused(catalog.rename_table("s", "renamed", invalid).await, |e| matches!(e, Error::InvalidArgument(_)));
    }
    catalog.create_table("s", "t", &spec()).await.expect("the name is free again");
    catalog.drop_table("s", "renamed").await.expect("dropped");
    catalog.drop_table("s", "other").await.expect("dropped");
}

async fn odd_names_are_kept(catalog: &dyn Catalog) {
    let odd = ["a b", "it's", "\"q\"", "v1.2", "größe", "%41", "_x"];
    catalog.create_schema("odd names'.\"").await.expect("made");
    for name in odd {
        catalog.create_table("odd names'.\"", name, &spec()).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let mut sorted = odd.to_vec();
    sorted.sort_unstable();
    assert_eq!(names(catalog, "odd names'.\"").await, sorted);
}

async fn names_that_cannot_be_are_refused(catalog: &dyn Catalog) {
    let invalid = |e: &Error| matches!(e, Error::InvalidArgument(_));
    for name in ["", ".", "..", "../s", "/etc", "s/t", ".hidden"] {
        refused(catalog.create_schema(name).await, invalid);
        refused(catalog.create_table("s", name, &spec()).await, invalid);
        refused(catalog.table("s", name).await, invalid);
        refused(catalog.table(name, "t").await, invalid);
        refused(catalog.drop_table("s", name).await, invalid);
        refused(catalog.drop_schema(name).await, invalid);
    }
    refused(catalog.create_schema("main").await, invalid);
}

fn refused<T>(outcome: Result<T, Error>, expected: impl Fn(&Error) -> bool) {
    let error = outcome.err().expect("a refusal");
    assert!(expected(&error), "{error:?}");
}

async fn names(catalog: &dyn Catalog, schema: &str) -> Vec<String> {
    catalog.tables(schema).await.expect("listed").into_iter().map(|table| table.name).collect()
}

fn spec() -> TableSpec {
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
    TableSpec { schema, partition_columns: vec![], description: None, checks: vec![] }
}
