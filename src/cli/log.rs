//! `qr-login log …`: the signed history of the log.

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use domain::{HistoryCommand, SignedTree};
use eventlog::clock::Clock;
use eventlog::{Database, Store};
use transparency::history::new_log_id;
use transparency::{History, Kept, NoHistory, StoredTree, base64_of, heads, log_witness};

use super::database::with_database;
use super::operator;
use crate::config::{DataConfig, DataSettings};

#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Let the log go on under a new name, after it lost its end or was changed: until then nothing of it is signed.
    ///
    /// What was signed before stays as it is. Everybody who keeps checkpoints sees that there is a new log, and asks why.
    Branch {
        /// Why, for everybody who reads the log. It must name nobody.
        #[arg(long)]
        reason: String,
    },
    /// Commit now where every person's events end, so that their proofs are up to date. The service does it once a day.
    Heads,
    /// Print the key that this installation signs with as a witness of other logs, for their WITNESSES: NAME+ID+KEY.
    Witness,
}

impl LogCommand {
    pub async fn run(self, settings: &DataSettings) -> anyhow::Result<()> {
        with_database(settings, async |data: &DataConfig, db: &Database| match self {
            Self::Branch { reason } => branch(data, db, reason).await,
            Self::Heads => commit_heads(db).await,
            Self::Witness => print_witness(db).await,
        })
        .await
    }
}

async fn commit_heads(db: &Database) -> anyhow::Result<()> {
    match heads::commit(db, &Clock::system(), operator::context()).await? {
        Some(done) => {
            println!("the heads of {} people are committed, up to position {}", done.accounts, done.position)
        }
        None => println!("nothing has happened since they were committed last"),
    }
    Ok(())
}

async fn print_witness(db: &Database) -> anyhow::Result<()> {
    let key = log_witness::public_key(db).await?;
    println!(
        "{}",
        key.context("this installation is no witness yet: set WITNESS_LOGS, and start the service")?
    );
    Ok(())
}

async fn branch(data: &DataConfig, db: &Database, reason: String) -> anyhow::Result<()> {
    ensure!(!reason.trim().is_empty(), "--reason: say why");
    let state = StoredTree::new(db).state().await?;
    let history = match History::read(db, &state).await {
        Err(NoHistory::None) => anyhow::bail!("no log was begun here: nothing to branch from"),
        history => history?,
    };
    let kept = Kept::of_data_dir(&data.data_dir).latest().context("DATA_DIR/checkpoints")?;
    let last = kept.into_iter().map(|kept| kept.checkpoint).find(|it| !history.before.contains(&it.origin));
    let last =
        last.context("nothing that was signed is kept in DATA_DIR/checkpoints: nothing to branch from")?;
    let previous = SignedTree { origin: last.origin, size: last.size, root: base64_of(&last.root) };
    let log_id = new_log_id();
    let command = HistoryCommand::Branch { log_id, previous, reason, at: Clock::system().now() };
    Store::new(db).history(command, operator::context()).await?;
    println!("the log goes on under a new name; its leader signs the first checkpoint within some seconds");
    Ok(())
}
