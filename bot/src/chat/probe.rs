//! Whether the Bot API takes the bot's token, for an operator who checks a deployment; and what time it is there.

use std::error::Error;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use teloxide::Bot;
use url::Url;

/// What the Bot API answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The bot's username, without the @.
    pub username: String,
    /// The server's time, to the second, where it says.
    pub time: Option<Timestamp>,
}

/// Why the bot cannot speak.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// It is the token of no bot.
    #[error("Telegram refuses BOT_TOKEN")]
    TokenRefused,
    /// No connection, or no answer.
    #[error("{api_url} cannot be reached: {why}")]
    Unreachable {
        /// Of the server.
        api_url: Url,
        /// As the system says it. Never the token.
        why: String,
    },
    /// An answer that is none of the Bot API.
    #[error("{api_url} does not answer as the Bot API does: HTTP {status}")]
    Other {
        /// Of the server.
        api_url: Url,
        /// Of its answer.
        status: u16,
    },
}

/// Asks the Bot API who the bot is (`getMe`).
///
/// # Errors
/// [`ProbeError`].
pub async fn probe(token: &SecretString, api_url: &Url) -> Result<Answered, ProbeError> {
    let bot = Bot::new(token.expose_secret()).set_api_url(api_url.clone());
    let mut url = api_url.clone();
    let path = format!("{}/bot{}/getMe", api_url.path().trim_end_matches('/'), token.expose_secret());
    url.set_path(&path);
    let answer = match bot.client().get(url).send().await {
        Ok(answer) => answer,
        // Its URL holds the token.
        Err(error) => {
            return Err(ProbeError::Unreachable {
                api_url: api_url.clone(),
                why: cause(&error.without_url()),
            });
        }
    };
    let status = answer.status().as_u16();
    let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
    let time = date.and_then(|date| rfc2822::parse(date).ok()).map(|date| date.timestamp());
    let body: Option<Value> = answer.bytes().await.ok().and_then(|body| serde_json::from_slice(&body).ok());
    match (status, body) {
        (401 | 404, Some(body)) if body["ok"] == false => Err(ProbeError::TokenRefused),
        (_, Some(body)) => match body["result"]["username"].as_str() {
            Some(username) => Ok(Answered { username: username.to_owned(), time }),
            None => Err(ProbeError::Other { api_url: api_url.clone(), status }),
        },
        (_, None) => Err(ProbeError::Other { api_url: api_url.clone(), status }),
    }
}

/// The last of an error's causes: the one that says what happened.
fn cause(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(deeper) = last.source() {
        last = deeper;
    }
    last.to_string()
}
