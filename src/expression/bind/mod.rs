//! Names and types: a syntax tree becomes a typed one, or is refused by the name of what is not offered.

mod call;
mod literal;
mod name;
mod operator;
mod spark;
mod special;
mod sql_type;

use arrow::{array::Array, datatypes::Schema};
use sqlparser::ast::{CastKind, Expr};

pub(super) use self::name::column;
use super::{
    Dialect, Scope,
    cast::{self, Mode, Offer, shorten},
    eval,
    limits::{DEPTH_MAX, LIST_MAX, TREE_NODES_MAX},
    rules,
    tree::{Comparison, Node, Typed},
    types::Type,
};
use crate::engine::{Error, Result};

/// Understands a syntax tree over columns of the seam.
pub(super) fn bind(syntax: &Expr, dialect: Dialect, scope: &Scope<'_>) -> Result<Typed> {
    Binder { dialect, scope, depth: 0 }.bind(syntax)
}

/// The same of a condition.
pub(super) fn bind_condition(syntax: &Expr, dialect: Dialect, scope: &Scope<'_>) -> Result<Typed> {
    Binder { dialect, scope, depth: 0 }.truth(syntax)
}

/// A comparison of two values, in the type that they are compared in.
pub(super) fn compare(comparison: Comparison, left: Typed, right: Typed) -> Result<Typed> {
    let none = Schema::empty();
    Binder { dialect: Dialect::DuckDb, scope: &Scope::of(&none), depth: 0 }.comparison(comparison, left, right)
}

/// Casts as an assignment to a column does: whatever CAST can.
pub(super) fn assign(input: Typed, ty: &Type) -> Result<Typed> {
    match cast::offer(&input.ty, ty) {
        Offer::No => Err(Error::InvalidArgument(format!("there is no cast from {} to {ty}", input.ty))),
        _ => Ok(convert(input, ty)),
    }
}

/// An implicit cast, which is one that is offered. Literals are cast here and now if they can be, but for integers as
/// decimals: as such they would seem to have fewer digits.
fn convert(input: Typed, ty: &Type) -> Typed {
    if input.ty == *ty {
        return input;
    }
    if let Node::Literal(value) = &input.node
        && !(input.ty.is_integer() && matches!(ty, Type::Decimal(..)))
        && let Ok(value) = cast::cast(value, &input.ty, ty, Mode::Strict)
    {
        return Typed::literal(value, ty.clone());
    }
    cast_node(input, ty, false, true)
}

fn cast_node(input: Typed, ty: &Type, lenient: bool, implicit: bool) -> Typed {
    let partial = cast::offer(&input.ty, ty) == Offer::Partial;
    Typed {
        ty: ty.clone(),
        nullable: input.nullable || lenient && partial,
        fails: input.fails || partial && !lenient,
        node: Node::Cast { input: Box::new(input), lenient, implicit },
    }
}

struct Binder<'a> {
    dialect: Dialect,
    scope: &'a Scope<'a>,
    depth: usize,
}

impl Binder<'_> {
    fn bind(&mut self, syntax: &Expr) -> Result<Typed> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Error::InvalidArgument(format!("an expression is more than {DEPTH_MAX} operations deep")));
        }
        let bound = self.bind_one(syntax);
        self.depth -= 1;
        bound
    }

    fn bind_one(&mut self, syntax: &Expr) -> Result<Typed> {
        match syntax {
            Expr::Nested(inner) => self.bind(inner),
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::CompoundFieldAccess { .. } => self.name(syntax),
            Expr::Value(value) => self.literal(&value.value),
            Expr::TypedString(typed) => self.typed_string(typed),
            Expr::Interval(interval) => self.interval(interval),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            Expr::UnaryOp { op, expr } => self.unary(op, expr),
            Expr::IsNull(inner) | Expr::IsUnknown(inner) => self.is_null(inner),
            Expr::IsNotNull(inner) | Expr::IsNotUnknown(inner) => Ok(not(self.is_null(inner)?)),
            Expr::IsTrue(inner) => self.is_truth(inner, true, Comparison::NotDistinct),
            Expr::IsFalse(inner) => self.is_truth(inner, false, Comparison::NotDistinct),
            Expr::IsNotTrue(inner) => self.is_truth(inner, true, Comparison::Distinct),
            Expr::IsNotFalse(inner) => self.is_truth(inner, false, Comparison::Distinct),
            Expr::IsDistinctFrom(left, right) => self.compare(Comparison::Distinct, left, right),
            Expr::IsNotDistinctFrom(left, right) => self.compare(Comparison::NotDistinct, left, right),
            Expr::InList { expr, list, negated } => self.within(expr, list, *negated),
            Expr::Between { expr, negated, low, high } => self.between(expr, low, high, *negated),
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like(expr, pattern, escape_char.as_ref(), false, *negated)
            }
            Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
                self.like(expr, pattern, escape_char.as_ref(), true, *negated)
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref())
            }
            Expr::Cast { kind, expr, data_type, array: false, format: None } => {
                let ty = self.sql_type(data_type)?;
                let input = self.bind(expr)?;
                self.cast(input, &ty, matches!(kind, CastKind::TryCast | CastKind::SafeCast))
            }
            Expr::Function(function) => self.function(function),
            Expr::Extract { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Position { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. } => self.keyword_function(syntax),
            Expr::Array(array) => self.array(&array.elem),
            Expr::Tuple(_) => Err(unsupported("a row of values")),
            Expr::Dictionary(fields) if self.dialect == Dialect::DuckDb => {
                check_list(fields.len())?;
                let fields = fields.iter().map(|field| Ok((field.key.value.clone(), self.bind(&field.value)?)));
                special::struct_pack(fields.collect::<Result<_>>()?)
            }
            Expr::Dictionary(_) | Expr::Struct { .. } => Err(unsupported("a struct of values")),
            Expr::Map(_) => Err(unsupported("a map of values")),
            Expr::AtTimeZone { .. } => Err(unsupported("AT TIME ZONE")),
            Expr::Collate { .. } => Err(unsupported("COLLATE")),
            Expr::SimilarTo { .. } => Err(unsupported("SIMILAR TO")),
            Expr::RLike { .. } => Err(unsupported("RLIKE")),
            Expr::AnyOp { .. } | Expr::AllOp { .. } | Expr::Like { .. } | Expr::ILike { .. } => {
                Err(unsupported("ANY and ALL"))
            }
            Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => Err(unsupported("a subquery")),
            Expr::Lambda(_) => Err(unsupported("a lambda")),
            other => {
                Err(Error::Unsupported(format!("\"{}\" is not offered in expressions", shorten(&other.to_string()))))
            }
        }
    }

    /// CAST and TRY_CAST.
    fn cast(&self, input: Typed, ty: &Type, lenient: bool) -> Result<Typed> {
        if input.ty == *ty {
            return Ok(input);
        }
        let is_text = input.text().is_some();
        let cast = match (self.dialect, cast::offer(&input.ty, ty)) {
            (Dialect::Spark, _) => spark::cast(input, ty, lenient)?,
            (Dialect::DuckDb, Offer::No) => {
                let reason = format!("a cast from {} to {ty} is not offered in expressions", input.ty);
                return Err(Error::Unsupported(reason));
            }
            (Dialect::DuckDb, _) => cast_node(input, ty, lenient, false),
        };
        Ok(if is_text { typed_literal(cast) } else { cast })
    }

    /// A value that must be BOOLEAN.
    fn truth(&mut self, syntax: &Expr) -> Result<Typed> {
        let input = self.bind(syntax)?;
        truth(input)
    }
}

