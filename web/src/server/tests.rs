//! The server with real sockets. A limit that a test is not about is an hour.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::stopping::Stopping;

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(50);
const PATIENT: Limits = Limits { head: LONG, body: LONG, idle: LONG, connections: 100 };
/// Whatever takes longer hangs.
const HANGS: Duration = Duration::from_secs(30);
/// A head that does not end.
const HALF: &str = "GET / HTTP/1.1\r\nHost: ";

struct World {
    addr: SocketAddr,
    stopping: Stopping,
    server: JoinHandle<()>,
    /// A permit answers one `/wait`.
    answers: Arc<Semaphore>,
    /// Requests that wait for a permit.
    waiting: Arc<Semaphore>,
    /// Bodies that a handler was given.
    bodies: Arc<AtomicUsize>,
}

impl World {
    async fn start(limits: Limits) -> Self {
        Self::with(limits, Clients::unlimited()).await
    }

    async fn with(limits: Limits, clients: Arc<Clients>) -> Self {
        let (answers, waiting) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let bodies = Arc::new(AtomicUsize::new(0));
        let (answer, wait, body) = (answers.clone(), waiting.clone(), bodies.clone());
        let routes = Router::new()
            .route("/", get(async || "here"))
            .route(
                "/wait",
                get(async move || {
                    wait.add_permits(1);
                    answer.acquire().await.unwrap().forget();
                    "news"
                }),
            )
            .route(
                "/say",
                post(async move |said: String| {
                    body.fetch_add(1, Ordering::SeqCst);
                    said
                }),
            );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let stopping = Stopping::default();
        let stop = stopping.clone();
        let server = tokio::spawn(async move {
            serve_until(listener, routes, limits, clients, stop.begun()).await;
        });
        Self { addr, stopping, server, answers, waiting, bodies }
    }

    /// A connection that has sent this.
    async fn sends(&self, text: &str) -> Client {
        let mut client = Client(TcpStream::connect(self.addr).await.unwrap());
        client.send(text).await;
        client
    }

    /// A connection with a request under way.
    async fn waits(&self) -> Client {
        let client = self.sends(&get_of("/wait")).await;
        timeout(HANGS, self.waiting.acquire()).await.unwrap().unwrap().forget();
        client
    }
}

struct Client(TcpStream);

