//! The service in several processes: two of each role, each with lines of its own to PostgreSQL and to Telegram, behind the Caddy
//! of the deployment.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use stand_in::caddy::Caddy;
use stand_in::service::{Condition, Service, Settings};
use tokio::time::{Instant, sleep};

use crate::environment::Environment;
use crate::fleet::{Lines, collect_lines};
use crate::link::{Late, Link, Target};
use crate::port::Port;

/// The processes: what each is called, and its role.
pub const PROCESSES: [(&str, &str); 6] = [
    ("bot-1", "bot"),
    ("bot-2", "bot"),
    ("api-1", "api"),
    ("api-2", "api"),
    ("projector-1", "projector"),
    ("projector-2", "projector"),
];
/// Between two looks at the database or at a process.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long one answer of `/readyz` may take.
const ONE_ANSWER: Duration = Duration::from_secs(5);
/// How long a process may take until it runs again.
const RUNS_WITHIN: Duration = Duration::from_secs(240);

/// All processes, and what leads people to them.
pub struct Deployment {
    pub processes: Vec<Process>,
    pub lines: Lines,
    environment: Arc<Environment>,
    _caddy: Caddy,
    _ports: [Port; 2],
}

/// One process.
pub struct Process {
    pub name: &'static str,
    pub role: &'static str,
    pub service: Service,
    pub database: Link,
    pub telegram: Vec<Link>,
    settings: Settings,
}

/// Work that one process does at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub name: String,
    pub epoch: i64,
}

/// Where people reach the service, before there is one.
pub struct Front {
    pub origin: String,
    ports: [Port; 2],
}

impl Front {
    pub fn reserve() -> Result<Self> {
        let ports = [Port::reserve()?, Port::reserve()?];
        Ok(Self { origin: format!("http://{}", ports[0].addr), ports })
    }
}

impl Deployment {
    /// Every process runs, by this binary or by the one that was built, on the database of this URL.
    pub async fn start(
        environment: &Arc<Environment>,
        front: Front,
        url: &str,
        binary: Option<&Path>,
    ) -> Result<Self> {
        let lines = Lines::default();
        let mut processes = Vec::new();
        for (name, role) in PROCESSES {
            let origin = Some(&*front.origin);
            let process = Process::new(environment, origin, url, name, role, binary).await?;
            tokio::spawn(collect_lines(name, process.service.clone(), lines.clone()));
            // One after the other: the first one makes the tables and the master key, where there are none.
            process.service.start()?;
            if processes.is_empty() {
                ready_or_without_leader(&process.service).await?;
            }
            processes.push(process);
        }
        for process in &processes {
            process.service.wait_until_running().await?;
        }
        let apis = processes.iter().filter(|process| process.role == "api");
        let upstream: Vec<_> = apis.map(|api| api.service.settings().listen.to_string()).collect();
        let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/Caddyfile"));
        let Front { origin, ports } = front;
        let caddy = Caddy::start(file, &origin, ports[0].addr, ports[1].addr, &upstream.join(" ")).await?;
        Ok(Self { processes, lines, environment: environment.clone(), _caddy: caddy, _ports: ports })
    }

    /// The leases that a process holds now.
    pub async fn leases_of(&self, index: usize) -> Result<Vec<Lease>> {
        let pid = self.processes[index].service.status().pid.context("it does not run")?;
        let held = self.held().await?;
        Ok(held.into_iter().filter(|(_, holder)| *holder == pid).map(|(lease, _)| lease).collect())
    }

