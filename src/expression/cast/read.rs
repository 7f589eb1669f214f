//! Text as numbers and bytes, as DuckDB reads it in a cast (`cast_operators.cpp`).
//!
//! `None` is text that is no value of the type, or none in its range.

pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

pub(super) fn skip_spaces(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    &text[start..]
}

pub(in crate::expression) fn boolean(text: &str) -> Option<bool> {
    let text = text.trim_matches(|c: char| c.is_ascii() && is_space(c as u8));
    let is_one_of = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(&["true", "t", "1", "yes", "y"]) {
        Some(true)
    } else if is_one_of(&["false", "f", "0", "no", "n"]) {
        Some(false)
    } else {
        None
    }
}

/// The parts of a number: what stands before and behind the point, and the power of ten.
struct Number {
    negative: bool,
    whole: Vec<u8>,
    fraction: Vec<u8>,
    exponent: Option<i64>,
}

/// Digits with single underscores between them, and where they end.
fn digits(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut found = Vec::new();
    let mut rest = text;
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        found.push(digit - b'0');
        rest = after;
        if let [b'_', after @ ..] = rest {
            if !after.first().is_some_and(u8::is_ascii_digit) {
                return None;
            }
            rest = after;
        }
    }
    Some((found, rest))
}

/// `-12.5e3`, with spaces around; a point needs a digit on one side.
fn number(text: &str) -> Option<Number> {
    let text = skip_spaces(text.as_bytes());
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (whole, mut rest) = digits(text)?;
    let mut fraction = Vec::new();
    if let [b'.', after @ ..] = rest {
        (fraction, rest) = digits(after)?;
    }
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut exponent = None;
    if let [b'e' | b'E', after @ ..] = rest {
        let (negative, after) = match after {
            [b'-', after @ ..] => (true, after),
            [b'+', after @ ..] => (false, after),
            _ => (false, after),
        };
        let (power, after) = digits(after)?;
        let power = power.iter().try_fold(0_i64, |sum, digit| {
            let sum = sum * 10 + i64::from(*digit);
            (sum <= i64::from(i16::MAX)).then_some(sum)
        });
        if after.len() == rest.len() - 1 {
            return None;
        }
        exponent = Some(if negative { -power? } else { power? });
        rest = after;
    }
    skip_spaces(rest).is_empty().then_some(Number { negative, whole, fraction, exponent })
}

/// An integer between bounds; what is behind the point is rounded, half away from zero.
pub(in crate::expression) fn integer(text: &str, least: i128, greatest: i128) -> Option<i128> {
    let value = match radix(text) {
        Some(value) => value?,
        None => huge(text)?,
    };
    (least..=greatest).contains(&value).then_some(value)
}

/// A HUGEINT, which has no other radix than ten.
pub(in crate::expression) fn huge(text: &str) -> Option<i128> {
    const DIGITS_MAX: usize = 39;
    let Number { negative, whole, fraction, exponent } = number(text)?;
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent.unwrap_or(0))?;
    let all: Vec<u8> = whole.iter().chain(&fraction).copied().collect();
    let kept = usize::try_from(point).unwrap_or(0);
    let zeros = kept.saturating_sub(all.len());
    if zeros > DIGITS_MAX && all.iter().any(|digit| *digit != 0) {
        return None;
    }
    let mut value = 0_i128;
    for digit in all.iter().take(kept).copied().chain(std::iter::repeat_n(0, zeros.min(DIGITS_MAX))) {
        value = value.checked_mul(10)?;
        value = if negative { value.checked_sub(digit.into())? } else { value.checked_add(digit.into())? };
    }
    match usize::try_from(point).ok().and_then(|next| all.get(next)) {
        Some(5..) if negative => value.checked_sub(1),
        Some(5..) => value.checked_add(1),
        _ => Some(value),
    }
}

/// An integer up to 2^128 - 1.
pub(in crate::expression) fn unsigned_huge(text: &str) -> Option<u128> {
    match huge(text) {
        Some(value) => u128::try_from(value).ok(),
        // Past i128 there are digits only.
        None => text.trim().trim_start_matches('+').parse().ok(),
    }
}

