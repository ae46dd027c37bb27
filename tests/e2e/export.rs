//! Handing a linked session over to another service, here Telethon and grammers. Afterwards the other service is the person's
//! device, and this one is not.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use grammers_client::{Client, SenderPool};
use grammers_session::storages::MemorySession;
use grammers_session::types::{DcOption, PeerId, PeerInfo, UpdatesState};
use grammers_session::{Session, SessionData};
use secrecy::ExposeSecret;
use serde::Deserialize;
use stand_in::accounts::{ANNA, ILYA};
use tokio::process::Command;

use crate::erasure::{confirm_reset, rows_containing, wait_until_forgotten};
use crate::python::environment;
use crate::world::{World, WorldOptions};

/// Telethon and what it needs: pinned, with hashes.
const REQUIREMENTS: &str = "tests/e2e/requirements.txt";
/// The last request of a key exchange, as the stand-in counts it.
const KEY_EXCHANGE: &str = "set_client_DH_params";

/// Runs `qr-login` beside the running service.
pub async fn qr_login(world: &World, arguments: &[&str]) -> Result<Output> {
    let data = &world.config.data;
    let url = data.database_url.as_ref().context("a database")?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_qr-login"));
    command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("DATABASE_URL", url.expose_secret()).env("DATA_DIR", &data.data_dir);
    command.env("TELEGRAM_NETWORK_FILE", data.data_dir.join("network.toml"));
    command.env("TELEGRAM_API_ID", world.config.api_id.to_string());
    command.env("TELEGRAM_API_HASH", world.config.api_hash.expose_secret());
    Ok(command.stdin(Stdio::null()).output().await?)
}

/// What `qr-login` prints beside the running service. If it fails, the error is its stderr.
pub async fn stdout_of(world: &World, arguments: &[&str]) -> Result<String> {
    let output = qr_login(world, arguments).await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Hands Ilya’s session over at the terminal: its text.
pub async fn export(world: &World, format: &str) -> Result<String> {
    let user = ILYA.to_string();
    let output =
        qr_login(world, &["session", "export", "--user", &user, "--format", format, "--yes"]).await?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{stderr}");
    let exported = String::from_utf8(output.stdout)?;
    assert!(!stderr.contains(exported.trim()), "the key is on stdout only, never in the log");
    Ok(exported.trim().to_owned())
}

/// The Python of an environment with Telethon.
async fn python_with_telethon() -> Result<PathBuf> {
    Ok(environment("telethon", "telethon", REQUIREMENTS).await?.join("python"))
}

/// `is_authenticated` and `session_exported` of Ilya's row in `users`.
async fn session_flags(world: &World) -> Result<(bool, bool)> {
    let sql = "select is_authenticated, session_exported from users where telegram_id = $1";
    Ok(sqlx::query_as(sql).bind(ILYA).fetch_one(world.db.pool()).await?)
}

#[tokio::test]
async fn telethon_takes_a_session_over_and_this_service_forgets_it() -> Result<()> {
    let configure: fn(&mut qr_login::Config) =
        |config| config.session_check_interval = Duration::from_secs(1);
    let world = World::with(WorldOptions { configure: Some(configure), ..WorldOptions::default() }).await?;
    world.log_in(ILYA).await?;

    let exported = export(&world, "telethon").await?;

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/take_over.py");
    let answer =
        Command::new(python_with_telethon().await?).arg(script).env("SESSION", &exported).output().await?;
    let stderr = String::from_utf8_lossy(&answer.stderr);
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), ILYA.to_string(), "{stderr}");

    world.wait_for_event("SessionExported").await?;
    let me = String::from_utf8(Command::new("id").arg("-un").output().await?.stdout)?;
    let by = world.events().await?.into_iter().find(|event| event.name == "SessionExported");
    assert_eq!(by.context("the event")?.metadata.actor, format!("tool:cli:{}", me.trim()));
    let text = "📤 Ваша сессия передана другому сервису";
    world.person(ILYA).wait_for_message(|message| message.text.starts_with(text)).await?;
    assert_eq!(session_flags(&world).await?, (true, true));
    assert!(!world.config.sessions_dir.join(format!("user_{ILYA}.session")).exists());
    let kept: i64 =
        sqlx::query_scalar("select count(*) from vault.sessions").fetch_one(world.db.pool()).await?;
    assert_eq!(kept, 0);
    assert!(world.telegram.mtproto.keys_in_two_places().is_empty());

    // This service cannot end the session any more.
    let answer = world.person(ILYA).ask("/logout").await?;
    assert!(answer.text.starts_with("ℹ️ Ваша сессия передана"), "{}", answer.text);
    let devices = world.telegram.mtproto.sessions_of(ILYA);
    assert_eq!(
        devices.iter().filter(|session| !session.phone).count(),
        1,
        "the other service stays logged in"
    );
    for event in world.events().await? {
        assert!(!event.payload.to_string().contains(&exported[1..40]));
    }

    // The next login is this service's own again.
    world.log_in(ILYA).await?;
    world.wait_for_event("SubscriptionActivated").await?;
    assert_eq!(session_flags(&world).await?, (true, false));
    Ok(())
}

