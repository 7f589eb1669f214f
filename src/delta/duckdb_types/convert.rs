//! Arrays of the seam as they are stored, and back; children are converted, what holds them is kept.

use std::{borrow::Cow, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, FixedSizeListArray, ListArray, MapArray,
        StructArray, UInt32Array,
    },
    buffer::{NullBuffer, OffsetBuffer, ScalarBuffer},
    compute::{filter, take},
    datatypes::{DataType, Field, FieldRef, Fields},
    error::ArrowError,
};

use super::{kind::Kind, load::load_leaf, store::store_leaf, text::TypeText};
use crate::engine::{Error, Result};

/// Whether the values of a column of the seam are what is stored. Then neither [`store`] nor [`load`] is needed.
pub(crate) fn is_stored_as_is(field: &Field) -> bool {
    match field.data_type() {
        DataType::Struct(fields) => fields.iter().all(|field| is_stored_as_is(field)),
        DataType::List(inner) | DataType::Map(inner, _) => is_stored_as_is(inner),
        DataType::FixedSizeList(..) => false,
        _ => Kind::of(field).is_none_or(Kind::is_plain),
    }
}

/// Values of a column of the seam as they are stored. Fields below it are all nullable in the answer: whether a NULL
/// stands where none may be is for others to say.
///
/// # Errors
/// `InvalidArgument` by column and value for a value that cannot be stored exactly.
pub(crate) fn store(array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    Direction::Store.convert(array, field, None).map_err(|failure| {
        let described = failure.describe(field);
        match failure.cause {
            Cause::Value(_) => Error::InvalidArgument(described),
            Cause::TooLong => Error::ResourceExhausted(described),
            Cause::Arrow(source) => Error::internal(described, source),
        }
    })
}

/// Stored values of a column as the seam has them, under exactly the type of `field`.
///
/// # Errors
/// `FailedPrecondition` by column, value and type for a stored value that is none of the type: another engine may have
/// written it.
pub(crate) fn load(array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    Direction::Load.convert(array, field, None).map_err(|failure| {
        let described = failure.describe(field);
        match failure.cause {
            Cause::Value(_) => Error::FailedPrecondition(described),
            Cause::TooLong => Error::ResourceExhausted(described),
            Cause::Arrow(source) => Error::internal(described, source),
        }
    })
}

/// Which rows of an array count: those that are neither NULL nor below a NULL. What lies at others may be anything.
pub(super) type Valid<'a> = Option<&'a NullBuffer>;

/// Why an array cannot be converted.
#[derive(Debug)]
pub(super) enum Cause {
    /// A value, and what is wrong with it.
    Value(String),
    /// The values together are longer than an array can be.
    TooLong,
    Arrow(ArrowError),
}

impl From<ArrowError> for Cause {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(error)
    }
}

/// A cause, and where below the column.
#[derive(Debug)]
struct Failure {
    /// Names of children, innermost first.
    path: Vec<String>,
    cause: Cause,
}

impl<C: Into<Cause>> From<C> for Failure {
    fn from(cause: C) -> Self {
        Self { path: Vec::new(), cause: cause.into() }
    }
}

impl Failure {
    fn below(mut self, name: &str) -> Self {
        self.path.push(name.to_owned());
        self
    }

