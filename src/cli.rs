//! The commands. Answers go to stdout, the log to stderr, and an error is one line.

mod invite;
mod session;
mod user;

use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::config::{Config, DataConfig, DataSettings, Settings};
use crate::service::{self, Service};
use projections::clock::Clock;
use projections::database::{Database, PrivateCluster};
use projections::leader::{self, Leader};
use secrecy::ExposeSecret;

/// How long a command waits for a leader that is busy.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);

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
    /// Make, list, show and revoke invites.
    Invite {
        #[command(subcommand)]
        command: invite::InviteCommand,
    },
    /// What is known of a person.
    User {
        #[command(subcommand)]
        command: user::UserCommand,
    },
    /// Linked sessions.
    Session {
        #[command(subcommand)]
        command: session::SessionCommand,
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
    /// Runs the command.
    ///
    /// # Errors
    /// One that a person can act on.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command.unwrap_or(Command::Serve) {
            Command::Serve => serve(&self.settings).await,
            Command::Invite { command } => command.run(&self.settings.data, &self.settings.bot_api_url).await,
            Command::User { command } => command.run(&self.settings.data).await,
            Command::Session { command } => command.run(&self.settings).await,
            Command::Database { command: DatabaseCommand::Url } => database_url(&self.settings.data),
        }
    }
}

async fn serve(settings: &Settings) -> anyhow::Result<()> {
    let config = Config::from_settings(settings)?;
    let service = tokio::select! {
        service = Service::start(config, Clock::system()) => service?,
        () = stop_signal() => return Ok(()),
    };
    if let Some(addr) = service.listen_addr {
        tracing::info!("serving the Mini App on http://{addr}");
    }
    service.run_until(stop_signal()).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Ends with Ctrl-C or SIGTERM.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminated = signal(SignalKind::terminate()).expect("a signal handler can be set");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
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

/// The database for a command that works beside a running service, or alone; what it did shows in the views before it
/// ends.
async fn with_database<T>(
    settings: &DataSettings,
    work: impl AsyncFnOnce(&DataConfig, &Database) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let data = DataConfig::from_settings(settings)?;
    let (db, cluster) = service::open_database(&data).await?;
    let result = work(&data, &db).await;
    let settled = settle(&data, &db).await;
    db.close().await;
    if let Some(cluster) = cluster {
        cluster.stop().await?;
    }
    let result = result?;
    settled?;
    Ok(result)
}

async fn settle(data: &DataConfig, db: &Database) -> anyhow::Result<()> {
    let leader = Leader {
        db: db.clone(),
        clock: Clock::system(),
        tiers: data.tiers.clone(),
        holder: service::holder(),
    };
    if !leader::settle(&leader, SETTLED_WITHIN).await? {
        tracing::warn!("the views are behind: what was done will show in them once they have caught up");
    }
    Ok(())
}
