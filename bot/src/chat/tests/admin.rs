//! Admins: who they are, and the invites they make by buttons.

use super::*;

#[tokio::test]
async fn an_admin_makes_an_invite_by_buttons_and_it_can_be_redeemed() {
    let world = World::with(|chat| chat.admins = vec![ILYA]).await;
    let ilya = world.ilya();
    ilya.ask("/admin_invite").await.unwrap();
    ilya.press_button("Premium").await.unwrap();
    ilya.press_button("90 дней").await.unwrap();
    ilya.press_button("2 раза").await.unwrap();
    let made =
        ilya.wait_for_message(|message| message.text.starts_with("✅ Инвайт код создан")).await.unwrap();
    let code = made.text.lines().find_map(|line| line.strip_prefix("🔑 ")).unwrap();
    let link = format!("🔗 https://t.me/{}?start={code}\n", world.api.username());
    assert!(made.text.contains(&link), "{}", made.text);
    assert!(made.text.contains("🎁 Подписка: Premium, 90 дней\n👥 Использований: 2\n"), "{}", made.text);
    assert_eq!(ilya.from_bot().len(), 1, "the one message was edited from step to step");

    let card = world.anna().ask(&format!("/start {code}")).await.unwrap();
    assert!(card.text.starts_with("✅ Invite code accepted!"), "{}", card.text);
    let listed = world.invites().show(code).await.unwrap();
    assert_eq!(listed.invite.created_by, Some(world.account(ILYA).await));
    assert_eq!((listed.invite.subscription_days, listed.invite.max_uses), (90, 2));
}

#[tokio::test]
async fn whoever_is_no_admin_makes_no_invites() {
    let world = World::with(|chat| chat.admins = vec![ILYA]).await;
    let anna = world.anna();
    assert_eq!(anna.ask("/admin_invite").await.unwrap().text, "⛔ This command is for admins only");
    assert!(!anna.ask("/help").await.unwrap().text.contains("/admin_invite"));
    assert_eq!(world.events("InviteCreated").await.len(), 0);
    assert_eq!(world.events("RoleChanged").await.len(), 0);
}

#[tokio::test]
async fn the_list_of_commands_is_set_for_each_language_and_longer_for_admins() {
    let world = World::with(|chat| chat.admins = vec![ILYA]).await;
    let (ilya, anna) = (world.ilya(), world.anna());
    ilya.ask("/help").await.unwrap();
    let names = |person: &ChatPerson| -> Vec<String> {
        person.commands().into_iter().map(|command| command.command).collect()
    };
    let all = ["login", "subscription", "cancel", "logout", "debug_status", "debug_reset", "help"];
    let for_admins = [
        "admin_invite",
        "admin_users",
        "admin_user",
        "admin_grant",
        "admin_stats",
        "admin_block",
        "admin_unblock",
        "admin_role",
        "debug_test_phone",
    ];
    assert_eq!(names(&anna), all);
    assert_eq!(names(&ilya), [&all[..], &for_admins].concat());
    assert_eq!(anna.commands()[0].description, "Log in with an invite code");
    assert_eq!(ilya.commands()[0].description, "Войти по инвайт коду");
}

#[tokio::test]
async fn a_code_belongs_to_one_invite() {
    let world = World::silent(|_| {}).await;
    world.invite(Tier::Premium, CODE, 1).await;
    let invites = world.invites();
    let again = Order { code: Some(CODE.to_lowercase()), ..Order::new(Tier::Basic) };
    let error = invites.create(again, Context::tool("test")).await.unwrap_err();
    assert_eq!(error.to_string(), "this code belongs to another invite");
    let bad = Order { code: Some("short".to_owned()), ..Order::new(Tier::Basic) };
    let error = invites.create(bad, Context::tool("test")).await.unwrap_err();
    assert_eq!(error.to_string(), "an invite code is 12 characters A-Z and 0-9");
    let none = Order { max_uses: 0, ..Order::new(Tier::Basic) };
    assert!(invites.create(none, Context::tool("test")).await.is_err());
    assert!(invites.revoke("ABCDEFGHJKLM", Context::tool("test")).await.is_err());
}

#[tokio::test]
async fn an_admin_grants_a_subscription_once_however_often_it_is_delivered() {
    let world = World::with(|chat| chat.admins = vec![ANNA]).await;
    let (ilya, anna) = (world.ilya(), world.anna());
    ilya.ask("/help").await.unwrap();

    let done = anna.ask(&format!("/admin_grant {ILYA} premium 7")).await.unwrap();
    assert_eq!(done.text, format!("🎁 {ILYA}: Premium, 7 days"));
    ilya.wait_for_message(|message| message.text.starts_with("🎁 Администратор изменил")).await.unwrap();
    assert!(world.api.redeliver_last_update());
    anna.ask("/help").await.unwrap();
    assert_eq!(world.events("SubscriptionChanged").await.len(), 1);

    for wrong in ["/admin_grant", "/admin_grant 1", "/admin_grant 1 gold", "/admin_grant 1 basic x"] {
        assert!(anna.ask(wrong).await.unwrap().text.starts_with("🎁 What is to be granted"), "{wrong}");
    }
    assert!(anna.ask("/admin_grant 1 basic").await.unwrap().text.starts_with("🤷"));
}

#[tokio::test]
async fn an_admin_reads_who_is_there_and_how_many() {
    let world = World::with(|chat| chat.admins = vec![ANNA]).await;
    world.ilya().ask("/help").await.unwrap();
    let anna = world.anna();

    let people = anna.ask("/admin_users").await.unwrap().text;
    assert!(people.starts_with("👥 People: 2\n\n") && people.contains("139883458 Ilya: –"), "{people}");
    let person = anna.ask("/admin_user 139883458").await.unwrap().text;
    assert!(person.contains("139883458 Ilya") && person.contains("AccountRegistered"), "{person}");
    let counts = anna.ask("/admin_stats").await.unwrap().text;
    assert!(counts.contains("People: 2, linked: 0, blocked: 0\nSubscriptions: –"), "{counts}");

    for command in ["/admin_users", "/admin_user 1", "/admin_grant 1 basic", "/admin_stats"] {
        let refused = world.ilya().ask(command).await.unwrap().text;
        assert_eq!(refused, "⛔ Эта команда только для администраторов", "{command}");
    }
}

#[tokio::test]
async fn while_telegram_tells_everybody_to_wait_no_number_is_tried_by_a_code() {
    let world = World::with(|chat| chat.admins = vec![ANNA]).await;
    let (limits, soon) = (LoginLimits::new(&world.chat.app.db), world.hand.now() + Duration::from_secs(600));
    for person in 1..=3 {
        limits
            .codes_flooded(domain::AccountId(uuid::Uuid::from_u128(person)), soon, world.hand.now())
            .await
            .unwrap();
    }
    let anna = world.anna();
    let question = anna.ask("/debug_test_phone +79990000001").await.unwrap();
    anna.press_button("☎️ Try it").await.unwrap();
    let asked =
        |message: &Message| message.message_id == question.message_id && message.text != question.text;
    let told = anna.wait_for_message(asked).await.unwrap();
    assert_eq!(told.text, "⏳ Telegram asks to wait: 1 min.");
}
