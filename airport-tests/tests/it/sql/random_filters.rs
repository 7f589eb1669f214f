//! Random conditions over columns of every type: a table of the lake answers them as a table of DuckDB's own does,
//! whatever was pushed down, planned from statistics, or pruned.

use std::fmt::Write;

use airport_tests::{
    server::{CATALOG, Setup},
    sql::Session,
};

use crate::random::{Random, effort};

/// Name, type and values in ascending order, apart from NULL.
pub(super) type Column = (&'static str, &'static str, &'static [&'static str]);

pub(super) const COLUMNS: [Column; 23] = [
    ("b", "BOOLEAN", &["false", "true"]),
    ("i8", "TINYINT", &["-128", "-1", "0", "5", "127"]),
    ("i32", "INTEGER", &["-2147483648", "-7", "0", "1", "5", "2147483647"]),
    ("i64", "BIGINT", &["-9223372036854775808", "-3", "0", "5", "900", "9223372036854775807"]),
    ("u8", "UTINYINT", &["0", "5", "255"]),
    ("u32", "UINTEGER", &["0", "5", "4294967295"]),
    ("u64", "UBIGINT", &["0", "5", "9223372036854775808", "18446744073709551615"]),
    (
        "h",
        "HUGEINT",
        &["-170141183460469231731687303715884105728", "-5", "0", "170141183460469231731687303715884105727"],
    ),
    ("f", "FLOAT", &["'-inf'", "-1.5", "-0.0", "0.1", "1e30", "'inf'", "'nan'"]),
    ("d", "DOUBLE", &["'-inf'", "-1.5", "0.0", "0.1", "1e300", "'inf'", "'nan'"]),
    ("dec", "DECIMAL(9,2)", &["-9999999.99", "-1", "0", "0.5", "10.01"]),
    ("big", "DECIMAL(38,10)", &["-9999999999999999999999999999", "-1", "0", "0.5", "12345678901234567890.0123456789"]),
    ("s", "VARCHAR", &["''", "'a'", "'ab'", "'abc'", "'b'", "repeat('z', 50)", "'ÿ'", "'🦀'"]),
    ("bin", "BLOB", &["''", "'\\x00'", "'a'", "'ab'", "'\\xFF'"]),
    ("dt", "DATE", &["'-infinity'", "'0044-03-15 (BC)'", "'1969-12-31'", "'2024-02-29'", "'infinity'"]),
    ("t", "TIME", &["'00:00:00'", "'12:34:56.789'", "'23:59:59.999999'", "'24:00:00'"]),
    ("ts", "TIMESTAMP", &["'-infinity'", "'1969-12-31 23:59:59.9'", "'2024-01-01 00:00:00.000001'", "'infinity'"]),
    ("tz", "TIMESTAMPTZ", &["'-infinity'", "'1969-12-31 23:59:59.9+00'", "'2024-01-01 01:00:00+02'", "'infinity'"]),
    ("tss", "TIMESTAMP_S", &["'1969-12-31 23:59:59'", "'2024-01-01 00:00:01'", "'infinity'"]),
    ("tns", "TIMESTAMP_NS", &["'1969-12-31 23:59:59.999999999'", "'2024-01-01 00:00:00.000000001'"]),
    ("id_of", "UUID", &["'00000000-0000-0000-0000-000000000001'", "'80000000-0000-0000-0000-000000000000'"]),
    ("st", "STRUCT(x INTEGER, y VARCHAR)", &["{'x': 1, 'y': 'p'}", "{'x': 5, 'y': NULL}", "{'x': NULL, 'y': 'q'}"]),
    ("l", "INTEGER[]", &["[]", "[1]", "[5, NULL]"]),
];

const FILES: usize = 8;
const ROWS_A_FILE: usize = 100;
/// How many neighbouring values, NULL among them, each file has of a column: few, so that its bounds tell something.
const NEIGHBOURS: usize = 2;

#[test]
#[ignore = "needs a real client: set AIRPORT_EXTENSION and run ./check"]
fn answer_as_duckdbs_own() {
    let effort = effort((2, 150), (20, 1000));
    for seed in effort.seeds {
        check(seed, effort.statements);
    }
}

