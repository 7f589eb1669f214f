//! Breaking a call off in the middle, as a cancelled call or a lost client does.
//!
//! Dropping a tonic call is not that: its request body ends as if the caller had nothing more to say, which is what a
//! half-close is, and the reset may come too late. Here the body fails instead, and a failed body resets its stream.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use tonic::{Status, body::Body, transport::Channel};
use tower::Service;

/// Breaks off the call that carries it among its extensions.
#[derive(Debug, Clone, Default)]
pub(super) struct Cut(Arc<AtomicBool>);

impl Cut {
    /// From now on the request body fails when it is asked for more; whoever feeds it wakes it by going away.
    pub(super) fn off(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A channel whose calls can be cut off.
#[derive(Debug, Clone)]
pub(super) struct CuttableChannel(pub(super) Channel);

impl Service<Request<Body>> for CuttableChannel {
    type Response = Response<Body>;
    type Error = <Channel as Service<Request<Body>>>::Error;
    type Future = <Channel as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let cut = request.extensions().get::<Cut>().cloned();
        self.0.call(match cut {
            Some(cut) => request.map(|body| Body::new(CuttableBody { body, cut })),
            None => request,
        })
    }
}

struct CuttableBody {
    body: Body,
    cut: Cut,
}

impl http_body::Body for CuttableBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.cut.0.load(Ordering::SeqCst) {
            return Poll::Ready(Some(Err(Status::cancelled("cut off"))));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }
}
