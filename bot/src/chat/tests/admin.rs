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
    assert!(made.text.contains("🎁 Подписка: Premium, 90 дней\n👥 Сработает 2 раза\n"), "{}", made.text);
    let marked = |it: &&stand_in::bot_api::Entity| it.kind == "code" && it.length == code.len();
    assert_eq!(made.entities.iter().filter(marked).count(), 1, "a tap copies the code");
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
    let all = ["login", "subscription", "me", "cancel", "logout", "forget", "help"];
    let for_admins = [
        "admin",
        "admin_invite",
        "admin_users",
        "admin_user",
        "admin_grant",
        "admin_stats",
        "admin_block",
        "admin_unblock",
        "admin_role",
        "admin_rebuild",
        "debug_status",
        "debug_reset",
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
    let expected =
        format!("🎁 Subscription granted: Ilya (@ilya · {ILYA})\n\nPremium until 29.11.2024 (7 days)");
    assert_eq!(done.text, expected);
    ilya.wait_for_message(|message| message.text.starts_with("🎁 Администратор изменил")).await.unwrap();
    assert!(world.api.redeliver_last_update());
    anna.ask("/help").await.unwrap();
    assert_eq!(world.events("SubscriptionChanged").await.len(), 1);

    for (wrong, said) in [
        ("/admin_grant", "🎁 Who gets which subscription?"),
        ("/admin_grant 1", "🎁 Who gets which subscription?"),
        ("/admin_grant 1 gold", "❌ There is no tier gold\n\n🎁 Who gets"),
        ("/admin_grant 1 basic x", "❌ The number of days must be a whole number, not “x”\n\n🎁 Who gets"),
    ] {
        let answer = anna.ask(wrong).await.unwrap().text;
        assert!(answer.starts_with(said), "{wrong}: {answer}");
    }
    assert!(anna.ask("/admin_grant 1 basic").await.unwrap().text.starts_with("🤷"));
}

#[tokio::test]
async fn an_admin_reads_who_is_there_and_how_many() {
    let world = World::with(|chat| chat.admins = vec![ANNA]).await;
    world.ilya().ask("/help").await.unwrap();
    let anna = world.anna();

    let people = anna.ask("/admin_users").await.unwrap().text;
    assert!(people.starts_with("👥 2 people\n\n") && people.contains("139883458 Ilya @ilya: –"), "{people}");
    let person = anna.ask("/admin_user 139883458").await.unwrap().text;
    assert!(person.contains("Ilya (@ilya) · 139883458") && person.contains("AccountRegistered"), "{person}");
    let counts = anna.ask("/admin_stats").await.unwrap().text;
    assert!(counts.contains("👥 2 people: 0 linked, 0 blocked\n💎 Active subscriptions: –\n"), "{counts}");

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
    anna.press_button("☎️ Check it").await.unwrap();
    let asked =
        |message: &Message| message.message_id == question.message_id && message.text != question.text;
    let told = anna.wait_for_message(asked).await.unwrap();
    assert_eq!(told.text, "⏳ Telegram asks to wait: 1 min.");
}

#[tokio::test]
async fn an_invite_by_words_skips_the_questions_and_names_what_is_wrong() {
    let world = World::with(|chat| chat.admins = vec![ILYA]).await;
    let ilya = world.ilya();
    let made = ilya.ask("/admin_invite premium 30 5").await.unwrap();
    assert!(made.text.contains("🎁 Подписка: Premium, 30 дней\n👥 Сработает 5 раз\n"), "{}", made.text);
    assert!(world.api.redeliver_last_update());
    let wrong = ilya.ask("/admin_invite gold 30 5").await.unwrap();
    assert!(wrong.text.starts_with("❌ Нет тарифа gold\n\n/admin_invite"), "{}", wrong.text);
    assert_eq!(world.events("InviteCreated").await.len(), 1);
    let asked = ilya.ask("/admin_invite basic").await.unwrap();
    assert!(asked.text.starts_with("🎟 Новый инвайт код: Basic\n\n"), "{}", asked.text);
}

