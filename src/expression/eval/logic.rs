//! AND, OR, IN, CASE and COALESCE: three-valued, and lazy where laziness can be told.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, new_empty_array},
    compute,
};

use super::{Rows, Values, compare, evaluate, kernel_failure, truths};
use crate::{
    engine::Result,
    expression::tree::{Comparison, Typed},
};

/// AND, whose terms decide where they are false, or OR, whose terms decide where they are true.
pub(super) fn connect(terms: &[Typed], rows: &Rows<'_>, decisive: bool) -> Result<Values> {
    let mut all: Option<Values> = None;
    for term in terms {
        let Some(so_far) = all else {
            all = Some(evaluate(term, rows)?);
            continue;
        };
        let values = if term.fails { undecided(&so_far, term, rows, decisive)? } else { evaluate(term, rows)? };
        let constant = so_far.constant && values.constant;
        let count = if constant { 1 } else { rows.count };
        let (left, right) = (so_far.expand(count)?, values.expand(count)?);
        let (left, right) = (left.as_boolean(), right.as_boolean());
        let joined = if decisive { compute::or_kleene(left, right) } else { compute::and_kleene(left, right) };
        all = Some(Values { array: Arc::new(joined.map_err(kernel_failure)?), constant });
    }
    // A connective has terms.
    Ok(all.unwrap_or_else(|| Values { array: Arc::new(BooleanArray::from(vec![!decisive])), constant: true }))
}

/// The values of a term where the others left it open, and the decisive value elsewhere.
fn undecided(so_far: &Values, term: &Typed, rows: &Rows<'_>, decisive: bool) -> Result<Values> {
    let decided = so_far.array.as_boolean();
    let is_open = |row: usize| {
        let row = so_far.at(row);
        decided.is_null(row) || decided.value(row) != decisive
    };
    let open: Vec<u32> = (0..rows.count).filter(|row| is_open(*row)).map(|row| row as u32).collect();
    if open.len() == rows.count {
        return evaluate(term, rows);
    }
    let values = evaluate(term, &rows.select(&open))?;
    let found = values.array.as_boolean();
    let mut all = vec![Some(decisive); rows.count];
    for (index, row) in open.into_iter().enumerate() {
        let index = values.at(index);
        all[row as usize] = found.is_valid(index).then(|| found.value(index));
    }
    Ok(Values::of(Arc::new(BooleanArray::from(all))))
}

/// True where the value equals one of the list, NULL where it equals none and one of them is NULL.
pub(super) fn within(value: &Typed, list: &[Typed], rows: &Rows<'_>) -> Result<Values> {
    let values = evaluate(value, rows)?;
    let mut all: Option<BooleanArray> = None;
    for item in list {
        let items = evaluate(item, rows)?;
        let found = compare::compare(Comparison::Equal, &values, &items, &value.ty)?.expand(rows.count)?;
        all = Some(match all {
            Some(so_far) => compute::or_kleene(&so_far, found.as_boolean()).map_err(kernel_failure)?,
            None => found.as_boolean().clone(),
        });
    }
    let all = all.unwrap_or_else(|| BooleanArray::from(vec![false; rows.count]));
    Ok(Values::of(Arc::new(all)))
}

/// Pieces of a result, and which row is where.
struct Pieces {
    arrays: Vec<ArrayRef>,
    places: Vec<(usize, usize)>,
}

impl Pieces {
    fn new(rows: usize) -> Self {
        Self { arrays: Vec::new(), places: vec![(0, 0); rows] }
    }

    /// `values` are those of `rows`.
    fn add(&mut self, values: Values, rows: impl Iterator<Item = u32>) {
        for (index, row) in rows.enumerate() {
            self.places[row as usize] = (self.arrays.len(), values.at(index));
        }
        self.arrays.push(values.array);
    }

    fn finish(self, like: &Typed) -> Result<Values> {
        if self.arrays.is_empty() {
            return Ok(Values::of(new_empty_array(&like.ty.memory())));
        }
        let arrays: Vec<&dyn Array> = self.arrays.iter().map(AsRef::as_ref).collect();
        compute::interleave(&arrays, &self.places).map(Values::of).map_err(kernel_failure)
    }
}

/// The value of the first condition that is true.
pub(super) fn case(branches: &[(Typed, Typed)], otherwise: &Typed, rows: &Rows<'_>) -> Result<Values> {
    let mut pieces = Pieces::new(rows.count);
    let mut open: Vec<u32> = (0..rows.count as u32).collect();
    for (condition, value) in branches {
        if open.is_empty() {
            break;
        }
        let conditions = evaluate(condition, &rows.select(&open))?.expand(open.len())?;
        let mut taken = Vec::new();
        let mut left = Vec::with_capacity(open.len());
        for (row, is_true) in open.into_iter().zip(truths(conditions.as_boolean())) {
            if is_true { &mut taken } else { &mut left }.push(row);
        }
        open = left;
        if !taken.is_empty() {
            pieces.add(evaluate(value, &rows.select(&taken))?, taken.into_iter());
        }
    }
    if !open.is_empty() {
        pieces.add(evaluate(otherwise, &rows.select(&open))?, open.into_iter());
    }
    pieces.finish(otherwise)
}

/// The first value that is not NULL.
pub(super) fn coalesce(inputs: &[Typed], rows: &Rows<'_>) -> Result<Values> {
    let mut pieces = Pieces::new(rows.count);
    let mut open: Vec<u32> = (0..rows.count as u32).collect();
    for (index, input) in inputs.iter().enumerate() {
        let values = evaluate(input, &rows.select(&open))?;
        let last = index + 1 == inputs.len();
        let left = open.iter().enumerate().filter(|(index, _)| !last && values.array.is_null(values.at(*index)));
        let left: Vec<u32> = left.map(|(_, row)| *row).collect();
        // Rows that stay open are placed again by a later input.
        pieces.add(values, open.into_iter());
        open = left;
        if open.is_empty() {
            break;
        }
    }
    match inputs.first() {
        Some(first) => pieces.finish(first),
        None => pieces
            .finish(&Typed::literal(Arc::new(BooleanArray::from(vec![None])), crate::expression::types::Type::Boolean)),
    }
}
