//! The one-phone way: a person types a phone number and a login code on the page, because they have no second screen to scan.

use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::Tier;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, ILYA};

use crate::world::{World, WorldOptions};

mod limits;

const ILYAS_NUMBER: &str = "+79990000001";
const UNUSED_NUMBER: &str = "+79990000009";

/// Numbers may be typed.
fn typed_numbers() -> WorldOptions {
    let configure: fn(&mut qr_login::Config) = |config| config.one_phone_login = web::OnePhoneLogin::Typed;
    WorldOptions { configure: Some(configure), ..WorldOptions::default() }
}

impl World {
    /// Ilya begins a login, and its page shows a QR code.
    async fn begin_ilyas_login(&self) -> Result<String> {
        let session = self.begin_login(ILYA, &self.invite(Tier::Premium).await?).await?;
        self.qr_link(ILYA, &session).await?;
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

    /// Sends a number, and waits until the page asks for the code.
    async fn request_code(&self, session: &str, phone: &str) -> Result<Value> {
        self.post_phone(ILYA, session, phone).await?.error_for_status()?;
        self.wait_for_status(ILYA, session, |status| status["status"] == "code_required").await
    }

    fn last_code(&self, phone: &str) -> Result<String> {
        self.telegram.mtproto.last_code(phone).context("no code was sent")
    }

    /// Waits until the status has an error with this text.
    async fn wait_for_error(&self, session: &str, text: &str) -> Result<Value> {
        self.wait_for_status(ILYA, session, |status| {
            status["error"].as_str().is_some_and(|error| error.contains(text))
        })
        .await
    }

    async fn wait_until_authorized(&self, session: &str) -> Result<Value> {
        self.wait_for_status(ILYA, session, |status| status["status"] == "authorized").await
    }

    /// The way by which the person confirmed, as the event has it.
    async fn confirmation_method(&self) -> Result<Value> {
        self.wait_for_event("AuthorizationConfirmed").await?;
        let events = self.events().await?;
        let confirmed = events.iter().find(|event| event.name == "AuthorizationConfirmed");
        Ok(confirmed.context("confirmed")?.payload["AuthorizationConfirmed"]["method"].clone())
    }
}

/// The status code, the detail, and the seconds of `Retry-After`.
async fn refusal(answer: Response) -> Result<(StatusCode, String, Option<u64>)> {
    let status = answer.status();
    let retry_after = answer.headers().get("retry-after").map(|it| it.to_str().map(str::parse));
    let retry_after = retry_after.transpose()?.transpose()?;
    let problem: Value = answer.json().await?;
    Ok((status, problem["detail"].as_str().context("a detail")?.to_owned(), retry_after))
}

fn wrong_code_for(code: &str) -> String {
    if code == "00000" { "11111".to_owned() } else { "00000".to_owned() }
}

#[tokio::test]
async fn a_code_logs_in_on_one_phone_in_the_data_centre_of_the_account() -> Result<()> {
    let world = World::with(typed_numbers()).await?;
    world.telegram.accounts.update(ILYA, |ilya| ilya.dc = 4);
    let session = world.begin_ilyas_login().await?;

    // 1. After the number the page asks for the code, and the QR code is gone.
    let status = world.request_code(&session, ILYAS_NUMBER).await?;
    assert_eq!((&status["code_via"], &status["code_length"]), (&json!("app"), &json!(5)));
    assert_eq!(
        (&status["token"], &status["deep_link"], &status["error"]),
        (&json!(null), &json!(null), &json!(null))
    );

    // 2. A wrong code is refused with a message. The right one logs in.
    let code = world.last_code(ILYAS_NUMBER)?;
    assert_eq!(world.post_code(ILYA, &session, &wrong_code_for(&code)).await?.status(), StatusCode::OK);
    world.wait_for_error(&session, "❌ Неверный код").await?;
    world.post_code(ILYA, &session, &code).await?;
    world.wait_until_authorized(&session).await?;
    let ilya = world.person(ILYA);
    ilya.wait_for_message(|message| message.text.contains("✅ Авторизация успешна!")).await?;

    // 3. The events, and one session in the account's data centre.
    world.wait_for_event("SubscriptionActivated").await?;
    let expected = [
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
    assert_eq!(world.event_names().await?, expected);
    assert_eq!(world.confirmation_method().await?, "code");
    assert_eq!(
        (world.telegram.mtproto.calls("auth.sendCode"), world.telegram.mtproto.calls("auth.signIn")),
        (2, 2)
    );
    let sessions = world.telegram.mtproto.sessions_of(ILYA);
    assert_eq!(sessions.iter().map(|session| session.dc).collect::<Vec<_>>(), [4]);

    // 4. Neither the number nor the code is stored.
    world.wait_until_no_login_data().await?;
    let rows: Vec<String> = sqlx::query_scalar(
        "select events::text from events union all select t::text from vault.tries t union all select o::text from vault.outbox o",
    )
    .fetch_all(world.db.pool())
    .await?;
    for row in rows {
        assert!(!row.contains(&format!("\"{code}\"")), "the code is in {row}");
        assert!(!row.contains("9990000001"), "the number is in {row}");
    }
    Ok(())
}

#[tokio::test]
async fn a_password_may_follow_the_code() -> Result<()> {
    let world = World::with(typed_numbers()).await?;
    world.set_ilyas_password();
    world.telegram.accounts.update(ILYA, |ilya| ilya.dc = 4);
    let session = world.begin_ilyas_login().await?;
    world.request_code(&session, ILYAS_NUMBER).await?;
    world.post_code(ILYA, &session, &world.last_code(ILYAS_NUMBER)?).await?;
    world.wait_for_status(ILYA, &session, |status| status["status"] == "password_required").await?;
    assert_eq!(world.post_code(ILYA, &session, "12345").await?.status(), StatusCode::CONFLICT);
    world.submit_password(ILYA, &session, "battery staple").await?;
    world.wait_for_error(&session, "❌ Неверный пароль").await?;
    world.submit_password(ILYA, &session, "correct horse").await?;
    world.wait_until_authorized(&session).await?;
    assert_eq!(world.confirmation_method().await?, "code");
    assert_eq!(world.telegram.mtproto.sessions_of(ILYA).len(), 1);
    world.wait_until_no_login_data().await
}

#[tokio::test]
async fn an_expired_code_is_refused_and_another_one_can_be_requested() -> Result<()> {
    let world = World::with(WorldOptions { manual_clock: true, ..typed_numbers() }).await?;
    let session = world.begin_ilyas_login().await?;
    world.request_code(&session, ILYAS_NUMBER).await?;
    let first = world.last_code(ILYAS_NUMBER)?;
    // Telegram invalidates a code that it sees in a chat.
    world.telegram.mtproto.code_seen_in_chat(ILYA, &format!("my code is {first}"));
    world.post_code(ILYA, &session, &first).await?;
    world.wait_for_error(&session, "❌ Код устарел").await?;

    // 1. Too early: a number gets one code a minute.
    let (code, detail, retry_after) = refusal(world.post_phone(ILYA, &session, ILYAS_NUMBER).await?).await?;
    assert_eq!(code, StatusCode::TOO_MANY_REQUESTS);
    assert!(detail.contains("Новый код можно запросить через"), "{detail}");
    assert!(retry_after.is_some_and(|seconds| (1..=61).contains(&seconds)));

    // 2. After a minute another code is sent.
    world.advance(Duration::from_secs(61));
    world.post_phone(ILYA, &session, ILYAS_NUMBER).await?.error_for_status()?;
    let again = world.wait_for_status(ILYA, &session, |status| status["error"].is_null()).await?;
    assert_eq!(again["status"], "code_required");

    // 3. There is no third code for this login. The second one logs in.
    world.advance(Duration::from_secs(61));
    let (code, detail, _) = refusal(world.post_phone(ILYA, &session, ILYAS_NUMBER).await?).await?;
    assert_eq!(code, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        detail,
        "⏳ Слишком много кодов. Введите последний код или отмените вход, начните его снова и подтвердите по QR коду."
    );
    world.post_code(ILYA, &session, &world.last_code(ILYAS_NUMBER)?).await?;
    world.wait_until_authorized(&session).await?;
    Ok(())
}

#[tokio::test]
async fn a_code_that_does_not_come_is_sent_again_by_another_way() -> Result<()> {
    let world = World::with(WorldOptions { manual_clock: true, ..typed_numbers() }).await?;
    let session = world.begin_ilyas_login().await?;
    world.request_code(&session, ILYAS_NUMBER).await?;
    let first = world.last_code(ILYAS_NUMBER)?;
    world.advance(Duration::from_secs(61));
    world.post_phone(ILYA, &session, ILYAS_NUMBER).await?.error_for_status()?;
    let again = world.wait_for_status(ILYA, &session, |status| status["code_via"] == "sms").await?;
    assert_eq!((&again["status"], &again["error"]), (&json!("code_required"), &json!(null)));
    world.post_code(ILYA, &session, &first).await?;
    world.wait_for_error(&session, "❌ Неверный код").await?;
    world.post_code(ILYA, &session, &world.last_code(ILYAS_NUMBER)?).await?;
    world.wait_until_authorized(&session).await?;
    let calls = ["auth.sendCode", "auth.resendCode"].map(|method| world.telegram.mtproto.calls(method));
    assert_eq!(calls, [1, 1]);
    Ok(())
}

/// The message offers the QR code where one is shown, and otherwise the last code.
#[tokio::test]
async fn a_number_that_cannot_get_a_code_of_digits_is_offered_the_other_ways() -> Result<()> {
    let world = World::with(WorldOptions { manual_clock: true, ..typed_numbers() }).await?;
    let session = world.begin_ilyas_login().await?;
    let faults = world.telegram.mtproto.faults();
    faults.want_email();
    world.post_phone(ILYA, &session, ILYAS_NUMBER).await?.error_for_status()?;
    let refused =
        world.wait_for_error(&session, "не присылает на этот номер код из цифр. Войдите по QR коду.").await?;
    assert_eq!(refused["status"], "waiting");

    world.advance(Duration::from_secs(61));
    world.request_code(&session, ILYAS_NUMBER).await?;
    let code = world.last_code(ILYAS_NUMBER)?;
    world.advance(Duration::from_secs(61));
    faults.want_email();
    world.post_phone(ILYA, &session, "+79990000002").await?.error_for_status()?;
    let refused =
        world.wait_for_error(&session, "код из цифр. Введите последний код или отмените вход").await?;
    assert_eq!(refused["status"], "code_required");
    world.post_code(ILYA, &session, &code).await?;
    world.wait_until_authorized(&session).await?;
    Ok(())
}

#[tokio::test]
async fn a_number_that_telegram_refuses_shows_why_and_the_qr_code_stays() -> Result<()> {
    let world = World::with(typed_numbers()).await?;
    world.telegram.accounts.ban_number("+79990000008");
    let session = world.begin_ilyas_login().await?;
    let link = world.qr_link(ILYA, &session).await?;
    for (phone, words) in [("+7123456", "не знает такого номера"), ("+79990000008", "заблокирован")]
    {
        world.post_phone(ILYA, &session, phone).await?.error_for_status()?;
        let refused = world.wait_for_error(&session, words).await?;
        assert_eq!((&refused["status"], &refused["deep_link"]), (&json!("waiting"), &json!(link)));
    }
    world.phone(ILYA).scan(&link).await?;
    world.wait_until_authorized(&session).await?;
    assert_eq!(world.confirmation_method().await?, "qr");
    Ok(())
}

#[tokio::test]
async fn a_number_without_an_account_fails_the_login_with_a_message_and_it_can_be_retried() -> Result<()> {
    let world = World::with(typed_numbers()).await?;
    let session = world.begin_ilyas_login().await?;
    world.request_code(&session, UNUSED_NUMBER).await?;
    world.post_code(ILYA, &session, &world.last_code(UNUSED_NUMBER)?).await?;
    let on_the_page = "На этом номере нет аккаунта Telegram. Проверьте номер и попробуйте снова.";
    let why = "На этот номер не зарегистрирован аккаунт Telegram.";
    world.expect_failed_login(&session, "not_registered", on_the_page, why).await?;
    assert_eq!(world.event_names_of("login").await?, ["LoginStarted", "QrIssued", "CodeSent", "LoginFailed"]);
    world.expect_no_leftovers(&[ILYA]).await?;
    world.log_out_retired_keys().await?;

    let retry = json!({"session_id": session});
    world.post_as(ILYA, "/qr-auth/retry", &retry).send().await?.error_for_status()?;
    world.qr_link(ILYA, &session).await?;
    world.request_code(&session, ILYAS_NUMBER).await?;
    world.post_code(ILYA, &session, &world.last_code(ILYAS_NUMBER)?).await?;
    world.wait_until_authorized(&session).await?;
    world.wait_for_event("SubscriptionActivated").await?;
    Ok(())
}

#[tokio::test]
async fn a_code_for_somebody_elses_account_links_nothing() -> Result<()> {
    let world = World::with(typed_numbers()).await?;
    let session = world.begin_ilyas_login().await?;
    world.request_code(&session, "+79990000002").await?;
    world.post_code(ILYA, &session, &world.last_code("+79990000002")?).await?;
    let rejected = world.wait_for_status(ILYA, &session, |status| status["status"] == "rejected").await?;
    assert!(rejected["error"].as_str().is_some_and(|it| it.contains("🚨")), "{rejected}");
    assert!(world.telegram.mtproto.sessions_of(ANNA).is_empty());
    world.wait_until_no_login_data().await
}

#[tokio::test]
async fn a_request_that_telegram_did_not_answer_is_not_repeated() -> Result<()> {
    let world = World::with(WorldOptions { manual_clock: true, ..typed_numbers() }).await?;
    let session = world.begin_ilyas_login().await?;
    let mtproto = &world.telegram.mtproto;
    mtproto.faults().fail("auth.sendCode", 500, "INTERDC_2_CALL_ERROR", 1);
    world.post_phone(ILYA, &session, ILYAS_NUMBER).await?.error_for_status()?;
    world.wait_for_error(&session, "Telegram не ответил").await?;
    assert_eq!(mtproto.calls("auth.sendCode"), 1);

    world.advance(Duration::from_secs(61));
    world.request_code(&session, ILYAS_NUMBER).await?;
    mtproto.faults().fail("auth.signIn", 500, "INTERDC_2_CALL_ERROR", 1);
    world.post_code(ILYA, &session, &world.last_code(ILYAS_NUMBER)?).await?;
    world.wait_for_error(&session, "Telegram не ответил").await?;
    assert_eq!(mtproto.calls("auth.signIn"), 1);
    world.post_code(ILYA, &session, &world.last_code(ILYAS_NUMBER)?).await?;
    world.wait_until_authorized(&session).await?;
    Ok(())
}

#[tokio::test]
async fn a_code_is_requested_again_if_telegram_says_that_it_sent_none() -> Result<()> {
    let world = World::with(typed_numbers()).await?;
    let session = world.begin_ilyas_login().await?;
    world.telegram.mtproto.faults().fail("auth.sendCode", 500, "AUTH_RESTART", 1);
    world.request_code(&session, ILYAS_NUMBER).await?;
    assert_eq!(world.telegram.mtproto.calls("auth.sendCode"), 2);
    Ok(())
}

#[tokio::test]
async fn a_qr_code_that_was_shown_before_still_counts() -> Result<()> {
    let world = World::with(typed_numbers()).await?;
    let session = world.begin_ilyas_login().await?;
    let link = world.qr_link(ILYA, &session).await?;
    world.request_code(&session, ILYAS_NUMBER).await?;
    world.phone(ILYA).scan(&link).await?;
    world.wait_until_authorized(&session).await?;
    assert_eq!(world.confirmation_method().await?, "qr");
    Ok(())
}

#[tokio::test]
async fn after_a_crash_the_login_shows_a_qr_code_again() -> Result<()> {
    let mut world = World::with(typed_numbers()).await?;
    let session = world.begin_ilyas_login().await?;
    world.request_code(&session, ILYAS_NUMBER).await?;
    world.crash_service().await;
    world.start_service().await?;
    let lost = world
        .wait_for_error(&session, "❌ Присланный код входа больше не действует. Отсканируйте QR код")
        .await?;
    assert_eq!(lost["status"], "waiting");
    world.phone(ILYA).scan(&world.qr_link(ILYA, &session).await?).await?;
    world.wait_until_authorized(&session).await?;
    Ok(())
}

#[tokio::test]
async fn numbers_and_codes_are_accepted_only_from_the_owner_in_the_right_format_and_state() -> Result<()> {
    let world = World::with(typed_numbers()).await?;
    let session = world.begin_ilyas_login().await?;
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
    let (code, detail, _) = refusal(world.post_code(ILYA, &session, "12345").await?).await?;
    assert_eq!((code, detail.as_str()), (StatusCode::CONFLICT, "Код сейчас не нужен."));
    world.request_code(&session, ILYAS_NUMBER).await?;
    for code in ["", "12a45", "12345678901"] {
        assert_eq!(world.post_code(ILYA, &session, code).await?.status(), StatusCode::BAD_REQUEST, "{code}");
    }
    assert_eq!(world.telegram.mtproto.calls("auth.signIn"), 0);
    Ok(())
}

#[tokio::test]
async fn the_one_phone_way_can_be_switched_off() -> Result<()> {
    let mut world = World::with(typed_numbers()).await?;
    world.crash_service().await;
    world.config.one_phone_login = web::OnePhoneLogin::Off;
    world.start_service().await?;
    let session = world.begin_ilyas_login().await?;
    let answer = world.person(ILYA).from_bot().pop().context("an answer")?.text;
    assert!(answer.contains("3 способа") && !answer.contains("на этом телефоне"), "{answer}");
    let (code, detail, _) = refusal(world.post_phone(ILYA, &session, ILYAS_NUMBER).await?).await?;
    assert_eq!((code, detail.as_str()), (StatusCode::NOT_FOUND, "Вход по коду выключен."));
    assert_eq!(world.post_code(ILYA, &session, "12345").await?.status(), StatusCode::NOT_FOUND);
    assert_eq!(world.telegram.mtproto.calls("auth.sendCode"), 0);
    Ok(())
}

impl World {
    async fn post_contact(&self, person: i64, session: &str, contact: &str) -> Result<Response> {
        let body = json!({"session_id": session, "contact": contact});
        Ok(self.post_as(person, "/qr-auth/phone", &body).send().await?)
    }
}

#[tokio::test]
async fn a_code_goes_to_the_number_that_telegram_has_signed_as_the_persons_own() -> Result<()> {
    let world = World::start().await?;
    let session = world.begin_ilyas_login().await?;
    let contact = world.person(ILYA).share_contact_with_mini_app();
    world.post_contact(ILYA, &session, &contact).await?.error_for_status()?;
    world.wait_for_status(ILYA, &session, |status| status["status"] == "code_required").await?;
    world.post_code(ILYA, &session, &world.last_code(ILYAS_NUMBER)?).await?;
    world.wait_until_authorized(&session).await?;
    assert_eq!(world.confirmation_method().await?, "code");
    Ok(())
}

#[tokio::test]
async fn a_number_that_is_not_signed_as_the_persons_own_is_refused_and_costs_nobody_anything() -> Result<()> {
    let world = World::start().await?;
    let session = world.begin_ilyas_login().await?;

    // 1. A number that was typed: somebody else's, or their own.
    for number in [UNUSED_NUMBER, ILYAS_NUMBER] {
        let (code, detail, _) = refusal(world.post_phone(ILYA, &session, number).await?).await?;
        assert_eq!(code, StatusCode::FORBIDDEN);
        assert!(detail.starts_with("Номер нельзя ввести вручную"), "{detail}");
    }
    // 2. A contact that Telegram has signed for somebody else.
    let annas = world.person(ANNA).share_contact_with_mini_app();
    let (code, detail, _) = refusal(world.post_contact(ILYA, &session, &annas).await?).await?;
    assert_eq!(code, StatusCode::FORBIDDEN);
    assert!(detail.starts_with("Это номер другого аккаунта"), "{detail}");
    // 3. A contact that was changed, one without a signature, launch data, and nothing at all.
    let own = world.person(ILYA).share_contact_with_mini_app();
    let changed = own.replace("79990000001", "79990000009");
    assert_ne!(changed, own);
    let unsigned = own.split_once("&hash=").context("a hash")?.0.to_owned();
    let launch = world.person(ILYA).init_data(None);
    for contact in [changed, unsigned, launch, String::new()] {
        let answer = world.post_contact(ILYA, &session, &contact).await?;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{contact}");
    }
    let nothing = world.post_as(ILYA, "/qr-auth/phone", &json!({"session_id": session})).send().await?;
    assert_eq!(nothing.status(), StatusCode::BAD_REQUEST);

    assert_eq!(world.telegram.mtproto.calls("auth.sendCode"), 0);
    let counted: i64 = sqlx::query_scalar("select count(*) from vault.tries where kind like 'code/%'")
        .fetch_one(world.db.pool())
        .await?;
    assert_eq!(counted, 0, "nobody's budget is touched");
    Ok(())
}

#[tokio::test]
async fn a_signed_number_is_believed_for_as_long_as_launch_data() -> Result<()> {
    let world = World::with_manual_clock().await?;
    let contact = world.person(ILYA).share_contact_with_mini_app();
    world.advance(Duration::from_secs(15 * 60 + 1));
    let session = world.begin_ilyas_login().await?;
    let answer = world.post_contact(ILYA, &session, &contact).await?;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let fresh = world.person(ILYA).share_contact_with_mini_app();
    world.post_contact(ILYA, &session, &fresh).await?.error_for_status()?;
    Ok(())
}

#[tokio::test]
async fn where_numbers_are_typed_no_hint_of_a_password_is_shown() -> Result<()> {
    let world = World::with(typed_numbers()).await?;
    world.set_ilyas_password();
    let session = world.begin_ilyas_login().await?;
    world.request_code(&session, ILYAS_NUMBER).await?;
    world.post_code(ILYA, &session, &world.last_code(ILYAS_NUMBER)?).await?;
    world.wait_for_status(ILYA, &session, |status| status["status"] == "password_required").await?;
    assert_eq!(world.password_parameters(ILYA, &session).await?["hint"], Value::Null);
    Ok(())
}
