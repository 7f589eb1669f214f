use arrow::datatypes::DataType;
use serde_json::json;

use super::*;
use crate::delta::fixtures::{definition, features, field, field_with, metadata, protocol};

/// `x BIGINT, s STRUCT(a, b), l LIST(STRUCT(e)), p VARCHAR` partitioned by p, with these properties.
fn table(properties: &Value) -> Definition {
    let inner = |names: &[&str]| {
        let fields: Vec<_> = names.iter().map(|name| field(name, json!("long"))).collect();
        json!({ "type": "struct", "fields": fields })
    };
    let list = json!({ "type": "array", "elementType": inner(&["e", "f"]), "containsNull": true });
    let fields = json!([
        field("x", json!("long")),
        field("s", inner(&["a", "b"])),
        field("l", list),
        field("p", json!("string")),
    ]);
    let mut metadata = metadata(&fields, properties);
    metadata["metaData"]["partitionColumns"] = json!(["p"]);
    definition(&protocol(1, 2), &metadata).unwrap()
}

fn plain() -> Definition {
    table(&json!({}))
}

fn path(dotted: &str) -> Vec<String> {
    dotted.split('.').map(str::to_owned).collect()
}

fn long(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

/// Applies changes and returns the definition they make.
fn changed(base: &Definition, change: impl FnOnce(&mut Draft<'_>) -> Result<bool>) -> Result<Definition> {
    let mut draft = Draft::new("t", base)?;
    assert!(change(&mut draft)?, "nothing was done");
    draft.finish()
}

fn refused(base: &Definition, change: impl FnOnce(&mut Draft<'_>) -> Result<bool>) -> Error {
    changed(base, change).expect_err("it must be refused")
}

/// The log's metadata of a field.
fn noted(definition: &Definition, dotted: &str) -> Value {
    let columns = Columns::parse("t", definition.metadata().schema_string()).unwrap();
    columns.field(&path(dotted)).unwrap()["metadata"].clone()
}

fn physical(definition: &Definition, dotted: &str) -> String {
    noted(definition, dotted)["delta.columnMapping.physicalName"].as_str().unwrap().to_owned()
}

fn property<'a>(definition: &'a Definition, key: &str) -> Option<&'a str> {
    definition.metadata().configuration().get(key).map(String::as_str)
}

fn names(definition: &Definition) -> Vec<String> {
    definition.schema().logical.fields().iter().map(|field| field.name().clone()).collect()
}

fn versions(definition: &Definition) -> (i32, i32) {
    (definition.protocol().min_reader_version(), definition.protocol().min_writer_version())
}

#[test]
fn new_columns_come_last_and_need_no_mapping() {
    let base = plain();
    let wider = changed(&base, |draft| draft.add(&[], &long("y"), false)).unwrap();
    assert_eq!(names(&wider), ["x", "s", "l", "p", "y"]);
    assert_eq!(wider.schema().mapping, ColumnMapping::None);
    assert_eq!(versions(&wider), (1, 2));
    assert_eq!(noted(&wider, "y"), json!({}));
    let deeper = changed(&base, |draft| draft.add(&path("l.element"), &long("g"), false)).unwrap();
    assert!(noted(&deeper, "l.element.g").is_object());
}

#[test]
fn a_name_that_parquet_cannot_have_maps_the_table() {
    let mapped = changed(&plain(), |draft| draft.add(&[], &long("a b"), false)).unwrap();
    assert_eq!(mapped.schema().mapping, ColumnMapping::Name);
    assert_eq!(versions(&mapped), (2, 5));
    assert_eq!(property(&mapped, "delta.columnMapping.mode"), Some("name"));
    // x, s, s.a, s.b, l, l.element.e, l.element.f, p and the new one.
    assert_eq!(property(&mapped, "delta.columnMapping.maxColumnId"), Some("9"));
    for old in ["x", "s", "s.a", "l.element.f", "p"] {
        assert_eq!(physical(&mapped, old), old.rsplit('.').next().unwrap(), "files have been written under it");
    }
    assert!(physical(&mapped, "a b").starts_with("col-"));
    assert_eq!(noted(&mapped, "a b")["delta.columnMapping.id"], 9);

    let again = changed(&mapped, |draft| draft.add(&path("s"), &long("c"), false)).unwrap();
    assert_eq!(property(&again, "delta.columnMapping.maxColumnId"), Some("10"));
    assert!(physical(&again, "s.c").starts_with("col-"));
    assert_eq!(physical(&again, "a b"), physical(&mapped, "a b"), "names stay");
}

#[test]
fn ids_are_never_given_twice() {
    let mapped =
        changed(&plain(), |draft| draft.add(&[], &long("y"), false).and(draft.drop(&path("y"), false))).unwrap();
    let without = changed(&mapped, |draft| draft.drop(&path("x"), false)).unwrap();
    let again = changed(&without, |draft| draft.add(&[], &long("x"), false)).unwrap();
    assert_eq!(noted(&again, "x")["delta.columnMapping.id"], 10);
    assert_ne!(physical(&again, "x"), "x", "the old column's data must not come back");
}

#[test]
fn timestamps_without_a_zone_bring_their_feature() {
    let ntz = Field::new("at", DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None), true);
    let inside = Field::new("r", DataType::Struct(vec![ntz.clone()].into()), true);
    for new in [ntz, inside] {
        let wider = changed(&plain(), |draft| draft.add(&[], &new, false)).unwrap();
        assert_eq!(versions(&wider), (3, 7));
        let wider = changed(&wider, |draft| draft.rename(&path("x"), "y")).unwrap();
        assert_eq!(versions(&wider), (3, 7));
    }
}

