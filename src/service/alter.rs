//! ALTER TABLE: answered with the table as it then is.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema};

use super::{
    Airport,
    action::table_info,
    attempts::Try,
    ddl::spelled,
    status::{Answer, Failure},
    transactions::TableName,
};
use crate::{
    catalog::Catalog,
    engine::{Alteration, Error, ROW_ID_COLUMN, Snapshot, Table},
    protocol::{
        action::{AlterTable, TableChange},
        headers::CallContext,
        types::canonical_schema,
    },
};

impl Airport {
    /// IF EXISTS makes no difference: the client calls for tables it knows only, and one that is gone all the same
    /// leaves nothing to answer with that it could go on with.
    pub(super) async fn alter(&self, context: &CallContext, request: AlterTable, this: &mut Try) -> Answer<Vec<u8>> {
        let catalog = Arc::clone(self.catalog(&request.catalog_name)?);
        let table = spelled(catalog.as_ref(), &request.schema_name, &request.table_name).await?;
        let name = TableName::new(&request.catalog_name, &request.schema_name, &table);
        let session = context.session_id.as_deref();
        match request.change {
            TableChange::RenameTable { new_name } => {
                let renamed = TableName { table: new_name, ..name.clone() };
                this.begun = true;
                let snapshot = rename(catalog.as_ref(), &name, &renamed, this).await?;
                self.transactions.renamed(session, &name, &renamed);
                Ok(table_info(&name.catalog, &name.schema, &renamed.table, snapshot.as_ref()))
            }
            change => {
                let table = catalog.table(&name.schema, &name.table).await.map_err(gone)?;
                let snapshot = alter(table.as_ref(), &alteration(change)?, this).await?;
                self.transactions.altered(session, &name, snapshot.as_ref());
                Ok(table_info(&name.catalog, &name.schema, &name.table, snapshot.as_ref()))
            }
        }
    }
}

async fn rename(catalog: &dyn Catalog, from: &TableName, to: &TableName, this: &Try) -> Answer<Arc<dyn Snapshot>> {
    match catalog.rename_table(&from.schema, &from.table, &to.table).await {
        // What an earlier try has renamed; if that was another table, this one is there no more than before.
        Err(Error::NotFound(_)) if this.repeated => {}
        renamed => renamed.map_err(gone)?,
    }
    Ok(catalog.table(&to.schema, &to.table).await?.snapshot().await?)
}

async fn alter(table: &dyn Table, change: &Alteration, this: &mut Try) -> Answer<Arc<dyn Snapshot>> {
    if (this.repeated || this.unknown_session)
        && let Some(made) = made_before(table, change, this).await?
    {
        return Ok(made);
    }
    if this.version.is_none() {
        this.version = Some(table.snapshot().await?.version());
    }
    this.begun = true;
    Ok(table.alter(change).await?)
}

/// The table, if an earlier try of this change has made it what it should be.
///
/// # Errors
/// `FailedPrecondition` if that cannot be told, and making it twice would be another thing than making it once.
async fn made_before(table: &dyn Table, change: &Alteration, this: &Try) -> Answer<Option<Arc<dyn Snapshot>>> {
    let now = table.snapshot().await?;
    let schema = now.schema();
    let made = match change {
        Alteration::AddColumn { field, .. } => {
            this.repeated && find(&schema, &[field.name().clone()]).is_some_and(|f| same(&f, field))
        }
        Alteration::AddField { parent, field, .. } => {
            let path: Vec<_> = parent.iter().chain([field.name()]).cloned().collect();
            this.repeated && find(&schema, &path).is_some_and(|found| same(&found, field))
        }
        Alteration::DropColumn { path, .. } => this.repeated && find(&schema, path).is_none(),
        Alteration::RenameColumn { path, new_name } => {
            let renamed: Vec<_> = path.iter().take(path.len().saturating_sub(1)).chain([new_name]).cloned().collect();
            this.repeated && find(&schema, path).is_none() && find(&schema, &renamed).is_some()
        }
        Alteration::ChangeType { field, .. } => retyped_before(table, now.as_ref(), field, this).await?,
        // As often as one likes.
        Alteration::SetDefault { .. } | Alteration::SetNotNull { .. } | Alteration::DropNotNull { .. } => false,
        // A second constraint of the same words forbids nothing more.
        Alteration::AddCheck { .. } => false,
    };
    Ok(made.then_some(now))
}

