use std::{
    fs,
    io::{self, Write},
    ops::Range,
};

use arrow::{
    array::{Array, AsArray, Int32Array, ListArray, StructArray},
    datatypes::{DataType, Int32Type, Int64Type},
};

use super::{super::spill::Spill, *};
use crate::{engine::Error, protocol::golden::Noise};

/// Rows of all sorts of columns, some of them NULL, numbered in the first.
fn rows(range: Range<usize>) -> RecordBatch {
    let texts: Vec<String> = range.map(|row| row.to_string()).collect();
    let all: Vec<Option<&str>> = texts.iter().map(|text| Some(text.as_str())).collect();
    let some: Vec<Option<&str>> = all.iter().map(|text| text.filter(|text| !text.ends_with('3'))).collect();
    let mut columns = vec![column("id", "BIGINT", &all)];
    for ty in ["VARCHAR", "BLOB", "DECIMAL(20,3)", "HUGEINT", "DOUBLE", "UTINYINT"] {
        let some: Vec<_> = some.iter().map(|text| if ty == "UTINYINT" { text.map(|_| "7") } else { *text }).collect();
        columns.push(column(&ty.to_lowercase(), ty, &some));
    }
    let dates: Vec<_> = some.iter().map(|text| text.map(|_| "1992-02-29 01:02:03")).collect();
    columns.extend(["DATE", "TIMESTAMP", "TIMESTAMPTZ"].map(|ty| column(&ty.to_lowercase(), ty, &dates)));
    columns.push(column("interval", "INTERVAL", &some.iter().map(|text| text.map(|_| "1 month")).collect::<Vec<_>>()));
    columns.push(column("bool", "BOOLEAN", &some.iter().map(|text| text.map(|_| "true")).collect::<Vec<_>>()));
    let lists = some.iter().map(|text| text.map(|text| vec![text.parse().ok(), None, Some(1)]));
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(lists);
    let structs = StructArray::from(vec![
        (Arc::new(Field::new("l", lists.data_type().clone(), true)), Arc::new(lists.clone()) as ArrayRef),
        (Arc::new(Field::new("v", DataType::Utf8, true)), columns[1].1.clone()),
    ]);
    columns.push((Field::new("struct", structs.data_type().clone(), true), Arc::new(structs)));
    batch(columns)
}

/// As the wire has them: small batches, parts of larger ones.
fn batches(count: usize) -> Vec<RecordBatch> {
    let all = rows(0..count);
    (0..count).step_by(100).map(|row| all.slice(row, 100.min(count - row))).collect()
}

fn ids(batch: &RecordBatch) -> Vec<u64> {
    batch.column(0).as_primitive::<Int64Type>().values().iter().map(|id| *id as u64).collect()
}

