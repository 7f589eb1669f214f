//! The arguments of a call: one row, each value of its declared type.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Field, Schema},
};

use crate::{
    engine::{Error, Result},
    protocol::types::conform,
};

/// The arguments before the table argument.
pub(super) struct Arguments<'a> {
    function: &'a str,
    row: RecordBatch,
}

impl<'a> Arguments<'a> {
    /// Takes `row`, whose columns must be those `declared` before the table argument.
    ///
    /// # Errors
    /// `InvalidArgument`, as the conversion of any batch.
    pub(super) fn new(function: &'a str, declared: &[Field], row: &RecordBatch) -> Result<Self> {
        let [values @ .., _table] = declared else {
            return Err(Error::InvalidArgument(format!("{function} takes no arguments")));
        };
        let row = conform(row, &Arc::new(Schema::new(values.to_vec())))
            .map_err(|error| Error::InvalidArgument(format!("the arguments of {function}: {error}")))?;
        Ok(Self { function, row })
    }

    /// A text that is not empty. `meaning` is what the argument is, for who left it out.
    pub(super) fn text(&self, index: usize, meaning: &str) -> Result<String> {
        let column = self.row.column(index).as_string::<i32>();
        match column.is_valid(0).then(|| column.value(0)) {
            None => Err(self.refused(index, "is NULL", meaning)),
            Some(text) if text.trim().is_empty() => Err(self.refused(index, "is empty", meaning)),
            Some(text) => Ok(text.to_owned()),
        }
    }

    /// A list of texts: at least one, none of them NULL or empty.
    pub(super) fn texts(&self, index: usize, meaning: &str) -> Result<Vec<String>> {
        let column = self.row.column(index).as_list::<i32>();
        if column.is_null(0) {
            return Err(self.refused(index, "is NULL", meaning));
        }
        let list = column.value(0);
        let texts = list.as_string::<i32>().iter().map(|text| match text {
            None => Err(self.refused(index, "holds NULL", meaning)),
            Some("") => Err(self.refused(index, "holds an empty name", meaning)),
            Some(text) => Ok(text.to_owned()),
        });
        match texts.collect::<Result<Vec<_>>>()? {
            none if none.is_empty() => Err(self.refused(index, "is empty", meaning)),
            texts => Ok(texts),
        }
    }

    fn refused(&self, index: usize, fault: &str, meaning: &str) -> Error {
        let schema = self.row.schema();
        let (function, name) = (self.function, schema.field(index).name());
        Error::InvalidArgument(format!("argument {name:?} of {function} {fault}; it is {meaning}"))
    }
}
