//! The world of a test: the real service in this process, a real PostgreSQL, and a stand-in Telegram over real sockets.
//! Tests speak in its verbs and assert what a person sees and what the log recorded.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use app::invites::{Invites, Order};
use bot::login::Network;
use domain::Tier;
use eventlog::clock::{Clock, ManualClock};
use eventlog::database::{Database, PoolSettings};
use eventlog::log::{Log, LogEvent};
use eventlog::store::Context;
use eventlog::testing::proxy::Proxy;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use projections::projector::wait_for;
use qr_login::config::{Config, DataConfig, Role};
use qr_login::service::Service;
use secrecy::SecretString;
use serde_json::Value;
use stand_in::bot_api::{ChatPerson, Message};
use stand_in::phone::Phone;
use stand_in::{Options, Telegram};

use crate::port::Port;

/// Everything that a test needs.
pub struct World {
    pub telegram: Telegram,
    pub config: Config,
    pub db: Database,
    pub http: reqwest::Client,
    /// Only in a world whose clock is held by hand.
    pub time: Option<ManualClock>,
    /// Between the service and its database, in a world that wants one.
    pub proxy: Option<Proxy>,
    clock: Clock,
    service: Option<Service>,
    _port: Port,
    _dir: tempfile::TempDir,
}

/// How a world differs from the usual one.
#[derive(Default)]
pub struct Differing {
    /// The clock moves only when the test says so.
    pub manual_clock: bool,
    /// How long Telegram's login tokens live; 30 s unless said otherwise.
    pub token_lifetime: Option<Duration>,
    /// By how much Telegram's clock is ahead of ours.
    pub telegram_ahead: SignedDuration,
    /// The origin whose pages may frame the Mini App.
    pub page_origin: Option<String>,
    /// The service reaches its database through a proxy that can fall silent.
    pub proxy: bool,
    /// Whatever else the settings say otherwise.
    pub configure: Option<fn(&mut Config)>,
}

impl World {
    /// The usual world.
    pub async fn start() -> Result<Self> {
        Self::with(Differing::default()).await
    }