/// The same, but for the names of fields in nested columns.
fn assert_same(found: &RecordBatch, expected: &RecordBatch) {
    assert_eq!(found.num_rows(), expected.num_rows());
    for (found, expected) in found.columns().iter().zip(expected.columns()) {
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn rows_come_back_in_order_from_memory_and_from_files() {
    let directory = tempfile::tempdir().unwrap();
    let batches = batches(3000);
    let expected = rows(0..3000);
    for (bytes, in_memory) in [(PLENTY, true), (64 << 10, false), (1, false)] {
        let memory = MemoryBudget::new(bytes);
        let kept = spooled(&batches, &memory, directory.path()).await.unwrap();
        assert_eq!(memory.available() < bytes, in_memory, "what is in a file takes no memory");
        assert_eq!((kept.len(), kept.schema()), (3000, batches[0].schema_ref()));
        assert_same(&whole(&kept), &expected);
        assert_eq!(kept.starts().len(), kept.batches().len() + 1);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "files have no names");
        drop(kept);
        assert_eq!(memory.available(), bytes);
    }
}

#[tokio::test]
async fn small_batches_become_larger_ones_with_buffers_of_their_own() {
    let batches = batches(3000);
    let kept = spooled(&batches, &MemoryBudget::new(PLENTY), "").await.unwrap();
    assert_eq!(kept.batches().len(), 1);
    let memory = MemoryBudget::new(PLENTY);
    let part = rows(0..100_000).slice(50_000, 10);
    let kept = spooled(&[part], &memory, "").await.unwrap();
    assert!(PLENTY - memory.available() < 10_000, "what a row is a part of is not kept");
    assert_eq!(ids(&whole(&kept)), (50_000..50_010).collect::<Vec<_>>());
}

#[tokio::test]
async fn half_of_the_memory_is_left_to_the_index() {
    let directory = tempfile::tempdir().unwrap();
    let memory = MemoryBudget::new(1 << 20);
    let held = memory.reserve_up_to(600 << 10, 0);
    let kept = spooled(&batches(300), &memory, directory.path()).await.unwrap();
    assert_eq!(memory.available(), memory.bytes_max() - held.bytes());
    assert_same(&whole(&kept), &rows(0..300));
}

#[tokio::test]
async fn any_rows_are_taken_in_any_order() {
    let directory = tempfile::tempdir().unwrap();
    let (batches, expected) = (batches(2000), rows(0..2000));
    let mut noise = Noise::new(1);
    for bytes in [PLENTY, 64 << 10] {
        let kept = spooled(&batches, &MemoryBudget::new(bytes), directory.path()).await.unwrap();
        for round in 0..40 {
            let mut wanted: Vec<u64> = (0..noise.below(300)).map(|_| noise.below(2000) as u64).collect();
            if round % 2 == 0 {
                wanted.sort_unstable();
            }
            let columns: Vec<usize> = (0..expected.num_columns()).filter(|_| noise.below(3) > 0).collect();
            let taken = kept.take(&columns, &wanted).unwrap();
            let numbers = arrow::array::UInt64Array::from(wanted.clone());
            let expected = arrow::compute::take_record_batch(&expected.project(&columns).unwrap(), &numbers).unwrap();
            assert_eq!(taken.schema(), expected.schema());
            assert_same(&taken, &expected);
        }
        assert_eq!(kept.take(&[], &[5, 5, 1]).unwrap().num_rows(), 3);
        assert_eq!(kept.take(&[0, 1], &[]).unwrap().num_columns(), 2);
        assert!(matches!(kept.take(&[0], &[1, 2000]), Err(Error::Internal { .. })));
        assert!(matches!(kept.take(&[99], &[1]), Err(Error::Internal { .. })));
    }
}

#[tokio::test]
async fn rows_are_read_in_slices() {
    let kept = Arc::new(spooled(&batches(1000), &MemoryBudget::new(64 << 10), std::env::temp_dir()).await.unwrap());
    assert!(kept.batches().len() > 1);
    let slices: Vec<_> = Arc::clone(&kept).slices(64).collect();
    assert!(slices.iter().all(|slice| (1..=64).contains(&slice.num_rows())));
    assert_eq!(slices.iter().flat_map(ids).collect::<Vec<_>>(), (0..1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn no_rows_are_no_batches() {
    let none = rows(0..0);
    let kept = spooled(&[none.clone(), none], &MemoryBudget::new(0), "/nowhere").await.unwrap();
    assert_eq!((kept.len(), kept.batches().len(), kept.starts()), (0, 0, &[0][..]));
    assert_eq!(kept.take(&[0], &[]).unwrap().num_rows(), 0);
    assert!(kept.take(&[0], &[0]).is_err());
    assert_eq!(Arc::new(kept).slices(5).count(), 0);
}

#[tokio::test]
async fn other_columns_are_refused() {
    let mut spool = Spool::new(rows(0..0).schema(), MemoryBudget::new(PLENTY), PathBuf::new());
    let other = batch(vec![(Field::new("id", DataType::Int32, true), Arc::new(Int32Array::from(vec![1])))]);
    let Err(Error::InvalidArgument(text)) = spool.push(other).await else { panic!() };
    assert!(text.starts_with("the rows have other columns: "), "{text}");
}

#[test]
fn more_text_than_an_array_holds_is_refused() {
    let long = "x".repeat(16 << 20);
    let source = kept(&[batch(vec![column("s", "VARCHAR", &[Some(&long)])])]);
    let Err(Error::ResourceExhausted(text)) = source.take(&[0], &[0; 200]) else { panic!() };
    assert_eq!(text, "the values of 200 rows of the source are too long");
}

#[tokio::test]
async fn a_directory_that_takes_nothing_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for unusable in [directory.path().join("absent"), file, PathBuf::from("/proc")] {
        let error = spooled(&batches(100), &MemoryBudget::new(1), unusable.clone()).await.unwrap_err();
        let Error::ResourceExhausted(text) = error else { panic!("{error:?}") };
        let start = "rows of the MERGE do not fit its memory (--merge-memory-mib-max) and cannot be written to ";
        assert!(text.starts_with(&format!("{start}{} (--spill-directory): ", unusable.display())), "{text}");
    }
}

/// A disk that is full after some bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_ends_it_wherever_it_fails() {
    let directory: Arc<std::path::Path> = Arc::from(std::path::Path::new("/spilled"));
    let (mut batches, mut ends) = (batches(2000), [0; 3]);
    batches.truncate(10);
    for bytes in (0..900_000).step_by(30_000) {
        let file = tempfile::tempfile().unwrap();
        let spill = Spill::over(file, Box::new(Full(bytes)), &directory, batches[0].schema_ref());
        let written = spill.and_then(|mut spill| {
            batches.iter().try_for_each(|batch| spill.write(batch))?;
            Ok(spill)
        });
        let error = match written {
            Ok(spill) => match spill.finish() {
                Err(Error::Internal { .. }) => {
                    ends[2] += 1; // all was taken, and is not there
                    continue;
                }
                ended => {
                    ends[1] += 1;
                    ended.err()
                }
            },
            Err(error) => {
                ends[0] += 1;
                Some(error)
            }
        };
        let Some(Error::ResourceExhausted(text)) = error else { panic!("{error:?}") };
        assert!(text.contains("/spilled (--spill-directory)"), "{text}");
    }
    assert!(ends[0] > 0 && ends[2] > 0, "{ends:?}");
}

#[tokio::test]
async fn a_call_that_was_given_up_leaves_no_spool() {
    let mut spool = Spool::new(rows(0..0).schema(), MemoryBudget::new(1), PathBuf::from("/nowhere"));
    spool.push(rows(0..10)).await.unwrap();
    assert!(spool.push(rows(0..10)).await.is_err());
    assert!(matches!(spool.finish().await, Err(Error::Internal { .. })), "rows are missing");
}
