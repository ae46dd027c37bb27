//! Messages of which nobody knows whether they have arrived: their sender died, froze, or heard no answer.

use domain::policy::Notice;
use messages::outbox::NewNotice;

use super::super::handler;
use super::delivery::message;
use super::*;

/// 1. A sender takes the card of a login and dies over it: Telegram may have it.
/// 2. The next one sends it again, and goes on with what waits behind it.
#[tokio::test]
async fn a_card_that_may_have_arrived_is_sent_again() {
    let world = World::silent(|_| {}).await;
    world.invite(Tier::Premium, CODE, 1).await;
    world.ilya().send("/start");
    begin(&world).await;
    take_and_die(&world).await;

    let world = world.speak();
    let ilya = world.ilya();
    ilya.wait_for_message(|message| message.text.starts_with("👋 Здравствуйте")).await.unwrap();
    let card = ilya.from_bot().remove(0);
    assert_eq!(login_of(&card), world.login_of_update(77).await);
}

/// 1. The card is sent and stands in the chat; its sender dies before it hears so.
/// 2. The next one sends it again. The first one loses its button, and no other message does.
#[tokio::test]
async fn a_card_that_had_arrived_before_its_sender_died_loses_its_button() {
    let mut world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let (ilya, anna) = (world.ilya(), world.anna());
    world.invite(Tier::Premium, "EXPRED234567", 1).await;
    let other = anna.ask("/login EXPRED234567").await.unwrap();
    settled(&world, &login_of(&other)).await;
    let reset = ilya.ask("/debug_reset").await.unwrap();
    world.api.fail_next("sendMessage", Fault::HeldAnswer);
    let first = ilya.ask_for_card(&format!("/login {CODE}")).await.unwrap();
    world.hush().await;
    take_lease_away(&world).await;

    let world = world.speak();
    let is_second = |it: &Message| it.message_id > first.message_id && it.web_app_url().is_some();
    let second = ilya.wait_for_message(is_second).await.unwrap();
    assert_eq!(second.web_app_url(), first.web_app_url());
    settled(&world, &login_of(&second)).await;
    let has_buttons = |it: &Message| it.keyboard.is_some();
    let now: Vec<_> = ilya.from_bot().into_iter().filter(has_buttons).map(|it| it.message_id).collect();
    assert_eq!(now, [reset.message_id, second.message_id]);
    assert!(anna.from_bot().iter().any(|it| it.message_id == other.message_id && has_buttons(it)));
}

/// 1. The card is in the chat, and its sender dies before it hears so.
/// 2. The next sender sends it again, and dies while it takes the button from the first copy.
/// 3. The third one sends no other card, and takes that button.
#[tokio::test]
async fn a_sender_that_dies_while_it_takes_a_button_sends_no_third_card() {
    let mut world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    world.api.fail_next("sendMessage", Fault::HeldAnswer);
    let first = ilya.ask_for_card(&format!("/login {CODE}")).await.unwrap();
    world.hush().await;
    take_lease_away(&world).await;

    world.api.fail_next("editMessageReplyMarkup", Fault::HeldAnswer);
    let mut world = world.speak();
    let is_second = |it: &Message| it.message_id > first.message_id && it.web_app_url().is_some();
    let second = ilya.wait_for_message(is_second).await.unwrap();
    let arrived =
        "select exists (select from vault.outbox where state = 'sending' and message_id is not null)";
    while !sqlx::query_scalar::<_, bool>(arrived).fetch_one(world.chat.app.db.pool()).await.unwrap() {}
    world.hush().await;
    take_lease_away(&world).await;

    let world = world.speak();
    settled(&world, &login_of(&second)).await;
    let cards: Vec<_> =
        ilya.from_bot().into_iter().filter(|it| it.text == second.text).map(|it| it.message_id).collect();
    assert_eq!(cards, [first.message_id, second.message_id]);
    let has_buttons = |it: &Message| it.keyboard.is_some();
    let now: Vec<_> = ilya.from_bot().into_iter().filter(has_buttons).map(|it| it.message_id).collect();
    assert_eq!(now, [second.message_id]);
}

/// 1. A sender takes the card of a login and dies over it.
/// 2. The login is cancelled.
/// 3. The next sender leaves the card: it would lead nowhere.
#[tokio::test]
async fn a_card_that_may_have_arrived_is_not_sent_again_once_its_login_is_over() {
    let world = World::silent(|_| {}).await;
    world.invite(Tier::Premium, CODE, 1).await;
    world.ilya().send("/start");
    begin(&world).await;
    take_and_die(&world).await;
    let (login, at) = (world.login_of_update(77).await, world.hand.now());
    let end = LoginCommand::Fail { attempt: 1, reason: domain::login::FailReason::Internal, at };
    world.chat.app.store.login(&login, end, Context::system()).await.unwrap();

    let world = world.speak();
    let ilya = world.ilya();
    ilya.wait_for_message(|message| message.text.starts_with("👋 Здравствуйте")).await.unwrap();
    assert!(ilya.from_bot().iter().all(|message| message.web_app_url().is_none()));
}

