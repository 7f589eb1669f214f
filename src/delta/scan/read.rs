//! Parts of a scan as streams.
//!
//! Decoding is done on threads that may block, one batch at a time: while a batch waits to be taken the next one is
//! made, and then no thread is held until it is wanted. Dropping the stream cancels what is under way.

use std::sync::Arc;

use futures::{StreamExt, stream};
use tokio::{runtime::Handle, task::JoinHandle};

use super::{LeftOut, ScanSource, context::ScanContext, part::PartReader};
use crate::engine::{Error, Predicate, ReadBatch, ReadPart, ReadStream, Result, ScanRequest};

/// Reads a part of a plan; nothing is done before the first batch is asked for.
///
/// # Errors
/// `InvalidArgument` if the part or the request names what this version does not have; on the stream, `Internal`
/// with the file's name if one cannot be read.
pub(crate) fn read(source: ScanSource, request: &ScanRequest, part: &ReadPart) -> Result<ReadStream> {
    read_without(source, request, part, LeftOut::new())
}

/// As [`read`], without some rows.
///
/// # Errors
/// On the stream, `Internal` also if a row that is left out is beyond its file's end.
pub(crate) fn read_without(
    source: ScanSource,
    request: &ScanRequest,
    part: &ReadPart,
    left_out: LeftOut,
) -> Result<ReadStream> {
    stream_of(context(source, request)?.without(left_out), part)
}

/// As [`read_without`], but of the rows in files, row groups and pages that the request's predicate does not rule out only
/// those that `filter` rejects are left out: for who looks at each row anyway, and closer.
///
/// # Errors
/// As [`read_without`].
pub(crate) fn read_filtered(
    source: ScanSource,
    request: &ScanRequest,
    filter: &Predicate,
    part: &ReadPart,
    left_out: LeftOut,
) -> Result<ReadStream> {
    stream_of(context(source, request)?.without(left_out).filtered_by(filter), part)
}

fn context(source: ScanSource, request: &ScanRequest) -> Result<ScanContext> {
    let runtime = Handle::try_current().map_err(|source| Error::internal("a scan needs a runtime", source))?;
    ScanContext::new(source, request.clone(), runtime)
}

fn stream_of(scan: ScanContext, part: &ReadPart) -> Result<ReadStream> {
    check(&scan.source, part)?;
    let (runtime, scan) = (scan.runtime.clone(), Arc::new(scan));
    let cancel_on_drop = scan.cancelled.clone().drop_guard();
    let reader = Box::new(PartReader::new(scan, &part.units));
    let state = (State::Idle(reader), runtime, cancel_on_drop);
    let batches = stream::unfold(state, async |(state, runtime, guard)| {
        let (batch, next) = state.next(&runtime).await?;
        Some((batch, (next, runtime, guard)))
    });
    Ok(batches.boxed())
}

fn check(source: &ScanSource, part: &ReadPart) -> Result<()> {
    for unit in &part.units {
        if unit.file as usize >= source.files.len() {
            let (version, count) = (source.version, source.files.len());
            return Err(Error::InvalidArgument(format!(
                "there is no file {}; version {version} has {count}",
                unit.file
            )));
        }
        if unit.slice >= unit.slices {
            return Err(Error::InvalidArgument(format!("there is no slice {} of {}", unit.slice, unit.slices)));
        }
    }
    Ok(())
}

type Reader = Box<PartReader>;

enum State {
    Idle(Reader),
    Running(JoinHandle<(Reader, Result<Option<ReadBatch>>)>),
    Ended,
}

impl State {
    /// The next batch or error, if any, and the state after it.
    async fn next(self, runtime: &Handle) -> Option<(Result<ReadBatch>, Self)> {
        let run = |mut reader: Reader| {
            runtime.spawn_blocking(move || {
                let batch = reader.next();
                (reader, batch)
            })
        };
        let running = match self {
            Self::Idle(reader) => run(reader),
            Self::Running(running) => running,
            Self::Ended => return None,
        };
        match running.await {
            Ok((reader, Ok(Some(batch)))) => Some((Ok(batch), Self::Running(run(reader)))),
            Ok((_, Ok(None))) => None,
            Ok((_, Err(error))) => Some((Err(error), Self::Ended)),
            Err(error) => Some((Err(Error::internal("a scan broke down", error)), Self::Ended)),
        }
    }
}
