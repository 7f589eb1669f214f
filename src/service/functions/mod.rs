//! The functions of every catalog, in schema `delta`: what is listed of them, and what a call asks for.
//!
//! - One file a function: its name, its arguments, and what becomes of them.
//! - `arguments`: an argument's value, or why it is none.
//! - `target`: the table that an argument names.
//! - `planned`: what is remembered of a call from when it is planned to when it is run.

mod arguments;
mod merge;
mod planned;
mod target;
mod upsert;

use std::sync::Arc;

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use prost::Message;

use self::arguments::Arguments;
pub(super) use self::{planned::PlannedCalls, target::Target};
use super::{
    Airport,
    status::{Answer, Failure},
};
use crate::{
    engine::{Error, MergeClauses, MergeRequest},
    protocol::{
        action::{AtClause, FunctionCall},
        flight_info::FunctionInfo,
        function::FunctionReference,
        headers::CallContext,
        source::SourceShape,
        types::travelling_field,
    },
};

/// The schema of the functions. A catalog may have tables in a schema of this name too.
pub(super) const FUNCTIONS_SCHEMA: &str = "delta";

/// A table function with a table argument.
struct Function {
    name: &'static str,
    /// What users read in `duckdb_functions()`.
    description: &'static str,
    /// The table argument is the last.
    arguments: fn() -> Vec<Field>,
    /// What a call asks for.
    call: fn(&Arguments<'_>) -> Answer<MergeCall>,
}

const FUNCTIONS: [Function; 2] = [merge::MERGE, upsert::UPSERT];

/// A call that merges.
struct MergeCall {
    /// The table as the user names it.
    table: String,
    clauses: MergeClauses,
}

/// A call whose table is found.
pub(super) struct Merging {
    pub(super) target: Target,
    pub(super) request: MergeRequest,
    pub(super) source: SourceShape,
    /// The columns it gives back.
    pub(super) returns: SchemaRef,
}

/// What there is without RETURNING: one row of counts.
pub(super) fn counts_schema() -> SchemaRef {
    let count = |name| Field::new(name, DataType::Int64, true);
    Arc::new(Schema::new(["inserted", "updated", "deleted", "version"].map(count).to_vec()))
}

/// The FlightInfos of all functions, as schema `schema` of a catalog lists them.
pub(super) fn listed(catalog: &str, schema: &str) -> impl Iterator<Item = Vec<u8>> {
    FUNCTIONS.iter().map(move |function| {
        let reference = FunctionReference::new(catalog, schema, function.name);
        info(function, &reference, &counts_schema())
    })
}

/// Whether a schema is the one that holds the functions: DuckDB does not tell names apart by case.
pub(super) fn holds_functions(schema: &str) -> bool {
    schema.eq_ignore_ascii_case(FUNCTIONS_SCHEMA)
}

impl Airport {
    /// Answers `table_function_flight_info`: the columns that a call gives back.
    pub(super) async fn function_info(&self, context: &CallContext, call: &FunctionCall) -> Answer<Vec<u8>> {
        let source = call.source.as_ref().ok_or_else(|| no_source(&call.function))?;
        let merging = self.merging(&call.function, &call.arguments, source, call.at).await?;
        self.planned_calls.planned(context, &call.parameters, &self.transactions, &merging.returns);
        Ok(info(find(&call.function)?, &call.function, &merging.returns))
    }

    /// What a call asks for: of which table, at its newest version, and what it gives back.
    pub(super) async fn merging(
        &self,
        function: &FunctionReference,
        arguments: &RecordBatch,
        source: &SchemaRef,
        at: AtClause,
    ) -> Answer<Merging> {
        let called = find(function)?;
        if at != AtClause::Absent {
            return Err(Error::Unsupported(format!("AT is not offered for {}: it writes", called.name)).into());
        }
        self.limits.check_columns(source)?;
        let call = (called.call)(&Arguments::new(called.name, &(called.arguments)(), arguments)?)?;
        let target = self.target(&function.catalog, &call.table).await?;
        let source = SourceShape::new(source, &target.snapshot.schema())?;
        let table = target.name.table.clone();
        let request = MergeRequest { table, clauses: call.clauses, source: Arc::clone(source.columns()) };
        let returns = target.snapshot.merge_returns(&request)?.unwrap_or_else(counts_schema);
        Ok(Merging { target, request, source, returns })
    }
}

fn find(reference: &FunctionReference) -> Answer<&'static Function> {
    let found = FUNCTIONS.iter().find(|function| function.name == reference.name);
    found.filter(|_| holds_functions(&reference.schema)).ok_or_else(|| {
        let known = FUNCTIONS.map(|function| function.name).join(", ");
        let FunctionReference { schema, name, .. } = reference;
        Error::NotFound(format!("there is no function {schema}.{name}; {FUNCTIONS_SCHEMA} has {known}")).into()
    })
}

fn info(function: &Function, reference: &FunctionReference, returns: &Schema) -> Vec<u8> {
    let arguments = Schema::new((function.arguments)());
    // The client reads the reply by the types it was told here.
    let returns = &Schema::new(returns.fields().iter().map(travelling_field).collect::<Vec<_>>());
    let info = FunctionInfo { function: reference, description: function.description, arguments: &arguments, returns };
    info.to_flight_info().encode_to_vec()
}

fn no_source(function: &FunctionReference) -> Failure {
    Failure::Malformed(format!("{} was called without its table argument", function.name))
}
