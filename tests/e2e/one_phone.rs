//! The one-phone way: a number and a code in the page, for those who cannot scan the screen in their own hand.

use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::Tier;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, ILYA};

use crate::world::{Differing, World};

mod limits;

const ILYAS_NUMBER: &str = "+79990000001";
const NOBODYS_NUMBER: &str = "+79990000009";

impl World {
    /// A world whose clock is held by hand: codes are limited by the minute.
    async fn held_by_hand() -> Result<Self> {
        Self::with(Differing { manual_clock: true, ..Differing::default() }).await
    }

    /// Ilya opens the page of a new login.
    async fn ilya_opens(&self) -> Result<String> {
        let session = self.begin(ILYA, &self.invite(Tier::Premium).await?).await?;
        self.link(ILYA, &session).await?;
        Ok(session)
    }

    async fn post_phone(&self, person: i64, session: &str, phone: &str) -> Result<Response> {
        let body = json!({"session_id": session, "phone": phone});
        Ok(self.post_as(person, "/qr-auth/phone", &body).send().await?)
    }

    async fn post_code(&self, person: i64, session: &str, code: &str) -> Result<Response> {
        let body = json!({"session_id": session, "code": code});
        Ok(self.post_as(person, "/qr-auth/code", &body).send().await?)
    }

    /// Types a number, and waits for the form of the code.
    async fn ask_for_code(&self, session: &str, phone: &str) -> Result<Value> {
        self.post_phone(ILYA, session, phone).await?.error_for_status()?;
        self.status_when(ILYA, session, |status| status["status"] == "code_required").await
    }

    fn last_code(&self, phone: &str) -> Result<String> {
        self.telegram.mtproto.last_code(phone).context("no code was sent")
    }

    async fn says(&self, session: &str, words: &str) -> Result<Value> {
        self.status_when(ILYA, session, |status| {
            status["error"].as_str().is_some_and(|it| it.contains(words))
        })
        .await
    }

    async fn is_authorized(&self, session: &str) -> Result<Value> {
        self.status_when(ILYA, session, |status| status["status"] == "authorized").await
    }

    /// By which way the person confirmed.
    async fn confirmed_by(&self) -> Result<Value> {
        self.names_once("AuthorizationConfirmed").await?;
        let events = self.events().await?;
        let confirmed = events.iter().find(|event| event.name == "AuthorizationConfirmed");
        Ok(confirmed.context("confirmed")?.payload["AuthorizationConfirmed"]["method"].clone())
    }
}

/// What a refusal says, and when one may try again.
async fn refusal(answer: Response) -> Result<(StatusCode, String, Option<u64>)> {
    let status = answer.status();
    let retry_after = answer.headers().get("retry-after").map(|it| it.to_str().map(str::parse));
    let retry_after = retry_after.transpose()?.transpose()?;
    let problem: Value = answer.json().await?;
    Ok((status, problem["detail"].as_str().context("a detail")?.to_owned(), retry_after))
}

/// A code that is not this one.
fn another(code: &str) -> String {
    if code == "00000" { "11111".to_owned() } else { "00000".to_owned() }
}

#[tokio::test]
async fn a_code_lets_in_on_one_phone_where_the_account_lives() -> Result<()> {
    let world = World::start().await?;
    world.telegram.accounts.update(ILYA, |ilya| ilya.dc = 4);
    let session = world.ilya_opens().await?;

    // 1. The number leads to a form for the code; the QR code is gone.
    let asked = world.ask_for_code(&session, ILYAS_NUMBER).await?;
    assert_eq!((&asked["code_via"], &asked["code_length"]), (&json!("app"), &json!(5)));
    assert_eq!(
        (&asked["token"], &asked["deep_link"], &asked["error"]),
        (&json!(null), &json!(null), &json!(null))
    );

    // 2. A wrong code is told, the right one lets in.
    let code = world.last_code(ILYAS_NUMBER)?;
    assert_eq!(world.post_code(ILYA, &session, &another(&code)).await?.status(), StatusCode::OK);
    world.says(&session, "❌ Неверный код").await?;
    world.post_code(ILYA, &session, &code).await?;
    world.is_authorized(&session).await?;
    let ilya = world.person(ILYA);
    ilya.wait_for_message(|message| message.text.contains("✅ Авторизация успешна!")).await?;

    // 3. The story; one session, where the account lives.
    world.names_once("SubscriptionActivated").await?;
    let story = [
        "InviteCreated",
        "AccountRegistered",
        "InviteRedeemed",
        "LoginStarted",
        "QrIssued",
        "CodeSent",
        "CodeRejected",
        "InviteUsed",
        "AuthorizationConfirmed",
        "SubscriptionActivated",
    ];
    assert_eq!(world.story().await?, story);
    assert_eq!(world.confirmed_by().await?, "code");
    assert_eq!(
        (world.telegram.mtproto.calls("auth.sendCode"), world.telegram.mtproto.calls("auth.signIn")),
        (2, 2)
    );
    let sessions = world.telegram.mtproto.sessions_of(ILYA);
    assert_eq!(sessions.iter().map(|session| session.dc).collect::<Vec<_>>(), [4]);

    // 4. Number and code are nowhere.
    world.nothing_left().await?;
    let rows: Vec<String> = sqlx::query_scalar(
        "select events::text from events union all select t::text from vault.tries t union all select o::text from vault.outbox o",
    )
    .fetch_all(world.db.pool())
    .await?;
    for row in rows {
        assert!(!row.contains(&format!("\"{code}\"")), "the code stands in {row}");
        assert!(!row.contains("9990000001"), "the number stands in {row}");
    }
    Ok(())
}

