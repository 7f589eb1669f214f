//! A client that inserts, updates and deletes rows of its own, one statement after the other, and knows what must come
//! of it.

use std::{
    ops::Range,
    sync::{Arc, atomic::Ordering},
};

use airport_tests::client::{Client, Error, ROW_ID, Result, Table};
use arrow::{
    array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray},
    compute::filter_record_batch,
    datatypes::{Int64Type, Schema},
};
use serde_json::json;
use tonic::Code;

use super::{
    Load, TABLES, WRITERS,
    contents::{Contents, Group, text},
};
use crate::{read::comparison, support::SALES};

/// Rows of a large INSERT: several messages, and files that are begun before the last one has come.
const LARGE_ROWS: u64 = 100_000;
/// With so many groups of rows in a table a writer deletes rather than adds to them.
const GROUPS_MAX: usize = 12;

/// Numbers that look random and are the same for a seed (Knuth's MMIX generator).
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 31) % bound
    }
}

/// One client.
#[derive(Debug)]
pub(super) struct Writer {
    /// Of its statements, modulo [`WRITERS`].
    pub(super) number: i64,
    /// INSERTs, UPDATEs and DELETEs that were acknowledged.
    pub(super) acknowledged: [u64; 3],
    dice: Dice,
    last_statement: i64,
    /// By table: its own rows, as far as they were acknowledged.
    held: [Contents; TABLES.len()],
    /// A statement that had no answer: its table, and what that holds if it landed.
    under_way: Option<(usize, Contents)>,
}

#[derive(Debug)]
enum Statement {
    Insert { number: i64, rows: i64 },
    Change { group: Group, numbers: Range<i64>, mark: Option<i64>, merged: bool },
}

impl Writer {
    pub(super) fn new(number: i64, seed: u64) -> Self {
        let (acknowledged, held) = ([0; 3], Default::default());
        Self { number, acknowledged, dice: Dice::new(seed), last_statement: number, held, under_way: None }
    }

