//! The change data feed.

use serde_json::{Value, json};

use super::fixture::*;
use crate::{
    delta::fixtures::{Lake, features},
    merge::{MergePlan, When},
};

fn kept(vectors: bool) -> (Value, Value) {
    let mut configuration = json!({ "delta.enableChangeDataFeed": "true" });
    if vectors {
        configuration["delta.enableDeletionVectors"] = json!("true");
    }
    (features(&["deletionVectors"], &["deletionVectors", "changeDataFeed"]), configuration)
}

#[tokio::test]
async fn the_feed_has_every_row_as_it_was_and_as_it_is() {
    for vectors in [false, true] {
        let lake = Lake::new();
        let (protocol, configuration) = kept(vectors);
        let base = numbered(&lake, protocol, &configuration, &[30]).await;
        let rows = numbers(&["s_id", "s_v", "s_t"], 0..30);
        let source = source(&rows).await;
        let plan: MergePlan = Plan::new(&base, &rows.schema())
            .update(When::Matched, &[("v", "-s_v")])
            .update(When::Matched, &[("id", "s_id"), ("v", "1"), ("t", "s_t")])
            .delete(When::NotMatchedBySource)
            .insert(When::Matched, None, &["100 + id", "0", "s_t"])
            .insert(When::NotMatched, None, &["s_id", "0", ""])
            .returning(&["id"])
            .done();
        let found = Found::default()
            .pairs(0, &at(0..12), &(0..12).collect::<Vec<_>>())
            .pairs(1, &at([15, 13]), &[15, 13])
            .pairs(3, &at([15, 15]), &[1, 2])
            .pairs(2, &at(20..29), &[])
            .unmatched([29]);
        let applied = run(&base, &plan, found, &source).await.unwrap();
        let old = |id: i64| format!("{id} {} t{id}", 10 * id);
        let mut expected: Vec<String> = (0..12)
            .flat_map(|id| {
                let new = if id == 0 { 0 } else { -10 * id };
                [format!("{} update_preimage", old(id)), format!("{id} {new} t{id} update_postimage")]
            })
            .collect();
        expected.extend([13, 15].map(|id| format!("{} update_preimage", old(id))));
        expected.extend([13, 15].map(|id| format!("{id} 1 t{id} update_postimage")));
        expected.extend((20..29).map(|id| format!("{} delete", old(id))));
        expected.extend(["115 0 t1 insert", "115 0 t2 insert", "29 0 NULL insert"].map(str::to_owned));
        expected.sort();
        assert_eq!(changes(&lake, &applied.changes), expected, "{vectors}");
        assert!(applied.changes.iter().all(|add| add.path.starts_with("_change_data/")));
        let stays = if vectors { 0 } else { 30 - 12 - 2 - 9 };
        assert_eq!(staged(&base, &applied.adds).await.len(), 12 + 2 + 3 + stays);
        assert_eq!(returned(&applied).len(), 12 + 2 + 9 + 3);
    }
}

#[tokio::test]
async fn of_added_rows_alone_the_feed_tells_nothing() {
    let lake = Lake::new();
    let (protocol, configuration) = kept(true);
    let base = numbered(&lake, protocol, &configuration, &[3]).await;
    let (rows, files) = (numbers(&["s_id", "s_v", "s_t"], 0..30), files_on_disk(&lake));
    let source = source(&rows).await;
    let insert = || {
        let plan = Plan::new(&base, &rows.schema()).insert(When::NotMatched, None, &["s_id", "s_v", "s_t"]);
        plan.insert(When::Matched, None, &["id", "v", "t"])
    };
    for plan in [insert().done(), insert().delete(When::Matched).done()] {
        let found = Found::default().pairs(1, &at([1]), &[0]).unmatched(10..30);
        let applied = run(&base, &plan, found, &source).await.unwrap();
        assert!(applied.changes.is_empty());
        assert_eq!(staged(&base, &applied.adds).await.len(), 21);
        assert_eq!(parquet_files(&lake), files + applied.adds.len(), "nor does it leave a file");
        drop(applied);
        while files_on_disk(&lake) > files {
            tokio::task::yield_now().await;
        }
    }
}
