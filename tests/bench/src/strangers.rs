//! 20,000 connections of strangers are tried while 10,000 logins are live: how long `/login` takes beside them, and whether the
//! service stays ready. Directly, and through Caddy with the shipped Caddyfile.
//!
//! A stranger does one of five things, and then waits until it is hung up on, or for as long as the server lets it wait: says
//! nothing; sends half a head; sends a head whose body never comes; asks again and again for logins that never were; or waits for
//! news of one. They have 400 addresses. A quarter of the live logins have a page that waits for news.
//!
//! What it is compared with is the same service before the strangers came.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use app::invites::{Invites, Order};
use domain::{Tier, Tiers};
use eventlog::{Clock, Context};
use stand_in::accounts::Account;
use stand_in::caddy::Caddy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::environment::Environment;
use crate::figure::{Figure, Goal, Report};
use crate::page;
use crate::process::raise_open_files;

const LIVE: usize = 10_000;
/// Pages that wait for news of their login.
const PAGES: usize = LIVE / 4;
const STRANGERS: usize = 20_000;
/// How many of them this process can hold at a time, beside the pages.
const AT_A_TIME: usize = 9_000;
const ADDRESSES: usize = 400;
/// How many people say `/login`, one after the other, at least; and how long after each other.
const LOGINS: usize = 40;
const BETWEEN_LOGINS: Duration = Duration::from_millis(200);
/// More do not fit between the first people of one way and those of the next.
const LOGINS_AT_MOST: usize = 1_000;
const GOAL_MS: f64 = 2_000.0;
const PATIENCE: Duration = Duration::from_secs(30);
/// The first of those who say `/login`.
const PEOPLE: i64 = 600_000_000;

