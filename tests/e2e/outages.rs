//! Outages of Telegram and of the database, slow answers, and updates that come twice. The service recovers without help, and
//! sends each message once.

use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::Tier;
use jiff::{SignedDuration, Timestamp};
use qr_login::Config;
use serde_json::{Value, json};
use stand_in::accounts::ILYA;
use stand_in::bot_api::Fault;
use stand_in::mtproto::Faults;
use stand_in::phone::token_in;

use crate::crashes::expect_one_linked_session;
use crate::wait::eventually;
use crate::world::{World, WorldOptions};

const EXPORT: &str = "auth.exportLoginToken";
const IMPORT: &str = "auth.importLoginToken";
const SHORT_TOKEN_LIFETIME: Option<Duration> = Some(Duration::from_secs(4));

/// The token in a status, if Telegram accepts it now.
fn live_token(world: &World, status: &Value) -> Option<String> {
    let token = status["token"].as_str()?;
    world.telegram.mtproto.takes_token(&token_in(token)?).then(|| token.to_owned())
}

/// Scans the QR code of the page, and expects a whole login with one card in the chat.
async fn finish_login(world: &World, session: &str) -> Result<()> {
    finish_login_with_cards(world, session, 1..=1).await
}

/// The same for a card that may have been sent more than once.
async fn finish_login_with_cards(world: &World, session: &str, cards: RangeInclusive<usize>) -> Result<()> {
    let status = world.wait_for_status(ILYA, session, |status| live_token(world, status).is_some()).await?;
    world.phone(ILYA).scan(status["deep_link"].as_str().context("a link")?).await?;
    world.wait_for_status(ILYA, session, |status| status["status"] == "authorized").await?;
    world.person(ILYA).wait_for_message(|message| message.text.starts_with("✅ Авторизация")).await?;
    let messages = world.person(ILYA).from_bot();
    let sent = messages.iter().filter(|message| message.text.starts_with("✅ Инвайт")).count();
    assert!(cards.contains(&sent), "{sent} cards");
    let successes = messages.iter().filter(|message| message.text.starts_with("✅ Автор")).count();
    assert_eq!(successes, 1, "one message about the success");
    assert_eq!(world.event_names_of("invite").await?, ["InviteCreated", "InviteRedeemed", "InviteUsed"]);
    assert_eq!(world.telegram.mtproto.sessions_of(ILYA).len(), 1);
    assert!(world.telegram.mtproto.keys_in_two_places().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_service_that_starts_during_an_outage_of_telegram_works_after_it() -> Result<()> {
    let mut world = World::start().await?;
    world.crash_service().await;
    world.telegram.set_airplane(true);
    world.start_service().await?;
    let code = world.invite(Tier::Premium).await?;
    // The page is served meanwhile.
    let page = format!("{}/qr-auth?session_id=any", world.base());
    assert_eq!(world.http.get(page).send().await?.status(), 200);
    let command = world.person(ILYA).send(&format!("/login {code}"));
    world.telegram.set_airplane(false);
    let card = world.person(ILYA).wait_for_message(|message| message.message_id > command).await?;
    let url = card.web_app_url().context("a button")?.to_owned();
    finish_login(&world, url.split_once("session_id=").context("a session id")?.1).await
}

#[tokio::test]
async fn a_login_survives_an_outage_of_telegram() -> Result<()> {
    let world =
        World::with(WorldOptions { token_lifetime: SHORT_TOKEN_LIFETIME, ..WorldOptions::default() }).await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    let link = world.qr_link(ILYA, &session).await?;
    world.telegram.set_airplane(true);
    assert!(world.phone(ILYA).scan(&link).await.is_err(), "the phone is offline too");
    // The outage lasts until the code on the screen has expired.
    let token = token_in(&link).context("a token")?;
    eventually("the old code has expired", async || Ok(!world.telegram.mtproto.takes_token(&token))).await?;
    world.telegram.set_airplane(false);
    finish_login(&world, &session).await
}

#[tokio::test]
async fn a_login_requested_during_an_outage_of_the_data_centres_begins_after_it() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    world.telegram.mtproto.faults().airplane(true);
    let session = world.begin_login(ILYA, &code).await?;
    let status = world.wait_for_status(ILYA, &session, |status| status["status"] == "waiting").await?;
    assert!(status["token"].is_null(), "the page waits without a code");
    world.telegram.mtproto.faults().airplane(false);
    finish_login(&world, &session).await
}

#[tokio::test]
async fn a_login_fails_with_a_message_if_telegram_stays_unreachable_to_its_end() -> Result<()> {
    for begun in [true, false] {
        let world = World::with(WorldOptions { manual_clock: true, ..WorldOptions::default() }).await?;
        let code = world.invite(Tier::Premium).await?;
        world.telegram.mtproto.faults().airplane(!begun);
        let session = world.begin_login(ILYA, &code).await?;
        if begun {
            world.qr_link(ILYA, &session).await?;
        }
        world.telegram.set_airplane(true);
        // Less time is left than the shortest pause between two attempts.
        world.advance(Duration::from_millis(299_900));
        world.wait_for_status(ILYA, &session, |status| status["status"] == "failed").await?;
        eventually("no attempt in the vault", async || Ok(world.count_rows("vault.attempts").await? == 0))
            .await?;
        assert_eq!(
            world.count_rows("vault.retired_keys").await?,
            i64::from(begun),
            "a key is kept until it is logged out"
        );
        world.telegram.set_airplane(false);
        let on_the_page = "Telegram не отвечал до конца входа. Попробуйте снова чуть позже.";
        let in_the_chat = "Не удалось связаться с Telegram.";
        world.expect_failed_login(&session, "telegram_unreachable", on_the_page, in_the_chat).await?;
        let expected: &[&str] = if begun {
            &["LoginStarted", "QrIssued", "LoginFailed"]
        } else {
            &["LoginStarted", "LoginFailed"]
        };
        assert_eq!(world.event_names_of("login").await?, expected);
        world.expect_no_leftovers(&[ILYA]).await?;
        world.log_out_retired_keys().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_flood_wait_is_waited_out() -> Result<()> {
    let world = World::start().await?;
    world.telegram.mtproto.faults().flood_wait(EXPORT, 2);
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    finish_login(&world, &session).await?;
    expect_one_linked_session(&world, &session).await?;
    let events = world.events().await?;
    let at = |name: &str| -> Result<Timestamp> {
        let event = events.iter().find(|event| event.name == name).context("the event")?;
        Ok(event.payload[name]["at"].as_str().context("its time")?.parse()?)
    };
    assert!(at("QrIssued")?.duration_since(at("LoginStarted")?) >= SignedDuration::from_secs(2));
    Ok(())
}

#[tokio::test]
async fn a_flood_wait_longer_than_the_login_ends_it_with_a_message() -> Result<()> {
    let world = World::start().await?;
    world.telegram.mtproto.faults().flood_wait(EXPORT, 301);
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    let on_the_page = "Telegram просит подождать: слишком много запросов. Попробуйте снова позже.";
    let in_the_chat = "Telegram просит подождать: слишком много попыток.";
    world.expect_failed_login(&session, "flood_wait", on_the_page, in_the_chat).await?;
    assert_eq!(world.event_names_of("login").await?, ["LoginStarted", "LoginFailed"]);
    assert_eq!(world.telegram.mtproto.calls(EXPORT), 1);
    world.expect_no_leftovers(&[ILYA]).await?;
    world.log_out_retired_keys().await
}

#[tokio::test]
async fn a_login_survives_faults_on_the_way_to_another_data_centre() -> Result<()> {
    let log_in_with = async |fault: fn(&Faults)| {
        let world = World::start().await?;
        world.telegram.accounts.update(ILYA, |ilya| ilya.dc = 4);
        fault(&world.telegram.mtproto.faults());
        let code = world.invite(Tier::Premium).await?;
        let session = world.begin_login(ILYA, &code).await?;
        finish_login(&world, &session).await?;
        expect_one_linked_session(&world, &session).await?;
        let sessions = world.telegram.mtproto.sessions_of(ILYA);
        assert_eq!(sessions.iter().map(|session| session.dc).collect::<Vec<_>>(), [4]);
        anyhow::Ok(())
    };
    tokio::try_join!(
        // The new data centre does not know the authorisation of the other one yet.
        log_in_with(|faults| faults.unregistered(IMPORT, 2)),
        log_in_with(|faults| faults.hang_up(IMPORT)),
        log_in_with(|faults| faults.lose_answer(IMPORT)),
    )?;
    Ok(())
}

#[tokio::test]
async fn a_code_that_expires_on_the_way_to_another_data_centre_is_scanned_again() -> Result<()> {
    let world = World::start().await?;
    world.telegram.accounts.update(ILYA, |ilya| ilya.dc = 4);
    world.telegram.mtproto.faults().expire_imports(1);
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    world.phone(ILYA).scan(&world.qr_link(ILYA, &session).await?).await?;
    finish_login(&world, &session).await?;
    assert_eq!(world.session_files()?, ["user_139883458.session"]);
    // The key of the first scan is retired at logout, at the latest.
    world.person(ILYA).ask("/logout").await?;
    world.log_out_retired_keys().await?;
    world.expect_no_leftovers(&[ILYA]).await
}

#[tokio::test]
async fn a_scan_whose_update_is_lost_is_found() -> Result<()> {
    let world =
        World::with(WorldOptions { token_lifetime: SHORT_TOKEN_LIFETIME, ..WorldOptions::default() }).await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    world.telegram.mtproto.faults().lose_next_update();
    finish_login(&world, &session).await
}

#[tokio::test]
async fn a_scan_whose_update_comes_twice_links_one_session() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    world.telegram.mtproto.faults().double_next_update();
    finish_login(&world, &session).await
}

#[tokio::test]
async fn answers_are_sent_after_the_bot_api_fails_or_asks_to_wait() -> Result<()> {
    let log_in_with = async |faults: Vec<(&str, Fault)>, cards| {
        let world = World::start().await?;
        let code = world.invite(Tier::Premium).await?;
        for (method, fault) in faults {
            world.telegram.bot_api.fail_next(method, fault);
        }
        let session = world.begin_login(ILYA, &code).await?;
        finish_login_with_cards(&world, &session, cards).await
    };
    let busy = Fault::TooManyRequests(1);
    tokio::try_join!(
        log_in_with(vec![("getUpdates", busy), ("sendMessage", busy)], 1..=1),
        // Telegram handled the request, but the bot got no answer. Nothing is lost, and only the card may be sent again.
        // It is sent once if the answer broke off after its beginning.
        log_in_with(vec![("getUpdates", Fault::LostAnswer), ("sendMessage", Fault::LostAnswer)], 1..=2),
        log_in_with(vec![("getUpdates", Fault::ServerError)], 1..=1),
        // teloxide waits for 10 s after this error.
        log_in_with(vec![("sendMessage", Fault::ServerError)], 1..=1),
    )?;
    Ok(())
}

#[tokio::test]
async fn a_request_that_the_bot_api_never_answers_is_repeated() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    world.telegram.bot_api.fail_next("getUpdates", Fault::Hang);
    // The request that already waits delivers this update. The next request hangs.
    world.person(ILYA).ask("/help").await?;
    let command = world.person(ILYA).send(&format!("/login {code}"));
    let card = async || Ok(world.person(ILYA).from_bot().iter().any(|message| message.message_id > command));
    eventually("an answer", card).await?;
    let card = world.person(ILYA).from_bot().pop().context("the card")?;
    let url = card.web_app_url().context("a button")?.to_owned();
    finish_login(&world, url.split_once("session_id=").context("a session id")?.1).await
}

#[tokio::test]
async fn an_update_that_comes_twice_changes_nothing_twice() -> Result<()> {
    let mut world = World::start().await?;
    let code = world.invite_for(Tier::Premium, 5).await?;
    let session = world.begin_login(ILYA, &code).await?;
    let link = world.qr_link(ILYA, &session).await?;
    assert!(world.telegram.bot_api.redeliver_last_update());
    // Updates are handled in order: with this answer the second delivery is handled too.
    world.person(ILYA).ask("/help").await?;
    assert_eq!(world.event_names_of("invite").await?, ["InviteCreated", "InviteRedeemed"]);

    // The same with a new process after the first delivery.
    world.begin_login(ILYA, &code).await?;
    world.person(ILYA).wait_for_message(|message| message.text.starts_with('🔁')).await?;
    // The next process would edit the card of a message that is still unsent, which this test is not about.
    let unsent = "vault.outbox where state in ('waiting', 'sending')";
    eventually("all messages are sent", async || Ok(world.count_rows(unsent).await? == 0)).await?;
    world.crash_service().await;
    assert!(world.telegram.bot_api.redeliver_last_update());
    world.start_service().await?;
    world.person(ILYA).ask("/help").await?;
    assert_eq!(world.event_names_of("invite").await?, ["InviteCreated", "InviteRedeemed", "InviteRedeemed"]);
    assert!(world.phone(ILYA).scan(&link).await.is_err(), "the first login's code is invalid");
    let messages = world.person(ILYA).from_bot();
    let cards = messages.iter().filter(|it| it.text.starts_with("✅ Инвайт") || it.text.starts_with('🔁'));
    assert_eq!(cards.count(), 2);
    Ok(())
}

/// 1. A page shows its QR code.
/// 2. The database's machine loses power. Every connection stays open without an answer, and another machine takes the address.
/// 3. The page shows a newer code, which logs in, and the bot answers.
#[tokio::test]
async fn a_login_goes_on_after_its_database_moved_and_left_connections_open() -> Result<()> {
    let world = World::with(WorldOptions { proxy: true, ..WorldOptions::default() }).await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    let before = world.qr_link(ILYA, &session).await?;
    world.proxy.as_ref().context("a proxy")?.moves();
    let newer = |status: &Value| status["deep_link"].as_str().is_some_and(|link| link != before);
    world.wait_for_status(ILYA, &session, newer).await?;
    finish_login(&world, &session).await
}

/// Nobody can keep the database busy with ids that they made up.
#[tokio::test]
async fn an_id_that_no_login_ever_had_is_answered_without_the_database() -> Result<()> {
    let world = World::with(WorldOptions { proxy: true, ..WorldOptions::default() }).await?;
    world.proxy.as_ref().context("a proxy")?.goes_away();
    for id in ["A".repeat(32), "x".repeat(22), "any".to_owned()] {
        let url = format!("{}/qr-auth-status?session_id={id}&since=0&wait=25", world.base());
        let answer: Value = world.http.get(url).send().await?.error_for_status()?.json().await?;
        assert_eq!(answer, json!({"status": "not_found"}));
        let retry = world.post_as(ILYA, "/qr-auth/retry", &json!({ "session_id": id })).send().await?;
        assert_eq!(retry.status(), 404);
    }
    Ok(())
}

#[tokio::test]
async fn during_an_outage_of_the_database_a_page_is_told_when_to_retry() -> Result<()> {
    let configure: fn(&mut _) = |config: &mut Config| config.data.pool.answer_within = Duration::from_secs(1);
    let options = WorldOptions { proxy: true, configure: Some(configure), ..WorldOptions::default() };
    let world = World::with(options).await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    let proxy = world.proxy.as_ref().context("a proxy")?;
    proxy.goes_away();
    let cancel = || world.post_as(ILYA, "/qr-auth/cancel", &json!({ "session_id": session })).send();
    let answer = cancel().await?;
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"5".parse()?));
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    proxy.comes_back();
    let cancelled = async {
        while !cancel().await?.status().is_success() {}
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(30), cancelled).await??;
    world.wait_for_status(ILYA, &session, |status| status["status"] == "cancelled").await?;
    Ok(())
}
