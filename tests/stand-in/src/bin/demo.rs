//! `demo`: runs one login as the README describes it, against the stand-in Telegram, and checks every step:
//! the chat, the picture of the code, the phone, the card, the events, the row, the file, the log. Then an admin makes an invite,
//! grants a subscription, blocks and unblocks through the admin API.
//!
//! Ends with 0 only if every check holds.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, ILYA};
use stand_in::admin_app::AdminApp;
use stand_in::mini_app::MiniApp;
use stand_in::service::{Service, Settings};
use stand_in::{Options, Telegram};

const CODE: &str = "3HBP4Z3ECICZ";

const ACCEPTED: &str = "✅ Инвайт код принят!

🎁 Подписка: Premium
📊 Лимиты:
  • Каналов: 50
  • Постов/день: 1000
  • RAG запросов/день: 1000

👇 Нажмите кнопку ниже для авторизации:

В Mini App будут доступны 4 способа:
  1. Сканировать QR код камерой
  2. Открыть deep link в Telegram
  3. Скопировать токен
  4. Войти по коду на этом телефоне

⏰ QR код действителен 5 минут";

const CARD: &str = "💎 Ваша подписка

📊 Тариф: Premium
🔐 Статус: ✅ Активна

Лимиты:
  • Каналов: 50
  • Постов/день: 1000
  • RAG запросов/день: 1000
  • AI дайджесты: ✅";

/// In this order; others may stand between them.
const EVENTS: [&str; 7] = [
    "InviteCreated",
    "InviteRedeemed",
    "LoginStarted",
    "QrIssued",
    "InviteUsed",
    "AuthorizationConfirmed",
    "SubscriptionActivated",
];

/// What the log tells, in this order.
const LOG: [&str; 7] = [
    "QR login manager ready",
    "QR login asked for by 139883458",
    "QR issued (expires",
    "waiting",
    "authorised",
    "subscription premium activated",
    "login finished",
];

#[tokio::main]
async fn main() -> ExitCode {
    let steps = Steps { started_at: Instant::now() };
    match demo(&steps).await {
        Ok(()) => {
            steps.done("Every check holds");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("[{:>6} ms] ✗ {error:#}", steps.elapsed_ms());
            ExitCode::FAILURE
        }
    }
}

async fn demo(steps: &Steps) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("qr-login-demo-").tempdir()?;
    let telegram = Telegram::start(Options::default()).await?;
    steps.done("A stand-in Telegram runs: Bot API and two data centres on loopback");
    let settings = Settings::new(&telegram, folder.path(), None)?.with("ADMIN_IDS", ANNA.to_string());
    let service = Service::new(settings);
    let played = tokio::select! {
        played = play(steps, &telegram, &service, folder.path()) => played,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    service.stop().await;
    played.map_err(|error| {
        let log = service.log_after(0);
        let last = log.iter().skip(log.len().saturating_sub(25)).map(|line| format!("\n  {}", line.line));
        anyhow::anyhow!("{error:#}\nthe end of the service's log:{}", last.collect::<String>())
    })
}

