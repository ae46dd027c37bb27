//! [`ApiState`]: what every request can reach.

use std::sync::Arc;

use app::App;

use tokio::sync::Semaphore;

use crate::init_data::Verifier;
use crate::live_logins::LiveLogins;

/// What every request can reach.
pub struct ApiState {
    /// The use cases, the vault, and the views for logins that are no longer live.
    pub app: App,
    /// Live logins.
    pub live_logins: Arc<LiveLogins>,
    /// Finds out who opened the Mini App.
    pub verifier: Verifier,
    /// What the page is told about this installation.
    pub page: Arc<PageSettings>,
    /// Lookups of logins that are not in memory: so many at a time, so that nobody who has a link can take the database.
    pub lookups: Semaphore,
    /// The webhook's secret, where updates come that way.
    pub webhook_secret: Option<Arc<secrecy::SecretString>>,
}

impl ApiState {
    /// How many [`Self::lookups`] there are.
    pub const LOOKUPS: usize = 4;
}

/// What the page is told about this installation.
#[derive(Clone, Debug)]
pub struct PageSettings {
    /// Whether the one-phone way is offered.
    pub one_phone_login: bool,
    /// The name of the session in Telegram's list of devices.
    pub device_name: String,
    /// Whom a blocked person may write to.
    pub support_contact: Option<String>,
    /// One more origin that may frame the page: a private network's own.
    pub page_origin: Option<String>,
}
