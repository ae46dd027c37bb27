//! The parts put together: what starts, in which order, and what it is given.
//!
//! Every long-running part is a future that may be dropped at any moment: the database keeps what it was doing. So to stop is to
//! drop, and a crash is the same.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use app::App;
use app::leader::{self, Leader};
use app::sessions::stay_ended;
use bot::chat::{BotToken, Chat, Webhook};
use eventlog::Outage;
use eventlog::clock::Clock;
use eventlog::database::Database;
use login_worker::{DueFiles, LoginWorkers, TelegramApp};
use private_postgres::PrivateCluster;
use secrecy::SecretString;
use telemetry::traces::Traces;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use transparency::Served;
use vault::installation;
use vault::presence::Presence;
use vault::processes::Process;
use vault::{DerivedKeys, MasterKey, Vault};
use web::api_keys::{KeyLimits, KeyUses};
use web::feed::Feed;
use web::server::Clients;
use web::{ApiState, Limits, LiveEvents, LiveLogins, PageSettings, Standby, Stopping, Verifier, server};
use webhooks::Webhooks;

use crate::config::{Config, Role};
use crate::database::{self, Patience};
use crate::log_witness::Witnessing;
use crate::ops::{self, Ops, Serving};
use crate::signed_log::{keep_tree, keeper_settings, witness_settings};
use crate::{memory, open_files, warnings};

mod preparations;

pub use preparations::make_data_dir;
use preparations::{bind, ledger};

/// How many connections, or requests through a proxy, one address may have at a time.
const CONNECTIONS_AN_ADDRESS: usize = 64;

/// How long requests that are under way have for their answers when the service stops.
const DRAINED_WITHIN: Duration = Duration::from_secs(5);

/// A running service.
pub struct Service {
    /// Where HTTP is served; None without the role `api`.
    pub listen_addr: Option<SocketAddr>,
    /// Where health and metrics are served.
    pub ops_addr: SocketAddr,
    /// Its database.
    pub db: Database,
    parts: JoinSet<anyhow::Result<()>>,
    /// None without the master key.
    process: Option<Arc<Process>>,
    stopping: Stopping,
    cluster: Option<PrivateCluster>,
    /// None where no collector is set.
    traces: Option<Traces>,
}

