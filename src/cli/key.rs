//! `qr-login key`: makes a master key, and rotates the one in use beside running services.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use domain::HistoryCommand;
use eventlog::clock::Clock;
use eventlog::database::Database;
use eventlog::store::Store;
use tokio::time::{Instant, sleep};
use transparency::{History, NoteKey, SigningKeys, StoredTree, base64_of};
use vault::rotation::{Progress, Rotation};
use vault::{MasterKey, Vault};

use super::database::with_database;
use super::operator;
use crate::config::{DataConfig, Settings};
use crate::service;

/// How long a rotation waits for processes that read the file every few seconds. With `--finish`, they have to have sealed with
/// the new key alone for half a minute.
const READ_WITHIN: Duration = Duration::from_secs(30);
const SETTLED_WITHIN: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(250);

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a master key file. One that is there is never overwritten.
    New,
    /// Write the keys for a machine that only serves HTTP (--role api). It opens no linked session with them.
    Api {
        /// Where they go: the MASTER_KEY_FILE of that machine. One that is there is never overwritten.
        file: PathBuf,
    },
    /// Let a new key seal. Those before it still open. It runs beside the service.
    Rotate {
        /// Seal anew what the keys before have sealed, and take them out of the file.
        #[arg(long)]
        finish: bool,
        /// Instead, let a new key sign checkpoints of the log. Everybody who checks them needs its public key.
        #[arg(long, conflicts_with = "finish")]
        checkpoint: bool,
    },
}

impl KeyCommand {
    pub async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        match self {
            Self::New => make(&DataConfig::from_settings(&settings.data)?),
            Self::Api { file } => write_api_keys(&DataConfig::from_settings(&settings.data)?, &file),
            Self::Rotate { checkpoint: true, .. } => {
                with_database(&settings.data, async |data: &DataConfig, db: &Database| {
                    change_checkpoint_key(db, &data.checkpoint_key_file).await
                })
                .await
            }
            Self::Rotate { finish, checkpoint: false } => {
                with_database(&settings.data, async |data: &DataConfig, db: &Database| {
                    let rotation = Rotation::begin(db, data.master_key_file.clone()).await?;
                    if finish {
                        let sessions_dir = settings.sessions_dir.clone();
                        let sessions_dir = sessions_dir.unwrap_or_else(|| data.data_dir.join("sessions"));
                        self::finish(&rotation, &Vault::new(db), &sessions_dir).await
                    } else {
                        rotate(&rotation).await
                    }
                })
                .await
            }
        }
    }
}

/// The file gets the new key first: from the event on, the leader signs with it.
async fn change_checkpoint_key(db: &Database, file: &Path) -> anyhow::Result<()> {
    let state = StoredTree::new(db).state().await?;
    let before = History::read(db, &state).await?;
    let newest = SigningKeys::load(file).context("CHECKPOINT_KEY_FILE")?.newest().verifying_key();
    // An earlier run may have been killed between the file and the event.
    let key = match newest.to_bytes() == before.key.bytes() {
        true => SigningKeys::add_key(file).context("CHECKPOINT_KEY_FILE")?.verifying_key(),
        false => newest,
    };
    let command = HistoryCommand::ChangeKey {
        public_key: base64_of(key.as_bytes()),
        previous: base64_of(&before.key.bytes()),
        at: Clock::system().now(),
    };
    Store::new(db).history(command, operator::context()).await?;
    say(&format!(
        "{} signs from here on; tell it to everybody who checks checkpoints, and copy {} to every other machine that may lead",
        NoteKey::of_log(&before.origin, key),
        file.display()
    ))
}

fn make(data: &DataConfig) -> anyhow::Result<()> {
    service::make_data_dir(data)?;
    let path = &data.master_key_file;
    let id = MasterKey::make(path).context("MASTER_KEY_FILE")?;
    say(&format!("made the key {id} in {}; back it up apart from the database", path.display()))
}

fn write_api_keys(data: &DataConfig, path: &Path) -> anyhow::Result<()> {
    let keys = MasterKey::load(&data.master_key_file).context("MASTER_KEY_FILE")?.derived().to_text();
    let shown = path.display();
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.with_context(|| format!("{shown} cannot be made"))?;
    file.write_all(keys.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("{shown} cannot be written"))?;
    say(&format!(
        "wrote {shown}; on a machine that runs `qr-login serve --role api` alone, it is the MASTER_KEY_FILE"
    ))
}

async fn rotate(rotation: &Rotation) -> anyhow::Result<()> {
    if rotation.is_unfinished().await? {
        return say(
            "the key was rotated already, and is in use; `qr-login key rotate --finish` ends that rotation",
        );
    }
    rotation.add_key().await?;
    let id = wait_until_done(rotation.path(), READ_WITHIN, "qr-login key rotate", async || {
        Ok(rotation.promote().await?)
    })
    .await?;
    say(&format!(
        "the key {id} seals now, those before it open; back the file up, copy it to every other machine, then run \
         `qr-login key rotate --finish`"
    ))
}

async fn finish(rotation: &Rotation, vault: &Vault, sessions_dir: &Path) -> anyhow::Result<()> {
    let id = wait_until_done(rotation.path(), SETTLED_WITHIN, "qr-login key rotate --finish", async || {
        Ok(rotation.settled().await?)
    })
    .await?;
    let resealed = rotation.reseal().await?;
    login_worker::update_session_files(vault, sessions_dir)
        .await
        .context("SESSIONS_DIR: not every sealed copy could be written; run this again")?;
    let retired = rotation.retire()?;
    say(&format!(
        "sealed {resealed} anew with {id}, took {retired} keys out of the file; keep a backup of the file before as long as \
         backups of the database"
    ))
}

/// Waits for other processes, and says for which.
async fn wait_until_done(
    path: &Path,
    within: Duration,
    command: &str,
    look: impl AsyncFn() -> anyhow::Result<Progress>,
) -> anyhow::Result<String> {
    let until = Instant::now() + within;
    let mut said = false;
    loop {
        match look().await? {
            Progress::Done(id) => return Ok(id),
            Progress::WaitsFor(processes) if Instant::now() < until => {
                if !said {
                    eprintln!("qr-login: waiting for {}", processes.join(", "));
                    said = true;
                }
                sleep(LOOK_EVERY).await;
            }
            Progress::WaitsFor(processes) => bail!(
                "nothing was refused and nothing is lost, but {} did not read the key file yet: where it is a copy, copy {} \
                 there, then run `{command}` again",
                processes.join(", "),
                absolute(path).display()
            ),
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}").context("stdout cannot be written")
}
