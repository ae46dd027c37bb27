//! `replay mirror`: a copy of the log in an EventStoreDB or KurrentDB, in its order, each event once.
//!
//! The copy is **one stream**: the event at position *p* is at revision *p* − 1 in it. Positions are dense, so the end of the
//! stream is the checkpoint. The target stores it together with the events, and nothing is stored anywhere else.
//!
//! 1. Identify the log by its first event (`identity.rs`). This also gives the name of the stream.
//! 2. Find the end of the copy: read the last event of the stream. It has to be this log's event at that position, or the
//!    mirror stops: the stream has foreign events, or the log was restored without its last events, or it is another log.
//! 3. Append the events after it, a thousand at a time. Each append expects the end that was read. A page of the log begins
//!    with the last event of the copy, so a log that has changed meanwhile is noticed.
//! 4. After any failure, such as a lost answer or a second mirror, go back to 2. Events that arrived in spite of the failure
//!    have the same ids that they would get again.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use eventlog::Database;
use secrecy::SecretString;
use terminal::harmless;

use crate::progress;

mod address;
mod copy;
mod form;
mod identity;
mod source;
mod target;

use address::Address;
use copy::Mirror;
use source::Source;
use target::Target;

/// Copy the log into one stream of an EventStoreDB or KurrentDB: every event once, in the one order.
///
/// Run it again, or kill it and run it again, and it goes on where the stream ends. It reads the database and writes
/// nothing in it. Where the stream holds anything but the beginning of this log, it says so, stops, and changes nothing.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where to: `esdb://user:password@host:2113` or `kurrentdb://…`, or several hosts with commas between them.
    ///
    /// TLS is on unless `?tls=false` is appended; `?tlsCAFile=FILE` names who is to be trusted. In the password, / @ ? # and
    /// % are written %2F %40 %3F %23 and %25. With a password the address is better off in the variable MIRROR_TO, or in a
    /// file that MIRROR_TO_FILE names: flags stand in every process list.
    #[arg(long, value_name = "URL", value_parser = secret)]
    to: Option<SecretString>,
    /// Which stream: `qr_login-` and the id of this log, unless another one is named.
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,
    /// Go on with what happens from now on, until interrupted.
    #[arg(long)]
    follow: bool,
    /// How long to try while the target does not answer. With --follow, once it has answered, for ever.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,
}

fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(text.into())
}

pub async fn run(db: &Database, arguments: Arguments, out: &mut impl Write) -> Result<()> {
    let address = address(arguments.to)?;
    let interrupted = interrupted();
    tokio::pin!(interrupted);
    let source = tokio::select! {
        source = Source::identify(db, arguments.follow) => source?,
        stopped = &mut interrupted => return stopped,
    };
    let Some(source) = source else { return Ok(writeln!(out, "nothing to copy: the log is empty")?) };
    let stream = arguments.stream.unwrap_or_else(|| format!("qr_login-{}", source.id));
    let target = Target::new(address, stream);
    let patience = Duration::from_secs(arguments.patience);
    let mut mirror = Mirror::new(source, target, arguments.follow, patience, progress::events()?);
    let ended = tokio::select! {
        ended = mirror.run() => ended,
        stopped = &mut interrupted => stopped,
    };
    let summary = mirror.summary();
    ended.with_context(|| summary.clone())?;
    Ok(writeln!(out, "{}", harmless(&summary))?)
}

/// The address, from the flag, a variable, or a file.
fn address(flag: Option<SecretString>) -> Result<Address> {
    if let Some(text) = flag {
        if Address::has_password(&text) {
            tracing::warn!(
                "The password in --to is in every process list; the variable MIRROR_TO keeps it out"
            );
        }
        return Address::read(&text, "--to");
    }
    if let Ok(text) = std::env::var("MIRROR_TO") {
        return Address::read(&text.into(), "MIRROR_TO");
    }
    let file =
        std::env::var("MIRROR_TO_FILE").context("where to? --to, MIRROR_TO or MIRROR_TO_FILE says it")?;
    let text = vault::secret_file::read(Path::new(&file)).context("MIRROR_TO_FILE")?;
    Address::read(&text.as_str().into(), "MIRROR_TO_FILE")
}

/// Waits for a signal that stops the mirror. That is no failure.
async fn interrupted() -> Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => Ok(pressed?),
        _ = terminate.recv() => Ok(()),
    }
}
