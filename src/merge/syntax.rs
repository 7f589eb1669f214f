//! What the clauses of a MERGE say, before any name has a meaning: the grammar of DuckDB's `merge_into.y` from the join on.

use super::plan::When;
use crate::{
    engine::{Error, Result},
    expression::{Parsed, Part, Words, shorten},
};

/// Where a new part begins.
pub(super) const HEADS: [&[&str]; 3] = [&["WHEN", "MATCHED"], &["WHEN", "NOT", "MATCHED"], &["RETURNING"]];

/// Nobody writes more by hand; what a program needs so many for, it can say in the source.
const CLAUSES_MAX: usize = 256;

/// The clauses of a MERGE.
pub(super) struct Statement {
    pub(super) join: Join,
    pub(super) clauses: Vec<Clause>,
    pub(super) returning: Option<Vec<Item>>,
}

/// Which rows match.
pub(super) enum Join {
    On(Parsed),
    Using(Vec<String>),
}

/// WHEN ... THEN ...
pub(super) struct Clause {
    pub(super) when: When,
    pub(super) condition: Option<Parsed>,
    pub(super) action: Action,
    /// WHEN up to THEN.
    pub(super) text: String,
}

/// What becomes of a row.
pub(super) enum Action {
    /// Columns, each with what stands before its name, and their values.
    UpdateSet(Vec<(Vec<String>, Parsed)>),
    UpdateAll(Order),
    Delete,
    InsertValues {
        columns: Option<Vec<String>>,
        values: Vec<Parsed>,
    },
    InsertAll(Order),
    InsertDefaults,
    DoNothing,
    Error(Option<Parsed>),
}

/// Which column of the source is for which of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    ByPosition,
    ByName,
}

/// One of RETURNING.
pub(super) enum Item {
    /// `*` or `table.*`, but for some.
    All {
        table: Vec<String>,
        exclude: Vec<String>,
    },
    Value {
        value: Parsed,
        alias: Option<String>,
    },
}

/// Reads the parts of a statement that was cut at [`HEADS`].
///
/// # Errors
/// `InvalidArgument` for what are no clauses; `Unsupported`, by name, for what is not offered.
pub(super) fn parse(parts: Vec<Part<'_>>) -> Result<Statement> {
    let last = parts.len() - 1;
    let mut parts = parts.into_iter().enumerate();
    let mut join = None;
    if let Some((index, part)) = parts.next() {
        join = Some(part.read(|words| {
            let join = self::join(words)?;
            end(words, index == last, "WHEN MATCHED or WHEN NOT MATCHED").map(|()| join)
        })?);
    }
    let (mut clauses, mut returning) = (Vec::new(), None);
    for (index, part) in parts {
        part.read(|words| {
            if returning.is_some() {
                return Err(expected(words, "nothing after RETURNING"));
            }
            let wanted = match words.take(&["RETURNING"]) {
                true => {
                    returning = Some(items(words)?);
                    "a comma, AS or the end"
                }
                false if clauses.len() == CLAUSES_MAX => {
                    return Err(Error::InvalidArgument(format!("a MERGE has more than {CLAUSES_MAX} WHEN clauses")));
                }
                false => {
                    clauses.push(clause(words)?);
                    "WHEN, RETURNING or the end"
                }
            };
            end(words, index == last, wanted)
        })?;
    }
    match (join, clauses.is_empty()) {
        (Some(join), false) => Ok(Statement { join, clauses, returning }),
        _ => Err(Error::InvalidArgument(
            "the MERGE has no clause: say WHEN MATCHED THEN or WHEN NOT MATCHED THEN, and what is to be done"
                .to_owned(),
        )),
    }
}

fn join(words: &mut Words<'_>) -> Result<Join> {
    if words.take(&["ON"]) {
        return words.expression().map(Join::On);
    }
    if words.come(&["WITH"]) {
        return Err(Error::Unsupported("WITH is not offered in a MERGE: put it into the source".to_owned()));
    }
    if words.come(&["USING"]) && words.sign_comes(1, '(') {
        words.take(&["USING"]);
        return names(words, "a column").map(Join::Using);
    }
    if words.at_end() || words.come(&["MERGE"]) || words.come(&["USING"]) {
        return Err(Error::InvalidArgument(
            "the clauses of a MERGE begin with ON or USING (columns): target and source are arguments of their own"
                .to_owned(),
        ));
    }
    Err(expected(words, "ON condition or USING (columns)"))
}

