//! A typed tree as SQL of a dialect, so that one reader's expression can be shown to another.
//!
//! What has no form that means the same is refused by its name. An integer overflow fails here and in DuckDB; whether it
//! does in Spark is a setting of Spark's, and letters outside of one-to-one case mappings differ: neither is a reason to
//! refuse.

mod literal;

use arrow::{
    array::{Array, AsArray},
    datatypes::{Float32Type, Float64Type, TimeUnit},
};

use super::{
    Dialect,
    cast::{self, Mode, Offer},
    functions::{Form, Function, arithmetic, nested, pattern},
    tree::{Comparison, Node, Typed},
    types::Type,
};
use crate::engine::{Error, Result};

/// The expression, without parentheses around the whole.
pub(super) fn print(tree: &Typed, dialect: Dialect) -> Result<String> {
    Printer { dialect }.whole(tree)
}

#[derive(Clone, Copy)]
pub(super) struct Printer {
    pub(super) dialect: Dialect,
}

impl Printer {
    /// As an operand.
    pub(super) fn part(self, tree: &Typed) -> Result<String> {
        if let Node::Cast { input, .. } = &tree.node
            && self.omits(input, tree)
        {
            return self.part(input);
        }
        let text = self.whole(tree)?;
        let is_infix = match &tree.node {
            Node::Compare(..) | Node::And(_) | Node::Or(_) | Node::Not(_) | Node::IsNull(_) | Node::In(..) => true,
            Node::Call(function, _) => {
                matches!(self.form(function), Form::Infix(_) | Form::Prefix(_) | Form::InfixBy(_))
            }
            _ => false,
        };
        Ok(if is_infix { format!("({text})") } else { text })
    }

    const fn form(self, function: &Function) -> Form {
        match self.dialect {
            Dialect::DuckDb => function.duckdb,
            Dialect::Spark => function.spark,
        }
    }

    fn whole(self, tree: &Typed) -> Result<String> {
        let spark = self.dialect == Dialect::Spark;
        match &tree.node {
            Node::Column { name, .. } => {
                if spark {
                    check_spark_type(&tree.ty)?;
                }
                Ok(self.name(name))
            }
            Node::Literal(value) => self.literal(value, &tree.ty),
            Node::Cast { input, .. } if self.omits(input, tree) => self.whole(input),
            Node::Cast { input, lenient, .. } => self.cast(input, &tree.ty, *lenient),
            Node::Compare(comparison, left, right) => {
                Ok(format!("{} {} {}", self.part(left)?, self.comparison(*comparison), self.part(right)?))
            }
            Node::And(terms) => self.joined(terms, " AND "),
            Node::Or(terms) => self.joined(terms, " OR "),
            Node::Not(input) => match &input.node {
                // A column's own type does not matter here.
                Node::IsNull(input) => Ok(format!("{} IS NOT NULL", self.operand(input)?)),
                Node::In(value, list) => self.within(value, list, " NOT IN "),
                _ => Ok(format!("NOT {}", self.part(input)?)),
            },
            Node::IsNull(input) => Ok(format!("{} IS NULL", self.operand(input)?)),
            Node::Case(branches, otherwise) => {
                let mut text = "CASE".to_owned();
                for (condition, value) in branches {
                    text.push_str(&format!(" WHEN {} THEN {}", self.part(condition)?, self.part(value)?));
                }
                Ok(format!("{text} ELSE {} END", self.part(otherwise)?))
            }
            Node::Coalesce(inputs) => Ok(format!("coalesce({})", self.joined(inputs, ", ")?)),
            Node::In(value, list) => self.within(value, list, " IN "),
            Node::Call(function, arguments) => match &tree.ty {
                Type::Struct(fields) if std::ptr::eq(*function, &nested::STRUCT_PACK) => {
                    self.struct_pack(fields, arguments)
                }
                _ => self.call(function, arguments),
            },
        }
    }

    /// What is only asked whether it is NULL.
    fn operand(self, tree: &Typed) -> Result<String> {
        match &tree.node {
            Node::Column { name, .. } => Ok(self.name(name)),
            _ => self.part(tree),
        }
    }

    fn joined(self, inputs: &[Typed], between: &str) -> Result<String> {
        Ok(inputs.iter().map(|input| self.part(input)).collect::<Result<Vec<_>>>()?.join(between))
    }

