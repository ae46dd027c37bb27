//! An admin has a view built again in the chat: asked first, shown how far it is, told the outcome.

use sqlx::PgConnection;

use super::*;

/// A reader for which every rebuild waits with everything built.
async fn old_reader(world: &World) -> PgConnection {
    let mut reader = testing::connection(&world.chat.app.db).await;
    let begin = "begin isolation level repeatable read; select 1 from checkpoints";
    sqlx::raw_sql(begin).execute(&mut reader).await.unwrap();
    reader
}

async fn forge(world: &World) {
    for slot in ["a", "b"] {
        let sql = format!("update slots.users_{slot} set first_name = 'Eve' where telegram_id = {ANNA}");
        sqlx::query(&sql).execute(world.chat.app.db.pool()).await.unwrap();
    }
}

/// Two people are registered, and one row is forged. Ilya, an admin, has been asked whether to rebuild.
async fn asked() -> (World, ChatPerson, i64) {
    let world = World::with(|chat| chat.admins = vec![ILYA]).await;
    let ilya = world.ilya();
    world.anna().ask("/help").await.unwrap();
    ilya.ask("/help").await.unwrap();
    testing::all_in_place(&world.chat.app.db).await;
    world.chat.app.catch_up().await.unwrap();
    forge(&world).await;
    let question = ilya.ask("/admin_rebuild users").await.unwrap();
    assert!(question.text.starts_with("🧱 Пересобрать таблицу users?"), "{}", question.text);
    assert!(question.text.contains("В таблице 2 записи, в журнале "), "{}", question.text);
    (world, ilya, question.message_id)
}

async fn shows(ilya: &ChatPerson, words: &str) -> Message {
    ilya.wait_for_message(|message| message.text.contains(words)).await.unwrap()
}

#[tokio::test]
async fn an_admin_chooses_a_table_is_asked_and_told_how_many_rows_differed() {
    let (world, ilya, _) = asked().await;
    ilya.press_button("Не нужно").await.unwrap();
    shows(&ilya, "👌 Таблица остаётся прежней").await;
    let list = ilya.ask("/admin_rebuild").await.unwrap();
    assert!(list.text.contains("• users: 2 записи"), "{}", list.text);
    ilya.press_button("users").await.unwrap();
    shows(&ilya, "никто не увидит ошибки").await;
    ilya.press_button("🔍 Только проверить").await.unwrap();
    let looked = shows(&ilya, "🔍 Таблица users проверена").await;
    assert_eq!(looked.message_id, list.message_id, "one message was edited from step to step");
    assert!(
        looked.text.ends_with("По журналу в ней 2 записи. Отличалось: 1 (не хватало 0, лишних 0)."),
        "{}",
        looked.text
    );

    let again = ilya.ask("/admin_rebuild users").await.unwrap();
    assert!(again.text.contains("В прошлый раз: "), "{}", again.text);
    ilya.press_button("🧱 Пересобрать").await.unwrap();
    let done = shows(&ilya, "✅ Таблица users пересобрана").await;
    assert!(done.text.contains("Отличалось: 1"), "{}", done.text);
    let ordered = world.events("RebuildOrdered").await;
    let admin = world.account(ILYA).await.to_string();
    assert!(ordered.len() == 2 && ordered.iter().all(|event| event.metadata.actor == admin));
    assert!(ordered.iter().all(|event| event.metadata.update_id.is_some()));

    let unknown = ilya.ask("/admin_rebuild user").await.unwrap();
    assert!(unknown.text.starts_with("❌ Нет таблицы user\n"), "{}", unknown.text);
}

#[tokio::test]
async fn another_process_goes_on_with_the_message_where_the_one_before_has_ended() {
    // 1. A rebuild waits, and the message says so. 2. The process of the chat dies. 3. The rebuild ends. 4. The next process
    // of the chat tells it.
    let (mut world, ilya, question) = asked().await;
    let reader = old_reader(&world).await;
    ilya.press_button("🧱 Пересобрать").await.unwrap();
    shows(&ilya, "Журнал прочитан").await;
    world.hush().await;
    drop(reader);
    let done = async {
        loop {
            let sql = "select count(*) from rebuild_runs where status = 'done'";
            let count: i64 = sqlx::query_scalar(sql).fetch_one(world.chat.app.db.pool()).await.unwrap();
            if count == 1 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), done).await.unwrap();
    assert_eq!(count(&ilya, "✅ Таблица"), 0);
    let _world = world.speak();
    let told = shows(&ilya, "✅ Таблица users пересобрана").await;
    assert_eq!(told.message_id, question);
}

#[tokio::test]
async fn an_admin_stops_a_rebuild_by_the_button_under_it() {
    let (world, ilya, question) = asked().await;
    let reader = old_reader(&world).await;
    ilya.press_button("🧱 Пересобрать").await.unwrap();
    shows(&ilya, "Журнал прочитан").await;
    ilya.press_button("⏹ Остановить").await.unwrap();
    let stopped = shows(&ilya, "🚫 Пересборка таблицы users остановлена").await;
    assert_eq!(stopped.message_id, question);
    assert_eq!(world.events("RebuildCancelled").await.len(), 1);
    drop(reader);
}

#[tokio::test]
async fn where_the_message_is_gone_the_outcome_alone_is_told_by_a_new_one() {
    let (world, ilya, question) = asked().await;
    let reader = old_reader(&world).await;
    ilya.press_button("🧱 Пересобрать").await.unwrap();
    shows(&ilya, "скоро начнётся").await;
    ilya.delete(question);
    let before = ilya.from_bot().len();
    drop(reader);
    let told = shows(&ilya, "✅ Таблица users пересобрана").await;
    assert_ne!(told.message_id, question);
    assert_eq!(ilya.from_bot().len(), before + 1);
    drop(world);
}

#[tokio::test]
async fn two_admins_do_not_rebuild_one_table_at_a_time() {
    let (world, ilya, _) = asked().await;
    let reader = old_reader(&world).await;
    ilya.press_button("🧱 Пересобрать").await.unwrap();
    shows(&ilya, "Журнал прочитан").await;
    let live = ilya.ask("/admin_rebuild users").await.unwrap();
    assert!(live.text.starts_with("🧱 Пересборка таблицы users"), "{}", live.text);
    assert_eq!(world.events("RebuildOrdered").await.len(), 1);
    drop(reader);
    shows(&ilya, "✅ Таблица users пересобрана").await;
}