/// A session as it is exported for grammers: the fields of its `SessionData`.
#[derive(Deserialize)]
struct GrammersSession {
    home_dc: i32,
    dc_options: Vec<DcOption>,
    peer_infos: Vec<PeerInfo>,
}

impl GrammersSession {
    fn into_session(self) -> MemorySession {
        MemorySession::from(SessionData {
            home_dc: self.home_dc,
            dc_options: self.dc_options.into_iter().map(|dc| (dc.id, dc)).collect(),
            peer_infos: self.peer_infos.into_iter().map(|peer| (peer.id(), peer)).collect(),
            updates_state: UpdatesState::default(),
        })
    }
}

#[tokio::test]
async fn grammers_takes_a_session_over_with_the_same_key() -> Result<()> {
    let world = World::start().await?;
    // Not the data centre that logins begin in.
    world.telegram.accounts.update(ILYA, |ilya| ilya.dc = 4);
    world.log_in(ILYA).await?;
    let mtproto = &world.telegram.mtproto;
    let (keys, before) = (mtproto.calls(KEY_EXCHANGE), mtproto.sessions_of(ILYA));

    // The export works even if the session file cannot be removed.
    let file = world.config.sessions_dir.join(format!("user_{ILYA}.session"));
    std::fs::remove_file(&file)?;
    std::fs::create_dir_all(file.join("not ours"))?;
    let exported = export(&world, "grammers").await?;

    let session = Arc::new(serde_json::from_str::<GrammersSession>(&exported)?.into_session());
    assert_eq!(session.home_dc_id()?, 4);
    let own = session.peer(PeerId::self_user()).await?;
    assert!(own.is_none_or(|own| own.id() == PeerId::user_unchecked(ILYA)), "no other person");
    let SenderPool { runner, handle, updates: _updates } = SenderPool::new(session.clone(), 1);
    let client = Client::new(handle.clone());
    let running = tokio::spawn(runner.run());
    assert!(client.is_authorized().await?);
    let me = client.get_me().await?;
    handle.quit();
    running.await?;

    assert_eq!(me.id(), PeerId::user_unchecked(ILYA));
    assert_eq!(mtproto.calls(KEY_EXCHANGE), keys, "with the key that was handed over");
    let after = mtproto.sessions_of(ILYA);
    assert_eq!(
        (after.len(), after[0].key, after[0].hash),
        (1, before[0].key, before[0].hash),
        "no new login"
    );
    assert!(mtproto.keys_in_two_places().is_empty());
    world.wait_for_event("SessionExported").await?;
    Ok(())
}

#[tokio::test]
async fn a_session_that_is_being_checked_is_handed_over_once_it_is_free() -> Result<()> {
    let world = World::start().await?;
    world.log_in(ILYA).await?;
    let vault = vault::Vault::new(&world.db);
    let checked = loop {
        if let Some(borrowed) = vault.claim_linked(world.now(), Duration::ZERO, 1).await?.pop() {
            break borrowed;
        }
    };

    let mut handed_over = std::pin::pin!(export(&world, "grammers"));
    assert!(tokio::time::timeout(Duration::from_secs(2), &mut handed_over).await.is_err(), "it waits");
    vault.release_linked(&checked).await?;
    handed_over.await?;
    Ok(())
}

