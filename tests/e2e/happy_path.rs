//! The login of the specification's first section, as a person, another service and the log see it.

use std::os::unix::fs::PermissionsExt;

use anyhow::{Context as _, Result};
use domain::Tier;
use serde_json::json;
use stand_in::accounts::{ANNA, ILYA};

use crate::world::World;

#[tokio::test]
async fn a_person_logs_in_by_qr_and_holds_a_subscription() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;

    // 1. /login CODE: the exact answer, and the button.
    let session = world.begin_login(ILYA, &code.to_lowercase()).await?;
    let answer = world.person(ILYA).from_bot().pop().context("an answer")?;
    assert_eq!(
        answer.text,
        "✅ Инвайт код принят!\n\n🎁 Подписка: Premium\n📊 Лимиты:\n  • Каналов: 50\n  • Постов/день: 1000\n  • RAG запросов/день: 1000\n\n\
         👇 Нажмите кнопку ниже для авторизации:\n\nВ Mini App будут доступны 4 способа:\n  1. Сканировать QR код камерой\n  \
         2. Открыть deep link в Telegram\n  3. Скопировать токен\n  4. Войти по коду на этом телефоне\n\n⏰ QR код действителен 5 минут"
    );

    // 2. The phone scans the QR code of the page.
    let link = world.qr_link(ILYA, &session).await?;
    world.phone(ILYA).scan(&link).await?;
    world.wait_for_status(ILYA, &session, |status| status["status"] == "authorized").await?;

    // 3. The chat says so, and /subscription shows what is active.
    let message = world
        .person(ILYA)
        .wait_for_message(|message| message.text.contains("✅ Авторизация успешна!"))
        .await?;
    assert!(message.text.contains("Premium"), "{}", message.text);
    let card = world.person(ILYA).ask("/subscription").await?;
    let expected = "💎 Ваша подписка\n\n📊 Тариф: Premium\n🔐 Статус: ✅ Активна\n\nЛимиты:\n  • Каналов: 50\n  • Постов/день: 1000\n  \
                    • RAG запросов/день: 1000\n  • AI дайджесты: ✅";
    assert!(card.text.starts_with(expected), "{}", card.text);

    // 4. The row of users, as other services read it.
    let row: (i64, String, bool, String) = sqlx::query_as(
        "select telegram_id, first_name, is_authenticated, subscription_type from users where telegram_id = 139883458",
    )
    .fetch_one(world.db.pool())
    .await?;
    assert_eq!(row, (ILYA, "Ilya".to_owned(), true, "premium".to_owned()));

    // 5. Only the owner can read the session file.
    let file = world.config.sessions_dir.join("user_139883458.session");
    assert_eq!(std::fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);

    // 6. The log holds the events, in order.
    let events = world.events().await?;
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    let expected_events = [
        "InviteCreated",
        "AccountRegistered",
        "InviteRedeemed",
        "LoginStarted",
        "QrIssued",
        "InviteUsed",
        "AuthorizationConfirmed",
        "SubscriptionActivated",
    ];
    assert_eq!(names, expected_events);
    assert!(events.iter().map(|event| event.position).eq(1..=8));
    Ok(())
}

#[tokio::test]
async fn no_event_holds_a_name_a_telegram_id_or_a_code() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    world.phone(ILYA).scan(&world.qr_link(ILYA, &session).await?).await?;
    world.wait_for_event("SubscriptionActivated").await?;
    let rows: Vec<String> =
        sqlx::query_scalar("select events::text from events").fetch_all(world.db.pool()).await?;
    for row in rows {
        for secret in ["139883458", "Ilya", "ilya", code.as_str()] {
            assert!(!row.contains(secret), "{secret} is in {row}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_person_who_only_has_the_link_learns_nothing() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    world.qr_link(ILYA, &session).await?;

    let status_path = format!("/qr-auth-status?session_id={session}");
    let bare = world.http.get(format!("{}{status_path}", world.base())).send().await?;
    assert_eq!(bare.status(), 200);
    let bare: serde_json::Map<_, _> = bare.json().await?;
    assert_eq!(bare.keys().collect::<Vec<_>>(), ["expires", "status", "version"]);

    let page = world.http.get(format!("{}/qr-auth?session_id={session}", world.base())).send().await?;
    assert_eq!(page.status(), 200);
    assert!(!page.text().await?.contains("139883458"));

    let body = json!({"session_id": session});
    let qr = format!("/qr-auth/qr.svg?session_id={session}");
    for (path, body) in
        [(qr.as_str(), None), ("/qr-auth/cancel", Some(&body)), ("/qr-auth/retry", Some(&body))]
    {
        let url = format!("{}{path}", world.base());
        let stranger = match body {
            None => world.http.get(&url).send().await?,
            Some(body) => world.http.post(&url).json(body).send().await?,
        };
        assert_eq!(stranger.status(), 401, "{path}");
        assert_eq!(stranger.headers()["content-type"], "application/problem+json");
        let other = match body {
            None => world.get_as(ANNA, path).send().await?,
            Some(body) => world.post_as(ANNA, path, body).send().await?,
        };
        assert_eq!(other.status(), 403, "{path}");
    }
    assert_eq!(world.get_as(ANNA, &status_path).send().await?.status(), 403);
    Ok(())
}

#[tokio::test]
async fn an_unknown_session_is_not_found() -> Result<()> {
    let world = World::start().await?;
    let answer = world.http.get(format!("{}/qr-auth-status?session_id=test", world.base())).send().await?;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await?, r#"{"status":"not_found"}"#);
    Ok(())
}

#[tokio::test]
async fn a_login_and_a_rebuild_work_with_a_role_that_owns_nothing() -> Result<()> {
    let world = World::start().await?;
    let url = world.config.data.database_url.as_ref().context("a database")?;
    let service = eventlog::Database::connect(url).await?;
    assert!(!service.owns_log().await?);
    world.log_in(ILYA).await?;
    let slots = "select consumer, slot from checkpoints where consumer <> 'reactor' order by consumer";
    let before: Vec<(String, String)> = sqlx::query_as(slots).fetch_all(world.db.pool()).await?;

    let reports = rebuild::rebuild(&service, &[], |_| {}).await?;

    assert!(reports.len() >= 4 && reports.iter().all(|report| report.differ == 0), "{reports:?}");
    let after: Vec<(String, String)> = sqlx::query_as(slots).fetch_all(world.db.pool()).await?;
    assert_eq!(after.len(), before.len());
    assert!(
        before.iter().zip(&after).all(|(before, after)| before != after),
        "every view was swapped: {after:?}"
    );
    world.log_in(ANNA).await?;
    let owner = "select count(*) from pg_class where relowner = 'qr_login_service'::regrole";
    assert_eq!(sqlx::query_scalar::<_, i64>(owner).fetch_one(world.db.pool()).await?, 0);
    Ok(())
}
