use arrow::{array::*, datatypes::FieldRef};

use super::*;
use crate::engine::{Error, Predicate, RowId, ScanRequest, row_id_field};

fn request(projection: &[usize], row_id: bool) -> ScanRequest {
    ScanRequest { projection: projection.to_vec(), row_id, predicate: Predicate::Unknown }
}

#[test]
fn column_ids_become_a_projection() {
    let table = orders();
    let projection = |ids: &[u64]| Projection::from_column_ids(ids, &table);
    let used = |columns: &[usize], row_id| Projection { columns: columns.to_vec(), row_id };
    assert_eq!(projection(&[]).unwrap(), used(&[], false));
    assert_eq!(projection(&[5, 0, 5, u64::MAX]).unwrap(), used(&[0, 5], true));
    assert_eq!(projection(&[u64::MAX - 1]).unwrap(), used(&[], false));
    for id in [6, 1 << 63, u64::MAX - 2] {
        let error = projection(&[id]).unwrap_err().to_string();
        assert_eq!(error, format!("column {id} was asked for and the table has 6"));
    }
}

#[test]
fn a_stream_has_every_column_in_its_place_and_only_those_asked_for_filled() {
    let shape = ScanShape::new(&orders(), &request(&[1], true)).unwrap();
    let types: Vec<_> = shape.schema().fields().iter().map(|field| field.data_type().is_null()).collect();
    assert_eq!(types, [true, false, true, true, true, true, false]);
    assert!(shape.schema().field(6).metadata().contains_key("is_rowid"));

    let ids: ArrayRef = new_null_array(&DataType::Struct(RowId::fields()), 0);
    let names: ArrayRef = Arc::new(StringArray::from(Vec::<&str>::new()));
    let fields: Vec<FieldRef> = vec![orders().fields()[1].clone(), Arc::new(row_id_field())];
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![names, ids]).unwrap();
    assert_eq!(shape.widen(&batch).unwrap().schema(), *shape.schema());
}

#[test]
fn columns_not_asked_for_take_no_bytes() {
    let shape = ScanShape::new(&orders(), &request(&[0], false)).unwrap();
    assert_eq!(shape.schema().fields().len(), 6, "no row id");
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1_000));
    let batch = RecordBatch::try_new(Arc::new(orders().project(&[0]).unwrap()), vec![ids]).unwrap();
    let wide = shape.widen(&batch).unwrap();
    assert_eq!(
        wide.get_array_memory_size(),
        batch.get_array_memory_size() + 5 * NullArray::new(1).get_array_memory_size()
    );
    assert_eq!(wide.column(5).len(), 1_000);
}

#[test]
fn a_batch_without_columns_keeps_its_row_count() {
    let shape = ScanShape::new(&orders(), &request(&[], false)).unwrap();
    let options = RecordBatchOptions::new().with_row_count(Some(7));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
    assert_eq!(shape.widen(&batch).unwrap().num_rows(), 7);
}

#[test]
fn requests_and_batches_that_do_not_fit_are_refused() {
    let error = ScanShape::new(&orders(), &request(&[6], false)).unwrap_err();
    assert_eq!(error.to_string(), "column 6 was asked for and the table has 6");
    let shape = ScanShape::new(&orders(), &request(&[0], false)).unwrap();
    let empty = RecordBatch::new_empty(Arc::new(Schema::empty()));
    assert!(matches!(shape.widen(&empty), Err(Error::Internal { .. })));
    let other = RecordBatch::new_empty(Arc::new(one_column(nullable("id", DataType::Utf8))));
    assert!(matches!(shape.widen(&other), Err(Error::Internal { .. })));
}
