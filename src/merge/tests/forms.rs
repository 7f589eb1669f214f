//! What clauses become.

use super::{super::*, of, orders};
use crate::expression::Dialect;

fn names(values: &[Expression]) -> Vec<String> {
    values.iter().map(|value| value.to_sql(Dialect::DuckDb).expect("DuckDB's")).collect()
}

#[test]
fn a_condition_is_taken_apart() {
    let on =
        of("ON source.a = target.a + 1 AND (target.b IS NOT DISTINCT FROM source.b AND target.c > 0 AND source.c < 5)
                 AND target.c < source.c AND true AND target.a = 3 AND (target.a = source.a OR target.a = 1)
                 WHEN MATCHED THEN DELETE")
        .expect("a plan")
        .on;
    let keys: Vec<_> = on.keys.iter().map(|key| (key.name.as_str(), key.nulls_equal)).collect();
    assert_eq!(keys, [("a + 1", false), ("b", true)]);
    assert_eq!((on.keys[0].target.columns(), on.keys[0].source.columns()), ([0].as_slice(), [3].as_slice()));
    assert_eq!((on.target.len(), on.source.len(), on.rest.len()), (2, 2, 2));
    assert_eq!(names(&on.source)[1], "TRUE", "what reads nothing is the source's");
}

#[test]
fn keys_are_compared_in_a_common_type() {
    let target = super::Table::new(&["a INTEGER", "d DATE"], &[]);
    let source = super::Table::new(&["a BIGINT", "d TIMESTAMP"], &[]);
    let clauses = MergeClauses::Text("USING (a, d) WHEN MATCHED THEN DELETE".to_owned());
    let keys = plan(&clauses, target.target(), &source.columns).expect("a plan").on.keys;
    for (index, key) in keys.iter().enumerate() {
        assert_eq!(key.target.result(), key.source.result(), "{}", key.name);
        assert_eq!(key.target.result().data_type(), source.columns.field(index).data_type());
        assert_eq!((key.target.as_column(), key.source.as_column()), (Some(index), Some(index + 2)));
    }
    let text = super::Table::new(&["a VARCHAR", "d DATE"], &[]);
    let keys = plan(&clauses, target.target(), &text.columns).expect("a plan").on.keys;
    assert_eq!(keys[0].source.as_column(), None, "the text is cast to INTEGER");
    assert_eq!(keys[0].target.as_column(), Some(0));
}

#[test]
fn any_column_may_be_null_where_rows_do_not_match() {
    let plan = of("ON target.a = source.a WHEN MATCHED THEN DELETE").expect("a plan");
    assert!(plan.columns.fields().iter().all(|field| field.is_nullable()));
    assert_eq!((plan.columns.fields().len(), plan.target_columns, plan.source_keys_unique), (6, 3, false));
}

#[test]
fn clauses_keep_their_order_and_text_but_for_those_without_a_condition() {
    let plan = of("ON target.a = source.a WHEN NOT MATCHED THEN INSERT *
        WHEN MATCHED THEN DELETE WHEN NOT MATCHED BY SOURCE AND c > 1 THEN DELETE
        WHEN MATCHED AND source.b = 'WHEN MATCHED THEN' THEN DO NOTHING
        WHEN MATCHED AND CASE WHEN matched.a = 1 THEN true END THEN DELETE");
    let error = plan.expect_err("no such table").to_string();
    assert!(error.contains("there is no column \"matched.a\""), "{error}");
    let plan = of("ON target.a = source.a WHEN NOT MATCHED THEN INSERT *
        WHEN MATCHED THEN DELETE WHEN NOT MATCHED BY SOURCE AND c > 1 THEN DELETE
        WHEN MATCHED AND source.b = 'WHEN MATCHED THEN' THEN DO NOTHING
        WHEN matched AND CASE WHEN target.a = 1 THEN true END THEN DELETE")
    .expect("a plan");
    let texts: Vec<_> = plan.clauses.iter().map(|clause| clause.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "WHEN MATCHED AND source.b = 'WHEN MATCHED THEN'",
            "WHEN matched AND CASE WHEN target.a = 1 THEN true END",
            "WHEN MATCHED",
            "WHEN NOT MATCHED",
            "WHEN NOT MATCHED BY SOURCE AND c > 1",
        ]
    );
}

#[test]
fn the_table_can_be_called_by_its_name() {
    let table = orders();
    let source = super::updates().columns;
    let bound = |name: &str, on: &str| {
        let text = MergeClauses::Text(format!("ON {on} WHEN MATCHED THEN UPDATE SET orders.b = 'x'"));
        plan(&text, Target { name, ..table.target() }, &source).map(|plan| plan.on.keys.len())
    };
    assert_eq!(bound("orders", "orders.a = source.a").expect("its name"), 1);
    assert_eq!(bound("orders", "ORDERS.a = Source.A AND \"target\".\"B\" = source.b").expect("any case"), 2);
    assert_eq!(
        bound("orders", "invoices.a = source.a").expect_err("another table").to_string(),
        "there is no column \"invoices.a\": the columns are a, b, c, a, b, c"
    );
    assert_eq!(
        bound("source", "source.a = target.a").map_err(|error| error.to_string()),
        Err("SET takes columns of the target, and \"orders.b\" is none: a field of a struct is set with the whole struct"
            .to_owned())
    );
}

#[test]
fn returning_tells_its_columns() {
    let returning = of("ON target.a = source.a WHEN MATCHED THEN DELETE
        RETURNING *, merge_action, target.a AS \"Key\", b other, upper( b ), c + 1, orders.* EXCLUDE (A, c)")
    .expect("a plan")
    .returning
    .expect("columns");
    let told: Vec<_> = returning.columns.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(told, ["a", "b", "c", "merge_action", "Key", "other", "upper( b )", "c + 1", "b"]);
    for (field, value) in returning.columns.fields().iter().zip(&returning.values) {
        assert_eq!(field.data_type(), value.result().data_type(), "{field}");
    }
    assert_eq!(returning.values[3].columns(), [3], "merge_action comes after the target's");
}

#[test]
fn a_name_of_using_means_the_side_whose_rows_are_all_there() {
    let target = super::Table::new(&["a BIGINT", "b VARCHAR"], &[]);
    let source = super::Table::new(&["a INTEGER"], &[]);
    let read = |clauses: &str| {
        let text = MergeClauses::Text(format!("USING (A) WHEN MATCHED THEN UPDATE SET b = a {clauses}"));
        let plan = plan(&text, target.target(), &source.columns).expect("a plan");
        let Action::Update(set) = &plan.clauses[0].action else { panic!("{plan:?}") };
        set[0].value.columns().to_vec()
    };
    assert_eq!(read(""), [2]);
    assert_eq!(read("WHEN NOT MATCHED THEN DO NOTHING"), [2]);
    assert_eq!(read("WHEN NOT MATCHED BY SOURCE THEN DO NOTHING"), [0]);
    assert_eq!(read("WHEN NOT MATCHED THEN DO NOTHING WHEN NOT MATCHED BY SOURCE THEN DO NOTHING"), [0, 2]);
}

/// What can be done without it is.
#[test]
fn a_default_that_is_not_known_refuses_what_needs_it() {
    let table = orders();
    let defaults = [ColumnDefault::Null, ColumnDefault::Unknown("who knows".to_owned()), ColumnDefault::Null];
    let source = super::updates().columns;
    let bound = |clause: &str| {
        let text = MergeClauses::Text(format!("ON target.a = source.a {clause}"));
        plan(&text, Target { defaults: &defaults, ..table.target() }, &source).map(drop).map_err(|error| match error {
            crate::engine::Error::Unsupported(text) => text,
            other => panic!("{other}"),
        })
    };
    for clause in [
        "WHEN NOT MATCHED THEN INSERT *",
        "WHEN NOT MATCHED THEN INSERT (b) VALUES (NULL)",
        "WHEN MATCHED THEN UPDATE SET c = DEFAULT",
        "WHEN MATCHED THEN UPDATE SET a = 1",
    ] {
        assert_eq!(bound(clause), Ok(()), "{clause}");
    }
    let refused = "column \"b\" of the target must be set, because its default is not known here: who knows";
    for clause in [
        "WHEN NOT MATCHED THEN INSERT (a) VALUES (1)",
        "WHEN NOT MATCHED THEN INSERT VALUES (1, DEFAULT, 1)",
        "WHEN NOT MATCHED THEN INSERT DEFAULT VALUES",
        "WHEN MATCHED THEN UPDATE SET b = DEFAULT",
    ] {
        assert_eq!(bound(clause), Err(refused.to_owned()), "{clause}");
    }
}
