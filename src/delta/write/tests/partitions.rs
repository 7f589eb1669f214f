//! Rows lie with their partition, under the name the log gives it.

use arrow::{
    array::{Array, AsArray},
    datatypes::Int64Type,
};

use super::*;

/// Splits by one column of the given values, and answers with what the log calls each partition and which rows
/// (by number) are in it.
async fn split(values: ArrayRef) -> (Fixture, BTreeMap<Option<String>, Vec<i64>>) {
    let table = Fixture::new(vec![field("p", values.data_type().clone()), field("id", DataType::Int64)], &["p"]);
    let ids = Int64Array::from_iter_values(0..values.len() as i64);
    table.append(vec![table.batch(vec![values, Arc::new(ids)])]).await;
    let adds = table.adds();
    let rows = adds.iter().map(|add| {
        let ids = table.read(add).column(0).as_primitive::<Int64Type>().values().to_vec();
        (add.partition_values["p"].clone(), ids)
    });
    let rows = rows.collect();
    (table, rows)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test]
async fn values_of_every_type_are_written_as_the_protocol_says() {
    let want: &[(&str, [&str; 2])] = &[
        ("bool", ["true", "false"]),
        ("i8", ["-128", "127"]),
        ("i16", ["-32768", "32767"]),
        ("i32", ["-2147483648", "2147483647"]),
        ("i64", ["-9223372036854775808", "9223372036854775807"]),
        ("f32", ["-1.5", "3.4028235E38"]),
        ("f64", ["0.1", "1.0E300"]),
        ("d1", ["-9", "9"]),
        ("d9", ["-123.45", "9999999.99"]),
        ("d18", ["-0.000000000000000005", "0.999999999999999999"]),
        ("d38", ["-9999999999999999999999999999.9999999999", "0.0000000005"]),
        ("text", ["naïve 😀", "a/b=c%20\"'"]),
        ("bytes", ["HELLO", "/=%"]),
        ("date", ["0001-01-01", "2022-01-08"]),
        ("utc", ["2023-11-14T22:13:20.123456Z", "1969-12-31T23:59:59.999999Z"]),
        ("ntz", ["2023-11-14 22:13:20.123456", "1969-12-31 23:59:59.999999"]),
    ];
    for ((field, values), (name, [first, second])) in primitives().into_iter().zip(want) {
        assert_eq!(field.name(), name);
        let (_, rows) = split(values).await;
        assert_eq!(rows, [(some(first), vec![0]), (None, vec![1]), (some(second), vec![2])].into(), "{name}");
    }
}

#[tokio::test]
async fn odd_characters_lie_in_escaped_directories() {
    let odd = ["a b", "a/b", "100%", "%2F", "k=v", "ü日😀", "\"q'", "..", ".", "\n\0", "x:y?z#", " "];
    let (table, rows) = split(Arc::new(StringArray::from(odd.to_vec()))).await;
    for (index, value) in odd.iter().enumerate() {
        assert_eq!(rows[&some(value)], [index as i64], "{value:?}");
    }
    assert_eq!(table.entries().len(), 2 * odd.len(), "one directory and one file each");
    assert!(table.root.path().join("p=a%2Fb").is_dir());
    assert!(table.root.path().join("p=%252F").is_dir());
}

#[tokio::test]
async fn a_tuple_of_columns_is_split_with_its_rows_in_order() {
    let mut table = Fixture::new(
        vec![field("a", DataType::Int32), field("id", DataType::Int64), field("b", DataType::Utf8)],
        &["b", "a"],
    );
    // Small bounds: partitions are relieved, files closed and opened again on the way.
    table.limits.chunk_rows = 64;
    table.limits.partition_bytes = 16 * 1024;
    table.limits.encoded_bytes = 64 * 1024;
    table.limits.open_files = 3;
    let mut random = Random(1);
    let mut want = BTreeMap::<(Option<String>, Option<String>), Vec<i64>>::new();
    let batches: Vec<_> = (0..100i64)
        .map(|batch| {
            let rows: Vec<_> = (0..50)
                .map(|row| {
                    let a = (random.below(4) > 0).then(|| i32::try_from(random.below(3)).unwrap());
                    let b = (random.below(4) > 0).then(|| format!("b{}", random.below(3)));
                    want.entry((b.clone(), a.map(|a| a.to_string()))).or_default().push(batch * 50 + row);
                    (a, batch * 50 + row, b)
                })
                .collect();
            table.batch(vec![
                Arc::new(rows.iter().map(|row| row.0).collect::<Int32Array>()),
                Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
                Arc::new(rows.iter().map(|row| row.2.clone()).collect::<StringArray>()),
            ])
        })
        .collect();
    let mut adds = table.append(batches).await;
    assert!(adds.len() > want.len(), "the bound on open files closes some early");
    adds.sort_by_key(|add| add.path.rsplit('/').next().unwrap().to_owned());
    let mut have = BTreeMap::<_, Vec<i64>>::new();
    for add in &adds {
        assert!(add.path.starts_with("b="), "directories follow the order of the partition columns: {}", add.path);
        let key = (add.partition_values["b"].clone(), add.partition_values["a"].clone());
        have.entry(key).or_default().extend(table.read(add).column(0).as_primitive::<Int64Type>().values());
    }
    assert_eq!(have, want);
    assert_eq!(table.committed_rows(), 5000);
}

#[tokio::test]
async fn values_that_would_not_come_back_are_refused_by_column() {
    let cases: Vec<(ArrayRef, &str)> = vec![
        (Arc::new(StringArray::from(vec!["x", ""])), "an empty string"),
        (Arc::new(BinaryArray::from(vec![&b""[..]])), "an empty binary"),
        (Arc::new(BinaryArray::from(vec![&b"\xFF"[..]])), "cannot hold a binary that is not UTF-8"),
        (Arc::new(Date32Array::from(vec![i32::MAX])), "a date outside the years 1 to 9999"),
        (Arc::new(TimestampMicrosecondArray::from(vec![i64::MAX])), "a timestamp outside the years 1 to 9999"),
    ];
    for (values, problem) in cases {
        let table =
            Fixture::new(vec![field("id", DataType::Int64), field("p q", values.data_type().clone())], &["p q"]);
        let ids = Int64Array::from_iter_values(0..values.len() as i64);
        let mut append = table.begin();
        append.write(table.batch(vec![Arc::new(ids), values])).await.unwrap();
        let error = append.commit().await.unwrap_err();
        assert!(
            matches!(&error, Error::InvalidArgument(text) if text.contains("partition column \"p q\" cannot hold") && text.contains(problem)),
            "{error}"
        );
        assert_eq!(table.entries(), [""; 0]);
    }
}

#[tokio::test]
async fn too_many_partitions_are_refused() {
    let mut table = Fixture::new(vec![field("p", DataType::Int64), field("id", DataType::Int64)], &["p"]);
    table.limits.partitions = 10;
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..11));
    let mut append = table.begin();
    append.write(table.batch(vec![Arc::clone(&ids), ids])).await.unwrap();
    let error = append.commit().await.unwrap_err();
    assert!(matches!(&error, Error::ResourceExhausted(text) if text.contains("10 partitions")), "{error}");
    assert_eq!(table.entries(), [""; 0]);
}

#[tokio::test]
async fn only_partition_columns_are_no_table() {
    let table = Fixture::new(vec![field("p", DataType::Int64)], &["p"]);
    let layout = super::super::layout::FileLayout::new(&table.schema, &table.stats_columns, FileNaming::DATA);
    assert!(matches!(layout, Err(Error::Unsupported(_))));
}