#[tokio::test]
async fn a_password_may_follow_the_code() -> Result<()> {
    let world = World::start().await?;
    world.ilya_has_a_password();
    world.telegram.accounts.update(ILYA, |ilya| ilya.dc = 4);
    let session = world.ilya_opens().await?;
    world.ask_for_code(&session, ILYAS_NUMBER).await?;
    world.post_code(ILYA, &session, &world.last_code(ILYAS_NUMBER)?).await?;
    world.status_when(ILYA, &session, |status| status["status"] == "password_required").await?;
    assert_eq!(world.post_code(ILYA, &session, "12345").await?.status(), StatusCode::CONFLICT);
    world.prove(ILYA, &session, "battery staple").await?;
    world.says(&session, "❌ Неверный пароль").await?;
    world.prove(ILYA, &session, "correct horse").await?;
    world.is_authorized(&session).await?;
    assert_eq!(world.confirmed_by().await?, "code");
    assert_eq!(world.telegram.mtproto.sessions_of(ILYA).len(), 1);
    world.nothing_left().await
}

#[tokio::test]
async fn a_code_that_died_is_told_and_another_one_may_be_asked_for() -> Result<()> {
    let world = World::held_by_hand().await?;
    let session = world.ilya_opens().await?;
    world.ask_for_code(&session, ILYAS_NUMBER).await?;
    let first = world.last_code(ILYAS_NUMBER)?;
    // Telegram voids codes that it sees in a chat.
    world.telegram.mtproto.code_seen_in_chat(ILYA, &format!("my code is {first}"));
    world.post_code(ILYA, &session, &first).await?;
    world.says(&session, "❌ Код устарел").await?;

    // 1. Not yet: one code a number and minute.
    let (status, words, retry_after) = refusal(world.post_phone(ILYA, &session, ILYAS_NUMBER).await?).await?;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert!(words.contains("Новый код можно запросить через"), "{words}");
    assert!(retry_after.is_some_and(|seconds| (1..=61).contains(&seconds)));

    // 2. Then another one.
    world.passes(Duration::from_secs(61));
    world.post_phone(ILYA, &session, ILYAS_NUMBER).await?.error_for_status()?;
    let again = world.status_when(ILYA, &session, |status| status["error"].is_null()).await?;
    assert_eq!(again["status"], "code_required");

    // 3. No third one for this login; the second one lets in.
    world.passes(Duration::from_secs(61));
    let (status, words, _) = refusal(world.post_phone(ILYA, &session, ILYAS_NUMBER).await?).await?;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        words,
        "⏳ Слишком много кодов. Введите последний код или отмените вход, начните его снова и подтвердите по QR коду."
    );
    world.post_code(ILYA, &session, &world.last_code(ILYAS_NUMBER)?).await?;
    world.is_authorized(&session).await?;
    Ok(())
}

#[tokio::test]
async fn a_code_that_does_not_come_is_sent_again_by_another_way() -> Result<()> {
    let world = World::held_by_hand().await?;
    let session = world.ilya_opens().await?;
    world.ask_for_code(&session, ILYAS_NUMBER).await?;
    let first = world.last_code(ILYAS_NUMBER)?;
    world.passes(Duration::from_secs(61));
    world.post_phone(ILYA, &session, ILYAS_NUMBER).await?.error_for_status()?;
    let again = world.status_when(ILYA, &session, |status| status["code_via"] == "sms").await?;
    assert_eq!((&again["status"], &again["error"]), (&json!("code_required"), &json!(null)));
    world.post_code(ILYA, &session, &first).await?;
    world.says(&session, "❌ Неверный код").await?;
    world.post_code(ILYA, &session, &world.last_code(ILYAS_NUMBER)?).await?;
    world.is_authorized(&session).await?;
    let calls = ["auth.sendCode", "auth.resendCode"].map(|method| world.telegram.mtproto.calls(method));
    assert_eq!(calls, [1, 1]);
    Ok(())
}

