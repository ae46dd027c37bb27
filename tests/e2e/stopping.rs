//! SIGTERM: everybody who waits is answered, systemd is told, and the process ends soon, also as the first process of a container.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use stand_in::accounts::{ANNA, ILYA};
use stand_in::mini_app::MiniApp;
use stand_in::service::{Service, Settings};
use stand_in::{Options, Telegram};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::wait::eventually;

/// SIGTERM to the end of the process: what Docker waits before it kills.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);

struct Running {
    telegram: Telegram,
    service: Service,
    folder: tempfile::TempDir,
}

impl Running {
    /// The binary with a private PostgreSQL, run by `wrapper` if there is one.
    async fn start(wrapper: Option<&str>, more: &[(&str, &Path)]) -> Result<Self> {
        let telegram = Telegram::start(Options::default()).await?;
        let folder = tempfile::tempdir()?;
        // PostgreSQL's own user goes through it.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))?;
        let mut settings = Settings::new(&telegram, &folder.path().join("data"), None)?;
        settings.binary = env!("CARGO_BIN_EXE_qr-login").into();
        if let Some(wrapper) = wrapper {
            let script = folder.path().join("qr-login");
            std::fs::write(
                &script,
                format!("#!/bin/sh\nexec {wrapper} {} \"$@\"\n", settings.binary.display()),
            )?;
            std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
            settings.binary = script;
        }
        settings = settings.with("ADMIN_IDS", ILYA.to_string());
        for (name, value) in more {
            settings = settings.with(name, *value);
        }
        let service = Service::new(settings);
        service.start()?;
        service.wait_until_running().await?;
        Ok(Self { telegram, service, folder })
    }

    fn listen(&self) -> SocketAddr {
        self.service.settings().listen
    }

    fn pid(&self) -> Result<Pid> {
        Pid::from_raw(self.service.status().pid.context("it runs")?.cast_signed()).context("a pid")
    }

    async fn ends(&self) -> Result<()> {
        let ended = eventually("it ends", async || Ok(self.service.status().pid.is_none()));
        timeout(STOPPED_WITHIN, ended).await.context("it takes too long to stop")??;
        assert_eq!(self.service.status().note.as_deref(), Some("exit status: 0"));
        Ok(())
    }

    /// A person's page while their login waits.
    async fn live_login(&self, person: i64, code: &str) -> Result<MiniApp> {
        self.service.tool(&["invite", "create", "--tier", "premium", "--code", code]).await?;
        let card = self.telegram.person(person).ask_for_card(&format!("/login {code}")).await?;
        let url = card.web_app_url().context("a button")?.to_owned();
        let page = MiniApp::open(&url, Some(self.telegram.person(person).init_data(None)))?;
        page.wait_until(|status| status["deep_link"].is_string()).await?;
        Ok(page)
    }
}

/// A request that the service has read, and its answer, to come.
struct Waiting(TcpStream);

impl Waiting {
    /// Sends it from this address of loopback, and returns once the service has read it.
    async fn send(from: Ipv4Addr, to: SocketAddr, request: &str) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        let mut stream = socket.connect(to).await?;
        stream.write_all(request.as_bytes()).await?;
        let (there, here) = (to, stream.local_addr()?);
        eventually("the request is read", async || Ok(unread(there, here)? == Some(0))).await?;
        Ok(Self(stream))
    }

    /// Its status and its body, whole.
    async fn answer(mut self) -> Result<(u16, String)> {
        let mut answer = Vec::new();
        timeout(STOPPED_WITHIN, self.0.read_to_end(&mut answer))
            .await
            .context("no end")?
            .context("cut off")?;
        let answer = String::from_utf8(answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("no answer: {answer:?}"))?;
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).context("a status")?;
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        match length {
            Some(length) => ensure!(body.len() == length, "cut off: {answer:?}"),
            None => ensure!(body.ends_with("0\r\n\r\n"), "cut off: {answer:?}"),
        }
        Ok((status, body.to_owned()))
    }
}

/// How many bytes the service has not read yet of the connection between these.
fn unread(there: SocketAddr, here: SocketAddr) -> Result<Option<u64>> {
    let hex = |addr: SocketAddr| match addr.ip() {
        IpAddr::V4(ip) => format!("{:08X}:{:04X}", u32::from(ip).swap_bytes(), addr.port()),
        IpAddr::V6(_) => String::new(),
    };
    let (there, here) = (hex(there), hex(here));
    for line in std::fs::read_to_string("/proc/net/tcp")?.lines() {
        let fields: Vec<_> = line.split_whitespace().collect();
        if let [_, local, remote, _, queues, ..] = fields[..]
            && (local, remote) == (&*there, &*here)
        {
            let received = queues.split_once(':').context("two queues")?.1;
            return Ok(Some(u64::from_str_radix(received, 16)?));
        }
    }
    Ok(None)
}

