//! What every worker of this process needs.

use std::path::PathBuf;
use std::sync::Arc;

use eventlog::{Clock, Database, Store};
use vault::{MasterKey, Vault};

use super::session_files::DueFiles;
use super::telegram_app::TelegramApp;

/// What the workers need.
#[derive(Clone)]
pub struct LoginWorkers {
    /// Signals, and whether this process lives.
    pub db: Database,
    /// Records events.
    pub store: Store,
    /// Keeps keys and tokens.
    pub vault: Vault,
    /// Seals them.
    pub master: Arc<MasterKey>,
    /// Tells when a token or a login ends.
    pub clock: Clock,
    /// Which Telegram, and as which application.
    pub telegram: TelegramApp,
    /// Where the sealed copies of linked sessions go.
    pub sessions_dir: PathBuf,
    /// Copies that could not be written there yet.
    pub due_files: DueFiles,
    /// The ledger of sessions that have ended (`app::sessions::stay_ended`).
    pub ended_sessions: PathBuf,
    /// Whether the log names Telegram ids. If not, it names account ids.
    pub log_telegram_ids: bool,
}
