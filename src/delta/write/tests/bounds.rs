//! Memory stays within its bounds whatever comes.

use super::*;

#[tokio::test]
async fn tiny_batches_of_a_long_stream_are_encoded_within_the_budget() {
    let mut table = Fixture::new(vec![field("id", DataType::Int64), field("text", DataType::Utf8)], &[]);
    table.limits.chunk_rows = 4096;
    table.limits.chunk_bytes = 256 << 10;
    table.limits.encoding_bytes = 1 << 20;
    table.limits.row_group_rows = 50_000;
    let mut append = table.begin();
    let budget = Arc::clone(&append.stage.budget);
    let mut batches = 0;
    for start in (0..300_000i64).step_by(250) {
        let ids = Int64Array::from_iter_values(start..start + 250);
        let texts = StringArray::from_iter_values((start..start + 250).map(|id| format!("row number {id}")));
        append.write(table.batch(vec![Arc::new(ids), Arc::new(texts)])).await.unwrap();
        batches += 1;
    }
    append.commit().await.unwrap();
    assert_eq!(batches, 1200);
    assert_eq!(table.adds().iter().map(|add| table.read(add).num_rows()).sum::<usize>(), 300_000);
    assert!(budget.peak_bytes() > 0);
    assert!(budget.peak_bytes() <= 1 << 20, "{} bytes on their way to the cores", budget.peak_bytes());
}

#[tokio::test]
async fn a_batch_larger_than_every_bound_goes_through() {
    let mut table = Fixture::new(vec![field("p", DataType::Int64), field("text", DataType::Utf8)], &["p"]);
    table.limits.chunk_bytes = 100;
    table.limits.encoding_bytes = 100;
    table.limits.partition_bytes = 100;
    table.limits.encoded_bytes = 100;
    table.limits.open_files = 1;
    table.limits.row_group_bytes = 100;
    table.limits.file_bytes = 100;
    let partitions = Int64Array::from_iter_values((0..1000).map(|row| row % 7));
    let texts = StringArray::from_iter_values((0..1000).map(|row| format!("{row}").repeat(20)));
    let batch = table.batch(vec![Arc::new(partitions), Arc::new(texts)]);
    let adds = table.append(vec![batch.clone(), batch]).await;
    assert_eq!(adds.iter().map(|add| table.read(add).num_rows()).sum::<usize>(), 2000);
}

#[tokio::test]
async fn many_partitions_share_the_files_that_may_be_open() {
    let mut table = Fixture::new(vec![field("p", DataType::Int64), field("id", DataType::Int64)], &["p"]);
    table.limits.open_files = 8;
    let rows = 5000;
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row * 7919 % 500)));
    let adds = table.append(vec![table.batch(vec![Arc::clone(&column), column])]).await;
    assert_eq!(adds.len(), 500, "rows wait for others of their partition");
    assert!(adds.iter().all(|add| stats(add)["numRecords"] == 10));
}

#[tokio::test]
async fn a_caller_that_stops_waiting_loses_no_rows() {
    let mut table = Fixture::new(vec![field("id", DataType::Int64)], &[]);
    table.limits.chunk_rows = 1000;
    table.limits.queue_chunks = 1;
    // The encoder waits for every chunk, so the queue fills up.
    table.limits.encoding_bytes = 1;
    let mut append = table.begin();
    let mut given_up = 0;
    for start in (0..200_000i64).step_by(1000) {
        let batch = table.batch(vec![Arc::new(Int64Array::from_iter_values(start..start + 1000))]);
        given_up += i32::from(futures::poll!(append.write(batch)).is_pending());
    }
    append.commit().await.unwrap();
    assert!(given_up > 0, "the queue was never full");
    let read = table.read(&table.adds()[0]);
    let want: ArrayRef = Arc::new(Int64Array::from_iter_values(0..200_000));
    assert_eq!(read.column(0), &want);
}
