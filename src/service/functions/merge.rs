//! `delta.merge(table, clauses, (source))`

use arrow::datatypes::{DataType, Field};

use super::{Function, MergeCall};
use crate::{engine::MergeClauses, protocol::function::table_argument};

pub(super) const MERGE: Function = Function {
    name: "merge",
    description: "Changes a Delta table by the rows of a source, in one commit. The clauses are those of DuckDB's MERGE \
                  INTO from ON or USING onward. Gives back how many rows were inserted, updated and deleted, and the \
                  table's version; with RETURNING, the changed rows.",
    arguments: || {
        vec![
            Field::new("table", DataType::Utf8, true),
            Field::new("clauses", DataType::Utf8, true),
            table_argument("source"),
        ]
    },
    call: |arguments| {
        let table = arguments.text(0, "the table's name, such as 'sales.orders'")?;
        let clauses = arguments.text(1, "the text of a MERGE INTO from ON or USING onward")?;
        Ok(MergeCall { table, clauses: MergeClauses::Text(clauses) })
    },
};
