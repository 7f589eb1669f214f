//! Fields of a JSON object as the text they were written in, so that only what is needed is parsed, and numbers
//! keep all their digits.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Deserializer;

/// The texts of the values of `names` in a JSON object, in the order of `names`; `None` where it has no such
/// field, or if the text is not an object at all. The last one wins if a field is repeated.
pub(super) fn fields<'a, const N: usize>(object: &'a str, names: [&str; N]) -> Option<[Option<&'a str>; N]> {
    let mut found = [None; N];
    visit(object, |key, value| {
        if let Some(at) = names.iter().position(|name| *name == key) {
            found[at] = Some(value);
        }
    })?;
    Some(found)
}

/// The text of the value of one field.
pub(super) fn field<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    fields(object, [name])?[0]
}

/// Calls `each` with key and value of every field, in order; `None` if the text is not one JSON object.
fn visit<'a>(object: &'a str, mut each: impl FnMut(&str, &'a str)) -> Option<()> {
    let mut rest = object.trim_ascii().strip_prefix('{')?.trim_ascii_start();
    if rest == "}" {
        return Some(());
    }
    loop {
        let (key, after) = value::<String>(rest)?;
        let text = after.trim_ascii_start().strip_prefix(':')?.trim_ascii_start();
        let (_, after) = value::<IgnoredAny>(text)?;
        each(&key, &text[..text.len() - after.len()]);
        rest = after.trim_ascii_start();
        if rest == "}" {
            return Some(());
        }
        rest = rest.strip_prefix(',')?.trim_ascii_start();
    }
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
        let found = fields(text, ["a", "bA", "c", "d", "e", "f"]).unwrap();
        let expected =
            [Some("1.10"), Some(r#"{"x":[1,{"y":"}"}]}"#), Some(r#""q\"\\""#), Some("null"), Some("-0"), None];
        assert_eq!(found, expected);
        assert_eq!(field("{ }", "a"), None);
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        for text in ["", "1", "[]", "{", "{}x", r#"{"a"}"#, r#"{"a":}"#, r#"{"a":1 "b":2}"#, r#"{"a":1,}"#, r#"{1:2}"#]
        {
            assert!(fields(text, ["a"]).is_none(), "{text}");
        }
    }
}
