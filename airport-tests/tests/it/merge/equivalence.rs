//! Random statements as MERGE INTO on a table of DuckDB's own and as `delta.merge` over the wire: the same rows, counts,
//! RETURNING and failures.
//!
//! `DELTAPORT_LONG=1` runs thousands, `DELTAPORT_SEED=N` one seed. A difference shows the statement as SQL.

use airport_tests::{
    client::{Client, Error, OnConflict},
    server::{Server, Setup},
};
use arrow::array::RecordBatch;

use super::{
    clauses::{Action, Clause, Clauses, When},
    source::{Shape, Source, Target, table},
    twin::{Told, Twin, ask},
};
use crate::{
    oracle::{Kind, amend, texts},
    random::{Random, effort},
    support::{SALES, listed, versions},
};

/// After so many statements comes another table.
const STATEMENTS_OF_A_TABLE: usize = 12;

macro_rules! kinds {
    ($($name:ident: $statement:ident { $($flag:ident: $value:expr),* };)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                run(stringify!($name), Form::$statement, Kind { $($flag: $value,)* ..Kind::default() }).await;
            }
        )*
    };
}

kinds! {
    vectors: Merge { vectors: true };
    vectors_in_partitions: Merge { vectors: true, partitioned: 1 };
    vectors_with_mapped_columns: Merge { vectors: true, partitioned: 1, mapped: true };
    vectors_and_a_feed: Merge { vectors: true, feed: true };
    rewritten: Merge {};
    rewritten_in_partitions: Merge { partitioned: 1 };
    rewritten_with_a_feed: Merge { feed: true };
    upserts: Upsert { vectors: true };
    upserts_rewritten_in_partitions: Upsert { partitioned: 1 };
}

/// Which function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Merge,
    Upsert,
}

/// What became of the statements.
#[derive(Debug, Default)]
struct Tally {
    done: usize,
    twice: usize,
    raised: usize,
    /// An expression failed in DuckDB, which evaluates it for all pairs of rows: there is nothing to compare with.
    dropped: usize,
}

async fn run(name: &str, form: Form, kind: Kind) {
    let effort = effort((1, 48), (8, 480));
    for seed in effort.seeds {
        let mut tally = Tally::default();
        let mut random = Random::new(seed);
        let server = Setup::new().serve_lake().unix().start();
        let client = server.client().await;
        client.create_schema(SALES).await.unwrap();
        for number in 0..effort.statements.div_ceil(STATEMENTS_OF_A_TABLE) {
            let mut pair = Pair::begin(name, kind, seed, number, &server, &client, &mut random).await;
            for _ in 0..STATEMENTS_OF_A_TABLE {
                pair.step(form, &mut random, &mut tally).await;
            }
            pair.end();
        }
        println!("{name}, seed {seed}: {tally:?}");
        assert!(tally.done * 4 > effort.statements * 3, "most statements come to an end: {tally:?}");
    }
}

/// A table of the lake, and its twin.
struct Pair<'a> {
    what: String,
    kind: Kind,
    table: String,
    target: Target,
    twin: Twin,
    server: &'a Server,
    client: &'a Client,
}

impl<'a> Pair<'a> {
    async fn begin(
        name: &str,
        kind: Kind,
        seed: u64,
        number: usize,
        server: &'a Server,
        client: &'a Client,
        random: &mut Random,
    ) -> Self {
        let what = format!("{name}, seed {seed}, table {number}");
        let target = Target::new(random);
        let rows = target.rows(random.below(120), random);
        let twin = Twin::begin(&what, &table("t", &target.columns, &rows));
        let rows = twin.table();
        let table = format!("t{number}");
        client.create_table(SALES, &table, &rows.schema(), OnConflict::Error).await.unwrap();
        client.create_transaction().await.unwrap();
        amend(&server.table(SALES, &table), kind, &["g"][..kind.partitioned]);
        let made = listed(client, SALES, &table).await;
        let files = 1 + random.below(4);
        for part in 0..files {
            let (start, end) = (rows.num_rows() * part / files, rows.num_rows() * (part + 1) / files);
            client.insert(&made, &[rows.slice(start, end - start)]).await.unwrap();
        }
        Self { what, kind, table, target, twin, server, client }
    }

