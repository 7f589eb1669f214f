//! Rows that a MERGE keeps, against what DuckDB's expressions say of them.

mod keys;
mod predicates;
mod spools;

use std::{path::PathBuf, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    compute::concat_batches,
    datatypes::{Field, Schema, SchemaRef},
};

use super::{KeyIndex, MemoryBudget, Pairs, PairsFrom, SourceRows, Spool, target_keys};
use crate::{
    engine::Result,
    expression::{Dialect, Expression},
    merge::{Key, MergePlan, On},
};

/// More than any test needs.
const PLENTY: usize = 1 << 30;

/// A column of a type of DuckDB's, of texts that are cast to it; `None` is NULL.
fn column(name: &str, ty: &str, texts: &[Option<&str>]) -> (Field, ArrayRef) {
    let texts: ArrayRef = Arc::new(texts.iter().copied().collect::<StringArray>());
    let schema = Schema::new(vec![Field::new("text", texts.data_type().clone(), true)]);
    let cast = expression(&format!("CAST(text AS {ty})"), &schema);
    let rows = RecordBatch::try_new(schema.into(), vec![texts]).unwrap();
    let values = cast.evaluate(&rows).unwrap();
    (cast.result().clone().with_name(name).with_nullable(true), values)
}

fn batch(columns: Vec<(Field, ArrayRef)>) -> RecordBatch {
    let (fields, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn expression(sql: &str, columns: &Schema) -> Expression {
    Expression::new(sql, Dialect::DuckDb, columns).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// A plan with these keys and conditions on the source, over the columns of both sides.
fn plan(target: &Schema, source: &Schema, keys: &[(&str, &str, bool)], conditions: &[&str]) -> MergePlan {
    let columns: Vec<_> = target.fields().iter().chain(source.fields()).cloned().collect();
    let columns: SchemaRef = Arc::new(Schema::new(columns));
    let key = |(target, source, nulls_equal): &(&str, &str, bool)| Key {
        target: expression(target, &columns),
        source: expression(source, &columns),
        nulls_equal: *nulls_equal,
        name: (*target).to_owned(),
    };
    let source = conditions.iter().map(|condition| expression(condition, &columns)).collect();
    MergePlan {
        target_columns: target.fields().len(),
        on: On { keys: keys.iter().map(key).collect(), source, ..On::default() },
        columns,
        clauses: Vec::new(),
        source_keys_unique: false,
        returning: None,
    }
}

/// Rows of batches, kept as they come.
fn kept(batches: &[RecordBatch]) -> SourceRows {
    SourceRows::new(batches[0].schema(), batches.iter().filter(|batch| batch.num_rows() > 0).cloned().collect(), None)
}

async fn spooled(batches: &[RecordBatch], memory: &MemoryBudget, directory: impl Into<PathBuf>) -> Result<SourceRows> {
    let mut spool = Spool::new(batches[0].schema(), memory.clone(), directory.into());
    for batch in batches {
        spool.push(batch.clone()).await?;
    }
    spool.finish().await
}

/// All rows in one batch.
fn whole(rows: &SourceRows) -> RecordBatch {
    concat_batches(rows.schema(), rows.batches()).unwrap()
}

/// All pairs, by the rows' numbers, over as many indexes as it takes, a few at a time.
fn pairs(
    plan: &MergePlan,
    target: &RecordBatch,
    source: &SourceRows,
    memory: usize,
    pairs_max: usize,
) -> Vec<(u64, u64)> {
    let memory = MemoryBudget::new(memory);
    let keys = target_keys(&plan.on, target).unwrap();
    let (mut all, mut first) = (Vec::new(), 0);
    loop {
        let index = KeyIndex::build(plan, source, first, &memory).unwrap();
        let mut from = Some(PairsFrom::default());
        while let Some(at) = from {
            let (Pairs { target: rows, source }, next) = index.pairs(&keys, target.num_rows(), at, pairs_max).unwrap();
            assert!(rows.len() <= pairs_max && (next.is_none() || rows.len() == pairs_max));
            assert!(rows.is_sorted() && rows.first().is_none_or(|row| *row as usize >= at.row));
            assert!(source.iter().all(|row| index.rows().contains(row)));
            all.extend(rows.into_iter().map(u64::from).zip(source));
            from = next;
        }
        first = index.rows().end;
        drop(index);
        assert_eq!(memory.available(), memory.bytes_max(), "an index gives back what it had");
        if first == source.len() {
            return all;
        }
    }
}
