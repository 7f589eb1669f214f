//! Types and values, alone and in tables.

pub(crate) mod data;
mod foreign;
mod predicates;
mod schemas;
pub(crate) mod tables;
mod values;

use arrow::datatypes::Field;

use super::*;

/// A column of a kind, by its name.
fn of_kind(name: &str) -> Field {
    Kind::named(name).unwrap().field("c", true)
}