    /// A world that differs.
    pub async fn with(differing: Differing) -> Result<Self> {
        // Shown for a test that fails; RUST_LOG says how much.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        let (clock, time) = match differing.manual_clock {
            false => (Clock::system(), None),
            true => {
                let (clock, time) = Clock::manual("2026-11-22T10:00:00Z".parse()?);
                (clock, Some(time))
            }
        };
        let (telegram_clock, ahead) = (clock.clone(), differing.telegram_ahead);
        let mut options = Options {
            clock: stand_in::clock::Clock::from_fn(Arc::new(move || (telegram_clock.now() + ahead).into())),
            ..Options::default()
        };
        if let Some(lifetime) = differing.token_lifetime {
            options.token_lifetime = lifetime;
        }
        let telegram = Telegram::start(options).await?;
        let test = eventlog::testing::database().await;
        let dir = tempfile::tempdir()?;
        let port = Port::reserve()?;
        let origin = differing.page_origin.as_deref();
        let proxy = match differing.proxy {
            false => None,
            true => Some(Proxy::before(&test.url).await),
        };
        let url = proxy.as_ref().map_or(&test.url, |proxy| &proxy.url).clone();
        let mut config = config(&telegram, url, dir.path(), port.addr, origin)?;
        if let Some(configure) = differing.configure {
            configure(&mut config);
        }
        let mut world = Self {
            telegram,
            config,
            db: test.db,
            http: reqwest::Client::new(),
            time,
            proxy,
            clock,
            service: None,
            _port: port,
            _dir: dir,
        };
        world.start_service().await?;
        Ok(world)
    }

    /// Starts the service, where it does not run.
    pub async fn start_service(&mut self) -> Result<()> {
        ensure!(self.service.is_none(), "the service runs already");
        self.service = Some(Service::start(self.config.clone(), self.clock.clone()).await?);
        Ok(())
    }

    /// Ends the service as a crash does: everything is dropped where it stands.
    pub async fn crash_service(&mut self) {
        if let Some(service) = self.service.take() {
            service.stop().await;
        }
    }

    /// An invite of the usual kind.
    pub async fn invite(&self, tier: Tier) -> Result<String> {
        self.invite_for(tier, 1).await
    }

    /// An invite for several people.
    pub async fn invite_for(&self, tier: Tier, max_uses: u32) -> Result<String> {
        let invites = Invites::new(&self.db, self.clock.clone(), self.config.data.tiers.clone());
        let order = Order { max_uses, ..Order::new(tier) };
        Ok(invites.create(order, Context::tool("test")).await?.code)
    }

    pub fn person(&self, id: i64) -> ChatPerson {
        self.telegram.person(id)
    }

    pub fn phone(&self, id: i64) -> Arc<Phone> {
        self.telegram.phone(id)
    }

    /// Sends `/login CODE` and takes the session id from the button of the answer.
    pub async fn begin(&self, person: i64, code: &str) -> Result<String> {
        let card = self.person(person).ask_for_card(&format!("/login {code}")).await?;
        let url = card.web_app_url().context("a button")?;
        Ok(url.split_once("session_id=").context("a session id in the button")?.1.to_owned())
    }

    /// Where the operator asks.
    pub fn ops_addr(&self) -> SocketAddr {
        self.service.as_ref().expect("the service runs").ops_addr
    }

    /// Where HTTP is served: what stands before it in the world leads here.
    pub fn base(&self) -> String {
        format!("http://{}", self.config.listen_addr)
    }

    /// A request with this person's launch data.
    pub fn get_as(&self, person: i64, path: &str) -> reqwest::RequestBuilder {
        let launch = self.person(person).init_data(None);
        self.http.get(format!("{}{path}", self.base())).header("Authorization", format!("tma {launch}"))
    }

    pub fn post_as(&self, person: i64, path: &str, body: &Value) -> reqwest::RequestBuilder {
        let launch = self.person(person).init_data(None);
        let request = self.http.post(format!("{}{path}", self.base())).json(body);
        request.header("Authorization", format!("tma {launch}"))
    }

    /// The owner's status, as soon as it satisfies; followed by long poll, as the page does.
    pub async fn status_when(
        &self,
        person: i64,
        session: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let follow = async {
            let mut since = 0;
            loop {
                let path = format!("/qr-auth-status?session_id={session}&since={since}&wait=25");
                let status: Value = self.get_as(person, &path).send().await?.json().await?;
                if wanted(&status) {
                    return anyhow::Ok(status);
                }
                let ended = !matches!(
                    status["status"].as_str(),
                    Some("waiting" | "code_required" | "password_required")
                );
                ensure!(!ended || status["status"] == "not_found", "ended otherwise: {status}");
                since = status["version"].as_i64().unwrap_or_default();
            }
        };
        let status = tokio::time::timeout(Duration::from_secs(30), follow).await;
        status.context("the status never came to that")?
    }

    /// The link of the QR code that is on the screen.
    pub async fn link(&self, person: i64, session: &str) -> Result<String> {
        let status = self.status_when(person, session, |status| status["deep_link"].is_string()).await?;
        Ok(status["deep_link"].as_str().context("a link")?.to_owned())
    }

    /// A whole login of this person with a fresh invite; gives the session id.
    pub async fn log_in(&self, person: i64) -> Result<String> {
        let code = self.invite(Tier::Premium).await?;
        let session = self.begin(person, &code).await?;
        let card = self.person(person).from_bot().pop().context("the card")?.message_id;
        self.phone(person).scan(&self.link(person, &session).await?).await?;
        self.status_when(person, &session, |status| status["status"] == "authorized").await?;
        // In Russian or, for Anna, in English.
        let begins = |text: &str| text.starts_with("✅ А") || text.starts_with("✅ A");
        let is_told = |message: &Message| message.message_id > card && begins(&message.text);
        self.person(person).wait_for_message(is_told).await?;
        Ok(session)
    }

    /// Every event that was committed by now, in order, once each has its position and the views show it: what a person
    /// has been told may be newer than the last position given.
    pub async fn events(&self) -> Result<Vec<LogEvent>> {
        let due = Log::new(&self.db).due().await?;
        let shown = tokio::time::timeout(Duration::from_secs(30), wait_for(&self.db, due)).await;
        shown.context("the views never showed what was committed")??;
        Ok(Log::new(&self.db).read(0, 10_000).await?)
    }

    /// The names of the events so far, in order, waiting until the wanted one is among them and the views show them all.
    pub async fn names_once(&self, wanted: &str) -> Result<Vec<String>> {
        let mut follower = Log::new(&self.db).follow(0);
        let follow = async {
            loop {
                if follower.next().await?.iter().any(|event| event.name == wanted) {
                    return anyhow::Ok(());
                }
            }
        };
        let followed = tokio::time::timeout(Duration::from_secs(30), follow).await;
        followed.with_context(|| format!("{wanted} never happened"))??;
        Ok(self.events().await?.into_iter().map(|event| event.name).collect())
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

fn config(
    telegram: &Telegram,
    database: SecretString,
    dir: &std::path::Path,
    listen_addr: SocketAddr,
    page_origin: Option<&str>,
) -> Result<Config> {
    let network = Network::read(&telegram.write_network_file(dir, page_origin)?)?;
    Ok(Config {
        roles: [Role::Api, Role::Bot, Role::Projector].into(),
        data: DataConfig {
            database_url: Some(database),
            pool: PoolSettings::default(),
            data_dir: dir.to_owned(),
            master_key_file: dir.join("master.key"),
            tiers: Arc::default(),
        },
        bot_token: telegram.bot_api.token().into(),
        api_id: 1,
        api_hash: "0123456789abcdef0123456789abcdef".into(),
        auth_base_url: format!("http://{listen_addr}"),
        listen_addr,
        ops_listen_addr: "127.0.0.1:0".parse()?,
        sessions_dir: dir.join("sessions"),
        admin_ids: Vec::new(),
        support_contact: Some("@support".to_owned()),
        display_timezone: TimeZone::get("Europe/Moscow")?,
        one_phone_login: true,
        session_check_interval: Duration::from_secs(6 * 3600),
        device_name: "qr-login".to_owned(),
        bot_api_url: telegram.bot_api.url().parse()?,
        bot_webhook: false,
        network,
        log_telegram_ids: true,
    })
}
