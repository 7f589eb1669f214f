//! JSON as yyjson writes it with YYJSON_WRITE_ALLOW_INF_AND_NAN.
//!
//! A parser of its own because serde_json's does not fit: it refuses NaN and Infinity, rounds some reals to a
//! neighbour unless built otherwise, and gives up on a document as a whole where it nests more than 128 deep, which
//! a chain of 60 ORs does. Numbers are kept as text; what nests too deep is skipped and the rest kept.

use std::borrow::Cow;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json<'a> {
    /// `null`, and whatever nests too deep.
    Null,
    Bool(bool),
    /// As written; also `NaN`, `Infinity`, `-Infinity`.
    Number(&'a str),
    Text(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// How deep arrays and objects are followed: bounds the stack here and in all that walks the value. Each level of an
/// expression takes two, so that is a chain of about 150 ORs.
const DEPTH_MAX: usize = 300;

/// The value that fills `text`; `None` if there is none.
pub(super) fn parse(text: &str) -> Option<Json<'_>> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(0)?;
    parser.skip_space();
    (parser.at == text.len()).then_some(value)
}

impl<'a> Json<'a> {
    /// The first member of that name.
    pub(super) fn get(&self, name: &str) -> Option<&Json<'a>> {
        match self {
            Self::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn array(&self) -> Option<&[Json<'a>]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    pub(super) fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// A whole number.
    pub(super) fn integer(&self) -> Option<i128> {
        match self {
            Self::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// A number of any form, rounded to the nearest.
    pub(super) fn real(&self) -> Option<f64> {
        match self {
            Self::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn value(&mut self, depth: usize) -> Option<Json<'a>> {
        self.skip_space();
        match self.peek()? {
            b'{' | b'[' if depth == DEPTH_MAX => self.skip_nested().map(|()| Json::Null),
            b'{' => self.object(depth + 1),
            b'[' => self.array(depth + 1),
            b'"' => self.string().map(Json::Text),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json<'a>> {
        let mut members = Vec::new();
        self.elements(b'}', |parser| {
            parser.skip_space();
            let name = parser.string()?;
            parser.skip_space();
            parser.take(b':')?;
            members.push((name, parser.value(depth)?));
            Some(())
        })?;
        Some(Json::Object(members))
    }

    fn array(&mut self, depth: usize) -> Option<Json<'a>> {
        let mut elements = Vec::new();
        self.elements(b']', |parser| {
            elements.push(parser.value(depth)?);
            Some(())
        })?;
        Some(Json::Array(elements))
    }

    /// What stands between an opening bracket and `close`, separated by commas.
    fn elements(&mut self, close: u8, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        self.skip_space();
        if self.peek()? == close {
            self.at += 1;
            return Some(());
        }
        loop {
            element(self)?;
            self.skip_space();
            match self.peek()? {
                b',' => self.at += 1,
                byte if byte == close => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// `true`, `false`, `null` or a number.
    fn word(&mut self) -> Option<Json<'a>> {
        let rest = &self.text[self.at..];
        let end = rest.find(|char: char| !(char.is_ascii_alphanumeric() || "+-.".contains(char)));
        let word = &rest[..end.unwrap_or(rest.len())];
        self.at += word.len();
        match word {
            "true" => Some(Json::Bool(true)),
            "false" => Some(Json::Bool(false)),
            "null" => Some(Json::Null),
            _ => word.parse::<f64>().is_ok().then_some(Json::Number(word)),
        }
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        let start = self.at;
        self.skip_string()?;
        let quoted = &self.text[start..self.at];
        let inner = &quoted[1..quoted.len() - 1];
        match inner.contains('\\') {
            true => serde_json::from_str(quoted).ok().map(Cow::Owned),
            false => Some(Cow::Borrowed(inner)),
        }
    }

    fn skip_string(&mut self) -> Option<()> {
        self.take(b'"')?;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
    }

    /// An array or object, by its brackets alone.
    fn skip_nested(&mut self) -> Option<()> {
        let mut open = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.skip_string()?;
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return Some(());
            }
        }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::golden;

    /// The same value, if serde_json can hold it.
    fn as_serde(json: &Json<'_>) -> serde_json::Value {
        match json {
            Json::Null => serde_json::Value::Null,
            Json::Bool(value) => (*value).into(),
            Json::Number(text) => serde_json::from_str(text).unwrap(),
            Json::Text(text) => text.as_ref().into(),
            Json::Array(elements) => elements.iter().map(as_serde).collect(),
            Json::Object(members) => {
                members.iter().map(|(name, value)| (name.clone().into_owned(), as_serde(value))).collect()
            }
        }
    }

    #[test]
    fn agrees_with_serde_json() {
        let text = r#" { "a" : [ ] , "b":[1,-2, 1.5e-3,18446744073709551615],"c":{},"":"","ü":"\"\\\u00e9\ud83e\udd80é/\n",
            "d":[true,false,null,[[{"x":[0.1]}]]]} "#;
        let expected: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(as_serde(&parse(text).unwrap()), expected);
    }

    #[test]
    fn takes_what_only_yyjson_writes() {
        let json = parse("[NaN,Infinity,-Infinity,0.10000000149011612]").unwrap();
        let reals: Vec<f64> = json.array().unwrap().iter().map(|value| value.real().unwrap()).collect();
        assert!(reals[0].is_nan());
        assert_eq!(reals[1..], [f64::INFINITY, f64::NEG_INFINITY, f64::from(0.1_f32)]);
    }

    #[test]
    fn refuses_what_is_not_json() {
        for text in [
            "", " ", "{", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}", "{a:1}", "\"", "\"\\\"", "\"\\x\"", "tru", "1 1",
            "[1}", "é", "--1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn skips_what_nests_too_deep_and_keeps_the_rest() {
        let bomb = "[".repeat(1_000_000);
        assert_eq!(parse(&bomb), None);
        let deep = format!("{}\"]\"{}", "[".repeat(100_000), "]".repeat(100_000));
        let text = format!("{{\"deep\":{deep},\"kept\":7}}");
        assert_eq!(parse(&text).unwrap().get("kept").and_then(Json::integer), Some(7));
    }

    #[test]
    fn damage_never_panics() {
        let mut noise = golden::Noise::new(4);
        let honest = r#"{"a":["\u00e9ü",1.5,{"b":null}],"c":"\\"}"#;
        for _ in 0..5_000 {
            if let Ok(text) = String::from_utf8(noise.mutate(honest.as_bytes())) {
                let _ = parse(&text);
            }
        }
    }
}
