//! What happens to messages on the way: redelivered, refused, lost, stopped.

use super::super::handler;
use super::*;

#[tokio::test]
async fn the_same_update_twice_is_answered_once() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    ilya.ask(&format!("/login {CODE}")).await.unwrap();
    assert!(world.api.redeliver_last_update());
    let answer = ilya.ask("/cancel").await.unwrap();
    assert!(answer.text.starts_with("🚫"), "{}", answer.text);
    assert_eq!(count(&ilya, "✅ Инвайт код принят!"), 1);
    assert_eq!(world.events("InviteRedeemed").await.len(), 1);
}

/// 1. `/login` is handled, and the process dies before the update is marked as done.
/// 2. The next process handles it again, and a third one too.
#[tokio::test]
async fn an_update_that_is_handled_again_means_the_same_login_and_the_same_answer() {
    let world = World::silent(|_| {}).await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ctx = world.ctx();
    let update = handler::read(&message(77, &format!("/login {CODE}")).to_string()).unwrap();
    for _ in 0..3 {
        handler::handle(&ctx, 77, &update).await.unwrap();
    }
    let sender = world.sender("test").await;
    let messages = sender.claim(10, world.hand.now()).await.unwrap();
    assert_eq!(messages.len(), 1, "{messages:?}");
    let login_id = world.login_of_update(77).await;
    assert_eq!(messages[0].dedup_key, format!("login/{login_id}/card"));
    sender.sent(messages[0].id, Some(1)).await.unwrap();
    assert_eq!(sender.claim(10, world.hand.now()).await.unwrap(), []);
    let login = world.chat.app.store.load_login(&login_id).await.unwrap();
    assert_eq!((login.status(), login.attempt()), (Some(LoginStatus::Waiting), 1));
}

/// With the log and the master key, by trying everybody's Telegram id and every number of an update.
#[tokio::test]
async fn whose_login_one_was_cannot_be_computed() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let login = login_of(&world.ilya().ask(&format!("/login {CODE}")).await.unwrap());
    let keys = &world.chat.app.keys;
    assert!(keys.made(&login));
    for update in 0..1000_i64 {
        // As ids were computed before.
        let computed = [&update.to_be_bytes()[..], &ILYA.to_be_bytes(), &[0, 0]].concat();
        let computed = keys.login_id(computed[..].try_into().unwrap());
        assert_ne!(login.as_str()[..24], computed.as_str()[..24]);
    }
}

/// 1. `/login` is handled up to the reservation, and the process dies.
/// 2. The reactor starts the login, and it expires, before another process handles the update again.
#[tokio::test]
async fn a_login_that_ended_before_its_answer_is_not_answered_with_a_card() {
    let world = World::silent(|_| {}).await;
    let invite = world.invite(Tier::Premium, CODE, 1).await;
    let ctx = world.ctx();
    let subject = world.chat.app.vault.subject_for(ILYA).await.unwrap();
    let login_id = world.login_of_update(77).await;
    let (account_id, at) = (subject.account_id, world.hand.now());
    let redeem = InviteCommand::Redeem { account_id, login_id: login_id.clone(), attempt: 1, at };
    world.chat.app.store.invite(invite, redeem, Context::by(account_id)).await.unwrap();
    let start = LoginCommand::Start { account_id, invite: None, attempt: 1, at };
    world.chat.app.store.login(&login_id, start, Context::system()).await.unwrap();
    let end = LoginCommand::Fail { attempt: 1, reason: domain::login::FailReason::Internal, at };
    world.chat.app.store.login(&login_id, end, Context::system()).await.unwrap();

    let update = handler::read(&message(77, &format!("/login {CODE}")).to_string()).unwrap();
    handler::handle(&ctx, 77, &update).await.unwrap();
    let cards = world.sender("test").await.claim(10, world.hand.now()).await.unwrap();
    assert!(cards.iter().all(|message| !message.dedup_key.ends_with("/card")), "{cards:?}");
}

