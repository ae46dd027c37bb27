//! `/debug_test_phone`: an admin checks whether a number is on Telegram, by their own session or by a login code.

use anyhow::Result;
use stand_in::accounts::{ANNA, ILYA};

use crate::world::{World, WorldOptions};

const ILYAS_NUMBER: &str = "+79990000001";
const UNUSED_NUMBER: &str = "+79990000077";
const BANNED_NUMBER: &str = "+79990000088";

async fn world() -> Result<World> {
    let configure: fn(&mut qr_login::Config) = |config| config.admin_ids = vec![ANNA];
    let world = World::with(WorldOptions { configure: Some(configure), ..WorldOptions::default() }).await?;
    world.telegram.accounts.ban_number(BANNED_NUMBER);
    Ok(world)
}

/// Sends the command and confirms. Returns the text of the bot's question and of its answer.
async fn check_number(world: &World, phone: &str) -> Result<(String, String)> {
    let question = world.person(ANNA).ask(&format!("/debug_test_phone {phone}")).await?;
    world
        .person(ANNA)
        .press(question.message_id, &format!("phone:{}:{phone}", way_named_in(&question.text)))
        .await?;
    let message_id = question.message_id;
    let answer = world
        .person(ANNA)
        .wait_for_message(|message| message.message_id == message_id && !message.text.starts_with("☎️"))
        .await?;
    Ok((question.text, answer.text))
}

fn way_named_in(question: &str) -> &'static str {
    if question.contains("your own linked session") { "own" } else { "code" }
}

#[tokio::test]
async fn an_admin_without_a_session_checks_by_a_login_code_after_confirming() -> Result<()> {
    let world = world().await?;
    let question = world.person(ANNA).ask(&format!("/debug_test_phone {ILYAS_NUMBER}")).await?;
    assert!(question.text.contains("sends a login code to this number"), "{}", question.text);
    assert_eq!(world.telegram.mtproto.calls("auth.sendCode"), 0, "no code before the button is pressed");

    assert!(check_number(&world, ILYAS_NUMBER).await?.1.starts_with("✅ The number is on Telegram"));
    assert_eq!(world.telegram.mtproto.calls("auth.sendCode"), 1);
    assert_eq!(world.telegram.mtproto.calls("auth.cancelCode"), 1, "the code is cancelled");
    let second = check_number(&world, ILYAS_NUMBER).await?.1;
    assert!(second.starts_with("⏳ Too many attempts"), "a number gets one code a minute: {second}");
    assert!(check_number(&world, BANNED_NUMBER).await?.1.starts_with("⛔ The number is banned"));
    assert!(world.person(ANNA).ask("/debug_test_phone 12").await?.text.starts_with("☎️ Which number"));
    Ok(())
}

#[tokio::test]
async fn no_code_is_requested_during_a_flood_wait() -> Result<()> {
    let world = world().await?;
    let faults = world.telegram.mtproto.faults();
    faults.fail("auth.sendCode", 400, "PHONE_NUMBER_FLOOD", 1);
    assert!(
        check_number(&world, ILYAS_NUMBER).await?.1.starts_with("⏳ Telegram asks to wait"),
        "a wait for this number"
    );

    faults.flood_wait("auth.sendCode", 600);
    assert!(check_number(&world, UNUSED_NUMBER).await?.1.starts_with("⏳ Telegram asks to wait: 10 min."));
    let calls = world.telegram.mtproto.calls("auth.sendCode");
    let answer = check_number(&world, BANNED_NUMBER).await?.1;

    assert!(answer.starts_with("⏳ Telegram asks to wait"), "{answer}");
    assert_eq!((calls, world.telegram.mtproto.calls("auth.sendCode")), (2, 2), "no request during the wait");
    Ok(())
}

#[tokio::test]
async fn an_admin_with_a_session_checks_by_their_own_session() -> Result<()> {
    let world = world().await?;
    world.log_in(ANNA).await?;

    let (question, answer) = check_number(&world, ILYAS_NUMBER).await?;

    assert!(question.contains("by your own linked session"), "{question}");
    assert!(answer.starts_with("✅ The number is on Telegram"), "{answer}");
    let (_, answer) = check_number(&world, UNUSED_NUMBER).await?;
    assert!(answer.starts_with("🤷 Nobody is found"), "{answer}");
    assert_eq!(world.telegram.mtproto.calls("auth.sendCode"), 0);
    assert!(world.telegram.mtproto.keys_in_two_places().is_empty());
    Ok(())
}

#[tokio::test]
async fn only_admins_may_check_a_number() -> Result<()> {
    let world = world().await?;
    let answer = world.person(ILYA).ask(&format!("/debug_test_phone {ILYAS_NUMBER}")).await?;
    assert!(answer.text.starts_with("⛔"), "{}", answer.text);
    Ok(())
}
