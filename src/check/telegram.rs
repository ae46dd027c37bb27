//! Telegram: the Bot API with the bot's token, and a data centre with the application's id and hash.

use bot::chat::probe as bot_api;
use eventlog::clock::Clock;
use login_worker::{Network, probe};

use crate::config::{self, Settings};

use super::clock::Offset;
use super::report::Finding;

type Found = (Vec<Finding>, Vec<Offset>);

/// `getMe` at `BOT_API_URL`.
pub async fn bot_token(settings: &Settings, network: Option<&Network>) -> Found {
    const PART: &str = "bot token";
    let private = network.is_some_and(Network::is_private);
    let (Ok(token), Ok(url)) = (config::bot_token(), config::bot_api_url(&settings.bot_api_url, private))
    else {
        return (vec![Finding::not_asked(PART)], Vec::new());
    };
    let asked_at = Clock::system().now();
    match bot_api::probe(&token, &url).await {
        Ok(answered) => {
            let time = answered.time.map(|theirs| Offset::since("the Bot API", asked_at, theirs));
            (vec![Finding::ok(PART, format!("it is @{}'s", answered.username))], time.into_iter().collect())
        }
        Err(error) => {
            let to_do = match &error {
                bot_api::ProbeError::TokenRefused => "check it with @BotFather",
                bot_api::ProbeError::Unreachable { .. } => "let this machine reach it, or set BOT_API_URL",
                bot_api::ProbeError::Other { .. } => "BOT_API_URL has to be a Bot API server",
            };
            (vec![Finding::fault(PART, error.to_string(), to_do)], Vec::new())
        }
    }
}

/// The handshake with the home data centre, and two questions.
pub async fn data_centre(settings: &Settings, network: Option<&Network>) -> Found {
    const PART: &str = "Telegram";
    let app = network.map(|network| config::telegram_app(settings, network));
    let Some(Ok(Some(app))) = app else { return (vec![Finding::not_asked(PART)], Vec::new()) };
    let asked_at = Clock::system().now();
    match probe::probe(&app).await {
        Ok(answered) => {
            let what = format!(
                "data centre {} at {} answers, and takes the application's id and hash",
                answered.dc_id, answered.address
            );
            (vec![Finding::ok(PART, what)], vec![Offset::since("Telegram", asked_at, answered.time)])
        }
        Err(error) => {
            let to_do = match &error {
                probe::ProbeError::Unreachable { .. } => "let this machine connect to it (outgoing TCP)",
                probe::ProbeError::OtherServer { .. } => {
                    "find out who answers there; with TELEGRAM_NETWORK_FILE, its key has to be this server's"
                }
                probe::ProbeError::AppRefused(_) => {
                    "compare TELEGRAM_API_ID and TELEGRAM_API_HASH with https://my.telegram.org"
                }
                probe::ProbeError::Other(_) => "try again later",
            };
            (vec![Finding::fault(PART, error.to_string(), to_do)], Vec::new())
        }
    }
}
