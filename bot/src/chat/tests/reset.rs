//! Who is forgotten by an admin is told so: once, whatever dies, and only if it comes to that.

use domain::{AccountId, Role};
use teloxide::types::UpdateKind;

use super::super::handler;
use super::delivery::message;
use super::*;

const PRESS: i64 = 9;

/// Anna, an admin, and Ilya, who has written once.
async fn ctx(world: &World) -> BotContext {
    let ctx = world.ctx();
    let help = handler::read(&message(1, "/help").to_string()).unwrap();
    handler::handle(&ctx, 1, &help).await.unwrap();
    send_all(world).await;

    let (vault, store, at) = (&world.chat.app.vault, &world.chat.app.store, world.hand.now());
    let anna = vault.subject_for(ANNA).await.unwrap();
    let (telegram_id, profile) = (anna.seal(&ANNA.to_string()), anna.seal("{}"));
    let register = AccountCommand::Register { account_id: anna.account_id, telegram_id, profile, at };
    for command in [register, AccountCommand::ChangeRole { role: Role::Admin, at }] {
        store.account(anna.account_id, command, Context::tool("test")).await.unwrap();
    }
    ctx
}

/// Anna presses the button that resets this account.
fn press(account: AccountId) -> UpdateKind {
    let anna = serde_json::json!({"id": ANNA, "is_bot": false, "first_name": "Anna", "language_code": "en"});
    let update = serde_json::json!({
        "update_id": PRESS,
        "callback_query": {
            "id": "1", "chat_instance": "1", "from": anna, "data": format!("reset:{account}"),
            "message": {
                "message_id": 5, "date": 1_790_000_000, "text": "⚠️",
                "chat": {"id": ANNA, "type": "private", "first_name": "Anna"},
            },
        },
    });
    handler::read(&update.to_string()).unwrap()
}

/// Sends what is in the outbox: what Ilya reads of it.
async fn send_all(world: &World) -> Vec<String> {
    let mut told = Vec::new();
    let sender = world.sender("test").await;
    loop {
        let messages = sender.claim(10, world.hand.now()).await.unwrap();
        if messages.is_empty() {
            return told;
        }
        for message in messages {
            if message.to == messages::outbox::To::Chat(ILYA) {
                told.push(message.body["text"].as_str().unwrap().to_owned());
            }
            sender.sent(message.id, Some(1)).await.unwrap();
        }
    }
}

/// What `app::erasure` does in the end, if it was ordered.
async fn carry_out(world: &World, account: AccountId) {
    if world.chat.app.store.load_account(account).await.unwrap().is_erased() {
        world.chat.app.vault.erase_subject(account).await.unwrap();
    }
}

/// 1. Anna resets Ilya; the process dies as soon as it would write to anybody.
/// 2. Whatever it has ordered is carried out.
/// 3. Another one handles the press, and a third one once more.
#[tokio::test]
async fn a_person_is_told_of_the_reset_once_though_the_process_dies() {
    let world = World::silent(|_| {}).await;
    let ctx = ctx(&world).await;
    let account = world.account(ILYA).await;
    let press = press(account);
    let dies =
        format!("alter table vault.outbox add constraint dies check (dedup_key not like 'update/{PRESS}/%')");
    sqlx::query(&dies).execute(world.chat.app.db.pool()).await.unwrap();
    handler::handle(&ctx, PRESS, &press).await.unwrap_err();
    carry_out(&world, account).await;
    sqlx::query("alter table vault.outbox drop constraint dies")
        .execute(world.chat.app.db.pool())
        .await
        .unwrap();

    let mut told = Vec::new();
    for _ in 0..2 {
        handler::handle(&ctx, PRESS, &press).await.unwrap();
        carry_out(&world, account).await;
        told.extend(send_all(&world).await);
    }

    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("🗑 Готово: мы вас забыли"), "{told:?}");
    assert!(world.chat.app.vault.subject_of(ILYA).await.unwrap().is_none());
    let left: i64 =
        sqlx::query_scalar("select count(*) from vault.outbox where chat = $1 or body is not null")
            .bind(ILYA)
            .fetch_one(world.chat.app.db.pool())
            .await
            .unwrap();
    assert_eq!(left, 0, "nothing names their chat");
}

#[tokio::test]
async fn nobody_is_told_of_a_reset_that_is_refused() {
    let world = World::silent(|_| {}).await;
    let ctx = ctx(&world).await;
    // Somebody who never was registered.
    let stranger = world.chat.app.vault.subject_for(42).await.unwrap();

    handler::handle(&ctx, PRESS, &press(stranger.account_id)).await.unwrap_err();

    let queued: i64 = sqlx::query_scalar("select count(*) from vault.outbox where chat = 42")
        .fetch_one(world.chat.app.db.pool())
        .await
        .unwrap();
    assert_eq!(queued, 0);
}
