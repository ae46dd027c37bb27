//! An owner's page as far as HTTP goes, on plain sockets: thousands of them fit into one process.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest that the service waits with an answer.
pub const WAIT_SECONDS: u32 = 25;

/// A request that has been sent.
pub struct Sent(TcpStream);

/// Asks for a login's status as its owner: answered at once, or (`since`) when there is news.
pub async fn ask(addr: SocketAddr, session_id: &str, init_data: &str, since: Option<i64>) -> Result<Sent> {
    let stream = TcpStream::connect(addr).await.context("the service takes no more connections")?;
    ask_on(stream, session_id, init_data, since).await
}

/// The same on this connection.
pub async fn ask_on(
    mut stream: TcpStream,
    session_id: &str,
    init_data: &str,
    since: Option<i64>,
) -> Result<Sent> {
    let addr = stream.peer_addr()?;
    let news = since.map(|version| format!("&since={version}&wait={WAIT_SECONDS}")).unwrap_or_default();
    let request = format!(
        "GET /qr-auth-status?session_id={session_id}{news} HTTP/1.1\r\nHost: {addr}\r\n\
         Authorization: tma {init_data}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    Ok(Sent(stream))
}

impl Sent {
    /// The status.
    pub async fn answer(mut self) -> Result<Value> {
        let mut text = String::new();
        self.0.read_to_string(&mut text).await?;
        ensure!(text.starts_with("HTTP/1.1 200 "), "{}", text.lines().next().unwrap_or("no answer"));
        let (_, body) = text.split_once("\r\n\r\n").context("no body")?;
        Ok(serde_json::from_str(body)?)
    }
}
