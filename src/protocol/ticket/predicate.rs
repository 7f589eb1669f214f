//! Predicates in tickets: the engine's own, under wire types with short names.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    engine::{ColumnPath, CompareOp, Predicate, Scalar},
    protocol::{DecodeError, msgpack},
};

/// How deep arrays may nest: one for each level of a predicate, of which the filter translation makes at most 40, and
/// a few for its leaves.
const DEPTH_MAX: usize = 64;

const WHAT: &str = "ticket predicate";

/// The bytes of a predicate.
pub(super) fn encode(predicate: &Predicate) -> Vec<u8> {
    msgpack::encode_compact(&Node::from(predicate))
}

/// Reads a predicate.
pub(super) fn decode(bytes: &[u8]) -> Result<Predicate, DecodeError> {
    let node: Node = msgpack::decode_nested(WHAT, bytes, DEPTH_MAX)?;
    node.try_into()
}

#[derive(Serialize, Deserialize)]
enum Node {
    #[serde(rename = "?")]
    Unknown,
    #[serde(rename = "c")]
    Compare(ColumnPath, Op, Value),
    #[serde(rename = "i")]
    In(ColumnPath, Vec<Value>, bool),
    #[serde(rename = "n")]
    IsNull(ColumnPath, bool),
    #[serde(rename = "p")]
    StartsWith(ColumnPath, String, bool),
    #[serde(rename = "&")]
    And(Vec<Node>),
    #[serde(rename = "|")]
    Or(Vec<Node>),
}

#[derive(Serialize, Deserialize)]
enum Op {
    #[serde(rename = "=")]
    Equal,
    #[serde(rename = "!")]
    NotEqual,
    #[serde(rename = "<")]
    Less,
    #[serde(rename = "[")]
    LessOrEqual,
    #[serde(rename = ">")]
    Greater,
    #[serde(rename = "]")]
    GreaterOrEqual,
}

#[derive(Serialize, Deserialize)]
enum Value {
    #[serde(rename = "b")]
    Boolean(bool),
    #[serde(rename = "i")]
    Integer(i64, u64),
    #[serde(rename = "e")]
    Decimal(i64, u64, u8),
    #[serde(rename = "f")]
    Float(f64),
    #[serde(rename = "t")]
    Text(String),
    #[serde(rename = "x")]
    Binary(ByteBuf),
    #[serde(rename = "d")]
    Date(i32),
    #[serde(rename = "u")]
    Timestamp(i64),
}

impl From<&Predicate> for Node {
    fn from(predicate: &Predicate) -> Self {
        match predicate {
            Predicate::Unknown => Self::Unknown,
            Predicate::Compare { column, op, value } => Self::Compare(column.clone(), (*op).into(), value.into()),
            Predicate::In { column, values, negated } => {
                Self::In(column.clone(), values.iter().map(Value::from).collect(), *negated)
            }
            Predicate::IsNull { column, negated } => Self::IsNull(column.clone(), *negated),
            Predicate::StartsWith { column, prefix, negated } => {
                Self::StartsWith(column.clone(), prefix.clone(), *negated)
            }
            Predicate::And(parts) => Self::And(parts.iter().map(Self::from).collect()),
            Predicate::Or(parts) => Self::Or(parts.iter().map(Self::from).collect()),
        }
    }
}

impl TryFrom<Node> for Predicate {
    type Error = DecodeError;

    /// Holds the predicate to what the engine's type promises.
    fn try_from(node: Node) -> Result<Self, DecodeError> {
        let named = |column: ColumnPath| match column.is_empty() {
            true => Err(DecodeError::new(WHAT, "a column has no name")),
            false => Ok(column),
        };
        let parts = |nodes: Vec<Node>| nodes.into_iter().map(Self::try_from).collect::<Result<Vec<_>, _>>();
        Ok(match node {
            Node::Unknown => Self::Unknown,
            Node::Compare(column, op, value) => {
                Self::Compare { column: named(column)?, op: op.into(), value: value.into() }
            }
            Node::In(_, values, _) if values.is_empty() => return Err(DecodeError::new(WHAT, "a list is empty")),
            Node::In(column, values, negated) => {
                Self::In { column: named(column)?, values: values.into_iter().map(Scalar::from).collect(), negated }
            }
            Node::IsNull(column, negated) => Self::IsNull { column: named(column)?, negated },
            Node::StartsWith(_, prefix, _) if prefix.is_empty() => {
                return Err(DecodeError::new(WHAT, "a prefix is empty"));
            }
            Node::StartsWith(column, prefix, negated) => Self::StartsWith { column: named(column)?, prefix, negated },
            Node::And(nodes) => Self::And(parts(nodes)?),
            Node::Or(nodes) => Self::Or(parts(nodes)?),
        })
    }
}

impl From<CompareOp> for Op {
    fn from(op: CompareOp) -> Self {
        match op {
            CompareOp::Equal => Self::Equal,
            CompareOp::NotEqual => Self::NotEqual,
            CompareOp::Less => Self::Less,
            CompareOp::LessOrEqual => Self::LessOrEqual,
            CompareOp::Greater => Self::Greater,
            CompareOp::GreaterOrEqual => Self::GreaterOrEqual,
        }
    }
}

impl From<Op> for CompareOp {
    fn from(op: Op) -> Self {
        match op {
            Op::Equal => Self::Equal,
            Op::NotEqual => Self::NotEqual,
            Op::Less => Self::Less,
            Op::LessOrEqual => Self::LessOrEqual,
            Op::Greater => Self::Greater,
            Op::GreaterOrEqual => Self::GreaterOrEqual,
        }
    }
}

impl From<&Scalar> for Value {
    fn from(scalar: &Scalar) -> Self {
        match scalar {
            Scalar::Boolean(value) => Self::Boolean(*value),
            Scalar::Integer(value) => Self::Integer(high(*value), low(*value)),
            Scalar::Decimal { unscaled, scale } => Self::Decimal(high(*unscaled), low(*unscaled), *scale),
            Scalar::Float(value) => Self::Float(*value),
            Scalar::Text(value) => Self::Text(value.clone()),
            Scalar::Binary(value) => Self::Binary(value.clone().into()),
            Scalar::Date(value) => Self::Date(*value),
            Scalar::Timestamp(value) => Self::Timestamp(*value),
        }
    }
}

impl From<Value> for Scalar {
    fn from(value: Value) -> Self {
        match value {
            Value::Boolean(value) => Self::Boolean(value),
            Value::Integer(high, low) => Self::Integer(wide(high, low)),
            Value::Decimal(high, low, scale) => Self::Decimal { unscaled: wide(high, low), scale },
            Value::Float(value) => Self::Float(value),
            Value::Text(value) => Self::Text(value),
            Value::Binary(value) => Self::Binary(value.into_vec()),
            Value::Date(value) => Self::Date(value),
            Value::Timestamp(value) => Self::Timestamp(value),
        }
    }
}

/// The upper half; msgpack has no integers of 128 bits.
fn high(value: i128) -> i64 {
    (value >> 64) as i64
}

fn low(value: i128) -> u64 {
    value as u64
}

fn wide(high: i64, low: u64) -> i128 {
    (i128::from(high) << 64) | i128::from(low)
}
