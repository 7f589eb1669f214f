//! From the first signal to the exit: no new calls, running ones drain, but not for ever.

use std::{future::Future, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    time,
};
use tracing::{info, warn};

/// Ends when SIGTERM or SIGINT arrives.
///
/// # Errors
/// If the handlers cannot be installed.
pub fn signalled() -> std::io::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => info!("SIGTERM: no new calls, running ones drain"),
            _ = interrupt.recv() => info!("SIGINT: no new calls, running ones drain"),
        }
    })
}

/// Waits for `drained`, at most `grace`. Whether everything drained.
pub async fn drain(drained: impl Future<Output = ()>, grace: Duration) -> bool {
    let done = time::timeout(grace, drained).await.is_ok();
    if !done {
        warn!(grace_seconds = grace.as_secs(), "calls still running after the grace period are cut off");
    }
    done
}
