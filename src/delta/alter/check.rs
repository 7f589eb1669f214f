//! Whether every row so far keeps a new rule.

use std::{
    collections::{BTreeSet, HashSet},
    num::NonZeroUsize,
    sync::Arc,
};

use arrow::array::{Array, AsArray, RecordBatch};
use futures::TryStreamExt;

use crate::{
    delta::{definition::Definition, file::FileKey, rules::row_text, snapshot::DeltaSnapshot},
    engine::{Error, Predicate, ReadPart, ReadUnit, Result, ScanRequest, Snapshot},
    expression::Expression,
};

/// What rows must keep.
#[derive(Debug)]
pub(super) enum Rule {
    /// A column without NULL.
    NotNull {
        /// Its place on the seam.
        column: usize,
    },
    /// A condition that is true or NULL.
    Check {
        /// The columns it looks at, by their places on the seam.
        columns: Vec<usize>,
        /// The condition, over those columns.
        condition: Box<Expression>,
        /// As the user wrote it.
        sql: String,
    },
}

/// The files that have been found to keep a rule, so that another look costs only what is new.
#[derive(Debug, Default)]
pub(super) struct Checked {
    definition: Option<Arc<Definition>>,
    files: HashSet<FileKey>,
}

impl Checked {
    /// Reads the rows of the files that were not looked at before.
    ///
    /// # Errors
    /// `InvalidArgument` if a row does not keep the rule; the text shows the row.
    pub(super) async fn check(&mut self, snapshot: &DeltaSnapshot, rule: &Rule) -> Result<()> {
        if self.definition.as_ref() != Some(snapshot.definition()) {
            (self.definition, self.files) = (Some(snapshot.definition().clone()), HashSet::new());
        }
        let request = rule.request(snapshot);
        let files = snapshot.files().await?.clone();
        let plan = snapshot.plan(&request, NonZeroUsize::MIN).await?;
        let is_new =
            |unit: &ReadUnit| files.get(unit.file as usize).is_none_or(|file| !self.files.contains(&file.key()));
        let units = plan.parts.into_iter().flat_map(|part| part.units).filter(is_new).collect();
        look(snapshot, rule, &request, units).await?;
        self.files.extend(files.iter().map(|file| file.key()));
        Ok(())
    }
}

async fn look(snapshot: &DeltaSnapshot, rule: &Rule, request: &ScanRequest, units: Vec<ReadUnit>) -> Result<()> {
    for unit in units {
        let part = ReadPart { units: vec![unit] };
        let mut batches = snapshot.read(request, &part).await?;
        while let Some(batch) = batches.try_next().await? {
            if rule.broken_by(&batch.rows)?.is_some() {
                return Err(rule.refusal(snapshot, &show(snapshot, rule, request, &part).await?));
            }
        }
    }
    Ok(())
}

impl Rule {
    /// The columns the rule looks at, ascending.
    fn columns(&self) -> &[usize] {
        match self {
            Self::NotNull { column } => std::slice::from_ref(column),
            Self::Check { columns, .. } => columns,
        }
    }

    /// What has to be read.
    fn request(&self, snapshot: &DeltaSnapshot) -> ScanRequest {
        let predicate = match self {
            Self::NotNull { column } => {
                let name = snapshot.schema().field(*column).name().clone();
                Predicate::IsNull { column: vec![name], negated: false }
            }
            Self::Check { .. } => Predicate::Unknown,
        };
        ScanRequest { projection: self.columns().to_vec(), row_id: false, predicate }
    }

    /// The first row of a batch of the rule's columns that does not keep it.
    fn broken_by(&self, rows: &RecordBatch) -> Result<Option<usize>> {
        match self {
            Self::NotNull { .. } => {
                let column = rows.column(0);
                Ok((0..column.len()).find(|&row| column.is_null(row)))
            }
            Self::Check { condition, .. } => {
                let kept = condition.evaluate(rows)?;
                let Some(kept) = kept.as_boolean_opt() else {
                    return Err(Error::InvalidArgument("a CHECK is a condition, true or false".to_owned()));
                };
                Ok(kept.iter().position(|kept| kept == Some(false)))
            }
        }
    }

    fn refusal(&self, snapshot: &DeltaSnapshot, row: &str) -> Error {
        let table = snapshot.table().store().name();
        Error::InvalidArgument(match self {
            Self::NotNull { column } => {
                let schema = snapshot.schema();
                let name = schema.field(*column).name();
                format!("column '{name}' of table '{table}' cannot be NOT NULL: a row has no value for it: {row}")
            }
            Self::Check { sql, .. } => {
                format!("table '{table}' cannot have CHECK ({sql}): a row does not keep it: {row}")
            }
        })
    }
}

/// Columns of a row that are read to be shown.
const SHOWN_COLUMNS_MAX: usize = 12;

/// The first row of a part that does not keep the rule, with the values of its first columns.
async fn show(snapshot: &DeltaSnapshot, rule: &Rule, request: &ScanRequest, part: &ReadPart) -> Result<String> {
    let shown = snapshot.schema().fields().len().min(SHOWN_COLUMNS_MAX);
    let projection: BTreeSet<_> = (0..shown).chain(rule.columns().iter().copied()).collect();
    let places: Vec<_> =
        rule.columns().iter().filter_map(|at| projection.iter().position(|other| other == at)).collect();
    let request = ScanRequest { projection: projection.into_iter().collect(), ..request.clone() };
    let mut batches = snapshot.read(&request, part).await?;
    while let Some(batch) = batches.try_next().await? {
        let looked_at = batch.rows.project(&places).map_err(|error| Error::internal("cannot show a row", error))?;
        if let Some(row) = rule.broken_by(&looked_at)? {
            return Ok(row_text(&batch.rows, row, places));
        }
    }
    Ok("(gone)".to_owned())
}
