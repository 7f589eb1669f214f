//! Fields of a JSON object as the text they were written in, so that only what is needed is parsed, and numbers
//! keep all their digits.

use std::borrow::Cow;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Deserializer;

/// The texts of the values of `names` in a JSON object, in the order of `names`; `None` where it has no such
/// field, or if the text is no object up to there. Reads no further than it must.
pub(super) fn fields<'a, const N: usize>(object: &'a str, names: [&str; N]) -> [Option<&'a str>; N] {
    let mut found = [None; N];
    let mut rest = object.trim_ascii_start().strip_prefix('{');
    while let Some((key, value, after)) = rest.and_then(next_field) {
        if let Some(at) = names.iter().position(|name| *name == key) {
            found[at] = Some(value);
        }
        if found.iter().all(Option::is_some) {
            break;
        }
        rest = after.strip_prefix(',');
    }
    found
}

/// The text of the value of one field.
pub(super) fn field<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    fields(object, [name])[0]
}

/// A JSON object with `replacements` (names and values' texts) in front, and its other fields as they were written.
/// A text that is no object has none.
pub(crate) fn replaced_fields(object: &str, replacements: &[(&str, String)]) -> String {
    let mut written: Vec<String> =
        replacements.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
    if let Some(fields) = all_fields(object) {
        let others = fields.into_iter().filter(|(key, _)| replacements.iter().all(|(name, _)| name != key));
        written.extend(others.map(|(key, value)| format!("{}:{value}", quoted(&key))));
    }
    format!("{{{}}}", written.join(","))
}

fn quoted(name: &str) -> String {
    serde_json::Value::from(name).to_string()
}

/// `None` if the text is no object to its end.
fn all_fields(object: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    let mut rest = object.trim_ascii().strip_prefix('{')?.strip_suffix('}')?;
    let mut fields = Vec::new();
    while let Some((key, value, after)) = next_field(rest) {
        fields.push((key, value));
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => return after.is_empty().then_some(fields),
        }
    }
    (fields.is_empty() && rest.trim_ascii().is_empty()).then_some(fields)
}

/// Key and value's text of the field at the head, and what follows them; `None` if there is none.
fn next_field(text: &str) -> Option<(Cow<'_, str>, &str, &str)> {
    let (key, after) = key(text.trim_ascii_start())?;
    let text = after.trim_ascii_start().strip_prefix(':')?.trim_ascii_start();
    let (_, after) = value::<IgnoredAny>(text)?;
    Some((key, &text[..text.len() - after.len()], after.trim_ascii_start()))
}

/// Nearly every key is written as it is, and then taken as it is.
fn key(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let (plain, after) = text.strip_prefix('"')?.split_once('"')?;
    if plain.contains('\\') {
        let (key, after) = value::<String>(text)?;
        return Some((key.into(), after));
    }
    Some((plain.into(), after))
}

/// The JSON value at the head of the text, and what follows it.
fn value<'a, T: Deserialize<'a>>(text: &'a str) -> Option<(T, &'a str)> {
    let mut values = Deserializer::from_str(text).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, &text[values.byte_offset()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_text() {
        let text = r#" {"a":1.10 , "b\u0041": {"x":[1,{"y":"}"}]},"c":"q\"\\","d":null,"e":-0} "#;
        let found = fields(text, ["a", "bA", "c", "d", "e", "f"]);
        let expected =
            [Some("1.10"), Some(r#"{"x":[1,{"y":"}"}]}"#), Some(r#""q\"\\""#), Some("null"), Some("-0"), None];
        assert_eq!(found, expected);
        assert_eq!(field("{ }", "a"), None);
    }

    #[test]
    fn replaced_fields_leave_the_others_as_they_were_written() {
        let replacements = [("n", "5".to_owned()), ("t", "false".to_owned())];
        for (object, replaced) in [
            (r#"{"n":1,"min":{"a":1.10},"t" : true,"x\"y":"}"} "#, r#"{"n":5,"t":false,"min":{"a":1.10},"x\"y":"}"}"#),
            ("{ }", r#"{"n":5,"t":false}"#),
            ("", r#"{"n":5,"t":false}"#),
            (r#"{"a":1,}"#, r#"{"n":5,"t":false}"#),
            (r#"{"a":1 "b":2}"#, r#"{"n":5,"t":false}"#),
        ] {
            assert_eq!(replaced_fields(object, &replacements), replaced, "{object}");
        }
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        for text in [
            "",
            "1",
            "[]",
            "{",
            "\"a\":1",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"b":1 "a":2}"#,
            r#"{,"a":1}"#,
            r#"{1:2,"a":1}"#,
        ] {
            assert_eq!(field(text, "a"), None, "{text}");
        }
    }
}
