//! The log of the real binary: what it records, and the secrets that it never holds, with any `RUST_LOG`.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, ILYA};
use stand_in::mini_app::MiniApp;
use stand_in::service::{Service, Settings};
use stand_in::{Options, Telegram};

mod user_input;

const CODE: &str = "3HBP4Z3ECICZ";
/// The most verbose filter. It also names the libraries that log bodies, and requests with the bot's token.
const TRACE_EVERYTHING: &str = "trace,hyper::proto::h1=trace,hyper_util::client::legacy=trace,reqwest::connect=trace,\
                    teloxide_core::net=trace,grammers_mtsender::sender=trace,sqlx::query=trace";

/// The log of the binary, and the secrets that must not be in it.
#[derive(Default)]
pub struct LoggedRun {
    pub lines: Vec<String>,
    pub secrets: Vec<(&'static str, String)>,
    /// What opens a page. The first 8 characters may be told.
    pub session_ids: Vec<String>,
}

/// Begins a login and opens its page. Returns the page with the link of its QR code, and adds the login's secrets.
async fn open_login_page(telegram: &Telegram, run: &mut LoggedRun) -> Result<(MiniApp, String)> {
    let person = telegram.person(ILYA);
    let card = person.ask_for_card(&format!("/login {CODE}")).await?;
    let launch = telegram.person(ILYA).init_data(None);
    let signature = launch.rsplit_once("hash=").context("a hash")?.1.to_owned();
    let page = MiniApp::open(card.web_app_url().context("a button")?, Some(launch.clone()))?;
    let status = page.wait_until(|status| status["token"].is_string()).await?;
    ensure!(page.get("/qr-auth/qr.svg", &[]).await?.status() == 200, "no picture");
    run.secrets.push(("a token", status["token"].as_str().context("a token")?.to_owned()));
    run.secrets.push(("launch data", launch));
    run.secrets.push(("the signature of launch data", signature));
    run.session_ids.push(page.session_id().to_owned());
    Ok((page, status["deep_link"].as_str().context("a link")?.to_owned()))
}

/// Runs the binary with these settings through three logins: one is cancelled, one is confirmed by another account, and one is
/// linked.
pub async fn run_three_logins(changed: &[(&str, &str)]) -> Result<LoggedRun> {
    let telegram = Telegram::start(Options::default()).await?;
    let folder = tempfile::tempdir()?;
    let mut settings = Settings::new(&telegram, folder.path(), None)?;
    settings.binary = env!("CARGO_BIN_EXE_qr-login").into();
    settings.lines_kept = usize::MAX;
    let settings = changed.iter().fold(settings, |settings, (name, value)| settings.with(name, *value));
    let service = Service::new(settings);
    service.start()?;
    service.wait_until_running().await?;
    service.tool(&["invite", "create", "--tier", "premium", "--code", CODE, "--note", "Заметка"]).await?;

    let secret_half = telegram.bot_api.token().split_once(':').context("a token")?.1.to_owned();
    let mut run = LoggedRun::default();
    run.secrets.extend([
        ("the bot's token", secret_half),
        ("the api_hash", "0123456789abcdef0123456789abcdef".to_owned()),
        ("an invite code", CODE.to_owned()),
        ("an invite's note", "Заметка".to_owned()),
        ("a first name", "Ilya".to_owned()),
        ("a username", "ilya".to_owned()),
        ("another's name", "Anna".to_owned()),
        ("a phone number", "79990000001".to_owned()),
    ]);
    let (page, _) = open_login_page(&telegram, &mut run).await?;
    ensure!(page.post("/qr-auth/cancel", json!({})).await?.status() == 200, "cannot cancel");
    telegram.person(ANNA).ask("/help").await?;
    let (page, link) = open_login_page(&telegram, &mut run).await?;
    telegram.phone(ANNA).scan(&link).await?;
    page.wait_for_status("rejected").await?;
    let (page, link) = open_login_page(&telegram, &mut run).await?;
    telegram.person(ILYA).share_contact();
    telegram.phone(ILYA).scan(&link).await?;
    page.wait_for_status("authorized").await?;
    telegram.person(ILYA).wait_for_message(|message| message.text.starts_with("✅ Авторизация")).await?;
    service.stop().await;
    ensure!(
        service.status().note.as_deref() == Some("exit status: 0"),
        "the service did not end with status 0"
    );
    run.lines = service.log_after(0).into_iter().map(|line| line.line).collect();
    Ok(run)
}

impl LoggedRun {
    pub fn assert_no_secret(&self) {
        for (what, secret) in &self.secrets {
            let line = self.lines.iter().find(|line| line.contains(secret.as_str()));
            assert_eq!(line, None, "{what} is in the log");
        }
        for session_id in &self.session_ids {
            let line = self.lines.iter().find(|line| line.contains(&session_id[..9]));
            assert_eq!(line, None, "more than 8 characters of a session id are in the log");
        }
    }