/// 1. An order is taken back within a minute.  2. After that its button says that it is too late.
#[tokio::test]
async fn an_admin_takes_an_order_back_within_a_minute() {
    let world = World::with(|chat| chat.admins = vec![ILYA]).await;
    let (ilya, anna) = (world.ilya(), world.anna());
    anna.ask("/help").await.unwrap();
    let blocked = ilya.ask("/admin_block @anna").await.unwrap();
    assert_eq!(blocked.text, format!("⛔ Доступ заблокирован: Anna (@anna · {ANNA})"));
    ilya.press_button("↩️ Отменить").await.unwrap();
    let undone = ilya.wait_for_message(|it| it.text.starts_with("↩️ Отменено")).await.unwrap();
    assert_eq!(undone.text, format!("↩️ Отменено\n\n🔓 Доступ снова открыт: Anna (@anna · {ANNA})"));
    assert_eq!(undone.message_id, blocked.message_id);
    assert!(undone.keyboard.is_none());
    assert!(anna.ask("/subscription").await.unwrap().text.starts_with("💎"));

    let made = ilya.ask("/admin_invite premium 30 1").await.unwrap();
    ilya.press_button("↩️ Отозвать код").await.unwrap();
    let code = made.text.lines().find_map(|line| line.strip_prefix("🔑 ")).unwrap();
    ilya.wait_for_message(|it| it.text.contains(&format!("Инвайт код {code} отозван"))).await.unwrap();
    let refused = anna.ask(code).await.unwrap().text;
    assert!(refused.starts_with("❌ The invite code was revoked"), "{refused}");

    let blocked = ilya.ask(&format!("/admin_block {ANNA}")).await.unwrap();
    world.hand.advance(Duration::from_secs(61));
    let late = ilya.press_button("↩️ Отменить").await.unwrap();
    assert!(late.text.unwrap().starts_with("Минута прошла"));
    let now = ilya.from_bot().into_iter().find(|it| it.message_id == blocked.message_id).unwrap();
    assert_eq!(now.text, blocked.text);
    assert!(anna.ask("/subscription").await.unwrap().text.starts_with("⛔"));
}

/// 1. A subscription runs.  2. An admin grants another tier by mistake, and takes it back: the first one runs on.
#[tokio::test]
async fn a_grant_that_is_taken_back_leaves_the_subscription_before_it() {
    let world = World::with(|chat| chat.admins = vec![ANNA]).await;
    let (ilya, anna) = (world.ilya(), world.anna());
    ilya.ask("/help").await.unwrap();
    anna.ask("/admin_grant @ilya basic 10").await.unwrap();
    world.hand.advance(Duration::from_secs(24 * 3600));
    anna.ask("/admin_grant @ilya premium 365").await.unwrap();
    anna.press_button("↩️ Undo").await.unwrap();
    let undone = anna.wait_for_message(|it| it.text.starts_with("↩️ Undone")).await.unwrap().text;
    assert!(undone.ends_with("\n\nBasic until 02.12.2024 (9 days)"), "{undone}");
    ilya.send("/subscription");
    let shown = ilya.wait_for_message(|it| it.text.starts_with("💎")).await.unwrap().text;
    assert!(shown.contains("📊 Тариф: Basic\n🔐 Статус: ✅ Активна"), "{shown}");
    assert!(shown.contains("⏳ Окончание: 02.12.2024 (осталось 9 дней)"), "{shown}");
}

/// A grant of the same tier extends it; the subscription before is the one that runs again, and not for longer.
#[tokio::test]
async fn a_grant_of_the_same_tier_that_is_taken_back_leaves_the_end_as_it_was() {
    let world = World::with(|chat| chat.admins = vec![ANNA]).await;
    let (ilya, anna) = (world.ilya(), world.anna());
    ilya.ask("/help").await.unwrap();
    for (first, again, end) in
        [("premium 10", "premium 30", "until 02.12.2024 (10 days)"), ("premium 0", "basic 5", "unlimited")]
    {
        anna.ask(&format!("/admin_grant @ilya {first}")).await.unwrap();
        let granted = anna.ask(&format!("/admin_grant @ilya {again}")).await.unwrap();
        anna.press_button("↩️ Undo").await.unwrap();
        let is_undone =
            |it: &Message| it.message_id == granted.message_id && it.text.starts_with("↩️ Undone");
        let undone = anna.wait_for_message(is_undone).await.unwrap().text;
        assert!(undone.contains(end), "{undone}");
    }
}

