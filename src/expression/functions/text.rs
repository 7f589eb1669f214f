//! Functions over text. Characters are code points; letters change case one for one.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryBuilder},
    datatypes::{Int32Type, Int64Type},
};

use super::{
    Call, Form, Function, Overload, fixed,
    letters::{is_space_separator, lower, upper},
    substring::{duckdb_range, end, side, spark_range, substring},
};
use crate::{
    engine::Result,
    expression::{
        Dialect,
        cast::write,
        print::{Printer, no_form},
        rules::Literal,
        tree::Typed,
        types::Type,
    },
};

const TEXT: Type = Type::Varchar;
/// A text function's result may not outgrow this: `repeat` and padding could be asked for anything.
const TEXT_BYTES_MAX: usize = 16 << 20;

const fn function(name: &'static str, run: fn(&Call<'_>) -> Result<ArrayRef>, spark: Form) -> Function {
    Function { name, run, fails: false, keeps_nulls: true, duckdb: Form::Call(name), spark }
}

const fn same(name: &'static str, run: fn(&Call<'_>) -> Result<ArrayRef>) -> Function {
    function(name, run, Form::Call(name))
}

static LENGTH: Function = same("length", |call| {
    let text = call.text(0);
    Ok(call.numbers::<Int64Type>(|row| text(row).map(|text| text.chars().count() as i64)))
});
/// Spark's, an INT.
static LENGTH_INT: Function = Function {
    duckdb: Form::Call("length"),
    ..same("length", |call| {
        let text = call.text(0);
        Ok(call.numbers::<Int32Type>(|row| text(row).map(|text| text.chars().count() as i32)))
    })
};
static STRLEN: Function = function(
    "strlen",
    |call| {
        let text = call.text(0);
        Ok(call.numbers::<Int64Type>(|row| text(row).map(|text| text.len() as i64)))
    },
    Form::Call("octet_length"),
);
static OCTET_LENGTH: Function = same("octet_length", |call| {
    let values = &call.arguments[0];
    let bytes = values.array.as_binary::<i32>();
    Ok(call.numbers::<Int64Type>(|row| {
        let row = values.at(row);
        bytes.is_valid(row).then(|| bytes.value_length(row).into())
    }))
});
static LOWER: Function = same("lower", |call| Ok(each(call, |text, out| out.extend(text.chars().map(lower)))));
static UPPER: Function = same("upper", |call| Ok(each(call, |text, out| out.extend(text.chars().map(upper)))));
static TRIM: Function = same("trim", |call| Ok(trim(call, true, true, is_space_separator)));
static LTRIM: Function = same("ltrim", |call| Ok(trim(call, true, false, is_space_separator)));
static RTRIM: Function = same("rtrim", |call| Ok(trim(call, false, true, is_space_separator)));
/// Spark trims U+0020 alone.
static TRIM_SPACES: Function = same("trim", |call| Ok(trim(call, true, true, |character| character == ' ')));
static LTRIM_SPACES: Function = same("ltrim", |call| Ok(trim(call, true, false, |character| character == ' ')));
static RTRIM_SPACES: Function = same("rtrim", |call| Ok(trim(call, false, true, |character| character == ' ')));
static TRIM_OF: Function = function("trim", |call| Ok(trim_of(call, true, true)), Form::None);
static LTRIM_OF: Function = function("ltrim", |call| Ok(trim_of(call, true, false)), Form::None);
static RTRIM_OF: Function = function("rtrim", |call| Ok(trim_of(call, false, true)), Form::None);
static SUBSTRING: Function =
    Function { fails: true, ..function("substring", |call| substring(call, duckdb_range), Form::CallBy(plain_part)) };
static SUBSTRING_SPARK: Function =
    Function { duckdb: Form::CallBy(plain_part), ..same("substring", |call| substring(call, spark_range)) };
static LEFT: Function =
    function("left", |call| side(call, |length, count| 0..end(length, count)), Form::CallBy(plain_left));
static RIGHT: Function = function(
    "right",
    |call| side(call, |length, count| length - end(length, count)..length),
    Form::CallBy(plain_right),
);
static LEFT_SPARK: Function = Function {
    duckdb: Form::CallBy(plain_left),
    ..same("left", |call| side(call, |length, count| 0..count.clamp(0, length)))
};
static RIGHT_SPARK: Function = Function {
    duckdb: Form::CallBy(plain_right),
    ..same("right", |call| side(call, |length, count| length - count.clamp(0, length)..length))
};
static REPLACE: Function = same("replace", |call| {
    let (text, from, to) = (call.text(0), call.text(1), call.text(2));
    Ok(call.texts(|row, out| {
        let (text, from, to) = (text(row)?, from(row)?, to(row)?);
        if from.is_empty() {
            out.push_str(text);
        } else {
            out.push_str(&text.replace(from, to));
        }
        Some(())
    }))
});
pub(in crate::expression) static CONCAT: Function =
    Function { keeps_nulls: false, ..function("concat", concat_skipping_nulls, Form::None) };
