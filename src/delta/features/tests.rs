use serde_json::{Value, json};

use crate::{
    delta::{
        change::Means,
        fixtures::{definition, features, field, field_with, metadata, protocol},
    },
    engine::{ChangeKind, Error, Result},
};

/// What reading (`Err`), or else appending, says of a table.
fn verdict(protocol: &Value, fields: &Value, configuration: &Value) -> Result<Result<()>> {
    let definition = definition(protocol, &metadata(fields, configuration))?;
    Ok(definition.check_append("t").and_then(|()| definition.rules("t").map(drop)))
}

fn of_features(reader: &[&str], writer: &[&str], fields: &Value, configuration: &Value) -> Result<Result<()>> {
    verdict(&features(reader, writer), fields, configuration)
}

fn plain() -> Value {
    json!([field("x", json!("long"))])
}

fn with(key: &str, value: &Value) -> Value {
    let inner = json!({"type":"struct","fields":[field_with("y", json!("long"), json!({ key: value }))]});
    json!([field("x", json!({"type":"array","elementType":inner,"containsNull":true}))])
}

#[track_caller]
fn refused(outcome: Result<()>, named: &str) {
    match outcome {
        Err(Error::Unsupported(text)) => assert!(text.contains(named), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn features_that_are_read_and_appended_to() {
    for feature in ["columnMapping", "deletionVectors", "timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"] {
        of_features(&[feature], &[feature], &plain(), &json!({})).unwrap().unwrap();
    }
    // Listed and not used.
    for feature in ["typeWidening", "typeWidening-preview", "variantType", "variantShredding-preview"] {
        of_features(&[feature], &[feature], &plain(), &json!({})).unwrap().unwrap();
    }
}

#[test]
fn features_that_cannot_be_read_are_refused_by_name() {
    for feature in ["catalogManaged", "catalogOwned-preview", "geospatial", "adaptiveMetadata-preview", "tomorrow"] {
        refused(of_features(&[feature], &[feature], &plain(), &json!({})).map(drop), feature);
    }
    refused(verdict(&protocol(4, 8), &plain(), &json!({})).map(drop), "reader version 4");
}

#[test]
fn a_column_that_became_wider_is_read_and_appended_to() {
    let changes = json!([{ "fromType": "integer", "toType": "long" }]);
    for feature in ["typeWidening", "typeWidening-preview"] {
        of_features(&[feature], &[feature], &with("delta.typeChanges", &changes), &json!({})).unwrap().unwrap();
    }
}

#[test]
fn writer_features_that_ask_nothing_of_an_append() {
    for feature in [
        "appendOnly",
        "changeDataFeed",
        "domainMetadata",
        "clustering",
        "inCommitTimestamp",
        "rowTracking",
        "checkpointProtection",
        "collations",
        "collations-preview",
    ] {
        let used = json!({
            "delta.appendOnly": "true",
            "delta.enableChangeDataFeed": "true",
            "delta.enableInCommitTimestamps": "true",
            "delta.enableRowTracking": "true",
        });
        of_features(&[], &[feature], &plain(), &used).unwrap().unwrap();
    }
    // Listed and not used.
    for feature in [
        "invariants",
        "checkConstraints",
        "generatedColumns",
        "identityColumns",
        "allowColumnDefaults",
        "icebergCompatV1",
        "icebergCompatV2",
    ] {
        of_features(&[], &[feature], &plain(), &json!({})).unwrap().unwrap();
    }
}

#[test]
fn writer_features_in_use_are_refused_by_name() {
    let used = |key: &str| json!({ key: "true" });
    for (feature, configuration) in [
        ("icebergCompatV1", used("delta.enableIcebergCompatV1")),
        ("icebergCompatV2", used("delta.enableIcebergCompatV2")),
        ("icebergCompatV3", used("delta.enableIcebergCompatV3")),
        ("materializePartitionColumns", json!({})),
        ("tomorrow", json!({})),
    ] {
        refused(of_features(&[], &[feature], &plain(), &configuration).unwrap(), feature);
    }
}

#[test]
fn columns_with_rules_that_are_not_understood_are_refused_by_name_at_any_depth() {
    for (version, feature, key, value, named) in [
        (4, "generatedColumns", "delta.generationExpression", json!("odd(1)"), "a generation expression (odd(1))"),
        (6, "identityColumns", "delta.identity.start", json!(1), "delta.identity.start"),
    ] {
        let fields = with(key, &value);
        refused(verdict(&protocol(1, version), &fields, &json!({})).unwrap(), "column 'x.y'");
        refused(of_features(&[], &[feature], &fields, &json!({})).unwrap(), named);
        // Without the feature the metadata binds nobody.
        verdict(&protocol(1, version - 1), &fields, &json!({})).unwrap().unwrap();
        of_features(&[], &["appendOnly"], &fields, &json!({})).unwrap().unwrap();
    }
    let default = with("CURRENT_DEFAULT", &json!("odd(1)"));
    let outcome = of_features(&[], &["allowColumnDefaults"], &default, &json!({})).unwrap();
    refused(outcome, "default of column 'x.y' (odd(1))");
}

#[test]
fn constraints_that_are_not_understood_are_refused_by_name() {
    let configuration = json!({"delta.constraints.positive": "odd(x) > 0"});
    refused(verdict(&protocol(1, 3), &plain(), &configuration).unwrap(), "'positive' (odd(x) > 0)");
    refused(of_features(&[], &["checkConstraints"], &plain(), &configuration).unwrap(), "'positive' (odd(x) > 0)");
    verdict(&protocol(1, 2), &plain(), &configuration).unwrap().unwrap();
}

#[test]
fn versions_imply_features_and_have_an_end() {
    for version in 1..=6 {
        verdict(&protocol(1, version), &plain(), &json!({})).unwrap().unwrap();
    }
    refused(verdict(&protocol(1, 8), &plain(), &json!({})).unwrap(), "writer version 8");
}

#[test]
fn data_in_another_format_is_refused() {
    let mut orc = metadata(&plain(), &json!({}));
    orc["metaData"]["format"]["provider"] = json!("orc");
    refused(definition(&protocol(1, 2), &orc).map(drop), "orc");
}

/// What DELETE and UPDATE say of a table, each by vectors and by rewriting files.
fn changed(protocol: &Value, configuration: &Value) -> Vec<Result<()>> {
    let definition = definition(protocol, &metadata(&plain(), configuration)).unwrap();
    let kinds = [ChangeKind::Delete, ChangeKind::Update(vec![0])];
    let check = |kind: &ChangeKind, means| definition.check_change("t", kind, means);
    kinds.iter().flat_map(|kind| [Means::Vectors, Means::Rewrite].map(|means| check(kind, means))).collect()
}

#[test]
fn rows_of_append_only_tables_are_not_changed() {
    for outcome in changed(&protocol(1, 2), &json!({ "delta.appendOnly": "true" })) {
        let text = "table 't' is append-only (delta.appendOnly), so that its rows cannot be changed";
        assert!(matches!(&outcome, Err(Error::FailedPrecondition(said)) if said == text), "{outcome:?}");
    }
}

#[test]
fn rows_with_ids_are_deleted_where_they_lie_and_not_written_again() {
    let features = features(&["deletionVectors"], &["deletionVectors", "rowTracking", "domainMetadata"]);
    let outcomes = changed(&features, &json!({ "delta.enableRowTracking": "true" }));
    let mut outcomes = outcomes.into_iter();
    outcomes.next().unwrap().unwrap();
    let why = "keeps the ids of its rows (delta.enableRowTracking), which writing its files again would not";
    refused(outcomes.next().unwrap(), why);
    for outcome in outcomes {
        refused(outcome, "keeps the ids of its rows (delta.enableRowTracking), which an UPDATE would not");
    }
    // Ids that nobody counts on.
    changed(&features, &json!({})).into_iter().for_each(|outcome| outcome.unwrap());
}

#[test]
fn features_that_ask_nothing_of_changed_rows() {
    for feature in ["changeDataFeed", "clustering", "domainMetadata", "inCommitTimestamp", "collations"] {
        let used = json!({ "delta.enableChangeDataFeed": "true", "delta.enableInCommitTimestamps": "true" });
        changed(&features(&[], &[feature]), &used).into_iter().for_each(|outcome| outcome.unwrap());
    }
}

#[test]
fn changes_are_refused_by_the_features_that_refuse_appends() {
    let iceberg = |version: &str| json!({ format!("delta.enableIcebergCompat{version}"): "true" });
    for (feature, configuration) in [
        ("icebergCompatV1", iceberg("V1")),
        ("icebergCompatV2", iceberg("V2")),
        ("icebergCompatV3", iceberg("V3")),
        ("materializePartitionColumns", json!({})),
        ("tomorrow", json!({})),
    ] {
        for outcome in changed(&features(&[], &[feature]), &configuration) {
            refused(outcome, feature);
        }
    }
    for outcome in changed(&protocol(1, 8), &json!({})) {
        refused(outcome, "writer version 8");
    }
}

#[test]
fn identity_columns_stand_in_the_way_of_new_rows_alone() {
    let fields = with("delta.identity.start", &json!(1));
    let definition = definition(&protocol(1, 6), &metadata(&fields, &json!({}))).unwrap();
    definition.check_change("t", &ChangeKind::Delete, Means::Vectors).unwrap();
    definition.check_change("t", &ChangeKind::Delete, Means::Rewrite).unwrap();
    refused(definition.check_change("t", &ChangeKind::Update(vec![0]), Means::Vectors), "delta.identity.start");
}
