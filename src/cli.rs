//! The commands. Answers go to stdout, the log to stderr, and an error is one line.

mod apikey;
mod database;
mod health;
mod import;
mod invite;
mod key;
mod log;
mod migrate;
mod operator;
mod person;
mod private;
mod session;
mod signals;
mod user;
mod user_list;
mod webhook;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::builder::Resettable;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use eventlog::clock::Clock;

use crate::check;
use crate::config::{self, BadSetting, BadSettings, Config, Settings};
use crate::service::Service;
use crate::systemd;

/// Links a person's Telegram account to a service.
///
/// Without a command it serves. Required are BOT_TOKEN, TELEGRAM_API_ID, TELEGRAM_API_HASH and AUTH_BASE_URL; `qr-login check` says
/// what is missing. Each flag falls back to its environment variable.
#[derive(Debug, Parser)]
#[command(
    name = "qr-login",
    version,
    about,
    after_help = "Required: BOT_TOKEN, TELEGRAM_API_ID, TELEGRAM_API_HASH (variables or files), AUTH_BASE_URL. --help shows every setting.",
    after_long_help = config::variables_help()
)]
pub struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the bot and the Mini App (what qr-login alone does).
    Serve,
    /// Ask the service on this machine whether it is ready.
    Health,
    /// Check everything that the service needs: settings, database, bot token, Telegram, clock, public address, folders, master key.
    ///
    /// Before the first start and afterwards. It changes nothing. Exit code 1 on a fault.
    Check {
        /// For a program.
        #[arg(long)]
        json: bool,
    },
    /// Bring the tables up to date, and end. A start does it, too, where it may; with DATABASE_OWNER_URL as the owner.
    Migrate(migrate::MigrateArguments),
    /// Make, list, show and revoke invites.
    Invite {
        #[command(subcommand)]
        command: invite::InviteCommand,
    },
    /// Who is known here; block, unblock, and roles.
    User {
        #[command(subcommand)]
        command: user::UserCommand,
    },
    /// Keys for other services: make, list and revoke.
    Apikey {
        #[command(subcommand)]
        command: apikey::ApiKeyCommand,
    },
    /// Webhooks of other services: make, list, change, try, and what became of their messages.
    Webhook {
        #[command(subcommand)]
        command: webhook::WebhookCommand,
    },
    /// Linked sessions.
    Session {
        #[command(subcommand)]
        command: session::SessionCommand,
    },
    /// Take over the people, invites and sessions of the Python system that this service replaces; again only adds what is new.
    Import(import::ImportArguments),
    /// The master key.
    Key {
        #[command(subcommand)]
        command: key::KeyCommand,
    },
    /// The signed history of the log.
    Log {
        #[command(subcommand)]
        command: log::LogCommand,
    },
    /// The database itself: the private PostgreSQL, and what a restore needs first.
    Database {
        #[command(subcommand)]
        command: private::DatabaseCommand,
    },
    /// Print what completes commands in a shell.
    #[command(after_help = "Example: qr-login completions bash >/etc/bash_completion.d/qr-login")]
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Write the manual pages into a folder.
    #[command(after_help = "Example: qr-login man /usr/local/share/man/man1")]
    Man {
        /// It has to exist.
        folder: PathBuf,
    },
}

impl Cli {
    /// From the command line and the environment; an empty variable is one that is not set. Ends the process where the
    /// command line is wrong.
    pub fn read() -> Self {
        let is_empty =
            |name: &std::ffi::OsStr| std::env::var(name).is_ok_and(|value| value.trim().is_empty());
        let command = Self::command().mut_args(|argument| match argument.get_env() {
            Some(name) if is_empty(name) => argument.env(Resettable::Reset),
            _ => argument,
        });
        Self::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
    }

    /// A setting of the log is bad, so nothing was started. A command that reads all settings names the other bad ones, too.
    pub fn bad_settings(&self, of_log: BadSetting) -> BadSettings {
        let mut bad = vec![of_log];
        if matches!(self.command, None | Some(Command::Serve | Command::Check { .. }))
            && let Err(BadSettings(others)) = Config::from_settings(&self.settings)
        {
            bad.extend(others);
        }
        BadSettings(bad)
    }

    /// Runs the command. Exit code 1 where the check has found a fault. Boxed, so that this crate compiles it, and main does not.
    ///
    /// # Errors
    /// One that a person can act on.
    pub fn run(self) -> Pin<Box<dyn Future<Output = anyhow::Result<ExitCode>>>> {
        Box::pin(self.carry_out())
    }

    async fn carry_out(self) -> anyhow::Result<ExitCode> {
        let data = &self.settings.data;
        match self.command.unwrap_or(Command::Serve) {
            Command::Serve => serve(&self.settings).await?,
            Command::Health => health::ask(config::ops_listen_addr(&self.settings)?).await?,
            Command::Check { json } => return check(&self.settings, json).await,
            Command::Migrate(arguments) => return arguments.run(data).await,
            Command::Invite { command } => command.run(data, &self.settings.bot_api_url).await?,
            Command::User { command } => command.run(&self.settings).await?,
            Command::Apikey { command } => command.run(data).await?,
            Command::Webhook { command } => command.run(data).await?,
            Command::Session { command } => command.run(&self.settings).await?,
            Command::Import(arguments) => arguments.run(&self.settings).await?,
            Command::Key { command } => command.run(&self.settings).await?,
            Command::Log { command } => command.run(data).await?,
            Command::Database { command } => command.run(data).await?,
            Command::Completions { shell } => {
                clap_complete::generate(shell, &mut Self::command(), "qr-login", &mut io::stdout());
            }
            Command::Man { folder } => write_manual(&folder)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn check(settings: &Settings, json: bool) -> anyhow::Result<ExitCode> {
    let report = check::check(settings).await;
    let mut out = io::stdout().lock();
    match json {
        true => report.write_json(&mut out)?,
        false => report.write_text(&mut out)?,
    }
    out.flush()?;
    Ok(if report.has_fault() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn write_manual(folder: &Path) -> anyhow::Result<()> {
    clap_mangen::generate_to(Cli::command(), folder)
        .with_context(|| format!("the pages cannot be written to {}", folder.display()))
}

async fn serve(settings: &Settings) -> anyhow::Result<()> {
    signals::outlive_others();
    let config = Config::from_settings(settings)?;
    // One for all of its life: a signal between two of them would be lost.
    let mut stop = std::pin::pin!(signals::stop());
    let service = tokio::select! {
        service = Service::start(config, Clock::system()) => service?,
        () = &mut stop => return Ok(()),
    };
    if let Some(addr) = service.listen_addr {
        tracing::info!("serving the Mini App on http://{addr}");
    }
    systemd::notify(systemd::READY);
    let stopped = async {
        stop.await;
        systemd::notify(systemd::STOPPING);
    };
    service.run_until(stopped).await?;
    tracing::info!("stopped");
    Ok(())
}