pub(in crate::expression) static JOIN: Function =
    Function { duckdb: Form::Infix("||"), ..function("||", join, Form::Infix("||")) };
pub(in crate::expression) static JOIN_BLOBS: Function =
    Function { duckdb: Form::Infix("||"), ..function("||", join_blobs, Form::None) };
static STARTS_WITH: Function =
    function("starts_with", |call| Ok(test(call, |text, part| text.starts_with(part))), Form::Call("startswith"));
static ENDS_WITH: Function =
    function("suffix", |call| Ok(test(call, |text, part| text.ends_with(part))), Form::Call("endswith"));
static CONTAINS: Function = same("contains", |call| Ok(test(call, |text, part| text.contains(part))));
static POSITION: Function = function(
    "instr",
    |call| {
        let (text, part) = (call.text(0), call.text(1));
        Ok(call.numbers::<Int64Type>(|row| Some(position(text(row)?, part(row)?))))
    },
    Form::Call("instr"),
);
static POSITION_INT: Function = Function {
    duckdb: Form::Call("instr"),
    ..same("instr", |call| {
        let (text, part) = (call.text(0), call.text(1));
        Ok(call.numbers::<Int32Type>(|row| Some(position(text(row)?, part(row)?) as i32)))
    })
};
static REVERSE: Function = Function { fails: true, ..function("reverse", reverse, Form::None) };
static LPAD: Function = Function { fails: true, ..function("lpad", |call| pad(call, true), Form::None) };
static RPAD: Function = Function { fails: true, ..function("rpad", |call| pad(call, false), Form::None) };
static REPEAT: Function = Function { fails: true, ..function("repeat", repeat, Form::Call("repeat")) };
static ASCII: Function = function(
    "ascii",
    |call| {
        let text = call.text(0);
        Ok(call.numbers::<Int32Type>(|row| text(row).map(|text| text.chars().next().map_or(0, |first| first as i32))))
    },
    Form::None,
);

fn plain_part(printer: Printer, arguments: &[Typed]) -> Result<String> {
    plain(printer, "substring", arguments, 1)
}

fn plain_left(printer: Printer, arguments: &[Typed]) -> Result<String> {
    plain(printer, "left", arguments, 0)
}

fn plain_right(printer: Printer, arguments: &[Typed]) -> Result<String> {
    plain(printer, "right", arguments, 0)
}

/// The dialects agree where the numbers are literals, none of them negative and the first at least `least`.
fn plain(printer: Printer, name: &str, arguments: &[Typed], least: i128) -> Result<String> {
    let is_plain = |(index, argument): (usize, &Typed)| {
        let least = if index == 0 { least } else { 0 };
        matches!(argument.operand().literal, Some(Literal::Integer(value)) if (least..=i128::from(i32::MAX)).contains(&value))
    };
    if !arguments.iter().skip(1).enumerate().all(is_plain) {
        return Err(no_form(&format!("{name} of computed or negative numbers"), printer.dialect));
    }
    let arguments = arguments.iter().map(|argument| printer.part(argument)).collect::<Result<Vec<_>>>()?;
    Ok(format!("{name}({})", arguments.join(", ")))
}

pub(super) fn overloads(name: &str, dialect: Dialect) -> Option<Vec<Overload>> {
    match dialect {
        Dialect::DuckDb => duckdb(name),
        Dialect::Spark => spark(name),
    }
}

