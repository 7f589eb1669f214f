//! Comments and defaults of columns. DuckDB fills defaults in before it sends rows, so they must be told in its SQL.

use arrow::datatypes::{Field, Schema};
use delta_kernel::{
    schema::{ColumnMetadataKey, StructField},
    table_configuration::TableConfiguration,
    table_features::TableFeature,
};

use super::moment::Moment;
use crate::{
    delta::{
        features::writer_features,
        field_metadata::{first_below, text_under},
    },
    engine::{ColumnNotes, Error, Result},
    expression::{Dialect, Expression},
    merge::ColumnDefault,
};

/// Where Spark and Delta keep a column's comment (`StructField.getComment`).
const COMMENT: &str = "comment";

/// What is noted of each of the table's `columns`, which are the seam's. A default that DuckDB could not understand is
/// left out: [`check_defaults`] refuses what would miss it.
pub(crate) fn column_notes(config: &TableConfiguration, columns: &Schema) -> Vec<ColumnNotes> {
    let bound = has_defaults(config);
    let schema = config.logical_schema();
    let notes = schema.fields().zip(columns.fields()).map(|(field, column)| {
        let comment = text_under(field, COMMENT);
        let default = written_default(field).filter(|_| bound).and_then(|sql| duckdb_default(&sql, column).ok());
        ColumnNotes { comment, default }
    });
    notes.collect()
}

/// Refuses rows that DuckDB has made without a default it was not told of: whole rows come, so that nothing tells which
/// columns the statement left out.
pub(crate) fn check_defaults(table: &str, config: &TableConfiguration, columns: &Schema) -> Result<()> {
    if !has_defaults(config) {
        return Ok(());
    }
    let schema = config.logical_schema();
    let refused = |column: &str, sql: &str, reason: &str| {
        Err(Error::Unsupported(format!(
            "table '{table}' cannot be inserted into here, because DuckDB cannot be told the default of column \
             '{column}' ({sql}): {reason}"
        )))
    };
    for (field, column) in schema.fields().zip(columns.fields()) {
        if let Some(sql) = written_default(field)
            && let Err(error) = duckdb_default(&sql, column)
        {
            return refused(field.name(), &sql, &error.to_string());
        }
        if let Some((path, sql)) = first_below(field, ColumnMetadataKey::CurrentDefault.as_ref()) {
            return refused(&path, &sql, "it is inside of another column");
        }
    }
    Ok(())
}

/// What each of the table's `columns` is where a statement of the server's own leaves it out. `now_us` is the moment of the
/// statement, in microseconds since 1970 (UTC).
pub(crate) fn default_values(config: &TableConfiguration, columns: &Schema, now_us: i64) -> Vec<ColumnDefault> {
    let bound = has_defaults(config);
    let schema = config.logical_schema();
    let defaults = schema.fields().zip(columns.fields()).map(|(field, column)| {
        if !bound {
            return ColumnDefault::Null;
        }
        if let Some((path, sql)) = first_below(field, ColumnMetadataKey::CurrentDefault.as_ref()) {
            return ColumnDefault::Unknown(format!("that of '{path}' ({sql}) is inside of another column"));
        }
        let Some(sql) = written_default(field) else { return ColumnDefault::Null };
        match default_value(&sql, column, now_us) {
            Ok(value) => ColumnDefault::Value(value),
            Err(error) => ColumnDefault::Unknown(format!("({sql}): {error}")),
        }
    });
    defaults.collect()
}

fn default_value(sql: &str, column: &Field, now_us: i64) -> Result<Expression> {
    match Moment::of(sql, Dialect::Spark) {
        Some(moment) => moment.value(column, now_us),
        None => Expression::new(sql, Dialect::Spark, &Schema::empty())?.cast_to(column),
    }
}

fn has_defaults(config: &TableConfiguration) -> bool {
    writer_features(config.protocol()).contains(&TableFeature::AllowColumnDefaults)
}

fn written_default(field: &StructField) -> Option<String> {
    text_under(field, ColumnMetadataKey::CurrentDefault.as_ref())
}

/// A default as SQL for DuckDB. One that DuckDB failed to parse would keep the client from listing the whole schema, so
/// it is parsed here once more.
pub(super) fn duckdb_default(sql: &str, column: &Field) -> Result<String> {
    if let Some(moment) = Moment::of(sql, Dialect::Spark) {
        return moment.to_sql(Dialect::DuckDb, column);
    }
    let none = Schema::empty();
    let default = Expression::new(sql, Dialect::Spark, &none)?.cast_to(column)?;
    let sql = default.to_sql(Dialect::DuckDb)?;
    Expression::new(&sql, Dialect::DuckDb, &none)?;
    Ok(sql)
}
