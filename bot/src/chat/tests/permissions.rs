//! Blocks and roles: who gives them, who is told, and what the settings say.

use domain::Role;

use super::*;

/// A word to the bot, and its answer. Of a changed role the bot may tell at any moment.
async fn say(person: &ChatPerson, text: &str) -> String {
    let sent = person.send(text);
    let notices = ["👮 Роль изменена", "👮 A role was changed"];
    let answers = |message: &Message| {
        message.message_id > sent && !notices.iter().any(|notice| message.text.starts_with(notice))
    };
    person.wait_for_message(answers).await.unwrap().text
}

async fn role_of(world: &World, person: i64) -> Role {
    world.chat.app.store.load_account(world.account(person).await).await.unwrap().role()
}

#[tokio::test]
async fn an_admin_blocks_and_unblocks_by_the_chat() {
    let world = World::with(|chat| chat.admins = vec![ILYA]).await;
    let (ilya, anna) = (world.ilya(), world.anna());
    say(&anna, "/help").await;
    assert_eq!(say(&ilya, "/admin_block").await, "⛔ Кого заблокировать?\n\n/admin_block ID");
    let anna_is = format!("Anna (@anna · {ANNA})");
    assert_eq!(
        say(&ilya, &format!("/admin_block {ANNA}")).await,
        format!("⛔ Доступ заблокирован: {anna_is}")
    );
    assert_eq!(say(&anna, "/subscription").await, "⛔ Access is blocked\n\nSupport: @support");
    assert_eq!(
        say(&ilya, &format!("/admin_unblock {ANNA}")).await,
        format!("🔓 Доступ снова открыт: {anna_is}")
    );
    assert!(say(&anna, "/subscription").await.starts_with("💎"));
    assert_eq!(say(&ilya, "/admin_block 42").await, ilya_nobody());
    let events = world.events("AccountBlocked").await;
    assert_eq!(events[0].metadata.actor, world.account(ILYA).await.to_string(), "the log says who did it");
}

fn ilya_nobody() -> String {
    (texts::Language::Russian.texts().account.nobody)("42")
}

#[tokio::test]
async fn every_admin_is_told_of_a_changed_role_and_the_person_as_well() {
    let world = World::with(|chat| chat.admins = vec![ILYA]).await;
    let (ilya, anna) = (world.ilya(), world.anna());
    say(&anna, "/help").await;
    say(&ilya, &format!("/admin_role {ANNA} admin")).await;
    let told = anna.wait_for_message(|message| message.text.contains("Anna (")).await.unwrap();
    let name = format!("(1{})", &ILYA.to_string()[1..]);
    assert!(
        told.text.starts_with(&format!("👮 A role was changed\n\nAnna ({ANNA}): admin")),
        "{}",
        told.text
    );
    assert!(told.text.contains(&name), "who did it: {}", told.text);
    assert!(say(&anna, "/admin_stats").await.starts_with("📈"));

    say(&anna, &format!("/admin_role {ANNA} user")).await;
    let told =
        |message: &Message| message.text.starts_with("👮 Роль изменена") && message.text.contains("Anna (");
    let told = ilya.wait_for_message(told).await.unwrap();
    assert!(told.text.contains(&format!("Anna ({ANNA}): обычный пользователь")), "{}", told.text);
    assert_eq!(say(&anna, "/admin_stats").await, "⛔ This command is for admins only");
    let commands: Vec<_> = anna.commands().into_iter().map(|command| command.command).collect();
    assert!(!commands.contains(&"admin_stats".to_owned()), "{commands:?}");
}

#[tokio::test]
async fn the_last_admin_cannot_be_removed() {
    let world = World::start().await;
    let (ilya, anna) = (world.ilya(), world.anna());
    say(&ilya, "/help").await;
    say(&anna, "/help").await;
    world.order(ILYA, |at| AccountCommand::ChangeRole { role: Role::Admin, at }).await;
    ilya.wait_for_message(|message| message.text.starts_with("👮")).await.unwrap();
    for order in [
        format!("/admin_role {ILYA} user"),
        format!("/admin_role {ILYA} auditor"),
        format!("/admin_block {ILYA}"),
    ] {
        assert!(say(&ilya, &order).await.starts_with("⚠️ Это последний администратор"), "{order}");
    }
    // A second admin who is blocked does not count.
    world.order(ANNA, |at| AccountCommand::ChangeRole { role: Role::Admin, at }).await;
    ilya.wait_for_message(|message| message.text.contains("Anna")).await.unwrap();
    world.order(ANNA, |at| AccountCommand::Block { at }).await;
    assert!(say(&ilya, &format!("/admin_role {ILYA} user")).await.starts_with("⚠️ Это последний"));
    world.order(ANNA, |at| AccountCommand::Unblock { at }).await;
    say(&ilya, &format!("/admin_role {ILYA} user")).await;
    assert_eq!(role_of(&world, ILYA).await, Role::User);
}