fn duckdb(name: &str) -> Option<Vec<Overload>> {
    let big = Type::BigInt;
    Some(match name {
        "length" | "len" | "char_length" | "character_length" => vec![fixed([TEXT], big, &LENGTH)],
        "strlen" => vec![fixed([TEXT], big, &STRLEN)],
        "octet_length" => vec![fixed([Type::Blob], big, &OCTET_LENGTH)],
        "lower" | "lcase" => vec![fixed([TEXT], TEXT, &LOWER)],
        "upper" | "ucase" => vec![fixed([TEXT], TEXT, &UPPER)],
        "trim" => vec![fixed([TEXT], TEXT, &TRIM), fixed([TEXT, TEXT], TEXT, &TRIM_OF)],
        "ltrim" => vec![fixed([TEXT], TEXT, &LTRIM), fixed([TEXT, TEXT], TEXT, &LTRIM_OF)],
        "rtrim" => vec![fixed([TEXT], TEXT, &RTRIM), fixed([TEXT, TEXT], TEXT, &RTRIM_OF)],
        "substring" | "substr" => {
            vec![fixed([TEXT, big.clone(), big.clone()], TEXT, &SUBSTRING), fixed([TEXT, big], TEXT, &SUBSTRING)]
        }
        "left" => vec![fixed([TEXT, big], TEXT, &LEFT)],
        "right" => vec![fixed([TEXT, big], TEXT, &RIGHT)],
        "replace" => vec![fixed([TEXT, TEXT, TEXT], TEXT, &REPLACE)],
        "||" => vec![fixed([TEXT, TEXT], TEXT, &JOIN), fixed([Type::Blob, Type::Blob], Type::Blob, &JOIN_BLOBS)],
        "starts_with" | "prefix" | "^@" => vec![fixed([TEXT, TEXT], Type::Boolean, &STARTS_WITH)],
        "ends_with" | "suffix" => vec![fixed([TEXT, TEXT], Type::Boolean, &ENDS_WITH)],
        "contains" => vec![fixed([TEXT, TEXT], Type::Boolean, &CONTAINS)],
        "instr" | "strpos" | "position" => vec![fixed([TEXT, TEXT], big, &POSITION)],
        "reverse" => vec![fixed([TEXT], TEXT, &REVERSE)],
        "lpad" => vec![fixed([TEXT, Type::Integer, TEXT], TEXT, &LPAD)],
        "rpad" => vec![fixed([TEXT, Type::Integer, TEXT], TEXT, &RPAD)],
        "repeat" => vec![fixed([TEXT, big], TEXT, &REPEAT)],
        "ascii" => vec![fixed([TEXT], Type::Integer, &ASCII)],
        _ => return None,
    })
}

fn spark(name: &str) -> Option<Vec<Overload>> {
    let int = Type::Integer;
    Some(match name {
        "length" | "len" | "char_length" | "character_length" => vec![fixed([TEXT], int, &LENGTH_INT)],
        "lower" | "lcase" => vec![fixed([TEXT], TEXT, &LOWER)],
        "upper" | "ucase" => vec![fixed([TEXT], TEXT, &UPPER)],
        "trim" => vec![fixed([TEXT], TEXT, &TRIM_SPACES)],
        "ltrim" => vec![fixed([TEXT], TEXT, &LTRIM_SPACES)],
        "rtrim" => vec![fixed([TEXT], TEXT, &RTRIM_SPACES)],
        "substring" | "substr" => {
            vec![
                fixed([TEXT, int.clone(), int.clone()], TEXT, &SUBSTRING_SPARK),
                fixed([TEXT, int], TEXT, &SUBSTRING_SPARK),
            ]
        }
        "left" => vec![fixed([TEXT, int], TEXT, &LEFT_SPARK)],
        "right" => vec![fixed([TEXT, int], TEXT, &RIGHT_SPARK)],
        "replace" => vec![fixed([TEXT, TEXT, TEXT], TEXT, &REPLACE)],
        "||" => vec![fixed([TEXT, TEXT], TEXT, &JOIN)],
        "startswith" => vec![fixed([TEXT, TEXT], Type::Boolean, &STARTS_WITH)],
        "endswith" => vec![fixed([TEXT, TEXT], Type::Boolean, &ENDS_WITH)],
        "contains" => vec![fixed([TEXT, TEXT], Type::Boolean, &CONTAINS)],
        "instr" => vec![fixed([TEXT, TEXT], int, &POSITION_INT)],
        "repeat" => vec![fixed([TEXT, int], TEXT, &REPEAT_INT)],
        _ => return None,
    })
}

static REPEAT_INT: Function = Function {
    fails: true,
    duckdb: Form::Call("repeat"),
    ..same("repeat", |call| {
        let count = call.number::<Int32Type>(1);
        repeated(call, |row| count(row).map(i64::from))
    })
};

fn each(call: &Call<'_>, convert: impl Fn(&str, &mut String)) -> ArrayRef {
    let text = call.text(0);
    call.texts(|row, out| {
        convert(text(row)?, out);
        Some(())
    })
}

fn trim(call: &Call<'_>, head: bool, tail: bool, strip: impl Fn(char) -> bool + Copy) -> ArrayRef {
    each(call, |text, out| {
        let text = if head { text.trim_start_matches(strip) } else { text };
        out.push_str(if tail { text.trim_end_matches(strip) } else { text });
    })
}

fn trim_of(call: &Call<'_>, head: bool, tail: bool) -> ArrayRef {
    let (text, characters) = (call.text(0), call.text(1));
    call.texts(|row, out| {
        let (text, characters) = (text(row)?, characters(row)?);
        let strip = |character: char| characters.contains(character);
        let text = if head { text.trim_start_matches(strip) } else { text };
        out.push_str(if tail { text.trim_end_matches(strip) } else { text });
        Some(())
    })
}