    /// One statement on both sides.
    async fn step(&mut self, form: Form, random: &mut Random, tally: &mut Tally) {
        let mut source = Source::new(&self.target, random);
        let (keys, clauses) = match form {
            Form::Merge => (Vec::new(), Clauses::new(&self.target, &source, random)),
            Form::Upsert => {
                while matches!(source.shape, Shape::More | Shape::Renamed) {
                    source = Source::new(&self.target, random);
                }
                upsert(&source, random)
            }
        };
        let mut told = self.twin.step(&self.target, &source, &clauses);
        told.twice |= form == Form::Upsert && self.twin.repeated(&keys);
        match told.refused.as_deref() {
            Some("statement") => panic!("{}: no statement: {}\n{:?}", self.what, clauses.text(), told.error),
            Some("expression") => {
                tally.dropped += 1;
                return;
            }
            _ => {}
        }
        let version = self.version();
        let answer = self.call(form, &keys, &clauses, random).await;
        if told.twice || told.refused.is_some() {
            self.assert_failed(&clauses, &told, answer);
            if told.refused.is_none() {
                self.twin.undo();
            }
            let expected = self.twin.table();
            self.assert_rows(&clauses, &expected).await;
            assert_eq!(self.version(), version, "{}a failure has committed", self.shown(&clauses));
            let tallied = if told.twice { &mut tally.twice } else { &mut tally.raised };
            *tallied += 1;
            return;
        }
        let answer = answer.unwrap_or_else(|e| panic!("{}only deltaport refuses it: {e}", self.shown(&clauses)));
        self.assert_answer(&clauses, &told, &answer, version);
        self.assert_rows(&clauses, &self.twin.expected()).await;
        tally.done += 1;
    }

    async fn call(&self, form: Form, keys: &[&str], clauses: &Clauses, random: &mut Random) -> Result<Answer, Error> {
        let (table, source) = (format!("{SALES}.{}", self.table), [self.twin.source()]);
        if form == Form::Upsert {
            return Ok(Answer::counted(self.client.upsert(&table, keys, &source).await?));
        }
        // The target goes by the table's name too.
        let mut text = clauses.text();
        if random.percent(20) {
            text = text.replace("target.", &format!("{}.", self.table));
        }
        if clauses.returning.is_some() {
            return Ok(Answer::Returned(self.client.merge_returning(&table, &text, &source).await?));
        }
        Ok(Answer::counted(self.client.merge(&table, &text, &source).await?))
    }

    fn assert_answer(&self, clauses: &Clauses, told: &Told, answer: &Answer, before: u64) {
        let count = |action: &str| told.counts.get(action).copied().unwrap_or_default() as i64;
        let counts = [count("INSERT"), count("UPDATE"), count("DELETE")];
        // What changes nothing commits nothing.
        let version = before + u64::from(counts.iter().sum::<i64>() > 0);
        assert_eq!(self.version(), version, "{}the version", self.shown(clauses));
        match answer {
            Answer::Counted(found, told) => {
                assert_eq!(*found, counts, "{}rows inserted, updated, deleted", self.shown(clauses));
                assert_eq!(*told, version as i64, "{}the version it tells", self.shown(clauses));
            }
            Answer::Returned(batches) => {
                let expected = self.twin.returned();
                if let Some(batch) = batches.first() {
                    let names = |batch: &RecordBatch| -> Vec<String> {
                        let schema = batch.schema();
                        let names = schema.fields().iter().map(|field| field.name().clone());
                        names.map(|name| if name.contains('(') { String::new() } else { name }).collect()
                    };
                    assert_eq!(names(batch), names(&expected), "{}columns of RETURNING", self.shown(clauses));
                }
                let found: Vec<_> = batches.iter().flat_map(rows).collect();
                self.assert_same(clauses, "RETURNING", found, rows(&expected));
            }
        }
    }

    fn assert_failed(&self, clauses: &Clauses, told: &Told, answer: Result<Answer, Error>) {
        let error = match answer {
            Err(error) => error,
            Ok(_) => panic!("{}it ended well, where it must fail: {told:?}", self.shown(clauses)),
        };
        let callers = [tonic::Code::InvalidArgument, tonic::Code::FailedPrecondition];
        assert!(callers.contains(&error.code()), "{}{error}", self.shown(clauses));
        if told.twice {
            return;
        }
        let says = |message: &Option<String>| message.as_ref().is_none_or(|message| error.message().contains(message));
        assert!(told.messages.iter().any(says), "{}{error}\nnone of {:?}", self.shown(clauses), told.messages);
    }