    /// Writes until the server is killed.
    ///
    /// # Panics
    /// If a statement is refused by a server that lives, unless it says that it came to a conflict.
    pub(super) async fn write_until_killed(&mut self, location: &str, catalog: &str, tables: &[Table], load: &Load) {
        let Ok(mut client) = Client::attach(location, catalog).await else { return };
        loop {
            let (table, statement, after) = self.choose();
            self.under_way = Some((table, after));
            match execute(&mut client, TABLES[table], &tables[table], &statement).await {
                Ok(()) => {
                    let (table, after) = self.under_way.take().expect("it was noted above");
                    self.held[table] = after;
                    self.acknowledged[statement.kind()] += 1;
                    load.acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                Err(_) if load.killed.load(Ordering::SeqCst) => return,
                // Copy-on-write: somebody else rewrote the same file.
                Err(Error::Refused { code: Code::Aborted, .. }) => self.under_way = None,
                Err(error) => panic!("{statement:?} of {}: {error}", TABLES[table]),
            }
        }
    }

    /// What a table holds of this writer, found after a kill: whether the statement that was under way there has
    /// landed, if there was one.
    pub(super) fn settle(&mut self, table: usize, found: Contents) -> std::result::Result<Option<bool>, String> {
        let under_way = self.under_way.take_if(|(there, _)| *there == table).map(|(_, after)| after);
        let landed = under_way.as_ref().map(|after| *after == found);
        if landed != Some(true) && found != self.held[table] {
            return Err(format!("{found:?}\nwhere there must be {:?}\nor else {under_way:?}", self.held[table]));
        }
        self.held[table] = found;
        Ok(landed)
    }

    /// A statement, its table, and what that holds of this writer once it has landed.
    fn choose(&mut self) -> (usize, Statement, Contents) {
        self.last_statement += WRITERS;
        let (number, table) = (self.last_statement, self.dice.below(TABLES.len() as u64) as usize);
        let mut after = self.held[table].clone();
        let kind = self.dice.below(10);
        if after.is_empty() || (kind < 5 && after.len() < GROUPS_MAX) {
            let rows = match self.dice.below(8) {
                0 => self.dice.below(LARGE_ROWS) + 1,
                1 | 2 => self.dice.below(5000) + 1,
                _ => self.dice.below(4) + 1,
            } as i64;
            after.insert(number, rows);
            return (table, Statement::Insert { number, rows }, after);
        }
        let (group, numbers) = after.group(self.dice.below(after.len() as u64) as usize);
        let count = (numbers.end - numbers.start) as u64;
        let end = if self.dice.below(2) == 0 { numbers.end } else { numbers.start + 1 + self.dice.below(count) as i64 };
        let mark = (kind < 8 && after.len() < GROUPS_MAX).then_some(number);
        after.change(group, end, mark);
        let merged = self.dice.below(3) == 0;
        (table, Statement::Change { group, numbers: numbers.start..end, mark, merged }, after)
    }
}

impl Statement {
    fn kind(&self) -> usize {
        match self {
            Self::Insert { .. } => 0,
            Self::Change { mark: Some(_), .. } => 1,
            Self::Change { mark: None, .. } => 2,
        }
    }
}

async fn execute(client: &mut Client, name: &str, table: &Table, statement: &Statement) -> Result<()> {
    client.begin().await?;
    let (changed, rows) = match statement {
        Statement::Change { group, numbers, mark, merged: true } => {
            let clauses = match mark {
                Some(mark) => format!("UPDATE SET mark = {mark}, part = {}", mark % 3),
                None => "DELETE".to_owned(),
            };
            let clauses = format!("USING (statement, mark, number) WHEN MATCHED THEN {clauses}");
            let merged = client.merge(&format!("{SALES}.{name}"), &clauses, &[keys(*group, numbers)]).await?;
            ((merged.updated + merged.deleted) as u64, numbers.end - numbers.start)
        }
        Statement::Insert { number, rows } => (client.insert(table, &[inserted(*number, *rows)]).await?, *rows),
        Statement::Change { group, numbers, mark, merged: false } => {
            let row_ids = row_ids(client, table, *group, numbers).await?;
            let rows = numbers.end - numbers.start;
            let found: usize = row_ids.iter().map(RecordBatch::num_rows).sum();
            assert_eq!(found as i64, rows, "a scan of {group:?}, {numbers:?}");
            match mark {
                Some(mark) => {
                    let batches: Vec<_> = row_ids.iter().map(|batch| marked(*mark, batch)).collect();
                    (client.update(table, &batches).await?, rows)
                }
                None => (client.delete(table, &row_ids).await?, rows),
            }
        }
    };
    assert_eq!(changed as i64, rows, "{statement:?} was acknowledged with another count");
    Ok(())
}

fn inserted(statement: i64, rows: i64) -> RecordBatch {
    let all = |value: i64| Arc::new(Int64Array::from_value(value, rows as usize)) as ArrayRef;
    let columns = vec![
        all(statement),
        Arc::new(Int64Array::from_iter_values(0..rows)),
        all(0),
        all(0),
        Arc::new(StringArray::from_iter_values((0..rows).map(|_| text(statement)))),
    ];
    RecordBatch::try_new(super::columns().into(), columns).unwrap()
}

/// What a MERGE finds a group's rows by.
fn keys((statement, mark): Group, numbers: &Range<i64>) -> RecordBatch {
    let rows = (numbers.end - numbers.start) as usize;
    let all = |value: i64| Arc::new(Int64Array::from_value(value, rows)) as ArrayRef;
    let numbers = Arc::new(Int64Array::from_iter_values(numbers.clone())) as ArrayRef;
    RecordBatch::try_from_iter([("statement", all(statement)), ("mark", all(mark)), ("number", numbers)]).unwrap()
}

/// Batches of the row ids of a group's rows, by their numbers.
async fn row_ids(client: &Client, table: &Table, group: Group, numbers: &Range<i64>) -> Result<Vec<RecordBatch>> {
    let filter = comparison("EQUAL", "statement", "BIGINT", &json!(group.0));
    let columns = ["statement", "mark", "number", ROW_ID];
    let scan = client.scan_where(table, &columns, &format!("[{filter}]")).await?;
    let wanted = |batch: &RecordBatch| {
        let column = |index: usize| batch.column(index).as_primitive::<Int64Type>();
        let rows = column(0).values().iter().zip(column(1).values()).zip(column(2).values());
        let wanted = rows.map(|((statement, mark), number)| (*statement, *mark) == group && numbers.contains(number));
        let wanted = filter_record_batch(batch, &BooleanArray::from_iter(wanted.map(Some))).unwrap();
        wanted.project(&[3]).unwrap()
    };
    Ok(scan.batches.iter().map(wanted).filter(|batch| batch.num_rows() > 0).collect())
}

/// What an UPDATE sends: the columns it sets, and the row ids.
fn marked(mark: i64, row_ids: &RecordBatch) -> RecordBatch {
    let all = |value: i64| Arc::new(Int64Array::from_value(value, row_ids.num_rows())) as ArrayRef;
    let schema = super::columns();
    let fields = [2, 3].map(|index| schema.field(index).clone()).into_iter();
    let fields: Vec<_> = fields.chain([row_ids.schema().field(0).clone()]).collect();
    let columns = vec![all(mark), all(mark % 3), row_ids.column(0).clone()];
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}
