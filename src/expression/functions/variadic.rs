//! `greatest` and `least`, of any number of values.

use std::{cmp::Ordering, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Float32Array},
    compute,
    datatypes::Float32Type,
};

use super::{Call, Form, Function};
use crate::{
    engine::Result,
    expression::{
        eval::{kernel_failure, order},
        types::Type,
    },
};

pub(in crate::expression) static GREATEST: Function = Function {
    name: "greatest",
    run: |call| extreme(call, Ordering::Greater),
    fails: false,
    keeps_nulls: false,
    duckdb: Form::Call("greatest"),
    spark: Form::Call("greatest"),
};
pub(in crate::expression) static LEAST: Function = Function {
    name: "least",
    run: |call| extreme(call, Ordering::Less),
    fails: false,
    keeps_nulls: false,
    duckdb: Form::Call("least"),
    spark: Form::Call("least"),
};

/// The first of the values, NULL left out, that no other precedes in this order.
fn extreme(call: &Call<'_>, wanted: Ordering) -> Result<ArrayRef> {
    let arrays: Vec<&dyn Array> = call.arguments.iter().map(|values| values.array.as_ref()).collect();
    let mut best: Vec<(usize, usize)> = (0..call.rows).map(|row| (0, call.arguments[0].at(row))).collect();
    for (index, values) in call.arguments.iter().enumerate().skip(1) {
        let orders = call.arguments[..index].iter().map(|earlier| order(&values.array, &earlier.array, call.ty));
        let orders = orders.collect::<Result<Vec<_>>>()?;
        for (row, best) in best.iter_mut().enumerate() {
            let place = values.at(row);
            if values.array.is_null(place) {
                continue;
            }
            if arrays[best.0].is_null(best.1) || orders[best.0](place, best.1) == wanted {
                *best = (index, place);
            }
        }
    }
    let extremes = compute::interleave(&arrays, &best).map_err(kernel_failure)?;
    // DuckDB takes FLOAT through a form that has one zero.
    Ok(match call.ty {
        Type::Float => {
            let values: Float32Array = extremes.as_primitive::<Float32Type>().unary(|value| value + 0.0);
            Arc::new(values)
        }
        _ => extremes,
    })
}