#[test]
fn taken_names_are_refused_in_any_case_or_ignored() {
    let base = plain();
    for (parent, name) in [("", "X"), ("s", "A"), ("L.Element", "E")] {
        let parent = if parent.is_empty() { vec![] } else { path(parent) };
        let error = refused(&base, |draft| draft.add(&parent, &long(name), false));
        assert!(matches!(error, Error::AlreadyExists(_)), "{error}");
        assert!(!Draft::new("t", &base).unwrap().add(&parent, &long(name), true).unwrap());
    }
    for (from, to) in [("x", "P"), ("s.a", "B")] {
        let error = refused(&base, |draft| draft.rename(&path(from), to));
        assert!(matches!(error, Error::AlreadyExists(_)), "{error}");
    }
}

#[test]
fn what_is_not_there_is_not_found_or_ignored() {
    let base = plain();
    for missing in ["y", "s.c", "x.a", "l.e", "l.value.e", "y.z"] {
        let drop = refused(&base, |draft| draft.drop(&path(missing), false));
        let expected = format!("table 't' has no column '{missing}'");
        assert!(matches!(&drop, Error::NotFound(text) if *text == expected), "{drop}");
        assert!(!Draft::new("t", &base).unwrap().drop(&path(missing), true).unwrap(), "{missing}");
        let rename = refused(&base, |draft| draft.rename(&path(missing), "z"));
        assert!(matches!(rename, Error::NotFound(_)), "{rename}");
    }
    let no_struct = refused(&base, |draft| draft.add(&path("x"), &long("y"), false));
    assert!(matches!(&no_struct, Error::InvalidArgument(text) if text == "column 'x' is no struct"), "{no_struct}");
}

#[test]
fn dropping_maps_the_table_and_leaves_something() {
    let dropped = changed(&plain(), |draft| draft.drop(&path("S"), false)).unwrap();
    assert_eq!(names(&dropped), ["x", "l", "p"]);
    assert_eq!((dropped.schema().mapping, versions(&dropped)), (ColumnMapping::Name, (2, 5)));
    let field = changed(&plain(), |draft| draft.drop(&path("l.element.e"), false)).unwrap();
    assert!(noted(&field, "l.element.f").is_object());

    let last_field = refused(&field, |draft| draft.drop(&path("l.element.f"), false));
    assert!(matches!(&last_field, Error::InvalidArgument(text) if text.contains("last")), "{last_field}");
    let partition = refused(&plain(), |draft| draft.drop(&path("P"), false));
    assert!(
        matches!(&partition, Error::InvalidArgument(text) if text.contains(" cannot be dropped: table 't' is partitioned by it")),
        "{partition}"
    );
    let two = changed(&dropped, |draft| draft.drop(&path("l"), false)).unwrap();
    let last = refused(&two, |draft| draft.drop(&path("x"), false));
    assert!(matches!(&last, Error::InvalidArgument(text) if text.contains("last")), "{last}");
}

