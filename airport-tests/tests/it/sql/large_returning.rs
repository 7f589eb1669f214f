//! RETURNING of more rows than a script could list, and of large ones, from several threads of the client.

use airport_tests::{
    readers,
    server::{CATALOG, Setup},
    sql::Session,
};
use serde_json::json;

/// More than one batch of 2048, and not a whole number of them.
const ROWS: u64 = 150_000;

#[test]
#[ignore = "needs a real client: set AIRPORT_EXTENSION and run ./check"]
fn many_and_large_rows_come_back() {
    let server = Setup::new().serve_lake().unix().start();
    let mut session = Session::start();
    let mut run = |sql: &str| session.execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    run(&format!("ATTACH '{CATALOG}' (TYPE airport, LOCATION '{}')", server.unix()));
    run("CREATE SCHEMA lake.s");
    run("SET threads = 4");
    run(&format!("CREATE TABLE lake.s.t AS SELECT i AS id, i AS v, 'n' || i AS name FROM range({ROWS}) r(i)"));
    let large = format!("SELECT i, i, repeat('ä', 3000) || i FROM range({ROWS}, {ROWS} + 3000) r(i)");
    run(&format!("INSERT INTO lake.s.t {large}"));

    let updated = run("UPDATE lake.s.t SET v = -id WHERE id % 3 > 0 RETURNING id + v, id, length(name)");
    let (ids, lengths) = summed(&updated, |id| id % 3 > 0);
    let large: u64 = (ROWS..ROWS + 3000).filter(|id| id % 3 > 0).map(|_| 3006).sum();
    let small: u64 = (0..ROWS).filter(|id| id % 3 > 0).map(|id| 1 + id.to_string().len() as u64).sum();
    assert_eq!(lengths, large + small);
    assert_eq!(ids, (0..ROWS + 3000).filter(|id| id % 3 > 0).sum::<u64>());

    let deleted = run("DELETE FROM lake.s.t WHERE id % 3 = 1 RETURNING id + v, id, length(name)");
    assert_eq!(summed(&deleted, |id| id % 3 == 1).0, (0..ROWS + 3000).filter(|id| id % 3 == 1).sum::<u64>());
    let sql = "SELECT count(*), count(*) FILTER (WHERE v = -id), sum(id) FROM t";
    let sum: u64 = (0..ROWS + 3000).filter(|id| id % 3 != 1).sum();
    let expected = [[json!(102_000), json!(51_001), json!(sum)]];
    assert_eq!(readers::both(&server.lake().join("s/t"), sql), expected);
}

/// The sums of ids and of lengths, once each row is one of those that were to change, `0,id,length`, and none came twice.
fn summed(rows: &[String], is_changed: impl Fn(u64) -> bool) -> (u64, u64) {
    let mut seen = std::collections::BTreeSet::new();
    let mut lengths = 0;
    for row in rows {
        let values: Vec<u64> = row.split(',').map(|value| value.parse().expect("a number")).collect();
        let [zero, id, length] = values[..] else { panic!("{row}") };
        assert!(zero == 0 && is_changed(id) && seen.insert(id), "{row}");
        lengths += length;
    }
    (seen.iter().sum(), lengths)
}
