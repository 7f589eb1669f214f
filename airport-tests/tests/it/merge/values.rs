//! Columns of random types, and SQL literals for them.

use crate::random::Random;

/// What expressions can do with a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Integer,
    Decimal,
    Real,
    Text,
    Date,
    Timestamp,
    Boolean,
    Struct,
    List,
}

use Class::{Boolean, Date, Decimal, Integer, List, Real, Struct, Text, Timestamp};

/// A column of a table or a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) class: Class,
    /// DuckDB's name of the type.
    pub(super) sql_type: &'static str,
    /// Its text is never empty: Delta has no empty text among the values of a partition.
    pub(super) never_empty: bool,
}

/// The types of each class.
const TYPES: [(Class, &[&str]); 9] = [
    (Integer, &["TINYINT", "SMALLINT", "INTEGER", "BIGINT"]),
    (Decimal, &["DECIMAL(9,2)", "DECIMAL(18,3)", "DECIMAL(30,4)"]),
    (Real, &["FLOAT", "DOUBLE"]),
    (Text, &["VARCHAR"]),
    (Date, &["DATE"]),
    (Timestamp, &["TIMESTAMP"]),
    (Boolean, &["BOOLEAN"]),
    (Struct, &["STRUCT(a INTEGER, b VARCHAR)"]),
    (List, &["INTEGER[]"]),
];

/// Short texts: of several scripts, of numbers, and such as differ by case or by spaces alone.
const TEXTS: [&str; 16] =
    ["", "a", "A", "ab", "aB", " a", "a ", "b_c", "b%c", "12", "-7", "3.5", "it''s", "Ünï", "日本語", "naïve Straße"];

impl Column {
    pub(super) fn new(name: &str, class: Class, random: &mut Random) -> Self {
        Self { name: name.to_owned(), class, sql_type: random.pick::<&str>(types(class)), never_empty: false }
    }

    /// A column whose values this one takes: of the same class, or of one that is cast to it.
    pub(super) fn alike(&self, name: &str, random: &mut Random) -> Self {
        let class = match self.class {
            Decimal if random.percent(20) => Integer,
            Real if random.percent(20) => *random.pick(&[Integer, Decimal]),
            Integer if random.percent(5) => Decimal,
            Timestamp if random.percent(20) => Date,
            class => class,
        };
        if class == self.class && random.percent(60) {
            return Self { name: name.to_owned(), ..self.clone() };
        }
        Self { never_empty: self.never_empty, ..Self::new(name, class, random) }
    }

    /// A literal for it, NULL now and then.
    pub(super) fn literal(&self, random: &mut Random) -> String {
        match literal(self.class, random) {
            _ if random.percent(12) => "NULL".to_owned(),
            empty if empty == "''" && self.never_empty => "'.'".to_owned(),
            literal => literal,
        }
    }
}

fn types(class: Class) -> &'static [&'static str] {
    TYPES.iter().find(|(of, _)| *of == class).expect("every class has types").1
}

/// A literal that is not NULL. Numbers are small: a few operations on the narrowest type do not leave it.
pub(super) fn literal(class: Class, random: &mut Random) -> String {
    match class {
        Integer => format!("{}", random.below(31) as i64 - 15),
        Decimal => format!("{}.{:02}", random.below(31) as i64 - 15, random.below(100)),
        Real => random
            .pick(&["0.0", "-0.0", "0.5", "-1.25", "2.5", "3.5", "100.0", "0.1", "'NaN'::DOUBLE", "'inf'::DOUBLE"])
            .to_string(),
        Text => format!("'{}'", random.pick(&TEXTS)),
        Date => format!("DATE '{}'", date(random)),
        Timestamp => format!(
            "TIMESTAMP '{} {:02}:{:02}:00.{:06}'",
            date(random),
            random.below(24),
            random.below(60),
            random.below(3) * 1234
        ),
        Boolean => random.pick(&["true", "false"]).to_string(),
        Struct => format!("{{'a': {}, 'b': {}}}", literal(Integer, random), literal(Text, random)),
        List => {
            let items: Vec<_> = (0..random.below(4)).map(|_| literal(Integer, random)).collect();
            format!("[{}]::INTEGER[]", items.join(", "))
        }
    }
}

fn date(random: &mut Random) -> String {
    let year = random.pick(&[1969, 2023, 2024]);
    format!("{year}-{:02}-{:02}", 1 + random.below(12), 1 + random.below(28))
}

/// The `number`th of the values a key column may have, as a literal.
pub(super) fn key(class: Class, number: usize) -> String {
    match class {
        Integer => format!("{}", number as i64 - 20),
        Decimal => format!("{}.{:02}", number / 4, 25 * (number % 4)),
        Text => format!("'{}{number}'", ["k", "K", "é"][number % 3]),
        Date => format!("DATE '2024-01-01' + {number}"),
        Timestamp => format!("TIMESTAMP '2024-01-01 00:00:00' + INTERVAL {number} MINUTE"),
        other => unreachable!("{other:?} is no class of keys"),
    }
}

/// How many keys there are of a type, so that narrow ones hold them all and a few operations more.
pub(super) fn keys(column: &Column) -> usize {
    match (column.class, column.sql_type) {
        (Integer, "TINYINT") => 60,
        _ => 90,
    }
}
