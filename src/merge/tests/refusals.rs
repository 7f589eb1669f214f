//! What are no clauses, and what is not offered: each by its text.

use super::of;
use crate::engine::Error;

const ON: &str = "ON target.a = source.a ";

fn wrong(text: &str) -> String {
    match of(text) {
        Err(Error::InvalidArgument(text)) => text,
        Err(other) => panic!("{text}: {other}"),
        Ok(_) => panic!("{text} was taken"),
    }
}

#[test]
fn the_grammar_says_what_it_expects() {
    let expected =
        |found: &str, wanted: &str| format!("the clauses of the MERGE have {found} where {wanted} is expected");
    for (text, found, wanted) in [
        ("WHERE a = 1", "\"WHERE a = 1\"", "ON condition or USING (columns)"),
        ("USING (a", "the end", "a comma or a closing parenthesis"),
        ("USING ()", "\")\"", "a column"),
        ("USING (target.a)", "\".a)\"", "a comma or a closing parenthesis"),
        ("ON true WHERE x", "\"WHERE x\"", "WHEN MATCHED or WHEN NOT MATCHED"),
        ("ON true WHEN MATCHED", "the end", "AND condition or THEN"),
        ("ON true WHEN MATCHED BY TARGET THEN DELETE", "\"BY TARGET THEN DELETE\"", "AND condition or THEN"),
        ("ON true WHEN MATCHED AND true DELETE", "\"DELETE\"", "THEN"),
        (
            "ON true WHEN NOT MATCHED BY ME THEN DELETE",
            "\"BY ME THEN DELETE\"",
            "BY SOURCE, BY TARGET, AND condition or THEN",
        ),
        ("ON true WHEN MATCHED THEN", "the end", "UPDATE, DELETE, INSERT, DO NOTHING or ERROR"),
        ("ON true WHEN MATCHED THEN DO SOMETHING", "\"DO SOMETHING\"", "UPDATE, DELETE, INSERT, DO NOTHING or ERROR"),
        ("ON true WHEN MATCHED THEN DELETE DELETE", "\"DELETE\"", "WHEN, RETURNING or the end"),
        ("ON true WHEN MATCHED THEN DELETE; DROP TABLE t", "\"DROP TABLE t\"", "WHEN, RETURNING or the end"),
        ("ON true WHEN MATCHED THEN UPDATE SET", "the end", "* or column = value after SET"),
        ("ON true WHEN MATCHED THEN UPDATE SET b", "the end", "= value"),
        ("ON true WHEN MATCHED THEN UPDATE SET (b, c)", "the end", "= (values)"),
        ("ON true WHEN MATCHED THEN UPDATE SET b = 1,, c = 2", "\", c = 2\"", "a column"),
        ("ON true WHEN NOT MATCHED THEN INSERT (a, b)", "the end", "VALUES (...) after the columns"),
        ("ON true WHEN NOT MATCHED THEN INSERT VALUES 1", "\"1\"", "an opening parenthesis"),
        ("ON true WHEN NOT MATCHED THEN INSERT VALUES (1, 2), (3, 4)", "\", (3, 4)\"", "WHEN, RETURNING or the end"),
        ("ON true WHEN MATCHED THEN DELETE RETURNING a b c", "\"c\"", "a comma, AS or the end"),
        ("ON true WHEN MATCHED THEN DELETE RETURNING a AS 1", "\"1\"", "a name after AS"),
        ("ON true WHEN MATCHED THEN DELETE RETURNING * EXCLUDE 1", "\"1\"", "a column after EXCLUDE"),
        ("ON true WHEN MATCHED THEN DELETE RETURNING 'a'.*", "\"'a'.*\"", "a table before .*"),
        ("ON true WHEN MATCHED THEN DELETE RETURNING a RETURNING b", "\"RETURNING b\"", "nothing after RETURNING"),
        (
            "ON true WHEN MATCHED THEN DELETE RETURNING a WHEN MATCHED THEN DELETE",
            "\"WHEN MATCHED THEN DELETE\"",
            "nothing after RETURNING",
        ),
    ] {
        assert_eq!(wrong(text), expected(found, wanted), "{text}");
    }
    let text = "the MERGE has no clause: say WHEN MATCHED THEN or WHEN NOT MATCHED THEN, and what is to be done";
    assert_eq!(wrong(ON), text);
    assert_eq!(wrong("ON true RETURNING a"), text);
    for text in [
        "",
        "  -- nothing\n",
        "WHEN MATCHED THEN DELETE",
        "MERGE INTO orders USING updates ON true",
        "USING updates ON true",
        "USING (SELECT 1) AS x ON true",
    ] {
        let text = wrong(text);
        assert!(
            text == "the clauses of a MERGE begin with ON or USING (columns): target and source are arguments of their own"
                || text.contains("a comma or a closing parenthesis"),
            "{text}"
        );
    }
    assert_eq!(
        wrong(&format!("{ON} WHEN MATCHED THEN UPDATE SET (b, c) = (1, 2, 3)")),
        "SET (b, c) has 2 columns and 3 values"
    );
    assert!(wrong("ON 'x WHEN MATCHED THEN DELETE").contains("is no statement: Unterminated string"));
    assert!(
        wrong("ON target.a = WHEN MATCHED THEN DELETE").starts_with("\"target.a = WHEN\" is no expression")
            || wrong("ON target.a = WHEN MATCHED THEN DELETE").contains("is no expression")
    );
}

