//! Whether the Bot API answers. Each change is logged once. A failed call learns here how long to wait; these waits go by the
//! machine's time, since they are about the network and not about anything that was recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics::{counter, histogram};
use secrecy::{ExposeSecret, SecretString};
use teloxide::prelude::Requester;
use teloxide::{ApiError, Bot, RequestError};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use url::Url;

/// After a failure that passes by itself.
const PAUSE: Duration = Duration::from_secs(1);
/// While another program polls with the same token.
const CONFLICT_PAUSE: Duration = Duration::from_secs(5);
/// While Telegram refuses the token: only an operator can repair that.
const TOKEN_PAUSE: Duration = Duration::from_secs(60);

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No answer, or none that makes sense.
    Unreachable,
    /// Telegram itself fails (5xx).
    Failing,
    /// Telegram asks to wait (429).
    Busy,
    /// Another program polls with the same token (409).
    Conflict,
    /// Telegram does not know the token (401, 404).
    TokenRefused,
}

/// Whether Telegram accepts the bot's token, by the last call of this process. A cheap clone.
#[derive(Clone, Debug, Default)]
pub struct BotToken(Arc<AtomicBool>);

impl BotToken {
    /// Telegram has refused it, and not accepted it since.
    pub fn is_refused(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The Bot API, as the last call found it.
pub(super) struct ApiHealth {
    bot: Bot,
    token: BotToken,
    state: watch::Sender<Option<Trouble>>,
}

/// Why the bot's username is not known.
#[derive(Debug, thiserror::Error)]
pub enum WrongToken {
    /// It is the token of no bot.
    #[error("Telegram refuses BOT_TOKEN: check it with @BotFather")]
    Refused,
    /// The Bot API does not answer.
    #[error("the Bot API cannot be reached")]
    Unreachable,
}

/// The username of the bot with this token, without the @: what `t.me` links begin with.
///
/// # Errors
/// [`WrongToken`]: refused, or the Bot API did not answer.
pub async fn username(token: &SecretString, api_url: &Url) -> Result<String, WrongToken> {
    let bot = Bot::new(token.expose_secret()).set_api_url(api_url.clone());
    match bot.get_me().await {
        Ok(me) => Ok(me.username().to_owned()),
        Err(RequestError::Api(ApiError::InvalidToken)) => Err(WrongToken::Refused),
        Err(_) => Err(WrongToken::Unreachable),
    }
}

impl ApiHealth {
    pub fn new(bot: Bot, token: BotToken) -> Self {
        Self { bot, token, state: watch::Sender::new(None) }
    }

    /// Returns once no call was answered for this long after one that found nobody.
    pub async fn unreachable_for(&self, time: Duration) {
        let mut state = self.state.subscribe();
        let is_unreachable = |state: &Option<Trouble>| *state == Some(Trouble::Unreachable);
        loop {
            if state.wait_for(is_unreachable).await.is_err() {
                std::future::pending::<()>().await;
            }
            let other = state.wait_for(|state| !is_unreachable(state));
            if timeout(time, other).await.is_err() {
                return;
            }
        }
    }

    /// Asks for the bot's username until it is answered.
    pub async fn learn_username(&self) -> String {
        loop {
            match self.bot.get_me().await {
                Ok(me) => {
                    self.answered();
                    return me.username().to_owned();
                }
                Err(error) => sleep(self.failed(&error)).await,
            }
        }
    }

    /// A call was answered.
    pub fn answered(&self) {
        let before = self.state.send_replace(None);
        self.token.0.store(false, Ordering::Relaxed);
        if let Some(trouble) = before {
            tracing::info!(before = trouble.words(), "the Bot API answers again");
        }
    }

    /// A call failed. Returns how long to wait before the next.
    pub fn failed(&self, error: &RequestError) -> Duration {
        let trouble = Trouble::of(error);
        trouble.count(error);
        match trouble {
            Trouble::TokenRefused => self.token.0.store(true, Ordering::Relaxed),
            // Such an answer means that Telegram has accepted the token.
            Trouble::Failing | Trouble::Busy | Trouble::Conflict => {
                self.token.0.store(false, Ordering::Relaxed)
            }
            Trouble::Unreachable => {}
        }
        if self.state.send_replace(Some(trouble)) != Some(trouble) {
            match trouble {
                Trouble::TokenRefused => {
                    tracing::error!("Telegram refuses BOT_TOKEN: check it with @BotFather");
                }
                other => tracing::warn!(reason = other.words(), "the Bot API is out of reach, trying again"),
            }
        }
        match (trouble, error) {
            (_, RequestError::RetryAfter(seconds)) => seconds.duration(),
            (Trouble::Conflict, _) => CONFLICT_PAUSE,
            (Trouble::TokenRefused, _) => TOKEN_PAUSE,
            _ => PAUSE,
        }
    }

    /// A call failed for what it asks for: that says nothing of other calls. It is counted. Returns how long to wait before the same
    /// is asked again.
    pub fn refused(&self, error: &RequestError) -> Duration {
        match error {
            RequestError::RetryAfter(seconds) => {
                Trouble::Busy.count(error);
                seconds.duration()
            }
            _ => {
                counter!("qrlogin_telegram_errors_total", "api" => "bot", "kind" => "refused").increment(1);
                PAUSE
            }
        }
    }

    /// Waits until calls are answered, and calls by itself where no other call is made.
    pub async fn wait_until_usable(&self) {
        let mut state = self.state.subscribe();
        while state.borrow_and_update().is_some_and(Trouble::concerns_all) {
            tokio::select! {
                _ = state.changed() => {}
                () = sleep(PAUSE) => match self.bot.get_me().await {
                    Ok(_) => self.answered(),
                    Err(error) => sleep(self.failed(&error)).await,
                },
            }
        }
    }
}

impl Trouble {
    fn of(error: &RequestError) -> Self {
        match error {
            RequestError::RetryAfter(_) => Self::Busy,
            RequestError::Api(ApiError::InvalidToken) => Self::TokenRefused,
            RequestError::Api(ApiError::TerminatedByOtherGetUpdates | ApiError::CantGetUpdates) => {
                Self::Conflict
            }
            RequestError::Api(_) | RequestError::InvalidJson { .. } | RequestError::MigrateToChatId(_) => {
                Self::Failing
            }
            RequestError::Network(_) | RequestError::Io(_) => Self::Unreachable,
        }
    }

    /// Counts it in the metrics.
    fn count(self, error: &RequestError) {
        if let RequestError::RetryAfter(wait) = error {
            let waits = histogram!("qrlogin_telegram_flood_wait_seconds", "api" => "bot");
            waits.record(wait.duration().as_secs_f64());
        }
        counter!("qrlogin_telegram_errors_total", "api" => "bot", "kind" => self.name()).increment(1);
    }

    /// In the metrics.
    const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Failing => "failing",
            Self::Busy => "flood_wait",
            Self::Conflict => "conflict",
            Self::TokenRefused => "token_refused",
        }
    }

    /// Whether every call would fail.
    const fn concerns_all(self) -> bool {
        matches!(self, Self::Unreachable | Self::TokenRefused)
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Unreachable => "it cannot be reached",
            Self::Failing => "it fails",
            Self::Busy => "it asks to wait",
            Self::Conflict => "another program polls with the same token",
            Self::TokenRefused => "it refuses the token",
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn another_process_may_speak_once_nobody_was_reached_for_a_time_and_not_where_telegram_answered() {
        let health = ApiHealth::new(Bot::new("1:a"), BotToken::default());
        let nobody = RequestError::Io(Arc::new(std::io::Error::other("no route to host")));
        health.failed(&nobody);
        assert!(health.unreachable_for(Duration::from_secs(3600)).now_or_never().is_none());
        health.answered();
        assert!(health.unreachable_for(Duration::ZERO).now_or_never().is_none());
        health.failed(&RequestError::RetryAfter(teloxide::types::Seconds::from_seconds(1)));
        assert!(health.unreachable_for(Duration::ZERO).now_or_never().is_none());
        health.failed(&nobody);
        health.unreachable_for(Duration::ZERO).await;
    }
}
