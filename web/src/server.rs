//! The HTTP server: hyper's connections behind a listener, with limits of time and number. Used for the public listener and for
//! the operator's.
//!
//! 1. A connection is accepted. One too many of its address is answered with 429 ([`Clients`]). It gets a place among the
//!    [`Connections`]. Where all are taken, the one that has waited longest for its client is closed first.
//! 2. A request of a trusted proxy counts for the address that it was passed on for, and is answered with 429 where that has
//!    too many under way.
//! 3. Its place says what it waits for: a head, a body, our answer, or the next request. One timer for each connection closes it
//!    when its client is too late. An answer may take as long as it needs, as that of a long poll does.
//! 4. When the server is to stop, or is dropped, connections end as soon as no request is under way there.
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
use axum::http::{HeaderValue, header};
use axum::response::Response;
use eventlog::Outage;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use metrics::counter;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, sleep_until};
use tower::{Service, ServiceExt};

mod bodies;
mod clients;
mod connections;
mod gate;
mod limits;
mod stream;
#[cfg(test)]
mod tests;

use bodies::AnswerBody;
pub use clients::Clients;
use clients::TooMany;
use connections::{Connections, Place};
use gate::Gate;
pub use limits::Limits;
use stream::WatchedStream;

/// Before the next try to accept, where no descriptor is left for one more connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For a connection that is one too many of its address.
const TOO_MANY_CONNECTIONS: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 10\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Answers every client, until dropped. Nothing that a client does, and no lack of descriptors, ends it.
pub async fn serve<S>(listener: TcpListener, service: S, limits: Limits, clients: Arc<Clients>) -> Infallible
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let connections = Connections::new(limits.connections);
    let _stops = connections.stop_when_dropped();
    accept(listener, service, limits, clients, &connections).await
}

/// The same until `stop`. Then no connection is accepted any more, and this returns once each request that is under way is answered.
pub async fn serve_until<S>(
    listener: TcpListener,
    service: S,
    limits: Limits,
    clients: Arc<Clients>,
    stop: impl Future<Output = ()>,
) where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let connections = Connections::new(limits.connections);
    let stops = connections.stop_when_dropped();
    tokio::select! {
        never = accept(listener, service, limits, clients, &connections) => match never {},
        () = stop => {}
    }
    drop(stops);
    connections.all_ended().await;
}

async fn accept<S>(
    listener: TcpListener,
    service: S,
    limits: Limits,
    clients: Arc<Clients>,
    connections: &Arc<Connections>,
) -> Infallible
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let mut outage =
        Outage::new("no connection can be accepted now, trying again", "connections are accepted again");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                outage.over();
                let proxy = clients.is_proxy(peer.ip());
                let counted = match proxy {
                    true => None,
                    false => match clients.connection(peer.ip()) {
                        Ok(counted) => Some(counted),
                        Err(TooMany) => {
                            refuse_connection(&stream);
                            continue;
                        }
                    },
                };
                let place = Arc::new(connections.admit(counted).await);
                let through = proxy.then(|| Arc::clone(&clients));
                tokio::spawn(serve_connection(stream, place, service.clone(), limits, through));
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

/// Says why, as far as the socket takes it at once, and closes.
fn refuse_connection(stream: &TcpStream) {
    counter!("qrlogin_http_refused_total", "reason" => "connections").increment(1);
    let _ = stream.try_write(TOO_MANY_CONNECTIONS);
}

/// One connection, to its end. `clients`: it is that of a proxy, whose requests count for others.
async fn serve_connection<S>(
    stream: TcpStream,
    place: Arc<Place>,
    service: S,
    limits: Limits,
    clients: Option<Arc<Clients>>,
) where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let answered = Arc::clone(&place);
    let service = service.map_response(move |mut answer: Response| {
        if answered.has_left_body() {
            // hyper closes the connection then. A proxy has to know, or its next request there is lost.
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer.map(|body| AnswerBody::new(body, &answered))
    });
    let service = Gate { service, place: Arc::clone(&place), clients };
    let stream = TokioIo::new(WatchedStream::new(stream, &place));
    // hyper's own timeout counts the time between two requests, too, and sets a timer for each request.
    let mut http = http1::Builder::new();
    http.header_read_timeout(None);
    let mut connection = pin!(http.serve_connection(stream, service));
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