    /// Expects lines with these parts, in this order. Other lines may come between them.
    fn assert_in_order(&self, parts: &[&str]) {
        let mut lines = self.lines.iter();
        for part in parts {
            assert!(
                lines.any(|line| line.contains(part)),
                "missing or out of order: {part}\n{:#?}",
                self.lines
            );
        }
    }
}

#[tokio::test]
async fn the_log_records_the_logins_in_order_with_one_warning() -> Result<()> {
    let run = run_three_logins(&[]).await?;
    run.assert_no_secret();
    run.assert_in_order(&["QR login manager ready", "QR login asked for by 139883458"]);
    for end in ["confirmed by another account", "QR login ended without being linked"] {
        run.assert_in_order(&["QR login asked for by 139883458", "QR issued (expires ", "waiting", end]);
    }
    run.assert_in_order(&[
        "asked for",
        "asked for",
        "asked for",
        "authorised",
        "subscription premium activated",
        "QR login finished",
        "stopped",
    ]);
    let count = |part: &str| run.lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!(count("QR login asked for"), 3, "once a login");
    assert_eq!(count("authorised"), 1, "not for the account of somebody else");
    assert_eq!((count("activated"), count("QR login finished")), (1, 1));
    // A confirmation by another account is a warning. Stopping is not.
    let warnings = run.lines.iter().filter(|line| line.contains(" WARN ") || line.contains(" ERROR "));
    let warnings = warnings.collect::<Vec<_>>();
    let met = |line: &str| line.contains("another account") && line.contains("confirmed_by");
    assert!(matches!(warnings[..], [line] if met(line)), "{warnings:#?}");
    Ok(())
}

/// For those who read logs and not stories: who asked, and how it ended.
#[tokio::test]
async fn without_its_steps_a_login_is_two_lines() -> Result<()> {
    let run = run_three_logins(&[("RUST_LOG", "info,sqlx=warn,login_steps=warn")]).await?;
    let of_logins = run.lines.iter().filter(|line| line.contains("QR ") || line.contains("subscription "));
    let told: Vec<_> = of_logins.filter(|line| !line.contains("QR login manager ready")).collect();
    let count = |part: &str| told.iter().filter(|line| line.contains(part)).count();
    // And a warning for the one that another account confirmed.
    let parts = ["QR login asked for", "ended without being linked", "QR login finished", "another account"];
    assert_eq!(parts.map(count), [3, 2, 1, 1], "{told:#?}");
    assert_eq!(told.len(), 7, "{told:#?}");
    Ok(())
}

#[tokio::test]
async fn the_most_verbose_log_holds_no_secret() -> Result<()> {
    let run = run_three_logins(&[("RUST_LOG", TRACE_EVERYTHING)]).await?;
    assert!(run.lines.len() > 500, "only {} lines: the filter is not verbose", run.lines.len());
    run.assert_no_secret();
    let body =
        run.lines.iter().find(|line| line.contains("reading bytes") || line.contains("serialized request"));
    assert_eq!(body, None, "a library logs what it must not");
    Ok(())
}

#[tokio::test]
async fn telegram_ids_can_be_kept_out_of_the_log() -> Result<()> {
    let run = run_three_logins(&[("RUST_LOG", "debug"), ("LOG_TELEGRAM_IDS", "off"), ("LOG_FORMAT", "json")])
        .await?;
    run.assert_no_secret();
    for id in [ILYA, ANNA] {
        let line = run.lines.iter().find(|line| line.contains(&id.to_string()));
        assert_eq!(line, None, "a Telegram id is in the log");
    }
    for line in &run.lines {
        serde_json::from_str::<Value>(line).with_context(|| format!("not JSON: {line}"))?;
    }
    run.assert_in_order(&["QR login asked for by ", "QR login finished"]);
    Ok(())
}