impl Service {
    /// Starts everything that the roles ask for. Ports are bound first, so that a taken one is reported before anything happens.
    ///
    /// # Errors
    /// One that a person can act on, in one line.
    pub async fn start(config: Config, clock: Clock) -> anyhow::Result<Self> {
        memory::keep_large_buffers_apart();
        let connections = open_files::raise(&config.roles);
        let ops_listener = bind("OPS_LISTEN_ADDR", config.ops_listen_addr).await?;
        let listener = match config.roles.contains(&Role::Api) {
            true => Some(bind("LISTEN_ADDR", config.listen_addr).await?),
            false => None,
        };
        let mut parts = JoinSet::new();
        let ops_addr = ops_listener.local_addr()?;
        let serving = Arc::new(OnceLock::new());
        let metrics = telemetry::metrics(Clock::system().now());
        let traces = config.traces.as_ref().map(|settings| Traces::start(settings, Handle::current()));
        let traces = traces.transpose()?;
        let ops = ops::routes(Ops::new(&config, serving.clone(), metrics.clone()));
        let witnessing = witness_settings(&config).map(|settings| (Witnessing::new(), settings));
        let ops = match &witnessing {
            Some((witnessing, _)) => ops.merge(witnessing.clone().routes()),
            None => ops,
        };
        let few = Limits::of(open_files::OPERATORS_CONNECTIONS);
        parts
            .spawn(async move { match server::serve(ops_listener, ops, few, Clients::unlimited()).await {} });
        make_data_dir(&config.data)?;
        let (db, cluster) = database::open(&config.data, Patience::WaitForServer).await?;
        warnings::warn(&db).await?;
        installation::belongs_to(&db, &config.network.stamp()).await?;
        let (keys, master) = keys(&db, &config).await?;
        let process = match &master {
            Some(master) => Some(Arc::new(Process::announce(&db, master.clone()).await?)),
            None => None,
        };
        let app = App::new(&db, keys, clock, config.data.tiers.clone());
        let webhooks = Webhooks::new(&db, app.keys.clone(), app.clock.clone()).await?;
        let mut service = Self {
            listen_addr: listener.as_ref().and_then(|it| it.local_addr().ok()),
            ops_addr,
            db: db.clone(),
            parts,
            process: process.clone(),
            stopping: Stopping::default(),
            cluster,
            traces,
        };
        let stopping = service.stopping.clone();
        let parts = &mut service.parts;

        parts.spawn(async { match memory::give_back().await {} });
        if let Some(metrics) = metrics {
            parts.spawn(async move { match metrics.keep_up().await {} });
        }
        let listening = db.clone();
        parts.spawn(async move {
            listening.wake().listen().await;
            Ok(())
        });
        if let Some(watching) = process.clone() {
            parts.spawn(async move {
                watching.watch(holder).await;
                Ok(())
            });
        }
        let live_logins = listener.is_some().then(Arc::<LiveLogins>::default);
        let token = BotToken::default();
        let is_serving = Serving { db: db.clone(), live_logins: live_logins.clone(), token: token.clone() };
        serving.set(is_serving).expect("it is set here alone");

        // Boxed, because the futures of whole parts are large types.
        if config.roles.contains(&Role::Projector) {
            let leading = app.clone();
            parts.spawn(async move {
                Box::pin(lead(leading)).await;
                Ok(())
            });
            let telling = webhooks.clone();
            parts.spawn(async move {
                Box::pin(tell_services(telling)).await;
                Ok(())
            });
        }
        if config.roles.contains(&Role::Projector) {
            let (keeping, settings) = (app.clone(), keeper_settings(&config));
            parts.spawn(async move {
                Box::pin(keep_tree(keeping, settings, holder)).await;
                Ok(())
            });
        }
        if let Some((witnessing, settings)) = witnessing {
            let (db, clock) = (db.clone(), app.clock.clone());
            parts.spawn(async move { match witnessing.begin(db, clock, settings).await {} });
        }
        // On every machine that may hold something of a person.
        if config.roles.contains(&Role::Projector) || config.roles.contains(&Role::Bot) {
            let (erasure, erased) = (app.erasure(), ledger(&config.data, "erased.log")?);
            parts.spawn(async move {
                Box::pin(app::erasure::run(erasure, erased)).await;
                Ok(())
            });
        }
        if let (Some(listener), Some(live_logins)) = (listener, live_logins) {
            let standby = config.data.database_read_url.clone();
            let standby = standby.map(|url| Standby::beside(&app, url, config.data.pool));
            if let Some(standby) = standby.clone() {
                parts.spawn(async move {
                    standby.watch().await;
                    Ok(())
                });
            }
            let (live, token) = (live_logins.clone(), token.clone());
            let state = api_state(&config, app.clone(), standby, webhooks, live, token, stopping);
            let (db, vault, clock) = (db.clone(), app.vault.clone(), app.clock.clone());
            parts.spawn(async move {
                live_logins.follow(&db, &vault, &clock).await;
                Ok(())
            });
            let limits = Limits::of(connections);
            let clients = Clients::new(CONNECTIONS_AN_ADDRESS, config.trusted_proxies.clone());
            parts.spawn(async move {
                api::serve(listener, state, limits, clients).await;
                Ok(())
            });
        }
        if let (Some(master), Some(process)) = (master, process) {
            let mut ended = ledger(&config.data, stay_ended::LEDGER)?;
            stay_ended::apply(&app, &ended).await?;
            let recording = app.clone();
            parts.spawn(async move { match stay_ended::record(&recording, &mut ended).await {} });
            let workers = login_workers(&config, &app, &master);
            let (checked, interval) = (workers.clone(), config.session_check_interval);
            parts.spawn(async move {
                Box::pin(login_worker::check_sessions(checked, interval)).await;
                Ok(())
            });
            parts.spawn(async move {
                Box::pin(login_worker::run(workers)).await;
                Ok(())
            });
            let (vault, sessions_dir) = (app.vault.clone(), config.sessions_dir.clone());
            parts.spawn(async move {
                loop {
                    process.retired().await;
                    update_session_files(&vault, &sessions_dir).await;
                }
            });
            let chat = chat(config, token, app, master)?;
            parts.spawn(async move {
                Box::pin(bot::chat::run(chat)).await;
                Ok(())
            });
        }
        Ok(service)
    }

    /// Runs until `stop`, then answers the requests that are under way; or until a part ends by itself, which only a failure makes it
    /// do.
    ///
    /// # Errors
    /// Why a part ended.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let ended = tokio::select! {
            () = stop => self.drain().await,
            Some(part) = self.parts.join_next() => outcome(part),
        };
        self.stop().await;
        ended
    }

    /// Accepts no connection any more, and answers those who wait. Everything else goes on meanwhile.
    async fn drain(&mut self) -> anyhow::Result<()> {
        self.stopping.begin();
        if self.listen_addr.is_none() {
            return Ok(());
        }
        // The public listener is the one part that ends then.
        match tokio::time::timeout(DRAINED_WITHIN, self.parts.join_next()).await {
            Ok(part) => part.map_or(Ok(()), outcome),
            Err(_) => {
                tracing::warn!(
                    "clients that were still sending a request, or taking an answer, were cut off"
                );
                Ok(())
            }
        }
    }

    /// Stops as a crash does: drops every part, then the private cluster.
    pub async fn stop(mut self) {
        self.parts.shutdown().await;
        let traces = self.traces.take();
        let last_spans = tokio::task::spawn_blocking(|| traces.map(Traces::stop));
        if let Some(process) = &self.process
            && let Err(error) = process.leave().await
        {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a key rotation waits a little for this process"
            );
        }
        self.db.close().await;
        if let Some(cluster) = self.cluster.take()
            && let Err(error) = cluster.stop().await
        {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the private PostgreSQL did not stop cleanly");
        }
        // It cannot panic, and nobody aborts it.
        let _ = last_spans.await;
    }
}

