//! The server in a process that has no descriptor left. Alone in its binary: the limit is the whole process's.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use web::server::{Clients, Limits, serve};

/// 1. Somebody connects, and the system takes the connection in.
/// 2. The process may not open anything more: nothing can be accepted.
/// 3. It may again: the one who waits is answered.
#[tokio::test]
async fn a_server_without_descriptors_goes_on_once_there_are_some() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(addr).await.unwrap();

    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(0), ..limit }).unwrap();
    let routes = Router::new().route("/", get(async || "here"));
    let server =
        tokio::spawn(
            async move { match serve(listener, routes, Limits::of(10), Clients::unlimited()).await {} },
        );
    client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let early = timeout(Duration::from_millis(300), client.read_to_string(&mut answer)).await;
    assert!(early.is_err() && !server.is_finished(), "{answer}");

    setrlimit(Resource::Nofile, limit).unwrap();
    timeout(Duration::from_secs(30), client.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.ends_with("here"), "{answer}");
}
