//! One person who writes without end, and thousands of strangers: the others are answered.

use teloxide::types::UpdateKind;

use super::super::handler;
use super::delivery::message;
use super::*;

fn says(update_id: i64, person: i64, text: &str) -> UpdateKind {
    let update = message(update_id, text).to_string().replace(&ILYA.to_string(), &person.to_string());
    handler::read(&update).unwrap()
}

async fn queued(world: &World) -> Vec<(String, i16)> {
    sqlx::query_as("select body ->> 'text', priority from vault.outbox where body ? 'text' order by id")
        .fetch_all(world.chat.app.db.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_person_who_writes_without_end_is_told_so_once() {
    let world = World::silent(|_| {}).await;
    let ctx = world.ctx();
    for update_id in 1..=40 {
        handler::handle(&ctx, update_id, &says(update_id, ILYA, "hello")).await.unwrap();
    }
    let queued = queued(&world).await;
    assert_eq!(queued.len(), 11, "{queued:?}");
    assert!(queued[10].0.starts_with("⏳ Слишком много попыток"), "{queued:?}");
    world.hand.advance(Duration::from_secs(60));
    handler::handle(&ctx, 41, &says(41, ILYA, "hello")).await.unwrap();
    assert!(self::queued(&world).await[11].0.starts_with("🤔"), "there is room again");
}

#[tokio::test]
async fn strangers_fill_neither_the_outbox_nor_the_tables_and_whoever_is_known_comes_first() {
    let world = World::silent(|_| {}).await;
    let ctx = world.ctx();
    handler::handle(&ctx, 1, &says(1, ILYA, "/help")).await.unwrap();
    let limits = world.chat.app.tiers.limits(Tier::Basic);
    let grant =
        |at| AccountCommand::ChangeSubscription { tier: Tier::Basic, days: 0, limits, change_id: None, at };
    world.order(ILYA, grant).await;
    let sender = world.sender("test").await;
    let first = sender.claim(1, world.hand.now()).await.unwrap().remove(0);
    sender.sent(first.id, Some(1)).await.unwrap();

    for stranger in 1000..1300 {
        handler::handle(&ctx, stranger, &says(stranger, stranger, "hello")).await.unwrap();
    }
    handler::handle(&ctx, 2000, &says(2000, ILYA, "/help")).await.unwrap();

    assert_eq!(queued(&world).await.iter().filter(|(_, priority)| *priority == 1).count(), 100);
    let people: i64 = sqlx::query_scalar("select count(*) from vault.subjects")
        .fetch_one(world.chat.app.db.pool())
        .await
        .unwrap();
    assert_eq!(people, 101, "who is dropped is not registered");
    let next = sender.claim(1, world.hand.now()).await.unwrap();
    let is_ilyas = match next[0].to {
        messages::outbox::To::Chat(chat) => chat == ILYA,
        messages::outbox::To::Account(_) => true,
    };
    assert!(is_ilyas, "a person who is known comes first: {next:?}");
}
