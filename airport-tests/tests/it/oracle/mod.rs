//! Random statements, over tables of every kind, against a model of what must come of them.
//!
//! A statement goes over the wire as DuckDB sends it: the rows' ids are read first, in the same transaction, and then
//! sent back in no order. After each statement the table has exactly the model's rows, and every so many statements
//! the readers of others agree. `DELTAPORT_LONG=1` runs many seeds, `DELTAPORT_SEED=N` one of them.

mod model;
mod others;
mod tables;
mod values;

use std::{collections::HashMap, sync::Arc};

use airport_tests::{
    client::{Client, OnConflict, ROW_ID, Result, Table},
    server::Server,
};
use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array},
    compute::{concat_batches, take},
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
};

use self::{
    model::{Model, Row, Statement},
    others::Others,
    values::Column,
};
pub(crate) use self::{
    tables::{Kind, amend},
    values::texts,
};
use crate::{
    random::{Random, effort},
    support::{SALES, exchange, lake, listed},
};

const ID: &str = "id";

/// Columns of a table, apart from those it is partitioned by: all of them now and then.
const COLUMNS: [usize; 4] = [2, 5, 9, 99];

macro_rules! kinds {
    ($($name:ident: { $($flag:ident: $value:expr),* };)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                run(Kind { $($flag: $value,)* ..Kind::default() }).await;
            }
        )*
    };
}

kinds! {
    vectors: { vectors: true };
    vectors_in_partitions: { vectors: true, partitioned: 2 };
    vectors_with_mapped_columns: { vectors: true, partitioned: 1, mapped: true };
    vectors_and_a_feed: { vectors: true, feed: true };
    rewritten: {};
    rewritten_in_partitions: { partitioned: 3 };
    rewritten_with_mapped_columns: { mapped: true };
    rewritten_with_a_feed: { partitioned: 1, feed: true };
}

async fn run(kind: Kind) {
    let effort = effort((1, 30), (6, 400));
    for seed in effort.seeds {
        let mut oracle = Oracle::begin(kind, seed).await;
        for number in 0..effort.statements {
            oracle.step(number).await;
        }
        oracle.end();
    }
}

/// A table and its model.
struct Oracle {
    seed: u64,
    kind: Kind,
    random: Random,
    model: Model,
    server: Server,
    client: Client,
    /// Statements left in the transaction that is open.
    transaction: usize,
    table: Table,
    others: Others,
}

impl Oracle {
    async fn begin(kind: Kind, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut columns = values::partitionable();
        // deltalake's reader of feeds does not find files in directories with encoded names.
        columns.rotate_left(usize::from(kind.feed));
        columns.truncate(kind.partitioned);
        let mut more = values::all();
        more.retain(|column| columns.iter().all(|taken| taken.name() != column.name()));
        random.shuffle(&mut more);
        more.truncate(*random.pick(&COLUMNS));
        columns.extend(more);
        let model = Model::new(columns, kind.partitioned);

        let (server, client) = lake().await;
        let declared = Schema::new(fields(&model));
        client.create_table(SALES, "t", &declared, OnConflict::Error).await.unwrap();
        client.create_transaction().await.unwrap();
        let partition_columns: Vec<_> = model.columns[..kind.partitioned].iter().map(Column::name).collect();
        amend(&server.table(SALES, "t"), kind, &partition_columns);
        let table = listed(&client, SALES, "t").await;
        Self { seed, kind, random, model, server, client, transaction: 0, table, others: Others::default() }
    }

    /// One statement, and a look at what has come of it.
    async fn step(&mut self, number: usize) {
        // Outside of BEGIN and COMMIT every statement is a transaction of its own.
        if self.transaction == 0 {
            self.client.begin().await.unwrap();
            self.transaction = *self.random.pick(&[1, 1, 1, 2, 5]);
        }
        self.transaction -= 1;
        let statement = self.model.statement(&mut self.random);
        let returning = self.random.percent(30);
        let what =
            format!("{:?}, seed {}, statement {number}: {statement}, returning {returning}", self.kind, self.seed);
        self.execute(&statement, returning, &what).await;
        self.model.apply(&statement);

        let expected = self.expected();
        let mut fresh = self.client.clone();
        fresh.begin().await.unwrap();
        let (client, who) =
            if self.random.percent(50) { (&fresh, "a new one") } else { (&self.client, "the same transaction") };
        let found = self.found(client).await.unwrap_or_else(|e| panic!("{what}: {who}: {e}"));
        assert_same(&found, &expected, &format!("{what}: as {who} sees it"));
        if number % 25 == 24 {
            self.others.check(&self.server.table(SALES, "t"), self.kind, &self.model, &what);
        }
    }

