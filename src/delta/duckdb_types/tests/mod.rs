//! Types and values, alone and in tables.

mod data;
mod tables;

use arrow::datatypes::Field;

use super::*;

/// A column of a kind, by its name.
fn of_kind(name: &str) -> Field {
    Kind::named(name).unwrap().field("c", true)
}
