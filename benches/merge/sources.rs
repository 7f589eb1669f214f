//! Sources made of the table's own rows.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, RecordBatch, StringArray},
    compute::{concat_batches, filter_record_batch},
    datatypes::{DataType, Decimal128Type, Field, Int32Type, Int64Type, Schema},
};

use super::{
    statements::Statement,
    tables::{NEW_KEYS, Shape, shifted},
};

/// The rows a statement is about: the same ones in every run, all over the table.
pub(crate) fn source(shape: Shape, statement: Statement, batches: &[RecordBatch]) -> Vec<RecordBatch> {
    let one_in = |share: u64, number: u64| picked(shape, batches, share, number);
    match statement {
        Statement::Update => vec![raised(shape, &one_in(20, 3))],
        Statement::Delete => {
            let rows = one_in(100, 5);
            let places: Vec<_> = (0..shape.keys().len()).map(|key| place(&rows, shape.keys()[key])).collect();
            vec![rows.project(&places).expect("its columns")]
        }
        Statement::Upsert | Statement::Insert => {
            vec![raised(shape, &one_in(200, 7)), shifted(&raised(shape, &one_in(200, 11)), NEW_KEYS)]
        }
        Statement::Cdc => vec![
            with_op(&raised(shape, &one_in(300, 13)), "u"),
            with_op(&one_in(300, 17), "d"),
            with_op(&shifted(&one_in(300, 19), NEW_KEYS), "i"),
        ],
    }
}

/// One row in so many, by a hash of its key.
fn picked(shape: Shape, batches: &[RecordBatch], share: u64, number: u64) -> RecordBatch {
    let picked = batches.iter().map(|batch| {
        let keys = batch.column(0).as_primitive::<Int64Type>().values();
        let lines = (shape == Shape::Lineitem).then(|| batch.column(place(batch, "l_linenumber")));
        let lines = lines.map(|lines| lines.as_primitive::<Int32Type>().values().to_vec());
        let chosen = keys.iter().enumerate().map(|(row, key)| {
            let line = lines.as_ref().map_or(0, |lines| lines[row] as u64);
            let mixed = (*key as u64 * 8 + line).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (mixed ^ (mixed >> 32)) % (share * 100) / 100 == number
        });
        let chosen: BooleanArray = chosen.map(Some).collect();
        filter_record_batch(batch, &chosen).expect("a mask of its length")
    });
    let picked: Vec<_> = picked.collect();
    concat_batches(&batches[0].schema(), &picked).expect("one schema")
}

/// Every amount is a cent more.
fn raised(shape: Shape, batch: &RecordBatch) -> RecordBatch {
    let place = place(batch, shape.amount());
    let column = batch.column(place);
    let more: Decimal128Array = column
        .as_primitive::<Decimal128Type>()
        .unary::<_, Decimal128Type>(|cents| cents + 1)
        .with_data_type(column.data_type().clone());
    let mut columns = batch.columns().to_vec();
    columns[place] = Arc::new(more) as ArrayRef;
    RecordBatch::try_new(batch.schema(), columns).expect("the same types")
}

fn with_op(batch: &RecordBatch, op: &str) -> RecordBatch {
    let ops: ArrayRef = Arc::new(StringArray::from_iter_values((0..batch.num_rows()).map(|_| op)));
    let schema = batch.schema();
    let fields = schema.fields().iter().cloned().chain([Arc::new(Field::new("op", DataType::Utf8, true))]);
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let columns = batch.columns().iter().cloned().chain([ops]).collect();
    RecordBatch::try_new(Arc::new(schema), columns).expect("columns of one length")
}

fn place(batch: &RecordBatch, name: &str) -> usize {
    batch.schema().index_of(name).expect("a column of TPC-H's")
}
