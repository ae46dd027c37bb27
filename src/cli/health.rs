//! `qr-login health`: whether the service on this machine is ready. For a container's health check: the image has no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use app::terminal::harmless;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
const LONGEST_ANSWER_BYTES: u64 = 64 * 1024;

/// Asks `/readyz` at `OPS_LISTEN_ADDR`, and prints the answer.
///
/// # Errors
/// Nobody answers, or not with 200.
pub async fn ask(listen_addr: SocketAddr) -> anyhow::Result<()> {
    let addr = reachable(listen_addr);
    let answer = tokio::time::timeout(ANSWERS_WITHIN, get_ready(addr)).await;
    let answer = answer
        .unwrap_or_else(|late| Err(late.into()))
        .with_context(|| format!("OPS_LISTEN_ADDR: {addr} does not answer"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let ready = head.split_ascii_whitespace().nth(1) == Some("200");
    ensure!(ready, "not ready: {}", body.lines().collect::<Vec<_>>().join("; "));
    body.lines().for_each(|line| println!("{}", harmless(line)));
    Ok(())
}

/// A service that listens on every address is asked on loopback.
fn reachable(listen_addr: SocketAddr) -> SocketAddr {
    let ip = match listen_addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen_addr.port())
}

async fn get_ready(addr: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER_BYTES).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