    async fn assert_rows(&self, clauses: &Clauses, expected: &RecordBatch) {
        let mut fresh = self.client.clone();
        fresh.begin().await.unwrap();
        let table = listed(&fresh, SALES, &self.table).await;
        let names: Vec<_> = self.target.columns.iter().map(|column| column.name.as_str()).collect();
        let found = fresh.scan(&table, &names).await.unwrap_or_else(|e| panic!("{}{e}", self.shown(clauses)));
        let project = |batch: &RecordBatch| {
            let places = names.iter().map(|name| batch.schema().index_of(name).expect("it was asked for"));
            batch.project(&places.collect::<Vec<_>>()).expect("its columns")
        };
        let found: Vec<_> = found.batches.iter().flat_map(|batch| rows(&project(batch))).collect();
        self.assert_same(clauses, "the table", found, rows(expected));
    }

    fn assert_same(&self, clauses: &Clauses, of: &str, mut found: Vec<Vec<String>>, mut expected: Vec<Vec<String>>) {
        found.sort();
        expected.sort();
        if found == expected {
            return;
        }
        let only = |these: &[Vec<String>], those: &[Vec<String>]| -> String {
            let only = these.iter().filter(|row| !those.contains(row)).take(5);
            only.map(|row| format!("  {row:?}\n")).collect()
        };
        panic!(
            "{}{of}: {} rows, DuckDB has {}\nof deltaport alone:\n{}of DuckDB alone:\n{}",
            self.shown(clauses),
            found.len(),
            expected.len(),
            only(&found, &expected),
            only(&expected, &found)
        );
    }

    /// What the others find at the end.
    fn end(&self) {
        let path = self.server.table(SALES, &self.table);
        self.twin.assert_others_agree(&path, self.kind, &self.what);
        if self.kind.feed {
            let columns: Vec<_> = self.target.columns.iter().map(|column| &column.name).collect();
            let wrong = ask(&path, "feed", &serde_json::json!({ "path": path, "columns": columns }));
            assert_eq!(wrong, serde_json::json!([]), "{}: versions whose feed is wrong", self.what);
        }
    }

    fn version(&self) -> u64 {
        *versions(&self.server.table(SALES, &self.table)).last().expect("the table is there")
    }

    /// The statement, before what is wrong with it.
    fn shown(&self, clauses: &Clauses) -> String {
        let sql = self.twin.as_sql(&clauses.text_for_duckdb(&self.target));
        format!("{}, {:?}\n{sql}-- the clauses: {}\n", self.what, self.kind, clauses.text())
    }
}

/// What came back.
enum Answer {
    /// Rows inserted, updated and deleted, and the version.
    Counted([i64; 3], i64),
    Returned(Vec<RecordBatch>),
}

impl Answer {
    fn counted(merged: airport_tests::client::Merged) -> Self {
        Self::Counted([merged.inserted, merged.updated, merged.deleted], merged.version)
    }
}

/// An upsert in other words.
fn upsert(source: &Source, random: &mut Random) -> (Vec<&'static str>, Clauses) {
    let both = source.name_of(1).is_some() && random.percent(20);
    let keys = if both { vec!["k", "g"] } else { vec!["k"] };
    let clause = |when, action| Clause { when, condition: None, action };
    let mut list = vec![clause(When::NotMatched, Action::Insert("INSERT BY NAME".to_owned()))];
    // Of a source that has the keys alone there is nothing to set.
    if source.columns.len() > keys.len() {
        list.push(clause(When::Matched, Action::Update(Vec::new(), "UPDATE BY NAME".to_owned())));
    }
    let on = format!("USING ({})", keys.join(", "));
    (keys, Clauses { on, list, returning: None })
}

/// Rows as text.
fn rows(batch: &RecordBatch) -> Vec<Vec<String>> {
    let columns: Vec<_> = batch.columns().iter().map(|column| texts(column)).collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|column| column[row].clone()).collect()).collect()
}

/// DuckDB takes the statements, and most of them come to an end.
#[test]
fn statements_are_such_as_duckdb_takes() {
    let mut random = Random::new(7);
    let (mut refused, mut stopped) = (0, 0);
    for number in 0..5 {
        let target = Target::new(&mut random);
        let rows = target.rows(random.below(80), &mut random);
        let twin = Twin::begin(&format!("generator {number}"), &table("t", &target.columns, &rows));
        for _ in 0..8 {
            let source = Source::new(&target, &mut random);
            let clauses = Clauses::new(&target, &source, &mut random);
            let told = twin.step(&target, &source, &clauses);
            refused += u32::from(told.refused.as_deref() == Some("statement"));
            stopped += u32::from(told.refused.is_some() || told.twice);
            if told.twice && told.refused.is_none() {
                twin.undo();
            }
        }
    }
    assert_eq!(refused, 0, "statements that are none");
    assert!(stopped <= 10, "{stopped} of 40 come to no end");
}
