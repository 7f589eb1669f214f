//! The columns of the table that a unit needs, and how each is had from its file.

use std::{collections::HashMap, sync::Arc};

use super::{
    adapt::{Adapt, Lost, Mismatch, Resolver},
    data_file::ParquetFile,
    filter::Rows,
};
use crate::{
    delta::schema::TableSchema,
    engine::{ColumnPath, Predicate},
};
use arrow::{
    array::{ArrayRef, RecordBatch, new_null_array},
    datatypes::{DataType, Field, FieldRef, Fields, SchemaRef},
};

/// Columns of the table as a file has them; what is made of them is of the stored types.
#[derive(Debug, Default)]
pub(super) struct FileColumns {
    columns: Vec<FileColumn>,
    /// The Parquet leaves they are made of.
    pub(super) leaves: Vec<usize>,
}

#[derive(Debug)]
struct FileColumn {
    field: FieldRef,
    name_in_file: String,
    adapt: Adapt,
}

impl FileColumns {
    /// The columns at `indexes` of the table, whole.
    pub(super) fn whole(
        indexes: impl IntoIterator<Item = usize>,
        schema: &TableSchema,
        file: &ParquetFile,
    ) -> Result<Self, Mismatch> {
        let fields = indexes.into_iter().map(|index| {
            let field = |schema: &SchemaRef| Arc::clone(&schema.fields()[index]);
            (field(&schema.stored), field(&schema.physical))
        });
        Self::resolve(fields, file)
    }

    /// The columns that a predicate looks at; of structs, only the fields it looks at.
    pub(super) fn of_predicate(
        predicate: &Predicate,
        schema: &TableSchema,
        file: &ParquetFile,
    ) -> Result<Self, Mismatch> {
        let mut paths = Vec::new();
        collect_paths(predicate, &mut paths);
        let fields = schema.stored.fields().iter().zip(schema.physical.fields()).filter_map(|(logical, physical)| {
            let below: Vec<&[String]> =
                paths.iter().filter(|path| path.first() == Some(logical.name())).map(|path| &path[1..]).collect();
            (!below.is_empty()).then(|| narrowed(logical, physical, &below))
        });
        Self::resolve(fields, file)
    }

    fn resolve(fields: impl Iterator<Item = (FieldRef, FieldRef)>, file: &ParquetFile) -> Result<Self, Mismatch> {
        let mut resolver = Resolver::new(file.mapping);
        let columns = fields.map(|(field, physical)| {
            let (name_in_file, adapt) = resolver.field(&field, &physical, &file.fields, 0)?;
            Ok(FileColumn { field, name_in_file, adapt })
        });
        let columns = columns.collect::<Result<_, _>>()?;
        let mut leaves = resolver.leaves;
        leaves.sort_unstable();
        leaves.dedup();
        Ok(Self { columns, leaves })
    }

    /// Whether one of them is made of the file's column of that name.
    pub(super) fn reads(&self, name_in_file: &str) -> bool {
        self.columns.iter().any(|column| column.name_in_file == name_in_file)
    }

    /// The columns, in order, made of a batch that holds (at least) their leaves.
    pub(super) fn apply(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, Lost> {
        self.columns.iter().map(|column| column.apply(batch)).collect()
    }

    /// The columns by name.
    pub(super) fn rows(&self, batch: &RecordBatch) -> Result<Rows<'_>, Lost> {
        let named = self.columns.iter().map(|column| Ok((column.field.name().as_str(), column.apply(batch)?)));
        Ok(Rows { columns: named.collect::<Result<HashMap<_, _>, _>>()?, count: batch.num_rows() })
    }
}

impl FileColumn {
    fn apply(&self, batch: &RecordBatch) -> Result<ArrayRef, Lost> {
        match batch.column_by_name(&self.name_in_file) {
            Some(array) => self.adapt.apply(array, &self.field),
            None => Ok(new_null_array(self.field.data_type(), batch.num_rows())),
        }
    }
}

fn collect_paths<'p>(predicate: &'p Predicate, paths: &mut Vec<&'p ColumnPath>) {
    match predicate {
        Predicate::Unknown => {}
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().for_each(|part| collect_paths(part, paths)),
        Predicate::Compare { column, .. }
        | Predicate::In { column, .. }
        | Predicate::IsNull { column, .. }
        | Predicate::StartsWith { column, .. } => paths.push(column),
    }
}

/// A field with only those fields below it that `paths` lead through; a path that ends here keeps all.
fn narrowed(logical: &FieldRef, physical: &FieldRef, paths: &[&[String]]) -> (FieldRef, FieldRef) {
    let (DataType::Struct(logical_fields), DataType::Struct(physical_fields)) =
        (logical.data_type(), physical.data_type())
    else {
        return (Arc::clone(logical), Arc::clone(physical));
    };
    if paths.iter().any(|path| path.is_empty()) {
        return (Arc::clone(logical), Arc::clone(physical));
    }
    let kept = logical_fields.iter().zip(physical_fields).filter_map(|(logical, physical)| {
        let below: Vec<&[String]> =
            paths.iter().filter(|path| path.first() == Some(logical.name())).map(|path| &path[1..]).collect();
        (!below.is_empty()).then(|| narrowed(logical, physical, &below))
    });
    let (logical_kept, physical_kept): (Vec<FieldRef>, Vec<FieldRef>) = kept.unzip();
    let with = |field: &Field, kept: Vec<FieldRef>| {
        Arc::new(field.clone().with_data_type(DataType::Struct(Fields::from(kept))))
    };
    (with(logical, logical_kept), with(physical, physical_kept))
}
