//! Logins that end without authorisation: another account scans, the person cancels, a newer login takes over.

use anyhow::{Context as _, Result};
use domain::Tier;
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, Account, ILYA};

use crate::left::eventually;
use crate::world::World;

const CANCELLED: &str = "🚫 Вход отменён\n\nНичего не подключено, инвайт код не потрачен. \
                         Чтобы начать заново, отправьте /login КОД";
const SUPERSEDED: &str =
    "🔁 Начат новый вход, этот отменён\n\nПродолжайте по кнопке под последним сообщением о входе.";

impl World {
    /// Ilya's login has failed for this reason: the page and the chat say so in these words, and its invite is free again.
    pub async fn has_failed(&self, session: &str, reason: &str, on_the_page: &str, why: &str) -> Result<()> {
        let status = self.status_when(ILYA, session, |status| status["status"] == "failed").await?;
        assert_eq!((&status["error"], &status["token"]), (&json!(on_the_page), &json!(null)));
        let told = format!(
            "❌ Не удалось войти\n\n{why} Ничего не подключено, инвайт код не потрачен. \
             Чтобы начать заново, отправьте /login КОД"
        );
        self.person(ILYA).wait_for_message(|message| message.text == told).await?;
        let messages = self.person(ILYA).from_bot();
        assert_eq!(messages.iter().filter(|message| message.text.starts_with('❌')).count(), 1, "told once");
        self.names_once("InviteReleased").await?;
        assert_eq!(self.story_of("invite").await?, ["InviteCreated", "InviteRedeemed", "InviteReleased"]);
        assert_eq!(self.story_of("account").await?, ["AccountRegistered"]);
        let failed = self.events().await?.into_iter().find(|event| event.name == "LoginFailed");
        assert_eq!(failed.context("the event")?.payload["LoginFailed"]["reason"], reason);
        Ok(())
    }
}

/// A wrong account, wherever it lives.
async fn somebody_else_scans(dc: i32) -> Result<()> {
    let world = World::start().await?;
    let anna = world.telegram.accounts.get(ANNA).context("Anna")?;
    world.telegram.accounts.insert(Account { dc, ..anna });
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin(ILYA, &code).await?;
    world.phone(ANNA).scan(&world.link(ILYA, &session).await?).await?;

    let status = world.status_when(ILYA, &session, |status| status["status"] == "rejected").await?;
    let error = status["error"].as_str().context("why")?;
    assert!(error.starts_with("🚨 Вход подтвердил другой аккаунт. Ничего не подключено."), "{error}");
    assert!(status["token"].is_null());
    let told = world.person(ILYA).wait_for_message(|message| message.text.starts_with('🚨')).await?;
    assert!(
        told.text.starts_with(
            "🚨 Вход подтвердил другой аккаунт\n\nНичего не подключено. \
             Никогда не сканируйте чужие QR коды входа и не пересылайте свои"
        ),
        "{}",
        told.text
    );

    world.nothing_is_left(&[ILYA, ANNA]).await?;
    world.retired_keys_go().await?;
    assert_eq!(world.rows("users").await?, 1, "a stranger who scans becomes nobody's row");
    assert_eq!(world.story_of("login").await?, ["LoginStarted", "QrIssued", "AuthorizationRejected"]);
    assert_eq!(world.story_of("invite").await?, ["InviteCreated", "InviteRedeemed", "InviteReleased"]);
    assert_eq!(world.story_of("account").await?, ["AccountRegistered"]);

    // The use is free again: for her, too, if she asks herself.
    let hers = world.begin(ANNA, &code).await?;
    world.phone(ANNA).scan(&world.link(ANNA, &hers).await?).await?;
    world.status_when(ANNA, &hers, |status| status["status"] == "authorized").await?;
    Ok(())
}

#[tokio::test]
async fn another_account_that_scans_is_rejected_and_told_about() -> Result<()> {
    somebody_else_scans(2).await
}

#[tokio::test]
async fn another_account_of_another_data_centre_is_rejected_just_so() -> Result<()> {
    somebody_else_scans(4).await
}

#[tokio::test]
async fn cancel_in_the_chat_ends_the_login_once() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin(ILYA, &code).await?;
    let link = world.link(ILYA, &session).await?;

    let told = world.person(ILYA).ask("/cancel").await?;
    assert_eq!(told.text, CANCELLED);
    let status = world.status_when(ILYA, &session, |status| status["status"] == "cancelled").await?;
    assert_eq!(status["error"], "🚫 Вход отменён. Ничего не подключено, инвайт код не потрачен.");
    assert!(status["token"].is_null());

    // Again: there is nothing to cancel, and nothing happens.
    let again = world.person(ILYA).ask("/cancel").await?;
    assert_eq!(again.text, "ℹ️ Сейчас нет входа, который можно отменить");
    assert_eq!(world.story_of("login").await?, ["LoginStarted", "QrIssued", "LoginCancelled"]);
    world.names_once("InviteReleased").await?;
    world.nothing_is_left(&[ILYA]).await?;

    // A code that still hangs on somebody's screen lets nobody in for good.
    let _ = world.phone(ILYA).scan(&link).await;
    world.retired_keys_go().await?;
    world.nothing_is_left(&[ILYA]).await
}

