//! Logins that end without authorisation: another account scans, the person cancels, or a newer login takes over.

use anyhow::{Context as _, Result};
use domain::Tier;
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, Account, ILYA};

use crate::wait::eventually;
use crate::world::World;

const CANCELLED: &str = "🚫 Вход отменён\n\nНичего не подключено, инвайт код не потрачен. \
                         Чтобы начать заново, отправьте /login КОД";
const SUPERSEDED: &str =
    "🔁 Начат новый вход, этот отменён\n\nПродолжайте по кнопке под последним сообщением о входе.";

impl World {
    /// Expects that Ilya's login has failed for this reason, that the page and the chat say why, and that its invite is free
    /// again.
    pub async fn expect_failed_login(
        &self,
        session: &str,
        reason: &str,
        on_the_page: &str,
        in_the_chat: &str,
    ) -> Result<()> {
        let status = self.wait_for_status(ILYA, session, |status| status["status"] == "failed").await?;
        assert_eq!((&status["error"], &status["token"]), (&json!(on_the_page), &json!(null)));
        let expected = format!(
            "❌ Не удалось войти\n\n{in_the_chat} Ничего не подключено, инвайт код не потрачен. \
             Чтобы начать заново, отправьте /login КОД"
        );
        self.person(ILYA).wait_for_message(|message| message.text == expected).await?;
        let messages = self.person(ILYA).from_bot();
        let failures = messages.iter().filter(|message| message.text.starts_with('❌')).count();
        assert_eq!(failures, 1, "one message about the failure");
        self.wait_for_event("InviteReleased").await?;
        assert_eq!(
            self.event_names_of("invite").await?,
            ["InviteCreated", "InviteRedeemed", "InviteReleased"]
        );
        assert_eq!(self.event_names_of("account").await?, ["AccountRegistered"]);
        let failed = self.events().await?.into_iter().find(|event| event.name == "LoginFailed");
        assert_eq!(failed.context("the event")?.payload["LoginFailed"]["reason"], reason);
        Ok(())
    }
}

/// Anna, whose account is in this data centre, scans the code of Ilya's login.
async fn rejects_another_account_in(dc: i32) -> Result<()> {
    let world = World::start().await?;
    let anna = world.telegram.accounts.get(ANNA).context("Anna")?;
    world.telegram.accounts.insert(Account { dc, ..anna });
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    world.phone(ANNA).scan(&world.qr_link(ILYA, &session).await?).await?;

    let status = world.wait_for_status(ILYA, &session, |status| status["status"] == "rejected").await?;
    let error = status["error"].as_str().context("why")?;
    assert!(error.starts_with("🚨 Вход подтвердил другой аккаунт. Ничего не подключено."), "{error}");
    assert!(status["token"].is_null());
    let message = world.person(ILYA).wait_for_message(|message| message.text.starts_with('🚨')).await?;
    assert!(
        message.text.starts_with(
            "🚨 Вход подтвердил другой аккаунт\n\nНичего не подключено. \
             Никогда не сканируйте чужие QR коды входа и не пересылайте свои"
        ),
        "{}",
        message.text
    );

    world.expect_no_leftovers(&[ILYA, ANNA]).await?;
    world.log_out_retired_keys().await?;
    assert_eq!(world.count_rows("users").await?, 1, "the other account gets no row");
    assert_eq!(world.event_names_of("login").await?, ["LoginStarted", "QrIssued", "AuthorizationRejected"]);
    assert_eq!(world.event_names_of("invite").await?, ["InviteCreated", "InviteRedeemed", "InviteReleased"]);
    assert_eq!(world.event_names_of("account").await?, ["AccountRegistered"]);

    // The invite is free again. Anna may use it for a login of her own.
    let annas_session = world.begin_login(ANNA, &code).await?;
    world.phone(ANNA).scan(&world.qr_link(ANNA, &annas_session).await?).await?;
    world.wait_for_status(ANNA, &annas_session, |status| status["status"] == "authorized").await?;
    Ok(())
}

#[tokio::test]
async fn a_scan_by_another_account_is_rejected_and_reported() -> Result<()> {
    rejects_another_account_in(2).await
}

#[tokio::test]
async fn a_scan_by_an_account_of_another_data_centre_is_rejected_too() -> Result<()> {
    rejects_another_account_in(4).await
}

