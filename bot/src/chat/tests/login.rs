//! `/login CODE` and what follows from it in the chat.

use std::collections::BTreeMap;

use stand_in::accounts::Account;
use stand_in::bot_api::From;

use super::*;

const ACCEPTED: &str = "✅ Инвайт код принят!";

#[tokio::test]
async fn a_code_is_answered_with_what_it_gives_and_a_button_to_the_page() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let card = world.ilya().ask(&format!("/login {CODE}")).await.unwrap();
    assert_eq!(
        card.text,
        "\
✅ Инвайт код принят!

🎁 Подписка: Premium
📊 Лимиты:
  • Каналов: 50
  • Постов/день: 1000
  • RAG запросов/день: 1000

👇 Нажмите кнопку ниже для авторизации:

В Mini App будут доступны 3 способа:
  1. Сканировать QR код камерой
  2. Открыть deep link в Telegram
  3. Скопировать токен

⏰ QR код действителен 5 минут"
    );
    assert_eq!(card.button("🔐 Открыть QR авторизацию").unwrap().web_app_url(), card.web_app_url());
    let login = world.chat.app.store.load_login(&login_of(&card)).await.unwrap();
    assert_eq!(login.status(), Some(LoginStatus::Waiting));
}

#[tokio::test]
async fn a_code_is_read_without_regard_to_case_and_a_start_link_redeems_it_too() {
    let world = World::with(|chat| chat.one_phone_login = true).await;
    world.invite(Tier::Premium, CODE, 2).await;
    let card = world.ilya().ask(&format!("/login {}", CODE.to_lowercase())).await.unwrap();
    assert!(card.text.contains("доступны 4 способа"), "{}", card.text);
    let card = world.anna().ask(&format!("/start {CODE}")).await.unwrap();
    assert!(card.text.starts_with("✅ Invite code accepted!"), "{}", card.text);
}

#[tokio::test]
async fn a_code_alone_logs_in_however_it_is_written() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 3).await;
    let ilya = world.ilya();
    for written in ["3HBP4Z3ECICZ", "3hbp-4z3e-cicz", "/login 3hbp 4z3e cicz"] {
        let card = ilya.ask_for_card(written).await.unwrap();
        assert!(card.text.starts_with(ACCEPTED), "{written}: {}", card.text);
    }
    assert_eq!(world.events("LoginStarted").await.len(), 3);
}

/// 1. `/login` alone asks for the code, and the client opens the input field.
/// 2. What answers it is a code, also one that is none; the same words without the question are not.
#[tokio::test]
async fn a_login_without_a_code_asks_for_it() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    let question = ilya.ask("/login").await.unwrap();
    assert_eq!(question.asks_for_reply.as_deref(), Some("Инвайт код"));

    let replied = ilya.reply(question.message_id, "не знаю");
    let answer = ilya.wait_for_message(|it| it.message_id > replied).await.unwrap();
    assert!(answer.text.starts_with("❌ Инвайт код не найден"), "{}", answer.text);
    assert!(ilya.ask("не знаю").await.unwrap().text.starts_with("🤔"));
    let replied = ilya.reply(question.message_id, "3hbp 4z3e cicz");
    let card = ilya.wait_for_message(|it| it.message_id > replied).await.unwrap();
    assert!(card.text.starts_with(ACCEPTED), "{}", card.text);
}

#[tokio::test]
async fn a_subscription_is_shown_with_the_login_that_goes_on() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    ilya.ask(&format!("/login {CODE}")).await.unwrap();
    world.hand.advance(Duration::from_secs(61));
    let shown = ilya.ask("/subscription").await.unwrap().text;
    assert!(shown.starts_with("💎 У вас нет подписки\n\n"), "{shown}");
    assert!(shown.contains("\n\n🔐 Вход ещё не закончен: осталось 4 минуты."), "{shown}");
    ilya.ask("/cancel").await.unwrap();
    assert!(!ilya.ask("/subscription").await.unwrap().text.contains("🔐"));
}

