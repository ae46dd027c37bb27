//! What stands still is told to the admins: once, in their language, without a name in it.

use domain::Role;

use super::*;

#[tokio::test]
async fn admins_are_told_once_that_a_row_stands_still_and_what_to_do() {
    let mut world = World::with(|chat| chat.admins = vec![ILYA]).await;
    let (ilya, anna) = (world.ilya(), world.anna());
    ilya.ask("/help").await.unwrap();
    anna.ask("/help").await.unwrap();
    for slot in ["a", "b"] {
        let bug = format!("alter table slots.users_{slot} add constraint bug check (role <> 'auditor')");
        sqlx::query(&bug).execute(world.chat.app.db.pool()).await.unwrap();
    }
    world.order(ANNA, |at| AccountCommand::ChangeRole { role: Role::Auditor, at }).await;
    let told = ilya.wait_for_message(|message| message.text.starts_with("⚠️")).await.unwrap();
    assert!(told.text.contains("Пока не учтено: 1 запись (users), начиная с позиции"), "{}", told.text);
    assert!(told.text.contains("replay unpark"), "{}", told.text);
    let account = world.account(ANNA).await.to_string();
    assert!(!told.text.contains("Anna") && !told.text.contains(&account), "{}", told.text);

    // Neither another process nor another event of the same minute says it again; the person is not told at all.
    world.hush().await;
    let world = world.speak();
    world.order(ANNA, |at| AccountCommand::Block { at }).await;
    ilya.ask("/help").await.unwrap();
    assert_eq!((count(&ilya, "⚠️"), count(&anna, "⚠️")), (1, 0));
}
