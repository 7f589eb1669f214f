//! Characters: their case, and which of them are space.

/// Every character in lower case, one for one (Unicode's simple mapping, not the one that can lengthen a text).
pub(super) fn fold(text: &str) -> String {
    text.chars().map(lower).collect()
}

pub(super) fn lower(character: char) -> char {
    // Only U+0130 becomes two characters, of which the first is its simple mapping.
    character.to_lowercase().next().unwrap_or(character)
}

pub(super) fn upper(character: char) -> char {
    let mut raised = character.to_uppercase();
    match (raised.next(), raised.next()) {
        (Some(single), None) => single,
        // Greek letters with iota subscript have a single capital too; others that become several stay.
        _ => match character as u32 {
            0x1f80..=0x1f87 | 0x1f90..=0x1f97 | 0x1fa0..=0x1fa7 => {
                char::from_u32(character as u32 + 8).unwrap_or(character)
            }
            0xdf => '\u{1e9e}',
            0x1fb3 | 0x1fc3 | 0x1ff3 => char::from_u32(character as u32 + 9).unwrap_or(character),
            _ => character,
        },
    }
}

/// Unicode's category Zs.
pub(super) const fn is_space_separator(character: char) -> bool {
    matches!(character, ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}