#[tokio::test]
async fn a_person_who_handed_their_session_over_is_erased_and_the_other_service_keeps_it() -> Result<()> {
    let world = World::start().await?;
    world.log_in(ILYA).await?;
    let linked = world.telegram.mtproto.sessions_of(ILYA);
    export(&world, "grammers").await?;
    let ilya = world.person(ILYA);
    ilya.wait_for_message(|message| message.text.starts_with("📤 Ваша сессия передана")).await?;

    // 1. This service cannot log out any more. The answer says where the person can.
    let answer = ilya.ask("/logout").await?.text;
    let here_no_more = "ℹ️ Ваша сессия передана другому сервису, и здесь её больше нет\n\n\
                        Завершить её можно в Telegram → Настройки → Устройства.";
    assert_eq!(answer, here_no_more);

    // 2. A reset does not end the session either. The question says so before the person confirms.
    let question = confirm_reset(&world, ILYA, "/debug_reset").await?;
    assert!(question.contains("Сессия передана другому сервису и не завершится"), "{question}");
    let done = ilya.wait_for_message(|message| message.text.starts_with("🗑 Готово")).await?.text;
    assert!(done.contains("Наш сеанс в Telegram, если он был, завершается"), "{done}");
    wait_until_forgotten(&world, ILYA).await?;
    assert_eq!(rows_containing(&world, &["139883458", "Ilya"]).await?, Vec::<String>::new());
    assert_eq!((world.count_rows("users").await?, world.count_rows("vault.sessions").await?), (0, 0));
    assert!(world.session_files()?.is_empty());
    let mtproto = &world.telegram.mtproto;
    let keys = |sessions: &[stand_in::mtproto::Session]| {
        sessions.iter().map(|session| session.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(&mtproto.sessions_of(ILYA)), keys(&linked));
    assert!(!mtproto.logged_out(linked[0].key), "the key belongs to the other service");
    let account = world.event_names_of("account").await?;
    assert_eq!(account, ["AccountRegistered", "SubscriptionActivated", "SessionExported", "AccountErased"]);
    Ok(())
}

#[tokio::test]
async fn a_session_that_the_person_has_ended_is_reported_and_not_handed_over() -> Result<()> {
    let world = World::start().await?;
    world.log_in(ILYA).await?;
    let telegram = &world.telegram.mtproto;

    // Telegram cannot be asked: nothing is handed over.
    telegram.faults().airplane(true);
    let refused = export(&world, "telethon").await.unwrap_err().to_string();
    assert!(
        refused.starts_with("qr-login: Telegram cannot be asked whether the session lives ("),
        "{refused}"
    );
    assert!(refused.contains("): nothing was handed over, try again"), "{refused}");
    telegram.faults().airplane(false);
    assert_eq!(session_flags(&world).await?, (true, false));

    world.phone(ILYA).end_other_sessions().await?;
    let refused = export(&world, "telethon").await.unwrap_err().to_string();
    let over = "the session was ended in Telegram: there is none to hand over until the person logs in again";
    assert_eq!(refused.trim_end(), format!("qr-login: {over}"));

    let text = "🔌 Сеанс завершён в Telegram";
    world.person(ILYA).wait_for_message(|message| message.text.starts_with(text)).await?;
    let events = world.wait_for_event("AuthorizationRevoked").await?;
    assert!(!events.iter().any(|name| name == "SessionExported"));
    assert_eq!(session_flags(&world).await?, (false, false));
    world.expect_no_leftovers(&[ILYA]).await
}

#[tokio::test]
async fn nothing_is_handed_over_without_confirmation_or_without_a_session() -> Result<()> {
    let world = World::start().await?;
    world.log_in(ILYA).await?;
    world.person(ANNA).ask("/help").await?;
    let (ilya, anna) = (ILYA.to_string(), ANNA.to_string());
    let cases = [
        (
            vec!["--user", &ilya],
            "session export hands the key over for good: add --yes where nobody can be asked",
        ),
        (vec!["--user", &anna, "--yes"], "no session of this person is linked"),
        (vec!["--user", "1", "--yes"], "nobody is known as 1"),
        (vec!["--user", "Ilya", "--yes"], "--user: \"Ilya\" is neither a Telegram id nor an account id"),
    ];
    for (arguments, line) in cases {
        let all = [&["session", "export", "--format", "telethon"], &arguments[..]].concat();
        let output = qr_login(&world, &all).await?;
        assert!(!output.status.success() && output.stdout.is_empty(), "{line}");
        assert_eq!(String::from_utf8_lossy(&output.stderr).trim_end(), format!("qr-login: {line}"));
    }
    assert_eq!(session_flags(&world).await?, (true, false));
    Ok(())
}
