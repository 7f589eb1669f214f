//! Random INSERT, UPDATE and DELETE through a real DuckDB: a table of the lake becomes what a table of DuckDB's own
//! becomes, and RETURNING gives the same rows.

use airport_tests::{
    readers,
    server::{CATALOG, Server, Setup},
    sql::Session,
};

use super::random_filters::{COLUMNS, Column, condition, picks};
use crate::{
    oracle::{Kind, amend},
    random::{Random, effort},
};

/// What a statement calls the table.
const TABLE: &str = "{t}";

/// Columns whose values all have a text as a partition's.
const PARTITIONED_BY: [&str; 2] = ["b", "i8"];

macro_rules! kinds {
    ($($name:ident: { $($flag:ident: $value:expr),* };)*) => {
        $(
            #[test]
            #[ignore = "needs a real client: set AIRPORT_EXTENSION and run ./check"]
            fn $name() {
                run(Kind { $($flag: $value,)* ..Kind::default() });
            }
        )*
    };
}

kinds! {
    vectors: { vectors: true };
    vectors_in_partitions: { vectors: true, partitioned: 2 };
    vectors_with_mapped_columns_and_a_feed: { vectors: true, mapped: true, feed: true };
    rewritten: {};
    rewritten_in_partitions: { partitioned: 1 };
}

fn run(kind: Kind) {
    let effort = effort((1, 60), (6, 500));
    for seed in effort.seeds {
        let mut twins = Twins::begin(kind, seed);
        for number in 0..effort.statements {
            twins.step(number);
        }
        twins.ask_others("at the end");
        let (refused, all) = (twins.refused, effort.statements);
        assert!(refused * 3 < all, "{refused} of {all} statements were none");
    }
}

/// A table in the lake and one of DuckDB's own, each in a session of its own.
struct Twins {
    kind: Kind,
    seed: u64,
    random: Random,
    columns: Vec<Column>,
    server: Server,
    own: Session,
    lake: Session,
    rows: usize,
    next_id: usize,
    /// Statements left until COMMIT; nothing if none is open.
    transaction: usize,
    refused: usize,
}

impl Twins {
    fn begin(kind: Kind, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut columns = COLUMNS.to_vec();
        random.shuffle(&mut columns);
        columns.truncate(*random.pick(&[4, 8, COLUMNS.len()]));
        for name in PARTITIONED_BY.iter().filter(|_| kind.partitioned > 0) {
            columns.retain(|column| column.0 != *name);
            columns.push(COLUMNS.into_iter().find(|column| column.0 == *name).expect("a column"));
        }
        let declared: Vec<_> = columns.iter().map(|(name, kind, _)| format!("{name} {kind}")).collect();
        let create = format!("CREATE TABLE {TABLE} (id INTEGER NOT NULL CHECK (id >= 0), {})", declared.join(", "));
        let server = Setup::new().serve_lake().unix().start();
        let mut maker = attached(&server);
        execute(&mut maker, "CREATE SCHEMA lake.s");
        execute(&mut maker, &create.replace(TABLE, "lake.s.t"));
        amend(&server.table("s", "t"), kind, &PARTITIONED_BY[..kind.partitioned]);
        // A client knows the tables that were there when it attached.
        let (mut own, lake) = (Session::start(), attached(&server));
        execute(&mut own, &create.replace(TABLE, "t"));
        Self { kind, seed, random, columns, server, own, lake, rows: 0, next_id: 0, transaction: 0, refused: 0 }
    }

    fn step(&mut self, number: usize) {
        if self.transaction == 0 && self.random.percent(20) {
            self.transaction = 2 + self.random.below(4);
            execute(&mut self.lake, "BEGIN");
        }
        let statement = self.statement();
        let what = format!("{:?}, seed {}, statement {number}: {statement}", self.kind, self.seed);
        let mut own = self.own.execute(&statement.replace(TABLE, "t"));
        let mut lake = self.lake.execute(&statement.replace(TABLE, "lake.s.t"));
        match (&mut own, &mut lake) {
            (Ok(own), Ok(lake)) => {
                own.sort();
                lake.sort();
                assert_eq!(lake, own, "{what}: RETURNING (left: the lake's, right: DuckDB's own)");
            }
            // An overflow, say.
            (Err(_), Err(_)) => {
                self.refused += 1;
                self.rollback();
            }
            (own, lake) => panic!("{what}\nDuckDB's own: {own:?}\nthe lake's: {lake:?}\n{}", self.server.stderr()),
        }
        self.compare(&what);
        if self.transaction > 0 {
            self.transaction -= 1;
            if self.transaction == 0 {
                execute(&mut self.lake, if self.random.percent(50) { "COMMIT" } else { "ROLLBACK" });
            }
        }
        if number % 50 == 49 {
            self.ask_others(&what);
        }
    }

