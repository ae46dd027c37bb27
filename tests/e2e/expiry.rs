//! The five minutes of a QR code, by a clock that is moved by hand, and what comes after them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::Tier;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use stand_in::accounts::{ANNA, ILYA};
use stand_in::phone::token_in;

use crate::world::{Differing, World};

const EXPIRED: &str = "⏰ Время входа истекло\n\nНичего не подключено, инвайт код не потрачен. \
                       Чтобы начать заново, отправьте /login КОД";

async fn by_hand(token_lifetime: Duration) -> Result<World> {
    World::with(Differing {
        manual_clock: true,
        token_lifetime: Some(token_lifetime),
        ..Differing::default()
    })
    .await
}

fn advance(world: &World, seconds: u64) -> Result<()> {
    world.time.as_ref().context("a clock held by hand")?.advance(Duration::from_secs(seconds));
    Ok(())
}

#[tokio::test]
async fn the_code_on_the_screen_works_at_every_moment_of_its_five_minutes() -> Result<()> {
    let world = by_hand(Duration::from_secs(4)).await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin(ILYA, &code).await?;
    let began = world.now();
    let mut shown = Vec::new();
    for second in 0..300 {
        // What is on the screen at the moment at which the clock jumps, before anybody could have renewed it.
        let path = format!("/qr-auth-status?session_id={session}");
        let status = match second {
            0 => world.status_when(ILYA, &session, |status| status["token"].is_string()).await?,
            _ => world.get_as(ILYA, &path).send().await?.json().await?,
        };
        let token = status["token"].as_str().context("a token")?.to_owned();
        assert_eq!(status["status"], "waiting", "after {second} s");
        assert!(
            world.telegram.mtproto.takes_token(&token_in(&token).context("a token")?),
            "after {second} s the code on the screen is dead"
        );
        // The next one is due at half of its life.
        let now = world.now();
        let fresh = |status: &serde_json::Value| {
            let dies_at = status["qr_expires"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
            dies_at.is_some_and(|at| at.duration_since(now) > SignedDuration::from_secs(2))
        };
        world.status_when(ILYA, &session, fresh).await?;
        if shown.last() != Some(&token) {
            shown.push(token);
        }
        advance(&world, 1)?;
    }
    assert_eq!(world.now().duration_since(began), SignedDuration::from_mins(5));
    assert_eq!(shown.len(), 150, "a new code every other second");

    // The time is over, on the page and in the chat.
    let ended = world.status_when(ILYA, &session, |status| status["status"] == "expired").await?;
    assert!(ended["token"].is_null());
    assert!(ended["error"].as_str().context("why")?.starts_with("⏰ Время входа истекло"), "{ended}");
    let told = world.person(ILYA).wait_for_message(|message| message.text.starts_with('⏰')).await?;
    assert_eq!(told.text, EXPIRED);
    let last = shown.pop().context("a code")?;
    assert!(world.phone(ILYA).scan(&last).await.is_err(), "a code of a login that is over works");
    world.nothing_is_left(&[ILYA]).await?;

    // The same page starts it anew, with the same invite.
    let again: serde_json::Value =
        world.post_as(ILYA, "/qr-auth/retry", &json!({"session_id": session})).send().await?.json().await?;
    assert_eq!(again["status"], "waiting", "{again}");
    world.phone(ILYA).scan(&world.link(ILYA, &session).await?).await?;
    world.status_when(ILYA, &session, |status| status["status"] == "authorized").await?;
    world.person(ILYA).wait_for_message(|message| message.text.starts_with("✅ Авторизация")).await?;
    assert_eq!(
        world.story_of("invite").await?,
        ["InviteCreated", "InviteRedeemed", "InviteReleased", "InviteRedeemed", "InviteUsed"]
    );
    let account = world.story_of("account").await?;
    assert_eq!(account.iter().filter(|name| *name == "SubscriptionActivated").count(), 1);
    assert_eq!(world.session_files()?, ["user_139883458.session"]);
    Ok(())
}

#[tokio::test]
async fn an_expired_login_gives_its_use_to_somebody_else() -> Result<()> {
    let world = by_hand(Duration::from_secs(30)).await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin(ILYA, &code).await?;
    world.link(ILYA, &session).await?;
    // Nobody saw the clock on its way: a laptop that slept.
    advance(&world, 3600)?;
    world.status_when(ILYA, &session, |status| status["status"] == "expired").await?;
    world.names_once("InviteReleased").await?;

    let hers = world.begin(ANNA, &code).await?;
    let refused = world.post_as(ILYA, "/qr-auth/retry", &json!({"session_id": session})).send().await?;
    assert_eq!(refused.status(), 409);
    let problem: serde_json::Value = refused.json().await?;
    assert!(problem.to_string().contains("❌ Инвайт код уже использован"), "{problem}");

    world.phone(ANNA).scan(&world.link(ANNA, &hers).await?).await?;
    world.status_when(ANNA, &hers, |status| status["status"] == "authorized").await?;
    let status: serde_json::Value =
        world.get_as(ILYA, &format!("/qr-auth-status?session_id={session}")).send().await?.json().await?;
    assert_eq!(status["status"], "expired", "her login changes nothing about his");
    world.retired_keys_go().await?;
    assert_eq!(world.telegram.mtproto.sessions_of(ILYA).len(), 0);
    assert_eq!(world.telegram.mtproto.sessions_of(ANNA).len(), 1);
    Ok(())
}
