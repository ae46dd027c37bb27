//! Invites that give nothing, to the letter; people who race for one that gives something to a single person.

use std::time::Duration;

use anyhow::{Context as _, Result};
use app::invites::{Invites, Order};
use domain::{AccountCommand, Tier};
use eventlog::store::{Context, Store};
use stand_in::accounts::{ANNA, Account, ILYA};
use vault::Vault;

use crate::world::{Differing, World};

const NEW_CODE: &str = "\n\nОбратитесь к администратору за новым кодом";

async fn by_hand() -> Result<World> {
    World::with(Differing { manual_clock: true, ..Differing::default() }).await
}

/// Somebody who writes Russian, or says nothing of their language.
fn newcomer(world: &World, number: i64) -> i64 {
    let id = 500_000_000 + number;
    world.telegram.accounts.insert(Account::new(id, "Борис", &format!("+7999{number:07}"), 2));
    id
}

async fn block(world: &World, person: i64) -> Result<()> {
    let account = Vault::new(&world.db).subject_of(person).await?.context("a known person")?.account_id;
    let command = AccountCommand::Block { at: world.now() };
    Ok(Store::new(&world.db).account(account, command, Context::tool("test")).await?)
}

async fn answer(world: &World, person: i64, text: &str) -> Result<String> {
    Ok(world.person(person).ask(text).await?.text)
}

#[tokio::test]
async fn every_code_that_gives_nothing_is_refused_to_the_letter() -> Result<()> {
    let world = by_hand().await?;
    let clock = eventlog::clock::Clock::manual(world.now()).0;
    let invites = Invites::new(&world.db, clock, world.config.data.tiers.clone());
    // Unknown, whatever it looks like.
    for unknown in ["ABCDEFGHJKLM", "не-код", "3HBP4Z3ECICZ3HBP4Z3ECICZ"] {
        assert_eq!(answer(&world, ILYA, &format!("/login {unknown}")).await?, "❌ Инвайт код не найден");
    }
    // Used up, by somebody who has only reserved it; and by somebody who is in.
    let code = world.invite(Tier::Premium).await?;
    let hers = world.begin(ANNA, &code).await?;
    let used_up = format!("❌ Инвайт код уже использован{NEW_CODE}");
    assert_eq!(answer(&world, ILYA, &format!("/login {code}")).await?, used_up);
    world.phone(ANNA).scan(&world.link(ANNA, &hers).await?).await?;
    world.status_when(ANNA, &hers, |status| status["status"] == "authorized").await?;
    assert_eq!(answer(&world, ILYA, &format!("/login {code}")).await?, used_up);
    // Revoked; a start link says the same.
    let code = world.invite(Tier::Premium).await?;
    invites.revoke(&code, Context::tool("test")).await?;
    let revoked = format!("❌ Инвайт код отозван{NEW_CODE}");
    assert_eq!(answer(&world, ILYA, &format!("/start {code}")).await?, revoked);
    // Expired.
    let order = Order { valid_days: 1, ..Order::new(Tier::Premium) };
    let code = invites.create(order, Context::tool("test")).await?.code;
    world.time.as_ref().context("a clock")?.advance(Duration::from_secs(24 * 3600));
    let expired = format!("❌ Срок действия инвайт кода истёк{NEW_CODE}");
    assert_eq!(answer(&world, ILYA, &format!("/login {code}")).await?, expired);

    // None of it led to a login of Ilya's.
    assert_eq!(world.story_of("login").await?.iter().filter(|name| *name == "LoginStarted").count(), 1);
    Ok(())
}

#[tokio::test]
async fn a_code_that_a_person_has_used_is_theirs_no_second_time() -> Result<()> {
    let world = by_hand().await?;
    let code = world.invite_for(Tier::Premium, 5).await?;
    let session = world.begin(ILYA, &code).await?;
    world.phone(ILYA).scan(&world.link(ILYA, &session).await?).await?;
    world.person(ILYA).wait_for_message(|message| message.text.starts_with("✅ Авторизация")).await?;
    assert_eq!(
        answer(&world, ILYA, &format!("/login {code}")).await?,
        "ℹ️ Вы уже использовали этот код\n\n💎 Сейчас активна подписка: Premium до 22.12.2026"
    );
    // Others may.
    world.begin(ANNA, &code).await?;
    Ok(())
}

