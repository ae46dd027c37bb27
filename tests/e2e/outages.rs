//! Telegram is away, or slow, or says everything twice: the service recovers by itself, and nobody is told twice.

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

use crate::crashes::is_linked_once;
use crate::left::eventually;
use crate::world::{Differing, World};

const EXPORT: &str = "auth.exportLoginToken";
const IMPORT: &str = "auth.importLoginToken";
const SHORT: Option<Duration> = Some(Duration::from_secs(4));

/// The token in a status, if Telegram takes it now.
fn live_token(world: &World, status: &Value) -> Option<String> {
    let token = status["token"].as_str()?;
    world.telegram.mtproto.takes_token(&token_in(token)?).then(|| token.to_owned())
}

/// Scans what the page shows and sees the login through to its end.
async fn goes_through(world: &World, session: &str) -> Result<()> {
    goes_through_with(world, session, 1..=1).await
}

/// The same where the card may have been sent more than once.
async fn goes_through_with(world: &World, session: &str, cards: RangeInclusive<usize>) -> Result<()> {
    let status = world.status_when(ILYA, session, |status| live_token(world, status).is_some()).await?;
    world.phone(ILYA).scan(status["deep_link"].as_str().context("a link")?).await?;
    world.status_when(ILYA, session, |status| status["status"] == "authorized").await?;
    world.person(ILYA).wait_for_message(|message| message.text.starts_with("✅ Авторизация")).await?;
    let told = world.person(ILYA).from_bot();
    let there = told.iter().filter(|message| message.text.starts_with("✅ Инвайт")).count();
    assert!(cards.contains(&there), "{there} cards");
    assert_eq!(told.iter().filter(|message| message.text.starts_with("✅ Автор")).count(), 1, "told once");
    assert_eq!(world.story_of("invite").await?, ["InviteCreated", "InviteRedeemed", "InviteUsed"]);
    assert_eq!(world.telegram.mtproto.sessions_of(ILYA).len(), 1);
    assert!(world.telegram.mtproto.keys_in_two_places().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_service_that_starts_while_telegram_is_away_works_once_it_is_back() -> Result<()> {
    let mut world = World::start().await?;
    world.crash_service().await;
    world.telegram.set_airplane(true);
    world.start_service().await?;
    let code = world.invite(Tier::Premium).await?;
    // The page is served all the same.
    let page = format!("{}/qr-auth?session_id=any", world.base());
    assert_eq!(world.http.get(page).send().await?.status(), 200);
    let asked = world.person(ILYA).send(&format!("/login {code}"));
    world.telegram.set_airplane(false);
    let card = world.person(ILYA).wait_for_message(|message| message.message_id > asked).await?;
    let url = card.web_app_url().context("a button")?.to_owned();
    goes_through(&world, url.split_once("session_id=").context("a session id")?.1).await
}

#[tokio::test]
async fn a_login_outlives_an_absence_of_telegram_in_its_middle() -> Result<()> {
    let world = World::with(Differing { token_lifetime: SHORT, ..Differing::default() }).await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin(ILYA, &code).await?;
    let link = world.link(ILYA, &session).await?;
    world.telegram.set_airplane(true);
    assert!(world.phone(ILYA).scan(&link).await.is_err(), "the phone has no line either");
    // Long enough for the code on the screen to die.
    let token = token_in(&link).context("a token")?;
    eventually("the old code is dead", async || Ok(!world.telegram.mtproto.takes_token(&token))).await?;
    world.telegram.set_airplane(false);
    goes_through(&world, &session).await
}

#[tokio::test]
async fn a_login_asked_for_while_the_data_centres_are_away_begins_when_they_are_back() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    world.telegram.mtproto.faults().airplane(true);
    let session = world.begin(ILYA, &code).await?;
    let status = world.status_when(ILYA, &session, |status| status["status"] == "waiting").await?;
    assert!(status["token"].is_null(), "there is no code yet, and the page says that it waits");
    world.telegram.mtproto.faults().airplane(false);
    goes_through(&world, &session).await
}

#[tokio::test]
async fn a_login_fails_in_words_where_telegram_stays_away_to_its_end() -> Result<()> {
    for begun in [true, false] {
        let world = World::with(Differing { manual_clock: true, ..Differing::default() }).await?;
        let code = world.invite(Tier::Premium).await?;
        world.telegram.mtproto.faults().airplane(!begun);
        let session = world.begin(ILYA, &code).await?;
        if begun {
            world.link(ILYA, &session).await?;
        }
        world.telegram.set_airplane(true);
        // There is not even time for the shortest pause between two tries.
        world.passes(Duration::from_millis(299_900));
        world.status_when(ILYA, &session, |status| status["status"] == "failed").await?;
        eventually("no attempt in the vault", async || Ok(world.rows("vault.attempts").await? == 0)).await?;
        assert_eq!(
            world.rows("vault.retired_keys").await?,
            i64::from(begun),
            "a key is kept until it is logged out"
        );
        world.telegram.set_airplane(false);
        let on_the_page = "Telegram не отвечал до конца входа. Попробуйте снова чуть позже.";
        let why = "Не удалось связаться с Telegram.";
        world.has_failed(&session, "telegram_unreachable", on_the_page, why).await?;
        let story: &[&str] = if begun {
            &["LoginStarted", "QrIssued", "LoginFailed"]
        } else {
            &["LoginStarted", "LoginFailed"]
        };
        assert_eq!(world.story_of("login").await?, story);
        world.nothing_is_left(&[ILYA]).await?;
        world.retired_keys_go().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_wait_that_telegram_asks_for_is_waited_out() -> Result<()> {
    let world = World::start().await?;
    world.telegram.mtproto.faults().flood_wait(EXPORT, 2);
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin(ILYA, &code).await?;
    goes_through(&world, &session).await?;
    is_linked_once(&world, &session).await?;
    let events = world.events().await?;
    let at = |name: &str| -> Result<Timestamp> {
        let event = events.iter().find(|event| event.name == name).context("the event")?;
        Ok(event.payload[name]["at"].as_str().context("its time")?.parse()?)
    };
    assert!(at("QrIssued")?.duration_since(at("LoginStarted")?) >= SignedDuration::from_secs(2));
    Ok(())
}

#[tokio::test]
async fn a_wait_that_outlasts_the_login_ends_it_in_words() -> Result<()> {
    let world = World::start().await?;
    world.telegram.mtproto.faults().flood_wait(EXPORT, 301);
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin(ILYA, &code).await?;
    let on_the_page = "Telegram просит подождать: слишком много запросов. Попробуйте снова позже.";
    let why = "Telegram просит подождать: слишком много попыток.";
    world.has_failed(&session, "flood_wait", on_the_page, why).await?;
    assert_eq!(world.story_of("login").await?, ["LoginStarted", "LoginFailed"]);
    assert_eq!(world.telegram.mtproto.calls(EXPORT), 1);
    world.nothing_is_left(&[ILYA]).await?;
    world.retired_keys_go().await
}

#[tokio::test]
async fn whatever_happens_on_the_way_to_another_data_centre_the_login_goes_on_there() -> Result<()> {
    let meets = async |fault: fn(&Faults)| {
        let world = World::start().await?;
        world.telegram.accounts.update(ILYA, |ilya| ilya.dc = 4);
        fault(&world.telegram.mtproto.faults());
        let code = world.invite(Tier::Premium).await?;
        let session = world.begin(ILYA, &code).await?;
        goes_through(&world, &session).await?;
        is_linked_once(&world, &session).await?;
        let sessions = world.telegram.mtproto.sessions_of(ILYA);
        assert_eq!(sessions.iter().map(|session| session.dc).collect::<Vec<_>>(), [4]);
        anyhow::Ok(())
    };
    tokio::try_join!(
        // The data centre does not know yet whom the other one let in.
        meets(|faults| faults.unregistered(IMPORT, 2)),
        meets(|faults| faults.hang_up(IMPORT)),
        meets(|faults| faults.lose_answer(IMPORT)),
    )?;
    Ok(())
}

#[tokio::test]
async fn a_code_that_dies_on_the_way_to_another_data_centre_is_scanned_again() -> Result<()> {
    let world = World::start().await?;
    world.telegram.accounts.update(ILYA, |ilya| ilya.dc = 4);
    world.telegram.mtproto.faults().expire_imports(1);
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin(ILYA, &code).await?;
    world.phone(ILYA).scan(&world.link(ILYA, &session).await?).await?;
    goes_through(&world, &session).await?;
    assert_eq!(world.session_files()?, ["user_139883458.session"]);
    // What was accepted in vain goes with the session, at the latest.
    world.person(ILYA).ask("/logout").await?;
    world.retired_keys_go().await?;
    world.nothing_is_left(&[ILYA]).await
}

#[tokio::test]
async fn a_scan_of_which_telegram_never_tells_is_found_out() -> Result<()> {
    let world = World::with(Differing { token_lifetime: SHORT, ..Differing::default() }).await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin(ILYA, &code).await?;
    world.telegram.mtproto.faults().lose_next_update();
    goes_through(&world, &session).await
}

#[tokio::test]
async fn a_scan_of_which_telegram_tells_twice_links_one_session() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin(ILYA, &code).await?;
    world.telegram.mtproto.faults().double_next_update();
    goes_through(&world, &session).await
}

#[tokio::test]
async fn answers_wait_for_a_bot_api_that_fails_or_asks_to_wait() -> Result<()> {
    let meets = async |faults: Vec<(&str, Fault)>, cards| {
        let world = World::start().await?;
        let code = world.invite(Tier::Premium).await?;
        for (method, fault) in faults {
            world.telegram.bot_api.fail_next(method, fault);
        }
        let session = world.begin(ILYA, &code).await?;
        goes_through_with(&world, &session, cards).await
    };
    let busy = Fault::TooManyRequests(1);
    tokio::try_join!(
        meets(vec![("getUpdates", busy), ("sendMessage", busy)], 1..=1),
        // Taken, but the bot does not know: nothing is lost, and only the card may be sent again. It is not where the answer
        // had begun before it broke off.
        meets(vec![("getUpdates", Fault::LostAnswer), ("sendMessage", Fault::LostAnswer)], 1..=2),
        meets(vec![("getUpdates", Fault::ServerError)], 1..=1),
        // teloxide waits for 10 s after one of these.
        meets(vec![("sendMessage", Fault::ServerError)], 1..=1),
    )?;
    Ok(())
}

#[tokio::test]
async fn a_bot_api_that_never_answers_is_asked_again() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    world.telegram.bot_api.fail_next("getUpdates", Fault::Hang);
    // This one is brought by the request under way; the one after it hangs.
    world.person(ILYA).ask("/help").await?;
    let asked = world.person(ILYA).send(&format!("/login {code}"));
    let card = async || Ok(world.person(ILYA).from_bot().iter().any(|message| message.message_id > asked));
    eventually("an answer", card).await?;
    let card = world.person(ILYA).from_bot().pop().context("the card")?;
    let url = card.web_app_url().context("a button")?.to_owned();
    goes_through(&world, url.split_once("session_id=").context("a session id")?.1).await
}

#[tokio::test]
async fn an_update_that_comes_twice_changes_nothing_twice() -> Result<()> {
    let mut world = World::start().await?;
    let code = world.invite_for(Tier::Premium, 5).await?;
    let session = world.begin(ILYA, &code).await?;
    let link = world.link(ILYA, &session).await?;
    assert!(world.telegram.bot_api.redeliver_last_update());
    // Handled in order: when this is answered, the second delivery was seen.
    world.person(ILYA).ask("/help").await?;
    assert_eq!(world.story_of("invite").await?, ["InviteCreated", "InviteRedeemed"]);

    // And once more to a process that knows nothing of the first.
    world.begin(ILYA, &code).await?;
    world.person(ILYA).wait_for_message(|message| message.text.starts_with('🔁')).await?;
    // A message under way would be written into its card by the next process: another matter.
    let unsettled = "vault.outbox where state in ('waiting', 'sending')";
    eventually("all is sent", async || Ok(world.rows(unsettled).await? == 0)).await?;
    world.crash_service().await;
    assert!(world.telegram.bot_api.redeliver_last_update());
    world.start_service().await?;
    world.person(ILYA).ask("/help").await?;
    assert_eq!(world.story_of("invite").await?, ["InviteCreated", "InviteRedeemed", "InviteRedeemed"]);
    assert!(world.phone(ILYA).scan(&link).await.is_err(), "the first login's code is dead");
    let cards = world.person(ILYA).from_bot();
    assert_eq!(cards.iter().filter(|message| message.text.starts_with("✅ Инвайт")).count(), 2);
    Ok(())
}

/// 1. A page waits with its QR code.
/// 2. The database's machine loses its power: every connection stays open, and silent. Another one takes its address.
/// 3. The page shows a newer code, which lets in, and the bot answers.
#[tokio::test]
async fn a_login_goes_on_after_its_database_has_moved_without_a_word() -> Result<()> {
    let world = World::with(Differing { proxy: true, ..Differing::default() }).await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin(ILYA, &code).await?;
    let before = world.link(ILYA, &session).await?;
    world.proxy.as_ref().context("it was asked for")?.moves();
    let newer = |status: &Value| status["deep_link"].as_str().is_some_and(|link| link != before);
    world.status_when(ILYA, &session, newer).await?;
    goes_through(&world, &session).await
}

#[tokio::test]
async fn while_the_database_is_away_a_page_is_told_when_to_try_again() -> Result<()> {
    let configure: fn(&mut _) = |config: &mut Config| config.data.pool.answer_within = Duration::from_secs(1);
    let differing = Differing { proxy: true, configure: Some(configure), ..Differing::default() };
    let world = World::with(differing).await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin(ILYA, &code).await?;
    let proxy = world.proxy.as_ref().context("it was asked for")?;
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
    world.status_when(ILYA, &session, |status| status["status"] == "cancelled").await?;
    Ok(())
}
