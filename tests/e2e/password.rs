//! The 2-step password: asked for on the page, proven there, never told.

use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::Tier;
use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, ILYA, Password};

use crate::world::{Differing, World};

const PASSWORD: &str = "correct horse";
const WRONG: &str = "battery staple";
const HINT: &str = "which animal was right";

impl World {
    /// Ilya sets a 2-step password.
    pub fn ilya_has_a_password(&self) {
        let password = Some(Password::new(PASSWORD, HINT));
        assert!(self.telegram.accounts.update(ILYA, |ilya| ilya.password = password));
    }

    /// What the page is given to prove the password with.
    pub async fn parameters(&self, person: i64, session: &str) -> Result<Value> {
        let answer = self.get_as(person, &format!("/qr-auth/password?session_id={session}")).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// Types a password on the page, which sends the proof.
    pub async fn prove(&self, person: i64, session: &str, password: &str) -> Result<Value> {
        let parameters = self.parameters(person, session).await?;
        let proof = proof(session, &parameters, password).await?;
        let answer = self.post_as(person, "/qr-auth/password", &proof).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// Moves the clock on.
    pub fn passes(&self, time: Duration) {
        self.time.as_ref().expect("a clock that is held by hand").advance(time);
    }

    /// Moves the clock on, second by second, until something has happened.
    pub async fn as_time_passes<T>(&self, happens: impl Future<Output = T>) -> T {
        let time = async {
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                self.passes(Duration::from_secs(1));
            }
        };
        tokio::select! {
            happened = happens => happened,
            () = time => unreachable!("time never ends"),
        }
    }

    /// Waits until the vault has nothing left of any login that runs.
    pub async fn nothing_left(&self) -> Result<()> {
        let left = async {
            loop {
                let rows: i64 = sqlx::query_scalar(
                    "select (select count(*) from vault.attempts) + (select count(*) from vault.requests)
                          + (select count(*) from vault.challenges) + (select count(*) from vault.qr_tokens)",
                )
                .fetch_one(self.db.pool())
                .await?;
                if rows == 0 {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), left).await.context("something is left in the vault")?
    }

    /// The names of all events so far, renewals of the QR code counted once.
    pub async fn story(&self) -> Result<Vec<String>> {
        let mut names: Vec<_> = self.events().await?.into_iter().map(|event| event.name).collect();
        names.dedup();
        Ok(names)
    }
}

/// The body of `POST /qr-auth/password`, as the page makes it. On a busy machine that takes seconds: on the only thread, which is
/// the service's too, they would cost it the lease of the login.
pub async fn proof(session: &str, parameters: &Value, password: &str) -> Result<Value> {
    let (session, parameters, password) = (session.to_owned(), parameters.clone(), password.to_owned());
    tokio::task::spawn_blocking(move || compute(&session, &parameters, &password)).await?
}

fn compute(session: &str, parameters: &Value, password: &str) -> Result<Value> {
    let bytes = |name: &str| -> Result<Vec<u8>> {
        Ok(hex::decode(parameters[name].as_str().with_context(|| format!("{name} in {parameters}"))?)?)
    };
    let g = parameters["g"].as_i64().context("g")?;
    let (m1, a) = grammers_crypto::two_factor_auth::calculate_2fa(
        &bytes("salt1")?,
        &bytes("salt2")?,
        &bytes("p")?,
        &i32::try_from(g)?,
        bytes("B")?,
        vec![7; 256],
        password,
    );
    Ok(
        json!({"session_id": session, "srp_id": parameters["srp_id"], "A": hex::encode(a), "M1": hex::encode(m1)}),
    )
}

fn asks_for_the_password(status: &Value) -> bool {
    status["status"] == "password_required"
}

fn says(status: &Value, words: &str) -> bool {
    status["error"].as_str().is_some_and(|error| error.contains(words))
}

#[tokio::test]
async fn a_wrong_password_is_told_and_the_right_one_lets_in_where_the_account_lives() -> Result<()> {
    let world = World::start().await?;
    world.ilya_has_a_password();
    world.telegram.accounts.update(ILYA, |ilya| ilya.dc = 4);
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin(ILYA, &code).await?;
    world.phone(ILYA).scan(&world.link(ILYA, &session).await?).await?;

    // 1. The page is asked for the password; the QR code is gone.
    let asked = world.status_when(ILYA, &session, asks_for_the_password).await?;
    assert_eq!(
        (&asked["token"], &asked["deep_link"], &asked["error"]),
        (&json!(null), &json!(null), &json!(null))
    );
    let first = world.parameters(ILYA, &session).await?;
    assert_eq!(first["hint"], HINT);
    assert!(first["srp_id"].as_str().is_some_and(|id| id.parse::<i64>().is_ok()), "decimal text: {first}");

    // 2. A wrong one: told, with the hint, and with parameters for the next try.
    let answer = world.prove(ILYA, &session, WRONG).await?;
    assert_eq!((&answer["status"], &answer["version"]), (&asked["status"], &asked["version"]));
    world.status_when(ILYA, &session, |status| says(status, "❌ Неверный пароль")).await?;
    let second = world.parameters(ILYA, &session).await?;
    assert_eq!(second["hint"], HINT);
    assert_ne!(second["srp_id"], first["srp_id"]);

    // 3. The right one.
    world.prove(ILYA, &session, PASSWORD).await?;
    world.status_when(ILYA, &session, |status| status["status"] == "authorized").await?;
    let ilya = world.person(ILYA);
    let told = ilya.wait_for_message(|message| message.text.contains("✅ Авторизация успешна!")).await?;
    assert!(told.text.contains("Premium"), "{}", told.text);
    world.names_once("SubscriptionActivated").await?;
    let story = [
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
    assert_eq!(world.story().await?, story);

    // 4. One session, where the account lives; nothing is kept of what was proven.
    let sessions = world.telegram.mtproto.sessions_of(ILYA);
    assert_eq!(sessions.iter().map(|session| session.dc).collect::<Vec<_>>(), [4]);
    world.nothing_left().await?;
    let rows: Vec<String> =
        sqlx::query_scalar("select events::text from events").fetch_all(world.db.pool()).await?;
    for row in rows {
        for parameters in [&first, &second] {
            for name in ["srp_id", "B", "salt1", "hint"] {
                let value = parameters[name].as_str().context("text")?;
                assert!(!row.contains(value), "{name} stands in {row}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn parameters_and_proofs_are_the_owners_and_only_while_a_password_is_asked_for() -> Result<()> {
    let world = World::start().await?;
    world.ilya_has_a_password();
    let session = world.begin(ILYA, &world.invite(Tier::Premium).await?).await?;
    let link = world.link(ILYA, &session).await?;
    let path = format!("/qr-auth/password?session_id={session}");
    let wrong = |srp_id: &str, a: usize, m1: usize| json!({"session_id": session, "srp_id": srp_id, "A": "a".repeat(a), "M1": "b".repeat(m1)});
    let post = async |body: &Value| -> Result<StatusCode> {
        Ok(world.post_as(ILYA, "/qr-auth/password", body).send().await?.status())
    };

    // 1. Not yet.
    let early = world.get_as(ILYA, &path).send().await?;
    assert_eq!(early.status(), StatusCode::CONFLICT);
    assert_eq!(early.json::<Value>().await?["detail"], "Пароль сейчас не нужен.");
    assert_eq!(post(&wrong("1", 512, 64)).await?, StatusCode::CONFLICT);

    // 2. Asked for: of the owner alone, and in the right shape.
    world.phone(ILYA).scan(&link).await?;
    world.status_when(ILYA, &session, asks_for_the_password).await?;
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

    // 3. A proof for other parameters than the last is sent back, in words; Telegram hears of none of all this.
    let stale = world.post_as(ILYA, "/qr-auth/password", &wrong("1", 512, 64)).send().await?;
    assert_eq!(stale.status(), StatusCode::CONFLICT);
    assert!(stale.json::<Value>().await?["detail"].as_str().is_some_and(|it| it.contains("ещё раз")));
    assert_eq!(world.telegram.mtproto.calls("auth.checkPassword"), 0);
    Ok(())
}

#[tokio::test]
async fn a_login_that_waits_for_its_password_survives_a_crash() -> Result<()> {
    let mut world = World::start().await?;
    world.ilya_has_a_password();
    let session = world.begin(ILYA, &world.invite(Tier::Premium).await?).await?;
    world.phone(ILYA).scan(&world.link(ILYA, &session).await?).await?;
    world.status_when(ILYA, &session, asks_for_the_password).await?;
    let before = world.parameters(ILYA, &session).await?;

    world.crash_service().await;
    let asked = world.telegram.mtproto.calls("account.getPassword");
    world.start_service().await?;
    world.telegram.mtproto.wait_for_call("account.getPassword", asked + 1).await;
    // The page still has what it was given before the crash, and sends it whenever it likes: sooner or later it is told
    // to try once more, with what is good now.
    let typed = proof(&session, &before, PASSWORD).await?;
    let answer = world.post_as(ILYA, "/qr-auth/password", &typed).send().await?;
    if answer.status() == StatusCode::OK {
        world.status_when(ILYA, &session, |status| says(status, "ещё раз")).await?;
    } else {
        assert_eq!(answer.status(), StatusCode::CONFLICT);
    }
    assert_eq!(world.telegram.mtproto.calls("auth.checkPassword"), 0);
    world.prove(ILYA, &session, PASSWORD).await?;
    world.status_when(ILYA, &session, |status| status["status"] == "authorized").await?;
    assert_eq!(world.telegram.mtproto.sessions_of(ILYA).len(), 1);
    world.nothing_left().await
}

#[tokio::test]
async fn a_proof_that_telegram_has_no_challenge_for_any_more_is_asked_for_again() -> Result<()> {
    let world = World::start().await?;
    world.ilya_has_a_password();
    let session = world.begin(ILYA, &world.invite(Tier::Premium).await?).await?;
    world.phone(ILYA).scan(&world.link(ILYA, &session).await?).await?;
    world.status_when(ILYA, &session, asks_for_the_password).await?;
    world.telegram.mtproto.faults().fail("auth.checkPassword", 400, "SRP_ID_INVALID", 1);
    world.prove(ILYA, &session, PASSWORD).await?;
    world.status_when(ILYA, &session, |status| says(status, "Пароль не был проверен")).await?;
    world.prove(ILYA, &session, PASSWORD).await?;
    world.status_when(ILYA, &session, |status| status["status"] == "authorized").await?;
    Ok(())
}

#[tokio::test]
async fn a_flood_of_passwords_is_told_and_waited_out() -> Result<()> {
    let world = World::with(Differing { manual_clock: true, ..Differing::default() }).await?;
    world.ilya_has_a_password();
    let session = world.begin(ILYA, &world.invite(Tier::Premium).await?).await?;
    world.phone(ILYA).scan(&world.link(ILYA, &session).await?).await?;
    world.status_when(ILYA, &session, asks_for_the_password).await?;
    world.telegram.mtproto.faults().flood_wait("auth.checkPassword", 40);
    world.prove(ILYA, &session, PASSWORD).await?;
    world.status_when(ILYA, &session, |status| says(status, "Telegram просит подождать")).await?;
    let asked = world.telegram.mtproto.calls("auth.checkPassword");
    world.prove(ILYA, &session, PASSWORD).await?;
    assert_eq!(world.telegram.mtproto.calls("auth.checkPassword"), asked);
    world
        .as_time_passes(world.status_when(ILYA, &session, |status| status["status"] == "authorized"))
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_password_asked_for_late_extends_the_deadline_once_and_then_the_login_expires() -> Result<()> {
    let world = World::with(Differing {
        manual_clock: true,
        token_lifetime: Some(Duration::from_secs(600)),
        ..Differing::default()
    })
    .await?;
    world.ilya_has_a_password();
    let session = world.begin(ILYA, &world.invite(Tier::Premium).await?).await?;
    let link = world.link(ILYA, &session).await?;
    world.passes(Duration::from_secs(240));
    world.phone(ILYA).scan(&link).await?;
    let asked = world.status_when(ILYA, &session, asks_for_the_password).await?;
    let expires =
        |status: &Value| -> Result<Timestamp> { Ok(status["expires"].as_str().context("expires")?.parse()?) };
    assert_eq!(expires(&asked)?, world.now() + SignedDuration::from_mins(3));

    world.passes(Duration::from_secs(60));
    world.prove(ILYA, &session, WRONG).await?;
    let refused = world.status_when(ILYA, &session, |status| says(status, "❌ Неверный пароль")).await?;
    assert_eq!(expires(&refused)?, expires(&asked)?);
    world.passes(Duration::from_secs(120));
    world.status_when(ILYA, &session, |status| status["status"] == "expired").await?;
    world.person(ILYA).wait_for_message(|message| message.text.contains("⏰ Время входа истекло")).await?;
    world.nothing_left().await?;
    assert_eq!(world.telegram.mtproto.sessions_of(ILYA).len(), 0);
    Ok(())
}