#[tokio::test]
async fn cancel_in_the_chat_ends_the_login_once() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    let link = world.qr_link(ILYA, &session).await?;

    let message = world.person(ILYA).ask("/cancel").await?;
    assert_eq!(message.text, CANCELLED);
    let status = world.wait_for_status(ILYA, &session, |status| status["status"] == "cancelled").await?;
    assert_eq!(status["error"], "🚫 Вход отменён. Ничего не подключено, инвайт код не потрачен.");
    assert!(status["token"].is_null());

    // The second time there is nothing to cancel, and nothing happens.
    let again = world.person(ILYA).ask("/cancel").await?;
    assert_eq!(again.text, "ℹ️ Сейчас нет входа, который можно отменить");
    assert_eq!(world.event_names_of("login").await?, ["LoginStarted", "QrIssued", "LoginCancelled"]);
    world.wait_for_event("InviteReleased").await?;
    world.expect_no_leftovers(&[ILYA]).await?;

    // A scan of a code that is still on a screen links nothing.
    let _ = world.phone(ILYA).scan(&link).await;
    world.log_out_retired_keys().await?;
    world.expect_no_leftovers(&[ILYA]).await
}

#[tokio::test]
async fn cancel_on_the_page_ends_the_login_once_and_the_chat_says_so() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    world.qr_link(ILYA, &session).await?;

    let body = json!({"session_id": session});
    let mut answers = Vec::new();
    for _ in 0..2 {
        let answer = world.post_as(ILYA, "/qr-auth/cancel", &body).send().await?;
        assert_eq!(answer.status(), 200);
        answers.push(answer.json::<Value>().await?);
    }
    assert_eq!(answers[0]["status"], "cancelled");
    assert_eq!(answers[0], answers[1], "the second cancel changes nothing");
    let message = world.person(ILYA).wait_for_message(|message| message.text.starts_with('🚫')).await?;
    assert_eq!(message.text, CANCELLED);

    world.wait_for_event("InviteReleased").await?;
    world.expect_no_leftovers(&[ILYA]).await?;
    assert_eq!(world.event_names_of("login").await?, ["LoginStarted", "QrIssued", "LoginCancelled"]);
    let messages = world.person(ILYA).from_bot();
    assert_eq!(messages.iter().filter(|message| message.text == CANCELLED).count(), 1);
    let cancelled = world.events().await?.into_iter().find(|event| event.name == "LoginCancelled");
    let metadata = cancelled.context("the event")?.metadata;
    assert_eq!(Some(metadata.actor), metadata.account_id.map(|id| id.to_string()), "the actor is the person");
    Ok(())
}

#[tokio::test]
async fn the_end_of_a_login_without_an_invite_mentions_none() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let linked = world.begin_login(ILYA, &code).await?;
    world.phone(ILYA).scan(&world.qr_link(ILYA, &linked).await?).await?;
    world.wait_for_event("SubscriptionActivated").await?;

    let session = world.begin_login(ILYA, "").await?;
    world.qr_link(ILYA, &session).await?;
    let message = world.person(ILYA).ask("/cancel").await?;
    assert_eq!(
        message.text,
        "🚫 Вход отменён\n\nНичего не подключено. Чтобы начать заново, отправьте /login"
    );
    let status = world.wait_for_status(ILYA, &session, |status| status["status"] == "cancelled").await?;
    assert_eq!(status["error"], "🚫 Вход отменён. Ничего не подключено.");

    // The person can indeed begin again without a code.
    world.begin_login(ILYA, "").await?;
    Ok(())
}

/// Begins a login of Ilya's with the first code, then one with the second, which logs in. Returns both session ids.
async fn supersede_login(world: &World, first: &str, second: &str) -> Result<(String, String)> {
    let old = world.begin_login(ILYA, first).await?;
    world.qr_link(ILYA, &old).await?;
    let new = world.begin_login(ILYA, second).await?;
    let status = world.wait_for_status(ILYA, &old, |status| status["status"] == "cancelled").await?;
    let error = status["error"].as_str().context("why")?;
    assert!(error.starts_with("🔁 Начат новый вход, этот отменён"), "{error}");
    let message = world.person(ILYA).wait_for_message(|message| message.text.starts_with('🔁')).await?;
    assert_eq!(message.text, SUPERSEDED);
    world.phone(ILYA).scan(&world.qr_link(ILYA, &new).await?).await?;
    world.wait_for_status(ILYA, &new, |status| status["status"] == "authorized").await?;
    world.wait_for_event("SubscriptionActivated").await?;
    // The older login leaves nothing behind.
    eventually("no attempt in the vault", async || Ok(world.count_rows("vault.attempts").await? == 0))
        .await?;
    world.log_out_retired_keys().await?;
    assert!(world.telegram.mtproto.calls("auth.logOut") > 1, "a second logout after its last code expired");
    assert_eq!(world.count_rows("vault.qr_tokens").await?, 0);
    assert_eq!((world.count_rows("vault.sessions").await?, world.session_files()?.len()), (1, 1));
    let mtproto = &world.telegram.mtproto;
    assert_eq!((mtproto.sessions_of(ILYA).len(), mtproto.hanging_acceptances()), (1, 0));
    Ok((old, new))
}

