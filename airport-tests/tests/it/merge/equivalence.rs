//! Random statements as MERGE INTO on a table of DuckDB's own and as `delta.merge` over the wire: the same rows, counts,
//! RETURNING and failures.

use super::{
    clauses::Clauses,
    source::{Source, Target, insert, table},
    twin::Twin,
};
use crate::random::Random;

/// DuckDB takes nearly all of the statements.
#[test]
fn statements_are_such_as_duckdb_takes() {
    let mut random = Random::new(7);
    let (mut all, mut refused, mut twice, mut raised, mut failed) = (0, 0, 0, 0, 0);
    for number in 0..20 {
        let target = Target::new(&mut random);
        let rows = target.rows(random.below(80), &mut random);
        let twin = Twin::begin(&format!("generator {number}"), &table("t", &target.columns, &rows));
        for _ in 0..10 {
            let source = Source::new(&target, &mut random);
            let clauses = Clauses::new(&target, &source, &mut random);
            let told = twin.step(&target, &source, &clauses);
            all += 1;
            twice += u32::from(told.twice);
            raised += u32::from(told.raises);
            match told.refused.as_deref() {
                Some("statement") => {
                    refused += 1;
                    println!("{}\n{}", clauses.text(), told.error.unwrap_or_default());
                }
                Some("expression") => {
                    failed += 1;
                    println!("{}\n{}", clauses.text(), told.error.unwrap_or_default());
                }
                _ => {}
            }
            if told.twice {
                twin.undo();
            }
        }
    }
    println!("{all} statements: {refused} refused, {twice} twice, {raised} raised, {failed} failed");
    assert!(refused * 50 <= all, "{refused} of {all} are no statements");
    assert!((failed + twice) * 5 <= all, "{failed} of {all} fail, {twice} change a row twice");
    let _ = insert("t", &[]);
}
