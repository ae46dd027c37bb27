//! Traces of the real binary, as a collector gets them: one login is one trace, also over several processes; a collector that is
//! down, slow or refuses stops nobody; and no secret is sent.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use stand_in::accounts::{ANNA, ILYA};
use stand_in::bot_api::Message;
use stand_in::mini_app::MiniApp;
use stand_in::service::{Service, Settings};
use stand_in::traces::{Answer, Collector, SentSpan};
use stand_in::{Options, Telegram};
use tokio::net::TcpListener;

use crate::log::run_three_logins;
use crate::wait::eventually;

const REFUSES: &str = "the collector does not take traces";
const TAKES_AGAIN: &str = "the collector takes traces again";

struct Running {
    telegram: Telegram,
    service: Service,
    _folder: tempfile::TempDir,
}

impl Running {
    /// The binary, with traces to this address and these variables.
    async fn start(endpoint: &str, changed: &[(&str, &str)]) -> Result<Self> {
        let telegram = Telegram::start(Options::default()).await?;
        let folder = tempfile::tempdir()?;
        let mut settings = settings(&telegram, folder.path(), endpoint)?;
        for (name, value) in changed {
            settings = settings.with(name, *value);
        }
        let service = Service::new(settings);
        service.start()?;
        service.wait_until_running().await?;
        Ok(Self { telegram, service, _folder: folder })
    }

    fn count_log_lines(&self, text: &str) -> usize {
        self.service.log_after(0).iter().filter(|line| line.line.contains(text)).count()
    }

    async fn stop(&self) -> Result<()> {
        self.service.stop().await;
        let note = self.service.status().note;
        ensure!(note.as_deref() == Some("exit status: 0"), "it ended with {note:?}");
        Ok(())
    }
}

fn settings(telegram: &Telegram, folder: &Path, endpoint: &str) -> Result<Settings> {
    let mut settings = Settings::new(telegram, folder, None)?;
    settings.binary = env!("CARGO_BIN_EXE_qr-login").into();
    settings.lines_kept = usize::MAX;
    Ok(settings.with("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).with("OTEL_BSP_SCHEDULE_DELAY", "100"))
}

/// A person logs in by QR code, in their page. Returns the login's id.
async fn log_in(telegram: &Telegram, service: &Service, person: i64, code: &str) -> Result<String> {
    service.tool(&["invite", "create", "--tier", "premium", "--code", code]).await?;
    let card = telegram.person(person).ask_for_card(&format!("/login {code}")).await?;
    let url = card.web_app_url().context("a button")?.to_owned();
    let page = MiniApp::open(&url, Some(telegram.person(person).init_data(None)))?;
    let status = page.wait_until(|status| status["deep_link"].is_string()).await?;
    let waits = page.wait_for_status("authorized");
    let phone = telegram.phone(person);
    let (waited, scanned) = tokio::join!(waits, phone.scan(status["deep_link"].as_str().context("a link")?));
    scanned?;
    waited?;
    let is_last = |text: &str| ["✅ Авторизация", "✅ Authorization"].iter().any(|it| text.starts_with(it));
    // The person may have logged in before.
    let told = |message: &Message| message.message_id > card.message_id && is_last(&message.text);
    telegram.person(person).wait_for_message(told).await?;
    Ok(page.session_id().to_owned())
}

/// The spans of the one login that was confirmed: the first one, and those of its trace.
fn confirmed_login(spans: &[SentSpan]) -> Result<(SentSpan, Vec<SentSpan>)> {
    let first: Vec<_> = spans.iter().filter(|span| span.name == "confirm login").collect();
    let [first] = first[..] else { anyhow::bail!("{} confirmations", first.len()) };
    let of_trace = spans.iter().filter(|span| span.trace_id == first.trace_id);
    Ok((first.clone(), of_trace.cloned().collect()))
}

/// What stands directly below a span, in the order in which it began.
fn below<'s>(parent: &SentSpan, spans: &'s [SentSpan]) -> Vec<&'s SentSpan> {
    let mut below: Vec<_> = spans.iter().filter(|span| span.parent == parent.id).collect();
    below.sort_by_key(|span| span.began);
    below
}

fn names<'s>(spans: &[&'s SentSpan]) -> Vec<&'s str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

