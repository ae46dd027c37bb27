//! `qr-login session export`: hands a linked session over to another service, for good.

use std::io::{IsTerminal, Write};

use anyhow::{Context as _, bail};
use app::App;
use clap::{Subcommand, ValueEnum};
use domain::AccountId;
use eventlog::clock::Clock;
use eventlog::database::Database;
use login_worker::export::{Exporter, Format};
use terminal::harmless;
use vault::installation;

use super::database::with_database;
use super::operator;
use super::person::{find_person, person_id};
use crate::config::{self, DataConfig, Settings};

#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// Hand a person's linked session over to another service: the key is printed, and this service forgets it.
    Export {
        /// Whose: a Telegram id or an account id.
        #[arg(long)]
        user: String,
        /// What the other service reads.
        #[arg(long, value_enum)]
        format: ExportFormat,
        /// Do not ask first.
        #[arg(long)]
        yes: bool,
    },
}

/// What the other service reads.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ExportFormat {
    /// Telethon's StringSession.
    Telethon,
    /// grammers-session's types, as JSON.
    Grammers,
}

impl SessionCommand {
    pub async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let network = config::network(settings)?;
        let asks_as = config::telegram_app(settings, &network)?;
        with_database(&settings.data, async |data: &DataConfig, db: &Database| match &self {
            Self::Export { user, format, yes } => {
                // Of an id that is none, the option is named.
                person_id(user).context("--user")?;
                let account = find_person(db, user).await?;
                if asks_as.is_none() {
                    eprintln!(
                        "qr-login: Telegram is not asked whether the session lives: set TELEGRAM_API_ID and TELEGRAM_API_HASH"
                    );
                }
                if !yes {
                    ask(user)?;
                }
                let master = installation::existing_master_key(db, &data.master_key_file).await?;
                let exporter = Exporter {
                    app: App::new(db, master.derived().clone(), Clock::system(), data.tiers.clone()),
                    master,
                    network: network.clone(),
                    asks_as: asks_as.clone(),
                    sessions_dir: config::sessions_dir(settings, &data.data_dir),
                };
                export(&exporter, account, *format).await
            }
        })
        .await
    }
}

async fn export(exporter: &Exporter, account: AccountId, format: ExportFormat) -> anyhow::Result<()> {
    let format = match format {
        ExportFormat::Telethon => Format::Telethon,
        ExportFormat::Grammers => Format::Grammers,
    };
    let exported = exporter.begin(account, format, operator::context()).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", *exported.words)
        .and_then(|()| out.flush())
        .context("the session could not be written; run the same command again")?;
    exporter.finish(&exported).await?;
    eprintln!("qr-login: handed over; this service does not use the session any more");
    Ok(())
}

/// Goes on only after a clear yes.
fn ask(user: &str) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("session export hands the key over for good: add --yes where nobody can be asked");
    }
    eprint!(
        "The session of {} is handed over: its key is printed here once, anybody who has it has the account, and this \
         service neither uses nor checks it until the next login. The person is told. Go on? [yes/no] ",
        harmless(user)
    );
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "yes" | "y" | "да" => Ok(()),
        _ => bail!("nothing was handed over"),
    }
}