fn test(call: &Call<'_>, holds: impl Fn(&str, &str) -> bool) -> ArrayRef {
    let (text, part) = (call.text(0), call.text(1));
    call.booleans(|row| Some(holds(text(row)?, part(row)?)))
}

/// Characters before the part, plus 1; 0 if it is not there.
fn position(text: &str, part: &str) -> i64 {
    text.find(part).map_or(0, |start| text[..start].chars().count() as i64 + 1)
}

/// The texts of the arguments; NULL is nothing.
fn concat_skipping_nulls(call: &Call<'_>) -> Result<ArrayRef> {
    let writers: Vec<_> =
        call.arguments.iter().zip(call.types).map(|(values, ty)| write::writer(&values.array, ty)).collect();
    Ok(call.texts(|row, out| {
        for (values, write) in call.arguments.iter().zip(&writers) {
            let row = values.at(row);
            if values.array.is_valid(row) {
                write(row, out);
            }
        }
        Some(())
    }))
}

/// The texts of the arguments; NULL if one is NULL.
fn join(call: &Call<'_>) -> Result<ArrayRef> {
    let texts: Vec<_> = (0..call.arguments.len()).map(|index| call.text(index)).collect();
    Ok(call.texts(|row, out| {
        for text in &texts {
            out.push_str(text(row)?);
        }
        Some(())
    }))
}

fn join_blobs(call: &Call<'_>) -> Result<ArrayRef> {
    let mut blobs = BinaryBuilder::new();
    for row in 0..call.rows {
        let parts = call.arguments.iter().map(|values| {
            let (row, bytes) = (values.at(row), values.array.as_binary::<i32>());
            bytes.is_valid(row).then(|| bytes.value(row))
        });
        blobs.append_option(parts.collect::<Option<Vec<_>>>().map(|parts| parts.concat()));
    }
    Ok(Arc::new(blobs.finish()))
}

/// DuckDB reverses what a reader sees as one character as one; where that needs Unicode's tables it is refused.
fn reverse(call: &Call<'_>) -> Result<ArrayRef> {
    let is_single = |character: char| {
        matches!(character as u32,
            0x20..=0x7e | 0xa1..=0xac | 0xae..=0x2ff | 0x370..=0x482 | 0x48a..=0x58f | 0x3041..=0x3096 | 0x30a1..=0x30fa
            | 0x4e00..=0x9fff)
    };
    let text = call.text(0);
    for row in 0..call.rows {
        if text(row).is_some_and(|text| !text.is_ascii() && !text.chars().all(is_single)) {
            return Err(call.failure(row, "reverse is not offered for text of combined characters"));
        }
    }
    Ok(each(call, |text, out| out.extend(text.chars().rev())))
}

fn pad(call: &Call<'_>, head: bool) -> Result<ArrayRef> {
    let (text, length, padding) = (call.text(0), call.number::<Int32Type>(1), call.text(2));
    for row in 0..call.rows {
        let (Some(text), Some(length), Some(padding)) = (text(row), length(row), padding(row)) else { continue };
        let length = usize::try_from(length).unwrap_or(0);
        if padding.is_empty() && text.chars().count() < length {
            return Err(call.failure(row, "there is nothing to pad with"));
        }
        if length > TEXT_BYTES_MAX {
            return Err(call.failure(row, &format!("a text would exceed {TEXT_BYTES_MAX} bytes")));
        }
    }
    Ok(call.texts(|row, out| {
        let (text, length, padding) = (text(row)?, usize::try_from(length(row)?).unwrap_or(0), padding(row)?);
        let kept = text.chars().take(length);
        let missing = length.saturating_sub(text.chars().count());
        let padding = padding.chars().cycle().take(missing);
        if head {
            out.extend(padding.chain(kept));
        } else {
            out.extend(kept.chain(padding));
        }
        Some(())
    }))
}

fn repeat(call: &Call<'_>) -> Result<ArrayRef> {
    repeated(call, call.number::<Int64Type>(1))
}

fn repeated(call: &Call<'_>, count: impl Fn(usize) -> Option<i64>) -> Result<ArrayRef> {
    let text = call.text(0);
    for row in 0..call.rows {
        let (Some(text), Some(count)) = (text(row), count(row)) else { continue };
        if text.len().saturating_mul(usize::try_from(count).unwrap_or(0)) > TEXT_BYTES_MAX {
            return Err(call.failure(row, &format!("a text would exceed {TEXT_BYTES_MAX} bytes")));
        }
    }
    Ok(call.texts(|row, out| {
        let (text, count) = (text(row)?, count(row)?);
        out.push_str(&text.repeat(usize::try_from(count).unwrap_or(0)));
        Some(())
    }))
}
