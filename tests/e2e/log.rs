//! What the log of the real binary tells, and what it never does, whatever `RUST_LOG` asks for.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, ILYA};
use stand_in::mini_app::MiniApp;
use stand_in::service::{Service, Settings};
use stand_in::{Options, Telegram};

mod typed;

const CODE: &str = "3HBP4Z3ECICZ";
/// All that can be logged, also where somebody names the libraries that would tell requests with the bot's token, and
/// bodies.
const LOUD: &str = "trace,hyper::proto::h1=trace,hyper_util::client::legacy=trace,reqwest::connect=trace,\
                    teloxide_core::net=trace,grammers_mtsender::sender=trace,sqlx::query=trace";

/// The binary's log through three logins: one cancelled, one confirmed by somebody else, one linked; and what must not
/// stand in it.
struct Told {
    lines: Vec<String>,
    secrets: Vec<(&'static str, String)>,
}

/// Opens the page of a `/login`; the link on it, and what was secret about all that.
async fn begin(telegram: &Telegram, told: &mut Told) -> Result<(MiniApp, String)> {
    let person = telegram.person(ILYA);
    let card = person.ask_for_card(&format!("/login {CODE}")).await?;
    let launch = telegram.person(ILYA).init_data(None);
    let signature = launch.rsplit_once("hash=").context("a hash")?.1.to_owned();
    let page = MiniApp::open(card.web_app_url().context("a button")?, Some(launch.clone()))?;
    let status = page.wait_until(|status| status["token"].is_string()).await?;
    ensure!(page.get("/qr-auth/qr.svg", &[]).await?.status() == 200, "no picture");
    told.secrets.push(("a token", status["token"].as_str().context("a token")?.to_owned()));
    told.secrets.push(("launch data", launch));
    told.secrets.push(("the signature of launch data", signature));
    told.secrets.push(("more than 8 characters of a session id", page.session_id()[..9].to_owned()));
    Ok((page, status["deep_link"].as_str().context("a link")?.to_owned()))
}

async fn run(settings: &[(&str, &str)]) -> Result<Told> {
    let telegram = Telegram::start(Options::default()).await?;
    let folder = tempfile::tempdir()?;
    let mut how = Settings::new(&telegram, folder.path(), None)?;
    how.binary = env!("CARGO_BIN_EXE_qr-login").into();
    how.lines_kept = usize::MAX;
    let how = settings.iter().fold(how, |how, (name, value)| how.with(name, *value));
    let service = Service::new(how);
    service.start()?;
    service.wait_until_running().await?;
    service.tool(&["invite", "create", "--tier", "premium", "--code", CODE, "--note", "Заметка"]).await?;

    let secret_half = telegram.bot_api.token().split_once(':').context("a token")?.1.to_owned();
    let mut told = Told { lines: Vec::new(), secrets: Vec::new() };
    told.secrets.extend([
        ("the bot's token", secret_half),
        ("the api_hash", "0123456789abcdef0123456789abcdef".to_owned()),
        ("an invite code", CODE.to_owned()),
        ("an invite's note", "Заметка".to_owned()),
        ("a first name", "Ilya".to_owned()),
        ("a username", "ilya".to_owned()),
        ("another's name", "Anna".to_owned()),
        ("a phone number", "79990000001".to_owned()),
    ]);
    let (page, _) = begin(&telegram, &mut told).await?;
    ensure!(page.post("/qr-auth/cancel", json!({})).await?.status() == 200, "cannot cancel");
    let (page, link) = begin(&telegram, &mut told).await?;
    telegram.phone(ANNA).scan(&link).await?;
    page.wait_for_status("rejected").await?;
    let (page, link) = begin(&telegram, &mut told).await?;
    telegram.person(ILYA).share_contact();
    telegram.phone(ILYA).scan(&link).await?;
    page.wait_for_status("authorized").await?;
    telegram.person(ILYA).wait_for_message(|message| message.text.starts_with("✅ Авторизация")).await?;
    service.stop().await;
    ensure!(service.status().note.as_deref() == Some("exit status: 0"), "it ended otherwise");
    told.lines = service.log_after(0).into_iter().map(|line| line.line).collect();
    Ok(told)
}

impl Told {
    fn holds_no_secret(&self) {
        for (what, secret) in &self.secrets {
            let line = self.lines.iter().find(|line| line.contains(secret.as_str()));
            assert_eq!(line, None, "{what} stands in the log");
        }
    }

    /// That these stand in it in this order, with others between them.
    fn tells(&self, story: &[&str]) {
        let mut lines = self.lines.iter();
        for step in story {
            assert!(
                lines.any(|line| line.contains(step)),
                "not told, or not then: {step}\n{:#?}",
                self.lines
            );
        }
    }
}

#[tokio::test]
async fn the_log_tells_the_story_and_ends_without_a_complaint() -> Result<()> {
    let told = run(&[]).await?;
    told.holds_no_secret();
    told.tells(&["QR login manager ready", "QR login asked for by 139883458"]);
    for end in ["confirmed by another account", "QR login ended without being linked"] {
        told.tells(&["QR login asked for by 139883458", "QR issued (expires ", "waiting", end]);
    }
    told.tells(&[
        "asked for",
        "asked for",
        "asked for",
        "authorised",
        "subscription premium activated",
        "stopped",
    ]);
    told.tells(&["authorised", "QR login finished"]);
    let count = |part: &str| told.lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!(count("QR login asked for"), 3, "once a login");
    assert_eq!(count("activated"), 1);
    // What a person did wrong is a warning; stopping is not.
    let complaints = told.lines.iter().filter(|line| line.contains(" WARN ") || line.contains(" ERROR "));
    let complaints = complaints.collect::<Vec<_>>();
    assert!(matches!(complaints[..], [line] if line.contains("another account")), "{complaints:#?}");
    Ok(())
}

#[tokio::test]
async fn even_all_that_can_be_logged_holds_no_secret() -> Result<()> {
    let told = run(&[("RUST_LOG", LOUD)]).await?;
    assert!(told.lines.len() > 500, "only {} lines: this was to be all", told.lines.len());
    told.holds_no_secret();
    let body =
        told.lines.iter().find(|line| line.contains("reading bytes") || line.contains("serialized request"));
    assert_eq!(body, None, "a library that must be quiet speaks");
    Ok(())
}

#[tokio::test]
async fn telegram_ids_can_be_kept_out_of_the_log() -> Result<()> {
    let told = run(&[("RUST_LOG", "debug"), ("LOG_TELEGRAM_IDS", "off"), ("LOG_FORMAT", "json")]).await?;
    told.holds_no_secret();
    for id in [ILYA, ANNA] {
        let line = told.lines.iter().find(|line| line.contains(&id.to_string()));
        assert_eq!(line, None, "a Telegram id stands in the log");
    }
    for line in &told.lines {
        serde_json::from_str::<Value>(line).with_context(|| format!("not JSON: {line}"))?;
    }
    told.tells(&["QR login asked for by ", "QR login finished"]);
    Ok(())
}
