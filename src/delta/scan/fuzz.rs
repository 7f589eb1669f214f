//! Targets of what a scan reads: data files, deletion vectors, statistics and partition values.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use arrow::{
    array::{ArrayRef, Decimal128Array, Int64Array, ListArray, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Fields, Int32Type, Schema, TimeUnit},
};
use delta_kernel::actions::{
    deletion_vector::{DeletionVectorDescriptor, DeletionVectorStorageType},
    deletion_vector_writer::{KernelDeletionVector, StreamingDeletionVectorWriter},
};
use object_store::{ObjectStoreExt, memory::InMemory, path::Path};
use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};
use tokio::runtime::{Handle, Runtime};
use url::Url;

use super::{
    ScanSource, constant::Constant, context::ScanContext, deletion, file_bounds::FileBounds, part::PartReader, plan,
    prune::Bounds, row_count, text,
};
use crate::{
    delta::{
        file::DataFile,
        index::FileIndex,
        schema::{ColumnMapping, TableSchema},
    },
    engine::{CompareOp, Predicate, ReadUnit, Scalar, ScanRequest},
    fuzz::{GROWTH_BYTES_MAX, Grammar, Outcome, Target},
};

/// Batches looked at of one file: a short file may honestly hold any number of equal rows.
const BATCHES_MAX: usize = 20;

/// A Parquet page says its own length, which the reader believes up to this before it decompresses it.
pub(crate) const PAGE_BYTES_MAX: u64 = (2 << 30) + GROWTH_BYTES_MAX;

fn root() -> Url {
    Url::parse("memory:///t/").expect("a URL")
}

fn schema_of(logical: Schema) -> TableSchema {
    let logical = Arc::new(logical);
    let (stored, physical) = (Arc::clone(&logical), Arc::clone(&logical));
    TableSchema { logical, stored, physical, partition_columns: vec![], mapping: ColumnMapping::None }
}

fn file(size_bytes: usize) -> DataFile {
    DataFile {
        path: Path::from("f"),
        log_path: None,
        size_bytes: size_bytes as u64,
        partition_values: BTreeMap::new(),
        stats_json: None,
        deletion_vector: None,
        ..DataFile::default()
    }
}

/// Parquet files, read whole and by a predicate.
pub(crate) const DATA_FILES: Target = Target {
    name: "data_files",
    grammar: Grammar::Binary,
    growth_bytes_max: PAGE_BYTES_MAX,
    run: data_file,
    seeds: parquet_files,
};

fn data_file(bytes: &[u8]) -> Outcome {
    let store = Arc::new(InMemory::new());
    let handle = runtime();
    handle.block_on(store.put(&Path::from("f"), bytes.to_vec().into())).expect("memory takes all");
    let source = ScanSource {
        store,
        table_root: root(),
        local_root: None,
        version: 0,
        files: Arc::new(index(file(bytes.len()))),
        schema: Arc::new(schema_of(rows(0).schema().as_ref().clone())),
    };
    let whole = ScanRequest { projection: vec![0, 1, 2, 3, 4], row_id: true, predicate: Predicate::Unknown };
    let compare = |column: &str, op, value| Predicate::Compare { column: vec![column.to_owned()], op, value };
    let predicate = Predicate::And(vec![
        compare("n", CompareOp::Greater, Scalar::Integer(2)),
        compare("t", CompareOp::NotEqual, Scalar::Text("text 5".to_owned())),
    ]);
    let some = ScanRequest { projection: vec![1], row_id: false, predicate };
    read(&source, whole, &handle).and(read(&source, some, &handle))
}

fn read(source: &ScanSource, request: ScanRequest, runtime: &Handle) -> Outcome {
    let scan = ScanContext::new(source.clone(), request, runtime.clone()).expect("the columns are there");
    let mut reader = PartReader::new(Arc::new(scan), &[ReadUnit { file: 0, slice: 0, slices: 1 }]);
    let mut rows = 0;
    for _ in 0..BATCHES_MAX {
        match reader.next() {
            Ok(Some(batch)) => rows += batch.rows.num_rows(),
            Ok(None) => break,
            Err(error) => return Outcome::from(std::error::Error::source(&error).map(|e| words(&e.to_string()))),
        }
    }
    Outcome::from(rows.min(64))
}

fn index(file: DataFile) -> FileIndex {
    FileIndex::try_new([file]).expect("one is no duplicate")
}

fn words(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).take(60).collect()
}

