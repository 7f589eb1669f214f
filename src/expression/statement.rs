//! Statements whose words are read one by one, and the expressions among them: by the grammar of expressions, and within
//! their bounds.

use sqlparser::{
    ast::Expr,
    parser::Parser,
    tokenizer::{Location, Token, TokenWithSpan, Word},
};

use super::{
    Expression, Scope, bind,
    cast::shorten,
    limits::{self, check_text, check_tokens},
    parse::{self, DuckDb},
};
use crate::engine::{Error, Result};

/// A part of a statement.
pub(crate) struct Part<'a> {
    sql: &'a str,
    tokens: Vec<TokenWithSpan>,
    /// Where its tokens begin in the text, in bytes.
    places: Vec<(Location, usize)>,
    end: usize,
}

/// The words of a part, of which some have been read.
pub(crate) struct Words<'a> {
    part: &'a PartText<'a>,
    parser: Parser<'a>,
}

struct PartText<'a> {
    sql: &'a str,
    places: Vec<(Location, usize)>,
    end: usize,
}

/// An expression that has been parsed.
#[derive(Debug, Clone)]
pub(crate) struct Parsed {
    syntax: Box<Expr>,
    text: String,
}

/// Reads a statement of DuckDB's SQL. It is cut into parts where one of the rows of words in `heads` stands outside of all
/// brackets and of CASE; the first part begins where the text does. What `read` does with them is done on a stack of its
/// own, deep enough to read and drop expressions; none must leave it.
///
/// # Errors
/// `InvalidArgument` if the text is longer than `bytes_max`, is no row of words, or nests too deep; and what `read` says.
pub(crate) fn read_statement<T>(
    sql: &str,
    bytes_max: usize,
    heads: &[&[&str]],
    read: impl FnOnce(Vec<Part<'_>>) -> Result<T>,
) -> Result<T> {
    if sql.len() > bytes_max {
        return Err(Error::InvalidArgument(format!(
            "the statement has {} bytes, the greatest length is {bytes_max}",
            sql.len()
        )));
    }
    stacker::grow(limits::STACK_BYTES, || read(split(sql, heads)?))
}

fn split<'a>(sql: &'a str, heads: &[&[&str]]) -> Result<Vec<Part<'a>>> {
    let tokens = parse::duckdb_tokens(sql)
        .map_err(|error| Error::InvalidArgument(format!("\"{}\" is no statement: {error}", shorten(sql))))?;
    let starts = offsets(sql, &tokens);
    let mut parts = Vec::new();
    let mut part = Part { sql, tokens: Vec::new(), places: Vec::new(), end: 0 };
    let mut outside = Outside::default();
    for (index, token) in tokens.iter().enumerate() {
        let is_word = matches!(token.token, Token::Word(_));
        let is_head = is_word && outside.is_so() && heads.iter().any(|head| begins(&tokens[index..], head));
        if is_head {
            part.end = starts[index];
            parts.push(part);
            part = Part { sql, tokens: Vec::new(), places: Vec::new(), end: 0 };
        }
        outside.pass(&token.token);
        part.places.push((token.span.start, starts[index]));
        part.tokens.push(token.clone());
    }
    part.end = sql.len();
    parts.push(part);
    parts.iter().try_for_each(|part| check_tokens(part.tokens.iter().map(|token| &token.token)))?;
    Ok(parts)
}

/// Whether a place lies outside of brackets and of CASE.
#[derive(Default)]
struct Outside {
    brackets: usize,
    cases: usize,
    /// What comes next is a part of a name.
    after_point: bool,
}

impl Outside {
    const fn is_so(&self) -> bool {
        self.brackets == 0 && self.cases == 0 && !self.after_point
    }

    fn pass(&mut self, token: &Token) {
        match token {
            Token::Whitespace(_) => return,
            Token::LParen | Token::LBracket | Token::LBrace => self.brackets += 1,
            Token::RParen | Token::RBracket | Token::RBrace => self.brackets = self.brackets.saturating_sub(1),
            Token::Word(word) if !self.after_point && is_word(word, "CASE") => self.cases += 1,
            Token::Word(word) if !self.after_point && is_word(word, "END") => self.cases = self.cases.saturating_sub(1),
            _ => {}
        }
        self.after_point = *token == Token::Period;
    }
}

fn begins(tokens: &[TokenWithSpan], words: &[&str]) -> bool {
    let mut tokens = tokens.iter().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_)));
    words.iter().all(|wanted| matches!(tokens.next(), Some(Token::Word(word)) if is_word(word, wanted)))
}

fn is_word(word: &Word, wanted: &str) -> bool {
    word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted)
}

/// Where the tokens begin, in bytes: the tokenizer counts lines and characters, from 1.
fn offsets(sql: &str, tokens: &[TokenWithSpan]) -> Vec<usize> {
    let mut here = Location { line: 1, column: 1 };
    let mut characters = sql.char_indices();
    let mut offset = 0;
    let find = |token: &TokenWithSpan| {
        while here < token.span.start {
            let Some((_, character)) = characters.next() else { break };
            here = match character {
                '\n' => Location { line: here.line + 1, column: 1 },
                _ => Location { line: here.line, column: here.column + 1 },
            };
            offset = characters.offset();
        }
        offset
    };
    tokens.iter().map(find).collect()
}

