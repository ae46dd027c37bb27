//! The sandbox: a page on which one person plays all people. Its page and its own requests (`page/CONTRACT.md`) beside
//! the service, which is reached through it as through the reverse proxy of a real deployment.
//!
//! - [`snapshot`]: the whole state that the page draws; [`live`]: how it is sent
//! - [`actions`]: the chat, the Mini App, the phone; [`switches`]: faults; [`journal`]: log and events
//! - [`proxy`]: the service behind this origin; [`files`]: the page; [`guard`]: who may use it

mod actions;
mod data_dir;
mod files;
mod guard;
mod journal;
mod live;
mod proxy;
mod snapshot;
mod switches;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post};

use crate::clock::Clock;
use crate::service::Service;
use crate::telegram::Telegram;

pub use data_dir::DataDir;

/// The invite that the sandbox makes for its people.
pub const INVITE: &str = "3HBP4Z3ECICZ";

/// What a camera picture may weigh.
const PICTURE_BYTES: usize = 4 << 20;

/// The running sandbox. Clones are the same one.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

struct Inner {
    telegram: Telegram,
    service: Service,
    clock: Clock,
    /// `http://127.0.0.1:8000`: where page, Mini App and API are.
    origin: String,
    scans: Mutex<Scans>,
    published: snapshot::Published,
    journal: journal::Cache,
    http: reqwest::Client,
}

/// What phones have seen and nobody has confirmed yet.
#[derive(Default)]
struct Scans {
    last: u64,
    waiting: HashMap<u64, Scan>,
}

struct Scan {
    person: i64,
    link: String,
}

impl Sandbox {
    /// A sandbox for this Telegram and this service, which the caller starts.
    pub fn new(telegram: Telegram, service: Service, clock: Clock, origin: String) -> Self {
        // A redirect is the browser's to follow; a long poll takes as long as it takes.
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("no TLS setting can be wrong");
        let sandbox = Self {
            inner: Arc::new(Inner {
                telegram,
                service,
                clock,
                origin,
                scans: Mutex::default(),
                published: snapshot::Published::default(),
                journal: journal::Cache::default(),
                http,
            }),
        };
        tokio::spawn(sandbox.clone().publish_changes());
        sandbox
    }

    /// Lets every phone log in, so that it stands in its owner's list of devices.
    pub async fn log_phones_in(&self) {
        for account in self.inner.telegram.accounts.all() {
            // In airplane mode the phone does it when it is used.
            let _ = self.inner.telegram.phone(account.id).log_in().await;
        }
    }

    /// Makes [`INVITE`], unless it is there already.
    ///
    /// # Errors
    /// Where the service refuses for another reason.
    pub async fn make_invite(&self) -> anyhow::Result<()> {
        let create = ["invite", "create", "--tier", "premium", "--code", INVITE, "--max-uses", "1000"];
        match self.inner.service.tool(&create).await {
            Ok(_) => Ok(()),
            Err(refused) => match self.inner.service.tool(&["invite", "show", INVITE]).await {
                Ok(_) => Ok(()),
                Err(_) => Err(refused),
            },
        }
    }

    /// Everything that is served.
    pub fn router(&self) -> Router {
        let own = Router::new()
            .route("/sandbox/state", get(live::state))
            .route("/sandbox/events", get(live::events))
            .route("/sandbox/chat", post(actions::chat))
            .route("/sandbox/press", post(actions::press))
            .route("/sandbox/clear", post(actions::clear))
            .route("/sandbox/init_data", post(actions::init_data))
            .route("/sandbox/share_contact", post(actions::share_contact))
            .route("/sandbox/scan", post(actions::scan))
            .route("/sandbox/confirm", post(actions::confirm))
            .route("/sandbox/decline", post(actions::decline))
            .route("/sandbox/end_session", post(actions::end_session))
            .route("/sandbox/options", post(switches::options))
            .route("/sandbox/kill", post(switches::kill))
            .route("/sandbox/restart", post(switches::restart))
            .route("/sandbox/fill", post(switches::fill))
            .route("/sandbox/log", get(journal::log))
            .route("/sandbox/journal", get(journal::events))
            .route("/sandbox/page/{file}", get(files::page))
            .layer(DefaultBodyLimit::max(PICTURE_BYTES))
            .layer(from_fn_with_state(self.clone(), guard::check));
        let service = any(proxy::pass);
        Router::new()
            .route("/", get(files::index))
            .merge(own)
            .route("/qr-auth", service.clone())
            .route("/qr-auth/{*rest}", service.clone())
            .route("/qr-auth-status", service.clone())
            .route("/me", service.clone())
            .route("/admin", service.clone())
            .route("/admin/{*rest}", service.clone())
            .route("/api/{*rest}", service.clone())
            .route("/log/{*rest}", service)
            .with_state(self.clone())
    }
}
