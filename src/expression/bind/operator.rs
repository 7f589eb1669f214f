//! Operators: comparisons, logic, CASE, LIKE, and those that are functions.

use sqlparser::ast::{BinaryOperator, CaseWhen, Expr, UnaryOperator, ValueWithSpan};

use super::{Binder, check_list, copy, implicit, literal, mixed, not, truth, unify, unsupported};
use crate::{
    engine::{Error, Result},
    expression::{
        Dialect,
        rules::{self, Literal},
        tree::{Comparison, Node, Typed},
        types::Type,
    },
};

impl Binder<'_> {
    pub(super) fn binary(&mut self, left: &Expr, operator: &BinaryOperator, right: &Expr) -> Result<Typed> {
        let spark = self.dialect == Dialect::Spark;
        let comparison = match operator {
            BinaryOperator::Eq => Comparison::Equal,
            BinaryOperator::NotEq => Comparison::NotEqual,
            BinaryOperator::Lt => Comparison::Less,
            BinaryOperator::LtEq => Comparison::LessOrEqual,
            BinaryOperator::Gt => Comparison::Greater,
            BinaryOperator::GtEq => Comparison::GreaterOrEqual,
            BinaryOperator::Spaceship if spark => Comparison::NotDistinct,
            BinaryOperator::And | BinaryOperator::Or => return self.connect(left, operator, right),
            _ => return self.binary_function(left, operator, right),
        };
        self.compare(comparison, left, right)
    }

    fn binary_function(&mut self, left: &Expr, operator: &BinaryOperator, right: &Expr) -> Result<Typed> {
        let spark = self.dialect == Dialect::Spark;
        let name = match operator {
            BinaryOperator::Plus => "+",
            BinaryOperator::Minus => "-",
            BinaryOperator::Multiply => "*",
            BinaryOperator::Divide => "/",
            BinaryOperator::Modulo => "%",
            BinaryOperator::StringConcat => "||",
            BinaryOperator::BitwiseAnd => "&",
            BinaryOperator::BitwiseOr => "|",
            BinaryOperator::MyIntegerDivide if spark => "div",
            BinaryOperator::DuckIntegerDivide if !spark => "//",
            BinaryOperator::BitwiseXor | BinaryOperator::PGExp if !spark => "**",
            BinaryOperator::PGLikeMatch if !spark => "~~",
            BinaryOperator::PGNotLikeMatch if !spark => "!~~",
            BinaryOperator::PGILikeMatch if !spark => "~~*",
            BinaryOperator::PGNotILikeMatch if !spark => "!~~*",
            BinaryOperator::PGStartsWith if !spark => "^@",
            other => return Err(unsupported(&format!("the operator {other}"))),
        };
        let arguments = vec![self.bind(left)?, self.bind(right)?];
        self.call(name, arguments)
    }

    /// AND and OR; a long row of one of them becomes one node.
    fn connect(&mut self, left: &Expr, operator: &BinaryOperator, right: &Expr) -> Result<Typed> {
        let mut terms = vec![right];
        let mut rest = left;
        while let Expr::BinaryOp { left, op, right } = rest
            && op == operator
        {
            terms.push(right);
            rest = left;
        }
        terms.push(rest);
        let terms = terms.into_iter().rev().map(|term| self.truth(term)).collect::<Result<Vec<_>>>()?;
        let (nullable, fails) = (terms.iter().any(|term| term.nullable), terms.iter().any(|term| term.fails));
        let node = if *operator == BinaryOperator::And { Node::And(terms) } else { Node::Or(terms) };
        Ok(Typed { node, ty: Type::Boolean, nullable, fails })
    }

    pub(super) fn unary(&mut self, operator: &UnaryOperator, operand: &Expr) -> Result<Typed> {
        match operator {
            UnaryOperator::Not => Ok(not(self.truth(operand)?)),
            UnaryOperator::BangNot if self.dialect == Dialect::Spark => Ok(not(self.truth(operand)?)),
            // The parser takes -a ^ b for -(a ^ b); in DuckDB the sign binds tighter.
            UnaryOperator::Minus if let Some((base, power)) = power(operand) => {
                let base = Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(base.clone()) };
                let arguments = vec![self.bind(&base)?, self.bind(power)?];
                self.call("**", arguments)
            }
            UnaryOperator::Minus => {
                let input = self.bind(operand)?;
                // The least integer of a type is written as a negated number.
                if let Expr::Value(_) = operand
                    && let Some(negative) = negative_literal(&input)?
                {
                    return Ok(negative);
                }
                self.call("-", vec![input])
            }
            UnaryOperator::Plus => {
                let input = self.bind(operand)?;
                if input.ty.is_numeric() { Ok(input) } else { Err(unsupported("unary + of what is no number")) }
            }
            other => Err(unsupported(&format!("the operator {other}"))),
        }
    }

    pub(super) fn compare(&mut self, comparison: Comparison, left: &Expr, right: &Expr) -> Result<Typed> {
        let (left, right) = (self.bind(left)?, self.bind(right)?);
        self.comparison(comparison, left, right)
    }

    pub(super) fn comparison(&self, comparison: Comparison, left: Typed, right: Typed) -> Result<Typed> {
        let ty = self.compared(&left, &right, comparison.is_equality())?;
        let (left, right) = (implicit(left, &ty, "a comparison")?, implicit(right, &ty, "a comparison")?);
        let nullable =
            !matches!(comparison, Comparison::Distinct | Comparison::NotDistinct) && (left.nullable || right.nullable);
        let fails = left.fails || right.fails;
        let node = Node::Compare(comparison, Box::new(left), Box::new(right));
        Ok(Typed { node, ty: Type::Boolean, nullable, fails })
    }

    /// The type two values are compared in.
    fn compared(&self, left: &Typed, right: &Typed, equality: bool) -> Result<Type> {
        let (left, right) = (left.operand(), right.operand());
        if self.dialect == Dialect::Spark {
            super::call::check_spark_comparison(&left, &right)?;
        }
        let ty =
            rules::comparison(&left, &right, equality).ok_or_else(|| mixed(&left.ty, &right.ty, "a comparison"))?;
        check_comparable(&ty)?;
        Ok(ty)
    }

    pub(super) fn is_null(&mut self, operand: &Expr) -> Result<Typed> {
        let input = self.bind(operand)?;
        let fails = input.fails;
        Ok(Typed { node: Node::IsNull(Box::new(input)), ty: Type::Boolean, nullable: false, fails })
    }

    /// `a IS TRUE`: never NULL.
    pub(super) fn is_truth(&mut self, operand: &Expr, value: bool, comparison: Comparison) -> Result<Typed> {
        let (left, right) = (self.truth(operand)?, self.literal(&sqlparser::ast::Value::Boolean(value))?);
        self.comparison(comparison, left, right)
    }

    pub(super) fn within(&mut self, value: &Expr, list: &[Expr], negated: bool) -> Result<Typed> {
        check_list(list.len())?;
        let value = self.bind(value)?;
        let list = list.iter().map(|item| self.bind(item)).collect::<Result<Vec<_>>>()?;
        let mut shared = value.operand();
        for item in &list {
            let item = item.operand();
            let ty = rules::comparison(&shared, &item, true).ok_or_else(|| mixed(&shared.ty, &item.ty, "IN"))?;
            if self.dialect == Dialect::Spark {
                super::call::check_spark_comparison(&shared, &item)?;
            }
            shared = ty.into();
        }
        check_comparable(&shared.ty)?;
        let value = implicit(value, &shared.ty, "IN")?;
        let list = list.into_iter().map(|item| implicit(item, &shared.ty, "IN")).collect::<Result<Vec<_>>>()?;
        let nullable = value.nullable || list.iter().any(|item| item.nullable);
        let fails = value.fails || list.iter().any(|item| item.fails);
        let found = Typed { node: Node::In(Box::new(value), list), ty: Type::Boolean, nullable, fails };
        Ok(if negated { not(found) } else { found })
    }

    /// Two comparisons, in one type for all three.
    pub(super) fn between(&mut self, value: &Expr, low: &Expr, high: &Expr, negated: bool) -> Result<Typed> {
        let (value, low, high) = (self.bind(value)?, self.bind(low)?, self.bind(high)?);
        let ty = self.compared(&value, &low, false)?;
        let shared = rules::Operand::from(ty);
        let ty =
            rules::comparison(&shared, &high.operand(), false).ok_or_else(|| mixed(&shared.ty, &high.ty, "BETWEEN"))?;
        // Two comparisons by themselves could be in other types than the one that all three share.
        let alone = |other: &Typed| rules::comparison(&value.operand(), &other.operand(), false) == Some(ty.clone());
        let told = !(alone(&low) && alone(&high));
        let [value, low, high] = [value, low, high].map(|input| -> Result<Typed> {
            let mut input = implicit(input, &ty, "BETWEEN")?;
            if let (Node::Cast { implicit, .. }, true) = (&mut input.node, told) {
                *implicit = false;
            }
            Ok(input)
        });
        let value = value?;
        let terms = vec![
            self.comparison(Comparison::GreaterOrEqual, copy(&value)?, low?)?,
            self.comparison(Comparison::LessOrEqual, value, high?)?,
        ];
        let (nullable, fails) = (terms.iter().any(|term| term.nullable), terms.iter().any(|term| term.fails));
        let between = Typed { node: Node::And(terms), ty: Type::Boolean, nullable, fails };
        Ok(if negated { not(between) } else { between })
    }

    pub(super) fn like(
        &mut self,
        value: &Expr,
        pattern: &Expr,
        escape: Option<&ValueWithSpan>,
        folded: bool,
        negated: bool,
    ) -> Result<Typed> {
        let mut arguments = vec![self.bind(value)?, self.bind(pattern)?];
        // Spark's LIKE always has an escape character.
        let spark = self.dialect == Dialect::Spark;
        match escape {
            Some(escape) => arguments.push(self.literal(&escape.value)?),
            None if spark => arguments.push(literal::text_literal("\\")),
            None => {}
        }
        let name = match (arguments.len(), folded, negated) {
            (2, false, false) => "~~",
            (2, false, true) => "!~~",
            (2, true, false) => "~~*",
            (2, true, true) => "!~~*",
            (_, false, false) => "like_escape",
            (_, false, true) => "not_like_escape",
            (_, true, false) => "ilike_escape",
            (_, true, true) => "not_ilike_escape",
        };
        self.call(name, arguments)
    }

    pub(super) fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&Expr>,
    ) -> Result<Typed> {
        let operand = operand.map(|operand| self.bind(operand)).transpose()?;
        let mut tests = Vec::with_capacity(conditions.len());
        let mut values = Vec::with_capacity(conditions.len() + 1);
        // The type of the rest counts first.
        values.push(match otherwise {
            Some(otherwise) => self.bind(otherwise)?,
            None => literal::null(),
        });
        for CaseWhen { condition, result } in conditions {
            tests.push(match &operand {
                Some(operand) => {
                    let condition = self.bind(condition)?;
                    self.comparison(Comparison::Equal, copy(operand)?, condition)?
                }
                None => self.truth(condition)?,
            });
            values.push(self.bind(result)?);
        }
        case(tests, unify(self.dialect, values, "CASE")?)
    }

    /// `if(condition, value, otherwise)`
    pub(super) fn if_else(&mut self, arguments: Vec<Typed>) -> Result<Typed> {
        let [condition, value, otherwise] = <[Typed; 3]>::try_from(arguments)
            .map_err(|arguments| Error::InvalidArgument(format!("if takes 3 arguments, not {}", arguments.len())))?;
        case(vec![truth(condition)?], unify(self.dialect, vec![otherwise, value], "CASE")?)
    }

    pub(super) fn coalesce(&mut self, arguments: Vec<Typed>) -> Result<Typed> {
        check_list(arguments.len())?;
        let mut inputs = unify(self.dialect, arguments, "COALESCE")?;
        if inputs.len() == 1 {
            return Ok(inputs.remove(0));
        }
        let first = inputs.first().ok_or_else(|| Error::InvalidArgument("COALESCE needs a value".to_owned()))?;
        let ty = first.ty.clone();
        let (nullable, fails) = (inputs.iter().all(|input| input.nullable), inputs.iter().any(|input| input.fails));
        Ok(Typed { node: Node::Coalesce(inputs), ty, nullable, fails })
    }

    /// `nullif(a, b)`: NULL where they are equal, else `a`.
    pub(super) fn null_if(&mut self, arguments: Vec<Typed>) -> Result<Typed> {
        let [left, right] = <[Typed; 2]>::try_from(arguments).map_err(|arguments| {
            Error::InvalidArgument(format!("nullif takes 2 arguments, not {}", arguments.len()))
        })?;
        let equal = self.comparison(Comparison::Equal, copy(&left)?, right)?;
        let values = unify(self.dialect, vec![left, literal::null()], "NULLIF")?;
        case(vec![equal], values)
    }
}

