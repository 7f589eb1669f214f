//! LIKE and ILIKE: `%` is any text, `_` any one character.

use arrow::array::ArrayRef;

use super::{Call, Form, Function, Overload, fixed, letters::fold};
use crate::{
    engine::Result,
    expression::{Dialect, print::print_pattern, types::Type},
};

macro_rules! matchers {
    ($($constant:ident $name:literal $run:ident $fails:literal),* $(,)?) => {
        $(static $constant: Function = Function {
            name: $name,
            run: $run,
            fails: $fails,
            keeps_nulls: true,
            duckdb: Form::InfixBy(|printer, arguments| print_pattern(printer, $name, arguments)),
            spark: Form::InfixBy(|printer, arguments| print_pattern(printer, $name, arguments)),
        };)*
    };
}

matchers! {
    LIKE "~~" like false,
    NOT_LIKE "!~~" not_like false,
    ILIKE "~~*" ilike false,
    NOT_ILIKE "!~~*" not_ilike false,
    LIKE_ESCAPE "like_escape" like_escape true,
    NOT_LIKE_ESCAPE "not_like_escape" not_like_escape true,
    ILIKE_ESCAPE "ilike_escape" ilike_escape true,
    NOT_ILIKE_ESCAPE "not_ilike_escape" not_ilike_escape true,
}

/// The operator both dialects write.
pub(in crate::expression) fn keyword(name: &str) -> &'static str {
    match name {
        "~~" | "like_escape" => "LIKE",
        "!~~" | "not_like_escape" => "NOT LIKE",
        "~~*" | "ilike_escape" => "ILIKE",
        _ => "NOT ILIKE",
    }
}

pub(super) fn overloads(name: &str, _dialect: Dialect) -> Option<Vec<Overload>> {
    let function = match name {
        "~~" => &LIKE,
        "!~~" => &NOT_LIKE,
        "~~*" => &ILIKE,
        "!~~*" => &NOT_ILIKE,
        "like_escape" => &LIKE_ESCAPE,
        "not_like_escape" => &NOT_LIKE_ESCAPE,
        "ilike_escape" => &ILIKE_ESCAPE,
        "not_ilike_escape" => &NOT_ILIKE_ESCAPE,
        _ => return None,
    };
    let texts = if name.ends_with("escape") {
        fixed([Type::Varchar, Type::Varchar, Type::Varchar], Type::Boolean, function)
    } else {
        fixed([Type::Varchar, Type::Varchar], Type::Boolean, function)
    };
    Some(vec![texts])
}

fn like(call: &Call<'_>) -> Result<ArrayRef> {
    Ok(matches(call, false, false))
}

fn not_like(call: &Call<'_>) -> Result<ArrayRef> {
    Ok(matches(call, false, true))
}

fn ilike(call: &Call<'_>) -> Result<ArrayRef> {
    Ok(matches(call, true, false))
}

fn not_ilike(call: &Call<'_>) -> Result<ArrayRef> {
    Ok(matches(call, true, true))
}

fn like_escape(call: &Call<'_>) -> Result<ArrayRef> {
    matches_escaped(call, false, false)
}

fn not_like_escape(call: &Call<'_>) -> Result<ArrayRef> {
    matches_escaped(call, false, true)
}

fn ilike_escape(call: &Call<'_>) -> Result<ArrayRef> {
    matches_escaped(call, true, false)
}

fn not_ilike_escape(call: &Call<'_>) -> Result<ArrayRef> {
    matches_escaped(call, true, true)
}

fn matches(call: &Call<'_>, folded: bool, negated: bool) -> ArrayRef {
    let (texts, patterns) = (call.text(0), call.text(1));
    let prepare = |text: &str| if folded { fold(text) } else { text.to_owned() };
    // Nearly always there is one pattern for all rows.
    let mut last: Option<(&str, Pattern)> = None;
    let mut found = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let (Some(text), Some(pattern)) = (texts(row), patterns(row)) else {
            found.push(None);
            continue;
        };
        if last.as_ref().is_none_or(|(known, _)| *known != pattern) {
            last = Some((pattern, Pattern::new(&prepare(pattern), None)));
        }
        let is_match = |pattern: &Pattern| {
            // Without an escape there is none to end in.
            if folded { pattern.matches(&fold(text)) } else { pattern.matches(text) }.unwrap_or(false)
        };
        found.push(last.as_ref().map(|(_, pattern)| is_match(pattern) != negated));
    }
    call.booleans(|row| found[row])
}

fn matches_escaped(call: &Call<'_>, folded: bool, negated: bool) -> Result<ArrayRef> {
    let (texts, patterns, escapes) = (call.text(0), call.text(1), call.text(2));
    let prepare = |text: &str| if folded { fold(text) } else { text.to_owned() };
    let mut found = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let (Some(text), Some(pattern), Some(escape)) = (texts(row), patterns(row), escapes(row)) else {
            found.push(None);
            continue;
        };
        let mut characters = escape.chars();
        let escape =
            characters.next().map(|first| prepare(first.encode_utf8(&mut [0; 4])).chars().next().unwrap_or(first));
        if characters.next().is_some() {
            return Err(call.failure(row, "an escape must be one character"));
        }
        let is_match = Pattern::new(&prepare(pattern), escape).matches(&prepare(text));
        let is_match =
            is_match.map_err(|EndsInEscape| call.failure(row, "a pattern must not end in its escape character"))?;
        found.push(Some(is_match != negated));
    }
    Ok(call.booleans(|row| found[row]))
}

/// The pattern's last character escapes nothing.
pub(super) struct EndsInEscape;

/// A pattern taken apart.
pub(super) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Exactly(char),
    /// An escape with nothing behind it: an error only for text that gets there.
    Dangling,
}

impl Pattern {
    pub(super) fn new(pattern: &str, escape: Option<char>) -> Self {
        let mut parts = Vec::with_capacity(pattern.len());
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            let part = match character {
                _ if Some(character) == escape => characters.next().map_or(Part::Dangling, Part::Exactly),
                // Several are as one.
                '%' if parts.last() == Some(&Part::Any) => continue,
                '%' => Part::Any,
                '_' => Part::One,
                _ => Part::Exactly(character),
            };
            parts.push(part);
        }
        Self { parts }
    }

    /// In time of at most the product of both lengths: only the last `%` is ever tried again.
    pub(super) fn matches(&self, text: &str) -> Result<bool, EndsInEscape> {
        let mut rest = text;
        let mut index = 0;
        let mut retry: Option<(usize, &str)> = None;
        loop {
            let first = rest.chars().next();
            match (self.parts.get(index), first) {
                (Some(Part::Any), _) => {
                    index += 1;
                    retry = Some((index, rest));
                    continue;
                }
                (Some(Part::One), Some(character)) => {
                    rest = &rest[character.len_utf8()..];
                    index += 1;
                    continue;
                }
                (Some(Part::Exactly(wanted)), Some(character)) if *wanted == character => {
                    rest = &rest[character.len_utf8()..];
                    index += 1;
                    continue;
                }
                (None, None) => return Ok(true),
                (Some(Part::Dangling), Some(_)) => return Err(EndsInEscape),
                _ => {}
            }
            // One more character goes to the last `%`.
            let Some((after, from)) = retry else { return Ok(false) };
            let Some(character) = from.chars().next() else { return Ok(false) };
            let from = &from[character.len_utf8()..];
            retry = Some((after, from));
            (index, rest) = (after, from);
        }
    }
}
