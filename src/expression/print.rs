//! A typed tree as SQL of a dialect, so that one reader's expression can be shown to another.
//!
//! What has no form that means the same is refused by its name. An integer overflow fails here and in DuckDB; whether it
//! does in Spark is a setting of Spark's, and letters outside of one-to-one case mappings differ: neither is a reason to
//! refuse.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{Date32Type, Decimal128Type, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType},
};

use super::{
    Dialect,
    cast::{self, Mode, Offer, calendar, write},
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
            Node::Call(function, arguments) => self.is_infix(function, arguments),
            _ => false,
        };
        Ok(if is_infix { format!("({text})") } else { text })
    }

    fn is_infix(self, function: &'static Function, arguments: &[Typed]) -> bool {
        match self.form(function) {
            Form::Infix(_) | Form::Prefix(_) => true,
            Form::Custom(_) => !arguments.is_empty(),
            _ => false,
        }
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
            (Form::Custom(print), _) => print(self, arguments),
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

    /// A name, quoted unless it is plain and no keyword.
    pub(super) fn name(self, name: &str) -> String {
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        match self.dialect {
            _ if plain && !is_keyword(name) => name.to_owned(),
            Dialect::DuckDb => format!("\"{}\"", name.replace('"', "\"\"")),
            Dialect::Spark => format!("`{}`", name.replace('`', "``")),
        }
    }

    fn literal(self, value: &ArrayRef, ty: &Type) -> Result<String> {
        if value.is_null(0) {
            return match (ty, self.dialect) {
                (Type::Null, _) => Ok("NULL".to_owned()),
                (ty, Dialect::DuckDb) => Ok(format!("CAST(NULL AS {ty})")),
                (ty, Dialect::Spark) => Ok(format!("CAST(NULL AS {})", spark_type(ty)?)),
            };
        }
        let mut plain = String::new();
        write::writer(value, ty)(0, &mut plain);
        let text = match ty {
            Type::Boolean => plain.to_ascii_uppercase(),
            Type::Varchar => self.quoted(&plain),
            Type::Float if value.as_primitive::<Float32Type>().value(0).is_finite() => {
                format!("CAST({:e} AS FLOAT)", value.as_primitive::<Float32Type>().value(0))
            }
            Type::Double if value.as_primitive::<Float64Type>().value(0).is_finite() => {
                format!("{:e}", value.as_primitive::<Float64Type>().value(0))
            }
            Type::Float | Type::Double => format!("CAST('{plain}' AS {ty})"),
            // No literal is a decimal without digits behind the point.
            Type::Decimal(_, 0) => format!("CAST({} AS {ty})", value.as_primitive::<Decimal128Type>().value(0)),
            Type::Decimal(..) => match plain.strip_prefix("-.") {
                Some(digits) => format!("-0.{digits}"),
                None if plain.starts_with('.') => format!("0{plain}"),
                None => plain,
            },
            _ if ty.is_integer() => plain,
            _ => return self.typed_literal(value, ty, &plain),
        };
        Ok(text)
    }

    fn typed_literal(self, value: &ArrayRef, ty: &Type, plain: &str) -> Result<String> {
        if self.dialect == Dialect::DuckDb {
            return Ok(match ty {
                Type::Date => format!("DATE '{plain}'"),
                Type::Timestamp(TimeUnit::Microsecond) => format!("TIMESTAMP '{plain}'"),
                _ => format!("CAST({} AS {ty})", self.quoted(plain)),
            });
        }
        match ty {
            Type::Date if is_common_era(value.as_primitive::<Date32Type>().value(0).into()) => {
                Ok(format!("DATE '{plain}'"))
            }
            Type::Timestamp(TimeUnit::Microsecond) | Type::TimestampTz if is_common_moment(value) => Ok(match ty {
                Type::TimestampTz => format!("TIMESTAMP '{plain}:00'"),
                _ => format!("TIMESTAMP_NTZ '{plain}'"),
            }),
            Type::Blob => {
                let bytes = value.as_binary::<i32>().value(0);
                Ok(format!("X'{}'", bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>()))
            }
            _ => Err(no_form(&format!("the {ty} value {plain}"), self.dialect)),
        }
    }

    /// Text as a literal. In Spark a backslash escapes, and two quotes join two literals.
    pub(super) fn quoted(self, text: &str) -> String {
        match self.dialect {
            Dialect::DuckDb => format!("'{}'", text.replace('\'', "''")),
            Dialect::Spark => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        }
    }
}

/// The years 1 to 9999, which both write alike.
fn is_common_era(days: i64) -> bool {
    (1..=9999).contains(&calendar::civil(days).year)
}

fn is_common_moment(value: &ArrayRef) -> bool {
    is_common_era(calendar::split(value.as_primitive::<TimestampMicrosecondType>().value(0)).0)
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

fn spark_type(ty: &Type) -> Result<String> {
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

/// Words that a grammar of DuckDB, Spark or DataFusion may take for something else than a name.
fn is_keyword(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "all",
        "analyse",
        "analyze",
        "and",
        "anti",
        "any",
        "array",
        "as",
        "asc",
        "asof",
        "at",
        "authorization",
        "between",
        "binary",
        "both",
        "by",
        "case",
        "cast",
        "check",
        "collate",
        "collation",
        "column",
        "columns",
        "concurrently",
        "constraint",
        "create",
        "cross",
        "current",
        "current_catalog",
        "current_date",
        "current_role",
        "current_schema",
        "current_time",
        "current_timestamp",
        "current_user",
        "date",
        "day",
        "default",
        "deferrable",
        "delete",
        "desc",
        "describe",
        "distinct",
        "div",
        "do",
        "drop",
        "else",
        "end",
        "escape",
        "except",
        "exists",
        "extract",
        "false",
        "fetch",
        "filter",
        "for",
        "foreign",
        "freeze",
        "from",
        "full",
        "generated",
        "glob",
        "grant",
        "group",
        "having",
        "hour",
        "if",
        "ilike",
        "in",
        "index",
        "initially",
        "inner",
        "insert",
        "intersect",
        "interval",
        "into",
        "is",
        "isnull",
        "join",
        "key",
        "lambda",
        "lateral",
        "leading",
        "left",
        "like",
        "limit",
        "localtime",
        "localtimestamp",
        "map",
        "merge",
        "minus",
        "minute",
        "month",
        "name",
        "names",
        "natural",
        "not",
        "notnull",
        "null",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "outer",
        "over",
        "overlaps",
        "partition",
        "pivot",
        "pivot_longer",
        "pivot_wider",
        "placing",
        "position",
        "primary",
        "qualify",
        "references",
        "regexp",
        "returning",
        "right",
        "rlike",
        "row",
        "rows",
        "second",
        "select",
        "semi",
        "session_user",
        "set",
        "show",
        "similar",
        "some",
        "struct",
        "substring",
        "summarize",
        "symmetric",
        "table",
        "tablesample",
        "then",
        "time",
        "timestamp",
        "to",
        "trailing",
        "trim",
        "true",
        "try_cast",
        "type",
        "union",
        "unique",
        "unknown",
        "unpivot",
        "update",
        "user",
        "using",
        "value",
        "values",
        "variadic",
        "verbose",
        "when",
        "where",
        "window",
        "with",
        "within",
        "x",
        "year",
    ];
    WORDS.binary_search(&name).is_ok()
}