/// The trace of a login from the phone's confirmation to the page, wherever its parts ran.
fn assert_is_whole(login_id: &str, spans: &[SentSpan]) -> Result<()> {
    let (first, trace) = confirmed_login(spans)?;
    assert_eq!(first.parent, "", "it begins the trace");
    assert_eq!(first.attributes["login.id"], login_id[..8]);
    assert_eq!(first.attributes["login.attempt"], "1");
    let steps = below(&first, &trace);
    let worker =
        ["auth.exportLoginToken", "check account", "use invite", "link session", "record confirmation"];
    let after = ["project", "react", "wake page", "answer page", "queue messages"];
    let of_worker: Vec<_> = steps.iter().copied().filter(|span| !after.contains(&&*span.name)).collect();
    assert_eq!(names(&of_worker), worker);
    for name in after {
        assert!(steps.iter().any(|span| span.name == name), "{name} in {:?}", names(&steps));
    }
    let step = |name: &str| steps.iter().copied().find(|span| span.name == name).context(name.to_owned());
    for appends in ["use invite", "record confirmation"] {
        assert_eq!(names(&below(step(appends)?, &trace)), ["append"], "below {appends}");
    }
    let react = step("react")?;
    assert_eq!(react.attributes["log.event"], "AuthorizationConfirmed");
    assert!(names(&below(react, &trace)).contains(&"append"), "the subscription starts");
    let answer = step("answer page")?;
    assert!(answer.ended >= step("record confirmation")?.began, "the page is answered last");
    let request = spans.iter().find(|span| answer.links.contains(&span.trace_id)).context("its request")?;
    assert_eq!(request.name, "GET /qr-auth-status");
    let ids: Vec<_> = trace.iter().map(|span| &span.id).collect();
    for span in &trace {
        assert!(span.parent.is_empty() || ids.contains(&&span.parent), "{} hangs in the air", span.name);
    }
    Ok(())
}

#[tokio::test]
async fn a_login_is_one_trace_from_the_phone_to_the_page() -> Result<()> {
    let collector = Collector::start().await?;
    let more = [("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")];
    let running = Running::start(&collector.url, &more).await?;
    let login_id = log_in(&running.telegram, &running.service, ILYA, "3HBP4Z3ECICZ").await?;
    running.stop().await?;
    let spans = collector.spans()?;
    assert_is_whole(&login_id, &spans)?;
    for span in &spans {
        assert_eq!(span.resource["service.name"], "qr-login");
        assert_eq!(span.resource["deployment.environment.name"], "test");
    }
    // Beside the login: what the chat says, and what the views take in.
    for name in ["handle update", "sendMessage", "project"] {
        assert!(spans.iter().any(|span| span.name == name), "no {name}");
    }
    Ok(())
}

