//! Whether the service runs on this machine, and is ready; where it does not run, whether its ports are free.

use std::io::ErrorKind;
use std::iter;
use std::net::{SocketAddr, TcpListener};

use crate::config::{self, Role, Settings};
use crate::readiness;

use super::report::Finding;

const PART: &str = "service";

/// What was found, and whether it runs.
pub async fn check(settings: &Settings) -> (Vec<Finding>, bool) {
    let (Ok(ops), Ok(http)) = (config::ops_listen_addr(settings), config::listen_addr(settings)) else {
        return (vec![Finding::not_asked(PART)], false);
    };
    let answer = match readiness::ask(ops).await {
        Ok(answer) => answer,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            // HTTP is served by the role `api` alone.
            let http = config::has_role(settings, Role::Api).then_some(("LISTEN_ADDR", http));
            let taken: Vec<_> = iter::once(("OPS_LISTEN_ADDR", ops)).chain(http).filter_map(taken).collect();
            let free = vec![Finding::ok(PART, "it does not run here; its ports are free")];
            return (if taken.is_empty() { free } else { taken }, false);
        }
        Err(error) => {
            let what = format!("OPS_LISTEN_ADDR: {ops} does not answer: {error}");
            return (vec![Finding::fault(PART, what, "look into the service's log")], true);
        }
    };
    let reason = answer.body.lines().collect::<Vec<_>>().join("; ");
    let found = match answer.status {
        Some(200) if reason == "ready" => Finding::ok(PART, "it runs here, and is ready"),
        Some(200) if reason.starts_with("ready; ") => {
            Finding::warning(PART, format!("it runs here: {reason}"), "docs/runbooks says what to do")
        }
        Some(503) => {
            Finding::fault(PART, format!("it runs here, and is not ready: {reason}"), "look into its log")
        }
        _ => Finding::fault(
            PART,
            format!("another program answers at {ops}"),
            "stop it, or set OPS_LISTEN_ADDR",
        ),
    };
    (vec![found], true)
}

/// Listens for a moment.
fn taken((setting, addr): (&'static str, SocketAddr)) -> Option<Finding> {
    let error = TcpListener::bind(addr).err()?;
    let what = format!("{setting}: cannot listen on {addr}: {error}");
    Some(Finding::fault(PART, what, format!("stop what listens there, or set {setting}")))
}
