//! Asks the service on this machine whether it is ready. Without an HTTP client: a container's health check has none.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
const LONGEST_ANSWER_BYTES: u64 = 64 * 1024;

/// What it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Of HTTP; None where the answer is none of HTTP.
    pub status: Option<u16>,
    /// Why it is not ready, or that it is.
    pub body: String,
}

/// Asks `/readyz` at `OPS_LISTEN_ADDR`.
///
/// # Errors
/// Nobody answers.
pub async fn ask(listen_addr: SocketAddr) -> io::Result<Answer> {
    let answer = timeout(ANSWERS_WITHIN, get_ready(reachable(listen_addr))).await??;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let mut words = head.split_ascii_whitespace();
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/"));
    let status = words.next().and_then(|word| word.parse().ok()).filter(|_| is_http);
    Ok(Answer { status, body: body.to_owned() })
}

/// A service that listens on every address is asked on loopback.
pub fn reachable(listen_addr: SocketAddr) -> SocketAddr {
    let ip = match listen_addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen_addr.port())
}

async fn get_ready(addr: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER_BYTES).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
