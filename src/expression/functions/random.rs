//! Values that are others each time. No text of an expression can ask for them: defaults of columns do.

use std::sync::Arc;

use arrow::array::FixedSizeBinaryArray;
use uuid::Uuid;

use super::{Form, Function};
use crate::engine::Error;

pub(in crate::expression) static RANDOM_UUID: Function = Function {
    name: "uuid",
    run: |call| {
        let uuids = (0..call.rows).map(|_| Some(Uuid::new_v4().into_bytes()));
        let uuids = FixedSizeBinaryArray::try_from_sparse_iter_with_size(uuids, 16);
        Ok(Arc::new(uuids.map_err(|error| Error::internal("could not make UUIDs", error))?))
    },
    fails: false,
    keeps_nulls: true,
    duckdb: Form::Call("uuid"),
    spark: Form::None,
};
