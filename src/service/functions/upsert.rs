//! `delta.upsert(table, [key, ...], (source))`

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};

use super::{Function, MergeCall};
use crate::{engine::MergeClauses, protocol::function::table_argument};

pub(super) const UPSERT: Function = Function {
    name: "upsert",
    description: "Adds the rows of a source to a Delta table, in one commit; a row whose values in the key columns are \
                  those of a row of the table takes its place. Columns go by their names. Gives back how many rows were \
                  inserted, updated and deleted, and the table's version.",
    arguments: || {
        let key = Arc::new(Field::new("element", DataType::Utf8, true));
        vec![
            Field::new("table", DataType::Utf8, true),
            Field::new("keys", DataType::List(key), true),
            table_argument("source"),
        ]
    },
    call: |arguments| {
        let table = arguments.text(0, "the table's name, such as 'sales.orders'")?;
        let keys = arguments.texts(1, "the names of the key columns, such as ['id']")?;
        Ok(MergeCall { table, clauses: MergeClauses::Upsert(keys) })
    },
};
