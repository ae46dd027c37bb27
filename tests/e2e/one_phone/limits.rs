//! Limits of login codes: our own per day, and Telegram's flood waits.

use std::time::Duration;

use anyhow::Result;
use domain::Tier;
use reqwest::StatusCode;
use serde_json::json;
use stand_in::accounts::{ANNA, Account, ILYA};

use super::{ILYAS_NUMBER, refusal, typed_numbers};
use crate::world::{World, WorldOptions};

/// Every code is for another login and another number, so that only the person's daily limit is reached.
#[tokio::test]
async fn the_sixth_code_in_a_day_is_refused_with_a_message_and_the_qr_code_stays() -> Result<()> {
    let world = World::with(WorldOptions { manual_clock: true, ..typed_numbers() }).await?;
    let code = world.invite_for(Tier::Premium, 10).await?;
    let day = Duration::from_hours(24);
    for at in 1..=5 {
        let session = world.begin_login(ILYA, &code).await?;
        world.qr_link(ILYA, &session).await?;
        world.request_code(&session, &format!("+7999000010{at}")).await?;
        world.advance(Duration::from_secs(60));
    }
    let sent = world.telegram.mtproto.calls("auth.sendCode");

    // 1. The sixth is refused until the first is a day old. Telegram gets no request.
    let session = world.begin_login(ILYA, &code).await?;
    let link = world.qr_link(ILYA, &session).await?;
    let (code, detail, retry_after) = refusal(world.post_phone(ILYA, &session, ILYAS_NUMBER).await?).await?;
    assert_eq!(code, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(detail, "⏳ Слишком много кодов. Войдите по QR коду или попробуйте позже.");
    let left = day - Duration::from_secs(300);
    assert!(retry_after.is_some_and(|seconds| seconds.abs_diff(left.as_secs()) <= 1), "{retry_after:?}");
    assert_eq!(world.telegram.mtproto.calls("auth.sendCode"), sent);

    // 2. The QR code is still there, as the message says.
    let status = world.wait_for_status(ILYA, &session, |_| true).await?;
    assert_eq!((&status["status"], &status["deep_link"]), (&json!("waiting"), &json!(link)));
    world.phone(ILYA).scan(&link).await?;
    world.wait_until_authorized(&session).await?;

    // 3. A day after the first code another one is sent.
    world.wait_for_event("SubscriptionActivated").await?;
    world.advance(left);
    let session = world.begin_login(ILYA, "").await?;
    world.qr_link(ILYA, &session).await?;
    world.request_code(&session, ILYAS_NUMBER).await?;
    Ok(())
}

#[tokio::test]
async fn a_flood_wait_is_shown_and_after_three_no_code_is_requested_for_anybody() -> Result<()> {
    let world = World::with(WorldOptions { manual_clock: true, ..typed_numbers() }).await?;
    let people = [ILYA, ANNA, 3, 4];
    for (id, name, phone) in [(3, "Vera", "+79990000003"), (4, "Gleb", "+79990000004")] {
        world.telegram.accounts.insert(Account::new(id, name, phone, 2));
    }
    let code = world.invite_for(Tier::Premium, 4).await?;
    let mut sessions = Vec::new();
    for person in people {
        let session = world.begin_login(person, &code).await?;
        world.qr_link(person, &session).await?;
        sessions.push(session);
    }

    // 1. Telegram tells three people to wait, and their pages show it.
    for at in 0..3 {
        world.telegram.mtproto.faults().flood_wait("auth.sendCode", 90);
        let phone = format!("+7999000000{}", at + 1);
        world.post_phone(people[at], &sessions[at], &phone).await?.error_for_status()?;
        let status =
            world.wait_for_status(people[at], &sessions[at], |status| status["error"].is_string()).await?;
        assert_eq!(status["status"], "waiting");
    }

    // 2. The fourth person is refused at once. Telegram gets no request.
    let (code, detail, retry_after) =
        refusal(world.post_phone(4, &sessions[3], "+79990000004").await?).await?;
    assert_eq!(code, StatusCode::TOO_MANY_REQUESTS);
    assert!(detail.contains("Telegram просит подождать"), "{detail}");
    assert!(retry_after.is_some_and(|seconds| (1..=91).contains(&seconds)));
    assert_eq!(world.telegram.mtproto.calls("auth.sendCode"), 3);

    // 3. After the wait, codes are sent again.
    world.advance(Duration::from_secs(91));
    world.post_phone(4, &sessions[3], "+79990000004").await?.error_for_status()?;
    world.wait_for_status(4, &sessions[3], |status| status["status"] == "code_required").await?;
    Ok(())
}
