//! `replay`: shows the log to auditors and admins at a terminal. It needs only `DATABASE_URL`: no master key, no token.
//! It reads. The only things that it can write are views, which are made from the log anyway.
//!
//! Answers go to stdout, logs to stderr. Exit codes: 0, or 1 for a failure and for a difference that `verify` found.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use app::terminal::{LogLines, harmless};
use clap::{Parser, Subcommand};
use eventlog::Database;
use secrecy::SecretString;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, registry};

mod as_of;
mod export;
mod history;
mod lag;
#[cfg(feature = "mirror")]
mod mirror;
mod paint;
mod people;
mod progress;
mod rebuild;
mod verify;

/// The filter without `RUST_LOG`. The mirror reports the errors of its client itself, in one line.
const DEFAULT_FILTER: &str = "warn,eventstore=off";
/// Libraries of which at most warnings are logged, for any `RUST_LOG`: they see requests with a password in their headers.
const NEVER_BELOW_WARN: [&str; 8] =
    ["eventstore", "h2", "hyper", "hyper_util", "reqwest", "rustls", "tonic", "tower"];

/// Replays the log of qr-login.
#[derive(Debug, Parser)]
#[command(name = "replay", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The events in their one order.
    History(history::Arguments),
    /// A view as it stood at a time or a position.
    AsOf(as_of::Arguments),
    /// Decode every event, build every view in memory, and compare row by row; exit code 1 on any difference.
    Verify,
    /// Build views anew from the log, beside the live ones, and swap: all of them, or those that are named.
    Rebuild(rebuild::Arguments),
    /// Make parked rows anew, after a fix: one, or all; exit code 1 where one is still parked.
    Unpark(rebuild::Parked),
    /// How far the views are behind, and what is parked.
    Lag,
    /// The whole log as JSON Lines.
    Export(export::Arguments),
    #[cfg(feature = "mirror")]
    Mirror(mirror::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    vault::private_memory::close();
    // A missing .env is no error.
    let _ = dotenvy::dotenv();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let lines = fmt::layer().with_writer(|| LogLines(io::stderr())).with_ansi(io::stderr().is_terminal());
    registry().with(filter).with(filter_fn(may_be_logged)).with(lines).init();
    match run(Arguments::parse()).await {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "replay: {}", harmless(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<ExitCode> {
    let db = Database::connect(&database_url()?).await.context("the database cannot be reached")?;
    let out = &mut io::stdout().lock();
    match arguments.command {
        Command::History(arguments) => history::run(&db, arguments, out).await.map(|()| ExitCode::SUCCESS),
        Command::AsOf(arguments) => as_of::run(&db, arguments, out).await.map(|()| ExitCode::SUCCESS),
        Command::Verify => verify::run(&db, out).await,
        Command::Rebuild(arguments) => rebuild::run(&db, arguments, out).await.map(|()| ExitCode::SUCCESS),
        Command::Unpark(which) => rebuild::unpark(&db, which, out).await,
        Command::Export(arguments) => export::run(&db, arguments, out).await.map(|()| ExitCode::SUCCESS),
        #[cfg(feature = "mirror")]
        Command::Mirror(arguments) => mirror::run(&db, arguments, out).await.map(|()| ExitCode::SUCCESS),
        Command::Lag => lag::run(&db, out).await.map(|()| ExitCode::SUCCESS),
    }
}

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let library = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::WARN || !NEVER_BELOW_WARN.contains(&library)
}

/// From `DATABASE_URL`, or the file that `DATABASE_URL_FILE` names; never a flag, which every process list shows.
fn database_url() -> Result<SecretString> {
    // An empty variable is one that is not set.
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    if let Some(url) = set("DATABASE_URL") {
        return Ok(url.into());
    }
    let file = set("DATABASE_URL_FILE").context(
        "DATABASE_URL is not set; for the private PostgreSQL of a running service `qr-login database url` prints it",
    )?;
    let url = vault::secret_file::read(Path::new(&file)).context("DATABASE_URL_FILE")?;
    Ok(url.trim().into())
}

/// `replay history | head` is no failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
