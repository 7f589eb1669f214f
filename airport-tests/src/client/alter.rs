//! ALTER TABLE: one action for each kind (`include/storage/airport_alter_parameters.hpp`).

use arrow::datatypes::{Field, Schema as ArrowSchema};
use arrow_flight::Action;

use super::{Client, Packer, Result, Table, actions::schema_message};

/// What ALTER TABLE does.
#[derive(Debug, Clone)]
pub enum Change<'a> {
    /// `ADD COLUMN [IF NOT EXISTS]`
    AddColumn(&'a Field, bool),
    /// `ADD COLUMN` of a field; the real client gives it the name of the path's first step.
    AddField(&'a [&'a str], &'a Field, bool),
    /// `DROP COLUMN [IF EXISTS]`
    RemoveColumn(&'a str, bool),
    /// `DROP COLUMN [IF EXISTS]` of a field
    RemoveField(&'a [&'a str], bool),
    /// `RENAME COLUMN`
    RenameColumn(&'a str, &'a str),
    /// `RENAME COLUMN` of a field
    RenameField(&'a [&'a str], &'a str),
    /// `RENAME TO`
    RenameTable(&'a str),
    /// `ALTER COLUMN ... TYPE ... USING`
    ChangeType(&'a Field, &'a str),
    /// `SET DEFAULT`
    SetDefault(&'a str, &'a str),
    /// `SET NOT NULL`
    SetNotNull(&'a str),
    /// `DROP NOT NULL`
    DropNotNull(&'a str),
    /// `ADD CONSTRAINT`, which DuckDB 1.5 itself refuses
    AddConstraint(&'a str),
}

impl Client {
    /// Alters a table: how it is then.
    pub async fn alter(&self, schema: &str, table: &str, change: &Change<'_>) -> Result<Table> {
        let Action { r#type, body } = self.alter_action(schema, table, change);
        Table::decode(&self.single(&r#type, body.to_vec()).await?, self.catalog())
    }

    /// The action of an ALTER TABLE.
    pub fn alter_action(&self, schema: &str, table: &str, change: &Change<'_>) -> Action {
        action(self.catalog(), schema, table, change)
    }
}

fn action(catalog: &str, schema: &str, table: &str, change: &Change<'_>) -> Action {
    let mut body = Packer::new();
    let mut head = |keys: u8| {
        body.map(4 + keys).str("catalog").str(catalog).str("schema").str(schema);
        body.str("name").str(table).str("ignore_not_found").bool(false);
    };
    let name = match change {
        Change::AddColumn(field, if_not_exists) => {
            head(2);
            body.str("if_column_not_exists").bool(*if_not_exists);
            column(&mut body, field);
            "add_column"
        }
        Change::AddField(path, field, if_not_exists) => {
            head(3);
            body.str("if_field_not_exists").bool(*if_not_exists);
            column(&mut body, field);
            steps(&mut body, path);
            "add_field"
        }
        Change::RemoveColumn(column, if_exists) => {
            head(3);
            body.str("removed_column").str(column).str("if_column_exists").bool(*if_exists);
            body.str("cascade").bool(false);
            "remove_column"
        }
        Change::RemoveField(path, if_exists) => {
            head(3);
            steps(&mut body, path);
            body.str("if_column_exists").bool(*if_exists).str("cascade").bool(false);
            "remove_field"
        }
        Change::RenameColumn(column, new_name) => {
            head(2);
            body.str("new_name").str(new_name).str("old_name").str(column);
            "rename_column"
        }
        Change::RenameField(path, new_name) => {
            head(2);
            steps(&mut body, path);
            body.str("new_name").str(new_name);
            "rename_field"
        }
        Change::RenameTable(new_name) => {
            head(1);
            body.str("new_table_name").str(new_name);
            "rename_table"
        }
        Change::ChangeType(field, using) => {
            head(2);
            column(&mut body, field);
            body.str("expression").str(using);
            "change_column_type"
        }
        Change::SetDefault(column, expression) => {
            head(2);
            body.str("column_name").str(column).str("expression").str(expression);
            "set_default"
        }
        Change::SetNotNull(column) => {
            head(2);
            // The real client packs the last key twice.
            body.str("column_name").str(column).str("ignore_not_found").bool(false);
            "set_not_null"
        }
        Change::DropNotNull(column) => {
            head(1);
            body.str("column_name").str(column);
            "drop_not_null"
        }
        Change::AddConstraint(constraint) => {
            head(1);
            body.str("constraint").str(constraint);
            "add_constraint"
        }
    };
    Action::new(name, body.take())
}

fn column(body: &mut Packer, field: &Field) {
    let schema = ArrowSchema::new(vec![field.clone()]);
    body.str("column_schema").str(schema_message(&schema));
}

fn steps(body: &mut Packer, path: &[&str]) {
    body.str("column_path").array(path.len());
    for step in path {
        body.str(step);
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

    use super::*;
    use crate::golden::Golden;

    /// What is made here is what was recorded, byte for byte.
    #[test]
    fn says_what_a_real_client_said() {
        let golden = Golden::duckdb_1_5_5();
        let text = |name| Field::new(name, DataType::Utf8, true);
        let (city, town, addr) = (text("city"), text("town"), text("addr"));
        for (call, change) in [
            ("118-DoAction-add_column", Change::AddColumn(&city, false)),
            ("123-DoAction-rename_column", Change::RenameColumn("city", "town")),
            ("128-DoAction-set_default", Change::SetDefault("town", "'NYC'")),
            ("133-DoAction-change_column_type", Change::ChangeType(&town, "CAST(town AS VARCHAR)")),
            ("138-DoAction-set_not_null", Change::SetNotNull("town")),
            ("143-DoAction-drop_not_null", Change::DropNotNull("town")),
            ("148-DoAction-add_field", Change::AddField(&["addr"], &addr, false)),
            ("153-DoAction-rename_field", Change::RenameField(&["addr", "country"], "nation")),
            ("158-DoAction-remove_field", Change::RemoveField(&["addr", "nation"], false)),
            ("163-DoAction-remove_column", Change::RemoveColumn("town", false)),
        ] {
            let recorded = golden.action(call);
            let ours = action("lake", "sales", "orders", &change);
            assert_eq!(ours.r#type, recorded.r#type, "{call}");
            assert_eq!(without_schema(&ours.body), without_schema(&recorded.body), "{call}");
        }
    }

    /// The bytes before and after a schema: Arrow C++ and Rust lay flatbuffers out differently.
    fn without_schema(body: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let find = |part: &[u8]| body.windows(part.len()).position(|window| window == part);
        let Some(start) = find(b"column_schema") else { return (body.to_vec(), vec![]) };
        let end = [&b"\xabcolumn_path"[..], b"\xaaexpression"].into_iter().find_map(find).unwrap_or(body.len());
        (body[..start].to_vec(), body[end..].to_vec())
    }
}
