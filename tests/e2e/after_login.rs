//! After a login: logging out in the bot, ending the session in Telegram, sessions that nobody holds, what an old login says, and
//! `/debug_status`.

use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::SignedDuration;
use stand_in::accounts::{ANNA, ILYA};
use stand_in::mtproto::Device;

use crate::erasure::{confirm_reset, wait_until_forgotten};
use crate::export::qr_login;
use crate::wait::eventually;
use crate::world::{World, WorldOptions};

/// The question for all sessions of an account.
const LIST: &str = "account.getAuthorizations";

/// `is_authenticated` of the person's row in `users`.
async fn is_authenticated(world: &World, person: i64) -> Result<bool> {
    let sql = "select is_authenticated from users where telegram_id = $1";
    Ok(sqlx::query_scalar(sql).bind(person).fetch_one(world.db.pool()).await?)
}

/// Waits until Telegram has only the phone's session of this person. Then the session file must be gone.
async fn wait_until_logged_out(world: &World, person: i64) {
    world.telegram.mtproto.wait_until(|it| it.sessions_of(person).iter().all(|session| session.phone)).await;
    assert!(!world.config.sessions_dir.join(format!("user_{person}.session")).exists());
}

async fn count_sessions(world: &World) -> Result<i64> {
    Ok(sqlx::query_scalar("select count(*) from vault.sessions").fetch_one(world.db.pool()).await?)
}

#[tokio::test]
async fn a_person_who_logs_out_is_logged_out_at_telegram_too() -> Result<()> {
    let world = World::start().await?;
    let not_linked = world.person(ILYA).ask("/logout").await?;
    assert!(not_linked.text.starts_with("ℹ️ Сейчас ваш аккаунт не подключён"), "{}", not_linked.text);
    world.log_in(ILYA).await?;

    let answer = world.person(ILYA).ask("/logout").await?;

    assert!(answer.text.starts_with("🔌 Вы вышли"), "{}", answer.text);
    wait_until_logged_out(&world, ILYA).await;
    assert_eq!(count_sessions(&world).await?, 0);
    world.wait_for_event("LoggedOut").await?;
    let card = world.person(ILYA).ask("/subscription").await?;
    assert!(card.text.contains("✅ Активна"), "the subscription stays: {}", card.text);
    assert!(!is_authenticated(&world, ILYA).await?);
    Ok(())
}

#[tokio::test]
async fn a_logout_is_finished_when_telegram_is_reachable_again() -> Result<()> {
    let world = World::start().await?;
    world.log_in(ILYA).await?;
    world.telegram.mtproto.faults().airplane(true);

    let answer = world.person(ILYA).ask("/logout").await?;
    assert!(answer.text.starts_with("🔌 Вы вышли"), "{}", answer.text);
    let keys: i64 =
        sqlx::query_scalar("select count(*) from vault.retired_keys").fetch_one(world.db.pool()).await?;
    assert_eq!(keys, 1, "the key is kept until it is logged out");

    world.telegram.mtproto.faults().airplane(false);
    wait_until_logged_out(&world, ILYA).await;
    Ok(())
}

#[tokio::test]
async fn a_session_that_was_ended_in_telegram_is_detected_and_reported() -> Result<()> {
    let configure: fn(&mut qr_login::Config) =
        |config| config.session_check_interval = Duration::from_secs(1);
    let world = World::with(WorldOptions { configure: Some(configure), ..WorldOptions::default() }).await?;
    world.log_in(ILYA).await?;

    world.phone(ILYA).end_other_sessions().await?;

    world.wait_for_event("AuthorizationRevoked").await?;
    let text = "🔌 Сеанс завершён в Telegram";
    world.person(ILYA).wait_for_message(|message| message.text.starts_with(text)).await?;
    assert!(!is_authenticated(&world, ILYA).await?);
    assert_eq!(count_sessions(&world).await?, 0);
    assert!(world.telegram.mtproto.keys_in_two_places().is_empty());
    Ok(())
}

/// `session` of the owner's status.
async fn session_state(world: &World, session: &str) -> Result<String> {
    let path = format!("/qr-auth-status?session_id={session}");
    let status: serde_json::Value = world.get_as(ILYA, &path).send().await?.json().await?;
    assert_eq!(status["status"], "authorized");
    Ok(status["session"].as_str().context("its session")?.to_owned())
}

