//! The string literals of Rust sources, and in which calls they stand.

/// A string literal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Literal {
    /// Where it begins, from 1.
    pub(super) line: usize,
    /// What it says, escapes undone.
    pub(super) text: String,
    /// The names before the brackets it stands in, outermost first; macros with their `!`, attributes as `#name`.
    pub(super) within: Vec<String>,
    /// Whether it stands in a module for tests.
    pub(super) in_tests: bool,
}

/// The literals of a source file.
pub(super) fn literals(source: &str) -> Vec<Literal> {
    let mut scanner = Scanner { rest: source, line: 1, name: String::new(), open: Vec::new(), found: Vec::new() };
    while scanner.step() {}
    scanner.found
}

struct Scanner<'a> {
    rest: &'a str,
    line: usize,
    /// The words since the last other token.
    name: String,
    open: Vec<String>,
    found: Vec<Literal>,
}

/// What marks a module for tests, as the name before its bracket.
const TESTS: &str = "#[cfg(test)]";

impl<'a> Scanner<'a> {
    fn step(&mut self) -> bool {
        let (Some(first), line) = (self.rest.chars().next(), self.line) else { return false };
        if self.rest.starts_with("//") {
            self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.take(self.rest.find("*/").map_or(self.rest.len(), |end| end + 2));
        } else if self.rest.starts_with(TESTS) {
            self.take(TESTS.len());
            TESTS.clone_into(&mut self.name);
        } else if let Some(text) = self.string() {
            let in_tests = self.open.iter().any(|name| name.starts_with(TESTS));
            let within = self.open.iter().filter(|name| !name.is_empty()).cloned().collect();
            self.found.push(Literal { line, text, within, in_tests });
            self.name.clear();
        } else if first == '\'' {
            self.quote();
        } else {
            self.token(first);
        }
        true
    }

    fn token(&mut self, first: char) {
        match first {
            '(' | '[' | '{' => self.open.push(std::mem::take(&mut self.name)),
            ')' | ']' | '}' => drop(self.open.pop()),
            '#' => "#".clone_into(&mut self.name),
            '!' if !self.name.is_empty() => self.name.push('!'),
            ' ' | '\n' => {}
            _ if first.is_alphanumeric() || first == '_' => {
                let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
                let word = self.take(end);
                // `mod tests` after the attribute keeps it; any other word begins anew.
                if !self.name.starts_with(TESTS) {
                    word.clone_into(&mut self.name);
                }
                return;
            }
            ';' => self.name.clear(),
            _ if self.name.starts_with(TESTS) => {}
            _ => self.name.clear(),
        }
        self.take(first.len_utf8());
    }

    /// The literal at the head, if one is.
    fn string(&mut self) -> Option<String> {
        let prefix = ["br", "r", "b", "c", ""].into_iter().find(|prefix| {
            let after = self.rest.strip_prefix(prefix);
            after.is_some_and(|after| {
                after.trim_start_matches('#').starts_with('"') && (prefix.ends_with('r') || after.starts_with('"'))
            })
        })?;
        let hashes = self.rest[prefix.len()..].bytes().take_while(|byte| *byte == b'#').count();
        let start = prefix.len() + hashes + 1;
        if prefix.ends_with('r') {
            let end = format!("\"{}", "#".repeat(hashes));
            let length = self.rest[start..].find(&end)?;
            return Some(self.take(start + length + end.len())[start..start + length].to_owned());
        }
        let mut escaped = false;
        let length = self.rest[start..].find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
        Some(unescaped(&self.take(start + length + 1)[start..start + length]))
    }

    /// A character or a lifetime.
    fn quote(&mut self) {
        let mut chars = self.rest.char_indices().skip(1);
        let length = match chars.next() {
            Some((_, '\\')) => self.rest[3..].find('\'').map_or(1, |end| end + 4),
            Some((at, c)) if self.rest[at + c.len_utf8()..].starts_with('\'') => at + c.len_utf8() + 1,
            _ => 1,
        };
        self.take(length);
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        self.line += taken.matches('\n').count();
        taken
    }
}

fn unescaped(text: &str) -> String {
    let mut found = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        found.push_str(before);
        rest = match after.chars().next() {
            Some('\n') => after.trim_start(),
            Some('n') => {
                found.push('\n');
                &after[1..]
            }
            Some(c @ ('\\' | '"' | '\'')) => {
                found.push(c);
                &after[1..]
            }
            _ => {
                found.push('\\');
                after
            }
        };
    }
    found + rest
}

#[test]
fn literals_are_found_with_where_they_stand() {
    let source = r##"
        // "not this"
        fn f<'a>(x: &'a str) -> char { let _ = '"'; Err(Error::Bad(format!("a {x} is \
            bad"))) }
        #[error("{0} is \"worse\"")] struct S;
        const R: &str = r#"raw "text""#; /* "nor this" */
        #[cfg(test)]
        mod tests { fn g() { h("tested", '\'', b"bytes") } }
        fn last() { i("after") }
    "##;
    let found = literals(source);
    let texts: Vec<_> = found.iter().map(|literal| (literal.text.as_str(), literal.in_tests)).collect();
    let expected = [
        ("a {x} is bad", false),
        ("{0} is \"worse\"", false),
        ("raw \"text\"", false),
        ("tested", true),
        ("bytes", true),
        ("after", false),
    ];
    assert_eq!(texts, expected);
    assert_eq!(found[0].within, ["char", "Err", "Bad", "format!"]);
    assert_eq!(found[1].within, ["#", "error"]);
}
