//! An answer that somebody takes: one whose reader stops for too long ends, and with it all that it holds.
//!
//! A reader that stops is seen by nobody: its stream is not asked for more, so it cannot look at a clock. A task beside
//! it does.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures::{Stream, StreamExt};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tonic::Status;

use super::{
    calls::RunningCall,
    frames::Frame,
    router::FrameStream,
    status::{Failure, status},
};

/// The frames of `stream`, of which `call` is a part, as long as each is followed by a wish for the next within
/// `idle_max`.
pub(super) fn while_taken(stream: FrameStream, call: Option<RunningCall>, idle_max: Duration) -> FrameStream {
    let state = Arc::new(Mutex::new(State { stream: Some(stream), call, handed_out: None }));
    let watch = tokio::spawn(watch(Arc::clone(&state), idle_max));
    Taken { state, watch, idle_max }.boxed()
}

struct Taken {
    state: Arc<Mutex<State>>,
    watch: JoinHandle<()>,
    idle_max: Duration,
}

struct State {
    /// Absent once the reader took too long.
    stream: Option<FrameStream>,
    call: Option<RunningCall>,
    /// When a frame was handed out, until the next is asked for.
    handed_out: Option<Instant>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Nothing is half done when a stream panics: it is dropped with the state.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn watch(state: Arc<Mutex<State>>, idle_max: Duration) {
    loop {
        let since = lock(&state).handed_out;
        match since {
            Some(since) if since.elapsed() >= idle_max => {
                let mut state = lock(&state);
                let held = (state.stream.take(), state.call.take());
                drop(state);
                drop(held);
                return;
            }
            since => sleep_until(since.unwrap_or_else(Instant::now) + idle_max).await,
        }
    }
}

impl Stream for Taken {
    type Item = Result<Frame, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = lock(&self.state);
        state.handed_out = None;
        let Some(stream) = &mut state.stream else {
            self.watch.abort();
            return Poll::Ready(state.call_ended(self.idle_max));
        };
        let polled = stream.poll_next_unpin(context);
        if polled.is_ready() {
            state.handed_out = Some(Instant::now());
        }
        polled
    }
}

impl State {
    /// Says once why the stream is gone.
    fn call_ended(&mut self, idle_max: Duration) -> Option<Result<Frame, Status>> {
        let seconds = idle_max.as_secs();
        let text = format!(
            "the client took nothing for {seconds} s, so the call was ended; run it again, or start the server with a \
             larger --idle-seconds-max"
        );
        self.stream = Some(futures::stream::empty().boxed());
        Some(Err(status(Failure::Silent(text))))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use tokio::time::advance;
    use tonic::Code;

    use super::*;
    use crate::service::calls::{Calls, ConnectionCalls};

    const HOUR: Duration = Duration::from_secs(3600);

    fn frames(count: usize) -> FrameStream {
        stream::iter((0..count).map(|_| Ok(Frame::default()))).boxed()
    }

    /// Lets the watching task run.
    async fn pass(time: Duration) {
        advance(time).await;
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_too_long_finds_the_call_ended() {
        let (calls, connection) = (Calls::new(1), ConnectionCalls::default());
        let mut taken = while_taken(frames(5), calls.begin(Some(&connection)).ok(), HOUR);
        for _ in 0..3 {
            assert!(taken.next().await.expect("a frame").is_ok());
            pass(HOUR / 2).await;
        }
        assert!(!connection.is_idle());
        pass(HOUR).await;
        assert!(connection.is_idle(), "what the call held is let go before the reader comes back");
        let error = taken.next().await.expect("an error").expect_err("ended");
        assert_eq!(error.code(), Code::DeadlineExceeded);
        assert!(error.message().contains("--idle-seconds-max"), "{error}");
        assert!(taken.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_computes_is_not_a_reader_that_stops() {
        let slow = stream::once(async {
            tokio::time::sleep(HOUR * 10).await;
            Ok(Frame::default())
        });
        let mut taken = while_taken(slow.boxed(), Calls::new(1).begin(None).ok(), HOUR);
        assert!(taken.next().await.expect("a frame").is_ok());
        assert!(taken.next().await.is_none());
    }
}