/// Beside a QR code, and where none is shown.
#[tokio::test]
async fn a_number_that_gets_no_code_of_digits_is_told_what_there_is_instead() -> Result<()> {
    let world = World::held_by_hand().await?;
    let session = world.ilya_opens().await?;
    let faults = world.telegram.mtproto.faults();
    faults.want_email();
    world.post_phone(ILYA, &session, ILYAS_NUMBER).await?.error_for_status()?;
    let refused = world.says(&session, "не присылает на этот номер код из цифр. Войдите по QR коду.").await?;
    assert_eq!(refused["status"], "waiting");

    world.passes(Duration::from_secs(61));
    world.ask_for_code(&session, ILYAS_NUMBER).await?;
    let code = world.last_code(ILYAS_NUMBER)?;
    world.passes(Duration::from_secs(61));
    faults.want_email();
    world.post_phone(ILYA, &session, "+79990000002").await?.error_for_status()?;
    let refused = world.says(&session, "код из цифр. Введите последний код или отмените вход").await?;
    assert_eq!(refused["status"], "code_required");
    world.post_code(ILYA, &session, &code).await?;
    world.is_authorized(&session).await?;
    Ok(())
}

#[tokio::test]
async fn a_number_that_telegram_refuses_is_told_and_the_qr_code_goes_on() -> Result<()> {
    let world = World::start().await?;
    world.telegram.accounts.ban_number("+79990000008");
    let session = world.ilya_opens().await?;
    let link = world.link(ILYA, &session).await?;
    for (phone, words) in [("+7123456", "не знает такого номера"), ("+79990000008", "заблокирован")]
    {
        world.post_phone(ILYA, &session, phone).await?.error_for_status()?;
        let refused = world.says(&session, words).await?;
        assert_eq!((&refused["status"], &refused["deep_link"]), (&json!("waiting"), &json!(link)));
    }
    world.phone(ILYA).scan(&link).await?;
    world.is_authorized(&session).await?;
    assert_eq!(world.confirmed_by().await?, "qr");
    Ok(())
}

#[tokio::test]
async fn a_number_without_an_account_ends_the_login_in_words_and_it_may_be_tried_again() -> Result<()> {
    let world = World::start().await?;
    let session = world.ilya_opens().await?;
    world.ask_for_code(&session, NOBODYS_NUMBER).await?;
    world.post_code(ILYA, &session, &world.last_code(NOBODYS_NUMBER)?).await?;
    let on_the_page = "На этом номере нет аккаунта Telegram. Проверьте номер и попробуйте снова.";
    let why = "На этот номер не зарегистрирован аккаунт Telegram.";
    world.has_failed(&session, "not_registered", on_the_page, why).await?;
    assert_eq!(world.story_of("login").await?, ["LoginStarted", "QrIssued", "CodeSent", "LoginFailed"]);
    world.nothing_is_left(&[ILYA]).await?;
    world.retired_keys_go().await?;

    let retry = json!({"session_id": session});
    world.post_as(ILYA, "/qr-auth/retry", &retry).send().await?.error_for_status()?;
    world.link(ILYA, &session).await?;
    world.ask_for_code(&session, ILYAS_NUMBER).await?;
    world.post_code(ILYA, &session, &world.last_code(ILYAS_NUMBER)?).await?;
    world.is_authorized(&session).await?;
    world.names_once("SubscriptionActivated").await?;
    Ok(())
}

#[tokio::test]
async fn a_code_for_somebody_elses_account_links_nothing() -> Result<()> {
    let world = World::start().await?;
    let session = world.ilya_opens().await?;
    world.ask_for_code(&session, "+79990000002").await?;
    world.post_code(ILYA, &session, &world.last_code("+79990000002")?).await?;
    let rejected = world.status_when(ILYA, &session, |status| status["status"] == "rejected").await?;
    assert!(rejected["error"].as_str().is_some_and(|it| it.contains("🚨")), "{rejected}");
    assert!(world.telegram.mtproto.sessions_of(ANNA).is_empty());
    world.nothing_left().await
}

