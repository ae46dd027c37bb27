//! The HTTP server: hyper's connections behind a listener, with limits of time and number. Used for the public listener and for
//! the operator's.
//!
//! 1. A connection is accepted, and gets a place among the [`Connections`]. Where all are taken, the one that has waited longest for
//!    its client is closed first. A limit for each address would belong there, too.
//! 2. Its place says what it waits for: a head, a body, our answer, or the next request. One timer for each connection closes it
//!    when its client is too late. An answer may take as long as it needs, as that of a long poll does.
//! 3. When the server is dropped, connections end as soon as no request is under way there.
//!
//! Where all places are taken, the connection that has waited longest without a complete head is closed first; then the
//! one that is idle longest; then the one whose body is missing longest. A request under way is never cut off. The
//! operator's listener has places of its own.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use eventlog::Outage;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, sleep_until};
use tower::{Service, ServiceExt};

mod bodies;
mod connections;
mod limits;
mod stream;
#[cfg(test)]
mod tests;

use bodies::{AnswerBody, ReceivedBody};
use connections::{Connections, Place};
pub use limits::Limits;
use stream::WatchedStream;

/// Before the next try to accept, where no descriptor is left for one more connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers every client, until dropped. Nothing that a client does, and no lack of descriptors, ends it.
pub async fn serve<S>(listener: TcpListener, service: S, limits: Limits) -> Infallible
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let connections = Connections::new(limits.connections);
    let _stops = connections.stop_when_dropped();
    let mut outage =
        Outage::new("no connection can be accepted now, trying again", "connections are accepted again");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                outage.over();
                let place = connections.admit().await;
                tokio::spawn(serve_connection(stream, Arc::new(place), service.clone(), limits));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                outage.failed(&error);
                connections.make_room();
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Only the connection that was to be accepted has failed.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// One connection, to its end.
async fn serve_connection<S>(stream: TcpStream, place: Arc<Place>, service: S, limits: Limits)
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let (asked, answered) = (Arc::clone(&place), Arc::clone(&place));
    let service = service
        .map_request(move |request: Request<Incoming>| receive(request, &asked))
        .map_response(move |answer: Response| answer.map(|body| AnswerBody::new(body, &answered)));
    let stream = TokioIo::new(WatchedStream::new(stream, &place));
    // hyper's own timeout counts the time between two requests, too, and sets a timer for each request.
    let mut http = http1::Builder::new();
    http.header_read_timeout(None);
    let mut connection = pin!(http.serve_connection(stream, TowerToHyperService::new(service)));
    let mut timer = pin!(sleep_until(Instant::now() + limits.head));
    let mut stopping = false;
    poll_fn(|context| {
        place.wake_by(context.waker());
        if !stopping && place.is_stopping() {
            stopping = true;
            connection.as_mut().graceful_shutdown();
        }
        if connection.as_mut().poll(context).is_ready() || place.is_closed() {
            return Poll::Ready(());
        }
        while let Some(deadline) = place.deadline(&limits) {
            // A later deadline is looked at when the timer fires: to set it for each request would cost too much.
            if deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
            if timer.as_mut().poll(context).is_pending() {
                break;
            }
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    })
    .await;
}

/// The head of a request is here.
fn receive(request: Request<Incoming>, place: &Arc<Place>) -> Request {
    if request.body().is_end_stream() {
        place.answers();
        return request.map(|_| axum::body::Body::empty());
    }
    request.map(|body| axum::body::Body::new(ReceivedBody::new(body, place)))
}
