//! Clauses and what DuckDB makes of them.
//!
//! `duckdb.txt` holds it, tab by tab, so that the tests need no DuckDB: `target` and `source` with their columns, `t` and `s`
//! with their rows, and for these tables lines of clauses. `case` has what DuckDB 1.5.5 counts as inserted, updated and
//! deleted in `MERGE INTO orders AS target USING src AS source`, and the rows of the table after it; `returning` has the rows
//! that are given back and those after it; `fail` is one that DuckDB refuses, or that fails. The merge here is the plainest
//! there is: each row with each.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray, UInt64Array},
    compute::{concat_batches, take},
    datatypes::{DataType, Field, Schema},
};

use super::{super::*, Table};
use crate::engine::Error;

#[test]
fn clauses_mean_what_duckdb_means() {
    let wrong = disagreements(include_str!("duckdb.txt"));
    assert!(wrong.is_empty(), "{} disagree:\n{}", wrong.len(), wrong.join("\n"));
}

/// Any other table of the same form, for wider comparisons: the file named by `DELTAPORT_MERGES`.
#[test]
#[ignore = "asks for a file"]
fn clauses_of_a_file_mean_what_duckdb_means() {
    let Ok(file) = std::env::var("DELTAPORT_MERGES") else { panic!("DELTAPORT_MERGES names no file") };
    let wrong = disagreements(&std::fs::read_to_string(file).expect("a readable file"));
    assert!(wrong.is_empty(), "{} disagree:\n{}", wrong.len(), wrong.join("\n"));
}

fn disagreements(answers: &str) -> Vec<String> {
    let (mut wrong, mut tables) = (Vec::new(), [const { (Vec::new(), Vec::new()) }; 2]);
    for line in answers.lines() {
        let mut words = line.split('\t');
        let kind = words.next().unwrap_or_default();
        let words: Vec<&str> = words.collect();
        let side = usize::from(matches!(kind, "source" | "s"));
        let row = || words.iter().map(|word| (*word != "\\N").then_some(*word)).collect::<Vec<_>>();
        match kind {
            "target" | "source" => tables[side] = (words, Vec::new()),
            "t" | "s" => tables[side].1.push(row()),
            _ => {
                let [target, source] = [0, 1].map(|side| Table::new(&tables[side].0, &tables[side].1));
                let clauses = words[0];
                let answer = merge(clauses, &target, &source);
                let answer = match (kind, &answer) {
                    ("fail", Err(_)) => continue,
                    ("case", Ok(Merged { counts, after, .. })) => format!("{counts}\t{after}"),
                    ("returning", Ok(Merged { returned, after, .. })) => format!("{returned}\t{after}"),
                    (_, Err(error)) => error.to_string(),
                    (_, Ok(merged)) => format!("{}\t{}", merged.counts, merged.after),
                };
                let expected = words[1..].join("\t");
                if answer != expected {
                    wrong.push(format!("{clauses}\n    DuckDB: {kind} {expected}\n    here:   {answer}"));
                }
            }
        }
    }
    wrong
}

struct Merged {
    counts: String,
    after: String,
    returned: String,
}

/// What has become of the table.
#[derive(Default)]
struct Work {
    counts: [usize; 3],
    inserted: Vec<RecordBatch>,
    changed: Vec<Option<Option<RecordBatch>>>,
    returned: Vec<String>,
}

fn merge(clauses: &str, target: &Table, source: &Table) -> Result<Merged> {
    let plan = plan(&MergeClauses::Text(clauses.to_owned()), target.target(), &source.columns)?;
    let mut work = Work { changed: vec![None; target.rows.num_rows()], ..Work::default() };
    let mut matched = [vec![false; target.rows.num_rows()], vec![false; source.rows.num_rows()]];
    for row in 0..target.rows.num_rows() {
        for other in 0..source.rows.num_rows() {
            let pair = joined(&plan, target, source, Some(row), Some(other));
            if matches(&plan.on, &pair)? {
                matched[0][row] = true;
                matched[1][other] = true;
                apply(&plan, target, When::Matched, &pair, Some(row), &mut work)?;
            }
        }
    }
    for row in (0..target.rows.num_rows()).filter(|row| !matched[0][*row]) {
        let pair = joined(&plan, target, source, Some(row), None);
        apply(&plan, target, When::NotMatchedBySource, &pair, Some(row), &mut work)?;
    }
    for other in (0..source.rows.num_rows()).filter(|row| !matched[1][*row]) {
        let pair = joined(&plan, target, source, None, Some(other));
        apply(&plan, target, When::NotMatched, &pair, None, &mut work)?;
    }
    let kept = work.changed.iter().enumerate().filter_map(|(row, changed)| match changed {
        None => Some(target.rows.slice(row, 1)),
        Some(changed) => changed.clone(),
    });
    let after = kept.chain(work.inserted).map(|row| text(&row)).collect();
    let counts = work.counts.map(|count| count.to_string()).join(" ");
    Ok(Merged { counts, after: sorted(after), returned: sorted(work.returned) })
}

