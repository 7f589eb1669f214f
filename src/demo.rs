//! A small sample lake: a plain, a partitioned and a nested table.

use std::{fs, path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, Date32Array, Decimal128Array, Int64Array, ListArray, StringArray, StructArray},
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, Fields, Schema},
    record_batch::RecordBatch,
};
use url::Url;

use crate::engine::{CommitOutcome, Error, Result, TableFormat, TableSpec};

/// Days from 1970-01-01 to 2026-01-01.
const FIRST_DAY: i32 = 20_454;

/// Makes the sample tables that are not there yet in `dir`: `shop.products`, `shop.sales` (by region) and
/// `shop.customers` (nested).
///
/// # Errors
/// If the directory or a table cannot be made.
pub async fn make(dir: &Path, format: &dyn TableFormat) -> Result<()> {
    let shop = dir.join("shop");
    fs::create_dir_all(&shop).map_err(|e| Error::internal(format!("making {}", shop.display()), e))?;
    let shop = fs::canonicalize(&shop).map_err(|e| Error::internal(format!("finding {}", shop.display()), e))?;
    for (name, partition_columns, rows) in [
        ("products", vec![], products()),
        ("sales", vec!["region".to_owned()], sales()),
        ("customers", vec![], customers()),
    ] {
        let location = Url::from_directory_path(shop.join(name))
            .map_err(|()| Error::InvalidArgument(format!("{} is not an absolute path", shop.display())))?;
        if !format.exists(&location) {
            make_table(format, &location, partition_columns, rows).await?;
        }
    }
    Ok(())
}

async fn make_table(
    format: &dyn TableFormat,
    location: &Url,
    partition_columns: Vec<String>,
    rows: RecordBatch,
) -> Result<()> {
    let description = Some("sample data".to_owned());
    let spec = TableSpec { schema: rows.schema(), partition_columns, description, checks: vec![] };
    let snapshot = format.create(location, &spec).await?;
    let mut append = snapshot.append().await?;
    // The table's own schema is the one its writer takes: nested fields may have got other names.
    let rows = RecordBatch::try_new(snapshot.schema(), rows.columns().to_vec())
        .map_err(|e| Error::internal("shaping the sample rows", e))?;
    append.write(rows).await?;
    match append.commit().await? {
        CommitOutcome::Committed(_) => Ok(()),
        CommitOutcome::Conflict { reason } => Err(Error::Conflict(reason)),
    }
}

fn products() -> RecordBatch {
    let names = ["anvil", "bellows", "chisel", "drill", "easel"];
    let prices = Decimal128Array::from_iter_values([12_999, 4_550, 1_995, 8_900, 2_700])
        .with_precision_and_scale(12, 2)
        .expect("12 digits hold these prices");
    batch(vec![
        ("id", false, Arc::new(Int64Array::from_iter_values(1..=5)) as ArrayRef),
        ("name", true, Arc::new(StringArray::from_iter_values(names))),
        ("price", true, Arc::new(prices)),
    ])
}

fn sales() -> RecordBatch {
    let regions = ["north", "south", "east", "west"];
    batch(vec![
        ("id", false, Arc::new(Int64Array::from_iter_values(1..=1_000)) as ArrayRef),
        ("product_id", false, Arc::new(Int64Array::from_iter_values((0..1_000).map(|i| i % 5 + 1)))),
        ("day", true, Arc::new(Date32Array::from_iter_values((0..1_000).map(|i| FIRST_DAY + i / 4)))),
        ("quantity", true, Arc::new(Int64Array::from_iter_values((0..1_000).map(|i| i * 7 % 13 + 1)))),
        ("region", true, Arc::new(StringArray::from_iter_values((0..1_000).map(|i| regions[i % regions.len()])))),
    ])
}

fn customers() -> RecordBatch {
    let tags = ListArray::new(
        Arc::new(Field::new("element", DataType::Utf8, true)),
        OffsetBuffer::from_lengths([2, 0, 1]),
        Arc::new(StringArray::from_iter_values(["gold", "early", "new"])),
        None,
    );
    let address = StructArray::new(
        Fields::from(vec![Field::new("city", DataType::Utf8, true), Field::new("zip", DataType::Utf8, true)]),
        vec![
            Arc::new(StringArray::from_iter_values(["Oslo", "Lyon", "Porto"])),
            Arc::new(StringArray::from_iter(vec![Some("0150"), None, Some("4000")])),
        ],
        None,
    );
    batch(vec![
        ("id", false, Arc::new(Int64Array::from_iter_values(1..=3)) as ArrayRef),
        ("name", true, Arc::new(StringArray::from_iter_values(["Ada", "Bo", "Cy"]))),
        ("tags", true, Arc::new(tags)),
        ("address", true, Arc::new(address)),
    ])
}

fn batch(columns: Vec<(&str, bool, ArrayRef)>) -> RecordBatch {
    let field =
        |(name, nullable, array): &(&str, bool, ArrayRef)| Field::new(*name, array.data_type().clone(), *nullable);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let arrays = columns.into_iter().map(|(_, _, array)| array).collect();
    RecordBatch::try_new(Arc::new(schema), arrays).expect("the sample columns have one length")
}
