//! Which columns make a new row: values that are set, old values, and generated ones.

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, make_comparator, new_null_array},
    compute::{SortOptions, nullif},
    datatypes::{Field, FieldRef, Schema, SchemaRef},
    error::ArrowError,
};

use crate::{
    delta::rules::Rules,
    engine::{Error, Result},
};

/// Where each column of a new row comes from.
pub(super) struct Columns {
    table: SchemaRef,
    /// By column of the table.
    sources: Vec<Source>,
    /// Indexes of the columns that are set, in the order of SET.
    set: Vec<usize>,
    /// Indexes of the columns that are fetched, ascending.
    pub(super) fetched: Vec<usize>,
    /// Of the values that came last: those of one stream share their schema.
    last_came: Option<Came>,
    /// The schema of values in the order of SET that were used last, and of the new rows with them.
    last_used: Option<(SchemaRef, SchemaRef)>,
}

/// How values come.
struct Came {
    schema: SchemaRef,
    /// Where each column of SET is.
    places: Vec<usize>,
    in_order: SchemaRef,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The value that is set, by its place in SET.
    Set(usize),
    /// The old value, by its place in what is fetched.
    Fetched(usize),
    /// NULL, which the table's rules make a value of.
    Generated,
    /// The value that is set, by its place in SET, unless it is the old one, by its place in what is fetched. Then it is
    /// as if it were not set: DuckDB sets columns to themselves when it wants rows back.
    SetGenerated(usize, usize),
}

impl Columns {
    pub(super) fn new(table: &SchemaRef, set: &[usize], rules: &Rules, old_rows_whole: bool) -> Result<Self> {
        let count = table.fields().len();
        if let Some(none) = set.iter().find(|index| **index >= count) {
            return Err(Error::InvalidArgument(format!("there is no column {none}; the table has {count}")));
        }
        let generated: BTreeSet<usize> = rules.generated().collect();
        let is_wanted = |index: &usize| set.contains(index) == generated.contains(index);
        let fetched: Vec<usize> = (0..count).filter(|index| old_rows_whole || is_wanted(index)).collect();
        let source = |index: usize| {
            let in_set = set.iter().position(|set| *set == index);
            match (in_set, fetched.binary_search(&index), generated.contains(&index)) {
                (Some(set), Ok(fetched), true) => Source::SetGenerated(set, fetched),
                (Some(set), ..) => Source::Set(set),
                (None, Ok(fetched), false) => Source::Fetched(fetched),
                (None, ..) => Source::Generated,
            }
        };
        let sources = (0..count).map(source).collect();
        Ok(Self { table: table.clone(), sources, set: set.to_vec(), fetched, last_came: None, last_used: None })
    }

    /// The values in the order of SET, whatever order they came in.
    pub(super) fn set_of(&mut self, values: &RecordBatch) -> Result<RecordBatch> {
        let broken = |source| Error::internal("an UPDATE's values cannot be told apart", source);
        let schema = values.schema_ref();
        let came = match self.last_came.take().filter(|last| Arc::ptr_eq(&last.schema, schema)) {
            Some(last) => last,
            None => {
                let places = self.places_in(schema)?;
                let in_order = Arc::new(schema.project(&places).map_err(broken)?);
                Came { schema: Arc::clone(schema), places, in_order }
            }
        };
        let columns = came.places.iter().map(|place| Arc::clone(values.column(*place))).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(values.num_rows()));
        let in_order = RecordBatch::try_new_with_options(Arc::clone(&came.in_order), columns, &options);
        self.last_came = Some(came);
        in_order.map_err(broken)
    }

    fn places_in(&self, schema: &Schema) -> Result<Vec<usize>> {
        let name = |index: usize| self.table.field(index).name();
        let is_set = |field: &&FieldRef| self.set.iter().any(|index| name(*index) == field.name());
        if let Some(extra) = schema.fields().iter().find(|field| !is_set(field)) {
            return Err(Error::InvalidArgument(format!("column \"{}\" is not among those that are set", extra.name())));
        }
        let place = |index: &usize| {
            let missing = |_| Error::InvalidArgument(format!("column \"{}\" is missing", name(*index)));
            schema.index_of(name(*index)).map_err(missing)
        };
        self.set.iter().map(place).collect()
    }

    /// `values` are in the order of SET.
    pub(super) fn new_rows(&mut self, values: &RecordBatch, old_rows: Option<&RecordBatch>) -> Result<RecordBatch> {
        let broken = |source| Error::internal("the columns of new rows cannot be put together", source);
        let column = |(source, field): (&Source, &FieldRef)| match (source, old_rows) {
            (Source::Set(place), _) => Ok(Arc::clone(values.column(*place))),
            (Source::Fetched(place), Some(old_rows)) => Ok(Arc::clone(old_rows.column(*place))),
            (Source::SetGenerated(set, fetched), Some(old_rows)) => {
                unless_same(values.column(*set), old_rows.column(*fetched)).map_err(broken)
            }
            (Source::Fetched(_) | Source::SetGenerated(..), None) => {
                Err(Error::internal("new rows lack a column", field.name().as_str()))
            }
            (Source::Generated, _) => Ok(new_null_array(field.data_type(), values.num_rows())),
        };
        let columns = self.sources.iter().zip(self.table.fields()).map(column).collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(values.num_rows()));
        RecordBatch::try_new_with_options(self.new_schema(values.schema_ref()), columns, &options).map_err(broken)
    }

    /// Everything may be NULL: whether it must not be is for the rules to say. Types are checked when rows are staged.
    fn new_schema(&mut self, values: &SchemaRef) -> SchemaRef {
        if let Some((last, new)) = &self.last_used
            && Arc::ptr_eq(last, values)
        {
            return Arc::clone(new);
        }
        let field = |(source, field): (&Source, &FieldRef)| match source {
            Source::Set(place) | Source::SetGenerated(place, _) => {
                Arc::new(values.field(*place).clone().with_nullable(true))
            }
            Source::Fetched(_) | Source::Generated => Arc::new(Field::clone(field).with_nullable(true)),
        };
        let fields: Vec<_> = self.sources.iter().zip(self.table.fields()).map(field).collect();
        let new = Arc::new(Schema::new(fields));
        self.last_used = Some((Arc::clone(values), Arc::clone(&new)));
        new
    }
}

/// The values, with NULL for those that are as they were.
fn unless_same(values: &ArrayRef, old: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let compare = make_comparator(values, old, SortOptions::default())?;
    let same: BooleanArray = (0..values.len()).map(|row| Some(compare(row, row).is_eq())).collect();
    nullif(values, &same)
}