    /// The readers of others, and the change data feed, at the end.
    fn end(&mut self) {
        let what = format!("{:?}, seed {}, at the end", self.kind, self.seed);
        let path = self.server.table(SALES, "t");
        self.others.check(&path, self.kind, &self.model, &what);
        if self.kind.feed {
            self.others.check_feed(&path, &self.model, &what);
        }
    }

    async fn execute(&mut self, statement: &Statement, returning: bool, what: &str) {
        let sent = self.sent(statement, returning).await.unwrap_or_else(|e| panic!("{what}: {e}"));
        let answer = exchange(&self.client, &self.table, sent.operation, &sent.schema, &sent.batches, returning).await;
        let (changed, returned) = answer.unwrap_or_else(|e| panic!("{what}: {e}"));
        let mut rows: Vec<(i64, Row)> = match statement {
            Statement::Insert(rows) => rows.clone(),
            Statement::Update(_, rows) => rows.iter().map(|(id, _)| (*id, self.model.rows[id].clone())).collect(),
            Statement::Delete(ids) => ids.iter().map(|id| (*id, self.model.rows[id].clone())).collect(),
        };
        assert_eq!(changed, rows.len() as u64, "{what}: the number of rows");
        if !returning {
            return;
        }
        if let Statement::Update(columns, updated) = statement {
            for ((_, row), (_, values)) in rows.iter_mut().zip(updated) {
                columns.iter().zip(values).for_each(|(column, value)| row[*column] = *value);
            }
        }
        let expected: Vec<_> = rows.iter().map(|(id, row)| self.shown(*id, row)).collect();
        assert_same(&self.rows_of(&returned), &expected, &format!("{what}: the rows that came back"));
    }