#[tokio::test]
async fn the_processes_of_a_deployment_make_one_trace_of_a_login() -> Result<()> {
    let collector = Collector::start().await?;
    let telegram = Telegram::start(Options::default()).await?;
    let folder = tempfile::tempdir()?;
    let url = eventlog::testing::url().await;
    // Half of all traces: each process decides alike.
    let bot = settings(&telegram, folder.path(), &collector.url)?
        .with("DATABASE_URL", url.expose_secret())
        .with("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
        .with("OTEL_TRACES_SAMPLER_ARG", "0.5");
    let api = bot.beside()?;
    let origin = format!("http://{}", api.listen);
    let roles = [(bot.clone(), "bot"), (api, "api"), (bot.beside()?, "projector")];
    let services = roles.map(|(settings, role)| {
        let settings = settings.with("ROLE", role).with("AUTH_BASE_URL", &origin);
        Service::new(settings.with("OTEL_SERVICE_NAME", role))
    });
    services[0].start()?;
    let key = folder.path().join("master.key");
    eventually("the first process makes the master key", async || Ok(key.exists())).await?;
    for service in &services[1..] {
        service.start()?;
    }
    for service in &services {
        service.wait_until_running().await?;
    }
    // One whose trace is sent, and one whose is not.
    let mut login_ids: Vec<String> = Vec::new();
    while ![true, false].iter().all(|sent| login_ids.iter().any(|login_id| is_sent(login_id) == *sent)) {
        let letter = ('A'..='Z').nth(login_ids.len()).context("each of 26 decided alike")?;
        let (person, code) = ([ILYA, ANNA][login_ids.len() % 2], format!("{letter}HBP4Z3ECICZ"));
        login_ids.push(log_in(&telegram, &services[1], person, &code).await?);
    }
    for service in &services {
        service.stop().await;
    }
    let spans = collector.spans()?;
    for login_id in &login_ids {
        let first = spans
            .iter()
            .find(|span| span.name == "confirm login" && span.attributes["login.id"] == login_id[..8]);
        assert_eq!(first.is_some(), is_sent(login_id), "every process decides by the trace's id");
        let Some(first) = first else {
            let other = spans.iter().find(|span| {
                span.attributes.get("login.id").is_some_and(|it| login_id.starts_with(it.as_str()))
            });
            assert_eq!(other, None, "a part of a trace that is not sent");
            continue;
        };
        let of_others = |span: &&SentSpan| span.name == "confirm login" && span.id != first.id;
        let others: Vec<_> = spans.iter().filter(of_others).map(|span| &span.trace_id).collect();
        let of_login: Vec<_> =
            spans.iter().filter(|span| !others.contains(&&span.trace_id)).cloned().collect();
        let (_, trace) = confirmed_login(&of_login)?;
        let process = |name: &str| {
            trace.iter().find(|span| span.name == name).map(|span| &*span.resource["service.name"])
        };
        let ran = ["confirm login", "project", "react", "answer page"].map(process);
        assert_eq!(ran, [Some("bot"), Some("projector"), Some("projector"), Some("api")]);
    }
    Ok(())
}

/// Whether the trace of a login's first attempt is among the half that is sent: by its id, which is a hash of the login's.
fn is_sent(login_id: &str) -> bool {
    let trace_id = Sha256::digest(format!("qr-login trace\0{login_id}\01"));
    trace_id[8] < 0x80
}

#[tokio::test]
async fn no_secret_and_no_telegram_id_is_in_a_trace() -> Result<()> {
    let collector = Collector::start().await?;
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20of-the-collector"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("RUST_LOG", "trace"),
    ];
    let mut run = run_three_logins(&variables).await?;
    run.secrets.push(("a header of the collector", "of-the-collector".to_owned()));
    run.assert_no_secret();
    let spans = collector.spans()?;
    let outcomes: Vec<_> =
        spans.iter().filter(|span| span.name == "confirm login").map(|span| span.is_failed).collect();
    assert_eq!(outcomes, [true, false], "another account, and the right one");
    for id in spans.iter().filter_map(|span| span.attributes.get("login.id")) {
        assert_eq!(id.len(), 8, "more than 8 characters of a session id are in a trace");
    }
    // The two bytes of protobuf after those 8, a tag and a length, may look like the id's next two characters.
    let session_ids = run.session_ids.iter().map(|id| ("a part of a session id", id[..11].to_owned()));
    run.secrets.extend(session_ids);
    for id in [ILYA, ANNA] {
        run.secrets.push(("a Telegram id", id.to_string()));
    }
    for (headers, body) in collector.requests() {
        assert_eq!(headers["authorization"], "Bearer of-the-collector");
        assert_eq!(headers["content-encoding"], "gzip");
        for (what, secret) in &run.secrets {
            let found = body.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{what} is in a trace");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_request_is_a_span_by_its_route_and_only_other_services_choose_its_trace() -> Result<()> {
    const CALLER: &str = "0af7651916cd43dd8448eb211c80319c";
    let collector = Collector::start().await?;
    let running = Running::start(&collector.url, &[]).await?;
    let base = format!("http://{}", running.service.settings().listen);
    let http = reqwest::Client::builder().no_proxy().build()?;
    for path in ["/qr-auth?session_id=hidden", "/no/hidden/path", "/api/v1/invites?x=hidden"] {
        let request = http.get(format!("{base}{path}")).header("tracestate", "vendor=hidden");
        request.header("traceparent", format!("00-{CALLER}-b7ad6b7169203331-01")).send().await?;
    }
    running.stop().await?;
    let spans = collector.spans()?;
    let of = |name: &str| spans.iter().find(|span| span.name == name).context(name.to_owned());
    let page = of("GET /qr-auth")?;
    assert_eq!(page.attributes["http.request.method"], "GET");
    assert_eq!(page.attributes["http.route"], "/qr-auth");
    assert_eq!(page.attributes["http.response.status_code"], "200");
    assert_eq!(of("GET")?.attributes["http.response.status_code"], "404");
    assert_eq!((&*page.parent, &*of("GET")?.parent), ("", ""));
    let service = of("GET /api/v1/invites")?;
    assert_eq!((&*service.trace_id, &*service.parent), (CALLER, "b7ad6b7169203331"));
    assert_eq!(spans.iter().filter(|span| span.trace_id == CALLER).count(), 1);
    for (_, body) in collector.requests() {
        assert!(!body.windows(6).any(|part| part == b"hidden"), "a part of a URL is in a trace");
    }
    Ok(())
}

#[tokio::test]
async fn a_collector_that_is_down_slow_or_refuses_stops_nobody_and_is_told_once() -> Result<()> {
    let nobody = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    for answer in [None, Some(Answer::Never), Some(Answer::Status(500)), Some(Answer::Status(401))] {
        let collector = Collector::start().await?;
        answer.into_iter().for_each(|answer| collector.answer_with(answer));
        let url = if answer.is_some() { collector.url.clone() } else { format!("http://{nobody}") };
        let running = Running::start(&url, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "500")]).await?;
        log_in(&running.telegram, &running.service, ILYA, "3HBP4Z3ECICZ").await?;
        eventually("it is told", async || Ok(running.count_log_lines(REFUSES) > 0)).await?;
        log_in(&running.telegram, &running.service, ANNA, "4HBP4Z3ECICZ").await?;
        if answer.is_some() {
            collector.answer_with(Answer::Takes);
            eventually("it goes on", async || Ok(running.count_log_lines(TAKES_AGAIN) == 1)).await?;
        }
        running.stop().await?;
        assert_eq!(running.count_log_lines(REFUSES), 1);
        assert_eq!(running.count_log_lines(" ERROR "), 0);
    }
    Ok(())
}

/// As long as a request may take is longer than a stop may take.
#[tokio::test]
async fn a_collector_that_never_answers_does_not_hold_up_the_stop() -> Result<()> {
    let collector = Collector::start().await?;
    collector.answer_with(Answer::Never);
    let running = Running::start(&collector.url, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "600000")]).await?;
    log_in(&running.telegram, &running.service, ILYA, "3HBP4Z3ECICZ").await?;
    running.stop().await
}
