//! `qr-login log …`: the signed history of the log.

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use domain::{HistoryCommand, SignedTree};
use eventlog::clock::Clock;
use eventlog::{Database, Store};
use transparency::keeper::new_log_id;
use transparency::{History, Kept, NoHistory, StoredTree, base64_of};

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
}

impl LogCommand {
    pub async fn run(self, settings: &DataSettings) -> anyhow::Result<()> {
        let Self::Branch { reason } = self;
        with_database(settings, async |data: &DataConfig, db: &Database| branch(data, db, reason).await).await
    }
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
