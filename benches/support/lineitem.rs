//! Rows of TPC-H's lineitem: the real ones if `DELTAPORT_TPCH` names a directory with `lineitem.parquet`, else made
//! up ones of the same types and much the same widths.

use std::{fs::File, path::PathBuf, sync::Arc};

use arrow::{
    array::{ArrayRef, Date32Array, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// The directory of TPC-H's tables as Parquet files.
pub(crate) const TPCH: &str = "DELTAPORT_TPCH";

/// The file with the real rows, if there is one.
pub(crate) fn parquet_file() -> Option<PathBuf> {
    let file = PathBuf::from(std::env::var_os(TPCH)?).join("lineitem.parquet");
    file.exists().then_some(file)
}

/// At most `rows` rows in batches of at most `batch_rows`.
pub(crate) fn batches(rows: usize, batch_rows: usize) -> Vec<RecordBatch> {
    match parquet_file() {
        Some(file) => real(&file, rows, batch_rows),
        None => made_up(rows, batch_rows),
    }
}

/// The columns.
pub(crate) fn schema() -> SchemaRef {
    let field = |(name, kind): &(&str, DataType)| Field::new(*name, kind.clone(), true);
    Arc::new(Schema::new(columns().iter().map(field).collect::<Vec<_>>()))
}

fn columns() -> [(&'static str, DataType); 16] {
    use DataType::{Date32, Decimal128, Int32, Int64, Utf8};
    [
        ("l_orderkey", Int64),
        ("l_partkey", Int64),
        ("l_suppkey", Int64),
        ("l_linenumber", Int32),
        ("l_quantity", Decimal128(15, 2)),
        ("l_extendedprice", Decimal128(15, 2)),
        ("l_discount", Decimal128(15, 2)),
        ("l_tax", Decimal128(15, 2)),
        ("l_returnflag", Utf8),
        ("l_linestatus", Utf8),
        ("l_shipdate", Date32),
        ("l_commitdate", Date32),
        ("l_receiptdate", Date32),
        ("l_shipinstruct", Utf8),
        ("l_shipmode", Utf8),
        ("l_comment", Utf8),
    ]
}

fn real(file: &PathBuf, rows: usize, batch_rows: usize) -> Vec<RecordBatch> {
    let file = File::open(file).expect("lineitem.parquet");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file");
    let reader = reader.with_batch_size(batch_rows).with_limit(rows).build().expect("a Parquet file");
    let typed = |batch: RecordBatch| {
        let schema = schema();
        let columns = schema.fields().iter().map(|field| {
            let column = batch.column_by_name(field.name()).expect("a column of lineitem");
            cast(column, field.data_type()).expect("the types of lineitem")
        });
        RecordBatch::try_new(Arc::clone(&schema), columns.collect()).expect("a batch of lineitem")
    };
    reader.map(|batch| typed(batch.expect("a Parquet file"))).collect()
}

fn made_up(rows: usize, batch_rows: usize) -> Vec<RecordBatch> {
    let starts = (0..rows).step_by(batch_rows);
    starts.map(|start| made_up_batch(start, batch_rows.min(rows - start))).collect()
}

fn made_up_batch(start: usize, rows: usize) -> RecordBatch {
    let seed = |row: usize, column: usize| {
        let mixed = (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7 * column as u32);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
    };
    let column = |(index, field): (usize, &Arc<Field>)| -> ArrayRef {
        let seeds = (start..start + rows).map(|row| seed(row, index));
        match field.data_type() {
            DataType::Int64 if index == 0 => {
                Arc::new(Int64Array::from_iter_values((start..start + rows).map(|row| row as i64 / 4)))
            }
            DataType::Int64 => Arc::new(Int64Array::from_iter_values(seeds.map(|seed| (seed % 200_000) as i64))),
            DataType::Int32 => Arc::new(Int32Array::from_iter_values(seeds.map(|seed| (seed % 7) as i32))),
            DataType::Date32 => {
                Arc::new(Date32Array::from_iter_values(seeds.map(|seed| 8_000 + (seed % 2_500) as i32)))
            }
            DataType::Decimal128(..) => {
                let distinct = if field.name() == "l_extendedprice" { 10_000_000 } else { 50 };
                let values = Decimal128Array::from_iter_values(seeds.map(|seed| i128::from(seed % distinct)));
                Arc::new(values.with_precision_and_scale(15, 2).expect("a decimal of lineitem"))
            }
            _ => Arc::new(StringArray::from_iter_values(seeds.map(|seed| text(field.name(), seed)))),
        }
    };
    let columns = schema().fields().iter().enumerate().map(column).collect();
    RecordBatch::try_new(schema(), columns).expect("a batch of lineitem")
}

fn text(column: &str, seed: u64) -> String {
    let pick = |words: &[&str]| words[seed as usize % words.len()].to_owned();
    match column {
        "l_returnflag" => pick(&["A", "N", "R"]),
        "l_linestatus" => pick(&["F", "O"]),
        "l_shipinstruct" => pick(&["DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"]),
        "l_shipmode" => pick(&["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"]),
        _ => format!("{seed:x} final deposits {}", &"haggle carefully around"[..seed as usize % 20]),
    }
}
