//! How large an expression may be, looked at before it is parsed: every later step recurses into it.

use sqlparser::{keywords::Keyword, tokenizer::Token};

use crate::engine::{Error, Result};

/// Nobody writes more by hand, and a constraint is evaluated for every batch.
pub(super) const TEXT_BYTES_MAX: usize = 64 << 10;
/// Parentheses, brackets and braces within each other.
pub(super) const NESTING_MAX: usize = 64;
/// How deep the tree may become: also `a + b + c` nests.
pub(super) const DEPTH_MAX: usize = 256;
/// Values of one IN.
pub(super) const LIST_MAX: usize = 4096;
/// Operations of one tree: more than text of the greatest length spells out, unless it repeats itself.
pub(super) const TREE_NODES_MAX: usize = 40_000;
/// What the parser allows itself: it counts several for one pair of parentheses.
pub(super) const PARSER_DEPTH_MAX: usize = 100;

/// For the deepest text within the other bounds, in a build that is not optimised. Memory that is not touched costs
/// nothing.
pub(super) const STACK_BYTES: usize = 64 << 20;

pub(super) fn check_text(sql: &str) -> Result<()> {
    if sql.len() > TEXT_BYTES_MAX {
        return Err(Error::InvalidArgument(format!(
            "an expression has {} bytes, the greatest length is {TEXT_BYTES_MAX}",
            sql.len()
        )));
    }
    Ok(())
}

/// Checks how deep a tree these tokens can become: by nesting, and by operators between two commas.
pub(super) fn check_tokens<'a>(tokens: impl Iterator<Item = &'a Token>) -> Result<()> {
    // Of each open bracket: operators since the last comma, and the most there were between two.
    let mut open = vec![(0_usize, 0_usize)];
    let mut unguarded = Unguarded::default();
    for token in tokens {
        unguarded.check(token)?;
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => open.push((0, 0)),
            Token::RParen | Token::RBracket | Token::RBrace => {
                let (current, most) = open.pop().unwrap_or_default();
                match open.last_mut() {
                    Some(outer) => outer.0 += current.max(most) + 1,
                    None => open.push((0, 0)),
                }
            }
            Token::Comma => {
                if let Some((current, most)) = open.last_mut() {
                    *most = (*most).max(*current);
                    *current = 0;
                }
            }
            Token::Whitespace(_) | Token::Number(..) | Token::SingleQuotedString(_) => {}
            _ => {
                if let Some((current, _)) = open.last_mut() {
                    *current += 1;
                }
            }
        }
        if open.len() > NESTING_MAX + 1 {
            return Err(Error::InvalidArgument(format!(
                "an expression nests deeper than {NESTING_MAX} levels of parentheses"
            )));
        }
        if open.last().is_some_and(|(current, _)| *current > TERMS_MAX) {
            return Err(Error::InvalidArgument(format!(
                "an expression has more than {TERMS_MAX} names and operators in one row without a comma"
            )));
        }
    }
    Ok(())
}

/// Words that the parser follows without counting how deep it is: `INTERVAL INTERVAL ...`, `ARRAY<ARRAY<...`.
#[derive(Default)]
struct Unguarded {
    last: Option<Keyword>,
    angles: usize,
}

impl Unguarded {
    fn check(&mut self, token: &Token) -> Result<()> {
        let keyword = match token {
            Token::Whitespace(_) => return Ok(()),
            Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
            _ => None,
        };
        if keyword == Some(Keyword::INTERVAL) && self.last == keyword {
            return Err(Error::InvalidArgument("INTERVAL is followed by INTERVAL".to_owned()));
        }
        if *token == Token::Lt && matches!(self.last, Some(Keyword::ARRAY | Keyword::STRUCT | Keyword::MAP)) {
            self.angles += 1;
            if self.angles > NESTING_MAX {
                return Err(Error::InvalidArgument(format!("types nest deeper than {NESTING_MAX} levels")));
            }
        }
        self.last = keyword;
        Ok(())
    }
}

/// A long list of conditions has a few thousand; a hundred thousand would overflow the stack.
const TERMS_MAX: usize = 4000;
