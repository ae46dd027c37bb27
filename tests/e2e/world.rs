//! The world of a test: the real service in this process, a real PostgreSQL, and a stand-in Telegram over real sockets.
//! Tests use its methods, and assert what a person sees and what the log recorded.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use app::invites::{Invites, Order};
use domain::Tier;
use eventlog::clock::{Clock, ManualClock};
use eventlog::database::{Database, PoolSettings};
use eventlog::store::Context;
use eventlog::testing::proxy::Proxy;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use login_worker::Network;
use qr_login::config::{Config, DataConfig, Role};
use qr_login::service::Service;
use secrecy::SecretString;
use serde_json::Value;
use stand_in::bot_api::{ChatPerson, Message};
use stand_in::phone::Phone;
use stand_in::{Options, Telegram};
use web::OnePhoneLogin;

use crate::port::Port;

mod events;
mod scrape;

pub use scrape::Scrape;

/// The service and everything around it.
pub struct World {
    pub telegram: Telegram,
    pub config: Config,
    pub db: Database,
    pub http: reqwest::Client,
    /// Set with [`WorldOptions::manual_clock`].
    pub time: Option<ManualClock>,
    /// Between the service and its database. Set with [`WorldOptions::proxy`].
    pub proxy: Option<Proxy>,
    clock: Clock,
    service: Option<Service>,
    _port: Port,
    _dir: tempfile::TempDir,
    _deadline: Deadline,
}

/// Ends the test program, and names the test, when a world still stands after [`Self::LONGEST`]: a test that waits for ever
/// would otherwise hold up all that comes after it without a word.
struct Deadline {
    _ended: mpsc::Sender<()>,
}

impl Deadline {
    const LONGEST: Duration = Duration::from_mins(8);
    /// With `SCHEMATHESIS_CASES`, which makes some tests long.
    const LONGEST_OF_ALL: Duration = Duration::from_hours(3);

    fn start() -> Self {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let (sender, ended) = mpsc::channel::<()>();
        let longest = match std::env::var_os("SCHEMATHESIS_CASES") {
            Some(_) => Self::LONGEST_OF_ALL,
            None => Self::LONGEST,
        };
        std::thread::spawn(move || {
            if ended.recv_timeout(longest) == Err(mpsc::RecvTimeoutError::Timeout) {
                // Not `eprintln!`, which the test harness would keep to itself.
                let line = format!("{test} did not end within {} s\n", longest.as_secs());
                let _ = std::io::stderr().write_all(line.as_bytes());
                std::process::abort();
            }
        });
        Self { _ended: sender }
    }
}

/// What a test changes about its world.
#[derive(Default)]
pub struct WorldOptions {
    /// The clock moves only when the test says so.
    pub manual_clock: bool,
    /// How long Telegram's login tokens live. Default: 30 s.
    pub token_lifetime: Option<Duration>,
    /// By how much Telegram's clock is ahead of ours.
    pub telegram_ahead: SignedDuration,
    /// The origin whose pages may frame the Mini App.
    pub page_origin: Option<String>,
    /// The service reaches its database through a proxy that can stop answering.
    pub proxy: bool,
    /// Changes other settings.
    pub configure: Option<fn(&mut Config)>,
}

impl World {
    pub async fn start() -> Result<Self> {
        Self::with(WorldOptions::default()).await
    }

    /// A world whose clock moves only when the test says so.
    pub async fn with_manual_clock() -> Result<Self> {
        Self::with(WorldOptions { manual_clock: true, ..WorldOptions::default() }).await
    }

