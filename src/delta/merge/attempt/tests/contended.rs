//! Many MERGEs of one table at once.

use std::time::Instant;

use super::{super::*, fixture::*};

/// As two processes have it: neither knows of the other but by the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_upserts_of_one_new_key_leave_it_once() {
    for vectors in [true, false] {
        let table = Table::of(&[], vectors).await;
        let (one, other) = (table.table.clone(), table.elsewhere());
        for key in 0..8 {
            let upsert = |table, value: &'static str| {
                tokio::spawn(async move {
                    let merge = by_key(Kind::Upsert, &[key], value);
                    committed(merge.run(&table).await).snapshot.version()
                })
            };
            let (one, other) = tokio::join!(upsert(one.clone(), "one"), upsert(other.clone(), "other"));
            let last = if one.unwrap() > other.unwrap() { "one" } else { "other" };
            let contents = contents(&table.elsewhere()).await;
            assert_eq!((contents.len() as i64, contents[&key].as_str()), (key + 1, last));
        }
        assert_eq!(table.strays().await, [] as [&str; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_of_many_in_one_process_gets_its_turn() {
    many(16, 4, |_| false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_of_many_in_several_processes_gets_its_turn() {
    many(8, 3, |client| client % 4 == 0).await;
}

/// MERGEs of overlapping keys, of `clients` who make `rounds` each, some of them in processes of their own.
async fn many(clients: i64, rounds: i64, alone: fn(i64) -> bool) {
    let table = Table::new().await;
    let begun = Instant::now();
    let upserts = (0..clients).map(|client: i64| {
        let table = if alone(client) { table.elsewhere() } else { table.table.clone() };
        tokio::spawn(async move {
            let mut done = Vec::new();
            for round in 0..rounds {
                let keys = [client % 5, 5 + round, 100];
                let merge = by_key(Kind::Upsert, &keys, &format!("{client}/{round}"));
                let version = committed(merge.run(&table).await).snapshot.version();
                done.push((version, keys, merge.value.clone(), merge.attempts()));
            }
            done
        })
    });
    let mut done: Vec<_> = futures::future::join_all(upserts).await.into_iter().flat_map(Result::unwrap).collect();
    let attempts: Vec<u32> = done.iter().map(|(.., attempts)| *attempts).collect();
    println!("{} merges in {:?}, attempts {attempts:?}", done.len(), begun.elapsed());
    done.sort_unstable();
    assert!(done.windows(2).all(|pair| pair[0].0 < pair[1].0), "each is a version");
    let contents = contents(&table.elsewhere()).await;
    assert_eq!(contents.len() as i64, 5 + rounds + 1);
    for (key, value) in contents {
        let (_, _, last, _) = done.iter().rfind(|(_, keys, ..)| keys.contains(&key)).unwrap();
        assert_eq!(value, *last, "key {key}");
    }
    assert_eq!(table.strays().await, [] as [&str; 0]);
}
