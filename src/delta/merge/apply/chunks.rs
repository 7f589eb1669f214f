//! Rows gathered by clause, for a task of its own that makes new rows of them. Meanwhile the next rows are matched, and
//! the rows made before are encoded.

use std::mem;

use tokio::{sync::mpsc, task::JoinSet};

use super::maker::{Chunk, Maker};
use crate::{
    delta::{merge::matching::Decided, write::already_failed},
    engine::{Error, Result},
};

/// Gathers rows, and hands them to the task that makes new ones. Dropping it ends that.
pub(super) struct Chunks {
    /// By clause; `None` where nothing is made.
    gathered: Vec<Option<Chunk>>,
    rows_max: usize,
    sender: mpsc::Sender<(usize, Chunk)>,
    making: JoinSet<Result<Maker>>,
}

impl Chunks {
    /// `rows_max` make a chunk.
    pub(super) fn begin(maker: Maker, rows_max: usize) -> Self {
        let gathered = maker.takes().map(|takes| takes.then(Chunk::default)).collect();
        let (sender, chunks) = mpsc::channel(1);
        let mut making = JoinSet::new();
        making.spawn(maker.run(chunks));
        Self { gathered, rows_max, sender, making }
    }

    /// Takes rows; a later call may tell of what is wrong with them.
    pub(super) async fn take(&mut self, decided: Decided) -> Result<()> {
        let Decided { clause, places, source } = decided;
        let Some(chunk) = self.gathered.get_mut(clause).and_then(Option::as_mut) else { return Ok(()) };
        chunk.places.extend(places);
        chunk.source.extend(source);
        if chunk.rows() < self.rows_max {
            return Ok(());
        }
        let chunk = mem::take(chunk);
        self.hand_over(clause, chunk).await
    }

    /// New rows of all that came have been written.
    pub(super) async fn finish(mut self) -> Result<Maker> {
        for (clause, chunk) in mem::take(&mut self.gathered).into_iter().enumerate() {
            if let Some(chunk) = chunk.filter(|chunk| chunk.rows() > 0) {
                self.hand_over(clause, chunk).await?;
            }
        }
        let Self { sender, mut making, .. } = self;
        drop(sender);
        ended(&mut making).await
    }

    async fn hand_over(&mut self, clause: usize, chunk: Chunk) -> Result<()> {
        match self.sender.send((clause, chunk)).await {
            Ok(()) => Ok(()),
            // It has failed, and says why.
            Err(_) => Err(ended(&mut self.making).await.err().unwrap_or_else(already_failed)),
        }
    }
}

async fn ended(making: &mut JoinSet<Result<Maker>>) -> Result<Maker> {
    match making.join_next().await {
        Some(made) => made.map_err(|source| Error::internal("making new rows broke down", source))?,
        None => Err(already_failed()),
    }
}
