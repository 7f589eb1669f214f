//! Names of columns and of the fields of structs.

use arrow::datatypes::Schema;
use sqlparser::ast::{AccessExpr, Expr, Ident, Subscript};

use super::{Binder, unsupported};
use crate::{
    engine::{Error, Result},
    expression::{
        cast::shorten,
        scope::{Table, same_name},
        tree::{Node, Typed},
        types::Type,
    },
};

fn has_field(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Struct(fields) if fields.iter().any(|(field, _)| field.eq_ignore_ascii_case(name)))
}

/// A column, by its index.
pub(in crate::expression) fn column(columns: &Schema, index: usize) -> Result<Typed> {
    let field = columns
        .fields()
        .get(index)
        .ok_or_else(|| Error::internal("an expression names a column that is not there", format!("column {index}")))?;
    let ty = Type::of(field).map_err(|ty| {
        Error::Unsupported(format!("column \"{}\" is of type {ty}, which expressions do not know", field.name()))
    })?;
    let node = Node::Column { index, name: field.name().clone() };
    Ok(Typed { node, ty, nullable: field.is_nullable(), fails: false })
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

    fn column(&mut self, names: &[&Ident]) -> Result<Typed> {
        let words: Vec<&str> = names.iter().map(|name| name.value.as_str()).collect();
        let (mut value, fields) =
            if self.scope.tables.is_empty() { self.of_any(&words)? } else { self.of_one(&words)? };
        for field in fields {
            value = self.field(value, field)?;
        }
        Ok(value)
    }

    /// `a`, `a.field`, `table.a`, `table.a.field`: the first part that is a column is one.
    fn of_any<'n>(&self, names: &'n [&'n str]) -> Result<(Typed, &'n [&'n str])> {
        let find = |name: &str| {
            let index = self.scope.find(0..self.scope.columns.fields().len(), name);
            index.map(|index| column(self.scope.columns, index)).transpose()
        };
        Ok(match (find(names[0])?, names) {
            // A column may have the name of its table.
            (Some(column), [_, second, ..]) if !has_field(&column.ty, second) => match find(second)? {
                Some(other) => (other, &names[2..]),
                None => (column, &names[1..]),
            },
            (Some(column), _) => (column, &names[1..]),
            (None, [_, second, ..]) => match find(second)? {
                Some(column) => (column, &names[2..]),
                None => return Err(self.unknown(names)),
            },
            (None, _) => return Err(self.unknown(names)),
        })
    }

    /// The same where each table has its names: one that is a table's and a column of it comes first, as in DuckDB
    /// (`ExpressionBinder::QualifyColumnName`).
    fn of_one<'n>(&mut self, names: &'n [&'n str]) -> Result<(Typed, &'n [&'n str])> {
        let scope = self.scope;
        let mut refused = None;
        for table in &scope.tables {
            let Some(length) = table.named(names) else { continue };
            match (scope.find(table.columns.clone(), names[length]), &table.hidden) {
                (Some(index), None) => return Ok((column(scope.columns, index)?, &names[length + 1..])),
                (_, Some(reason)) => refused = Some(Error::InvalidArgument(reason.clone())),
                (None, None) => {
                    refused = Some(Error::InvalidArgument(format!(
                        "there is no column \"{}\" in {}: its columns are {}",
                        shorten(names[length]),
                        table.name(),
                        shorten(&scope.names(table.columns.clone()))
                    )));
                }
            }
        }
        if let Some(value) = self.unqualified(names[0])? {
            return Ok((value, &names[1..]));
        }
        Err(refused.unwrap_or_else(|| self.unknown(names)))
    }

    fn unqualified(&mut self, name: &str) -> Result<Option<Typed>> {
        let scope = self.scope;
        if let Some((_, columns)) = scope.shared.iter().find(|(shared, _)| same_name(shared, name)) {
            let columns = columns.iter().map(|index| column(scope.columns, *index)).collect::<Result<_>>()?;
            return self.coalesce(columns).map(Some);
        }
        let visible = scope.tables.iter().filter(|table| table.hidden.is_none());
        let found = visible.filter_map(|table| Some((table, scope.find(table.columns.clone(), name)?)));
        match found.collect::<Vec<_>>().as_slice() {
            [] => Ok(None),
            [(_, index)] => column(scope.columns, *index).map(Some),
            [(first, _), (second, _), ..] => Err(Error::InvalidArgument(format!(
                "the column \"{name}\" is ambiguous: write {}.{name} or {}.{name}",
                first.name(),
                second.name()
            ))),
        }
    }

    fn unknown(&self, names: &[&str]) -> Error {
        let scope = self.scope;
        let is_there = |table: &&Table| table.hidden.is_some() && scope.find(table.columns.clone(), names[0]).is_some();
        if let Some(reason) = scope.tables.iter().find(is_there).and_then(|table| table.hidden.clone()) {
            return Error::InvalidArgument(reason);
        }
        if let [name] = names
            && scope.tables.iter().any(|table| table.named(&[name, ""]) == Some(1))
        {
            return unsupported(&format!("\"{name}\" as a struct of all its columns"));
        }
        let columns = match scope.tables.is_empty() {
            true => scope.names(0..scope.columns.fields().len()),
            false => {
                let visible = scope.tables.iter().filter(|table| table.hidden.is_none());
                visible.map(|table| scope.names(table.columns.clone())).collect::<Vec<_>>().join(", ")
            }
        };
        Error::InvalidArgument(format!(
            "there is no column \"{}\": the columns are {}",
            shorten(&names.join(".")),
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