/// `USING x * 2` must not happen twice.
async fn retyped_before(table: &dyn Table, now: &dyn Snapshot, field: &Field, this: &Try) -> Answer<bool> {
    let is_target = |schema: &Schema| find(schema, &[field.name().clone()]).is_some_and(|found| same(&found, field));
    if this.version == Some(now.version()) || !is_target(&now.schema()) {
        return Ok(false);
    }
    if let Some(version) = this.version
        && !is_target(&table.snapshot_at(version).await?.schema())
    {
        return Ok(true);
    }
    Err(Error::FailedPrecondition(format!(
        "this statement broke off before and may have given column {:?} its type; look at the table, and say it again \
         if not",
        field.name()
    ))
    .into())
}

/// A column, or a field nested in it, by its path in any case.
fn find(schema: &Schema, path: &[String]) -> Option<FieldRef> {
    let (first, rest) = path.split_first()?;
    let by_name = |fields: &[FieldRef], name: &str| {
        fields.iter().find(|field| field.name().to_lowercase() == name.to_lowercase()).cloned()
    };
    rest.iter().try_fold(by_name(schema.fields(), first)?, |field, step| match field.data_type() {
        arrow::datatypes::DataType::Struct(fields) => by_name(fields, step),
        _ => None,
    })
}

/// Whether two columns hold the same values.
fn same(one: &Field, other: &Field) -> bool {
    one.data_type() == other.data_type() && one.metadata() == other.metadata()
}

/// What the client believes in is not there.
fn gone(error: Error) -> Error {
    match error {
        Error::NotFound(reason) => Error::NotFound(format!("{reason} (any more); DETACH and ATTACH again")),
        other => other,
    }
}

/// The change in the engine's words.
fn alteration(change: TableChange) -> Answer<Alteration> {
    Ok(match change {
        TableChange::AddColumn { column, if_not_exists } => {
            refuse_row_id(column.name())?;
            Alteration::AddColumn { field: canonical(column)?, if_not_exists }
        }
        TableChange::AddField { parent, field, if_not_exists } => {
            if parent.first().is_some_and(|column| column == field.name()) {
                return Err(nameless_field(field.name()));
            }
            Alteration::AddField { parent, field: canonical(field)?, if_not_exists }
        }
        TableChange::DropColumn { path, if_exists } => Alteration::DropColumn { path, if_exists },
        TableChange::RenameColumn { path, new_name } => {
            if path.len() == 1 {
                refuse_row_id(&new_name)?;
            }
            Alteration::RenameColumn { path, new_name }
        }
        TableChange::ChangeType { column, using } => Alteration::ChangeType { field: canonical(column)?, using },
        TableChange::SetDefault { column, expression } => Alteration::SetDefault { column, expression },
        TableChange::SetNotNull { column } => Alteration::SetNotNull { column },
        TableChange::DropNotNull { column } => Alteration::DropNotNull { column },
        TableChange::AddConstraint { constraint } => match check_of(&constraint) {
            Some(expression) => Alteration::AddCheck { expression: expression.to_owned() },
            None => {
                return Err(Failure::Unsupported(format!("ADD {constraint} is not offered; NOT NULL and CHECK are")));
            }
        },
        TableChange::RenameTable { .. } => {
            return Err(Failure::Unsupported("RENAME TO is no change of columns".to_owned()));
        }
    })
}

/// A column in the engine's types.
fn canonical(column: Field) -> Answer<Field> {
    Ok(canonical_schema(&Schema::new(vec![column]))?.field(0).clone())
}

/// The condition in `CHECK(...)`, as `CheckConstraint::ToString` prints it.
fn check_of(constraint: &str) -> Option<&str> {
    constraint.strip_prefix("CHECK(")?.strip_suffix(')')
}

fn nameless_field(column: &str) -> Failure {
    Failure::Unsupported(format!(
        "DuckDB's client does not say what the new field of column {column:?} is called; give the column its new type \
         instead: ALTER COLUMN ... TYPE STRUCT(...)"
    ))
}

fn refuse_row_id(name: &str) -> Answer<()> {
    if name.eq_ignore_ascii_case(ROW_ID_COLUMN) {
        return Err(Error::InvalidArgument(
            "rowid is the name of the rows' own ids; call the column otherwise".to_owned(),
        )
        .into());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
