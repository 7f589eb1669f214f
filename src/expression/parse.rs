//! Text to syntax tree, by the grammar of a dialect.

use std::{any::TypeId, cell::Cell};

use sqlparser::{
    ast::{BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments},
    dialect::{DatabricksDialect, Dialect as Grammar, DuckDbDialect, Precedence},
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan, Tokenizer, TokenizerError},
};

use super::{
    Dialect,
    cast::shorten,
    limits::{PARSER_DEPTH_MAX, check_text, check_tokens},
};
use crate::engine::{Error, Result};

pub(super) fn parse(sql: &str, dialect: Dialect) -> Result<Expr> {
    check_text(sql)?;
    let tokens = match dialect {
        Dialect::DuckDb => duckdb_tokens(sql),
        Dialect::Spark => Tokenizer::new(&Spark(Budget::default()), sql).tokenize_with_location(),
    };
    let tokens = tokens.map_err(|error| refusal(sql, &error))?;
    check_tokens(tokens.iter().map(|token| &token.token))?;
    let budget = Budget::of(tokens.len());
    let grammar: Box<dyn Grammar> = match dialect {
        Dialect::DuckDb => Box::new(DuckDb(budget)),
        Dialect::Spark => Box::new(Spark(budget)),
    };
    let mut parser = parser(&*grammar, tokens);
    let parsed = expression(&mut parser, sql)?;
    match parser.next_token().token {
        Token::EOF => Ok(parsed),
        other => Err(refusal(sql, &format!("what is \"{other}\" at its end"))),
    }
}

/// The words of a text in DuckDB's SQL.
pub(super) fn duckdb_tokens(sql: &str) -> Result<Vec<TokenWithSpan>, TokenizerError> {
    Tokenizer::new(&DuckDb(Budget::default()), sql).tokenize_with_location().map(join_stars)
}

/// A parser of words that have been checked ([`check_tokens`]).
pub(super) fn parser(grammar: &dyn Grammar, tokens: Vec<TokenWithSpan>) -> Parser<'_> {
    Parser::new(grammar).with_recursion_limit(PARSER_DEPTH_MAX).with_tokens_with_locations(tokens)
}

/// The expression that comes next. `sql` is what errors quote.
pub(super) fn expression(parser: &mut Parser<'_>, sql: &str) -> Result<Expr> {
    parser.parse_expr().map_err(|error| match error {
        ParserError::RecursionLimitExceeded => refusal(sql, &"it is too deep, or too far from one, to be parsed"),
        error => refusal(sql, &error),
    })
}

/// The arguments of `ROW(a, b)`.
pub(super) fn row_call(syntax: &Expr) -> Option<Vec<Expr>> {
    let Expr::Function(call) = syntax else { return None };
    let (true, FunctionArguments::List(list)) = (call.name.to_string().eq_ignore_ascii_case("row"), &call.args) else {
        return None;
    };
    let values = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value.clone()),
        _ => None,
    });
    values.collect()
}

fn refusal(sql: &str, error: &dyn std::fmt::Display) -> Error {
    Error::InvalidArgument(format!("\"{}\" is no expression: {error}", shorten(sql)))
}

/// How many operands the parser may still try. It backtracks: without a bound an unclosed text of sixty levels would
/// take it longer than anyone lives.
#[derive(Debug, Default)]
struct Budget(Cell<usize>);

impl Budget {
    /// Each token can begin a few operands, in an attempt or two.
    fn of(tokens: usize) -> Self {
        Self(Cell::new(tokens * 16 + 256))
    }

    /// The error is the one that the parser does not take for a reason to try something else.
    fn spend(&self) -> Option<Result<Expr, ParserError>> {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        (left == 0).then_some(Err(ParserError::RecursionLimitExceeded))
    }
}

/// The parser's DuckDB, with what it leaves out of DuckDB's scanner and the precedence of DuckDB's operators.
#[derive(Debug)]
pub(super) struct DuckDb(Budget);

impl DuckDb {
    /// To parse so many words.
    pub(super) fn of(tokens: usize) -> Self {
        Self(Budget::of(tokens))
    }
}

impl Grammar for DuckDb {
    fn dialect(&self) -> TypeId {
        TypeId::of::<DuckDbDialect>()
    }

    fn is_identifier_start(&self, character: char) -> bool {
        DuckDbDialect {}.is_identifier_start(character)
    }

    fn parse_prefix(&self, _: &mut Parser) -> Option<Result<Expr, ParserError>> {
        self.0.spend()
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
        distinct(parser, left, precedence)
            .or_else(|| infix(parser, left, precedence, BinaryOperator::PGStartsWith, |token| *token == Token::CaretAt))
    }
}

/// `IS [NOT] DISTINCT FROM`, whose right side ends before AND and OR; the parser takes them for a part of it.
fn distinct(parser: &mut Parser, left: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
    let negated = if parser.parse_keywords(&[Keyword::IS, Keyword::DISTINCT, Keyword::FROM]) {
        false
    } else if parser.parse_keywords(&[Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM]) {
        true
    } else {
        return None;
    };
    let (left, right) = (Box::new(left.clone()), parser.parse_subexpr(precedence).map(Box::new));
    Some(right.map(|right| match negated {
        true => Expr::IsNotDistinctFrom(left, right),
        false => Expr::IsDistinctFrom(left, right),
    }))
}

/// An operator the parser knows in other dialects only.
fn infix(
    parser: &mut Parser,
    left: &Expr,
    precedence: u8,
    operator: BinaryOperator,
    is_operator: impl Fn(&Token) -> bool,
) -> Option<Result<Expr, ParserError>> {
    if !is_operator(&parser.peek_token_ref().token) {
        return None;
    }
    parser.advance_token();
    let right = parser.parse_subexpr(precedence);
    Some(right.map(|right| Expr::BinaryOp { left: Box::new(left.clone()), op: operator, right: Box::new(right) }))
}

/// The parser's Databricks, with what it leaves out of Spark's scanner (`SqlBaseLexer.g4`).
#[derive(Debug)]
struct Spark(Budget);

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

    fn parse_prefix(&self, _: &mut Parser) -> Option<Result<Expr, ParserError>> {
        self.0.spend()
    }

    fn is_identifier_part(&self, character: char) -> bool {
        DatabricksDialect {}.is_identifier_part(character)
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

    fn parse_infix(&self, parser: &mut Parser, left: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        distinct(parser, left, precedence).or_else(|| {
            infix(
                parser,
                left,
                precedence,
                BinaryOperator::MyIntegerDivide,
                |token| matches!(token, Token::Word(word) if word.keyword == Keyword::DIV && word.quote_style.is_none()),
            )
        })
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
