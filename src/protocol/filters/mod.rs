//! DuckDB's pushed-down filters as an engine predicate.
//!
//! The client serialises DuckDB's bound expressions (`airport_take_flight.cpp`,
//! AirportTakeFlightComplexFilterPushdown; DuckDB's `serialize_expression.cpp`). The form follows DuckDB's version and
//! DuckDB applies every filter again, so whatever is not recognised becomes [`Predicate::Unknown`], never an error.
//! What is recognised must never reject a row that DuckDB would accept.
//!
//! - `json`: the text. - `constant`: types and values. - `column`: columns, struct fields, casts.
//! - `expression`: the logic. - `compare`, `text`: the leaves.

mod column;
mod compare;
mod constant;
mod expression;
mod json;
mod text;

use json::Json;

use super::DecodeError;
use crate::engine::{Predicate, ROW_ID_COLUMN};

/// The longest text that is read; a longer one filters nothing. An IN list of 10,000 values takes about 2 MiB.
const JSON_BYTES_MAX: usize = 8 << 20;

/// What a scan's filters say.
#[derive(Debug, Clone, PartialEq)]
pub struct Filters {
    /// Which rows are wanted.
    pub predicate: Predicate,
    /// The columns the query binds, the row id among them as `rowid`, if the client said so.
    pub columns: Option<Vec<String>>,
}

impl Filters {
    /// Reads `json_filters`. Empty text means that nothing was pushed down.
    ///
    /// # Errors
    /// If the text is not what the client writes; the caller goes on with [`Filters::none`].
    pub fn parse(json_filters: &[u8]) -> Result<Self, DecodeError> {
        if json_filters.is_empty() {
            return Ok(Self::none());
        }
        let refused = |reason: &str| DecodeError::new("json_filters", reason);
        if json_filters.len() > JSON_BYTES_MAX {
            return Err(refused("they are too long"));
        }
        let text = str::from_utf8(json_filters).map_err(|_| refused("they are not UTF-8"))?;
        let document = json::parse(text).ok_or_else(|| refused("they are not JSON"))?;
        let filters = document.get("filters").and_then(Json::array).ok_or_else(|| refused("no list of filters"))?;
        let names = document.get("column_binding_names_by_index").and_then(Json::array);
        let names: Option<Vec<&str>> = names.and_then(|names| names.iter().map(Json::text).collect());
        let names = names.ok_or_else(|| refused("no list of column names"))?;
        let predicate = expression::conjunction(filters, &names);
        Ok(Self { predicate, columns: Some(names.into_iter().map(str::to_owned).collect()) })
    }

    /// No filter, and no word about columns.
    pub fn none() -> Self {
        Self { predicate: Predicate::Unknown, columns: None }
    }

    /// Whether the query may look at row ids. If it does not and the client asks for them all the same, it does so
    /// because it must ask for some column, and wants only the number of rows (`count(*)`).
    pub fn binds_row_id(&self) -> bool {
        self.columns.as_ref().is_none_or(|columns| columns.iter().any(|name| name == ROW_ID_COLUMN))
    }
}

#[cfg(test)]
mod tests;
