//! The keys of a row of the source, for errors that show them.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::{FieldRef, Schema},
};

use super::source::SourceRows;
use crate::{
    delta::rules::row_text,
    engine::{Error, Result},
    merge::{Key, MergePlan},
};

/// `id = 7`: the keys of a row of the source, or all of it where there are none.
pub(super) fn key_text(source: &SourceRows, row: u64, plan: &MergePlan) -> Result<String> {
    let columns: Vec<usize> = (0..source.schema().fields().len()).collect();
    let whole = source.take(&columns, &[row])?;
    if plan.on.keys.is_empty() {
        return Ok(row_text(&whole, 0, Vec::new()));
    }
    let joined: Vec<usize> = columns.iter().map(|column| plan.target_columns + column).collect();
    let value = |key: &Key| -> Result<(FieldRef, ArrayRef)> {
        let key_value = key.source.over(&joined)?;
        let field = key_value.result().clone().with_name(&key.name).with_nullable(true);
        Ok((Arc::new(field), key_value.evaluate(&whole)?))
    };
    let values = plan.on.keys.iter().map(value).collect::<Result<Vec<_>>>()?;
    let (fields, columns): (Vec<_>, Vec<_>) = values.into_iter().unzip();
    let keys = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns);
    Ok(row_text(&keys.map_err(|error| Error::internal("keys cannot be put together", error))?, 0, Vec::new()))
}
