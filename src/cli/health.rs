//! `qr-login health`: whether the service on this machine is ready. For a container's health check: the image has no curl.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use terminal::harmless;

use crate::readiness;

/// Asks `/readyz` at `OPS_LISTEN_ADDR`, and prints the answer.
///
/// # Errors
/// Nobody answers, or not with 200.
pub async fn ask(listen_addr: SocketAddr) -> anyhow::Result<()> {
    let addr = readiness::reachable(listen_addr);
    let answer =
        readiness::ask(addr).await.with_context(|| format!("OPS_LISTEN_ADDR: {addr} does not answer"))?;
    let is_ready = answer.status == Some(200);
    ensure!(is_ready, "not ready: {}", answer.body.lines().collect::<Vec<_>>().join("; "));
    answer.body.lines().for_each(|line| println!("{}", harmless(line)));
    Ok(())
}
