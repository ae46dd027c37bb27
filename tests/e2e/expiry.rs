//! The five minutes of a login on a manual clock, and what follows when they are over.

use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::Tier;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use stand_in::accounts::{ANNA, ILYA};
use stand_in::phone::token_in;

use crate::world::{World, WorldOptions};

const EXPIRED: &str = "⏰ Время входа истекло\n\nНичего не подключено, инвайт код не потрачен. \
                       Чтобы начать заново, отправьте /login КОД";

async fn world_with_token_lifetime(token_lifetime: Duration) -> Result<World> {
    World::with(WorldOptions {
        manual_clock: true,
        token_lifetime: Some(token_lifetime),
        ..WorldOptions::default()
    })
    .await
}

#[tokio::test]
async fn the_code_on_the_screen_works_in_every_second_of_the_five_minutes() -> Result<()> {
    let world = world_with_token_lifetime(Duration::from_secs(4)).await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    let began = world.now();
    let mut shown = Vec::new();
    for second in 0..300 {
        // Read right after the clock jumped, before the worker may have renewed the code.
        let path = format!("/qr-auth-status?session_id={session}");
        let status = match second {
            0 => world.wait_for_status(ILYA, &session, |status| status["token"].is_string()).await?,
            _ => world.get_as(ILYA, &path).send().await?.json().await?,
        };
        let token = status["token"].as_str().context("a token")?.to_owned();
        assert_eq!(status["status"], "waiting", "after {second} s");
        assert!(
            world.telegram.mtproto.takes_token(&token_in(&token).context("a token")?),
            "after {second} s the code on the screen is invalid"
        );
        // A new token is due after half of the lifetime.
        let now = world.now();
        let fresh = |status: &serde_json::Value| {
            let expires_at = status["qr_expires"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
            expires_at.is_some_and(|at| at.duration_since(now) > SignedDuration::from_secs(2))
        };
        world.wait_for_status(ILYA, &session, fresh).await?;
        if shown.last() != Some(&token) {
            shown.push(token);
        }
        world.advance(Duration::from_secs(1));
    }
    assert_eq!(world.now().duration_since(began), SignedDuration::from_mins(5));
    assert_eq!(shown.len(), 150, "a new code every other second");

    // The page and the chat say that the time is over.
    let ended = world.wait_for_status(ILYA, &session, |status| status["status"] == "expired").await?;
    assert!(ended["token"].is_null());
    assert!(ended["error"].as_str().context("why")?.starts_with("⏰ Время входа истекло"), "{ended}");
    let message = world.person(ILYA).wait_for_message(|message| message.text.starts_with('⏰')).await?;
    assert_eq!(message.text, EXPIRED);
    let last = shown.pop().context("a code")?;
    assert!(world.phone(ILYA).scan(&last).await.is_err(), "a code of an expired login is refused");
    world.expect_no_leftovers(&[ILYA]).await?;

    // The same page starts the login again, with the same invite.
    let again: serde_json::Value =
        world.post_as(ILYA, "/qr-auth/retry", &json!({"session_id": session})).send().await?.json().await?;
    assert_eq!(again["status"], "waiting", "{again}");
    world.phone(ILYA).scan(&world.qr_link(ILYA, &session).await?).await?;
    world.wait_for_status(ILYA, &session, |status| status["status"] == "authorized").await?;
    world.person(ILYA).wait_for_message(|message| message.text.starts_with("✅ Авторизация")).await?;
    assert_eq!(
        world.event_names_of("invite").await?,
        ["InviteCreated", "InviteRedeemed", "InviteReleased", "InviteRedeemed", "InviteUsed"]
    );
    let account = world.event_names_of("account").await?;
    assert_eq!(account.iter().filter(|name| *name == "SubscriptionActivated").count(), 1);
    assert_eq!(world.session_files()?, ["user_139883458.session"]);
    Ok(())
}

#[tokio::test]
async fn an_expired_login_frees_its_invite_for_another_person() -> Result<()> {
    let world = world_with_token_lifetime(Duration::from_secs(30)).await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    world.qr_link(ILYA, &session).await?;
    // The clock jumps, as on a laptop that slept.
    world.advance(Duration::from_secs(3600));
    world.wait_for_status(ILYA, &session, |status| status["status"] == "expired").await?;
    world.wait_for_event("InviteReleased").await?;

    let annas_session = world.begin_login(ANNA, &code).await?;
    let refused = world.post_as(ILYA, "/qr-auth/retry", &json!({"session_id": session})).send().await?;
    assert_eq!(refused.status(), 409);
    let problem: serde_json::Value = refused.json().await?;
    assert!(problem.to_string().contains("❌ Инвайт код уже использован"), "{problem}");

    world.phone(ANNA).scan(&world.qr_link(ANNA, &annas_session).await?).await?;
    world.wait_for_status(ANNA, &annas_session, |status| status["status"] == "authorized").await?;
    let status: serde_json::Value =
        world.get_as(ILYA, &format!("/qr-auth-status?session_id={session}")).send().await?.json().await?;
    assert_eq!(status["status"], "expired", "Anna's login does not change Ilya's");
    world.log_out_retired_keys().await?;
    assert_eq!(world.telegram.mtproto.sessions_of(ILYA).len(), 0);
    assert_eq!(world.telegram.mtproto.sessions_of(ANNA).len(), 1);
    Ok(())
}

/// Telegram's token is dead as it comes; nobody waits for the half minute that one usually lives.
#[tokio::test]
async fn a_token_that_is_dead_on_arrival_is_replaced_a_second_later() -> Result<()> {
    let world = world_with_token_lifetime(Duration::ZERO).await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    let first = world.wait_for_status(ILYA, &session, |status| status["token"].is_string()).await?;
    world.advance(Duration::from_secs(2));
    let is_another =
        |status: &serde_json::Value| status["token"].is_string() && status["token"] != first["token"];
    world.wait_for_status(ILYA, &session, is_another).await?;
    Ok(())
}
