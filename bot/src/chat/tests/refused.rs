//! Who was blocked, demoted or erased is refused at once, by every command and every button. A command or a button without a
//! row here fails the test.

use domain::{AccountId, Role};
use teloxide::types::UpdateKind;

use super::super::button::{Button, button_examples};
use super::super::commands::command_names;
use super::super::handler;
use super::delivery::message;
use super::*;

const BLOCKED: &str = "⛔ Доступ заблокирован\n\nПоддержка: @support";
const ADMINS_ONLY: &str = "⛔ Эта команда только для администраторов";

/// What a person has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    Access,
    Role,
    Everything,
}

/// Who may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    Everybody,
    Admins,
    /// Everybody for themselves, admins for others.
    AdminsForOthers,
}

fn command(name: &str) -> For {
    match name {
        "start" | "help" | "login" | "subscription" | "me" | "cancel" | "logout" | "forget" => For::Everybody,
        "debug_status" | "debug_reset" => For::AdminsForOthers,
        "debug_test_phone" | "admin" | "admin_users" | "admin_user" | "admin_grant" | "admin_stats"
        | "admin_invite" | "admin_block" | "admin_unblock" | "admin_role" | "admin_rebuild" => For::Admins,
        other => panic!("/{other} has no row"),
    }
}

fn button(button: &Button) -> For {
    match button {
        Button::Login(_) | Button::Help(_) | Button::History => For::Everybody,
        Button::Reset(_) => For::AdminsForOthers,
        Button::Invite(_) | Button::Phone(_) | Button::People(_) | Button::Rebuild(_) | Button::Undo(_) => {
            For::Admins
        }
    }
}

/// Ilya, who was an admin, and has lost something.
async fn world(lost: Lost) -> (World, BotContext, AccountId) {
    let world = World::silent(|_| {}).await;
    let ctx = world.ctx();
    let anna = message(1, "/help").to_string().replace(&ILYA.to_string(), &ANNA.to_string());
    for update in [anna, message(2, "/help").to_string()] {
        handler::handle(&ctx, 1, &handler::read(&update).unwrap()).await.unwrap();
    }
    world.order(ILYA, |at| AccountCommand::ChangeRole { role: Role::Admin, at }).await;
    let account = world.account(ILYA).await;
    match lost {
        Lost::Access => world.order(ILYA, |at| AccountCommand::Block { at }).await,
        Lost::Role => world.order(ILYA, |at| AccountCommand::ChangeRole { role: Role::User, at }).await,
        Lost::Everything => {
            world.order(ILYA, |at| AccountCommand::Erase { at }).await;
            world.chat.app.vault.erase_subject(account).await.unwrap();
        }
    }
    (world, ctx, account)
}

/// What the bot would say to this update.
async fn answer(world: &World, ctx: &BotContext, update_id: i64, update: &UpdateKind) -> Option<String> {
    handler::handle(ctx, update_id, update).await.unwrap();
    sqlx::query_scalar("select body ->> 'text' from vault.outbox where dedup_key = $1")
        .bind(format!("update/{update_id}/1"))
        .fetch_optional(world.chat.app.db.pool())
        .await
        .unwrap()
}

fn press(update_id: i64, data: &str) -> UpdateKind {
    let ilya = serde_json::json!({"id": ILYA, "is_bot": false, "first_name": "Ilya", "language_code": "ru"});
    let update = serde_json::json!({
        "update_id": update_id,
        "callback_query": {
            "id": "1", "chat_instance": "1", "from": ilya, "data": data,
            "message": {
                "message_id": 5, "date": 1_790_000_000, "text": "?",
                "chat": {"id": ILYA, "type": "private", "first_name": "Ilya"},
            },
        },
    });
    handler::read(&update.to_string()).unwrap()
}

#[tokio::test]
async fn every_command_refuses_whoever_lost_what_it_needs() {
    for lost in [Lost::Access, Lost::Role, Lost::Everything] {
        let (world, ctx, _) = world(lost).await;
        for (number, name) in (100..).zip(command_names()) {
            let needs = command(name);
            let text = format!("/{name} {ANNA} admin");
            let update = handler::read(&message(number, &text).to_string()).unwrap();
            let said = answer(&world, &ctx, number, &update).await;
            match (lost, needs) {
                (Lost::Access, _) => assert_eq!(said.as_deref(), Some(BLOCKED), "{name}"),
                // Who was erased and writes again is a new person, without a role.
                (_, For::Admins | For::AdminsForOthers) => {
                    assert_eq!(said.as_deref(), Some(ADMINS_ONLY), "{name} of {lost:?}");
                }
                (_, For::Everybody) => assert_ne!(said.as_deref(), Some(BLOCKED), "{name} of {lost:?}"),
            }
        }
        let anna = world.chat.app.store.load_account(world.account(ANNA).await).await.unwrap();
        assert_eq!((anna.role(), anna.is_blocked(), anna.is_erased()), (Role::User, false, false));
    }
}

#[tokio::test]
async fn every_button_refuses_whoever_lost_what_it_needs() {
    for lost in [Lost::Access, Lost::Role, Lost::Everything] {
        let (world, ctx, _) = world(lost).await;
        let of_anna = format!("reset:{}", world.account(ANNA).await);
        let declined =
            ["keep", "reset-not", "invite:stop", "phone:stop", "rebuild:not:users", "rebuild:do:users"];
        let buttons = button_examples().chain(declined).map(str::to_owned).chain([of_anna]);
        for (number, data) in (100..).zip(buttons) {
            let data = data.as_str();
            let needs = button(&Button::parse(data).unwrap());
            let said = answer(&world, &ctx, number, &press(number, data)).await;
            match (lost, needs) {
                (Lost::Access, _) => assert_eq!(said.as_deref(), Some(BLOCKED), "{data}"),
                (Lost::Role, For::Admins) => assert_eq!(said.as_deref(), Some(ADMINS_ONLY), "{data}"),
                (Lost::Role, _) => {}
                (Lost::Everything, For::AdminsForOthers) => assert!(said.is_some(), "{data}"),
                (Lost::Everything, _) => assert_eq!(said, None, "{data}"),
            }
        }
        assert_eq!(world.events("InviteCreated").await.len(), 0, "{lost:?}");
        assert_eq!(world.events("AccountRegistered").await.len(), 2, "{lost:?}: no press registers anybody");
        let anna = world.chat.app.store.load_account(world.account(ANNA).await).await.unwrap();
        assert!(!anna.is_erased(), "{lost:?}");
    }
}