#[test]
fn names_and_counts_are_checked() {
    for (clause, expected) in [
        ("WHEN MATCHED THEN UPDATE SET b = b", "the column \"b\" is ambiguous: write target.b or source.b"),
        ("WHEN MATCHED THEN UPDATE SET b = source.q", "there is no column \"q\" in source: its columns are a, b, c"),
        ("WHEN MATCHED THEN UPDATE SET q = 1", "there is no column \"q\" in the target: its columns are a, b, c"),
        ("WHEN MATCHED THEN UPDATE SET b = 1, B = 2", "column \"b\" of the target is set twice"),
        ("WHEN NOT MATCHED THEN INSERT (a, A) VALUES (1, 2)", "column \"a\" of the target is set twice"),
        ("WHEN NOT MATCHED THEN INSERT (a, b) VALUES (1)", "INSERT has 2 columns and 1 values"),
        ("WHEN NOT MATCHED THEN INSERT VALUES (1)", "INSERT has 3 columns and 1 values"),
        (
            "WHEN NOT MATCHED THEN INSERT VALUES (target.a, 1, 1)",
            "WHEN NOT MATCHED is about rows of the source that match no row of the target: only source can be read there",
        ),
        (
            "WHEN NOT MATCHED BY SOURCE THEN UPDATE SET b = source.b",
            "WHEN NOT MATCHED BY SOURCE is about rows of the target that match no row of the source: only target can be \
             read there",
        ),
        (
            "WHEN NOT MATCHED BY SOURCE THEN INSERT *",
            "WHEN NOT MATCHED BY SOURCE is about rows of the target that match no row of the source: only target can be \
             read there",
        ),
        (
            "WHEN NOT MATCHED THEN DELETE",
            "WHEN NOT MATCHED [BY TARGET] takes no UPDATE and no DELETE: there is no row in the target; say WHEN MATCHED or \
             WHEN NOT MATCHED BY SOURCE",
        ),
        (
            "WHEN MATCHED THEN DELETE WHEN MATCHED THEN DO NOTHING",
            "WHEN MATCHED is there twice without a condition: only one such clause is taken, after those with AND",
        ),
        (
            "WHEN MATCHED THEN UPDATE SET a = [1]",
            "column \"a\" of the target cannot be set: there is no cast from INTEGER[] to INTEGER",
        ),
        ("WHEN MATCHED AND [1] THEN DELETE", "a value of type INTEGER[] is no condition"),
        (
            "WHEN MATCHED THEN DELETE RETURNING source.a",
            "RETURNING gives back rows of the target: source cannot be read there, only the target's columns and \
             merge_action",
        ),
        (
            "WHEN MATCHED THEN DELETE RETURNING source.*",
            "RETURNING gives back rows of the target: say * or target.*, not source.*",
        ),
        ("WHEN MATCHED THEN DELETE RETURNING * EXCLUDE q", "there is no column \"q\" for EXCLUDE to leave out"),
        (
            "WHEN MATCHED THEN DELETE RETURNING * EXCLUDE (a, b, c)",
            "RETURNING gives back no column: EXCLUDE leaves none of them",
        ),
    ] {
        assert_eq!(wrong(&format!("{ON}{clause}")), expected, "{clause}");
    }
}