    /// Which process holds a lease; waits until one does.
    pub async fn holder_of(&self, name: &str) -> Result<usize> {
        let until = Instant::now() + RUNS_WITHIN;
        loop {
            let pid =
                self.held().await?.into_iter().find(|(lease, _)| lease.name == name).map(|(_, pid)| pid);
            let index = self.processes.iter().position(|it| pid.is_some() && it.service.status().pid == pid);
            if let Some(index) = index {
                return Ok(index);
            }
            ensure!(Instant::now() < until, "nobody holds the lease {name}");
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until others hold these leases, which this process held.
    pub async fn wait_until_others_hold(&self, index: usize, leases: &[Lease], patience: Duration) -> bool {
        let pid = self.processes[index].service.status().pid;
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if let Ok(held) = self.held().await {
                let is_taken = |lost: &Lease| {
                    held.iter().any(|(lease, holder)| {
                        lease.name == lost.name && lease.epoch > lost.epoch && Some(*holder) != pid
                    })
                };
                if leases.iter().all(is_taken) {
                    return true;
                }
            }
            sleep(LOOK_EVERY).await;
        }
        false
    }

    /// The leases that are held now, and the process id of each holder.
    async fn held(&self) -> Result<Vec<(Lease, u32)>> {
        let query = "select name, epoch, holder from vault.leases where expires_at > clock_timestamp()";
        let rows: Vec<(String, i64, String)> =
            sqlx::query_as(query).fetch_all(&self.environment.checked).await?;
        // A holder is called by its process id and something random.
        let pid = |holder: &str| holder.split(['/', '-']).find_map(|part| part.parse::<u32>().ok());
        Ok(rows
            .into_iter()
            .filter_map(|(name, epoch, holder)| Some((Lease { name, epoch }, pid(&holder)?)))
            .collect())
    }

    /// Waits until a process says that it is ready.
    pub async fn wait_until_ready(&self, index: usize) -> Result<()> {
        readiness(&self.processes[index].service, |said| said.starts_with("ready")).await
    }

    /// A process that ended by itself is a defect.
    pub fn ended_by_themselves(&self) -> Vec<String> {
        let ended = self.processes.iter().filter(|it| it.service.status().state == Condition::Exited);
        ended
            .map(|it| {
                format!("{} ended by itself: {}", it.name, it.service.status().note.unwrap_or_default())
            })
            .collect()
    }

    /// Replaces a process by one of another binary: asks it to end, and starts the other one in its place.
    pub async fn replace(&mut self, index: usize, binary: &Path) -> Result<()> {
        let process = &mut self.processes[index];
        process.service.stop().await;
        process.settings.binary = binary.to_owned();
        process.service = Service::new(process.settings.clone());
        tokio::spawn(collect_lines(process.name, process.service.clone(), self.lines.clone()));
        process.service.start()?;
        process.service.wait_until_running().await
    }
}

impl Process {
    /// A process that does not run yet. Without an origin people reach it itself.
    pub async fn new(
        environment: &Arc<Environment>,
        origin: Option<&str>,
        url: &str,
        name: &'static str,
        role: &'static str,
        binary: Option<&Path>,
    ) -> Result<Self> {
        let telegram = &environment.telegram;
        let bot_api = telegram.bot_api.url();
        let bot_api =
            Link::to(Target::Tcp(bot_api.trim_start_matches("http://").parse()?), Late::IsLost).await?;
        let mut network = telegram.mtproto.network_toml(None);
        let bot_api_url = format!("http://{}", bot_api.addr);
        let mut lines = vec![bot_api];
        for dc in [2, 4] {
            let addr = telegram.mtproto.address(dc).context("a data centre")?;
            let line = Link::to(Target::Tcp(addr), Late::IsLost).await?;
            network = network.replace(&addr.to_string(), &line.addr.to_string());
            lines.push(line);
        }
        let network_file = environment.dir.path().join(format!("network-{name}.toml"));
        std::fs::write(&network_file, network)?;
        let database = Link::to(Target::Socket(socket_of(url)?), Late::Arrives).await?;
        let mut settings = environment
            .settings()
            .beside()?
            .with("ROLE", role)
            .with("DATABASE_URL", url_through(url, &database)?)
            .with("BOT_API_URL", bot_api_url)
            .with("TELEGRAM_NETWORK_FILE", network_file)
            .with("TRUSTED_PROXIES", "127.0.0.0/8");
        let own = format!("http://{}", settings.listen);
        settings = settings.with("AUTH_BASE_URL", origin.unwrap_or(&own));
        if let Some(binary) = binary {
            settings.binary = binary.to_owned();
        }
        let service = Service::new(settings.clone());
        Ok(Self { name, role, service, database, telegram: lines, settings })
    }
}

/// `/readyz` of the first process says that nobody leads. By then there are tables and a master key.
async fn ready_or_without_leader(service: &Service) -> Result<()> {
    let is_so =
        |said: &str| ["ready", "nobody leads", "the views are behind"].iter().any(|it| said.starts_with(it));
    readiness(service, is_so).await
}

/// Waits until `/readyz` says so.
async fn readiness(service: &Service, is_so: impl Fn(&str) -> bool) -> Result<()> {
    let http = reqwest::Client::builder().no_proxy().timeout(ONE_ANSWER).build()?;
    let url = format!("http://{}/readyz", service.settings().ops);
    let until = Instant::now() + RUNS_WITHIN;
    loop {
        let said = match http.get(&url).send().await {
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        };
        if is_so(&said) {
            return Ok(());
        }
        ensure!(Instant::now() < until && service.status().pid.is_some(), "it is not ready: {said}");
        sleep(LOOK_EVERY).await;
    }
}

fn part<'a>(url: &'a str, name: &str) -> Result<&'a str> {
    url.split(['?', '&']).find_map(|part| part.strip_prefix(name)).context("the URL of a private cluster")
}

/// The socket of a private cluster.
pub fn socket_of(url: &str) -> Result<PathBuf> {
    Ok(Path::new(part(url, "host=")?).join(".s.PGSQL.5432"))
}

fn url_through(url: &str, line: &Link) -> Result<String> {
    let database = url.trim_start_matches("postgresql:///").split('?').next().unwrap_or_default();
    Ok(format!("postgresql://{}@{}/{database}", part(url, "user=")?, line.addr))
}