    fn describe(&self, field: &Field) -> String {
        let mut column = field.name().clone();
        for name in self.path.iter().rev() {
            column.push('.');
            column.push_str(name);
        }
        match &self.cause {
            Cause::Value(problem) => format!("column '{column}' holds {problem}"),
            Cause::TooLong => format!("column '{column}' holds more than 2 GiB of values, or elements, in one batch"),
            Cause::Arrow(_) => format!("column '{column}' cannot be converted"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Store,
    Load,
}

impl Direction {
    /// `field` is the seam's. `outer` says which rows count, besides that NULLs do not.
    fn convert(self, array: &ArrayRef, field: &Field, outer: Valid<'_>) -> Result<ArrayRef, Failure> {
        if is_stored_as_is(field) {
            return Ok(Arc::clone(array));
        }
        let valid = NullBuffer::union(outer, array.logical_nulls().as_ref());
        let valid = valid.as_ref().filter(|valid| valid.null_count() > 0);
        match field.data_type() {
            DataType::Struct(fields) => self.structs(array.as_struct(), fields, valid),
            DataType::List(element) => self.lists(array.as_list(), element, valid),
            DataType::Map(entries, _) => self.maps(array.as_map(), entries, valid),
            DataType::FixedSizeList(element, length) => match self {
                Self::Store => Self::array_to_list(array.as_fixed_size_list(), element, valid),
                Self::Load => Self::list_to_array(array.as_list(), element, *length, valid, field),
            },
            _ => Ok(self.leaf(array, field, valid)?),
        }
    }

    fn leaf(self, array: &ArrayRef, field: &Field, valid: Valid<'_>) -> Result<ArrayRef, Cause> {
        match (self, Kind::of(field)) {
            (Self::Store, Some(kind)) => store_leaf(kind, array, valid),
            (Self::Load, Some(kind)) => load_leaf(kind, array, valid),
            (_, None) => Ok(Arc::clone(array)),
        }
    }

    /// The field of a converted child.
    fn child(self, field: &FieldRef, array: &ArrayRef) -> FieldRef {
        match self {
            Self::Store => Arc::new(Field::new(field.name(), array.data_type().clone(), true)),
            Self::Load => Arc::clone(field),
        }
    }

    fn columns(
        self,
        columns: &[ArrayRef],
        fields: &Fields,
        valid: Valid<'_>,
    ) -> Result<(Fields, Vec<ArrayRef>), Failure> {
        let converted = columns.iter().zip(fields).map(|(column, field)| {
            let column = self.convert(column, field, valid).map_err(|failure| failure.below(field.name()))?;
            Ok((self.child(field, &column), column))
        });
        let (fields, columns): (Vec<_>, Vec<_>) = converted.collect::<Result<Vec<_>, Failure>>()?.into_iter().unzip();
        Ok((fields.into(), columns))
    }

    fn structs(self, array: &StructArray, fields: &Fields, valid: Valid<'_>) -> Result<ArrayRef, Failure> {
        let (fields, columns) = self.columns(array.columns(), fields, valid)?;
        let array = StructArray::try_new_with_length(fields, columns, array.nulls().cloned(), array.len())?;
        Ok(Arc::new(array))
    }

    fn lists(self, array: &ListArray, element: &FieldRef, valid: Valid<'_>) -> Result<ArrayRef, Failure> {
        let (offsets, range) = rebased(array.offsets());
        let values = array.values().slice(range.0, range.1);
        let reachable = valid.map(|valid| reachable(&offsets, valid));
        let values = self.convert(&values, element, reachable.as_ref()).map_err(|e| e.below(element.name()))?;
        let array = ListArray::try_new(self.child(element, &values), offsets, values, array.nulls().cloned())?;
        Ok(Arc::new(array))
    }

    fn maps(self, array: &MapArray, entries: &FieldRef, valid: Valid<'_>) -> Result<ArrayRef, Failure> {
        let DataType::Struct(fields) = entries.data_type() else {
            return Err(ArrowError::SchemaError("a map's entries are a struct".to_owned()).into());
        };
        let (offsets, range) = rebased(array.offsets());
        let reachable = valid.map(|valid| reachable(&offsets, valid));
        let pairs = array.entries().slice(range.0, range.1);
        let (converted, columns) = self.columns(pairs.columns(), fields, reachable.as_ref())?;
        if columns[0].null_count() > 0 {
            return Err(Cause::Value("a map with a key that is NULL".to_owned()).into());
        }
        // Arrow has no maps with nullable keys, be there NULLs or not.
        let fields = vec![Arc::new(converted[0].as_ref().clone().with_nullable(false)), Arc::clone(&converted[1])];
        let pairs = StructArray::try_new_with_length(fields.into(), columns, None, pairs.len())?;
        let DataType::Map(_, sorted) = array.data_type() else { unreachable!("a map array's type is a map") };
        let entries = match self {
            Self::Store => Arc::new(Field::new(entries.name(), pairs.data_type().clone(), false)),
            Self::Load => Arc::clone(entries),
        };
        Ok(Arc::new(MapArray::try_new(entries, offsets, pairs, array.nulls().cloned(), *sorted)?))
    }

    fn array_to_list(array: &FixedSizeListArray, element: &FieldRef, valid: Valid<'_>) -> Result<ArrayRef, Failure> {
        let length = usize::try_from(array.value_length()).unwrap_or(0);
        if i32::try_from(array.len().saturating_mul(length)).is_err() {
            return Err(Cause::TooLong.into());
        }
        let reachable = valid.map(|valid| valid.expand(length));
        let values = Self::Store.convert(array.values(), element, reachable.as_ref());
        let mut values = values.map_err(|failure| failure.below(element.name()))?;
        let mut offsets = OffsetBuffer::from_repeated_length(length, array.len());
        if let (Some(valid), Some(reachable)) = (valid, reachable) {
            // Lists that do not count are empty: their places may be NULL where an element may not be.
            offsets = OffsetBuffer::from_lengths(valid.iter().map(|valid| if valid { length } else { 0 }));
            values = filter(&values, &BooleanArray::new(reachable.into_inner(), None))?;
        }
        let element = Self::Store.child(element, &values);
        Ok(Arc::new(ListArray::try_new(element, offsets, values, array.nulls().cloned())?))
    }

    fn list_to_array(
        array: &ListArray,
        element: &FieldRef,
        length: i32,
        valid: Valid<'_>,
        field: &Field,
    ) -> Result<ArrayRef, Failure> {
        let counts = |row: usize| valid.is_none_or(|valid| valid.is_valid(row));
        let other = (0..array.len()).find(|row| counts(*row) && array.value_length(*row) != length);
        if let Some(row) = other {
            let (found, name) = (array.value_length(row), type_name(field));
            return Err(Cause::Value(format!("a list of {found}, which is no value of type {name}")).into());
        }
        let places = usize::try_from(length).unwrap_or(0);
        if i32::try_from(array.len().saturating_mul(places)).is_err() {
            return Err(Cause::TooLong.into());
        }
        let elements = elements(array, length, valid)?;
        let reachable = valid.map(|valid| valid.expand(places));
        let values = Self::Load.convert(&elements, element, reachable.as_ref());
        let values = values.map_err(|failure| failure.below(element.name()))?;
        // Rows that do not count are NULL here even if they were not: the elements they were given are.
        let nulls = valid.cloned();
        let array = FixedSizeListArray::try_new_with_length(Arc::clone(element), length, values, nulls, array.len())?;
        Ok(Arc::new(array))
    }
}

/// The elements of lists that all have `length` of them; those that do not count are given as many, which are NULL.
fn elements(array: &ListArray, length: i32, valid: Valid<'_>) -> Result<ArrayRef, ArrowError> {
    let first = usize::try_from(array.offsets()[0]).unwrap_or(0);
    let places = usize::try_from(length).unwrap_or(0);
    let Some(valid) = valid else {
        return Ok(array.values().slice(first, array.len() * places));
    };
    let offsets = array.offsets();
    let indexes = (0..array.len()).flat_map(|row| {
        let start = valid.is_valid(row).then(|| offsets[row].cast_unsigned());
        (0..length.cast_unsigned()).map(move |place| start.map(|start| start + place))
    });
    take(array.values(), &UInt32Array::from_iter(indexes), None)
}

/// Offsets that begin at 0, and the start and the length of what they lead to.
fn rebased(offsets: &OffsetBuffer<i32>) -> (OffsetBuffer<i32>, (usize, usize)) {
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    let range = (usize::try_from(first).unwrap_or(0), usize::try_from(last - first).unwrap_or(0));
    if first == 0 {
        return (offsets.clone(), range);
    }
    let moved: ScalarBuffer<i32> = offsets.iter().map(|offset| offset - first).collect();
    (OffsetBuffer::new(moved), range)
}

/// Which of the elements, of which there are none before or after the lists, are those of rows that count.
fn reachable(offsets: &OffsetBuffer<i32>, valid: &NullBuffer) -> NullBuffer {
    let mut mask = BooleanBufferBuilder::new(0);
    for (row, length) in offsets.lengths().enumerate() {
        mask.append_n(length, valid.is_valid(row));
    }
    NullBuffer::new(mask.finish())
}

fn type_name(field: &Field) -> Cow<'static, str> {
    TypeText::of(field).map_or("(unknown)".into(), |text| text.to_string().into())
}
