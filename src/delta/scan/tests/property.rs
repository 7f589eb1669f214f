//! Random predicates over random files: no wanted row is lost, none comes twice, none that is not wanted comes.

use std::collections::BTreeMap;

use arrow::{
    array::{Array, AsArray, RecordBatch, UInt64Array},
    compute::{concat_batches, interleave, take_record_batch},
    datatypes::{Int32Type, Int64Type},
};
use object_store::path::Path;
use parquet::{
    basic::Compression,
    file::properties::{EnabledStatistics, WriterProperties, WriterVersion},
};

use super::{
    data::{Random, batch, predicate, stats_json},
    fixture::Fixture,
    oracle::satisfying,
};
use crate::delta::{
    file::DataFile,
    scan::{file_bounds::FileBounds, prune::may_match},
};
use crate::engine::{Predicate, ReadUnit, RowId, ScanRequest};

fn properties(random: &mut Random, rows: usize) -> WriterProperties {
    use EnabledStatistics::{Chunk, None, Page};
    WriterProperties::builder()
        .set_max_row_group_row_count(Some(1 + random.below(rows)))
        .set_data_page_row_count_limit(1 + random.below(60))
        .set_write_batch_size(1 + random.below(16))
        .set_statistics_enabled(random.pick(&[Page, Page, Chunk, None]))
        .set_statistics_truncate_length(random.pick(&[Option::None, Some(4), Some(64)]))
        .set_column_index_truncate_length(random.pick(&[Option::None, Some(4), Some(64)]))
        .set_offset_index_disabled(random.one_in(4))
        .set_dictionary_enabled(random.one_in(2))
        .set_writer_version(random.pick(&[WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0]))
        .set_compression(random.pick(&[Compression::UNCOMPRESSED, Compression::SNAPPY]))
        .build()
}

/// A table of a few files, and the rows of each that are not deleted.
pub(super) fn table(random: &mut Random) -> (Fixture, Vec<RecordBatch>, Vec<Vec<u64>>) {
    let batches: Vec<_> = (0..1 + random.below(3))
        .map(|_| {
            let rows = 1 + random.below(400);
            batch(random, rows)
        })
        .collect();
    let mut fixture = Fixture::of(&batches[0]);
    fixture.remote = random.one_in(3);
    let mut deleted = Vec::new();
    for batch in &batches {
        let one_in = random.pick(&[2, 40, 500]);
        let rows: Vec<u64> = (0..batch.num_rows() as u64).filter(|_| random.one_in(one_in)).collect();
        let written = fixture.write(batch, properties(random, batch.num_rows()));
        let written = if random.one_in(4) { written } else { written.stats(&stats_json(batch, random.one_in(2))) };
        deleted.push(match random.below(3) {
            0 => vec![],
            1 => {
                written.deleted_inline(&rows);
                rows
            }
            _ => {
                written.deleted_by_file(&rows);
                rows
            }
        });
    }
    (fixture, batches, deleted)
}

/// Reads every part of a plan, or every slice of every file, and sorts the rows by their ids.
async fn rows_by_id(fixture: &Fixture, random: &mut Random, request: &ScanRequest) -> Option<RecordBatch> {
    let parts: Vec<Vec<ReadUnit>> = if random.one_in(2) {
        let parts_max = 1 + random.below(4);
        fixture.plan(request, parts_max).parts.into_iter().map(|part| part.units).collect()
    } else {
        let slices = 1 + random.below(5) as u32;
        let files = 0..fixture.files.len() as u32;
        files.flat_map(|file| (0..slices).map(move |slice| vec![ReadUnit { file, slice, slices }])).collect()
    };
    let mut batches = Vec::new();
    for units in parts {
        let mut progress = 0.0;
        for batch in fixture.read(request, &units).await.unwrap() {
            assert!(batch.progress >= progress && batch.progress <= 1.0);
            progress = batch.progress;
            batches.push(batch.rows);
        }
        assert!(progress == 0.0 || progress == 1.0, "the last batch is the end");
    }
    let rows = concat_batches(&batches.first()?.schema(), &batches).unwrap();
    let ids = ids(&rows);
    let mut order: Vec<u64> = (0..rows.num_rows() as u64).collect();
    order.sort_by_key(|row| ids[*row as usize]);
    Some(take_record_batch(&rows, &UInt64Array::from(order)).unwrap())
}

