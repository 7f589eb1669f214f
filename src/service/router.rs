//! Which handler a call's path leads to: the calls DuckDB makes through codecs of our own, all others through
//! arrow-flight's generated service.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arrow_flight::{Action, FlightData, Result as ActionResult, Ticket, flight_service_server::FlightServiceServer};
use futures::{FutureExt, future::BoxFuture};
use prost::Message;
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    codec::Codec,
    server::{Grpc, NamedService, ServerStreamingService, StreamingService},
};
use tower::Service;

use super::{
    Airport,
    action::{self, Results},
    calls::{ConnectionCalls, RunningCall},
    exchange,
    flight::FlightCalls,
    frames::{Frame, FrameCodec, MessageCodec},
    scan,
    status::{refused, status},
    taken::while_taken,
};

/// The stream of a bulk call's answer.
pub(super) type FrameStream = Pin<Box<dyn futures::Stream<Item = Result<Frame, Status>> + Send>>;

const DO_ACTION: &str = "/arrow.flight.protocol.FlightService/DoAction";
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
        let others = FlightServiceServer::new(FlightCalls).max_decoding_message_size(airport.limits.message_bytes_max);
        Self { airport, others }
    }
}

impl NamedService for Router {
    const NAME: &'static str = "arrow.flight.protocol.FlightService";
}

type Reply<T> = BoxFuture<'static, Result<Response<T>, Status>>;

impl Service<http::Request<Body>> for Router {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let airport = Arc::clone(&self.airport);
        let running = match airport.calls.begin(request.extensions().get::<ConnectionCalls>()) {
            Ok(running) => running,
            Err(failure) => return std::future::ready(Ok(status(failure).into_http())).boxed(),
        };
        let mut others = self.others.clone();
        async move {
            let limits = airport.limits;
            let response = match request.uri().path() {
                DO_ACTION => {
                    let call = DoAction(Arc::clone(&airport));
                    let response = grpc::<MessageCodec<_, _>>(&airport).server_streaming(call, request).await;
                    drop(running);
                    response
                }
                DO_GET => {
                    let call = DoGet(Arc::clone(&airport), Some(running));
                    grpc::<FrameCodec<_>>(&airport).server_streaming(call, request).await
                }
                DO_EXCHANGE => {
                    let call = DoExchange(Arc::clone(&airport), Some(running));
                    grpc::<FrameCodec<_>>(&airport).streaming(call, request).await
                }
                _ => others.call(request).await?,
            };
            Ok(refused(response, &limits))
        }
        .boxed()
    }
}

fn grpc<C: Codec + Default>(airport: &Airport) -> Grpc<C>
where
    C::Decode: Message,
{
    Grpc::new(C::default()).max_decoding_message_size(airport.limits.message_bytes_max)
}

struct DoAction(Arc<Airport>);

impl ServerStreamingService<Action> for DoAction {
    type Response = ActionResult;
    type ResponseStream = Results;
    type Future = Reply<Results>;

    fn call(&mut self, request: Request<Action>) -> Self::Future {
        action::do_action(Arc::clone(&self.0), request).boxed()
    }
}

struct DoGet(Arc<Airport>, Option<RunningCall>);

impl ServerStreamingService<Ticket> for DoGet {
    type Response = Frame;
    type ResponseStream = FrameStream;
    type Future = Reply<FrameStream>;

    fn call(&mut self, request: Request<Ticket>) -> Self::Future {
        let answer = scan::do_get(Arc::clone(&self.0), request);
        taken(answer, self.1.take(), &self.0)
    }
}

struct DoExchange(Arc<Airport>, Option<RunningCall>);

impl StreamingService<FlightData> for DoExchange {
    type Response = Frame;
    type ResponseStream = FrameStream;
    type Future = Reply<FrameStream>;

    fn call(&mut self, request: Request<Streaming<FlightData>>) -> Self::Future {
        let answer = exchange::do_exchange(Arc::clone(&self.0), request);
        taken(answer, self.1.take(), &self.0)
    }
}

/// The answer, which runs as long as it is taken.
fn taken(
    answer: impl Future<Output = Result<Response<FrameStream>, Status>> + Send + 'static,
    running: Option<RunningCall>,
    airport: &Airport,
) -> Reply<FrameStream> {
    let idle_max = airport.limits.idle_max;
    async move { Ok(answer.await?.map(|frames| while_taken(frames, running, idle_max))) }.boxed()
}
