//! The columns of UPDATE and DELETE: what the client sends, and with RETURNING what it wants back.
//!
//! A DELETE sends `rowid` and nothing else. An UPDATE sends the columns of SET in the order of SET, and `rowid` last;
//! with RETURNING, or when one of them is a list, DuckDB adds all other columns behind those of SET, in any order, as
//! if each were set to itself (`LogicalUpdate::BindExtraColumns`).
//!
//! What comes back goes by name for a DELETE: the table's columns. For an UPDATE the client looks up the name of every
//! column of the table, and of `rowid`, but then takes the values by the places at which it sent them, and leaves out
//! the one that is marked as the row id (`storage/airport_exchange.cpp`, `storage/airport_update.cpp`).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StructArray},
    buffer::NullBuffer,
    datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
    error::ArrowError,
};

use super::{
    exchange::Operation,
    types::{Conform, with_nulls},
};
use crate::engine::{ChangeKind, Error, ROW_ID_COLUMN, Result, RowId, row_id_field};

/// The shape of one UPDATE or DELETE, both ways.
#[derive(Debug, Clone)]
pub struct ChangeShape {
    kind: ChangeKind,
    conform: Conform,
    taken: SchemaRef,
    reply: SchemaRef,
    /// For each column that comes back but the row id its index in the table.
    sources: Vec<usize>,
}

impl ChangeShape {
    /// What `operation` sends as `sent` to `table`, of which these are the columns that the client knows.
    ///
    /// # Errors
    /// `InvalidArgument` if the row ids are missing, not last or of another type, or a column is set twice or has
    /// another type; `NotFound` if there is no such column.
    pub fn new(operation: Operation, sent: &SchemaRef, table: &str, columns: &Schema) -> Result<Self> {
        let set = set_columns(operation, sent)?;
        match operation {
            Operation::Update => {
                let set = indexes(set, table, columns)?;
                Self::update(sent, set, columns)
            }
            _ => Self::delete(sent, columns),
        }
    }

    fn update(sent: &SchemaRef, set: Vec<usize>, columns: &Schema) -> Result<Self> {
        let is_set: HashSet<usize> = set.iter().copied().collect();
        let others = (0..columns.fields().len()).filter(|index| !is_set.contains(index));
        let sources: Vec<usize> = set.iter().copied().chain(others).collect();
        let reply = fields(columns, &sources).chain([Arc::new(row_id_field())]);
        let reply = Arc::new(Schema::new(reply.collect::<Vec<_>>()));
        let (conform, taken) = conform(sent, columns, &set)?;
        Ok(Self { kind: ChangeKind::Update(set), conform, taken, reply, sources })
    }

    fn delete(sent: &SchemaRef, columns: &Schema) -> Result<Self> {
        let sources = (0..columns.fields().len()).collect();
        let reply = Arc::new(Schema::new(columns.fields().clone()));
        let (conform, taken) = conform(sent, columns, &[])?;
        Ok(Self { kind: ChangeKind::Delete, conform, taken, reply, sources })
    }

    /// What becomes of the rows.
    pub fn kind(&self) -> &ChangeKind {
        &self.kind
    }

    /// The columns that come back. The client waits for them even if it wants no rows.
    pub fn reply_schema(&self) -> &SchemaRef {
        &self.reply
    }

