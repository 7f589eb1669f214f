//! Many writers at one table, through two servers: each statement lands once and whole, or says that it did not.
//!
//! Every row keeps a counter and the list of the statements that made and changed it. So each version tells which
//! statements it holds, a lost update shows as a statement that is missing in a list, and a serial replay of what
//! landed, in the order of the versions, must come to the very rows that are found.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use airport_tests::{
    client::{Client, OnConflict, ROW_ID, Table},
    readers,
    rows::rows,
    server::{Attach, Server, Setup},
};
use arrow::{
    array::{ArrayRef, AsArray, Int64Array, ListArray, RecordBatch, UInt32Array, new_empty_array},
    compute::{concat, take},
    datatypes::{DataType, Field, Int64Type, Schema},
};
use serde_json::json;
use tonic::Code;

use crate::{
    oracle::{Kind, amend},
    random::{Effort, Random, effort},
    support::{SALES, exchange, lake, listed, versions},
};

const WRITERS: usize = 32;
/// Rows there are before anybody races, in so many files.
const ROWS: i64 = 640;
const FILES: i64 = 4;
/// Rows that everybody wants.
const HOT: i64 = 12;
/// Rows of one INSERT.
const INSERTED: i64 = 5;
/// After so many statements everybody rests, and small files become one.
const ROUND: usize = 250;

const COLUMNS: [&str; 3] = ["id", "counter", "statements"];

/// A row: its counter, and the statements that made and changed it, in order.
type Rows = BTreeMap<i64, (i64, Vec<i64>)>;