/// Blocks for targets that are not blocking by themselves.
pub(crate) fn runtime() -> Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let build = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(crate::fuzz::THREAD)
            .build()
            .expect("a runtime")
    };
    RUNTIME.get_or_init(build).handle().clone()
}

pub(super) fn parquet_files() -> Vec<Vec<u8>> {
    let write = |properties: WriterProperties| {
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, rows(0).schema(), Some(properties)).unwrap();
        writer.write(&rows(12)).unwrap();
        writer.close().unwrap();
        bytes
    };
    let with = WriterProperties::builder;
    vec![
        write(with().build()),
        write(with().set_dictionary_enabled(false).set_data_page_row_count_limit(4).set_write_batch_size(4).build()),
        write(with().set_max_row_group_row_count(Some(5)).set_compression(Compression::SNAPPY).build()),
        write(with().set_compression(Compression::ZSTD(Default::default())).build()),
        write(with().set_writer_version(parquet::file::properties::WriterVersion::PARQUET_2_0).build()),
    ]
}

fn rows(count: i64) -> RecordBatch {
    let some = |row: i64| (row % 4 != 1).then_some(row);
    let decimals: Decimal128Array = (0..count).map(|row| some(row).map(i128::from)).collect();
    let lists = (0..count).map(|row| some(row).map(|row| (0..row % 3).map(|v| Some(v as i32)).collect::<Vec<_>>()));
    let columns: [(&str, ArrayRef); 5] = [
        ("n", Arc::new((0..count).map(some).collect::<Int64Array>())),
        (
            "t",
            Arc::new((0..count).map(|row| some(row).map(|row| format!("text {}", row % 6))).collect::<StringArray>()),
        ),
        ("d", Arc::new(decimals.with_precision_and_scale(12, 2).unwrap())),
        ("s", Arc::new((0..count).map(some).collect::<TimestampMicrosecondArray>())),
        ("l", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists))),
    ];
    let fields: Vec<_> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.map(|(_, column)| column).into()).unwrap()
}

/// Deletion vectors: the first byte says whether the rest lies in a file or in the log.
pub(crate) const DELETION_VECTORS: Target = Target {
    name: "deletion_vectors",
    grammar: Grammar::Binary,
    growth_bytes_max: GROWTH_BYTES_MAX,
    run: deletion_vector,
    seeds: deletion_vectors,
};

/// The rows of the file that a vector is applied to.
const ROWS: usize = 100;

fn deletion_vector(bytes: &[u8]) -> Outcome {
    let Some(([kind, cardinality], bytes)) = bytes.split_first_chunk::<2>() else { return Outcome::from("short") };
    let inline = kind % 2 == 1;
    let (storage_type, text) = match inline {
        true => (DeletionVectorStorageType::Inline, String::from_utf8_lossy(bytes).into_owned()),
        false => (DeletionVectorStorageType::PersistedRelative, "vBn[lx{q8@P<9BNH/isA".to_owned()),
    };
    let size = i32::try_from(bytes.len()).expect("inputs are short");
    let offset = (!inline).then_some(1);
    let vector = DeletionVectorDescriptor::try_new(storage_type, text, offset, size, i64::from(*cardinality));
    let Ok(vector) = vector else { return Outcome::of(&vector) };
    let place = deletion::locate(&vector, &root());
    let framed = (!inline).then(|| bytes.to_vec().into());
    let live = deletion::live_rows(&vector, framed, &root(), ROWS);
    let source = live.as_ref().err().and_then(std::error::Error::source).map(|e| words(&e.to_string()));
    Outcome::of(&place).and(Outcome::of(&live)).and(Outcome::from(source))
}

fn deletion_vectors() -> Vec<Vec<u8>> {
    let of = |rows: &[u64]| {
        let mut vector = KernelDeletionVector::new();
        vector.add_deleted_row_indexes(rows.iter().copied());
        let mut file = Vec::new();
        let mut writer = StreamingDeletionVectorWriter::new(&mut file);
        writer.write_deletion_vector(vector).unwrap();
        writer.finalize().unwrap();
        // Behind the version of the file.
        [&[0, rows.len() as u8], &file[1..]].concat()
    };
    let many: Vec<u64> = (0..90).collect();
    let inline = b"\x01\x06^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L";
    vec![of(&[3]), of(&[1, 2, 50]), of(&many), inline.to_vec()]
}

