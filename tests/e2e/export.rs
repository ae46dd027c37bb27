//! Handing a linked session over: another service, here Telethon and grammers themselves, is then the person's device, and this
//! one is not.

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

use crate::erasure::{reset, rows_with, until_forgotten};
use crate::world::{Differing, World};

/// As many other installations may use at once; pinned, because a test is to fail for our reasons alone.
const TELETHON: &str = "telethon==1.45.0";
/// What ends the making of a key, as the stand-in counts it.
const KEY_EXCHANGE: &str = "set_client_DH_params";

/// Runs `qr-login` beside the running service.
async fn qr_login(world: &World, arguments: &[&str]) -> Result<Output> {
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

async fn export(world: &World, format: &str) -> Result<String> {
    let user = ILYA.to_string();
    let output =
        qr_login(world, &["session", "export", "--user", &user, "--format", format, "--yes"]).await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{said}");
    let words = String::from_utf8(output.stdout)?;
    assert!(!said.contains(words.trim()), "the key is in the answer, never in the log");
    Ok(words.trim().to_owned())
}

/// A Python with Telethon, made once.
async fn python() -> Result<PathBuf> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("telethon");
    let python = place.join("bin/python");
    let knows =
        |python: &Path| Command::new(python).args(["-c", "import telethon"]).stderr(Stdio::null()).status();
    if python.exists() && knows(&python).await?.success() {
        return Ok(python);
    }
    let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place).status().await?;
    ensure!(made.success(), "python3 -m venv does not work: apt-get install python3-venv");
    let installed =
        Command::new(&python).args(["-m", "pip", "install", "--quiet", TELETHON]).status().await?;
    ensure!(installed.success(), "Telethon cannot be installed from PyPI");
    Ok(python)
}

/// What `users` says: authenticated, handed over.
async fn row(world: &World) -> Result<(bool, bool)> {
    let sql = "select is_authenticated, session_exported from users where telegram_id = $1";
    Ok(sqlx::query_as(sql).bind(ILYA).fetch_one(world.db.pool()).await?)
}

#[tokio::test]
async fn telethon_takes_a_session_over_and_this_service_lets_go_of_it() -> Result<()> {
    let configure: fn(&mut qr_login::Config) =
        |config| config.session_check_interval = Duration::from_secs(1);
    let world = World::with(Differing { configure: Some(configure), ..Differing::default() }).await?;
    world.log_in(ILYA).await?;

    let words = export(&world, "telethon").await?;

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/take_over.py");
    let answer = Command::new(python().await?).arg(script).env("SESSION", &words).output().await?;
    let said = String::from_utf8_lossy(&answer.stderr);
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), ILYA.to_string(), "{said}");

    world.names_once("SessionExported").await?;
    let told = "📤 Ваша сессия передана другому сервису";
    world.person(ILYA).wait_for_message(|message| message.text.starts_with(told)).await?;
    assert_eq!(row(&world).await?, (true, true));
    assert!(!world.config.sessions_dir.join(format!("user_{ILYA}.session")).exists());
    let kept: i64 =
        sqlx::query_scalar("select count(*) from vault.sessions").fetch_one(world.db.pool()).await?;
    assert_eq!(kept, 0);
    assert!(world.telegram.mtproto.keys_in_two_places().is_empty());

    // It is not this service's to end any more.
    let answer = world.person(ILYA).ask("/logout").await?;
    assert!(answer.text.starts_with("ℹ️ Ваша сессия передана"), "{}", answer.text);
    let devices = world.telegram.mtproto.sessions_of(ILYA);
    assert_eq!(devices.iter().filter(|session| !session.phone).count(), 1, "the other service is still in");
    for event in world.events().await? {
        assert!(!event.payload.to_string().contains(&words[1..40]));
    }

    // The next login is this service's own again.
    world.log_in(ILYA).await?;
    world.names_once("SubscriptionActivated").await?;
    assert_eq!(row(&world).await?, (true, false));
    Ok(())
}

/// What is exported for grammers, by the fields of its `SessionData`, whose types read themselves.
#[derive(Deserialize)]
struct Words {
    home_dc: i32,
    dc_options: Vec<DcOption>,
    peer_infos: Vec<PeerInfo>,
}

