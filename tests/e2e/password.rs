//! The 2-step password: the page asks for it and proves it, and never sends it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::Tier;
use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, ILYA, Password};

use crate::password_proof::proof;
use crate::world::{World, WorldOptions};

const PASSWORD: &str = "correct horse";
const WRONG: &str = "battery staple";
const HINT: &str = "which animal was right";

impl World {
    /// Ilya sets a 2-step password.
    pub fn set_ilyas_password(&self) {
        let password = Some(Password::new(PASSWORD, HINT));
        assert!(self.telegram.accounts.update(ILYA, |ilya| ilya.password = password));
    }

    /// The parameters with which the page computes a proof.
    pub async fn password_parameters(&self, person: i64, session: &str) -> Result<Value> {
        let answer = self.get_as(person, &format!("/qr-auth/password?session_id={session}")).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// Sends the proof of a password, as the page does. Returns the answer.
    pub async fn submit_password(&self, person: i64, session: &str, password: &str) -> Result<Value> {
        let parameters = self.password_parameters(person, session).await?;
        let proof = proof(session, &parameters, password).await?;
        let answer = self.post_as(person, "/qr-auth/password", &proof).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }
}

fn needs_password(status: &Value) -> bool {
    status["status"] == "password_required"
}

fn has_error(status: &Value, text: &str) -> bool {
    status["error"].as_str().is_some_and(|error| error.contains(text))
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_the_right_one_logs_in_in_the_data_centre_of_the_account()
-> Result<()> {
    let world = World::start().await?;
    world.set_ilyas_password();
    world.telegram.accounts.update(ILYA, |ilya| ilya.dc = 4);
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    world.phone(ILYA).scan(&world.qr_link(ILYA, &session).await?).await?;

    // 1. The page asks for the password, and the QR code is gone.
    let status = world.wait_for_status(ILYA, &session, needs_password).await?;
    assert_eq!(
        (&status["token"], &status["deep_link"], &status["error"]),
        (&json!(null), &json!(null), &json!(null))
    );
    let first = world.password_parameters(ILYA, &session).await?;
    assert_eq!(first["hint"], HINT);
    assert!(first["srp_id"].as_str().is_some_and(|id| id.parse::<i64>().is_ok()), "decimal text: {first}");

    // 2. A wrong password is refused. The next try has the hint and new parameters.
    let answer = world.submit_password(ILYA, &session, WRONG).await?;
    assert_eq!((&answer["status"], &answer["version"]), (&status["status"], &status["version"]));
    world.wait_for_status(ILYA, &session, |status| has_error(status, "❌ Неверный пароль")).await?;
    let second = world.password_parameters(ILYA, &session).await?;
    assert_eq!(second["hint"], HINT);
    assert_ne!(second["srp_id"], first["srp_id"]);

    // 3. The right one.
    world.submit_password(ILYA, &session, PASSWORD).await?;
    world.wait_for_status(ILYA, &session, |status| status["status"] == "authorized").await?;
    let ilya = world.person(ILYA);
    let message = ilya.wait_for_message(|it| it.text.contains("✅ Авторизация успешна!")).await?;
    assert!(message.text.contains("Premium"), "{}", message.text);
    world.wait_for_event("SubscriptionActivated").await?;
    let expected = [
        "InviteCreated",
        "AccountRegistered",
        "InviteRedeemed",
        "LoginStarted",
        "QrIssued",
        "PasswordRequested",
        "PasswordRejected",
        "InviteUsed",
        "AuthorizationConfirmed",
        "SubscriptionActivated",
    ];
    assert_eq!(world.event_names().await?, expected);

    // 4. There is one session in the account's data centre, and no event holds a parameter.
    let sessions = world.telegram.mtproto.sessions_of(ILYA);
    assert_eq!(sessions.iter().map(|session| session.dc).collect::<Vec<_>>(), [4]);
    world.wait_until_no_login_data().await?;
    let rows: Vec<String> =
        sqlx::query_scalar("select events::text from events").fetch_all(world.db.pool()).await?;
    for row in rows {
        for parameters in [&first, &second] {
            for name in ["srp_id", "B", "salt1", "hint"] {
                let value = parameters[name].as_str().context("text")?;
                assert!(!row.contains(value), "{name} is in {row}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn parameters_and_proofs_are_only_for_the_owner_while_a_password_is_needed() -> Result<()> {
    let world = World::start().await?;
    world.set_ilyas_password();
    let session = world.begin_login(ILYA, &world.invite(Tier::Premium).await?).await?;
    let link = world.qr_link(ILYA, &session).await?;
    let path = format!("/qr-auth/password?session_id={session}");
    let wrong = |srp_id: &str, a: usize, m1: usize| json!({"session_id": session, "srp_id": srp_id, "A": "a".repeat(a), "M1": "b".repeat(m1)});
    let post = async |body: &Value| -> Result<StatusCode> {
        Ok(world.post_as(ILYA, "/qr-auth/password", body).send().await?.status())
    };

    // 1. Too early: no password is needed yet.
    let early = world.get_as(ILYA, &path).send().await?;
    assert_eq!(early.status(), StatusCode::CONFLICT);
    assert_eq!(early.json::<Value>().await?["detail"], "Пароль сейчас не нужен.");
    assert_eq!(post(&wrong("1", 512, 64)).await?, StatusCode::CONFLICT);

    // 2. A password is needed: only the owner may send a proof, in the right format.
    world.phone(ILYA).scan(&link).await?;
    world.wait_for_status(ILYA, &session, needs_password).await?;
    let stranger = world.http.get(format!("{}{path}", world.base())).send().await?;
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(world.get_as(ANNA, &path).send().await?.status(), StatusCode::FORBIDDEN);
    let other = world.post_as(ANNA, "/qr-auth/password", &wrong("1", 512, 64)).send().await?;
    assert_eq!(other.status(), StatusCode::FORBIDDEN);
    for body in
        [wrong("1", 510, 64), wrong("1", 512, 66), wrong("x", 512, 64), json!({"session_id": session})]
    {
        assert_eq!(post(&body).await?, StatusCode::BAD_REQUEST, "{body}");
    }

    // 3. A proof for other parameters than the last is refused with a message. Telegram got no request so far.
    let stale = world.post_as(ILYA, "/qr-auth/password", &wrong("1", 512, 64)).send().await?;
    assert_eq!(stale.status(), StatusCode::CONFLICT);
    assert!(stale.json::<Value>().await?["detail"].as_str().is_some_and(|it| it.contains("ещё раз")));
    assert_eq!(world.telegram.mtproto.calls("auth.checkPassword"), 0);
    Ok(())
}

#[tokio::test]
async fn a_login_that_waits_for_its_password_survives_a_crash() -> Result<()> {
    let mut world = World::start().await?;
    world.set_ilyas_password();
    let session = world.begin_login(ILYA, &world.invite(Tier::Premium).await?).await?;
    world.phone(ILYA).scan(&world.qr_link(ILYA, &session).await?).await?;
    world.wait_for_status(ILYA, &session, needs_password).await?;
    let before = world.password_parameters(ILYA, &session).await?;

    world.crash_service().await;
    let calls = world.telegram.mtproto.calls("account.getPassword");
    world.start_service().await?;
    world.telegram.mtproto.wait_for_call("account.getPassword", calls + 1).await;
    // The page still has the parameters from before the crash. A proof for them is refused at once or a little later, and
    // the person has to try again with new ones.
    let old_proof = proof(&session, &before, PASSWORD).await?;
    let answer = world.post_as(ILYA, "/qr-auth/password", &old_proof).send().await?;
    if answer.status() == StatusCode::OK {
        world.wait_for_status(ILYA, &session, |status| has_error(status, "ещё раз")).await?;
    } else {
        assert_eq!(answer.status(), StatusCode::CONFLICT);
    }
    assert_eq!(world.telegram.mtproto.calls("auth.checkPassword"), 0);
    world.submit_password(ILYA, &session, PASSWORD).await?;
    world.wait_for_status(ILYA, &session, |status| status["status"] == "authorized").await?;
    assert_eq!(world.telegram.mtproto.sessions_of(ILYA).len(), 1);
    world.wait_until_no_login_data().await
}

#[tokio::test]
async fn a_proof_for_a_challenge_that_telegram_dropped_is_asked_for_again() -> Result<()> {
    let world = World::start().await?;
    world.set_ilyas_password();
    let session = world.begin_login(ILYA, &world.invite(Tier::Premium).await?).await?;
    world.phone(ILYA).scan(&world.qr_link(ILYA, &session).await?).await?;
    world.wait_for_status(ILYA, &session, needs_password).await?;
    world.telegram.mtproto.faults().fail("auth.checkPassword", 400, "SRP_ID_INVALID", 1);
    world.submit_password(ILYA, &session, PASSWORD).await?;
    world.wait_for_status(ILYA, &session, |status| has_error(status, "Пароль не был проверен")).await?;
    world.submit_password(ILYA, &session, PASSWORD).await?;
    world.wait_for_status(ILYA, &session, |status| status["status"] == "authorized").await?;
    Ok(())
}

#[tokio::test]
async fn the_sixth_password_in_five_minutes_is_refused_before_telegram_is_asked() -> Result<()> {
    let world = World::with(WorldOptions { manual_clock: true, ..WorldOptions::default() }).await?;
    world.set_ilyas_password();
    let session = world.begin_login(ILYA, &world.invite(Tier::Premium).await?).await?;
    world.phone(ILYA).scan(&world.qr_link(ILYA, &session).await?).await?;
    let mut seen = world.wait_for_status(ILYA, &session, needs_password).await?;
    for _ in 0..5 {
        let before = seen["version"].as_i64().context("a version")?;
        world.submit_password(ILYA, &session, WRONG).await?;
        let newer = |status: &Value| status["version"].as_i64().is_some_and(|version| version > before);
        seen = world.wait_for_status(ILYA, &session, newer).await?;
    }
    let calls = world.telegram.mtproto.calls("auth.checkPassword");

    let parameters = world.password_parameters(ILYA, &session).await?;
    let right = proof(&session, &parameters, PASSWORD).await?;
    let refused = world.post_as(ILYA, "/qr-auth/password", &right).send().await?;

    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    let seconds: u64 = refused.headers()["retry-after"].to_str()?.parse()?;
    assert!((1..=301).contains(&seconds), "{seconds}");
    let problem: Value = refused.json().await?;
    assert!(
        problem["detail"].as_str().is_some_and(|it| it.starts_with("⏳ Слишком много попыток")),
        "{problem}"
    );
    assert_eq!(world.telegram.mtproto.calls("auth.checkPassword"), calls);
    Ok(())
}

#[tokio::test]
async fn a_flood_wait_for_passwords_is_shown_and_waited_out() -> Result<()> {
    let world = World::with(WorldOptions { manual_clock: true, ..WorldOptions::default() }).await?;
    world.set_ilyas_password();
    let session = world.begin_login(ILYA, &world.invite(Tier::Premium).await?).await?;
    world.phone(ILYA).scan(&world.qr_link(ILYA, &session).await?).await?;
    world.wait_for_status(ILYA, &session, needs_password).await?;
    world.telegram.mtproto.faults().flood_wait("auth.checkPassword", 40);
    world.submit_password(ILYA, &session, PASSWORD).await?;
    world.wait_for_status(ILYA, &session, |status| has_error(status, "Telegram просит подождать")).await?;
    let calls = world.telegram.mtproto.calls("auth.checkPassword");
    world.submit_password(ILYA, &session, PASSWORD).await?;
    assert_eq!(world.telegram.mtproto.calls("auth.checkPassword"), calls);
    world
        .advance_until(world.wait_for_status(ILYA, &session, |status| status["status"] == "authorized"))
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_password_asked_for_late_extends_the_deadline_once_and_then_the_login_expires() -> Result<()> {
    let world = World::with(WorldOptions {
        manual_clock: true,
        token_lifetime: Some(Duration::from_secs(600)),
        ..WorldOptions::default()
    })
    .await?;
    world.set_ilyas_password();
    let session = world.begin_login(ILYA, &world.invite(Tier::Premium).await?).await?;
    let link = world.qr_link(ILYA, &session).await?;
    world.advance(Duration::from_secs(240));
    world.phone(ILYA).scan(&link).await?;
    let status = world.wait_for_status(ILYA, &session, needs_password).await?;
    let expires =
        |status: &Value| -> Result<Timestamp> { Ok(status["expires"].as_str().context("expires")?.parse()?) };
    assert_eq!(expires(&status)?, world.now() + SignedDuration::from_mins(3));

    world.advance(Duration::from_secs(60));
    world.submit_password(ILYA, &session, WRONG).await?;
    let refused =
        world.wait_for_status(ILYA, &session, |status| has_error(status, "❌ Неверный пароль")).await?;
    assert_eq!(expires(&refused)?, expires(&status)?);
    world.advance(Duration::from_secs(120));
    world.wait_for_status(ILYA, &session, |status| status["status"] == "expired").await?;
    world.person(ILYA).wait_for_message(|it| it.text.contains("⏰ Время входа истекло")).await?;
    world.wait_until_no_login_data().await?;
    assert_eq!(world.telegram.mtproto.sessions_of(ILYA).len(), 0);
    Ok(())
}
