//! The table as it ought to be, and random statements about it.

use std::collections::BTreeMap;

use super::values::Column;
use crate::random::Random;

/// The numbers of a row's values, by column; the id is not among them.
pub(crate) type Row = Vec<usize>;

/// What ought to be in the table, by id.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) columns: Vec<Column>,
    /// Columns that are partitioned by come first.
    pub(crate) partitioned: usize,
    pub(crate) rows: BTreeMap<i64, Row>,
    next_id: i64,
}

/// One statement; rows in the order they are sent.
#[derive(Debug, Clone)]
pub(crate) enum Statement {
    Insert(Vec<(i64, Row)>),
    /// SET these columns, of each row to these values.
    Update(Vec<usize>, Vec<(i64, Row)>),
    Delete(Vec<i64>),
}

/// No table grows beyond this for long: each statement is followed by a look at every value.
const CELLS_MAX: usize = 20_000;

impl Model {
    pub(crate) fn new(columns: Vec<Column>, partitioned: usize) -> Self {
        Self { columns, partitioned, rows: BTreeMap::new(), next_id: 0 }
    }

    /// A statement this table may be asked for.
    pub(crate) fn statement(&mut self, random: &mut Random) -> Statement {
        if self.rows.is_empty() || (self.rows.len() < self.rows_max() && random.percent(25)) {
            return self.insert(random);
        }
        let mut ids = self.selection(random);
        // A filter above a parallel scan sends rows in any order.
        random.shuffle(&mut ids);
        if random.percent(40) || self.rows.len() >= self.rows_max() {
            return Statement::Delete(ids);
        }
        self.update(random, &ids)
    }

    pub(crate) fn apply(&mut self, statement: &Statement) {
        match statement {
            Statement::Insert(rows) => self.rows.extend(rows.iter().cloned()),
            Statement::Update(columns, rows) => {
                for (id, values) in rows {
                    let row = self.rows.get_mut(id).expect("a statement is about rows that are there");
                    columns.iter().zip(values).for_each(|(column, value)| row[*column] = *value);
                }
            }
            Statement::Delete(ids) => ids.iter().for_each(|id| drop(self.rows.remove(id))),
        }
    }

    fn rows_max(&self) -> usize {
        CELLS_MAX / self.columns.len()
    }

    fn insert(&mut self, random: &mut Random) -> Statement {
        let most = self.rows_max() as i64 / 2;
        let count = [0, 1, 2, 7, 100, 300, 2048, 2500][random.below(8)].min(most);
        let ids = self.next_id..self.next_id + count;
        self.next_id = ids.end;
        Statement::Insert(
            ids.map(|id| (id, self.columns.iter().map(|column| value(random, column)).collect())).collect(),
        )
    }

    /// Ids by one of the ways rows are picked out of a table.
    fn selection(&self, random: &mut Random) -> Vec<i64> {
        let ids: Vec<_> = self.rows.keys().copied().collect();
        let column = random.below(self.columns.len());
        let partition = random.below(self.partitioned.max(1));
        match random.below(12) {
            0 => vec![*random.pick(&ids)],
            1..=3 => {
                let percent = *random.pick(&[1, 10, 60]);
                ids.into_iter().filter(|_| random.percent(percent)).collect()
            }
            4..=6 => {
                let (start, len) = (random.below(ids.len()), 1 + random.below(ids.len()));
                ids.into_iter().skip(start).take(len).collect()
            }
            7 => ids,
            8 | 9 => self.with_value(partition, value(random, &self.columns[partition])),
            10 => self.with_value(column, value(random, &self.columns[column])),
            _ => Vec::new(),
        }
    }

    fn with_value(&self, column: usize, value: usize) -> Vec<i64> {
        self.rows.iter().filter(|(_, row)| row[column] == value).map(|(id, _)| *id).collect()
    }

    fn update(&self, random: &mut Random, ids: &[i64]) -> Statement {
        let mut columns: Vec<_> = (0..self.columns.len()).collect();
        random.shuffle(&mut columns);
        columns.truncate(*random.pick(&[1, 1, 2, 3, self.columns.len()]));
        // To one value, NULL at times, or to one for each row.
        let constant: Vec<_> =
            columns.iter().map(|index| random.percent(50).then(|| value(random, &self.columns[*index]))).collect();
        let set = |random: &mut Random| {
            let values = columns.iter().zip(&constant);
            values.map(|(index, constant)| constant.unwrap_or_else(|| value(random, &self.columns[*index]))).collect()
        };
        let rows = ids.iter().map(|id| (*id, set(random))).collect();
        Statement::Update(columns, rows)
    }
}

impl std::fmt::Display for Statement {
    /// What fits on a line: the rows follow from the seed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<_> = match self {
            Self::Insert(rows) | Self::Update(_, rows) => rows.iter().map(|(id, _)| *id).collect(),
            Self::Delete(ids) => ids.clone(),
        };
        match self {
            Self::Insert(_) => write!(f, "INSERT")?,
            Self::Update(columns, _) => write!(f, "UPDATE of columns {columns:?}")?,
            Self::Delete(_) => write!(f, "DELETE")?,
        }
        write!(f, " of {} rows, ids {:?}", ids.len(), &ids[..ids.len().min(8)])
    }
}

fn value(random: &mut Random, column: &Column) -> usize {
    random.below(column.values.len())
}