    /// What a transaction has done before its error is done: the lake commits each statement.
    fn rollback(&mut self) {
        if self.transaction > 0 {
            self.transaction = 0;
            execute(&mut self.lake, "ROLLBACK");
        }
    }

    fn statement(&mut self) -> String {
        let choice = self.random.below(100);
        if self.rows == 0 || (choice < 25 && self.rows < 6000) {
            return self.insert();
        }
        let statement = if choice < 70 && self.rows < 6000 { self.update() } else { self.delete() };
        match self.random.below(4) {
            0 => format!("{statement} RETURNING *"),
            1 => {
                let name = self.random.pick(&self.columns).0;
                format!("{statement} RETURNING {name} IS NULL AS n, id * 2 AS twice, {name}")
            }
            _ => statement,
        }
    }

    fn insert(&mut self) -> String {
        let rows = *self.random.pick(&[0, 1, 50, 400, 2100]);
        let first = self.next_id;
        self.next_id += rows;
        let picks = picks(&mut self.random, &self.columns);
        let returning = if self.random.percent(20) { " RETURNING *" } else { "" };
        format!(
            "INSERT INTO {TABLE} SELECT id::INTEGER{picks} FROM (SELECT i AS id, i // 100 AS file FROM range({first}, {}) \
             r(i)){returning}",
            self.next_id
        )
    }

    fn update(&mut self) -> String {
        let mut columns = self.columns.clone();
        self.random.shuffle(&mut columns);
        columns.truncate(*self.random.pick(&[1, 1, 2, 4]));
        let set: Vec<_> = columns.iter().map(|column| format!("{} = {}", column.0, self.expression(column))).collect();
        let (set, whence) = (set.join(", "), self.whence());
        match self.random.below(12) {
            // No rows of these are kept, not even those before the one that must not be.
            2 => {
                let bad = *self.random.pick(&["NULL", "-1"]);
                format!(
                    "UPDATE {TABLE} SET {set}, id = CASE WHEN hash(id) % 97 = 3 THEN {bad} ELSE id END WHERE {whence}"
                )
            }
            0 => format!(
                "UPDATE {TABLE} AS t SET {set}, id = id FROM (SELECT i * 3 AS i FROM range(3000) r(i)) src WHERE t.id = src.i"
            ),
            1 => format!("UPDATE {TABLE} SET {set}"),
            _ => format!("UPDATE {TABLE} SET {set} WHERE {whence}"),
        }
    }

    fn delete(&mut self) -> String {
        let whence = self.whence();
        match self.random.below(10) {
            0 => format!("DELETE FROM {TABLE}"),
            1 => format!(
                "DELETE FROM {TABLE} AS t USING (SELECT i * 5 AS i FROM range(2000) r(i)) src WHERE t.id = src.i"
            ),
            2 => {
                let by = self.random.pick(&self.columns).0;
                format!("DELETE FROM {TABLE} WHERE id IN (SELECT max(id) FROM {TABLE} GROUP BY {by})")
            }
            _ => format!("DELETE FROM {TABLE} WHERE {whence}"),
        }
    }

    /// Which rows: scattered ones, a range, one, or by their values.
    fn whence(&mut self) -> String {
        let (least, most) = (self.random.below(self.next_id.max(1)), self.random.below(self.next_id.max(1)));
        match self.random.below(6) {
            0 => format!("id % {} = 0", 1 + self.random.below(97)),
            1 => format!("id BETWEEN {} AND {}", least.min(most), least.max(most)),
            2 => format!("id = {least}"),
            3 => format!("hash(id + {least}) % 3 = 0 AND {}", condition(&mut self.random, &self.columns, 1)),
            _ => condition(&mut self.random, &self.columns, 2),
        }
    }