#[tokio::test]
async fn codes_that_give_nothing_are_refused_with_the_reason() {
    let world = World::start().await;
    let ilya = world.ilya();
    let advice = "\n\nОбратитесь к администратору за новым кодом";
    let mut left = (7..10).rev();
    for wrong in ["ABCDEFGHJKLM", "короткий", "3HBP4Z3ECICZ0"] {
        let expected = format!("❌ Инвайт код не найден\n\nОсталось {} попыток.", left.next().unwrap());
        assert_eq!(ilya.ask(&format!("/login {wrong}")).await.unwrap().text, expected);
    }
    world.invite(Tier::Premium, CODE, 1).await;
    world.anna().ask(&format!("/login {CODE}")).await.unwrap();
    let used_up = ilya.ask(&format!("/login {CODE}")).await.unwrap();
    assert_eq!(used_up.text, format!("❌ Инвайт код уже использован{advice}"));

    world.invite(Tier::Premium, "REVKED234567", 1).await;
    world.invites().revoke("REVKED234567", Context::tool("test")).await.unwrap();
    let revoked = ilya.ask("/login REVKED234567").await.unwrap();
    assert_eq!(revoked.text, format!("❌ Инвайт код отозван{advice}"));

    world.invite(Tier::Premium, "EXPRED234567", 1).await;
    world.hand.advance(Duration::from_secs(31 * 24 * 3600));
    let expired = ilya.ask("/login EXPRED234567").await.unwrap();
    assert_eq!(expired.text, format!("❌ Срок действия инвайт кода истёк{advice}"));
}

#[tokio::test]
async fn of_200_people_who_send_one_code_at_once_150_get_in_and_50_hear_that_it_is_used_up() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 150).await;
    let crowd: Vec<_> = (0..200)
        .map(|number| {
            let account = Account::new(1_000 + number, "Someone", &format!("+7999100{number:04}"), 2);
            world.accounts.insert(Account { language_code: Some("ru".to_owned()), ..account });
            world.api.person(1_000 + number)
        })
        .collect();
    for person in &crowd {
        person.send(&format!("/login {CODE}"));
    }
    let mut answers = BTreeMap::new();
    for person in &crowd {
        let told = person.wait_for_message(|message| message.from == From::Bot).await.unwrap().text;
        *answers.entry(told.lines().next().unwrap().to_owned()).or_insert(0) += 1;
    }
    let expected = [(ACCEPTED.to_owned(), 150), ("❌ Инвайт код уже использован".to_owned(), 50)];
    assert_eq!(answers, BTreeMap::from(expected));
}

#[tokio::test]
async fn an_authorized_login_is_told_and_its_code_does_not_work_twice() {
    let world = World::start().await;
    let invite = world.invite(Tier::Premium, CODE, 5).await;
    let ilya = world.ilya();
    let card = ilya.ask(&format!("/login {CODE}")).await.unwrap();
    world.authorize(ILYA, invite, &login_of(&card)).await;
    let told =
        ilya.wait_for_message(|message| message.text.starts_with("✅ Авторизация успешна!")).await.unwrap();
    assert_eq!(told.text, "✅ Авторизация успешна!\n\n🎁 Подписка: Premium\n\nПодробнее: /subscription");
    assert_eq!(
        ilya.ask(&format!("/login {CODE}")).await.unwrap().text,
        "ℹ️ Вы уже использовали этот код\n\n💎 Сейчас активна подписка: Premium до 22.12.2024"
    );
    assert_eq!(
        ilya.ask("/subscription").await.unwrap().text,
        "\
💎 Ваша подписка

📊 Тариф: Premium
🔐 Статус: ✅ Активна

Лимиты:
  • Каналов: 50
  • Постов/день: 1000
  • RAG запросов/день: 1000
  • AI дайджесты: ✅

📅 Начало: 22.11.2024
⏳ Окончание: 22.12.2024 (осталось 30 дней)"
    );
    let again = ilya.ask("/login").await.unwrap();
    assert!(again.text.starts_with("🔐 Новый вход"), "{}", again.text);
    assert_ne!(login_of(&again), login_of(&card));
}

#[tokio::test]
async fn a_newer_login_ends_the_one_before_and_says_so() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    let first = ilya.ask(&format!("/login {CODE}")).await.unwrap();
    ilya.send(&format!("/login {CODE}"));
    ilya.wait_for_message(|message| message.text.starts_with("🔁 Начат новый вход, этот отменён"))
        .await
        .unwrap();
    let second = ilya
        .wait_for_message(|message| {
            message.message_id > first.message_id && message.text.starts_with(ACCEPTED)
        })
        .await
        .unwrap();
    let ended = world.chat.app.store.load_login(&login_of(&first)).await.unwrap();
    assert_eq!(ended.status(), Some(LoginStatus::Cancelled));
    let live = world.chat.app.store.load_login(&login_of(&second)).await.unwrap();
    assert_eq!(live.status(), Some(LoginStatus::Waiting));
}

