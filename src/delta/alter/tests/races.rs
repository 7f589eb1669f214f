use super::*;

/// Tables as several processes see them.
fn processes(lake: &Lake, count: usize) -> Vec<Arc<DeltaTable>> {
    (0..count).map(|_| lake.table("t")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_at_once_are_all_made() {
    let lake = Lake::new();
    people(&lake).await;
    let tables = processes(&lake, 6);
    let changes =
        tables.iter().enumerate().map(|(index, table)| altered_owned(table.clone(), add(&format!("c{index}"))));
    futures::future::join_all(changes).await;
    let now = newest(&lake.table("t")).await;
    assert_eq!(now.version(), 8);
    let mut names: Vec<_> = now.schema().fields().iter().map(|field| field.name().clone()).collect();
    names.sort();
    assert_eq!(names, ["c0", "c1", "c2", "c3", "c4", "c5", "id", "name"]);
}

async fn altered_owned(table: Arc<DeltaTable>, change: Alteration) -> Arc<dyn Snapshot> {
    altered(&table, change).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_the_same_change_at_once_one_is_made() {
    let lake = Lake::new();
    people(&lake).await;
    let tables = processes(&lake, 4);
    for (change, is_told) in [
        (add("x"), (|error| matches!(error, Error::AlreadyExists(_))) as fn(&Error) -> bool),
        (rename("x", "y"), |error| matches!(error, Error::NotFound(_))),
        (drop_column("y"), |error| matches!(error, Error::NotFound(_))),
    ] {
        let before = newest(&tables[0]).await.version();
        let outcomes = futures::future::join_all(tables.iter().map(|table| alter(table, &change))).await;
        let (made, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!((made.len(), refused.len()), (1, 3), "{change:?}");
        assert!(refused.iter().all(|refused| is_told(refused.as_ref().unwrap_err())), "{refused:?}");
        assert_eq!(newest(&tables[0]).await.version(), before + 1);
    }
}

#[tokio::test]
async fn an_append_that_began_before_conflicts() {
    let lake = Lake::new();
    let table = people(&lake).await;
    let before = newest(&table).await;
    let mut append = before.append().await.unwrap();
    append.write(batch(&before.schema(), &[(9, None)])).await.unwrap();
    altered(&lake.table("t"), not_null("id")).await;
    let outcome = append.commit().await.unwrap();
    assert!(matches!(&outcome, CommitOutcome::Conflict { reason } if reason.contains("schema")), "{outcome:?}");
    assert_eq!(rows(&newest(&table).await).await, ["1 a", "2 NULL", "3 c"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn appends_go_on_beside_a_change_and_no_null_slips_through() {
    let lake = Lake::new();
    people(&lake).await;
    let writers = processes(&lake, 3).into_iter().enumerate().map(|(writer, table)| {
        tokio::spawn(async move {
            for number in 0..10 {
                let snapshot = newest(&table).await;
                let id = Int64Array::from(vec![((number + writer) % 7 != 3).then_some(7)]);
                let names = StringArray::from(vec![Some("x")]);
                let schema = Arc::new(Schema::new(vec![long("id"), Field::new("name", DataType::Utf8, true)]));
                let rows = RecordBatch::try_new(schema, vec![Arc::new(id), Arc::new(names)]).unwrap();
                let mut append = snapshot.append().await.unwrap();
                if append.write(rows).await.is_ok() {
                    append.commit().await.unwrap();
                }
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let table = lake.table("t");
    let _either = alter(&table, &not_null("id")).await;
    for writer in writers {
        writer.await.unwrap();
    }
    let now = newest(&table).await;
    let nulls = rows(&now).await.iter().filter(|row| row.starts_with("NULL")).count();
    assert!(now.schema().field(0).is_nullable() || nulls == 0, "NOT NULL and {nulls} nulls");
}
