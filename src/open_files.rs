//! How many files this process may open, and what they are for: each page that waits takes one, and so does each login's
//! connection to Telegram. The usual limit of 1,024 is for programs that use `select`; a process may raise it as far as the
//! system allows.

use std::collections::BTreeSet;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Role;

/// Fewer than this are a reason to warn.
const FEW: u64 = 4_096;
/// Connections to Telegram, one for each login that a process runs at a time.
const FOR_LOGINS: u64 = login_worker::MOST_LOGINS as u64;
/// Connections to PostgreSQL and to the Bot API, files, listeners, and what the runtime needs.
const FOR_THE_REST: u64 = 256;
/// Connections of the operator's listener.
pub const OPERATORS_CONNECTIONS: usize = 64;
/// Connections of the public listener where there are files enough: they take memory, too, 16 KiB each.
const MOST_CONNECTIONS: u64 = 16_384;

/// Raises the limit as far as the system allows, and warns where that is little. Returns how many are for connections of the
/// public listener.
pub fn raise(roles: &BTreeSet<Role>) -> usize {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(error = &error as &dyn std::error::Error, "the limit of open files cannot be raised");
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let connections = public_connections(files, roles.contains(&Role::Bot));
    if files < FEW {
        tracing::warn!(
            "at most {files} open files (RLIMIT_NOFILE), {connections} of them for pages: each page that waits and each login \
             needs one"
        );
    }
    connections as usize
}

/// What the rest of the process leaves; where that is next to nothing, a quarter of all.
fn public_connections(files: u64, runs_logins: bool) -> u64 {
    let others = FOR_THE_REST + OPERATORS_CONNECTIONS as u64 + if runs_logins { FOR_LOGINS } else { 0 };
    files.saturating_sub(others).max(files / 4).min(MOST_CONNECTIONS)
}

#[cfg(test)]
mod tests;
