//! No text makes it panic, and no expression makes it panic on rows.

use super::{super::Dialect, oracle::batch};
use crate::expression::Expression;

const TABLE: &str = include_str!("duckdb.txt");

/// Numbers that look random and are the same in every run (Steele, Lea, Flood: SplitMix).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}

#[test]
fn no_text_panics() {
    let rounds = std::env::var("DELTAPORT_SOUP").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3000);
    let batch = batch(TABLE);
    let known: Vec<&str> = TABLE.lines().filter_map(|line| line.split('\t').next()).collect();
    let words: Vec<&str> = known
        .iter()
        .flat_map(|expression| expression.split_inclusive([' ', '(', ')', ',', '.', '\'', '[', ']']))
        .chain([
            "`", "\"", "\\", "--", "/*", "$$", "0x", "é", "\u{0}", "\u{202e}", "::", "->", ":=", "?", "{", "}", "X''",
        ])
        .collect();
    let mut random = Random(7);
    let mut bound = 0;
    for _ in 0..rounds {
        let sql = match random.below(3) {
            // Words in any order.
            0 => (0..1 + random.below(12)).map(|_| words[random.below(words.len())]).collect::<String>(),
            // One expression with a piece of another in it.
            1 => {
                let (mut sql, other) = (known[random.below(known.len())].to_owned(), known[random.below(known.len())]);
                let places: Vec<usize> = sql.char_indices().map(|(place, _)| place).chain([sql.len()]).collect();
                let (from, to) = (places[random.below(places.len())], places[random.below(places.len())]);
                sql.replace_range(from.min(to)..from.max(to), other);
                sql
            }
            // One with a character changed.
            _ => {
                let mut characters: Vec<char> = known[random.below(known.len())].chars().collect();
                let place = random.below(characters.len().max(1));
                if let Some(character) = characters.get_mut(place) {
                    *character = char::from(32 + random.below(95) as u8);
                }
                characters.into_iter().collect()
            }
        };
        for dialect in [Dialect::DuckDb, Dialect::Spark] {
            if let Ok(expression) = Expression::new(&sql, dialect, batch.schema_ref()) {
                bound += 1;
                if let Ok(values) = expression.evaluate(&batch) {
                    assert_eq!((values.len(), values.data_type()), (batch.num_rows(), expression.result().data_type()));
                }
                let _ = expression.to_sql(Dialect::DuckDb);
                let _ = expression.to_sql(Dialect::Spark);
            }
        }
    }
    assert!(bound > rounds / 20, "{bound} of {rounds} were expressions");
}
