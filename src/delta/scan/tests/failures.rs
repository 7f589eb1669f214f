//! Bad files and bad requests are errors that name what is bad.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use delta_kernel::actions::deletion_vector::DeletionVectorDescriptor;
use parquet::file::properties::WriterProperties;

use super::{data::Random, fixture::Fixture};
use crate::{
    delta::scan::read,
    engine::{Error, Predicate, ReadPart, ReadUnit, ScanRequest},
};

fn rows(count: i64) -> RecordBatch {
    let text: StringArray = (0..count).map(|row| Some(format!("text {row}"))).collect();
    let numbers = Int64Array::from_iter_values(0..count);
    RecordBatch::try_from_iter([("n", Arc::new(numbers) as _), ("t", Arc::new(text) as _)]).unwrap()
}

fn names_file(error: &Error, file: usize) -> bool {
    let path = format!("part-{file:05}.parquet");
    match error {
        Error::Internal { context, .. } => context.contains(&path),
        Error::FailedPrecondition(text) => text.contains(&path) && text.contains("is gone"),
        _ => false,
    }
}

#[tokio::test]
async fn units_and_columns_that_do_not_exist_are_refused_at_once() {
    let mut fixture = Fixture::of(&rows(1));
    fixture.write(&rows(1), WriterProperties::new());
    let request = fixture.all(Predicate::Unknown);
    for (file, slice, slices, why) in [
        (1, 0, 1, "there is no file 1; version 7 has 1"),
        (u32::MAX, 0, 1, "there is no file 4294967295"),
        (0, 0, 0, "there is no slice 0 of 0"),
        (0, 1, 1, "there is no slice 1 of 1"),
        (0, 5, 4, "there is no slice 5 of 4"),
    ] {
        let part = ReadPart { units: vec![ReadUnit { file, slice, slices }] };
        let refused = read(fixture.source(), &request, &part).err().unwrap();
        assert!(matches!(&refused, Error::InvalidArgument(text) if text.starts_with(why)), "{why}: {refused}");
    }
    let request = ScanRequest { projection: vec![2], ..request };
    let refused = read(fixture.source(), &request, &ReadPart::default()).err().unwrap();
    assert!(matches!(refused, Error::InvalidArgument(_)));
}

#[tokio::test]
async fn absent_and_foreign_files_are_named() {
    for remote in [false, true] {
        let mut fixture = Fixture::of(&rows(1));
        fixture.remote = remote;
        fixture.write(&rows(9), WriterProperties::new());
        fixture.add(b"this is not Parquet");
        fixture.add(b"");
        std::fs::remove_file(fixture.path_of(0)).unwrap();
        for file in 0..3 {
            let unit = ReadUnit { file, slice: 0, slices: 1 };
            let error = fixture.rows(&fixture.all(Predicate::Unknown), &[unit]).await.unwrap_err();
            assert!(names_file(&error, file as usize), "{error}");
            assert_eq!(matches!(error, Error::FailedPrecondition(_)), file == 0, "{error}");
        }
    }
}

/// Whatever bytes change, the scan ends: in rows, or in an error that names the file.
#[tokio::test]
async fn corrupt_files_never_bring_the_process_down() {
    let mut intact = Fixture::of(&rows(1));
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(100)).build();
    intact.write(&rows(300), properties);
    let bytes = std::fs::read(intact.path_of(0)).unwrap();
    let mut random = Random(3);
    let mut errors = 0;
    for round in 0..150 {
        let mut corrupt = bytes.clone();
        match round % 3 {
            0 => corrupt.truncate(random.below(bytes.len())),
            // The footer, where lengths and offsets are; or anywhere.
            1 => (0..4).for_each(|_| {
                let at = bytes.len() - 8 - random.below(2000);
                corrupt[at] = random.next() as u8;
            }),
            _ => (0..20).for_each(|_| corrupt[random.below(bytes.len() - 8)] = random.next() as u8),
        }
        let mut fixture = Fixture::of(&rows(1));
        fixture.add(&corrupt);
        let predicate = Predicate::IsNull { column: vec!["t".into()], negated: true };
        if let Err(error) = fixture.scan(&fixture.all(predicate)).await {
            assert!(names_file(&error, 0), "{error}");
            errors += 1;
        }
    }
    assert!(errors > 80, "{errors}");
}

#[tokio::test]
async fn deletion_vectors_that_do_not_fit_are_refused() {
    let mut fixture = Fixture::of(&rows(1));
    fixture.write(&rows(9), WriterProperties::new()).deleted_inline(&[3, 9]);
    fixture.write(&rows(9), WriterProperties::new()).deleted_by_file(&[3]);
    let error = fixture.rows(&fixture.all(Predicate::Unknown), &[super::fixture::whole(0)]).await.unwrap_err();
    assert!(names_file(&error, 0), "row 9 of 9: {error}");

    let request = fixture.all(Predicate::Unknown);
    let unit = [super::fixture::whole(1)];
    assert_eq!(fixture.rows(&request, &unit).await.unwrap().num_rows(), 8);
    let file = Arc::make_mut(&mut fixture.files[1]);
    let vector = file.deletion_vector.clone().unwrap();
    file.deletion_vector = Some(DeletionVectorDescriptor { offset: Some(1000), ..vector });
    assert!(fixture.rows(&request, &unit).await.is_err(), "beyond the end of the vector's file");
}