#[test]
fn renaming_keeps_where_the_data_lies() {
    let renamed = changed(&plain(), |draft| {
        draft.rename(&path("X"), "the x")?;
        draft.rename(&path("s.b"), "B")?;
        draft.rename(&path("p"), "part")
    })
    .unwrap();
    assert_eq!(names(&renamed), ["the x", "s", "l", "part"]);
    assert_eq!(physical(&renamed, "the x"), "x");
    assert_eq!(physical(&renamed, "s.B"), "b");
    assert_eq!(renamed.metadata().partition_columns(), ["part"]);
    assert!(!Draft::new("t", &plain()).unwrap().rename(&path("x"), "x").unwrap(), "it is called so");
    let empty = refused(&plain(), |draft| draft.rename(&path("x"), ""));
    assert!(matches!(&empty, Error::InvalidArgument(text) if text == "column 'x' cannot get an empty name"), "{empty}");
}

#[test]
fn what_expressions_use_stays_as_it_is() {
    let generated = json!({ "delta.generationExpression": "x + 1" });
    let invariant = json!({ "delta.invariants": "{\"expression\":{\"expression\":\"i > 0\"}}" });
    let fields = json!([
        field("x", json!("long")),
        field("c", json!("long")),
        field_with("g", json!("long"), generated),
        field_with("i", json!("long"), invariant),
    ]);
    let properties = json!({ "delta.constraints.positive": "C > 0" });
    let base = definition(&protocol(1, 4), &metadata(&fields, &properties)).unwrap();
    for (column, who) in [
        ("x", "the generated column 'g' (x + 1)"),
        ("c", "the CHECK constraint 'positive' (C > 0)"),
        ("i", "the invariant of column 'i'"),
    ] {
        let rename = refused(&base, |draft| draft.rename(&path(column), "z"));
        let expected = format!("column '{column}' of table 't' cannot be renamed: {who}");
        assert!(matches!(&rename, Error::InvalidArgument(text) if text.starts_with(&expected)), "{rename}");
        assert!(rename.to_string().ends_with(" uses it"), "{rename}");
        let retype = refused(&base, |draft| draft.change_type(&long(column), &long(column), true));
        assert!(retype.to_string().contains("cannot be given another type: "), "{retype}");
        assert!(matches!(retype, Error::InvalidArgument(_)), "{retype}");
    }
    for column in ["x", "c"] {
        let drop = refused(&base, |draft| draft.drop(&path(column), false));
        assert!(matches!(drop, Error::InvalidArgument(_)), "{drop}");
    }
    let without = changed(&base, |draft| draft.drop(&path("g"), false)).unwrap();
    changed(&without, |draft| draft.drop(&path("x"), false)).expect("nothing uses it any more");
    changed(&base, |draft| draft.drop(&path("i"), false)).expect("its invariant ends with it");
}

#[test]
fn columns_with_statistics_are_followed() {
    let base = table(&json!({ "delta.dataSkippingStatsColumns": "x,s.a,`p`" }));
    let stats = |definition: &Definition| property(definition, "delta.dataSkippingStatsColumns").map(str::to_owned);
    let renamed = changed(&base, |draft| draft.rename(&path("s"), "the s")).unwrap();
    assert_eq!(stats(&renamed).as_deref(), Some("x,`the s`.a,p"));
    let dropped = changed(&renamed, |draft| draft.drop(&path("the s.a"), false)).unwrap();
    assert_eq!(stats(&dropped).as_deref(), Some("x,p"));
    let only = table(&json!({ "delta.dataSkippingStatsColumns": "x" }));
    assert_eq!(stats(&changed(&only, |draft| draft.drop(&path("x"), false)).unwrap()), None);
}