fn check(seed: u64, conditions: usize) {
    let mut random = Random::new(seed);
    // A table with a BLOB has no statistics for DuckDB to plan with.
    let columns: Vec<_> = COLUMNS.into_iter().filter(|(_, kind, _)| *kind != "BLOB" || seed % 2 == 1).collect();
    let server = Setup::new().serve_lake().unix().start();
    let mut session = Session::start();
    let run = |session: &mut Session, sql: &str| session.execute(sql).unwrap_or_else(|e| panic!("{sql}\n{e}"));
    run(&mut session, "SET arrow_lossless_conversion = true");
    run(&mut session, &format!("ATTACH '{CATALOG}' AS lake (TYPE airport, LOCATION '{}')", server.unix()));
    run(&mut session, "CREATE SCHEMA lake.s");
    let declared: Vec<_> = columns.iter().map(|(name, kind, _)| format!("{name} {kind}")).collect();
    run(&mut session, &format!("CREATE TABLE lake.s.t (id INTEGER, {})", declared.join(", ")));
    run(&mut session, &format!("CREATE TABLE own AS {}", rows(&mut random, &columns)));
    for file in 0..FILES {
        run(&mut session, &format!("INSERT INTO lake.s.t SELECT * EXCLUDE (file) FROM own WHERE file = {file}"));
    }
    let mut refused = 0;
    for _ in 0..conditions {
        let condition = condition(&mut random, &columns, 2);
        let mut ask = |table: &str| {
            session.execute(&format!("SELECT count(*), list(id ORDER BY id) FROM {table} WHERE {condition}"))
        };
        match (ask("own"), ask("lake.s.t")) {
            (Ok(own), Ok(lake)) => assert_eq!(lake, own, "seed {seed}: {condition}"),
            // No condition at all; what was decided without asking it may hide that.
            (Err(_), _) => refused += 1,
            (own, lake) => panic!("seed {seed}: {condition}\nDuckDB's own: {own:?}\nthe lake's: {lake:?}"),
        }
    }
    assert!(refused * 5 < conditions, "{refused} of {conditions} conditions were none");
}

/// A query of all rows, with the file each is meant for.
fn rows(random: &mut Random, columns: &[Column]) -> String {
    let picks = picks(random, columns);
    let rows = FILES * ROWS_A_FILE;
    format!(
        "SELECT id::INTEGER AS id{picks}, file FROM (SELECT i AS id, i // {ROWS_A_FILE} AS file FROM range({rows}) r(i))"
    )
}

/// A value for each column, `, ... AS name`, made of the columns `id` and `file` of a source.
pub(super) fn picks(random: &mut Random, columns: &[Column]) -> String {
    let mut picks = String::new();
    for (number, (name, kind, values)) in columns.iter().enumerate() {
        let mut choices: Vec<_> = values.iter().map(|value| format!("({value})::{kind}")).collect();
        choices.insert(random.below(choices.len() + 1), format!("NULL::{kind}"));
        let (count, step) = (choices.len(), 1 + random.below(3));
        let choices = choices.join(", ");
        write!(
            picks,
            ", ([{choices}])[1 + ((file * {step} + hash(id, {number}) % {NEIGHBOURS}) % {count})::INTEGER] AS {name}"
        )
        .expect("a string takes all");
    }
    picks
}

pub(super) fn condition(random: &mut Random, columns: &[Column], depth: usize) -> String {
    match random.below(if depth == 0 { 1 } else { 4 }) {
        0 => leaf(random, columns),
        1 => format!("NOT ({})", condition(random, columns, depth - 1)),
        2 => format!("({} AND {})", condition(random, columns, depth - 1), condition(random, columns, depth - 1)),
        _ => format!("({} OR {})", condition(random, columns, depth - 1), condition(random, columns, depth - 1)),
    }
}

fn leaf(random: &mut Random, columns: &[Column]) -> String {
    let (name, kind, values) = columns[random.below(columns.len())];
    let mut value = || format!("({})::{kind}", values[random.below(values.len())]);
    let (one, other) = (value(), value());
    let op = ["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"][random.below(8)];
    match random.below(9) {
        0 => format!("{name} IS NULL"),
        1 => format!("{name} IS NOT NULL"),
        2 => format!("{name} IN ({one}, {other})"),
        3 => format!("{name} NOT IN ({one}, {other})"),
        4 => format!("{name} BETWEEN {one} AND {other}"),
        5 => format!("{one} {op} {name}"),
        6 => special(random),
        _ => format!("{name} {op} {one}"),
    }
}

/// What only some types have.
fn special(random: &mut Random) -> String {
    let all = [
        "s LIKE 'a%'",
        "s NOT LIKE 'ab%'",
        "starts_with(s, 'ab')",
        "s ILIKE 'A_%'",
        "st.x > 1",
        "st.y = 'p'",
        "st.x IS NULL",
        "i8 = i32",
        "i64 > 5.5",
        "u8::INTEGER > i32",
        "f = d",
        "d > dec",
        "dt::TIMESTAMP = ts",
        "ts::DATE >= DATE '2024-01-01'",
        "tss > TIMESTAMP '2024-01-01 00:00:00.5'",
        "tns > TIMESTAMP '2024-01-01'",
        "len(l) > 1",
        "list_contains(l, 5)",
        "i32 % 2 = 1",
        "b",
        "i32 + 1 > 5",
        "s || 'c' = 'abc'",
        "id_of::VARCHAR LIKE '8%'",
    ];
    all[random.below(all.len())].to_owned()
}