/// Where there was no subscription before, there is none again.
#[tokio::test]
async fn a_first_grant_that_is_taken_back_leaves_no_subscription() {
    let world = World::with(|chat| chat.admins = vec![ANNA]).await;
    let (ilya, anna) = (world.ilya(), world.anna());
    ilya.ask("/help").await.unwrap();
    anna.ask("/admin_grant @ilya premium").await.unwrap();
    anna.press_button("↩️ Undo").await.unwrap();
    assert!(world.api.redeliver_last_update());
    let undone = anna.wait_for_message(|it| it.text.starts_with("↩️ Undone")).await.unwrap().text;
    assert_eq!(undone, format!("↩️ Undone\n\n💎 Without a subscription again: Ilya (@ilya · {ILYA})"));
    anna.ask("/help").await.unwrap();
    let me = anna.ask("/debug_status @ilya").await.unwrap().text;
    assert!(me.contains("💎 Subscription: ended"), "{me}");
    assert_eq!(world.events("SubscriptionRevoked").await.len(), 1);
}

#[tokio::test]
async fn the_list_of_people_is_turned_by_buttons() {
    let world = World::with(|chat| chat.admins = vec![ILYA]).await;
    let ilya = world.ilya();
    ilya.ask("/help").await.unwrap();
    let at = world.hand.now();
    for number in 1..=25_i64 {
        let subject = world.chat.app.vault.subject_for(1_000_000 + number).await.unwrap();
        let profile = subject.seal(&format!(r#"{{"first_name":"Person {number}"}}"#));
        let (account_id, telegram_id) = (subject.account_id, subject.seal(&(1_000_000 + number).to_string()));
        let register = AccountCommand::Register { account_id, telegram_id, profile, at };
        world.chat.app.store.account(account_id, register, Context::tool("test")).await.unwrap();
    }
    let first = ilya.ask("/admin_users").await.unwrap();
    assert!(first.text.starts_with("👥 26 человек\n\n"), "{}", first.text);
    assert!(first.button("◀️ Новее").is_none());
    ilya.press_button("Раньше ▶️").await.unwrap();
    let second = ilya.wait_for_message(|it| it.button("◀️ Новее").is_some()).await.unwrap();
    assert_eq!(second.message_id, first.message_id);
    assert!(second.button("Раньше ▶️").is_none() && second.button("◀️ Новее").is_some());
    let lines =
        |text: &str| text.lines().skip(2).map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    let all: std::collections::BTreeSet<_> =
        lines(&first.text).union(&lines(&second.text)).cloned().collect();
    assert_eq!(all.len(), 26, "each of them once");

    let found = ilya.ask("/admin_users person 17").await.unwrap();
    assert!(found.text.starts_with("🔎 person 17\n\n1000017 Person 17: –"), "{}", found.text);
    let many = ilya.ask("/admin_users person").await.unwrap();
    ilya.press_button("Раньше ▶️").await.unwrap();
    let rest =
        ilya.wait_for_message(|it| it.message_id == many.message_id && it.text != many.text).await.unwrap();
    assert_eq!(lines(&many.text).union(&lines(&rest.text)).count(), 25);
    let nobody = ilya.ask("/admin_users никто").await.unwrap();
    assert!(nobody.text.contains("Никого не нашлось"), "{}", nobody.text);
}

#[tokio::test]
async fn the_bot_types_while_telegram_is_asked_about_a_number() {
    let world = World::with(|chat| chat.admins = vec![ANNA]).await;
    let anna = world.anna();
    anna.ask("/debug_test_phone +14155550123").await.unwrap();
    assert_eq!(world.api.count_calls("sendChatAction"), 0);
    anna.press_button("☎️ Check it").await.unwrap();
    anna.wait_for_message(|it| it.text.starts_with("😔")).await.unwrap();
    assert!(world.api.count_calls("sendChatAction") > 0);
}
