//! Invite codes that cannot be redeemed, the limit of attempts, and two people who race for one use.

use std::time::Duration;

use anyhow::{Context as _, Result};
use app::invites::{Invites, Order};
use domain::{AccountCommand, Tier};
use eventlog::store::{Context, Store};
use stand_in::accounts::{ANNA, Account, ILYA};
use vault::Vault;

use crate::world::World;

const NEW_CODE: &str = "\n\nОбратитесь к администратору за новым кодом";

/// A new account without a language code, which the bot answers in Russian.
fn new_person(world: &World, number: i64) -> i64 {
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
async fn every_code_that_cannot_be_redeemed_is_refused_in_the_exact_words() -> Result<()> {
    let world = World::with_manual_clock().await?;
    let clock = eventlog::clock::Clock::manual(world.now()).0;
    let invites = Invites::new(&world.db, clock, world.config.data.tiers.clone());
    // Unknown, in and out of the format of a code.
    for (unknown, left) in [("ABCDEFGHJKLM", 9), ("не-код", 8), ("3HBP4Z3ECICZ3HBP4Z3ECICZ", 7)] {
        let expected = format!("❌ Инвайт код не найден\n\nОсталось {left} попыток.");
        assert_eq!(answer(&world, ILYA, &format!("/login {unknown}")).await?, expected);
    }
    // Used up: first reserved by a login that runs, then used by one that succeeded.
    let code = world.invite(Tier::Premium).await?;
    let annas_session = world.begin_login(ANNA, &code).await?;
    let used_up = format!("❌ Инвайт код уже использован{NEW_CODE}");
    assert_eq!(answer(&world, ILYA, &format!("/login {code}")).await?, used_up);
    world.phone(ANNA).scan(&world.qr_link(ANNA, &annas_session).await?).await?;
    world.wait_for_status(ANNA, &annas_session, |status| status["status"] == "authorized").await?;
    assert_eq!(answer(&world, ILYA, &format!("/login {code}")).await?, used_up);
    // Revoked. A start link gets the same answer.
    let code = world.invite(Tier::Premium).await?;
    invites.revoke(&code, Context::tool("test")).await?;
    let revoked = format!("❌ Инвайт код отозван{NEW_CODE}");
    assert_eq!(answer(&world, ILYA, &format!("/start {code}")).await?, revoked);
    // Expired.
    let order = Order { valid_days: 1, ..Order::new(Tier::Premium) };
    let code = invites.create(order, Context::tool("test")).await?.code;
    world.advance(Duration::from_secs(24 * 3600));
    let expired = format!("❌ Срок действия инвайт кода истёк{NEW_CODE}");
    assert_eq!(answer(&world, ILYA, &format!("/login {code}")).await?, expired);

    // The only login is Anna's.
    assert_eq!(world.event_names_of("login").await?.iter().filter(|name| *name == "LoginStarted").count(), 1);
    Ok(())
}

#[tokio::test]
async fn a_person_cannot_use_a_code_twice() -> Result<()> {
    let world = World::with_manual_clock().await?;
    let code = world.invite_for(Tier::Premium, 5).await?;
    let session = world.begin_login(ILYA, &code).await?;
    world.phone(ILYA).scan(&world.qr_link(ILYA, &session).await?).await?;
    world.person(ILYA).wait_for_message(|message| message.text.starts_with("✅ Авторизация")).await?;
    assert_eq!(
        answer(&world, ILYA, &format!("/login {code}")).await?,
        "ℹ️ Вы уже использовали этот код\n\n💎 Сейчас активна подписка: Premium до 22.12.2026"
    );
    // Other people still can.
    world.begin_login(ANNA, &code).await?;
    Ok(())
}

#[tokio::test]
async fn the_eleventh_try_in_ten_minutes_is_too_many() -> Result<()> {
    let world = World::with_manual_clock().await?;
    let code = world.invite(Tier::Premium).await?;
    for _ in 0..10 {
        let unknown = answer(&world, ILYA, "/login ABCDEFGHJKLM").await?;
        assert!(unknown.starts_with("❌ Инвайт код не найден\n\n"), "{unknown}");
    }
    // A valid code is refused too.
    let too_many = "⏳ Слишком много попыток\n\nПопробуйте снова через 10 минут";
    assert_eq!(answer(&world, ILYA, &format!("/login {code}")).await?, too_many);
    // The limit is per person.
    assert_eq!(
        answer(&world, new_person(&world, 1), "/login ABCDEFGHJKLM").await?,
        "❌ Инвайт код не найден\n\nОсталось 9 попыток."
    );
    world.advance(Duration::from_secs(600));
    world.begin_login(ILYA, &code).await?;
    Ok(())
}

#[tokio::test]
async fn a_blocked_person_is_refused_everywhere_and_their_login_is_cancelled() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    let link = world.qr_link(ILYA, &session).await?;
    block(&world, ILYA).await?;

    let status = world.wait_for_status(ILYA, &session, |status| status["status"] == "cancelled").await?;
    assert_eq!(status["error"], "⛔ Доступ заблокирован");
    let refused = "⛔ Доступ заблокирован\n\nПоддержка: @support";
    let message = world.person(ILYA).wait_for_message(|message| message.text.starts_with('⛔')).await?;
    assert_eq!(message.text, refused);
    for command in [&format!("/login {code}"), "/subscription", "/start", "/cancel"] {
        assert_eq!(answer(&world, ILYA, command).await?, refused, "{command}");
    }
    let body = serde_json::json!({"session_id": session});
    assert_eq!(world.post_as(ILYA, "/qr-auth/retry", &body).send().await?.status(), 403);
    let _ = world.phone(ILYA).scan(&link).await;
    world.wait_for_event("InviteReleased").await?;
    world.expect_no_leftovers(&[ILYA]).await?;
    assert!(!world.event_names_of("login").await?.iter().any(|name| name == "AuthorizationConfirmed"));
    // Another person can take the use.
    world.begin_login(ANNA, &code).await?;
    Ok(())
}

#[tokio::test]
async fn of_two_people_who_send_a_code_at_once_one_gets_it_and_the_other_reads_why_not() -> Result<()> {
    let world = World::start().await?;
    for round in 0..10 {
        let code = world.invite(Tier::Premium).await?;
        let people = [2 * round, 2 * round + 1].map(|number| new_person(&world, number));
        // One getUpdates brings both updates, so both are queued before either is handled.
        let sent = people.map(|person| world.person(person).send(&format!("/login {code}")));
        let mut answers = Vec::new();
        for (person, sent) in people.into_iter().zip(sent) {
            let answer = world.person(person).wait_for_message(|message| message.message_id > sent).await?;
            answers.push((answer.text.clone(), answer.web_app_url().is_some()));
        }
        answers.sort_by_key(|(_, has_button)| *has_button);
        let (refused, has_page) = answers.remove(0);
        assert_eq!(refused, format!("❌ Инвайт код уже использован{NEW_CODE}"), "round {round}");
        assert!(!has_page);
        let (accepted, has_page) = answers.remove(0);
        assert!(has_page && accepted.starts_with("✅ Инвайт код принят!"), "round {round}: {accepted}");
    }
    let redeemed = world.event_names_of("invite").await?;
    assert_eq!(redeemed.iter().filter(|name| *name == "InviteRedeemed").count(), 10);
    Ok(())
}