/// `(a, b)`
fn names(words: &mut Words<'_>, what: &str) -> Result<Vec<String>> {
    require(words, '(', "an opening parenthesis")?;
    let mut names = Vec::new();
    loop {
        names.push(words.name().ok_or_else(|| expected(words, what))?);
        if words.sign(')') {
            return Ok(names);
        }
        require(words, ',', "a comma or a closing parenthesis")?;
    }
}

fn clause(words: &mut Words<'_>) -> Result<Clause> {
    let start = words.place();
    let when = if words.take(&["WHEN", "MATCHED"]) {
        When::Matched
    } else if words.take(&["WHEN", "NOT", "MATCHED", "BY", "SOURCE"]) {
        When::NotMatchedBySource
    } else {
        let _ = words.take(&["WHEN", "NOT", "MATCHED", "BY", "TARGET"]) || words.take(&["WHEN", "NOT", "MATCHED"]);
        When::NotMatched
    };
    let condition = if words.take(&["AND"]) { Some(words.expression()?) } else { None };
    let text = words.text(start, words.place()).to_owned();
    if !words.take(&["THEN"]) {
        let by = if when == When::NotMatched && condition.is_none() { "BY SOURCE, BY TARGET, " } else { "" };
        let and = if condition.is_none() { "AND condition or " } else { "" };
        return Err(expected(words, &format!("{by}{and}THEN")));
    }
    Ok(Clause { when, condition, action: action(words)?, text })
}

fn action(words: &mut Words<'_>) -> Result<Action> {
    if words.take(&["UPDATE"]) {
        return update(words);
    }
    if words.take(&["INSERT"]) {
        return insert(words);
    }
    if words.take(&["DELETE"]) {
        return Ok(Action::Delete);
    }
    if words.take(&["DO", "NOTHING"]) {
        return Ok(Action::DoNothing);
    }
    if words.take(&["ERROR"]) {
        let has_message = !words.at_end() && !words.sign_comes(0, ';');
        return Ok(Action::Error(if has_message { Some(words.expression()?) } else { None }));
    }
    Err(expected(words, "UPDATE, DELETE, INSERT, DO NOTHING or ERROR"))
}

fn update(words: &mut Words<'_>) -> Result<Action> {
    if !words.take(&["SET"]) {
        return Ok(Action::UpdateAll(order(words)));
    }
    if words.sign(',') || words.at_end() {
        return Err(expected(words, "* or column = value after SET"));
    }
    if words.sign('*') {
        return Ok(Action::UpdateAll(Order::ByPosition));
    }
    let mut set = Vec::new();
    loop {
        assignments(words, &mut set)?;
        // A comma may end the list.
        if !words.sign(',') || words.at_end() || words.sign_comes(0, ';') {
            return Ok(Action::UpdateSet(set));
        }
    }
}

/// `a = 1`, `(a, b) = (1, 2)`, `(a, b) = 1`
fn assignments(words: &mut Words<'_>, set: &mut Vec<(Vec<String>, Parsed)>) -> Result<()> {
    if !words.sign('(') {
        let column = path(words)?;
        require(words, '=', "= value")?;
        set.push((column, words.expression()?));
        return Ok(());
    }
    let mut columns = vec![path(words)?];
    while words.sign(',') {
        columns.push(path(words)?);
    }
    require(words, ')', "a comma or a closing parenthesis")?;
    require(words, '=', "= (values)")?;
    match words.expression()?.into_row() {
        Ok(values) if values.len() == columns.len() => set.extend(columns.into_iter().zip(values)),
        Ok(values) => {
            return Err(Error::InvalidArgument(format!(
                "SET ({}) has {} columns and {} values",
                columns.iter().map(|column| column.join(".")).collect::<Vec<_>>().join(", "),
                columns.len(),
                values.len()
            )));
        }
        // One value is for all of them.
        Err(value) => set.extend(columns.into_iter().map(|column| (column, value.clone()))),
    }
    Ok(())
}

