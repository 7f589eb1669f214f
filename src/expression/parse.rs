//! Text to syntax tree, by the grammar of a dialect.

use std::any::TypeId;

use sqlparser::{
    ast::{BinaryOperator, Expr},
    dialect::{DatabricksDialect, Dialect as Grammar, DuckDbDialect, Precedence},
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan, Tokenizer},
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
        Dialect::DuckDb => &DuckDb,
        Dialect::Spark => &Spark,
    };
    let refuse = |error: &dyn std::fmt::Display| {
        Error::InvalidArgument(format!("\"{}\" is no expression: {error}", shorten(sql)))
    };
    let tokens = Tokenizer::new(grammar, sql).tokenize_with_location().map_err(|error| refuse(&error))?;
    let tokens = if dialect == Dialect::DuckDb { join_stars(tokens) } else { tokens };
    check_tokens(tokens.iter().map(|token| &token.token))?;
    let mut parser = Parser::new(grammar).with_recursion_limit(PARSER_DEPTH_MAX).with_tokens_with_locations(tokens);
    let expression = parser.parse_expr().map_err(|error| refuse(&error))?;
    match parser.next_token().token {
        Token::EOF => Ok(expression),
        other => Err(refuse(&format!("what is \"{other}\" at its end"))),
    }
}

/// The parser's DuckDB, with what it leaves out of DuckDB's scanner and the precedence of DuckDB's operators.
#[derive(Debug)]
struct DuckDb;

impl Grammar for DuckDb {
    fn dialect(&self) -> TypeId {
        TypeId::of::<DuckDbDialect>()
    }

    fn is_identifier_start(&self, character: char) -> bool {
        DuckDbDialect {}.is_identifier_start(character)
    }

    fn is_identifier_part(&self, character: char) -> bool {
        DuckDbDialect {}.is_identifier_part(character)
    }

    fn supports_numeric_literal_underscores(&self) -> bool {
        true
    }

    fn supports_string_escape_constant(&self) -> bool {
        true
    }

    fn supports_dictionary_syntax(&self) -> bool {
        true
    }

    fn support_map_literal_syntax(&self) -> bool {
        true
    }

    fn supports_lambda_functions(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_assignment_operator(&self) -> bool {
        true
    }

    fn allow_extract_single_quotes(&self) -> bool {
        true
    }

    fn supports_array_typedef_with_brackets(&self) -> bool {
        true
    }

    fn supports_notnull_operator(&self) -> bool {
        true
    }

    fn supports_comma_separated_trim(&self) -> bool {
        true
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn prec_value(&self, operator: Precedence) -> u8 {
        match operator {
            Precedence::Eq => 18,
            Precedence::Like => 20,
            other => DuckDbDialect {}.prec_value(other),
        }
    }

    /// Operators that have no level of their own lie between comparisons and sums (`Op` in DuckDB's `grammar.y`).
    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        const OTHER: u8 = 25;
        const POWER: u8 = 45;
        match parser.peek_token_ref().token {
            Token::Caret => Some(Ok(POWER)),
            Token::DoubleTilde
            | Token::DoubleTildeAsterisk
            | Token::ExclamationMarkDoubleTilde
            | Token::ExclamationMarkDoubleTildeAsterisk
            | Token::StringConcat
            | Token::CaretAt => Some(Ok(OTHER)),
            _ => None,
        }
    }

    fn parse_infix(&self, parser: &mut Parser, left: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        if !parser.consume_token(&Token::CaretAt) {
            return None;
        }
        let right = parser.parse_subexpr(precedence);
        Some(right.map(|right| Expr::BinaryOp {
            left: Box::new(left.clone()),
            op: BinaryOperator::PGStartsWith,
            right: Box::new(right),
        }))
    }
}

/// The parser's Databricks, with what it leaves out of Spark's scanner (`SqlBaseLexer.g4`).
#[derive(Debug)]
struct Spark;

impl Grammar for Spark {
    fn dialect(&self) -> TypeId {
        TypeId::of::<DatabricksDialect>()
    }

    fn is_delimited_identifier_start(&self, character: char) -> bool {
        DatabricksDialect {}.is_delimited_identifier_start(character)
    }

    fn is_identifier_start(&self, character: char) -> bool {
        DatabricksDialect {}.is_identifier_start(character)
    }

    fn is_identifier_part(&self, character: char) -> bool {
        DatabricksDialect {}.is_identifier_part(character)
    }

    fn supports_numeric_prefix(&self) -> bool {
        true
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }

    fn supports_lambda_functions(&self) -> bool {
        true
    }

    fn require_interval_qualifier(&self) -> bool {
        true
    }

    fn supports_nested_comments(&self) -> bool {
        true
    }

    fn supports_bang_not_operator(&self) -> bool {
        true
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        match parser.peek_token_ref().token {
            Token::StringConcat => Some(Ok(self.prec_value(Precedence::PlusMinus))),
            _ => None,
        }
    }
}

/// `e'..'` is text once it is unescaped.
fn plain_text(mut token: TokenWithSpan) -> TokenWithSpan {
    if let Token::EscapedStringLiteral(text) = &mut token.token {
        token.token = Token::SingleQuotedString(std::mem::take(text));
    }
    token
}

/// `**`, which the scanner takes for two stars, as `^`: to DuckDB they are the same.
fn join_stars(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut joined: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for token in tokens {
        match joined.last_mut() {
            Some(last)
                if last.token == Token::Mul && token.token == Token::Mul && last.span.end == token.span.start =>
            {
                last.token = Token::Caret;
            }
            _ => joined.push(plain_text(token)),
        }
    }
    joined
}