pub(super) fn ids(rows: &RecordBatch) -> Vec<RowId> {
    let id = rows.column_by_name("rowid").unwrap().as_struct();
    let (version, file) = (id.column(0).as_primitive::<Int64Type>(), id.column(1).as_primitive::<Int32Type>());
    let position = id.column(2).as_primitive::<Int64Type>();
    let id = |row| RowId { version: version.value(row), file: file.value(row), position: position.value(row) };
    (0..rows.num_rows()).map(id).collect()
}

async fn check(seed: u64, unknown: bool) {
    let mut random = Random(seed);
    let (fixture, batches, deleted) = table(&mut random);
    for _ in 0..8 {
        let about = random.below(batches.len());
        let predicate = predicate(&mut random, &batches[about], 2, unknown);
        let columns = batches[0].num_columns();
        let keep_one_in = random.pick(&[1, 3, 100]);
        let projection: Vec<usize> = (0..columns).filter(|_| random.one_in(keep_one_in)).collect();
        let request = ScanRequest { projection: projection.clone(), row_id: true, predicate: predicate.clone() };
        let found = rows_by_id(&fixture, &mut random, &request).await;
        let found_ids = found.as_ref().map(ids).unwrap_or_default();

        let mut wanted = Vec::new();
        for (file, (batch, deleted)) in batches.iter().zip(&deleted).enumerate() {
            let rows = satisfying(&predicate, batch).into_iter().filter(|row| !deleted.contains(row));
            wanted.extend(rows.map(|row| RowId { version: 7, file: file as i32, position: row as i64 }));
        }
        let context = format!("seed {seed}: {predicate:?}");
        if unknown {
            let lost: Vec<_> = wanted.iter().filter(|id| !found_ids.contains(id)).collect();
            assert!(lost.is_empty(), "{context}: lost {lost:?}");
            assert!(found_ids.is_sorted_by(|a, b| a < b), "{context}: a row came twice");
            assert!(found_ids.iter().all(|id| !deleted[id.file as usize].contains(&(id.position as u64))));
        } else {
            assert_eq!(found_ids, wanted, "{context}");
        }

        let Some(found) = found else { continue };
        let schema = found.schema();
        for (at, index) in projection.iter().enumerate() {
            let whole: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(*index).as_ref()).collect();
            let places: Vec<_> = found_ids.iter().map(|id| (id.file as usize, id.position as usize)).collect();
            assert_eq!(found.column(at), &interleave(&whole, &places).unwrap(), "{context}");
            assert_eq!(schema.field(at), batches[0].schema().field(*index));
        }

        let counted = ScanRequest { projection: vec![], row_id: false, predicate };
        let parts = fixture.plan(&counted, 3).parts;
        let mut count = 0;
        for part in parts {
            count += fixture.rows(&counted, &part.units).await.unwrap().num_rows();
        }
        assert!(if unknown { count >= wanted.len() } else { count == wanted.len() }, "{context}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_the_wanted_rows_come() {
    for seed in 0..40 {
        check(seed, false).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_understood_loses_no_row() {
    for seed in 1000..1020 {
        check(seed, true).await;
    }
}

/// A few rows, so that bounds are close and a wrong one shows.
#[test]
fn the_log_rules_out_no_wanted_row() {
    let mut random = Random(5);
    let all = batch(&mut random, 3000);
    let schema = Fixture::of(&all).schema;
    let mut ruled_out = 0;
    for _ in 0..6000 {
        let length = 1 + random.below(4);
        let rows = all.slice(random.below(all.num_rows() - length), length);
        let near = all.slice(random.below(all.num_rows() / 100) * 100, 100);
        let about = if random.one_in(2) { &rows } else { &near };
        let predicate = predicate(&mut random, about, 1, false);
        let file = DataFile {
            path: Path::from("f"),
            log_path: None,
            size_bytes: 1,
            partition_values: BTreeMap::new(),
            stats_json: Some(stats_json(&rows, random.one_in(2)).into()),
            deletion_vector: None,
            ..DataFile::default()
        };
        let kept = may_match(&predicate, &FileBounds::new(&file, &schema));
        ruled_out += usize::from(!kept);
        let wanted = satisfying(&predicate, &rows);
        assert!(kept || wanted.is_empty(), "{predicate:?} in {:?}", file.stats_json);
    }
    assert!(ruled_out > 1000, "bounds are of use");
}

#[test]
fn the_generator_makes_telling_cases() {
    let mut random = Random(1);
    let rows = batch(&mut random, 500);
    let telling = (0..200).filter(|_| {
        let predicate: Predicate = predicate(&mut random, &rows, 2, false);
        let count = satisfying(&predicate, &rows).len();
        count > 0 && count < 500
    });
    assert!(telling.count() > 80);
}