    fn within(self, value: &Typed, list: &[Typed], operator: &str) -> Result<String> {
        Ok(format!("{}{operator}({})", self.part(value)?, self.joined(list, ", ")?))
    }

    const fn comparison(self, comparison: Comparison) -> &'static str {
        comparison.symbol()
    }

    fn call(self, function: &'static Function, arguments: &[Typed]) -> Result<String> {
        if let Some(text) = self.divided(function, arguments)? {
            return Ok(text);
        }
        match (self.form(function), arguments) {
            (Form::Call(name), _) => Ok(format!("{name}({})", self.joined(arguments, ", ")?)),
            (Form::Infix(operator), _) => self.joined(arguments, &format!(" {operator} ")),
            (Form::Prefix(operator), [input]) => Ok(format!("{operator}({})", self.whole(input)?)),
            (Form::Subscript, [value, index]) => Ok(format!("{}[{}]", self.part(value)?, self.whole(index)?)),
            (Form::Field, [value, field]) => {
                Ok(format!("{}.{}", self.part(value)?, self.name(field.text().unwrap_or_default())))
            }
            (Form::CallBy(print) | Form::InfixBy(print), _) => print(self, arguments),
            _ => Err(no_form(function.name, self.dialect)),
        }
    }

    /// `{'a': 1}`
    fn struct_pack(self, fields: &[(String, Type)], arguments: &[Typed]) -> Result<String> {
        if self.dialect == Dialect::Spark {
            return Err(no_form("a struct of values", self.dialect));
        }
        let fields = fields.iter().zip(arguments);
        let fields = fields.map(|((name, _), value)| Ok(format!("{}: {}", self.quoted(name), self.whole(value)?)));
        Ok(format!("{{{}}}", fields.collect::<Result<Vec<_>>>()?.join(", ")))
    }

    /// `/` and `%` of floats, which the dialects tell apart only where the right side is zero.
    fn divided(self, function: &'static Function, arguments: &[Typed]) -> Result<Option<String>> {
        let [left, right] = arguments else { return Ok(None) };
        let is = |known: &Function| std::ptr::eq(function, known);
        let symbol = if is(&arithmetic::DIVIDE) || is(&arithmetic::DIVIDE_OR_NULL) { "/" } else { "%" };
        let floats = left.ty.is_float();
        let nullable = is(&arithmetic::DIVIDE_OR_NULL) || is(&arithmetic::MODULO_OR_NULL);
        if !floats || !(nullable || is(&arithmetic::DIVIDE) || is(&arithmetic::MODULO)) {
            return Ok(None);
        }
        let nonzero = is_nonzero(right);
        let (left_text, right_text) = (self.part(left)?, self.part(right)?);
        match (self.dialect, nullable) {
            (Dialect::DuckDb, true) if !nonzero => Ok(Some(format!("{left_text} {symbol} nullif({right_text}, 0)"))),
            (Dialect::Spark, false) if !nonzero => {
                Err(Error::Unsupported(format!("a float {symbol} what may be zero means something else in Spark")))
            }
            _ => Ok(Some(format!("{left_text} {symbol} {right_text}"))),
        }
    }

    /// Whether a cast is one that every dialect makes by itself.
    fn omits(self, input: &Typed, cast: &Typed) -> bool {
        let Node::Cast { implicit: true, .. } = &cast.node else { return false };
        if matches!((&input.ty, &cast.ty), (Type::Date, Type::Timestamp(_) | Type::TimestampTz)) {
            return self.dialect == Dialect::DuckDb;
        }
        let widens = input.ty.is_integer() && cast.ty.is_numeric()
            || matches!((&input.ty, &cast.ty), (Type::Decimal(..), Type::Decimal(..)) | (Type::Float, Type::Double));
        widens || self.dialect == Dialect::DuckDb && matches!(input.ty, Type::Decimal(..)) && cast.ty.is_float()
    }

    fn cast(self, input: &Typed, ty: &Type, lenient: bool) -> Result<String> {
        // `CAST('2020-01-01' AS DATE)`, as DuckDB prints a DATE, has a literal's form in Spark.
        if let (Node::Literal(value), Dialect::Spark) = (&input.node, self.dialect)
            && let Ok(value) = cast::cast(value, &input.ty, ty, Mode::Strict)
        {
            return self.literal(&value, ty);
        }
        let text = self.whole(input)?;
        match self.dialect {
            Dialect::DuckDb => Ok(format!("{}({text} AS {ty})", if lenient { "TRY_CAST" } else { "CAST" })),
            Dialect::Spark => {
                let total = cast::offer(&input.ty, ty) == Offer::Total;
                let written = matches!(ty, Type::Varchar)
                    && (input.ty.is_integer() || matches!(input.ty, Type::Boolean | Type::Date));
                let known = total && input.ty.is_numeric() && ty.is_numeric()
                    || written
                    || *ty == Type::Double && matches!(input.ty, Type::Decimal(..));
                if !known {
                    return Err(no_form(&format!("a cast from {} to {ty}", input.ty), self.dialect));
                }
                Ok(format!("CAST({text} AS {})", spark_type(ty)?))
            }
        }
    }
}

