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
        "читать ваши чаты и действовать от вашего имени",
        "/logout",
        "«qr-login»",
        "пришлите инвайт код",
        "/help",
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
    assert!(ilya.ask("/login").await.unwrap().text.starts_with("🔑 Чтобы войти, отправьте инвайт код"));
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
    assert!(unlimited.text.ends_with("\n⏳ Срок: бессрочно"), "{}", unlimited.text);
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

#[tokio::test]
async fn the_help_has_chapters_that_take_each_others_place() {
    let world = World::with(|chat| chat.admins = vec![ILYA]).await;
    let (ilya, anna) = (world.ilya(), world.anna());
    let help = anna.ask("/help").await.unwrap();
    for part in ["🔓 What the service can access", "🔌 How to end it", "/logout", "/login CODE"] {
        assert!(help.text.contains(part), "{}", help.text);
    }
    anna.press_button("🛡 Staying safe").await.unwrap();
    let safety = anna.wait_for_message(|it| it.text.starts_with("🛡")).await.unwrap();
    assert_eq!(safety.message_id, help.message_id);
    assert!(safety.entities.iter().any(|it| it.kind == "blockquote"), "{:?}", safety.entities);
    anna.press_button("← Back").await.unwrap();
    anna.wait_for_message(|it| it.text == help.text).await.unwrap();
    assert!(help.button("🛠 For admins").is_none());
    assert_eq!(anna.from_bot().len(), 1);

    ilya.ask("/help").await.unwrap();
    ilya.press_button("🛠 Администратору").await.unwrap();
    let admins = ilya.wait_for_message(|it| it.text.starts_with("🛠")).await.unwrap();
    assert!(admins.text.contains("/admin_invite"), "{}", admins.text);
}

#[tokio::test]
async fn a_person_reads_what_is_known_of_them_in_words_and_an_admin_the_events_too() {
    let world = World::with(|chat| chat.admins = vec![ANNA]).await;
    world.invite(Tier::Premium, CODE, 1).await;
    let (ilya, anna) = (world.ilya(), world.anna());
    ilya.ask(&format!("/login {CODE}")).await.unwrap();
    for command in ["/me", "/debug_status"] {
        let told = ilya.ask(command).await.unwrap().text;
        let known = "👤 Что о вас известно\n\nIlya (@ilya) · 139883458\n💎 Подписка: нет\n🔗 Аккаунт Telegram: не подключён\n\
                     🔐 Вход ещё не закончен: осталось 5 минут\n\n🕘 Что было\n";
        assert!(told.starts_with(known), "{told}");
        assert!(told.contains(" вход начат\n") && told.ends_with("\nВремя: MSK"), "{told}");
        let account = world.account(ILYA).await.to_string();
        assert!(!told.contains("LoginStarted") && !told.contains(&account), "{told}");
    }
    for id in [ILYA.to_string(), "@ILYA".to_owned(), world.account(ILYA).await.to_string()] {
        let told = anna.ask(&format!("/debug_status {id}")).await.unwrap().text;
        assert!(told.starts_with("👤 Account\n\nIlya (@ilya) · 139883458\n"), "{told}");
        assert!(told.contains(" LoginStarted") && told.contains("👮 Role: user"), "{told}");
    }
    // One minute by the clock of this test: it is one read, however the person is named.
    anna.ask(&format!("/admin_user {ILYA}")).await.unwrap();
    anna.ask(&format!("/debug_status {ANNA}")).await.unwrap();
    anna.ask("/debug_status").await.unwrap();
    let reads = world.events("AuditRead").await;
    let who: Vec<_> = reads.iter().map(|it| (it.metadata.actor.clone(), it.metadata.account_id)).collect();
    assert_eq!(who, [(world.account(ANNA).await.to_string(), Some(world.account(ILYA).await))]);
    let told = ilya.ask("/me").await.unwrap().text;
    assert!(told.contains(" вход начат\n") && told.contains(" историю просматривали\n"), "{told}");

    let nobody = anna.ask("/debug_status @nobody").await.unwrap().text;
    assert!(nobody.starts_with("🤷 Nobody found: @nobody"), "{nobody}");
}

#[tokio::test]
async fn me_and_subscription_have_a_button_to_the_persons_own_page() {
    let world = World::start().await;
    for command in ["/me", "/subscription"] {
        let told = world.ilya().ask(command).await.unwrap();
        assert_eq!(told.web_app_url(), Some("https://login.example/me"), "{command}");
        assert!(told.button("📄 Открыть мою страницу").is_some(), "{command}");
    }
    assert_eq!(world.ilya().ask("/debug_status").await.unwrap().web_app_url(), None);
}

#[tokio::test]
async fn a_person_is_forgotten_after_a_question() {
    let world = World::start().await;
    let ilya = world.ilya();
    ilya.ask("/start").await.unwrap();
    let question = ilya.ask("/forget").await.unwrap();
    assert!(question.text.starts_with("⚠️ Забыть вас?\n\n"), "{}", question.text);
    ilya.press_button("↩️ Оставить как есть").await.unwrap();
    ilya.wait_for_message(|it| it.text.starts_with("👌")).await.unwrap();
    assert_eq!(world.events("AccountErased").await.len(), 0);
    ilya.ask("/forget").await.unwrap();
    ilya.press_button("🗑 Забыть меня").await.unwrap();
    ilya.wait_for_message(|it| it.text.starts_with("🗑 Готово: мы вас забыли")).await.unwrap();
    assert_eq!(world.events("AccountErased").await.len(), 1);
}

/// What a person calls themselves is shown as they wrote it, and never read as markup.
#[tokio::test]
async fn a_name_cannot_become_markup() {
    let world = World::start().await;
    let name = "<b>Ilya</b> *x* [y](tg://user?id=1) &amp;";
    let ilya = world.accounts.get(ILYA).unwrap();
    world.accounts.insert(stand_in::accounts::Account { first_name: name.to_owned(), ..ilya });
    let start = world.ilya().ask("/start").await.unwrap();
    assert!(start.text.starts_with(&format!("👋 Здравствуйте, {name}!\n\n")), "{}", start.text);
    let kinds: Vec<_> = start.entities.iter().map(|it| it.kind.as_str()).collect();
    assert!(kinds.iter().all(|kind| ["bold", "bot_command"].contains(kind)), "{kinds:?}");
    let bold = start.entities.iter().find(|it| it.kind == "bold").unwrap();
    assert_eq!((bold.offset, bold.length), (0, format!("👋 Здравствуйте, {name}!").encode_utf16().count()));
}

#[tokio::test]
async fn the_bot_describes_itself_in_each_language_and_only_where_that_is_news() {
    let mut world = World::start().await;
    world.ilya().ask("/start").await.unwrap();
    let told = |language: &str| world.api.profile_text("description", language).unwrap();
    assert!(told("ru").starts_with("Подключаю аккаунт Telegram"), "{}", told("ru"));
    assert!(told("").starts_with("I link your Telegram account"), "{}", told(""));
    assert!(world.api.profile_text("short_description", "ru").unwrap().chars().count() <= 120);
    let set = world.api.count_calls("setMyDescription");
    world.hush().await;
    let world = world.speak();
    world.ilya().ask("/help").await.unwrap();
    assert_eq!(world.api.count_calls("setMyDescription"), set);
}