impl Part<'_> {
    /// Reads it word by word.
    pub(crate) fn read<T>(self, read: impl FnOnce(&mut Words<'_>) -> Result<T>) -> Result<T> {
        let Self { sql, tokens, places, end } = self;
        let grammar = DuckDb::of(tokens.len());
        let part = PartText { sql, places, end };
        read(&mut Words { part: &part, parser: parse::parser(&grammar, tokens) })
    }
}

impl Words<'_> {
    /// Takes these words if they come next, in any case and not quoted.
    pub(crate) fn take(&mut self, words: &[&str]) -> bool {
        let there = self.come(words);
        if there {
            words.iter().for_each(|_| self.parser.advance_token());
        }
        there
    }

    /// Whether these words come next.
    pub(crate) fn come(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(index, wanted)| {
            matches!(&self.parser.peek_nth_token_ref(index).token, Token::Word(word) if is_word(word, wanted))
        })
    }

    /// Takes a sign if it comes next.
    pub(crate) fn sign(&mut self, sign: char) -> bool {
        let there = self.sign_comes(0, sign);
        if there {
            self.parser.advance_token();
        }
        there
    }

    /// Whether a sign comes after so many others.
    pub(crate) fn sign_comes(&self, after: usize, sign: char) -> bool {
        let token = &self.parser.peek_nth_token_ref(after).token;
        match sign {
            '(' => *token == Token::LParen,
            ')' => *token == Token::RParen,
            ',' => *token == Token::Comma,
            '.' => *token == Token::Period,
            '=' => *token == Token::Eq,
            '*' => *token == Token::Mul,
            ';' => *token == Token::SemiColon,
            _ => false,
        }
    }

    /// Takes a name, bare or in double quotes.
    pub(crate) fn name(&mut self) -> Option<String> {
        let name = match &self.parser.peek_token_ref().token {
            Token::Word(Word { value, quote_style: None | Some('"'), .. }) => value.clone(),
            _ => return None,
        };
        self.parser.advance_token();
        Some(name)
    }

    /// Whether everything has been read.
    pub(crate) fn at_end(&self) -> bool {
        self.parser.peek_token_ref().token == Token::EOF
    }

    /// What comes next, as it was written.
    pub(crate) fn rest(&self) -> &str {
        self.part.sql[self.place()..self.part.end].trim()
    }

    /// Where what comes next begins in the text, in bytes.
    pub(crate) fn place(&self) -> usize {
        let next = self.parser.peek_token_ref();
        let at = self.part.places.binary_search_by_key(&next.span.start, |(location, _)| *location);
        match (&next.token, at) {
            (Token::EOF, _) | (_, Err(_)) => self.part.end,
            (_, Ok(index)) => self.part.places[index].1,
        }
    }

    /// What was written between two places.
    pub(crate) fn text(&self, from: usize, to: usize) -> &str {
        self.part.sql.get(from..to).unwrap_or_default().trim()
    }

    /// Parses an expression.
    ///
    /// # Errors
    /// `InvalidArgument` if what comes next is none.
    pub(crate) fn expression(&mut self) -> Result<Parsed> {
        let (from, part) = (self.place(), self.part);
        let syntax = parse::expression(&mut self.parser, part.sql[from..part.end].trim())?;
        let text = self.text(from, self.place()).to_owned();
        check_text(&text)?;
        Ok(Parsed { syntax: Box::new(syntax), text })
    }
}

impl Parsed {
    /// What was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is the word DEFAULT, in parentheses or not.
    pub(crate) fn is_default(&self) -> bool {
        let mut syntax = &*self.syntax;
        while let Expr::Nested(inner) = syntax {
            syntax = inner;
        }
        matches!(syntax, Expr::Identifier(name)
            if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("DEFAULT"))
    }

    /// The last of its names, if it is nothing but a column's.
    pub(crate) fn column_name(&self) -> Option<&str> {
        match &*self.syntax {
            Expr::Identifier(name) => Some(&name.value),
            Expr::CompoundIdentifier(names) => names.last().map(|name| name.value.as_str()),
            _ => None,
        }
    }

    /// The values of `(a, b)` or `ROW(a, b)`; itself if it is no row of values.
    pub(crate) fn into_row(self) -> Result<Vec<Self>, Self> {
        let of = |syntax: Expr| Self { text: syntax.to_string(), syntax: Box::new(syntax) };
        match *self.syntax {
            Expr::Tuple(values) => Ok(values.into_iter().map(of).collect()),
            syntax => match parse::row_call(&syntax) {
                Some(values) => Ok(values.into_iter().map(of).collect()),
                None => Err(Self { syntax: Box::new(syntax), text: self.text }),
            },
        }
    }

    /// Understands it where names mean what `scope` says.
    ///
    /// # Errors
    /// As [`Expression::new`].
    pub(crate) fn bind(&self, scope: &Scope<'_>) -> Result<Expression> {
        bind::bind(&self.syntax, super::Dialect::DuckDb, scope).map(Expression::from_tree)
    }

    /// The same, as a condition: cast to BOOLEAN as WHERE casts it.
    ///
    /// # Errors
    /// As [`Expression::new`]; `InvalidArgument` if it cannot be a condition.
    pub(crate) fn bind_condition(&self, scope: &Scope<'_>) -> Result<Expression> {
        bind::bind_condition(&self.syntax, super::Dialect::DuckDb, scope).map(Expression::from_tree)
    }
}
