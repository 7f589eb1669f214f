//! Whole types as DuckDB writes them: `UINTEGER[]`, `MAP(UUID, INTERVAL)`, `INTEGER[3][]`.
//!
//! A struct is `STRUCT` without its fields. Nothing here knows what a table has.

use std::{
    fmt::{Display, Formatter, Result},
    ops::RangeInclusive,
};

use arrow::datatypes::{DataType, Field};

use super::kind::Kind;

/// How deep a type may nest here: more than a table can have, and little for a stack.
const NESTING_LEVELS_MAX: usize = 64;

/// How many elements DuckDB's arrays have (`ArrayType::MAX_ARRAY_SIZE`).
pub(crate) const ARRAY_LENGTHS: RangeInclusive<i32> = 1..=100_000;

/// A type, down to the structs in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TypeText {
    /// Without children.
    Kind(Kind),
    /// `T[]`
    List(Box<TypeText>),
    /// `T[n]`, n within [`ARRAY_LENGTHS`].
    Array(Box<TypeText>, i32),
    /// `MAP(K, V)`
    Map(Box<TypeText>, Box<TypeText>),
    /// `STRUCT`
    Struct,
}

impl TypeText {
    /// The type of a column of the seam; `None` if it is none of the seam's.
    pub(crate) fn of(field: &Field) -> Option<Self> {
        Some(match field.data_type() {
            DataType::Struct(fields) if !fields.is_empty() => Self::Struct,
            DataType::List(element) => Self::List(Box::new(Self::of(element)?)),
            DataType::FixedSizeList(element, length) if ARRAY_LENGTHS.contains(length) => {
                Self::Array(Box::new(Self::of(element)?), *length)
            }
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(pair) if pair.len() == 2 => {
                    Self::Map(Box::new(Self::of(&pair[0])?), Box::new(Self::of(&pair[1])?))
                }
                _ => return None,
            },
            _ => Self::Kind(Kind::of(field)?),
        })
    }

    /// The type that a text tells; `None` if it tells none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let parsed = Self::next(&mut rest, 0)?;
        rest.trim().is_empty().then_some(parsed)
    }

    /// Whether Delta has it, structs aside.
    pub(crate) fn is_plain(&self) -> bool {
        match self {
            Self::Kind(kind) => kind.is_plain(),
            Self::List(element) => element.is_plain(),
            Self::Array(..) => false,
            Self::Map(key, value) => key.is_plain() && value.is_plain(),
            Self::Struct => true,
        }
    }

    /// The type at the head of `rest`, which is left after it.
    fn next(rest: &mut &str, level: usize) -> Option<Self> {
        if level > NESTING_LEVELS_MAX {
            return None;
        }
        let mut parsed = Self::next_element(rest, level)?;
        for _ in level..NESTING_LEVELS_MAX {
            let Some(after) = rest.trim_start().strip_prefix('[') else { return Some(parsed) };
            let (length, after) = after.split_once(']')?;
            parsed = match length.trim() {
                "" => Self::List(Box::new(parsed)),
                length => {
                    Self::Array(Box::new(parsed), length.parse().ok().filter(|length| ARRAY_LENGTHS.contains(length))?)
                }
            };
            *rest = after;
        }
        None
    }

    /// As [`Self::next`], without the brackets of lists and arrays.
    fn next_element(rest: &mut &str, level: usize) -> Option<Self> {
        let text = rest.trim_start();
        let name_bytes = text.find(['(', ')', ',', '[']).unwrap_or(text.len());
        let (name, after) = text.split_at(name_bytes);
        let name = name.trim_end();
        if name.eq_ignore_ascii_case("STRUCT") {
            *rest = after;
            return Some(Self::Struct);
        }
        if name.eq_ignore_ascii_case("MAP") {
            *rest = after.strip_prefix('(')?;
            let key = Self::next(rest, level + 1)?;
            *rest = rest.trim_start().strip_prefix(',')?;
            let value = Self::next(rest, level + 1)?;
            *rest = rest.trim_start().strip_prefix(')')?;
            return Some(Self::Map(Box::new(key), Box::new(value)));
        }
        let bytes = match after.strip_prefix('(') {
            Some(digits) => name_bytes + 1 + digits.find(')')? + 1,
            None => name_bytes,
        };
        let (kind, after) = text.split_at(bytes);
        *rest = after;
        Kind::named(kind.trim_end()).map(Self::Kind)
    }
}

impl Display for TypeText {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        match self {
            Self::Kind(kind) => kind.fmt(formatter),
            Self::List(element) => write!(formatter, "{element}[]"),
            Self::Array(element, length) => write!(formatter, "{element}[{length}]"),
            Self::Map(key, value) => write!(formatter, "MAP({key}, {value})"),
            Self::Struct => formatter.write_str("STRUCT"),
        }
    }
}
