//! Text to syntax tree, by the grammar of a dialect.

use sqlparser::{
    ast::Expr,
    dialect::{DatabricksDialect, Dialect as Grammar, DuckDbDialect},
    parser::Parser,
    tokenizer::{Token, Tokenizer},
};

use super::{
    Dialect,
    cast::shorten,
    limits::{PARSER_DEPTH_MAX, check_text, check_tokens},
};
use crate::engine::{Error, Result};

pub(super) fn parse(sql: &str, dialect: Dialect) -> Result<Expr> {
    check_text(sql)?;
    let grammar: &dyn Grammar = match dialect {
        Dialect::DuckDb => &DuckDbDialect {},
        Dialect::Spark => &DatabricksDialect {},
    };
    let refuse = |error: &dyn std::fmt::Display| {
        Error::InvalidArgument(format!("\"{}\" is no expression: {error}", shorten(sql)))
    };
    let tokens = Tokenizer::new(grammar, sql).tokenize_with_location().map_err(|error| refuse(&error))?;
    check_tokens(tokens.iter().map(|token| &token.token))?;
    let mut parser = Parser::new(grammar).with_recursion_limit(PARSER_DEPTH_MAX).with_tokens_with_locations(tokens);
    let expression = parser.parse_expr().map_err(|error| refuse(&error))?;
    match parser.next_token().token {
        Token::EOF => Ok(expression),
        other => Err(refuse(&format!("what is \"{other}\" at its end"))),
    }
}
