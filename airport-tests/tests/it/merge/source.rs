//! The table of a case, and sources for it.

use super::values::{Class, Column, key, keys};
use crate::random::Random;

/// The target's columns: `k`, which sources are matched by, then `g`, then others.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) columns: Vec<Column>,
}

/// How a source's columns stand to the target's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The same names in the same order.
    Same,
    /// The same names in another order.
    Reordered,
    /// Some of them.
    Fewer,
    /// All of them, and others.
    More,
    /// As many, of other names.
    Renamed,
}

/// A source.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) shape: Shape,
    pub(super) columns: Vec<Column>,
    /// The name of each of the target's columns here, if it has one.
    pub(super) names: Vec<Option<String>>,
    /// Literals.
    pub(super) rows: Vec<Vec<String>>,
}

const SHAPES: [Shape; 8] = [
    Shape::Same,
    Shape::Same,
    Shape::Same,
    Shape::Reordered,
    Shape::Fewer,
    Shape::More,
    Shape::Renamed,
    Shape::Renamed,
];

const KEY_CLASSES: [Class; 8] = [
    Class::Integer,
    Class::Integer,
    Class::Integer,
    Class::Text,
    Class::Text,
    Class::Date,
    Class::Decimal,
    Class::Timestamp,
];

/// Classes whose values all have a text as a partition's.
const GROUP_CLASSES: [Class; 4] = [Class::Integer, Class::Text, Class::Date, Class::Boolean];

const CLASSES: [Class; 9] = [
    Class::Integer,
    Class::Decimal,
    Class::Real,
    Class::Text,
    Class::Date,
    Class::Timestamp,
    Class::Boolean,
    Class::Struct,
    Class::List,
];

impl Target {
    pub(super) fn new(random: &mut Random) -> Self {
        let mut columns = vec![
            Column::new("k", *random.pick(&KEY_CLASSES), random),
            Column { never_empty: true, ..Column::new("g", *random.pick(&GROUP_CLASSES), random) },
        ];
        for number in 0..1 + random.below(5) {
            // Nested ones now and then.
            let classes = if random.percent(10) { &CLASSES[..] } else { &CLASSES[..7] };
            columns.push(Column::new(&format!("c{number}"), *random.pick(classes), random));
        }
        Self { columns }
    }

    /// Rows, some with one key.
    pub(super) fn rows(&self, count: usize, random: &mut Random) -> Vec<Vec<String>> {
        let keys = keys(&self.columns[0]);
        (0..count).map(|_| self.row(random.below(keys), random)).collect()
    }

    fn row(&self, number: usize, random: &mut Random) -> Vec<String> {
        let key = if random.percent(4) { "NULL".to_owned() } else { key(self.columns[0].class, number) };
        std::iter::once(key).chain(self.columns[1..].iter().map(|column| column.literal(random))).collect()
    }
}

impl Source {
    pub(super) fn new(target: &Target, random: &mut Random) -> Self {
        let shape = *random.pick(&SHAPES);
        let mut picked: Vec<usize> = (0..target.columns.len()).collect();
        match shape {
            Shape::Reordered => random.shuffle(&mut picked),
            Shape::Fewer => picked.retain(|index| *index == 0 || random.percent(60)),
            Shape::More => random.shuffle(&mut picked),
            Shape::Same | Shape::Renamed => {}
        }
        let mut names = vec![None; target.columns.len()];
        let mut columns = Vec::new();
        for index in &picked {
            let name = if shape == Shape::Renamed { format!("s{index}") } else { target.columns[*index].name.clone() };
            columns.push(target.columns[*index].alike(&name, random));
            names[*index] = Some(name);
        }
        if shape == Shape::More {
            columns.push(Column { name: "op".to_owned(), class: Class::Text, sql_type: "VARCHAR", never_empty: false });
            columns.push(Column::new("x", *random.pick(&CLASSES[..7]), random));
        }
        let mut source = Self { shape, columns, names, rows: Vec::new() };
        source.fill(target, random);
        source
    }

    /// Rows whose keys differ, with few exceptions.
    fn fill(&mut self, target: &Target, random: &mut Random) {
        let key_column = &target.columns[0];
        let mut numbers: Vec<_> = (0..keys(key_column) + 10).collect();
        random.shuffle(&mut numbers);
        numbers.truncate(*random.pick(&[0, 1, 2, 5, 20, 40, 40, 60]));
        if random.percent(4) {
            numbers.extend_from_within(..numbers.len().min(1));
        }
        let named = self.names[0].clone().expect("every source has the key");
        for number in numbers {
            let value = |column: &Column| match &column.name {
                name if *name == named && random.percent(3) => "NULL".to_owned(),
                // A source of another class has the same values, as far as it can.
                name if *name == named => format!("({})::{}", key(key_column.class, number), column.sql_type),
                name if name == "op" => random.pick(&["'i'", "'u'", "'d'", "NULL"]).to_string(),
                _ => column.literal(random),
            };
            self.rows.push(self.columns.iter().map(value).collect());
        }
    }

    /// The name here of a column of the target.
    pub(super) fn name_of(&self, index: usize) -> Option<&str> {
        self.names[index].as_deref()
    }
}

/// CREATE TABLE with rows, as statements.
pub(super) fn table(name: &str, columns: &[Column], rows: &[Vec<String>]) -> Vec<String> {
    let declared: Vec<_> = columns.iter().map(|column| format!("{} {}", column.name, column.sql_type)).collect();
    let mut statements = vec![format!("CREATE OR REPLACE TABLE {name} ({})", declared.join(", "))];
    for rows in rows.chunks(500) {
        statements.push(insert(name, rows));
    }
    statements
}

/// INSERT of literals.
pub(super) fn insert(name: &str, rows: &[Vec<String>]) -> String {
    let rows: Vec<_> = rows.iter().map(|row| format!("({})", row.join(", "))).collect();
    format!("INSERT INTO {name} VALUES {}", rows.join(", "))
}