/// 1. The card is sent and stands in the chat; its sender freezes before it hears so, and loses its lease.
/// 2. The next holder of the lease sends it again at once, and what waits behind it.
/// 3. The sender from before hears of the first one, whose button goes.
#[tokio::test]
async fn a_frozen_senders_card_is_sent_again_and_loses_its_button_once_it_is_known() {
    let world = World::silent(|_| {}).await;
    world.invite(Tier::Premium, CODE, 1).await;
    world.ilya().send("/start");
    begin(&world).await;
    world.api.fail_next("sendMessage", Fault::HeldAnswer);
    let world = world.speak();
    let ilya = world.ilya();
    let first = ilya.wait_for_message(|message| message.web_app_url().is_some()).await.unwrap();

    take_lease_away(&world).await;
    let is_second = |it: &Message| it.message_id > first.message_id && it.web_app_url().is_some();
    let second = ilya.wait_for_message(is_second).await.unwrap();
    assert_eq!(second.web_app_url(), first.web_app_url());
    ilya.wait_for_message(|message| message.text.starts_with("👋 Здравствуйте, Ilya!")).await.unwrap();

    world.api.release_answers();
    let without = |it: &Message| it.message_id == first.message_id && it.web_app_url().is_none();
    ilya.wait_for_message(without).await.unwrap();
    assert_eq!(ilya.from_bot().iter().filter(|message| message.web_app_url().is_some()).count(), 1);
}

/// 1. An answer is sent and stands in the chat; its sender freezes before it hears so, and loses its lease.
/// 2. The next holder of the lease leaves it, and sends what waits behind it at once.
#[tokio::test]
async fn a_frozen_senders_answer_is_not_sent_again_and_holds_up_nothing() {
    let world = World::start().await;
    let ilya = world.ilya();
    ilya.ask("/help").await.unwrap();
    world.api.fail_next("sendMessage", Fault::HeldAnswer);
    ilya.ask("/subscription").await.unwrap();

    take_lease_away(&world).await;
    assert!(ilya.ask("/help").await.unwrap().text.starts_with("👋 Здравствуйте, Ilya!"));
    assert_eq!(count(&ilya, "💎 У вас нет подписки"), 1);
}

/// A warning to the admins is one, too: nothing else tells them.
#[tokio::test]
async fn a_frozen_senders_alarm_is_sent_again() {
    let world = World::with(|chat| chat.admins = vec![ILYA]).await;
    let ilya = world.ilya();
    ilya.ask("/help").await.unwrap();
    world.api.fail_next("sendMessage", Fault::HeldAnswer);
    let park = "insert into parked (view, key, position, error) values ('users', 'x', 1, 'bug')";
    sqlx::query(park).execute(world.chat.app.db.pool()).await.unwrap();
    world.chat.app.db.wake().notify(eventlog::Topic::Projected);
    let first = ilya.wait_for_message(|message| message.text.starts_with("⚠️")).await.unwrap();

    take_lease_away(&world).await;
    let is_second = |it: &Message| it.message_id > first.message_id && it.text.starts_with("⚠️");
    ilya.wait_for_message(is_second).await.unwrap();
}

/// 1. A login ends; a sender takes the news of it and dies over it.
/// 2. The next one writes it into the login's own message, where it cannot stand twice.
#[tokio::test]
async fn the_end_of_a_login_that_may_have_been_told_is_written_into_its_card() {
    let mut world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    let card = ilya.ask(&format!("/login {CODE}")).await.unwrap();
    settled(&world, &login_of(&card)).await;
    world.hush().await;
    world.hand.advance(Duration::from_secs(301));
    take_and_die(&world).await;

    let world = world.speak();
    let told =
        ilya.wait_for_message(|message| message.text.starts_with("⏰ Время входа истекло")).await.unwrap();
    assert_eq!(told.message_id, card.message_id);
    assert_eq!(told.web_app_url(), None);
    ilya.ask("/help").await.unwrap();
    assert_eq!(count(&ilya, "⏰"), 1);
    drop(world);
}

/// The card's button leads into the attempt that goes on.
#[tokio::test]
async fn the_end_of_an_attempt_is_not_written_over_the_next_one() {
    let mut world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    let card = ilya.ask(&format!("/login {CODE}")).await.unwrap();
    let login = login_of(&card);
    settled(&world, &login).await;
    world.hush().await;
    world.hand.advance(Duration::from_secs(301));
    take_and_die(&world).await;
    let account = world.account(ILYA).await;
    let again = LoginCommand::Start { account_id: account, invite: None, attempt: 2, at: world.hand.now() };
    world.chat.app.store.login(&login, again, Context::by(account)).await.unwrap();

    let world = world.speak();
    ilya.ask("/help").await.unwrap();
    assert_eq!(count(&ilya, "⏰"), 0);
    let now = ilya.from_bot().into_iter().find(|message| message.message_id == card.message_id).unwrap();
    assert_eq!(now.web_app_url(), card.web_app_url());
    drop(world);
}

