//! Random clauses of MERGE, and in other words which rows each of them is for.

use super::{
    expressions::{Scope, condition, value},
    source::{Shape, Source, Target},
    values::Class,
};
use crate::random::Random;

/// A statement, from ON or USING on.
#[derive(Debug, Clone)]
pub(super) struct Clauses {
    pub(super) on: String,
    pub(super) list: Vec<Clause>,
    pub(super) returning: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Clause {
    pub(super) when: When,
    pub(super) condition: Option<String>,
    pub(super) action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Matched,
    NotMatched,
    NotMatchedBySource,
}

#[derive(Debug, Clone)]
pub(super) enum Action {
    /// The columns that are set, where that matters, and the text.
    Update(Vec<usize>, String),
    Insert(String),
    Delete,
    DoNothing,
    Error(Option<String>),
}

impl Clauses {
    pub(super) fn new(target: &Target, source: &Source, random: &mut Random) -> Self {
        let mut made = Self { on: on(target, source, random), list: Vec::new(), returning: None };
        let mut unconditional = Vec::new();
        for _ in 0..*random.pick(&[1, 1, 2, 2, 3, 3, 4, 6]) {
            let when = *random.pick(&[
                When::Matched,
                When::Matched,
                When::Matched,
                When::NotMatched,
                When::NotMatched,
                When::NotMatchedBySource,
            ]);
            // One of each kind may be unconditional.
            let bare = random.percent(50) && !unconditional.contains(&when);
            if bare {
                unconditional.push(when);
            }
            let scope = scope(target, source, when, random);
            let condition = (!bare).then(|| condition(&scope, random));
            let action = action(target, source, when, &scope, condition.is_some(), random);
            made.list.push(Clause { when, condition, action });
        }
        made.returning = random.percent(40).then(|| returning(target, random));
        made
    }

    /// As `delta.merge` takes it; the target is called `target`.
    pub(super) fn text(&self) -> String {
        self.written(|clause| clause.action.text())
    }

    /// As MERGE INTO takes it. With RETURNING, DuckDB 1.5.5 answers with uninitialised memory for columns that an
    /// UPDATE of NOT MATCHED BY SOURCE does not set, so there all of them are set.
    pub(super) fn text_for_duckdb(&self, target: &Target) -> String {
        self.written(|clause| match &clause.action {
            Action::Update(set, _) if clause.when == When::NotMatchedBySource && self.returning.is_some() => {
                let kept = target.columns.iter().enumerate().filter(|(index, _)| !set.contains(index));
                let kept = kept.map(|(_, column)| format!(", {0} = target.{0}", column.name));
                clause.action.text() + &kept.collect::<String>()
            }
            action => action.text(),
        })
    }

    fn written(&self, action: impl Fn(&Clause) -> String) -> String {
        let clause = |clause: &Clause| {
            let condition = clause.condition.iter().map(|condition| format!(" AND {condition}")).collect::<String>();
            format!(" {}{condition} THEN {}", clause.when.text(), action(clause))
        };
        let list: String = self.list.iter().map(clause).collect();
        let returning: String = self.returning.iter().map(|returning| format!(" RETURNING {returning}")).collect();
        format!("{}{list}{returning}", self.on)
    }

    /// Which clause is for a row, by its index: those without a condition come last of their kind. SQL; NULL for none.
    pub(super) fn chosen(&self, when: When) -> String {
        let of_kind = || self.list.iter().enumerate().filter(move |(_, clause)| clause.when == when);
        let arms: String = of_kind()
            .filter_map(|(index, clause)| Some(format!(" WHEN {} THEN {index}", clause.condition.as_ref()?)))
            .collect();
        let last = of_kind().find(|(_, clause)| clause.condition.is_none());
        let last = last.map_or("NULL".to_owned(), |(index, _)| index.to_string());
        format!("CASE WHEN false THEN NULL{arms} ELSE {last} END")
    }

    /// The text that clauses which are errors raise, as SQL over the rows of a kind: an arm for each.
    pub(super) fn message(&self, when: When) -> String {
        let (chosen, of_kind) = (self.chosen(when), self.list.iter().enumerate());
        let of_kind = of_kind.filter(|(_, clause)| clause.when == when);
        let arms: String = of_kind
            .filter_map(|(index, clause)| match &clause.action {
                Action::Error(Some(message)) => Some(format!(" WHEN ({chosen}) = {index} THEN {message}")),
                _ => None,
            })
            .collect();
        if arms.is_empty() { "NULL".to_owned() } else { format!("CASE{arms} END") }
    }
}

impl When {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Matched => "WHEN MATCHED",
            Self::NotMatched => "WHEN NOT MATCHED",
            Self::NotMatchedBySource => "WHEN NOT MATCHED BY SOURCE",
        }
    }
}

