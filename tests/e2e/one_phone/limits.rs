//! How many codes people may ask for: ours a day, and what Telegram itself says.

use std::time::Duration;

use anyhow::Result;
use domain::Tier;
use reqwest::StatusCode;
use serde_json::json;
use stand_in::accounts::{ANNA, Account, ILYA};

use super::{ILYAS_NUMBER, refusal};
use crate::world::World;

/// Each time another login and another number, so that nothing but the person's day is used up.
#[tokio::test]
async fn the_sixth_code_in_a_day_is_refused_in_words_and_the_qr_code_goes_on() -> Result<()> {
    let world = World::held_by_hand().await?;
    let code = world.invite_for(Tier::Premium, 10).await?;
    let day = Duration::from_hours(24);
    for at in 1..=5 {
        let session = world.begin(ILYA, &code).await?;
        world.link(ILYA, &session).await?;
        world.ask_for_code(&session, &format!("+7999000010{at}")).await?;
        world.passes(Duration::from_secs(60));
    }
    let sent = world.telegram.mtproto.calls("auth.sendCode");

    // 1. The sixth is told no, and when: the first one's day is over then. Telegram hears nothing of it.
    let session = world.begin(ILYA, &code).await?;
    let link = world.link(ILYA, &session).await?;
    let (status, words, retry_after) = refusal(world.post_phone(ILYA, &session, ILYAS_NUMBER).await?).await?;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(words, "⏳ Слишком много кодов. Войдите по QR коду или попробуйте позже.");
    let left = day - Duration::from_secs(300);
    assert!(retry_after.is_some_and(|seconds| seconds.abs_diff(left.as_secs()) <= 1), "{retry_after:?}");
    assert_eq!(world.telegram.mtproto.calls("auth.sendCode"), sent);

    // 2. The QR code is still there, as the words say.
    let status = world.status_when(ILYA, &session, |_| true).await?;
    assert_eq!((&status["status"], &status["deep_link"]), (&json!("waiting"), &json!(link)));
    world.phone(ILYA).scan(&link).await?;
    world.is_authorized(&session).await?;

    // 3. When the first one's day is over, there is one more.
    world.names_once("SubscriptionActivated").await?;
    world.passes(left);
    let session = world.begin(ILYA, "").await?;
    world.link(ILYA, &session).await?;
    world.ask_for_code(&session, ILYAS_NUMBER).await?;
    Ok(())
}

#[tokio::test]
async fn a_flood_is_told_and_where_it_is_meant_for_all_nobody_is_asked_for() -> Result<()> {
    let world = World::held_by_hand().await?;
    let people = [ILYA, ANNA, 3, 4];
    for (id, name, phone) in [(3, "Vera", "+79990000003"), (4, "Gleb", "+79990000004")] {
        world.telegram.accounts.insert(Account::new(id, name, phone, 2));
    }
    let code = world.invite_for(Tier::Premium, 4).await?;
    let mut sessions = Vec::new();
    for person in people {
        let session = world.begin(person, &code).await?;
        world.link(person, &session).await?;
        sessions.push(session);
    }

    // 1. Three people are told to wait, and say so on their pages.
    for at in 0..3 {
        world.telegram.mtproto.faults().flood_wait("auth.sendCode", 90);
        let phone = format!("+7999000000{}", at + 1);
        world.post_phone(people[at], &sessions[at], &phone).await?.error_for_status()?;
        let told = world.status_when(people[at], &sessions[at], |status| status["error"].is_string()).await?;
        assert_eq!(told["status"], "waiting");
    }

    // 2. The fourth is told so at once; Telegram hears nothing of it.
    let (status, words, retry_after) =
        refusal(world.post_phone(4, &sessions[3], "+79990000004").await?).await?;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert!(words.contains("Telegram просит подождать"), "{words}");
    assert!(retry_after.is_some_and(|seconds| (1..=91).contains(&seconds)));
    assert_eq!(world.telegram.mtproto.calls("auth.sendCode"), 3);

    // 3. When it is over, codes go out again.
    world.passes(Duration::from_secs(91));
    world.post_phone(4, &sessions[3], "+79990000004").await?.error_for_status()?;
    world.status_when(4, &sessions[3], |status| status["status"] == "code_required").await?;
    Ok(())
}