fn sorted(mut rows: Vec<String>) -> String {
    rows.sort();
    rows.join(" ; ")
}

/// One row of both sides; one of them may be missing.
fn joined(plan: &MergePlan, target: &Table, source: &Table, row: Option<usize>, other: Option<usize>) -> RecordBatch {
    let side = |table: &Table, row: Option<usize>| {
        let index = UInt64Array::from(vec![row.map(|row| row as u64)]);
        table.rows.columns().iter().map(|column| take(column, &index, None).expect("a row")).collect::<Vec<_>>()
    };
    let columns = [side(target, row), side(source, other)].concat();
    RecordBatch::try_new(plan.columns.clone(), columns).expect("joined columns")
}

fn matches(on: &On, pair: &RecordBatch) -> Result<bool> {
    for key in &on.keys {
        let (target, source) = (key.target.evaluate(pair)?, key.source.evaluate(pair)?);
        assert_eq!(key.target.result().data_type(), key.source.result().data_type());
        let equal = match (target.is_null(0), source.is_null(0)) {
            (true, true) => key.nulls_equal,
            (false, false) => arrow::compute::kernels::cmp::eq(&target, &source).expect("one type").value(0),
            _ => false,
        };
        if !equal {
            return Ok(false);
        }
    }
    let rest = on.target.iter().chain(&on.source).chain(&on.rest);
    rest.map(|condition| holds(condition, pair)).try_fold(true, |all, one| Ok(all && one?))
}

fn holds(condition: &Expression, pair: &RecordBatch) -> Result<bool> {
    let value = condition.evaluate(pair)?;
    Ok(value.is_valid(0) && value.as_boolean().value(0))
}

fn apply(
    plan: &MergePlan,
    target: &Table,
    when: When,
    pair: &RecordBatch,
    row: Option<usize>,
    work: &mut Work,
) -> Result<()> {
    for clause in plan.clauses.iter().filter(|clause| clause.when == when) {
        if let Some(condition) = &clause.condition
            && !holds(condition, pair)?
        {
            continue;
        }
        let before = pair.columns()[..plan.target_columns].to_vec();
        let batch = |columns| RecordBatch::try_new(target.columns.clone(), columns).expect("a row of the target");
        let (kind, new) = match &clause.action {
            Action::DoNothing => return Ok(()),
            Action::Error(message) => {
                let message = message.as_ref().map(|message| message.evaluate(pair)).transpose()?;
                return Err(Error::InvalidArgument(format!("{message:?}")));
            }
            Action::Insert(values) => {
                let values = values.iter().zip(target.columns.fields()).map(|(value, field)| match value {
                    Some(value) => value.evaluate(pair),
                    None => Ok(arrow::array::new_null_array(field.data_type(), 1)),
                });
                (0, batch(values.collect::<Result<_>>()?))
            }
            Action::Update(set) => {
                let mut columns = before;
                for Assignment { column, value } in set {
                    columns[*column] = value.evaluate(pair)?;
                }
                (1, batch(columns))
            }
            Action::Delete => (2, batch(before)),
        };
        work.counts[kind] += 1;
        give_back(plan, kind, &new, work)?;
        match (kind, row) {
            (0, _) => work.inserted.push(new),
            (_, Some(row)) => {
                assert!(work.changed[row].is_none(), "no two rows of the source change one");
                work.changed[row] = Some((kind == 1).then_some(new));
            }
            _ => panic!("{kind} of no row"),
        }
        return Ok(());
    }
    Ok(())
}

fn give_back(plan: &MergePlan, kind: usize, row: &RecordBatch, work: &mut Work) -> Result<()> {
    let Some(Returning { columns, values }) = &plan.returning else { return Ok(()) };
    let action: ArrayRef = Arc::new(StringArray::from(vec![["INSERT", "UPDATE", "DELETE"][kind]]));
    let mut fields = row.schema().fields().to_vec();
    fields.push(Arc::new(Field::new("merge_action", DataType::Utf8, false)));
    let row = RecordBatch::try_new(Arc::new(Schema::new(fields)), [row.columns(), &[action]].concat()).expect("a row");
    let values = values.iter().map(|value| value.evaluate(&row)).collect::<Result<Vec<_>>>()?;
    let one = RecordBatchOptions::new().with_row_count(Some(1));
    let returned =
        RecordBatch::try_new_with_options(columns.clone(), values, &one).expect("the columns that were told");
    work.returned.push(text(&concat_batches(columns, [&returned]).expect("a row")));
    Ok(())
}

/// The first row, as texts.
fn text(row: &RecordBatch) -> String {
    let values = (0..row.num_columns()).map(|index| {
        let text = Expression::column(row.schema_ref(), index).expect("a column");
        let text =
            text.cast_to(&Field::new("text", DataType::Utf8, true)).expect("a text").evaluate(row).expect("a text");
        let text = text.as_string::<i32>();
        if text.is_null(0) { "\\N".to_owned() } else { text.value(0).to_owned() }
    });
    values.collect::<Vec<_>>().join(" | ")
}
