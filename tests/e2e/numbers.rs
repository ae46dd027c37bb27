//! `/debug_test_phone`: an admin asks whether a number is on Telegram, by their own session or by a login code.

use anyhow::Result;
use stand_in::accounts::{ANNA, ILYA};

use crate::world::{Differing, World};

const ILYAS: &str = "+79990000001";
const NOBODYS: &str = "+79990000077";
const BANNED: &str = "+79990000088";

async fn world() -> Result<World> {
    let configure: fn(&mut qr_login::Config) = |config| config.admin_ids = vec![ANNA];
    let world = World::with(Differing { configure: Some(configure), ..Differing::default() }).await?;
    world.telegram.accounts.ban_number(BANNED);
    Ok(world)
}

/// Asks, agrees, and gives what the question and then the answer said.
async fn tried(world: &World, phone: &str) -> Result<(String, String)> {
    let question = world.person(ANNA).ask(&format!("/debug_test_phone {phone}")).await?;
    world.person(ANNA).press(question.message_id, &format!("phone:{}:{phone}", way(&question.text))).await?;
    let asked = question.message_id;
    let answer = world
        .person(ANNA)
        .wait_for_message(|message| message.message_id == asked && !message.text.starts_with("☎️"))
        .await?;
    Ok((question.text, answer.text))
}

fn way(question: &str) -> &'static str {
    if question.contains("your own linked session") { "own" } else { "code" }
}

#[tokio::test]
async fn an_admin_who_is_not_linked_asks_by_a_login_code_once_they_agree() -> Result<()> {
    let world = world().await?;
    let question = world.person(ANNA).ask(&format!("/debug_test_phone {ILYAS}")).await?;
    assert!(question.text.contains("sends a login code to this number"), "{}", question.text);
    assert_eq!(world.telegram.mtproto.calls("auth.sendCode"), 0, "nothing before the button is pressed");

    assert!(tried(&world, ILYAS).await?.1.starts_with("✅ The number is on Telegram"));
    assert_eq!(world.telegram.mtproto.calls("auth.sendCode"), 1);
    assert_eq!(world.telegram.mtproto.calls("auth.cancelCode"), 1, "the code is taken back");
    let soon = tried(&world, ILYAS).await?.1;
    assert!(soon.starts_with("⏳ Too many attempts"), "one code a number and minute: {soon}");
    assert!(tried(&world, BANNED).await?.1.starts_with("⛔ The number is banned"));
    assert!(world.person(ANNA).ask("/debug_test_phone 12").await?.text.starts_with("☎️ Which number"));
    Ok(())
}

#[tokio::test]
async fn no_code_is_asked_for_while_telegram_tells_to_wait() -> Result<()> {
    let world = world().await?;
    let faults = world.telegram.mtproto.faults();
    faults.fail("auth.sendCode", 400, "PHONE_NUMBER_FLOOD", 1);
    assert!(tried(&world, ILYAS).await?.1.starts_with("⏳ Telegram asks to wait"), "about this number");

    faults.flood_wait("auth.sendCode", 600);
    assert!(tried(&world, NOBODYS).await?.1.starts_with("⏳ Telegram asks to wait: 10 min."));
    let asked = world.telegram.mtproto.calls("auth.sendCode");
    let told = tried(&world, BANNED).await?.1;

    assert!(told.starts_with("⏳ Telegram asks to wait"), "{told}");
    assert_eq!((asked, world.telegram.mtproto.calls("auth.sendCode")), (2, 2), "Telegram is left alone");
    Ok(())
}

#[tokio::test]
async fn an_admin_who_is_linked_asks_by_their_own_session() -> Result<()> {
    let world = world().await?;
    world.log_in(ANNA).await?;

    let (question, answer) = tried(&world, ILYAS).await?;

    assert!(question.contains("by your own linked session"), "{question}");
    assert!(answer.starts_with("✅ The number is on Telegram"), "{answer}");
    let (_, answer) = tried(&world, NOBODYS).await?;
    assert!(answer.starts_with("🤷 Nobody is found"), "{answer}");
    assert_eq!(world.telegram.mtproto.calls("auth.sendCode"), 0);
    assert!(world.telegram.mtproto.keys_in_two_places().is_empty());
    Ok(())
}

#[tokio::test]
async fn nobody_else_may_ask() -> Result<()> {
    let world = world().await?;
    let answer = world.person(ILYA).ask(&format!("/debug_test_phone {ILYAS}")).await?;
    assert!(answer.text.starts_with("⛔"), "{}", answer.text);
    Ok(())
}
