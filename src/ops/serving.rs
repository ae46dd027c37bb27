//! The parts of a process that serves.

use std::sync::Arc;

use bot::chat::BotToken;
use eventlog::Database;
use web::LiveLogins;

/// The parts that decide whether the process can serve.
#[derive(Debug)]
pub struct Serving {
    /// Whether it answers, and whether the views keep up.
    pub db: Database,
    /// The live logins, where this process serves them.
    pub live_logins: Option<Arc<LiveLogins>>,
    /// Whether Telegram takes the bot's token.
    pub token: BotToken,
}