#[tokio::test]
async fn what_telegram_did_not_answer_is_not_asked_twice() -> Result<()> {
    let world = World::held_by_hand().await?;
    let session = world.ilya_opens().await?;
    let mtproto = &world.telegram.mtproto;
    mtproto.faults().fail("auth.sendCode", 500, "INTERDC_2_CALL_ERROR", 1);
    world.post_phone(ILYA, &session, ILYAS_NUMBER).await?.error_for_status()?;
    world.says(&session, "Telegram не ответил").await?;
    assert_eq!(mtproto.calls("auth.sendCode"), 1);

    world.passes(Duration::from_secs(61));
    world.ask_for_code(&session, ILYAS_NUMBER).await?;
    mtproto.faults().fail("auth.signIn", 500, "INTERDC_2_CALL_ERROR", 1);
    world.post_code(ILYA, &session, &world.last_code(ILYAS_NUMBER)?).await?;
    world.says(&session, "Telegram не ответил").await?;
    assert_eq!(mtproto.calls("auth.signIn"), 1);
    world.post_code(ILYA, &session, &world.last_code(ILYAS_NUMBER)?).await?;
    world.is_authorized(&session).await?;
    Ok(())
}

#[tokio::test]
async fn a_code_is_asked_for_again_where_telegram_says_that_it_sent_none() -> Result<()> {
    let world = World::start().await?;
    let session = world.ilya_opens().await?;
    world.telegram.mtproto.faults().fail("auth.sendCode", 500, "AUTH_RESTART", 1);
    world.ask_for_code(&session, ILYAS_NUMBER).await?;
    assert_eq!(world.telegram.mtproto.calls("auth.sendCode"), 2);
    Ok(())
}

#[tokio::test]
async fn a_qr_code_that_was_shown_before_still_counts() -> Result<()> {
    let world = World::start().await?;
    let session = world.ilya_opens().await?;
    let link = world.link(ILYA, &session).await?;
    world.ask_for_code(&session, ILYAS_NUMBER).await?;
    world.phone(ILYA).scan(&link).await?;
    world.is_authorized(&session).await?;
    assert_eq!(world.confirmed_by().await?, "qr");
    Ok(())
}

#[tokio::test]
async fn after_a_crash_the_login_shows_a_qr_code_again() -> Result<()> {
    let mut world = World::start().await?;
    let session = world.ilya_opens().await?;
    world.ask_for_code(&session, ILYAS_NUMBER).await?;
    world.crash_service().await;
    world.start_service().await?;
    let lost =
        world.says(&session, "❌ Присланный код входа больше не действует. Отсканируйте QR код").await?;
    assert_eq!(lost["status"], "waiting");
    world.phone(ILYA).scan(&world.link(ILYA, &session).await?).await?;
    world.is_authorized(&session).await?;
    Ok(())
}

#[tokio::test]
async fn numbers_and_codes_are_the_owners_in_their_shape_and_in_their_time() -> Result<()> {
    let world = World::start().await?;
    let session = world.ilya_opens().await?;
    for path in ["phone", "code"] {
        let url = format!("{}/qr-auth/{path}", world.base());
        let body = json!({"session_id": session, "phone": ILYAS_NUMBER, "code": "12345"});
        assert_eq!(world.http.post(&url).json(&body).send().await?.status(), StatusCode::UNAUTHORIZED);
        let other = world.post_as(ANNA, &format!("/qr-auth/{path}"), &body).send().await?;
        assert_eq!(other.status(), StatusCode::FORBIDDEN);
    }
    for phone in ["79990000001", "+7999", "+7999000000012345", "+7 999 000", "+7999000000a", ""] {
        assert_eq!(
            world.post_phone(ILYA, &session, phone).await?.status(),
            StatusCode::BAD_REQUEST,
            "{phone}"
        );
    }
    let (status, words, _) = refusal(world.post_code(ILYA, &session, "12345").await?).await?;
    assert_eq!((status, words.as_str()), (StatusCode::CONFLICT, "Код сейчас не нужен."));
    world.ask_for_code(&session, ILYAS_NUMBER).await?;
    for code in ["", "12a45", "12345678901"] {
        assert_eq!(world.post_code(ILYA, &session, code).await?.status(), StatusCode::BAD_REQUEST, "{code}");
    }
    assert_eq!(world.telegram.mtproto.calls("auth.signIn"), 0);
    Ok(())
}

#[tokio::test]
async fn this_way_can_be_switched_off() -> Result<()> {
    let mut world = World::start().await?;
    world.crash_service().await;
    world.config.one_phone_login = false;
    world.start_service().await?;
    let session = world.ilya_opens().await?;
    let answer = world.person(ILYA).from_bot().pop().context("an answer")?.text;
    assert!(answer.contains("3 способа") && !answer.contains("на этом телефоне"), "{answer}");
    let (status, words, _) = refusal(world.post_phone(ILYA, &session, ILYAS_NUMBER).await?).await?;
    assert_eq!((status, words.as_str()), (StatusCode::NOT_FOUND, "Вход по коду выключен."));
    assert_eq!(world.post_code(ILYA, &session, "12345").await?.status(), StatusCode::NOT_FOUND);
    assert_eq!(world.telegram.mtproto.calls("auth.sendCode"), 0);
    Ok(())
}