/// `a`, `target.a`
fn path(words: &mut Words<'_>) -> Result<Vec<String>> {
    let mut path = Vec::new();
    loop {
        path.push(words.name().ok_or_else(|| expected(words, "a column"))?);
        if !words.sign('.') {
            return Ok(path);
        }
    }
}

fn insert(words: &mut Words<'_>) -> Result<Action> {
    if words.take(&["DEFAULT", "VALUES"]) {
        return Ok(Action::InsertDefaults);
    }
    let columns = if words.sign_comes(0, '(') { Some(names(words, "a column")?) } else { None };
    if words.take(&["VALUES"]) {
        return Ok(Action::InsertValues { columns, values: values(words)? });
    }
    if columns.is_some() {
        return Err(expected(words, "VALUES (...) after the columns"));
    }
    let order = order(words);
    words.sign('*');
    Ok(Action::InsertAll(order))
}

/// `(1, DEFAULT,)`
fn values(words: &mut Words<'_>) -> Result<Vec<Parsed>> {
    require(words, '(', "an opening parenthesis")?;
    let mut values = vec![words.expression()?];
    loop {
        let comma = words.sign(',');
        if words.sign(')') {
            return Ok(values);
        }
        if !comma {
            return Err(expected(words, "a comma or a closing parenthesis"));
        }
        values.push(words.expression()?);
    }
}

fn order(words: &mut Words<'_>) -> Order {
    let by_name = words.take(&["BY", "NAME"]);
    let _ = !by_name && words.take(&["BY", "POSITION"]);
    if by_name { Order::ByName } else { Order::ByPosition }
}

fn items(words: &mut Words<'_>) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    loop {
        items.push(match star(words)? {
            Some(all) => all,
            None => {
                let value = words.expression()?;
                let named = words.take(&["AS"]);
                let alias = words.name();
                if named && alias.is_none() {
                    return Err(expected(words, "a name after AS"));
                }
                Item::Value { value, alias }
            }
        });
        if !words.sign(',') {
            return Ok(items);
        }
    }
}

/// `*`, `table.*`, `* EXCLUDE (a, b)`
fn star(words: &mut Words<'_>) -> Result<Option<Item>> {
    const NAMES_MAX: usize = 3;
    let ends = (0..=NAMES_MAX).find(|names| words.sign_comes(names * 2, '*'));
    let Some(names) = ends.filter(|names| (0..*names).all(|name| words.sign_comes(name * 2 + 1, '.'))) else {
        return Ok(None);
    };
    let mut table = Vec::new();
    for _ in 0..names {
        table.push(words.name().ok_or_else(|| expected(words, "a table before .*"))?);
        words.sign('.');
    }
    words.sign('*');
    for other in ["REPLACE", "RENAME", "LIKE", "ILIKE", "NOT", "SIMILAR", "GLOB"] {
        if words.come(&[other]) {
            return Err(Error::Unsupported(format!("* {other} is not offered in RETURNING: name the columns")));
        }
    }
    let mut exclude = Vec::new();
    if words.take(&["EXCLUDE"]) {
        exclude = match words.sign_comes(0, '(') {
            true => self::names(words, "a column")?,
            false => vec![words.name().ok_or_else(|| expected(words, "a column after EXCLUDE"))?],
        };
    }
    Ok(Some(Item::All { table, exclude }))
}

fn require(words: &mut Words<'_>, sign: char, wanted: &str) -> Result<()> {
    if words.sign(sign) { Ok(()) } else { Err(expected(words, wanted)) }
}

/// That a part has been read to its end, the last one with `;`.
fn end(words: &mut Words<'_>, is_last: bool, wanted: &str) -> Result<()> {
    while is_last && words.sign(';') {}
    if words.at_end() { Ok(()) } else { Err(expected(words, wanted)) }
}

fn expected(words: &Words<'_>, wanted: &str) -> Error {
    let found = match words.rest() {
        "" => "the end".to_owned(),
        rest => format!("\"{}\"", shorten(rest)),
    };
    Error::InvalidArgument(format!("the clauses of the MERGE have {found} where {wanted} is expected"))
}