#[tokio::test]
async fn cancel_on_the_page_ends_the_login_once_and_the_chat_says_so() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin(ILYA, &code).await?;
    world.link(ILYA, &session).await?;

    let named = json!({"session_id": session});
    let mut answers = Vec::new();
    for _ in 0..2 {
        let answer = world.post_as(ILYA, "/qr-auth/cancel", &named).send().await?;
        assert_eq!(answer.status(), 200);
        answers.push(answer.json::<Value>().await?);
    }
    assert_eq!(answers[0]["status"], "cancelled");
    assert_eq!(answers[0], answers[1], "the second cancel changes nothing");
    let told = world.person(ILYA).wait_for_message(|message| message.text.starts_with('🚫')).await?;
    assert_eq!(told.text, CANCELLED);

    world.names_once("InviteReleased").await?;
    world.nothing_is_left(&[ILYA]).await?;
    assert_eq!(world.story_of("login").await?, ["LoginStarted", "QrIssued", "LoginCancelled"]);
    let messages = world.person(ILYA).from_bot();
    assert_eq!(messages.iter().filter(|message| message.text == CANCELLED).count(), 1);
    let owner = world.events().await?.into_iter().find(|event| event.name == "LoginCancelled");
    let metadata = owner.context("the event")?.metadata;
    assert_eq!(Some(metadata.actor), metadata.account_id.map(|id| id.to_string()), "the person did it");
    Ok(())
}

#[tokio::test]
async fn a_login_without_an_invite_is_not_told_of_one_at_its_end() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let linked = world.begin(ILYA, &code).await?;
    world.phone(ILYA).scan(&world.link(ILYA, &linked).await?).await?;
    world.names_once("SubscriptionActivated").await?;

    let session = world.begin(ILYA, "").await?;
    world.link(ILYA, &session).await?;
    let told = world.person(ILYA).ask("/cancel").await?;
    assert_eq!(told.text, "🚫 Вход отменён\n\nНичего не подключено. Чтобы начать заново, отправьте /login");
    let status = world.status_when(ILYA, &session, |status| status["status"] == "cancelled").await?;
    assert_eq!(status["error"], "🚫 Вход отменён. Ничего не подключено.");

    // And those words are true.
    world.begin(ILYA, "").await?;
    Ok(())
}

/// Two logins of one person, with these codes; the first page's last status.
async fn one_after_the_other(world: &World, first: &str, second: &str) -> Result<(String, String)> {
    let old = world.begin(ILYA, first).await?;
    world.link(ILYA, &old).await?;
    let new = world.begin(ILYA, second).await?;
    let status = world.status_when(ILYA, &old, |status| status["status"] == "cancelled").await?;
    let error = status["error"].as_str().context("why")?;
    assert!(error.starts_with("🔁 Начат новый вход, этот отменён"), "{error}");
    let told = world.person(ILYA).wait_for_message(|message| message.text.starts_with('🔁')).await?;
    assert_eq!(told.text, SUPERSEDED);
    world.phone(ILYA).scan(&world.link(ILYA, &new).await?).await?;
    world.status_when(ILYA, &new, |status| status["status"] == "authorized").await?;
    world.names_once("SubscriptionActivated").await?;
    // Of the older one nothing is left.
    eventually("no attempt in the vault", async || Ok(world.rows("vault.attempts").await? == 0)).await?;
    world.retired_keys_go().await?;
    assert!(world.telegram.mtproto.calls("auth.logOut") > 1, "once more, when its last code is dead");
    assert_eq!(world.rows("vault.qr_tokens").await?, 0);
    assert_eq!((world.rows("vault.sessions").await?, world.session_files()?.len()), (1, 1));
    let mtproto = &world.telegram.mtproto;
    assert_eq!((mtproto.sessions_of(ILYA).len(), mtproto.hanging_acceptances()), (1, 0));
    Ok((old, new))
}

#[tokio::test]
async fn a_newer_login_with_the_same_code_moves_its_use() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let (old, new) = one_after_the_other(&world, &code, &code).await?;
    assert_ne!(old, new);
    assert_eq!(
        world.story_of("invite").await?,
        ["InviteCreated", "InviteRedeemed", "InviteRedeemed", "InviteUsed"],
        "moved: no second use, no release"
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
    one_after_the_other(&world, &first, &second).await?;
    world.names_once("InviteReleased").await?;
    let row: String = sqlx::query_scalar("select subscription_type from users where telegram_id = $1")
        .bind(ILYA)
        .fetch_one(world.db.pool())
        .await?;
    assert_eq!(row, "basic");
    let hers = world.begin(ANNA, &first).await?;
    world.phone(ANNA).scan(&world.link(ANNA, &hers).await?).await?;
    world.status_when(ANNA, &hers, |status| status["status"] == "authorized").await?;
    Ok(())
}