    pub async fn with(options: WorldOptions) -> Result<Self> {
        let deadline = Deadline::start();
        // The log is printed for a test that fails. RUST_LOG filters it.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        let (clock, time) = match options.manual_clock {
            false => (Clock::system(), None),
            true => {
                let (clock, time) = Clock::manual("2026-11-22T10:00:00Z".parse()?);
                (clock, Some(time))
            }
        };
        let (telegram_clock, ahead) = (clock.clone(), options.telegram_ahead);
        let mut telegram_options = Options {
            clock: stand_in::clock::Clock::from_fn(Arc::new(move || (telegram_clock.now() + ahead).into())),
            ..Options::default()
        };
        if let Some(lifetime) = options.token_lifetime {
            telegram_options.token_lifetime = lifetime;
        }
        let telegram = Telegram::start(telegram_options).await?;
        let test = eventlog::testing::database().await;
        let dir = tempfile::tempdir()?;
        let port = Port::reserve()?;
        let origin = options.page_origin.as_deref();
        // As in production: the role owns nothing.
        let service_url = eventlog::testing::service_url(&test.url);
        let proxy = match options.proxy {
            false => None,
            true => Some(Proxy::before(&service_url).await),
        };
        let url = proxy.as_ref().map_or(&service_url, |proxy| &proxy.url).clone();
        let mut config = config(&telegram, url, dir.path(), port.addr, origin)?;
        if let Some(configure) = options.configure {
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
            _deadline: deadline,
        };
        world.start_service().await?;
        Ok(world)
    }

    /// Starts the service after [`Self::crash_service`].
    pub async fn start_service(&mut self) -> Result<()> {
        ensure!(self.service.is_none(), "the service runs already");
        self.service = Some(Service::start(self.config.clone(), self.clock.clone()).await?);
        Ok(())
    }

    /// Stops the service as a crash does: all its tasks are dropped at once.
    pub async fn crash_service(&mut self) {
        if let Some(service) = self.service.take() {
            service.stop().await;
        }
    }

    /// The code of a new invite for one person.
    pub async fn invite(&self, tier: Tier) -> Result<String> {
        self.invite_for(tier, 1).await
    }

    /// The code of a new invite for several people.
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

    /// Sends `/login CODE` and returns the session id from the button of the answer.
    pub async fn begin_login(&self, person: i64, code: &str) -> Result<String> {
        let card = self.person(person).ask_for_card(&format!("/login {code}")).await?;
        let url = card.web_app_url().context("a button")?;
        Ok(url.split_once("session_id=").context("a session id in the button")?.1.to_owned())
    }

    /// Waits until `/readyz` answers with this text.
    pub async fn wait_for_readiness(&self, wanted: &str) -> Result<()> {
        let poll = async {
            while self.readiness().await?.1 != wanted {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        };
        tokio::time::timeout(Duration::from_secs(60), poll).await?
    }

    /// Status and text of `/readyz`.
    pub async fn readiness(&self) -> Result<(u16, String)> {
        let answer = self.http.get(format!("http://{}/readyz", self.ops_addr())).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// What `/metrics` prints.
    pub async fn metrics(&self) -> Result<Scrape> {
        let answer = self.http.get(format!("http://{}/metrics", self.ops_addr())).send().await?;
        Ok(Scrape(answer.error_for_status()?.text().await?))
    }

    /// The address of the operator's listener.
    pub fn ops_addr(&self) -> SocketAddr {
        self.service.as_ref().expect("the service runs").ops_addr
    }

    /// The base URL of the public listener, without the reverse proxy of a deployment.
    pub fn base(&self) -> String {
        format!("http://{}", self.config.listen_addr)
    }

    /// A GET request with this person's launch data.
    pub fn get_as(&self, person: i64, path: &str) -> reqwest::RequestBuilder {
        let launch = self.person(person).init_data(None);
        self.http.get(format!("{}{path}", self.base())).header("Authorization", format!("tma {launch}"))
    }

    /// A POST request with this person's launch data.
    pub fn post_as(&self, person: i64, path: &str, body: &Value) -> reqwest::RequestBuilder {
        let launch = self.person(person).init_data(None);
        let request = self.http.post(format!("{}{path}", self.base())).json(body);
        request.header("Authorization", format!("tma {launch}"))
    }

    /// Follows the owner's status by long poll, as the page does, and returns the first that is `wanted`.
    pub async fn wait_for_status(
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
                ensure!(!ended || status["status"] == "not_found", "the login ended with {status}");
                since = status["version"].as_i64().unwrap_or_default();
            }
        };
        let status = tokio::time::timeout(Duration::from_secs(30), follow).await;
        status.context("the wanted status never came")?
    }

    /// The link in the QR code that the page shows now.
    pub async fn qr_link(&self, person: i64, session: &str) -> Result<String> {
        let status = self.wait_for_status(person, session, |status| status["deep_link"].is_string()).await?;
        Ok(status["deep_link"].as_str().context("a link")?.to_owned())
    }

    /// A whole login of this person with a new invite. Returns the session id.
    pub async fn log_in(&self, person: i64) -> Result<String> {
        let code = self.invite(Tier::Premium).await?;
        let session = self.begin_login(person, &code).await?;
        let card = self.person(person).from_bot().pop().context("the card")?.message_id;
        self.phone(person).scan(&self.qr_link(person, &session).await?).await?;
        self.wait_for_status(person, &session, |status| status["status"] == "authorized").await?;
        // In Russian or, for Anna, in English.
        let succeeded = |text: &str| text.starts_with("✅ А") || text.starts_with("✅ A");
        let success_message = |message: &Message| message.message_id > card && succeeded(&message.text);
        self.person(person).wait_for_message(success_message).await?;
        Ok(session)
    }

    /// Moves the manual clock forward.
    pub fn advance(&self, time: Duration) {
        self.time.as_ref().expect("a manual clock").advance(time);
    }

    /// Moves the manual clock forward, second by second, until the future is ready.
    pub async fn advance_until<T>(&self, ready: impl Future<Output = T>) -> T {
        let tick = async {
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                self.advance(Duration::from_secs(1));
            }
        };
        tokio::select! {
            output = ready => output,
            () = tick => unreachable!("the clock never stops"),
        }
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
            database_owner_url: None,
            database_read_url: None,
            pool: PoolSettings::default(),
            data_dir: dir.to_owned(),
            master_key_file: dir.join("master.key"),
            checkpoint_key_file: dir.join("checkpoint.key"),
            tiers: Arc::default(),
        },
        bot_token: telegram.bot_api.token().into(),
        api_id: 1,
        api_hash: "0123456789abcdef0123456789abcdef".into(),
        auth_base_url: format!("http://{listen_addr}"),
        listen_addr,
        trusted_proxies: vec!["127.0.0.0/8".parse()?],
        ops_listen_addr: "127.0.0.1:0".parse()?,
        witnesses: None,
        witness_logs: Vec::new(),
        sessions_dir: dir.join("sessions"),
        admin_ids: Vec::new(),
        checkpoints_to_chat: false,
        support_contact: Some("@support".to_owned()),
        display_timezone: TimeZone::get("Europe/Moscow")?,
        one_phone_login: OnePhoneLogin::On,
        session_check_interval: Duration::from_secs(6 * 3600),
        device_name: "qr-login".to_owned(),
        bot_api_url: telegram.bot_api.url().parse()?,
        bot_webhook: false,
        network,
        log_telegram_ids: true,
        traces: None,
    })
}
