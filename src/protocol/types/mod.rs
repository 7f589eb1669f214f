//! DuckDB's Arrow as the engine's, and the schema of a scan's stream.
//!
//! DuckDB sends each type in one of several Arrow forms, chosen by its settings (`arrow_large_buffer_size`,
//! `produce_arrow_string_view`, `arrow_output_list_view`, `arrow_lossless_conversion`, `arrow_output_version`;
//! `arrow_converter.cpp`). The engine knows one form of each. `docs/types.md` tells users what that means for them.

mod canonical;
mod conform;
mod duckdb;
mod nullable;
mod scan;
mod travelling;
mod values;

pub use canonical::{Unsupported, canonical_schema, enum_column};
pub use conform::{Conform, conform};
pub use nullable::with_nulls;
pub use scan::{Projection, ScanShape};
pub use travelling::{travelling_column, travelling_field};

#[cfg(test)]
mod tests;
