//! The typed tree of an expression: every name resolved, every cast in place.

use std::collections::BTreeMap;

use arrow::array::ArrayRef;

use super::{
    functions::Function,
    rules::{Literal, Operand},
    types::Type,
};

/// An expression of a known type.
#[derive(Debug, Clone)]
pub(super) struct Typed {
    pub(super) node: Node,
    pub(super) ty: Type,
    pub(super) nullable: bool,
    /// Whether some row can fail.
    pub(super) fails: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    Column {
        index: usize,
        name: String,
    },
    /// One row, in the memory form of its type.
    Literal(ArrayRef),
    Cast {
        input: Box<Typed>,
        /// TRY_CAST: NULL instead of a failure.
        lenient: bool,
        /// Nobody wrote it.
        implicit: bool,
    },
    /// Both sides are of one type.
    Compare(Comparison, Box<Typed>, Box<Typed>),
    And(Vec<Typed>),
    Or(Vec<Typed>),
    Not(Box<Typed>),
    IsNull(Box<Typed>),
    /// Conditions and values, and the value of the rest.
    Case(Vec<(Typed, Typed)>, Box<Typed>),
    Coalesce(Vec<Typed>),
    /// All are of one type.
    In(Box<Typed>, Vec<Typed>),
    Call(&'static Function, Vec<Typed>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Distinct,
    NotDistinct,
}

impl Comparison {
    pub(super) const fn is_equality(self) -> bool {
        matches!(self, Self::Equal | Self::NotEqual | Self::Distinct | Self::NotDistinct)
    }

    pub(super) const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Distinct => "IS DISTINCT FROM",
            Self::NotDistinct => "IS NOT DISTINCT FROM",
        }
    }
}

/// Visits the operands of a node, borrowed as the node is.
macro_rules! visit_inputs {
    ($node:expr, $visit:expr) => {
        match $node {
            Node::Column { .. } | Node::Literal(_) => {}
            Node::Cast { input, .. } | Node::Not(input) | Node::IsNull(input) => $visit(input),
            Node::Compare(_, left, right) => {
                $visit(left);
                $visit(right);
            }
            Node::And(inputs) | Node::Or(inputs) | Node::Coalesce(inputs) | Node::Call(_, inputs) => {
                inputs.into_iter().for_each($visit);
            }
            Node::Case(branches, otherwise) => {
                for (condition, value) in branches {
                    $visit(condition);
                    $visit(value);
                }
                $visit(otherwise);
            }
            Node::In(value, list) => {
                $visit(value);
                list.into_iter().for_each($visit);
            }
        }
    };
}

impl Typed {
    pub(super) fn literal(value: ArrayRef, ty: Type) -> Self {
        let nullable = value.is_null(0);
        Self { node: Node::Literal(value), ty, nullable, fails: false }
    }

    /// How willing it is to become another type.
    pub(super) fn operand(&self) -> Operand {
        let literal = match &self.node {
            Node::Literal(value) if value.is_null(0) => None,
            Node::Literal(_) if self.ty == Type::Varchar => Some(Literal::Text),
            Node::Literal(value) if self.ty.is_integer() => super::eval::integer(value, &self.ty).map(Literal::Integer),
            _ => None,
        };
        Operand { ty: self.ty.clone(), literal }
    }

    /// Whether it is the literal 2^127, one past HUGEINT.
    pub(super) fn is_two_to_the_127(&self) -> bool {
        use arrow::{array::AsArray, datatypes::Decimal256Type};
        match &self.node {
            Node::Literal(value) if self.ty == Type::UHugeInt => {
                value.as_primitive::<Decimal256Type>().value(0).to_parts() == (1 << 127, 0)
            }
            _ => false,
        }
    }

    /// The text of a literal that is text.
    pub(super) fn text(&self) -> Option<&str> {
        use arrow::array::{Array, AsArray};
        match &self.node {
            Node::Literal(value) if self.ty == Type::Varchar && value.is_valid(0) => {
                Some(value.as_string::<i32>().value(0))
            }
            _ => None,
        }
    }

    /// Indexes of the columns it reads.
    pub(super) fn columns(&self, found: &mut Vec<usize>) {
        if let Node::Column { index, .. } = &self.node {
            found.push(*index);
        }
        self.inputs(&mut |input| input.columns(found));
    }

    /// How many operations it has, its operands' included.
    pub(super) fn size(&self) -> usize {
        let mut size = 1;
        self.inputs(&mut |input| size += input.size());
        size
    }

    fn inputs(&self, visit: &mut dyn FnMut(&Self)) {
        visit_inputs!(&self.node, visit);
    }

    /// Gives the columns it reads other indexes, all of which `to` must have.
    pub(super) fn renumber(&mut self, to: &BTreeMap<usize, usize>) {
        if let Node::Column { index, .. } = &mut self.node
            && let Some(other) = to.get(index)
        {
            *index = *other;
        }
        self.inputs_mut(&mut |input| input.renumber(to));
    }

    fn inputs_mut(&mut self, visit: &mut dyn FnMut(&mut Self)) {
        visit_inputs!(&mut self.node, visit);
    }
}
