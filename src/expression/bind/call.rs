//! Calls of functions: by name and the types of the arguments.

use sqlparser::ast::{
    CeilFloorKind, DateTimeField, Expr, Function as Syntax, FunctionArg, FunctionArgExpr, FunctionArguments,
    TrimWhereField,
};

use super::{Binder, check_list, implicit, literal, unsupported};
use crate::{
    engine::{Error, Result},
    expression::{
        Dialect,
        functions::{self, Overload, Part, Returns},
        rules::{self, Literal, Operand, Parameter},
        tree::{Node, Typed},
        types::Type,
    },
};

impl Binder<'_> {
    pub(super) fn function(&mut self, syntax: &Syntax) -> Result<Typed> {
        let name = self.function_name(syntax)?;
        if name == "struct_pack" && self.dialect == Dialect::DuckDb {
            return self.struct_pack(syntax);
        }
        let arguments = arguments(syntax, &name)?;
        check_list(arguments.len())?;
        // A call by name, so that what is not offered is told before its arguments are.
        let arguments = arguments.into_iter().map(|argument| self.bind(argument)).collect::<Result<Vec<_>>>()?;
        self.call(&name, arguments)
    }

    /// `struct_pack(a := 1)`
    fn struct_pack(&mut self, syntax: &Syntax) -> Result<Typed> {
        let FunctionArguments::List(list) = &syntax.args else { return Err(functions::refusal("struct_pack")) };
        check_list(list.args.len())?;
        let fields = list.args.iter().map(|argument| match argument {
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => {
                Ok((name.value.clone(), self.bind(value)?))
            }
            FunctionArg::ExprNamed { name: Expr::Identifier(name), arg: FunctionArgExpr::Expr(value), .. } => {
                Ok((name.value.clone(), self.bind(value)?))
            }
            other => Err(unsupported(&format!("the argument \"{other}\" of struct_pack"))),
        });
        super::special::struct_pack(fields.collect::<Result<_>>()?)
    }

    /// The name in lower case, without the schema DuckDB prints before it.
    fn function_name(&self, syntax: &Syntax) -> Result<String> {
        let parts: Vec<&str> =
            syntax.name.0.iter().filter_map(|part| part.as_ident()).map(|part| part.value.as_str()).collect();
        let plain = syntax.filter.is_none()
            && syntax.over.is_none()
            && syntax.within_group.is_empty()
            && syntax.null_treatment.is_none()
            && matches!(syntax.parameters, FunctionArguments::None);
        match parts.as_slice() {
            [name] if plain => Ok(name.to_lowercase()),
            ["main", name] | ["system", "main", name] if plain && self.dialect == Dialect::DuckDb => {
                Ok(name.to_lowercase())
            }
            _ => Err(functions::refusal(&syntax.name.to_string())),
        }
    }

    /// Functions with a grammar of their own.
    pub(super) fn keyword_function(&mut self, syntax: &Expr) -> Result<Typed> {
        let (name, arguments): (&str, Vec<Typed>) = match syntax {
            Expr::Extract { field, expr, .. } => {
                let field = field_name(field)?;
                ("date_part", vec![literal::text_literal(&field), self.bind(expr)?])
            }
            Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                ("ceil", vec![self.bind(expr)?])
            }
            Expr::Floor { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                ("floor", vec![self.bind(expr)?])
            }
            Expr::Position { expr, r#in } => ("position", vec![self.bind(r#in)?, self.bind(expr)?]),
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let mut arguments = vec![self.bind(expr)?];
                match substring_from {
                    Some(from) => arguments.push(self.bind(from)?),
                    None => arguments.push(literal::integer(Some(1), "1")?),
                }
                if let Some(length) = substring_for {
                    arguments.push(self.bind(length)?);
                }
                ("substring", arguments)
            }
            Expr::Trim { trim_where, trim_what, expr, trim_characters } => {
                let name = match trim_where {
                    None | Some(TrimWhereField::Both) => "trim",
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                };
                let mut arguments = vec![self.bind(expr)?];
                let listed = trim_characters.iter().flatten();
                for characters in trim_what.iter().map(AsRef::as_ref).chain(listed) {
                    arguments.push(self.bind(characters)?);
                }
                (name, arguments)
            }
            other => return Err(unsupported(&format!("\"{other}\""))),
        };
        self.call(name, arguments)
    }

    /// `[1, 2]`
    pub(super) fn array(&mut self, items: &[Expr]) -> Result<Typed> {
        check_list(items.len())?;
        let items = items.iter().map(|item| self.bind(item)).collect::<Result<Vec<_>>>()?;
        self.call("list_value", items)
    }

    /// A call by name. `name` is in lower case.
    pub(super) fn call(&mut self, name: &str, arguments: Vec<Typed>) -> Result<Typed> {
        match (name, self.dialect) {
            ("coalesce", _) | ("ifnull", _) | ("nvl", Dialect::Spark) => {
                if name != "coalesce" && arguments.len() != 2 {
                    return Err(Error::InvalidArgument(format!("{name} takes 2 arguments, not {}", arguments.len())));
                }
                return self.coalesce(arguments);
            }
            ("nullif", _) => return self.null_if(arguments),
            ("if", _) => return self.if_else(arguments),
            ("date_part" | "datepart", Dialect::DuckDb) => return self.date_part(arguments),
            ("extract", Dialect::Spark) => return self.date_part(arguments),
            ("greatest" | "least", _) => return super::special::extreme(self, name, arguments),
            ("concat", _) => return super::special::concat(self, arguments),
            ("||", Dialect::DuckDb) => return super::special::join(self, arguments),
            _ => {}
        }
        if let Some(nested) = super::special::nested(self, name, &arguments)? {
            return Ok(nested);
        }
        if let (Dialect::Spark, [left, right]) = (self.dialect, arguments.as_slice())
            && left.ty.is_numeric()
        {
            check_spark_mix(&left.operand(), &right.operand(), name)?;
        }
        let overloads = functions::overloads(name, self.dialect).ok_or_else(|| functions::refusal(name))?;
        let operands: Vec<Operand> = arguments.iter().map(|argument| self.willing(argument)).collect();
        let parameters = overloads.iter().map(|overload| overload.parameters.as_slice());
        let chosen =
            rules::overload(parameters, &operands).map_err(|ambiguous| no_overload(name, &operands, ambiguous))?;
        let overload = overloads.into_iter().nth(chosen).ok_or_else(|| no_overload(name, &operands, false))?;
        apply(overload, arguments)
    }

    /// `date_part('year', d)` is `year(d)`.
    fn date_part(&mut self, arguments: Vec<Typed>) -> Result<Typed> {
        let [name, value] = <[Typed; 2]>::try_from(arguments).map_err(|arguments| {
            Error::InvalidArgument(format!("date_part takes 2 arguments, not {}", arguments.len()))
        })?;
        let name = name.text().ok_or_else(|| unsupported("date_part of a part that is computed"))?;
        let part = Part::named(name).ok_or_else(|| unsupported(&format!("the part \"{name}\" of a date")))?;
        self.call(part.function(), vec![value])
    }

    pub(super) fn willing(&self, argument: &Typed) -> Operand {
        let operand = argument.operand();
        match self.dialect {
            // Spark's literals are what they are.
            Dialect::Spark => operand.ty.into(),
            Dialect::DuckDb => operand,
        }
    }
}