impl Action {
    fn text(&self) -> String {
        match self {
            Self::Update(_, text) | Self::Insert(text) => text.clone(),
            Self::Delete => "DELETE".to_owned(),
            Self::DoNothing => "DO NOTHING".to_owned(),
            Self::Error(None) => "ERROR".to_owned(),
            Self::Error(Some(message)) => format!("ERROR {message}"),
        }
    }
}

/// What a clause may read.
fn scope(target: &Target, source: &Source, when: When, random: &mut Random) -> Scope {
    let mut scope = Vec::new();
    if when != When::NotMatched {
        // A name that is of one side alone needs no table before it.
        let bare = |name: &str| when != When::Matched || source.columns.iter().all(|column| column.name != name);
        for column in &target.columns {
            add(&mut scope, "target", &column.name, column.class, bare(&column.name) && random.percent(30));
        }
    }
    if when != When::NotMatchedBySource {
        let bare = |name: &str| when != When::Matched || target.columns.iter().all(|column| column.name != name);
        for column in &source.columns {
            add(&mut scope, "source", &column.name, column.class, bare(&column.name) && random.percent(30));
        }
    }
    scope
}

fn add(scope: &mut Scope, table: &str, name: &str, class: Class, bare: bool) {
    let written = if bare { name.to_owned() } else { format!("{table}.{name}") };
    match class {
        Class::Struct => {
            scope.push((format!("{written}['a']"), Class::Integer));
            scope.push((format!("struct_extract({written}, 'b')"), Class::Text));
        }
        Class::List => scope.push((format!("len({written})"), Class::Integer)),
        _ => {}
    }
    scope.push((written, class));
}

fn on(target: &Target, source: &Source, random: &mut Random) -> String {
    let key = &target.columns[0];
    let other = source.name_of(0).expect("every source has the key");
    let few = source.rows.len() <= 1;
    if source.shape != Shape::Renamed && random.percent(20) {
        // Values of g that are equal too are rare, but not so rare for short types.
        let both = source.name_of(1).is_some() && random.percent(20);
        return if both { "USING (k, g)".to_owned() } else { "USING (k)".to_owned() };
    }
    let equality = match random.below(14) {
        0 => format!("target.k IS NOT DISTINCT FROM source.{other}"),
        1 => format!("source.{other} = target.k"),
        2 if key.class == Class::Integer => format!("target.k = source.{other} + 1"),
        3 if key.class == Class::Integer => format!("target.k + 1 = source.{other}"),
        2 | 3 if key.class == Class::Text => format!("lower(target.k) = lower(source.{other})"),
        2 | 3 if key.class == Class::Date => format!("target.k = source.{other} + 1"),
        4 if key.class == Class::Integer => format!("target.k - source.{other} = 0"),
        4 if few => format!("target.k < source.{other}"),
        5 if few => "true".to_owned(),
        5 => "false".to_owned(),
        _ => format!("target.k = source.{other}"),
    };
    let mut parts = vec![equality];
    if let Some(name) = source.name_of(1).filter(|_| random.percent(15)) {
        let kind = if random.percent(30) { "IS NOT DISTINCT FROM" } else { "=" };
        parts.push(format!("target.g {kind} source.{name}"));
    }
    for when in [When::NotMatchedBySource, When::NotMatched, When::Matched] {
        if random.percent(12) {
            let scope: Scope = scope(target, source, when, random);
            let scope = scope.into_iter().filter(|(text, _)| text.contains("target.") || text.contains("source."));
            let scope: Scope = scope.collect();
            parts.push(condition(&scope, random));
        }
    }
    random.shuffle(&mut parts);
    format!("ON {}", parts.join(" AND "))
}

fn action(
    target: &Target,
    source: &Source,
    when: When,
    scope: &Scope,
    conditional: bool,
    random: &mut Random,
) -> Action {
    match random.below(100) {
        0..8 => Action::DoNothing,
        // Without a condition it would end nearly every statement.
        8..12 if conditional || random.percent(10) => {
            let message = random.percent(70).then(|| match random.percent(50) {
                true => "'not this one'".to_owned(),
                false => format!("'no: ' || {}", value(Class::Text, scope, random)),
            });
            Action::Error(message)
        }
        12..40 if when != When::NotMatched => Action::Delete,
        _ if when == When::NotMatched => Action::Insert(insert(target, source, scope, random)),
        _ => update(target, source, when, scope, random),
    }
}