fn is_nonzero(tree: &Typed) -> bool {
    match &tree.node {
        Node::Literal(value) if value.is_valid(0) => match tree.ty {
            Type::Float => value.as_primitive::<Float32Type>().value(0) != 0.0,
            Type::Double => value.as_primitive::<Float64Type>().value(0) != 0.0,
            _ => false,
        },
        _ => false,
    }
}

/// A column that Delta keeps as something else is not what it seems to Spark.
fn check_spark_type(ty: &Type) -> Result<()> {
    match ty {
        Type::List(item) => check_spark_type(item),
        Type::Struct(fields) => fields.iter().try_for_each(|(_, ty)| check_spark_type(ty)),
        Type::Map(key, value) => check_spark_type(key).and_then(|()| check_spark_type(value)),
        Type::UTinyInt | Type::USmallInt | Type::UInteger | Type::UBigInt => Ok(()),
        _ => spark_type(ty).map(|_| ()),
    }
}

pub(super) fn spark_type(ty: &Type) -> Result<String> {
    Ok(match ty {
        Type::Boolean => "BOOLEAN",
        Type::TinyInt => "TINYINT",
        Type::SmallInt => "SMALLINT",
        Type::Integer => "INT",
        Type::BigInt => "BIGINT",
        Type::Float => "FLOAT",
        Type::Double => "DOUBLE",
        Type::Decimal(width, scale) => return Ok(format!("DECIMAL({width},{scale})")),
        Type::Varchar => "STRING",
        Type::Blob => "BINARY",
        Type::Date => "DATE",
        Type::Timestamp(TimeUnit::Microsecond) => "TIMESTAMP_NTZ",
        Type::TimestampTz => "TIMESTAMP",
        other => return Err(no_form(&format!("the type {other}"), Dialect::Spark)),
    }
    .to_owned())
}

pub(super) fn no_form(what: &str, dialect: Dialect) -> Error {
    let dialect = match dialect {
        Dialect::DuckDb => "DuckDB",
        Dialect::Spark => "Spark",
    };
    Error::Unsupported(format!("{what} has no form of the same meaning in {dialect}'s SQL"))
}

/// LIKE and its kin. Spark's LIKE always takes the backslash for an escape, DuckDB's never.
pub(super) fn print_pattern(printer: Printer, function: &str, arguments: &[Typed]) -> Result<String> {
    let (value, pattern, escape) = match arguments {
        [value, pattern] => (value, pattern, None),
        [value, pattern, escape] => (value, pattern, Some(escape.text())),
        _ => return Err(no_form(function, printer.dialect)),
    };
    let text = pattern.text();
    let plain = |character: char| text.is_some_and(|text| !text.contains(character));
    let operator = pattern::keyword(function);
    let both = format!("{} {operator} {}", printer.part(value)?, printer.part(pattern)?);
    match (printer.dialect, escape) {
        (Dialect::DuckDb, None) => Ok(both),
        (Dialect::Spark, None) if plain('\\') => Ok(both),
        (_, Some(Some(escape))) if escape.chars().count() == 1 => {
            let character = escape.chars().next().unwrap_or_default();
            let default = if printer.dialect == Dialect::Spark { plain('\\') } else { true };
            if plain(character) && default {
                return Ok(both);
            }
            Ok(format!("{both} ESCAPE {}", printer.quoted(escape)))
        }
        _ => Err(no_form(&format!("{operator} with this pattern"), printer.dialect)),
    }
}