fn apply(overload: Overload, arguments: Vec<Typed>) -> Result<Typed> {
    let types: Vec<Type> = arguments.iter().map(|argument| argument.ty.clone()).collect();
    let (wanted, ty) = match overload.returns {
        Returns::Of(ty) => {
            let wanted = overload.parameters.iter().zip(&types).map(|(parameter, own)| match parameter {
                Parameter::Of(ty) => ty.clone(),
                _ => own.clone(),
            });
            (wanted.collect(), ty)
        }
        // A bare NULL has no width.
        Returns::By(_) if types.contains(&Type::Null) => return Ok(literal::null()),
        Returns::By(resolve) => resolve(&types)?,
    };
    let name = overload.function.name;
    let arguments = arguments.into_iter().zip(&wanted).map(|(argument, ty)| implicit(argument, ty, name));
    let arguments = arguments.collect::<Result<Vec<_>>>()?;
    let fails = overload.function.fails || arguments.iter().any(|argument| argument.fails);
    let nullable = !overload.function.keeps_nulls || arguments.iter().any(|argument| argument.nullable);
    Ok(Typed { node: Node::Call(overload.function, arguments), ty, nullable, fails })
}

fn no_overload(name: &str, operands: &[Operand], ambiguous: bool) -> Error {
    let types = operands.iter().map(|operand| operand.ty.to_string()).collect::<Vec<_>>().join(", ");
    if ambiguous {
        return Error::InvalidArgument(format!(
            "{name} of ({types}) has several meanings: cast the arguments explicitly"
        ));
    }
    Error::Unsupported(format!("{name} is not offered for ({types})"))
}

