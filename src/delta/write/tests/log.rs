//! What the log says of the files is what another reader of the log understands.

use deltalake_core::{DeltaTableBuilder, kernel::Action};
use object_store::ObjectStoreExt;
use serde_json::json;

use super::*;

/// Writes a log with one version that adds the files.
fn commit_by_hand(table: &Fixture, adds: Vec<Add>) {
    let fields = table.schema.logical.fields().iter().map(|field| {
        let name = match field.data_type() {
            DataType::Int64 => "long",
            DataType::Utf8 => "string",
            other => panic!("{other}"),
        };
        json!({"name": field.name(), "type": name, "nullable": true, "metadata": {}})
    });
    let schema = json!({"type": "struct", "fields": fields.collect::<Vec<_>>()}).to_string();
    let partition_columns = table.schema.partition_columns.iter().map(|&i| table.schema.logical.field(i).name());
    let mut lines = vec![
        json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}).to_string(),
        json!({"metaData": {"id": "0", "format": {"provider": "parquet", "options": {}}, "schemaString": schema,
            "partitionColumns": partition_columns.collect::<Vec<_>>(), "configuration": {}}})
        .to_string(),
    ];
    lines.extend(adds.into_iter().map(|add| serde_json::to_string(&Action::Add(add)).unwrap()));
    let log = table.root.path().join("_delta_log");
    fs::create_dir(&log).unwrap();
    fs::write(log.join("00000000000000000000.json"), lines.join("\n")).unwrap();
}

#[tokio::test]
async fn paths_lead_to_the_files_however_odd_the_partition() {
    let table = Fixture::new(vec![field("p q", DataType::Utf8), field("id", DataType::Int64)], &["p q"]);
    let odd = ["a b", "a/b%2F", "100%", "k=v", "ü日😀", "\"'#?:", "\n"];
    let odd: Vec<_> = odd.into_iter().map(Some).chain([None]).collect();
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..odd.len() as i64));
    let adds = table.append(vec![table.batch(vec![Arc::new(StringArray::from(odd.clone())), ids])]).await;
    commit_by_hand(&table, adds);
    let url = url::Url::from_directory_path(table.root.path()).unwrap();
    let opened = DeltaTableBuilder::from_url(url).unwrap().load().await.unwrap();
    let mut seen = Vec::new();
    for file in opened.snapshot().unwrap().log_data().iter() {
        let meta = opened.log_store().object_store(None).head(&file.object_store_path()).await.unwrap();
        assert_eq!(meta.size as i64, file.size());
        assert_eq!(file.num_records(), Some(1));
        seen.push(file.path().into_owned());
    }
    assert_eq!(seen.len(), odd.len());
}