#[tokio::test]
async fn an_old_login_tells_its_owner_how_the_account_stands_today() -> Result<()> {
    let world = World::start().await?;
    let first = world.log_in(ILYA).await?;
    assert_eq!(session_state(&world, &first).await?, "linked");

    // 1. A later login links another session.
    let second = world.log_in(ILYA).await?;
    eventually("the first one is replaced", async || Ok(session_state(&world, &first).await? == "replaced"))
        .await?;
    assert_eq!(session_state(&world, &second).await?, "linked");

    // 2. The person logs out.
    world.person(ILYA).ask("/logout").await?;
    world.wait_for_event("LoggedOut").await?;
    assert_eq!(session_state(&world, &first).await?, "ended");
    assert_eq!(session_state(&world, &second).await?, "ended");

    // 3. The next session is handed over.
    let third = world.log_in(ILYA).await?;
    let export = ["session", "export", "--user", &ILYA.to_string(), "--format", "grammers", "--yes"];
    assert!(qr_login(&world, &export).await?.status.success());
    assert_eq!(session_state(&world, &third).await?, "handed_over");

    // 4. A person who only has the link learns nothing of that.
    let url = format!("{}/qr-auth-status?session_id={third}", world.base());
    let bare: serde_json::Map<_, _> = world.http.get(url).send().await?.json().await?;
    assert_eq!(bare.keys().collect::<Vec<_>>(), ["expires", "status", "version"]);
    Ok(())
}

#[tokio::test]
async fn a_session_that_telegram_knows_and_nobody_here_holds_is_told_once() -> Result<()> {
    let configure: fn(&mut qr_login::Config) =
        |config| config.session_check_interval = Duration::from_secs(1);
    let mut world =
        World::with(WorldOptions { configure: Some(configure), ..WorldOptions::default() }).await?;
    // Of a login that a failover has lost.
    let device = Device {
        api_id: world.config.api_id,
        model: world.config.device_name.clone(),
        system_version: "Linux".to_owned(),
        app_version: "0.1.0".to_owned(),
    };
    let created_at = world.now() - SignedDuration::from_hours(2);
    world.telegram.mtproto.add_session(ILYA, device, created_at.as_second());
    world.log_in(ILYA).await?;

    let is_warning =
        |text: &str| text.starts_with("⚠️ В вашем аккаунте есть сеанс, о котором мы ничего не знаем");
    let told = world.person(ILYA).wait_for_message(|message| is_warning(&message.text)).await?.text;

    let time =
        created_at.to_zoned(world.config.display_timezone.clone()).strftime("%d.%m.%Y в %H:%M").to_string();
    assert!(told.contains(&format!("«qr-login», вход {time}")), "{told}");
    eventually("it is noted", async || Ok(world.count_rows("vault.unowned_sessions").await? == 1)).await?;
    let metrics = format!("http://{}/metrics", world.ops_addr());
    eventually("it is counted", async || {
        let metrics = world.http.get(&metrics).send().await?.text().await?;
        Ok(metrics.contains("\nqrlogin_unowned_sessions_total 1\n"))
    })
    .await?;

    // The next day, in another process.
    world.crash_service().await;
    sqlx::query("update vault.sessions set listed_at = listed_at - interval '1 day'")
        .execute(world.db.pool())
        .await?;
    let asked = world.telegram.mtproto.calls(LIST);
    world.start_service().await?;
    world.telegram.mtproto.wait_for_call(LIST, asked + 1).await;
    let probes = world.telegram.mtproto.calls("updates.getState");
    world.telegram.mtproto.wait_for_call("updates.getState", probes + 1).await;
    world.person(ILYA).ask("/subscription").await?;
    let warnings = world.person(ILYA).from_bot().iter().filter(|message| is_warning(&message.text)).count();
    assert_eq!(warnings, 1);

    confirm_reset(&world, ILYA, "/debug_reset").await?;
    wait_until_forgotten(&world, ILYA).await?;
    assert_eq!(world.count_rows("vault.unowned_sessions").await?, 0);
    Ok(())
}

#[tokio::test]
async fn the_bot_shows_people_their_own_status_and_admins_anybodys() -> Result<()> {
    let configure: fn(&mut qr_login::Config) = |config| config.admin_ids = vec![ANNA];
    let world = World::with(WorldOptions { configure: Some(configure), ..WorldOptions::default() }).await?;
    let session = world.log_in(ILYA).await?;

    let own = world.person(ILYA).ask("/debug_status").await?.text;
    let known = ["Ilya (@ilya) · 139883458", "Подписка: Premium до", "Аккаунт Telegram: подключён"];
    let happened = [" вход начат\n", " вход выполнен\n", " началась подписка\n"];
    for part in known.iter().chain(&happened) {
        assert!(own.contains(part), "{part} is missing in {own}");
    }
    assert!(!own.contains("AuthorizationConfirmed"), "raw events are for admins: {own}");
    assert!(!own.contains(&session), "the session id is a secret: {own}");

    let admin = world.person(ANNA).ask("/debug_status 139883458").await?.text;
    assert!(admin.contains("Ilya (@ilya) · 139883458"), "{admin}");
    assert!(admin.contains("AuthorizationConfirmed") && admin.contains("SubscriptionActivated"), "{admin}");
    assert!(!admin.contains(&session), "the session id is a secret: {admin}");
    let unknown = world.person(ANNA).ask("/debug_status 1").await?.text;
    assert!(unknown.starts_with("🤷"), "{unknown}");
    let refused = world.person(ILYA).ask(&format!("/debug_status {ANNA}")).await?.text;
    assert!(refused.starts_with("⛔"), "{refused}");
    Ok(())
}
