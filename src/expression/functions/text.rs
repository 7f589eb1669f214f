//! Functions over text.

/// Every character in lower case, one for one (Unicode's simple mapping, not the one that can lengthen a text).
pub(super) fn fold(text: &str) -> String {
    text.chars().map(lower).collect()
}

pub(super) fn lower(character: char) -> char {
    let mut folded = character.to_lowercase();
    match (folded.next(), folded.next()) {
        (Some(single), None) => single,
        (Some(first), Some(_)) => first,
        _ => character,
    }
}