#[test]
fn a_star_wants_as_many_columns() {
    let source = super::Table::new(&["a INTEGER", "x INTEGER"], &[]);
    let refused = |action: &str| {
        let text = super::MergeClauses::Text(format!("USING (a) {action}"));
        match super::plan(&text, super::orders().target(), &source.columns) {
            Err(Error::InvalidArgument(text)) => text,
            other => panic!("{other:?}"),
        }
    };
    for (action, verb) in [
        ("WHEN MATCHED THEN UPDATE", "UPDATE"),
        ("WHEN MATCHED THEN UPDATE SET *", "UPDATE"),
        ("WHEN NOT MATCHED THEN INSERT *", "INSERT"),
        ("WHEN NOT MATCHED THEN INSERT BY POSITION", "INSERT"),
    ] {
        let expected = format!(
            "{verb} takes the source's columns by position, of which there are 2, and the target has 3: say {verb} BY NAME, \
             or which columns"
        );
        assert_eq!(refused(action), expected);
    }
    for action in ["WHEN MATCHED THEN UPDATE BY NAME", "WHEN NOT MATCHED THEN INSERT BY NAME *"] {
        let expected =
            "the source's column \"x\" is not in the target, whose columns are a, b, c: leave it out of the source";
        assert_eq!(refused(action), expected);
    }
}

#[test]
fn what_is_not_offered_is_named() {
    for (text, expected) in [
        ("WITH x AS (SELECT 1) ON true", "WITH is not offered in a MERGE: put it into the source"),
        ("ON target.a IN (SELECT 1) WHEN MATCHED THEN DELETE", "a subquery is not offered in expressions"),
        ("ON (target.a, 1) = (source.a, 1) WHEN MATCHED THEN DELETE", "a row of values is not offered in expressions"),
        ("ON true WHEN MATCHED THEN UPDATE SET b = (SELECT 1)", "a subquery is not offered in expressions"),
        (
            "ON true WHEN MATCHED THEN UPDATE SET b = source",
            "\"source\" as a struct of all its columns is not offered in expressions",
        ),
        (
            "ON true WHEN MATCHED AND sum(target.a) > 1 THEN DELETE",
            "the function \"sum\" is not offered in expressions",
        ),
        (
            "ON true WHEN MATCHED THEN UPDATE SET b.x = 1",
            "SET takes columns of the target, and \"b.x\" is none: a field of a struct is set with the whole struct",
        ),
        (
            "ON true WHEN MATCHED THEN DELETE RETURNING * REPLACE (1 AS a)",
            "* REPLACE is not offered in RETURNING: name the columns",
        ),
    ] {
        match of(text) {
            Err(Error::Unsupported(text)) => assert_eq!(text, expected),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn every_bound_is_named() {
    let long = format!("{ON}WHEN MATCHED THEN ERROR '{}'", "x".repeat(1 << 20));
    assert_eq!(wrong(&long), format!("the statement has {} bytes, the greatest length is 1048576", long.len()));
    let many = format!("{ON}{}", "WHEN MATCHED AND false THEN DELETE ".repeat(257));
    assert_eq!(wrong(&many), "a MERGE has more than 256 WHEN clauses");
    assert!(of(&format!("{ON}{}", "WHEN MATCHED AND false THEN DELETE ".repeat(256))).is_ok());
    let expression = format!("{ON}WHEN MATCHED THEN ERROR '{}'", "x".repeat(64 << 10));
    assert!(wrong(&expression).contains("an expression has 65538 bytes, the greatest length is 65536"));
    let deep = format!("{ON}WHEN MATCHED THEN ERROR {}1{}", "(".repeat(65), ")".repeat(65));
    assert!(wrong(&deep).contains("64 levels of parentheses"));
    let rope = format!("{ON}WHEN MATCHED THEN ERROR {}", vec!["1"; 20_000].join("+"));
    assert!(wrong(&rope).contains("names and operators in one row"));
    let chain = format!("{ON}WHEN MATCHED THEN ERROR {}", vec!["1"; 300].join(" + "));
    assert!(wrong(&chain).contains("more than 256 operations deep"));
}

/// Two thousand columns with long names, each in SET and in both lists of INSERT.
#[test]
fn wide_tables_fit() {
    let columns: Vec<String> =
        (0..2000).map(|index| format!("a_rather_long_name_of_a_column_{index} INTEGER")).collect();
    let table = super::Table::new(&columns.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    let names: Vec<&str> = columns.iter().map(|column| column.split(' ').next().expect("a name")).collect();
    let set: Vec<_> = names.iter().map(|name| format!("{name} = source.{name}")).collect();
    let text = format!(
        "ON target.{key} = source.{key} WHEN MATCHED THEN UPDATE SET {} WHEN NOT MATCHED THEN INSERT ({}) VALUES ({})",
        set.join(", "),
        names.join(", "),
        names.join(", "),
        key = names[0]
    );
    let clauses = super::MergeClauses::Text(text);
    assert!(super::plan(&clauses, table.target(), &table.columns).is_ok());
}