/// Statistics of a file, over columns of every type.
pub(crate) const STATISTICS: Target = Target {
    name: "statistics",
    grammar: Grammar::Text,
    growth_bytes_max: GROWTH_BYTES_MAX,
    run: statistics,
    seeds: statistics_seeds,
};

fn statistics(bytes: &[u8]) -> Outcome {
    thread_local! {
        static SCHEMA: TableSchema = schema_of(columns());
    }
    let file = DataFile { stats_json: Some(String::from_utf8_lossy(bytes).into()), ..file(1 << 30) };
    SCHEMA.with(|schema| {
        let schema = Arc::new(schema.clone());
        let bounds = FileBounds::new(&file, &schema);
        let paths = schema.logical.fields().iter().map(|field| match field.data_type() {
            DataType::Struct(fields) => vec![field.name().clone(), fields[0].name().clone()],
            _ => vec![field.name().clone()],
        });
        let known = paths.map(|path| {
            let known = bounds.column(&path).unwrap_or_default();
            let values = [Scalar::Integer(1), Scalar::Text("x".to_owned()), Scalar::Float(f64::NAN)];
            let compare = |value| Predicate::Compare { column: path.clone(), op: CompareOp::LessOrEqual, value };
            let parts = values.map(|value| {
                let request = ScanRequest { projection: vec![0], row_id: false, predicate: compare(value) };
                plan(&index(file.clone()), &schema, &request, std::num::NonZeroUsize::MIN).parts.len()
            });
            (known.min.is_some(), known.max.is_some(), parts)
        });
        Outcome::from(known.collect::<Vec<_>>()).and(Outcome::from(row_count(&index(file.clone())).is_some()))
    })
}

/// One column of each type, called by it.
fn columns() -> Schema {
    let utc = || Some("UTC".into());
    let mut types = vec![
        DataType::Boolean,
        DataType::Int8,
        DataType::Int64,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(38, 10),
        DataType::Utf8,
        DataType::Binary,
        DataType::Date32,
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(TimeUnit::Microsecond, utc()),
    ];
    types.push(DataType::Struct(Fields::from(vec![Field::new("x", DataType::Decimal128(5, 5), true)])));
    Schema::new(types.into_iter().enumerate().map(|(at, t)| Field::new(format!("c{at}"), t, true)).collect::<Vec<_>>())
}

fn statistics_seeds() -> Vec<Vec<u8>> {
    let values = r#"{"c0":true,"c1":-128,"c2":9223372036854775807,"c3":0.1,"c4":1.5e300,"c5":-1.0000000001,"c6":"a\u00fc",
        "c7":"x","c8":"2024-01-01","c9":"2024-01-01T10:00:00.123","c10":"2024-01-01T10:00:00.123Z","c11":{"x":0.12345}}"#;
    let nulls = r#"{"c0":0,"c1":7,"c2":1,"c11":{"x":2}}"#;
    let all = format!(
        r#"{{"numRecords":7,"minValues":{values},"maxValues":{values},"nullCount":{nulls},"tightBounds":true}}"#
    );
    vec![all.into_bytes(), br#"{"numRecords":0}"#.to_vec(), b"{}".to_vec()]
}

/// Partition values, each as one of every type.
pub(crate) const PARTITION_VALUES: Target = Target {
    name: "partition_values",
    grammar: Grammar::Text,
    growth_bytes_max: GROWTH_BYTES_MAX,
    run: partition_value,
    seeds: partition_values,
};

fn partition_value(bytes: &[u8]) -> Outcome {
    let value = String::from_utf8_lossy(bytes).into_owned();
    let file = DataFile { partition_values: BTreeMap::from([("p".to_owned(), Some(value.clone()))]), ..file(1) };
    let fields = columns();
    let of_type = fields.fields().iter().map(|field| {
        let constant = Constant::partition_column(&file, "p", field, field);
        constant.and_then(|mut constant| constant.repeat(3)).map(|array| array.len()).ok()
    });
    let outcome = Outcome::from(of_type.collect::<Vec<_>>());
    let number = text::DecimalText::parse(&value).map(|number| number.at_scale(10).is_some());
    outcome.and(Outcome::from((text::has_offset(&value), text::date(&value).is_some(), number)))
}

fn partition_values() -> Vec<Vec<u8>> {
    [
        "true",
        "-128",
        "1.5e-3",
        "12.340",
        "NaN",
        "2024-01-01",
        "2024-01-01 10:00:00.123456",
        "2024-01-01T10:00:00Z",
        "ü",
        "",
    ]
    .map(|value| value.as_bytes().to_vec())
    .into()
}
