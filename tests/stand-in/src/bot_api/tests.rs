//! The server, used by a real client and a real bot framework.

use std::time::Duration;

use serde_json::{Value, json};
use teloxide::prelude::*;
use teloxide::types::{
    ForceReply, InlineKeyboardButton, InlineKeyboardMarkup, ParseMode, UpdateKind, WebAppInfo,
};
use teloxide::{ApiError, RequestError};

use super::*;
use crate::accounts::{ANNA, ILYA};

async fn server() -> BotApi {
    BotApi::start(Accounts::default(), Clock::system(), None).await.unwrap()
}

/// The bot as the service makes it: teloxide against this server.
fn bot(api: &BotApi) -> Bot {
    Bot::new(api.token()).set_api_url(api.url().parse().unwrap())
}

/// A raw call: status and body.
async fn call(api: &BotApi, method: &str, body: Value) -> (u16, Value) {
    let url = format!("{}/bot{}/{method}", api.url(), api.token());
    let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn refusal(api: &BotApi, method: &str, body: Value) -> String {
    let (_, body) = call(api, method, body).await;
    body["description"].as_str().unwrap_or_else(|| panic!("{method} was not refused: {body}")).to_owned()
}

#[tokio::test]
async fn a_bot_reads_an_update_answers_it_and_the_person_sees_the_answer() {
    let api = server().await;
    let bot = bot(&api);
    assert_eq!(bot.get_me().await.unwrap().username(), api.username());

    let ilya = api.person(ILYA);
    ilya.send("/login 3HBP4Z3ECICZ");
    let updates = bot.get_updates().await.unwrap();
    let UpdateKind::Message(message) = &updates[0].kind else { panic!("{updates:?}") };
    assert_eq!(message.text(), Some("/login 3HBP4Z3ECICZ"));
    assert_eq!(message.from.as_ref().unwrap().language_code.as_deref(), Some("ru"));
    assert!(message.chat.is_private());

    let url = "http://127.0.0.1:8000/qr-auth?session_id=x".parse().unwrap();
    let button = InlineKeyboardButton::web_app("🔐 Открыть", WebAppInfo { url });
    bot.send_message(message.chat.id, "✅ <b>Принят</b>")
        .parse_mode(ParseMode::Html)
        .reply_markup(InlineKeyboardMarkup::new([[button]]))
        .await
        .unwrap();
    let seen = ilya.wait_for_message(|message| message.text == "✅ Принят").await.unwrap();
    assert_eq!(seen.web_app_url(), Some("http://127.0.0.1:8000/qr-auth?session_id=x"));
    assert_eq!(seen.entities[0].kind, "bold");
}

#[tokio::test]
async fn an_update_comes_again_until_a_higher_offset_confirms_it() {
    let api = server().await;
    let bot = bot(&api);
    api.person(ILYA).send("one");
    let first = bot.get_updates().await.unwrap();
    let again = bot.get_updates().await.unwrap();
    assert_eq!(first[0].id, again[0].id);
    let offset = i32::try_from(first[0].id.0 + 1).unwrap();
    assert!(bot.get_updates().offset(offset).await.unwrap().is_empty());
    assert_eq!(api.pending_updates(), 0);
}

#[tokio::test]
async fn a_confirmed_update_can_be_delivered_once_more_with_its_id() {
    let api = server().await;
    let bot = bot(&api);
    api.person(ILYA).send("one");
    let first = bot.get_updates().await.unwrap();
    let offset = i32::try_from(first[0].id.0 + 1).unwrap();
    bot.get_updates().offset(offset).await.unwrap();
    assert!(api.redeliver_last_update());
    let again = bot.get_updates().offset(offset).await.unwrap();
    assert_eq!(again[0].id, first[0].id);
    assert!(bot.get_updates().offset(offset).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_long_poll_ends_with_the_update_that_comes_in() {
    let api = server().await;
    let waiting = tokio::spawn(bot(&api).get_updates().timeout(15).send());
    let mut changed = api.changes();
    while api.count_calls("getUpdates") == 0 {
        changed.changed().await.unwrap();
    }
    api.person(ANNA).send("hello");
    assert_eq!(waiting.await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn a_second_poller_ends_the_first() {
    let api = server().await;
    let first = tokio::spawn(bot(&api).get_updates().timeout(15).send());
    let mut changed = api.changes();
    while api.count_calls("getUpdates") == 0 {
        changed.changed().await.unwrap();
    }
    bot(&api).get_updates().await.unwrap();
    let error = first.await.unwrap().unwrap_err();
    assert!(matches!(error, RequestError::Api(ApiError::TerminatedByOtherGetUpdates)), "{error:?}");
}

#[tokio::test]
async fn a_wrong_token_and_an_unknown_method_are_refused() {
    let api = server().await;
    let client = reqwest::Client::new();
    let wrong = client.post(format!("{}/bot1:x/getMe", api.url())).send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    assert_eq!(call(&api, "sendRocket", json!({})).await.0, 404);
    assert_eq!(call(&api, "GETME", json!({})).await.0, 200);
}

#[tokio::test]
async fn the_bot_cannot_write_to_whom_it_may_not() {
    let api = server().await;
    let message = |chat_id: i64| json!({"chat_id": chat_id, "text": "x"});
    assert_eq!(refusal(&api, "sendMessage", message(1)).await, "Bad Request: chat not found");
    assert_eq!(
        refusal(&api, "sendMessage", message(ILYA)).await,
        "Forbidden: bot can't initiate conversation with a user"
    );
    let ilya = api.person(ILYA);
    ilya.send("hi");
    assert_eq!(call(&api, "sendMessage", message(ILYA)).await.0, 200);
    ilya.set_blocked(true);
    let blocked = bot(&api).send_message(ChatId(ILYA), "x").await.unwrap_err();
    assert!(matches!(blocked, RequestError::Api(ApiError::BotBlocked)), "{blocked:?}");
}

#[tokio::test]
async fn length_is_judged_in_utf16_units_after_markup() {
    let api = server().await;
    let ilya = api.person(ILYA);
    ilya.send("hi");
    let message = |text: String| json!({"chat_id": ILYA, "text": text, "parse_mode": "HTML"});
    let fits = format!("<b>{}</b>", "🔐".repeat(2048));
    assert_eq!(call(&api, "sendMessage", message(fits)).await.0, 200);
    let too_long = refusal(&api, "sendMessage", message("🔐".repeat(2049))).await;
    assert_eq!(too_long, "Bad Request: message is too long");
    assert_eq!(
        refusal(&api, "sendMessage", message("\n".into())).await,
        "Bad Request: message text is empty"
    );
}

#[tokio::test]
async fn an_edit_replaces_text_and_keyboard_and_a_second_one_is_not_modified() {
    let api = server().await;
    let ilya = api.person(ILYA);
    ilya.send("hi");
    let keyboard = json!({"inline_keyboard": [[{"text": "x", "callback_data": "x"}]]});
    let sent =
        call(&api, "sendMessage", json!({"chat_id": ILYA, "text": "a", "reply_markup": keyboard})).await.1;
    let message_id = sent["result"]["message_id"].clone();
    let edit = json!({"chat_id": ILYA, "message_id": message_id, "text": "b"});
    assert_eq!(call(&api, "editMessageText", edit.clone()).await.0, 200);
    let seen = ilya.wait_for_message(|message| message.text == "b").await.unwrap();
    assert!(seen.edited.is_some() && seen.keyboard.is_none());
    assert!(refusal(&api, "editMessageText", edit).await.starts_with("Bad Request: message is not modified"));
    assert_eq!(ilya.from_bot().len(), 1);
    let unknown = json!({"chat_id": ILYA, "message_id": 999, "text": "b"});
    assert_eq!(refusal(&api, "editMessageText", unknown).await, "Bad Request: message to edit not found");
}

#[tokio::test]
async fn a_press_reaches_the_bot_and_its_answer_the_person_once() {
    let api = server().await;
    let bot = bot(&api);
    let ilya = api.person(ILYA);
    ilya.send("hi");
    let button = InlineKeyboardButton::callback("Да", "yes");
    let sent = bot
        .send_message(ChatId(ILYA), "?")
        .reply_markup(InlineKeyboardMarkup::new([[button]]))
        .await
        .unwrap();
    assert!(ilya.press(i64::from(sent.id.0), "no").await.is_err(), "there is no such button");
    let presser = ilya.clone();
    let pressed = tokio::spawn(async move { presser.press_button("Да").await });
    let updates = bot.get_updates().offset(-1).timeout(10).allowed_updates([]).await.unwrap();
    let mut updates = updates.into_iter();
    let query = loop {
        match updates.next() {
            Some(Update { kind: UpdateKind::CallbackQuery(query), .. }) => break query,
            Some(_) => {}
            None => updates = bot.get_updates().offset(-1).timeout(10).await.unwrap().into_iter(),
        }
    };
    assert_eq!(query.data.as_deref(), Some("yes"));
    bot.answer_callback_query(query.id.clone()).text("Готово").show_alert(true).await.unwrap();
    let answer = pressed.await.unwrap().unwrap();
    assert_eq!(answer, Answer { answered: true, text: Some("Готово".into()), alert: true });
    assert!(bot.answer_callback_query(query.id).await.is_err(), "a query is answered once");
}

#[tokio::test]
async fn faults_hit_the_call_they_are_meant_for() {
    let api = server().await;
    let bot = bot(&api);
    api.person(ILYA).send("hi");
    api.fail_next("sendMessage", Fault::TooManyRequests(7));
    api.fail_next("getMe", Fault::LostAnswer);
    let error = bot.send_message(ChatId(ILYA), "x").await.unwrap_err();
    assert!(matches!(error, RequestError::RetryAfter(wait) if wait.seconds() == 7), "{error:?}");
    bot.send_message(ChatId(ILYA), "x").await.unwrap();
    assert!(bot.get_me().await.is_err());
    bot.get_me().await.unwrap();
    api.fail_next(Which::Any, Fault::ServerError);
    bot.get_updates().await.unwrap();
    assert_eq!(call(&api, "getMe", json!({})).await.0, 500);
    api.fail_next("getMe", Fault::Hang);
    let hanging = tokio::time::timeout(Duration::from_millis(200), call(&api, "getMe", json!({}))).await;
    assert!(hanging.is_err());
}

#[tokio::test]
async fn airplane_mode_breaks_the_poll_under_way_and_refuses_the_next() {
    let api = server().await;
    let waiting = tokio::spawn(bot(&api).get_updates().timeout(15).send());
    let mut changed = api.changes();
    while api.count_calls("getUpdates") == 0 {
        changed.changed().await.unwrap();
    }
    api.set_airplane(true);
    assert!(matches!(waiting.await.unwrap().unwrap_err(), RequestError::Network(_)));
    assert!(matches!(bot(&api).get_me().await.unwrap_err(), RequestError::Network(_)));
    api.set_airplane(false);
    bot(&api).get_me().await.unwrap();
}

#[tokio::test]
async fn in_a_group_the_bot_is_told_only_of_commands_for_it() {
    let api = server().await;
    let ilya = api.person(ILYA);
    ilya.send_in_group("hello all");
    ilya.send_in_group("/login@other_bot X");
    ilya.send_in_group(&format!("/login@{} X", api.username()));
    let updates = bot(&api).get_updates().await.unwrap();
    assert_eq!(updates.len(), 1);
    let UpdateKind::Message(message) = &updates[0].kind else { panic!("{updates:?}") };
    assert!(message.chat.is_supergroup());
    let button = json!({"inline_keyboard": [[{"text": "x", "web_app": {"url": "https://example.org/"}}]]});
    let refused =
        refusal(&api, "sendMessage", json!({"chat_id": GROUP_ID, "text": "x", "reply_markup": button})).await;
    assert_eq!(refused, "Bad Request: BUTTON_TYPE_INVALID");
}

#[tokio::test]
async fn a_webhook_gets_updates_with_its_secret_until_it_takes_them() {
    use axum::extract::State;
    use axum::http::{HeaderMap, StatusCode};
    use tokio::sync::mpsc;

    let api = server().await;
    let (taken, mut tries) = mpsc::unbounded_channel();
    let hook = async |State(taken): State<mpsc::UnboundedSender<(String, Value)>>,
                      headers: HeaderMap,
                      axum::Json(update): axum::Json<Value>| {
        let secret = headers["X-Telegram-Bot-Api-Secret-Token"].to_str().unwrap().to_owned();
        let fails = secret == "first";
        taken.send((secret, update)).unwrap();
        if fails { StatusCode::BAD_GATEWAY } else { StatusCode::OK }
    };
    let router = axum::Router::new().route("/qr-auth/telegram", axum::routing::post(hook)).with_state(taken);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    api.set_front(listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });

    let bot = bot(&api);
    let url: reqwest::Url = "https://example.org/qr-auth/telegram".parse().unwrap();
    bot.set_webhook(url.clone()).secret_token("first".to_owned()).await.unwrap();
    let conflict = refusal(&api, "getUpdates", json!({})).await;
    assert!(conflict.starts_with("Conflict: can't use getUpdates method while webhook is active"));
    api.person(ILYA).send("hi");
    let (secret, refused) = tries.recv().await.unwrap();
    assert_eq!((secret.as_str(), &refused["message"]["text"]), ("first", &json!("hi")));
    bot.set_webhook(url).secret_token("second".to_owned()).await.unwrap();
    loop {
        let (secret, update) = tries.recv().await.unwrap();
        assert_eq!(update, refused);
        if secret == "second" {
            break;
        }
    }
    let mut changed = api.changes();
    while api.pending_updates() > 0 {
        changed.changed().await.unwrap();
    }
    bot.delete_webhook().await.unwrap();
    assert!(bot.get_updates().await.unwrap().is_empty());
}

#[tokio::test]
async fn commands_are_found_by_chat_then_scope_then_language() {
    let api = server().await;
    let (ilya, anna) = (api.person(ILYA), api.person(ANNA));
    let set = async |name: &str, extra: Value| {
        let mut body = json!({"commands": [{"command": name, "description": "d"}]});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        call(&api, "setMyCommands", body).await.0
    };
    let chat = json!({"scope": {"type": "chat", "chat_id": ANNA}});
    assert_eq!(set("a", json!({})).await, 200);
    assert_eq!(set("b", json!({"scope": {"type": "all_private_chats"}, "language_code": "ru"})).await, 200);
    assert_eq!(set("c", chat.clone()).await, 400, "a chat that the bot never met");
    anna.send("hi");
    assert_eq!((ilya.commands()[0].command.as_str(), anna.commands()[0].command.as_str()), ("b", "a"));
    assert_eq!(set("c", chat).await, 200);
    assert_eq!(anna.commands()[0].command, "c");
    assert_eq!(set("Upper", json!({})).await, 400);
    assert_eq!(api.private_commands()["ru"][0]["command"], "b");
}

#[tokio::test]
async fn launch_data_carries_who_and_when_and_a_forged_hash_differs() {
    let api = server().await;
    let ilya = api.person(ILYA);
    let fields = |data: String| -> std::collections::BTreeMap<String, String> {
        form_urlencoded::parse(data.as_bytes()).into_owned().collect()
    };
    let fresh = fields(ilya.init_data(Some("admin")));
    assert_eq!(fresh["start_param"], "admin");
    let user: Value = serde_json::from_str(&fresh["user"]).unwrap();
    assert_eq!(user["id"], ILYA);
    assert!(fresh.contains_key("signature"));
    let stale = fields(ilya.stale_init_data(3600));
    let age = fresh["auth_date"].parse::<i64>().unwrap() - stale["auth_date"].parse::<i64>().unwrap();
    assert!((3599..=3601).contains(&age), "{age}");
    assert_eq!(fields(ilya.forged_init_data())["hash"].len(), 64);
}

#[tokio::test]
async fn what_answers_a_forced_reply_names_the_question() {
    let api = server().await;
    let (bot, ilya) = (bot(&api), api.person(ILYA));
    ilya.send("/login");
    let chat = ChatId(ILYA);
    let words = ForceReply::new().input_field_placeholder("Code".to_owned());
    let question = bot.send_message(chat, "Which code?").reply_markup(words).await.unwrap();
    let seen =
        ilya.wait_for_message(|message| message.asks_for_reply.as_deref() == Some("Code")).await.unwrap();
    ilya.reply(seen.message_id, "3HBP4Z3ECICZ");
    let updates = bot.get_updates().await.unwrap();
    let UpdateKind::Message(answer) = &updates.last().unwrap().kind else { panic!("{updates:?}") };
    assert_eq!(answer.reply_to_message().map(|it| it.id), Some(question.id));

    let long = ForceReply::new().input_field_placeholder("x".repeat(65));
    bot.send_message(chat, "Which code?").reply_markup(long).await.unwrap_err();
}

/// 1. A request is held back.  2. Another one overtakes it.  3. The first one is carried out after all.
#[tokio::test]
async fn a_held_request_is_carried_out_when_it_is_released() {
    let api = server().await;
    let (bot, ilya) = (bot(&api), api.person(ILYA));
    ilya.send("/start");
    let sent = bot.send_message(ChatId(ILYA), "one").await.unwrap();
    api.fail_next("editMessageText", Fault::HeldRequest);
    let late = tokio::spawn(bot.edit_message_text(ChatId(ILYA), sent.id, "late").send());
    while api.count_calls("editMessageText") == 0 {
        tokio::task::yield_now().await;
    }
    bot.edit_message_text(ChatId(ILYA), sent.id, "two").await.unwrap();
    assert_eq!(ilya.from_bot()[0].text, "two");
    // The request may be on its way to where it is held.
    while !late.is_finished() {
        api.release_answers();
        tokio::task::yield_now().await;
    }
    assert_eq!(ilya.from_bot()[0].text, "late");
}

#[tokio::test]
async fn a_message_that_a_person_deleted_cannot_be_edited() {
    let api = server().await;
    let (bot, ilya) = (bot(&api), api.person(ILYA));
    ilya.send("/start");
    let sent = bot.send_message(ChatId(ILYA), "one").await.unwrap();
    ilya.delete(sent.id.0.into());
    let error = bot.edit_message_text(ChatId(ILYA), sent.id, "two").await.unwrap_err();
    assert!(matches!(error, RequestError::Api(ApiError::MessageToEditNotFound)), "{error:?}");
}