/// The same with the warning that another account confirmed: rather twice than not at all.
#[tokio::test]
async fn a_warning_that_may_have_arrived_is_sent_again() {
    let mut world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    let card = ilya.ask(&format!("/login {CODE}")).await.unwrap();
    settled(&world, &login_of(&card)).await;
    world.hush().await;
    let reject = LoginCommand::Reject { attempt: 1, confirmed_by: None, at: world.hand.now() };
    world.chat.app.store.login(&login_of(&card), reject, Context::system()).await.unwrap();
    take_and_die(&world).await;

    let world = world.speak();
    let told = ilya.wait_for_message(|message| message.text.starts_with("🚨 Вход подтвердил")).await.unwrap();
    assert!(told.message_id > card.message_id);
    drop(world);
}

/// The same where the sender lives and Telegram does not answer: the way is not for dying processes alone.
#[tokio::test]
async fn news_of_a_login_whose_answer_was_lost_is_written_into_its_card() {
    let world = World::start().await;
    let invite = world.invite(Tier::Premium, CODE, 1).await;
    let (ilya, anna) = (world.ilya(), world.anna());
    let card = ilya.ask(&format!("/login {CODE}")).await.unwrap();
    settled(&world, &login_of(&card)).await;
    let calls = world.api.count_calls("sendMessage");

    world.api.fail_next("sendMessage", Fault::LostAnswer);
    world.authorize(ILYA, invite, &login_of(&card)).await;

    let in_card = |message: &Message| {
        message.message_id == card.message_id && message.text.starts_with("✅ Авторизация успешна!")
    };
    let told = ilya.wait_for_message(in_card).await.unwrap();
    assert_eq!(told.web_app_url(), None);
    assert_eq!(world.api.count_calls("sendMessage"), calls + 1, "nothing is sent again");

    world.invite(Tier::Premium, "EXPRED234567", 1).await;
    let card = anna.ask("/login EXPRED234567").await.unwrap();
    settled(&world, &login_of(&card)).await;
    world.api.fail_next("sendMessage", Fault::LostAnswer);
    world.hand.advance(Duration::from_secs(301));
    let in_card = |message: &Message| {
        message.message_id == card.message_id && message.text.starts_with("⏰ The login has expired")
    };
    anna.wait_for_message(in_card).await.unwrap();
}

#[tokio::test]
async fn that_a_session_was_handed_over_is_told_again_where_no_answer_came() {
    let world = World::start().await;
    let ilya = world.ilya();
    ilya.ask("/help").await.unwrap();
    let account = world.account(ILYA).await;
    world.api.fail_next("sendMessage", Fault::LostAnswer);
    let outbox = Outbox::new(&world.chat.app.db);
    let key = "exported".to_owned();
    let exported = NewNotice { key, account, notice: Notice::SessionExported, not_after: None };
    outbox.notices(&[exported]).await.unwrap();

    let is_warning = |message: &Message| message.text.starts_with("📤 Ваша сессия передана");
    let first = ilya.wait_for_message(is_warning).await.unwrap();
    let again = |message: &Message| is_warning(message) && message.message_id > first.message_id;
    ilya.wait_for_message(again).await.unwrap();
}

/// A sender that takes the next message there is, and dies before it can say what became of it.
async fn take_and_die(world: &World) {
    let db = &world.chat.app.db;
    let presence = Presence::announce(db, "dead").await.unwrap();
    let sender = world.sender("dead").await;
    let mut news = db.wake().subscribe(eventlog::Topic::Outbox);
    while sender.claim(1, world.hand.now()).await.unwrap().is_empty() {
        news.wait(Duration::from_millis(100)).await;
    }
    drop(presence);
}

/// Ilya's `/login`, handled up to its answer in the outbox.
async fn begin(world: &World) {
    let ctx = world.ctx();
    let update = handler::read(&message(77, &format!("/login {CODE}")).to_string()).unwrap();
    handler::handle(&ctx, 77, &update).await.unwrap();
}

/// As when it ran out while its holder was frozen, and somebody else has had it since.
pub(super) async fn take_lease_away(world: &World) {
    let taken = "update vault.leases set epoch = nextval('vault.epoch'), expires_at = '-infinity' where name = 'poller'";
    sqlx::query(taken).execute(world.chat.app.db.pool()).await.unwrap();
}

/// Waits until the bot knows that the card of a login has arrived; the person sees it a moment earlier.
pub(super) async fn settled(world: &World, login_id: &LoginId) {
    let db = &world.chat.app.db;
    let mut news = db.wake().subscribe(eventlog::Topic::Outbox);
    while Outbox::new(db).message_of(&reply::card_key(login_id)).await.unwrap().is_none() {
        news.wait(Duration::from_millis(100)).await;
    }
}
