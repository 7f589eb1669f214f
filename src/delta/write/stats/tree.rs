//! A JSON object as deep as the columns are nested, written as text: `serde_json`'s own numbers would not hold
//! a decimal exactly.

use std::fmt::{Display, Formatter, Result};

/// Values by the path of their column, in the order of the columns.
#[derive(Debug, Default)]
pub(super) struct Tree(Vec<(String, Node)>);

#[derive(Debug)]
enum Node {
    /// JSON text.
    Value(String),
    Struct(Tree),
}

impl Tree {
    /// `value` is JSON text. Columns of one struct follow each other.
    pub(super) fn insert(&mut self, path: &[String], value: String) {
        match path {
            [] => {}
            [name] => self.0.push((name.clone(), Node::Value(value))),
            [name, rest @ ..] => match self.0.last_mut() {
                Some((last, Node::Struct(fields))) if last == name => fields.insert(rest, value),
                _ => {
                    let mut fields = Self::default();
                    fields.insert(rest, value);
                    self.0.push((name.clone(), Node::Struct(fields)));
                }
            },
        }
    }
}

impl Display for Tree {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("{")?;
        for (index, (name, node)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator}{}:", serde_json::Value::from(name.as_str()))?;
            match node {
                Node::Value(value) => f.write_str(value)?,
                Node::Struct(fields) => fields.fmt(f)?,
            }
        }
        f.write_str("}")
    }
}