impl Words {
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
    // Not where everybody begins.
    world.telegram.accounts.update(ILYA, |ilya| ilya.dc = 4);
    world.log_in(ILYA).await?;
    let mtproto = &world.telegram.mtproto;
    let (keys, before) = (mtproto.calls(KEY_EXCHANGE), mtproto.sessions_of(ILYA));

    // The key goes out, whatever becomes of its file.
    let file = world.config.sessions_dir.join(format!("user_{ILYA}.session"));
    std::fs::remove_file(&file)?;
    std::fs::create_dir_all(file.join("not ours"))?;
    let words = export(&world, "grammers").await?;

    let session = Arc::new(serde_json::from_str::<Words>(&words)?.into_session());
    assert_eq!(session.home_dc_id()?, 4);
    let own = session.peer(PeerId::self_user()).await?;
    assert!(own.is_none_or(|own| own.id() == PeerId::user_unchecked(ILYA)), "nobody else");
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
    world.names_once("SessionExported").await?;
    Ok(())
}

#[tokio::test]
async fn who_handed_their_session_over_is_forgotten_and_the_other_service_keeps_it() -> Result<()> {
    let world = World::start().await?;
    world.log_in(ILYA).await?;
    let linked = world.telegram.mtproto.sessions_of(ILYA);
    export(&world, "grammers").await?;
    let ilya = world.person(ILYA);
    ilya.wait_for_message(|message| message.text.starts_with("📤 Ваша сессия передана")).await?;

    // 1. Logging out is not this service's any more, and the answer says whose it is.
    let answer = ilya.ask("/logout").await?.text;
    let here_no_more = "ℹ️ Ваша сессия передана другому сервису, и здесь её больше нет\n\n\
                        Завершить её можно в Telegram → Настройки → Устройства.";
    assert_eq!(answer, here_no_more);

    // 2. Nor is it ended by a reset, which says so before it is agreed to.
    let question = reset(&world, ILYA, "/debug_reset").await?;
    assert!(question.contains("Сессия передана другому сервису и не завершится"), "{question}");
    let done = ilya.wait_for_message(|message| message.text.starts_with("🗑 Готово")).await?.text;
    assert!(done.contains("Наш сеанс в Telegram, если он был, завершается"), "{done}");
    until_forgotten(&world, ILYA).await?;
    assert_eq!(rows_with(&world, &["139883458", "Ilya"]).await?, Vec::<String>::new());
    assert_eq!((world.rows("users").await?, world.rows("vault.sessions").await?), (0, 0));
    assert!(world.session_files()?.is_empty());
    let mtproto = &world.telegram.mtproto;
    assert_eq!(mtproto.sessions_of(ILYA), linked);
    assert!(!mtproto.logged_out(linked[0].key), "it is another service's key");
    let account = world.story_of("account").await?;
    assert_eq!(account, ["AccountRegistered", "SubscriptionActivated", "SessionExported", "AccountErased"]);
    Ok(())
}

#[tokio::test]
async fn a_session_that_the_person_has_ended_is_told_to_be_over_and_not_handed_over() -> Result<()> {
    let world = World::start().await?;
    world.log_in(ILYA).await?;
    let telegram = &world.telegram.mtproto;

    // Nobody can say: then nothing happens.
    telegram.faults().airplane(true);
    let refused = export(&world, "telethon").await.unwrap_err().to_string();
    assert!(
        refused.starts_with("qr-login: Telegram cannot be asked whether the session lives ("),
        "{refused}"
    );
    assert!(refused.contains("): nothing was handed over, try again"), "{refused}");
    telegram.faults().airplane(false);
    assert_eq!(row(&world).await?, (true, false));

    world.phone(ILYA).end_other_sessions().await?;
    let refused = export(&world, "telethon").await.unwrap_err().to_string();
    let over = "the session was ended in Telegram: there is none to hand over until the person logs in again";
    assert_eq!(refused.trim_end(), format!("qr-login: {over}"));

    let told = "🔌 Сеанс завершён в Telegram";
    world.person(ILYA).wait_for_message(|message| message.text.starts_with(told)).await?;
    let story = world.names_once("AuthorizationRevoked").await?;
    assert!(!story.iter().any(|name| name == "SessionExported"));
    assert_eq!(row(&world).await?, (false, false));
    world.nothing_is_left(&[ILYA]).await
}

#[tokio::test]
async fn nothing_is_handed_over_without_a_yes_or_without_a_session() -> Result<()> {
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
    assert_eq!(row(&world).await?, (true, false));
    Ok(())
}