/// What a statement was asked to do, and whether it was told that this was done.
#[derive(Debug, Clone)]
struct Statement {
    /// Unique; a statement's rows have ids that begin at it times [`INSERTED`].
    number: i64,
    does: Does,
    landed: bool,
    /// Why it did not land.
    conflict: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Does {
    Insert(Vec<i64>),
    Update(BTreeSet<i64>),
    Delete(BTreeSet<i64>),
}

impl Does {
    fn ids(&self) -> BTreeSet<i64> {
        match self {
            Self::Insert(ids) => ids.iter().copied().collect(),
            Self::Update(ids) | Self::Delete(ids) => ids.clone(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_vectors() {
    race(Kind { vectors: true, ..Kind::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_rewriting() {
    race(Kind::default()).await;
}

async fn race(kind: Kind) {
    let Effort { seeds, statements } = effort((1, 160), (2, 2000));
    for seed in seeds {
        Race::begin(kind, seed).await.run(statements).await;
    }
}

/// Two servers over one lake.
struct Race {
    kind: Kind,
    seed: u64,
    path: std::path::PathBuf,
    table: Table,
    attach: Vec<Attach>,
    client: Client,
    first_version: u64,
    _servers: [Server; 2],
}

impl Race {
    async fn begin(kind: Kind, seed: u64) -> Self {
        let (server, client) = lake().await;
        client.create_table(SALES, "t", &columns(), OnConflict::Error).await.unwrap();
        let path = server.table(SALES, "t");
        amend(&path, kind, &[]);
        let other = Setup::new().arguments([server.lake().to_str().expect("UTF-8")]).tcp().unix().start();
        let table = listed(&client, SALES, "t").await;
        for file in 0..FILES {
            let ids: Vec<_> = (file * ROWS / FILES..(file + 1) * ROWS / FILES).collect();
            client.clone().begin().await.unwrap();
            client.insert(&table, &[new_rows(&ids, -1)]).await.unwrap();
        }
        let first_version = *versions(&path).last().expect("a version");
        let attach = [server.attach(), other.attach()].concat();
        Self { kind, seed, path, table, attach, client, first_version, _servers: [server, other] }
    }

    async fn run(self, count: usize) {
        let mut statements = Vec::new();
        let next = Arc::new(AtomicUsize::new(1000)); // numbers whose rows are not among the first ones
        for round in 0..count.div_ceil(ROUND) {
            let end = 1000 + count.min((round + 1) * ROUND);
            let writers = (0..WRITERS).map(|writer| self.writer(writer, Arc::clone(&next), end));
            let writers: Vec<_> = writers.collect();
            let others = self.others(round);
            for writer in writers {
                statements.extend(writer.await.expect("a writer does not panic"));
            }
            others.await.expect("the others do not panic");
            next.store(end, Ordering::SeqCst);
            python(&self.path, COMPACT);
        }
        self.check(&statements).await;
    }

    /// Takes numbers until they are used up.
    fn writer(&self, writer: usize, next: Arc<AtomicUsize>, end: usize) -> tokio::task::JoinHandle<Vec<Statement>> {
        let Attach { catalog, location } = self.attach[writer % self.attach.len()].clone();
        let (table, seed) = (self.table.clone(), self.seed);
        tokio::spawn(async move {
            let mut client = Client::attach(&location, &catalog).await.unwrap();
            let mut done = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= end {
                    return done;
                }
                let mut random = Random::new(seed * 1_000_000 + number as u64);
                client.begin().await.unwrap();
                done.push(statement(&client, &table, writer as i64, number as i64, &mut random).await);
            }
        })
    }

    /// deltalake deletes, and makes one file of many, while the writers write.
    fn others(&self, round: usize) -> tokio::task::JoinHandle<()> {
        let path = self.path.clone();
        let digit = round % 10;
        tokio::task::spawn_blocking(move || {
            python(&path, COMPACT);
            let deleted = python(&path, &DELETE.replace("DIGIT", &digit.to_string()));
            python(&path, COMPACT);
            println!("deltalake deleted {deleted}");
        })
    }

    /// Every version is the one before it and the statements it holds; every statement is in one version, or in none
    /// if it was told so.
    async fn check(&self, statements: &[Statement]) {
        let by_number: BTreeMap<_, _> = statements.iter().map(|statement| (statement.number, statement)).collect();
        let mut held: BTreeMap<i64, u64> = BTreeMap::new();
        let mut touched = BTreeMap::new();
        let last = *versions(&self.path).last().expect("a version");
        let mut before = self.rows_at(self.first_version).await;
        for version in self.first_version + 1..=last {
            let after = self.rows_at(version).await;
            if commit_info(&self.path, version).contains("delta-rs") {
                self.check_others(version, &before, &after);
                before = after;
                continue;
            }
            let changed = before.iter().filter(|(id, row)| after.get(id) != Some(row));
            touched.insert(version, changed.map(|(id, _)| *id).collect());
            for number in self.statements_of(version, &before, &after, &by_number) {
                let earlier = held.insert(number, version);
                assert_eq!(
                    earlier, None,
                    "{}: statement {number} landed twice, the second time in {version}",
                    self.seed
                );
            }
            before = after;
        }
        self.compare_with_answers(&held, statements);
        if self.kind.vectors {
            self.check_conflicts(&touched, statements);
        }
        self.ask_others(&before);
    }

    /// Which statements a version holds. Each must be there whole, and nothing else may have changed.
    fn statements_of(&self, version: u64, before: &Rows, after: &Rows, asked: &BTreeMap<i64, &Statement>) -> Vec<i64> {
        let seed = self.seed;
        let mut found: BTreeMap<i64, Does> = BTreeMap::new();
        for (id, (counter, list)) in after {
            let old = before.get(id);
            if old == Some(&(*counter, list.clone())) {
                continue;
            }
            let number = *list.last().expect("a row knows who made it");
            match old {
                None => match found.entry(number).or_insert_with(|| Does::Insert(Vec::new())) {
                    Does::Insert(ids) => ids.push(*id),
                    other => panic!("seed {seed}: version {version} adds row {id} in {other:?} of {number}"),
                },
                Some((was, made_by)) => {
                    let expected: Vec<_> = made_by.iter().copied().chain([number]).collect();
                    assert_eq!(
                        (*counter, list),
                        (was + 1, &expected),
                        "seed {seed}: version {version} loses an update of {id}"
                    );
                    match found.entry(number).or_insert_with(|| Does::Update(BTreeSet::new())) {
                        Does::Update(ids) => drop(ids.insert(*id)),
                        other => panic!("seed {seed}: version {version} changes row {id} in {other:?} of {number}"),
                    }
                }
            }
        }
        let gone: BTreeSet<_> = before.keys().filter(|id| !after.contains_key(id)).copied().collect();
        if !gone.is_empty() {
            let (number, does) = self.deletion(version, gone, asked);
            found.insert(number, does);
        }
        for (number, does) in &found {
            if let Some(statement) = asked.get(number) {
                assert_eq!(*does, statement.does, "seed {seed}: version {version} holds a part of statement {number}");
            }
        }
        found.into_keys().collect()
    }

    /// The DELETE that removed just these rows.
    fn deletion(&self, version: u64, gone: BTreeSet<i64>, asked: &BTreeMap<i64, &Statement>) -> (i64, Does) {
        let gone = Does::Delete(gone);
        let statement = asked.values().find(|statement| statement.landed && statement.does == gone);
        let seed = self.seed;
        let statement = statement.unwrap_or_else(|| panic!("seed {seed}: version {version}: who did {gone:?}?"));
        (statement.number, gone)
    }

    /// deltalake removes what [`DELETE`] says or nothing.
    fn check_others(&self, version: u64, before: &Rows, after: &Rows) {
        let gone: Vec<_> = before.keys().filter(|id| !after.contains_key(id)).collect();
        let digits: BTreeSet<_> = gone.iter().map(|id| **id % 10).collect();
        let seed = self.seed;
        assert!(
            digits.len() <= 1 && gone.iter().all(|id| **id >= ROWS),
            "seed {seed}: version {version} deletes {gone:?}"
        );
        let kept: Rows =
            before.iter().filter(|(id, _)| !gone.contains(id)).map(|(id, row)| (*id, row.clone())).collect();
        assert_eq!(kept, *after, "seed {seed}: version {version}, which is deltalake's, changes rows");
    }

    fn compare_with_answers(&self, held: &BTreeMap<i64, u64>, statements: &[Statement]) {
        // A statement about no rows makes no version.
        let statements: Vec<_> = statements.iter().filter(|statement| !statement.does.ids().is_empty()).collect();
        let landed: BTreeSet<_> = statements.iter().filter(|one| one.landed).map(|one| one.number).collect();
        let lost: Vec<_> = landed.iter().filter(|number| !held.contains_key(number)).collect();
        assert!(lost.is_empty(), "seed {}: acknowledged and not there: {lost:?}", self.seed);
        let denied: Vec<_> = held.keys().filter(|number| !landed.contains(number)).collect();
        assert!(denied.is_empty(), "seed {}: refused and there: {denied:?}", self.seed);
        let conflicts = statements.len() - landed.len();
        println!("seed {}: {} statements landed, {conflicts} met a conflict", self.seed, landed.len());
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for why in statements.iter().filter_map(|one| one.conflict.as_deref()) {
            *reasons.entry(why.replace(|c: char| c.is_ascii_digit(), "")).or_default() += 1;
        }
        reasons.iter().for_each(|(why, times)| println!("{times:6} times: {why}"));
        assert!(landed.len() > conflicts / 4, "{conflicts} of {} statements met a conflict", statements.len());
    }

    /// Conflicts are by row: the version that stood in the way has changed one of the same rows.
    fn check_conflicts(&self, touched: &BTreeMap<u64, BTreeSet<i64>>, statements: &[Statement]) {
        for Statement { number, does, conflict, .. } in statements {
            let Some(conflict) = conflict else { continue };
            let version = conflict.split("version ").nth(1).and_then(|rest| rest.split(' ').next());
            let version: u64 = version.and_then(|text| text.parse().ok()).expect("a conflict names the version");
            // deltalake moves rows.
            let Some(theirs) = touched.get(&version) else { continue };
            let ours = does.ids();
            assert!(!ours.is_disjoint(theirs), "{}: statement {number} on {ours:?}: {conflict}: {theirs:?}", self.seed);
        }
    }

    fn ask_others(&self, expected: &Rows) {
        let sums = expected.values().map(|(counter, _)| counter).sum::<i64>();
        let count = [[json!(expected.len()), json!(expected.len()), json!(sums)]];
        assert_eq!(readers::both(&self.path, "SELECT count(*), count(DISTINCT id), sum(counter) FROM t"), count);
    }

    async fn rows_at(&self, version: u64) -> Rows {
        let version = version.to_string();
        let then = self.client.flight_info(&self.table.descriptor, "VERSION", &version).await.unwrap();
        let scan = self.client.scan_at(&then, &COLUMNS, "VERSION", &version).await.unwrap();
        let mut found = BTreeMap::new();
        for row in rows(&scan.batches) {
            let number = |value: &serde_json::Value| value.as_i64().expect("an integer");
            let list = row[2].as_array().expect("a list").iter().map(number).collect();
            let twice = found.insert(number(&row[0]), (number(&row[1]), list));
            assert!(
                twice.is_none(),
                "seed {}: version {version} has row {} twice: {row:?} and {twice:?}",
                self.seed,
                row[0]
            );
        }
        found
    }
}

/// One statement of a writer's, chosen and executed.
async fn statement(client: &Client, table: &Table, writer: i64, number: i64, random: &mut Random) -> Statement {
    let (does, answer) = match random.below(10) {
        0..=2 => insert(client, table, number).await,
        choice => change(client, table, writer, number, choice, random).await,
    };
    let conflict = match answer {
        Ok(()) => None,
        // The only other end there is: nothing was changed, as another statement came first.
        Err(error) if error.code() == Code::Aborted => Some(error.message().to_owned()),
        Err(error) => panic!("statement {number}, {does:?}: {error}"),
    };
    Statement { number, does, landed: conflict.is_none(), conflict }
}

type Answer = (Does, airport_tests::client::Result<()>);

async fn insert(client: &Client, table: &Table, number: i64) -> Answer {
    let ids: Vec<_> = (number * INSERTED..(number + 1) * INSERTED).collect();
    let answer = client.insert(table, &[new_rows(&ids, number)]).await;
    (Does::Insert(ids), answer.map(|rows| assert_eq!(rows, INSERTED as u64)))
}

/// An UPDATE or DELETE of rows that a scan of the same transaction has found.
async fn change(
    client: &Client,
    table: &Table,
    writer: i64,
    number: i64,
    choice: usize,
    random: &mut Random,
) -> Answer {
    let scan = client.scan(table, &["id", "counter", "statements", ROW_ID]).await.unwrap();
    let [ids, counters, lists, row_ids] = [0, 1, 2, 3].map(|column| {
        let arrays: Vec<_> = scan.batches.iter().map(|batch| batch.column(column).as_ref()).collect();
        concat(&arrays).expect("one type")
    });
    let mut places: Vec<_> = ids.as_primitive::<Int64Type>().values().iter().copied().zip(0_u32..).collect();
    match choice {
        // Rows that are this writer's alone, rows that everybody wants, and rows from all over.
        3..=5 => places.retain(|(id, _)| id % WRITERS as i64 == writer && random.percent(40)),
        6 => places.retain(|(id, _)| *id < HOT && random.percent(50)),
        7 => places.retain(|_| random.percent(1)),
        8 => places.retain(|(id, _)| *id >= ROWS && id % WRITERS as i64 == writer && random.percent(30)),
        _ => places.retain(|(id, _)| *id >= HOT && id % 40 == writer % 8 && random.percent(20)),
    }
    random.shuffle(&mut places);
    let targets: BTreeSet<_> = places.iter().map(|(id, _)| *id).collect();
    let places = UInt32Array::from_iter_values(places.iter().map(|(_, place)| *place));
    let pick = |array: &ArrayRef| take(array, &places, None).expect("places of the scan");
    let row_id = Field::new(ROW_ID, row_ids.data_type().clone(), true);
    let (operation, fields, arrays) = if choice >= 8 {
        ("delete", vec![row_id], vec![pick(&row_ids)])
    } else {
        let counters = pick(&counters).as_primitive::<Int64Type>().unary::<_, Int64Type>(|counter| counter + 1);
        let set: [ArrayRef; 2] = [Arc::new(counters), with_one_more(&pick(&lists), number)];
        let fields = columns().fields()[1..].iter().map(|field| field.as_ref().clone()).chain([row_id]).collect();
        ("update", fields, set.into_iter().chain([pick(&row_ids)]).collect())
    };
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).expect("columns of one length");
    let batches: &[RecordBatch] = if targets.is_empty() { &[] } else { &[batch] };
    let answer = exchange(client, table, operation, &schema, batches, false).await;
    let answer = answer.map(|(rows, _)| assert_eq!(rows, targets.len() as u64, "statement {number}"));
    (if operation == "delete" { Does::Delete(targets) } else { Does::Update(targets) }, answer)
}

fn columns() -> Schema {
    let number = |name| Field::new(name, DataType::Int64, true);
    let list = DataType::List(Field::new("l", DataType::Int64, true).into());
    Schema::new(vec![number("id"), number("counter"), Field::new("statements", list, true)])
}

fn new_rows(ids: &[i64], statement: i64) -> RecordBatch {
    let none = ListArray::from_iter_primitive::<Int64Type, _, _>(ids.iter().map(|_| Some([])));
    let none: ArrayRef = Arc::new(none);
    let columns_of: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(ids.to_vec())),
        Arc::new(Int64Array::from(vec![0; ids.len()])),
        with_one_more(&none, statement),
    ];
    RecordBatch::try_new(Arc::new(columns()), columns_of).expect("the table's columns")
}

/// Lists, each with one more item.
fn with_one_more(lists: &ArrayRef, item: i64) -> ArrayRef {
    let lists = lists.as_list::<i32>();
    let mut longer = arrow::array::ListBuilder::new(arrow::array::Int64Builder::new()).with_field(Field::new(
        "l",
        DataType::Int64,
        true,
    ));
    for list in lists.iter() {
        let list = list.unwrap_or_else(|| new_empty_array(&DataType::Int64));
        list.as_primitive::<Int64Type>().values().iter().for_each(|item| longer.values().append_value(*item));
        longer.values().append_value(item);
        longer.append(true);
    }
    Arc::new(longer.finish())
}

/// A commit's `commitInfo`, as text.
fn commit_info(table: &Path, version: u64) -> String {
    let log = std::fs::read_to_string(table.join(format!("_delta_log/{version:020}.json"))).expect("a commit");
    log.lines().find(|line| line.contains("\"commitInfo\"")).unwrap_or_default().to_owned()
}

/// Runs Python about a table; a conflict there is as good an end as any.
fn python(table: &Path, code: &str) -> serde_json::Value {
    let code = format!(
        "from deltalake.exceptions import CommitFailedError\n\
         try:\n\
         \x20   table = deltalake.DeltaTable({table:?})\n\
         \x20   result = {code}\n\
         except CommitFailedError as error:\n\
         \x20   result = f'conflict: {{error}}'\n"
    );
    readers::python(table, &code)
}

const COMPACT: &str = "table.optimize.compact()['numFilesRemoved']";
const DELETE: &str = "table.delete('id >= 640 AND id % 10 = DIGIT')['num_deleted_rows']";
