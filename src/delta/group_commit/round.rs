//! One group on its way into a version: files of the rows that have none, one commit, and an answer to each.

use super::{Answer, Member};
use crate::{
    delta::{
        commit::append,
        snapshot::DeltaSnapshot,
        write::{FewRows, Staged, Written, settle, write_together},
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
            return failed.into_iter().for_each(|(part, error)| refuse(part, &error));
        }
        level = failed.into_iter().flat_map(|(part, error)| halves(part, &error)).collect();
    }
}

/// Two parts to be tried again; none of one, which hears why.
fn halves(mut part: Vec<Unwritten>, error: &Error) -> Vec<Vec<Unwritten>> {
    if part.len() == 1 {
        refuse(part, error);
        return Vec::new();
    }
    let rest = part.split_off(part.len() / 2);
    vec![part, rest]
}

fn refuse(part: Vec<Unwritten>, error: &Error) {
    part.into_iter().for_each(|one| one.asking.hear(Err(error.clone())));
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
        let outcome = settle(self.files, append(base, adds, rows)).await;
        self.members.into_iter().for_each(|member| member.hear(outcome.clone()));
    }
}

impl Asking {
    fn hear(self, outcome: Result<CommitOutcome>) {
        // Nobody may be listening any more.
        let _ = self.answer.send(outcome);
    }
}

fn is_internal(error: &Error) -> bool {
    matches!(error, Error::Internal { .. })
}
