//! `qr-login import`: takes over people, invites and sessions of the Python system, or gives sessions back to it.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use app::App;
use clap::Args;
use eventlog::clock::Clock;
use eventlog::database::Database;
use import::{Import, Report, parent};
use secrecy::{ExposeSecret, SecretString};
use vault::{MasterKey, installation};

use super::database::{reading, with_database};
use super::operator;
use crate::config::{self, DataConfig, Settings, secret};
use crate::service;

/// The address, where it is no flag.
const FROM: &str = "IMPORT_FROM";

#[derive(Debug, Args)]
#[command(
    after_help = "Example: qr-login import --from postgres://reader@db.example.org/parent --sessions /srv/parent/sessions --dry-run"
)]
pub struct ImportArguments {
    /// The database of the Python system. It is only read.
    ///
    /// Keep its password out of the flag: IMPORT_FROM or IMPORT_FROM_FILE take the address, too, and PGPASSWORD the password.
    #[arg(long, value_name = "URL", conflicts_with = "undo")]
    from: Option<String>,
    /// The folder with Telethon's files, user_ID.session by Telegram id. They stay as they are. Without it, nobody is linked.
    #[arg(long, value_name = "FOLDER", required_if_eq("undo", "true"))]
    sessions: Option<PathBuf>,
    /// Change nothing, and say what would be taken and what not.
    #[arg(long)]
    dry_run: bool,
    /// Write the report here, too: as JSON where the name ends in .json. Only its owner may read it.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Give the sessions back that nobody has used here yet. Files that are gone are written anew. Everything else stays.
    #[arg(long)]
    undo: bool,
}

impl ImportArguments {
    pub async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        if let Some(file) = &self.report {
            // What cannot be written is told before anything is taken.
            open_report(file)
                .with_context(|| format!("--report {}: it cannot be written", file.display()))?;
        }
        let parent = match self.undo {
            true => None,
            false => Some(parent::read(address(self.from.as_deref())?.expose_secret()).await?),
        };
        let report = match self.dry_run {
            true => {
                reading(&settings.data, async |data, db| self.carry_out(settings, data, db, parent).await)
                    .await?
            }
            false => {
                service::make_data_dir(&DataConfig::from_settings(&settings.data)?)?;
                with_database(&settings.data, async |data, db| {
                    self.carry_out(settings, data, db, parent).await
                })
                .await?
            }
        };
        print!("{report}");
        if let Some(file) = &self.report {
            write_report(file, &report)
                .with_context(|| format!("--report {}: it cannot be written", file.display()))?;
        }
        Ok(())
    }

    async fn carry_out(
        &self,
        settings: &Settings,
        data: &DataConfig,
        db: &Database,
        parent: Option<parent::Parent>,
    ) -> anyhow::Result<Report> {
        let network = config::network(settings)?;
        let master = self.master_key(db, data, &network.stamp()).await?;
        let app = App::new(db, master.derived().clone(), Clock::system(), data.tiers.clone());
        let sessions_dir = config::sessions_dir(settings, &data.data_dir);
        if !self.dry_run {
            make_private(&sessions_dir)
                .with_context(|| format!("SESSIONS_DIR {}: it cannot be made", sessions_dir.display()))?;
        }
        let import = Import {
            app: &app,
            master: &master,
            network: &network,
            sessions_dir: &sessions_dir,
            telethon_dir: self.sessions.clone(),
            context: operator::import_context(),
            dry_run: self.dry_run,
        };
        match (parent, &self.sessions) {
            (Some(parent), _) => Ok(import.run(&parent).await?),
            (None, Some(folder)) => Ok(import.undo(folder).await?),
            (None, None) => bail!("--undo needs --sessions: where the files belong"),
        }
    }

    /// An import may come before the first start of the service, a dry run and a return may not.
    async fn master_key(&self, db: &Database, data: &DataConfig, network: &str) -> anyhow::Result<MasterKey> {
        if self.dry_run || self.undo {
            return Ok(installation::existing_master_key(db, &data.master_key_file).await?);
        }
        installation::belongs_to(db, network).await?;
        Ok(installation::master_key(db, &data.master_key_file).await?)
    }
}

fn address(flag: Option<&str>) -> anyhow::Result<SecretString> {
    match flag {
        Some(url) => Ok(url.into()),
        None => secret(FROM)?.context("--from is missing, or IMPORT_FROM, or IMPORT_FROM_FILE: the address of the Python system's database"),
    }
}

fn open_report(file: &Path) -> std::io::Result<std::fs::File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(file)
}

fn write_report(path: &Path, report: &Report) -> std::io::Result<()> {
    let is_json = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    let text = if is_json { report.json() } else { report.to_string() };
    let mut file = open_report(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.set_len(0)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