#[tokio::test]
async fn a_newer_login_with_the_same_code_moves_its_use() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let (old, new) = supersede_login(&world, &code, &code).await?;
    assert_ne!(old, new);
    assert_eq!(
        world.event_names_of("invite").await?,
        ["InviteCreated", "InviteRedeemed", "InviteRedeemed", "InviteUsed"],
        "the use is moved, without a second use or a release"
    );
    let uses: (i32, i32) =
        sqlx::query_as("select reserved::int, used::int from invites").fetch_one(world.db.pool()).await?;
    assert_eq!(uses, (0, 1));
    Ok(())
}

#[tokio::test]
async fn a_newer_login_with_another_code_gives_the_old_use_back() -> Result<()> {
    let world = World::start().await?;
    let (first, second) = (world.invite(Tier::Premium).await?, world.invite(Tier::Basic).await?);
    supersede_login(&world, &first, &second).await?;
    world.wait_for_event("InviteReleased").await?;
    let subscription: String =
        sqlx::query_scalar("select subscription_type from users where telegram_id = $1")
            .bind(ILYA)
            .fetch_one(world.db.pool())
            .await?;
    assert_eq!(subscription, "basic");
    let annas_session = world.begin_login(ANNA, &first).await?;
    world.phone(ANNA).scan(&world.qr_link(ANNA, &annas_session).await?).await?;
    world.wait_for_status(ANNA, &annas_session, |status| status["status"] == "authorized").await?;
    Ok(())
}

#[tokio::test]
async fn whose_account_confirmed_somebody_elses_login_is_warned_in_their_language() -> Result<()> {
    let world = World::start().await?;
    world.person(ANNA).ask("/help").await?;
    let anna = vault::Vault::new(&world.db).subject_of(ANNA).await?.context("Anna is known")?.account_id;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    world.phone(ANNA).scan(&world.qr_link(ILYA, &session).await?).await?;

    let warning = world.person(ANNA).wait_for_message(|message| message.text.starts_with('🚨')).await?;
    assert!(warning.text.starts_with("🚨 You confirmed somebody else's login\n\n"), "{}", warning.text);
    world.person(ILYA).wait_for_message(|message| message.text.starts_with("🚨 Вход подтвердил")).await?;
    let events = world.events().await?;
    let rejected = events.iter().find(|event| event.name == "AuthorizationRejected").context("the event")?;
    assert_eq!(rejected.payload["AuthorizationRejected"]["confirmed_by"], json!(anna));
    Ok(())
}

/// A linked person has begun a new login. `/logout` ends the session before it, `/cancel` the login.
#[tokio::test]
async fn pages_that_wait_are_answered_and_not_cut_off_by_logout_and_cancel() -> Result<()> {
    let world = World::start().await?;
    world.log_in(ILYA).await?;
    let card = world.person(ILYA).ask_for_card("/login").await?;
    let url = card.web_app_url().context("a button")?;
    let session = url.split_once("session_id=").context("a session")?.1;
    let status = world.wait_for_status(ILYA, session, |status| status["deep_link"].is_string()).await?;
    let path = format!("/qr-auth-status?session_id={session}&since={}&wait=25", status["version"]);
    let pages = futures::future::join_all((0..4).map(|_| world.get_as(ILYA, &path).send()));
    let orders = async {
        for order in ["/logout", "/cancel"] {
            world.person(ILYA).ask(order).await?;
        }
        anyhow::Ok(())
    };
    let (answers, ordered) = tokio::join!(pages, orders);
    ordered?;
    for answer in answers {
        let answer = answer?;
        assert_eq!(answer.status(), 200);
        let status: Value = answer.json().await?;
        let known = ["waiting", "cancelled"].contains(&status["status"].as_str().unwrap_or_default());
        assert!(known, "{status}");
    }
    Ok(())
}