#[tokio::test]
async fn a_429_is_waited_out() {
    let world = World::start().await;
    world.api.fail_next("sendMessage", Fault::TooManyRequests(1));
    let answer = world.ilya().ask("/subscription").await.unwrap();
    assert!(answer.text.contains("💎 У вас нет подписки"), "{}", answer.text);
    assert_eq!(world.api.count_calls("sendMessage"), 2);
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_not_sent_again() {
    let world = World::start().await;
    world.api.fail_next("sendMessage", Fault::LostAnswer);
    let ilya = world.ilya();
    ilya.ask("/subscription").await.unwrap();
    let help = ilya.ask("/help").await.unwrap();
    assert!(help.text.starts_with("👋 Здравствуйте, Ilya!"), "{}", help.text);
    assert_eq!(count(&ilya, "👋 Мы ещё не знакомы."), 1);
}

#[tokio::test]
async fn what_was_written_while_the_bot_was_out_of_reach_is_answered_afterwards() {
    let world = World::start().await;
    let ilya = world.ilya();
    ilya.ask("/help").await.unwrap();
    world.api.set_airplane(true);
    ilya.send("/subscription");
    world.api.set_airplane(false);
    ilya.wait_for_message(|message| message.text.starts_with("💎 У вас нет подписки")).await.unwrap();
}

/// 1. Ilya is being forgotten, which does not come to its end; their messages wait for it.
/// 2. Anna is answered all the same, to one message after the other.
/// 3. The process dies, and the next one waits, too.
/// 4. Ilya is forgotten, and answered, in the order in which they wrote.
#[tokio::test]
async fn a_handler_that_waits_holds_up_its_own_chat_alone_and_loses_nothing() {
    let mut world = World::start().await;
    let (ilya, anna) = (world.ilya(), world.anna());
    ilya.ask("/help").await.unwrap();
    let account = world.account(ILYA).await;
    world.order(ILYA, |at| AccountCommand::Erase { at }).await;
    let asked = ilya.send("/help");
    ilya.send("/login");

    for _ in 0..3 {
        assert!(anna.ask("/help").await.unwrap().text.starts_with("👋 Hello, Anna!"));
    }
    world.hush().await;
    let world = world.speak();
    assert!(anna.ask("/help").await.unwrap().text.starts_with("👋 Hello, Anna!"));
    let answers = || {
        let answers = ilya.from_bot().into_iter().filter(|message| message.message_id > asked);
        answers.map(|message| message.text).collect::<Vec<_>>()
    };
    assert_eq!(answers(), Vec::<String>::new());

    world.chat.app.vault.erase_subject(account).await.unwrap();
    ilya.wait_for_message(|message| message.text.starts_with("🔑 Чтобы войти")).await.unwrap();
    assert!(answers()[0].starts_with("👋 Здравствуйте, Ilya!"), "{:?}", answers());
    assert_eq!(answers().len(), 2);
    assert_eq!(world.events("AccountRegistered").await.len(), 3, "Ilya twice, Anna once");
}

#[tokio::test]
async fn a_person_who_stopped_the_bot_does_not_hold_others_up() {
    let world = World::start().await;
    world.invite(Tier::Premium, CODE, 1).await;
    let ilya = world.ilya();
    ilya.ask(&format!("/login {CODE}")).await.unwrap();
    ilya.set_blocked(true);
    world.hand.advance(Duration::from_secs(301));
    let anna = world.anna();
    assert!(anna.ask("/help").await.unwrap().text.starts_with("👋 Hello, Anna!"));
    ilya.send("/subscription");
    ilya.wait_for_message(|message| message.text.starts_with("💎 У вас нет подписки")).await.unwrap();
}

#[tokio::test]
async fn a_token_that_telegram_does_not_know_is_named() {
    let world = World::silent(|_| {}).await;
    let wrong = "7000000001:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned().into();
    let error = username(&wrong, &world.chat.api_url).await.unwrap_err();
    assert_eq!(error.to_string(), "Telegram refuses BOT_TOKEN: check it with @BotFather");
    let right = username(&world.chat.token, &world.chat.api_url).await.unwrap();
    assert_eq!(right, world.api.username());
}

/// A text of Ilya's, as Telegram delivers it.
pub(super) fn message(update_id: i64, text: &str) -> serde_json::Value {
    serde_json::json!({
        "update_id": update_id,
        "message": {
            "message_id": 5, "date": 1_790_000_000, "text": text,
            "chat": {"id": ILYA, "type": "private", "first_name": "Ilya"},
            "from": {"id": ILYA, "is_bot": false, "first_name": "Ilya", "language_code": "ru"},
        },
    })
}
