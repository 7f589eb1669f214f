//! Which handler a call's path leads to: the two bulk calls through the frame codec, all others through
//! arrow-flight's generated service.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arrow_flight::{FlightData, Ticket, flight_service_server::FlightServiceServer};
use futures::{FutureExt, future::BoxFuture};
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    server::{Grpc, NamedService, ServerStreamingService, StreamingService},
};
use tower::Service;

use super::{
    Airport, exchange,
    flight::FlightCalls,
    frames::{Frame, FrameCodec},
    scan,
};

/// The stream of a bulk call's answer.
pub(super) type FrameStream = Pin<Box<dyn futures::Stream<Item = Result<Frame, Status>> + Send>>;

const DO_GET: &str = "/arrow.flight.protocol.FlightService/DoGet";
const DO_EXCHANGE: &str = "/arrow.flight.protocol.FlightService/DoExchange";

/// The Flight service as a tower service.
#[derive(Debug, Clone)]
pub struct Router {
    airport: Arc<Airport>,
    others: FlightServiceServer<FlightCalls>,
}

impl Router {
    /// Routes to `airport`.
    pub fn new(airport: Arc<Airport>) -> Self {
        let others = FlightServiceServer::new(FlightCalls(Arc::clone(&airport)))
            .max_decoding_message_size(airport.limits.message_bytes_max);
        Self { airport, others }
    }

    fn grpc<R: prost::Message + Default + Send + 'static>(&self) -> Grpc<FrameCodec<R>> {
        Grpc::new(FrameCodec::default()).max_decoding_message_size(self.airport.limits.message_bytes_max)
    }
}

impl NamedService for Router {
    const NAME: &'static str = "arrow.flight.protocol.FlightService";
}

impl Service<http::Request<Body>> for Router {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let airport = Arc::clone(&self.airport);
        match request.uri().path() {
            DO_GET => {
                let mut grpc = self.grpc();
                async move { Ok(grpc.server_streaming(DoGet(airport), request).await) }.boxed()
            }
            DO_EXCHANGE => {
                let mut grpc = self.grpc();
                async move { Ok(grpc.streaming(DoExchange(airport), request).await) }.boxed()
            }
            _ => self.others.call(request).boxed(),
        }
    }
}

struct DoGet(Arc<Airport>);

impl ServerStreamingService<Ticket> for DoGet {
    type Response = Frame;
    type ResponseStream = FrameStream;
    type Future = BoxFuture<'static, Result<Response<FrameStream>, Status>>;

    fn call(&mut self, request: Request<Ticket>) -> Self::Future {
        scan::do_get(Arc::clone(&self.0), request).boxed()
    }
}

struct DoExchange(Arc<Airport>);

impl StreamingService<FlightData> for DoExchange {
    type Response = Frame;
    type ResponseStream = FrameStream;
    type Future = BoxFuture<'static, Result<Response<FrameStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<FlightData>>) -> Self::Future {
        exchange::do_exchange(Arc::clone(&self.0), request).boxed()
    }
}