/// `0x1F`, `0b101`: `None` for another notation, `Some(None)` for a bad number in this one.
fn radix(text: &str) -> Option<Option<i128>> {
    let text = std::str::from_utf8(skip_spaces(text.as_bytes())).ok()?;
    let bytes = text.as_bytes();
    let base = match bytes {
        [b'0', b'x' | b'X', ..] => 16,
        [b'0', b'b' | b'B', ..] => 2,
        _ => return None,
    };
    let mut value = 0_i128;
    let mut underscore = true;
    for byte in &bytes[2..] {
        if *byte == b'_' && !underscore {
            underscore = true;
            continue;
        }
        let Some(digit) = char::from(*byte).to_digit(base) else { return Some(None) };
        let Some(next) = value.checked_mul(base.into()).and_then(|value| value.checked_add(digit.into())) else {
            return Some(None);
        };
        value = next;
        underscore = false;
    }
    Some((!underscore).then_some(value))
}

/// A number of `scale` digits behind the point, rounded half away from zero, times ten to the scale.
pub(in crate::expression) fn decimal(text: &str, width: u8, scale: u8) -> Option<i128> {
    let Number { negative, whole, fraction, exponent } = number(text)?;
    let limit = 10_i128.pow(u32::from(width));
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent.unwrap_or(0))?;
    let wanted = point.checked_add(i64::from(scale))?;
    let mut value = 0_i128;
    let all: Vec<u8> = whole.iter().chain(&fraction).copied().collect();
    for index in 0..wanted.max(0) {
        let digit = usize::try_from(index).ok().and_then(|index| all.get(index)).copied();
        if digit.is_none() && value == 0 {
            break;
        }
        value = value.checked_mul(10)?.checked_add(digit.unwrap_or(0).into())?;
        if value >= limit {
            return None;
        }
    }
    if usize::try_from(wanted).ok().and_then(|next| all.get(next)).is_some_and(|digit| *digit >= 5) {
        value += 1;
    }
    (value < limit).then_some(if negative { -value } else { value })
}

pub(in crate::expression) fn double(text: &str) -> Option<f64> {
    float_text(text)?.parse().ok()
}

pub(in crate::expression) fn float(text: &str) -> Option<f32> {
    float_text(text)?.parse().ok()
}

/// The text as Rust reads it: without spaces and underscores, `inf` and `nan` in any case.
fn float_text(text: &str) -> Option<String> {
    let text = text.trim_matches(|c: char| c.is_ascii() && is_space(c as u8));
    let unsigned = text.strip_prefix('+').filter(|rest| !rest.starts_with(['+'])).unwrap_or(text);
    let body = unsigned.strip_prefix('-').unwrap_or(unsigned);
    if ["inf", "infinity", "nan"].iter().any(|word| body.eq_ignore_ascii_case(word)) {
        return Some(unsigned.to_ascii_lowercase());
    }
    let bytes = body.as_bytes();
    for (index, byte) in bytes.iter().enumerate() {
        let between_digits =
            || index > 0 && bytes[index - 1].is_ascii_digit() && bytes.get(index + 1).is_some_and(u8::is_ascii_digit);
        match byte {
            b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-' => {}
            b'_' if between_digits() => {}
            _ => return None,
        }
    }
    Some(unsigned.replace('_', ""))
}

pub(in crate::expression) fn uuid(text: &str) -> Option<[u8; 16]> {
    let inner = match text.strip_prefix('{') {
        Some(inner) => inner.strip_suffix('}')?,
        None => text,
    };
    let mut value = 0_u128;
    let mut count = 0;
    for character in inner.chars().filter(|character| *character != '-') {
        value = value << 4 | u128::from(character.to_digit(16)?);
        count += 1;
        if count > 32 {
            return None;
        }
    }
    (count == 32).then_some(value.to_be_bytes())
}

/// Bytes, those that are no ASCII as `\xAA`.
pub(in crate::expression) fn blob(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'\\' => {
                let [b'x', high, low, after @ ..] = rest else { return None };
                let digit = |byte: u8| char::from(byte).to_digit(16);
                bytes.push((digit(*high)? * 16 + digit(*low)?) as u8);
                rest = after;
            }
            0..=127 => bytes.push(*first),
            _ => return None,
        }
    }
    Some(bytes)
}

/// `0101`: a byte that counts the padding, then the bits, padded at the head with ones.
pub(in crate::expression) fn bit(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.bytes().all(|byte| matches!(byte, b'0' | b'1')) {
        return None;
    }
    let padding = (8 - text.len() % 8) % 8;
    let bits: Vec<u8> = std::iter::repeat_n(b'1', padding).chain(text.bytes()).collect();
    let mut bytes = vec![padding as u8];
    bytes.extend(bits.chunks(8).map(|byte| byte.iter().fold(0, |value, bit| value << 1 | (bit - b'0'))));
    Some(bytes)
}
