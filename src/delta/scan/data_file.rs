//! An open data file: its footer, its schema as Arrow, and where in it a column of the table is.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use parquet::{
    arrow::{
        PARQUET_FIELD_ID_META_KEY, RowNumber,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions},
        parquet_to_arrow_schema,
    },
    basic::Type as Physical,
    errors::{ParquetError, Result},
    file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
    schema::types::SchemaDescriptor,
};

use super::{
    adapt::{find, leaf_count},
    footer,
    input::Input,
    parquet_bounds::Leaf,
};
use crate::{
    delta::schema::{ColumnMapping, TableSchema},
    engine::ColumnPath,
};

/// The name of the virtual column that holds the positions of rows; a table's column may have the same one.
pub(super) const POSITION_COLUMN: &str = "deltaport.position";

/// An open Parquet file.
#[derive(Debug)]
pub(super) struct ParquetFile {
    pub(super) input: Input,
    /// The columns of the file, in its own types: whatever Arrow schema a writer left in it is not used, as its
    /// dictionaries and large types would only have to be undone.
    pub(super) fields: Fields,
    /// For readers of columns alone.
    pub(super) columns: ArrowReaderMetadata,
    /// For readers that add the position of each row.
    pub(super) positions: ArrowReaderMetadata,
    /// How the table finds columns.
    pub(super) mapping: ColumnMapping,
}

/// What is wanted of a file's page index, where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PageIndex {
    /// Nothing: all rows are read.
    Nothing,
    /// Where pages begin, so that others can be skipped.
    Offsets,
    /// What pages hold, too.
    Bounds,
}

/// Where a path of the table leads in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To a leaf that no list or map encloses.
    Leaf(Leaf),
    /// Nowhere: every row has NULL there.
    Missing,
    /// To something without statistics.
    Nested,
    /// To no column of the table.
    Unknown,
}

impl ParquetFile {
    /// Reads the footer, and what of the page index will be of use.
    pub(super) fn open(input: Input, page_index: PageIndex, mapping: ColumnMapping) -> Result<Self> {
        input.fetch_footer()?;
        footer::check(&input)?;
        let wanted = |least| match page_index >= least {
            true => PageIndexPolicy::Optional,
            false => PageIndexPolicy::Skip,
        };
        let footer = ParquetMetaDataReader::new()
            .with_offset_index_policy(wanted(PageIndex::Offsets))
            .with_column_index_policy(wanted(PageIndex::Bounds))
            .parse_and_finish(&input)?;
        input.forget_fetched();
        let footer = Arc::new(footer);
        let parquet = footer.file_metadata().schema_descr();
        let mut schema = parquet_to_arrow_schema(parquet, None)?;
        let mut options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        if parquet.columns().iter().any(|column| column.physical_type() == Physical::INT96) {
            schema = without_int96(&schema, parquet);
            options = options.with_schema(Arc::new(schema.clone()));
        }
        check_leaves(&schema, parquet)?;
        if mapping == ColumnMapping::Id && !schema.fields().iter().any(|field| has_id(field)) {
            return Err(ParquetError::General("the table maps columns by id, and the file has no ids".to_owned()));
        }
        let position = Field::new(POSITION_COLUMN, DataType::Int64, false).with_extension_type(RowNumber);
        let with_position = options.clone().with_virtual_columns(vec![Arc::new(position)])?;
        Ok(Self {
            input,
            fields: schema.fields,
            columns: ArrowReaderMetadata::try_new(Arc::clone(&footer), options)?,
            positions: ArrowReaderMetadata::try_new(footer, with_position)?,
            mapping,
        })
    }

    /// The same file for another reader, which may read at the same time.
    pub(super) fn separate(&self) -> Self {
        Self {
            input: self.input.separate(),
            fields: self.fields.clone(),
            columns: self.columns.clone(),
            positions: self.positions.clone(),
            mapping: self.mapping,
        }
    }

    /// The footer.
    pub(super) fn footer(&self) -> &ParquetMetaData {
        self.columns.metadata()
    }

    /// Where a path, in the table's logical names, leads.
    pub(super) fn place(&self, path: &ColumnPath, schema: &TableSchema) -> Place {
        let Some((first, nested)) = path.split_first() else { return Place::Unknown };
        let Some((index, mut logical)) = schema.stored.column_with_name(first) else { return Place::Unknown };
        let mut physical = schema.physical.field(index);
        let Some((mut found, mut leaf)) = find(physical, &self.fields, 0, self.mapping) else { return Place::Missing };
        for name in nested {
            let (DataType::Struct(logical_fields), DataType::Struct(physical_fields)) =
                (logical.data_type(), physical.data_type())
            else {
                return Place::Unknown;
            };
            let Some((index, field)) = logical_fields.find(name) else { return Place::Unknown };
            let DataType::Struct(file_fields) = found.data_type() else { return Place::Nested };
            (logical, physical) = (field, &physical_fields[index]);
            // A struct that is there with a field that is not: the reader knows best what is NULL.
            let Some(next) = find(physical, file_fields, leaf, self.mapping) else { return Place::Nested };
            (found, leaf) = next;
        }
        match found.data_type() {
            DataType::Struct(_) | DataType::List(_) | DataType::Map(..) => Place::Nested,
            data_type => Place::Leaf(Leaf { index: leaf, data_type: data_type.clone() }),
        }
    }
}

fn has_id(field: &Field) -> bool {
    field.metadata().contains_key(PARQUET_FIELD_ID_META_KEY)
}

/// Leaves are counted on the Arrow side and used on the Parquet side.
fn check_leaves(schema: &Schema, parquet: &SchemaDescriptor) -> Result<()> {
    let leaves: usize = schema.fields().iter().map(|field| leaf_count(field.data_type())).sum();
    match leaves == parquet.num_columns() {
        true => Ok(()),
        false => Err(ParquetError::General("the file has columns without a type".to_owned())),
    }
}

/// INT96 as microseconds, since its range is beyond that of nanoseconds.
fn without_int96(schema: &Schema, parquet: &SchemaDescriptor) -> Schema {
    let mut leaf = 0;
    let fields: Fields = schema.fields().iter().map(|field| field_without_int96(field, parquet, &mut leaf)).collect();
    Schema::new(fields)
}

fn field_without_int96(field: &Field, parquet: &SchemaDescriptor, leaf: &mut usize) -> Field {
    let data_type = match field.data_type() {
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| field_without_int96(field, parquet, leaf)).collect())
        }
        DataType::List(element) => DataType::List(Arc::new(field_without_int96(element, parquet, leaf))),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(field_without_int96(entries, parquet, leaf)), *sorted),
        other => {
            let int96 = parquet.column(*leaf).physical_type() == Physical::INT96;
            *leaf += 1;
            if int96 { DataType::Timestamp(TimeUnit::Microsecond, None) } else { other.clone() }
        }
    };
    field.clone().with_data_type(data_type)
}
