//! `replay`: shows the log to auditors and admins at a terminal. It needs only `DATABASE_URL`: no master key, no token.
//! It reads. The only things that it can write are views, which are made from the log anyway, and that somebody read a person's
//! history ([`audit`]).
//!
//! Answers go to stdout, logs to stderr. Exit codes: 0, 1 for a failure and for a difference that `verify` found, 2 for a command line
//! that is wrong.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use eventlog::Database;
use secrecy::SecretString;
use terminal::{LogLines, harmless};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, registry};

mod as_of;
mod audit;
mod checkpoint;
mod explain;
mod export;
mod history;
mod lag;
#[cfg(feature = "mirror")]
mod mirror;
mod paint;
mod people;
mod progress;
mod prove;
mod rebuild;
mod tree;
mod verify;
mod view;

/// The filter without `RUST_LOG`. The mirror reports the errors of its client itself, in one line.
const DEFAULT_FILTER: &str = "warn,eventstore=off";
/// Libraries of which at most warnings are logged, for any `RUST_LOG`: they see requests with a password in their headers.
const NEVER_BELOW_WARN: [&str; 8] =
    ["eventstore", "h2", "hyper", "hyper_util", "reqwest", "rustls", "tonic", "tower"];

/// Replays the log of qr-login: what happened, in its one order, and the views that are made from it.
///
/// Everything but `rebuild` and `unpark` only reads. It works beside a running service, and also with the database role
/// `qr_auditor`.
#[derive(Debug, Parser)]
#[command(name = "replay", version, about, after_long_help = ENVIRONMENT)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const ENVIRONMENT: &str = "Environment:
  DATABASE_URL       Required. The database: postgres://user:password@host/name, or what `qr-login database url` prints.
                     Or DATABASE_URL_FILE, a file with it. A .env in this folder is read.
  PGPASSWORD         The password, where it is not in the URL. Or PGPASSWORD_FILE.
  TZ                 The time zone of tables.
  NO_COLOR           No colours.
  RUST_LOG           The log on stderr. Default: warn.

Examples:
  DATABASE_URL=$(qr-login database url) replay history --last 20
  replay history --user 139883458 --format jsonl
  replay as-of 2026-11-22T10:00:00Z users
  replay verify";

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one of it in a process")]
enum Command {
    #[command(flatten)]
    Log(LogCommand),
    /// Print what completes commands in a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Write the manual pages into a folder.
    Man {
        /// It has to exist.
        folder: PathBuf,
    },
}

/// What needs the database.
#[derive(Debug, Subcommand)]
enum LogCommand {
    /// The events in their one order.
    History(history::Arguments),
    /// A view as it stood at a time or a position.
    AsOf(as_of::Arguments),
    /// The events that make a row, each with what it changed; exit code 1 where the live row is another one.
    Explain(explain::Arguments),
    /// Decode every event, build every view beside the live one, and compare row by row; compare the log with its signed tree; exit code 1 on any
    /// difference.
    Verify(verify::Arguments),
    /// The last signed checkpoint of the log.
    Checkpoint(checkpoint::Arguments),
    /// The proof that an event is in the signed log.
    Prove(prove::Arguments),
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
    let command = match arguments.command {
        Command::Log(command) => command,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "replay", &mut io::stdout());
            return Ok(ExitCode::SUCCESS);
        }
        Command::Man { folder } => {
            clap_mangen::generate_to(Arguments::command(), &folder)
                .with_context(|| format!("the pages cannot be written to {}", folder.display()))?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let (setting, url) = database_url()?;
    Database::check_url(&url).context(setting)?;
    let db = Database::connect(&url).await.context("the database cannot be reached")?;
    ensure!(
        db.has_log().await?,
        "there are no qr-login tables in this database: DATABASE_URL names another one, or the service was never started"
    );
    let out = &mut io::stdout().lock();
    match command {
        LogCommand::Explain(arguments) => return explain::run(&db, arguments, out).await,
        LogCommand::Verify(arguments) => return verify::run(&db, arguments, out).await,
        LogCommand::Checkpoint(arguments) => checkpoint::run(&db, arguments, out).await?,
        LogCommand::Prove(arguments) => prove::run(&db, arguments, out).await?,
        LogCommand::Unpark(which) => return rebuild::unpark(&db, which, out).await,
        LogCommand::History(arguments) => history::run(&db, arguments, out).await?,
        LogCommand::AsOf(arguments) => as_of::run(&db, arguments, out).await?,
        LogCommand::Rebuild(arguments) => rebuild::run(&db, arguments, out).await?,
        LogCommand::Export(arguments) => export::run(&db, arguments, out).await?,
        #[cfg(feature = "mirror")]
        LogCommand::Mirror(arguments) => mirror::run(&db, arguments, out).await?,
        LogCommand::Lag => lag::run(&db, out).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let library = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::WARN || !NEVER_BELOW_WARN.contains(&library)
}

/// From `DATABASE_URL`, or the file that `DATABASE_URL_FILE` names; never a flag, which every process list shows. With the name of
/// the variable.
fn database_url() -> Result<(&'static str, SecretString)> {
    // An empty variable is one that is not set.
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    if let Some(url) = set("DATABASE_URL") {
        return Ok(("DATABASE_URL", url.into()));
    }
    let file = set("DATABASE_URL_FILE").context(
        "DATABASE_URL is not set; for the private PostgreSQL of a running service `qr-login database url` prints it",
    )?;
    let url = vault::secret_file::read(Path::new(&file)).context("DATABASE_URL_FILE")?;
    Ok(("DATABASE_URL_FILE", url.trim().into()))
}

/// `replay history | head` is no failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
