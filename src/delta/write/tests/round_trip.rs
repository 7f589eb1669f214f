//! What goes in comes out of the files.

use arrow::{
    array::{Array, AsArray, ListArray, MapArray, StructArray},
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{Fields, Int64Type},
};
use parquet::{
    basic::{Compression, LogicalType, TimeUnit as ParquetTimeUnit},
    file::reader::{FileReader, SerializedFileReader},
};

use super::*;

#[tokio::test]
async fn every_primitive_type_comes_back_exactly() {
    let (fields, columns): (Vec<_>, Vec<_>) = primitives().into_iter().unzip();
    let table = Fixture::new(fields, &[]);
    let batch = table.batch(columns);
    let adds = table.append(vec![batch.clone(), batch.slice(1, 2)]).await;
    assert_eq!(adds.len(), 1);
    assert_eq!(table.committed_rows(), 5);
    let read = table.read(&adds[0]);
    let want = concat_batches(batch.schema_ref(), [&batch, &batch.slice(1, 2)]).unwrap();
    assert_eq!(read.schema().fields(), want.schema().fields());
    assert_eq!(read.columns(), want.columns());
}

/// list<struct<m: map<string, list<decimal>>, n: int>>, with nulls at every depth and a slice that starts inside.
fn nested() -> ArrayRef {
    let decimals =
        Decimal128Array::from(vec![Some(1), None, Some(3), Some(-4)]).with_precision_and_scale(20, 2).unwrap();
    let numbers = ListArray::new(
        Arc::new(field("item", DataType::Decimal128(20, 2))),
        OffsetBuffer::new(vec![0, 2, 2, 3, 4].into()),
        Arc::new(decimals),
        Some(NullBuffer::from(vec![true, false, true, true])),
    );
    let entries =
        Fields::from(vec![Field::new("keys", DataType::Utf8, false), field("values", numbers.data_type().clone())]);
    let pairs = StructArray::new(
        entries.clone(),
        vec![Arc::new(StringArray::from(vec!["a", "b", "c", "d"])), Arc::new(numbers)],
        None,
    );
    let map = MapArray::new(
        Arc::new(Field::new("entries", DataType::Struct(entries), false)),
        OffsetBuffer::new(vec![0, 2, 2, 3, 4].into()),
        pairs,
        Some(NullBuffer::from(vec![true, true, false, true])),
        false,
    );
    let fields = Fields::from(vec![field("m", map.data_type().clone()), field("n", DataType::Int32)]);
    let structs = StructArray::new(
        fields.clone(),
        vec![Arc::new(map), Arc::new(Int32Array::from(vec![Some(1), None, Some(3), Some(4)]))],
        Some(NullBuffer::from(vec![true, true, true, false])),
    );
    let list = ListArray::new(
        Arc::new(field("item", DataType::Struct(fields))),
        OffsetBuffer::new(vec![0, 1, 1, 1, 3, 4].into()),
        Arc::new(structs),
        Some(NullBuffer::from(vec![true, false, true, true, true])),
    );
    Arc::new(list)
}

#[tokio::test]
async fn deep_nesting_comes_back_exactly() {
    let column = nested();
    let table = Fixture::new(vec![field("deep", column.data_type().clone()), field("id", DataType::Int64)], &[]);
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..5));
    let batch = table.batch(vec![column, ids]);
    let slice = batch.slice(2, 3);
    let adds = table.append(vec![batch.clone(), slice.clone()]).await;
    let read = table.read(&adds[0]);
    let want = concat_batches(batch.schema_ref(), [&batch, &slice]).unwrap();
    // The file names list elements and map entries its own way: compare what is said, not how it is spelt.
    let text = |array: &ArrayRef| {
        let options = arrow::util::display::FormatOptions::default().with_null("NULL");
        let rows = arrow::util::display::ArrayFormatter::try_new(array, &options).unwrap();
        (0..array.len()).map(|row| rows.value(row).to_string()).collect::<Vec<_>>()
    };
    assert_eq!(text(read.column(0)), text(want.column(0)));
    assert_eq!(read.column(1), want.column(1));
}