impl Client {
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// The answer ends with this.
    async fn is_answered(&mut self, with: &str) {
        let mut answer = Vec::new();
        while !answer.ends_with(with.as_bytes()) {
            let read =
                timeout(HANGS, self.0.read_buf(&mut answer)).await.expect("there is an answer").unwrap();
            assert_ne!(read, 0, "closed after {:?}", String::from_utf8_lossy(&answer));
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }

    /// The server answers with this status, and ends the connection.
    async fn sees_refusal(mut self, status: u16) {
        let mut answer = Vec::new();
        let _ = timeout(HANGS, self.0.read_to_end(&mut answer)).await.expect("it is closed");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!(answer.contains("retry-after: "), status == 429, "{answer}");
    }

    /// The server ends the connection, and says nothing.
    async fn sees_the_end(mut self) {
        let mut rest = Vec::new();
        // With bytes that nobody has read, it is reset.
        let _ = timeout(HANGS, self.0.read_to_end(&mut rest)).await.expect("it is closed");
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

fn get_of(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n")
}

#[test]
fn what_is_shipped_gives_a_client_10_seconds_for_a_request_and_75_between_two() {
    let seconds = Duration::from_secs;
    let shipped = Limits { head: seconds(10), body: seconds(10), idle: seconds(75), connections: 7 };
    assert_eq!(Limits::of(7), shipped);
}

#[tokio::test]
async fn a_client_that_does_not_finish_the_head_of_its_request_is_closed() {
    let world = World::start(Limits { head: SHORT, ..PATIENT }).await;
    world.sends("").await.sees_the_end().await;
    world.sends(HALF).await.sees_the_end().await;
    let mut second = world.sends(&get_of("/")).await;
    second.is_answered("here").await;
    second.send(HALF).await;
    second.sees_the_end().await;
}

#[tokio::test]
async fn a_client_that_does_not_finish_the_body_of_its_request_is_closed_and_no_handler_sees_it() {
    let world = World::start(Limits { body: SHORT, ..PATIENT }).await;
    let head = "POST /say HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\n";
    world.sends(&format!("{head}hel")).await.sees_the_end().await;
    assert_eq!(world.bodies.load(Ordering::SeqCst), 0);
    world.sends(&format!("{head}hello")).await.is_answered("hello").await;
    assert_eq!(world.bodies.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_after_its_idle_time() {
    let world = World::start(Limits { idle: SHORT, ..PATIENT }).await;
    let mut client = world.sends(&get_of("/")).await;
    client.is_answered("here").await;
    client.sees_the_end().await;
}

#[tokio::test]
async fn between_two_requests_a_client_has_its_idle_time_and_not_that_of_a_head() {
    let world = World::start(Limits { head: SHORT, ..PATIENT }).await;
    let mut client = world.sends(&get_of("/")).await;
    client.is_answered("here").await;
    // This one came later, and its time is over.
    world.sends(HALF).await.sees_the_end().await;
    client.send(&get_of("/")).await;
    client.is_answered("here").await;
}

#[tokio::test]
async fn an_answer_may_take_longer_than_all_of_the_limits() {
    let world = World::start(Limits { head: SHORT, body: SHORT, idle: SHORT, ..PATIENT }).await;
    let mut client = world.waits().await;
    world.sends(HALF).await.sees_the_end().await;
    let mut later = world.sends(&get_of("/")).await;
    later.is_answered("here").await;
    later.sees_the_end().await;
    world.answers.add_permits(1);
    client.is_answered("news").await;
}

#[tokio::test]
async fn where_half_open_connections_take_all_places_a_request_is_answered_and_the_oldest_is_closed() {
    let world = World::start(Limits { connections: 3, ..PATIENT }).await;
    let mut idle = world.sends(&get_of("/")).await;
    idle.is_answered("here").await;
    let oldest = world.sends(HALF).await;
    let mut other = world.waits().await;
    world.sends(&get_of("/")).await.is_answered("here").await;
    oldest.sees_the_end().await;

    idle.send(&get_of("/")).await;
    idle.is_answered("here").await;
    world.answers.add_permits(1);
    other.is_answered("news").await;
}

#[tokio::test]
async fn a_thousand_half_open_connections_keep_nobody_from_three_places() {
    let world = World::start(Limits { connections: 3, ..PATIENT }).await;
    let mut half_open = Vec::new();
    for _ in 0..1_000 {
        half_open.push(world.sends(HALF).await);
    }
    let mut client = world.sends(&get_of("/")).await;
    client.is_answered("here").await;
    // Two are left beside it.
    let closed = half_open.drain(..998);
    for oldest in closed {
        oldest.sees_the_end().await;
    }
    for mut left in half_open {
        left.send("here\r\n\r\n").await;
        left.is_answered("here").await;
    }
}

#[tokio::test]
async fn without_a_half_open_connection_the_one_that_is_idle_longest_makes_room() {
    let world = World::start(Limits { connections: 2, ..PATIENT }).await;
    let mut oldest = world.sends(&get_of("/")).await;
    oldest.is_answered("here").await;
    let mut other = world.sends(&get_of("/")).await;
    other.is_answered("here").await;
    let mut third = world.sends(&get_of("/")).await;
    third.is_answered("here").await;
    oldest.sees_the_end().await;
    other.send(&get_of("/")).await;
    other.is_answered("here").await;
}

#[tokio::test]
async fn a_request_under_way_is_not_cut_off_to_make_room() {
    let world = World::start(Limits { connections: 2, ..PATIENT }).await;
    let (mut one, mut other) = (world.waits().await, world.waits().await);
    let mut third = world.sends(&get_of("/")).await;
    world.answers.add_permits(1);
    // Whichever it was: its connection makes room.
    third.is_answered("here").await;
    world.answers.add_permits(1);
    one.is_answered("news").await;
    other.is_answered("news").await;
}

#[tokio::test]
async fn when_the_server_stops_idle_connections_end_and_a_request_under_way_is_answered() {
    let world = World::start(PATIENT).await;
    let mut idle = world.sends(&get_of("/")).await;
    idle.is_answered("here").await;
    let mut client = world.waits().await;
    world.server.abort();
    idle.sees_the_end().await;
    world.answers.add_permits(1);
    client.is_answered("news").await;
    client.sees_the_end().await;
}

#[tokio::test]
async fn a_server_that_is_to_stop_takes_nobody_else_and_returns_once_all_are_answered() {
    let mut world = World::start(PATIENT).await;
    let mut idle = world.sends(&get_of("/")).await;
    idle.is_answered("here").await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(world.waits().await);
    }
    world.stopping.begin();
    idle.sees_the_end().await;
    let refused = async { while TcpStream::connect(world.addr).await.is_ok() {} };
    timeout(HANGS, refused).await.expect("nobody else is let in");
    assert!(!world.server.is_finished(), "requests are under way");
    world.answers.add_permits(20);
    for mut client in waiting {
        client.is_answered("news").await;
        client.sees_the_end().await;
    }
    timeout(HANGS, &mut world.server).await.expect("it returns").unwrap();
}

/// As many as it may have, then one more.
#[tokio::test]
async fn one_connection_too_many_of_an_address_is_refused() {
    let world = World::with(PATIENT, Clients::new(3, Vec::new())).await;
    let mut first = world.waits().await;
    let (second, _third) = (world.sends(HALF).await, world.sends("").await);
    world.sends("").await.sees_refusal(429).await;

    world.answers.add_permits(1);
    first.is_answered("news").await;
    drop(second);
    // The server learns of the end a moment later.
    loop {
        let mut next = world.sends(&get_of("/")).await;
        let mut answer = [0; 12];
        timeout(HANGS, next.0.read_exact(&mut answer)).await.expect("there is an answer").unwrap();
        if &answer == b"HTTP/1.1 200" {
            break;
        }
    }
}

/// Through a proxy, which may have any number of connections.
#[tokio::test]
async fn one_request_too_many_of_an_address_behind_a_proxy_is_refused() {
    let world = World::with(PATIENT, Clients::new(2, vec!["127.0.0.1/32".parse().unwrap()])).await;
    let from = |address: &str, path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: here\r\nX-Forwarded-For: 203.0.113.9, {address}\r\n\r\n")
    };
    let mut waiting = Vec::new();
    for _ in 0..2 {
        waiting.push(world.sends(&from("192.0.2.1", "/wait")).await);
        timeout(HANGS, world.waiting.acquire()).await.unwrap().unwrap().forget();
    }
    world.sends(&from("192.0.2.1", "/")).await.sees_refusal(429).await;
    // A body that does not come counts as well.
    let slow = "POST /say HTTP/1.1\r\nHost: here\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Length: 9\r\n\r\n";
    world.sends(slow).await.sees_refusal(429).await;
    world.sends(&from("192.0.2.2", "/")).await.is_answered("here").await;
    world.sends(&get_of("/")).await.is_answered("here").await;

    world.answers.add_permits(1);
    waiting[0].is_answered("news").await;
    // The same connection may ask for somebody else, or for the same one again.
    waiting[0].send(&from("192.0.2.2", "/")).await;
    waiting[0].is_answered("here").await;
    waiting[0].send(&from("192.0.2.1", "/")).await;
    waiting[0].is_answered("here").await;
}

/// Its connection is of no use any more. A proxy would lose its next request there.
#[tokio::test]
async fn an_answer_before_the_end_of_a_body_says_that_the_connection_ends() {
    let world = World::start(PATIENT).await;
    let head = "POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n";
    let mut early = world.sends(head).await;
    let mut answer = String::new();
    timeout(HANGS, early.0.read_to_string(&mut answer)).await.expect("it is closed").unwrap();
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("connection: close\r\n"), "{answer}");

    let mut whole = world.sends("POST /say HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhello").await;
    whole.is_answered("hello").await;
    whole.send(&get_of("/")).await;
    whole.is_answered("here").await;
}

/// RFC 9112, section 3.2.
#[tokio::test]
async fn a_request_without_a_host_or_with_two_is_refused() {
    let world = World::start(PATIENT).await;
    world.sends("GET / HTTP/1.1\r\n\r\n").await.sees_refusal(400).await;
    world.sends("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await.sees_refusal(400).await;
    let mut old = world.sends("GET / HTTP/1.0\r\n\r\n").await;
    let mut answer = String::new();
    timeout(HANGS, old.0.read_to_string(&mut answer)).await.expect("it is closed").unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("here"), "{answer}");
}