    /// The messages of a statement.
    async fn sent(&mut self, statement: &Statement, returning: bool) -> Result<Sent> {
        let (operation, ids, rows) = match statement {
            Statement::Insert(rows) => {
                let rows: Vec<_> = rows.iter().map(|(id, row)| (*id, row)).collect();
                let batch = self.batch(&rows);
                return Ok(Sent { operation: "insert", schema: batch.schema(), batches: self.sliced(&batch) });
            }
            Statement::Update(_, rows) => {
                ("update", rows.iter().map(|(id, _)| *id).collect(), rows.iter().map(|(_, row)| row).collect())
            }
            Statement::Delete(ids) => ("delete", ids.clone(), Vec::new()),
        };
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        if let Statement::Update(set, _) = statement {
            self.set(set, &rows, &mut fields, &mut columns);
            // DuckDB then wants whole rows back, or makes a DELETE and an INSERT of an UPDATE of lists: what it does not
            // set it sends as it was.
            if returning || self.random.percent(20) {
                self.keep(set, &ids, &mut fields, &mut columns);
            }
        }
        columns.push(self.row_ids(&ids).await?);
        fields.push(Field::new(ROW_ID, columns.last().expect("one").data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("columns of one length");
        Ok(Sent { operation, schema, batches: self.sliced(&batch) })
    }

    fn set(&self, set: &[usize], rows: &[&Row], fields: &mut Vec<Field>, columns: &mut Vec<ArrayRef>) {
        for (place, index) in set.iter().enumerate() {
            let numbers: Vec<_> = rows.iter().map(|row| row[place]).collect();
            fields.push(self.model.columns[*index].field.clone());
            columns.push(self.model.columns[*index].take(&numbers));
        }
    }

    fn keep(&self, set: &[usize], ids: &[i64], fields: &mut Vec<Field>, columns: &mut Vec<ArrayRef>) {
        fields.push(Field::new(ID, DataType::Int64, true));
        columns.push(Arc::new(Int64Array::from(ids.to_vec())));
        for (index, column) in self.model.columns.iter().enumerate().filter(|(index, _)| !set.contains(index)) {
            let numbers: Vec<_> = ids.iter().map(|id| self.model.rows[id][index]).collect();
            fields.push(column.field.clone());
            columns.push(column.take(&numbers));
        }
    }

    /// The row ids of rows by their ids, from a scan such as an UPDATE or DELETE begins with.
    async fn row_ids(&self, ids: &[i64]) -> Result<ArrayRef> {
        let scan = self.client.scan(&self.table, &[ID, ROW_ID]).await?;
        let row_id = self.table.schema.field_with_name(ROW_ID).expect("every table has one").clone();
        let schema = Arc::new(Schema::new(vec![Field::new(ID, DataType::Int64, true), row_id]));
        let typed = |batch: &RecordBatch| RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec());
        let batches: Vec<_> = scan.batches.iter().map(|batch| typed(batch).expect("the table's types")).collect();
        let all = concat_batches(&schema, &batches).expect("one schema");
        let found: HashMap<_, _> =
            all.column(0).as_primitive::<Int64Type>().values().iter().copied().zip(0..).collect();
        let places = UInt32Array::from_iter_values(ids.iter().map(|id| found[id]));
        Ok(take(all.column(1), &places, None).expect("places of the scan"))
    }

    /// Whole rows, in the form they are sent.
    fn batch(&self, rows: &[(i64, &Row)]) -> RecordBatch {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|(id, _)| *id)));
        let column = |(index, column): (usize, &Column)| {
            column.take(&rows.iter().map(|(_, row)| row[index]).collect::<Vec<_>>())
        };
        let columns = std::iter::once(ids).chain(self.model.columns.iter().enumerate().map(column)).collect();
        RecordBatch::try_new(Schema::new(fields(&self.model)).into(), columns).expect("the model's types")
    }

    /// Batches such as come out of a filter: full vectors, or few rows each.
    fn sliced(&mut self, batch: &RecordBatch) -> Vec<RecordBatch> {
        let most = *self.random.pick(&[2048, 2048, 2048, 700, 129]);
        let (mut batches, mut start) = (Vec::new(), 0);
        while start < batch.num_rows() {
            let len = most.min(batch.num_rows() - start);
            batches.push(batch.slice(start, len));
            start += len;
        }
        batches
    }

    fn expected(&self) -> Vec<Vec<String>> {
        self.model.rows.iter().map(|(id, row)| self.shown(*id, row)).collect()
    }

    fn shown(&self, id: i64, row: &Row) -> Vec<String> {
        let values = self.model.columns.iter().zip(row).map(|(column, value)| column.texts[*value].clone());
        std::iter::once(id.to_string()).chain(values).collect()
    }

    /// The table's rows in the order of their ids.
    async fn found(&self, client: &Client) -> Result<Vec<Vec<String>>> {
        let names: Vec<_> = std::iter::once(ID).chain(self.model.columns.iter().map(Column::name)).collect();
        let mut rows = self.rows_of(&client.scan(&self.table, &names).await?.batches);
        rows.sort_by_key(|row| row[0].parse::<i64>().expect("an id"));
        Ok(rows)
    }

    /// Rows as text, the columns in the model's order.
    fn rows_of(&self, batches: &[RecordBatch]) -> Vec<Vec<String>> {
        let names: Vec<_> = std::iter::once(ID).chain(self.model.columns.iter().map(Column::name)).collect();
        let mut rows = Vec::new();
        for batch in batches {
            let column =
                |name: &&str| batch.column_by_name(name).unwrap_or_else(|| panic!("no {name} in {:?}", batch.schema()));
            let columns: Vec<_> = names.iter().map(|name| texts(column(name))).collect();
            rows.extend((0..batch.num_rows()).map(|row| columns.iter().map(|column| column[row].clone()).collect()));
        }
        rows
    }
}

/// A statement as messages.
struct Sent {
    operation: &'static str,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

fn fields(model: &Model) -> Vec<Field> {
    let id = Field::new(ID, DataType::Int64, true);
    std::iter::once(id).chain(model.columns.iter().map(|column| column.field.clone())).collect()
}

/// Compares rows and shows the first few that differ.
#[track_caller]
fn assert_same(found: &[Vec<String>], expected: &[Vec<String>], what: &str) {
    if found == expected {
        return;
    }
    let differing = found.iter().zip(expected).filter(|(found, expected)| found != expected).take(3);
    let differing: Vec<_> =
        differing.map(|(found, expected)| format!("found    {found:?}\nexpected {expected:?}")).collect();
    panic!("{what}: {} rows, not {}\n{}", found.len(), expected.len(), differing.join("\n"));
}