async fn play(steps: &Steps, telegram: &Telegram, service: &Service, data_dir: &Path) -> Result<()> {
    let ilya = telegram.person(ILYA);

    // 1. The service, and an invite.
    telegram.phone(ILYA).log_in().await?;
    service.start()?;
    service.wait_until_running().await?;
    steps.done("The service runs, with a PostgreSQL of its own");
    let made = service.tool(&["invite", "create", "--tier", "premium", "--code", CODE]).await?;
    ensure!(made.contains(CODE) && made.contains("t.me/"), "invite create printed: {made}");
    steps.done(&format!("An invite: {CODE}"));

    // 2. /login in the chat.
    let accepted = ilya.ask(&format!("/login {CODE}")).await?;
    same("the bot's answer", &accepted.text, ACCEPTED)?;
    let button = accepted.button("🔐 Открыть QR авторизацию").context("the button is missing")?;
    let url = button.web_app_url().context("the button opens no Mini App")?;
    steps.done("Ilya: /login CODE; the bot answers to the letter");

    // 3. The Mini App.
    let page = MiniApp::open(url, Some(ilya.init_data(None)))?;
    ensure!(page.session_id().len() >= 22, "the session id is too short");
    ensure!(page.page().await?.status() == 200, "the page does not open");
    let waiting = page.wait_until(|status| status["token"].is_string()).await?;
    ensure!(
        waiting["status"] == "waiting" && waiting["telegram_id"] == ILYA,
        "the status is {}",
        waiting["status"]
    );
    let token = waiting["token"].as_str().unwrap_or_default().to_owned();
    let anybody = page.with_init_data(None).status().await?;
    ensure!(anybody.as_object().is_some_and(|fields| fields.len() == 3), "anybody is told too much");
    let stranger = page.with_init_data(Some(telegram.person(ANNA).init_data(None)));
    for (who, page, expected) in
        [("a stranger", stranger, 403), ("a forger", page.with_init_data(Some(ilya.forged_init_data())), 401)]
    {
        let answer = page.get("/qr-auth-status", &[]).await?.status();
        ensure!(answer == expected, "{who} is answered {answer}");
    }
    steps.done("The Mini App shows ⏳; a stranger gets 403, forged launch data 401");
    let link = page.look_at_the_code().await?;
    ensure!(waiting["deep_link"] == link.as_str(), "the code on the screen is not the link beside it");
    steps.done("The QR code is read from its picture");

    // 4. The phone.
    let device = telegram.phone(ILYA).scan(&link).await?;
    steps.done(&format!("Ilya's phone confirms “{}”", device.device_model));
    page.wait_for_status("authorized").await?;
    steps.done("The Mini App shows ✅");
    ensure!(
        telegram.mtproto.sessions_of(ILYA).len() == 1,
        "Telegram lists another number of sessions than one"
    );

    // 5. The chat.
    ilya.wait_for_message(|message| message.text.starts_with("✅ Авторизация успешна!")).await?;
    steps.done("The bot says so in the chat");
    let card = ilya.ask("/subscription").await?;
    ensure!(card.text.starts_with(CARD), "the card is:\n{}", card.text);
    steps.done("/subscription:");
    card.text.lines().for_each(|line| println!("              {line}"));

    // 6. What happened.
    let database_url = service.database_url().await?;
    let history = service.replay(&database_url, &["history", "--format", "jsonl"]).await?;
    ensure!(!history.contains(&token) && !history.contains("Ilya"), "the history holds a token or a name");
    let events: Vec<Value> = history.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    check_events(&events)?;
    steps.done(&format!("{} events:", events.len()));
    for event in &events {
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        println!("              {:>3}  {:<8} {}", event["position"], text("stream"), text("event"));
    }
    let verified = service.replay(&database_url, &["verify"]).await?;
    ensure!(verified.contains("users: 1 rows, 0 differ"), "verify printed:\n{verified}");
    steps.done("Every view is what the events say");

    // 7. What others read.
    let query = "SELECT telegram_id, first_name, is_authenticated, subscription_type FROM users WHERE telegram_id = 139883458;";
    let row = psql(&database_url, &["-At", "-c", query]).await?;
    same("the row", row.trim(), "139883458|Ilya|t|premium")?;
    steps.done("The row in users:");
    psql(&database_url, &["-c", query]).await?.lines().for_each(|line| println!("              {line}"));
    let file = data_dir.join("sessions").join(format!("user_{ILYA}.session"));
    let mode =
        std::fs::metadata(&file).with_context(|| format!("no {}", file.display()))?.permissions().mode();
    ensure!(mode & 0o7777 == 0o600, "user_{ILYA}.session has mode {:o}", mode & 0o7777);
    steps.done(&format!("sessions/user_{ILYA}.session, mode 600"));

    // 8. The log.
    let log: Vec<String> = service.log_after(0).into_iter().map(|line| line.line).collect();
    let mut lines = log.iter();
    for step in LOG {
        ensure!(lines.any(|line| line.contains(step)), "the log does not tell, in order: {step}");
    }
    for secret in [token.as_str(), page.session_id(), "Ilya", CODE] {
        ensure!(
            !log.iter().any(|line| line.contains(secret)),
            "the log holds a token, a name, a code or a session id"
        );
    }
    steps.done("The log tells the same story, without token, name or code");

    // 9. An admin.
    administer(steps, telegram, service, &database_url).await
}

