//! Takes over people, invites and sessions of the Python system that this service replaces (`qr-login import`).
//!
//! 1. Read the other database: [`parent`]. It is only read.
//! 2. Say what each row means: [`people`], [`history`], [`invites`]. What is wrong with a row goes into the [`report`].
//! 3. Take the people over, each with one append: `take_people`.
//! 4. Link their sessions, Telethon's files: [`telethon`], `take_sessions`. The files stay as they are.
//! 5. Take the invites over: `take_invites`.
//!
//! Each step may be repeated: what it has done is kept in the vault (`vault/src/imports.rs`), and the aggregates add nothing twice.
//! So an import goes on after a kill, and a second one adds only what is new. [`undo`] gives sessions back.

use std::path::{Path, PathBuf};

use app::App;
use eventlog::{Context, DatabaseError};
use login_worker::{Network, SessionFileError};
use vault::MasterKey;

pub mod history;
pub mod invites;
pub mod parent;
pub mod past;
pub mod people;
pub mod report;
mod take_invites;
mod take_people;
mod take_sessions;
pub mod telethon;
pub mod undo;

pub use parent::{Parent, ParentError};
pub use report::Report;

/// People, invites or sessions that are taken together.
const BATCH_SIZE: usize = 250;
/// Commands under way at a time: the log appends together what comes together.
const COMMANDS: usize = 64;

/// An import.
pub struct Import<'a> {
    /// This service.
    pub app: &'a App,
    /// Seals the sessions.
    pub master: &'a MasterKey,
    /// The Telegram that the sessions are of.
    pub network: &'a Network,
    /// Where this service keeps its sealed copies.
    pub sessions_dir: &'a Path,
    /// Where Telethon's files are; None: no session is taken.
    pub telethon_dir: Option<PathBuf>,
    /// Who runs it, as the events name them.
    pub context: Context,
    /// Change nothing.
    pub dry_run: bool,
}

/// Why an import ended before its end. The next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The folder with the files cannot be read.
    #[error("--sessions {0}: the folder cannot be read")]
    Sessions(PathBuf, #[source] std::io::Error),
    /// The folder is the one of this service.
    #[error(
        "--sessions {0} is SESSIONS_DIR of this service, whose own files go there: it has to be the folder of the Python system"
    )]
    OwnSessions(PathBuf),
    /// A command was refused that cannot be.
    #[error("the log refuses what was taken over")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A copy in SESSIONS_DIR cannot be written.
    #[error(transparent)]
    SessionFile(#[from] SessionFileError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Import<'_> {
    /// Takes over what is there.
    ///
    /// # Errors
    /// [`ImportError`]: the same import goes on where this one ended.
    pub async fn run(&self, parent: &Parent) -> Result<Report, ImportError> {
        let now = self.app.clock.now();
        let mut report = Report::new(now, self.dry_run);
        self.check_folder()?;
        let mut people = people::people(&parent.users, &self.app.tiers, now, &mut report);
        history::give_to(&mut people, &parent.history, &mut report);
        let invites = invites::invites(&parent.invites, &people, &self.app.tiers, now, &mut report);
        self.take_people(&people, &mut report).await?;
        self.take_sessions(&people, &mut report).await?;
        self.take_invites(&invites, &mut report).await?;
        Ok(report)
    }

    /// Telethon's files and this service's have the same names.
    fn check_folder(&self) -> Result<(), ImportError> {
        let Some(folder) = &self.telethon_dir else { return Ok(()) };
        let failed = |error| ImportError::Sessions(folder.clone(), error);
        let real = std::fs::canonicalize(folder).map_err(failed)?;
        std::fs::read_dir(&real).map_err(failed)?;
        match std::fs::canonicalize(self.sessions_dir) {
            Ok(own) if own == real => Err(ImportError::OwnSessions(folder.clone())),
            _ => Ok(()),
        }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<eventlog::StoreError<E>> for ImportError {
    fn from(error: eventlog::StoreError<E>) -> Self {
        match error {
            eventlog::StoreError::Database(error) => Self::Database(error),
            other => Self::Refused(Box::new(other)),
        }
    }
}