    /// A value for a column: a constant, NULL, or made of what is there.
    fn expression(&mut self, (name, kind, values): &Column) -> String {
        let constant = format!("({})::{kind}", self.random.pick(values));
        match self.random.below(6) {
            0 => "NULL".to_owned(),
            1 => format!("CASE WHEN id % 2 = 0 THEN {constant} ELSE {name} END"),
            2 => format!("coalesce({name}, {constant})"),
            3 => own_expression(name, kind).unwrap_or(constant),
            _ => constant,
        }
    }

    fn compare(&mut self, what: &str) {
        let sum = format!("SELECT count(*), count(DISTINCT id), bit_xor(md5_number(t::VARCHAR)) FROM {TABLE} AS t");
        let ask = |session: &mut Session, table: &str| execute(session, &sum.replace(TABLE, table));
        let own = ask(&mut self.own, "t");
        if ask(&mut self.lake, "lake.s.t") != own {
            self.show_difference(what);
        }
        self.rows = own[0].split(',').next().and_then(|count| count.parse().ok()).expect("a count");
    }

    fn show_difference(&mut self, what: &str) {
        let all = format!("SELECT t::VARCHAR FROM {TABLE} AS t ORDER BY 1");
        let own = execute(&mut self.own, &all.replace(TABLE, "t"));
        let lake = execute(&mut self.lake, &all.replace(TABLE, "lake.s.t"));
        let lacks: Vec<_> = own.iter().filter(|row| lake.binary_search(row).is_err()).take(3).collect();
        let has: Vec<_> = lake.iter().filter(|row| own.binary_search(row).is_err()).take(3).collect();
        panic!(
            "{what}\n{} rows in the lake, {} in DuckDB's own\nit lacks {lacks:#?}\nit has {has:#?}",
            lake.len(),
            own.len()
        );
    }

    /// How many rows and values the readers of others find.
    fn ask_others(&mut self, what: &str) {
        let counts: Vec<_> = self.columns.iter().map(|(name, ..)| format!("count({name})")).collect();
        let sql = format!("SELECT count(*), count(DISTINCT id), coalesce(sum(id), 0), {} FROM t", counts.join(", "));
        let own = execute(&mut self.own, &sql).join("\n");
        for reader in ["deltalake", "delta_scan"] {
            let rows = readers::by_name(reader).expect("a reader")(&self.server.table("s", "t"), &sql);
            let found: Vec<_> = rows[0].iter().map(ToString::to_string).collect();
            assert_eq!(found.join(","), own, "{what}: as {reader} reads it");
        }
    }
}

/// An expression of a column itself, or of the id.
fn own_expression(name: &str, kind: &str) -> Option<String> {
    Some(match kind {
        "BOOLEAN" => format!("NOT {name}"),
        "TINYINT" | "UTINYINT" => "id % 100".to_owned(),
        "INTEGER" | "BIGINT" | "UINTEGER" | "UBIGINT" | "HUGEINT" => format!("{name} // 2 + id"),
        "FLOAT" | "DOUBLE" => format!("{name} / 3"),
        "VARCHAR" => format!("right({name} || id, 12)"),
        "BLOB" => "id::VARCHAR::BLOB".to_owned(),
        "DATE" => "DATE '2020-01-01' + id".to_owned(),
        "TIMESTAMP" | "TIMESTAMP_S" | "TIMESTAMP_NS" => "TIMESTAMP '2020-01-01' + to_seconds(id)".to_owned(),
        "STRUCT(x INTEGER, y VARCHAR)" => format!("{{'x': id, 'y': {name}.y}}"),
        "INTEGER[]" => format!("list_append({name}[1:2], id)"),
        _ => return None,
    })
}

fn attached(server: &Server) -> Session {
    let mut session = Session::start();
    execute(&mut session, "SET arrow_lossless_conversion = true");
    execute(&mut session, &format!("ATTACH '{CATALOG}' AS lake (TYPE airport, LOCATION '{}')", server.unix()));
    session
}

fn execute(session: &mut Session, sql: &str) -> Vec<String> {
    session.execute(sql).unwrap_or_else(|error| panic!("{sql}\n{error}"))
}
