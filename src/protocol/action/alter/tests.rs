use arrow::datatypes::DataType;

use super::*;
use crate::protocol::{action::ActionRequest, golden};

fn recorded(number: &str) -> TableChange {
    let name = golden::client_files(&format!("{number}-DoAction")).remove(0);
    let action = golden::action(&name);
    let ActionRequest::Alter(alter) = ActionRequest::decode(&action.r#type, &action.body).unwrap() else {
        panic!("{name}: another action");
    };
    assert_eq!((alter.catalog_name.as_str(), alter.schema_name.as_str()), ("lake", "sales"), "{name}");
    assert!(!alter.ignore_not_found, "{name}");
    alter.change
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn path(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn decodes_what_a_real_client_said() {
    let town = || "town".to_owned();
    for (number, expected) in [
        ("118", TableChange::AddColumn { column: text("city"), if_not_exists: false }),
        ("123", TableChange::RenameColumn { path: path(&["city"]), new_name: town() }),
        ("128", TableChange::SetDefault { column: town(), expression: "'NYC'".to_owned() }),
        ("133", TableChange::ChangeType { column: text("town"), using: "CAST(town AS VARCHAR)".to_owned() }),
        ("138", TableChange::SetNotNull { column: town() }),
        ("143", TableChange::DropNotNull { column: town() }),
        ("153", TableChange::RenameColumn { path: path(&["addr", "country"]), new_name: "nation".to_owned() }),
        ("158", TableChange::DropColumn { path: path(&["addr", "nation"]), if_exists: false }),
        ("163", TableChange::DropColumn { path: path(&["town"]), if_exists: false }),
        ("182", TableChange::RenameTable { new_name: "copy2".to_owned() }),
    ] {
        assert_eq!(recorded(number), expected, "{number}");
    }
}

/// `ADD COLUMN addr.country VARCHAR`: the field's own name does not travel.
#[test]
fn a_new_field_is_called_after_its_column() {
    let expected = TableChange::AddField { parent: path(&["addr"]), field: text("addr"), if_not_exists: false };
    assert_eq!(recorded("148"), expected);
}

#[test]
fn refuses_what_makes_no_sense_by_name() {
    let golden = |number: &str| golden::action(&golden::client_files(&format!("{number}-DoAction")).remove(0)).body;
    let decode = |action: &str, body: &[u8]| ActionRequest::decode(action, body).unwrap_err().to_string();
    for (action, number, reason) in [
        ("rename_column", "163", "malformed rename_column request: missing field `old_name`"),
        ("add_field", "118", "missing field `column_path`"),
        ("remove_field", "118", "missing field `column_path`"),
        ("change_column_type", "163", "missing field `column_schema`"),
        ("add_constraint", "163", "missing field `constraint`"),
    ] {
        assert!(decode(action, &golden(number)).contains(reason), "{action}: {}", decode(action, &golden(number)));
    }
    assert!(decode("set_default", b"\x90").contains("set_default request"));
    let nothing = b"\x84\xa7catalog\xa1c\xa6schema\xa1s\xa4name\xa1t\xabcolumn_path\x90";
    assert!(decode("remove_field", nothing).ends_with("remove_field request: column_path is empty"));
    let two = arrow::datatypes::Schema::new(vec![text("a"), text("b")]);
    let schema = crate::protocol::ipc::encode_schema(&two);
    let mut body = b"\x84\xa7catalog\xa1c\xa6schema\xa1s\xa4name\xa1t\xadcolumn_schema\xc5".to_vec();
    body.extend(u16::try_from(schema.len()).unwrap().to_be_bytes());
    body.extend(&schema[..]);
    assert!(decode("add_column", &body).contains("2 columns instead of 1"));
}
