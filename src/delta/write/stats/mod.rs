//! Statistics of a data file as the log keeps them (Delta protocol, "Per-file Statistics").
//!
//! Taken from Parquet's own statistics, which the encoder has computed anyhow, and from two facts these lack. A
//! reader leaves files out by them, so a bound is either true for every order a reader may use or left out.

mod bounds;
mod tree;

use arrow::datatypes::{DataType, FieldRef};
use parquet::file::metadata::ParquetMetaData;

use super::{
    StatsColumns,
    column::{EncodedColumn, leaf_count},
};
use bounds::Bounds;
use tree::Tree;

/// Which columns get statistics, and where they come from.
#[derive(Debug)]
pub(super) struct StatsPlan {
    columns: Vec<StatsColumn>,
}

#[derive(Debug)]
struct StatsColumn {
    /// Physical names, outermost first.
    path: Vec<String>,
    /// Index among the columns of the file.
    column: usize,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// A value of the row itself.
    Leaf {
        data_type: DataType,
        /// Index among all leaves of the file.
        leaf: usize,
        /// Index among the leaves of the column.
        leaf_of_column: usize,
    },
    /// A list or a map: only how often the whole is null.
    Whole,
    /// A list or a map inside of a struct: nothing is known, but it takes its place among the first so many columns.
    Nothing,
}

/// What Parquet's statistics of a file do not say.
#[derive(Debug, Default)]
pub(super) struct FileFacts {
    columns: Vec<ColumnFacts>,
}

#[derive(Debug, Default)]
struct ColumnFacts {
    has_nan: Vec<bool>,
    null_rows: u64,
}

impl FileFacts {
    /// Adds what one row group knows of column `index`.
    pub(super) fn note(&mut self, index: usize, column: &EncodedColumn) {
        if self.columns.len() <= index {
            self.columns.resize_with(index + 1, ColumnFacts::default);
        }
        let facts = &mut self.columns[index];
        facts.null_rows += column.null_rows;
        facts.has_nan.resize(column.has_nan.len(), false);
        facts.has_nan.iter_mut().zip(&column.has_nan).for_each(|(any, here)| *any |= here);
    }

    fn has_nan(&self, column: usize, leaf_of_column: usize) -> bool {
        self.columns.get(column).is_some_and(|facts| facts.has_nan.get(leaf_of_column) == Some(&true))
    }

    fn null_rows(&self, column: usize) -> u64 {
        self.columns.get(column).map_or(0, |facts| facts.null_rows)
    }
}

impl StatsPlan {
    /// `fields` are the columns of the file.
    pub(super) fn new(fields: &[FieldRef], wanted: &StatsColumns) -> Self {
        let mut columns = Vec::new();
        let mut leaf = 0;
        for (column, field) in fields.iter().enumerate() {
            let first_leaf = leaf;
            let mut path = Vec::new();
            collect(field, column, first_leaf, &mut leaf, &mut path, &mut columns);
        }
        match (&wanted.named, wanted.indexed_columns_max) {
            (Some(names), _) => columns.retain(|column| is_named(&column.path, names)),
            (None, Some(max)) => columns.truncate(max),
            (None, None) => {}
        }
        Self { columns }
    }

    /// The statistics of a whole file.
    pub(super) fn json(&self, metadata: &ParquetMetaData, facts: &FileFacts) -> String {
        let (mut minimum, mut maximum, mut nulls) = (Tree::default(), Tree::default(), Tree::default());
        for StatsColumn { path, column, source } in &self.columns {
            match source {
                Source::Leaf { data_type, leaf, leaf_of_column } => {
                    let bounds = Bounds::of(metadata, *leaf, data_type, facts.has_nan(*column, *leaf_of_column));
                    bounds.minimum.into_iter().for_each(|value| minimum.insert(path, value));
                    bounds.maximum.into_iter().for_each(|value| maximum.insert(path, value));
                    bounds.nulls.into_iter().for_each(|count| nulls.insert(path, count.to_string()));
                }
                Source::Whole => nulls.insert(path, facts.null_rows(*column).to_string()),
                Source::Nothing => {}
            }
        }
        format!(
            r#"{{"numRecords":{},"minValues":{minimum},"maxValues":{maximum},"nullCount":{nulls},"tightBounds":true}}"#,
            metadata.file_metadata().num_rows()
        )
    }
}

fn collect(
    field: &FieldRef,
    column: usize,
    first_leaf: usize,
    leaf: &mut usize,
    path: &mut Vec<String>,
    columns: &mut Vec<StatsColumn>,
) {
    path.push(field.name().clone());
    if let DataType::Struct(fields) = field.data_type() {
        fields.iter().for_each(|field| collect(field, column, first_leaf, leaf, path, columns));
    } else {
        let source = match field.data_type() {
            DataType::List(_) | DataType::Map(..) if path.len() == 1 => Source::Whole,
            DataType::List(_) | DataType::Map(..) => Source::Nothing,
            data_type => Source::Leaf { data_type: data_type.clone(), leaf: *leaf, leaf_of_column: *leaf - first_leaf },
        };
        *leaf += leaf_count(field.data_type());
        columns.push(StatsColumn { path: path.clone(), column, source });
    }
    path.pop();
}

/// Whether a name is the path or one of its structs. Names may be quoted by backticks.
fn is_named(path: &[String], names: &[String]) -> bool {
    (1..=path.len()).any(|depth| {
        let path = path[..depth].join(".");
        names.iter().any(|name| *name == path || name.replace('`', "") == path)
    })
}
