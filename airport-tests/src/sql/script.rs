//! The scripts' language, a small part of sqllogictest's.
//!
//! Steps are parted by blank lines; a line that begins with `#` is a comment. `${CATALOG}`, `${LOCATION}` and
//! `${LAKE}` (the lake's directory) are filled in. CONNECTION is a word; without one it is the first.
//!
//! ```text
//! statement ok [CONNECTION]          the SQL that follows succeeds
//! statement error [CONNECTION]       it fails, and the error contains each line after ----
//! query [sorted] [CONNECTION]        it gives the rows after ----, as CSV without a header, NULL for null;
//!                                    `sorted` sorts the lines found first
//! reader NAME SCHEMA/TABLE           the same, asked of `deltalake`, `delta_scan` or `both`; the table is t
//! python                             runs Python with `lake`, `deltalake`, `duckdb`, `pa` in scope
//! ```

/// One step of a script.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Where it begins, from 1.
    pub(super) line: usize,
    /// The SQL or Python.
    pub(super) text: String,
    /// What must come of it.
    pub(super) expectation: Expectation,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expectation {
    Ok { connection: String },
    Error { connection: String, fragments: Vec<String> },
    Rows { connection: String, sorted: bool, rows: Vec<String> },
    Reader { reader: String, table: String, rows: Vec<String> },
    Python,
}

/// The steps of a script, or the line number and what is wrong there.
pub(super) fn parse(script: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut lines = (1..).zip(script.lines()).peekable();
    while let Some((number, head)) = lines.next() {
        if head.trim().is_empty() || head.starts_with('#') {
            continue;
        }
        let mut body = Vec::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.trim().is_empty()) {
            body.push(line.to_owned());
        }
        let step = step(number, head, &body).ok_or_else(|| format!("{number}: not understood: {head}"))?;
        steps.push(step);
    }
    Ok(steps)
}

fn step(line: usize, head: &str, body: &[String]) -> Option<Step> {
    let (text, expected) = match body.iter().position(|line| line == "----") {
        Some(at) => (&body[..at], Some(body[at + 1..].to_vec())),
        None => (body, None),
    };
    let words: Vec<_> = head.split_whitespace().collect();
    let expectation = match (&words[..], expected) {
        (["statement", "ok", rest @ ..], None) => Expectation::Ok { connection: connection(rest)? },
        (["statement", "error", rest @ ..], Some(fragments)) if !fragments.is_empty() => {
            Expectation::Error { connection: connection(rest)?, fragments }
        }
        (["query", "sorted", rest @ ..], Some(rows)) => {
            Expectation::Rows { connection: connection(rest)?, sorted: true, rows }
        }
        (["query", rest @ ..], Some(rows)) => Expectation::Rows { connection: connection(rest)?, sorted: false, rows },
        (["reader", reader, table], Some(rows)) => {
            Expectation::Reader { reader: (*reader).to_owned(), table: (*table).to_owned(), rows }
        }
        (["python"], None) => Expectation::Python,
        _ => return None,
    };
    (!text.is_empty()).then(|| Step { line, text: text.join("\n"), expectation })
}

fn connection(words: &[&str]) -> Option<String> {
    match words {
        [] => Some("first".to_owned()),
        [name] => Some((*name).to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_steps() {
        let steps = parse("# why\n\nstatement ok two\nSELECT 1;\n\n\nquery sorted\nSELECT\n2\n----\n2\n").unwrap();
        let ok = Expectation::Ok { connection: "two".into() };
        let rows = Expectation::Rows { connection: "first".into(), sorted: true, rows: vec!["2".into()] };
        assert_eq!(
            steps,
            [
                Step { line: 3, text: "SELECT 1;".into(), expectation: ok },
                Step { line: 7, text: "SELECT\n2".into(), expectation: rows },
            ]
        );
    }

    #[test]
    fn a_query_may_expect_nothing() {
        assert!(
            matches!(&parse("query\nFROM t\n----").unwrap()[..], [Step { expectation: Expectation::Rows { rows, .. }, .. }] if rows.is_empty())
        );
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for script in [
            "statement maybe\nSELECT 1",
            "query\nSELECT 1",
            "statement error\nSELECT 1\n----",
            "statement ok a b\nSELECT 1",
            "statement ok",
            "reader deltalake\nSELECT 1\n----\n1",
        ] {
            assert!(parse(script).is_err(), "{script}");
        }
    }
}