#[tokio::test]
async fn the_file_is_plain_parquet_to_everybody() {
    let list = field("l", DataType::List(Arc::new(field("whatever", DataType::Int32))));
    let table = Fixture::new(vec![field("utc", utc()), field("ntz", ntz()), list], &[]);
    let list = ListArray::new(
        Arc::new(field("whatever", DataType::Int32)),
        OffsetBuffer::from_lengths([1]),
        Arc::new(Int32Array::from(vec![1])),
        None,
    );
    let batch = table.batch(vec![
        Arc::new(TimestampMicrosecondArray::from(vec![1]).with_timezone("UTC")),
        Arc::new(TimestampMicrosecondArray::from(vec![1])),
        Arc::new(list),
    ]);
    let adds = table.append(vec![batch]).await;
    let file = fs::File::open(table.root.path().join(&adds[0].path)).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let metadata = reader.metadata();
    assert_eq!(metadata.file_metadata().key_value_metadata(), None, "no Arrow schema beside the Parquet one");
    assert!(metadata.file_metadata().created_by().unwrap().starts_with("deltaport version "));
    let columns = metadata.file_metadata().schema_descr();
    let micros = |utc| Some(LogicalType::timestamp(utc, ParquetTimeUnit::MICROS));
    assert_eq!(columns.column(0).logical_type_ref().cloned(), micros(true));
    assert_eq!(columns.column(1).logical_type_ref().cloned(), micros(false));
    assert_eq!(columns.column(2).path().string(), "l.list.element");
    let chunk = metadata.row_group(0).column(0);
    assert_eq!(chunk.compression(), Compression::SNAPPY);
    assert!(chunk.column_index_offset().is_some() && chunk.offset_index_offset().is_some());
    let name = adds[0].path.as_str();
    assert!(name.starts_with("part-00000-") && name.ends_with("-c000.snappy.parquet"), "{name}");
}

#[tokio::test]
async fn column_mapping_writes_physical_names_and_ids() {
    let id = |field: Field, id: &str| field.with_metadata([("PARQUET:field_id".to_owned(), id.to_owned())].into());
    let inner = |name: &str| Field::new(name, DataType::Int64, true);
    let logical =
        Schema::new(vec![field("part", DataType::Utf8), field("outer", DataType::Struct(vec![inner("inner")].into()))]);
    let physical = Schema::new(vec![
        id(field("col-p", DataType::Utf8), "1"),
        id(field("col-o", DataType::Struct(vec![id(inner("col-i"), "3")].into())), "2"),
    ]);
    let mut table = Fixture::new(vec![field("x", DataType::Int64)], &[]);
    table.schema = Arc::new(TableSchema {
        logical: Arc::new(logical.clone()),
        stored: Arc::new(logical),
        physical: Arc::new(physical),
        partition_columns: vec![0],
        mapping: ColumnMapping::Name,
    });
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![7, 8]));
    let outer = StructArray::new(vec![inner("inner")].into(), vec![numbers], None);
    let batch = table.batch(vec![Arc::new(StringArray::from(vec!["a", "a"])), Arc::new(outer)]);
    let adds = table.append(vec![batch]).await;
    assert!(!adds[0].path.contains('/'), "no directory by a name that may change: {}", adds[0].path);
    assert_eq!(values(&adds[0]), [("col-p".to_owned(), Some("a".to_owned()))].into());
    assert_eq!(stats(&adds[0])["maxValues"], serde_json::json!({"col-o": {"col-i": 8}}));
    let read = table.read(&adds[0]);
    assert_eq!(read.num_columns(), 1);
    let schema = read.schema();
    assert_eq!(schema.field(0).name(), "col-o");
    assert_eq!(schema.field(0).metadata()["PARQUET:field_id"], "2");
    let DataType::Struct(fields) = schema.field(0).data_type() else { panic!("not a struct") };
    assert_eq!((fields[0].name().as_str(), fields[0].metadata()["PARQUET:field_id"].as_str()), ("col-i", "3"));
}

#[tokio::test]
async fn rows_stay_in_order_over_row_groups_and_files() {
    let mut table = Fixture::new(vec![field("id", DataType::Int64), field("text", DataType::Utf8)], &[]);
    table.limits.chunk_rows = 100;
    table.limits.row_group_rows = 1000;
    table.limits.file_bytes = 20_000;
    let batches = (0..500i64).map(|i| {
        let ids = Int64Array::from_iter_values(i * 20..(i + 1) * 20);
        let texts = StringArray::from_iter_values((i * 20..(i + 1) * 20).map(|id| format!("text {}", id * 7919)));
        table.batch(vec![Arc::new(ids), Arc::new(texts)])
    });
    let adds = table.append(batches.collect()).await;
    assert!(adds.len() > 2, "{} files", adds.len());
    assert_eq!(table.committed_rows(), 10_000);
    assert_eq!(table.entries().len(), adds.len(), "each file is in the log");
    let mut names: Vec<_> = adds.iter().map(|add| add.path.clone()).collect();
    names.sort();
    let read: Vec<i64> = names
        .iter()
        .flat_map(|name| {
            let add = adds.iter().find(|add| add.path == *name).unwrap();
            table.read(add).column(0).as_primitive::<Int64Type>().values().to_vec()
        })
        .collect();
    assert_eq!(read, (0..10_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn no_rows_are_no_commit() {
    let table = Fixture::new(vec![field("id", DataType::Int64)], &[]);
    let mut append = table.begin();
    append.write(table.batch(vec![Arc::new(Int64Array::from(Vec::<i64>::new()))])).await.unwrap();
    assert!(matches!(append.commit().await.unwrap(), CommitOutcome::Committed(snapshot) if snapshot.version() == 0));
    assert!(table.seen.lock().unwrap().is_none());
    assert_eq!(table.entries(), [""; 0]);
}
