//! No text makes it panic.

use super::of;

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
    let rounds = std::env::var("DELTAPORT_SOUP").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1000);
    let known: Vec<&str> = include_str!("duckdb.txt")
        .lines()
        .filter(|line| ["case", "fail", "returning"].iter().any(|kind| line.starts_with(kind)))
        .filter_map(|line| line.split('\t').nth(1))
        .collect();
    let words: Vec<&str> = known
        .iter()
        .flat_map(|clauses| clauses.split_inclusive([' ', '(', ')', ',', '.', '\'', '*', ';']))
        .chain([
            "\"",
            "--",
            "/*",
            "*/",
            "$$",
            "é",
            "\u{0}",
            "\u{202e}",
            "::",
            "CASE ",
            "END ",
            "source.end ",
            "\n",
            "\r\n",
        ])
        .collect();
    let mut random = Random(11);
    let mut understood = 0;
    for _ in 0..rounds {
        let text = match random.below(3) {
            0 => (0..1 + random.below(30)).map(|_| words[random.below(words.len())]).collect::<String>(),
            // One with a piece of another in it.
            1 => {
                let (mut text, other) = (known[random.below(known.len())].to_owned(), known[random.below(known.len())]);
                let places: Vec<usize> = text.char_indices().map(|(place, _)| place).chain([text.len()]).collect();
                let (from, to) = (places[random.below(places.len())], places[random.below(places.len())]);
                text.replace_range(from.min(to)..from.max(to), other);
                text
            }
            // One with a word changed.
            _ => {
                let mut pieces: Vec<&str> = known[random.below(known.len())].split_inclusive(' ').collect();
                let place = random.below(pieces.len());
                pieces[place] = words[random.below(words.len())];
                pieces.concat()
            }
        };
        understood += usize::from(of(&text).is_ok());
    }
    assert!(understood > rounds / 100, "{understood} of {rounds} were clauses");
}
