//! Which columns of the source are kept: those that anything reads. A source may have many more.
//!
//! The others stay in their places, as NULL, so that nothing else has to know of it.

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, NullArray, RecordBatch},
    datatypes::{DataType, Field, Schema, SchemaRef},
};

use super::source::rows_of;
use crate::{engine::Result, merge::MergePlan};

/// The columns of the source that are kept.
pub(super) struct KeptColumns {
    columns: BTreeSet<usize>,
    schema: SchemaRef,
}

impl KeptColumns {
    pub(super) fn of(plan: &MergePlan, source: &SchemaRef) -> Self {
        // Without keys errors show whole rows.
        let columns = match plan.on.keys.is_empty() {
            true => (0..source.fields().len()).collect(),
            false => plan.source_columns(),
        };
        let field = |(index, field): (usize, &Arc<Field>)| match columns.contains(&index) {
            true => Arc::clone(field),
            false => Arc::new(Field::new(field.name(), DataType::Null, true)),
        };
        let fields: Vec<_> = source.fields().iter().enumerate().map(field).collect();
        Self { columns, schema: Arc::new(Schema::new(fields)) }
    }

    /// What [`Self::only`] makes of rows.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows without what is not kept.
    ///
    /// # Errors
    /// `InvalidArgument` if they have not as many columns as the source, or one that is kept is of another type.
    pub(super) fn only(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let column = |(index, column): (usize, &ArrayRef)| match self.columns.contains(&index) {
            true => Arc::clone(column),
            false => Arc::new(NullArray::new(column.len())) as ArrayRef,
        };
        let columns = rows.columns().iter().enumerate().map(column).collect();
        rows_of(&self.schema, columns)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};

    use super::*;
    use crate::{
        engine::MergeClauses,
        merge::{ColumnDefault, Target, plan},
    };

    fn kept(clauses: &str) -> (KeptColumns, RecordBatch) {
        let (id, text) = (Field::new("id", DataType::Int64, true), Field::new("text", DataType::Utf8, true));
        let columns = Arc::new(Schema::new(vec![id, text.clone(), text.clone().with_name("more")]));
        let defaults = [const { ColumnDefault::Null }; 3];
        let target = Target { name: "t", columns: &columns, defaults: &defaults };
        let plan = plan(&MergeClauses::Text(clauses.to_owned()), target, &columns).unwrap();
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let rows = RecordBatch::try_new(Arc::clone(&columns), vec![ids, Arc::clone(&texts), texts]).unwrap();
        (KeptColumns::of(&plan, &columns), rows)
    }

    #[test]
    fn what_nothing_reads_is_null() {
        for (clauses, nulls) in [
            ("USING (id) WHEN MATCHED THEN UPDATE SET text = source.more", [0, 2, 0]),
            ("USING (id) WHEN MATCHED AND source.text = 'a' THEN DELETE", [0, 0, 2]),
            ("USING (id) WHEN MATCHED THEN ERROR source.text WHEN NOT MATCHED THEN INSERT (id) VALUES (id)", [0, 0, 2]),
            ("ON target.id = 7 AND source.text = 'a' AND target.id = source.id WHEN MATCHED THEN DELETE", [0, 0, 2]),
            ("USING (id) WHEN NOT MATCHED THEN INSERT *", [0, 0, 0]),
            ("ON target.id < source.id WHEN MATCHED THEN DELETE", [0, 0, 0]),
        ] {
            let (kept, rows) = kept(clauses);
            let only = kept.only(&rows).unwrap();
            let found: Vec<_> = only.columns().iter().map(Array::logical_null_count).collect();
            assert_eq!(found, nulls, "{clauses}");
            assert_eq!(only.schema_ref(), kept.schema());
        }
    }

    #[test]
    fn rows_of_other_columns_are_refused() {
        let (kept, rows) = kept("USING (id) WHEN MATCHED THEN DELETE");
        for columns in [&[0, 1][..], &[1, 0, 2]] {
            let error = kept.only(&rows.project(columns).unwrap()).unwrap_err();
            assert!(error.to_string().starts_with("the rows have other columns: "), "{error}");
        }
    }
}