/// How a part ended.
fn outcome(part: Result<anyhow::Result<()>, JoinError>) -> anyhow::Result<()> {
    part.context("a part of the service panicked").and_then(|it| it)
}

fn api_state(
    config: &Config,
    app: App,
    standby: Option<Standby>,
    webhooks: Webhooks,
    live_logins: Arc<LiveLogins>,
    token: BotToken,
    stopping: Stopping,
) -> ApiState {
    ApiState {
        tree: Served::new(&app.db),
        webhook_secret: config.bot_webhook.then(|| Arc::new(webhook_secret(&app.keys))),
        key_limits: KeyLimits::new(&app.clock),
        app,
        standby,
        webhooks,
        live_logins,
        live_events: LiveEvents::default(),
        feed: Feed::default(),
        stopping,
        key_uses: KeyUses::default(),
        lookups: Semaphore::new(ApiState::LOOKUPS),
        token_is_refused: Box::new(move || token.is_refused()),
        admins: config.admin_ids.clone(),
        verifier: Verifier::new(&config.bot_token),
        page: Arc::new(PageSettings {
            one_phone_login: config.one_phone_login,
            device_name: config.device_name.clone(),
            display_timezone: config.display_timezone.clone(),
            support_contact: config.support_contact.clone(),
            page_origin: config.network.page_origin().map(str::to_owned),
        }),
    }
}

fn login_workers(config: &Config, app: &App, master: &Arc<MasterKey>) -> LoginWorkers {
    LoginWorkers {
        db: app.db.clone(),
        store: app.store.clone(),
        vault: app.vault.clone(),
        master: master.clone(),
        clock: app.clock.clone(),
        telegram: telegram_app(config),
        sessions_dir: config.sessions_dir.clone(),
        due_files: DueFiles::default(),
        ended_sessions: config.data.data_dir.join(stay_ended::LEDGER),
        log_telegram_ids: config.log_telegram_ids,
    }
}

/// The keys of this process. Only the role `bot` opens sessions: without it, no master key stays in memory.
async fn keys(db: &Database, config: &Config) -> anyhow::Result<(Arc<DerivedKeys>, Option<Arc<MasterKey>>)> {
    let path = &config.data.master_key_file;
    if config.roles.contains(&Role::Bot) {
        let master = installation::master_key(db, path).await?;
        return Ok((master.derived().clone(), Some(Arc::new(master))));
    }
    Ok((installation::derived_keys(db, path).await?, None))
}

/// A key has left the master key's file: no sealed copy of a session is to be left that only it opens.
async fn update_session_files(vault: &Vault, sessions_dir: &Path) {
    if let Err(error) = login_worker::update_session_files(vault, sessions_dir).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "Not every file in SESSIONS_DIR was written anew; the next start looks again"
        );
    }
}

fn telegram_app(config: &Config) -> TelegramApp {
    TelegramApp {
        api_id: config.api_id,
        api_hash: config.api_hash.clone(),
        device_name: config.device_name.clone(),
        network: config.network.clone(),
    }
}

fn chat(config: Config, token_state: BotToken, app: App, master: Arc<MasterKey>) -> anyhow::Result<Chat> {
    let webhook = match config.bot_webhook {
        false => None,
        true => Some(Webhook {
            url: format!("{}/qr-auth/telegram", config.auth_base_url)
                .parse()
                .context("AUTH_BASE_URL: not a URL that Telegram can bring updates to")?,
            secret: webhook_secret(&app.keys),
        }),
    };
    Ok(Chat {
        webhook,
        telegram: telegram_app(&config),
        app,
        master,
        token: config.bot_token,
        token_state,
        api_url: config.bot_api_url,
        auth_base_url: config.auth_base_url,
        admins: config.admin_ids,
        checkpoints: config.checkpoints_to_chat,
        support_contact: config.support_contact,
        display_timezone: config.display_timezone,
        one_phone_login: config.one_phone_login.is_open(),
        device_name: config.device_name,
    })
}

/// What Telegram sends along with an update, so that nobody else can.
fn webhook_secret(keys: &DerivedKeys) -> SecretString {
    keys.webhook_secret().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// Leads while the other processes can see that this one lives: when it dies, its lease is free at once.
async fn lead(app: App) {
    let mut outage =
        Outage::new("the projections wait for the database", "the projections have the database again");
    let work = |holder| {
        let leader =
            Leader { db: app.db.clone(), clock: app.clock.clone(), tiers: app.tiers.clone(), holder };
        leader::run(leader)
    };
    Presence::keep(&app.db, &mut outage, holder, work).await;
}

/// Tells other services what happens, while the other processes can see that this one lives.
async fn tell_services(webhooks: Webhooks) {
    let mut outage = Outage::new("webhooks wait for the database", "webhooks have the database again");
    let db = webhooks.db().clone();
    Presence::keep(&db, &mut outage, holder, |holder| webhooks::run(webhooks.clone(), holder)).await;
}

/// A name for this process, among those that hold leases.
pub fn holder() -> String {
    format!("{}-{}", std::process::id(), uuid::Uuid::new_v4().simple())
}
