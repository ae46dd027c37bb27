//! The HTTP API and the Mini App. Owns one outside thing: HTTP. What a request sees comes from the in-memory [`board`] of
//! live logins, which follows the log; what it changes goes through the store, as everywhere.
//!
//! Who may see what is decided in one place, [`access`]; errors become answers in one place, [`problem`].

pub mod access;
pub mod init_data;
pub mod live_logins;
mod page;
pub mod problem;
mod routes;
pub mod server;
mod statics;
mod status;
pub mod texts;

use std::sync::Arc;

use domain::Tiers;
use eventlog::clock::Clock;
use eventlog::database::Database;
use eventlog::store::Store;
use vault::{MasterKey, Vault};

pub use init_data::Verifier;
pub use live_logins::LiveLogins;
pub use routes::serve;
pub use server::Limits;

/// What every request can reach.
pub struct ApiState {
    /// The database: for logins that are no longer live, and the inbox of the webhook.
    pub db: Database,
    /// The write side.
    pub store: Store,
    /// Subjects and tokens.
    pub vault: Vault,
    /// For the keyed hash that limits are counted by.
    pub master: Arc<MasterKey>,
    /// The time that deadlines are computed with, and that the `Date` header tells.
    pub clock: Clock,
    /// Live logins.
    pub live_logins: Arc<LiveLogins>,
    /// Who opened the Mini App.
    pub verifier: Verifier,
    /// The tier table.
    pub tiers: Arc<Tiers>,
    /// What the page is told about this installation.
    pub page: Arc<PageSettings>,
    /// The webhook's secret, where updates come that way.
    pub webhook_secret: Option<Arc<secrecy::SecretString>>,
}

/// What the page is told about this installation.
#[derive(Clone, Debug)]
pub struct PageSettings {
    /// Whether the one-phone way is offered.
    pub one_phone_login: bool,
    /// How the session is called in Telegram's list of devices.
    pub device_name: String,
    /// One more origin that may frame the page: a private network's own.
    pub page_origin: Option<String>,
}
