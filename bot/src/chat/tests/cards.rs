//! A login's card through its life: one message, edited in place, that never says anything else than the login does.

use domain::InviteGrant;
use domain::login::{CancelReason, CodeVia, FailReason, Method};
use stand_in::bot_api::From;

use super::super::handler;
use super::delivery::message;
use super::*;

/// What happens to the first attempt of a login.
async fn happens(world: &World, login: &LoginId, command: impl FnOnce(Timestamp) -> LoginCommand) {
    let command = command(world.hand.now());
    world.chat.app.store.login(login, command, Context::system()).await.unwrap();
}

/// The card of this login as it stands now, once it is like this.
async fn card_is(person: &ChatPerson, card: &Message, wanted: impl Fn(&Message) -> bool) -> Message {
    person.wait_for_message(|it| it.message_id == card.message_id && wanted(it)).await.unwrap()
}

fn has_button(card: &Message) -> bool {
    card.web_app_url().is_some()
}

/// The bot's messages that were sent after this one.
fn sent_after(person: &ChatPerson, message: &Message) -> Vec<String> {
    let later = person.from_bot().into_iter().filter(|it| it.message_id > message.message_id);
    later.map(|it| it.text).collect()
}

/// Asks for something else, whose answer comes behind everything that was queued before.
async fn catch_up(person: &ChatPerson) {
    person.ask("/help").await.unwrap();
}

async fn grant_of(world: &World, login: &LoginId) -> Option<InviteGrant> {
    world.chat.app.store.load_login(login).await.unwrap().invite()
}

#[tokio::test]
async fn a_card_says_what_telegram_asks_for_and_then_that_it_is_done() {
    let world = World::start().await;
    let invite = world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    let card = ilya.ask(&format!("/login {CODE}")).await.unwrap();
    let login = login_of(&card);
    let head = "✅ Инвайт код принят!\n\n🎁 Подписка: Premium\n📊 Лимиты:\n";

    happens(&world, &login, |at| LoginCommand::RecordCode {
        attempt: 1,
        via: CodeVia::App,
        length: Some(5),
        at,
    })
    .await;
    let asked = card_is(&ilya, &card, |it| it.text.contains("💬 Telegram прислал код входа")).await;
    assert!(asked.text.starts_with(head) && has_button(&asked), "{}", asked.text);
    happens(&world, &login, |at| LoginCommand::RequestPassword { attempt: 1, at }).await;
    let asked = card_is(&ilya, &card, |it| it.text.contains("🔑 Остался облачный пароль")).await;
    assert!(asked.text.starts_with(head) && has_button(&asked), "{}", asked.text);
    assert_eq!(sent_after(&ilya, &card), Vec::<String>::new());

    world.authorize(ILYA, invite, &login).await;
    let done = card_is(&ilya, &card, |it| it.text.ends_with("🔓 Вход выполнен, аккаунт подключён")).await;
    assert!(done.text.starts_with(head) && !has_button(&done), "{}", done.text);
    // The person hears of it by a message, which an edit is none.
    let told = "✅ Авторизация успешна!\n\n🎁 Подписка: Premium\n\nПодробнее: /subscription";
    assert_eq!(sent_after(&ilya, &card), [told]);
    let styled = ilya.from_bot().pop().unwrap().entities;
    assert_eq!((styled[0].kind.as_str(), styled[0].offset, styled[0].length), ("bold", 0, 22));
}

#[tokio::test]
async fn a_login_that_ends_by_itself_is_told_by_its_card_alone() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 9).await;
    let ilya = world.ilya();
    let expired = ilya.ask_for_card(&format!("/login {CODE}")).await.unwrap();
    world.hand.advance(Duration::from_secs(301));
    card_is(&ilya, &expired, |it| it.text.starts_with("⏰ Время входа истекло\n\n") && !has_button(it)).await;

    let failed = ilya.ask_for_card(&format!("/login {CODE}")).await.unwrap();
    let reason = FailReason::FloodWait;
    happens(&world, &login_of(&failed), |at| LoginCommand::Fail { attempt: 1, reason, at }).await;
    card_is(&ilya, &failed, |it| it.text.starts_with("❌ Не удалось войти\n\n") && !has_button(it)).await;

    let cancelled = ilya.ask_for_card(&format!("/login {CODE}")).await.unwrap();
    let reason = CancelReason::Person;
    happens(&world, &login_of(&cancelled), |at| LoginCommand::Cancel { attempt: 1, reason, at }).await;
    let told = card_is(&ilya, &cancelled, |it| it.text.starts_with("🚫 Вход отменён\n\n")).await;
    assert!(!has_button(&told) && told.text.contains("/login КОД"), "{}", told.text);

    catch_up(&ilya).await;
    let sent = ilya.from_bot().len();
    assert_eq!(sent, 4, "three cards and the help: {:?}", ilya.from_bot());
}