/// 1. Pages, services and an admin wait: some hundred requests, all read by the service.
/// 2. SIGTERM comes.
/// 3. Each is answered as a whole, long before its time is over.
#[tokio::test(flavor = "multi_thread")]
async fn everybody_who_waits_is_answered_when_the_service_stops() -> Result<()> {
    let running = Running::start(None, &[]).await?;
    let (to, host) = (running.listen(), running.listen().to_string());
    let mut pages = Vec::new();
    for (person, code) in [(ILYA, "3HBP4Z3ECICZ"), (ANNA, "9XK7QM2VWTRB")] {
        let page = running.live_login(person, code).await?;
        let since = page.status().await?["version"].as_i64().context("a version")?;
        let launch = running.telegram.person(person).init_data(None);
        for auth in [format!("Authorization: tma {launch}\r\n"), String::new()] {
            for _ in 0..4 {
                let path = format!("/qr-auth-status?session_id={}&since={since}&wait=25", page.session_id());
                let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{auth}\r\n");
                pages.push(Waiting::send(Ipv4Addr::new(127, 0, 0, 2), to, &request).await?);
            }
        }
    }
    let key = running
        .service
        .tool(&["apikey", "create", "--name", "a", "--scope", "events:read,users:read"])
        .await?;
    let key = key.split_whitespace().find(|word| word.starts_with("qrl_")).context("a key")?.to_owned();
    let http = reqwest::Client::new();
    let launch = running.telegram.person(ILYA).init_data(None);
    let session = http.post(format!("{}/api/admin/session", running.service.url()));
    let session: Value =
        session.header("Authorization", format!("tma {launch}")).send().await?.json().await?;
    let token = session["token"].as_str().context("a token")?;
    let live = format!(
        "GET /api/admin/events/live HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    let live = Waiting::send(Ipv4Addr::new(127, 0, 0, 4), to, &live).await?;
    let feed = format!("{}/api/v1/events?after=", running.service.url());
    let mut end = 0;
    loop {
        let page: Value = http.get(format!("{feed}{end}")).bearer_auth(&key).send().await?.json().await?;
        end = page["next"].as_i64().context("a position")?;
        if page["items"].as_array().is_some_and(Vec::is_empty) {
            break;
        }
    }
    let mut services = Vec::new();
    for number in 0..200_u8 {
        let from = Ipv4Addr::new(127, 0, 1, 1 + number / 50);
        let request = format!(
            "GET /api/v1/events?after={end}&wait=25 HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\r\n"
        );
        services.push(Waiting::send(from, to, &request).await?);
    }
    let ahead = format!(
        "GET /api/v1/users/{ILYA}?min_position={} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\r\n",
        end + 1_000_000
    );
    let ahead = Waiting::send(Ipv4Addr::new(127, 0, 0, 3), to, &ahead).await?;
    kill_process(running.pid()?, Signal::TERM)?;
    for page in pages {
        let (status, body) = page.answer().await?;
        let body: Value = serde_json::from_str(&body)?;
        assert_eq!((status, &body["status"]), (200, &"waiting".into()), "{body}");
    }
    for service in services {
        let (status, body) = service.answer().await?;
        let body: Value = serde_json::from_str(&body)?;
        assert_eq!(status, 200, "{body}");
        assert!(body["items"].is_array() && body["next"].as_i64() >= Some(end), "{body}");
    }
    let (status, body) = ahead.answer().await?;
    assert_eq!(status, 503, "{body}");
    assert_eq!(live.answer().await?.0, 200);
    running.ends().await
}

/// A client that says half a request does not hold the process.
#[tokio::test(flavor = "multi_thread")]
async fn who_says_half_a_request_does_not_keep_the_service_from_stopping() -> Result<()> {
    let running = Running::start(None, &[]).await?;
    let _half =
        Waiting::send(Ipv4Addr::LOCALHOST, running.listen(), "GET /qr-auth HTTP/1.1\r\nHost: ").await?;
    kill_process(running.pid()?, Signal::TERM)?;
    running.ends().await
}

/// In a container it is the first process: a signal without a handler would not reach it.
#[tokio::test(flavor = "multi_thread")]
async fn as_the_first_process_of_a_container_it_stops_as_well() -> Result<()> {
    let may = tokio::process::Command::new("unshare").args(["--pid", "--fork", "true"]).output().await;
    if !may.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("not tested: no process can be the first one here ({may:?})");
        return Ok(());
    }
    let running = Running::start(Some("unshare --pid --fork --kill-child"), &[]).await?;
    let _page = running.live_login(ILYA, "3HBP4Z3ECICZ").await?;
    let unshare = running.pid()?.as_raw_nonzero();
    let children = std::fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children"))?;
    let first: i32 = children.trim().parse()?;
    kill_process(Pid::from_raw(first).context("a pid")?, Signal::TERM)?;
    running.ends().await?;
    assert!(
        !running.folder.path().join("data/postgres/data/postmaster.pid").exists(),
        "and PostgreSQL with it"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_told_when_it_serves_and_when_it_is_about_to_end() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path)?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    let told = || -> Result<String> {
        let mut text = [0; 100];
        let length = socket.recv(&mut text)?;
        Ok(String::from_utf8(text[..length].to_vec())?)
    };
    let running = Running::start(None, &[("NOTIFY_SOCKET", path.as_path())]).await?;
    assert_eq!(told()?, "READY=1");
    kill_process(running.pid()?, Signal::TERM)?;
    assert_eq!(told()?, "STOPPING=1");
    running.ends().await
}
