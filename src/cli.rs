//! The commands. Answers go to stdout, the log to stderr, and an error is one line.

mod database;
mod health;
mod invite;
mod key;
mod operator;
mod session;
mod signals;
mod user;

use clap::builder::Resettable;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use eventlog::clock::Clock;
use private_postgres::PrivateCluster;
use secrecy::ExposeSecret;

use crate::config::{self, Config, DataConfig, DataSettings, Settings};
use crate::service::Service;

/// Links a person's Telegram account to a service.
#[derive(Debug, Parser)]
#[command(name = "qr-login", version, about)]
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
    /// Make, list, show and revoke invites.
    Invite {
        #[command(subcommand)]
        command: invite::InviteCommand,
    },
    /// What is known of a person; block, unblock, and roles.
    User {
        #[command(subcommand)]
        command: user::UserCommand,
    },
    /// Linked sessions.
    Session {
        #[command(subcommand)]
        command: session::SessionCommand,
    },
    /// The master key.
    Key {
        #[command(subcommand)]
        command: key::KeyCommand,
    },
    /// The private PostgreSQL.
    Database {
        #[command(subcommand)]
        command: DatabaseCommand,
    },
}

#[derive(Debug, Subcommand)]
enum DatabaseCommand {
    /// Print its URL, for psql and for replay. It runs while the service does.
    Url,
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

    /// Runs the command.
    ///
    /// # Errors
    /// One that a person can act on.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command.unwrap_or(Command::Serve) {
            Command::Serve => serve(&self.settings).await,
            Command::Health => health::ask(config::ops_listen_addr(&self.settings)?).await,
            Command::Invite { command } => command.run(&self.settings.data, &self.settings.bot_api_url).await,
            Command::User { command } => command.run(&self.settings).await,
            Command::Session { command } => command.run(&self.settings).await,
            Command::Key { command } => command.run(&self.settings).await,
            Command::Database { command: DatabaseCommand::Url } => database_url(&self.settings.data),
        }
    }
}

async fn serve(settings: &Settings) -> anyhow::Result<()> {
    signals::outlive_others();
    let config = Config::from_settings(settings)?;
    let service = tokio::select! {
        service = Service::start(config, Clock::system()) => service?,
        () = signals::stop() => return Ok(()),
    };
    if let Some(addr) = service.listen_addr {
        tracing::info!("serving the Mini App on http://{addr}");
    }
    service.run_until(signals::stop()).await?;
    tracing::info!("stopped");
    Ok(())
}

fn database_url(settings: &DataSettings) -> anyhow::Result<()> {
    let data = DataConfig::from_settings(settings)?;
    let url = match data.database_url {
        Some(url) => url,
        None => PrivateCluster::url_of(&data.data_dir)?,
    };
    println!("{}", url.expose_secret());
    Ok(())
}
