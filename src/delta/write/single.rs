//! One file that holds no rows, staged whole: it shares the fate of the data files of its commit.

use std::io::{self, Write};

use bytes::Bytes;

use super::{
    StageTarget,
    stage::Staged,
    staging::{Place, Staging},
};
use crate::engine::{Error, Result};

/// Makes a durable file of `content` at `path`, below the table's root.
pub(crate) async fn stage_file(target: &StageTarget, path: String, content: Bytes) -> Result<Staged> {
    let place = Place::of(target)?;
    let context = format!("cannot write the file {path}");
    let staged = tokio::task::spawn_blocking(move || {
        let mut staging = Staging::new(place);
        let staged = stage(&mut staging, &path, &content);
        if staged.is_err() {
            staging.remove();
        }
        staged.map(|()| Staged::of(staging))
    });
    let staged = staged.await.unwrap_or_else(|died| Err(io::Error::other(died)));
    staged.map_err(|error| Error::internal(context, error))
}

fn stage(staging: &mut Staging, path: &str, content: &[u8]) -> io::Result<()> {
    let mut sink = staging.create(path)?;
    sink.write_all(content)?;
    let file = sink.finish()?;
    staging.written(file)?;
    staging.sync()
}