#[tokio::test]
async fn a_cancelled_login_gives_its_use_back() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    assert!(ilya.ask("/cancel").await.unwrap().text.starts_with("ℹ️ Сейчас нет входа"));
    ilya.ask(&format!("/login {CODE}")).await.unwrap();
    let ended = ilya.ask("/cancel").await.unwrap();
    assert!(ended.text.starts_with("🚫 Вход отменён"), "{}", ended.text);
    let card = world.anna().ask(&format!("/login {CODE}")).await.unwrap();
    assert!(card.text.starts_with("✅ Invite code accepted!"), "{}", card.text);
    let told = ilya.from_bot().into_iter().filter(|it| it.edited.is_none() && it.text.starts_with("🚫"));
    assert_eq!(told.count(), 1, "beside the card");
}

#[tokio::test]
async fn another_tier_is_asked_about_before_anything_is_reserved() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    ilya.ask("/help").await.unwrap();
    let limits = world.chat.app.tiers.limits(Tier::Basic);
    world
        .order(ILYA, |at| AccountCommand::ChangeSubscription {
            tier: Tier::Basic,
            days: 30,
            limits,
            change_id: None,
            at,
        })
        .await;
    ilya.wait_for_message(|message| message.text.starts_with("🎁")).await.unwrap();

    let question = ilya.ask(&format!("/login {CODE}")).await.unwrap();
    assert!(
        question.text.starts_with("⚠️ У вас уже есть подписка\n\nСейчас: Basic до 22.12.2024\n"),
        "{}",
        question.text
    );
    assert_eq!(
        world
            .chat
            .app
            .store
            .load_invite(world.chat.app.vault.invite_of(CODE).await.unwrap().unwrap())
            .await
            .unwrap()
            .uses(),
        0
    );
    ilya.press_button("↩️ Оставить как есть").await.unwrap();
    ilya.wait_for_message(|message| message.text.starts_with("👌 Всё осталось как есть")).await.unwrap();

    ilya.ask(&format!("/login {CODE}")).await.unwrap();
    ilya.press_button("✅ Заменить на Premium").await.unwrap();
    let card = ilya.wait_for_message(|message| message.text.starts_with(ACCEPTED)).await.unwrap();
    let login = world.chat.app.store.load_login(&login_of(&card)).await.unwrap();
    assert_eq!(login.status(), Some(LoginStatus::Waiting));
}

#[tokio::test]
async fn the_eleventh_try_within_ten_minutes_waits() {
    let world = World::start().await;
    let ilya = world.ilya();
    let mut last = String::new();
    for _ in 0..10 {
        last = ilya.ask("/login ABCDEFGHJKLM").await.unwrap().text;
        assert!(last.starts_with("❌ Инвайт код не найден\n\n"), "{last}");
        world.hand.advance(Duration::from_secs(6));
    }
    assert!(last.ends_with("\n\nЭто была последняя попытка, следующая — через несколько минут."), "{last}");
    assert_eq!(
        ilya.ask("/login ABCDEFGHJKLM").await.unwrap().text,
        "⏳ Слишком много попыток\n\nПопробуйте снова через 9 минут"
    );
    let hers = world.anna().ask("/login ABCDEFGHJKLM").await.unwrap().text;
    assert_eq!(hers, "❌ Invite code not found\n\n9 tries left.");
    world.hand.advance(Duration::from_secs(9 * 60));
    assert!(ilya.ask("/login ABCDEFGHJKLM").await.unwrap().text.starts_with("❌ Инвайт код не найден"));
}

#[tokio::test]
async fn an_expired_login_is_told() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    ilya.ask(&format!("/login {CODE}")).await.unwrap();
    world.hand.advance(Duration::from_secs(301));
    ilya.wait_for_message(|message| message.text.starts_with("⏰ Время входа истекло")).await.unwrap();
    let ends: Vec<_> = world.events("LoginExpired").await;
    assert!(matches!(
        ends[0].event.as_ref().unwrap(),
        domain::Event::Login(LoginEvent::LoginExpired { attempt: 1, .. })
    ));
}

/// 1. Ilya's `/login` counts as a try; the database fails, and it is handled again, and again.
/// 2. The next one is not too many.
#[tokio::test]
async fn an_update_that_is_handled_again_counts_as_one_try() {
    let world = World::silent(|_| {}).await;
    let ctx = world.ctx();
    let handle = async |update_id| {
        let update = handler::read(&delivery::message(update_id, "/login 222222222222").to_string()).unwrap();
        handler::handle(&ctx, update_id, &update).await.unwrap();
    };
    for _ in 0..20 {
        handle(77).await;
    }
    handle(78).await;
    let answers: Vec<String> = sqlx::query_scalar("select body ->> 'text' from vault.outbox order by id")
        .fetch_all(world.chat.app.db.pool())
        .await
        .unwrap();
    let told = [9, 8].map(|left| format!("❌ Инвайт код не найден\n\nОсталось {left} попыток."));
    assert_eq!(answers, told);
}
