//! One group on its way into a version: files of the rows that have none, one commit, and an answer to each.

use std::sync::Arc;

use super::{Answer, Member};
use crate::{
    delta::{
        commit::append,
        snapshot::DeltaSnapshot,
        write::{FewRows, OutcomeUnknown, Staged, Written, settle, write_together},
    },
    engine::{CommitOutcome, Error, Result, Snapshot},
};

/// A member whose rows are about to be, or are, in files.
struct Asking {
    base: DeltaSnapshot,
    rows: u64,
    answer: Answer,
}

/// A member whose rows have no file yet.
struct Unwritten {
    asking: Asking,
    rows: FewRows,
}

/// Leads members, whose bases have one definition, into one version.
pub(super) async fn round(members: Vec<Member>) {
    let mut ready = Ready::default();
    let mut unwritten = Vec::new();
    for Member { base, written, answer, .. } in members {
        let asking = Asking { base, rows: written.rows(), answer };
        match written {
            Written::Rows(rows) => unwritten.push(Unwritten { asking, rows }),
            Written::Files(staged) => ready.add([asking], staged),
        }
    }
    write(unwritten, &mut ready).await;
    ready.commit().await;
}

/// Makes files of all rows together. If that fails, in halves, and halves of those that fail, until what is at fault
/// is alone and hears of it; the rest go on.
async fn write(unwritten: Vec<Unwritten>, ready: &mut Ready) {
    // The definition of all.
    let Some(base) = unwritten.first().map(|one| one.asking.base.clone()) else { return };
    let mut level = vec![unwritten];
    while !level.is_empty() {
        let (parts, mut failed) = (level.len(), Vec::new());
        for part in level {
            let target = base.table().stage_target(base.definition());
            match write_together(target, part.iter().map(|one| one.rows.clone()).collect()).await {
                Ok(staged) => ready.add(part.into_iter().map(|one| one.asking), staged),
                Err(error) => failed.push((part, error)),
            }
        }
        // One bad member spoils one half. Both fail by the disk, or the store, and so would all others, after as long.
        if parts > 1 && failed.len() == parts && failed.iter().all(|(_, error)| is_internal(error)) {
            return failed.into_iter().for_each(|(part, error)| refuse(part, error));
        }
        level = failed.into_iter().flat_map(|(part, error)| halves(part, error)).collect();
    }
}

/// Two parts to be tried again; none of one, which hears why.
fn halves(mut part: Vec<Unwritten>, error: Error) -> Vec<Vec<Unwritten>> {
    if part.len() == 1 {
        refuse(part, error);
        return Vec::new();
    }
    let rest = part.split_off(part.len() / 2);
    vec![part, rest]
}

fn refuse(part: Vec<Unwritten>, error: Error) {
    let told = Told::of(Err(error));
    part.into_iter().for_each(|one| one.asking.hear(&told));
}

/// Members whose rows are in durable files.
#[derive(Default)]
struct Ready {
    members: Vec<Asking>,
    files: Vec<Staged>,
}

impl Ready {
    fn add(&mut self, members: impl IntoIterator<Item = Asking>, files: Staged) {
        self.members.extend(members);
        self.files.push(files);
    }

    async fn commit(mut self) {
        // Also the one that notices if the log has lost versions that some member saw.
        let Some(base) = self.members.iter().map(|member| &member.base).max_by_key(|base| base.version()).cloned()
        else {
            return;
        };
        let rows = self.members.iter().map(|member| member.rows).sum();
        let adds = self.files.iter_mut().flat_map(|files| std::mem::take(&mut files.adds)).collect();
        tracing::debug!(appends = self.members.len(), rows, files = self.files.len(), "a group commits");
        let told = Told::of(settle(self.files, append(base, adds, rows)).await);
        self.members.into_iter().for_each(|member| member.hear(&told));
    }
}

impl Asking {
    fn hear(self, told: &Told) {
        // Nobody may be listening any more.
        let _ = self.answer.send(told.again());
    }
}

/// An outcome that is told to several.
enum Told {
    Committed(Arc<dyn Snapshot>),
    Conflict(String),
    /// With its source to be shared, and whether it says that a commit may stand.
    Internal {
        context: String,
        source: Arc<dyn std::error::Error + Send + Sync>,
        unknown: bool,
    },
    Refused(fn(String) -> Error, String),
}

impl Told {
    fn of(outcome: Result<CommitOutcome>) -> Self {
        match outcome {
            Ok(CommitOutcome::Committed(snapshot)) => Self::Committed(snapshot),
            Ok(CommitOutcome::Conflict { reason }) => Self::Conflict(reason),
            Err(Error::Internal { context, source }) => match source.downcast::<OutcomeUnknown>() {
                Ok(unknown) => Self::Internal { context, source: unknown.0.into(), unknown: true },
                Err(source) => Self::Internal { context, source: source.into(), unknown: false },
            },
            Err(Error::InvalidArgument(text)) => Self::Refused(Error::InvalidArgument, text),
            Err(Error::NotFound(text)) => Self::Refused(Error::NotFound, text),
            Err(Error::AlreadyExists(text)) => Self::Refused(Error::AlreadyExists, text),
            Err(Error::FailedPrecondition(text)) => Self::Refused(Error::FailedPrecondition, text),
            Err(Error::Conflict(text)) => Self::Refused(Error::Conflict, text),
            Err(Error::ResourceExhausted(text)) => Self::Refused(Error::ResourceExhausted, text),
            Err(Error::Unsupported(text)) => Self::Refused(Error::Unsupported, text),
        }
    }

    fn again(&self) -> Result<CommitOutcome> {
        match self {
            Self::Committed(snapshot) => Ok(CommitOutcome::Committed(snapshot.clone())),
            Self::Conflict(reason) => Ok(CommitOutcome::Conflict { reason: reason.clone() }),
            Self::Internal { context, source, unknown: true } => {
                Err(Error::internal(context.clone(), OutcomeUnknown(Box::new(source.clone()))))
            }
            Self::Internal { context, source, unknown: false } => {
                Err(Error::internal(context.clone(), Box::new(source.clone())))
            }
            Self::Refused(refusal, text) => Err(refusal(text.clone())),
        }
    }
}

fn is_internal(error: &Error) -> bool {
    matches!(error, Error::Internal { .. })
}