#[tokio::test]
async fn a_cancel_in_the_chat_is_answered_and_its_card_says_so_in_a_word() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    let card = ilya.ask(&format!("/login {CODE}")).await.unwrap();
    let answer = ilya.ask("/cancel").await.unwrap();
    assert!(answer.text.starts_with("🚫 Вход отменён\n\nНичего не подключено"), "{}", answer.text);
    card_is(&ilya, &card, |it| it.text == "🚫 Вход отменён" && !has_button(it)).await;
    catch_up(&ilya).await;
    assert_eq!(sent_after(&ilya, &card).len(), 2, "the answer and the help");
}

#[tokio::test]
async fn a_card_that_a_newer_login_ended_says_so_above_the_newer_card() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    let first = ilya.ask_for_card(&format!("/login {CODE}")).await.unwrap();
    let second = ilya.ask_for_card(&format!("/login {CODE}")).await.unwrap();
    card_is(&ilya, &first, |it| it.text.starts_with("🔁 Начат новый вход, этот отменён") && !has_button(it))
        .await;
    assert_eq!(sent_after(&ilya, &second), Vec::<String>::new(), "nothing stands below the newer card");
    assert!(has_button(&ilya.from_bot().pop().unwrap()));
}

#[tokio::test]
async fn another_account_is_warned_of_and_the_card_names_it() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    let card = ilya.ask(&format!("/login {CODE}")).await.unwrap();
    happens(&world, &login_of(&card), |at| LoginCommand::Reject { attempt: 1, confirmed_by: None, at }).await;
    let named = "🚨 Вход подтвердил другой аккаунт\n\nНичего не подключено.";
    card_is(&ilya, &card, |it| it.text == named && !has_button(it)).await;
    let warning = sent_after(&ilya, &card);
    assert!(warning[0].contains("Никогда не сканируйте чужие QR коды"), "{warning:?}");
    assert_eq!(warning.len(), 1);
}

/// 1. A login expires.  2. Its person tries again on the page: the same card has its button again.  3. It succeeds.
#[tokio::test]
async fn a_retry_turns_the_same_card_live_again() {
    let world = World::start().await;
    let invite = world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    let card = ilya.ask(&format!("/login {CODE}")).await.unwrap();
    let login = login_of(&card);
    let grant = grant_of(&world, &login).await;
    world.hand.advance(Duration::from_secs(301));
    card_is(&ilya, &card, |it| it.text.starts_with("⏰")).await;

    let (account_id, at) = (world.account(ILYA).await, world.hand.now());
    let redeem = InviteCommand::Redeem { account_id, login_id: login.clone(), attempt: 2, at };
    let context = Context::by(account_id).with_login(&login);
    world.chat.app.store.invite(invite, redeem, context.clone()).await.unwrap();
    let again = LoginCommand::Start { account_id, invite: grant, attempt: 2, at };
    world.chat.app.store.login(&login, again, context).await.unwrap();
    let live = card_is(&ilya, &card, has_button).await;
    assert_eq!(live.text, card.text);
    let mut changed = world.api.changes();
    while world.api.menu_buttons()[ILYA.to_string()]["type"] != "web_app" {
        changed.changed().await.unwrap();
    }

    happens(&world, &login, |at| LoginCommand::Confirm { attempt: 2, method: Method::Qr, at }).await;
    card_is(&ilya, &card, |it| it.text.contains("🔓 Вход выполнен") && !has_button(it)).await;
    assert_eq!(ilya.from_bot().iter().filter(|it| it.text.starts_with("✅ Инвайт")).count(), 1);
}

#[tokio::test]
async fn the_menu_button_opens_the_live_login_and_the_commands_after_it() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    let menu = || world.api.menu_buttons()[ILYA.to_string()].clone();
    let mut changed = world.api.changes();
    ilya.ask_for_card(&format!("/login {CODE}")).await.unwrap();
    let second = ilya.ask_for_card(&format!("/login {CODE}")).await.unwrap();
    while menu()["web_app"]["url"] != second.web_app_url().unwrap() {
        changed.changed().await.unwrap();
    }
    assert_eq!(menu()["text"], "🔐 Вход");
    catch_up(&ilya).await;
    assert_eq!(menu()["web_app"]["url"], second.web_app_url().unwrap(), "the end of the first one left it");
    ilya.ask("/cancel").await.unwrap();
    while menu()["type"] != "commands" {
        changed.changed().await.unwrap();
    }
}

#[tokio::test]
async fn an_edit_waits_for_as_long_as_telegram_says() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    let card = ilya.ask(&format!("/login {CODE}")).await.unwrap();
    world.api.fail_next("editMessageText", Fault::TooManyRequests(1));
    world.hand.advance(Duration::from_secs(301));
    card_is(&ilya, &card, |it| it.text.starts_with("⏰") && !has_button(it)).await;
    assert_eq!(world.api.count_calls("editMessageText"), 2);
}