fn arguments<'a>(syntax: &'a Syntax, name: &str) -> Result<Vec<&'a Expr>> {
    let list = match &syntax.args {
        // `current_date`
        FunctionArguments::None => return Err(functions::refusal(name)),
        FunctionArguments::Subquery(_) => return Err(unsupported("a subquery")),
        FunctionArguments::List(list) => list,
    };
    if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return Err(unsupported(&format!("the clause in \"{syntax}\"")));
    }
    let arguments = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) => Ok(argument),
        other => Err(unsupported(&format!("the argument \"{other}\" of {name}"))),
    });
    arguments.collect()
}

fn field_name(field: &DateTimeField) -> Result<String> {
    match field {
        DateTimeField::Custom(name) => Ok(name.value.to_lowercase()),
        DateTimeField::Week(Some(_)) => Err(unsupported("a week that starts on another day")),
        other => Ok(other.to_string().to_lowercase()),
    }
}

/// Types that Spark brings together by its own rules, other than DuckDB's.
pub(super) fn check_spark_mix(left: &Operand, right: &Operand, where_: &str) -> Result<()> {
    let known = |operand: &Operand| operand.ty != Type::Null;
    let text = (left.ty == Type::Varchar) != (right.ty == Type::Varchar);
    let boolean = (left.ty == Type::Boolean) != (right.ty == Type::Boolean);
    let decimal = |a: &Operand, b: &Operand| matches!(a.ty, Type::Decimal(..)) && b.ty == Type::Float;
    if known(left) && known(right) && (text || boolean || decimal(left, right) || decimal(right, left)) {
        return Err(Error::Unsupported(format!(
            "{} and {} in {where_} are not offered in Spark's expressions: cast one explicitly",
            left.ty, right.ty
        )));
    }
    Ok(())
}

/// Spark compares text with other types by rules that depend on its settings.
pub(super) fn check_spark_comparison(left: &Operand, right: &Operand) -> Result<()> {
    let is_text = |operand: &Operand| operand.ty == Type::Varchar;
    if is_text(left) == is_text(right) || left.ty == Type::Null || right.ty == Type::Null {
        return check_spark_mix(left, right, "a comparison");
    }
    let other = if is_text(left) { right } else { left };
    let is_literal = left.literal == Some(Literal::Text) || right.literal == Some(Literal::Text);
    if is_literal && matches!(other.ty, Type::Date | Type::Timestamp(_) | Type::TimestampTz) {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "comparing values of type {} and {} is not offered in Spark's expressions: cast one explicitly",
        left.ty, right.ty
    )))
}
