//! Names of columns and of the fields of structs.

use sqlparser::ast::{AccessExpr, Expr, Ident, Subscript};

use super::{Binder, unsupported};
use crate::{
    engine::{Error, Result},
    expression::{
        cast::shorten,
        tree::{Node, Typed},
        types::Type,
    },
};

fn has_field(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Struct(fields) if fields.iter().any(|(field, _)| field.eq_ignore_ascii_case(name)))
}

impl Binder<'_> {
    pub(super) fn name(&mut self, syntax: &Expr) -> Result<Typed> {
        match syntax {
            Expr::Identifier(name) => self.column(&[name]),
            Expr::CompoundIdentifier(names) => self.column(&names.iter().collect::<Vec<_>>()),
            Expr::CompoundFieldAccess { root, access_chain } => self.accesses(root, access_chain),
            other => Err(unsupported(&format!("\"{other}\""))),
        }
    }

    /// `a`, `a.field`, `table.a`, `table.a.field`: the first part that is a column is one.
    fn column(&mut self, names: &[&Ident]) -> Result<Typed> {
        let (mut value, fields) = match (self.find(&names[0].value)?, names) {
            // A column may have the name of its table.
            (Some(column), [_, second, ..]) if !has_field(&column.ty, &second.value) => {
                match self.find(&second.value)? {
                    Some(other) => (other, &names[2..]),
                    None => (column, &names[1..]),
                }
            }
            (Some(column), _) => (column, &names[1..]),
            (None, [_, second, ..]) => match self.find(&second.value)? {
                Some(column) => (column, &names[2..]),
                None => return Err(self.unknown(names)),
            },
            (None, _) => return Err(self.unknown(names)),
        };
        for field in fields {
            value = self.field(value, &field.value)?;
        }
        Ok(value)
    }

    fn find(&self, name: &str) -> Result<Option<Typed>> {
        let is_named = |field: &&arrow::datatypes::FieldRef| {
            field.name().eq_ignore_ascii_case(name) || field.name().to_lowercase() == name.to_lowercase()
        };
        let fields = self.columns.fields();
        let exact = fields.iter().position(|field| field.name() == name);
        let Some(index) = exact.or_else(|| fields.iter().position(|field| is_named(&field))) else {
            return Ok(None);
        };
        let field = &fields[index];
        let ty = Type::of(field).map_err(|ty| {
            Error::Unsupported(format!("column \"{}\" is of type {ty}, which expressions do not know", field.name()))
        })?;
        Ok(Some(Typed {
            node: Node::Column { index, name: field.name().clone() },
            ty,
            nullable: field.is_nullable(),
            fails: false,
        }))
    }

    fn unknown(&self, names: &[&Ident]) -> Error {
        let name = names.iter().map(|name| name.value.as_str()).collect::<Vec<_>>().join(".");
        let columns = self.columns.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ");
        Error::InvalidArgument(format!(
            "there is no column \"{}\": the columns are {}",
            shorten(&name),
            shorten(&columns)
        ))
    }

    /// `a[1]`, `a['key']`, `a.field`
    fn accesses(&mut self, root: &Expr, chain: &[AccessExpr]) -> Result<Typed> {
        // `table.column[1]` comes as a root and a chain of names.
        let mut names = Vec::new();
        if let Expr::Identifier(name) = root {
            names.push(name);
        }
        let mut rest = chain;
        while let ([AccessExpr::Dot(Expr::Identifier(name)), after @ ..], false) = (rest, names.is_empty()) {
            names.push(name);
            rest = after;
        }
        let mut value = if names.is_empty() { self.bind(root)? } else { self.column(&names)? };
        for access in rest {
            value = match access {
                AccessExpr::Dot(Expr::Identifier(name)) => self.field(value, &name.value)?,
                AccessExpr::Subscript(Subscript::Index { index }) => {
                    let index = self.bind(index)?;
                    self.subscript(value, index)?
                }
                AccessExpr::Subscript(_) => return Err(unsupported("a slice of a list")),
                AccessExpr::Dot(other) => return Err(unsupported(&format!("\".{other}\""))),
            };
        }
        Ok(value)
    }

    fn field(&mut self, value: Typed, name: &str) -> Result<Typed> {
        let name = super::literal::text_literal(name);
        self.call("struct_extract", vec![value, name])
    }

    fn subscript(&mut self, value: Typed, index: Typed) -> Result<Typed> {
        match value.ty {
            Type::Struct(_) if index.text().is_some() => self.call("struct_extract", vec![value, index]),
            Type::Map(..) => self.call("map_extract_value", vec![value, index]),
            _ => self.call("array_extract", vec![value, index]),
        }
    }
}
