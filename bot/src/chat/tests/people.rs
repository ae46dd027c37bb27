//! Who is who: registered, blocked, in a group, without a subscription.

use domain::account::AccountEvent;

use super::*;

#[tokio::test]
async fn a_first_message_registers_and_a_second_changes_nothing() {
    let world = World::start().await;
    let ilya = world.ilya();
    let help = ilya.ask("/start").await.unwrap();
    for part in [
        "👋 Здравствуйте, Ilya!",
        "🔓 Какой доступ получит сервис",
        "🔌 Как отключить",
        "«qr-login»",
        "/login КОД",
    ] {
        assert!(help.text.contains(part), "{}", help.text);
    }
    ilya.ask("/help").await.unwrap();
    ilya.ask("/subscription").await.unwrap();
    let registered = world.events("AccountRegistered").await;
    assert_eq!(registered.len(), 1);
    assert_eq!(world.events("ProfileChanged").await.len(), 0);
    let payload = registered[0].payload.to_string();
    assert!(!payload.contains("Ilya") && !payload.contains(&ILYA.to_string()), "{payload}");
    let Ok(domain::Event::Account(AccountEvent::AccountRegistered { profile, .. })) = &registered[0].event
    else {
        panic!("{registered:?}");
    };
    let subject = world.chat.app.vault.subject_of(ILYA).await.unwrap().unwrap();
    assert_eq!(
        subject.open(profile).unwrap(),
        r#"{"first_name":"Ilya","last_name":null,"username":"ilya","language_code":"ru"}"#
    );
}

#[tokio::test]
async fn a_group_is_sent_to_the_private_chat_and_no_code_is_repeated() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    world.ilya().send_in_group(&format!("/login@{} {CODE}", world.api.username()));
    let answer = world.ilya().wait_for_group_message(|_| true).await.unwrap();
    assert_eq!(answer.text, "👋 Я отвечаю только в личном чате. Напишите мне туда.");
    assert!(!format!("{answer:?}").contains(CODE));
    assert_eq!(world.events("InviteRedeemed").await.len(), 0);
    assert_eq!(world.events("AccountRegistered").await.len(), 0);
}

#[tokio::test]
async fn a_blocked_person_is_refused_everything() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    ilya.ask("/start").await.unwrap();
    world.order(ILYA, |at| AccountCommand::Block { at }).await;
    for command in ["/start", &format!("/login {CODE}"), "/subscription", "/cancel", "hello"] {
        let answer = ilya.ask(command).await.unwrap();
        assert_eq!(answer.text, "⛔ Доступ заблокирован\n\nПоддержка: @support", "{command}");
    }
    assert_eq!(world.events("InviteRedeemed").await.len(), 0);
}

#[tokio::test]
async fn a_person_without_a_subscription_is_told_how_to_begin() {
    let world = World::start().await;
    let ilya = world.ilya();
    let stranger = ilya.ask("/subscription").await.unwrap();
    assert!(stranger.text.starts_with("👋 Мы ещё не знакомы."), "{}", stranger.text);
    let known = ilya.ask("/subscription").await.unwrap();
    assert_eq!(known.text, "💎 У вас нет подписки\n\nЧтобы начать, отправьте /login КОД");
    assert!(ilya.ask("/login").await.unwrap().text.starts_with("🔑 Чтобы войти, отправьте команду"));
}

#[tokio::test]
async fn an_unlimited_subscription_and_one_that_is_over_read_as_such() {
    let world = World::start().await;
    let ilya = world.ilya();
    ilya.ask("/start").await.unwrap();
    let limits = world.chat.app.tiers.limits(Tier::Premium);
    let grant = |days| {
        move |at| AccountCommand::ChangeSubscription {
            tier: Tier::Premium,
            days,
            limits,
            change_id: None,
            at,
        }
    };
    world.order(ILYA, grant(7)).await;
    ilya.wait_for_message(|message| message.text.starts_with("🎁")).await.unwrap();
    world.hand.advance(Duration::from_secs(7 * 24 * 3600 + 1));
    let over = ilya.wait_for_message(|message| message.text.contains("🔐 Статус: ❌ Истекла")).await.unwrap();
    assert!(over.text.starts_with("💎 Ваша подписка\n\n📊 Тариф: Premium\n"), "{}", over.text);
    let asked = ilya.ask("/subscription").await.unwrap();
    assert!(asked.text.contains("🔐 Статус: ❌ Истекла\n\nЛимиты:\n  • Каналов: 50\n"), "{}", asked.text);

    world.order(ILYA, grant(0)).await;
    ilya.wait_for_message(|message| message.message_id > asked.message_id).await.unwrap();
    let unlimited = ilya.ask("/subscription").await.unwrap();
    assert!(unlimited.text.contains("🔐 Статус: ✅ Активна"), "{}", unlimited.text);
    assert!(unlimited.text.ends_with("\n⏳ Срок: Безлимитная"), "{}", unlimited.text);
}

#[tokio::test]
async fn what_is_no_command_is_answered_with_the_way_to_help() {
    let world = World::start().await;
    let answer = world.anna().ask("/frobnicate now").await.unwrap();
    assert_eq!(answer.text, "🤔 There is no such command\n\nWhat I can do: /help");
    world.anna().share_contact();
    let next = world.anna().ask("/subscription").await.unwrap();
    assert!(next.text.contains("💎 You have no subscription"), "{}", next.text);
}