async fn administer(steps: &Steps, telegram: &Telegram, service: &Service, database_url: &str) -> Result<()> {
    let (ilya, anna) = (telegram.person(ILYA), telegram.person(ANNA));
    anna.ask("/start").await?;
    let answer = anna.ask("/admin").await?;
    let button = answer.button("🛠 Open the app").context("the button of the admins' app is missing")?;
    let url = button.web_app_url().context("the button opens no Mini App")?;
    let launch = anna.init_data(None);
    let admin = AdminApp::open(url, &launch).await?;
    ensure!(AdminApp::open(url, &launch).await.is_err(), "the same launch opens a second session");
    ensure!(AdminApp::open(url, &ilya.init_data(None)).await.is_err(), "Ilya opens the admins' app");
    steps.done("Anna opens the admins' app: her launch is exchanged once, Ilya's is refused");

    let order = json!({"tier": "basic", "max_uses": 1, "valid_days": 30, "subscription_days": 30});
    let made = admin.post("invites", &order).await?;
    let link = made["items"][0]["link"].as_str().unwrap_or_default().to_owned();
    ensure!(link.starts_with("https://t.me/"), "the invite has no link: {made}");
    steps.done("Anna makes an invite");

    let row =
        psql(database_url, &["-At", "-c", "SELECT account_id FROM users WHERE telegram_id = 139883458;"]);
    let person = format!("users/{}", row.await?.trim());
    let granted = json!({"tier": "enterprise", "days": 30, "reason": "a gift"});
    let user = admin.post(&format!("{person}/subscription"), &granted).await?;
    ensure!(user["user"]["subscription_type"] == "enterprise", "the grant led to {user}");
    let details = admin.get(&person).await?;
    ensure!(details["subscription_history"][1]["reason"] == "a gift", "the history is {details}");
    steps.done("Anna grants Ilya Enterprise; the history says why");

    admin.post(&format!("{person}/block"), &json!({"reason": "a demonstration"})).await?;
    let refused = ilya.ask("/subscription").await?;
    ensure!(refused.text.starts_with("⛔"), "Ilya is blocked, and reads: {}", refused.text);
    admin.post(&format!("{person}/unblock"), &json!({})).await?;
    let card = ilya.ask("/subscription").await?;
    ensure!(card.text.contains("Enterprise"), "Ilya is let in again, and reads: {}", card.text);
    steps.done("Anna blocks Ilya, who is refused at once, and lets him in again");

    let acts = service
        .replay(database_url, &["history", "--actor", admin.account_id(), "--format", "jsonl"])
        .await?;
    let acts: Vec<Value> = acts.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let acts: Vec<_> = acts.iter().filter_map(|event| event["event"].as_str()).collect();
    let expected = [
        "AccountRegistered",
        "InviteCreated",
        "SubscriptionChanged",
        "AuditRead",
        "AccountBlocked",
        "AccountUnblocked",
    ];
    ensure!(acts == expected, "the history of Anna's acts is {acts:?}");
    steps.done("replay history --actor tells all she did, and what she read");
    Ok(())
}

struct Steps {
    started_at: Instant,
}

impl Steps {
    fn done(&self, what: &str) {
        println!("[{:>6} ms] ✓ {what}", self.elapsed_ms());
    }

    fn elapsed_ms(&self) -> u128 {
        self.started_at.elapsed().as_millis()
    }
}

fn same(what: &str, is: &str, expected: &str) -> Result<()> {
    ensure!(is == expected, "{what} is\n{is}\ninstead of\n{expected}");
    Ok(())
}

fn check_events(events: &[Value]) -> Result<()> {
    for (at, event) in events.iter().enumerate() {
        ensure!(event["position"] == at + 1, "position {} stands at place {}", event["position"], at + 1);
    }
    let mut names = events.iter().filter_map(|event| event["event"].as_str());
    for name in EVENTS {
        ensure!(names.any(|event| event == name), "the events do not tell, in order: {name}");
    }
    let activated = events.iter().filter(|event| event["event"] == "SubscriptionActivated").count();
    ensure!(activated == 1, "the subscription was activated {activated} times");
    Ok(())
}

/// What `psql` prints.
async fn psql(database_url: &str, args: &[&str]) -> Result<String> {
    let output = tokio::process::Command::new("psql")
        .args(["-X", "-P", "pager=off", database_url])
        .args(args)
        .output()
        .await
        .context("psql is missing: apt-get install postgresql-client")?;
    ensure!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