#[test]
fn new_columns_must_be_nullable_and_not_the_change_feeds() {
    let not_null = refused(&plain(), |draft| draft.add(&[], &long("y").with_nullable(false), false));
    assert!(
        matches!(&not_null, Error::InvalidArgument(text) if text.ends_with("cannot be added as NOT NULL: the rows so far have no value for it")),
        "{not_null}"
    );
    let feed = table(&json!({ "delta.enableChangeDataFeed": "true" }));
    for taken in [
        refused(&feed, |draft| draft.add(&[], &long("_CHANGE_type"), false)),
        refused(&feed, |draft| draft.rename(&path("x"), "_commit_version")),
    ] {
        assert!(matches!(&taken, Error::InvalidArgument(text) if text.contains("change data feed")), "{taken}");
    }
    changed(&plain(), |draft| draft.add(&[], &long("_change_type"), false)).unwrap();
}

#[test]
fn nullability_defaults_and_checks_are_noted() {
    let base = plain();
    let strict = changed(&base, |draft| draft.set_nullable("X", false)).unwrap();
    assert!(!strict.schema().logical.field(0).is_nullable());
    assert!(!Draft::new("t", &strict).unwrap().set_nullable("x", false).unwrap());
    assert!(changed(&strict, |draft| draft.set_nullable("x", true)).unwrap().schema().logical.field(0).is_nullable());

    let default = changed(&base, |draft| draft.set_default("x", Some("7"))).unwrap();
    assert_eq!(noted(&default, "x"), json!({ "CURRENT_DEFAULT": "7" }));
    assert_eq!(versions(&default), (1, 7));
    let listed: Vec<_> = default.protocol().writer_features().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(listed, ["appendOnly", "invariants", "allowColumnDefaults"]);
    let without = changed(&default, |draft| draft.set_default("x", None)).unwrap();
    assert_eq!(noted(&without, "x"), json!({}));
    assert!(!Draft::new("t", &base).unwrap().set_default("x", None).unwrap(), "it has none");

    let mut draft = Draft::new("t", &base).unwrap();
    assert_eq!((draft.add_check("x > 0"), draft.add_check("x < 9")), ("check_1".to_owned(), "check_2".to_owned()));
    let checked = draft.finish().unwrap();
    assert_eq!(property(&checked, "delta.constraints.check_2"), Some("x < 9"));
    assert_eq!(versions(&checked), (1, 3));
}

#[test]
fn a_new_type_replaces_what_the_log_says_of_the_old_one() {
    let text =
        field_with("v", json!("string"), json!({ "__CHAR_VARCHAR_TYPE_STRING": "varchar(3)", "comment": "kept" }));
    let base =
        definition(&features(&[], &[]), &metadata(&json!([text, field("x", json!("long"))]), &json!({}))).unwrap();
    let utf8 = Field::new("v", DataType::Utf8, true);
    let unbound = changed(&base, |draft| draft.change_type(&utf8, &utf8, false)).unwrap();
    assert_eq!(noted(&unbound, "v"), json!({ "comment": "kept" }));
    assert!(!Draft::new("t", &unbound).unwrap().change_type(&utf8, &utf8, false).unwrap(), "nothing to do");
    let number = changed(&base, |draft| draft.change_type(&utf8, &long("v"), true)).unwrap();
    assert_eq!(number.schema().logical.field(0), &long("v"));
    assert_eq!(noted(&number, "v"), json!({ "comment": "kept" }));
}

#[test]
fn a_mapped_struct_of_the_same_type_keeps_its_names() {
    let mapped = changed(&plain(), |draft| draft.rename(&path("x"), "y")).unwrap();
    let s = mapped.schema().logical.field_with_name("s").unwrap().clone();
    assert!(!Draft::new("t", &mapped).unwrap().change_type(&s, &s, false).unwrap());
    let rewritten = changed(&mapped, |draft| draft.change_type(&s, &s, true)).unwrap();
    assert_ne!(physical(&rewritten, "s.a"), physical(&mapped, "s.a"), "new files, new names");
    assert_eq!(physical(&rewritten, "s"), physical(&mapped, "s"));
}
