//! The scripts under `sql/`, run through a real DuckDB with the Airport extension: one test a topic.
//!
//! Ignored unless asked for, so that a run without a real client does not count them as passed; `./check` asks for
//! them when `AIRPORT_EXTENSION` is set and says loudly when it is not.

mod large_returning;
mod random_changes;
mod random_filters;

use airport_tests::sql;

macro_rules! topics {
    ($($topic:ident)*) => {
        /// Every topic that has a test.
        const TOPICS: &[&str] = &[$(stringify!($topic)),*];

        $(
            #[test]
            #[ignore = "needs a real client: set AIRPORT_EXTENSION and run ./check"]
            fn $topic() {
                sql::run_topic(stringify!($topic));
            }
        )*
    };
}

topics! {
    alter
    attach
    change_feed
    changing
    constraints
    copy_on_write
    create_table
    ctas
    delete
    drop_table
    errors
    foreign
    insert
    merge
    names
    partitioned
    prepared
    read
    returning
    rowid
    schemas
    snapshots
    statistics
    time_travel
    tpch
    transactions
    types
    update
}

#[test]
fn every_topic_has_a_test() {
    assert_eq!(sql::topics(), TOPICS);
}

#[test]
fn every_script_parses() {
    sql::check_scripts();
}