fn update(target: &Target, source: &Source, when: When, scope: &Scope, random: &mut Random) -> Action {
    if when == When::Matched {
        let by_position = ["UPDATE", "UPDATE SET *", "UPDATE BY POSITION", "UPDATE BY NAME"];
        let whole = match source.shape {
            Shape::Same => Some(*random.pick(&by_position)),
            Shape::Renamed => Some(*random.pick(&by_position[..3])),
            Shape::Reordered | Shape::Fewer => Some("UPDATE BY NAME"),
            Shape::More => None,
        };
        if let Some(text) = whole.filter(|_| random.percent(35)) {
            return Action::Update(Vec::new(), text.to_owned());
        }
    }
    let mut set: Vec<usize> = (0..target.columns.len()).collect();
    random.shuffle(&mut set);
    set.truncate(1 + random.below(3));
    // The key rarely.
    if set.len() > 1 && random.percent(80) {
        set.retain(|index| *index > 0);
    }
    let values: Vec<_> = set.iter().map(|index| assigned(target, source, *index, when, scope, random)).collect();
    let names: Vec<_> = set.iter().map(|index| target.columns[*index].name.as_str()).collect();
    let text = if set.len() > 1 && random.percent(10) {
        format!("UPDATE SET ({}) = ({})", names.join(", "), values.join(", "))
    } else {
        let assignments: Vec<_> = names.iter().zip(&values).map(|(name, value)| format!("{name} = {value}")).collect();
        format!("UPDATE SET {}", assignments.join(", "))
    };
    Action::Update(set, text)
}

fn insert(target: &Target, source: &Source, scope: &Scope, random: &mut Random) -> String {
    let by_position = ["INSERT", "INSERT *", "INSERT BY POSITION", "INSERT BY NAME", "INSERT BY NAME *"];
    let whole = match source.shape {
        Shape::Same => Some(*random.pick(&by_position)),
        Shape::Renamed => Some(*random.pick(&by_position[..3])),
        Shape::Reordered | Shape::Fewer => Some(*random.pick(&by_position[3..])),
        Shape::More => None,
    };
    if let Some(text) = whole.filter(|_| random.percent(50)) {
        return text.to_owned();
    }
    if random.percent(4) {
        return "INSERT DEFAULT VALUES".to_owned();
    }
    let mut columns: Vec<usize> = (0..target.columns.len()).collect();
    let listed = random.percent(70);
    if listed {
        random.shuffle(&mut columns);
        columns.retain(|index| *index == 0 || random.percent(70));
    }
    let values: Vec<_> =
        columns.iter().map(|index| assigned(target, source, *index, When::NotMatched, scope, random)).collect();
    let names: Vec<_> = columns.iter().map(|index| target.columns[*index].name.as_str()).collect();
    let names = if listed { format!(" ({})", names.join(", ")) } else { String::new() };
    format!("INSERT{names} VALUES ({})", values.join(", "))
}

/// What a column becomes: the source's value of it, a computed one, a literal.
fn assigned(target: &Target, source: &Source, index: usize, when: When, scope: &Scope, random: &mut Random) -> String {
    let column = &target.columns[index];
    match source.name_of(index).filter(|_| when != When::NotMatchedBySource) {
        Some(name) if index == 0 || random.percent(45) => format!("source.{name}"),
        _ if random.percent(4) => "NULL".to_owned(),
        _ if random.percent(4) => "DEFAULT".to_owned(),
        _ if column.never_empty && column.class == Class::Text => {
            format!("nullif({}, '')", value(column.class, scope, random))
        }
        _ => value(column.class, scope, random),
    }
}

fn returning(target: &Target, random: &mut Random) -> String {
    let scope: Scope = target.columns.iter().map(|column| (column.name.clone(), column.class)).collect();
    match random.below(5) {
        0 => "*".to_owned(),
        1 => "merge_action, *".to_owned(),
        2 => "*, merge_action AS what".to_owned(),
        3 => {
            let class = random.pick(&target.columns).class;
            format!("lower(merge_action), k AS id, {} AS made", value(class, &scope, random))
        }
        _ => format!("merge_action, {}", random.pick(&target.columns).name),
    }
}