/// `values` are of one type: the value of the rest, then those of the conditions.
fn case(tests: Vec<Typed>, values: Vec<Typed>) -> Result<Typed> {
    let (ty, nullable) = match values.first() {
        Some(first) => (first.ty.clone(), values.iter().any(|value| value.nullable)),
        None => return Err(Error::InvalidArgument("CASE needs a value".to_owned())),
    };
    let fails = values.iter().chain(&tests).any(|input| input.fails);
    let mut values = values.into_iter();
    let otherwise = Box::new(values.next().unwrap_or_else(literal::null));
    let branches = tests.into_iter().zip(values).collect();
    Ok(Typed { node: Node::Case(branches, otherwise), ty, nullable, fails })
}

fn power(operand: &Expr) -> Option<(&Expr, &Expr)> {
    match operand {
        Expr::BinaryOp { left, op: BinaryOperator::BitwiseXor | BinaryOperator::PGExp, right } => Some((left, right)),
        _ => None,
    }
}

/// A literal's negative is one too. 2147483648 is a BIGINT and so is its negative, but the least BIGINT and HUGEINT are
/// what they are.
fn negative_literal(positive: &Typed) -> Result<Option<Typed>> {
    let Some(Literal::Integer(value)) = positive.operand().literal else {
        let least = positive.ty == Type::UHugeInt && positive.is_two_to_the_127();
        return if least { literal::integer(Some(i128::MIN), "").map(Some) } else { Ok(None) };
    };
    let Some(value) = value.checked_neg() else { return Ok(None) };
    let narrow = literal::integer(Some(value), "")?;
    Ok(Some(match positive.ty {
        Type::HugeInt | Type::UHugeInt => narrow,
        _ => super::convert(narrow, &positive.ty),
    }))
}

/// Types whose order or equality is not known here.
pub(super) fn check_comparable(ty: &Type) -> Result<()> {
    match ty {
        Type::Bit | Type::BigNum | Type::TimeTz => Err(unsupported(&format!("comparing values of type {ty}"))),
        Type::List(item) | Type::Array(item, _) => check_comparable(item),
        Type::Map(key, value) => check_comparable(key).and_then(|()| check_comparable(value)),
        Type::Struct(fields) => fields.iter().try_for_each(|(_, ty)| check_comparable(ty)),
        _ => Ok(()),
    }
}