/// How `/login` is answered, and whether the probe was.
pub async fn measure(report: &mut Report) -> Result<()> {
    raise_open_files()?;
    let environment = Environment::with("api,projector", &[("TRUSTED_PROXIES", "127.0.0.1")]).await?;
    let people = environment.people(LIVE).await?;
    environment.settle().await?;
    // A process of its own, and only now: its workers would take the attempts of those people.
    let bot = environment.beside("bot").await?;
    let listen = environment.service.settings().listen;
    let (caddy, caddy_addr) = caddy_in_front_of(listen).await?;
    let invites = Invites::new(&environment.db, Clock::system(), Arc::new(Tiers::default()));
    let order = Order { max_uses: 5_000, ..Order::new(Tier::Premium) };
    let code = invites.create(order, Context::tool("bench")).await?.code;

    let now = eventlog::Log::new(&environment.db).end().await?;
    let pages: Vec<_> = people
        .iter()
        .take(PAGES)
        .enumerate()
        .map(|(number, person)| {
            let (login, launch) = (person.login_id.clone(), person.init_data.clone());
            tokio::spawn(async move {
                // A page asks again for as long as it is open.
                loop {
                    let from = Ipv4Addr::new(127, 2, (number / 250) as u8, (number % 250 + 1) as u8);
                    let stream = connect(from, listen).await;
                    if let Ok(stream) = stream
                        && let Ok(sent) = page::ask_on(stream, login.as_str(), &launch, Some(now)).await
                    {
                        let _ = sent.answer().await;
                    } else {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                }
            })
        })
        .collect();

    let before = answers(&environment, &code, 0, || true).await?;
    for (way, target, first) in [
        ("directly", listen, LOGINS_AT_MOST as i64),
        ("through Caddy", caddy_addr, 2 * LOGINS_AT_MOST as i64),
    ] {
        let strangers = Strangers::come(target);
        strangers.have_begun().await;
        let during = answers(&environment, &code, first, || strangers.tried() >= STRANGERS).await?;
        let tried = strangers.tried();
        strangers.go().await;
        ensure!(
            tried >= STRANGERS,
            "only {tried} strangers had come when {} people had logged in",
            during.probes
        );
        for (quantile, value, reference) in [
            ("p50", during.quantile(0.5), before.quantile(0.5)),
            ("slowest", during.quantile(1.0), before.quantile(1.0)),
        ] {
            let name = format!("/login beside {STRANGERS} strangers {way}, {LIVE} live logins, {quantile}");
            report.add(Figure::new(name, value, "ms", "without strangers", reference));
        }
        let name = format!("/login beside {STRANGERS} strangers {way}, slowest");
        let figure = Figure::new(name, during.quantile(1.0), "ms", "the goal", GOAL_MS);
        report.add(figure.with_goal(Goal::AtMost(1.0)));
        let name = format!("probes of /readyz answered ready beside {STRANGERS} strangers {way}");
        let figure = Figure::new(name, during.ready as f64, "probes", "all probes", during.probes as f64);
        report.add(figure.with_goal(Goal::AtLeast(1.0)));
    }
    pages.iter().for_each(tokio::task::JoinHandle::abort);
    drop(caddy);
    bot.stop().await;
    environment.clear().await;
    Ok(())
}

/// What people and the operator see.
struct Answers {
    /// In ms, from the shortest to the longest.
    waits: Vec<f64>,
    probes: usize,
    ready: usize,
}

impl Answers {
    fn quantile(&self, quantile: f64) -> f64 {
        self.waits[((self.waits.len() - 1) as f64 * quantile).round() as usize]
    }
}

/// `/login` of people in turn until all strangers have come, with a probe after each.
async fn answers(
    environment: &Environment,
    code: &str,
    first: i64,
    all_have_come: impl Fn() -> bool,
) -> Result<Answers> {
    let mut answers = Answers { waits: Vec::new(), probes: 0, ready: 0 };
    let ops = environment.service.settings().ops;
    for number in first..first + LOGINS_AT_MOST as i64 {
        if answers.probes >= LOGINS && all_have_come() {
            break;
        }
        let id = PEOPLE + number;
        environment.telegram.accounts.insert(Account::new(id, "Person", &format!("+7{id}"), 2));
        let asked = Instant::now();
        let (person, order) = (environment.telegram.person(id), format!("/login {code}"));
        timeout(PATIENCE, person.ask_for_card(&order)).await.context("/login was not answered")??;
        answers.waits.push(asked.elapsed().as_secs_f64() * 1e3);
        answers.probes += 1;
        match is_ready(ops).await {
            Ok(true) => answers.ready += 1,
            Ok(false) => eprintln!("/readyz says that it is not ready"),
            Err(error) => eprintln!("/readyz was not answered: {error:#}"),
        }
        tokio::time::sleep(BETWEEN_LOGINS).await;
    }
    answers.waits.sort_by(f64::total_cmp);
    Ok(answers)
}

async fn is_ready(ops: SocketAddr) -> Result<bool> {
    let mut stream = TcpStream::connect(ops).await?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: ops\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    timeout(Duration::from_secs(1), stream.read_to_string(&mut answer)).await??;
    Ok(answer.starts_with("HTTP/1.1 200 "))
}

/// 20,000 of them, as many at a time as there is room for.
struct Strangers {
    come: JoinSet<()>,
    tried: Arc<AtomicUsize>,
    leave: Arc<AtomicBool>,
}

impl Strangers {
    fn come(target: SocketAddr) -> Self {
        let (tried, leave) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let room = Arc::new(Semaphore::new(AT_A_TIME));
        let mut come = JoinSet::new();
        for number in 0..STRANGERS {
            let (tried, leave, room) = (tried.clone(), leave.clone(), room.clone());
            come.spawn(async move {
                let Ok(_room) = room.acquire().await else { return };
                if leave.load(Ordering::Relaxed) {
                    return;
                }
                let _ = timeout(PATIENCE, molest(number, target, &tried)).await;
            });
        }
        Self { come, tried, leave }
    }

    async fn have_begun(&self) {
        while self.tried() < AT_A_TIME / 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn tried(&self) -> usize {
        self.tried.load(Ordering::Relaxed)
    }

    async fn go(mut self) {
        self.leave.store(true, Ordering::Relaxed);
        self.come.shutdown().await;
    }
}

async fn molest(number: usize, target: SocketAddr, tried: &AtomicUsize) -> Result<()> {
    let address = number % ADDRESSES;
    let from = Ipv4Addr::new(127, 1, (address / 250) as u8, (address % 250 + 1) as u8);
    let mut stream = connect(from, target).await?;
    tried.fetch_add(1, Ordering::Relaxed);
    let unknown = uuid::Uuid::new_v4().simple().to_string();
    let get = |wait: &str| {
        format!("GET /qr-auth-status?session_id={unknown}{wait} HTTP/1.1\r\nHost: {target}\r\n\r\n")
    };
    match number % 5 {
        0 => {}
        1 => stream.write_all(format!("GET /qr-auth HTTP/1.1\r\nHost: {target}\r\nX: ").as_bytes()).await?,
        2 => {
            let head =
                "POST /qr-auth/retry HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n";
            stream.write_all(format!("{head}Host: {target}\r\n\r\n{{").as_bytes()).await?;
        }
        3 => {
            let mut answer = [0; 2048];
            loop {
                stream.write_all(get("").as_bytes()).await?;
                ensure!(stream.read(&mut answer).await? > 0, "hung up on");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
        _ => stream.write_all(get("&since=0&wait=25").as_bytes()).await?,
    }
    // Until the end.
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await?;
    Ok(())
}

async fn connect(from: Ipv4Addr, target: SocketAddr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::V4(from), 0))?;
    Ok(socket.connect(target).await?)
}

/// Caddy with the shipped Caddyfile, and where it listens.
async fn caddy_in_front_of(listen: SocketAddr) -> Result<(Caddy, SocketAddr)> {
    let port = || std::net::TcpListener::bind("127.0.0.1:0")?.local_addr();
    let (addr, admin) = (port()?, port()?);
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/Caddyfile"));
    let origin = format!("http://:{}", addr.port());
    Ok((Caddy::start(file, &origin, addr, admin, &listen.to_string()).await?, addr))
}