/// 1. Ilya and Anna are the only admins.
/// 2. Each takes the other's role at the same moment.
/// 3. One of them is left.
#[tokio::test]
async fn of_two_admins_who_remove_each_other_one_remains() {
    use app::people::permissions::PermissionOrder;
    let world = World::start().await;
    say(&world.ilya(), "/help").await;
    say(&world.anna(), "/help").await;
    for person in [ILYA, ANNA] {
        world.order(person, |at| AccountCommand::ChangeRole { role: Role::Admin, at }).await; // 1
    }
    let (ilya, anna, now) = (world.account(ILYA).await, world.account(ANNA).await, world.hand.now());
    let permissions = world.chat.app.permissions();
    let take =
        |from, by| permissions.order(from, PermissionOrder::Role(Role::User), &[], now, Context::by(by));
    let (first, second) = tokio::join!(take(anna, ilya), take(ilya, anna)); // 2
    let _ordered = (first.unwrap(), second.unwrap());
    let left = [role_of(&world, ILYA).await, role_of(&world, ANNA).await];
    assert_eq!(left.iter().filter(|role| **role == Role::Admin).count(), 1, "{left:?}"); // 3
}

#[tokio::test]
async fn whom_the_settings_name_no_longer_is_an_admin_only_by_an_order() {
    let mut world = World::with(|chat| chat.admins = vec![ILYA, ANNA]).await;
    say(&world.ilya(), "/help").await;
    say(&world.anna(), "/help").await;
    let refused = say(&world.ilya(), &format!("/admin_role {ANNA} user")).await;
    assert!(refused.starts_with("⚠️ Этот администратор назван в настройке ADMIN_IDS"), "{refused}");
    say(&world.ilya(), &format!("/admin_role {ANNA} admin")).await;

    world.hush().await;
    world.chat.admins = Vec::new();
    let over = "update vault.leases set expires_at = '-infinity' where name = 'poller'";
    sqlx::query(over).execute(world.chat.app.db.pool()).await.unwrap();
    world.tasks.push(tokio::spawn(run(world.chat.clone())));

    // Anna, whom an order made one, is told of Ilya, whom the settings alone had made one.
    let told = |message: &Message| {
        message.text.contains("by the setting ADMIN_IDS") && message.text.contains(": user")
    };
    world.anna().wait_for_message(told).await.unwrap();
    assert_eq!((role_of(&world, ILYA).await, role_of(&world, ANNA).await), (Role::User, Role::Admin));
    assert_eq!(say(&world.ilya(), "/admin_stats").await, "⛔ Эта команда только для администраторов");
    assert!(say(&world.anna(), "/admin_stats").await.starts_with("📈"));
    let changes = world.events("RoleChanged").await;
    let sources: Vec<_> =
        changes.iter().map(|event| event.payload["RoleChanged"]["source"].as_str()).collect();
    assert_eq!(sources, [None, None, Some("order"), None], "the log says which");
}

#[tokio::test]
async fn admins_and_auditors_open_the_admin_page_and_have_the_command_for_it() {
    let world = World::with(|chat| chat.admins = vec![ILYA]).await;
    let (ilya, anna) = (world.ilya(), world.anna());
    let names = |person: &ChatPerson| {
        person.commands().into_iter().map(|command| command.command).collect::<Vec<_>>()
    };
    let has_command = async |person: &ChatPerson, wanted: bool| {
        let changes = async {
            while names(person).contains(&"admin".to_owned()) != wanted {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), changes).await.is_ok()
    };
    let answer = ilya.ask("/admin").await.unwrap();
    let button = answer.button("🛠 Открыть приложение").unwrap();
    assert_eq!(button.web_app_url(), Some("https://login.example/admin"));
    assert!(names(&ilya).contains(&"admin".to_owned()));
    assert_eq!(say(&anna, "/admin").await, "⛔ This command is for admins only");

    // By an order that is not the bot's: the list of commands comes with the news.
    world.order(ANNA, |at| AccountCommand::ChangeRole { role: Role::Auditor, at }).await;
    assert!(has_command(&anna, true).await, "{:?}", names(&anna));
    assert!(!names(&anna).contains(&"admin_users".to_owned()), "{:?}", names(&anna));
    let answer = anna.ask("/admin").await.unwrap();
    assert!(answer.button("🛠 Open the app").is_some(), "{}", answer.text);
    world.order(ANNA, |at| AccountCommand::ChangeRole { role: Role::User, at }).await;
    assert!(has_command(&anna, false).await, "{:?}", names(&anna));
}
