//! What every data file of an append looks like: its columns, Parquet schema, writer settings and name.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::{
    arrow::ArrowSchemaConverter,
    basic::Compression,
    file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr},
    schema::types::TypePtr,
};

use super::{FileNaming, StatsColumns, stats::StatsPlan};
use crate::{
    delta::schema::TableSchema,
    engine::{Error, Result},
};

/// Who wrote the file, in its footer.
const CREATED_BY: &str = concat!("deltaport version ", env!("CARGO_PKG_VERSION"));
/// Rows a page holds at most: a reader that wants few rows decompresses few more.
const PAGE_ROWS_MAX: usize = 20_000;
/// Bytes a page holds at most before compression: what fits a core's cache.
const PAGE_BYTES_MAX: usize = 1 << 20;
/// Bytes of a column chunk's dictionary; beyond it values are written plainly. A larger one outgrows the cache it is looked up in, and is slower to read
/// than the plain values are to read.
const DICTIONARY_BYTES_MAX: usize = 128 << 10;

/// The shape of an append's data files.
#[derive(Debug)]
pub(super) struct FileLayout {
    /// Which of the table's columns are in the files, in order.
    pub(super) data_columns: Vec<usize>,
    /// Those columns by their physical names.
    pub(super) schema: SchemaRef,
    /// The root of the Parquet schema.
    pub(super) parquet: TypePtr,
    pub(super) properties: WriterPropertiesPtr,
    pub(super) stats: StatsPlan,
    pub(super) naming: FileNaming,
}

impl FileLayout {
    pub(super) fn new(table: &TableSchema, stats_columns: &StatsColumns, naming: FileNaming) -> Result<Self> {
        let fields = table.physical.fields();
        let data_columns: Vec<_> = (0..fields.len()).filter(|i| !table.partition_columns.contains(i)).collect();
        if data_columns.is_empty() {
            return Err(Error::Unsupported("a table needs a column that is not a partition column".to_owned()));
        }
        for &index in &data_columns {
            refuse_unwritable(fields[index].data_type(), table.logical.field(index).name())?;
        }
        let schema = Arc::new(Schema::new(data_columns.iter().map(|&i| Arc::clone(&fields[i])).collect::<Vec<_>>()));
        let properties = Arc::new(writer_properties());
        // Names list elements and map entries as Parquet's specification does, whatever Arrow calls them.
        let converter = ArrowSchemaConverter::new().with_coerce_types(true).schema_root("schema");
        let parquet = converter.convert(&schema).map_err(|e| Error::internal("could not make a Parquet schema", e))?;
        let stats = StatsPlan::new(schema.fields(), stats_columns);
        Ok(Self { data_columns, schema, parquet: parquet.root_schema_ptr(), properties, stats, naming })
    }
}

/// Snappy, as every Delta writer does by default: all readers have it, and it costs less time than the disk saves.
/// Arrow's own schema is left out of the footer: plain Parquet types say all there is to say.
fn writer_properties() -> WriterProperties {
    WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(true)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX)
        .set_data_page_size_limit(PAGE_BYTES_MAX)
        .set_data_page_row_count_limit(PAGE_ROWS_MAX)
        .set_statistics_enabled(EnabledStatistics::Page)
        .build()
}

fn refuse_unwritable(data_type: &DataType, column: &str) -> Result<()> {
    let refuse_field = |field: &Field| refuse_unwritable(field.data_type(), column);
    match data_type {
        DataType::Struct(fields) if fields.is_empty() => Err(Error::Unsupported(format!(
            "column \"{column}\" holds a struct without fields, which Parquet cannot keep"
        ))),
        DataType::Struct(fields) => fields.iter().try_for_each(|field| refuse_field(field)),
        DataType::List(element) | DataType::Map(element, _) => refuse_field(element),
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(..)
        | DataType::Utf8
        | DataType::Binary
        | DataType::Date32
        | DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, _) => Ok(()),
        other => Err(Error::Unsupported(format!("column \"{column}\" has type {other}, which Delta does not have"))),
    }
}
