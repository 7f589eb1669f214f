use arrow::{array::*, compute::cast, datatypes::*};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::*,
    file::properties::*,
    schema::types::ColumnPath,
};
use std::{fs::File, sync::Arc, time::Instant};
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
fn main() {
    let f = File::open("/work/client/tpch-sf1/lineitem.parquet").unwrap();
    let r = ParquetRecordBatchReaderBuilder::try_new(f)
        .unwrap()
        .with_batch_size(std::env::var("BS").ok().map_or(2048, |s| s.parse().unwrap()))
        .build()
        .unwrap();
    let batches: Vec<RecordBatch> = r
        .map(|b| {
            let b = b.unwrap();
            let cols: Vec<ArrayRef> =
                b.columns()
                    .iter()
                    .map(|c| {
                        if *c.data_type() == DataType::Utf8View { cast(c, &DataType::Utf8).unwrap() } else { c.clone() }
                    })
                    .collect();
            let fields: Vec<Field> = b
                .schema()
                .fields()
                .iter()
                .zip(&cols)
                .map(|(f, c)| Field::new(f.name(), c.data_type().clone(), std::env::var("NN").is_err()))
                .collect();
            RecordBatch::try_new(Arc::new(Schema::new(fields)), cols).unwrap()
        })
        .collect();
    let rows: usize = batches.iter().map(|b| b.num_rows()).sum();
    println!("{rows} rows {:?}", batches[0].schema().field(0));
    let base =
        || WriterProperties::builder().set_compression(Compression::SNAPPY).set_max_row_group_row_count(Some(1 << 20));
    let ints = ["l_orderkey", "l_partkey", "l_suppkey", "l_extendedprice"];
    let mut confs: Vec<(String, WriterProperties)> = vec![];
    confs.push(("default snappy".into(), base().build()));
    confs.push(("chunk stats".into(), base().set_statistics_enabled(EnabledStatistics::Chunk).build()));
    confs.push(("uncompressed".into(), base().set_compression(Compression::UNCOMPRESSED).build()));
    confs.push(("lz4raw".into(), base().set_compression(Compression::LZ4_RAW).build()));
    confs.push(("zstd1".into(), base().set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap())).build()));
    for k in [16, 32, 64, 128, 256] {
        confs.push((format!("dict {k}K"), base().set_dictionary_page_size_limit(k << 10).build()));
    }
    confs.push(("no dict".into(), base().set_dictionary_enabled(false).build()));
    let mut b = base().set_dictionary_page_size_limit(128 << 10);
    b = b.set_column_dictionary_enabled(ColumnPath::from("l_comment"), false);
    for c in ints {
        b = b.set_column_dictionary_enabled(ColumnPath::from(c), false);
    }
    confs.push(("dict only low card".into(), b.build()));
    let mut b = base().set_dictionary_page_size_limit(128 << 10);
    b = b
        .set_column_dictionary_enabled(ColumnPath::from("l_comment"), false)
        .set_column_encoding(ColumnPath::from("l_comment"), Encoding::DELTA_LENGTH_BYTE_ARRAY);
    for c in ints {
        b = b
            .set_column_dictionary_enabled(ColumnPath::from(c), false)
            .set_column_encoding(ColumnPath::from(c), Encoding::DELTA_BINARY_PACKED);
    }
    confs.push(("low card dict + delta".into(), b.build()));
    confs.push((
        "nodict pagerows".into(),
        base()
            .set_dictionary_page_size_limit(128 << 10)
            .set_data_page_row_count_limit(20000)
            .set_write_batch_size(8192)
            .build(),
    ));
    confs.push((
        "wbs 64k d128".into(),
        base().set_dictionary_page_size_limit(128 << 10).set_write_batch_size(65536).build(),
    ));
    confs.push((
        "wbs 20k d128 20k".into(),
        base()
            .set_dictionary_page_size_limit(128 << 10)
            .set_data_page_row_count_limit(20000)
            .set_write_batch_size(20000)
            .build(),
    ));
    confs.push((
        "d128 nostats".into(),
        base().set_dictionary_page_size_limit(128 << 10).set_statistics_enabled(EnabledStatistics::None).build(),
    ));
    let only = std::env::args().nth(1);
    for (name, p) in confs {
        if let Some(o) = &only {
            if !name.contains(o.as_str()) {
                continue;
            }
        }
        let c0 = cpu();
        let t = Instant::now();
        let f = File::create("/dev/shm/enc.parquet").unwrap();
        let mut w = ArrowWriter::try_new(f, batches[0].schema(), Some(p)).unwrap();
        for b in &batches {
            w.write(b).unwrap();
        }
        w.close().unwrap();
        let c1 = cpu();
        let wall = t.elapsed();
        let size = std::fs::metadata("/dev/shm/enc.parquet").unwrap().len();
        let r = ParquetRecordBatchReaderBuilder::try_new(File::open("/dev/shm/enc.parquet").unwrap())
            .unwrap()
            .with_batch_size(8192)
            .build()
            .unwrap();
        let n: usize = r.map(|b| b.unwrap().num_rows()).sum();
        assert_eq!(n, rows);
        let c2 = cpu();
        println!(
            "{name:<24} write cpu {:.2} wall {:.2}  size {} MB  read cpu {:.2}",
            c1 - c0,
            wall.as_secs_f64(),
            size >> 20,
            c2 - c1
        );
    }
    if only.as_deref() == Some("cols") {
        return;
    }
    // per column cost with default props
    for i in 0..16 {
        let c0 = cpu();
        let schema = Arc::new(batches[0].schema().project(&[i]).unwrap());
        let mut w = ArrowWriter::try_new(std::io::sink(), schema.clone(), Some(base().build())).unwrap();
        for b in &batches {
            w.write(&b.project(&[i]).unwrap()).unwrap();
        }
        let m = w.close().unwrap();
        let sz: i64 = m.row_groups().iter().map(|r| r.column(0).compressed_size()).sum();
        println!(
            "{:<16} {:.2} {} KB enc {:?}",
            schema.field(0).name(),
            cpu() - c0,
            sz >> 10,
            m.row_group(0).column(0).encodings().collect::<Vec<_>>()
        );
    }
}