/// The person has deleted the card: nothing in the chat has to be corrected.
#[tokio::test]
async fn a_card_that_is_gone_is_not_sent_again_and_holds_nothing_up() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    let card = ilya.ask(&format!("/login {CODE}")).await.unwrap();
    ilya.delete(card.message_id);
    world.hand.advance(Duration::from_secs(301));
    let mut changed = world.api.changes();
    while world.api.count_calls("editMessageText") == 0 {
        changed.changed().await.unwrap();
    }
    catch_up(&ilya).await;
    assert_eq!(sent_after(&ilya, &card).len(), 1, "the help");
    assert_eq!(world.api.count_calls("editMessageText"), 1);
}

/// 1. A card is to ask for the password; its sender freezes with the request, and loses its lease.
/// 2. The next one edits the card, also when the login has ended.
/// 3. The request of the first one comes after all. It looks, and puts the newest state back.
#[tokio::test]
async fn a_late_edit_of_a_frozen_sender_does_not_last() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    let card = ilya.ask(&format!("/login {CODE}")).await.unwrap();
    let login = login_of(&card);
    world.api.fail_next("editMessageText", Fault::HeldRequest); // 1
    happens(&world, &login, |at| LoginCommand::RequestPassword { attempt: 1, at }).await;
    let mut changed = world.api.changes();
    while world.api.count_calls("editMessageText") == 0 {
        changed.changed().await.unwrap();
    }
    unclear::take_lease_away(&world).await;
    card_is(&ilya, &card, |it| it.text.contains("🔑 Остался облачный пароль")).await; // 2
    let reason = CancelReason::Person;
    happens(&world, &login, |at| LoginCommand::Cancel { attempt: 1, reason, at }).await;
    card_is(&ilya, &card, |it| it.text.starts_with("🚫")).await;
    catch_up(&ilya).await;
    let edits = world.api.count_calls("editMessageText");

    world.api.release_answers(); // 3
    let put_back = async {
        while world.api.count_calls("editMessageText") == edits {
            changed.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), put_back).await.expect("nobody looks at the late edit");
    card_is(&ilya, &card, |it| it.text.starts_with("🚫 Вход отменён\n\n") && !has_button(it)).await;
}

/// 1. A login succeeds while the bot is away.  2. Its person begins another one.  3. The bot comes back: what it has to say of
/// the first one stands in the card of that, and not below the newer card, which waits.
#[tokio::test]
async fn a_success_that_comes_after_a_newer_login_is_told_by_its_card() {
    let mut world = World::start().await;
    let invite = world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    let card = ilya.ask(&format!("/login {CODE}")).await.unwrap();
    unclear::settled(&world, &login_of(&card)).await;
    world.hush().await;
    world.authorize(ILYA, invite, &login_of(&card)).await; // 1
    let mut news = world.chat.app.db.wake().subscribe(eventlog::Topic::Outbox);
    let queued = "select count(*) from vault.outbox where dedup_key like 'account/%/authorized'";
    while sqlx::query_scalar::<_, i64>(queued).fetch_one(world.chat.app.db.pool()).await.unwrap() == 0 {
        news.wait(Duration::from_millis(100)).await;
    }
    let update = handler::read(&message(77, "/login").to_string()).unwrap();
    handler::handle(&world.ctx(), 77, &update).await.unwrap(); // 2
    world.chat.app.catch_up().await.unwrap();

    let world = world.speak(); // 3
    card_is(&ilya, &card, |it| it.text.starts_with("✅ Авторизация успешна!") && !has_button(it)).await;
    let newer = ilya.wait_for_message(|it| it.text.starts_with("🔐 Новый вход")).await.unwrap();
    catch_up(&ilya).await;
    assert!(has_button(&newer));
    assert_eq!(sent_after(&ilya, &newer).len(), 1, "the help");
    assert_eq!(count(&ilya, "✅ Авторизация"), 1);
    drop(world);
}

/// What was begun elsewhere has no card: its end is told by a message.
#[tokio::test]
async fn the_end_of_a_login_without_a_card_is_a_message() {
    let world = World::start().await;
    let ilya = world.ilya();
    ilya.ask("/help").await.unwrap();
    let (login, account_id) = (vault::random_login_id(), world.account(ILYA).await);
    happens(&world, &login, |at| LoginCommand::Start { account_id, invite: None, attempt: 1, at }).await;
    world.hand.advance(Duration::from_secs(301));
    let told = ilya.wait_for_message(|it| it.text.starts_with("⏰ Время входа истекло")).await.unwrap();
    assert_eq!((told.from, told.edited), (From::Bot, None));
}
