//! [`ApiState`]: what every request can reach.

use std::error::Error;
use std::sync::Arc;

use app::App;
use jiff::tz::TimeZone;
use tokio::sync::Semaphore;
use webhooks::Webhooks;

use crate::api_keys::{KeyLimits, KeyUses};
use crate::feed::Feed;
use crate::init_data::Verifier;
use crate::live_events::LiveEvents;
use crate::live_logins::LiveLogins;
use crate::standby::Standby;
use crate::stopping::Stopping;

/// What every request can reach.
pub struct ApiState {
    /// The use cases, the vault, and the views for logins that are no longer live.
    pub app: App,
    /// Where reads may go that change nothing; None: to the primary.
    pub standby: Option<Standby>,
    /// Webhooks of other services.
    pub webhooks: Webhooks,
    /// Live logins.
    pub live_logins: Arc<LiveLogins>,
    /// What is recorded, for the admins' app.
    pub live_events: LiveEvents,
    /// The end of the log, for other services.
    pub feed: Feed,
    /// How many requests each API key has left.
    pub key_limits: KeyLimits,
    /// Whether the process is about to stop: who waits is answered then.
    pub stopping: Stopping,
    /// When the last use of each API key was noted.
    pub key_uses: KeyUses,
    /// Finds out who opened the Mini App.
    pub verifier: Verifier,
    /// What the page is told about this installation.
    pub page: Arc<PageSettings>,
    /// Lookups of logins that are not in memory: so many at a time, so that nobody who has a link can take the database.
    pub lookups: Semaphore,
    /// Telegram ids of the first admins (`ADMIN_IDS`).
    pub admins: Vec<i64>,
    /// Whether Telegram refuses the bot's token, as far as this process knows.
    pub token_is_refused: Box<dyn Fn() -> bool + Send + Sync>,
    /// The signed tree over the log.
    pub tree: transparency::Served,
    /// The secret of Telegram's webhook, where updates come that way.
    pub webhook_secret: Option<Arc<secrecy::SecretString>>,
}

impl ApiState {
    /// How many [`Self::lookups`] there are.
    pub const LOOKUPS: usize = 4;

    /// Reads: from the standby where there is one that shows what the primary has, else from the primary. What the standby cannot
    /// answer is asked of the primary, so the query may run twice. It changes nothing.
    ///
    /// # Errors
    /// The primary's.
    pub async fn read<T, E, F>(&self, query: impl Fn(App) -> F) -> Result<T, E>
    where
        E: Error + 'static,
        F: Future<Output = Result<T, E>>,
    {
        if let Some(standby) = &self.standby
            && let Some(found) = standby.read(&query).await
        {
            return Ok(found);
        }
        query(self.app.clone()).await
    }
}

/// What the page is told about this installation.
#[derive(Clone, Debug)]
pub struct PageSettings {
    /// Whether and how the one-phone way is offered.
    pub one_phone_login: OnePhoneLogin,
    /// The name of the session in Telegram's list of devices.
    pub device_name: String,
    /// The zone of the days that people read.
    pub display_timezone: TimeZone,
    /// Whom a blocked person may write to.
    pub support_contact: Option<String>,
    /// One more origin that may frame the page: a private network's own.
    pub page_origin: Option<String>,
}

/// Whether a person may log in by a code on the same phone, and to which number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnePhoneLogin {
    /// To the number that Telegram has signed as their own.
    On,
    /// To any number that they type, too. Then no hint of a 2-step password is shown: it may be somebody else's.
    Typed,
    /// Not at all.
    Off,
}

impl OnePhoneLogin {
    /// `on`, `typed`, `off`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Typed => "typed",
            Self::Off => "off",
        }
    }

    /// Whether the way is offered.
    pub fn is_open(self) -> bool {
        self != Self::Off
    }
}