    /// Rows as the client sent them, as [`crate::engine::Change::write`] takes them. A row id that is NULL in part is
    /// NULL.
    ///
    /// # Errors
    /// As [`Conform::apply`].
    pub fn take(&self, sent: &RecordBatch) -> Result<RecordBatch> {
        let rows = self.conform.apply(sent)?;
        let mut columns = rows.columns().to_vec();
        let internal = |error| Error::internal("taking row ids", error);
        if let Some(row_ids) = columns.last_mut() {
            *row_ids = whole_row_ids(row_ids.as_struct()).map_err(internal)?;
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.taken), columns, &options).map_err(internal)
    }

    /// Rows for the client: `changed` has the columns of the table, `taken` is what [`Self::take`] made of the batch
    /// they answer.
    ///
    /// # Errors
    /// `Internal` if they are not the same rows.
    pub fn reply(&self, changed: &RecordBatch, taken: &RecordBatch) -> Result<RecordBatch> {
        let internal = |error| Error::internal("answering with the changed rows", error);
        let columns = changed.project(&self.sources).map_err(internal)?;
        let mut columns = columns.columns().to_vec();
        if let ChangeKind::Update(_) = self.kind {
            // Nobody looks at it: the row has another id now.
            columns.extend(taken.columns().last().cloned());
        }
        let typed = |(field, column): (&FieldRef, &ArrayRef)| {
            // The engine's arrays may say otherwise of nulls inside of them; that does not travel.
            field.as_ref().clone().with_data_type(column.data_type().clone()).with_nullable(true)
        };
        let schema = Schema::new(self.reply.fields().iter().zip(&columns).map(typed).collect::<Vec<_>>());
        let options = RecordBatchOptions::new().with_row_count(Some(taken.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(schema), columns, &options).map_err(internal)
    }
}

/// What stands before the row ids.
fn set_columns(operation: Operation, sent: &Schema) -> Result<&[FieldRef]> {
    let verb = operation.to_string().to_uppercase();
    let set = match sent.fields().split_last() {
        Some((last, set)) if last.name() == ROW_ID_COLUMN => set,
        _ => {
            return Err(Error::InvalidArgument(format!(
                "the last column of {verb} must be {ROW_ID_COLUMN:?}, which says what rows it is about"
            )));
        }
    };
    match (operation, set) {
        (Operation::Update, []) => Err(Error::InvalidArgument("UPDATE sets no column".to_owned())),
        (Operation::Update, _) | (_, []) => Ok(set),
        (_, [first, ..]) => Err(Error::InvalidArgument(format!(
            "{verb} takes {ROW_ID_COLUMN:?} alone; column {:?} was sent too",
            first.name()
        ))),
    }
}

fn indexes(set: &[FieldRef], table: &str, columns: &Schema) -> Result<Vec<usize>> {
    let known = columns.fields().iter().enumerate().map(|(index, field)| (field.name(), index));
    let known: HashMap<&String, usize> = known.collect();
    let mut seen = HashSet::new();
    let index = |field: &FieldRef| {
        let column = field.name();
        match known.get(column) {
            None => Err(Error::NotFound(format!("table {table:?} has no column {column:?}"))),
            Some(index) if !seen.insert(index) => {
                Err(Error::InvalidArgument(format!("column {column:?} is set twice")))
            }
            Some(index) => Ok(*index),
        }
    };
    set.iter().map(index).collect()
}

/// From what is sent to what the engine takes, and that with the row ids as the engine has them.
fn conform(sent: &SchemaRef, columns: &Schema, set: &[usize]) -> Result<(Conform, SchemaRef)> {
    let row_id = Field::new(ROW_ID_COLUMN, DataType::Struct(RowId::fields()), true);
    let with_row_id = |last| Schema::new(fields(columns, set).chain([Arc::new(last)]).collect::<Vec<_>>());
    let nullable = with_nulls(&with_row_id(row_id.clone()));
    let taken = nullable.fields()[..set.len()].iter().cloned().chain([Arc::new(row_id)]).collect::<Vec<_>>();
    Ok((Conform::new(Arc::clone(sent), Arc::new(nullable))?, Arc::new(Schema::new(taken))))
}

fn fields<'a>(schema: &'a Schema, indexes: &'a [usize]) -> impl Iterator<Item = FieldRef> + 'a {
    indexes.iter().map(|index| Arc::clone(&schema.fields()[*index]))
}

fn whole_row_ids(row_ids: &StructArray) -> Result<ArrayRef, ArrowError> {
    let parts = row_ids.columns().iter().map(|part| part.nulls());
    let nulls = parts.fold(row_ids.nulls().cloned(), |nulls, part| NullBuffer::union(nulls.as_ref(), part));
    let columns = row_ids.columns().to_vec();
    Ok(Arc::new(StructArray::try_new_with_length(RowId::fields(), columns, nulls, row_ids.len())?))
}

#[cfg(test)]
mod tests;