#[tokio::test]
async fn the_eleventh_try_in_ten_minutes_is_too_many() -> Result<()> {
    let world = by_hand().await?;
    let code = world.invite(Tier::Premium).await?;
    for _ in 0..10 {
        assert_eq!(answer(&world, ILYA, "/login ABCDEFGHJKLM").await?, "❌ Инвайт код не найден");
    }
    // Also with a good code; in Moscow it is three hours later.
    let too_many = "⏳ Слишком много попыток\n\nПопробуйте снова через 10 мин., в 13:10";
    assert_eq!(answer(&world, ILYA, &format!("/login {code}")).await?, too_many);
    // Nobody else is held up by it.
    assert_eq!(answer(&world, newcomer(&world, 1), "/login ABCDEFGHJKLM").await?, "❌ Инвайт код не найден");
    world.time.as_ref().context("a clock")?.advance(Duration::from_secs(600));
    world.begin(ILYA, &code).await?;
    Ok(())
}

#[tokio::test]
async fn a_blocked_person_is_refused_everywhere_and_in_mid_login() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin(ILYA, &code).await?;
    let link = world.link(ILYA, &session).await?;
    block(&world, ILYA).await?;

    let status = world.status_when(ILYA, &session, |status| status["status"] == "cancelled").await?;
    assert_eq!(status["error"], "⛔ Доступ заблокирован");
    let refused = "⛔ Доступ заблокирован\n\nПоддержка: @support";
    let told = world.person(ILYA).wait_for_message(|message| message.text.starts_with('⛔')).await?;
    assert_eq!(told.text, refused);
    for command in [&format!("/login {code}"), "/subscription", "/start", "/cancel"] {
        assert_eq!(answer(&world, ILYA, command).await?, refused, "{command}");
    }
    let named = serde_json::json!({"session_id": session});
    assert_eq!(world.post_as(ILYA, "/qr-auth/retry", &named).send().await?.status(), 403);
    let _ = world.phone(ILYA).scan(&link).await;
    world.names_once("InviteReleased").await?;
    world.nothing_is_left(&[ILYA]).await?;
    assert!(!world.story_of("login").await?.iter().any(|name| name == "AuthorizationConfirmed"));
    // The use is somebody else's to take.
    world.begin(ANNA, &code).await?;
    Ok(())
}

#[tokio::test]
async fn of_two_people_who_send_a_code_at_once_one_wins_and_the_other_is_told_why() -> Result<()> {
    let world = World::start().await?;
    for round in 0..10 {
        let code = world.invite(Tier::Premium).await?;
        let people = [2 * round, 2 * round + 1].map(|number| newcomer(&world, number));
        // Both are in the queue before either is handled: one getUpdates brings them together.
        let sent = people.map(|person| world.person(person).send(&format!("/login {code}")));
        let mut answers = Vec::new();
        for (person, sent) in people.into_iter().zip(sent) {
            let answer = world.person(person).wait_for_message(|message| message.message_id > sent).await?;
            answers.push((answer.text.clone(), answer.web_app_url().is_some()));
        }
        answers.sort_by_key(|(_, has_button)| *has_button);
        let (refused, has_no_page) = answers.remove(0);
        assert_eq!(refused, format!("❌ Инвайт код уже использован{NEW_CODE}"), "round {round}");
        assert!(!has_no_page);
        let (accepted, has_page) = answers.remove(0);
        assert!(has_page && accepted.starts_with("✅ Инвайт код принят!"), "round {round}: {accepted}");
    }
    let redeemed = world.story_of("invite").await?;
    assert_eq!(redeemed.iter().filter(|name| *name == "InviteRedeemed").count(), 10);
    Ok(())
}