/// `DATE '2020-01-01'`: text cast to a type whose literals are written so is a literal, which every dialect has. Numbers
/// are not among them: a bare one is more willing to become another type than a cast is.
fn typed_literal(cast: Typed) -> Typed {
    if !matches!(cast.ty, Type::Boolean | Type::Date | Type::Timestamp(_) | Type::TimestampTz | Type::Blob) {
        return cast;
    }
    let value = eval::evaluate(&cast, &eval::Rows::all(&[], 1)).and_then(|values| values.expand(1));
    match value {
        Ok(value) if value.is_valid(0) => Typed::literal(value, cast.ty),
        // It fails, or is NULL, when it is evaluated.
        _ => cast,
    }
}

fn truth(input: Typed) -> Result<Typed> {
    if cast::offer(&input.ty, &Type::Boolean) == Offer::No {
        return Err(Error::InvalidArgument(format!("a value of type {} is no condition", input.ty)));
    }
    Ok(convert(input, &Type::Boolean))
}

fn not(input: Typed) -> Typed {
    let (nullable, fails) = (input.nullable, input.fails);
    Typed { node: Node::Not(Box::new(input)), ty: Type::Boolean, nullable, fails }
}

/// Casts several values to the type they share.
fn unify(dialect: Dialect, inputs: Vec<Typed>, where_: &str) -> Result<Vec<Typed>> {
    if dialect == Dialect::Spark {
        for input in inputs.iter().skip(1) {
            call::check_spark_mix(&inputs[0].operand(), &input.operand(), where_)?;
        }
    }
    let mut shared = match inputs.first() {
        Some(first) => first.operand(),
        None => return Ok(inputs),
    };
    for input in &inputs[1..] {
        let ty = rules::common(&shared, &input.operand()).ok_or_else(|| mixed(&shared.ty, &input.ty, where_))?;
        shared = ty.into();
    }
    inputs.into_iter().map(|input| implicit(input, &shared.ty, where_)).collect()
}

/// A cast nobody wrote; between types that share one it is nearly always offered.
fn implicit(input: Typed, ty: &Type, where_: &str) -> Result<Typed> {
    match cast::offer(&input.ty, ty) {
        Offer::No => Err(mixed(&input.ty, ty, where_)),
        _ => Ok(convert(input, ty)),
    }
}

fn mixed(left: &Type, right: &Type, where_: &str) -> Error {
    Error::InvalidArgument(format!("values of type {left} and {right} do not mix in {where_}: cast one explicitly"))
}

/// An operand that is needed twice. Such operands within each other multiply.
fn copy(input: &Typed) -> Result<Typed> {
    if input.size() > TREE_NODES_MAX {
        return Err(Error::InvalidArgument(format!(
            "an expression has more than {TREE_NODES_MAX} operations, operands of BETWEEN, CASE and NULLIF counted twice"
        )));
    }
    Ok(input.clone())
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported(format!("{what} is not offered in expressions"))
}

fn check_list(length: usize) -> Result<()> {
    if length > LIST_MAX {
        return Err(Error::InvalidArgument(format!("a list has {length} values, the most is {LIST_MAX}")));
    }
    Ok(())
}
