//! Updates by webhook: Telegram sends them to the HTTP server.

use anyhow::Result;
use serde_json::{Value, json};
use stand_in::accounts::ILYA;

use crate::world::{World, WorldOptions};

pub async fn world_with_webhook() -> Result<World> {
    let configure: fn(&mut qr_login::Config) = |config| {
        config.bot_webhook = true;
        config.auth_base_url = "https://login.example.org".to_owned();
    };
    let world = World::with(WorldOptions { configure: Some(configure), ..WorldOptions::default() }).await?;
    world.telegram.bot_api.set_front(world.config.listen_addr);
    Ok(world)
}

#[tokio::test]
async fn a_whole_login_works_by_webhook() -> Result<()> {
    let world = world_with_webhook().await?;
    world.log_in(ILYA).await?;
    assert_eq!(world.telegram.bot_api.count_calls("getUpdates"), 0);
    Ok(())
}

#[tokio::test]
async fn an_update_without_telegrams_secret_is_refused() -> Result<()> {
    let world = world_with_webhook().await?;
    let url = format!("{}/qr-auth/telegram", world.base());
    let update = json!({"update_id": 900_000_001, "message": {"text": "/start"}});
    for secret in [None, Some(""), Some("0000")] {
        let mut request = world.http.post(&url).json(&update);
        if let Some(secret) = secret {
            request = request.header("X-Telegram-Bot-Api-Secret-Token", secret);
        }
        let answer = request.send().await?;
        assert_eq!(answer.status(), 401, "{secret:?}");
        assert!(!answer.headers().contains_key("www-authenticate"), "launch data would not help");
        let problem: Value = answer.json().await?;
        assert_eq!(problem["detail"], "Секрет вебхука не указан или неверен.");
    }
    let stored: i64 =
        sqlx::query_scalar("select count(*) from vault.inbox").fetch_one(world.db.pool()).await?;
    assert_eq!(stored, 0);
    Ok(())
}

#[tokio::test]
async fn a_request_without_the_secret_is_refused_before_its_body_is_read() -> Result<()> {
    let world = world_with_webhook().await?;
    let url = format!("{}/qr-auth/telegram", world.base());
    for body in [&b"not JSON"[..], &[0xff], &vec![b'x'; 3 << 20]] {
        let answer = world.http.post(&url).body(body.to_vec()).send().await?;
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    Ok(())
}

#[tokio::test]
async fn without_webhook_the_earlier_webhook_is_removed() -> Result<()> {
    let mut world = world_with_webhook().await?;
    world.person(ILYA).ask("/help").await?;
    world.crash_service().await;
    // Telegram keeps this update until it is fetched.
    world.person(ILYA).send("/subscription");
    world.config.bot_webhook = false;

    world.start_service().await?;

    world.person(ILYA).wait_for_message(|message| message.text.starts_with("💎 У вас нет подписки")).await?;
    for body in ["{}", "not JSON"] {
        let closed = world.http.post(format!("{}/qr-auth/telegram", world.base())).body(body).send().await?;
        assert_eq!(closed.status(), 404);
        assert_eq!(closed.headers()["content-type"], "application/problem+json");
    }
    Ok(())
}
