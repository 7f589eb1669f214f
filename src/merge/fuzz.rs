//! Target of the clauses of MERGE, which users write.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};

use super::{ColumnDefault, Target, plan};
use crate::{
    engine::MergeClauses,
    fuzz::{GROWTH_BYTES_MAX, Grammar, Outcome},
};

/// Clauses, understood over two tables.
pub(crate) const CLAUSES: crate::fuzz::Target = crate::fuzz::Target {
    name: "clauses",
    grammar: Grammar::Text,
    growth_bytes_max: GROWTH_BYTES_MAX,
    run: clauses,
    seeds,
};

fn clauses(bytes: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let fields = [("a", DataType::Int32), ("b", DataType::Utf8), ("c", DataType::Float64)];
    let columns = fields.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec();
    let columns = Arc::new(Schema::new(columns));
    let defaults = [ColumnDefault::Null, ColumnDefault::Null, ColumnDefault::Unknown(String::new())];
    let target = Target { name: "orders", columns: &columns, defaults: &defaults };
    let planned = plan(&MergeClauses::Text(text), target, &columns);
    let kinds = planned.as_ref().ok().map(|plan| {
        let kinds = plan.clauses.iter().map(|clause| std::mem::discriminant(&clause.action));
        (kinds.collect::<Vec<_>>(), plan.on.keys.len(), plan.returning.is_some())
    });
    Outcome::of(&planned).and(Outcome::from(kinds))
}

/// Those that were compared with DuckDB's own answers.
fn seeds() -> Vec<Vec<u8>> {
    let lines = include_str!("tests/duckdb.txt").lines();
    let compared = lines.filter(|line| ["case", "fail", "returning"].iter().any(|kind| line.starts_with(kind)));
    compared.filter_map(|line| line.split('\t').nth(1)).map(|clauses| clauses.as_bytes().to_vec()).collect()
}
